# SPDX-License-Identifier: GPL-2.0-only
"""boot(): a machine of colinux.toml, from its built files to a verdict with its evidence."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from pipeline import process, progress, sources
from pipeline.declaration.model import Declaration, Machine
from pipeline.digest import sha256_file
from pipeline.errors import BuildFailed, ColinuxError, InfrastructureError, UserError
from pipeline.paths import Paths, atomic_dir
from pipeline.stamp import Job
from runtime.launcher import accel as accelerators
from runtime.launcher import artifacts as built
from runtime.launcher import evidence as evidences
from runtime.launcher.artifacts import Artifacts
from runtime.launcher.evidence import CONSOLE_LOG, QEMU_LOG, Evidence
from runtime.launcher.host import TestHost
from runtime.launcher.lab import Lab, Setting
from runtime.launcher.qemu import Plan
from runtime.launcher.report import Report
from runtime.launcher.scenarios import SCENARIOS, Scenario, play, slots
from runtime.launcher.verdict import CheckResult, Outcome, Stop, conclude, last_lines

# How much slower than hardware a sleep may end under TCG on a computer that does other things too.
TCG_SLACK = 3.0
# How often a test host may fail to come up.
HOST_TRIES = 2


@dataclass(frozen=True)
class Verdict:
    """What a boot was, and where its evidence lies."""

    machine: str
    outcome: Outcome
    folder: Path

    @property
    def good(self) -> bool:
        return self.outcome.verdict == "pass"


@dataclass
class Seen:
    """What is known of a boot so far; grows while it goes on."""

    checks: list[CheckResult] = field(default_factory=list)
    kernel: str = ""
    compiler: str = ""
    host: str = ""
    qemu: str = ""
    boot_seconds: float | None = None
    host_alive: bool = False
    warnings: list[str] = field(default_factory=list)


def time_factor() -> float:
    """COLINUX_TIME_FACTOR: stretches every time limit, for a slow or busy computer. Raises UserError."""
    text = os.environ.get("COLINUX_TIME_FACTOR", "1")
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor < 1000:
        raise UserError(
            f'"{text}" is not a factor', where="COLINUX_TIME_FACTOR", hint="a number above 0, as 2.5"
        )
    return factor


def repeat_line(name: str) -> str:
    """The command that does this boot again."""
    return f"./doit boot:{name}"


def job(machine: Machine, decl: Declaration, paths: Paths, lock_digest: str) -> Job:
    """What a boot depends on and leaves behind."""
    here = Path(__file__).parent
    return Job(
        name=f"boot:{machine.name}",
        inputs={
            "machine": repr(machine),
            "lock": lock_digest,
            "accel": os.environ.get("COLINUX_ACCEL", "auto"),
        },
        files=[*built.find(machine.name, decl, paths).files.values(), *sorted(here.glob("*.py"))],
        outputs=[paths.boot(machine.name)],
    )


def boot(
    name: str, decl: Declaration, paths: Paths, *, accel: str = "auto", lock_digest: str = ""
) -> Verdict:
    """Boot a machine, examine it, keep the evidence in build/boot/<name>/.

    Returns for the verdict `pass`. Any other raises, with the evidence written:
    BuildFailed, or InfrastructureError for the verdict of that name. Raises
    UserError, without evidence, when something is not built or not installed.
    `accel`: auto, tcg or kvm; the environment's COLINUX_ACCEL goes before it.
    """
    verdict = judge(name, decl, paths, accel=accel, lock_digest=lock_digest)
    if verdict.good:
        return verdict
    first, _, context = verdict.outcome.reason.partition("\n")
    message = f"{name}: {verdict.outcome.verdict}: {first}"
    hint = f"the evidence is in {evidences.relative(verdict.folder, paths.root)}/"
    log = verdict.folder / "guest-console.log"
    log = log if log.exists() else verdict.folder / CONSOLE_LOG
    if verdict.outcome.verdict == "infrastructure":
        raise InfrastructureError(f"{message}\n{context}".strip(), hint=hint, log=log)
    raise BuildFailed(message, command=repeat_line(name), excerpt=context, log=log, hint=hint)


def judge(
    name: str,
    decl: Declaration,
    paths: Paths,
    *,
    accel: str = "auto",
    lock_digest: str = "",
    extra: Mapping[str, Path] | None = None,
    scenario: Scenario | None = None,
) -> Verdict:
    """As `boot`, but every verdict is returned.

    For tests: `extra` files go into the host, another `scenario` takes the declared one's place.
    """
    artifacts = built.find(name, decl, paths)
    built.require(artifacts, paths)
    factor = time_factor()
    scenario = scenario or SCENARIOS[artifacts.machine.scenario]
    began, started = time.monotonic(), datetime.now(timezone.utc).isoformat(timespec="seconds")
    computer = artifacts.machine.qemu
    accel = accelerators.choose(
        os.environ.get("COLINUX_ACCEL", accel),
        artifacts.host.arch,
        computer.cpu,
        artifacts.host_kernel,
        paths.cache,
    )
    seen = Seen()
    with atomic_dir(paths.boot(name)) as folder:
        with progress.step(f"boot {name} ({accel}, {computer.cpu}, {computer.smp} CPUs)"):
            stopped = _attempt(artifacts, paths, folder, scenario, accel, factor, seen, extra)
        outcome = conclude(stopped, seen.checks)
        evidences.write(Evidence(
            machine=name, title=artifacts.machine.title, scenario=scenario.name, outcome=outcome,
            kernel=seen.kernel, host=_host_name(artifacts, seen), accel=accel,
            boot_seconds=seen.boot_seconds, checks=seen.checks, host_alive_after=seen.host_alive,
            artifacts=artifacts.files,
            inputs={"lock": lock_digest, "declaration": sha256_file(decl.path)},
            tools=_tools(seen, paths.kernel(artifacts.machine.kernel)),
            started=started, seconds=time.monotonic() - began, repeat=repeat_line(name),
            warnings=[*sources.warnings(paths), *seen.warnings],
            ccache=_compiled(decl.kernels_of(artifacts.machine), paths),
        ), folder, paths.root)  # fmt: skip
        for log in folder.glob("qemu*.log"):
            _prepend(log, repeat_line(name))
    if name == decl.project.default:
        _point_default(paths, name)
    return Verdict(name, outcome, paths.boot(name))


def _host_name(artifacts: Artifacts, seen: Seen) -> str:
    """What the guest ran beside: the host and its kernel's release; or colinux.sys, and in which harness."""
    name = f"{artifacts.host.name} {seen.host}".strip()
    return f"{artifacts.machine.nt} colinux.sys (in a harness inside {name})" if artifacts.machine.nt else name


