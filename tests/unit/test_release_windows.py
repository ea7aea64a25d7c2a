# SPDX-License-Identifier: GPL-2.0-only
"""A zip for each Windows: of the very driver that was booted, the same every time, and no byte of it is free."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import struct
import subprocess
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import daemon_kit
import pytest
from release_kit import (
    NAME,
    ROOT,
    TIME,
    WINDOWS,
    Project,
    caught,
    copy,
    derive,
    enter,
    facts,
    flip,
    forge,
    project,
    setting,
    sum_up,
    vouch,
    windows_toml,
)

from pipeline import commands, tasks, windowsdaemon
from pipeline.declaration import load
from pipeline.errors import UserError
from pipeline.release import machine as machines
from pipeline.release import rebuild, windows, zips
from pipeline.release.archive import File, Member
from pipeline.release.verify import verify

pytestmark = pytest.mark.skipif(not shutil.which("makensis"), reason="makensis is not installed (./doit test does it)")
ZIP = f"{NAME}-windows-x64.zip"
TOP = f"{NAME}-windows-x64"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return project(tmp_path, monkeypatch, windows_toml())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release; not to be touched."""
    with pytest.MonkeyPatch.context() as patch:
        return project(tmp_path_factory.mktemp("release"), patch, windows_toml()).release()


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    return copy(made, tmp_path / NAME)


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(project: Project) -> str:
    with pytest.raises(UserError) as error:
        project.release()
    assert not project.paths.dist.exists() or not any(project.paths.dist.iterdir())
    return str(error.value)


# --- what is in it --------------------------------------------------------------------------


def test_what_a_person_gets(here: Project) -> None:
    with zipfile.ZipFile(here.release() / ZIP) as archive:
        assert archive.testzip() is None
        found = {name.removeprefix(f"{TOP}/"): archive.read(name) for name in archive.namelist()}
        assert {info.date_time for info in archive.infolist()} == {(2023, 11, 14, 22, 13, 20)}  # TIME, in UTC
        assert {(info.create_system, info.external_attr, info.extra, info.comment)
                for info in archive.infolist()} == {(0, 0x20, b"", b"")}
    assert set(found) == {
        "colinux.sys", "colinux-daemon.exe", "colinux-ctl.exe", "colinux-console.exe",
        "vmlinux", "busybox.cpio.gz", "colinux.conf", "second.conf",
        "second/vmlinux", "second/busybox.cpio.gz", "second/disk.ext4", "install.cmd", "uninstall.cmd", "README.txt",
        "LICENSE.txt", "SOURCE.txt",
    }
    assert found["colinux.sys"] == here.built("nt-driver", "first").read_bytes()
    for program in windowsdaemon.programs("windows-x64", here.paths):
        assert found[program.name] == program.read_bytes()
    assert found["second/disk.ext4"] == here.built("disk:disk", "second").read_bytes()
    for name, data in found.items():
        if name.endswith((".txt", ".cmd", ".conf")):
            assert data.isascii() and data.count(b"\n") == data.count(b"\r\n") > 0, name
            assert not re.search(rb"@[A-Z]+@", data), name
    words = [line for line in found["second.conf"].decode().splitlines() if not line.startswith("#")]
    assert words == ["kernel=second\\vmlinux", "mem=64", "initrd=second\\busybox.cpio.gz",
                     "cobd0=second\\disk.ext4,ro", "root=/dev/vda ro"]
    assert "fsutil file createnew second\\disk1.img 8388608" in found["second.conf"].decode()
    readme = found["README.txt"].decode()
    for text in ("NOT ISOLATION", "NEVER RUN ON A WINDOWS", "testsigning", "HVCI", "Secure Boot", "Signed: no",
                 "@colinux.conf", "@second.conf", "with disks, through"):
        assert text in readme, text
    assert f"{NAME}-source.tar.zst" in found["SOURCE.txt"].decode()


def test_another_program_unpacks_it(place: Path, tmp_path: Path) -> None:
    if not shutil.which("unzip"):
        pytest.skip("unzip is not installed")
    subprocess.run(["unzip", "-q", place / ZIP, "-d", tmp_path / "out"], check=True)
    assert (tmp_path / "out" / TOP / "second" / "vmlinux").read_bytes() == b"vmlinux" * 100


