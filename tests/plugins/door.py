# SPDX-License-Identifier: Apache-2.0
"""How does a test take a whole server away from another process, and give it back? A TCP door that shuts and opens.

It runs in threads of its own, so that tests without an event loop can use it.
"""

from __future__ import annotations

import contextlib
import socket
import threading


class Door:
    """A port of 127.0.0.1 in front of another one. Starts open."""

    def __init__(self, port_behind: int) -> None:
        self._behind = port_behind
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._is_open = True
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def shut(self) -> None:
        """Cut every connection, and every new one as soon as it comes."""
        with self._lock:
            self._is_open = False
            for connection in self._connections:
                _end(connection)
            self._connections.clear()

    def open(self) -> None:
        """Let through again."""
        with self._lock:
            self._is_open = True

    def close(self) -> None:
        """Shut it for good."""
        self.shut()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if not self._is_open:
                    _end(client)
                    continue
                try:
                    server = socket.create_connection(("127.0.0.1", self._behind))
                except OSError:  # nobody is there just now
                    _end(client)
                    continue
                self._connections |= {client, server}
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                sink.sendall(chunk)
        for each in (source, sink):
            _end(each)
        with self._lock:
            self._connections -= {source, sink}


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
