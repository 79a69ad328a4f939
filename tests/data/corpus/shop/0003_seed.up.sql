INSERT INTO customers (email, first_name, last_name, country, credit, created_at)
SELECT 'user' || i || '@example.com', CASE WHEN i % 7 = 0 THEN NULL ELSE 'First' || i END,
       CASE WHEN i % 11 = 0 THEN '' ELSE 'Läst "' || i || '" O''Neill' END,
       CASE i % 4 WHEN 0 THEN 'de' WHEN 1 THEN 'fr' WHEN 2 THEN NULL ELSE 'us' END,
       (i * 37 % 500) / 3.0, timestamp '2023-03-26 01:30:00.123456' + i * interval '17 hours'
FROM generate_series(1, 300) AS i;
INSERT INTO products (sku, name, price, stock, details)
SELECT 'SKU-' || lpad(i::text, 5, '0'), 'Product ' || i, (i * 13 % 1000) / 7.0, i % 50,
       CASE WHEN i % 3 = 0 THEN NULL ELSE format('{"b": %s,  "a": [1, 2.50], "a": "twice"}', i)::json END
FROM generate_series(1, 80) AS i;
INSERT INTO orders (customer_id, status, note, placed_at)
SELECT 1 + (i * 7) % 300, (ARRAY['new','paid','shipped','Cancelled ','PAID'])[1 + i % 5],
       CASE WHEN i % 5 = 0 THEN E'tab\tand\\backslash\nline' END,
       CASE WHEN i % 9 = 0 THEN NULL ELSE timestamp '2024-10-27 02:30' + i * interval '5 hours' END
FROM generate_series(1, 500) AS i;
INSERT INTO order_lines
SELECT o.id, l, 1 + (o.id * l) % 80, 1 + l % 3, CASE WHEN l = 2 THEN NULL ELSE (o.id % 90) + 0.99 END
FROM orders o, generate_series(1, 3) AS l WHERE o.id % l = 0;
