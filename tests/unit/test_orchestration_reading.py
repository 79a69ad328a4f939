# SPDX-License-Identifier: Apache-2.0
"""Does the reader of YAML files take what is ours, and say of everything else where and what is wrong?"""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstitch.core.errors import UsageError
from backstitch.core.read_document import MAX_BYTES, ConfigMap, read_document
from backstitch.model.orchestration import Orchestration
from backstitch.model.spec import DatabaseMigration, MigrationTarget

MIGRATION = """\
apiVersion: backstitch.dev/v1alpha1
kind: DatabaseMigration
metadata: {name: m, creationTimestamp: null, uid: x}
spec:
  targetRef: {name: shop}
  version: "20261121.1"
  type: schema
  phases:
  - name: expand
    steps:
    - name: one
      addColumn: {table: users, column: full_name, type: text}
    - name: two
      sql: {up: "SELECT 1"}
    checks:
    - {name: c, query: SELECT 1, expect: {type: number, equals: 1}}
"""
TARGET = """\
apiVersion: backstitch.dev/v1alpha1
kind: MigrationTarget
metadata: {name: shop}
spec: {environment: development, secretRef: {name: s}}
"""
BLOCK = """\
migration_orchestration:
  project: shop
  environment: staging
  migration: {name: m, version: "1", type: data}
  migration_steps:
  - {step: 1, operation: sql, sql: SELECT 1}
"""
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: sql}\ndata: {up.sql: SELECT 1}\n"


def test_one_file_may_hold_every_kind() -> None:
    text = f"---\n{MIGRATION}---\n# nothing here\n---\n{TARGET}...\n---\n{BLOCK}---\n{CONFIG}"
    kinds = [type(d) for d in read_document(text)]
    assert kinds == [DatabaseMigration, MigrationTarget, Orchestration, ConfigMap]


