# SPDX-License-Identifier: GPL-2.0-only
"""A test host: a stock Linux in QEMU, with our driver and daemon in it, led through its agent."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.errors import InfrastructureError
from runtime.launcher.agent import Agent, AgentLost, Run
from runtime.launcher.checks import values
from runtime.launcher.evidence import QEMU_LOG
from runtime.launcher.pump import Pump
from runtime.launcher.qemu import Plan, Qemu
from runtime.launcher.verdict import HostSeen, Outcome, Stop, judge_host, last_lines

# Where the host's initramfs carries what is tested.
DRIVER = "/colinux/colinux.ko"
DAEMON = "/colinux/colinux-daemon"
CTL = "/colinux/colinux-ctl"
CONSOLE = "/colinux/colinux-console"
KERNEL = "/colinux/vmlinux"
INITRD = "/colinux/initrd"
CONF = "/colinux/linux.conf"
# Those of the machine that runs beside the one that is booted.
BESIDE = "/colinux/beside"
DEVICE = "/dev/colinux"

AGENT_PORT = "colinux.host"

# Lines of one `name=value` each: which device node is which port, which disk.
DEVICES_SCRIPT = """
for p in /sys/class/virtio-ports/*; do [ -e $p/name ] && echo "port.$(cat $p/name)=/dev/${p##*/}"; done
for d in /sys/block/vd*; do [ -e $d/serial ] && echo "disk.$(cat $d/serial)=/dev/${d##*/}"; done
:
"""

# Pages on the CPUs' own free lists are free, too, but MemFree does not count them: here
# that was 26 MiB, six chunks of a guest's memory. So are the empty slabs that SLUB keeps for
# each cache, CPU and node: they grew by 0.4 to 0.6 MiB with the first guests, were none of
# theirs, and not a page was missing once they were let go. What RCU frees comes a little
# later, and looking for the caches fills some: once more as long as that brings anything.
FREE_SCRIPT = """
free_kib() {
    awk '/^MemFree:/{free = $2} $1 == "count:"{free += 4 * $2} END{print free}' /proc/meminfo /proc/zoneinfo
}
sync
before=0 now=1 round=0
while [ $now -gt $before ] && [ $round -lt 10 ]; do
    before=$((now + 16)) round=$((round + 1))
    echo 3 > /proc/sys/vm/drop_caches
    for cache in /sys/kernel/slab/*; do
        [ -L $cache ] || [ ! -w $cache/shrink ] || echo 1 > $cache/shrink
    done
    sleep 0.3
    now=$(free_kib)
done
echo free_kib=$now
"""

# tests/nt/memory.c: what colinux.sys has of the harness's memory.
HELD = "/sys/module/colinux/parameters/held"


def console_port(slot: int) -> str:
    """The virtio-serial port that is the console of guest `slot`."""
    return f"colinux.console{slot}"


def agent_port(slot: int) -> str:
    """The virtio-serial port that is the agent's line of guest `slot`."""
    return f"colinux.guest{slot}"


class TestHost:
    """From QEMU's start to its end. Methods raise Stop when the host is of no use any more."""

    __test__ = False  # not a test of pytest's, whatever its name

    def __init__(self, plan: Plan, slots: int, folder: Path, factor: float = 1.0) -> None:
        """Start QEMU. `slots` guests may run at once; logs go to `folder`; `factor` stretches time limits."""
        self.plan = plan
        self.factor = factor
        self.pump = Pump()
        self.driver = False  # loaded, at any time
        self.devices: dict[str, str] = {}
        self.release = ""
        self.began = time.monotonic()
        self._dmesg_lines = 0
        names = [AGENT_PORT]
        for slot in range(slots):
            names += [agent_port(slot), console_port(slot)]
        try:
            self.qemu = Qemu(self.pump, plan, names, folder / QEMU_LOG)
        except BaseException:
            self.pump.close()
            raise
        self.agent = Agent(self.pump, self.qemu.ports[AGENT_PORT], "the test host")
        self.pump.watch(self._alive)

    def __enter__(self) -> TestHost:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- life and death -----------------------------------------------------------------

    def wait_up(self, seconds: float) -> None:
        """Wait for the host's agent, then learn what is where."""
        self.version = self.qemu.connect()
        if not self.agent.wait_hello(seconds):
            raise Stop(self._judged())
        self.devices = dict(values(self.ask(DEVICES_SCRIPT)))
        self.release = self.ask("uname -r").strip()

    def _alive(self) -> None:
        if self.qemu.status is not None or self.qemu.reset:
            self.pump.unwatch(self._alive)
            self.qemu.process.wait(3)
            raise Stop(self._judged())

    def _judged(self) -> Outcome:
        return judge_host(
            HostSeen(
                console=self.console,
                qemu_output="\n".join(self.qemu.output.splitlines()[1:]),
                qemu_status=self.qemu.status,
                reset=self.qemu.reset,
                driver=self.driver,
                seconds=time.monotonic() - self.began,
            )
        )

    def alive(self) -> bool:
        """Does it still answer? Never raises."""
        try:
            status, text = self.agent.run("echo alive", 10 * self.factor)
        except (AgentLost, Stop):
            return False
        return status == 0 and text == "alive\n"

    def stop(self) -> None:
        """Switch it off, hard; harmless twice."""
        self.pump.unwatch(self._alive)
        self.qemu.stop()
        self.agent.close()
        self.pump.close()

    @property
    def console(self) -> str:
        """Everything on the serial console so far."""
        try:
            return self.plan.console.read_text(errors="replace")
        except OSError:
            return ""

    # --- scripts --------------------------------------------------------------------------

    def start(self, script: str, limit: float = 0, on_output: Callable[[bytes], None] | None = None) -> Run:
        """Begin a script; `limit` in seconds (before the factor), 0 for none."""
        return self.agent.start(script, limit * self.factor, on_output)

    def wait(self, run: Run) -> int:
        """A script's status."""
        try:
            return self.agent.wait(run)
        except AgentLost as error:
            raise Stop(self._judged()) from error

    def run(self, script: str, limit: float = 30) -> tuple[int, str]:
        """Run a script to its end: (status, output)."""
        run = self.start(script, limit)
        return self.wait(run), run.text

    def ask(self, script: str, limit: float = 30) -> str:
        """The output of a script that cannot fail; if it does, the test host is broken."""
        status, text = self.run(script, limit)
        if status:
            raise InfrastructureError(
                f"a script of the launcher's failed in the test host with {status}: {last_lines(text, 5)}"
            )
        return text

    # --- what is asked of it ------------------------------------------------------------------

    def port(self, name: str) -> str:
        """The device node of a virtio-serial port."""
        return self._device(f"port.{name}")

    def disk(self, serial: str) -> str:
        """The device node of a disk."""
        return self._device(f"disk.{serial}")

    def _device(self, key: str) -> str:
        try:
            return self.devices[key]
        except KeyError:
            found = ", ".join(sorted(self.devices)) or "none"
            raise InfrastructureError(
                f"the test host has no device for {key} (it found {found})",
                hint="are virtio_pci, virtio_blk and virtio_console among the host's modules?",
            ) from None

    def load_driver(self, args: Sequence[str] = ()) -> tuple[bool, str]:
        """insmod with parameters ("scatter=1"): (loaded, what it said)."""
        self.driver = True
        status, text = self.run(f"insmod {DRIVER} {shlex.join(args)} && test -c {DEVICE}", 60)
        if status:
            text += "\n" + "\n".join(self.dmesg().splitlines()[-5:])
        return status == 0, text.strip()

    def unload_driver(self) -> tuple[bool, str]:
        """rmmod, and nothing of the driver is left: (gone, what it said)."""
        status, text = self.run(
            f"rmmod colinux && ! test -e {DEVICE} && ! grep -q '^colinux ' /proc/modules", 60
        )
        return status == 0, text.strip()

    def free_kib(self) -> int:
        """Free memory in KiB, every cache dropped."""
        return int(values(self.ask(FREE_SCRIPT, 120))["free_kib"])

    def pool(self, trim: bool = False) -> tuple[int, int]:
        """The driver's pool in KiB: (all of it, what guests use). `trim`: give back first what none uses."""
        status, text = self.run("colinux-check pool" + (" trim" if trim else ""))
        said = values(text)
        if status or "pool_chunks" not in said:
            raise InfrastructureError(f"the driver does not tell its pool: {text.strip()}")
        chunk = int(said["chunk_kib"])
        return int(said["pool_chunks"]) * chunk, int(said["pool_chunks_used"]) * chunk

    def held(self) -> str:
        """What a harness says that colinux.sys has of NT's memory; the same words mean the same to the byte."""
        return self.ask(f"cat {HELD}").strip()

    def dmesg(self) -> str:
        """The kernel's log since the last `mark_dmesg()`."""
        return "\n".join(self.ask("dmesg", 60).splitlines()[self._dmesg_lines :])

    def mark_dmesg(self) -> None:
        """What is in the kernel's log by now is none of ours."""
        self._dmesg_lines = 0
        self._dmesg_lines = len(self.dmesg().splitlines())

    def epoch(self) -> float:
        """The host's wall clock (Unix time)."""
        return float(self.ask("date +%s"))
