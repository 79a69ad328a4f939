-- setup
create schema "Odd Schema";
create table "Odd Schema"."T ""x"" é" ("Col A" int primary key, "select" text default 'it''s');
insert into "Odd Schema"."T ""x"" é" values (1,'x');
create view "Odd Schema"."V 1" as select "select" from "Odd Schema"."T ""x"" é";
-- forward
alter table "Odd Schema"."T ""x"" é" rename column "select" to "From"; alter table "Odd Schema"."T ""x"" é" add column "%s" int; create index "I %s" on "Odd Schema"."T ""x"" é" ("%s"); drop view "Odd Schema"."V 1"; comment on table "Odd Schema"."T ""x"" é" is '100% $1 \ {x}';
