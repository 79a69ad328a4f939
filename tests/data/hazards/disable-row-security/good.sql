CREATE POLICY own ON orders USING (status = current_user);
