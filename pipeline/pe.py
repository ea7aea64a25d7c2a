# SPDX-License-Identifier: GPL-2.0-only
"""Windows' executable format, as far as a driver and a program need it: read, checked, its checksum set.

Offsets are those of Microsoft's "PE Format" specification.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pipeline.errors import InfrastructureError

MACHINES = {0x14C: "i386", 0x8664: "x86_64"}
# Subsystems: no other system's programs, and drivers; programs with a console
NATIVE, CONSOLE = 1, 3

# Indices of the data directory
IMPORTS, RESOURCES, CERTIFICATES, RELOCATIONS, DEBUG = 1, 2, 4, 5, 6


@dataclass(frozen=True)
class Section:
    """A section: name, where it is in memory (relative to the image) and in the file, in bytes."""

    name: str
    address: int
    memory: int
    offset: int
    size: int


@dataclass(frozen=True)
class Image:
    """What a PE file says of itself. `imports`: DLL (lower case) -> names; `directories` by index: (address, bytes)."""

    arch: str
    timestamp: int
    subsystem: int
    os_version: tuple[int, int]
    subsystem_version: tuple[int, int]
    entry: int
    checksum: int
    sections: tuple[Section, ...]
    directories: tuple[tuple[int, int], ...]
    imports: dict[str, tuple[str, ...]]


def checksum(data: bytes) -> int:
    """What the field must hold for Windows to load a driver.

    The 16-bit ones' complement sum of the file without the field itself, plus the file's length in bytes.
    """
    at = _checksum_at(data)
    plain = data[:at] + bytes(4) + data[at + 4 :]
    total: int = sum(struct.unpack(f"<{len(plain) // 2}H", plain[: len(plain) & ~1]))
    if len(plain) % 2:
        total += plain[-1]
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total + len(plain)


def with_checksum(data: bytes) -> bytes:
    """The same file with the right checksum."""
    at = _checksum_at(data)
    return data[:at] + struct.pack("<I", checksum(data)) + data[at + 4 :]


def _header(data: bytes) -> int:
    """Where the PE header is. Raises InfrastructureError for what is no PE file."""
    if len(data) < 0x40 or data[:2] != b"MZ":
        raise InfrastructureError("not a Windows executable: no MZ at its start")
    (start,) = struct.unpack_from("<I", data, 0x3C)
    if data[start : start + 4] != b"PE\0\0":
        raise InfrastructureError("not a Windows executable: no PE header")
    return int(start)


def _checksum_at(data: bytes) -> int:
    return _header(data) + 24 + 64


def read(data: bytes) -> Image:
    """A PE file's headers and imports. Raises InfrastructureError when it is none, or cut off."""
    try:
        return _read(data)
    except (struct.error, IndexError, ValueError) as error:
        raise InfrastructureError(f"not a whole Windows executable: {error}") from error


def _read(data: bytes) -> Image:
    start = _header(data)
    machine, count, timestamp, _, _, optional_size, _ = struct.unpack_from("<HHIIIHH", data, start + 4)
    optional = start + 24
    (magic,) = struct.unpack_from("<H", data, optional)
    wide = magic == 0x20B
    (entry,) = struct.unpack_from("<I", data, optional + 16)
    os_major, os_minor, _, _, sub_major, sub_minor = struct.unpack_from("<6H", data, optional + 40)
    value, subsystem = struct.unpack_from("<IH", data, optional + 64)
    (ndirectories,) = struct.unpack_from("<I", data, optional + (108 if wide else 92))
    directories = tuple(struct.unpack_from("<II", data, optional + (112 if wide else 96) + 8 * number)
                        for number in range(ndirectories))
    sections = []
    for number in range(count):
        name, memory, address, size, offset = struct.unpack_from(
            "<8sIIII", data, optional + optional_size + 40 * number)
        sections.append(Section(name.rstrip(b"\0").decode("ascii", "replace"), address, memory, offset, size))
    image = Image(MACHINES.get(machine, f"{machine:#x}"), timestamp, subsystem, (os_major, os_minor),
                  (sub_major, sub_minor), entry, value, tuple(sections), directories, {})
    image.imports.update(_imports(data, image, wide=wide))
    return image


def _offset(image: Image, address: int) -> int:
    for section in image.sections:
        if section.address <= address < section.address + section.size:
            return address - section.address + section.offset
    raise ValueError(f"address {address:#x} is in no section")


def _text(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode("ascii")


def _imports(data: bytes, image: Image, *, wide: bool) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    if len(image.directories) <= IMPORTS or not image.directories[IMPORTS][1]:
        return found
    at = _offset(image, image.directories[IMPORTS][0])
    while True:
        lookup, _, _, name, thunks = struct.unpack_from("<5I", data, at)
        if not name:
            return found
        names, entry = [], _offset(image, lookup or thunks)
        while True:
            (hint,) = struct.unpack_from("<Q" if wide else "<I", data, entry)
            if not hint:
                break
            by_number = hint >> (63 if wide else 31)
            names.append(f"#{hint & 0xFFFF}" if by_number else _text(data, _offset(image, hint) + 2))
            entry += 8 if wide else 4
        found[_text(data, _offset(image, name)).lower()] = tuple(names)
        at += 20


# --- a signature at the end (Authenticode) --------------------------------------------------

ALIGNED = 8  # bytes: where a certificate table begins


def signature(data: bytes) -> tuple[int, int] | None:
    """Where the certificate table lies, and its bytes; None where there is none.

    Raises InfrastructureError for what is no PE file, or has its table elsewhere than at its end.
    """
    image = read(data)
    if len(image.directories) <= CERTIFICATES or not image.directories[CERTIFICATES][1]:
        return None
    at, size = image.directories[CERTIFICATES]  # unlike all others: an offset in the file
    if at % ALIGNED or at + size != len(data):
        raise InfrastructureError("the signature of a Windows executable is not at its end")
    return at, size


def unsigned(data: bytes) -> bytes:
    """The same file before it was signed. Only of one that had its checksum, and a length that is `ALIGNED`."""
    found = signature(data)
    if found is None:
        return data
    entry = _directory_at(data, CERTIFICATES)
    return with_checksum(data[:entry] + bytes(8) + data[entry + 8 : found[0]])


def _directory_at(data: bytes, number: int) -> int:
    """Where an entry of the data directory is."""
    optional = _header(data) + 24
    (magic,) = struct.unpack_from("<H", data, optional)
    return optional + (112 if magic == 0x20B else 96) + 8 * number
