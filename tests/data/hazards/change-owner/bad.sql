ALTER TABLE orders OWNER TO shop_admin;
