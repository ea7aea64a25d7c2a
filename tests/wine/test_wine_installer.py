# SPDX-License-Identifier: GPL-2.0-only
"""What a release has for Windows is run: the zips' commands; the installer, whose files, driver and registry come, an
upgrade of which keeps what is a person's, and of which all goes again.

NSIS' programs are of 32 bits in either case, so it is the 32-bit Wine that runs them. The
one for 64-bit Windows is refused there, as it has to be.
"""

from __future__ import annotations

import contextlib
import functools
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from wine_kit import FOLDER, Done, Wine, compile_program, wait_until

from pipeline import ntdriver, windowsdaemon
from pipeline.paths import checkout, file_lock
from pipeline.release import installer
from pipeline.release import windows as release_windows
from pipeline.release.archive import File
from pipeline.release.parts import Archive, Part
from pipeline.tasks import Project
from toolchain import windows

DRIVER, SERVICE = "colinux", "Cooperative Linux"
COMMANDS = ("install.cmd", "uninstall.cmd")
KEY = r"HKLM\Software\Microsoft\Windows\CurrentVersion\Uninstall\Cooperative Linux"
OURS = r"HKLM\Software\Cooperative Linux"
HOME = r"C:\Program Files\coLinux"
ELSEWHERE = r"C:\somewhere\else"
CONF, DISK = "colinux.conf", "guest/root.ext4"

needs_makensis = pytest.mark.skipif(
    not shutil.which("makensis"), reason="makensis is not installed (./doit test does it)")


@dataclass(frozen=True)
class Setup:
    """Makes installers, and runs them in a Wine: of the real programs and the real driver, with a small guest."""

    wine: Wine
    folder: Path

    def make(self, nt: str = "windows-x86", changes: Mapping[str, bytes] | None = None) -> str:
        """An installer; `changes`: other contents of files."""
        files = {path: File(data) for path, data in {**contents(nt), **(changes or {})}.items()}
        top = f"colinux-{Project.here().version}-{nt}"
        disk = self.folder / "disk"
        archive = Archive(f"{top}.zip", (Part("first/disk:root", f"{top}/{DISK}", disk),),
                          {f"{top}/{path}": file for path, file in files.items()}, nt)
        made = self.folder / installer.name(archive)
        installer.make(archive, archive.files, Project.here().declaration, made, 1_700_000_000)
        return str(made)

    def run(self, *words: str, changes: Mapping[str, bytes] | None = None) -> Done:
        """Make it and run it, silently."""
        return self.wine.run(self.make(changes=changes), "/S", *words, cwd=self.folder)

    def place(self, folder: str = HOME) -> Path:
        return self.wine.drive / folder.removeprefix("C:\\").replace("\\", "/")

    def value(self, key: str, name: str) -> str:
        """Of the registry; "" where there is none."""
        found = re.search(r"REG_\w+\s+(.*?)\r?\n", self.wine.run("reg", "query", key, "/v", name).stdout)
        return found[1] if found else ""

    @contextlib.contextmanager
    def held(self, name: str, milliseconds: int) -> Iterator[None]:
        """A file of the installation that a program has open."""
        compile_program(self.wine.system.target, "tests/wine/hold.c", self.wine.programs / "hold.exe")
        with self.wine.begin(rf"{FOLDER}\hold.exe", rf"{HOME}\{name}", str(milliseconds)) as program:
            program.expect("held")
            yield

    def remove(self, folder: str = HOME) -> None:
        """The uninstaller works on as a copy of itself, when it has ended."""
        program = self.place(folder) / "uninstall.exe"
        assert self.wine.run(rf"{folder}\uninstall.exe", "/S").returncode == 0
        wait_until(lambda: not program.exists() and not self.value(OURS, "Folder"), "the uninstaller is not done")


@functools.cache
def contents(nt: str) -> Mapping[str, bytes]:
    """Path -> content, of what a release has in a zip."""
    target = windows.targets()[nt]
    with file_lock(checkout().build / "test/wine.lock"):    # as conftest has it
        for work in (f"driver:{nt}", f"daemon:{nt}"):
            Project.here().bring(work)
    programs = [*windowsdaemon.programs(nt, checkout()), ntdriver.file(target, checkout())]
    return {**{path.name: path.read_bytes() for path in programs}, "LICENSE.txt": b"the licence\r\n",
            "README.txt": b"what Windows demands\r\n", CONF: b"kernel=vmlinux\r\n", "vmlinux": b"\x7fELF", DISK: bytes(8192)}


