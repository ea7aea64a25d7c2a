#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Runs a program where /usr and /lib are another folder's, and everything else is the computer's own.

    enter.py open FOLDER ROOT PROGRAM [WORD...]     in surroundings that are made for it
    enter.py join PID PROGRAM [WORD...]             in those of a process that was begun so

FOLDER has the other /usr and /lib, in ROOT, an empty folder, it is all put
together. That is nobody else's to see: it lies in a mount namespace, which ends
with the last process in it. Who is not root gets a user namespace around it,
in which users are who they are. The program takes this one's place and number,
in the same working directory.

Exits with 120 where the kernel gives no namespaces or runs no such program.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path
from typing import NoReturn

# mount(2), unshare(2)
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000

UNABLE = 120
OWN = ("usr", "lib")    # of FOLDER
LEFT_OUT = ("bin", "sbin", "lost+found")    # and /lib64 and so on

LIBC = ctypes.CDLL(None, use_errno=True)


def stop(what: str, error: OSError) -> NoReturn:
    print(f"enter.py: {what}: {error}", file=sys.stderr)
    sys.exit(UNABLE)


def call(name: str, *arguments: object) -> None:
    if getattr(LIBC, name)(*arguments):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def mount(source: Path | str, target: Path, kind: str | None, flags: int) -> None:
    call("mount", os.fsencode(source), os.fsencode(target), kind and kind.encode(), ctypes.c_ulong(flags), None)


def separate() -> None:
    user, group = os.geteuid(), os.getegid()
    try:
        call("unshare", CLONE_NEWNS | (CLONE_NEWUSER if user else 0))
        if user:
            for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
                Path("/proc/self", name).write_text(text)
    except OSError as error:
        stop("a mount namespace", error)
    mount("none", Path("/"), None, MS_REC | MS_PRIVATE)


def put_together(folder: Path, root: Path) -> None:
    mount("tmpfs", root, "tmpfs", 0)
    for path in sorted(Path("/").iterdir()):
        name = path.name
        if name in LEFT_OUT or (name not in OWN and name.startswith("lib")):
            continue
        source, target = folder / name if name in OWN else path, root / name
        if source.is_symlink():
            target.symlink_to(source.readlink())
        elif source.is_dir():
            target.mkdir()
            mount(source, target, None, MS_BIND | MS_REC)


def join(pid: str) -> None:
    """All of it is opened before anything changes: afterwards /proc may tell us less."""
    process = Path("/proc", pid)
    spaces = [os.open(process / "ns" / name, os.O_RDONLY) for name in (("user", "mnt") if os.geteuid() else ("mnt",))]
    root = os.open(process / "root", os.O_PATH | os.O_DIRECTORY)
    for space in spaces:
        call("setns", space, 0)
    os.fchdir(root)
    os.chroot(".")


def main(word: str, *words: str) -> NoReturn:
    here = Path.cwd()
    if word == "open":
        separate()
        put_together(Path(words[0]), Path(words[1]))
        os.chroot(words[1])
        words = words[2:]
    else:
        join(words[0])
        words = words[1:]
    os.chdir(here)
    try:
        os.execv(words[0], words)
    except OSError as error:
        if error.errno == errno.ENOEXEC:
            stop(f"this kernel does not run {words[0]}", error)
        raise


if __name__ == "__main__":
    main(*sys.argv[1:])