@pytest.mark.parametrize("name", ["colinux.conf", "second.conf"])
def test_the_daemon_understands_the_configuration(here: Project, tmp_path: Path, name: str) -> None:
    """The Linux one, to which a backslash is a letter of a name."""
    here.built("kernel").write_bytes(daemon_kit.kernel())
    folder = tmp_path / "run"
    folder.mkdir()
    for machine in ("first", "second"):
        for path, file in machines.package(here.decl.machines[machine], here.decl, here.paths).files.items():
            data = file.content if isinstance(file.content, bytes) else file.content.read_bytes()
            (folder / path.split("/", 1)[1].replace("/", "\\")).write_bytes(data)
    done = daemon_kit.check(folder, "--check", f"@{name}")
    assert done.returncode == 0 and done.stderr == "", done.stderr


def test_scripts_use_what_the_daemon_has(here: Project) -> None:
    """Every switch and every exit code in them is the daemon's; each jump has its label."""
    options = (ROOT / "runtime/daemon/options.c").read_text()
    codes = set(re.findall(r"EXIT_\w+ = (\d+)", (ROOT / "runtime/daemon/error.h").read_text()))
    for name in ("install.cmd", "uninstall.cmd"):
        script = (windows.TEMPLATES / name).read_text()
        switches = re.findall(r'daemon\.exe" (--[a-z-]+)', script)
        assert switches and all(f'"{switch}"' in options for switch in switches)
        assert set(re.findall(r'"%code%"=="(\d+)"', script)) <= codes
        assert set(re.findall(r"goto (\w+)", script)) <= set(re.findall(r"^:(\w+)", script, re.M))


def test_symbols_are_apart(here: Project, tmp_path: Path) -> None:
    here.release()
    debug = here.folder / f"{NAME}-debug.tar.zst"
    listed = subprocess.run(["tar", "--zstd", "-tf", debug], check=True, capture_output=True, text=True).stdout.split()
    for name in ("colinux.dbg", "colinux.map", "colinux-daemon.exe.debug", "colinux-daemon.map",
                 "colinux-ctl.exe.debug", "colinux-console.map"):
        assert f"{NAME}-debug/windows-x64/{name}" in listed
    (here.paths.driver("windows-x64") / "colinux.map").unlink()
    with pytest.raises(UserError, match=r"./doit driver:windows-x64 daemon:windows-x64"):
        here.release()


def test_the_release_tells_of_it(place: Path) -> None:
    said = facts(place)
    first, second = (said["machines"][name] for name in ("first", "second"))
    assert first["archive"] == second["archive"] == ZIP and "windows" not in said["machines"]["small"]
    assert (first["windows"]["prefix"], second["windows"]["prefix"]) == ("", "second/")
    assert first["windows"]["unbooted"] == {
        f"nt-{name}": hashlib.sha256(f"colinux-{name}.exe".encode() * 100).hexdigest()
        for name in ("daemon", "ctl", "console")
    }
    assert "x86_64-w64-mingw32-gcc-win32" in said["tools"] and said["tools"]["zlib"] == zlib.ZLIB_RUNTIME_VERSION
    notes = (place / "NOTES.md").read_text()
    assert "No Windows was booted. first, second: through the very" in notes and f"- `{ZIP}` (" in notes
    licences = {path.name for path in (place / "licences").iterdir()}
    assert {"mingw-w64.copyright", "nsis.copyright", "gcc-mingw-w64-x86_64.copyright"} <= licences
    assert "MinGW-w64" in (place / "SOURCES.md").read_text()


def test_there_is_no_word_of_windows_without_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = project(tmp_path, monkeypatch, windows_toml(WINDOWS.replace(', "first", "second"', ""))).release()
    assert not list(folder.glob("*.zip")) and "Windows" not in (folder / "NOTES.md").read_text()
    assert "zlib" not in facts(folder)["tools"] and not (folder / "licences/mingw-w64.copyright").exists()


def test_this_projects_release_is_for_both_windows() -> None:
    """And what it holds is built for it, also what no boot asks for."""
    decl = load(ROOT / "colinux.toml")
    named = [decl.machines[name] for name in decl.release.machines]
    assert {machine.nt for machine in named} == {None, "windows-x64", "windows-x86"}
    project = tasks.Project(decl, tasks.checkout())
    task = commands.release(project)
    assert {"daemon:windows-x64", "daemon:windows-x86", "boot:nt-6.1"} <= set(task["task_dep"])
    assert {"daemon:windows-x64", "daemon:windows-x86"} <= set(commands.built_for_release(project))


# --- the same every time --------------------------------------------------------------------


