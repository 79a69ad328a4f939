# SPDX-License-Identifier: Apache-2.0
"""How do owner, grants, comments and default privileges come back?

ALTER … OWNER rewrites the grants of both owners, so after one the grants are given anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from backstitch.core.reverse.nodes import ROUTINES, Graph, Node
from backstitch.core.reverse.words import kind_sql, object_sql, signature
from backstitch.model.sql import quote_ident, quote_literal

Grant = tuple[str, str, bool, str]  # grantee ('' is PUBLIC), privilege, with grant option, grantor
_TARGETS = {"r": "TABLES", "S": "SEQUENCES", "f": "FUNCTIONS", "T": "TYPES", "n": "SCHEMAS", "L": "LARGE OBJECTS"}


def owner_sql(node: Node) -> list[str]:
    """Give ALTER … OWNER when the owner is not what it was, or the object is made again."""
    owner = node.was.get("owner")
    if owner is None or owner == node.now.get("owner") or node.kind == "extension":
        return []
    if node.kind == "other":
        return [f"ALTER {node.any.key.sub.upper()} {node.any.key.name} OWNER TO {quote_ident(owner)}"]
    if node.kind == "sequence" and node.was.get("ownedBy"):
        return []  # follows its table, and is made with the right owner
    return [f"ALTER {kind_sql(node)} {node.sql}{signature(node)} OWNER TO {quote_ident(owner)}"]


def comment_sql(node: Node) -> list[str]:
    """Give COMMENT ON when the comment is not what it was, also for the index behind a constraint."""
    statements = []
    if node.was.get("comment") != node.now.get("comment"):
        statements.append(f"COMMENT ON {object_sql(node)} IS {quote_literal(node.was.get('comment'))}")
    if node.was.get("indexComment") != node.now.get("indexComment"):
        name = f"{quote_ident(node.schema_name)}.{quote_ident(node.name)}"
        statements.append(f"COMMENT ON INDEX {name} IS {quote_literal(node.was.get('indexComment'))}")
    return statements


def grants_sql(node: Node, graph: Graph) -> list[str]:
    """Give GRANT and REVOKE so that the grants are what they were."""
    if "acl" not in node.was or node.before is None or node.kind == "defaultPrivileges":
        return []
    owner = _owner(node)
    owner_moved = node.after is not None and _owner_now(node) != owner
    if node.after is not None and not owner_moved and "acl" not in node.changed:
        return []
    wanted = _grants(node.was["acl"])
    target = _target(node)
    if node.after is not None and not owner_moved:
        return _difference(_grants(node.now["acl"]), wanted, target, owner)
    defaults = [t for c in (graph.before, graph.after) for t in c.objects if t.key.kind == "defaultPrivileges"]
    if node.after is None and not defaults:
        return _difference(_grants(node.before.soft.get("defaultAcl") or []), wanted, target, owner)
    present = _grants(node.now.get("acl") or [])
    roles = {g[0] for g in [*present, *wanted]} | {g[0] for t in defaults for g in _grants(t.fields["acl"])}
    roles |= {"", owner}
    if node.kind == "column" and not (present or wanted):
        return []
    everyone = ", ".join(_role(r) for r in sorted(roles))
    privileges = f"ALL {target[0]}" if target[0] else "ALL"
    return [f"REVOKE {privileges} ON {target[1]} FROM {everyone} CASCADE", *_give(wanted, target, owner)]


def default_privileges_sql(node: Node) -> list[str]:
    """Give ALTER DEFAULT PRIVILEGES so that they are what they were."""
    built_in = node.any.soft.get("defaultAcl") or []
    now = _grants(node.after.fields["acl"] if node.after else built_in)
    was = _grants(node.before.fields["acl"] if node.before else built_in)
    key = node.any.key
    head = f"ALTER DEFAULT PRIVILEGES FOR ROLE {quote_ident(key.name)}"
    head += f" IN SCHEMA {quote_ident(key.schema)}" if key.schema else ""
    on = f"ON {_TARGETS[key.sub]}"
    statements = [f"{head} REVOKE {p} {on} FROM {_role(r)}" for r, p, *_ in sorted(now - was)]
    for grantee, privilege, grantable, _ in sorted(was - now):
        option = " WITH GRANT OPTION" if grantable else ""
        statements.append(f"{head} GRANT {privilege} {on} TO {_role(grantee)}{option}")
    return statements


def _grants(acl: Iterable[Iterable[object]]) -> set[Grant]:
    return {(str(g), str(p), bool(o), str(r)) for g, p, o, r in acl}


def _owner(node: Node) -> str:
    holder = node.table if node.kind == "column" else node
    return str(holder.was.get("owner"))


def _owner_now(node: Node) -> str:
    holder = node.table if node.kind == "column" else node
    return str(holder.now.get("owner"))


def _target(node: Node) -> tuple[str, str]:
    """Give the column list for the privileges ('' for none) and what they are on."""
    if node.kind == "column":
        return f"({node.sql})", f"TABLE {node.table.sql}"
    if node.kind in ("table", "view", "materializedView", "foreignTable"):
        return "", f"TABLE {node.sql}"
    if node.kind in ("type", "domain"):
        return "", f"TYPE {node.sql}"
    kind = "PROCEDURE" if node.kind == "procedure" else "FUNCTION" if node.kind in ROUTINES else kind_sql(node)
    return "", f"{kind} {node.sql}{signature(node)}"


def _role(name: str) -> str:
    return quote_ident(name) if name else "PUBLIC"


def _difference(now: set[Grant], was: set[Grant], target: tuple[str, str], owner: str) -> list[str]:
    statements = []
    for grantor, grants in _by_grantor(now - was, owner, last_owner=True):
        by_grantee: dict[str, set[str]] = defaultdict(set)
        for grantee, privilege, _, _ in grants:
            by_grantee[grantee].add(privilege)
        revokes = [
            f"REVOKE {_list(privileges, target)} ON {target[1]} FROM {_role(grantee)}"
            for grantee, privileges in sorted(by_grantee.items())
        ]
        statements += _as(grantor, owner, revokes)
    return statements + _give(was - now, target, owner)


def _give(grants: set[Grant], target: tuple[str, str], owner: str) -> list[str]:
    statements = []
    for grantor, some in _by_grantor(grants, owner, last_owner=False):
        groups: dict[tuple[str, bool], set[str]] = defaultdict(set)
        for grantee, privilege, grantable, _ in some:
            groups[grantee, grantable].add(privilege)
        given = [
            f"GRANT {_list(privileges, target)} ON {target[1]} TO {_role(grantee)}"
            + (" WITH GRANT OPTION" if grantable else "")
            for (grantee, grantable), privileges in sorted(groups.items())
        ]
        statements += _as(grantor, owner, given)
    return statements


def _by_grantor(grants: set[Grant], owner: str, *, last_owner: bool) -> list[tuple[str, list[Grant]]]:
    found: dict[str, list[Grant]] = defaultdict(list)
    for grant in sorted(grants):
        found[grant[3]].append(grant)
    return sorted(found.items(), key=lambda item: ((item[0] == owner) == last_owner, item[0]))


def _as(grantor: str, owner: str, statements: list[str]) -> list[str]:
    """Grants by another than the owner are made in that role; RESET ROLE ends it."""
    if grantor == owner or not statements:
        return statements
    return [f"SET LOCAL ROLE {quote_ident(grantor)}", *statements, "RESET ROLE"]


def _list(privileges: set[str], target: tuple[str, str]) -> str:
    return ", ".join(f"{p} {target[0]}".rstrip() for p in sorted(privileges))
