# SPDX-License-Identifier: GPL-2.0-only
"""The real builds of guests' programs: musl, agent, busybox; what they do where system calls are missing."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline import daemon, libc, sources, stamp, userland
from pipeline import lock as locks
from pipeline.declaration import load
from pipeline.declaration.model import Declaration
from pipeline.paths import Paths, checkout
from pipeline.rootfs import busybox

pytestmark = pytest.mark.build


@dataclass(frozen=True)
class Place:
    """A folder to build in, with this checkout's sources, declaration and lock."""

    decl: Declaration
    ctx: sources.Context
    paths: Paths


def place(folder: Path) -> Place:
    root = checkout().root
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "runtime").symlink_to(root / "runtime")
    paths = Paths(folder)
    ctx = sources.Context(paths=paths, lock=locks.Lock.load(root / "colinux.lock"), mirrors=sources.mirrors(),
                          offline=os.environ.get("COLINUX_OFFLINE", "0") not in ("", "0"))
    return Place(load(root / "colinux.toml"), ctx, paths)


def runs_i386(program: Path) -> None:
    try:
        subprocess.run([program, "true"], check=True)
    except OSError:
        pytest.skip("this machine's kernel runs no i386 programs")


@pytest.mark.parametrize("arch", ["i386", "x86_64"])
def test_agents_are_static_programs_of_musl(arch: str, tmp_path: Path) -> None:
    built = []
    for name in ("here", "a/longer/path"):
        there = place(tmp_path / name)
        libc.make(there.decl.userlands[arch], there.decl, there.ctx, there.paths)
        daemon.build_agent(arch, there.paths, musl=True)
        programs = sorted(there.paths.agent(arch).iterdir())
        assert [path.name for path in programs] == ["colinux-agent", "colinux-check"]
        built.append([path.read_bytes() for path in programs])
        for program in programs:
            header = subprocess.run(["readelf", "-hlW", program], capture_output=True, text=True, check=True).stdout
            assert ("ELF32" if arch == "i386" else "ELF64") in header and "INTERP" not in header
            assert str(tmp_path).encode() not in program.read_bytes() and program.stat().st_size < 200_000
    assert built[0] == built[1]


def test_busybox_is_the_same_in_another_place_and_df_needs_no_new_system_call(tmp_path: Path) -> None:
    there = place(tmp_path / "a/longer/path")
    one = there.decl.userlands["i386"]
    libc.make(one, there.decl, there.ctx, there.paths)
    userland.build(one, there.decl, there.ctx, there.paths)
    program = userland.program("i386", there.paths)
    assert str(tmp_path).encode() not in program.read_bytes()
    # This checkout's own, where there is one of the same input, spares a second build.
    own = Place(there.decl, there.ctx, checkout())
    if stamp.why_stale(userland.job(one, own.decl, own.ctx, own.paths), own.paths) is not None:
        own = place(tmp_path / "here")
        libc.make(one, own.decl, own.ctx, own.paths)
        userland.build(one, own.decl, own.ctx, own.paths)
    assert program.read_bytes() == userland.program("i386", own.paths).read_bytes()
    assert {"sh", "df", "mdev", "mke2fs", "[["} <= set(busybox.applets(program))
    runs_i386(program)

    source = Path(__file__).with_name("without_statfs64.c")
    without = tmp_path / "without"
    subprocess.run([libc.compiler("i386"), *libc.flags("i386", there.paths), source, "-o", without], check=True)
    said = subprocess.run([without, program, "df", "-k", "/"], capture_output=True, text=True, check=True).stdout
    total = int(said.splitlines()[-1].split()[1])
    real = os.statvfs("/")
    assert total == real.f_blocks * real.f_frsize // 1024
