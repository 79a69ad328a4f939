-- SPDX-License-Identifier: Apache-2.0
ALTER TABLE products ADD CONSTRAINT products_price_check CHECK (price > 0);