def test_made_twice_it_is_the_same_to_the_byte(here: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    first = content(here.release())
    for path in here.paths.build.rglob("*"):
        os.utime(path, (1, 1))
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    before = os.umask(0o077)
    try:
        second = content(here.release())
    finally:
        os.umask(before)
    assert second == first and {ZIP, ZIP.replace(".zip", "-setup.exe")} < set(first)


@pytest.mark.parametrize(("epoch", "shown"), [(0, (1980, 1, 1, 0, 0, 0)), (TIME + 1, (2023, 11, 14, 22, 13, 20)),
                                              (1 << 33, (2107, 1, 1, 0, 0, 0))])
def test_times_that_ms_dos_has_not(tmp_path: Path, epoch: int, shown: tuple[int, ...]) -> None:
    members = zips.pack(tmp_path / "a.zip", {"a": File(b"x")}, epoch)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.infolist()[0].date_time == shown
    assert zips.fault(tmp_path / "a.zip", members, epoch) is None


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (3 << 20) + 7, (1 << 24)])
@pytest.mark.parametrize("kind", ["zeros", "noise"])
def test_files_of_any_size(tmp_path: Path, size: int, kind: str) -> None:
    """Also those that compress to next to nothing, and to more than they were."""
    data = bytes(size) if kind == "zeros" else os.urandom(size)
    members = zips.pack(tmp_path / "a.zip", {"b": File(data), "a": File(b"first")}, TIME)
    assert [member.path for member in members] == ["a", "b"]
    assert zips.fault(tmp_path / "a.zip", members, TIME) is None
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.read("b") == data


# --- what is refused ------------------------------------------------------------------------


def test_a_machine_of_windows_without_good_evidence_is_named(here: Project) -> None:
    (here.paths.boot("first") / "result.json").unlink()
    here.boot("second", verdict="panic")
    told = refused(here)
    assert "first: it was not booted: there is no build/boot/first/result.json" in told
    assert "second: its verdict is panic, not pass" in told
    assert "hint: ./doit boot:first && ./doit boot:second" in told


def test_another_driver_than_the_one_that_was_booted(here: Project) -> None:
    here.built("nt-driver", "first").write_bytes(b"built anew")
    told = refused(here)
    assert all(f"{name}: it was booted with another nt-driver than the one built now" in told
               for name in ("first", "second"))


@pytest.mark.parametrize("name", ["colinux-daemon.exe", "colinux-ctl.exe"])
def test_a_program_that_is_not_built(here: Project, name: str) -> None:
    (here.paths.daemon("windows-x64") / name).unlink()
    assert f"not built: build/daemon/windows-x64/{name}" in refused(here)


def test_built_again_the_daemon_is_compared_as_well(here: Project) -> None:
    report = verify(here.release())
    assert rebuild.compare(report, here.decl, here.ctx.lock, here.paths)
    windowsdaemon.outputs("windows-x64", here.paths)[0].write_bytes(b"another compiler")
    with pytest.raises(Exception, match="first: nt-daemon has sha256"):
        rebuild.compare(report, here.decl, here.ctx.lock, here.paths)


def test_two_guests_at_once_have_no_zip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = WINDOWS.replace('title = "the least', 'beside = "disk"\ntitle = "the least')
    assert "first runs beside disk" in refused(project(tmp_path, monkeypatch, windows_toml(beside)))


def test_a_title_that_windows_cannot_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = refused(project(tmp_path, monkeypatch, windows_toml(WINDOWS.replace("the least", "das Mindeste für alle"))))
    assert "not ASCII" in told and "für alle" in told


NAMES = ["aux/vmlinux", "a/NUL.txt", "com1", "end.", "a /b", " a", "what?", "a:b", "back\\slash", "\u00fc"]


@pytest.mark.parametrize("name", NAMES)
def test_names_that_windows_cannot_have(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="Windows has no file"):
        zips.pack(tmp_path / "a.zip", {name: File(b"")}, TIME)


def test_one_place_for_two_things(tmp_path: Path) -> None:
    for names in (("a/vmlinux", "A/VMLINUX"), ("install.cmd", "Install.cmd/vmlinux")):
        with pytest.raises(UserError, match="would be two things in one folder"):
            zips.pack(tmp_path / "a.zip", {name: File(b"") for name in names}, TIME)


def test_what_is_too_long_for_a_zip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zips, "LONGEST", 1000)
    with pytest.raises(UserError, match=r"a\.zip would be longer than a zip can be \(1000 bytes\), with b"):
        zips.pack(tmp_path / "a.zip", {"a": File(b""), "b": File(bytes(1001))}, TIME)
    monkeypatch.setattr(zips, "MOST", 1)
    with pytest.raises(UserError, match="cannot hold 2 files"):
        zips.pack(tmp_path / "a.zip", {"a": File(b""), "b": File(b"")}, TIME)


