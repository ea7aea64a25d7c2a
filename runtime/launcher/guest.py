# SPDX-License-Identifier: GPL-2.0-only
"""A guest: one run of colinux-daemon in the test host, with its console and its agent.

A slot (0, 1) is a pair of ports; one guest after the other may use it.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.launcher.agent import Agent, AgentLost, Run
from runtime.launcher.host import DAEMON, KERNEL, TestHost, agent_port, console_port
from runtime.launcher.pump import Channel
from runtime.launcher.verdict import GuestSeen, Stop, judge_guest, judge_unresponsive

# init may be asked politely; where there is none to ask, sync and off.
POWER_OFF = "if [ -d /run/systemd/system ]; then systemctl poweroff; else sync; poweroff; fi"

REBOOT = "if [ -d /run/systemd/system ]; then systemctl reboot; else sync; reboot; fi"

# A person waits less; a test host may be a slow computer in a slow computer.
SHUTDOWN_SECONDS = 600

# The guest's second virtio console (ttys0=) is the agent's line.
AGENT_TTY = "hvc1"


class Log:
    """A log file that grows while the boot goes on; its first line is the command that repeats it."""

    def __init__(self, path: Path, repeat: str) -> None:
        self.path = path
        self._file = path.open("ab", buffering=0)
        self.write(repeat.encode() + b"\n")

    def write(self, data: bytes) -> None:
        self._file.write(data)

    def mark(self, text: str) -> None:
        """A line of the launcher's own."""
        self.write(f"\n--- {text}\n".encode())

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True)
class Config:
    """What a guest is started with.

    `kernel`, `initrd` and `conf` are files in the test host; `disks` the serials of
    the host's drives, in the guest's order. Where there is a `conf`, it says all of
    that. A guest that restarts is an error, unless `reboots`. Without `sandbox` the daemon keeps its rights.
    """

    memory_mib: int
    cmdline: str
    initrd: str | None
    disks: Sequence[tuple[str, bool]] = ()  # serial, read-only
    kernel: str = KERNEL
    reboots: bool = False
    sandbox: bool = True
    conf: str | None = None


def own_words(host: TestHost, slot: int, extra: str = "", agent: bool = True) -> list[str]:
    """What the launcher needs of a guest beside what its configuration file says: the agent's line, patience."""
    return [
        f"shutdown-timeout={SHUTDOWN_SECONDS}",
        f"ttys0={host.port(agent_port(slot))}",
        "console=hvc0",
        *([f"colinux.agent={AGENT_TTY}"] if agent else []),
        *extra.split(),
    ]


def switches(config: Config) -> str:
    """What comes before the configuration file on the daemon's command line."""
    return ("" if config.reboots else "--no-reboot ") + ("" if config.sandbox else "sandbox=off ")


def daemon_file(config: Config, host: TestHost, slot: int, extra: str = "", agent: bool = True) -> str:
    """The daemon's configuration file. What it does not know itself becomes the guest kernel's command line."""
    lines = [f"kernel={config.kernel}", f"mem={config.memory_mib}"]
    if config.initrd:
        lines.append(f"initrd={config.initrd}")
    for number, (serial, readonly) in enumerate(config.disks):
        lines.append(f"cobd{number}={host.disk(serial)}" + (",ro" if readonly else ""))
    lines.append(f"shutdown-timeout={SHUTDOWN_SECONDS}")
    lines.append(f"ttys0={host.port(agent_port(slot))}")
    agent_words = [f"colinux.agent={AGENT_TTY}"] if agent else []
    # In one line: a word in quotes may have blanks.
    lines.append(" ".join(["console=hvc0", *agent_words, *filter(None, (config.cmdline, extra))]))
    return "".join(f"{line}\n" for line in lines)


