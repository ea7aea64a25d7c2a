# SPDX-License-Identifier: GPL-2.0-only
"""The launcher's side of colinux-agent's protocol (runtime/agent/agent.h).

A script that is run in a machine is a `Run`: its output grows while it goes on,
its status comes at the end. Several may go on at once, in several machines.
"""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable

from runtime.launcher.pump import Channel, Pump

PROTOCOL = 1
SCRIPT_MAX = 96 * 1024  # agent.h: AGENT_SCRIPT_MAX
# How much later than the agent's own time limit we give up on the agent.
MARGIN = 5.0

TIMED_OUT = 124


class AgentLost(Exception):
    """The agent is gone, or stopped answering, while something was asked of it."""


class Run:
    """One script. `status` is None until it ended: 0..255, 128 + signal, 124 after its time limit."""

    def __init__(self, number: int, limit: float, on_output: Callable[[bytes], None] | None) -> None:
        self.number = number
        self.limit = limit
        self.output = bytearray()
        self.status: int | None = None
        self.lost = ""  # why it will never have a status
        self._on_output = on_output

    @property
    def ended(self) -> bool:
        """It has a status, or never will have one."""
        return self.status is not None or bool(self.lost)

    @property
    def text(self) -> str:
        return self.output.decode(errors="replace")

    def receive(self, data: bytes) -> None:
        self.output += data
        if self._on_output:
            self._on_output(data)


class Agent:
    """The agent at the other end of `sock`. It may come late, and come again after a restart."""

    def __init__(self, pump: Pump, sock: socket.socket, name: str) -> None:
        self.name = name
        self.pump = pump
        self.hello: str | None = None  # the name the agent gave, once it is there
        self.wrong_protocol: str | None = None
        self._runs: dict[int, Run] = {}
        self._numbers = itertools.count(1)
        self._buffer = bytearray()
        self._body: tuple[int, int] | None = None  # run, bytes that are still to come
        self._channel = Channel(pump, sock, self._receive)

    # --- asking ------------------------------------------------------------------------

    def wait_hello(self, seconds: float) -> bool:
        """Wait until the agent has said that it is there."""
        return self.pump.until(lambda: self.hello is not None, seconds)

    def start(self, script: str, limit: float, on_output: Callable[[bytes], None] | None = None) -> Run:
        """Have a sh script run; `limit` in seconds (0: none), after which the agent kills it."""
        body = script.encode()
        if len(body) > SCRIPT_MAX or b"\0" in body:
            raise ValueError(f"script of {len(body)} bytes: at most {SCRIPT_MAX}, and no NUL")
        run = Run(next(self._numbers), limit, on_output)
        self._runs[run.number] = run
        self._channel.send(b"run %d %d %d\n" % (run.number, int(limit * 1000), len(body)) + body)
        return run

    def wait(self, run: Run, extra: float = MARGIN) -> int:
        """The run's status. Raises AgentLost when the agent does not deliver one in the time it was given."""
        seconds = run.limit + extra if run.limit else float("inf")
        if not self.pump.until(lambda: run.ended, seconds) or run.status is None:
            self._runs.pop(run.number, None)
            raise AgentLost(f"{self.name}: {run.lost or f'no answer from the agent in {seconds:.0f} s'}")
        return run.status

    def run(self, script: str, limit: float) -> tuple[int, str]:
        """Run a script to its end: (status, output). Raises AgentLost."""
        run = self.start(script, limit)
        return self.wait(run), run.text

    def kill(self, run: Run) -> None:
        """SIGTERM to the script and all it started, SIGKILL two seconds later."""
        self._channel.send(b"kill %d\n" % run.number)

    def forget(self) -> None:
        """The machine behind the port is another one from now on: expect its hello anew."""
        self.hello = None
        self.wrong_protocol = None
        self._buffer.clear()
        self._body = None
        self._lose_runs("another machine was started")

    def close(self) -> None:
        self._channel.close()
        self._lose_runs("the line was closed")

    # --- listening -----------------------------------------------------------------------

    def _lose_runs(self, why: str) -> None:
        for run in self._runs.values():
            run.lost = why
        self._runs.clear()

    def _receive(self, data: bytes) -> None:
        if not data:
            self._lose_runs("the agent's line broke")
            return
        self._buffer += data
        while self._take():
            pass

    def _take(self) -> bool:
        """One body or one line off the buffer; False when there is not enough for it."""
        if self._body:
            number, left = self._body
            chunk = bytes(self._buffer[:left])
            if not chunk:
                return False
            del self._buffer[: len(chunk)]
            self._body = (number, left - len(chunk)) if left > len(chunk) else None
            if run := self._runs.get(number):
                run.receive(chunk)
            return True
        line, newline, rest = bytes(self._buffer).partition(b"\n")
        if not newline:
            if len(line) > 4096:
                self._buffer.clear()  # noise: no line of the protocol is that long
            return False
        self._buffer = bytearray(rest)
        self._line(line.decode(errors="replace").split())
        return True

    def _line(self, words: list[str]) -> None:
        """Obey one line; what is not of the protocol (a kernel's message, an echo) is passed over."""
        if len(words) == 3 and words[0] == "hello":
            if words[1] != str(PROTOCOL):
                self.wrong_protocol = words[1]
                return
            # A hello that nobody asked for is an agent that started anew: what it ran before is lost.
            self._lose_runs("the agent was started anew")
            self.hello = words[2]
        elif len(words) == 3 and words[0] == "out" and words[1].isdecimal() and words[2].isdecimal():
            if int(words[2]):
                self._body = (int(words[1]), int(words[2]))
        elif (
            len(words) == 3
            and words[0] == "exit"
            and words[1].isdecimal()
            and words[2].isdecimal()
            and (run := self._runs.pop(int(words[1]), None))
        ):
            run.status = int(words[2])
