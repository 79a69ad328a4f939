ALTER TABLE orders ADD CONSTRAINT span_ok CHECK (NOT isempty(span)) NOT VALID;
