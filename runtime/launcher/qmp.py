# SPDX-License-Identifier: GPL-2.0-only
"""A small client of QEMU's machine protocol (docs/interop/qmp-intro in QEMU's manual).

Used for what only the outside of a machine can do: an NMI, a machine check, the
question how the machine ended.
"""

from __future__ import annotations

import json
import socket
from typing import Any

from pipeline.errors import InfrastructureError
from runtime.launcher.pump import Channel, Pump

ANSWER = 30.0  # seconds for an answer; QEMU answers at once, a loaded computer may not


class QmpError(Exception):
    """QEMU refused a command; the text is its own."""


class Qmp:
    """QMP over `sock`, after `connect()`. Events are kept in `events` as they come."""

    def __init__(self, pump: Pump, sock: socket.socket) -> None:
        self._pump = pump
        self._buffer = b""
        self._answers: list[dict[str, Any]] = []
        self._greeting: dict[str, Any] | None = None
        self.events: list[dict[str, Any]] = []
        self.posted_done = 0
        self.posted_error: str | None = None
        self._posted = 0  # answers to posted commands that are still to come
        self._channel = Channel(pump, sock, self._receive)

    def connect(self, seconds: float = ANSWER) -> str:
        """Shake hands; returns QEMU's version, as "7.2.22"."""
        if not self._pump.until(lambda: self._greeting is not None or not self._channel.open, seconds):
            raise InfrastructureError(f"QEMU said nothing on its control socket for {seconds:.0f} s")
        if self._greeting is None:
            raise InfrastructureError("QEMU closed its control socket")
        self.command("qmp_capabilities")
        version = self._greeting["QMP"]["version"]["qemu"]
        return f"{version['major']}.{version['minor']}.{version['micro']}"

    def command(self, name: str, **arguments: Any) -> Any:
        """Execute a command and return its answer. Raises QmpError; InfrastructureError without one."""
        self._answers.clear()
        self._send(name, arguments)
        if (
            not self._pump.until(lambda: bool(self._answers) or not self._channel.open, ANSWER)
            or not self._answers
        ):
            raise InfrastructureError(f"QEMU did not answer {name}")
        answer = self._answers.pop(0)
        if "error" in answer:
            raise QmpError(f"{name}: {answer['error'].get('desc', answer['error'])}")
        return answer["return"]

    def monitor(self, line: str) -> str:
        """A command of the human monitor, for what QMP has no word for. Its complaint is its answer."""
        return str(self.command("human-monitor-command", **{"command-line": line}))

    def _send(self, name: str, arguments: dict[str, Any]) -> None:
        request: dict[str, Any] = {"execute": name}
        if arguments:
            request["arguments"] = arguments
        self._channel.send(json.dumps(request).encode() + b"\n")

    def post(self, name: str, **arguments: Any) -> None:
        """Send a command and go on; answers are counted (`posted_done`), an error kept (`posted_error`)."""
        self._posted += 1
        self._send(name, arguments)

    def nmi(self) -> None:
        """A non-maskable interrupt to every CPU; does not wait."""
        self.post("inject-nmi")

    @property
    def shutdown_reason(self) -> str | None:
        """Why the machine ended ("guest-shutdown", "guest-reset", "guest-panic", ...), or None."""
        for event in self.events:
            if event.get("event") == "SHUTDOWN":
                return str(event.get("data", {}).get("reason", "unknown"))
        return None

    def close(self) -> None:
        self._channel.close()

    def _receive(self, data: bytes) -> None:
        self._buffer += data
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if "QMP" in message:
                self._greeting = message
            elif "event" in message:
                self.events.append(message)
            elif "return" in message or "error" in message:
                self._answer(message)

    def _answer(self, message: dict[str, Any]) -> None:
        # QEMU answers in the order of the commands.
        if self._posted:
            self._posted -= 1
            self.posted_done += 1
            if "error" in message:
                self.posted_error = str(message["error"].get("desc"))
        else:
            self._answers.append(message)
