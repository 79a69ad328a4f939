# SPDX-License-Identifier: Apache-2.0
"""What does the Grafana dashboard show? The list of panels; dev/chart.py writes the JSON that the chart ships."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

_WHERE = '{namespace=~"$namespace", target=~"$target"}'
_BY = "sum by (namespace, target)"


class Panel(NamedTuple):
    """One panel: its kind, how wide of 24, and its queries as (expression, legend)."""

    title: str
    kind: str
    width: int
    unit: str
    queries: tuple[tuple[str, str], ...]


PANELS = (
    Panel("Running now", "stat", 6, "none", (("sum(backstitch_running)", ""),)),
    Panel("Not at rest", "stat", 6, "none", ((f"sum(backstitch_unfinished{_WHERE})", ""),)),
    Panel("Need help", "stat", 6, "none", (('sum(backstitch_migrations{state="NeedsHelp"}) or vector(0)', ""),)),
    Panel(
        "Since the last success",
        "stat",
        6,
        "s",
        ((f"time() - max(backstitch_last_success_timestamp_seconds{_WHERE})", ""),),
    ),
    Panel(
        "Migrations by state",
        "timeseries",
        12,
        "none",
        ((f"sum by (state) (backstitch_migrations{_WHERE})", "{{state}}"),),
    ),
    Panel(
        "Came to rest, per hour",
        "timeseries",
        12,
        "none",
        ((f"sum by (state) (increase(backstitch_outcomes_total{_WHERE}[1h]))", "{{state}}"),),
    ),
    Panel(
        "Time in a stage (95 %)",
        "timeseries",
        12,
        "s",
        (
            (
                f"histogram_quantile(0.95, sum by (stage, le) (rate(backstitch_stage_seconds_bucket{_WHERE}[1h])))",
                "{{stage}}",
            ),
        ),
    ),
    Panel(
        "Waiting for locks",
        "timeseries",
        12,
        "s",
        ((f"{_BY} (increase(backstitch_lock_wait_seconds_total{_WHERE}[1h]))", "{{namespace}}/{{target}}"),),
    ),
    Panel(
        "Proven backups, bytes",
        "timeseries",
        8,
        "bytes",
        ((f"{_BY} (increase(backstitch_backup_bytes_total{_WHERE}[1d]))", "{{namespace}}/{{target}}"),),
    ),
    Panel(
        "Time of a backup (mean)",
        "timeseries",
        8,
        "s",
        (
            (
                f"{_BY} (increase(backstitch_backup_seconds_sum{_WHERE}[1d]))"
                f" / {_BY} (increase(backstitch_backup_seconds_count{_WHERE}[1d]))",
                "{{namespace}}/{{target}}",
            ),
        ),
    ),
    Panel(
        "Passes that ended with an error",
        "timeseries",
        8,
        "none",
        (("sum by (reason) (increase(backstitch_reconcile_errors_total[15m]))", "{{reason}}"),),
    ),
)


def render_dashboard() -> str:
    """Give the dashboard as JSON for Grafana 10 or newer."""
    source = {"type": "prometheus", "uid": "${datasource}"}
    panels: list[dict[str, Any]] = []
    x = y = 0
    for number, panel in enumerate(PANELS, start=1):
        height = 4 if panel.kind == "stat" else 8
        panels.append(
            {
                "id": number,
                "title": panel.title,
                "type": panel.kind,
                "datasource": source,
                "gridPos": {"x": x, "y": y, "w": panel.width, "h": height},
                "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
                "targets": [
                    {"refId": chr(ord("A") + place), "datasource": source, "expr": expression, "legendFormat": legend}
                    for place, (expression, legend) in enumerate(panel.queries)
                ],
            }
        )
        x += panel.width
        if x >= 24:
            x, y = 0, y + height
    dashboard = {
        "title": "Backstitch",
        "uid": "backstitch",
        "tags": ["postgresql"],
        "timezone": "browser",
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-24h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus"},
                _variable("namespace", "label_values(backstitch_migrations, namespace)"),
                _variable("target", 'label_values(backstitch_migrations{namespace=~"$namespace"}, target)'),
            ]
        },
        "panels": panels,
    }
    return json.dumps(dashboard, indent=2) + "\n"


def _variable(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "query": {"query": query, "refId": name},
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,
    }
