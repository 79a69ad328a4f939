# SPDX-License-Identifier: Apache-2.0
"""Names that others rely on: the API group, annotations, the finalizer, and the schemas and prefixes of ours."""

GROUP = "backstitch.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

FINALIZER = f"{GROUP}/finish"
FIELD_MANAGER = "backstitch"

# A person's requests. The value is a token: each new value is one request, an old value is never acted on twice.
RETRY = f"{GROUP}/retry"
ROLLBACK = f"{GROUP}/rollback"
CANCEL = f"{GROUP}/cancel"
CLOSE = f"{GROUP}/close-revert-window"
ADOPT = f"{GROUP}/adopt"  # on a MigrationTarget: the schema as it is now is right

# No request but a state: it holds while the annotation is there, whatever its value.
PAUSE = f"{GROUP}/pause"

AUTHOR = f"{GROUP}/author"  # who wrote the migration; guarded by a policy of the chart

LEDGER_SCHEMA = "backstitch"
QUARANTINE_SCHEMA = "backstitch_quarantine"
OWN_SCHEMAS = (LEDGER_SCHEMA, QUARANTINE_SCHEMA)
RESERVED_PREFIX = "backstitch_"  # triggers, parked columns, half-built indexes, scratch databases
