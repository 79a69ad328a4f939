CALL sell_all();
