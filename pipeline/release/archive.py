# SPDX-License-Identifier: GPL-2.0-only
"""Archives that come out the same every time, and a reader that accepts nothing else.

A tar of regular files and the folders above them, sorted by name, owned by
user 0 and group 0, every time the release's one time; compressed by the
zstd that requirements.lock pins, in one thread, with one set of parameters.

Because nothing in such an archive is free, it is not parsed when it is
checked: what the manifest says about its members gives every byte of every
header, and the archive has these bytes or is refused. A link, a device, "..",
an absolute name or a bomb is a byte that does not belong there.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import zstandard

LEVEL = 12  # of zstd: a fifth of level 19's time for a tenth more bytes
WINDOW = 1 << 27  # bytes; what the zstd command accepts without being asked
CHUNK = 1 << 20
SUFFIX = ".tar.zst"
KINDS = {
    tarfile.REGTYPE: "the file", tarfile.AREGTYPE: "the file", tarfile.DIRTYPE: "the folder",
    tarfile.SYMTYPE: "a symbolic link", tarfile.LNKTYPE: "a hard link", tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device", tarfile.FIFOTYPE: "a pipe",
}


@dataclass(frozen=True)
class File:
    """What is to be packed: the content, or the file that has it, and the permissions."""

    content: Path | bytes
    mode: int = 0o644


@dataclass(frozen=True)
class Member:
    """A file as it is in an archive; `size` in bytes."""

    path: str
    size: int
    sha256: str
    mode: int


def tool_versions() -> dict[str, str]:
    """What makes the bytes of an archive, beside what is in it."""
    return {"zstd": ".".join(map(str, zstandard.ZSTD_VERSION))}


def pack(target: Path, files: Mapping[str, File], epoch: int) -> list[Member]:
    """Write an archive of `files` (by their paths in it); what is in it, sorted.

    The digests are of what was written, so that a file that changes on the way is not vouched for.
    """
    members = []
    parameters = zstandard.ZstdCompressionParameters.from_level(LEVEL, threads=0, write_checksum=True)
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    with target.open("wb") as raw, compressor.stream_writer(raw, closefd=False) as out:
        written = 0
        for path in _with_folders(files):
            if path not in files:
                head = _header(path, None, epoch)
                out.write(head)
                written += len(head)
                continue
            file = files[path]
            with opened(file.content) as source:
                size = source.seek(0, 2)
                source.seek(0)
                head = _header(path, Member(path, size, "", file.mode), epoch)
                out.write(head)
                state = hashlib.sha256()
                left = size
                while left and (chunk := source.read(min(left, CHUNK))):
                    out.write(chunk)
                    state.update(chunk)
                    left -= len(chunk)
                if left:
                    raise OSError(f"{file.content!s} became shorter while it was packed")
                out.write(bytes(-size % tarfile.BLOCKSIZE))
                written += len(head) + size + -size % tarfile.BLOCKSIZE
            members.append(Member(path, size, state.hexdigest(), file.mode))
        out.write(_tail(written))
    return members


def fault(archive: Path, members: Sequence[Member], epoch: int) -> str | None:
    """How an archive differs from one that `pack` would make of these members; None when it does not.

    Reads what such an archive may have and not a byte more, and writes nothing.
    """
    try:
        with archive.open("rb") as raw:
            decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW)
            with decompressor.stream_reader(raw, read_across_frames=True, closefd=False) as stream:
                return _difference(stream, members, epoch)
    except zstandard.ZstdError as error:
        return f"cannot be decompressed: {error}"


def _difference(stream: IO[bytes], members: Sequence[Member], epoch: int) -> str | None:
    by_path = {member.path: member for member in members}
    length = 0
    for path in _with_folders(by_path):
        member = by_path.get(path)
        expected = _header(path, member, epoch)
        seen = _exactly(stream, len(expected))
        if seen != expected:
            what = _what(seen)
            if what.endswith(repr(path)):
                return f"has {what} with another owner, time, size or permissions than the manifest"
            return f"has {what} where the manifest has {path!r}"
        length += len(expected)
        if member is None:
            continue
        state, left = hashlib.sha256(), member.size
        while left and (chunk := stream.read(min(left, CHUNK))):
            state.update(chunk)
            left -= len(chunk)
        padding = -member.size % tarfile.BLOCKSIZE
        if left or _exactly(stream, padding) != bytes(padding):
            return f"is damaged in or after {path!r}"
        if state.hexdigest() != member.sha256:
            return f"has {path!r} with sha256 {state.hexdigest()}, the manifest has {member.sha256}"
        length += member.size + padding
    tail = _tail(length)
    seen = _exactly(stream, len(tail))
    if seen != tail:
        return f"has {_what(seen)} where the manifest has no more"
    return "has more behind its end" if stream.read(1) else None


def _with_folders(paths: Mapping[str, object]) -> Iterator[str]:
    """All paths and the folders above them, each before what is in it."""
    folders = {path[:at] for path in paths for at, letter in enumerate(path) if letter == "/"}
    yield from sorted({*paths, *folders})


def _header(path: str, member: Member | None, epoch: int) -> bytes:
    """The header of a file, or of the folder `path` when there is no member."""
    info = tarfile.TarInfo(path)
    info.mtime = epoch
    if member is None:
        info.type, info.mode = tarfile.DIRTYPE, 0o755
    else:
        info.size, info.mode = member.size, member.mode
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


def _tail(length: int) -> bytes:
    """The end of an archive (pax(1)): two blocks of zeros, and what fills the last record."""
    end = 2 * tarfile.BLOCKSIZE
    return bytes(end + -(length + end) % tarfile.RECORDSIZE)


def opened(content: Path | bytes) -> IO[bytes]:
    """A file's content, to be read."""
    return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")


def _exactly(stream: IO[bytes], size: int) -> bytes:
    """`size` bytes, or fewer at the end."""
    data = b""
    while len(data) < size and (chunk := stream.read(size - len(data))):
        data += chunk
    return data


def _what(seen: bytes) -> str:
    """A block that is no header we expected, in words."""
    if len(seen) < tarfile.BLOCKSIZE:
        return "its end"
    try:
        info = tarfile.TarInfo.frombuf(seen[: tarfile.BLOCKSIZE], "utf-8", "backslashreplace")
    except tarfile.TarError:
        return "no member that can be read"
    link = f" to {info.linkname!r}" if info.linkname else ""
    return f"{KINDS.get(info.type, 'a member of another kind')} {info.name!r}{link}"
