# SPDX-License-Identifier: Apache-2.0
"""Backstitch: PostgreSQL migrations that end Succeeded, or RolledBack and proven equal.

Where to look, in reading order:
    model/     what people write and read (spec, status, states, facts, operations, CRDs)
    core/      decisions as functions of plain values: no await, no I/O, no clock
    engine/    doing, through the ports of core/ports.py
    adapters/  the outside world: PostgreSQL, pg_dump, object storage, Kubernetes
    app/       the operator, the command line, and the wiring of both
"""

__version__ = "0.1.0"
