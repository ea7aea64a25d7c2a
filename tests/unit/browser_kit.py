# SPDX-License-Identifier: GPL-2.0-only
"""A real browser without a window, asked what it makes of a page.

Chromium is driven through its DevTools protocol over two pipes (no port, no
network): one JSON message after the other, each ended by a zero byte. What a
test waits for is an answer or an event of the browser's, never a time.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BROWSER = "chromium-headless-shell"
FLAGS = (
    "--headless", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage",
    # What it would like to fetch for itself.
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-default-browser-check",
    # Its own sandbox cannot be had as root or in most containers; it reads one page of ours.
    "--no-sandbox",
)

# The browser reads from descriptor 3 and writes to 4; ours may have these numbers already.
START = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
os.dup2(ends[0], 3)
os.dup2(ends[1], 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""


def have_browser() -> bool:
    return shutil.which(BROWSER) is not None


class Tab:
    """A page that is open. `events` are all that the browser has told so far, in their order."""

    def __init__(self, to: int, answers: Any) -> None:
        self._to = to
        self._answers = answers
        self._numbers = itertools.count(1)
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """Ask, and wait for the answer."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (seen := self._next()).get("id") != number:
            self.events.append(seen)
        assert "error" not in seen, (method, seen)
        return dict(seen["result"])

    def _next(self) -> dict[str, Any]:
        message = bytearray()
        while (one := self._answers.read(1)) not in (b"", b"\0"):
            message += one
        assert one, "the browser has ended"
        return dict(json.loads(message))

    def open(self, page: Path, *, width: int, dark: bool = False, scale: int = 1) -> None:
        """Load a file into a window of that width (CSS pixels), and wait until all of it is there."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=844, deviceScaleFactor=scale,
                  mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        loaded = self.call("Page.navigate", url=page.absolute().as_uri())
        assert "errorText" not in loaded, loaded
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def ask(self, expression: str) -> Any:
        """The value of an expression, in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def told(self, *methods: str) -> list[dict[str, Any]]:
        """The params of events of these kinds since the page was asked for."""
        return [event["params"] for event in self.events if event["method"] in methods]

    def picture(self, path: Path) -> None:
        """A PNG of what is to be seen."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))


@contextmanager
def browser() -> Iterator[Tab]:
    """A browser with a profile of its own, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="colinux-browser-", ignore_cleanup_errors=True) as home:
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        with (Path(home) / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", START, str(theirs_in), str(theirs_out), BROWSER, *FLAGS,
                 f"--user-data-dir={home}/profile"],
                pass_fds=(theirs_in, theirs_out), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "HOME": home})
        os.close(theirs_in)
        os.close(theirs_out)
        with os.fdopen(ours_in, "rb") as answers:
            try:
                yield Tab(ours_out, answers)
            finally:
                os.close(ours_out)  # which it takes for the end
                process.kill()
                process.wait()
