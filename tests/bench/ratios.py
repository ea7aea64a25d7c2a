# SPDX-License-Identifier: GPL-2.0-only
"""`./doit bench`: the guest against its own host, in one run.

The same static program (colinux-check bench) runs in turn in the guest and in
the host that it runs beside, several rounds, each kind in both before the next;
what is compared is the median of each. Only the ratio means anything: seconds
under emulation, or on a busy machine, do not. A ratio of 1 is the goal, above 1
the guest is slower.

What a device's line compares is the way through the device: the guest's disk with the host's
disk that it is on, its network with the host's loopback (a server on the host answers both), its
host folder with that folder, its console with the terminal that the daemon writes it to, a serial port
with a terminal of the host's as it leads to, its entropy with the host's own.

Where the declaration has a host for it, the same is done in a virtual machine of QEMU's on
that host (rival.py), with virtio devices that lead to the same places.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from statistics import median

from pipeline.declaration.model import Declaration, Machine
from pipeline.errors import BuildFailed
from pipeline.paths import Paths, atomic_write
from runtime import launcher
from runtime.launcher import network
from runtime.launcher.agent import Run
from runtime.launcher.guest import Guest
from runtime.launcher.host import console_port
from runtime.launcher.lab import Lab
from runtime.launcher.scenarios import Scenario
from runtime.launcher.series import TRAITS
from runtime.launcher.servers import serving, stop_runs, wait_ready
from tests.bench import rival
from tests.bench.rival import Rival

ROUNDS = 5
LIMIT = 300.0  # seconds for one benchmark

FOLDER = "/tmp/colinux-bench"
MOUNTED = "/tmp/cofs0"
# Terminals of the host's with somebody at their other ends: for the guest, for the host itself, for the rival.
LINES = ("/tmp/serial-guest", "/tmp/serial-host", "/tmp/serial-rival")


@dataclass(frozen=True)
class Kind:
    """A row: what a person reads, and the word (one of `places`) for what colinux-check gets as its argument.

    `device`: the device of series.Traits that it needs, "" for none.
    """

    title: str
    place: str = ""
    device: str = ""
    unit: str = "s"


# By colinux-check's name.
KINDS: Mapping[str, Kind] = {
    "cpu": Kind("integer arithmetic"),
    "fp": Kind("floating point"),
    "getpid": Kind("system call (getppid)"),
    "fork": Kind("fork and exec"),
    "pipe": Kind("context switch (pipe)"),
    "sleep": Kind("10 ms sleep: error", unit="ms"),
    "diskseq": Kind("disk, sequential", "disk"),
    "diskrand": Kind("disk, random 4 KiB", "disk"),
    "netsend": Kind("network, to the host", "server", "net"),
    "nettake": Kind("network, from the host", "server", "net"),
    "netrtt": Kind("network, there and back", "server", "net"),
    "files": Kind("host folder, small files", "folder", "folder"),
    "fileseq": Kind("host folder, sequential", "folder", "folder"),
    "tty": Kind("console", "console"),
    "serial": Kind("serial port", "serial"),
    "entropy": Kind("entropy", "entropy", "entropy"),
}


@dataclass
class Figures:
    """What was measured: per kind, one value a round in guest and host; lower is better."""

    guest: dict[str, list[float]] = field(default_factory=dict)
    host: dict[str, list[float]] = field(default_factory=dict)
    rival: Rival = field(default_factory=Rival)
    boot_seconds: float = 0.0

    def table(self) -> list[dict[str, object]]:
        """One row for each kind that was measured: the medians and their ratio."""
        rows: list[dict[str, object]] = []
        for kind in self.guest:
            guest, host = median(self.guest[kind]), median(self.host[kind])
            other = median(self.rival.figures[kind]) if kind in self.rival.figures else None
            rows.append({"kind": kind, "title": KINDS[kind].title, "guest": guest, "host": host,
                         "ratio": guest / host if host else None,
                         "qemu": other, "ratio_qemu": guest / other if other else None})
        return rows

    def as_text(self, name: str) -> str:
        """The table for a person."""
        accel = self.rival.accel
        lines = [f"{name}: guest against its host" + (f", and against QEMU ({accel}) on that host" if accel else "")
                 + f"; {ROUNDS} rounds, medians (lower is better)", "",
                 f"{'':<26}{'guest':>12}{'host':>12}{'guest/host':>12}" + (f"{'QEMU':>12}{'guest/QEMU':>12}" if accel else "")]
        for row in self.table():
            unit = KINDS[str(row["kind"])].unit
            line = f"{row['title']:<26}{row['guest']:>10.4f} {unit:<2}{row['host']:>9.4f} {unit:<2}{_ratio(row['ratio']):>11}"
            if row["qemu"] is not None:
                line += f"{row['qemu']:>11.4f} {unit:<2}{_ratio(row['ratio_qemu']):>10}"
            lines.append(line)
        return "\n".join([*lines, "", f"boot to init: {self.boot_seconds:.2f} s"])


def _ratio(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else "-"


def value(output: str) -> float:
    """The figure in colinux-check's one line, `name=value`. Raises BuildFailed when there is none."""
    _, equals, number = output.strip().rpartition("=")
    try:
        return float(number) if equals else float("nan") / 0
    except (ValueError, ZeroDivisionError):
        raise BuildFailed(f"the benchmark said no figure: {output.strip()!r}") from None


