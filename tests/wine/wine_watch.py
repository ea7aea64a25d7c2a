# SPDX-License-Identifier: GPL-2.0-only
"""The processes of a Wine: how many there are, and the end of all of them when they become too many.

A Windows in which something is missing may start programs without end: one whose
user32.dll has not come up starts an explorer.exe, which is to make a desktop for it, has
none either, and starts another one. So somebody counts.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

LIMIT = 80      # the tests have about fifteen
EVERY = 0.5     # seconds


def processes(prefix: Path) -> dict[int, str]:
    """Number -> program, of all whose Windows is in `prefix`; the ended, which have no environment any more, are none."""
    wanted = os.fsencode(f"WINEPREFIX={prefix}")
    found = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with suppress(OSError):     # another user's, or gone
                if wanted in (process / "environ").read_bytes().split(b"\0"):
                    program = (process / "cmdline").read_bytes().split(b"\0")[0].decode(errors="replace")
                    found[int(process.name)] = program.replace("\\", "/").rpartition("/")[2]
    return found


def end(prefix: Path, seconds: float = 30) -> None:
    """Ends all of them, also those that they start meanwhile."""
    until = time.monotonic() + seconds
    while left := processes(prefix):
        assert time.monotonic() < until, f"these do not end: {left}"
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


class Watch:
    """Looks after a Wine, from now until close(). `complaint`: why all of it was ended, if it was."""

    def __init__(self, prefix: Path, limit: int = LIMIT) -> None:
        self.prefix, self.limit = prefix, limit
        self.complaint = ""
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()

    def _look(self) -> None:
        while not self.complaint and not self.over.wait(EVERY):
            found = processes(self.prefix)
            if len(found) > self.limit:
                most = ", ".join(f"{count} {name}" for name, count in Counter(found.values()).most_common(4))
                self.complaint = f"more than {self.limit} processes in one Wine, so all were ended: {most}"
                end(self.prefix)

    def close(self) -> None:
        """No more looking; who was to be ended has been."""
        self.over.set()
        self.thread.join()
