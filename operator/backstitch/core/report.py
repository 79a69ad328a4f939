# SPDX-License-Identifier: Apache-2.0
"""One self-contained HTML page about one migration: what happened, is my data safe, what to do next, then the proof.

Nothing is loaded from anywhere, nothing runs: the page's own policy forbids both. Names and SQL are escaped.
"""

from __future__ import annotations

import re

from backstitch.core.report_data import Report
from backstitch.core.report_html import Html, Part, badge, join, section, table, tag
from backstitch.core.report_rehearsal import rehearsal_parts
from backstitch.core.report_run import backup_part, checks_table, rollback_part, run_timeline, steps_table
from backstitch.core.report_style import STYLE
from backstitch.core.report_words import Answer, Tone, answers_of, headline_of, tone_of
from backstitch.core.view_text import duration_text
from backstitch.model.rehearsal import Rehearsal

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_CODE = re.compile(r"`([^`]+)`")
_LEVELS: dict[str, Tone] = {"error": "bad", "warning": "warn"}


def render_report(report: Report, *, rehearsal_only: bool = False) -> str:
    """Give the page. `rehearsal_only`: about the rehearsal, which must be there, and not about production."""
    record = report.record
    title = f"{record.name} {record.version}"
    if rehearsal_only:
        assert report.rehearsal is not None
        tone, headline, why = _rehearsed(report.rehearsal)
        body: list[Part] = [_banner(tone, headline, why), *rehearsal_parts(report.rehearsal)]
    else:
        body = [
            _banner(tone_of(report), headline_of(report), ""),
            tag("div", *(_card(a) for a in answers_of(report)), cls="cards"),
            run_timeline(report),
            steps_table(report) if record.steps else None,
            checks_table(report),
            rollback_part(record.rollback),
            backup_part(report),
            *(rehearsal_parts(report.rehearsal) if report.rehearsal is not None else ()),
        ]
    body.append(_hazards(report))
    page = tag(
        "html",
        tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
            tag("title", f"{title}: {record.state}"),
            tag("style", Html(STYLE)),
        ),
        tag("body", tag("main", _head(report, title), *body, _foot(report))),
        lang="en",
    )
    return f"<!DOCTYPE html>\n{page}\n"


def _head(report: Report, title: str) -> Html:
    record = report.record
    words = [f"{record.namespace}/{record.name} on {report.database} ({report.environment})"]
    if record.attempt > 1:
        words.append(f"attempt {record.attempt}")
    if record.started_at:
        words.append(f"first change {record.started_at:%Y-%m-%d %H:%M:%S} UTC")
    if record.started_at and record.finished_at:
        took = int((record.finished_at - (report.created_at or record.started_at)).total_seconds() * 1000)
        words.append(f"took {duration_text(took)} with its backup")
    return join(
        tag("h1", title),
        tag("p", report.description, cls="intro") if report.description else None,
        tag("p", ", ".join(words), cls="where"),
    )


def _banner(tone: Tone, headline: str, why: str) -> Html:
    sign = {"good": "✓", "bad": "✕", "warn": "!", "calm": "…"}[tone]
    return tag(
        "div",
        tag("strong", tag("span", sign, aria_hidden="true"), f" {headline}"),
        tag("p", why) if why else None,
        cls=f"banner {tone}",
    )


def _card(answer: Answer) -> Html:
    rest = [tag("p", _with_code(words)) for words in answer.rest]
    return tag("div", tag("h2", answer.question), tag("p", answer.lead, cls="lead"), *rest, cls="card")


def _with_code(words: str) -> Html:
    """Give text with what stands between backticks as code."""
    parts = _CODE.split(words)
    return join(*(tag("code", part) if n % 2 else part for n, part in enumerate(parts)))


def _rehearsed(rehearsal: Rehearsal) -> tuple[Tone, str, str]:
    if rehearsal.failure:
        return "bad", "The rehearsal failed; production was not touched by it", rehearsal.failure
    bad = [g for g in rehearsal.gates if g.result == "broken"]
    if bad:
        return "bad", f"Rehearsed: {len(bad)} of {len(rehearsal.gates)} gates are broken", bad[0].message
    if not rehearsal.proven:
        return "warn", "Rehearsed, not everything could be proven", ""
    return "good", "Rehearsed and proven: forward, back, compared, forward again", ""


def _hazards(report: Report) -> Html | None:
    if not report.hazards:
        return None
    rows: list[tuple[Part, ...]] = [
        (badge(h.level, _LEVELS.get(h.level, "calm")), h.step, join(h.message, tag("div", h.id, cls="quiet")), h.safe)
        for h in report.hazards
    ]
    return section(
        "Hazards in the SQL",
        table(("Level", "Step", "What it may do", "Instead"), rows),
        intro="From the text alone: how large the tables are is not known here, so a small one counts as large.",
    )


def _foot(report: Report) -> Html:
    record = report.record
    words = [f"Made by Backstitch at {report.made_at:%Y-%m-%d %H:%M:%S} UTC from the ledger in {report.database}."]
    words += [f"Content {record.digest[:16]}."] if record.digest else []
    words += [f"Plan {record.plan_digest[:16]}."] if record.plan_digest else []
    if report.rehearsal is not None and report.rehearsal.digest:
        words.append(f"Rehearsal {report.rehearsal.digest[:16]}.")
    return tag("footer", " ".join(words))
