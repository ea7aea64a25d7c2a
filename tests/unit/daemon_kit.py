# SPDX-License-Identifier: GPL-2.0-only
"""What the daemon's tests share: instrumented programs, kernels made by hand, a daemon to talk to.

The programs are compiled with the address and undefined-behaviour sanitizers,
once for each state of the sources, into build/test/daemon/.
"""

from __future__ import annotations

import atexit
import concurrent.futures
import fcntl
import functools
import os
import pty
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time
from collections.abc import Sequence
from pathlib import Path

from pipeline import daemon as pipeline_daemon
from pipeline import digest
from pipeline.paths import atomic_dir, checkout, file_lock, remove

PATHS = checkout()
HARNESS = PATHS.root / "tests/unit/daemon"
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
FLAGS = (
    "-std=gnu11",
    "-D_GNU_SOURCE",
    "-g",
    "-O1",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-pthread",
    *SANITIZE,
    *(f"-I{PATHS.root / folder}" for folder in ("runtime/abi", "runtime/daemon", "runtime/client")),
    f"-I{HARNESS}",
)
SUPPORT = ("check_failed", "fake_driver", "fake_memory_linux", "fake_slirp", "fake_wire", "guest", "console_guest",
           "p9_client", "p9_client_linux", "p9_client_u", "zoo")  # fmt: skip
# Parts of the daemon's that these take the place of.
REPLACED = ("driver_linux", "wire_slirp")
# What of the clients is tested like the daemon's own parts.
CLIENT_PARTS = ("json_read", "attach_modes")
# A report of theirs must be told from an exit code of the daemon.
ENVIRONMENT = {
    "ASAN_OPTIONS": "exitcode=99:detect_leaks=1:handle_abort=0",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "LSAN_OPTIONS": "exitcode=99",
}


@functools.cache
def programs() -> Path:
    """The folder with `daemon` (the real one), `fake-daemon` (a scripted guest instead of a driver), clients,
    and each tests/unit/daemon/{test,fuzz}_*.c as a program."""
    product = pipeline_daemon.daemon_sources("linux", PATHS)
    clients = sorted({source for client in pipeline_daemon.CLIENT_SOURCES
                      for source in pipeline_daemon.client_sources(client, PATHS)} - set(product))  # fmt: skip
    harness = sorted(path for path in HARNESS.glob("*.c") if not path.stem.endswith("_windows"))
    key = digest.of_json(
        [
            digest.tree_digest(
                [*(PATHS.root / "runtime" / part for part in ("daemon", "client", "abi")), HARNESS], PATHS.root
            ),
            FLAGS,
            subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=True).stdout,
        ]
    )[:16]
    folder = PATHS.build / "test/daemon" / key
    with file_lock(PATHS.build / "test/daemon.lock"):
        if folder.exists():
            return folder
        for old in folder.parent.glob("*"):
            remove(old)
        with atomic_dir(folder) as new:
            _compile(new, (*product, *clients, *harness))
            _link(new, product, harness)
    return folder


def _gcc(*arguments: str | Path) -> None:
    done = subprocess.run(["gcc", *FLAGS, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _compile(folder: Path, sources: tuple[Path, ...]) -> None:
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda source: _gcc("-c", source, "-o", folder / f"{source.stem}.o"), sources))


def _link(folder: Path, product: tuple[Path, ...], harness: list[Path]) -> None:
    def link(name: str, *stems: str) -> None:
        _gcc(*(folder / f"{stem}.o" for stem in stems), "-o", folder / name)

    every = [path.stem for path in product]
    doorless = [stem for stem in every if stem not in REPLACED]
    library = [stem for stem in doorless if stem != "main"]
    link("daemon", *every)
    link("fake-daemon", *doorless, *SUPPORT, "guest_program")
    for client in pipeline_daemon.CLIENT_SOURCES:
        link(client, *(path.stem for path in pipeline_daemon.client_sources(client, PATHS)))
    for path in harness:
        if path.stem.startswith(("test_", "fuzz_")):
            frame = ("check",) if path.stem.startswith("test_") else ()
            link(path.stem.replace("_", "-"), *library, *CLIENT_PARTS, *SUPPORT, *frame, path.stem)


# --- kernels made by hand ---------------------------------------------------------------------

PAGE = 4096
BASE = 0x1000000  # link-time physical address
AREA_VA = 0xFFFF_FFFF_FF57_9000
NOTE_OWNER = b"colinux\0"


def note(
    abi: int = 3,
    flags: int = 1,
    area_va: int = AREA_VA,
    area_pte: int = BASE + 0x3000,
    *,
    owner: bytes = NOTE_OWNER,
    kind: int = 1,
    desc: bytes | None = None,
) -> bytes:
    """An ELF note; area_pte defaults to the page after the text."""
    body = struct.pack("<IIQQQQII", abi, flags, area_va, area_pte, 0, 0, 0, 0) if desc is None else desc
    return (
        struct.pack("<III", len(owner), len(body), kind)
        + owner.ljust(-(-len(owner) // 4) * 4, b"\0")
        + body.ljust(-(-len(body) // 4) * 4, b"\0")
    )


def segment(kind: int, offset: int, paddr: int, filesz: int, memsz: int, align: int = 4) -> bytes:
    """A program header."""
    return struct.pack(
        "<IIQQQQQQ", kind, 7, offset, (0xFFFFFFFF80000000 + paddr) % 2**64, paddr, filesz, memsz, align
    )


def header(
    count: int,
    *,
    entry: int = BASE,
    ident: bytes = b"\x7fELF\2\1\1",
    kind: int = 2,
    machine: int = 62,
    phoff: int = 64,
    phentsize: int = 56,
) -> bytes:
    """An ELF header."""
    return struct.pack(
        "<16sHHIQQQIHHHHHH", ident, kind, machine, 1, entry, phoff, 0, 0, 64, phentsize, count, 0, 0, 0
    )


TEXT = bytes(range(256)) * 32  # two pages
DATA = b"DATA" * 1024  # one page: the shared area's entries are its first ones
BSS = 3 * PAGE


def kernel(
    notes: bytes | None = None, *, segments: list[bytes] | None = None, head: bytes | None = None
) -> bytes:
    """A cooperative vmlinux: text at BASE, a hole of a page, data with bss; the note lies at the end."""
    notes = note() if notes is None else notes
    if segments is None:
        segments = [
            segment(1, PAGE, BASE, len(TEXT), len(TEXT)),
            segment(1, 3 * PAGE, BASE + 0x3000, len(DATA), len(DATA) + BSS),
            segment(4, 4 * PAGE, 0, len(notes), len(notes)),
        ]
    head = header(len(segments)) if head is None else head
    front = (head + b"".join(segments)).ljust(PAGE, b"\0")
    return front + TEXT + DATA + notes


# --- fuzzers ------------------------------------------------------------------------------------


def inputs(usual: int) -> int:
    """How many inputs a fuzzer gets: so many as a rule, $COLINUX_FUZZ before a release."""
    return int(os.environ.get("COLINUX_FUZZ", usual))


def fuzz(
    folder: Path, program: str, *arguments: str | Path, count: int, seed: int = 1, corpus: Sequence[Path] = ()
) -> tuple[list[int], str]:
    """Run tests/unit/daemon/PROGRAM.c in the folder; returns the numbers that it prints, and what it says.

    Its arguments: those given, the seed, the count, the corpus. The sanitizers stop it at the first fault.
    """
    done = subprocess.run(
        [programs() / program, *arguments, str(seed), str(count), *corpus],
        cwd=folder,
        text=True,
        errors="backslashreplace",
        capture_output=True,
        check=False,
        env=environment(),
        stdin=subprocess.DEVNULL,
        timeout=60 + count // 10,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [int(word) for word in done.stdout.split()], done.stderr


# --- daemons ------------------------------------------------------------------------------------


@functools.cache
def run_folder() -> Path:
    """Where guests of these tests are found: a path short enough for a socket, nobody else's, gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="co-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, **ENVIRONMENT, "COLINUX_RUN": str(run_folder()), **more}


def check(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the instrumented daemon, without any driver."""
    return subprocess.run(
        [programs() / "daemon", *arguments],
        cwd=folder,
        env=environment(),
        text=True,
        errors="backslashreplace",  # paths are shown as they are, in whatever encoding
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )


def boot(
    folder: Path, guest: str, *arguments: str, driver: str = "", stdin: str | None = None, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run a scripted guest (tests/unit/daemon/guest_program.c) to its end."""
    image = folder / "vmlinux"
    if not image.exists():
        image.write_bytes(kernel())
    return subprocess.run(
        [programs() / "fake-daemon", "kernel=vmlinux", "mem=64", *arguments],
        cwd=folder,
        text=True,
        env=environment(FAKE_GUEST=guest, FAKE_DRIVER=driver),
        input=stdin or "",
        capture_output=True,
        check=False,
        timeout=timeout,
    )


class Terminal:
    """A scripted guest on a terminal of its own, the daemon in the foreground of a new session."""

    def __init__(self, folder: Path, guest: str, *arguments: str, size: tuple[int, int] = (80, 25)) -> None:
        (folder / "vmlinux").write_bytes(kernel())
        self.master, slave = pty.openpty()
        self.slave_name = os.ttyname(slave)
        self.resize(*size)
        self.output = b""
        self.errors = folder / "stderr"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [programs() / "fake-daemon", "kernel=vmlinux", "mem=64", *arguments],
                cwd=folder,
                env=environment(FAKE_GUEST=guest),
                stdin=slave,
                stdout=slave,
                stderr=errors,
                start_new_session=True,
                # these tests may run under nohup, and the daemon would leave it ignored
                preexec_fn=lambda: (fcntl.ioctl(0, termios.TIOCSCTTY, 0), signal.signal(signal.SIGHUP, signal.SIG_DFL)),
            )
        self.slave = slave  # kept open: its modes can be read after the daemon's end
        os.set_blocking(self.master, False)

    def resize(self, columns: int, rows: int) -> None:
        """A change while the daemon runs raises SIGWINCH, as in a terminal emulator."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def modes(self) -> list[object]:
        return list(termios.tcgetattr(self.slave))

    def type(self, text: bytes) -> None:
        os.write(self.master, text)

    def expect(self, text: bytes, seconds: float = 60) -> None:
        """Wait until the guest has printed this."""
        until = time.monotonic() + seconds
        while text not in self.output:
            assert time.monotonic() < until, (text, self.output, self.errors.read_text())
            try:
                self.output += os.read(self.master, 4096)
            except (BlockingIOError, OSError):
                time.sleep(0.01)

    def wait(self, seconds: float = 100) -> int:
        return self.process.wait(seconds)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)