def changed(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, old
    return text.replace(old, new)


@pytest.mark.parametrize(
    "text, old, new, says",
    [
        (
            MIGRATION,
            '"20261121.1"',
            "20261121.1",
            'line 6: spec.version: expected text, and YAML reads 20261121.1 as a number. Put it in quotes: "',
        ),
        (MIGRATION, '"20261121.1"', "20261121.10", '"20261121.10"'),
        (MIGRATION, '"20261121.1"', "2026-11-21", "YAML reads 2026-11-21 as a date"),
        (MIGRATION, '"20261121.1"', "1:30", "YAML reads 1:30 as a number"),
        (MIGRATION, '"20261121.1"', "", "line 6: spec.version: expected text, found nothing."),
        (
            MIGRATION,
            "name: one",
            "name: no",
            "line 11: spec.phases[0].steps[0].name: expected text, and YAML reads no as true or false. Put it",
        ),
        (
            MIGRATION,
            "type: schema",
            "type: schem",
            "spec.type: expected schema, data, seed or rollback, found 'schem'. Did you mean schema?",
        ),
        (MIGRATION, '  version: "20261121.1"\n', "", "line 5: spec.version: is required"),
        (
            MIGRATION,
            "column: full_name",
            "colum: full_name",
            "spec.phases[0].steps[0].addColumn.colum: unknown field. Did you mean column?",
        ),
        (
            MIGRATION,
            "column: full_name",
            "column: [a]",
            "spec.phases[0].steps[0].addColumn.column: expected text, found a list.",
        ),
        (
            MIGRATION,
            '      sql: {up: "SELECT 1"}\n',
            "      description: nothing\n",
            "spec.phases[0].steps[1]: step 'two' must have exactly one operation, found none",
        ),
        (
            MIGRATION,
            'sql: {up: "SELECT 1"}',
            "sql: SELECT 1",
            "spec.phases[0].steps[1].sql: expected a mapping (key: value), found 'SELECT 1'.",
        ),
        (MIGRATION, "equals: 1", "equals: one", "spec.phases[0].checks[0].expect: equals must be a number"),
        (MIGRATION, "name: two", "name: one", "step name 'one' is used more than once"),
        (MIGRATION, "name: two", "name: Two", "small letters, digits and dashes"),
        (
            MIGRATION,
            "name: two",
            "name: two\n      name: three",
            "line 14: the key name is given twice, first in line 13.",
        ),
        (MIGRATION, "name: two", "on: two", "line 13: the key on is no text to YAML."),
        (
            MIGRATION,
            "steps:\n",
            "steps: {a: 1}\n    more:\n",
            "spec.phases[0].steps: expected a list, found a mapping.",
        ),
        (MIGRATION, "metadata: {name: m, ", "metadata: {", "line 3: metadata.name: is required"),
        (
            MIGRATION,
            "backstitch.dev/v1alpha1",
            "backstitch.dev/v1",
            "apiVersion: expected backstitch.dev/v1alpha1, found 'backstitch.dev/v1'.",
        ),
        (MIGRATION, "kind: DatabaseMigration", "kind: Migration", "found kind: Migration"),
        (MIGRATION, "kind: DatabaseMigration", "kind: [x]", "found kind: ['x']"),
        (MIGRATION, "kind: DatabaseMigration\n", "", "neither kind nor that block"),
        (
            TARGET,
            "environment: development",
            "environment: prod",
            "spec.environment: expected development, staging or production, found 'prod'.",
        ),
        (
            TARGET,
            "secretRef: {name: s}",
            "secretRef: {name: s, port: 99999}",
            "spec.secretRef.port: expected at most 65535, found 99999.",
        ),
        (
            TARGET,
            "secretRef: {name: s}",
            "secretRef: {name: s, port: many}",
            "spec.secretRef.port: expected a whole number, found 'many'.",
        ),
        (
            BLOCK,
            'version: "1"',
            "version: 1.0",
            "line 4: migration_orchestration.migration.version: expected text, and YAML reads 1.0 as a number",
        ),
        (
            BLOCK,
            "project: shop",
            "projct: shop",
            "line 2: migration_orchestration.projct: unknown field. Did you mean project?",
        ),
        (BLOCK, "environment: staging", "environment: stagin", "Did you mean staging?"),
        (BLOCK, "step: 1", "step: 2", "migration_orchestration.migration_steps[0].step: expected 1, found 2"),
        (
            BLOCK,
            "sql: SELECT 1",
            "sqll: SELECT 1",
            "migration_orchestration.migration_steps[0].sqll: unknown field. Did you mean sql?",
        ),
        (
            BLOCK,
            "migration_orchestration:",
            "other: 1\nmigration_orchestration:",
            "other stands beside migration_orchestration",
        ),
        (CONFIG, "data: {up.sql: SELECT 1}", "data: {up.sql: 1}", "data.up.sql"),
    ],
)
def test_a_wrong_field_is_said_with_file_document_line_and_path(text: str, old: str, new: str, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_document(changed(text, old, new), "shop.yaml")
    assert says in refused.value.message
    assert refused.value.message.startswith("shop.yaml, document 1")


def test_the_number_of_the_document_and_its_line_in_the_file_are_said() -> None:
    with pytest.raises(UsageError) as refused:
        read_document(f"{TARGET}---\n{BLOCK}---\n{changed(TARGET, 'name: shop', 'nam: shop')}", "a.yaml")
    assert refused.value.message == "a.yaml, document 3, line 15: metadata.name: is required, and is not there."


def test_all_problems_are_listed_up_to_ten() -> None:
    wrong = changed(MIGRATION, "  targetRef: {name: shop}", "\n".join(f"  x{i}: 1" for i in range(12)))
    with pytest.raises(UsageError) as refused:
        read_document(wrong)
    lines = refused.value.message.splitlines()
    assert len(lines) == 12
    assert "spec.targetRef: is required" in lines[1]
    assert lines[-1] == "  … and 3 more"


def bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text, says",
    [
        ("", "there is no document"),
        ("# only words\n---\n", "there is no document"),
        ("just text", "expected a DatabaseMigration or MigrationTarget"),
        ("- a\n- b\n", "expected a DatabaseMigration"),
        ("a: [1, 2\nb: 3\n", "line 2: this is not YAML"),
        ("a: b: c\n", "line 1: this is not YAML"),
        ("a:\n\tc: d", "line 2: this is not YAML"),
        ("a: 1\nb: x\0y\n", "line 2: there is a NUL byte"),
        ("a: 1\nb: x\x07y\n", "line 2: a character there may not stand in YAML"),
        ("a: !!python/object/apply:os.system [true]", "line 1: could not determine a constructor"),
        ("a: *nobody", "line 1: this is not YAML: found undefined alias"),
        ("a: 2026-13-45", "month must be in 1..12"),
        ("? [a, b]\n: 1\n", "the key a list or mapping is no text"),
        ("&a a: [*a, 1]\nb: &b {c: *b}\n", "an alias stands inside its own anchor"),
        (bomb(), "once its aliases are unfolded"),
        ("[" * 50_000, "nested too deeply"),
        ("a: " + "x" * MAX_BYTES, "more than the 1048576"),
    ],
)
def test_what_is_not_a_sound_document_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_document(text, "a.yaml")
    assert says in refused.value.message
    assert refused.value.message.startswith("a.yaml")


def test_anchors_that_save_writing_are_fine() -> None:
    text = changed(BLOCK, "sql: SELECT 1}", "sql: &s SELECT 1}\n  - {step: 2, operation: sql, sql: *s}")
    (document,) = read_document(text)
    assert isinstance(document, Orchestration)
    assert document.migration_steps[1].sql == "SELECT 1"


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda b: b.decode("latin-1")))
def test_no_text_at_all_breaks_the_reader(text: str) -> None:
    with contextlib.suppress(UsageError):
        read_document(text)


@given(st.data())
def test_no_damage_to_a_file_breaks_the_reader(data: st.DataObject) -> None:
    text = f"{MIGRATION}---\n{BLOCK}"
    at = data.draw(st.integers(0, len(text)))
    until = data.draw(st.integers(at, min(len(text), at + 20)))
    with_this = data.draw(st.sampled_from(["", "\n", "- ", "{", "]", ":", "null", "1", "&a ", "*a", "'", "? ", "|"]))
    with contextlib.suppress(UsageError):
        read_document(text[:at] + with_this + text[until:])
