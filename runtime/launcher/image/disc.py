# SPDX-License-Identifier: GPL-2.0-only
"""The second disk, a CD: what is tested, and START.CMD, which the image's hook calls.

Every name is of 8.3 characters, so that ISO 9660 as such will do. The script keeps to what
cmd.exe of Windows 2000 has, and its compatible ones; it works in %SystemDrive%\\colinux,
which is gone with the snapshot that QEMU made of the image.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline import process
from pipeline.errors import InfrastructureError
from runtime.launcher.image.records import written

LABEL = "COLINUX"
START, DRIVER, DAEMON, KERNEL = "START.CMD", "COLINUX.SYS", "CODAEMON.EXE", "VMLINUX"
# Set on every file: the disc of the same things is the same.
EPOCH = 1767225600

# Exit codes that have a meaning (README.md, colinux-daemon). Another one is told as "other".
CODES = (0, 3, 14, 16, 17, 255)


def initrd(guest: str) -> str:
    """The initramfs of "guest1", ..."""
    return f"{guest.upper()}.IRD"


def configuration(guest: str) -> str:
    """Its daemon's configuration file."""
    return f"{guest.upper()}.CFG"


def disk(number: int) -> str:
    """Its disk of that number."""
    return f"DISK{number}.IMG"


@dataclass(frozen=True)
class Script:
    """What START.CMD is made from: this boot's token, the guests one after the other, the serial ports' names.

    `unload`: the driver is to leave at the end.
    """

    token: str
    guests: Sequence[str]
    port: str
    console: str
    unload: bool = True


def start(script: Script) -> bytes:
    """START.CMD: lines of Windows, in ASCII."""
    numbers = itertools.count(1)

    def say(kind: str, text: str = "", condition: str = "") -> list[str]:
        # Twice, for the sake of noise. It ends in no digit, which would be a handle's before ">".
        record = written(script.token, "host", next(numbers), kind, text)
        return [f"{condition}echo {record}>{script.port}"] * 2

    def code(of: str) -> Iterator[str]:
        # `if errorlevel 1` is true of 1 and more, and of no crash: those are negative.
        yield "set CODE=%errorlevel%"
        yield "set TOLD="
        for number in CODES:
            yield from say(of, str(number), f'if "%CODE%"=="{number}" ')
            yield f'if "%CODE%"=="{number}" set TOLD=1'
        yield from say(of, "other", 'if not "%TOLD%"=="1" ')

    lines = [
        "@echo off",
        f"rem Made for one boot, by colinux's launcher. Verdicts go to {script.port}.",
        "setlocal",
        f"mode {script.port}: BAUD=115200 PARITY=N DATA=8 STOP=1 >NUL 2>&1",
        f"mode {script.console}: BAUD=115200 PARITY=N DATA=8 STOP=1 >NUL 2>&1",
        *say("start"),
        # No record, as nobody here can compute its sum; so it is only told on, never judged by.
        *[f"ver>{script.port}"] * 2,
        "set HERE=%SystemDrive%\\colinux",
        'if not exist "%HERE%\\*.*" mkdir "%HERE%"',
        'copy /y "%~dp0*.*" "%HERE%" >NUL',
        *code("copied"),
        'attrib -r "%HERE%\\*.*"',
        'cd /d "%HERE%"',
        # Where there is no such port, the console goes to a file: a redirection that fails runs nothing.
        "set CONSOLE=console.log",
        f"(echo colinux>{script.console}) 2>NUL && set CONSOLE={script.console}",
        f"{DAEMON} --install-driver >driver.log 2>&1",
        *code("driver"),
        "type driver.log >%CONSOLE%",
    ]
    for guest in script.guests:
        lines += [
            *say("guest", guest),
            f"{DAEMON} @{configuration(guest)} <NUL >%CONSOLE% 2>daemon.log",
            *code(ended(guest)),
            "type daemon.log >%CONSOLE%",
        ]
    if script.unload:
        lines += [f"{DAEMON} --remove-driver >driver.log 2>&1", *code("unloaded"), "type driver.log >%CONSOLE%"]
    lines += [*say("over"), "endlocal"]
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def ended(guest: str) -> str:
    """The kind of record that tells how a guest's daemon ended: "guest-ended-a" of "guest1"."""
    return f"{guest[:-1]}-ended-{'abcdefghi'[int(guest[-1]) - 1]}"


def guest_file(guest: str, memory_mib: int, cmdline: str, disks: Sequence[bool], port: str, agent: str) -> bytes:
    """A guest's configuration; `disks`: is it read-only? Its agent's line is the verdicts' port."""
    lines = [f"kernel={KERNEL}", f"initrd={initrd(guest)}", f"mem={memory_mib}"]
    lines += [f"cobd{number}={disk(number)}{',ro' if readonly else ''}" for number, readonly in enumerate(disks)]
    lines += [f"ttys0={port}", " ".join(["console=hvc0", f"colinux.agent={agent}", *filter(None, [cmdline])])]
    return "".join(f"{line}\r\n" for line in lines).encode()


def make(files: Mapping[str, Path | bytes], iso: Path, scratch: Path) -> None:
    """Write the CD: file names to what is in them (None longer than 8.3). Raises what process.run raises."""
    tree = scratch / "cd"
    tree.mkdir()
    for name, content in files.items():
        path = tree / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            shutil.copyfile(content, path)
        os.utime(path, (EPOCH, EPOCH))
    process.run(
        ["xorriso", "-as", "mkisofs", "-quiet", "-iso-level", "1", "-V", LABEL, "-o", iso, tree],
        env={"SOURCE_DATE_EPOCH": str(EPOCH)}, timeout=600,
    )  # fmt: skip
    if not iso.is_file():
        raise InfrastructureError("xorriso was content, but made no image")