def _attempt(
    artifacts: Artifacts,
    paths: Paths,
    folder: Path,
    scenario: Scenario,
    accel: str,
    factor: float,
    seen: Seen,
    extra: Mapping[str, Path] | None,
) -> Outcome | None:
    """The boot itself; what stopped it, or None when it came to its end."""
    machine = artifacts.machine
    number = slots(scenario, machine.checks, machine.guests)
    report = Report()
    seen.checks = report.checks
    try:
        with running_host(artifacts, paths, folder, number, accel, factor, extra, seen) as host:
            seen.qemu, seen.host = host.version, host.release
            setting = Setting(
                machine=machine, guests=[artifacts.guest(slot) for slot in range(number)], factor=factor,
                slack=factor * (TCG_SLACK if accel == "tcg" else 1.0), folder=folder,
                repeat=repeat_line(machine.name),
            )  # fmt: skip
            lab = Lab(setting, host, report)
            try:
                with deadline(host, lab, machine.timeouts.total * factor):
                    play(lab, scenario)
                return None
            except Stop as stop:
                return stop.outcome
            finally:
                seen.kernel, seen.compiler, seen.boot_seconds = (
                    lab.kernel_release,
                    lab.compiler,
                    lab.boot_seconds,
                )
                seen.host_alive = _last_look(host, folder)
                lab.close()
    except Stop as stop:  # the host itself did not come up
        return stop.outcome
    except InfrastructureError as error:
        return Outcome("infrastructure", str(error))
    except OSError as error:  # a full disk, no more processes
        return Outcome("infrastructure", f"{type(error).__name__}: {error}")


