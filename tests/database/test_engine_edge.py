# SPDX-License-Identifier: Apache-2.0
"""Where rows could be lost: odd types, keys that move, rows changed twice, cascades, triggers, inheritance."""

from __future__ import annotations

import pytest

from backstitch.model.record import Record
from backstitch.model.states import State
from tests.database.test_engine_forward import assert_nothing_left
from tests.plugins.engine import Engine, a_spec

NEVER = [{"name": "never", "query": "select 1", "expect": {"type": "number", "equals": 2}}]


def content(engine: Engine) -> list[tuple[object, ...]]:
    """Every row of every table of the application, with the table it is stored in."""
    tables = engine.rows(
        "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "where relkind = 'r' and nspname !~ '^(pg_|information_schema|backstitch)' order by 1"
    )
    return [(name, *row) for (name,) in tables for row in engine.rows(f"select t::text from only {name} t order by 1")]


async def there_and_back(engine: Engine, steps: str | list[object], **changes: object) -> Record:
    """Run steps whose final check fails; all must be as before, and proven so."""
    before = content(engine)
    given = [{"name": "s", "sql": {"up": steps}}] if isinstance(steps, str) else steps
    record = await engine.migrate(a_spec(given, checks=NEVER, **changes))
    assert content(engine) == before, record.message
    assert record.state is State.ROLLED_BACK, record.message
    assert record.rollback is not None
    assert "never" in record.rollback.cause
    assert "applicationWrites" not in record.rollback.exceptions, record.rollback.differences
    assert record.rollback.rows_kept == 0, record.rollback.kept
    assert_nothing_left(engine)
    return record


ZOO = """
create type mood as enum ('sad', 'Very "happy"');
create domain positive as int check (value > 0);
create type pair as (a int, b text);
create table zoo (id int primary key, f8 float8, f4 float4, n numeric, n2 numeric(10,3), c char(5), vc varchar(3)[],
  by bytea, j json, jb jsonb, ts timestamptz, d date, iv interval, m mood, ms mood[], p positive, pr pair, prs pair[],
  r int4range, mr int4multirange, pt point, x bit(5), vb varbit, ip inet, ts2 tsvector, g int generated always as (id * 2) stored,
  nul int, mon money, u uuid, t time(2), tz timetz, arr text[][]);
insert into zoo (id, f8, f4, n, n2, c, vc, by, j, jb, ts, d, iv, m, ms, p, pr, prs, r, mr, pt, x, vb, ip, ts2, mon, u, t, tz, arr)
select g, (array['NaN', '-0', 'Infinity', '0.1', '1e-300']::float8[])[g], (array['NaN', '-0', '-Infinity', '0.1', '3.4e38']::float4[])[g],
  (array['NaN', '1.000', '1e-20', '12345678901234567890.10', '-0.0']::numeric[])[g], 1.5, 'a', array['abc', null, ''], '\\x00ff5c',
  '{"b":  1, "a": 1, "a": 2}', '{"b":  1, "a": 1}', (array['infinity', '-infinity', '0044-03-15 BC', '2020-02-01 03:04:05.678901+02', null]::timestamptz[])[g],
  (array['infinity', '-infinity', '0044-03-15 BC', '2020-02-01', null]::date[])[g], '1 mon -3 days 04:05:06.789', 'Very "happy"', array['sad', 'Very "happy"']::mood[],
  7, row(1, 'x,"y')::pair, array[row(1, null)::pair, null], '[1,4)', '{[1,2),[5,6)}', '(1,2)', '10110', '101', '10.0.0.1/8', 'a b:3A', 12.34,
  '7b0a2a6c-7d3e-4a43-9b0e-0a9f0c9f0a11', '01:02:03.45', '01:02:03+05:30', array[['a', 'b'], [null, '']] from generate_series(1, 5) g;
"""  # noqa: E501


@pytest.mark.parametrize(
    "up",
    [
        "update zoo set f8 = 1, f4 = 2, n = 3, n2 = 4, c = 'zz', vc = '{}', by = 'x', j = '{}', jb = '1', ts = now(), "
        "d = now(), iv = '1 s', m = 'sad', ms = '{}', p = 1, pr = null, prs = null, r = 'empty', mr = '{}', "
        "pt = '(0,0)', x = '00000', vb = '', ip = '::1', ts2 = '', nul = 3, mon = 0, u = null, t = null, arr = '{}'",
        "delete from zoo",
        "do $$ begin execute 'truncate zoo'; end $$",
        "update zoo set n = n::numeric(40,4)",
        "set local datestyle = 'German'; set local timezone = 'Asia/Tokyo'; set local intervalstyle = 'iso_8601'; "
        "set local bytea_output = 'escape'; set local extra_float_digits = 0; delete from zoo",
        "set local datestyle = 'SQL, DMY'; update zoo set d = '2001-03-04', ts = null where id = 4; "
        "update zoo set p = 8",
    ],
)  # fmt: skip
async def test_every_type_comes_back_exactly(engine: Engine, up: str) -> None:
    engine.database.psql(ZOO)
    await there_and_back(engine, up)


