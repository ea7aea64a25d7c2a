# SPDX-License-Identifier: GPL-2.0-only
"""Archives into folders: all of it, or nothing.

An archive is decompressed beside its destination, its list of members is
checked, and only then does tar write a byte. Refused, with the member named:
absolute names, "..", devices and pipes, links that lead out, members below a
link, set-user-id bits in sources; and what would unpack to more than any honest
archive of its size. (Checked by Python's reader, written by GNU tar, which is
three times as fast on a kernel tree and guards itself as well.)
"""

from __future__ import annotations

import os
import posixpath
import shutil
import signal
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from pipeline import process
from pipeline.errors import UserError
from pipeline.paths import atomic_dir
from pipeline.sources.cache import disk_errors
from pipeline.sources.treeid import tree_id

# Magic numbers (the formats' specifications) and the tool that undoes each.
COMPRESSED = (
    (b"\xfd7zXZ\0", ".xz", ("xz", "--threads=0", "--no-sparse")),
    (b"BZh", ".bz2", ("bzip2",)),
    (b"\x1f\x8b", ".gz", ("gzip",)),
    (b"\x28\xb5\x2f\xfd", ".zst", ("zstd", "--quiet", "--no-sparse")),
)
AR_MAGIC = b"!<arch>\n"  # deb(5), ar(5)
AR_HEADER = 60
BLOCK = 512
# No tree of source code or of programs packs better than 1 to 100; a bomb packs 1 to 1000 and more.
BOMB_RATIO = 250
BOMB_LEAST = 256 << 20  # bytes that are nobody's ruin


@dataclass
class Rules:
    """What an archive may hold. `system`: it is a part of a root filesystem (a .deb), not source code."""

    strip: int = 0
    system: bool = False
    # Filled while checking.
    kinds: dict[str, bytes] = field(default_factory=dict)
    tops: set[str] = field(default_factory=set)
    dotted: set[bool] = field(default_factory=set)


def unpack_archive(archive: Path, dest: Path, *, strip: int = 0, name: str = "", tree: str | None = None) -> None:
    """Unpack a source tarball (plain, .xz, .bz2, .gz, .zst) into a new folder `dest`, replaced as a whole.

    `strip` leading folders are taken off the names (0 or more; all members
    must share them). Times and modes are the archive's, the owner is ours.
    With `tree`, what was unpacked must have that git tree id. Raises UserError
    for a damaged archive, a member that is refused, or another tree.
    """
    with atomic_dir(dest) as new:
        plain = decompress(archive, new.parent / "archive", name or archive.name)
        _extract(plain, new, Rules(strip=strip), name or archive.name)
        if tree is not None and (seen := tree_id(new)) != tree:
            raise UserError(
                f"{name or archive.name}: its files have the tree id {seen}, pinned is {tree}",
                hint="run ./doit lock --update if another content is wanted",
            )


def unpack_deb(deb: Path, dest: Path) -> None:
    """Lay a Debian package's files into the folder `dest` (made if absent; what is there stays).

    Nothing of it is run. To have several packages all or nothing, call this inside `paths.atomic_dir`.
    Raises UserError for a damaged package or a member that is refused.
    """
    dest.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".deb-", dir=dest.parent) as scratch:
        _extract(_data_member(deb, Path(scratch)), dest, Rules(system=True), deb.name)


def unpack_deb_member(deb: Path, member: str, dest: Path, *, name: str = "") -> None:
    """Unpack into a new folder `dest` the source tarball that a Debian package carries as the file `member`.

    `member` is a path like "usr/src/linux-source-6.1.tar.xz"; its one top
    folder is taken off. Raises UserError when the package has no such file.
    """
    with atomic_dir(dest) as new:
        scratch = new.parent / "deb"
        scratch.mkdir()
        plain = _data_member(deb, scratch)
        inner = scratch / "inner"
        with disk_errors(scratch):
            _copy_member(plain, member, inner, name or deb.name)
        plain.unlink()
        _extract(decompress(inner, scratch / "archive", name or deb.name), new, Rules(strip=1), name or deb.name)
        shutil.rmtree(scratch)


def read_deb_member(deb: Path, member: str, scratch: Path) -> bytes | None:
    """The content of one file of a Debian package, None when it has no such file; `scratch` is the caller's."""
    wanted = posixpath.normpath(member)
    with tarfile.open(_data_member(deb, scratch), "r:") as tar:
        for info in tar:
            if posixpath.normpath(info.name) == wanted and info.isreg():
                stream = tar.extractfile(info)
                assert stream is not None
                return stream.read()
    return None


