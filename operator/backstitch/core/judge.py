# SPDX-License-Identifier: Apache-2.0
"""Is what a check found what was wanted? Comparisons of plain values; engine/verify*.py finds them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from backstitch.model.check_kinds import RowCount
from backstitch.model.checks import CheckOutcome, CheckResult
from backstitch.model.expectation import Expect, finite_number

Settled = Literal["passed", "failed", "inconclusive"]

MAX_VALUE = 200  # characters of a value that go into a status
NOISE_MS = 5.0  # a query may take so much longer than before without having become slower


@dataclass(frozen=True)
class Verdict:
    """What comes of one comparison."""

    outcome: CheckOutcome
    value: str | None = None
    expected: str | None = None
    message: str = ""


@dataclass(frozen=True)
class Answer:
    """The first row of a query's answer, as the server's own text of it."""

    rows: int  # 0, 1, or 2 for any more
    columns: int = 1
    category: str = ""  # pg_type.typcategory: N number, B boolean, others are text to us
    type: str = ""  # the type's name, for messages
    text: str | None = None  # None: NULL


@dataclass(frozen=True)
class RowsSeen:
    """The rows of a table at one moment."""

    rows: int
    digest: str | None  # of the keys, whatever their order; None: there is no key to compare
    table_id: int  # oid
    file_id: int  # of its files, partitions included: another one after TRUNCATE, a rewrite, DETACH


def shorten(text: str) -> str:
    """Cut a value to what a status may hold."""
    return text if len(text) <= MAX_VALUE else text[: MAX_VALUE - 1] + "…"


def settle(results: Iterable[CheckResult]) -> Settled:
    """Give the one word for several results; what is only reported does not count, and no checks at all hold."""
    counted = [r.outcome for r in results if not r.report_only]
    if "failed" in counted:
        return "failed"
    return "passed" if all(outcome == "passed" for outcome in counted) else "inconclusive"


def describe(expect: Expect) -> str:
    """Say in words what is expected, such as `number 0`."""
    if expect.empty is not None:
        return "no row" if expect.empty else "at least one row"
    if expect.rows is not None:
        return _rows(expect.rows)
    words = [str(expect.type)]
    if expect.equals is not None:
        words.append(repr(expect.equals) if expect.type == "string" else expect.equals)
    if expect.threshold is not None:
        words.append(f"± {expect.threshold}")
    if expect.min is not None:
        words.append(f"at least {expect.min}")
    if expect.max is not None:
        words.append(("and " if expect.min is not None else "") + f"at most {expect.max}")
    return shorten(" ".join(words))


def judge_rows_given(expect: Expect, given: int) -> Verdict:
    """Compare a number of rows with `rows` or `empty` (where 1 stands for any number)."""
    wanted = describe(expect)
    if expect.empty is not None:
        right, value = (given == 0) == expect.empty, "no row" if given == 0 else "at least one row"
    else:
        right, value = given == expect.rows, _rows(given)
    return Verdict("passed" if right else "failed", value, wanted, "" if right else f"The query gave {value}.")


def judge(expect: Expect, answer: Answer) -> Verdict:
    """Compare the one value of a query with a typed expectation.

    A value of another type, or more than one value, is an error: the check says something else than it means.
    NULL is a failure: nothing was found to compare.
    """
    wanted = describe(expect)
    if answer.columns != 1 or answer.rows > 1:
        shape = "more than one row" if answer.rows > 1 else f"{answer.columns} columns"
        return Verdict(
            "error",
            None,
            wanted,
            f"The query gave {shape}; one row with one value was expected. Use an aggregate such as count(*), "
            "or expect {rows: …} or {empty: true}.",
        )
    if answer.rows == 0:
        return Verdict("failed", "no row", wanted, "The query gave no row; one value was expected.")
    if answer.text is None:
        return Verdict("failed", "NULL", wanted, "The query gave NULL, which equals nothing.")
    value = shorten(answer.text)
    found: str = {"N": "number", "B": "boolean"}.get(answer.category, "string")
    if found != expect.type:
        return Verdict(
            "error",
            value,
            wanted,
            f"The query gave a {found} ({answer.type}), and type: {expect.type} was expected. Cast the value in the "
            "query, or change the type.",
        )
    right = _number_is_right(expect, answer.text) if found == "number" else _text_is_right(expect, answer.text)
    return Verdict("passed" if right else "failed", value, wanted, "" if right else f"Found {value}.")


def judge_count(limits: RowCount, rows: int) -> Verdict:
    """Compare a table's number of rows with its limits."""
    if limits.equals is not None:
        right, wanted = rows == limits.equals, str(limits.equals)
    else:
        low, high = limits.min, limits.max
        right = (low is None or rows >= low) and (high is None or rows <= high)
        parts = [f"at least {low}" if low is not None else "", f"at most {high}" if high is not None else ""]
        wanted = " and ".join(p for p in parts if p)
    message = "" if right else f"{limits.table} has {_rows(rows)}."
    return Verdict("passed" if right else "failed", str(rows), wanted, message)


