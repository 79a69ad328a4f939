# SPDX-License-Identifier: Apache-2.0
"""How does a new shape come beside the old one? The units that renameColumn, changeType, splitColumn and mergeColumns
share: the new columns with their trigger in one transaction, filled in batches, with what was on the old column."""

from __future__ import annotations

from collections.abc import Sequence

from backstitch.model.facts import Column, Facts, Table
from backstitch.model.in_step import InStep
from backstitch.model.operations.refusals import refuse_columns, refuse_keyless, refuse_table, volatile_call
from backstitch.model.operations.words import code_only
from backstitch.model.sql import QualifiedName, quote_ident, quote_literal
from backstitch.model.units import BatchStatement, BatchUnit, DdlUnit, Unit


def refuse_shapes(facts: Facts, written: str, old: Sequence[str], new: Sequence[str]) -> tuple[str, ...]:
    """Refuse old columns that cannot have a new shape beside them, and new ones that are there already."""
    table = facts.table(written)
    reasons = [*refuse_table(facts, written, ("table",)), *refuse_columns(table, old), *refuse_keyless(table)]
    if table is None:
        return tuple(reasons)
    if table.family and table.certain:
        reasons.append(f"{table.qualified} inherits from or is inherited by {', '.join(table.family)}; separate them.")
    for name in new:
        if table.column(name) is not None:
            reasons.append(f"Table {table.qualified} already has a column {name}; choose another name.")
    for name in old:
        column = table.column(name)
        what = f"Column {name} of {table.qualified}"
        if column is not None and (column.generated or column.identity):
            kind = "generated" if column.generated else "an identity column"
            reasons.append(f"{what} is {kind}; two shapes of it cannot be kept in step. Use `sql` steps.")
        if any(i.primary and name in i.columns for i in table.indexes):
            reasons.append(
                f"{what} is in the primary key, which a second shape would have to take over. Use `sql` steps."
            )
        for kept in table.in_step:
            if name in (*kept.old, *kept.new):
                reasons.append(
                    f"{what} is kept in step with {', '.join(kept.new if name in kept.old else kept.old)} since step "
                    f"{kept.step}; end that with dropOldShape first."
                )
    return tuple(reasons)


def refuse_expressions(expressions: Sequence[str]) -> tuple[str, ...]:
    """Refuse expressions that give another value each time: a row could not be told to be in step."""
    found = [(e, volatile_call(e)) for e in expressions]
    return tuple(
        f"{e!r} calls {call}(), which gives another value each time; the old and the new shape could not be compared."
        for e, call in found
        if call is not None
    )


def table_of(facts: Facts, name: QualifiedName) -> Table:
    """Give the table's facts, or an empty table of that name where nothing is known yet."""
    return facts.tables.get(str(name)) or Table(schema_name=name.schema, name=name.name)


def beside(table: Table, kept: InStep, *, collation: Column | None = None) -> tuple[Unit, ...]:
    """Give the units that add the new columns with their trigger and fill them; going back drops them together.

    New values that do not follow from old ones are archived first: the application wrote them.
    """
    name = table.qualified
    collate = f" COLLATE {quote_ident(collation.collation)}" if collation is not None and collation.collation else ""
    defaults = [f" DEFAULT ({d})" if d is not None else "" for d in kept.new_defaults]
    columns = ", ".join(
        f"ADD COLUMN {quote_ident(c)} {t}{collate}" for c, t in zip(kept.new, kept.new_types, strict=True)
    )  # without a default: old rows get theirs from the old column, not from it
    with_default = [
        f"ALTER TABLE {name.sql} ALTER COLUMN {quote_ident(c)} SET{d}"
        for c, d in zip(kept.new, defaults, strict=True)
        if d
    ]
    gone = ", ".join(f"DROP COLUMN {quote_ident(c)}" for c in kept.new)
    filling = tuple(f"{quote_ident(c)} = ({e})" for c, e in zip(kept.new, kept.up, strict=True))
    empty = " AND ".join(f"{quote_ident(c)} IS NULL" for c in kept.new)
    worth = " OR ".join(f"({e}) IS NOT NULL" for e in kept.up)
    where = f"{empty} AND ({worth})"
    return (
        DdlUnit(
            forward=(f"ALTER TABLE {name.sql} {columns}", *with_default, *kept.made(name, filling=True)),
            backward=(*kept.gone(name), f"ALTER TABLE {name.sql} {gone}"),
            table=str(name),
            archive_columns=kept.new,
            archive_where=kept.out_of_step(),
        ),
        BatchUnit(
            table=str(name),
            key=table.key,
            where=where,
            statements=(BatchStatement(before=f"UPDATE {name.sql} SET {', '.join(filling)} WHERE {where} AND "),),
            captures=(str(name),),
            own_columns=True,
        ),
        # From here on NULL in a new column is a value: it is no sign that the row is still to be filled.
        DdlUnit(forward=(kept.function(),), backward=(kept.function(filling=True),), lock="none"),
    )


