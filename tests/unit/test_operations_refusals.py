# SPDX-License-Identifier: Apache-2.0
"""Does each operation refuse what cannot be done well, name the object and the way out, and give the safe form?"""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from backstitch.model.facts import Constraint, Index
from backstitch.model.units import BatchUnit, DdlUnit
from tests.unit.operation_facts import WRITTEN, an_operation, context, orders, refusal, users


class TestAddColumn:
    def test_refuses_what_would_rewrite_the_table(self) -> None:
        for default in (
            "random()",
            "gen_random_uuid()",
            "nextval('s')",
            "CLOCK_TIMESTAMP ()",
            "public.uuid_generate_v4()",
        ):
            said = refusal(
                an_operation(addColumn={"table": "users", "column": "x", "type": "text", "default": default})
            )
            assert "rewrite the table" in said
            assert "setDefault" in said
        for default in ("now()", "'random()'", "current_date", "upper('x')"):
            operation = an_operation(addColumn={"table": "users", "column": "x", "type": "text", "default": default})
            assert refusal(operation) == ""
        assert "rewrite" in refusal(an_operation(addColumn={"table": "users", "column": "x", "type": "bigserial"}))

    def test_refuses_not_null_without_a_default_and_a_taken_name(self) -> None:
        said = refusal(an_operation(addColumn={"table": "users", "column": "note", "type": "text", "notNull": True}))
        assert "already has a column note" in said
        assert "cannot be NOT NULL without a default" in said


class TestDropTable:
    def test_names_views_and_foreign_keys_that_use_it(self) -> None:
        used = users(dependents=("view public.adults", "policy mine on table public.users"))
        said = refusal(an_operation(dropTable={"table": "users"}), used, orders())
        assert "view public.adults" in said
        assert "foreign key of_user of public.orders" in said
        assert "policy" not in said

    def test_may_have_its_own_policies(self) -> None:
        own = users(dependents=("policy mine on table public.users",))
        assert refusal(an_operation(dropTable={"table": "users"}), own) == ""

    def test_detaches_its_foreign_keys_and_brings_them_back_validated(self) -> None:
        units = an_operation(dropTable={"table": "orders"}).forward(context())
        validate, move = units
        assert isinstance(validate, DdlUnit)
        assert isinstance(move, DdlUnit)
        assert (validate.forward, validate.lock) == ((), "validate")
        assert validate.backward == ('ALTER TABLE "public"."orders" VALIDATE CONSTRAINT "of_user"',)
        assert move.backward[-1].endswith("REFERENCES public.users(id) NOT VALID")
        assert move.purge == ('DROP TABLE IF EXISTS "backstitch_quarantine"."backstitch_0a1b2c3d_3"',)


class TestDropColumn:
    def test_names_what_depends_on_it(self) -> None:
        changed = (
            users().columns[2].model_copy(update={"dependents": ("view public.v", "trigger t on table public.users")})
        )
        table = users(columns=(*users().columns[:2], changed))
        said = refusal(an_operation(dropColumn={"table": "users", "column": "note"}), table)
        assert "view public.v, trigger t on table public.users" in said

    def test_refuses_keys_that_others_point_at_and_identity(self) -> None:
        said = refusal(an_operation(dropColumn={"table": "users", "column": "id"}))
        assert "primary key" in said
        assert "foreign key of_user of public.orders" in said
        assert "identity" in said

    def test_refuses_a_unique_column_whose_default_would_clash(self) -> None:
        unique = Index(
            name="one", definition="CREATE UNIQUE INDEX one ON public.users (note)", unique=True, columns=("note",)
        )
        said = refusal(an_operation(dropColumn={"table": "users", "column": "note"}), users(indexes=(unique,)))
        assert "unique index one" in said


class TestNotNull:
    def test_setting_goes_through_a_validated_check_of_ours(self) -> None:
        add, validate, switch = an_operation(setNotNull={"table": "users", "column": "note"}).forward(context())
        assert isinstance(validate, DdlUnit)
        assert isinstance(switch, DdlUnit)
        assert isinstance(add, DdlUnit)
        assert add.forward[0].endswith('CHECK ("note" IS NOT NULL) NOT VALID')
        assert validate.lock == "validate"
        assert switch.forward[0].endswith('ALTER COLUMN "note" SET NOT NULL')

    def test_what_is_so_already_is_refused(self) -> None:
        assert "already" in refusal(an_operation(setNotNull={"table": "users", "column": "email"}))
        assert "already" in refusal(an_operation(dropNotNull={"table": "users", "column": "note"}))

    def test_dropping_is_refused_where_the_server_would(self) -> None:
        said = refusal(an_operation(dropNotNull={"table": "users", "column": "id"}))
        assert "primary key" in said
        assert "identity" in said

    def test_a_named_constraint_comes_back_under_its_name(self) -> None:
        named = Constraint(name="odd name", kind="notNull", definition="NOT NULL email NO INHERIT", columns=("email",))
        table = users(constraints=(named,))
        back = an_operation(dropNotNull={"table": "users", "column": "email"}).forward(context(table))[0]
        assert isinstance(back, DdlUnit)
        assert back.backward[0] == 'ALTER TABLE "public"."users" ADD CONSTRAINT "odd name" NOT NULL email NO INHERIT'