def equipped(name: str, decl: Declaration) -> Machine:
    """The machine with the devices that are measured, as far as its kernel knows them, and with the rival's host."""
    machine = decl.machines[name]
    devices = TRAITS[decl.kernels[machine.kernel].series].devices
    # ttys0= is the agent's line
    words = [machine.cmdline, f"ttys1={LINES[0]}"]
    if "net" in devices:
        words.append("eth0=slirp")
    if "folder" in devices:
        words.append(f"cofs0={FOLDER}")
    machine = replace(machine, name="bench", checks=("poweroff",), scenario="basic", cmdline=" ".join(filter(None, words)))
    host = rival.host_for(machine, decl)
    if host is None:
        return machine
    return replace(machine, host=host.name, qemu=host.qemu, carries=(*machine.carries, rival.IMAGE))


def places(lab: Lab, guest: Guest) -> Mapping[str, tuple[str, str]]:
    """Word of a Kind -> where that is, in the guest and on the host."""
    scratch = next(n for n, disk in enumerate(lab.machine.disks) if disk.size_mib)
    series = lab.setting.guests[guest.slot].kernel.series
    return {
        "": ("", ""),
        "disk": (TRAITS[series].disk_name(scratch), lab.host.disk(guest.config.disks[scratch][0])),
        "server": (f"10.0.2.2:{network.PORT}", f"127.0.0.1:{network.PORT}"),
        "folder": (MOUNTED, FOLDER),
        # The guest's first console ends in the port of its slot; the next slot's port is the host's own.
        "console": ("/dev/hvc0", lab.host.port(console_port(guest.slot + 1))),
        "serial": ("/dev/hvc2", LINES[1]),
        "entropy": ("/dev/hwrng", "/dev/urandom"),
    }


@contextmanager
def surroundings(lab: Lab, guest: Guest, devices: frozenset[str]) -> Iterator[None]:
    """What the devices lead to: a server on the host, a mounted folder, an address of the guest's."""
    with serving(lab, "a server on the test host", *([network.SERVER] if "net" in devices else [])):
        if "net" in devices:
            status, text = guest.run("i=0; until ifconfig eth0 | grep -q 10.0.2.15; do "
                                     "i=$((i + 1)); [ $i -lt 240 ] || exit 1; sleep 0.25; done", LIMIT)
            if status:
                raise BuildFailed(f"the guest has no address: {text.strip()}")
        if "folder" in devices:
            status, text = guest.run(f"mkdir -p {MOUNTED} && mount.cofs 0 {MOUNTED}", LIMIT)
            if status:
                raise BuildFailed(f"the guest cannot mount its host folder: {text.strip()}")
        yield
        if "folder" in devices:
            guest.run(f"umount {MOUNTED}", LIMIT)


def measure(lab: Lab, guest: Guest, figures: Figures) -> None:
    """Every kind, guest and host in turn, so that what disturbs one round disturbs both."""
    devices = TRAITS[lab.setting.guests[guest.slot].kernel.series].devices
    where = places(lab, guest)
    kinds = {name: kind for name, kind in KINDS.items() if not kind.device or kind.device in devices}
    with surroundings(lab, guest, devices):
        for _ in range(ROUNDS):
            for name, kind in kinds.items():
                in_guest, on_host = where[kind.place]
                for run, place, into in ((guest.run, in_guest, figures.guest), (lab.host.run, on_host, figures.host)):
                    status, output = run(f"colinux-check bench {name} {place}", LIMIT)
                    if status:
                        raise BuildFailed(f"the benchmark {name} failed with {status}: {output.strip()}")
                    into.setdefault(name, []).append(value(output))
        if rival.IMAGE in lab.machine.carries:
            inside = rival.places({name: kind.place for name, kind in kinds.items()})
            outside = {name: where[name][1] for name in ("disk", "console", "folder")}
            figures.rival = rival.measure(lab, inside, ROUNDS, guest.config.memory_mib, {**outside, "serial": LINES[2]})


def prepare(lab: Lab) -> Run:
    """Before the daemon starts: what it opens is there. Returns what runs for that until the end."""
    lab.host.ask(f"ifconfig lo 127.0.0.1 up; mkdir -p {FOLDER}")
    lines = lab.host.start(f"exec colinux-check serial {' '.join(LINES)}")
    wait_ready(lab, lines, "the other end of the serial lines")
    return lines


def run(name: str, declaration: Declaration, paths: Paths) -> Figures:
    """Boot a machine, measure, print the table, and leave build/boot/bench/bench.json."""
    figures = Figures()
    lines: list[Run] = []

    @contextmanager
    def around(lab: Lab, guests: Sequence[Guest]) -> Iterator[None]:
        figures.boot_seconds = lab.boot_seconds or 0.0
        measure(lab, guests[0], figures)
        yield

    machine = equipped(name, declaration)
    own = replace(declaration, machines={**declaration.machines, "bench": machine})
    scenario = Scenario("bench", before=lambda lab: lines.append(prepare(lab)), around=around,
                        after=lambda lab: stop_runs(lab, lines), spare=1)
    extra = rival.files(paths.host(machine.host) / "vmlinuz") if rival.IMAGE in machine.carries else {}
    verdict = launcher.judge("bench", own, paths, scenario=scenario, extra=extra)
    if not verdict.good:
        raise BuildFailed(f"bench: {verdict.outcome.verdict}: {verdict.outcome.reason}")
    print("\n" + figures.as_text(name))
    report = {"machine": name, "rounds": ROUNDS, "boot_seconds": figures.boot_seconds, "qemu": figures.rival.accel,
              "rows": figures.table()}
    atomic_write(paths.boot("bench") / "bench.json", json.dumps(report, indent=2) + "\n")
    return figures
