# SPDX-License-Identifier: Apache-2.0
"""Hazards of triggers, views, functions, policies, types and grants (safety.md 1.6 and 1.7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from backstitch.core.hazard import Found, Look, Rule
from backstitch.model.script_effects import early_enum_values


def _node(kind: str, what: str) -> Callable[[Look], Iterable[Found]]:
    """Give a finder for every statement of one kind, on a table that is not new if it is on a table."""

    def find(look: Look) -> Iterator[Found]:
        if look.node.kind == kind and (look.table is None or look.is_old()):
            yield Found(what, look.table)

    return find


def _drop(*kinds: str) -> Callable[[Look], Iterable[Found]]:
    def find(look: Look) -> Iterator[Found]:
        if look.node.kind == "DropStmt" and look.node.text("removeType") in kinds:
            yield Found(f"{look.statement.tag.removeprefix('DROP ').lower()} goes", look.table)

    return find


def _clause(what: str, *subtypes: str) -> Callable[[Look], Iterable[Found]]:
    return lambda look: (Found(what.format(c.text("name")), look.table) for c in look.commands(*subtypes))


def _rls_without_policy(look: Look) -> Iterator[Found]:
    policies = {s.writes[0] for s in look.earlier("CreatePolicyStmt") if s.writes}
    for command in look.node.nodes("cmds"):
        if command.text("subtype") == "AT_EnableRowSecurity" and look.table not in policies:
            yield Found("no policy was created before in this script", look.table)


def _always_true(look: Look) -> Iterator[Found]:
    if look.node.kind == "CreatePolicyStmt" and look.node.flag("permissive"):
        for name in ("qual", "with_check"):
            condition = look.node.node(name)
            constant = condition.node("boolval") if condition is not None else None
            if constant is not None and constant.flag("boolval"):
                yield Found(f"policy {look.node.text('policy_name')} lets everything through", look.table)
                return


def _definer(look: Look) -> Iterator[Found]:
    options = look.node.nodes("options") if look.node.kind == "CreateFunctionStmt" else ()
    names = {o.text("defname") for o in options}
    for option in options:
        value = option.node("arg")
        definer = option.text("defname") == "security" and value is not None and value.flag("boolval")
        if definer and "set" not in names:
            yield Found(f"function {'.'.join(look.node.strings('funcname'))} runs as its owner with any search_path")


def _select_star(look: Look) -> Iterator[Found]:
    query = look.node.node("query")
    if look.node.kind == "ViewStmt" and query is not None:
        for target in query.nodes("targetList"):
            value = target.node("val")
            if value is not None and any(f.kind == "A_Star" for f in value.nodes("fields")):
                yield Found(f"view {look.table} fixes the columns of today", look.table)


def _refresh(look: Look) -> Iterator[Found]:
    if look.node.kind == "RefreshMatViewStmt" and not look.node.flag("concurrent") and look.is_old():
        yield Found(f"readers of {look.table} wait for the query", look.table)


def _enum(renames: bool) -> Callable[[Look], Iterable[Found]]:
    def find(look: Look) -> Iterator[Found]:
        if look.node.kind == "AlterEnumStmt" and bool(look.node.text("oldVal")) == renames:
            yield Found(f"type {'.'.join(look.node.strings('typeName'))} gets the value {look.node.text('newVal')!r}")

    return find


def _enum_too_early(look: Look) -> Iterator[Found]:
    added = look.earlier("AlterEnumStmt")
    if added and early_enum_values((*added, look.statement)):
        yield Found("the value was added in this transaction")


def _composite(look: Look) -> Iterator[Found]:
    if look.statement.tag == "ALTER TYPE" and look.node.kind == "AlterTableStmt":
        yield Found("every table with a column of that type is affected")


def _revoke(look: Look) -> Iterator[Found]:
    if look.node.kind == "GrantStmt" and not look.node.flag("is_grant"):
        yield Found("the application may need it")


def _grant_public(look: Look) -> Iterator[Found]:
    if look.node.kind == "GrantStmt" and look.node.flag("is_grant"):
        for _ in (role for role in look.node.nodes("grantees") if role.text("roletype") == "ROLESPEC_PUBLIC"):
            yield Found("every role of the server gets it")


_NOW = "metadata only"
_AX = "ACCESS EXCLUSIVE"
RULES: tuple[Rule, ...] = (
    Rule("create-trigger", "warning", "CREATE TRIGGER on a table that is in use", "SHARE ROW EXCLUSIVE", _NOW,
         "writes wait for a moment; from then on each write does more", "test the trigger with the application first",
         _node("CreateTrigStmt", "every write runs it from then on")),
    Rule("drop-trigger", "warning", "DROP TRIGGER", _AX, _NOW, "what it kept right is no longer kept right",
         "CREATE OR REPLACE TRIGGER where it is only changed: it takes a weaker lock", _drop("OBJECT_TRIGGER")),
    Rule("disable-trigger", "warning", "DISABLE TRIGGER", "SHARE ROW EXCLUSIVE", _NOW,
         "what it kept right is not kept right until it is enabled again", "change the trigger's function instead",
         _clause("trigger {} stops working", "AT_DisableTrig")),
    Rule("disable-all-triggers", "error", "DISABLE TRIGGER ALL or USER", "SHARE ROW EXCLUSIVE", _NOW,
         "foreign keys are not checked, and changed rows are not recorded for the way back", "name the trigger",
         _clause("all of them stop working", "AT_DisableTrigAll", "AT_DisableTrigUser"), impossible=True),
    Rule("create-rule", "warning", "CREATE RULE", _AX, _NOW, "statements turn into others, often with surprises",
         "a trigger, or a view", _node("RuleStmt", "statements are rewritten")),
    Rule("create-event-trigger", "warning", "CREATE EVENT TRIGGER", "none", _NOW,
         "every later DDL of everybody runs it, a rollback's too", "do without",
         _node("CreateEventTrigStmt", "every DDL runs it")),
    Rule("enable-row-security-first", "warning", "ENABLE ROW LEVEL SECURITY before there is a policy", _AX, _NOW,
         "everybody but the owner sees no row", "CREATE POLICY first, then enable", _rls_without_policy),
    Rule("disable-row-security", "error", "DISABLE ROW LEVEL SECURITY", _AX, _NOW,
         "everybody with SELECT sees every row", "create a policy that lets through what is meant",
         _clause("policies no longer apply", "AT_DisableRowSecurity")),
    Rule("force-row-security", "warning", "FORCE or NO FORCE ROW LEVEL SECURITY", _AX, _NOW,
         "the owner, and what runs as the owner, sees other rows", "test with the owner's role",
         _clause("the owner sees other rows", "AT_ForceRowSecurity", "AT_NoForceRowSecurity")),
    Rule("policy-always-true", "warning", "a permissive policy with USING (true) or WITH CHECK (true)", _AX, _NOW,
         "it opens the table for every role it is for", "write the condition", _always_true),
    Rule("security-definer-search-path", "warning", "a SECURITY DEFINER function without SET search_path", "none", _NOW,
         "a caller can put own objects in front and act as the owner", "SET search_path = '' and qualified names",
         _definer),
    Rule("view-select-star", "policy", "CREATE VIEW … AS SELECT *", "ACCESS SHARE", _NOW,
         "the columns are those of today; dropping one of them is refused later", "name the columns", _select_star),
    Rule("drop-view", "warning", "DROP VIEW or DROP MATERIALIZED VIEW", "ACCESS EXCLUSIVE on the view", _NOW,
         "running applications that use it fail", "drop it once nobody reads it",
         _drop("OBJECT_VIEW", "OBJECT_MATVIEW")),
    Rule("refresh-blocks-reads", "error", "REFRESH MATERIALIZED VIEW without CONCURRENTLY",
         "ACCESS EXCLUSIVE on the view", "runs the query and writes all rows", "readers wait for the whole query",
         "REFRESH MATERIALIZED VIEW CONCURRENTLY, with a unique index", _refresh, by_size=True),
    Rule("drop-function", "warning", "DROP FUNCTION or PROCEDURE", "none", _NOW,
         "callers in function bodies are text: PostgreSQL does not know them", "drop it once nobody calls it",
         _drop("OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE")),
    Rule("drop-type", "warning", "DROP TYPE or DOMAIN", "none", _NOW, "running applications that name it fail",
         "drop it once nobody uses it", _drop("OBJECT_TYPE", "OBJECT_DOMAIN")),
    Rule("enum-add-value", "warning", "ALTER TYPE … ADD VALUE", "none", _NOW,
         "there is no DROP VALUE: after a rollback the value is still there", "a lookup table, or text with a CHECK",
         _enum(renames=False)),
    Rule("enum-rename-value", "error", "ALTER TYPE … RENAME VALUE", "none", _NOW,
         "the running version of the application fails with the old word", "add a value and backfill",
         _enum(renames=True)),
    Rule("enum-value-too-early", "error", "an enum value used in the transaction that adds it", "none", "none",
         "PostgreSQL refuses the value until the commit", "two steps", _enum_too_early, impossible=True),
    Rule("create-enum", "policy", "CREATE TYPE … AS ENUM", "none", _NOW, "values can be added but not removed",
         "a lookup table, or text with a CHECK", _node("CreateEnumStmt", "its values cannot be removed later")),
    Rule("alter-composite-type", "error", "ALTER TYPE … ADD, DROP or ALTER ATTRIBUTE", _AX + " on tables of that type",
         "may rewrite them", "applications that read the type get other columns", "a new type", _composite),
    Rule("alter-sequence", "warning", "ALTER SEQUENCE", "SHARE ROW EXCLUSIVE on the sequence", _NOW,
         "inserts that take numbers wait; a lower start gives out numbers twice", "only ever raise it",
         _node("AlterSeqStmt", "nextval waits")),
    Rule("create-extension", "warning", "CREATE EXTENSION", "as its script", "unknown",
         "it needs files on the server and often a superuser; what it creates is not in this migration",
         "install it with the database", _node("CreateExtensionStmt", "its script is not part of this migration")),
    Rule("alter-extension", "warning", "ALTER EXTENSION", "as its script", "unknown",
         "there is seldom a script that goes back to the old version", "update it with the database",
         _node("AlterExtensionStmt", "there may be no way back")),
    Rule("drop-extension", "error", "DROP EXTENSION", "as its objects", _NOW,
         "its functions and types are gone for everybody", "leave it", _drop("OBJECT_EXTENSION")),
    Rule("revoke", "warning", "REVOKE", "none", _NOW, "the running version of the application may fail at once",
         "look at who uses it first", _revoke),
    Rule("grant-to-public", "warning", "GRANT … TO PUBLIC", "none", _NOW, "every role of the server gets it",
         "name the role", _grant_public),
    Rule("alter-publication", "warning", "ALTER PUBLICATION", "SHARE UPDATE EXCLUSIVE", _NOW,
         "subscribers must refresh, or replication stops", "change the subscriber first",
         _node("AlterPublicationStmt", "subscribers must follow")),
)  # fmt: skip
