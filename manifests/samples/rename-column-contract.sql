-- SPDX-License-Identifier: Apache-2.0
-- What rename-column.yaml leaves behind, in short.
ALTER TABLE orders ADD COLUMN voucher text;
UPDATE orders SET voucher = coupon;
CREATE FUNCTION orders_voucher() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.voucher := NEW.coupon; RETURN NEW; END';
CREATE TRIGGER orders_voucher BEFORE INSERT OR UPDATE OF coupon ON orders
  FOR EACH ROW EXECUTE FUNCTION orders_voucher();
