# SPDX-License-Identifier: GPL-2.0-only
"""Records on a serial line.

Nobody has the line to himself: a boot loader, a kernel's debug output, a program that was
started with it write when they like, in the midst of our words too. So what counts is a record,
in printable ASCII, that is whole:

    @co:TOKEN:SOURCE:NUMBER:KIND:TEXT:SUM@

TOKEN is this boot's (an older boot's words are not taken for ours); SOURCE says who speaks
("host", "guest1"), NUMBER counts his records from 1 on; SUM is the first 8 hexadecimal digits of
SHA-256 over what stands between "@co:" and the last colon, which sh and busybox can compute.
Everything is said more than once, and taken once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

TEXT_MAX = 400
# The longest record; what is older in the buffer cannot begin one that is still to come.
LONGEST = 512
_RECORD = re.compile(
    rb"@co:(([0-9a-f]{8}):([a-z]+[0-9]?):([1-9][0-9]{0,5}):([a-z][a-z-]{0,30}):([A-Za-z0-9+/=.,_-]{0,400})):([0-9a-f]{8})@"
)


@dataclass(frozen=True)
class Record:
    """What somebody said; `fields` are its text's, which commas part; `at` is when it came (Unix time)."""

    source: str
    number: int
    kind: str
    text: str
    at: float = 0.0

    @property
    def fields(self) -> list[str]:
        return self.text.split(",")


def digest(body: bytes) -> str:
    """A record's SUM."""
    return hashlib.sha256(body).hexdigest()[:8]


def written(token: str, source: str, number: int, kind: str, text: str = "") -> str:
    """A record as it goes over the line. Raises ValueError for what cannot be one."""
    body = f"{token}:{source}:{number}:{kind}:{text}"
    record = f"@co:{body}:{digest(body.encode())}@"
    if not _RECORD.fullmatch(record.encode()):
        raise ValueError(f"no record: {record}")
    return record


class Receiver:
    """Takes bytes as they come and calls `on_record` for each new record of this boot's."""

    def __init__(self, token: str, on_record: Callable[[Record], None], now: Callable[[], float] = time.time) -> None:
        self._token = token.encode()
        self._on_record = on_record
        self._now = now
        self._buffer = bytearray()
        self._seen: set[tuple[str, int]] = set()

    def feed(self, data: bytes) -> None:
        """Whatever the pieces are in which the line's bytes come, the records are the same."""
        self._buffer += data
        end = 0
        for found in _RECORD.finditer(self._buffer):
            body, token, source, number, kind, text, said = found.groups()
            if token != self._token or said.decode() != digest(body):
                continue
            end = found.end()
            key = (source.decode(), int(number))
            if key not in self._seen:
                self._seen.add(key)
                self._on_record(Record(*key, kind.decode(), text.decode(), self._now()))
        del self._buffer[: max(end, len(self._buffer) - LONGEST)]


# --- what a guest says of its checks -----------------------------------------------------------------


@dataclass
class Told:
    """One script of the guest's: its output in pieces, its status once it has ended, and when that was."""

    pieces: dict[int, str] = field(default_factory=dict)
    count: int | None = None
    status: int | None = None
    at: float = 0.0

    @property
    def whole(self) -> bool:
        return self.count is not None and set(range(self.count)) <= self.pieces.keys()

    @property
    def output(self) -> str:
        """What it printed. Raises ValueError when the pieces make no base64."""
        data = "".join(self.pieces[number] for number in range(self.count or 0))
        try:
            return base64.b64decode(data, validate=True).decode(errors="replace")
        except binascii.Error as error:
            raise ValueError(f"no base64: {error}") from error


class Transcript:
    """A guest's records, put together. What makes no sense is dropped: it is as if it had not come."""

    def __init__(self) -> None:
        self.scripts: dict[str, Told] = {}
        self.done = False

    def take(self, record: Record) -> None:
        """One record of this guest's."""
        fields = record.fields
        numbers = [int(word) for word in fields[1:3] if word.isascii() and word.isdecimal() and len(word) < 7]
        if record.kind == "bye":
            self.done = True
        elif record.kind == "out" and len(fields) == 3 and numbers:
            self.scripts.setdefault(fields[0], Told()).pieces.setdefault(numbers[0], fields[2])
        elif record.kind == "end" and len(fields) == 3 and len(numbers) == 2:
            told = self.scripts.setdefault(fields[0], Told())
            told.status, told.count, told.at = numbers[0], numbers[1], record.at

    def script(self, name: str) -> Told | None:
        """A script that is told from its beginning to its end; None while anything of it is missing."""
        told = self.scripts.get(name)
        return told if told and told.whole else None

    def missing(self, names: Iterable[str]) -> list[str]:
        """Of these, those that are not told."""
        return [name for name in names if self.script(name) is None]
