# SPDX-License-Identifier: Apache-2.0
"""How does a server process live exactly as long as we do? Started with a log, watched, stopped, whatever ends us.

Each server gets a session of its own, so Ctrl-C in the terminal reaches us alone and we stop the server in order.
A watcher (one line of shell that blocks on a pipe we hold) ends the server when we are killed without a chance to.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pwd
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

_POLL_S = 0.03


class ServerError(RuntimeError):
    """A server of the tests or the demo could not be found, built or started; the message ends with its log."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def tail(log: Path, lines: int = 30) -> str:
    """The last lines of a log, for an error message; a sentence when there is no log yet."""
    if not log.exists():
        return "(no log was written)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) or "(the log is empty)"


def run_as(user: pwd.struct_passwd | None) -> dict[str, Any]:
    """The arguments of `subprocess` that drop root for `user`; nothing when we are not root."""
    if user is None:
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


class Process:
    """One server process with its log.

    `start`, `stop` and `kill` may be called again after each other; `stop` and `kill` of a dead process do nothing.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        *,
        user: pwd.struct_passwd | None = None,
        env: Mapping[str, str] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        remove_if_orphaned: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._argv = list(argv)
        self._user = user
        self._env = {**os.environ, **(env or {})}
        self._stop_signal = stop_signal
        self._remove_if_orphaned = remove_if_orphaned
        self._child: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id.

        Raises:
            ServerError: the process was not started.
        """
        if self._child is None:
            raise ServerError(f"{self.name} has no process id: it was not started")
        return self._child.pid

    @property
    def is_running(self) -> bool:
        """Whether the process was started and has not ended."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start the process; its output is appended to the log."""
        if self.is_running:
            return
        with self.log.open("ab") as output:
            self._child = self._spawn(self._argv, output)
        self._watcher = self._spawn_watcher(self._child.pid)
        atexit.register(self.stop)

    def wait_until(self, is_ready: Callable[[], bool], *, within_s: float) -> None:
        """Poll until `is_ready` answers true.

        Raises:
            ServerError: the process ended first (noticed at once), or the time passed; the log's end is in it.
        """
        deadline = time.monotonic() + within_s
        while not is_ready():
            if self._child is None or self._child.poll() is not None:
                code = "unknown" if self._child is None else self._child.returncode
                raise ServerError(f"{self.name} ended with code {code} while starting:\n{tail(self.log)}")
            if time.monotonic() > deadline:
                raise ServerError(f"{self.name} was not ready within {within_s:.0f} s:\n{tail(self.log)}")
            time.sleep(_POLL_S)

    def stop(self, *, within_s: float = 20) -> None:
        """Ask the process to end, and end it by force when it has not within the time."""
        self._dismiss_watcher()
        if self._child is None:
            return
        if self._child.poll() is None:
            self._child.send_signal(self._stop_signal)
            try:
                self._child.wait(within_s)
            except subprocess.TimeoutExpired:
                self.kill()
        atexit.unregister(self.stop)

    def kill(self) -> None:
        """End the process and its direct children as a power cut would: SIGKILL, no chance to tidy up."""
        self._dismiss_watcher()
        if self._child is None or self._child.poll() is not None:
            return
        self._child.send_signal(signal.SIGSTOP)  # so that no new child appears between listing and killing
        for pid in [*children_of(self._child.pid), self._child.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._child.wait()

    def _spawn(self, argv: Sequence[str], output: BinaryIO) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=self._env,
            start_new_session=True,
            **run_as(self._user),
        )

    def _spawn_watcher(self, pid: int) -> subprocess.Popen[bytes]:
        script = f"read -r _; kill -s {self._stop_signal.name[3:]} {pid} && sleep 3 && kill -9 {pid}"
        if self._remove_if_orphaned is not None:
            script += f"; rm -rf {shlex.quote(str(self._remove_if_orphaned))}"
        return subprocess.Popen(
            ["/bin/sh", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )

    def _dismiss_watcher(self) -> None:
        if self._watcher is None:
            return
        self._watcher.kill()  # before its pipe closes, else it would act
        self._watcher.wait()
        if self._watcher.stdin is not None:
            self._watcher.stdin.close()
        self._watcher = None


def children_of(parent: int) -> list[int]:
    """The direct children of a process, read from /proc."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # pid (command, which may hold spaces and brackets) state ppid ...
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
    return found
