# SPDX-License-Identifier: GPL-2.0-only
"""colinux-daemon.exe and its clients: the same bytes wherever they are built, and files that the oldest Windows of their
target takes."""

from __future__ import annotations

import dataclasses
import shutil
import struct
from pathlib import Path

import pytest

from pipeline import pe, slirp, stamp, windowsdaemon
from pipeline.paths import Paths, checkout, file_lock
from pipeline.tasks import Project
from toolchain import windows

pytestmark = pytest.mark.build

TARGETS = windows.targets()
# What each asks of the system: no library but its own.
LIBRARIES = {
    "colinux-daemon": {"advapi32.dll", "iphlpapi.dll", "kernel32.dll", "msvcrt.dll", "ntdll.dll", "ws2_32.dll"},
    "colinux-ctl": {"advapi32.dll", "kernel32.dll", "msvcrt.dll", "ntdll.dll"},
    "colinux-console": {"advapi32.dll", "kernel32.dll", "msvcrt.dll", "ntdll.dll"},
}


@pytest.fixture(scope="module", params=sorted(TARGETS))
def built(request: pytest.FixtureRequest) -> str:
    """The target's name; its programs are up to date in this checkout."""
    if not shutil.which(f"{TARGETS[request.param].prefix}gcc-win32"):
        pytest.skip(f"no compiler for {request.param} is installed (./doit setup installs it)")
    with file_lock(checkout().build / "test/wine.lock"):    # tests/wine brings the same ones, in another process
        Project.here().bring(f"daemon:{request.param}")
    return str(request.param)


def program(built: str, name: str = "colinux-daemon") -> bytes:
    return (checkout().daemon(built) / f"{name}.exe").read_bytes()


def test_two_places_one_program(built: str, tmp_path: Path) -> None:
    """Programs, symbols and maps; none of them knows where it was made."""
    paths = Paths(tmp_path / "a/much/longer/path/to/there")
    for part in ("abi", "client", "daemon", "windows"):
        shutil.copytree(checkout().root / "runtime" / part, paths.root / "runtime" / part)
    project = Project.here()
    compiler = (windowsdaemon.compiler(TARGETS[built]),)
    slirp.make(built, compiler, project.declaration, project.context, paths)
    windowsdaemon.build(built, project.version, paths, with_slirp=True)
    for here, there in zip(
        windowsdaemon.outputs(built, project.paths), windowsdaemon.outputs(built, paths), strict=True
    ):
        assert here.read_bytes() == there.read_bytes(), here.name
        assert str(tmp_path).encode() not in there.read_bytes()
        assert str(project.paths.root).encode() not in here.read_bytes()
    assert {path.name for path in paths.daemon(built).iterdir()} == {
        f"{name}{kind}" for name in LIBRARIES for kind in (".exe", ".exe.debug", ".map")
    }
    # and it is made anew when, and only when, something changed
    def job() -> stamp.Job:
        return windowsdaemon.job(built, project.version, paths, with_slirp=True)

    stamp.finish(job(), paths)
    assert stamp.why_stale(job(), paths) is None
    for changed in ("runtime/daemon/os_windows.c", "runtime/client/client_windows.c",
                    f"build/slirp/{built}/include/libslirp.h"):
        source = paths.root / changed
        before = source.read_text()
        source.write_text(before + "\n")
        told = str(stamp.why_stale(job(), paths))
        assert changed.rsplit("/", 1)[0] in told
        source.write_text(before)


@pytest.mark.parametrize("name", LIBRARIES)
def test_windows_takes_it(built: str, name: str) -> None:
    assert windowsdaemon.faults(program(built, name), TARGETS[built]) == []


@pytest.mark.parametrize("name", LIBRARIES)
def test_it_needs_no_library_but_the_systems(built: str, name: str) -> None:
    assert set(pe.read(program(built, name)).imports) == LIBRARIES[name]


@pytest.mark.parametrize("name", LIBRARIES)
def test_it_says_its_version(built: str, name: str) -> None:
    """In the resource, as UTF-16."""
    words = program(built, name)
    for word in ("ProductVersion", Project.here().version, f"{name}.exe", "GPL-2.0-only"):
        assert word.encode("utf-16-le") in words


@pytest.mark.parametrize(("name", "function"), [("colinux-daemon", "machine_start"), ("colinux-ctl", "client_ask")])
def test_symbols_are_beside_it(built: str, name: str, function: str) -> None:
    folder = checkout().daemon(built)
    assert function.encode() in (folder / f"{name}.exe.debug").read_bytes()
    assert function.encode() not in program(built, name)
    assert function in (folder / f"{name}.map").read_text()


def changed(built: str, offset: int, value: int, *, mend: bool = True) -> list[str]:
    """What is found wrong with a program of which 16 bits behind the PE header's start are others."""
    data = bytearray(program(built))
    (start,) = struct.unpack_from("<I", data, 0x3C)
    struct.pack_into("<H", data, start + offset, value)
    whole = pe.with_checksum(bytes(data)) if mend else bytes(data)
    return windowsdaemon.faults(whole, TARGETS[built])


@pytest.mark.parametrize(
    ("offset", "value", "told"),
    [
        (4, 0x1C4, "it is for 0x1c4"),
        (8, 0x5BFE, "it carries the time of its build"),
        (24 + 48, 10, "it asks for Windows "),
        (24 + 68, 2, "its subsystem is 2, not console"),
    ],
)
def test_what_is_wrong_is_told(built: str, offset: int, value: int, told: str) -> None:
    """Machine, time, version and subsystem, at their places in Microsoft's "PE Format"."""
    (fault,) = changed(built, offset, value)
    assert fault.startswith(told)


def test_a_wrong_checksum_is_told(built: str) -> None:
    assert changed(built, 24 + 64, 0x4711, mend=False) == ["its checksum is wrong"]


def test_an_import_that_the_oldest_windows_lacks_is_told(built: str) -> None:
    target = TARGETS[built]
    fewer = {**target.program, "kernel32.dll": target.program["kernel32.dll"] - {"CancelIo"}}
    (fault,) = windowsdaemon.faults(program(built), dataclasses.replace(target, program=fewer))
    assert f"imports CancelIo of kernel32.dll, which {target.title} is not known to have" in fault


def test_numbers_of_a_version() -> None:
    assert windowsdaemon.numbers("0.8.0") == "0,8,0,0"
    assert windowsdaemon.numbers("1.2.3.4-rc5") == "1,2,3,4"
