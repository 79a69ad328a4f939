GRANT SELECT ON orders TO shop_reader;