class Guest:
    """What runs in a slot of a host; `start()` may be called again after the end of the one before."""

    def __init__(self, host: TestHost, slot: int, config: Config, console_log: Log, daemon_log: Log) -> None:
        self.host = host
        self.slot = slot
        self.config = config
        self.name = f"guest{slot}"
        self.agent = Agent(host.pump, host.qemu.ports[agent_port(slot)], f"guest {slot}")
        self._console_log = console_log
        self._daemon_log = daemon_log
        self._console = bytearray()
        self._listener: Callable[[bytes], None] | None = None
        self._channel = Channel(host.pump, host.qemu.ports[console_port(slot)], self._on_console)
        self._run: Run | None = None
        self._began = 0.0
        self.boot_seconds: float | None = None  # of the last start: until the agent was there

    # --- console ----------------------------------------------------------------------------

    def _on_console(self, data: bytes) -> None:
        self._console += data
        self._console_log.write(data)
        if self._listener:
            self._listener(data)

    @property
    def console(self) -> str:
        """What this guest (not the ones before it) has printed."""
        return self._console.decode(errors="replace")

    def listen(self, listener: Callable[[bytes], None] | None) -> None:
        """Hand the console's output to somebody as well."""
        self._listener = listener

    def type(self, data: bytes) -> None:
        """Keys for the guest's console."""
        self._channel.send(data)

    # --- life -----------------------------------------------------------------------------------

    @property
    def daemon(self) -> str:
        """What the daemon of this guest has said on its standard error."""
        return self._run.text if self._run else ""

    @property
    def status(self) -> int | None:
        """The daemon's exit code, None while the guest runs."""
        return self._run.status if self._run else None

    @property
    def running(self) -> bool:
        return self._run is not None and not self._run.ended

    def start(self, title: str, extra: str = "", agent: bool = True) -> None:
        """Start the daemon. `extra` goes to the guest kernel's command line; `title` into the logs."""
        assert not self.running
        self.host.pump.settle()  # what the guest before has still sent
        self.agent.forget()
        self._console.clear()
        self.boot_seconds = None
        if self.config.conf:
            words = shlex.join(own_words(self.host, self.slot, extra, agent))
            said, make = f"@{self.config.conf} {words}", f"cp {self.config.conf} {self._conf_file}"
        else:
            file, words = daemon_file(self.config, self.host, self.slot, extra, agent), ""
            said, make = " ".join(file.splitlines()), f"printf %s {shlex.quote(file)} > {self._conf_file}"
        console = self.host.port(console_port(self.slot))
        before = switches(self.config)
        self._console_log.mark(title)
        self._daemon_log.mark(f"{title}: {DAEMON} {before}{said}")
        # The daemon is the script's very process, so that its exit code is the run's and its
        # number is known; a port can be opened once only, so input and output share the opening.
        self._run = self.host.start(
            f"echo $$ > {self.pid_file}; {make}; "
            f"exec {DAEMON} {before}@{self._conf_file} {words} 0<>{console} 1>&0",
            on_output=self._daemon_log.write,
        )
        self._began = time.monotonic()

    @property
    def pid_file(self) -> str:
        return f"/tmp/{self.name}.pid"

    @property
    def _conf_file(self) -> str:
        return f"/tmp/{self.name}.conf"

    def wait_up(self, seconds: float) -> None:
        """Wait for the guest's agent. Raises Stop with what the guest came to instead."""
        assert self._run
        run = self._run
        self.host.pump.until(lambda: self.agent.hello is not None or run.ended, seconds)
        waited = time.monotonic() - self._began
        if self.agent.hello is None:
            self.host.pump.settle()
            raise Stop(judge_guest(GuestSeen(self.console, self.daemon, run.status, waited)))
        self.boot_seconds = waited

    def expect_again(self) -> None:
        """The daemon is going to start the same guest anew: what counts from here on is the new one's."""
        self._console_log.mark("and again")
        self.agent.forget()
        self._console.clear()
        self._began = time.monotonic()

    def wait_end(self, seconds: float) -> int | None:
        """The daemon's exit code, or None when the guest is still there after so long."""
        assert self._run
        run = self._run
        self.host.pump.until(lambda: run.ended, seconds)
        self.host.pump.settle()
        self._daemon_log.mark(f"exit code {run.status}")
        return run.status

    def ask_off(self) -> None:
        """Ask the guest to switch itself off. No answer is awaited: it may be gone before it can give one."""
        self.agent.start(POWER_OFF, 0)

    def ask_reboot(self) -> None:
        """Ask the guest to restart; `expect_again()` comes before."""
        self.agent.start(REBOOT, 0)

    def kill(self) -> int:
        """kill -9 the daemon; its exit status as its shell would say it (137)."""
        assert self._run
        self.host.run(f"kill -9 $(cat {self.pid_file})")
        return self.host.wait(self._run)

    def stop(self) -> None:
        """End a guest that still runs: its daemon is asked (SIGTERM), two seconds later killed."""
        if self._run and not self._run.ended:
            run = self._run
            self.host.agent.kill(run)
            self.host.pump.until(lambda: run.ended, 10 * self.host.factor)

    def close(self) -> None:
        """Close our ends and the console's log; the guest is not asked."""
        self.agent.close()
        self._channel.close()
        self._console_log.close()

    # --- scripts -----------------------------------------------------------------------------------

    def begin(self, script: str, limit: float) -> Run:
        """Begin a script in the guest; `limit` in seconds."""
        return self.agent.start(script, limit)

    def wait(self, run: Run, what: str) -> int:
        """The script's status. Raises Stop when the guest does not answer or has ended."""
        assert self._run
        daemon = self._run
        self.host.pump.until(lambda: run.ended or daemon.ended, run.limit + 5 if run.limit else float("inf"))
        if run.status is None and daemon.ended:
            self.host.pump.settle()
            raise Stop(
                judge_guest(
                    GuestSeen(self.console, self.daemon, daemon.status, time.monotonic() - self._began)
                )
            )
        try:
            return self.agent.wait(run, extra=0 if not run.ended else 1)
        except AgentLost as error:
            raise Stop(judge_unresponsive(what, self.console, run.limit)) from error

    def run(self, script: str, limit: float) -> tuple[int, str]:
        """Run a script in the guest to its end: (status, output)."""
        run = self.begin(script, limit)
        return self.wait(run, script.strip().splitlines()[0][:40]), run.text
