-- setup
create domain base as int check (value > 0);
create domain top as base check (value < 100);
create table t (a top, b base);
insert into t values (5, 6);
-- forward
alter domain top add constraint not_seven check (value <> 7) not valid;
alter domain top validate constraint not_seven;
alter domain base drop constraint base_check;
alter domain top rename to highest;
