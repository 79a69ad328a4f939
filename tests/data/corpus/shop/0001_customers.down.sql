BEGIN;
DROP TABLE products;
DROP TABLE customers;
COMMIT;
