DROP RULE keep_deleted ON tickets;
DROP RULE read_only ON gone_tickets;
