# SPDX-License-Identifier: GPL-2.0-only
"""The house rules that a tool can check, as ordinary tests."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.daemon import FLAGS

ROOT = Path(__file__).resolve().parents[2]
INCLUDES = [f"-I{ROOT / 'runtime' / part}" for part in ("abi", "daemon", "daemon/windows", "client", "agent", "windows")]
PYTHON = ("pipeline/*.py", "runtime/launcher/*.py", "toolchain/*.py")
STARTS_A_PROGRAM = re.compile(r"^\s*(import subprocess|from subprocess)|os\.(system|popen|exec|spawn|fork)\w*\(", re.M)
C_FLAGS = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O2", "-fsyntax-only"]


def tracked(*patterns: str) -> list[Path]:
    """The files git knows or would add, by glob pattern."""
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
                         cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / line for line in out.splitlines() if (ROOT / line).exists()]


def not_of(system: str, *patterns: str) -> list[Path]:
    """The same without another system's: *_linux.c or *_windows.c."""
    return [path for path in tracked(*patterns) if not path.name.endswith(f"_{system}.c")]


def passes(*argv: str | Path) -> None:
    """Assert that a command succeeds; its output is the failure's text."""
    done = subprocess.run([str(a) for a in argv], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff() -> None:
    passes(sys.executable, "-m", "ruff", "check", ".")


def test_mypy_strict() -> None:
    passes(sys.executable, "-m", "mypy")


def test_shellcheck() -> None:
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed (./doit setup installs it)")
    scripts = [path for path in tracked() if path.is_file() and not path.is_symlink()
               and path.suffix in ("", ".sh") and path.read_bytes()[:64].startswith(b"#!/bin/sh")]
    assert ROOT / "doit" in scripts
    passes("shellcheck", *scripts)


def test_user_mode_c_compiles_without_a_warning() -> None:
    sources = not_of("windows", "runtime/daemon/*.c", "runtime/client/*.c", "runtime/agent/*.c", "runtime/libc/*.c", "tests/boot/driver/*.c",
                     "tests/bench/*.c")
    assert len(sources) > 10
    passes("gcc", *C_FLAGS, "-D_GNU_SOURCE", *INCLUDES, *sources)


def test_user_mode_c_compiles_for_32_bits() -> None:
    """Daemon, agent and checks run on i386 hosts and in i386 guests, too."""
    if not shutil.which("i686-linux-gnu-gcc-12"):
        pytest.skip("i686-linux-gnu-gcc-12 is not installed (./doit setup installs it)")
    sources = not_of("windows", "runtime/daemon/*.c", "runtime/client/*.c", "runtime/agent/*.c",
                     "runtime/libc/*.c")
    passes("i686-linux-gnu-gcc-12", *C_FLAGS, *FLAGS[1:4], *INCLUDES, *sources)


@pytest.mark.parametrize("compiler", ["x86_64-w64-mingw32-gcc", "i686-w64-mingw32-gcc"])
def test_daemon_and_clients_compile_for_windows(compiler: str) -> None:
    """What is common to all systems, and what is Windows'; and its tests' own programs."""
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed (./doit setup installs it)")
    passes(compiler, *C_FLAGS, *INCLUDES, f"-I{ROOT / 'tests/boot/driver'}",
           *not_of("linux", "runtime/daemon/*.c", "runtime/client/*.c", "tests/wine/*.c"))


@pytest.mark.parametrize("compiler", ["gcc -std=gnu11", "x86_64-w64-mingw32-gcc -std=gnu11",
                                      "i686-linux-gnu-gcc-12 -std=gnu89", "i686-w64-mingw32-gcc -std=gnu11"])
def test_the_abi_stands_alone(compiler: str, tmp_path: Path) -> None:
    """The headers are complete by themselves and mean the same to every compiler, in 32 and 64 bits."""
    program, standard = compiler.split()
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed (./doit setup installs it)")
    source = tmp_path / "abi.c"
    source.write_text('#include "colinux_types.h"\n#include "colinux_ioctl.h"\n#include "co_state.h"\n'
                      "struct co_create c; struct co_state s;\n")
    passes(program, *C_FLAGS, standard, f"-I{ROOT / 'runtime/abi'}", f"-I{ROOT / 'runtime/monitor'}", source)


def test_every_source_file_says_its_licence() -> None:
    sources = tracked("*.py", "*.c", "*.h", "*.S", "doit", ".ci/run")
    assert sources
    bare = [str(path.relative_to(ROOT)) for path in sources
            if path.stat().st_size and "SPDX-License-Identifier: GPL-2.0" not in path.read_text()[:400]]
    assert not bare


def test_files_stay_one_room() -> None:
    """A test file may hold a table of cases; everything else is split when it grows."""
    long = {str(path.relative_to(ROOT)): lines for path in tracked("*.py", "*.c", "*.h", "*.S")
            if (lines := len(path.read_text().splitlines())) > (650 if "tests" in path.parts else 500)}
    assert not long


def test_one_door_to_subprocesses() -> None:
    """Only pipeline/process.py (with the guard it starts) may start a program; all else goes through it."""
    door = (ROOT / "pipeline/process.py", ROOT / "pipeline/guard.py")
    guilty = [path for path in tracked(*PYTHON) if path not in door and STARTS_A_PROGRAM.search(path.read_text())]
    assert not guilty


def test_no_exit_inside_modules() -> None:
    main = re.compile(r'if __name__ == "__main__":.*', re.S)
    guilty = [path for path in tracked(*PYTHON)
              if path.name != "guard.py" and "sys.exit(" in main.sub("", path.read_text())]
    assert not guilty


def test_reading_names_only_what_exists() -> None:
    """READING.md is the newcomer's map: every path it names is there."""
    text = (ROOT / "READING.md").read_text()
    named = set(re.findall(r"`((?:pipeline|runtime|patches|toolchain|tests)/[\w./-]*)`", text))
    assert len(named) > 20
    assert not [path for path in named if not (ROOT / path).exists()]


def test_the_monitor_knows_no_host() -> None:
    """runtime/monitor is every host's: no header of Linux or NT in it."""
    includes = {line for path in tracked("runtime/monitor/*") if path.suffix in (".c", ".h", ".S")
                for line in path.read_text().splitlines() if line.startswith("#include")}
    assert includes
    assert not [line for line in includes if re.search(r"<(linux|asm)/|ntddk|wdm\.h|windows\.h", line)]
