# SPDX-License-Identifier: Apache-2.0
"""Does a rehearsal say what production would see, and is production left alone until it says yes?"""

from __future__ import annotations

import json

from backstitch.model.rehearsal import Rehearsal
from backstitch.model.rehearsal_spec import RehearsalSpec
from tests.plugins.engine import Engine, a_spec

START = """
create table users (id bigint primary key, first_name text, last_name text not null, city text);
insert into users select g, 'first ' || g, 'last ' || g, 'city ' || g % 7 from generate_series(1, 2000) g;
create table old_stuff (id int primary key, what text);
insert into old_stuff select g, 'stuff ' || g from generate_series(1, 5) g;
"""

PHASES = """
- name: expand
  steps:
  - {name: add-full-name, addColumn: {table: users, column: full_name, type: text}}
  - {name: by-city, createIndex: {table: users, name: users_city, columns: [city]}}
- name: migrate
  steps:
  - name: fill
    backfill:
      {table: users, set: {full_name: "first_name || ' ' || last_name"}, where: "full_name IS NULL", batchRows: 500}
  - name: note
    sql: {up: "create view short as select id from users; update old_stuff set what = upper(what) where id < 3"}
  checks:
  - {name: filled, noNulls: {table: users, columns: [full_name]}}
- name: switch
  steps:
  - {name: required, setNotNull: {table: users, column: full_name}}
  - {name: away, dropTable: {table: old_stuff}}
"""


def report_of(engine: Engine) -> Rehearsal:
    """Give the report that the ledger keeps of the latest rehearsal."""
    ((plain,),) = engine.rows("select report::text from backstitch.rehearsals order by id desc limit 1")
    return Rehearsal.model_validate(json.loads(plain))


async def test_production_is_touched_after_a_rehearsal_that_holds(engine: Engine) -> None:
    engine.rows(START)
    record = await engine.migrate(a_spec(PHASES), environment="production", rehearsal=RehearsalSpec())
    assert (record.state, record.message) == ("Succeeded", record.message)
    states = list(dict.fromkeys(str(r.state) for r in engine.seen))
    assert states[:3] == ["BackingUp", "Rehearsing", "Migrating"]
    report = report_of(engine)
    assert report.verdict == "Identical"
    assert {g.result for g in report.gates} == {"held"}
