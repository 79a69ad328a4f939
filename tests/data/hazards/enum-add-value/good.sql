ALTER TYPE mood OWNER TO shop_admin;