@contextlib.contextmanager
def running_host(
    artifacts: Artifacts,
    paths: Paths,
    folder: Path,
    slots: int,
    accel: str,
    factor: float,
    extra: Mapping[str, Path] | None = None,
    seen: Seen | None = None,
) -> Iterator[TestHost]:
    """The machine's test host, up; `folder` gets its logs, `seen` warnings. Raises Stop when it does not come up."""
    with progress.step("the test host's image"):
        image = built.host_image(artifacts, paths, extra)
    with built.drives(artifacts, slots) as drives:
        plan = Plan(
            artifacts.host.arch,
            artifacts.machine.qemu,
            artifacts.host_kernel,
            image,
            drives,
            folder / CONSOLE_LOG,
            accel,
        )
        with _come_up(plan, slots, folder, factor, artifacts.machine, seen) as host:
            yield host


def _come_up(
    plan: Plan, slots: int, folder: Path, factor: float, machine: Machine, seen: Seen | None
) -> TestHost:
    """A test host that answers. One that does not come up makes room for another: nothing of ours was in it yet.

    An emulator loses one now and then (seen once: a soft lockup of one of four
    processors while the host started, and no host five minutes later). What is known
    of it stays, in logs whose names end in -1, and as a warning in the evidence.
    """
    for number in range(1, HOST_TRIES + 1):
        plan.console.write_text(repeat_line(machine.name) + "\n")
        host = TestHost(plan, slots, folder, factor)
        try:
            with progress.step("the test host boots"):
                host.wait_up(machine.timeouts.boot * factor)
            return host
        except Stop as stop:
            host.stop()
            if number == HOST_TRIES:
                raise
            warning = f"try {number} of a test host: {stop.outcome.reason.partition(chr(10))[0]}"
            progress.warn(warning)
            if seen:
                seen.warnings.append(warning)
            for log in (plan.console, folder / QEMU_LOG):
                log.rename(log.with_stem(f"{log.stem}-{number}"))
        except BaseException:
            host.stop()
            raise
    raise AssertionError("the last one was returned, or not to be had")


@contextlib.contextmanager
def deadline(host: TestHost, lab: Lab, seconds: float) -> Iterator[None]:
    """The block ends by Stop when it takes longer."""
    end = time.monotonic() + seconds

    def late() -> None:
        if time.monotonic() > end:
            host.pump.unwatch(late)
            raise Stop(
                Outcome(
                    "hang",
                    f"not finished after {seconds:.0f} s; the guest's last lines:\n"
                    + last_lines(lab.guests[0].console),
                )
            )

    host.pump.watch(late)
    try:
        yield
    finally:
        host.pump.unwatch(late)


def _last_look(host: TestHost, folder: Path) -> bool:
    """Does the host still answer? If so, its kernel's log is kept."""
    if not host.alive():
        return False
    with contextlib.suppress(Stop, ColinuxError):
        (folder / "host-dmesg.log").write_text(host.dmesg() + "\n", errors="replace")
    return True


def _tools(seen: Seen, kernel: Path) -> dict[str, str]:
    """Versions: QEMU as it introduced itself, /proc/version of the guest, what compiled it, the C compiler here."""
    tools = {"qemu": seen.qemu, "guest-kernel": seen.compiler}
    if (kernel / "compiler").is_file():
        tools["guest-compiler"] = (kernel / "compiler").read_text().strip()
    with contextlib.suppress(ColinuxError):
        tools["gcc"] = process.run(["gcc", "--version"]).stdout.splitlines()[0]
    return tools


def _compiled(kernels: Iterable[str], paths: Paths) -> dict[str, dict[str, int]]:
    """How much of each kernel was compiled for an earlier build (pipeline.kernel); nothing where nobody counted."""
    files = {kernel: paths.kernel(kernel) / "ccache.json" for kernel in kernels}
    return {kernel: json.loads(file.read_text()) for kernel, file in files.items() if file.is_file()}


def _prepend(log: Path, line: str) -> None:
    """QEMU was given sockets that no shell can give it: its own command line is not the one to repeat."""
    log.write_bytes(line.encode() + b"\n" + log.read_bytes())


def _point_default(paths: Paths, name: str) -> None:
    """build/boot/default leads to the default machine's evidence."""
    link = paths.boot("default")
    if name == "default" or (link.exists() and not link.is_symlink()):
        return
    if link.is_symlink():
        link.unlink()
    link.symlink_to(name)


__all__ = ["Verdict", "boot", "job", "judge"]
