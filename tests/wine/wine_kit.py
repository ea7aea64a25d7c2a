# SPDX-License-Identifier: GPL-2.0-only
"""Debian's Wine for tests: a Windows of our own in a folder, programs that run in it, its end.

Wine's servers inherit what they are started with and outlive who started them: so
no output ever goes through a pipe, and one wineserver, which is ours, runs from the
beginning to the end and takes everything with it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline import digest
from pipeline.paths import atomic_dir, checkout, remove
from toolchain import windows

# Debian's own: the wrapper in another package looks for 32 bits first.
LOADER = Path("/usr/lib/wine/wine64")
SERVER = Path("/usr/lib/wine/wineserver64")
# What a new prefix is filled by; a Wine that finds another one there would do it anew.
INF = Path("/usr/share/wine/wine.inf")
TARGET = windows.targets()["windows-x64"]  # Debian's wine64 runs no other one
PATIENCE = 300  # seconds: for a computer that is very busy
FOLDER = r"C:\colinux"


@dataclass(frozen=True)
class Done:
    """How a program ended, what it said; `both` is what came on stdout and then on stderr."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def both(self) -> str:
        return self.stdout + self.stderr


class Wine:
    """A Windows, 64 bits, whose drive C: is `drive`; the host's root is its Z:."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.prefix = folder / "prefix"
        self.drive = self.prefix / "drive_c"
        self.programs = self.drive / "colinux"  # FOLDER
        self.server: subprocess.Popen[bytes] | None = None
        self.count = 0

    def environment(self, **more: str) -> dict[str, str]:
        """Nothing of the user's, no window system, no other Wine; UTF-8, as paths are."""
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        return {**kept, "WINEPREFIX": str(self.prefix), "WINESERVER": str(SERVER), "WINEDEBUG": "-all",
                # no web browser, no .NET, no menus: nobody is asked to install them
                "WINEDLLOVERRIDES": "mscoree,mshtml,winemenubuilder.exe=d", "HOME": str(self.folder),
                "LC_ALL": "C.UTF-8", **more}  # fmt: skip

    def start(self) -> None:
        """The server in the foreground, and with it everything that runs, until stop()."""
        self.prefix.mkdir(parents=True, exist_ok=True)
        assert self.server is None
        self.server = subprocess.Popen([SERVER, "-f", "-p"], env=self.environment(), stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip

    def install(self) -> None:
        """Windows' own files and registry."""
        self.start()
        try:
            done = self.run("wineboot", "--init")
            assert done.returncode == 0, done
        finally:
            self.stop()
        assert (self.prefix / "system.reg").exists()
        self.programs.mkdir()

    def stop(self) -> None:
        """Ends what runs there, and waits until it has."""
        if self.server is None:
            return
        subprocess.run([SERVER, "-k"], env=self.environment(), check=False, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        self.server.wait(PATIENCE)
        self.server = None

    @contextmanager
    def begin(self, *argv: str, cwd: Path | None = None, name: str = "", stdin: bytes = b"",
              **environment: str) -> Iterator[Running]:  # fmt: skip
        """A program in the background; it is ended if the test did not wait for it."""
        self.count += 1
        paths = [self.folder / f"{name or 'program'}-{self.count}.{kind}" for kind in ("in", "out", "err")]
        paths[0].write_bytes(stdin)
        with paths[0].open("rb") as given, paths[1].open("wb") as out, paths[2].open("wb") as err:
            process = subprocess.Popen([LOADER, *argv], cwd=cwd or self.folder, env=self.environment(**environment),
                                       stdin=given, stdout=out, stderr=err)  # fmt: skip
        running = Running(process, *paths[1:])
        try:
            yield running
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def run(self, *argv: str, cwd: Path | None = None, stdin: bytes = b"", **environment: str) -> Done:
        """A program, to its end."""
        with self.begin(*argv, cwd=cwd, stdin=stdin, **environment) as running:
            done = running.wait()
        for path in (running.out, running.err):
            path.unlink()
        return done

    # --- services ---

    def state(self, service: str) -> str:
        """STOPPED, RUNNING, ...; "" where there is none of the name."""
        found = re.search(r"STATE\s+: \d+\s+(\w+)", self.run("sc", "query", service).stdout)
        return found[1] if found else ""

    def exit_code(self, service: str) -> int:
        """The service's own, of its last end."""
        found = re.search(r"SERVICE_EXIT_CODE\s+: (\d+)", self.run("sc", "query", service).stdout)
        assert found
        return int(found[1])

    def wait_for(self, service: str, state: str) -> None:
        wait_until(lambda: self.state(service) == state, f"{service} is not {state}")

    def registered(self, service: str) -> dict[str, str]:
        """What the registry has of a service: ImagePath, Start, Type, ..."""
        said = self.run("reg", "query", rf"HKLM\System\CurrentControlSet\Services\{service}").stdout
        return dict(re.findall(r"^ {4}(\w+)\s+REG_\w+\s+(.*?)\r?$", said, re.M))


@dataclass(frozen=True)
class Running:
    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    def wait(self) -> Done:
        code = self.process.wait(PATIENCE)
        return Done(code, text(self.out), text(self.err))

    def expect(self, words: str, path: Path | None = None) -> None:
        """Until it has said this, on stdout or in another file."""
        at = path or self.out
        wait_until(lambda: words in text(at) or self.process.poll() is not None, f"{words!r} is not in {at}")
        assert words in text(at), (text(self.out), text(self.err))


def text(path: Path) -> str:
    """A file's; bytes that are no UTF-8 as backslashes, as daemon_kit has them."""
    return path.read_bytes().decode(errors="backslashreplace") if path.exists() else ""


def wait_until(is_so: object, complaint: str, seconds: float = PATIENCE) -> None:
    assert callable(is_so)
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, complaint
        time.sleep(0.05)


def compile_program(source: str, output: Path, *libraries: str) -> None:
    """A test's own program for Windows, of one file below the checkout."""
    root = checkout().root
    includes = ("runtime/abi", "runtime/windows", "tests/boot/driver")
    subprocess.run([f"{TARGET.prefix}gcc-win32", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror",
                    "-D__USE_MINGW_ANSI_STDIO=1", *(f"-I{root / include}" for include in includes), "-static",
                    root / source, "-o", output, *libraries], check=True)  # fmt: skip


def _template() -> Path:
    """A prefix that nothing has run in, made once for each Wine: that takes longer than most tests."""
    version = subprocess.run([LOADER, "--version"], env=Wine(Path("/nonexistent")).environment(), capture_output=True,
                             text=True, check=True).stdout  # fmt: skip
    about = INF.stat()
    root = checkout().build / "test/wine"
    folder = root / digest.of_json([version, about.st_size, about.st_mtime_ns])[:16]
    if not folder.exists():
        root.mkdir(parents=True, exist_ok=True)
        for old in root.iterdir():
            if not old.name.isdigit():
                remove(old)
        with atomic_dir(folder) as made:
            Wine(made).install()
    return folder / "prefix"


def _take(source: Path, target: Path) -> None:
    """A copy. Windows' own files, which are large and which nobody writes to, are the same ones."""
    for folder, names, files in os.walk(source):
        within = Path(folder).relative_to(source)
        here = target / within
        here.mkdir(exist_ok=True)
        for name in [*files, *(name for name in names if (Path(folder) / name).is_symlink())]:
            path = Path(folder) / name
            if "windows" in within.parts and not path.is_symlink():
                (here / name).hardlink_to(path)
            else:
                shutil.copy2(path, here / name, follow_symlinks=False)


def new() -> Wine:
    """A Windows of this process's, in build/test/wine; what processes that are gone have left there goes.

    For one process at a time.
    """
    template = _template()
    root = template.parents[1]
    for old in root.iterdir():
        if old.name.isdigit() and not Path(f"/proc/{old.name}").exists():
            remove(old)
    wine = Wine(root / str(os.getpid()))
    remove(wine.folder)
    wine.folder.mkdir()
    _take(template, wine.prefix)
    wine.start()
    return wine
