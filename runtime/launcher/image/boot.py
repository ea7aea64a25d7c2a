# SPDX-License-Identifier: GPL-2.0-only
"""boot() of a Windows image: second disk, QEMU, what comes over the serial lines, verdict, evidence."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from pipeline import progress, rootfs
from pipeline.declaration.model import Declaration, WindowsImage
from pipeline.digest import sha256_file
from pipeline.errors import BuildFailed, InfrastructureError, UserError
from pipeline.paths import Paths, atomic_dir
from pipeline.stamp import Job
from runtime.launcher import evidence as evidences
from runtime.launcher.boot import TCG_SLACK, Verdict, repeat_line, time_factor
from runtime.launcher.checks import GUEST_CHECKS, QUICK, Facts, GuestCheck
from runtime.launcher.disknames import aliases, all_names
from runtime.launcher.evidence import Evidence
from runtime.launcher.guest import AGENT_TTY, Log
from runtime.launcher.image import batch, disc
from runtime.launcher.image.computer import PORTS, Plan, Running, image_format
from runtime.launcher.image.judge import Seen, judge_boot
from runtime.launcher.image.records import Receiver
from runtime.launcher.pump import Channel, Pump
from runtime.launcher.qmp import QmpError
from runtime.launcher.report import Report
from runtime.launcher.series import TRAITS
from runtime.launcher.verdict import Outcome, conclude
from toolchain import windows

# Where the user's images are, if their paths are relative: not in the checkout, as they are not ours to give away.
FOLDER_VARIABLE = "COLINUX_IMAGES"


def path_of(machine: WindowsImage, decl: Declaration) -> Path:
    """The image's file, there or not."""
    return Path(os.environ.get(FOLDER_VARIABLE) or decl.root) / machine.image


def missing(machine: WindowsImage, decl: Declaration) -> str | None:
    """Why it cannot be booted here; None when it can."""
    path = path_of(machine, decl)
    if path.is_file():
        return None
    return f"there is no image {path} (yours to make: SUPPORT.md, \"A Windows image of your own\")"


def files(machine: WindowsImage, decl: Declaration, paths: Paths) -> dict[str, Path]:
    """The built files of the machine, by role."""
    found = {
        "driver": paths.driver(machine.nt) / "colinux.sys",
        "daemon": paths.daemon(machine.nt) / "colinux-daemon.exe",
        "kernel": paths.kernel(machine.kernel) / "vmlinux",
        "initramfs": rootfs.image(decl.rootfs[machine.initramfs], paths),
    }
    for disk in machine.disks:
        if disk.rootfs:
            found[f"disk:{disk.rootfs}"] = rootfs.image(decl.rootfs[disk.rootfs], paths)
    return found


def job(machine: WindowsImage, decl: Declaration, paths: Paths, lock_digest: str) -> Job:
    """What a boot depends on and leaves behind. Of the image, which is large, name, size and time."""
    here = Path(__file__).parent
    state = path_of(machine, decl).stat() if not missing(machine, decl) else None
    return Job(
        name=f"boot:{machine.name}",
        inputs={"machine": repr(machine), "lock": lock_digest, "accel": os.environ.get("COLINUX_ACCEL", "auto"),
                "image": [state.st_size, state.st_mtime_ns] if state else None},
        files=[*files(machine, decl, paths).values(), *sorted(here.glob("*.py")), *sorted(here.parent.glob("*.py"))],
        outputs=[paths.boot(machine.name)],
    )  # fmt: skip


@dataclass(frozen=True)
class Test:
    """One boot of an image: what is asked of whom. `token` marks this boot's records."""

    machine: WindowsImage
    series: str
    arch: str
    token: str
    guests: tuple[str, ...]
    factor: float
    slack: float

    def checks(self, guest: str) -> list[GuestCheck]:
        """What a guest is asked, in order: the second one only whether it works."""
        names = self.machine.checks if guest == self.guests[0] else QUICK
        scratch = self.facts(0.0).scratch
        return [GUEST_CHECKS[name] for name in names
                if name in GUEST_CHECKS and (scratch or not GUEST_CHECKS[name].needs_scratch)]

    def facts(self, now: float) -> Facts:
        """What is known of each guest from outside; `now` is the launcher's clock (Unix time)."""
        disks = [number for number, disk in enumerate(self.machine.disks) if disk.size_mib and not disk.readonly]
        return Facts(
            series=self.series, arch=self.arch, memory_mib=self.machine.memory_mib,
            scratch=TRAITS[self.series].disk_name(disks[0]) if disks else None,
            now=now, slack=self.slack,
            disk_names=all_names(len(self.machine.disks), aliases(self.machine.cmdline)),
        )  # fmt: skip


