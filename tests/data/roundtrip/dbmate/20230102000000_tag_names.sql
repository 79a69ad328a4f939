-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY tags_lower ON tags (lower(name));

-- migrate:down transaction:false
DROP INDEX tags_lower;
