UPDATE jobs SET name = upper(name);
PREPARE TRANSACTION 'orphan';
