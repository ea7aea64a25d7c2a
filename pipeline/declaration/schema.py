# SPDX-License-Identifier: GPL-2.0-only
"""What may stand in a TOML file, described as data, and the one function that checks it.

A description is built from the types below (`colinux.toml`'s is in
`pipeline.declaration.keys`, colinux.lock's in `pipeline.lock`). `check` walks
a parsed file beside its description, notes every fault, and returns the
content without what is faulty, so that later checks can still look at the rest.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.declaration import positions
from pipeline.declaration.positions import KeyPath, Positions
from pipeline.errors import UserError


@dataclass(frozen=True)
class Text:
    """A string; `pattern` must match all of it, and `expected` says so in words."""

    expected: str = "a string"
    pattern: str = r"(?s).*"


@dataclass(frozen=True)
class Number:
    """An integer from `least` to `most`; `unit` is for the message."""

    least: int
    most: int
    unit: str = ""

    @property
    def expected(self) -> str:
        return f"an integer from {self.least} to {self.most}" + (f" ({self.unit})" if self.unit else "")


@dataclass(frozen=True)
class Flag:
    """true or false."""

    expected: str = "true or false"


@dataclass(frozen=True)
class Choice:
    """One of a few words; `what` names them in the message."""

    what: str
    words: frozenset[str]

    @property
    def expected(self) -> str:
        return f"a {self.what}, as a string"


@dataclass(frozen=True)
class Reference:
    """The name of an entry of a table at the top of the file: Reference("kernel")."""

    table: str

    @property
    def expected(self) -> str:
        return f"the name of a {self.table}"


@dataclass(frozen=True)
class List:
    """An array of `item`s, at least `least` of them, none twice when they are strings."""

    item: Type
    least: int = 0

    @property
    def expected(self) -> str:
        return f"an array, each element {self.item.expected}"


@dataclass(frozen=True)
class Key:
    """A key of a table. `default` None and not `required`: it may be left out, and is then not there."""

    type: Type
    required: bool = False
    default: Any = None


@dataclass(frozen=True)
class Table:
    """A table with these keys and no others.

    `exclusive` are keys of which exactly one must be there. With `extends`, a
    table may take keys from its sibling named there, so that the required ones
    are looked for only when that is done.
    """

    keys: Mapping[str, Key]
    exclusive: tuple[str, ...] = ()
    extends: bool = False
    expected: str = "a table"


@dataclass(frozen=True)
class Variant:
    """A table whose key `tag` says which keys it has: a git source has others than a tarball.

    `default` is what a table without that key is.
    """

    tag: str
    tables: Mapping[str, Table]
    default: str = ""
    expected: str = "a table"


@dataclass(frozen=True)
class Named:
    """A table of things by name, all described by `item`."""

    item: Type
    name: Text
    least: int = 0
    expected: str = "a table of tables"


@dataclass(frozen=True)
class Either:
    """A string, or the long form as a table."""

    text: Text
    table: Table

    @property
    def expected(self) -> str:
        return f"{self.text.expected} or {self.table.expected}"


Type = Text | Number | Flag | Choice | Reference | List | Table | Variant | Named | Either

_SEEN = {
    bool: "a boolean",
    int: "an integer",
    float: "a float",
    str: "a string",
    list: "an array",
    dict: "a table",
}


def seen(value: object) -> str:
    """What a value is, for "expected ..., found ..."; short ones with their content."""
    kind = _SEEN.get(type(value), "a date or time")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{kind}, {value}"
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= 60 else f'"{value[:56]} ..."'
    return kind


def suggestion(word: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown word: the nearest known one, or all of a few."""
    words = sorted(known)
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if not near:
        # An abbreviation or another case is as near to a person.
        near = [each for each in words if each.lower() == word.lower() or each.startswith(word)][:1]
    if near:
        return f'; did you mean "{near[0]}"?'
    if not words:
        return "; none is declared"
    return f"; known: {', '.join(words)}" if len(words) <= 20 else ""


@dataclass
class Faults:
    """Everything that is wrong with one file."""

    path: Path
    positions: Positions
    found: set[tuple[int, str]] = field(default_factory=set)

    def add(self, path: KeyPath, message: str, *, at: KeyPath | None = None) -> None:
        """Note a fault of the value at `path`; `at` when another place is to blame for it."""
        line = self.positions.line(path if at is None else at)
        name = positions.text(path)
        self.found.add((line, f"{name}: {message}" if name else message))

    def raise_any(self, hint: str | None = None) -> None:
        """UserError with all faults, one a line, by line; nothing when there is none."""
        if self.found:
            name = positions.shown(self.path)
            raise UserError("\n".join(f"{name}:{line}: {text}" for line, text in sorted(self.found)), hint=hint)


@dataclass(frozen=True)
class Use:
    """A reference that was found: which value names which entry of which table."""

    path: KeyPath
    table: str
    name: str


def check(content: Any, description: Type, faults: Faults) -> tuple[Any, list[Use]]:
    """Compare a parsed file with its description; see the module's text.

    Defaults are not filled in (`fill` does), and references are returned, not followed.
    """
    checker = _Checker(faults)
    return checker.value((), content, description), checker.uses


_BAD = object()