class TestConstraints:
    def test_exactly_one_kind(self) -> None:
        for kinds in ({}, {"check": "true", "unique": {"columns": ["id"]}}):
            with pytest.raises(ValidationError, match="exactly one"):
                an_operation(addConstraint={"table": "users", "name": "c", **kinds})

    def test_a_foreign_key_needs_a_key_to_point_at(self) -> None:
        key = {"columns": ["user_id"], "references": "users", "referencedColumns": ["email"]}
        said = refusal(an_operation(addConstraint={"table": "orders", "name": "k", "foreignKey": key}))
        assert "no primary or unique key on (email)" in said
        key["referencedColumns"] = ["emial"]
        said = refusal(an_operation(addConstraint={"table": "orders", "name": "k", "foreignKey": key}))
        assert "Did you mean email?" in said

    def test_partitioned_tables_before_18_take_no_foreign_key(self) -> None:
        key = {"columns": ["user_id"], "references": "users", "referencedColumns": ["id"]}
        operation = an_operation(addConstraint={"table": "orders", "name": "k", "foreignKey": key})
        parts = orders().model_copy(update={"kind": "partitioned"})
        assert "before PostgreSQL 18" in refusal(operation, users(), parts, version=170000)
        assert refusal(operation, users(), parts, version=180000) == ""

    def test_a_key_that_is_pointed_at_stays(self) -> None:
        said = refusal(an_operation(dropConstraint={"table": "users", "name": "users_pkey"}))
        assert "of_user of public.orders" in said

    def test_indexes_behind_constraints_are_dropped_with_those(self) -> None:
        assert "use dropConstraint" in refusal(an_operation(dropIndex={"table": "users", "name": "users_pkey"}))
        assert "It has: users_pkey, by_note" in refusal(an_operation(dropIndex={"table": "users", "name": "nope"}))

    def test_partitioned_tables_get_no_concurrent_index(self) -> None:
        parts = users(kind="partitioned")
        said = refusal(an_operation(createIndex={"table": "users", "name": "i", "columns": ["email"]}), parts)
        assert "each partition" in said


class TestRows:
    @pytest.mark.parametrize("kind", ["backfill", "moveRows", "upsert", "updateRows", "deleteRows"])
    def test_a_table_without_a_key_is_refused(self, kind: str) -> None:
        bare = orders().model_copy(update={"indexes": ()})
        operation = an_operation(**{kind: WRITTEN[kind]})
        said = refusal(operation, users(indexes=()), bare)
        assert "neither a primary key nor a unique key" in said

    def test_what_cascades_is_captured_and_needs_a_key_too(self) -> None:
        operation = an_operation(deleteRows={"table": "users", "where": "true"})
        (unit,) = operation.forward(context(users(), orders(" ON DELETE CASCADE")))
        assert isinstance(unit, BatchUnit)
        assert unit.captures == ("public.users", "public.orders")
        (unit,) = operation.forward(context(users(), orders()))
        assert isinstance(unit, BatchUnit)
        assert unit.captures == ("public.users",)
        bare = orders(" ON DELETE SET NULL").model_copy(update={"indexes": ()})
        assert "public.orders has neither" in refusal(operation, users(), bare)

    def test_computed_and_key_columns_cannot_be_set(self) -> None:
        said = refusal(an_operation(backfill={"table": "users", "set": {"shout": "'A'", "id": "1", "nope": "2"}}))
        assert "Column shout of public.users is generated" in said
        assert "Column id is in the key" in said
        assert "no column nope" in said

    def test_moving_is_one_statement_that_cannot_lose_a_row(self) -> None:
        given = {"from": "users", "to": "orders", "columns": {"id": "id", "user_id": "id"}, "delete": True}
        (unit,) = an_operation(moveRows=given).forward(context())
        assert isinstance(unit, BatchUnit)
        (statement,) = unit.statements
        assert statement.before == 'WITH "users" AS (DELETE FROM "public"."users" WHERE TRUE AND '
        assert statement.after == (
            ' RETURNING *) INSERT INTO "public"."orders" ("id", "user_id") SELECT (id), (id) FROM "users"'
        )
        with pytest.raises(ValidationError, match="lose rows"):
            an_operation(moveRows={**given, "conflict": {"columns": ["id"], "action": "nothing"}})

    def test_moving_without_a_mapping_needs_every_column_in_the_target(self) -> None:
        said = refusal(an_operation(moveRows={"from": "users", "to": "orders"}))
        assert "Table public.orders has no column email" in said
        assert "Say with `columns`" in said