@pytest.fixture
def setup(running: Callable[[str], Wine], tmp_path: Path) -> Iterator[Setup]:
    wine = running("x86")
    (tmp_path / "disk").write_bytes(contents("windows-x86")[DISK])
    yield Setup(wine, tmp_path)
    # a test that failed leaves nothing behind: it would be in the way of all others
    wine.run(rf"{FOLDER}\colinux-daemon.exe", "--remove-driver")
    wine.run("reg", "delete", OURS, "/f")
    wine.run("reg", "delete", KEY, "/f")
    for folder in (HOME, ELSEWHERE):
        shutil.rmtree(Setup(wine, tmp_path).place(folder), ignore_errors=True)


def changed(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> dict[str, tuple[int, int]]:
    """The files that are not the same in both: their lengths, -1 for none. Contents would make a report of megabytes."""
    return {path: (len(one[path]) if path in one else -1, len(other[path]) if path in other else -1)
            for path in sorted({*one, *other}) if one.get(path) != other.get(path)}


def found(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@needs_makensis
def test_it_installs_and_takes_all_of_it_back(setup: Setup) -> None:
    assert setup.run().returncode == 0
    wine, place = setup.wine, setup.place()
    inside = found(place)
    assert inside.pop("uninstall.exe")
    assert changed(contents("windows-x86"), inside) == {}
    # the driver is installed, of this folder, and loaded
    assert wine.state(DRIVER) == "RUNNING"
    assert wine.registered(DRIVER)["ImagePath"] == rf"\??\{HOME}\colinux.sys"
    assert wine.run(rf"{HOME}\colinux-daemon.exe", "--status-driver").returncode == 0
    assert setup.value(KEY, "DisplayName") == "Cooperative Linux"
    assert setup.value(KEY, "DisplayVersion") == Project.here().version
    assert setup.value(KEY, "UninstallString") == rf'"{HOME}\uninstall.exe"'
    assert setup.value(OURS, "Folder") == HOME
    setup.remove()
    assert wine.state(DRIVER) == ""
    assert setup.value(KEY, "DisplayName") == ""
    # who says nothing keeps what he works in, and nothing else
    assert changed({path: contents("windows-x86")[path] for path in (CONF, DISK)}, found(place)) == {}


@needs_makensis
def test_an_upgrade_keeps_what_is_a_persons(setup: Setup) -> None:
    assert setup.run().returncode == 0
    place = setup.place()
    (place / CONF).write_bytes(b"mine")
    (place / DISK).write_bytes(b"my files")
    assert setup.run(changes={"README.txt": b"of another version", CONF: b"theirs", DISK: b"theirs"}).returncode == 0
    inside = found(place)
    assert (inside[CONF], inside[DISK]) == (b"mine", b"my files")
    assert inside["README.txt"] == b"of another version"
    assert setup.wine.state(DRIVER) == "RUNNING"
    setup.remove()
    assert found(place) == {CONF: b"mine", DISK: b"my files"}


@needs_makensis
def test_another_folder(setup: Setup) -> None:
    """/D is NSIS' word for it, and the next installer begins there."""
    assert setup.run(rf"/D={ELSEWHERE}").returncode == 0
    assert setup.wine.registered(DRIVER)["ImagePath"] == rf"\??\{ELSEWHERE}\colinux.sys"
    assert not setup.place().exists()
    (setup.place(ELSEWHERE) / CONF).write_bytes(b"mine")
    assert setup.run().returncode == 0
    assert not setup.place().exists()
    assert (setup.place(ELSEWHERE) / CONF).read_bytes() == b"mine"
    setup.remove(ELSEWHERE)
    assert setup.wine.state(DRIVER) == ""


@needs_makensis
def test_a_driver_that_windows_does_not_take(setup: Setup) -> None:
    """The files stay, and the exit code tells; the way back works as well."""
    assert setup.run(changes={"colinux.sys": b"no driver at all"}).returncode == 3
    assert set(found(setup.place())) == {*contents("windows-x86"), "uninstall.exe"}
    assert setup.wine.state(DRIVER) != "RUNNING"
    setup.remove()
    assert setup.wine.state(DRIVER) == ""


@needs_makensis
def test_what_is_in_use_for_a_moment_is_waited_for(setup: Setup) -> None:
    """A program that has ended, a driver that is unloaded, a virus scanner: their files are free a little later."""
    assert setup.run().returncode == 0
    with setup.held("colinux-ctl.exe", 1500):
        assert setup.run(changes={"colinux-ctl.exe": b"a new one"}).returncode == 0
    assert (setup.place() / "colinux-ctl.exe").read_bytes() == b"a new one"
    with setup.held("colinux.sys", 1500):
        setup.remove()
    assert set(found(setup.place())) == {CONF, DISK}


@needs_makensis
def test_an_upgrade_of_what_is_in_use_changes_nothing(setup: Setup) -> None:
    assert setup.run().returncode == 0
    before = found(setup.place())
    with setup.held("colinux-ctl.exe", 600_000):
        assert setup.run(changes=dict.fromkeys(before, b"of another version")).returncode == 3
    assert changed(before, found(setup.place())) == {}
    assert setup.wine.state(DRIVER) == "RUNNING"


@needs_makensis
def test_what_is_in_use_to_the_end_goes_at_the_next_start(setup: Setup) -> None:
    assert setup.run().returncode == 0
    with setup.held("colinux-ctl.exe", 600_000):
        # NSIS' word for an uninstaller that makes no copy of itself, and so has an exit code; to the line's end, unquoted
        assert setup.wine.run(rf"{HOME}\uninstall.exe", "/S", *f"_?={HOME}".split()).returncode == 3
        assert set(found(setup.place())) == {CONF, DISK, "colinux-ctl.exe", "uninstall.exe"}
    assert rf"{HOME}\colinux-ctl.exe" in setup.value(r"HKLM\System\CurrentControlSet\Control\Session Manager",
                                                     "PendingFileRenameOperations")
    assert (setup.wine.state(DRIVER), setup.value(OURS, "Folder"), setup.value(KEY, "DisplayName")) == ("", "", "")


@needs_makensis
def test_the_one_for_64_bits_is_refused(setup: Setup) -> None:
    assert setup.wine.run(setup.make("windows-x64"), "/S", cwd=setup.folder).returncode == 2
    assert not setup.place().exists()
    assert setup.value(OURS, "Folder") == ""


# --- zips -----------------------------------------------------------------------------------------


@pytest.fixture
def unpacked(wine: Wine, tmp_path: Path) -> Iterator[Path]:
    """What a zip has, in a folder whose name is not simple; the commands as a release fills them in."""
    folder = tmp_path / "my guests (2)"
    nt = wine.system.target.name
    words = {"VERSION": Project.here().version, "SYSTEM": "a Windows"}
    texts = {name: release_windows.lines(release_windows.filled(name, words)) for name in COMMANDS}
    for path, data in {**contents(nt), **texts}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    yield folder
    wine.run(rf"{FOLDER}\colinux-daemon.exe", "--remove-driver")


def command(wine: Wine, folder: Path, name: str) -> Done:
    return wine.run("cmd", "/c", name, "/quiet", cwd=folder)


def test_the_commands_of_a_zip(wine: Wine, unpacked: Path) -> None:
    done = command(wine, unpacked, "install.cmd")
    assert (done.returncode, done.stderr) == (0, "")
    assert "the driver is installed and loaded" in done.stdout and "is not installed" not in done.stdout
    assert wine.state(DRIVER) == "RUNNING"
    assert wine.registered(DRIVER)["ImagePath"].endswith(r"\my guests (2)\colinux.sys")
    again = command(wine, unpacked, "install.cmd")
    assert again.returncode == 255 and "The driver is not installed (exit code 255)" in again.stdout
    done = command(wine, unpacked, "uninstall.cmd")
    assert done.returncode == 0 and "This folder can be deleted now" in done.stdout
    assert wine.state(DRIVER) == ""
    # nothing to take back is as good
    assert command(wine, unpacked, "uninstall.cmd").returncode == 0


def test_the_service_goes_with_the_driver(wine: Wine, unpacked: Path) -> None:
    assert command(wine, unpacked, "install.cmd").returncode == 0
    program = str(unpacked / "colinux-daemon.exe")
    assert wine.run(program, "--install-service", f"@{CONF}", cwd=unpacked).returncode == 0
    assert wine.state(SERVICE) == "STOPPED"
    assert command(wine, unpacked, "uninstall.cmd").returncode == 0
    assert (wine.state(SERVICE), wine.state(DRIVER)) == ("", "")
