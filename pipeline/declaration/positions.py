# SPDX-License-Identifier: GPL-2.0-only
"""On which line each value of a TOML file stands.

tomli parses and judges the text, but tells no positions; this scanner walks
over the text that tomli has accepted, so it may take for granted that the text
is valid and needs to know only where keys and values begin and end.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import tomli

from pipeline.errors import InfrastructureError, UserError

# The keys and array indices that lead to a value: ("machine", "linux-6.1", "disks", 0, "size_mib").
KeyPath = tuple[str | int, ...]

_SPACE = re.compile(r"[ \t]*")
_FILLER = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\n]*")
# A string from its quotes to its end; the multi-line ones first, for "" begins them too.
# Up to two quotes may stand before the three that end a multi-line string.
_STRING = re.compile(
    r'"""(?:[^"\\]|\\(?s:.)|"(?!""))*"{3,5}'
    r"|'''(?:[^']|'(?!''))*'{3,5}"
    r'|"(?:[^"\\]|\\.)*"'
    r"|'[^']*'"
)


def text(path: KeyPath) -> str:
    """A path as one would write it: machine."linux-6.1".disks[0].size_mib"""
    words = ""
    for key in path:
        if isinstance(key, int):
            words += f"[{key}]"
        else:
            words += ("." if words else "") + (key if _BARE.fullmatch(key) else f'"{key}"')
    return words


class Positions:
    """Line numbers, from 1, by key path. For a table, the line of its header; for a key, its own line."""

    def __init__(self, source: str) -> None:
        # The parser counts lines after the same replacement.
        self._text = source.replace("\r\n", "\n")
        self._at = 0
        self._line = 1
        self._counted = 0
        self.lines: dict[KeyPath, int] = {(): 1}
        self._arrays: dict[KeyPath, int] = {}  # arrays of tables: how many tables so far
        self._scan()

    def line(self, path: KeyPath) -> int:
        """The line of a value, or of the nearest enclosing table that is written down."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]

    # --- the scanner: each method starts at the text it is named after and ends behind it

    def _scan(self) -> None:
        table: KeyPath = ()
        while True:
            self._skip(_FILLER)
            if self._at >= len(self._text):
                return
            line = self._line_here()
            if self._text.startswith("[[", self._at):
                table = self._header(2, line)
            elif self._text[self._at] == "[":
                table = self._header(1, line)
            else:
                self._pair(table)

    def _header(self, brackets: int, line: int) -> KeyPath:
        self._at += brackets
        keys = self._keys()
        self._at += brackets
        path: KeyPath = ()
        for number, key in enumerate(keys):
            path = (*path, key)
            last = number == len(keys) - 1
            self.lines.setdefault(path, line)
            if last and brackets == 2:
                self._arrays[path] = self._arrays.get(path, -1) + 1
            if path in self._arrays:
                # A header that goes through an array of tables means its latest table.
                path = (*path, self._arrays[path])
                self.lines.setdefault(path, line)
            elif last:
                # Until here another header may have implied this table: [a.b] implies [a].
                self.lines[path] = line
        return path

    def _pair(self, table: KeyPath) -> None:
        line = self._line_here()
        path = table
        for key in self._keys():
            path = (*path, key)
            self.lines.setdefault(path, line)
        self._at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(path)

    def _keys(self) -> list[str]:
        keys = []
        while True:
            self._skip(_SPACE)
            if match := _BARE.match(self._text, self._at):
                keys.append(match[0])
            else:
                match = self._match(_STRING)
                keys.append(next(iter(tomli.loads(match[0] + "=0"))))
            self._at = match.end()
            self._skip(_SPACE)
            if self._text[self._at] != ".":
                return keys
            self._at += 1

    def _value(self, path: KeyPath) -> None:
        first = self._text[self._at]
        if first == "[":
            self._elements(path, "]")
        elif first == "{":
            self._elements(path, "}")
        elif first in "\"'":
            self._skip(_STRING)
        else:
            self._skip(_SCALAR)

    def _elements(self, path: KeyPath, end: str) -> None:
        self._at += 1
        index = 0
        while True:
            self._skip(_FILLER)
            if self._text[self._at] == end:
                self._at += 1
                return
            if self._text[self._at] == ",":
                self._at += 1
            elif end == "]":
                element: KeyPath = (*path, index)
                self.lines[element] = self._line_here()
                self._value(element)
                index += 1
            else:
                self._pair(path)

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise InfrastructureError(f"the TOML scanner lost its way in line {self._line_here()}")
        return match

    def _skip(self, pattern: re.Pattern[str]) -> None:
        self._at = self._match(pattern).end()

    def _line_here(self) -> int:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line


def shown(path: Path) -> str:
    """The file's name for a message: relative to where the person is, when it lies below."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def parse(path: Path) -> tuple[dict[str, Any], Positions]:
    """Read a TOML file; UserError with file:line when it cannot be read, is not UTF-8 or not TOML."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {shown(path)}: {error.strerror}") from error
    try:
        source = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError("this is not UTF-8 text", where=f"{shown(path)}:{line}") from error
    try:
        content = tomli.loads(source)
    except tomli.TOMLDecodeError as error:
        lines = source.split("\n")
        # "at end of document" says less than the last line with something on it.
        number = min(error.lineno, source.rstrip().count("\n") + 1)
        message = f"not valid TOML: {error.msg[:1].lower()}{error.msg[1:]}"
        if number == error.lineno:
            message += f" at column {error.colno}"
        raise UserError(f"{message}: {lines[number - 1].strip()[:100]}", where=f"{shown(path)}:{number}") from error
    return content, Positions(source)