def test_of(machine: WindowsImage, decl: Declaration, accel: str, factor: float, token: str) -> Test:
    """What a boot of the machine asks."""
    kernel = decl.kernels[machine.kernel]
    guests = ("guest1", "guest2") if "second-guest" in machine.checks else ("guest1",)
    return Test(machine, kernel.series, kernel.arch, token, guests, factor,
                factor * (TCG_SLACK if accel == "tcg" else 1.0))  # fmt: skip


def on_disc(test: Test, built: Mapping[str, Path], scratch: Path) -> dict[str, Path | bytes]:
    """Name on the second disk -> content."""
    machine = test.machine
    port, console = machine.serial, next(name for name in PORTS if name != machine.serial)
    content: dict[str, Path | bytes] = {
        disc.START: disc.start(disc.Script(test.token, test.guests, port, console, "unload" in machine.checks)),
        disc.DRIVER: built["driver"], disc.DAEMON: built["daemon"], disc.KERNEL: built["kernel"],
    }  # fmt: skip
    for number, disk in enumerate(machine.disks):
        if disk.rootfs:
            content[disc.disk(number)] = built[f"disk:{disk.rootfs}"]
        else:
            empty = scratch / disc.disk(number)
            with empty.open("wb") as file:
                file.truncate(disk.size_mib << 20)
            content[disc.disk(number)] = empty
    image = built["initramfs"].read_bytes()
    for guest in test.guests:
        scripts = {check.name: check.script(test.facts(0.0)) for check in test.checks(guest)}
        more = batch.archive(test.token, guest, scripts, machine.timeouts.check * test.factor)
        content[disc.initrd(guest)] = batch.initrd(image, more)
        content[disc.configuration(guest)] = disc.guest_file(
            guest, machine.memory_mib, machine.cmdline, [disk.readonly for disk in machine.disks], port, AGENT_TTY)
    return content


def boot(name: str, decl: Declaration, paths: Paths, *, lock_digest: str = "") -> Verdict:
    """As runtime.launcher.boot's, for a machine of kind windows-image. Raises UserError where its image is missing."""
    verdict = judge(name, decl, paths, lock_digest=lock_digest)
    if verdict.good:
        return verdict
    first, _, context = verdict.outcome.reason.partition("\n")
    message = f"{name}: {verdict.outcome.verdict}: {first}"
    hint = f"the evidence is in {evidences.relative(verdict.folder, paths.root)}/"
    log = verdict.folder / "guest-console.log"
    if verdict.outcome.verdict == "infrastructure":
        raise InfrastructureError(f"{message}\n{context}".strip(), hint=hint, log=log)
    raise BuildFailed(message, command=repeat_line(name), excerpt=context, log=log, hint=hint)


def judge(name: str, decl: Declaration, paths: Paths, *, lock_digest: str = "") -> Verdict:
    """As `boot`, but every verdict is returned."""
    machine = decl.images[name]
    reason = missing(machine, decl)
    if reason:
        raise UserError(reason, where=f"machine.{name}.image")
    built = files(machine, decl, paths)
    absent = [evidences.relative(path, paths.root) for path in built.values() if not path.is_file()]
    if absent:
        raise UserError(f"not built: {', '.join(absent)}", hint=f"{repeat_line(name)}, which builds what it needs")
    accel = os.environ.get("COLINUX_ACCEL", "tcg")
    accel = "kvm" if accel == "kvm" else "tcg"  # what a probe with Linux says is nothing about an NT
    test = test_of(machine, decl, accel, time_factor(), secrets.token_hex(4))
    began, started = time.monotonic(), datetime.now(timezone.utc).isoformat(timespec="seconds")
    report, seen = Report(), Seen()
    with atomic_dir(paths.boot(name)) as folder:
        with progress.step(f"boot {name} ({accel}, {machine.qemu.cpu}, {machine.qemu.smp} CPUs)"):
            stopped = _attempt(test, path_of(machine, decl), built, folder, accel, seen, report)
        outcome = conclude(stopped, report.checks)
        image = path_of(machine, decl)
        evidences.write(Evidence(
            machine=name, title=machine.title, scenario="windows-image", outcome=outcome,
            kernel=seen.release, host=f"{seen.version or 'an NT'} ({machine.nt} colinux.sys, image {image.name})",
            accel=accel, boot_seconds=seen.boot_seconds, checks=report.checks, host_alive_after=seen.alive_after,
            artifacts=built,
            inputs={"lock": lock_digest, "declaration": sha256_file(decl.path),
                    "image": f"{image.name}, {image.stat().st_size} bytes"},
            tools={"qemu": seen.qemu, "guest-kernel": seen.compiler},
            started=started, seconds=time.monotonic() - began, repeat=repeat_line(name),
        ), folder, paths.root)  # fmt: skip
    return Verdict(name, outcome, paths.boot(name))


