MERGE INTO categories c USING (VALUES (2, 'Books'), (7, 'Games')) AS v(id, name) ON c.id = v.id
WHEN MATCHED THEN UPDATE SET name = v.name
WHEN NOT MATCHED THEN INSERT (id, parent_id, name) VALUES (v.id, 1, v.name);
