# SPDX-License-Identifier: GPL-2.0-only
"""`./doit bench`: the guest against its own host, in one run.

The same static program (colinux-check bench) runs in turn in the guest and in
the host that it runs beside, several rounds, each kind in both before the next;
what is compared is the median of each. Only the ratio means anything: seconds
under emulation, or on a busy machine, do not. A ratio of 1 is the goal, above 1
the guest is slower.

What a device's line compares is the way through the device: the guest's disk with the host's
disk that it is on, its network with the host's loopback (a server on the host answers both), its
host folder with that folder, its console with the terminal that the daemon writes it to, its
entropy with the host's own.
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
from runtime.launcher.guest import Guest
from runtime.launcher.host import console_port
from runtime.launcher.lab import Lab
from runtime.launcher.scenarios import Scenario, stop_runs
from runtime.launcher.series import TRAITS

ROUNDS = 5
LIMIT = 300.0  # seconds for one benchmark

FOLDER = "/tmp/colinux-bench"
MOUNTED = "/tmp/cofs0"


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
    "entropy": Kind("entropy", "entropy", "entropy"),
}


@dataclass
class Figures:
    """What was measured: per kind, one value a round in guest and host; lower is better."""

    guest: dict[str, list[float]] = field(default_factory=dict)
    host: dict[str, list[float]] = field(default_factory=dict)
    boot_seconds: float = 0.0

    def table(self) -> list[dict[str, object]]:
        """One row for each kind that was measured: the medians and their ratio."""
        rows: list[dict[str, object]] = []
        for kind in self.guest:
            guest, host = median(self.guest[kind]), median(self.host[kind])
            rows.append({"kind": kind, "title": KINDS[kind].title, "guest": guest, "host": host,
                         "ratio": guest / host if host else None})
        return rows


def value(output: str) -> float:
    """The figure in colinux-check's one line, `name=value`. Raises BuildFailed when there is none."""
    _, equals, number = output.strip().rpartition("=")
    try:
        return float(number) if equals else float("nan") / 0
    except (ValueError, ZeroDivisionError):
        raise BuildFailed(f"the benchmark said no figure: {output.strip()!r}") from None


def equipped(machine: Machine, series: str) -> Machine:
    """The machine with the devices that are measured, as far as its kernel knows them."""
    words = [machine.cmdline]
    if "net" in TRAITS[series].devices:
        words.append("eth0=slirp")
    if "folder" in TRAITS[series].devices:
        words.append(f"cofs0={FOLDER}")
    return replace(machine, name="bench", checks=("poweroff",), cmdline=" ".join(filter(None, words)))


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
        "entropy": ("/dev/hwrng", "/dev/urandom"),
    }


@contextmanager
def surroundings(lab: Lab, guest: Guest, devices: frozenset[str]) -> Iterator[None]:
    """What the devices lead to: a server on the host, a mounted folder, an address of the guest's."""
    runs = []
    try:
        if "net" in devices:
            runs.append(lab.host.start(network.SERVER))
            network.wait_ready(lab, runs[0], "a server on the test host")
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
    finally:
        stop_runs(lab, runs)


def measure(lab: Lab, guest: Guest, figures: Figures) -> None:
    """Every kind, guest and host in turn, so that what disturbs one round disturbs both."""
    devices = TRAITS[lab.setting.guests[guest.slot].kernel.series].devices
    where = places(lab, guest)
    with surroundings(lab, guest, devices):
        for _ in range(ROUNDS):
            for name, kind in KINDS.items():
                if kind.device and kind.device not in devices:
                    continue
                in_guest, on_host = where[kind.place]
                for run, place, into in ((guest.run, in_guest, figures.guest), (lab.host.run, on_host, figures.host)):
                    status, output = run(f"colinux-check bench {name} {place}", LIMIT)
                    if status:
                        raise BuildFailed(f"the benchmark {name} failed with {status}: {output.strip()}")
                    into.setdefault(name, []).append(value(output))


def prepare(lab: Lab) -> None:
    """Before the daemon starts: what it opens is there."""
    lab.host.ask(f"ifconfig lo 127.0.0.1 up; mkdir -p {FOLDER}")


def run(name: str, declaration: Declaration, paths: Paths) -> Figures:
    """Boot a machine, measure, print the table, and leave build/boot/bench/bench.json."""
    figures = Figures()

    @contextmanager
    def around(lab: Lab, guests: Sequence[Guest]) -> Iterator[None]:
        figures.boot_seconds = lab.boot_seconds or 0.0
        measure(lab, guests[0], figures)
        yield

    machine = declaration.machines[name]
    machine = replace(equipped(machine, declaration.kernels[machine.kernel].series), scenario="basic")
    own = replace(declaration, machines={**declaration.machines, "bench": machine})
    scenario = Scenario("bench", before=prepare, around=around, spare=1)
    verdict = launcher.judge("bench", own, paths, scenario=scenario)
    if not verdict.good:
        raise BuildFailed(f"bench: {verdict.outcome.verdict}: {verdict.outcome.reason}")
    rows = figures.table()
    print(f"\n{name}: guest against its host, {ROUNDS} rounds, medians (lower is better)\n")
    print(f"{'':<26}{'guest':>12}{'host':>12}{'guest/host':>12}")
    for row in rows:
        ratio = f"{row['ratio']:.2f}" if row["ratio"] is not None else "-"
        unit = KINDS[str(row["kind"])].unit
        print(f"{row['title']:<26}{row['guest']:>10.4f} {unit:<2}{row['host']:>9.4f} {unit:<2}{ratio:>11}")
    print(f"\nboot to init: {figures.boot_seconds:.2f} s")
    report = {"machine": name, "rounds": ROUNDS, "boot_seconds": figures.boot_seconds, "rows": rows}
    atomic_write(paths.boot("bench") / "bench.json", json.dumps(report, indent=2) + "\n")
    return figures
