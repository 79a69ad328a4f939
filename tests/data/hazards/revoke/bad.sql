REVOKE SELECT ON orders FROM shop_reader;
