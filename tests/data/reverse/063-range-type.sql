-- setup
create type fr as range (subtype = float8, subtype_diff = float8mi);
comment on type fr is 'r';
-- forward
drop type fr;
create type tr as range (subtype = time);
