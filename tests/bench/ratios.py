# SPDX-License-Identifier: GPL-2.0-only
"""`./doit bench`: the guest against its own host, in one run.

The same static program (colinux-check bench) runs in turn in the guest and in
the host that it runs beside, several rounds, each kind in both before the next;
what is compared is the median of each. Only the ratio means anything: seconds
under emulation, or on a busy machine, do not. A ratio of 1 is the goal, above 1
the guest is slower.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from statistics import median

from pipeline.declaration.model import Declaration
from pipeline.errors import BuildFailed
from pipeline.paths import Paths, atomic_write
from runtime import launcher
from runtime.launcher.guest import Guest
from runtime.launcher.lab import Lab
from runtime.launcher.scenarios import Scenario

ROUNDS = 5
LIMIT = 300.0  # seconds for one benchmark

# colinux-check's name -> what a person reads.
KINDS = {
    "cpu": "integer arithmetic",
    "fp": "floating point",
    "getpid": "system call (getppid)",
    "fork": "fork and exec",
    "pipe": "context switch (pipe)",
    "sleep": "10 ms sleep: error",
    "diskseq": "disk, sequential",
    "diskrand": "disk, random 4 KiB",
}


@dataclass
class Figures:
    """What was measured: per kind, one value a round in guest and host; lower is better."""

    guest: dict[str, list[float]] = field(default_factory=dict)
    host: dict[str, list[float]] = field(default_factory=dict)
    boot_seconds: float = 0.0

    def table(self) -> list[dict[str, object]]:
        """One row a kind: the medians and their ratio."""
        rows: list[dict[str, object]] = []
        for kind, title in KINDS.items():
            guest, host = median(self.guest[kind]), median(self.host[kind])
            rows.append({"kind": kind, "title": title, "guest": guest, "host": host,
                         "ratio": guest / host if host else None})
        return rows


def value(output: str) -> float:
    """The figure in colinux-check's one line, `name=value`. Raises BuildFailed when there is none."""
    _, equals, number = output.strip().rpartition("=")
    try:
        return float(number) if equals else float("nan") / 0
    except (ValueError, ZeroDivisionError):
        raise BuildFailed(f"the benchmark said no figure: {output.strip()!r}") from None


def measure(lab: Lab, guest: Guest, figures: Figures) -> None:
    """Every kind, guest and host in turn, so that what disturbs one round disturbs both."""
    scratch = next(n for n, disk in enumerate(lab.machine.disks) if disk.size_mib)
    in_guest = f"/dev/vd{chr(ord('a') + scratch)}"
    on_host = lab.host.disk(guest.config.disks[scratch][0])
    for _ in range(ROUNDS):
        for kind in KINDS:
            disk = kind.startswith("disk")
            for run, device, into in ((guest.run, in_guest, figures.guest), (lab.host.run, on_host, figures.host)):
                status, output = run(f"colinux-check bench {kind} {device if disk else ''}", LIMIT)
                if status:
                    raise BuildFailed(f"the benchmark {kind} failed with {status}: {output.strip()}")
                into.setdefault(kind, []).append(value(output))


def run(name: str, declaration: Declaration, paths: Paths) -> Figures:
    """Boot a machine, measure, print the table, and leave build/boot/bench/bench.json."""
    figures = Figures()

    @contextmanager
    def around(lab: Lab, guests: Sequence[Guest]) -> Iterator[None]:
        figures.boot_seconds = lab.boot_seconds or 0.0
        measure(lab, guests[0], figures)
        yield

    machine = replace(declaration.machines[name], name="bench", checks=("poweroff",), scenario="basic")
    own = replace(declaration, machines={**declaration.machines, "bench": machine})
    verdict = launcher.judge("bench", own, paths, scenario=Scenario("bench", around=around))
    if not verdict.good:
        raise BuildFailed(f"bench: {verdict.outcome.verdict}: {verdict.outcome.reason}")
    rows = figures.table()
    print(f"\n{name}: guest against its host, {ROUNDS} rounds, medians (lower is better)\n")
    print(f"{'':<26}{'guest':>12}{'host':>12}{'guest/host':>12}")
    for row in rows:
        ratio = f"{row['ratio']:.2f}" if row["ratio"] is not None else "-"
        unit = "ms" if row["kind"] == "sleep" else "s"
        print(f"{row['title']:<26}{row['guest']:>10.4f} {unit:<2}{row['host']:>9.4f} {unit:<2}{ratio:>11}")
    print(f"\nboot to init: {figures.boot_seconds:.2f} s")
    report = {"machine": name, "rounds": ROUNDS, "boot_seconds": figures.boot_seconds, "rows": rows}
    atomic_write(paths.boot("bench") / "bench.json", json.dumps(report, indent=2) + "\n")
    return figures
