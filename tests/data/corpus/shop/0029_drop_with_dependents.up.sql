CREATE VIEW expensive AS SELECT id, sku, price FROM products WHERE price > 50;
CREATE VIEW very_expensive AS SELECT * FROM expensive WHERE price > 100;