def dry_pass(table: Table, kept: InStep, not_null: bool) -> DdlUnit:
    """Give the unit that reads every row, changes nothing, and fails with the first keys that do not convert."""
    name = table.qualified
    tried = [f"(({e})::{t})" for e, t in zip(kept.up, kept.new_types, strict=True)]
    key = " || ', ' || ".join(f"{quote_literal(c + '=')} || r.{quote_ident(c)}::text" for c in table.key) or "'?'"
    all_of = ", ".join(f"count({t}::text)" for t in tried)
    nulls = " OR ".join(f"{t} IS NULL AND {quote_ident(o)} IS NOT NULL" for t, o in zip(tried, kept.old, strict=False))
    first = (
        f"SELECT {all_of} FROM {name.sql} INTO seen"
        if len(tried) == 1
        else f"SELECT ROW({all_of}) FROM {name.sql} INTO whole"
    )
    body = f"""
#variable_conflict use_column
DECLARE r record; seen bigint; whole record; bad text[] := '{{}}'; missing boolean;
BEGIN
  BEGIN
    {first};
    SELECT EXISTS (SELECT FROM {name.sql} WHERE {nulls if not_null else "false"}) INTO missing;
    IF NOT missing THEN RETURN; END IF;
  EXCEPTION WHEN OTHERS THEN
    IF SQLSTATE NOT LIKE '22%' AND SQLSTATE NOT LIKE '23%' THEN RAISE; END IF;
  END;
  FOR r IN SELECT * FROM {name.sql} LOOP
    BEGIN
      SELECT {nulls if not_null else " OR ".join(f"{t}::text IS NULL" for t in tried)}
        {kept.old_row("r")} INTO missing;
      IF {"missing" if not_null else "false"} THEN bad := bad || ({key} || ' (gives NULL)'); END IF;
    EXCEPTION WHEN OTHERS THEN
      bad := bad || ({key} || ' (' || SQLERRM || ')');
    END;
    EXIT WHEN cardinality(bad) >= 10;
  END LOOP;
  RAISE EXCEPTION USING ERRCODE = '22000', MESSAGE = format(
    'These rows of %s do not convert, and nothing was changed: %s%s. Mend them, or write another `up`.',
    {quote_literal(str(name))}, array_to_string(bad, '; '),
    CASE WHEN cardinality(bad) >= 10 THEN '; and maybe more' ELSE '' END);
END"""
    return DdlUnit(forward=(f"DO {quote_literal(body)}",), backward=(), lock="validate", table=str(name))


def rights_and_comment(name: QualifiedName, old: str, new: str) -> tuple[str, ...]:
    """Give the statement that gives the new column the comment and the grants that the old one has for itself."""
    body = f"""
DECLARE g record; t regclass := {quote_literal(name.sql)}; said text;
BEGIN
  SELECT pg_catalog.col_description(attrelid, attnum) INTO said FROM pg_catalog.pg_attribute
   WHERE attrelid = t AND attname = {quote_literal(old)};
  IF said IS NOT NULL THEN
    EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', t, {quote_literal(new)}, said);
  END IF;
  FOR g IN SELECT CASE WHEN x.grantee = 0 THEN 'PUBLIC'
                       ELSE quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END AS who,
           x.privilege_type AS what, x.is_grantable AS further
    FROM pg_catalog.pg_attribute a, pg_catalog.aclexplode(a.attacl) x
   WHERE a.attrelid = t AND a.attname = {quote_literal(old)}
  LOOP
    EXECUTE format('GRANT %s (%I) ON %s TO %s', g.what, {quote_literal(new)}, t, g.who)
      || CASE WHEN g.further THEN ' WITH GRANT OPTION' ELSE '' END;
  END LOOP;
END"""
    return (f"DO {quote_literal(body)}",)


def safe_default(table: Table, column: str) -> str | None:
    """Give a column's default where two evaluations give the same; else None."""
    found = table.column(column)
    default = found.default if found is not None else None
    return default if default is not None and volatile_call(code_only(default)) is None else None