TWICE = "create table t (id int primary key, a int, b text); insert into t select g, 0, 'x' from generate_series(1,5) g"


@pytest.mark.parametrize(
    "up",
    [
        "update t set a = 1; update t set a = 2; update t set a = 3 where id < 4",
        "insert into t values (9, 1, 'n'); update t set a = 2 where id = 9; update t set a = 3 where id = 9",
        "delete from t where id = 1; insert into t values (1, 5, 'again'); delete from t where id = 1",
        "update t set a = 1; update t set a = 0; update t set b = 'y'",
        "do $$ begin for i in 1..5 loop update t set a = a + 1; end loop; end $$",
        "do $$ begin begin update t set a = 9; create table made as select * from t; exception when others then raise; "
        "end; end $$",
        "do $$ begin begin update t set a = 9; raise exception 'x'; exception when others then null; end; end $$",
    ],
)  # fmt: skip
async def test_rows_changed_again_and_again_come_back(engine: Engine, up: str) -> None:
    engine.database.psql(TWICE)
    await there_and_back(engine, up)


@pytest.mark.parametrize(
    "up",
    [
        "update k set n = n + 1 where n < 2000",
        "update k set id = id + 1",
        "update k set id = id + 1000",
        "update k set id = id + 1000, n = n + 1",
        "update k set num = num::numeric(10, 3)",
        "update k set seq = default where id = 2",
        "update k set v = 'w'",
        "delete from k where id > 2",
        "insert into k (id, n, v, num) values (77, 77, 'v', 7)",
        "update k set id = -id; update k set id = 10 + id",
    ],
)
async def test_keys_that_move_come_back(engine: Engine, up: str) -> None:
    engine.database.psql(
        "create table k (id int primary key, n int unique, v text, seq bigint generated always as identity, "
        "num numeric unique); insert into k (id, n, v, num) select g, g, 'v', g from generate_series(5, 1, -1) g"
    )
    await there_and_back(engine, up)


async def test_a_numeric_key_with_another_scale_comes_back(engine: Engine) -> None:
    engine.database.psql("create table k (id numeric primary key); insert into k values (1), (2.0), (3.50)")
    await there_and_back(engine, "update k set id = id::numeric(10, 4)")


@pytest.mark.parametrize("kind", ["char(6)", "bit(6)", 'varchar(6) collate "C"', "numeric(8,2)", "bytea"])
async def test_batches_go_through_every_kind_of_key(engine: Engine, kind: str) -> None:
    value = "g::bit(6)" if "bit" in kind else f"lpad(g::text, 6, '0')::{kind.split(' ', maxsplit=1)[0]}"
    engine.database.psql(
        f"create table k (id {kind} primary key, a int); insert into k select {value}, 0 from generate_series(1, 50) g"
    )
    step = {"name": "s", "updateRows": {"table": "k", "set": {"a": "1"}, "where": "true", "batchRows": 3}}
    seen: list[object] = []

    def look(record: Record) -> None:
        if record.state is State.VERIFYING and not seen:
            seen.extend(engine.rows("select count(*), sum(a) from k"))

    engine.on_record = look
    await there_and_back(engine, [step])
    assert seen == [(50, 50)]


FAMILY = """
create table parent (id int primary key, name text);
create table child (id int primary key, parent_id int references parent on delete cascade on update cascade, v text);
insert into parent values (1, 'one'), (2, 'two');
insert into child values (10, 1, 'a'), (11, 1, 'b'), (12, 2, 'c');
create table node (id int primary key, up int references node on delete cascade);
insert into node values (1, null), (2, 1), (3, 2);
"""


@pytest.mark.parametrize(
    "up",
    [
        "delete from parent where id = 1",
        "delete from node where id = 1",
        "insert into parent values (5, 'five'); update child set parent_id = 5 where id = 10; "
        "insert into parent values (6, 'six')",
        "insert into parent values (5, 'five'); insert into child values (20, 5, 'n'); "
        "insert into parent values (6, 'six')",
        "insert into node values (4, 3), (5, 4); update node set up = 5 where id = 3; insert into node values (6, 5)",
        "insert into parent values (5, 'five'); update child set parent_id = 5 where parent_id = 1; "
        "delete from parent where id = 1",
    ],
)
async def test_families_of_rows_come_back(engine: Engine, up: str) -> None:
    engine.database.psql(FAMILY)
    await there_and_back(engine, up)


async def test_keys_that_take_children_along_are_refused_before_anything_is_changed(engine: Engine) -> None:
    engine.database.psql(FAMILY)
    before = content(engine)
    record = await engine.migrate(a_spec([{"name": "s", "sql": {"up": "update parent set id = id + 100"}}]))
    assert (record.state, content(engine)) == (State.ROLLED_BACK, before)
    assert "child_parent_id_fkey" in record.message
    assert "`down`" in record.message


