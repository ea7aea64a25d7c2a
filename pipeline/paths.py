# SPDX-License-Identifier: GPL-2.0-only
"""Where everything lies, and how files are written so that an interruption leaves no half of one.

build/src/<kernel>          the patched tree           build/rootfs/<name>    images
build/kernel/<kernel>       vmlinux, config, log       build/boot/<machine>   evidence of a boot
build/host/<host>           the test host's kernel     build/log, build/state   logs, memory
build/driver/<host>         colinux.ko                 dist                  releases
build/daemon/<os>-<arch>    colinux-daemon             (cache)               downloads of all checkouts
build/agent/<arch>          colinux-agent              build/compiler/<name>   compilers built here
build/userland/<arch>       the C library of guests' programs, busybox
build/seccomp/<arch>        what the daemon's sandbox is made with, as a library
build/slirp/<arch>          the daemon's user-mode network, as libraries
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline import progress
from pipeline.errors import InfrastructureError


def slug(task: str) -> str:
    """A task's name as a file's: "kernel:6.1-x86_64" -> "kernel_6.1-x86_64"."""
    return re.sub(r"[^A-Za-z0-9.+-]", "_", task)


@dataclass(frozen=True)
class Paths:
    """The places of one checkout; `root` is absolute."""

    root: Path

    @property
    def build(self) -> Path:
        return self.root / "build"

    @property
    def dist(self) -> Path:
        return self.root / "dist"

    @property
    def state(self) -> Path:
        """What is up to date (pipeline.stamp) and doit's own memory."""
        return self.build / "state"

    @property
    def cache(self) -> Path:
        """Downloads, shared by checkouts: $COLINUX_CACHE, $XDG_CACHE_HOME/colinux or ~/.cache/colinux."""
        if chosen := os.environ.get("COLINUX_CACHE"):
            return Path(chosen).absolute()
        base = os.environ.get("XDG_CACHE_HOME")
        return (Path(base) if base else Path.home() / ".cache") / "colinux"

    def log(self, task: str) -> Path:
        return self.build / "log" / f"{slug(task)}.log"

    def src(self, kernel: str) -> Path:
        return self.build / "src" / kernel

    def kernel(self, kernel: str) -> Path:
        return self.build / "kernel" / kernel

    def compiler(self, compiler: str) -> Path:
        return self.build / "compiler" / compiler

    def host(self, host: str) -> Path:
        return self.build / "host" / host

    def driver(self, host: str) -> Path:
        return self.build / "driver" / host

    def daemon(self, osarch: str) -> Path:
        """`osarch` as "linux-x86_64"."""
        return self.build / "daemon" / osarch

    def agent(self, arch: str) -> Path:
        return self.build / "agent" / arch

    def userland(self, arch: str) -> Path:
        return self.build / "userland" / arch

    def seccomp(self, arch: str) -> Path:
        return self.build / "seccomp" / arch

    def slirp(self, arch: str) -> Path:
        return self.build / "slirp" / arch

    def rootfs(self, name: str) -> Path:
        return self.build / "rootfs" / name

    def boot(self, machine: str) -> Path:
        return self.build / "boot" / machine


def checkout() -> Paths:
    """The checkout that this file belongs to."""
    return Paths(Path(__file__).resolve().parent.parent)


# Unfinished work lies beside its target in ".<name>.tmp-<8 hex digits>/": on
# the same filesystem, so that the last step is one rename, and in a folder, so
# that a tool that derives names from its output file sees the final name.
_SCRATCH = ".{name}.tmp-{tag}"


@contextmanager
def _scratch(path: Path) -> Iterator[Path]:
    """A private folder beside `path`, gone afterwards; those of dead processes are swept away.

    Its owner holds a lock on it, which the kernel drops however the owner
    ends: that tells the living from the dead, also across containers, where
    process numbers do not.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in path.parent.glob(_SCRATCH.format(name=_glob_escape(path.name), tag="*")):
        with suppress(OSError):
            descriptor = os.open(old, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(old)
            finally:
                os.close(descriptor)
    while True:
        folder = path.parent / _SCRATCH.format(name=path.name, tag=secrets.token_hex(4))
        folder.mkdir()
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue  # another process's sweep came between
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if folder.exists():
            break
        os.close(descriptor)
    try:
        yield folder
    finally:
        remove(folder)
        os.close(descriptor)


def _glob_escape(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)


def remove(path: Path) -> None:
    """Delete a file or a whole folder, also one with read-only folders inside; nothing there is fine."""
    if path.is_dir() and not path.is_symlink():
        try:
            shutil.rmtree(path)
        except PermissionError:
            for folder, _, _ in os.walk(path):
                Path(folder).chmod(0o700)
            shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Write a file under the yielded path; it takes `path`'s place when the block ends well.

    Nothing is at the yielded path yet; its last component is `path`'s. A block
    that ends well without having made the file is an InfrastructureError.
    """
    with _scratch(path) as folder:
        new = folder / path.name
        yield new
        if not new.is_file():
            raise InfrastructureError(f"nothing was written for {path}")
        _sync(new)
        new.replace(path)
        _sync(path.parent)


@contextmanager
def atomic_dir(path: Path) -> Iterator[Path]:
    """Fill the yielded, empty folder; it takes `path`'s place when the block ends well."""
    with _scratch(path) as folder:
        new = folder / path.name
        new.mkdir()
        yield new
        if path.exists() or path.is_symlink():
            path.rename(folder / "old")
        new.rename(path)
        _sync(path.parent)


def atomic_write(path: Path, data: bytes | str, mode: int = 0o644) -> None:
    """Write a whole file, readers see the old content or the new; on disk when this returns."""
    with atomic_path(path) as new:
        new.write_bytes(data.encode() if isinstance(data, str) else data)
        new.chmod(mode)


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; waits for another process or thread that has it, and says so after 1 s."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        began, said = time.monotonic(), False
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not said and time.monotonic() - began >= 1:
                    holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
                    progress.note(f"waiting for process {holder or 'unknown'}, which holds {path}")
                    said = True
                time.sleep(0.05)
        # For the message above only: what locks is the open file.
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
