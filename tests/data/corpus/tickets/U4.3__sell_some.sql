UPDATE tickets SET sold = false, holder = NULL WHERE holder IN ('by hand', 'batch');
