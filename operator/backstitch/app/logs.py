# SPDX-License-Identifier: Apache-2.0
"""How does a log line look? JSON on standard error, with the migration it is about, and never a password in it."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TextIO

from pythonjsonlogger.json import JsonFormatter

_CONTEXT: ContextVar[dict[str, object] | None] = ContextVar("log_context", default=None)

# What has the shape of a password: in a URL (user:password@), in a keyword string (password=…), in JSON or YAML.
# A last line of defence, not the way secrets are kept out: nothing here should ever match.
_SECRETS = (
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s/]+(@)", re.IGNORECASE), r"\1***\2"),
    (re.compile(r"(\b(?:password|passwd|pgpassword)\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s,;&]+)", re.IGNORECASE), r"\1***"),
    (
        re.compile(r"([\"'](?:password|passwd|secretAccessKey)[\"']\s*:\s*)([\"'][^\"']*[\"'])", re.IGNORECASE),
        r"\1'***'",
    ),
    (re.compile(r"(\bBearer\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), r"\1***"),
)


def redact(text: str) -> str:
    """Give the text with everything that looks like a password replaced by ***."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


@contextmanager
def about(**fields: object) -> Iterator[None]:
    """Add fields to every log line of this task while the block lasts."""
    token = _CONTEXT.set({**(_CONTEXT.get() or {}), **fields})
    try:
        yield
    finally:
        _CONTEXT.reset(token)


class _Formatter(JsonFormatter):
    """One JSON object per line; redacted after everything, tracebacks included, is in it."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class _Context(logging.Filter):
    """Puts the fields of `about` on the record, where the call itself does not say them."""

    def filter(self, record: logging.LogRecord) -> bool:
        for name, value in (_CONTEXT.get() or {}).items():
            if not hasattr(record, name):
                setattr(record, name, value)
        return True


def set_up_logs(level: str, stream: TextIO | None = None) -> None:
    """Send every log line of this process to standard error, as JSON. Calling twice is safe."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(_Context())
    handler.setFormatter(
        _Formatter(
            "{levelname}{name}{message}",
            style="{",
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp="time",
            reserved_attrs=[*_plain_attributes(), "k8s_skip", "settings", "k8s_ref"],
        )
    )
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    # kopf says at INFO what it does with each object; our own lines say what matters
    logging.getLogger("kopf").setLevel(max(logging.WARNING, root.level) if level != "debug" else logging.DEBUG)
    for noisy in ("asyncio", "aiohttp.access", "kubernetes"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _plain_attributes() -> list[str]:
    """Attributes every record has; `name` of a record is the logger's, so the migration's is `migration`."""
    return [*vars(logging.LogRecord("", 0, "", 0, "", None, None)), "message", "asctime"]