def _attempt(test: Test, image: Path, built: Mapping[str, Path], folder: Path, accel: str, seen: Seen,
             report: Report) -> Outcome | None:
    """The boot itself; what stopped it, or None when it came to its end."""
    try:
        with tempfile.TemporaryDirectory(prefix="colinux-image-") as scratch:
            iso = Path(scratch) / "colinux.iso"
            with progress.step("the second disk"):
                disc.make(on_disc(test, built, Path(scratch)), iso, Path(scratch))
            plan = Plan(windows.targets()[test.machine.nt].arch, test.machine.qemu, image,
                        test.machine.format or image_format(image), iso, accel)
            with _running(plan, folder, test, seen) as (pump, qemu):
                _wait(test, pump, qemu, seen, folder)
    except InfrastructureError as error:
        return Outcome("infrastructure", str(error))
    except OSError as error:
        return Outcome("infrastructure", f"{type(error).__name__}: {error}")
    return judge_boot(test, seen, report)


@contextlib.contextmanager
def _running(plan: Plan, folder: Path, test: Test, seen: Seen) -> Iterator[tuple[Pump, Running]]:
    """QEMU with both lines read into logs, and the one of the verdicts into `seen`, too."""
    pump = Pump()
    with contextlib.ExitStack() as stack:
        stack.callback(pump.close)
        repeat = repeat_line(test.machine.name)
        verdicts, console = (Log(folder / name, repeat) for name in ("host-console.log", "guest-console.log"))
        stack.callback(verdicts.close)
        stack.callback(console.close)
        receiver = Receiver(test.token, seen.take)
        qemu = Running(pump, plan, folder / "qemu.log")
        stack.callback(qemu.stop)

        def on_verdicts(data: bytes) -> None:
            verdicts.write(data)
            seen.line += data
            receiver.feed(data)

        def on_console(data: bytes) -> None:
            console.write(data)
            seen.console += data

        for name, sock in qemu.ports.items():
            Channel(pump, sock, on_verdicts if name == test.machine.serial else on_console)
        seen.qemu = qemu.qmp.connect()
        yield pump, qemu


def _wait(test: Test, pump: Pump, qemu: Running, seen: Seen, folder: Path) -> None:
    """Until the script is over, the machine has ended, or there is no more time."""
    limits = test.machine.timeouts
    began = time.monotonic()

    def stopped() -> bool:
        return seen.over or qemu.process.poll() is not None or qemu.qmp.shutdown_reason is not None

    with progress.step("the image comes to its hook"):
        pump.until(lambda: seen.started or stopped(), limits.boot * test.factor)
    seen.boot_seconds = time.monotonic() - began if seen.started else None
    if seen.started:
        pump.until(stopped, max(0.0, limits.total * test.factor - (time.monotonic() - began)))
    pump.settle()
    seen.reset = qemu.qmp.shutdown_reason
    seen.qemu_status, seen.qemu_output = qemu.process.poll(), qemu.output
    seen.seconds = time.monotonic() - began
    if not stopped():
        # What a person would see: a blue screen, a question, a log-on.
        with contextlib.suppress(QmpError, InfrastructureError):
            qemu.qmp.command("screendump", filename=str(folder / "screen.ppm"))


__all__ = ["Test", "boot", "files", "job", "judge", "missing", "on_disc", "path_of", "test_of"]
