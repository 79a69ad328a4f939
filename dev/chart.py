# SPDX-License-Identifier: Apache-2.0
"""Which files of the chart are made from others, and how? `python -m dev.chart` writes them, `--check` compares.

The CRDs of crds/ (Helm never upgrades what lies in a chart's own crds/ folder, so they are templates), the table of
values from the comments of values.yaml, Grafana's dashboard, and Argo CD's settings from its Lua files.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from dev.chart_dashboard import render_dashboard

ROOT = Path(__file__).parents[1]
CHART = ROOT / "charts" / "backstitch"
ARGOCD = ROOT / "argocd"
_LICENCE = "# SPDX-License-Identifier: Apache-2.0\n"
_TABLE = re.compile(r"(?<=<!-- values -->\n).*(?=<!-- /values -->)", re.DOTALL)


class Value(NamedTuple):
    """One value of the chart: where it is, what it is without being set, and what it means."""

    path: str
    default: Any
    meaning: str


def generated() -> dict[Path, str]:
    """Give every generated file with what should be in it. Raises ValueError: a value has no comment."""
    files = {
        CHART / "templates" / "crds" / crd.name: _crd_template(crd) for crd in sorted((ROOT / "crds").glob("*.yaml"))
    }
    files[CHART / "files" / "dashboard.json"] = render_dashboard()
    readme = CHART / "README.md"
    files[readme] = _TABLE.sub(lambda _: _values_table(), readme.read_text())
    files[ARGOCD / "argocd-cm.yaml"] = _argocd_settings()
    return files


def stale() -> list[str]:
    """Name the generated files that are not as they should be."""
    return [
        str(path.relative_to(ROOT))
        for path, text in generated().items()
        if not path.exists() or path.read_text() != text
    ]


def documented_values() -> Iterator[Value]:
    """Give every value of values.yaml that has a comment above it, in order. Raises ValueError: a value has none."""
    text = (CHART / "values.yaml").read_text()
    defaults = yaml.safe_load(text)
    parents: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("#"):
            comment.append(stripped.removeprefix("#").strip())
            continue
        key = re.match(r"( *)([A-Za-z]+):", line)
        if key is None:  # an empty line ends a comment that is about no value
            comment = []
            continue
        depth = len(key[1])
        below = next((parents.index(each) for each in parents if each[0] >= depth), len(parents))
        parents = [*parents[:below], (depth, key[2])]
        path = [name for _, name in parents]
        value = defaults
        for name in path:
            value = value[name]
        inside = any(".".join(path).startswith(f"{each}.") for each in _documented_maps(text))
        if comment:
            yield Value(".".join(path), value, " ".join(comment))
        elif not inside and not isinstance(value, dict):
            raise ValueError(f"values.yaml says nothing about {'.'.join(path)}: write a comment above it")
        comment = []


def _documented_maps(text: str) -> list[str]:
    """Maps written over several lines whose one comment stands for all that is in them."""
    return re.findall(r"^ *#.*\n([A-Za-z]+):$", text, re.MULTILINE)


def _values_table() -> str:
    rows = ["| Value | Default | Meaning |", "|---|---|---|"]
    for value in documented_values():
        default = json.dumps(value.default, ensure_ascii=False).replace("|", "\\|")
        rows.append(f"| `{value.path}` | `{default}` | {value.meaning} |")
    return "\n".join(rows) + "\n"


def _crd_template(crd: Path) -> str:
    text = crd.read_text()
    escaped = re.sub(r"\{\{|\}\}", lambda braces: '{{ "' + braces[0] + '" }}', text)
    kept, found = re.subn(
        r"^(metadata:\n  name: .*\n)",
        r"\1  annotations:\n    helm.sh/resource-policy: keep\n",
        escaped,
        flags=re.MULTILINE,
    )
    if found != 1:
        raise ValueError(f"{crd.name} does not begin as expected (metadata with a name): mend dev/chart.py")
    return "{{- if .Values.crds.install }}\n" + kept + "{{- end }}\n"


def _argocd_settings() -> str:
    """Give the ConfigMap argocd-cm with what resource_customizations/ holds, in the form that Argo CD reads there."""
    data: dict[str, str] = {}
    for kind in sorted((ARGOCD / "resource_customizations" / "backstitch.dev").iterdir()):
        name = f"backstitch.dev_{kind.name}"
        data[f"resource.customizations.health.{name}"] = _lua(kind / "health.lua")
        actions = kind / "actions"
        if actions.exists():
            content = {
                "discovery.lua": _lua(actions / "discovery.lua"),
                "definitions": [
                    {"name": each.parent.name, "action.lua": _lua(each)}
                    for each in sorted(actions.glob("*/action.lua"))
                ],
            }
            data[f"resource.customizations.actions.{name}"] = _dump(content)
    settings = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "argocd-cm",
            "namespace": "argocd",
            "labels": {"app.kubernetes.io/name": "argocd-cm", "app.kubernetes.io/part-of": "argocd"},
        },
        "data": data,
    }
    return (
        _LICENCE
        + "# Generated from resource_customizations/ by `python -m dev.chart`. Add it to the ConfigMap you have:\n"
        + "#   kubectl -n argocd patch configmap argocd-cm --type merge --patch-file argocd/argocd-cm.yaml\n"
        + _dump(settings)
    )


def _lua(path: Path) -> str:
    return path.read_text().replace("-- SPDX-License-Identifier: Apache-2.0\n", "")


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks."""


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _block)


def _dump(content: object) -> str:
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=1000)


def main(arguments: list[str]) -> int:
    """Write the generated files, or with --check only name those that are stale."""
    if arguments == ["--check"]:
        if found := stale():
            print(f"Stale: {', '.join(found)}. Run `python -m dev.chart`.", file=sys.stderr)
        return bool(found)
    for path, text in generated().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
