SET LOCAL timezone = 'UTC';
