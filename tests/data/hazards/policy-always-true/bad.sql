CREATE POLICY everything ON orders USING (true);
