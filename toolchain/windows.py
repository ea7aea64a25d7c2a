# SPDX-License-Identifier: GPL-2.0-only
"""What driver and daemon for Windows are built with and may import, from windows.toml."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import tomli

DATA = Path(__file__).with_name("windows.toml")

Version = tuple[int, int]


@dataclass(frozen=True)
class Target:
    """One entry of windows.toml; the fields are explained there.

    `imports`: DLL (lower case) -> the names that the oldest Windows has for drivers; `program`: for the programs.
    """

    name: str
    arch: str
    prefix: str
    packages: tuple[str, ...]
    flags: tuple[str, ...]
    symbols: tuple[str, ...]
    entry: str
    base: str
    version: Version
    title: str
    imports: dict[str, frozenset[str]]
    program: dict[str, frozenset[str]]


def version(text: str) -> Version:
    """ "5.2" -> (5, 2)."""
    major, _, minor = text.partition(".")
    return int(major), int(minor)


@functools.cache
def targets() -> dict[str, Target]:
    """Every kind of Windows that a driver is built for, by name."""
    data = tomli.loads(DATA.read_text())
    found = {}
    for name, entry in data["target"].items():
        oldest = version(entry["version"])
        imports = {
            dll: frozenset(symbol for symbol, facts in symbols.items()
                           if version(facts["since"]) <= oldest and facts.get("only", entry["arch"]) == entry["arch"])
            for dll, symbols in data["imports"].items()
        }  # fmt: skip
        program = {
            dll: frozenset(name for since, names in versions.items() if version(since) <= oldest for name in names)
            for dll, versions in data["program"].items()
        }
        found[name] = Target(name, entry["arch"], entry["prefix"], tuple(entry["packages"]), tuple(entry["flags"]),
                             tuple(entry["symbols"]), entry["entry"], entry["base"], oldest, entry["title"], imports,
                             program)
    return found
