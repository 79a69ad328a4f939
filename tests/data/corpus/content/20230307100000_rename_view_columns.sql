-- migrate:up
alter view published rename column views to hits;
alter view published rename to visible_posts;
alter table posts rename column title to headline;
alter table authors rename to writers;
alter materialized view podium rename to winners;

-- migrate:down
alter materialized view winners rename to podium;
alter table writers rename to authors;
alter table posts rename column headline to title;
alter view visible_posts rename to published;
alter view published rename column hits to views;
