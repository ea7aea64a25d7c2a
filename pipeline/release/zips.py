# SPDX-License-Identifier: GPL-2.0-only
"""Zip archives for Windows that come out the same every time, and a reader that accepts nothing else.

Files only, sorted by name, every time the release's one time (UTC: a zip has no time zone), no owner, no
permissions, no comment, no extra field; compressed by zlib, whose version the manifest names: the format leaves
an encoder free. So the reader asks of the compressed data that it unpacks to what the manifest has, ends where its
header says, and that every other byte is the one that `pack` would have written.

Offsets and names of fields are those of PKWARE's APPNOTE.TXT, 6.3: sections 4.3.7, 4.3.12 and 4.3.16.
"""

from __future__ import annotations

import hashlib
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import IO

from pipeline.errors import UserError
from pipeline.release.archive import CHUNK, File, Member, opened

SUFFIX = ".zip"
LEVEL = 6  # of zlib
LOCAL, CENTRAL, END = "<4s5H3I2H", "<4s6H3I5H2I", "<4s4H2IH"
HEAD = struct.calcsize(LOCAL)
MODE = 0o644  # what the manifest says of every file: a zip of ours has no permissions
VERSION = 20  # needed to read it: folders and deflate, no more. Made on MS-DOS (0), where files have attributes:
ARCHIVED = 0x20
DEFLATED = 8
LONGEST = 0xFFFF_FFFF  # bytes of a file and of the archive, without the later extension for longer ones
MOST = 0xFFFF  # files


def tool_versions() -> dict[str, str]:
    """What makes the bytes of an archive, beside what is in it."""
    return {"zlib": zlib.ZLIB_RUNTIME_VERSION}


def pack(target: Path, files: Mapping[str, File], epoch: int) -> list[Member]:
    """Write an archive of `files` (by their paths in it); what is in it, sorted.

    Raises UserError for what a zip, or Windows, cannot hold.
    """
    _refuse(files)
    members, directory = [], b""
    with target.open("wb") as out:
        for path in sorted(files):
            at = out.tell()
            out.write(bytes(HEAD) + path.encode())
            size, crc, sha256 = _deflate(files[path], out)
            end = out.tell()
            if max(size, end) > LONGEST:
                raise UserError(f"{target.name} would be longer than a zip can be ({LONGEST} bytes), with {path}",
                                hint="take a smaller root filesystem into the machine")
            member = Member(path, size, sha256, MODE)
            packed = end - at - HEAD - len(path)
            out.seek(at)
            out.write(_local(member, crc, packed, epoch))
            out.seek(end)
            members.append(member)
            directory += _central(member, crc, packed, at, epoch)
        out.write(directory + _end(len(members), len(directory), out.tell()))
    return members


def fault(archive: Path, members: Sequence[Member], epoch: int) -> str | None:
    """How an archive differs from one that `pack` would make of these members; None when it does not.

    Reads what such an archive may have and not a byte more, and writes nothing.
    """
    directory = b""
    with archive.open("rb") as file:
        for member in sorted(members, key=lambda one: one.path):
            at = file.tell()
            seen = file.read(HEAD + len(member.path))
            crc, packed = _said(seen)
            if seen != _local(member, crc, packed, epoch):
                return _other(seen, member.path)
            if fault := _content(file, member, crc, packed):
                return fault
            directory += _central(member, crc, packed, at, epoch)
        tail = directory + _end(len(members), len(directory), file.tell())
        if file.read(len(tail)) != tail:
            return "has a directory that is not its members'"
        return "has more behind its end" if file.read(1) else None


def content(archive: Path, path: str) -> bytes:
    """A member's content; only of an archive in which `fault` found none. KeyError when there is no such member."""
    with zipfile.ZipFile(archive) as opened_zip:
        return opened_zip.read(path)


def _refuse(files: Mapping[str, File]) -> None:
    """UserError for names that Windows cannot have; they come from colinux.toml."""
    seen: dict[str, str] = {}
    for path in files:
        for part in path.split("/"):
            reserved = part.split(".")[0].upper() in RESERVED
            if not part.isascii() or part.endswith(".") or part != part.strip() or set(part) & FORBIDDEN or reserved:
                raise UserError(f'Windows has no file "{part}" ({path})', hint="another name in colinux.toml")
        other = seen.setdefault(path.lower(), path)
        if other != path or any(one.lower().startswith(f"{path.lower()}/") for one in files):
            raise UserError(f"to Windows {path} would be two things in one folder", hint="another name in colinux.toml")
    if len(files) > MOST:
        raise UserError(f"a zip cannot hold {len(files)} files")