class _Checker:
    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.uses: list[Use] = []

    def value(self, path: KeyPath, value: Any, kind: Type) -> Any:
        """The value without its faulty parts; _BAD when nothing of it is of use."""
        match kind:
            case Text():
                good = isinstance(value, str) and re.fullmatch(kind.pattern, value) is not None
            case Number():
                good = type(value) is int and kind.least <= value <= kind.most
            case Flag():
                good = isinstance(value, bool)
            case Choice():
                if isinstance(value, str) and value not in kind.words:
                    self.faults.add(path, f'unknown {kind.what} "{value}"{suggestion(value, kind.words)}')
                    return _BAD
                good = isinstance(value, str)
            case Reference():
                good = isinstance(value, str)
                if good:
                    self.uses.append(Use(path, kind.table, value))
            case Either():
                return self.value(path, value, kind.table if isinstance(value, dict) else kind.text)
            case List():
                good = isinstance(value, list)
                if good:
                    return self._list(path, value, kind)
            case Table() | Variant() | Named():
                good = isinstance(value, dict)
                if good:
                    return self._mapping(path, value, kind)
        if not good:
            self.faults.add(path, f"expected {kind.expected}, found {seen(value)}")
            return _BAD
        return value

    def _list(self, path: KeyPath, value: list[Any], kind: List) -> Any:
        result = []
        for index, item in enumerate(value):
            if isinstance(item, str) and item in value[:index]:
                self.faults.add((*path, index), f'"{item}" is there twice')
            else:
                result.append(self.value((*path, index), item, kind.item))
        if len(value) < kind.least:
            self.faults.add(path, f"expected at least {kind.least} element, found none")
            return _BAD
        return [item for item in result if item is not _BAD]

    def _mapping(self, path: KeyPath, value: dict[str, Any], kind: Table | Variant | Named) -> Any:
        if isinstance(kind, Named):
            return self._named(path, value, kind)
        if isinstance(kind, Variant):
            words = frozenset(kind.tables)
            if kind.tag not in value and kind.default:
                return self._table(path, value, kind.tables[kind.default])
            if kind.tag not in value:
                self.faults.add(path, f'the key "{kind.tag}" is missing: one of {", ".join(sorted(words))}')
                return _BAD
            tag = self.value((*path, kind.tag), value[kind.tag], Choice(f"{path[0]} {kind.tag}", words))
            if tag is _BAD:
                return _BAD
            own = kind.tables[tag]
            rest = {key: item for key, item in value.items() if key != kind.tag}
            return {kind.tag: tag, **self._table(path, rest, own)}
        return self._table(path, value, kind)

    def _table(self, path: KeyPath, value: dict[str, Any], kind: Table) -> dict[str, Any]:
        result = {}
        for key, item in value.items():
            if key not in kind.keys:
                self.faults.add((*path, key), f'unknown key "{key}"{suggestion(key, kind.keys)}')
                continue
            checked = self.value((*path, key), item, kind.keys[key].type)
            if checked is not _BAD:
                result[key] = checked
        if not kind.extends:
            require(path, value, kind, self.faults)
        return result

    def _named(self, path: KeyPath, value: dict[str, Any], kind: Named) -> dict[str, Any]:
        result = {}
        for name, item in value.items():
            if not re.fullmatch(kind.name.pattern, name):
                self.faults.add((*path, name), f'"{name}" cannot be a name: expected {kind.name.expected}')
            checked = self.value((*path, name), item, kind.item)
            if checked is not _BAD:
                result[name] = checked
        if len(value) < kind.least:
            self.faults.add(path, f"expected at least {kind.least}, found none")
        return result


def require(
    path: KeyPath, value: Container[object], kind: Table, faults: Faults, only: Iterable[str] | None = None
) -> None:
    """Note the keys (those of `only`) that are missing from a table, and clashes between exclusive ones."""
    looked_at = kind.keys if only is None else frozenset(only)
    for key, rule in kind.keys.items():
        if rule.required and key in looked_at and key not in value:
            faults.add(path, f'the key "{key}" is missing: {rule.type.expected}')
    if kind.exclusive:
        there = [key for key in kind.exclusive if key in value]
        names = " and ".join(f'"{key}"' for key in kind.exclusive)
        if len(there) != 1:
            faults.add(path, f"expected one of {names}, found {'both' if there else 'neither'}")


def follow(uses: Iterable[Use], content: Mapping[str, Any], faults: Faults) -> None:
    """Note every reference that leads nowhere."""
    for use in uses:
        known = content.get(use.table, {})
        if use.name not in known:
            message = f'unknown {use.table} "{use.name}"{suggestion(use.name, known)}'
            faults.add(use.path, message)


def fill(value: Mapping[str, Any], kind: Table) -> dict[str, Any]:
    """A checked table with the defaults of the keys that are not there (None where there is none)."""
    result = {}
    for key, rule in kind.keys.items():
        item = value.get(key, rule.default)
        if isinstance(rule.type, Table) and item is not None:
            item = fill(item, rule.type)
        result[key] = item
    return result


def walk(content: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Every value of a parsed file with its path, outermost first."""
    yield path, content
    items: Iterable[tuple[str | int, Any]] = ()
    if isinstance(content, dict):
        items = content.items()
    elif isinstance(content, list):
        items = enumerate(content)
    for key, item in items:
        yield from walk(item, (*path, key))
