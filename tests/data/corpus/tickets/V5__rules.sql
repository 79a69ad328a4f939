CREATE TABLE gone_tickets (LIKE tickets INCLUDING ALL);
CREATE RULE keep_deleted AS ON DELETE TO tickets DO ALSO INSERT INTO gone_tickets (code, event_id, seat) VALUES (OLD.code, OLD.event_id, OLD.seat) ON CONFLICT DO NOTHING;
CREATE RULE no_update AS ON UPDATE TO gone_tickets DO INSTEAD NOTHING;
COMMENT ON RULE keep_deleted ON tickets IS 'poor man''s trash';
ALTER TABLE gone_tickets DISABLE RULE no_update;
