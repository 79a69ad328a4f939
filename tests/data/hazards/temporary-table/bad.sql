CREATE TEMPORARY TABLE scratch (id bigint);
