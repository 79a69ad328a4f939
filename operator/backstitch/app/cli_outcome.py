# SPDX-License-Identifier: Apache-2.0
"""How does a command end: with which exit code, after which signal, and with which words when something is wrong?

0 Succeeded, 1 wrong usage, 2 Refused, 3 RolledBack, 4 NeedsHelp or Stopped; 130 or 143 when a signal stopped it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backstitch.app.logs import redact
from backstitch.app.output import give_json, say
from backstitch.app.wiring import state_dir
from backstitch.core.errors import BackstitchError, Refused, TargetError, UsageError
from backstitch.model.states import State

OK, WRONG_USAGE, REFUSED, ROLLED_BACK, UNSETTLED = 0, 1, 2, 3, 4

_CODES = {State.SUCCEEDED: OK, State.REFUSED: REFUSED, State.ROLLED_BACK: ROLLED_BACK}


def code_of(state: State) -> int:
    """Give the exit code of a migration's state; everything that is no good end is 4."""
    return _CODES.get(state, UNSETTLED)


def code_of_error(error: BackstitchError) -> int:
    """Give the exit code of an error: a target that will not do as it is counts as refused."""
    if isinstance(error, UsageError):
        return WRONG_USAGE
    if isinstance(error, Refused) or (isinstance(error, TargetError) and not error.retry):
        return REFUSED
    return UNSETTLED


class StoppedBySignal(Exception):
    """A person or the system asked this process to end; nothing was left half done."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.number = number


def execute(work: Coroutine[Any, Any, int], *, output: str, debug: bool) -> int:
    """Run a command to its end and give its exit code. No error leaves this as a stack trace."""
    try:
        return asyncio.run(_until_stopped(work))
    except StoppedBySignal as stopped:
        return 128 + stopped.number
    except BackstitchError as error:
        _tell(error.reason, error.message, code_of_error(error), output)
        if debug:
            say(traceback.format_exc())
        return code_of_error(error)
    except Exception as error:
        tell_unexpected(error, output=output, debug=debug)
        return UNSETTLED


async def _until_stopped(work: Coroutine[Any, Any, int]) -> int:
    """Run; the first signal cancels, which every part takes between two effects; the second one kills."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    seen: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        seen.append(number)
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)
        say("Stopping safely: what is not committed yet is taken back. Once more kills at once.")
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    try:
        return await task
    except asyncio.CancelledError:
        if seen:
            raise StoppedBySignal(seen[0]) from None
        raise


def _tell(reason: str, message: str, code: int, output: str) -> None:
    say(f"Error ({reason}): {message}")
    if output == "json":
        give_json({"error": {"reason": reason, "message": message}, "exitCode": code})


def tell_unexpected(error: Exception, *, output: str, debug: bool) -> None:
    """Say in one line that this program failed, and where its trace was put."""
    trace = redact("".join(traceback.format_exception(error)))
    message = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
    kept = _keep(trace)
    where = f" The trace is in {kept}; please report it." if kept else " Run again with --debug to see the trace."
    _tell("Unexpected", f"{message}.{where}", UNSETTLED, output)
    if debug:
        say(trace)


def _keep(trace: str) -> Path | None:
    """Write a trace to a file only the user can read; None where that is not possible."""
    for folder in (state_dir(os.environ), Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, name = tempfile.mkstemp(
                prefix=f"error-{datetime.now(UTC):%Y%m%dT%H%M%S}-", suffix=".log", dir=folder
            )
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(f"backstitch {' '.join(sys.argv[1:2])}\n{trace}")
            return Path(name)
        except OSError:
            continue
    return None
