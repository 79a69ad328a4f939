ALTER TABLE tickets ALTER COLUMN price SET DEFAULT 10, ALTER COLUMN sold DROP DEFAULT;
ALTER TABLE events ALTER starts SET DEFAULT date_trunc('hour', now()) + interval '1 day';