# --- tampering ------------------------------------------------------------------------------


def test_any_byte_of_the_zip(place: Path) -> None:
    """With sums, with manifest, SBOM and provenance put right: something else still vouches for it, but for what
    deflate leaves free."""
    before = (place / ZIP).read_bytes()
    for at in (0, len(before) // 2, len(before) - 1):
        flip(place / ZIP, at)
        assert ZIP in caught(place)
        sum_up(place)
        assert ZIP in caught(place)
        (place / ZIP).write_bytes(before)
        sum_up(place)
    verify(place)


def test_any_byte_of_a_zip_with_all_else_put_right(tmp_path: Path) -> None:
    """Every single bit of a small one: the archive itself shows it, unless it unpacks to the same."""
    members = zips.pack(tmp_path / "a.zip", {"a/b": File(b"content " * 9), "c": File(b"")}, TIME)
    before = (tmp_path / "a.zip").read_bytes()
    free = 0
    for at in range(len(before)):
        for bit in range(8):
            data = bytearray(before)
            data[at] ^= 1 << bit
            (tmp_path / "a.zip").write_bytes(data)
            if zips.fault(tmp_path / "a.zip", members, TIME) is None:
                with zipfile.ZipFile(tmp_path / "a.zip") as archive:
                    assert archive.read("a/b") == b"content " * 9 and archive.read("c") == b""
                free += 1
    assert free < 16  # the last bits of each compressed file, which no reader looks at
    for end in range(len(before)):
        (tmp_path / "a.zip").write_bytes(before[:end])
        assert zips.fault(tmp_path / "a.zip", members, TIME), end


def other(change: Callable[[dict[str, File]], None], epoch: int = TIME) -> Callable[[Path], None]:
    """A zip of other content, written as we write it."""
    def rewrite(path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            files = {name: File(archive.read(name)) for name in archive.namelist()}
        change(files)
        zips.pack(path, files, epoch)
    return rewrite


def evil(name: str) -> Callable[[Path], None]:
    """A member more, with a name that `pack` refuses."""
    def add(path: Path) -> None:
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(name, b"evil")
    return add


def patched(before: bytes, after: bytes) -> Callable[[Path], None]:
    """Other bytes in the one place that has them."""
    def change(path: Path) -> None:
        data = path.read_bytes()
        assert data.count(before) >= 1
        at = data.rindex(before)
        path.write_bytes(data[:at] + after + data[at + len(before):])
    return change


def stored(path: Path) -> None:
    """The same content, by another program."""
    with zipfile.ZipFile(path) as archive:
        files = {info: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for info, data in files.items():
            archive.writestr(info, data, zipfile.ZIP_STORED)


def hidden(path: Path) -> None:
    """Bytes between a member and the directory, which then tells where it begins."""
    data = path.read_bytes()
    count, size, at = struct.unpack_from("<HII", data, len(data) - 12)
    assert count and at + size + 22 == len(data)
    path.write_bytes(data[:at] + b"hidden" + data[at:-6] + struct.pack("<IH", at + 6, 0))


ATTACKS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a file more": (other(lambda files: files.update({f"{TOP}/zz.exe": File(b"evil")})), "has a directory"),
    "a file before": (other(lambda files: files.update({"a.exe": File(b"evil")})),
                      f"has the file 'a.exe' where the manifest has '{TOP}/LICENSE.txt'"),
    "a file less": (other(lambda files: files.pop(f"{TOP}/vmlinux")), f"where the manifest has '{TOP}/vmlinux'"),
    "another content": (other(lambda files: files.update({f"{TOP}/vmlinux": File(b"VMLINUX" * 100)})),
                        f"has '{TOP}/vmlinux' with sha256"),
    "a longer content": (other(lambda files: files.update({f"{TOP}/vmlinux": File(bytes(1 << 24))})),
                         f"has the file '{TOP}/vmlinux' with another time, size or kind"),
    "another time": (other(lambda files: None, 1), "with another time, size or kind than the manifest"),
    "dotdot": (evil("../../evil"), "has a directory that is not its members'"),
    "absolute": (evil("/etc/evil"), "has a directory that is not its members'"),
    "a drive": (evil("C:\\evil"), "has a directory that is not its members'"),
    "not compressed": (stored, "with another time, size or kind"),
    "something behind the end": (lambda path: path.write_bytes(path.read_bytes() + b"x"), "has more behind its end"),
    "a comment": (lambda path: path.write_bytes(path.read_bytes()[:-2] + b"\1\0x"), "has a directory"),
    "bytes between": (hidden, "has a directory that is not its members'"),
    "another attribute": (patched(struct.pack("<I", 0x20), struct.pack("<I", 0x22)), "has a directory"),
    "another name in the directory": (patched(b"/vmlinux", b"/VMLINUX"), "has a directory"),
    "no zip": (lambda path: path.write_bytes(b"no zip at all"), "has its end where the manifest has"),
    "nothing": (lambda path: path.write_bytes(b""), "has its end where the manifest has"),
    "a tar": (lambda path: path.write_bytes(bytes(1 << 16)), "has no member that can be read"),
}


@pytest.mark.parametrize("case", ATTACKS)
def test_a_zip_of_other_bytes(place: Path, case: str) -> None:
    """With everything around it put right: the zip itself is not what the manifest says of its members."""
    change, words = ATTACKS[case]
    before = (place / ZIP).read_bytes()
    change(place / ZIP)
    assert (place / ZIP).read_bytes() != before
    said = facts(place)
    enter(place, said, ZIP)
    derive(place, said)
    told = caught(place)
    assert f"{ZIP}: " in told and words in told, told


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """A header that says 5 bytes, before data for a thousand million."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = b"".join(packer.compress(bytes(1 << 20)) for _ in range(1000)) + packer.flush()
    member = Member("a", 5, hashlib.sha256(bytes(5)).hexdigest(), zips.MODE)
    head = zips._local(member, zlib.crc32(bytes(5)), len(data), TIME)
    (tmp_path / "a.zip").write_bytes(head + data)
    assert zips.fault(tmp_path / "a.zip", [member], TIME) == "is damaged in or after 'a'"


def _member(said: dict[str, Any], role: str) -> dict[str, Any]:
    return next(one for file in said["files"] for one in file.get("members", ()) if one.get("role") == role)


def test_a_driver_that_was_not_booted_is_caught(here: Project) -> None:
    """All is packed anew with another driver, and only the boot knows better."""
    folder = here.release()
    zip_path = folder / ZIP
    other(lambda files: files.update({f"{TOP}/colinux.sys": File(b"evil")}))(zip_path)
    said = facts(folder)
    _member(said, "nt-driver").update(size=4, sha256=hashlib.sha256(b"evil").hexdigest())
    enter(folder, said, ZIP)
    derive(folder, said)
    told = caught(folder)
    assert f"{ZIP}: its nt-driver is not the one that manifest.json calls booted" in told
    for name in ("first", "second"):
        said["machines"][name]["booted"]["nt-driver"] = hashlib.sha256(b"evil").hexdigest()
    derive(folder, said)
    assert "evidence/first/result.json: it was booted with another nt-driver" in caught(folder)


FORGED: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a kernel that needs no boot": (setting("machines", "first", "windows", "unbooted", "kernel", to="0" * 64),
                                    "machines.first.windows.unbooted: Additional properties are not allowed"),
    "another daemon": (setting("machines", "second", "windows", "unbooted", "nt-daemon", to="0" * 64),
                       "its nt-daemon is not the one"),
    "no Windows at all": (lambda said: said["machines"]["first"].pop("windows"), "its daemon is not the one"),
    "a Windows where there is none": (
        setting("machines", "small", "windows", to={"name": "x", "prefix": "", "unbooted": dict.fromkeys(
            ("nt-daemon", "nt-ctl", "nt-console"), "0" * 64)}),
        "its daemon is not the one"),
    "the other's files": (setting("machines", "second", "windows", "prefix", to=""), "its disk:disk is not the one"),
    "a way out": (setting("machines", "second", "windows", "prefix", to="../"), "windows.prefix"),
    "no role": (lambda said: _member(said, "second/kernel").pop("role"), "its kernel is not the one"),
}


@pytest.mark.parametrize("case", FORGED)
def test_a_manifest_that_tells_other_things_of_the_zip(place: Path, case: str) -> None:
    change, words = FORGED[case]
    forge(place, change)
    assert words in caught(place)


def test_members_of_a_zip_have_to_be_told(place: Path) -> None:
    said = facts(place)
    for file in said["files"]:
        if file["path"] == ZIP:
            del file["members"]
    derive(place, said)
    vouch(place, said)
    assert f"{ZIP}: manifest.json has no members of it" in caught(place)
