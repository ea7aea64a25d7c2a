# SPDX-License-Identifier: GPL-2.0-only
"""./doit shell: a machine's console for the person at the keyboard.

The terminal goes raw: every key but one belongs to the guest. Ctrl-] leaves;
the guest's own power-off leaves, too. Whatever happens, the terminal is given
back as it was.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import sys
import tempfile
import termios
import tty
from collections.abc import Iterator
from pathlib import Path

from pipeline import progress
from pipeline.declaration.model import Declaration
from pipeline.errors import BuildFailed, UserError
from pipeline.paths import Paths
from runtime.launcher import accel as accelerators
from runtime.launcher import artifacts as built
from runtime.launcher.boot import repeat_line, running_host, time_factor
from runtime.launcher.guest import Guest, Log
from runtime.launcher.pump import Pump
from runtime.launcher.verdict import DAEMON_PANIC, Stop, last_lines, panic_message

ESCAPE = b"\x1d"  # Ctrl-], as in telnet


@contextlib.contextmanager
def raw_terminal(descriptor: int) -> Iterator[None]:
    """The terminal in raw mode for the block; nothing happens to what is no terminal."""
    if not os.isatty(descriptor):
        yield
        return
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor, termios.TCSANOW)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


class Bridge:
    """Keys of `keyboard` to the guest, the guest's output to `screen` (file descriptors)."""

    def __init__(self, pump: Pump, guest: Guest, keyboard: int, screen: int) -> None:
        self._pump = pump
        self._guest = guest
        self._keyboard = keyboard
        self._screen = screen
        self.left = False  # Ctrl-], or the keyboard's end

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        self._pump.register(self._keyboard, selectors.EVENT_READ, self._key)
        self._guest.listen(self._show)
        try:
            yield
        finally:
            self._guest.listen(None)
            self._pump.unregister(self._keyboard)

    def _key(self, events: int) -> None:
        data = os.read(self._keyboard, 4096)
        keys, escape, _ = data.partition(ESCAPE)
        if keys:
            self._guest.type(keys)
        if escape or not data:
            self.left = True
            self._pump.unregister(self._keyboard)

    def _show(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._screen, view) :]


def shell(name: str, decl: Declaration, paths: Paths, *, accel: str = "auto") -> int:
    """Boot the machine and connect its console to this terminal; 0 when the guest powered off or was left.

    Raises UserError without a terminal, BuildFailed when the host or the guest fails.
    """
    artifacts = built.find(name, decl, paths)
    built.require(artifacts, paths)
    keyboard = sys.stdin.fileno()
    if not os.isatty(keyboard):
        raise UserError("a shell needs a terminal", hint="./doit boot runs the machine without one")
    accel = accelerators.choose(
        os.environ.get("COLINUX_ACCEL", accel),
        artifacts.host.arch,
        artifacts.machine.qemu.cpu,
        artifacts.host_kernel,
        paths.cache,
    )
    with tempfile.TemporaryDirectory(prefix="colinux-shell-") as folder:
        try:
            with running_host(artifacts, paths, Path(folder), 1, accel, time_factor()) as host:
                loaded, text = host.load_driver(artifacts.machine.driver_args)
                if not loaded:
                    raise BuildFailed(f"the driver could not be loaded: {last_lines(text, 1)}", excerpt=text)
                logs = [Log(Path(folder) / file, repeat_line(name)) for file in ("console", "daemon")]
                guest = Guest(host, 0, artifacts.guest(0).config(0), *logs)
                progress.note(
                    "Your guest's console. Ctrl-] leaves it; nothing that you do on its disks is kept."
                )
                bridge = Bridge(host.pump, guest, keyboard, sys.stdout.fileno())
                with raw_terminal(keyboard), bridge.open():
                    guest.start("shell", agent=False)
                    host.pump.until(lambda: bridge.left or not guest.running, float("inf"))
                return _farewell(guest, bridge.left)
        except Stop as stop:
            first, _, context = stop.outcome.reason.partition("\n")
            raise BuildFailed(f"{name}: {stop.outcome.verdict}: {first}", excerpt=context) from stop


def _farewell(guest: Guest, left: bool) -> int:
    """What to say at the end, below whatever the guest has printed last."""
    print("\r")
    if left:
        return 0
    status = guest.status
    if status == DAEMON_PANIC:
        raise BuildFailed(panic_message(guest.daemon, guest.console), excerpt=last_lines(guest.console))
    if status:
        raise BuildFailed(
            f"the guest's daemon ended with exit code {status}", excerpt=last_lines(guest.daemon)
        )
    return 0
