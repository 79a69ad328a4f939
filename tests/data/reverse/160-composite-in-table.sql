-- setup
create type money2 as (amount numeric, currency text);
create table t (id int, m money2);
insert into t values (1, row(1.5,'EUR'));
-- forward
alter type money2 rename attribute currency to cur;
comment on type money2 is 'm';
create function amount(m money2) returns numeric language sql immutable as 'select (m).amount';