def judge_none(count: int, what: str, where: str = "") -> Verdict:
    """Pass when nothing wrong was found; `what` is that, such as `NULLs in users`, `where` how it is spread."""
    message = f"{what}: {count}{f' ({where})' if where else ''}." if count else ""
    return Verdict("failed" if count else "passed", str(count), "0", message)


def judge_time(*, median_ms: float, before_ms: float | None, factor: Decimal | None, max_ms: int | None) -> Verdict:
    """Compare a query's time with its limits, in milliseconds."""
    limits: list[tuple[float, str]] = []
    if max_ms is not None:
        limits.append((float(max_ms), f"at most {max_ms} ms"))
    if factor is not None:
        if before_ms is None:
            return Verdict(
                "inconclusive",
                f"{median_ms:.1f} ms",
                f"at most {factor} times as long as before",
                "There is no time from before the migration to compare with: the query could not run then. "
                "Use maxMs for a query that needs the new schema.",
            )
        limit = max(before_ms * float(factor), before_ms + NOISE_MS)
        limits.append((limit, f"at most {limit:.1f} ms ({factor} times {before_ms:.1f} ms)"))
    right = all(median_ms <= limit for limit, _ in limits)
    message = "" if right else f"The query takes {median_ms:.1f} ms."
    return Verdict(
        "passed" if right else "failed", f"{median_ms:.1f} ms", " and ".join(words for _, words in limits), message
    )


def judge_rows_unchanged(
    table: str, start: RowsSeen, now: RowsSeen, own: tuple[int, int], *, all_captured: bool = True
) -> Verdict:
    """Tell whether the migration kept the rows of a table; `own` is what its images say it inserted and deleted.

    What the application wrote meanwhile is no fault of the migration's, so a difference alone does not fail. With
    `all_captured` False the migration may have written more than its images say, so a difference tells nothing.
    """
    inserted, deleted = own
    value, wanted = _rows(now.rows), _rows(start.rows)
    if (now.rows, now.digest) == (start.rows, start.digest):
        if inserted != deleted:
            return Verdict("failed", value, wanted, _own_words(table, own))
        how = "" if now.digest is not None else f"{table} has no primary key: only the number of rows was compared."
        return Verdict("passed", value, wanted, how)
    if now.table_id != start.table_id:
        return Verdict("failed", value, wanted, f"{table} is another table than at the start, with other rows.")
    if inserted != deleted:
        return Verdict("failed", value, wanted, _own_words(table, own))
    if inserted:
        if now.rows == start.rows:
            return Verdict("failed", value, wanted, f"{_own_words(table, own)} Rows with other keys are there now.")
        return Verdict(
            "inconclusive",
            value,
            wanted,
            f"{_own_words(table, own)} The application wrote too, so their keys cannot be compared with the start.",
        )
    if not all_captured:
        return Verdict(
            "inconclusive",
            value,
            wanted,
            f"The rows of {table} are not those of the start, and a step that brings its own `down` may have changed "
            "them: such changes are not recorded, so they cannot be told from the application's. Leave out the `down`, "
            "or use rowCount.",
        )
    if now.rows < start.rows and now.file_id != start.file_id:
        return Verdict(
            "inconclusive",
            value,
            wanted,
            f"{_rows(start.rows - now.rows)} fewer in {table}. The migration's row images show no delete, but the "
            "table was truncated, rewritten or given other partitions since the start, so who removed them cannot "
            "be told.",
        )
    return Verdict(
        "passed",
        value,
        wanted,
        f"The migration added and removed no row of {table}; the application wrote to it meanwhile "
        f"({_rows(start.rows)} at the start, {now.rows} now).",
    )


def _own_words(table: str, own: tuple[int, int]) -> str:
    return f"The migration itself inserted {_rows(own[0])} into {table} and deleted {_rows(own[1])}."


def _rows(number: int) -> str:
    return f"{number} row" if number == 1 else f"{number} rows"


def _text_is_right(expect: Expect, text: str) -> bool:
    return expect.equals is None or text == expect.equals


def _number_is_right(expect: Expect, text: str) -> bool:
    number = finite_number(text)
    if number is None:  # NaN and infinity are numbers, but right only when nothing is asked of them
        return expect.equals is None and expect.min is None and expect.max is None
    if expect.equals is not None and abs(number - Decimal(expect.equals)) > (expect.threshold or 0):
        return False
    return (expect.min is None or number >= expect.min) and (expect.max is None or number <= expect.max)
