-- temporary things do not stay
create temporary table fix (id bigint, memo text) on commit drop;
insert into fix select id, 'fixed' from transfers where memo is null;
update transfers t set memo = fix.memo from fix where fix.id = t.id;
