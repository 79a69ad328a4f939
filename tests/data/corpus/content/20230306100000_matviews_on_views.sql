-- migrate:up
create materialized view author_stats with (fillfactor = 90) as select handle, views, rank() over (order by views desc nulls last) as place from top_authors;
create unique index author_stats_handle on author_stats (handle);
create materialized view podium as select * from author_stats where place <= 3;
create view podium_names as select string_agg(handle, ', ' order by place) as names from podium;
alter materialized view author_stats owner to current_user;

-- migrate:down
drop view podium_names;
drop materialized view podium, author_stats;
