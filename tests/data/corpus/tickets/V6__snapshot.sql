CREATE TABLE sold_2026 AS SELECT event_id, count(*) AS n, sum(price) FILTER (WHERE price <> 'NaN') AS total FROM tickets WHERE sold GROUP BY event_id;
SELECT event_id, title INTO event_titles FROM tickets JOIN events ON events.id = event_id;
CREATE TABLE events_archive (LIKE events INCLUDING DEFAULTS INCLUDING INDEXES INCLUDING COMMENTS);
INSERT INTO events_archive SELECT * FROM events WHERE id < 50;
