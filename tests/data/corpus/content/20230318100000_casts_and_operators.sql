-- migrate:up
create type rating as (stars smallint, votes integer);
create function rating_of(integer) returns rating language sql immutable as 'select row($1::smallint, 1)::rating';
create cast (integer as rating) with function rating_of(integer);
create function stars_less(rating, rating) returns boolean language sql immutable as 'select ($1).stars < ($2).stars';
create operator <<< (leftarg = rating, rightarg = rating, function = stars_less);
alter table posts add column rated rating default row(3, 0)::rating;

-- migrate:down
alter table posts drop column rated;
drop operator <<< (rating, rating);
drop function stars_less;
drop cast (integer as rating);
drop function rating_of;
drop type rating;
