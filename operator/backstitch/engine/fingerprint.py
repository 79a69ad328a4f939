# SPDX-License-Identifier: Apache-2.0
"""Is the schema what it was? Hashes of a catalog, and a comparison that names what differs."""

from __future__ import annotations

from backstitch.model.catalog import Catalog, Comparison, Fingerprint


def fingerprint(catalog: Catalog) -> Fingerprint:
    """Give one hash per object and one for all."""
    raise NotImplementedError


def compare(before: Catalog, after: Catalog) -> Comparison:
    """Tell whether `after` is `before`, and if not, what differs."""
    raise NotImplementedError
