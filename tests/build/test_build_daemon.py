# SPDX-License-Identifier: GPL-2.0-only
"""The real builds of the user-mode programs: static, alike everywhere, rebuilt when and only when needed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline import daemon, stamp
from pipeline.errors import BuildFailed, UserError
from pipeline.paths import Paths, checkout

pytestmark = pytest.mark.build


def copy(folder: Path) -> Paths:
    """The sources of the programs in another place."""
    for part in ("abi", "daemon", "client", "agent"):
        shutil.copytree(checkout().root / "runtime" / part, folder / "runtime" / part)
    return Paths(folder)


def test_two_places_one_program(tmp_path: Path) -> None:
    built = []
    for name in ("here", "a/much/longer/path/to/there"):
        paths = copy(tmp_path / name)
        daemon.build_daemon("linux-x86_64", "1.2.3", paths)
        program = paths.daemon("linux-x86_64") / "colinux-daemon"
        built.append(program.read_bytes())
        assert str(tmp_path).encode() not in built[-1]
        told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, env={})
        assert told.stdout.startswith("colinux-daemon 1.2.3, ")
        assert b"INTERP" not in subprocess.run(["readelf", "-lW", program], capture_output=True, check=True).stdout
        client = program.with_name("colinux-ctl")
        assert str(tmp_path).encode() not in client.read_bytes()
        told = subprocess.run([client, "--version"], capture_output=True, text=True, check=True, env={})
        assert told.stdout == "colinux-ctl 1.2.3\n"
        assert sorted(path.name for path in program.parent.iterdir()) == [
            "colinux-console", "colinux-ctl", "colinux-daemon",
        ]
    assert built[0] == built[1]


def test_agents_are_static_programs(tmp_path: Path) -> None:
    paths = copy(tmp_path)
    daemon.build_agent("x86_64", paths)
    programs = sorted(paths.agent("x86_64").iterdir())
    assert [path.name for path in programs] == ["colinux-agent", "colinux-check"]
    for program in programs:
        headers = subprocess.run(["readelf", "-lW", program], capture_output=True, check=True).stdout
        assert b"LOAD" in headers and b"INTERP" not in headers


def test_rebuilt_when_a_source_changes(tmp_path: Path) -> None:
    paths = copy(tmp_path)
    job = daemon.daemon_job("linux-x86_64", "1.2.3", paths)
    assert stamp.why_stale(job, paths)
    daemon.build_daemon("linux-x86_64", "1.2.3", paths)
    stamp.finish(job, paths)
    assert stamp.why_stale(daemon.daemon_job("linux-x86_64", "1.2.3", paths), paths) is None
    source = paths.root / "runtime/daemon/manual.c"
    source.write_text(source.read_text().replace("usage:", "Usage:"))
    assert "runtime/daemon" in str(stamp.why_stale(daemon.daemon_job("linux-x86_64", "1.2.3", paths), paths))


def test_a_compile_error_is_shown_and_keeps_the_old_program(tmp_path: Path) -> None:
    paths = copy(tmp_path)
    program = paths.daemon("linux-x86_64") / "colinux-daemon"
    program.parent.mkdir(parents=True)
    program.write_text("the old one")
    (paths.root / "runtime/daemon/broken.c").write_text("int broken(void) { return nothing; }\n")
    with pytest.raises(BuildFailed, match=r"broken\.c:1.*nothing"):
        daemon.build_daemon("linux-x86_64", "1.2.3", paths)
    assert program.read_text() == "the old one"
    assert [path.name for path in program.parent.iterdir()] == ["colinux-daemon"]


def test_the_logs_first_line_repeats_the_build(tmp_path: Path) -> None:
    paths = copy(tmp_path)
    daemon.build_daemon("linux-x86_64", "1.2.3", paths)
    program = paths.daemon("linux-x86_64") / "colinux-daemon"
    before = program.read_bytes()
    line = paths.log("daemon:linux-x86_64").read_text().splitlines()[0]
    subprocess.run(["sh", "-c", line], check=True, capture_output=True)
    assert (program.parent / ".colinux-daemon.new").read_bytes() == before


@pytest.mark.parametrize("osarch", ["linux-vax", "windows-x86_64", "plan9-x86_64"])
def test_what_cannot_be_built_is_said(osarch: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"daemon is not built for|no compiler is known"):
        daemon.build_daemon(osarch, "1.2.3", Paths(tmp_path))
