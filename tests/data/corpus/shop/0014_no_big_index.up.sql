-- no-transaction
DROP INDEX CONCURRENTLY IF EXISTS order_lines_product;
DROP INDEX CONCURRENTLY IF EXISTS never_was_there;
