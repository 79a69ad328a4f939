# SPDX-License-Identifier: Apache-2.0
"""Statements that a step refuses in every environment, because the promise could not be kept; and text hazards."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from backstitch.core.hazard import Found, Look, Rule
from backstitch.model.names import OWN_SCHEMAS, RESERVED_PREFIX
from backstitch.model.script_rules import (
    Rule as Refusal,
)
from backstitch.model.script_rules import (
    changes_setting,
    depends_on_session,
    detaches_concurrently,
    leaves_temporary_table,
    leaves_this_database,
    reindexes_concurrently,
    touches_our_objects,
    transaction_control,
)
from backstitch.model.sql import MAX_IDENTIFIER_BYTES

_STRINGS = re.compile(r"'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/", re.DOTALL)
_WORD = re.compile(r'"((?:[^"]|"")+)"|\b(\w[\w$]*)')


def _refused(rule: Refusal) -> Callable[[Look], Iterable[Found]]:
    def find(look: Look) -> Iterator[Found]:
        reason = rule(look.statement, look.created)
        if reason:
            yield Found(reason.rstrip("."), look.table)

    return find


def _long_name(look: Look) -> Iterator[Found]:
    for quoted, plain in _WORD.findall(_STRINGS.sub(" ", look.statement.text)):
        name = quoted.replace('""', '"') or plain
        if len(name.encode()) > MAX_IDENTIFIER_BYTES and not name.isdigit():
            yield Found(f"{name} is cut to {name.encode()[:MAX_IDENTIFIER_BYTES].decode(errors='ignore')}", look.table)


RULES: tuple[Rule, ...] = (
    Rule("transaction-control", "error", "BEGIN, COMMIT, ROLLBACK, SAVEPOINT, PREPARE TRANSACTION", "none", "none",
         "the change and its ledger row would no longer commit together", "remove it: the step is one transaction",
         _refused(transaction_control), impossible=True),
    Rule("operator-setting", "error", "SET of role, search_path, session_replication_role, time limits and the like, "
         "or SET without LOCAL", "none", "none", "the operator's session would no longer be fenced, limited or visible",
         "spec.searchPath; ownerRole and policy of the MigrationTarget; SET LOCAL for the rest",
         _refused(changes_setting), impossible=True),
    Rule("session-state", "error", "PREPARE, EXECUTE, LISTEN, LOAD, DISCARD, cursors", "none", "none",
         "after a restart the next step runs in another session", "write the statements themselves",
         _refused(depends_on_session), impossible=True),
    Rule("outside-this-database", "error", "CREATE/DROP DATABASE, TABLESPACE, ROLE, SUBSCRIPTION, ALTER SYSTEM, COPY",
         "none", "none", "neither the backup nor the way back covers it",
         "do it outside of migrations; upsert for rows",
         _refused(leaves_this_database), impossible=True),
    Rule("reindex-concurrently", "error", "REINDEX CONCURRENTLY, or REINDEX SCHEMA, DATABASE or SYSTEM",
         "SHARE UPDATE EXCLUSIVE", "builds the indexes again",
         "it changes no schema and, once killed, leaves invalid indexes", "run it outside of migrations",
         _refused(reindexes_concurrently), impossible=True),
    Rule("detach-concurrently", "error", "DETACH PARTITION … CONCURRENTLY", "SHARE UPDATE EXCLUSIVE",
         "waits for readers",
         "once interrupted it can only go forward", "DETACH PARTITION", _refused(detaches_concurrently),
         impossible=True),
    Rule("operator-objects", "error", f"schemas {' and '.join(OWN_SCHEMAS)}, and names with {RESERVED_PREFIX}", "none",
         "none", "the ledger and what a rollback needs are there", "leave them alone; choose another name",
         _refused(touches_our_objects), impossible=True),
    Rule("temporary-table", "error", "CREATE TEMPORARY TABLE without ON COMMIT DROP", "none", "none",
         "it outlives the step in one session and is missing in the next", "ON COMMIT DROP",
         _refused(leaves_temporary_table), impossible=True),
    Rule("name-too-long", "error", f"a name longer than {MAX_IDENTIFIER_BYTES} bytes", "none", "none",
         "PostgreSQL cuts it without an error, and two long names may become one", "a shorter name", _long_name),
)  # fmt: skip
