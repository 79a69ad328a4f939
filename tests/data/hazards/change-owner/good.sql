GRANT SELECT ON orders TO shop_admin;
