DELETE FROM tickets t USING events e WHERE e.id = t.event_id AND e.starts < '2026-03-01' AND NOT t.sold;
