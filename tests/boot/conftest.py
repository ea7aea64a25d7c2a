# SPDX-License-Identifier: GPL-2.0-only
"""What the boot tests share: the default machine under another name, in a scenario of the test's own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.declaration import load
from pipeline.errors import UserError
from pipeline.paths import Paths
from runtime import launcher
from runtime.launcher.lab import Lab
from runtime.launcher.scenarios import Scenario

ROOT = Path(__file__).resolve().parents[2]

# After whatever the test did on the host: a guest boots, works and ends, and nothing is lost.
AFTERWARDS = ("uname", "memory", "poweroff", "host-leak", "unload", "host-clean")

Boot = Callable[..., launcher.Verdict]

# Architecture of a test host -> what compiles a program for it.
COMPILERS = {"x86_64": "gcc", "i386": "i686-linux-gnu-gcc-12"}
SOURCES = ROOT / "tests/boot/driver"
MINIATURE = ("driver.c", "driver32.c", "minikernel.S", "minikernel32.S")


def host_program(name: str, folder: Path, arch: str = "x86_64") -> Path:
    """A static program for a test host: driver/<name>.c with the miniature guest kernels. Skips without a compiler."""
    compiler = COMPILERS[arch]
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed (./doit setup installs it)")
    built = folder / name
    subprocess.run([compiler, "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-pthread",
                    f"-I{ROOT / 'runtime/abi'}", *(SOURCES / part for part in (f"{name}.c", *MINIATURE)), "-o", built],
                   check=True)  # fmt: skip
    return built


@pytest.fixture
def boot(request: pytest.FixtureRequest) -> Boot:
    """boot(before, extra, base, **machine): boot with `before(lab)` done once the driver is loaded.

    `base` is the declared machine that is changed; without one, the default.
    """

    def run(
        before: Callable[[Lab], None], extra: Mapping[str, Path], base: str = "", **changes: object
    ) -> launcher.Verdict:
        declaration = load(ROOT / "colinux.toml")
        name = "test-" + request.node.name.split("[")[0].removeprefix("test_").replace("_", "-")
        machine = replace(declaration.machines[base or declaration.project.default],
                          **{"name": name, "checks": AFTERWARDS, **changes})  # type: ignore[arg-type]
        own = replace(declaration, machines={**declaration.machines, name: machine})
        try:
            return launcher.judge(name, own, Paths(ROOT), extra=extra, scenario=Scenario(name, before=before))
        except UserError as error:
            pytest.skip(str(error))

    return run
