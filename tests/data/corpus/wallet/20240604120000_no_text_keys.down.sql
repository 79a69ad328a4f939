alter table accounts rename column id to num;
alter table accounts rename column code to id;
alter table transfers rename column target to target_num;
alter table transfers rename column source to source_num;
alter table transfers add column source text, add column target text;
