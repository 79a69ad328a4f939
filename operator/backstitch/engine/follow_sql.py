# SPDX-License-Identifier: Apache-2.0
"""Where are the application's writes kept, and how are they replayed? The tables and functions in schema backstitch."""

from __future__ import annotations

TABLES = (
    # Numbered by the trigger. Each write of the application pays for one index.
    """CREATE TABLE IF NOT EXISTS backstitch.app_changes (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, xid xid8 NOT NULL, relid oid NOT NULL, op "char" NOT NULL,
        atts int2[], old text, new text, at timestamptz NOT NULL DEFAULT clock_timestamp())""",
    """CREATE TABLE IF NOT EXISTS backstitch.app_tables (
        migration_id bigint NOT NULL, relid bigint NOT NULL, root bigint NOT NULL, rel text NOT NULL,
        key text[] NOT NULL, names jsonb NOT NULL, types jsonb NOT NULL, PRIMARY KEY (migration_id, relid))""",
    """CREATE TABLE IF NOT EXISTS backstitch.restores (
        migration_id bigint PRIMARY KEY, stage text NOT NULL, filled jsonb NOT NULL DEFAULT '[]',
        seen pg_snapshot NOT NULL, goal pg_snapshot, reached bigint NOT NULL DEFAULT 0,
        floor bigint NOT NULL DEFAULT 0, mark pg_snapshot, mark_id bigint NOT NULL DEFAULT 0,
        rows bigint NOT NULL DEFAULT 0, replayed bigint NOT NULL DEFAULT 0, pause_ms integer,
        begun_at timestamptz NOT NULL DEFAULT clock_timestamp())""",
    # The backup's rows with the application's writes on top, and the keys whose rows may differ from the table's.
    """CREATE TABLE IF NOT EXISTS backstitch.shadow (
        root bigint NOT NULL, key jsonb NOT NULL, old jsonb NOT NULL, PRIMARY KEY (root, key))""",
    """CREATE TABLE IF NOT EXISTS backstitch.todo (
        root bigint NOT NULL, key jsonb NOT NULL, held text, PRIMARY KEY (root, key))""",
    # Rows of which both the migration and the application had written the same column.
    """CREATE TABLE IF NOT EXISTS backstitch.app_tainted (
        root bigint NOT NULL, key jsonb NOT NULL, PRIMARY KEY (root, key))""",
)

# The application's role has no rights in our schema, so the function works with ours.
_CHANGE = """
CREATE OR REPLACE FUNCTION backstitch.app_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp {pinned} AS $$
DECLARE
  atts int2[] := ARRAY(SELECT attnum FROM pg_attribute WHERE attrelid = TG_RELID AND attnum > 0 AND NOT attisdropped
                       ORDER BY attnum);
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO backstitch.app_changes (xid, relid, op, atts, new)
    VALUES (pg_current_xact_id(), TG_RELID, 'I', atts, NEW::text);
  ELSIF TG_OP = 'UPDATE' THEN
    INSERT INTO backstitch.app_changes (xid, relid, op, atts, old, new)
    VALUES (pg_current_xact_id(), TG_RELID, 'U', atts, OLD::text, NEW::text);
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO backstitch.app_changes (xid, relid, op, atts, old)
    VALUES (pg_current_xact_id(), TG_RELID, 'D', atts, OLD::text);
  ELSIF (SELECT relispartition FROM pg_class WHERE oid = TG_RELID) THEN
    EXECUTE format('INSERT INTO backstitch.app_changes (xid, relid, op, atts, old) '
                   'SELECT pg_current_xact_id(), %%s, ''D'', $1, t::text FROM %%s t', TG_RELID, TG_RELID::regclass)
    USING atts;
  ELSE
    INSERT INTO backstitch.app_changes (xid, relid, op) VALUES (pg_current_xact_id(), TG_RELID, 'T');
  END IF;
  RETURN NULL;
END $$
""".replace("%%", "%")

