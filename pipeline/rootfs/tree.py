# SPDX-License-Identifier: GPL-2.0-only
"""A file tree in memory: what an image will hold, with owners and modes nobody needs privileges for.

Every image is made in two steps: a `Tree` is put together (from our own
files, or from the tar archive of a bootstrap), then a writer turns it into
bytes: `cpio.write` into an initramfs, `ext4.write` into a disk. Neither the
umask, nor the clock, nor who runs the build can reach the result.
"""

from __future__ import annotations

import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pipeline.errors import InfrastructureError

# The time stamped on what we make ourselves, where no declaration gives one
# (project.epoch): 2023-11-14 22:13:20 UTC. Any constant serves.
EPOCH = 1_700_000_000

# POSIX 1003.1-2001 archives name extended attributes like this (GNU tar, star).
_XATTR = "SCHILY.xattr."


@dataclass(frozen=True)
class Slice:
    """Bytes `offset` to `offset + size` of a file."""

    path: Path
    offset: int
    size: int


Content = bytes | Path | Slice


def read(content: Content) -> bytes:
    """The bytes of a content."""
    if isinstance(content, bytes):
        return content
    if isinstance(content, Path):
        return content.read_bytes()
    with content.path.open("rb") as stream:
        stream.seek(content.offset)
        data = stream.read(content.size)
    if len(data) != content.size:
        raise InfrastructureError(f"{content.path} is shorter than it was")
    return data


@dataclass
class Entry:
    """One file. `mode` holds type and permissions as in stat(2).

    A regular file has `content`, a symbolic link `target`, a device `device`
    (major, minor). A further name of a regular file has `same_as`, the path
    of the first one, and nothing else of its own. An `mtime` below 0 is
    replaced by the tree's epoch.
    """

    mode: int
    uid: int = 0
    gid: int = 0
    mtime: int = -1
    content: Content = b""
    target: str = ""
    device: tuple[int, int] = (0, 0)
    same_as: str | None = None
    xattrs: dict[str, bytes] = field(default_factory=dict)

    @property
    def kind(self) -> int:
        """S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFBLK or S_IFIFO."""
        return stat.S_IFMT(self.mode)


def normal(path: str) -> str:
    """"./etc//passwd" and "etc/passwd" -> "/etc/passwd"; ".." is refused (ValueError)."""
    parts = [part for part in PurePosixPath("/" + path).parts[1:] if part != "."]
    if ".." in parts:
        raise ValueError(f"a path that climbs: {path}")
    return "/" + "/".join(part for part in parts if part != "/")


