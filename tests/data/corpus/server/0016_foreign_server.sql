CREATE EXTENSION postgres_fdw;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'elsewhere.invalid');
CREATE FOREIGN TABLE far_jobs (id int, name text) SERVER elsewhere OPTIONS (table_name 'jobs');
