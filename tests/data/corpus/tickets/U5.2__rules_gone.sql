CREATE RULE keep_deleted AS ON DELETE TO tickets DO ALSO INSERT INTO gone_tickets (code, event_id, seat) VALUES (OLD.code, OLD.event_id, OLD.seat) ON CONFLICT DO NOTHING;
CREATE RULE read_only AS ON UPDATE TO gone_tickets DO INSTEAD NOTHING;
