# SPDX-License-Identifier: Apache-2.0
"""Are the generated pages of docs/ fresh, is every reason explained, and does every link lead somewhere?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from backstitch.model.conditions import Reason
from dev.docs import pages

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#([^)]*))?\)")


@pytest.mark.parametrize("name", pages())
def test_a_generated_page_is_fresh(name: str) -> None:
    assert (DOCS / name).read_text() == pages()[name], f"docs/{name} is stale: run python -m dev.docs"


def test_the_generated_pages_are_about_everything() -> None:
    made = pages()
    for word in ("moveRows", "dropTable", "upFrom", "columns[].identity"):
        assert word in made["operations.md"]
    for word in ("noOrphans", "threshold", "queryWithin"):
        assert word in made["checks.md"]
    assert "Verifying --> RollingBack: check failed" in made["life-cycle.md"]


def reasons_in_the_code() -> set[str]:
    """Every word that ends up as a reason: `reason="…"`, defaults of error classes, tables of SQLSTATEs."""
    found: set[str] = set()
    for path in (ROOT / "operator" / "backstitch").rglob("*.py"):
        text = path.read_text()
        found |= set(re.findall(r'\breason(?:: str)? ?= ?"([A-Z][A-Za-z]+)"', text))
        if path.name in {"refused.py", "sqlstate.py"}:
            found |= set(re.findall(r'"([A-Z][a-z]+(?:[A-Z][a-z]*)+)"', text))
    return found | {reason.value for reason in Reason}


def test_every_reason_is_explained_with_what_to_do() -> None:
    page = (DOCS / "troubleshooting.md").read_text()
    explained = set(re.findall(r"`([A-Z][A-Za-z]+)`", page))
    assert sorted(reasons_in_the_code() - explained) == []


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    broken = [
        target
        for target, _ in LINK.findall(page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []
