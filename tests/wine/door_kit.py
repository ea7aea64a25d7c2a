# SPDX-License-Identifier: GPL-2.0-only
"""Scripted guests behind colinux-daemon.exe's control door, and a way to that door for tests that run outside of Wine.

The guest is the one of the Linux daemon's own tests (tests/unit/daemon/guest_program.c) in place of a driver;
everything else of the daemon is the real thing. Named pipes become sockets by tests/wine/bridge.c.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import re
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import daemon_kit
import test_daemon_control
from test_daemon_control import PATIENCE
from wine_kit import FOLDER, Running, Wine, text

from pipeline import daemon as pipeline_daemon
from pipeline import digest, slirp, windowsdaemon
from pipeline.paths import atomic_dir, checkout, file_lock, remove
from toolchain.windows import Target

PATHS = checkout()
SUPPORT = ("check_failed", "fake_driver", "fake_memory_windows", "fake_wire", "guest", "guest_program")
INCLUDES = (*windowsdaemon.INCLUDES, "tests/unit/daemon")
PIPE = "colinux-ctl-"  # runtime/daemon/run_pipe_windows.h


def fake_daemon(target: Target) -> Path:
    """fake-daemon.exe, compiled once for each state of the sources, into build/test/door-TARGET."""
    sources = [path for path in pipeline_daemon.daemon_sources("windows", PATHS) if path.stem != "driver_windows"]
    sources += [daemon_kit.HARNESS / f"{stem}.c" for stem in SUPPORT]
    network, libraries = slirp.words(target.name, PATHS)
    flags = (*windowsdaemon.flags(target), *network, "-O1", *(f"-I{PATHS.root / folder}" for folder in INCLUDES))
    compiler = f"{target.prefix}gcc-win32"
    told = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True).stdout
    trees = [PATHS.root / folder for folder in INCLUDES]
    top = PATHS.build / f"test/door-{target.name}"
    folder = top / digest.of_json([digest.tree_digest([*trees, slirp.folder(target.name, PATHS)], PATHS.root), flags, told])[:16]

    def gcc(*arguments: str | Path) -> None:
        done = subprocess.run([compiler, *flags, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    with file_lock(top.with_suffix(".lock")):
        if not folder.exists():
            remove(top)
            with atomic_dir(folder) as new, concurrent.futures.ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda source: gcc("-c", source, "-o", new / f"{source.stem}.o"), sources))
                gcc("-static", *(new / f"{source.stem}.o" for source in sources), *libraries,
                    *windowsdaemon.SLIRP_LIBRARIES, *windowsdaemon.LIBRARIES, "-o", new / "fake-daemon.exe")  # fmt: skip
    return folder / "fake-daemon.exe"


class Bridge:
    """tests/wine/bridge.c, running."""

    def __init__(self, running: Running) -> None:
        running.expect("port ")
        found = re.search(r"port (\d+)", text(running.out))
        assert found
        self.port = int(found[1])

    def pipe(self, word: str, name: str) -> socket.socket:
        """One of the bridge's words, and the name of a guest. ConnectionError with Windows' code."""
        link = socket.socket()
        link.settimeout(2 * PATIENCE)
        # what is between us and the pipe is to hold no more than a pipe does
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.connect(("127.0.0.1", self.port))
        link.sendall(f"{word} {PIPE}{name}\n".encode())
        told = self.answer(link)
        if told != "ok":
            link.close()
            raise ConnectionRefusedError(told)
        link.settimeout(PATIENCE)
        return link

    @staticmethod
    def answer(link: socket.socket) -> str:
        """The bridge's own words: a line."""
        said = b""
        while not said.endswith(b"\n"):
            byte = link.recv(1)
            assert byte, said
            said += byte
        return said.decode().strip()


class Tail:
    """What a program writes to a file, as a stream: reading waits for more while the program runs."""

    def __init__(self, path: Path, process: subprocess.Popen[bytes]) -> None:
        self.file = path.open(encoding="utf-8", newline="")
        self.process = process

    def read(self, count: int) -> str:
        found = ""
        until = time.monotonic() + 2 * PATIENCE
        while len(found) < count:
            over = self.process.poll() is not None
            piece = self.file.read(count - len(found))
            if not piece and over:
                break
            assert piece or time.monotonic() < until, (found, self.file.name)
            found += piece
            if not piece:
                time.sleep(0.02)
        return found

    def readline(self) -> str:
        line = ""
        while not line.endswith("\n") and (letter := self.read(1)):
            line += letter
        return line


class Process:
    """A program in there as subprocess.Popen has one, as far as the suites of the Linux daemon use it.

    `pid` is Windows' number of it, which it has written into a file.
    """

    def __init__(self, running: Running, pid: Path) -> None:
        self.running = running
        self.stdout = Tail(running.out, running.process)
        self.file = pid

    @property
    def pid(self) -> int:
        return int(text(self.file) or 0)

    @property
    def returncode(self) -> int | None:
        return self.running.process.returncode

    def poll(self) -> int | None:
        return self.running.process.poll()

    def kill(self) -> None:
        self.running.process.kill()

    def wait(self, timeout: float = 2 * PATIENCE) -> int:
        return self.running.process.wait(timeout)

    def communicate(self, timeout: float = 2 * PATIENCE) -> tuple[str, str]:
        self.wait(timeout)
        return text(self.running.out), text(self.running.err)


class Guest(test_daemon_control.Guest):
    """fake-daemon.exe with a scripted guest; what the suites of the Linux daemon know of one works."""

    wine: Wine
    bridge: Bridge
    open: contextlib.ExitStack

    def __init__(
        self, folder: Path, run: Path, guest: str, *arguments: str, memory: int = 64, flags: int = 1
    ) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "vmlinux").write_bytes(daemon_kit.kernel(daemon_kit.note(flags=flags)))
        self.run = run
        self.name = next((word[5:] for word in arguments if word.startswith("name=")), "colinux")
        self.name = next((word[1:-5].replace(" ", "-") for word in arguments if word.startswith("@")), self.name)
        running = self.open.enter_context(
            self.wine.begin(rf"{FOLDER}\fake-daemon.exe", "kernel=vmlinux", f"mem={memory}", *arguments, "-p", "pid",
                            cwd=folder, name="guest", FAKE_GUEST="say up\n;" + guest))  # fmt: skip
        self.process = Process(running, folder / "pid")  # type: ignore[assignment]

    def is_running(self) -> bool:
        """Ask the doors of that name, and of those which make way for others of it, whose they are."""
        for name in (self.name, *(f"{self.name}-{number}" for number in range(2, 5))):
            with contextlib.suppress(ConnectionError), self.connect(name) as link:
                link.sendall(b"status\n")
                status = test_daemon_control.line(link)
                if status["pid"] == self.process.pid:
                    self.name = name
                    return bool(status["state"] != "starting")
        return False

    def connect(self, name: str = "") -> socket.socket:
        return self.bridge.pipe("connect", name or self.name)


Ctl = Callable[..., subprocess.CompletedProcess[str]]


def ctl(wine: Wine) -> Ctl:
    """colinux-ctl.exe, as the suite of the Linux one calls it."""

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        done = wine.run(rf"{FOLDER}\colinux-ctl.exe", *words)
        return subprocess.CompletedProcess(words, done.returncode, done.stdout, done.stderr)

    return call