# "Naming Files, Paths, and Namespaces" of Microsoft's documentation.
FORBIDDEN = frozenset('<>:"\\|?*') | {chr(code) for code in range(32)}
RESERVED = frozenset({"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10))})


def _deflate(file: File, out: IO[bytes]) -> tuple[int, int, str]:
    """Write a file's compressed content; its size in bytes, its CRC-32 and its SHA-256."""
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    size, crc, state = 0, 0, hashlib.sha256()
    with opened(file.content) as source:
        while chunk := source.read(CHUNK):
            size += len(chunk)
            crc = zlib.crc32(chunk, crc)
            state.update(chunk)
            out.write(compressor.compress(chunk))
    out.write(compressor.flush())
    return size, crc, state.hexdigest()


def _content(file: IO[bytes], member: Member, crc: int, packed: int) -> str | None:
    """What is wrong with the compressed data that comes next; never more is unpacked than there may be."""
    damaged = f"is damaged in or after {member.path!r}"
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    state, seen, size = hashlib.sha256(), 0, 0
    try:
        while packed and (data := file.read(min(packed, CHUNK))):
            packed -= len(data)
            full = True
            while (data or full) and not inflate.eof:
                room = min(CHUNK, member.size + 1 - size)
                chunk = inflate.decompress(data, room)
                size += len(chunk)
                if size > member.size:
                    return damaged
                seen = zlib.crc32(chunk, seen)
                state.update(chunk)
                data, full = inflate.unconsumed_tail, len(chunk) == room
            if data or inflate.unused_data:
                return damaged
    except zlib.error:
        return damaged
    if packed or not inflate.eof or (size, seen) != (member.size, crc):
        return damaged
    if state.hexdigest() != member.sha256:
        return f"has {member.path!r} with sha256 {state.hexdigest()}, the manifest has {member.sha256}"
    return None


def _moment(epoch: int) -> tuple[int, int]:
    """A time (Unix) as MS-DOS has it, time and date: even seconds, of the years 1980 to 2107."""
    when = datetime.fromtimestamp(epoch, timezone.utc)
    if not 1980 <= when.year <= 2107:
        when = datetime(min(max(when.year, 1980), 2107), 1, 1, tzinfo=timezone.utc)
    return (when.hour << 11 | when.minute << 5 | when.second // 2,
            (when.year - 1980) << 9 | when.month << 5 | when.day)


def _local(member: Member, crc: int, packed: int, epoch: int) -> bytes:
    return struct.pack(LOCAL, b"PK\3\4", VERSION, 0, DEFLATED, *_moment(epoch), crc, packed, member.size,
                       len(member.path), 0) + member.path.encode()


def _central(member: Member, crc: int, packed: int, at: int, epoch: int) -> bytes:
    return struct.pack(CENTRAL, b"PK\1\2", VERSION, VERSION, 0, DEFLATED, *_moment(epoch), crc, packed, member.size,
                       len(member.path), 0, 0, 0, 0, ARCHIVED, at) + member.path.encode()


def _end(files: int, directory: int, at: int) -> bytes:
    return struct.pack(END, b"PK\5\6", 0, 0, files, files, directory, at, 0)


def _said(head: bytes) -> tuple[int, int]:
    """The CRC-32 and the compressed size that a local header has; any, of one that is cut off."""
    return struct.unpack_from("<II", head, 14) if len(head) >= HEAD else (0, 0)


def _other(seen: bytes, path: str) -> str:
    """A header that is not the expected one, in words."""
    if len(seen) < HEAD + len(path):
        return f"has its end where the manifest has {path!r}"
    if not seen.startswith(b"PK\3\4"):
        return f"has no member that can be read where the manifest has {path!r}"
    (length,) = struct.unpack_from("<H", seen, 26)
    name = seen[HEAD : HEAD + length].decode("utf-8", "backslashreplace")
    if name == path:
        return f"has the file {path!r} with another time, size or kind than the manifest"
    return f"has the file {name!r} where the manifest has {path!r}"
