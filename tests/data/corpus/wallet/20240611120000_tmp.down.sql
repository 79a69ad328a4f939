update transfers set memo = null where memo = 'fixed';
