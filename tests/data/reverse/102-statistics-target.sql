-- setup
create table t (a int, b int);
create statistics st on a, b, (a + b) from t;
-- forward
alter statistics st set statistics 77;
