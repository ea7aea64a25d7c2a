# SPDX-License-Identifier: GPL-2.0-only
"""An installer for a Windows, made by NSIS (Debian's) of the very files of its zip.

makensis is given names and contents only: no time of a file gets into the installer, its own is
SOURCE_DATE_EPOCH, the order is the sorted one. So it is the same bytes every time.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PureWindowsPath

from pipeline import pe, process, windowsdaemon
from pipeline.declaration.model import Declaration
from pipeline.errors import BuildFailed
from pipeline.release import windows
from pipeline.release.archive import File
from pipeline.release.parts import Archive
from toolchain import windows as targets

MAKENSIS = "makensis"
SUFFIX = "-setup.exe"
SCRIPT = "installer.nsi"
# By the driver's architecture: where programs lie, and what an installer for the other width is answered.
FOLDERS = {"x86_64": r"$PROGRAMFILES64\coLinux", "i386": r"$PROGRAMFILES\coLinux"}
WIDTHS = {
    "x86_64": ("${IfNot} ${RunningX64}", "This driver is for 64-bit Windows. There is another installer for this one."),
    "i386": ("${If} ${RunningX64}", "This driver is for 32-bit Windows. There is another installer for this one."),
}
VIEWS = {"x86_64": "SetRegView 64", "i386": "SetRegView 32"}


def name(archive: Archive) -> str:
    """Of the installer of what is in a zip."""
    return Path(archive.name).stem + SUFFIX


def make(archive: Archive, files: Mapping[str, File], decl: Declaration, target: Path, epoch: int) -> None:
    """Write the installer to `target`; `files` are the zip's (the archive's, perhaps signed).

    Raises UserError when makensis is not installed, BuildFailed with what it says.
    """
    with tempfile.TemporaryDirectory(prefix="colinux-installer-") as folder:
        target.write_bytes(_made(archive, files, decl, target.name, epoch, Path(folder)))


def _made(archive: Archive, files: Mapping[str, File], decl: Declaration, out: str, epoch: int, scratch: Path) -> bytes:
    assert archive.windows
    top = Path(archive.name).stem + "/"
    flat = {path.removeprefix(top): file for path, file in sorted(files.items())}
    own = {part.path.removeprefix(top) for part in archive.parts if part.role.rpartition("/")[2].startswith("disk:")}
    own |= {path for path in flat if path.endswith(".conf")}
    for path, file in flat.items():
        place = scratch / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(file.content, bytes):
            place.write_bytes(file.content)
        else:
            shutil.copyfile(file.content, place)
    (scratch / SCRIPT).write_text(script(archive.windows, flat, own, decl, out))
    process.run([MAKENSIS, "-V2", "-WX", "-INPUTCHARSET", "UTF8", SCRIPT], cwd=scratch,
                env={"SOURCE_DATE_EPOCH": str(epoch)}, timeout=1800)
    if not (scratch / out).is_file():
        raise BuildFailed(f"{MAKENSIS} was content, but made no {out}")
    data = (scratch / out).read_bytes()
    # As one that can be signed and be stripped of it again: its length, its checksum. Its own CRC is of neither.
    return pe.with_checksum(data + bytes(-len(data) % pe.ALIGNED))


def script(nt: str, files: Mapping[str, File], own: set[str], decl: Declaration, out: str) -> str:
    """makensis' script, of the template. `own`: what a person works in, which no installer writes over."""
    arch = targets.targets()[nt].arch
    condition, refusal = WIDTHS[arch]
    ours = [path for path in files if path not in own]
    folders = sorted({Path(path).parent.as_posix() for path in files} - {"."}, reverse=True)
    words = {
        "VERSION": decl.project.version,
        "NUMBERS": windowsdaemon.numbers(decl.project.version).replace(",", "."),
        "SYSTEM": windows.SYSTEMS[arch],
        "OUT": out,
        "FOLDER": FOLDERS[arch],
        "WIDTH": "\n".join([f"  {condition}", f'    MessageBox MB_OK|MB_ICONSTOP "{refusal}" /SD IDOK',
                            "    SetErrorLevel 2", "    Quit", "  ${EndIf}", f"  {VIEWS[arch]}"]),
        "FILES": "\n".join([*_copies(ours, "on"), *_copies([path for path in files if path in own], "off"),
                            '  SetOutPath "$INSTDIR"']),
        "CHECKS": _each("  !insertmacro CheckFree", ours),
        "DELETE": _each("!insertmacro Delete", ours),
        "DELETE_OWN": _each("!insertmacro Delete", sorted(own)),
        "FOLDERS": _each("RMDir", folders),
    }
    return windows.filled(SCRIPT, words)


def _each(words: str, paths: list[str]) -> str:
    """A line for each path below the folder of the installation."""
    return "\n".join(f'  {words} "{PureWindowsPath("$INSTDIR", path)}"' for path in paths)


def _copies(paths: list[str], over: str) -> Iterator[str]:
    """The lines that unpack files, over those that are there or not."""
    yield f"  SetOverwrite {over}"
    for path in paths:
        place = PureWindowsPath("$INSTDIR", path).parent
        yield f'  SetOutPath "{place}"'
        yield f'  File "{path}"'
