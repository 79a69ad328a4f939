DROP TABLE IF EXISTS vouchers, gift_cards CASCADE;