def decompress(archive: Path, base: Path, name: str) -> Path:
    """The plain tar of an archive: `archive` itself, or `base` made from it.

    Raises UserError for a damaged archive, and for one that grows beyond `allowance` (it is stopped there).
    """
    with archive.open("rb") as file:
        head = file.read(BLOCK)
    for magic, suffix, tool in COMPRESSED:
        if head.startswith(magic):
            # The tools take the output's name from the input's; the link gives a cached blob one.
            link = base.with_name(base.name + suffix)
            link.symlink_to(archive.absolute())
            limit = allowance(archive)
            result = process.run(
                ["prlimit", f"--fsize={limit}", "--core=0", *tool, "--decompress", "--keep", "--force", link],
                check=False, timeout=3600)
            link.unlink()
            if result.returncode:
                if "No space left" in result.stdout:
                    with disk_errors(base.parent):
                        raise OSError(28, "No space left on device")
                if result.returncode == -signal.SIGXFSZ or "File too large" in result.stdout:
                    raise UserError(
                        f"{name}: refused: {archive.stat().st_size} bytes that unpack to more than {limit}",
                        hint="a decompression bomb; the archive is not fit for use, nothing was unpacked",
                    )
                raise UserError(
                    f"{name}: truncated or damaged archive: {result.stdout.strip().replace(str(link), name)}",
                    hint=f"{archive} is what was given; fetch it again",
                )
            return base
    return archive


def allowance(archive: Path) -> int:
    """To how many bytes a compressed file may unpack."""
    return max(BOMB_LEAST, archive.stat().st_size * BOMB_RATIO)


def _extract(plain: Path, dest: Path, rules: Rules, name: str) -> None:
    check_members(plain, rules, name)
    _check_ground(dest, rules, name)
    # GNU tar counts the "." of "./top/file" as a folder.
    strip = rules.strip + (1 if rules.strip and True in rules.dotted else 0)
    process.run(
        [
            "tar",
            "--extract",
            "--file",
            plain.absolute(),
            f"--strip-components={strip}",
            "--no-same-owner",
            "--same-permissions",
            "--delay-directory-restore",
            "--keep-directory-symlink",
        ],
        cwd=dest,
        timeout=3600,
    )


def _check_ground(dest: Path, rules: Rules, name: str) -> None:
    """What an earlier package left in `dest` must not lead this one's files out of it either."""
    if not any(dest.iterdir()):
        return
    root = dest.resolve()
    for folder in {posixpath.dirname(path) for path in rules.kinds}:
        if not (dest / folder).resolve().is_relative_to(root):
            raise UserError(f"{name}: refused: {folder!r} is a link in {dest} that leads out of it")


def check_members(plain: Path, rules: Rules, name: str) -> None:
    """Raise UserError naming the first member of a plain tar file that is refused, or its early end."""
    try:
        with tarfile.open(plain, "r:", errorlevel=2) as tar:
            for member in tar:
                _check(member, rules, name)
            end = tar.offset
    except tarfile.TarError as error:
        raise UserError(f"{name}: truncated or damaged archive: {error}") from error
    with plain.open("rb") as file:
        # POSIX pax(1): an archive ends with zero blocks. Python takes any end of file for one.
        file.seek(max(0, end - BLOCK))
        tail = file.read(2 * BLOCK)
    if BLOCK * b"\0" not in tail:
        raise UserError(f"{name}: truncated archive: it ends after {rules.kinds and list(rules.kinds)[-1]!r}")
    if not rules.kinds:
        raise UserError(f"{name}: the archive is empty")
    # A member below a link, in whatever order they come, would be written where the link points.
    for path in rules.kinds:
        while (path := posixpath.dirname(path)) not in ("", "/"):
            if rules.kinds.get(path, tarfile.DIRTYPE) != tarfile.DIRTYPE:
                raise UserError(f"{name}: refused: a member lies below {path!r}, which is not a folder")


