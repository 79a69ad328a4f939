# SPDX-License-Identifier: Apache-2.0
"""Where are the application's writes kept, and how are they replayed? The tables and functions in schema backstitch."""

from __future__ import annotations

TABLES = (
    # Numbered by the trigger. The one index holds what is not applied yet, so that each write pays for one only.
    """CREATE TABLE IF NOT EXISTS backstitch.app_changes (
        id bigint GENERATED ALWAYS AS IDENTITY, xid xid8 NOT NULL, relid oid NOT NULL, op "char" NOT NULL,
        atts int2[], old text, new text, at timestamptz NOT NULL DEFAULT clock_timestamp(),
        applied boolean NOT NULL DEFAULT false)""",
    "CREATE UNIQUE INDEX IF NOT EXISTS app_changes_open ON backstitch.app_changes (id) WHERE NOT applied",
    """CREATE TABLE IF NOT EXISTS backstitch.app_tables (
        migration_id bigint NOT NULL, relid bigint NOT NULL, root bigint NOT NULL, rel text NOT NULL,
        key text[] NOT NULL, names jsonb NOT NULL, types jsonb NOT NULL, PRIMARY KEY (migration_id, relid))""",
    """CREATE TABLE IF NOT EXISTS backstitch.restores (
        migration_id bigint PRIMARY KEY, stage text NOT NULL, filled jsonb NOT NULL DEFAULT '[]',
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

# One change after the other, oldest first, of those that `q` gives: with the rows as jsonb of texts and their keys.
# An update carries over the columns that it changed; where the migration had changed the same column before, the
# application's value stays (and is noted).
_REPLAY = """
CREATE OR REPLACE FUNCTION backstitch.replay(q text) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  c record; changed jsonb; here jsonb; ids bigint[] := '{}';
BEGIN
  FOR c IN EXECUTE q LOOP
    ids := ids || c.id;
    IF c.op = 'T' THEN
      INSERT INTO backstitch.todo SELECT root, key FROM backstitch.shadow s WHERE s.root = c.root
        ON CONFLICT DO NOTHING;
      DELETE FROM backstitch.shadow s WHERE s.root = c.root;
      CONTINUE;
    ELSIF c.op = 'I' THEN
      INSERT INTO backstitch.shadow VALUES (c.root, c.k2, c.now)
        ON CONFLICT (root, key) DO UPDATE SET old = excluded.old;
      INSERT INTO backstitch.todo VALUES (c.root, c.k2) ON CONFLICT DO NOTHING;
      CONTINUE;
    ELSIF c.op = 'D' THEN
      DELETE FROM backstitch.shadow s WHERE s.root = c.root AND s.key = c.k;
    ELSE
      SELECT coalesce(jsonb_object_agg(e.key, e.value), '{}') INTO changed FROM jsonb_each(c.now) e
       WHERE c.was->e.key IS DISTINCT FROM e.value;
      SELECT s.old INTO here FROM backstitch.shadow s WHERE s.root = c.root AND s.key = c.k;
      IF here IS NULL OR NOT here @> (SELECT coalesce(jsonb_object_agg(x, c.was->x), '{}')
                                        FROM jsonb_object_keys(changed) x) THEN
        INSERT INTO backstitch.app_tainted VALUES (c.root, c.k2) ON CONFLICT DO NOTHING;
      END IF;
      IF here IS NOT NULL AND c.k = c.k2 THEN
        UPDATE backstitch.shadow s SET old = here || changed WHERE s.root = c.root AND s.key = c.k;
      ELSE
        DELETE FROM backstitch.shadow s WHERE s.root = c.root AND s.key = c.k;
        INSERT INTO backstitch.shadow VALUES (c.root, c.k2, coalesce(here, c.now) || changed)
          ON CONFLICT (root, key) DO UPDATE SET old = excluded.old;
        INSERT INTO backstitch.todo VALUES (c.root, c.k2) ON CONFLICT DO NOTHING;
      END IF;
    END IF;
    INSERT INTO backstitch.todo VALUES (c.root, c.k) ON CONFLICT DO NOTHING;
  END LOOP;
  UPDATE backstitch.app_changes SET applied = true WHERE NOT applied AND id = ANY (ids);
  RETURN cardinality(ids);
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
