# SPDX-License-Identifier: GPL-2.0-only
"""`./doit fetch --into DIR`: everything that was fetched, as a folder that is another machine's mirror.

    DIR/mirrors.toml              the mirror file: COLINUX_MIRRORS=DIR/mirrors.toml ./doit --offline
    DIR/sources/<source>/<file>   tarballs
    DIR/git/<source>.git          bare repositories that have the pinned commits
    DIR/debian/pool/...           packages, where Debian's archive has them
    DIR/python/                   the wheels of requirements.lock, for the Python that made the folder

The folder may lie anywhere, and on a web server as well: paths in its mirror
file are relative to it. Nothing in it has to be believed: the lock of the
checkout that uses it decides.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline import process, progress
from pipeline.declaration.model import DebianSource, Declaration, GitSource, Source, TarballSource
from pipeline.digest import sha256_file
from pipeline.errors import BuildFailed, InfrastructureError, UserError
from pipeline.lock import Blob
from pipeline.paths import atomic_dir, atomic_path, atomic_write
from pipeline.sources.cache import disk_errors
from pipeline.sources.context import Fetched
from pipeline.sources.download import UPDATE

NAME = "mirrors.toml"
HEAD = f"""# Everything that a build fetches, for a machine without a network: in a checkout with the same colinux.lock,
#     COLINUX_MIRRORS=/path/of/this/{NAME} ./doit --offline
# Python's packages, where the checkout has no .venv yet: PIP_NO_INDEX=1 PIP_FIND_LINKS=/path/of/this/python
"""


@dataclass
class Brought:
    """What goes into the folder: each source with its files, packages, and why a source could not be had."""

    sources: list[tuple[Source, Fetched]] = field(default_factory=list)
    packages: list[tuple[Blob, Path]] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Written:
    """What is in the folder now; `size` in bytes, without repositories and wheels."""

    files: int
    size: int
    repositories: int


def alternatives(decl: Declaration) -> list[tuple[Source, ...]]:
    """The declared sources; those of which one will do, because a kernel names them for the same thing, together."""
    together = list(dict.fromkeys(kernel.sources for kernel in decl.kernels.values()))
    among = {name for names in together for name in names}
    return [tuple(decl.sources[name] for name in names)
            for names in (*together, *((name,) for name in decl.sources if name not in among))]


def require_place(into: Path) -> None:
    """UserError for a folder that holds something else: nothing of a person's is written over."""
    if into.exists() and not into.is_dir():
        raise UserError(f"{into} is not a folder", where="--into")
    if into.is_dir() and any(into.iterdir()) and not (into / NAME).is_file():
        raise UserError(f"{into} holds something, and no {NAME} of ours", where="--into",
                        hint="name an empty or a new folder, or one that ./doit fetch --into has made")


def require_locked(name: str, others: Sequence[Blob]) -> None:
    """UserError where packages stand in for locked ones: nobody could use them with the same lock."""
    if others:
        raise UserError(f"{name}: {', '.join(f'{one.package} {one.version}' for one in others)} stands in for what "
                        "Debian has dropped, and no mirror can be made of that", hint=UPDATE)


def write(into: Path, brought: Brought) -> Written:
    """Make or complete the folder; a file that it has already is left alone. Errors as `require_place`."""
    require_place(into)
    entries: dict[str, str] = {}
    files = size = repositories = 0
    with disk_errors(into):
        into.mkdir(parents=True, exist_ok=True)
        for source, fetched in brought.sources:
            if isinstance(source, GitSource):
                place = Path("git") / f"{source.name}.git"
                _repository(fetched.files[0], into / place)
                repositories += 1
                entries |= dict.fromkeys(source.urls, place.as_posix())
        for name, file, urls in _files(brought):
            _copy(file, into / name)
            entries |= dict.fromkeys(urls, name)
            files, size = files + 1, size + file.stat().st_size
        atomic_write(into / NAME, mirror_file(entries))
    return Written(files, size, repositories)


def _files(brought: Brought) -> list[tuple[str, Path, Sequence[str]]]:
    """Every plain file: its place in the folder, where it is now, and the URLs that it stands for."""
    found: list[tuple[str, Path, Sequence[str]]] = []
    packages = list(brought.packages)
    for source, fetched in brought.sources:
        if isinstance(source, TarballSource):
            # A mirror of a server keeps the server's name of a file.
            name = source.urls[0].split("?")[0].rstrip("/").rsplit("/", 1)[-1]
            found.append((f"sources/{source.name}/{name}", fetched.files[0], source.urls))
        elif isinstance(source, DebianSource):
            packages += zip(fetched.blobs, fetched.files, strict=True)
    for blob, file in packages:
        if not blob.filename or ".." in Path(blob.filename).parts:
            raise InfrastructureError(f"colinux.lock has no place in Debian's archive for {blob.package}", hint=UPDATE)
        found.append((f"debian/{blob.filename}", file, ()))
    return list({name: (name, file, urls) for name, file, urls in found}.values())


def mirror_file(entries: dict[str, str]) -> str:
    """mirrors.toml: declared URL -> place in the folder."""
    # A JSON string of these is a TOML string.
    tables = [f"\n[[mirror]]\nmatch = {json.dumps(url)}\nto = {json.dumps(to)}\n" for url, to in entries.items()]
    return HEAD + '\n[debian]\npool = "debian"\n' + "".join(tables)


def _copy(file: Path, target: Path) -> None:
    """A file of the cache, which has been verified, whole or not at all; the cache's own file where disks allow it."""
    if target.is_file() and target.stat().st_size == file.stat().st_size and sha256_file(target) == sha256_file(file):
        return
    with atomic_path(target) as new:
        try:
            new.hardlink_to(file)
        except OSError:
            shutil.copyfile(file, new)
            new.chmod(0o444)


def _repository(repository: Path, target: Path) -> None:
    with progress.step(f"copying {target.name}"), atomic_dir(target) as new:
        shutil.copytree(repository, new, dirs_exist_ok=True)


def wheels(into: Path, requirements: Path, log: Path) -> None:
    """The locked Python packages, by pip. InfrastructureError when they cannot be had."""
    folder = into / "python"
    with progress.step("Python's packages"):
        try:
            process.run([sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet",
                         "--require-hashes", "--only-binary", ":all:", "--dest", folder, "-r", requirements],
                        log=log, clean_env=False)
        except BuildFailed as error:
            raise InfrastructureError(f"pip could not bring the packages of {requirements.name}:\n{error.excerpt}",
                                      hint="the rest of the folder is whole; try again", log=log) from error