async def test_inheritance_is_never_half_undone(engine: Engine) -> None:
    engine.database.psql(
        "create table base (id int primary key, a int);"
        "create table more (extra text, primary key (id)) inherits (base);"
        "insert into base values (1, 1); insert into more values (2, 2, 'keep me')"
    )
    before = content(engine)
    for up in ("delete from base", "update base set a = 7", "do $$ begin execute 'delete from base'; end $$"):
        record = await engine.migrate(a_spec([{"name": "s", "sql": {"up": up}}], checks=NEVER), name=f"c{len(up)}")
        assert content(engine) == before, record.message
        assert record.state in (State.ROLLED_BACK, State.REFUSED), record.message


@pytest.mark.parametrize(
    "up",
    [
        "update m set at = at + 10",
        "update m set v = v || '!' where at < 15; insert into m values (12, 'n'); delete from m where at = 3",
        "do $$ begin execute 'truncate m'; end $$",
        "update m_1 set v = 'direct'",
        "do $$ begin execute 'truncate m_1'; end $$",
    ],
)
async def test_partitions_come_back(engine: Engine, up: str) -> None:
    engine.database.psql(
        "create table m (at int primary key, v text) partition by range (at);"
        "create table m_1 partition of m for values from (0) to (10);"
        "create table m_2 partition of m for values from (10) to (100);"
        "insert into m select g, 'v' from generate_series(1, 8) g"
    )
    await there_and_back(engine, up)


ODD = """
create schema "a.b%s";
create table "a.b%s"."T.x %d" ("Id%" int primary key, "per cent %s" text, "q""uote" int, "sp'q" int);
insert into "a.b%s"."T.x %d" select g, 'v', g, g from generate_series(1, 20) g;
create table only_key ("Key" text primary key); insert into only_key values ('a'), ('%s'), ('it''s');
"""


@pytest.mark.parametrize(
    "step",
    [
        {"sql": {"up": 'update "a.b%s"."T.x %d" set "per cent %s" = \'%\' where "Id%" % 2 = 0; '
                       'delete from "a.b%s"."T.x %d" where "Id%" = 3; delete from only_key'}},
        {"sql": {"up": "update only_key set \"Key\" = \"Key\" || '!'; insert into only_key values ('%d')"}},
        {"updateRows": {"table": '"a.b%s"."T.x %d"', "set": {"per cent %s": "'%d'"}, "where": '"Id%" > 3',
                        "batchRows": 4}},
        {"upsert": {"table": '"a.b%s"."T.x %d"', "conflict": {"columns": ["Id%"], "action": "update"},
                    "rows": [{"values": {"Id%": "1", "per cent %s": "%s"}},
                             {"values": {"Id%": "55", "per cent %s": "x"}}]}},
    ],
)  # fmt: skip
@pytest.mark.parametrize("application_writes", [False, True])
async def test_odd_names_come_back(engine: Engine, step: dict[str, object], application_writes: bool) -> None:
    engine.database.psql(ODD)
    if not application_writes:
        await there_and_back(engine, [{"name": "s", **step}])
        return

    def application(record: Record) -> None:
        if record.state is State.VERIFYING:
            engine.on_record = None
            engine.database.psql("""insert into "a.b%s"."T.x %d" values (999); insert into only_key values ('new')""")

    engine.on_record = application
    before = content(engine)
    record = await engine.migrate(a_spec([{"name": "s", **step}], checks=NEVER))
    assert record.state is State.ROLLED_BACK, record.message
    assert set(content(engine)) >= set(before)
    assert len(content(engine)) == len(before) + 2


async def test_a_value_that_is_too_long_is_refused_and_not_cut(engine: Engine) -> None:
    engine.database.psql(
        "create table t (id int primary key, v varchar(3), c char(2)); insert into t values (1, 'a', 'b')"
    )
    for column, value in (("v", "abcdef"), ("c", "xyz")):
        rows = [{"values": {"id": "2", column: value}}]
        step = {
            "name": "s",
            "upsert": {"table": "t", "conflict": {"columns": ["id"], "action": "update"}, "rows": rows},
        }
        record = await engine.migrate(a_spec([step]), name=f"long-{column}")
        assert record.state is State.ROLLED_BACK, record.message
        assert engine.rows("select * from t") == [(1, "a", "b ")]


async def test_a_key_with_included_columns_is_found_again(engine: Engine) -> None:
    engine.database.psql(
        "create table t (id int, note text, v int, primary key (id) include (note));"
        "insert into t values (1, null, 1), (2, 'n', 2)"
    )
    await there_and_back(engine, "update t set v = 9, note = 'x'; delete from t where id = 1")


@pytest.mark.parametrize(
    "up",
    [
        "update t set p = 5 - p",
        "update t set p = -1 where id = 1; update t set p = 1 where id = 2; update t set p = 2 where id = 1",
        "update t set id = 5 - id; delete from t where id = 1",
    ],
)
async def test_values_that_are_swapped_come_back(engine: Engine, up: str) -> None:
    engine.database.psql(
        "create table t (id int primary key deferrable initially deferred, p int unique deferrable);"
        "insert into t select g, g from generate_series(1, 4) g"
    )
    await there_and_back(engine, up)
