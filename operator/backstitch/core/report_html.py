# SPDX-License-Identifier: Apache-2.0
"""How does HTML come from values without a hole? `tag` escapes everything that is not Html already; there is no other
way to make Html than this file's functions."""

from __future__ import annotations

import html
import re

_VOID = frozenset(("meta", "br"))
# What HTML has no place for, and what turns text round: a name that reads as another one.
_CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


class Html(str):
    """Text that is HTML and needs no escaping."""

    __slots__ = ()


Part = Html | str | int | float | None


def text(value: object) -> Html:
    """Give a value as HTML text; control and direction characters become a visible sign."""
    return Html(html.escape(_CONTROL.sub("\ufffd", str(value)), quote=True))


def join(*parts: Part) -> Html:
    """Put parts one after the other; None is nothing, plain text is escaped."""
    return Html("".join(p if isinstance(p, Html) else text(p) for p in parts if p is not None))


def tag(name: str, /, *children: Part, **attributes: str | float | None) -> Html:
    """Give one element. `cls` is class, other attributes are escaped; None leaves one out."""
    words = []
    for key, value in attributes.items():
        if value is not None:
            attribute = "class" if key == "cls" else key.replace("_", "-")
            words.append(f' {attribute}="{text(value)}"')
    opening = f"<{name}{''.join(words)}>"
    return Html(opening) if name in _VOID else Html(f"{opening}{join(*children)}</{name}>")


def table(head: tuple[str, ...], rows: list[tuple[Part, ...]], *, cls: str = "") -> Html:
    """Give a table without its empty columns. Cells carry their column's name, so that a phone can stack them."""
    used = [n for n in range(len(head)) if any(row[n] for row in rows)]
    head, rows = tuple(head[n] for n in used), [tuple(row[n] for n in used) for row in rows]
    body = [
        tag("tr", *(tag("td", tag("div", cell), data_label=name) for name, cell in zip(head, row, strict=True)))
        for row in rows
    ]
    return tag(
        "table",
        tag("thead", tag("tr", *(tag("th", name, scope="col") for name in head))),
        tag("tbody", *body),
        cls=cls or None,
    )


def section(title: str, *children: Part, intro: str = "", anchor: str = "") -> Html:
    """Give a part of the page with its heading."""
    return tag(
        "section",
        tag("h2", title),
        tag("p", intro, cls="intro") if intro else None,
        *children,
        id=anchor or None,
    )


def badge(word: str, tone: str) -> Html:
    """Give a word with a colour and a sign, so that colour is never all there is."""
    sign = {"good": "✓", "bad": "✕", "warn": "!", "calm": "•"}[tone]
    return tag("span", tag("span", sign, aria_hidden="true"), f" {word}", cls=f"badge {tone}")
