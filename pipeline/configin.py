# SPDX-License-Identifier: GPL-2.0-only
"""Linux 2.4's configuration language: enough of it to say why an option was lost.

A Config.in is a list of questions, asked within `if [ ... ]; then`, and a question may itself depend
on options that it names (Documentation/kbuild/config-language.txt of that kernel).
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from pipeline.kconfig import Entry

_ASKS = frozenset({"bool", "tristate", "int", "hex", "string", "dep_bool", "dep_mbool", "dep_tristate"})
_COMPARES = re.compile(r'"?\$\{?(?:CONFIG_)?(\w+)\}?"?\s*(!?=)\s*"?(\w*)"?')
_SYMBOL = re.compile(r"\$?CONFIG_(\w+)$")


def read_tree(tree: Path, arch: str) -> dict[str, Entry]:
    """Every symbol that the Config.in files of a kernel define, without the other architectures' files."""
    entries: dict[str, Entry] = {}
    for path in sorted(tree.rglob("[Cc]onfig*.in")):
        parts = path.relative_to(tree).parts
        if parts[0] != "arch" or parts[1] == arch:
            _read(path.read_text(errors="replace"), "/".join(parts), entries)
    return entries


def _read(text: str, place: str, entries: dict[str, Entry]) -> None:
    around: list[str] = []  # the conditions of the enclosing ifs
    for line in text.replace("\\\n", " ").splitlines():
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue
        if not words:
            continue
        symbols = [match[1] for word in words[1:] if (match := _SYMBOL.match(word))]
        if words[0] == "if":
            around.append(_condition(line))
        elif words[0] == "else" and around:
            around[-1] = f"!({around[-1]})"
        elif words[0] == "fi" and around:
            around.pop()
        elif words[0] == "choice":
            for name in re.findall(r"CONFIG_(\w+)", line):
                _entry(entries, name, place, around).choice = True
        elif words[0] in _ASKS and symbols:
            entry = _entry(entries, symbols[0], place, around)
            entry.prompt = True
            if words[0].startswith("dep_"):
                entry.depends += symbols[1:]
        elif words[0].startswith("define_") and symbols:
            _entry(entries, symbols[0], place, around)


def _entry(entries: dict[str, Entry], symbol: str, place: str, around: list[str]) -> Entry:
    entry = entries.setdefault(symbol, Entry())
    entry.place = entry.place or place
    entry.depends += around
    return entry


def _condition(line: str) -> str:
    """`if [ "$CONFIG_A" = "y" -a "$CONFIG_B" != "y" ]; then` in Kconfig's words: A && !B."""

    def said(match: re.Match[str]) -> str:
        positive = (match[2] == "=") == (match[3] not in ("n", ""))
        return match[1] if positive else f"!{match[1]}"

    inner = line.partition("[")[2].rpartition("]")[0]
    return re.sub(r"\s-o\s", " || ", re.sub(r"\s-a\s", " && ", _COMPARES.sub(said, inner))).strip()
