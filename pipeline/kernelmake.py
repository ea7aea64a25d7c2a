# SPDX-License-Identifier: GPL-2.0-only
"""How make is called for a guest kernel: where, with which words, in which environment.

    build/kernel/<kernel>/obj    make's folder; of a series that builds only in its tree, a copy of that

What differs between the series is data: toolchain/kernels.toml.
"""

from __future__ import annotations

import json
import re
import shutil
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from pipeline import ccache, compiler, digest, patching, process, progress
from pipeline.declaration.model import Declaration, Kernel
from pipeline.errors import UserError
from pipeline.paths import Paths, atomic_write, remove
from toolchain.kernels import RELATIVE, Series, series

# make prints one such line for each file that it makes; an old one prints the whole command
_STEP = re.compile(rb"^(?:  [A-Z][A-Z0-9_+]*(?: \[M\])? +\S|\S.* -c .*\.[cS]$)", re.M)
_POLL = 0.5  # seconds between looks at the log
_COPIED = ".colinux-copied"


def of_kernel(kernel: Kernel) -> Series:
    """The series that a kernel names. UserError when there is no such one."""
    known = series()
    if kernel.series not in known:
        raise UserError(f"kernel {kernel.name}: unknown series {kernel.series}",
                        hint=f"toolchain/kernels.toml has {', '.join(known)}")
    return known[kernel.series]


def obj(kernel: Kernel, paths: Paths) -> Path:
    """make's folder."""
    return paths.kernel(kernel.name) / "obj"


def words(kernel: Kernel, paths: Paths) -> list[str]:
    """make with everything but its targets."""
    kind, built_with = of_kernel(kernel), compiler.of_kernel(kernel)
    src, folder = paths.src(kernel.name), obj(kernel, paths)
    flags = ccache.maps("macro", [src], folder) if kind.paths == "mapped" else []
    relative = ["sh", str(RELATIVE), str(folder.resolve())] if kind.paths == "relative" else []
    cache = ccache.words()
    return [
        "make", *(["-C", str(folder)] if kind.in_tree else ["-C", str(src), f"O={folder}"]),
        f"ARCH={kind.arch[kernel.arch]}",
        "CC=" + " ".join([*relative, *cache, compiler.command(built_with, paths), *built_with.flags, *flags]),
        # objtool is compiled with debug data.
        "HOSTCC=" + " ".join([*cache, kind.host_cc, f"-ffile-prefix-map={paths.root}=."]),
        *([f"CROSS_COMPILE={built_with.prefix}"] if built_with.prefix else []),
    ]


def environment(decl: Declaration) -> dict[str, str]:
    """Nothing of this machine or this moment may get into the kernel."""
    when = datetime.fromtimestamp(decl.project.epoch, timezone.utc)
    return {
        "KBUILD_BUILD_TIMESTAMP": when.strftime("%a %b %e %H:%M:%S UTC %Y"),
        "KBUILD_BUILD_USER": "colinux",
        "KBUILD_BUILD_HOST": "colinux",
        "KBUILD_BUILD_VERSION": "1",
        "KCONFIG_NOTIMESTAMP": "1",  # 2.6 writes the date into .config, which IKCONFIG puts into the kernel
        "SOURCE_DATE_EPOCH": str(decl.project.epoch),
    }


def copy_tree(kernel: Kernel, paths: Paths) -> None:
    """Bring make's folder up to date with the patched tree, for a series that builds only in its tree.

    Only what changed in the tree is copied, with its time, and what is gone there is removed: make
    compiles no more than it would in the tree itself.
    """
    src, folder = paths.src(kernel.name), obj(kernel, paths)
    memory = folder / _COPIED
    try:
        before = json.loads(memory.read_bytes())
    except (OSError, ValueError):
        before = {}
    now: dict[str, list[int]] = {}
    for name, status in digest.walk(src):
        if name.split("/")[0] == patching.MEMORY.name or stat.S_ISDIR(status.st_mode):
            continue
        now[name] = [status.st_mtime_ns, status.st_size, status.st_mode]
        if before.get(name) != now[name] or not (folder / name).exists():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            shutil.copy2(src / name, place, follow_symlinks=False)
    for name in before.keys() - now.keys():
        remove(folder / name)
    if now != before:
        atomic_write(memory, json.dumps(now, separators=(",", ":")))


def run(kernel: Kernel, decl: Declaration, paths: Paths, *targets: str, log: Path, append: bool = False,
        env: dict[str, str] | None = None, stdin: bytes | None = None) -> None:
    """Run make for some targets. Raises BuildFailed with the first error that it prints."""
    cached = ccache.environment(paths.root, compiler.binaries(compiler.of_kernel(kernel), paths),
                                cache_log(kernel, paths))
    process.run([*words(kernel, paths), *targets], cwd=paths.root, log=log, append=append, stdin=stdin,
                env={**environment(decl), **cached, **(env or {})})


def cache_log(kernel: Kernel, paths: Paths) -> Path:
    """What ccache did for this kernel since the last build began."""
    return paths.kernel(kernel.name) / "ccache.log"


# --- progress ----------------------------------------------------------------------------


@contextmanager
def counted(title: str, log: Path, memory: Path) -> Iterator[None]:
    """Show how many files make has made, of about how many: as many as it took the last time.

    `memory` keeps the number of a build from nothing.
    """
    total = int(text) if memory.is_file() and (text := memory.read_text().strip()).isdigit() else None
    stop = threading.Event()
    log.unlink(missing_ok=True)
    with progress.Bar(title, total, "files") as bar:
        counter = _Counter(log)

        def follow() -> None:
            while not stop.wait(_POLL):
                bar.update(counter.look())

        thread = threading.Thread(target=follow, name="make-progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            bar.update(counter.look())
    if total is None or bar.done > total:
        memory.write_text(f"{bar.done}\n")


class _Counter:
    """Counts the steps of make in a growing log."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._read = 0

    def look(self) -> int:
        """How many have come since the last look; whole lines only."""
        try:
            with self._log.open("rb") as file:
                file.seek(self._read)
                text = file.read()
        except OSError:
            return 0
        text = text[: text.rfind(b"\n") + 1]
        self._read += len(text)
        return len(_STEP.findall(text))
