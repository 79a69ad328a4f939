CREATE POLICY own ON orders USING (status = current_user);
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
