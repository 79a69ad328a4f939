# SPDX-License-Identifier: Apache-2.0
"""Which leader came first? A term is one holding of one Lease; it marks every session that was opened in it.

The mark stands at the end of application_name (` #1a2b3c4d.7`), so a later leader finds, on the server itself, which
sessions belong to a leader before it, and touches no others: not the command line's, not another cluster's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_MARK = re.compile(r"#([0-9a-f]{8})\.([0-9]{1,18})$")


@dataclass(frozen=True)
class Term:
    """One holding of one Lease."""

    lease: str
    """The first eight hexadecimal digits of the Lease object's uid: another cluster has another one."""
    number: int
    """How often that Lease has changed hands."""

    @property
    def mark(self) -> str:
        """Give what sessions of this term are marked with."""
        return f"#{self.lease}.{self.number}"

    @classmethod
    def read(cls, text: str) -> Term | None:
        """Give the term a text is marked with, or None."""
        found = _MARK.search(text)
        return cls(found[1], int(found[2])) if found else None

    def is_after(self, other: Term | None) -> bool:
        """Tell whether `other` is an earlier term of the same Lease."""
        return other is not None and other.lease == self.lease and other.number < self.number
