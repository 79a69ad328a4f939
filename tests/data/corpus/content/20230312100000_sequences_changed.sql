-- migrate:up
alter sequence revision_numbers cache 10 no cycle minvalue -100000 increment by -2;
alter sequence revision_numbers owned by none;
alter sequence revision_numbers restart with -700;
alter sequence revision_numbers rename to revision_ids;
alter sequence posts_id_seq maxvalue 1000000;

-- migrate:down
alter sequence posts_id_seq no maxvalue;
alter sequence revision_ids rename to revision_numbers;
alter sequence revision_numbers cache 1 cycle increment by -1 owned by revisions.id;
