# SPDX-License-Identifier: GPL-2.0-only
"""The bench a boot is done on: the test host, its guests, the clock, and what was found.

Scenarios (scenarios.py) are written in its verbs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.declaration.model import Machine
from runtime.launcher.agent import Run
from runtime.launcher.artifacts import Payload
from runtime.launcher.checks import GUEST_CHECKS, QUICK, Facts, GuestCheck, digest_of
from runtime.launcher.disknames import aliases, all_names
from runtime.launcher.guest import Guest, Log
from runtime.launcher.host import TestHost
from runtime.launcher.report import Report, Stopwatch
from runtime.launcher.series import TRAITS
from runtime.launcher.verdict import Outcome, Stop, complaints, last_lines

# KiB that the host may have less of after guests than before, for each of its
# CPUs (at least for two): per-CPU lists and caches of things in use waver. Measured, with
# every cache shrunk (host.FREE_SCRIPT): 88 and 116 after four guests, -200 to 270 after
# unloading, two CPUs each. A lost chunk of guest memory is 4096.
LEAK_KIB_PER_CPU = 384

SCRIPT_SECONDS = 30


@dataclass(frozen=True)
class Setting:
    """What a boot is about: the declared machine, what its slots run, where logs go.

    `factor` stretches time limits, `slack` says how late a sleep may end.
    """

    machine: Machine
    guests: Sequence[Payload]  # one a slot
    factor: float
    slack: float
    folder: Path
    repeat: str


class Lab:
    """A host that is up, and its guests. Methods raise Stop when the boot cannot go on."""

    def __init__(self, setting: Setting, host: TestHost, report: Report) -> None:
        self.setting = setting
        self.machine = setting.machine
        self.host = host
        self.report = report
        self.daemon_log = Log(setting.folder / "daemon.log", setting.repeat)
        self.guests = [self._guest(slot) for slot in range(len(setting.guests))]
        self.allowed: list[str] = []  # patterns in the host's log that the scenario provokes
        self.kernel_release = ""
        self.compiler = ""
        self.boot_seconds: float | None = None
        self.free_before = 0
        self.free_unloaded = 0
        self.held_before = ""
        self.guests_run = 0
        self._guest_hash: str | None = None
        self._avx = False

    def _guest(self, slot: int) -> Guest:
        log = Log(self.setting.folder / f"guest-console{slot or ''}.log", self.setting.repeat)
        # Also one of another machine's (`beside`) does what this machine's checks ask of it.
        # colinux.sys knows the process that has opened it: in a sandbox that would be another one.
        config = replace(self.setting.guests[slot].config(slot), reboots="control" in self.machine.checks,
                         sandbox=not self.machine.nt)
        return Guest(self.host, slot, config, log, self.daemon_log)

    # --- time ---------------------------------------------------------------------------

    @property
    def boot_limit(self) -> float:
        return self.machine.timeouts.boot * self.setting.factor

    @property
    def check_limit(self) -> float:
        return self.machine.timeouts.check * self.setting.factor

    # --- driver --------------------------------------------------------------------------

    def load_driver(self) -> None:
        """insmod, and note what the host was like before its first guest."""
        self._avx = self.host.run("grep -qw avx /proc/cpuinfo")[0] == 0
        self.host.mark_dmesg()
        # What a harness has to give as NT's memory it takes when it is loaded: the pool is part of that.
        before = self.host.free_kib() if self.machine.nt else 0
        watch = Stopwatch()
        good, text = self.host.load_driver(self.machine.driver_args)
        self.report.add("driver", good, text or "loaded", watch.seconds)
        if not good:
            raise Stop(Outcome("check-failed", f"the driver could not be loaded\n{text}"))
        self.free_before = self.host.free_kib() + self._pool_kib(self.host.pool()[0])
        self.held_before = self.host.held() if self.machine.nt else ""
        self.free_unloaded = before or self.free_before

    # --- guests -----------------------------------------------------------------------------

    def start(self, guests: Sequence[Guest], title: str, extra: str = "") -> None:
        """Start guests at once and wait until every one is up."""
        for guest in guests:
            guest.start(title, extra)
            self.guests_run += 1
        for guest in guests:
            guest.wait_up(self.boot_limit)
        if self.boot_seconds is None:
            self.boot_seconds = guests[0].boot_seconds
            # Known from here on, whatever the checks will find.
            status, text = guests[0].run("uname -r; cat /proc/version", SCRIPT_SECONDS * self.setting.factor)
            lines = text.splitlines()
            if status == 0 and len(lines) >= 2:
                self.kernel_release, self.compiler = lines[0], lines[1]

    def check(self, guests: Sequence[Guest], names: Sequence[str], tag: str = "") -> None:
        """Do guest checks, each on all guests at the same time."""
        for name in names:
            check = GUEST_CHECKS[name]
            runs = [(guest, self._begin(check, guest), Stopwatch()) for guest in guests]
            for guest, run, watch in runs:
                label = name + tag + (f"@{guest.slot}" if len(guests) > 1 else "")
                self._judge(check, guest, run, watch, label)

    def _facts(self, guest: Guest) -> Facts:
        payload = self.setting.guests[guest.slot]
        kernel = payload.kernel
        disks = enumerate(payload.machine.disks)
        scratch = [number for number, disk in disks if disk.size_mib and not disk.readonly]
        return Facts(
            series=kernel.series,
            arch=kernel.arch,
            memory_mib=guest.config.memory_mib,
            scratch=TRAITS[kernel.series].disk_name(scratch[0]) if scratch else None,
            avx=self._avx,
            now=time.time(),
            console=guest.console,
            slack=self.setting.slack,
            disk_names=all_names(len(payload.machine.disks), aliases(payload.machine.cmdline)),
        )

    def _begin(self, check: GuestCheck, guest: Guest) -> Run | None:
        facts = self._facts(guest)
        if check.needs_scratch and facts.scratch is None:
            return None
        return guest.begin(check.script(facts), self.check_limit)

    def _judge(self, check: GuestCheck, guest: Guest, run: Run | None, watch: Stopwatch, label: str) -> None:
        if run is None:
            self.report.add(label, None, "this machine declares no disk that may be overwritten")
            return
        try:
            status = guest.wait(run, label)
        except Stop:
            self.report.add(
                label, False, f"the guest did not finish it\n{last_lines(run.text)}", watch.seconds
            )
            raise
        judged = check.judge(status, run.text, self._facts(guest))
        output = f"{judged.text}\n{run.text.strip()}" if not judged.good else judged.text
        self.report.add(label, judged.good, output, watch.seconds)
        if check.name == "disk" and guest.slot == 0 and judged.good:
            self._guest_hash = digest_of(run.text, "device")

    def power_off(self, guests: Sequence[Guest], label: str = "poweroff") -> None:
        """Have guests switch themselves off; a daemon that does not end with 0 is a failed check."""
        watch = Stopwatch()
        for guest in guests:
            guest.ask_off()
        for guest in guests:
            status = guest.wait_end(self.check_limit)
            name = label + (f"@{guest.slot}" if len(guests) > 1 else "")
            good = status == 0
            said = (
                "the daemon ended with 0"
                if good
                else (
                    f"still running after {self.check_limit:.0f} s\n{last_lines(guest.console)}"
                    if status is None
                    else f"the daemon ended with {status}\n{last_lines(guest.daemon)}"
                )
            )
            self.report.add(name, good, said, watch.seconds)
            guest.stop()

    @contextmanager
    def quietly(self) -> Iterator[Report]:
        """Checks inside the block go to a report of its own, which is not shown."""
        outer, self.report = self.report, Report(show=False)
        try:
            yield self.report
        finally:
            self.report = outer

    def quick(self, guests: Sequence[Guest], label: str) -> None:
        """Boot, a few checks, power-off: one line in the report that says whether a guest still works."""
        watch = Stopwatch()
        try:
            with self.quietly() as inner:
                self.start(guests, label)
                self.check(guests, QUICK)
                self.power_off(guests)
        except Stop as stop:
            self.report.add(label, False, stop.outcome.reason, watch.seconds)
            raise
        text = "\n".join(f"{check.name}: {check.output}" for check in inner.wrong())
        how = (
            "booted, worked and powered off" if len(guests) == 1 else "booted, worked and powered off at once"
        )
        self.report.add(label, not text, text or f"{len(guests)} {how}", watch.seconds)

    # --- afterwards, on the host ----------------------------------------------------------------

    def disk_same(self) -> None:
        """What the guest read of its disk is what the host finds on it."""
        if self._guest_hash is None:
            return
        watch = Stopwatch()
        number = next(n for n, disk in enumerate(self.machine.disks) if disk.size_mib and not disk.readonly)
        device = self.host.disk(self.guests[0].config.disks[number][0])
        status, text = self.host.run(
            f"sync; echo 3 > /proc/sys/vm/drop_caches; sha256sum < {device}", self.machine.timeouts.check
        )
        found = (text.split() or [""])[0]
        good = status == 0 and found == self._guest_hash
        self.report.add(
            "disk-host",
            good,
            f"sha256 {found[:16]} on both sides"
            if good
            else f"the guest read {self._guest_hash}, the host {found or text}",
            watch.seconds,
        )

    @property
    def leak_limit(self) -> int:
        """KiB; see LEAK_KIB_PER_CPU."""
        return LEAK_KIB_PER_CPU * max(2, self.machine.qemu.smp)

    def _pool_kib(self, pool: int) -> int:
        """How much of the host's free memory the driver's pool is, in KiB."""
        return 0 if self.machine.nt else pool

    def leak(self) -> None:
        """The host has its memory back, apart from the pool that the driver keeps for the next guest.

        NT's keeps more than chunks, a list of its pages with each (MDL: 16 KiB as Linux's kmalloc
        counts, 1 MiB after two guests), so there the pool goes back first. Then the driver must
        have what it had before the first guest, to the byte.
        """
        watch = Stopwatch()
        pool, used = self.host.pool(trim=bool(self.machine.nt))
        free = self.host.free_kib()
        held = self.host.held() if self.machine.nt else ""
        lost = self.free_before - free - self._pool_kib(pool)
        text = (
            f"{lost} KiB less after {self.guests_run} guests "
            f"(free before {self.free_before}, now {free}, pool {pool}, in use {used})"
        )
        if held:
            text += f"\nof NT the driver holds {held}" + (
                f"; before: {self.held_before}" if held != self.held_before else ", as before"
            )
        good = lost <= self.leak_limit and used == 0 and held == self.held_before
        self.report.add("host-leak", good, text, watch.seconds)

    def unload(self) -> None:
        """rmmod, and the pool's memory is back, too."""
        watch = Stopwatch()
        good, text = self.host.unload_driver()
        if good:
            lost = self.free_unloaded - self.host.free_kib()
            good, text = lost <= self.leak_limit, f"unloaded; {lost} KiB less free than before the first guest"
        self.report.add("unload", good, text, watch.seconds)

    def host_clean(self) -> None:
        """The host's kernel has complained of nothing since the driver was loaded."""
        watch = Stopwatch()
        found = complaints(self.host.dmesg(), self.allowed)
        text = (
            "\n".join([f"{len(found)} complaints in the host's log", *found[:20]])
            if found
            else "no complaint"
        )
        self.report.add("host-clean", not found, text, watch.seconds)

    def close(self) -> None:
        """End guests that still run, if the host still lives; close the logs."""
        for guest in self.guests:
            guest.close()
        self.daemon_log.close()
