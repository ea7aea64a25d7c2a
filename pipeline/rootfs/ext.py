# SPDX-License-Identifier: GPL-2.0-only
"""An ext2, ext3 or ext4 image from a `Tree`: no root, no loop device, the same bytes every time.

`mke2fs -d` copies a folder into a new filesystem. What a plain user cannot
give that folder (owners, modes that would lock the user out, the times of
access and change, devices) is written afterwards by debugfs, which needs no
privileges either; so are further names of a file: mke2fs knows them by inode
numbers and link counts, which not every filesystem that a build may lie on has
right at every moment (FUSE). Names of a folder are copied in alphabetical
order (since e2fsprogs 1.45), so inode and block numbers repeat, too.

$E2FSPROGS_FAKE_TIME stands for the clock in both programs (seen to hold in
1.47.0 for the superblock and for the inodes mke2fs makes itself; a later
$SOURCE_DATE_EPOCH is not honoured there).

ext2 and ext3 are made for Linux 2.4 and later: its drivers know inodes of 128
bytes and a handful of features (files/mke2fs.conf).
"""

from __future__ import annotations

import stat
import uuid
from collections import Counter
from pathlib import Path

from pipeline.errors import InfrastructureError, UserError
from pipeline.process import run
from pipeline.rootfs.tree import Slice, Tree, read

FILES = Path(__file__).with_name("files")
# As small as a journal may be with room to spare (1024 blocks of 4 KiB); the image is a few hundred MiB.
JOURNAL_MIB = {"ext2": 0, "ext3": 4, "ext4": 4}
# Beside the files: inode tables (256 of every 8192 bytes), bitmaps, folders.
OVERHEAD = 1.06
# Lines of debugfs that are no complaints: the command again, its version, the number of a new inode.
CHATTER = ("debugfs: ", "debugfs 1.", "Allocated inode: ")

# Identifiers of images are made from their names; this is the name space of ours.
NAMESPACE = uuid.UUID("0c0110c5-0b5e-5a3f-9b1e-636f6c696e75")


def identity(name: str, purpose: str) -> str:
    """A UUID that is always the same for an image (RFC 4122 version 5)."""
    return str(uuid.uuid5(NAMESPACE, f"{purpose}:{name}"))


def write(tree: Tree, image: Path, *, kind: str, name: str, size_mib: int, scratch: Path, log: Path) -> None:
    """Make `image`, a filesystem of `size_mib` MiB named `name` that holds `tree`; nothing may be there yet.

    `kind` is "ext2", "ext3" or "ext4".

    `scratch` is an empty folder on a disk with room for the tree. Raises
    UserError when the tree does not fit, BuildFailed when a tool fails.
    """
    journal = JOURNAL_MIB[kind]
    _check_size(tree, name, size_mib, journal)
    stage = scratch / "stage"
    _stage(tree, stage)
    env = {"E2FSPROGS_FAKE_TIME": str(tree.epoch), "MKE2FS_CONFIG": str(FILES / "mke2fs.conf")}
    extended = ",".join((
        f"hash_seed={identity(name, 'hash-seed')}", "root_owner=0:0",
        # Nothing is left to a kernel thread of the first mount.
        "lazy_itable_init=0", "lazy_journal_init=0", "nodiscard",
    ))  # fmt: skip
    run(
        ["mke2fs", "-q", "-F", "-t", kind, "-d", stage, "-L", name[:16], "-U", identity(name, "uuid"),
         *(["-J", f"size={journal}"] if journal else []), "-N", str(_inodes(tree, size_mib)), "-E", extended,
         image, f"{size_mib}M"],
        cwd=scratch, env=env, log=log, append=True,
    )  # fmt: skip
    _set_inodes(tree, image, scratch, env)


def _inodes(tree: Tree, size_mib: int) -> int:
    return max(size_mib * 128, len(tree) * 5 // 4)


def _check_size(tree: Tree, name: str, size_mib: int, journal: int) -> None:
    needed = int(tree.size() * OVERHEAD / (1 << 20)) + journal + 2
    if needed > size_mib:
        raise UserError(
            f"the files of {name} need {needed} MiB, its image has {size_mib}",
            where=f"colinux.toml: rootfs.{name}.size_mib",
            hint=f"set size_mib to {needed + needed // 4} or more, or install fewer packages",
        )


def _stage(tree: Tree, stage: Path) -> None:
    """Lay the tree out in a folder, as far as a plain user can."""
    stage.mkdir()
    for path, entry in tree:
        if "\n" in path or '"' in path:
            raise UserError(f"a file name that debugfs cannot take: {path!r}")
        real = stage / path[1:]
        if entry.same_as is not None:
            real.touch()  # keeps its place in the folder: debugfs makes a folder no larger for a name
        elif entry.kind == stat.S_IFDIR:
            real.mkdir(mode=0o700, exist_ok=True)
        elif entry.kind == stat.S_IFLNK:
            real.symlink_to(entry.target)
        elif entry.kind == stat.S_IFREG:
            if isinstance(entry.content, Slice):
                _copy_slice(entry.content, real)
            else:
                real.write_bytes(read(entry.content))
        elif entry.kind not in (stat.S_IFCHR, stat.S_IFBLK):
            raise ValueError(f"{path}: only files, folders, links and devices can lie in an image")


def _copy_slice(source: Slice, target: Path) -> None:
    with source.path.open("rb") as reader, target.open("wb") as writer:
        reader.seek(source.offset)
        left = source.size
        while left:
            chunk = reader.read(min(left, 1 << 20))
            if not chunk:
                raise InfrastructureError(f"{source.path} is shorter than it was")
            writer.write(chunk)
            left -= len(chunk)


def _set_inodes(tree: Tree, image: Path, scratch: Path, env: dict[str, str]) -> None:
    """Give every inode its owner, mode, times and attributes."""
    commands = []
    names = Counter(entry.same_as for _, entry in tree)
    for path, entry in tree:
        where = f'"{path}"'
        if entry.kind in (stat.S_IFCHR, stat.S_IFBLK):
            # It makes devices in the folder where it is only.
            parent, _, last = path.rpartition("/")
            letter = "c" if entry.kind == stat.S_IFCHR else "b"
            commands += [f'cd "{parent or "/"}"', f'mknod "{last}" {letter} {entry.device[0]} {entry.device[1]}']
        commands += [
            f"sif {where} mode 0{entry.mode:o}",
            f"sif {where} uid {entry.uid}",
            f"sif {where} gid {entry.gid}",
            *(f"sif {where} {one} @{entry.mtime}" for one in ("mtime", "atime", "ctime", "crtime")),
        ]
        if names[path]:
            commands.append(f"sif {where} links_count {1 + names[path]}")
        if entry.same_as is not None:
            # What is left of the placeholder's inode is now the same every time, too.
            commands += [f"rm {where}", f'ln "{entry.same_as}" {where}']
        for number, (name, value) in enumerate(sorted(entry.xattrs.items())):
            file = scratch / f"xattr-{len(commands)}-{number}"
            file.write_bytes(value)
            commands.append(f'ea_set -f "{file}" {where} {name}')
    script = scratch / "debugfs"
    script.write_text("\n".join(commands) + "\n")
    # debugfs repeats each command and ends with 0 whatever happens: any line
    # beside the commands and its version is a complaint.
    result = run(["debugfs", "-w", "-f", script, image], cwd=scratch, env=env)
    complaints = [
        line for line in result.stdout.splitlines()
        if line and not line.startswith(CHATTER)
    ]  # fmt: skip
    if complaints:
        raise InfrastructureError(f"debugfs could not finish {image.name}: {complaints[0]}")
