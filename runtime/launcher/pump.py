# SPDX-License-Identifier: GPL-2.0-only
"""One loop for everything that talks while a machine runs.

Consoles, agents and QMP are sockets; QEMU stops serving a port whose reader
sleeps, so all of them have to be read all the time, whatever the launcher
waits for. One thread does it: whoever waits, waits in `Pump.until`, and there
is no lock to take and no thread to join when Ctrl-C comes.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections.abc import Callable, Iterator

# A turn never sleeps longer than this, so that a watcher (is QEMU alive?) is asked often.
TURN = 0.25


class Channel:
    """One end of a socket: what arrives goes to `on_data`, what is sent waits until it can go.

    `on_data` is called with bytes, and once with b"" when the other side closes.
    """

    def __init__(self, pump: Pump, sock: socket.socket, on_data: Callable[[bytes], None]) -> None:
        self._pump = pump
        self._sock = sock
        self._on_data = on_data
        self._out = bytearray()
        self.open = True
        sock.setblocking(False)
        pump.register(sock, selectors.EVENT_READ, self._ready)

    def send(self, data: bytes) -> None:
        """Queue bytes; they leave during the pump's turns. Dropped when the other side is gone."""
        if not self.open:
            return
        self._out += data
        self._write()

    @property
    def unsent(self) -> int:
        """Bytes that still wait for the other side."""
        return len(self._out)

    def close(self) -> None:
        """Close our end; harmless twice."""
        if self.open:
            self.open = False
            self._pump.unregister(self._sock)
        self._sock.close()

    def _ready(self, events: int) -> None:
        if events & selectors.EVENT_READ:
            try:
                data = self._sock.recv(65536)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.close()
            self._on_data(data)
        if events & selectors.EVENT_WRITE and self.open:
            self._write()

    def _write(self) -> None:
        try:
            while self._out:
                del self._out[: self._sock.send(self._out)]
        except BlockingIOError:
            pass
        except OSError:
            self._out.clear()  # its end is reported by the next read
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._out else 0)
        self._pump.modify(self._sock, wanted, self._ready)


class Timer:
    """Something to be done again and again while the pump turns."""

    def __init__(self, period: float, action: Callable[[], None]) -> None:
        self.period = period
        self.action = action
        self.due = time.monotonic() + period


class Pump:
    """Channels, watchers, timers and the waiting for conditions."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._watchers: list[Callable[[], None]] = []
        self._timers: list[Timer] = []

    def register(self, what: socket.socket | int, events: int, ready: Callable[[int], None]) -> None:
        """Call `ready(events)` whenever `what` is; a socket or a file descriptor."""
        self._selector.register(what, events, ready)

    def modify(self, what: socket.socket | int, events: int, ready: Callable[[int], None]) -> None:
        with contextlib.suppress(KeyError):
            self._selector.modify(what, events, ready)

    def unregister(self, what: socket.socket | int) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(what)

    def watch(self, watcher: Callable[[], None]) -> None:
        """Ask `watcher` on every turn; what it raises ends the waiting."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Callable[[], None]) -> None:
        with contextlib.suppress(ValueError):
            self._watchers.remove(watcher)

    @contextlib.contextmanager
    def every(self, seconds: float, action: Callable[[], None]) -> Iterator[None]:
        """Call `action` so often (never twice to catch up) as long as the block lasts; it must not wait."""
        timer = Timer(seconds, action)
        self._timers.append(timer)
        try:
            yield
        finally:
            self._timers.remove(timer)

    def turn(self, seconds: float) -> bool:
        """Serve what is ready, sleeping at most so long for it; True when something was."""
        if self._timers:
            seconds = min(seconds, min(timer.due for timer in self._timers) - time.monotonic())
        if self._selector.get_map():
            ready = self._selector.select(max(0.0, seconds))
        else:
            time.sleep(max(0.0, seconds))
            ready = []
        for key, events in ready:
            # An earlier callback of this turn may have closed it.
            if key.fileobj in self._selector.get_map():
                key.data(events)
        now = time.monotonic()
        for timer in list(self._timers):
            if timer.due <= now:
                timer.due = now + timer.period
                timer.action()
        for watcher in list(self._watchers):
            watcher()
        return bool(ready)

    def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Serve until `condition()` holds (True) or the time is over (False)."""
        end = time.monotonic() + seconds
        while not condition():
            left = end - time.monotonic()
            if left <= 0:
                return False
            self.turn(min(left, TURN))
        return True

    def rest(self, seconds: float) -> None:
        """Serve for so long."""
        self.until(lambda: False, seconds)

    def settle(self, seconds: float = 0.05, limit: float = 2.0) -> None:
        """Serve until nothing has come for `seconds` (what is on its way has arrived), at most `limit`."""
        end = time.monotonic() + limit
        while time.monotonic() < end and self.turn(seconds):
            pass

    def close(self) -> None:
        self._selector.close()
