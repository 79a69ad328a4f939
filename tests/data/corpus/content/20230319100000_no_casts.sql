-- migrate:up
drop operator <<< (rating, rating);
drop cast (integer as rating);

-- migrate:down
create cast (integer as rating) with function rating_of(integer);
create operator <<< (leftarg = rating, rightarg = rating, function = stars_less);
