# SPDX-License-Identifier: GPL-2.0-only
"""The host drivers: runtime/monitor with the glue of one host's kernel.

A Linux driver is built against the headers of the very kernel that it will be
loaded into, in a copy of runtime/ under build/: kbuild writes beside its
sources, and a checkout stays clean. The copy's place is mapped away, so that
the module's bytes do not depend on where the checkout lies.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from pipeline import ccache
from pipeline.declaration.model import Host
from pipeline.errors import BuildFailed, InfrastructureError
from pipeline.paths import Paths, atomic_path
from pipeline.process import run
from pipeline.stamp import Job

PARTS = ("abi", "monitor", "linux")
# The kernel's headers name the compiler that the kernel was built with; a module needs the same.
COMPILER = "gcc-12"
# By the host's architecture; whether a kernel is one of 32 bits its headers know themselves.
PREFIXES = {"x86_64": "", "i386": "i686-linux-gnu-"}


def module(host: Host, paths: Paths) -> Path:
    """Where a Linux host's driver is."""
    return paths.driver(host.name) / "colinux.ko"


def build_linux(host: Host, version: str, paths: Paths) -> None:
    """colinux.ko of our `version` for a Linux host. Raises BuildFailed with the compiler's or modpost's first error."""
    copy = paths.driver(host.name) / "src"
    _refresh(copy, paths)
    release = (paths.host(host.name) / "release").read_text().strip()
    log = paths.log(f"driver:{host.name}")
    result = run(
        ["make", "-C", paths.host(host.name) / "headers", f"-j{ccache.jobs()}", f"M={copy / 'linux'}",
         f"CROSS_COMPILE={PREFIXES[host.arch]}", f"CC={PREFIXES[host.arch]}{COMPILER}",
         # W=1: our code is clean under the kernel's own extra warnings. No debug data: it names folders.
         "W=1",
         f"KCFLAGS=-g0 -Werror -DCO_RELEASE=\\\"{version}\\\" -ffile-prefix-map={copy}=.",
         f"KAFLAGS=-g0 -ffile-prefix-map={copy}=.",
         f"KERNELRELEASE={release}", "modules"],
        cwd=paths.root, log=log, timeout=900,
    )  # fmt: skip
    built = copy / "linux" / "colinux.ko"
    if not built.is_file():
        raise InfrastructureError("kbuild was content, but made no colinux.ko", log=log)
    # modpost only warns of a symbol that the host's kernel does not export; insmod would refuse the module.
    if "undefined!" in result.stdout:
        raise BuildFailed("the driver uses what the host's kernel does not export", log=log)
    with atomic_path(module(host, paths)) as new:
        shutil.copyfile(built, new)


def _refresh(copy: Path, paths: Paths) -> None:
    """Bring the copy of runtime/ up to date; what did not change keeps its time, so that make keeps its object."""
    wanted = set()
    for part in PARTS:
        for source in sorted((paths.root / "runtime" / part).iterdir()):
            if not source.is_file():
                continue
            target = copy / part / source.name
            wanted.add(target)
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.is_file() or target.read_bytes() != source.read_bytes():
                shutil.copyfile(source, target)
    for part in PARTS:
        for old in (copy / part).iterdir():
            if old.suffix in (".c", ".h", ".S") and not old.name.endswith(".mod.c") and old not in wanted:
                old.unlink()


def job(host: Host, version: str, paths: Paths) -> Job:
    """Stale when the monitor, the glue, the ABI or the host's headers changed."""
    folder = paths.host(host.name)
    return Job(
        name=f"driver:{host.name}",
        inputs={"version": version, "compiler": PREFIXES[host.arch] + COMPILER, "os": host.os, "arch": host.arch},
        files=[*(paths.root / "runtime" / part for part in PARTS), folder / "headers", folder / "release",
               Path(__file__).absolute()],
        outputs=[module(host, paths)],
    )  # fmt: skip
