# SPDX-License-Identifier: Apache-2.0
"""Which statement does a PostgreSQL client send right now? Read from the bytes of one connection, both protocols.

Source: "Message Formats" in the PostgreSQL manual. Without TLS, as all servers of the tests are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_SSL_REQUEST, _CANCEL_REQUEST, _GSS_REQUEST = 80877103, 80877102, 80877104
_PARTS_OF_A_BATCH = (b"P", b"B", b"D", b"E", b"C")  # Parse, Bind, Describe, Execute, Close: none is answered by itself


@dataclass(frozen=True)
class Message:
    """What the server gets at once; `statements` is the SQL that it then has to carry out.

    In the extended protocol that is the whole batch up to its Sync: an explicit COMMIT takes effect before the Sync, an
    implicit transaction commits at it, so only before the batch nothing is done, and only after it all is. (A client
    that flushes in the middle of a batch, as in a pipeline, has what came before the flush passed on alone.)
    """

    wire: bytes
    statements: tuple[str, ...] = ()


class FrontendReader:
    """Cuts a client's byte stream into messages and remembers its prepared statements and portals."""

    def __init__(self) -> None:
        self._unread = b""
        self._in_startup = True
        self._prepared: dict[bytes, str] = {}
        self._portals: dict[bytes, bytes] = {}
        self._executed: list[str] = []
        self._batch = b""

    def feed(self, chunk: bytes) -> Iterator[Message]:
        """The messages that are complete with this chunk, in order."""
        self._unread += chunk
        while (length := self._next_length()) is not None and len(self._unread) >= length:
            wire, self._unread = self._unread[:length], self._unread[length:]
            if self._in_startup:
                code = struct.unpack_from("!i", wire, 4)[0]
                self._in_startup = code in (_SSL_REQUEST, _GSS_REQUEST, _CANCEL_REQUEST)
                yield Message(wire)
            else:
                statements = self._statements(wire[:1], wire[5:])
                self._batch += wire
                if wire[:1] not in _PARTS_OF_A_BATCH:
                    whole, self._batch = self._batch, b""
                    yield Message(whole, statements)

    def _next_length(self) -> int | None:
        prefix = 0 if self._in_startup else 1
        if len(self._unread) < prefix + 4:
            return None
        length: int = struct.unpack_from("!i", self._unread, prefix)[0]
        return prefix + length

    def _statements(self, kind: bytes, body: bytes) -> tuple[str, ...]:
        match kind:
            case b"Q":
                return (body.rstrip(b"\0").decode(),)
            case b"P":
                name, text, _ = body.split(b"\0", 2)
                self._prepared[name] = text.decode()
            case b"B":
                portal, name, _ = body.split(b"\0", 2)
                self._portals[portal] = name
            case b"E":
                name = self._portals.get(body.split(b"\0", 1)[0], b"")
                self._executed.append(self._prepared.get(name, ""))
            case b"S":
                executed, self._executed = tuple(self._executed), []
                return executed
        return ()
