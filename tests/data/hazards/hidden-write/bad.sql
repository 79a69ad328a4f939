WITH gone AS (DELETE FROM countries WHERE id = 1 RETURNING id) SELECT count(*) FROM gone;
