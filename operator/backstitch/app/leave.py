# SPDX-License-Identifier: Apache-2.0
"""How does the process end? By our own hand, after everything is cleaned up and flushed.

The threads of obstore's runtime may be about to call into Python while the interpreter takes itself down; that aborts
the process (SIGABRT, exit code -6 seen once in some hundred runs), and a pipeline would take a success for a failure.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys

from backstitch.app.cli import main


def run() -> None:
    """Run the command line and leave with its exit code."""
    code: list[int] = [0]

    def end() -> None:
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                continue  # whoever read it is gone
        os._exit(code[0])

    atexit.register(end)  # first in, so last out: temporary files of others are removed before it
    try:
        main()
    except SystemExit as leaving:
        code[0] = leaving.code if isinstance(leaving.code, int) else 0 if leaving.code is None else 1