class Tree:
    """Paths, absolute and normal, to entries. The root folder is always there.

    `epoch` (Unix time) is the time of every entry that brings none of its own.
    """

    def __init__(self, epoch: int = EPOCH) -> None:
        self.epoch = epoch
        self._entries: dict[str, Entry] = {}
        self.directory("/")

    def __contains__(self, path: str) -> bool:
        return normal(path) in self._entries

    def __getitem__(self, path: str) -> Entry:
        return self._entries[normal(path)]

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[tuple[str, Entry]]:
        """Every path in one fixed order, folders before what they hold."""
        for path in sorted(self._entries, key=lambda one: [part.encode() for part in one.split("/")]):
            yield path, self._entries[path]

    def put(self, path: str, entry: Entry) -> None:
        """Add or replace an entry; folders above it that are missing are made, root's and 0755.

        Raises ValueError where something above `path` is not a folder, as in
        a merged-usr tree (/bin is a link): write the file where it really is.
        """
        path = normal(path)
        above = path.rpartition("/")[0]
        if above and above not in self._entries:
            self.directory(above)
        elif above and self._entries[above].kind != stat.S_IFDIR:
            raise ValueError(f"{path}: {above} is not a folder")
        old = self._entries.get(path)
        if old is not None and old.kind == stat.S_IFDIR and entry.kind != stat.S_IFDIR:
            raise ValueError(f"{path} is a folder")
        if entry.mtime < 0:
            entry.mtime = self.epoch
        self._entries[path] = entry

    def directory(self, path: str, mode: int = 0o755) -> None:
        """Add a folder (or change the mode of one), root's."""
        self.put(path, Entry(stat.S_IFDIR | mode))

    def file(self, path: str, content: Content | str, mode: int = 0o644) -> None:
        """Add a regular file, root's; text is written as UTF-8."""
        data = content.encode() if isinstance(content, str) else content
        self.put(path, Entry(stat.S_IFREG | mode, content=data))

    def symlink(self, path: str, target: str) -> None:
        """Add a symbolic link."""
        self.put(path, Entry(stat.S_IFLNK | 0o777, target=target))

    def character_device(self, path: str, major: int, minor: int, mode: int = 0o600) -> None:
        """Add a character device (numbers: Documentation/admin-guide/devices.txt in Linux)."""
        self.put(path, Entry(stat.S_IFCHR | mode, device=(major, minor)))

    def block_device(self, path: str, major: int, minor: int, mode: int = 0o600) -> None:
        """Add a block device."""
        self.put(path, Entry(stat.S_IFBLK | mode, device=(major, minor)))

    def remove(self, path: str, *, keep_folder: bool = False) -> None:
        """Drop an entry and all below it (`keep_folder`: only what is below); nothing there is fine."""
        path = normal(path)
        below = path.rstrip("/") + "/"
        doomed = {one for one in self._entries if one.startswith(below) and one != "/"}
        if not keep_folder and path != "/":
            doomed |= {path} & self._entries.keys()
        for one, entry in self._entries.items():
            if entry.same_as in doomed and one not in doomed:
                raise ValueError(f"{one} is another name of {entry.same_as}, which would go")
        for one in doomed:
            del self._entries[one]

    def size(self) -> int:
        """Bytes of all regular files, each rounded up to 4 KiB blocks."""
        total = 0
        for entry in self._entries.values():
            if entry.kind == stat.S_IFREG and entry.same_as is None:
                length = _length(entry.content)
                total += -(-length // 4096) * 4096
        return total


def _length(content: Content) -> int:
    if isinstance(content, Slice):
        return content.size
    return content.stat().st_size if isinstance(content, Path) else len(content)


def from_folder(folder: Path, epoch: int = EPOCH) -> Tree:
    """The tree of a folder's files, folders and symbolic links, all of them root's and of the time `epoch`."""
    tree = Tree(epoch)
    for path in sorted(folder.rglob("*")):
        name, mode = f"/{path.relative_to(folder).as_posix()}", path.lstat().st_mode
        if stat.S_ISLNK(mode):
            tree.symlink(name, str(path.readlink()))
        elif stat.S_ISDIR(mode):
            tree.directory(name, stat.S_IMODE(mode))
        else:
            tree.file(name, path, stat.S_IMODE(mode))
    return tree


_TAR_KINDS = {
    tarfile.REGTYPE: stat.S_IFREG,
    tarfile.AREGTYPE: stat.S_IFREG,
    tarfile.DIRTYPE: stat.S_IFDIR,
    tarfile.SYMTYPE: stat.S_IFLNK,
    tarfile.CHRTYPE: stat.S_IFCHR,
    tarfile.BLKTYPE: stat.S_IFBLK,
    tarfile.FIFOTYPE: stat.S_IFIFO,
}


def from_tar(archive: Path, epoch: int = EPOCH) -> Tree:
    """The tree of an uncompressed tar archive, which has to stay where it is as long as the tree is used.

    No entry is younger than `epoch`.
    """
    tree = Tree(epoch)
    with tarfile.open(archive, "r:") as tar:
        for member in tar:
            path = normal(member.name)
            if member.islnk():
                first = normal(member.linkname)
                tree.put(path, Entry(tree[first].mode, same_as=first))
                continue
            kind = _TAR_KINDS.get(member.type)
            if kind is None:
                raise InfrastructureError(f"{archive}: {member.name}: a tar member of type {member.type!r}")
            entry = Entry(kind | member.mode & 0o7777, member.uid, member.gid, min(int(member.mtime), epoch))
            if kind == stat.S_IFREG:
                entry.content = Slice(archive, member.offset_data, member.size)
            elif kind == stat.S_IFLNK:
                entry.target = member.linkname
            elif kind in (stat.S_IFCHR, stat.S_IFBLK):
                entry.device = (member.devmajor, member.devminor)
            entry.xattrs = {
                key.removeprefix(_XATTR): value.encode("utf-8", "surrogateescape")
                for key, value in member.pax_headers.items()
                if key.startswith(_XATTR)
            }
            tree.put(path, entry)
    return tree
