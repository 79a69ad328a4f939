DROP RULE keep_deleted ON tickets;
DROP TABLE gone_tickets;
