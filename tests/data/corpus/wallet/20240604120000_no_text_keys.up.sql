alter table transfers drop column source, drop column target;
alter table transfers rename column source_num to source;
alter table transfers rename column target_num to target;
alter table accounts rename column id to code;
alter table accounts rename column num to id;
