# SPDX-License-Identifier: Apache-2.0
"""Which objects does the database have right now? The whole schema as one value, ours left out."""

from __future__ import annotations

from backstitch.core.ports import Session
from backstitch.model.catalog import Catalog


async def read_catalog(session: Session) -> Catalog:
    """Give every object of the database, as it is for this session's transaction.

    Runs inside the transaction that is open, or one of its own. The session's search_path is '' meanwhile and is
    put back. Raises DatabaseError.
    """
    raise NotImplementedError
