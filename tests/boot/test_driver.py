# SPDX-License-Identifier: GPL-2.0-only
"""The driver against every wrong call, and the daemon against every wrong kernel, on a real host kernel."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pipeline.declaration import load
from pipeline.paths import Paths
from runtime.launcher.lab import Lab
from tests.boot.conftest import Boot

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "tests/boot/driver"
SHARED = ("driver.c", "driver32.c", "minikernel.S", "minikernel32.S")

PROGRAMS = {
    "ioctl_table": ("ioctl_table.c", "ioctl_use.c", "ioctl_chunk.c"),
    "ioctl_fuzz": ("ioctl_fuzz.c",),
}

pytestmark = pytest.mark.boot


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The static programs that run on the test host."""
    folder = tmp_path_factory.mktemp("driver")
    built = {}
    for name, own in PROGRAMS.items():
        built[name] = folder / name
        subprocess.run(
            ["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-pthread",
             f"-I{ROOT / 'runtime/abi'}", *(SOURCES / source for source in (*own, *SHARED)), "-o", built[name]],
            check=True)
    return built


def test_ioctls_refuse_every_wrong_size_field_and_order(boot: Boot, programs: dict[str, Path]) -> None:
    """Twice: the second time the host's memory, and so the machines', lies in more pieces than after its boot."""
    said = []

    def before(lab: Lab) -> None:
        # It writes to a mapping that must be read-only, in a child, and wants it killed for that.
        lab.allowed.append(r"ioctl_table\[\d+\]: segfault")
        said.extend(lab.host.run("/bin/ioctl_table", 600) for _ in range(2))

    verdict = boot(before, {"/bin/ioctl_table": programs["ioctl_table"]})
    assert len(said) == 2, verdict.outcome.reason
    for status, output in said:
        lines = output.splitlines()
        assert [line for line in lines if line.startswith("not ok")] == []
        assert status == 0, output
        assert sum(line.startswith("ok ") for line in lines) > 100
    assert verdict.good, verdict.outcome.reason


def test_a_hundred_thousand_random_calls_leave_the_host_alive(boot: Boot, programs: dict[str, Path]) -> None:
    said = []

    def before(lab: Lab) -> None:
        said.append(lab.host.run("/bin/ioctl_fuzz", 900))

    verdict = boot(before, {"/bin/ioctl_fuzz": programs["ioctl_fuzz"]})
    assert said, verdict.outcome.reason
    [(status, output)] = said
    assert status == 0, output
    seed = next(line for line in output.splitlines() if line.startswith("# seed"))
    assert int(seed.split(",")[1].split()[0]) >= 100_000
    assert verdict.good, f"{seed}\n{verdict.outcome.reason}"


def test_the_host_s_own_structures_are_never_changed(boot: Boot) -> None:
    """GDT, IDT, TSS, control and debug registers and MSRs, compared around every crossing by the driver."""
    said = []

    def before(lab: Lab) -> None:
        lab.quick(lab.guests[:1], "selfchecked")
        said.append(lab.host.run("cd /sys/module/colinux/parameters; "
                                 "cat selfcheck_crossings selfcheck_differences", 30))

    verdict = boot(before, {}, driver_args=("selfcheck=1",))
    assert said, verdict.outcome.reason
    [(status, output)] = said
    assert status == 0, output
    crossings, differences = map(int, output.split())
    assert crossings > 300  # an idle computer boots a guest in fewer than a busy one
    assert differences == 0
    assert verdict.good, verdict.outcome.reason


def test_a_kernel_that_is_not_ours_is_refused_on_the_host(boot: Boot, tmp_path: Path) -> None:
    declaration = load(ROOT / "colinux.toml")
    default = declaration.machines[declaration.project.default]
    vmlinux = (Paths(ROOT).kernel(default.kernel) / "vmlinux").read_bytes()
    bad = {
        "text": (b"not a kernel at all\n", "ELF"),
        "truncated": (vmlinux[: len(vmlinux) // 2], "truncated"),
        "32-bit": (vmlinux[:4] + b"\x01" + vmlinux[5:], "32-bit"),
        "no-note": (vmlinux.replace(b"colinux\0", b"xolinux\0"), "cooperative"),
    }
    for name, (content, _) in bad.items():
        (tmp_path / name).write_bytes(content)
    said = {}

    def before(lab: Lab) -> None:
        for name in bad:
            said[name] = lab.host.run(f"/colinux/colinux-daemon kernel=/bad/{name} mem=64", 60)

    verdict = boot(before, {f"/bad/{name}": tmp_path / name for name in bad})
    for name, (_, word) in bad.items():
        status, output = said[name]
        assert status == 255, f"{name}: {output}"
        assert word in output, f"{name}: {output}"
    assert verdict.good, verdict.outcome.reason