def _check(member: tarfile.TarInfo, rules: Rules, name: str) -> None:
    def refuse(why: str) -> UserError:
        return UserError(
            f"{name}: refused: member {member.name!r} {why}",
            hint="the archive is not fit for use; nothing was unpacked",
        )

    path = posixpath.normpath(member.name)
    parts = path.split("/")
    if member.name.startswith("/") or ".." in member.name.split("/"):
        raise refuse("lies outside the archive's folder")
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        raise refuse("is a device, a pipe or of an unknown kind")
    if member.issparse():
        raise refuse(f"has holes: it would unpack to {member.size} bytes that are not in the archive")
    if not rules.system:
        if member.mode & 0o6000:
            raise refuse("has a set-user-id or set-group-id bit")
        if any(part.lower() == ".git" for part in parts):
            # Its hooks and configuration would be run by the first git command in the tree.
            raise refuse("is a git folder")
    if rules.strip and path != ".":
        rules.dotted.add(member.name.startswith("./"))
        rules.tops.add(parts[0])
        if len(rules.tops | rules.dotted) > 2 or (len(parts) <= rules.strip and not member.isdir()):
            raise refuse(f"is outside the top folder that strip = {rules.strip} takes off")
    if member.issym():
        _check_link(member, rules, posixpath.join(posixpath.dirname(path), member.linkname), refuse)
    if member.islnk():
        target = posixpath.normpath(member.linkname)
        if (
            member.linkname.startswith("/")
            or ".." in member.linkname.split("/")
            or rules.kinds.get(target) != tarfile.REGTYPE
        ):
            raise refuse(f"is a hard link to {member.linkname!r}, which is no earlier file of the archive")
    rules.kinds[path] = (
        tarfile.REGTYPE if member.isreg() or member.islnk() else tarfile.SYMTYPE if member.issym() else tarfile.DIRTYPE
    )


def _check_link(member: tarfile.TarInfo, rules: Rules, joined: str, refuse: Callable[[str], UserError]) -> None:
    if member.linkname.startswith("/"):
        # In a root filesystem an absolute link means "from its root", and nobody follows it from here.
        if not rules.system:
            raise refuse(f"is a link to {member.linkname!r}, outside the archive's folder")
        return
    parts = posixpath.normpath(joined).split("/")
    if parts[0] == ".." or (rules.strip and parts[0] != posixpath.normpath(member.name).split("/")[0]):
        raise refuse(f"is a link to {member.linkname!r}, outside the archive's folder")


def _data_member(deb: Path, scratch: Path) -> Path:
    """The plain data.tar of a Debian package (deb(5)), in `scratch`."""
    packed = scratch / "data"
    with disk_errors(scratch), deb.open("rb") as file:
        if file.read(len(AR_MAGIC)) != AR_MAGIC:
            raise UserError(f"{deb.name}: not a Debian package")
        while header := file.read(AR_HEADER):
            if len(header) < AR_HEADER or header[58:60] != b"`\n" or not header[48:58].strip().isdigit():
                break
            member = header[:16].decode("ascii", "replace").strip().rstrip("/")
            size = int(header[48:58])
            if member.startswith("data.tar"):
                with packed.open("wb") as out:
                    if _copy(file, out, size) != size:
                        raise UserError(f"{deb.name}: truncated package: {member} ends early")
                plain = decompress(packed, scratch / "data-plain", deb.name)
                if plain != packed:
                    packed.unlink()
                return plain
            file.seek(size + size % 2, os.SEEK_CUR)
    raise UserError(f"{deb.name}: truncated or damaged package: no data.tar in it")


def _copy(source: IO[bytes], target: IO[bytes], size: int) -> int:
    """Copy at most `size` bytes; how many there were."""
    left = size
    while left and (chunk := source.read(min(left, 1 << 20))):
        target.write(chunk)
        left -= len(chunk)
    return size - left


def _copy_member(plain: Path, member: str, out: Path, name: str) -> None:
    wanted = posixpath.normpath(member.lstrip("/"))
    tarballs = []
    with tarfile.open(plain, "r:") as tar:
        for info in tar:
            path = posixpath.normpath(info.name)
            if path == wanted and info.isreg():
                stream = tar.extractfile(info)
                assert stream is not None
                with out.open("wb") as target:
                    shutil.copyfileobj(stream, target, 1 << 20)
                return
            if ".tar" in path:
                tarballs.append(path)
    have = f"; it has {', '.join(tarballs)}" if tarballs else ""
    raise UserError(f"{name}: the package has no file {wanted}{have}", hint="correct `member` in colinux.toml")
