# SPDX-License-Identifier: GPL-2.0-only
"""Which Wine runs what is for which Windows: this computer's for x64; for x86 one of i386, which nobody has installed.

Debian's wine32 is a package of i386, and on a computer of another architecture it would
want that one's libraries beside the computer's own, in the same versions. So it is not
installed: its packages are those of `rootfs.wine-i386` in colinux.toml, locked like all
that enters here, and lie unpacked in build/test. What runs of it sees them as /usr and
/lib, and everything else as it is: enter.py.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pipeline import digest, sources
from pipeline.paths import atomic_dir, checkout, file_lock, remove
from pipeline.tasks import Project
from toolchain import windows
from toolchain.windows import Target

ENTER = (sys.executable, "-I", "-S", str(Path(__file__).with_name("enter.py")))
UNABLE = 120    # enter.py's
I386 = "wine-i386"


class Unavailable(Exception):
    """There is no Wine of a kind here."""


@dataclass(frozen=True)
class System:
    """A Wine. `loader` and `server` are paths as its own programs see them; `folder` has its /usr and /lib."""

    name: str
    target: Target
    loader: str
    server: str
    folder: Path = Path("/")

    @property
    def inf(self) -> Path:
        """What a new prefix is filled by; a Wine that finds another one there would do it anew."""
        return self.folder / "usr/share/wine/wine.inf"

    def opened(self, root: Path, *argv: str) -> list[str]:
        """A program, and with it the surroundings in which it and all others run; `root`: an empty folder for that."""
        there = [] if self.folder == Path("/") else [*ENTER, "open", str(self.folder), str(root)]
        return [*fixed(), *there, *argv]

    def joined(self, pid: int, *argv: str) -> list[str]:
        """A program in the surroundings of the one that was `opened`."""
        there = [] if self.folder == Path("/") else [*ENTER, "join", str(pid)]
        return [*fixed(), *there, *argv]


@functools.cache
def fixed() -> tuple[str, ...]:
    """Before a program: it has its memory at the same addresses each time. Nothing, where the kernel lets nobody ask.

    Debian's wine64 lies at 0x7d000000, and Linux puts its heap anywhere in the GiB behind
    (randomize_brk); about one in 2000 lay on 0x7ffe0000, which must be free: that is where
    all of NT has its shared user data. Such a program ends with 1 and says nothing.
    """
    words = ("setarch", "-R")    # personality(2), ADDR_NO_RANDOMIZE; containers may forbid it
    try:
        able = not subprocess.run([*words, "true"], capture_output=True, check=False).returncode
    except OSError:
        able = False
    return words if able else ()


@functools.cache
def find(name: str) -> System | str:
    """That of "x64" or "x86"; or why there is none here, for a person."""
    try:
        return _find(name)
    except Unavailable as reason:
        return str(reason)


def _find(name: str) -> System:
    target = windows.targets()[f"windows-{name}"]
    if not shutil.which(f"{target.prefix}gcc-win32"):
        raise Unavailable(f"no compiler for {target.name} is installed (./doit setup installs it)")
    return _installed(target) if name == "x64" else _unpacked(target)


def _installed(target: Target) -> System:
    # Debian's own: the wrapper in another package looks for 32 bits first.
    found = System("x64", target, "/usr/lib/wine/wine64", "/usr/lib/wine/wineserver64")
    if not Path(found.loader).exists() or not Path(found.server).exists():
        raise Unavailable("Wine is not installed (./doit test installs it)")
    return found


def _unpacked(target: Target) -> System:
    found = System("x86", target, "/usr/lib/wine/wine", "/usr/lib/wine/wineserver32", _packages())
    root = found.folder.parent / "root"
    root.mkdir(exist_ok=True)
    done = subprocess.run(found.opened(root, found.server, "--version"), capture_output=True, text=True, check=False)
    if done.returncode == UNABLE:
        raise Unavailable(f"no 32-bit Wine can run here: {done.stderr.strip()}")
    assert (done.returncode, done.stdout) == (0, ""), done
    return found


def _packages() -> Path:
    """The packages of I386 in a folder, in build/test/wine-i386."""
    project = Project.here()
    top = checkout().build / "test" / I386
    group = f"rootfs:{I386}"
    with file_lock(top.with_suffix(".lock")):
        project.bring(f"fetch:{group.replace(':', '-')}")
        packages = sources.fetch_packages(group, project.context, suite=project.declaration.rootfs[I386].suite)
        told = [[blob.sha256 for blob, _ in packages], digest.sha256_file(Path(__file__))]
        folder = top / digest.of_json(told)[:16]
        if not folder.exists():
            remove(top)
            with atomic_dir(folder) as new:
                for _, deb in packages:
                    sources.unpack_deb(deb, new)
                _configure(new)
    return folder


def _configure(folder: Path) -> None:
    """What libwine's postinst does: MinGW's zlib becomes one of Wine's own DLLs, by 32 bytes where DOS' code was.

    Without it user32.dll finds no zlib1.dll, and hardly any program a user32.dll.
    """
    plain = (folder / "usr/i686-w64-mingw32/lib/zlib1.dll").read_bytes()
    own = plain[:64] + b"Wine builtin DLL".ljust(32, b"\0") + plain[96:]
    (folder / "usr/lib/i386-linux-gnu/wine/i386-windows/zlib1.dll").write_bytes(own)
