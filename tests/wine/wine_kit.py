# SPDX-License-Identifier: GPL-2.0-only
"""Debian's Wine for tests: a Windows of our own in a folder, programs that run in it, its end.

Wine's servers inherit what they are started with and outlive who started them: so
no output ever goes through a pipe, and one wineserver, which is ours, runs from the
beginning to the end and takes everything with it. Who runs what: wine_systems.
"""

from __future__ import annotations

import concurrent.futures
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wine_systems import System
from wine_watch import LIMIT, Watch, end

from pipeline import digest, windowsdaemon
from pipeline.paths import atomic_dir, checkout, remove
from toolchain.windows import Target

PATIENCE = 300  # seconds: for a computer that is very busy
FOLDER = r"C:\colinux"
TEMPORARY = "wineserver"  # in a prefix


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
    """A Windows of a system's, whose drive C: is `drive`; the host's root is its Z:."""

    def __init__(self, system: System, folder: Path) -> None:
        self.system = system
        self.folder = folder
        self.prefix = folder / "prefix"
        self.drive = self.prefix / "drive_c"
        self.programs = self.drive / "colinux"  # FOLDER
        self.server: subprocess.Popen[bytes] | None = None
        self.watch: Watch | None = None
        self.count = 0

    def environment(self, **more: str) -> dict[str, str]:
        """Nothing of the user's, no window system, no other Wine; UTF-8, as paths are."""
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        return {**kept, "WINEPREFIX": str(self.prefix), "WINESERVER": self.system.server, "WINEDEBUG": "-all",
                # no web browser, no .NET, no menus: nobody is asked to install them
                "WINEDLLOVERRIDES": "mscoree,mshtml,winemenubuilder.exe=d", "HOME": str(self.folder),
                "LC_ALL": "C.UTF-8", **more}  # fmt: skip

    def start(self, limit: int = LIMIT) -> None:
        """The server in the foreground, and with it everything that runs, until stop(). `limit`: of processes."""
        for folder in (self.prefix, self.folder / "root"):
            folder.mkdir(parents=True, exist_ok=True)
        assert self.server is None
        self.server = subprocess.Popen(
            self.system.opened(self.folder / "root", self.system.server, "-f", "-p"), env=self.environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        self.watch = Watch(self.prefix, limit)
        pid = self.server.pid

        def ready() -> bool:
            self.check()
            return is_listening(pid)

        try:
            # A program that finds no server would start one, in whose place ours would end.
            wait_until(ready, "the wineserver does not listen")
        except BaseException:
            self.stop()
            raise

    def check(self, said: str = "") -> None:
        """It runs, and as it should; if not, what a program said last may tell why."""
        assert self.server and self.watch, "this Wine is not running"
        if self.watch.complaint:
            self.watch.close()
            raise AssertionError(f"{self.watch.complaint}\n{said[-2000:]}")
        assert self.server.poll() is None, "the wineserver has ended"

    def command(self, program: str, *words: str) -> list[str]:
        """What runs a program in there."""
        assert self.server
        return self.system.joined(self.server.pid, self.system.loader, program, *words)

    def install(self) -> None:
        """Windows' own files and registry."""
        self.start()
        try:
            done = self.run("wineboot", "--init", WINEDEBUG="-all,err+module")
            # Debian's Wine lacks no part of its own: one that does would be no Windows to test with.
            assert done.returncode == 0 and "import_dll Library" not in done.stderr, done.both
        finally:
            self.stop()
        assert (self.prefix / "system.reg").exists()
        self.programs.mkdir()

    def stop(self) -> None:
        """Ends what runs there, and waits until it has."""
        if self.server is None or self.watch is None:
            return
        self.watch.close()
        if self.server.poll() is None:
            subprocess.run(
                self.system.joined(self.server.pid, self.system.server, "-k"), env=self.environment(), check=False,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        end(self.prefix)
        self.server.wait(PATIENCE)
        self.server = self.watch = None
        # Debian's wineserver has its socket in a folder of this name (or in the user's in /run, which has an end itself).
        name = text(self.prefix / TEMPORARY)
        if re.fullmatch(r"wine-\w+", name):
            remove(Path("/tmp", name))
        remove(self.prefix / TEMPORARY)

    @contextmanager
    def begin(self, *argv: str, cwd: Path | None = None, name: str = "", stdin: bytes = b"",
              **environment: str) -> Iterator[Running]:  # fmt: skip
        """A program in the background; it is ended if the test did not wait for it."""
        self.check()
        self.count += 1
        paths = [self.folder / f"{name or 'program'}-{self.count}.{kind}" for kind in ("in", "out", "err")]
        paths[0].write_bytes(stdin)
        with paths[0].open("rb") as given, paths[1].open("wb") as out, paths[2].open("wb") as err:
            process = subprocess.Popen(self.command(*argv), cwd=cwd or self.folder, env=self.environment(**environment),
                                       stdin=given, stdout=out, stderr=err)  # fmt: skip
        running = Running(process, *paths[1:])
        try:
            yield running
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            if self.server:
                self.check(text(paths[2]))

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


def is_listening(pid: int) -> bool:
    """Whether a process has a local socket that others can connect to."""
    try:
        opened = {descriptor.readlink().name for descriptor in Path(f"/proc/{pid}/fd").iterdir()}
    except OSError:
        return False
    # proc(5); the flag is __SO_ACCEPTCON of include/linux/net.h
    sockets = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    return any(int(line[3], 16) & 0x10000 and f"socket:[{line[6]}]" in opened for line in sockets)


def compile_program(target: Target, source: str, output: Path, *libraries: str) -> None:
    """A test's own program for Windows, of one file below the checkout."""
    root = checkout().root
    includes = ("runtime/abi", "runtime/windows", "tests/boot/driver")
    subprocess.run([f"{target.prefix}gcc-win32", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror",
                    "-D__USE_MINGW_ANSI_STDIO=1", *(f"-I{root / include}" for include in includes), "-static",
                    root / source, "-o", output, *libraries], check=True)  # fmt: skip


def link_programs(
    wine: Wine, objects: Path, shared: Iterable[Path], programs: Mapping[str, Iterable[Path]], includes: Iterable[str],
    flags: Sequence[str] = (), libraries: Sequence[str | Path] = (),
) -> None:
    """Programs of the daemon's parts, into the C:\\colinux of a Wine: each of its own sources and of what all share.

    `objects`: an empty folder; `includes`: of the checkout, besides the daemon's.
    """
    target, root = wine.system.target, checkout().root
    folders = [f"-I{root / folder}" for folder in (*windowsdaemon.INCLUDES, *includes)]
    compiler = [windowsdaemon.compiler(target), *windowsdaemon.flags(target), *flags, *folders]

    def gcc(*words: str | Path) -> None:
        done = subprocess.run([*compiler, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def compiled(source: Path) -> Path:
        gcc("-c", source, "-o", objects / f"{source.stem}.o")
        return objects / f"{source.stem}.o"

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(compiled, shared))
        for name, sources in programs.items():
            gcc("-static", *pool.map(compiled, sources), *parts, *libraries, *windowsdaemon.LIBRARIES,
                "-o", wine.programs / f"{name}.exe")  # fmt: skip


def _template(system: System) -> Path:
    """A prefix that nothing has run in, made once for each Wine: that takes longer than most tests."""
    about = system.inf.stat()
    root = checkout().build / f"test/wine-{system.name}"
    folder = root / digest.of_json([str(system.folder), about.st_size, about.st_mtime_ns])[:16]
    if not folder.exists():
        root.mkdir(parents=True, exist_ok=True)
        for old in root.iterdir():
            if not owner(old):
                remove(old)
        with atomic_dir(folder) as made:
            Wine(system, made).install()
    return folder / "prefix"


def owner(folder: Path) -> str:
    """The number of the process whose Wine it is; "" for a template."""
    number = folder.name.partition("-")[2]
    return number if number.isdigit() else ""


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


def new(system: System, name: str = "tests", limit: int = LIMIT) -> Wine:
    """A Windows of this process's, running; what processes that are gone have left goes.

    For one process at a time.
    """
    template = _template(system)
    root = template.parents[1]
    for old in root.iterdir():
        if owner(old) and not Path(f"/proc/{owner(old)}").exists():
            end(old / "prefix")
            remove(old)
    wine = Wine(system, root / f"{name}-{os.getpid()}")
    remove(wine.folder)
    wine.folder.mkdir()
    _take(template, wine.prefix)
    wine.start(limit)
    return wine