# The changes that `q` gives, with the rows as jsonb of texts and their keys. An update carries over the columns that it
# changed; where the migration had changed the same column before, the application's value stays (and is noted).
# Key by key in memory, and all keys are written at once; one after the other only where a row changed its key or a
# table was emptied, because then keys depend on each other.
_REPLAY = """
CREATE OR REPLACE FUNCTION backstitch.replay(q text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  each text := 'SELECT c.*, coalesce(c.k, c.k2) AS key, m.changed, m.was AS before FROM (' || q || ') c '
    'LEFT JOIN LATERAL (SELECT coalesce(jsonb_object_agg(e.key, e.value), ''{}'') AS changed, '
    'coalesce(jsonb_object_agg(e.key, c.was->e.key), ''{}'') AS was '
    'FROM jsonb_each(c.now) e WHERE c.was->e.key IS DISTINCT FROM e.value) m ON c.op = ''U'' ';
  c record; root bigint; key jsonb; here jsonb; taint boolean; apart boolean := true;
  rows backstitch.shadow[] := '{}'; tainted backstitch.app_tainted[] := '{}';
BEGIN
  FOR c IN EXECUTE each || 'ORDER BY root, key, id' LOOP
    IF c.op = 'T' OR c.k <> c.k2 THEN
      apart := false;
      EXIT;
    END IF;
    IF root IS DISTINCT FROM c.root OR key IS DISTINCT FROM c.key THEN
      IF root IS NOT NULL THEN
        rows := rows || ROW(root, key, here)::backstitch.shadow;
      END IF;
      root := c.root; key := c.key; taint := false;
      here := (SELECT s.old FROM backstitch.shadow s WHERE s.root = c.root AND s.key = c.key);
    END IF;
    IF c.op = 'U' THEN
      IF NOT taint AND (here IS NULL OR NOT here @> c.before) THEN
        taint := true;
        tainted := tainted || ROW(root, key)::backstitch.app_tainted;
      END IF;
      here := coalesce(here, c.now) || c.changed;
    ELSE
      here := c.now;
    END IF;
  END LOOP;
  IF apart THEN
    IF root IS NOT NULL THEN
      rows := rows || ROW(root, key, here)::backstitch.shadow;
    END IF;
    INSERT INTO backstitch.shadow SELECT r.root, r.key, r.old FROM unnest(rows) r WHERE r.old IS NOT NULL
      ON CONFLICT ON CONSTRAINT shadow_pkey DO UPDATE SET old = excluded.old;
    DELETE FROM backstitch.shadow s USING unnest(rows) r WHERE r.old IS NULL AND s.root = r.root AND s.key = r.key;
    INSERT INTO backstitch.todo SELECT r.root, r.key FROM unnest(rows) r ON CONFLICT DO NOTHING;
    INSERT INTO backstitch.app_tainted SELECT t.root, t.key FROM unnest(tainted) t ON CONFLICT DO NOTHING;
    RETURN;
  END IF;
  FOR c IN EXECUTE each || 'ORDER BY id' LOOP
    IF c.op = 'T' THEN
      INSERT INTO backstitch.todo SELECT s.root, s.key FROM backstitch.shadow s WHERE s.root = c.root
        ON CONFLICT DO NOTHING;
      DELETE FROM backstitch.shadow s WHERE s.root = c.root;
      CONTINUE;
    END IF;
    here := (SELECT s.old FROM backstitch.shadow s WHERE s.root = c.root AND s.key = c.key);
    IF c.op = 'U' THEN
      IF here IS NULL OR NOT here @> c.before THEN
        INSERT INTO backstitch.app_tainted VALUES (c.root, c.k2) ON CONFLICT DO NOTHING;
      END IF;
      here := coalesce(here, c.now) || c.changed;
    ELSE
      here := c.now;
    END IF;
    DELETE FROM backstitch.shadow s WHERE s.root = c.root AND s.key = c.k AND (here IS NULL OR c.k <> c.k2);
    IF here IS NOT NULL THEN
      INSERT INTO backstitch.shadow VALUES (c.root, c.k2, here)
        ON CONFLICT ON CONSTRAINT shadow_pkey DO UPDATE SET old = excluded.old;
    END IF;
    INSERT INTO backstitch.todo SELECT c.root, x FROM unnest(ARRAY[c.k, c.k2]) x WHERE x IS NOT NULL
      ON CONFLICT DO NOTHING;
  END LOOP;
END $$
"""

FUNCTIONS = (_CHANGE, _REPLAY)

# The named tables' topmost ancestors, and the tables whose rows a cascade from there deletes or changes. Every table
# of the users where the text does not say, or where a trigger of theirs may write anywhere.
AFFECTED = """
WITH RECURSIVE users AS (
  SELECT c.oid, n.nspname || '.' || c.relname AS rel, c.relispartition AS part, c.relpersistence = 'u' AS unlogged
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%%' AND c.relpersistence <> 't'
     AND n.nspname NOT IN ('information_schema', 'backstitch', 'backstitch_quarantine')
     AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                      AND d.deptype = 'e')),
everything AS (
  SELECT %s OR EXISTS (SELECT FROM pg_trigger t JOIN users u ON u.oid = t.tgrelid
                        WHERE u.rel = ANY(%s) AND NOT t.tgisinternal
                          AND ltrim(t.tgname, '~') NOT LIKE 'backstitch\\_%%')
                        AS yes),
reached AS (
  SELECT oid FROM users, everything WHERE yes OR rel = ANY(%s)
  UNION
  SELECT coalesce(i.inhparent, k.conrelid) FROM reached r
    LEFT JOIN pg_inherits i ON i.inhrelid = r.oid
    LEFT JOIN pg_constraint k ON i.inhparent IS NULL AND k.confrelid = r.oid AND k.contype = 'f'
                             AND (k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd'))
   WHERE coalesce(i.inhparent, k.conrelid) IS NOT NULL)
SELECT DISTINCT u.oid::bigint AS oid, u.rel, u.unlogged FROM reached JOIN users u USING (oid)
 WHERE NOT u.part ORDER BY 1
"""
