# SPDX-License-Identifier: GPL-2.0-only
"""Kernel configurations: fragments, what became of them, and why an option did not survive.

`make olddefconfig` silently drops what it cannot have: a misspelt name, an
option whose dependency is off, one that something else decides. A kernel that
lacks what was asked for fails much later, in strange ways. So every request
is looked up in the result, and a lost one is explained from the Kconfig files.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import UserError

_SET = re.compile(r"CONFIG_(\w+)=(.*?)\s*$")
_UNSET = re.compile(r"# CONFIG_(\w+) is not set\s*$")
_SYMBOL = re.compile(r"\b[A-Z0-9_]*[A-Z][A-Z0-9_]*\b")


@dataclass(frozen=True)
class Request:
    """One option asked for: `value` as in a .config ("y", "16", '"text"'), "n" when it must be off."""

    symbol: str
    value: str
    where: str

    def line(self) -> str:
        """As a line of a .config."""
        if self.value == "n":
            return f"# CONFIG_{self.symbol} is not set"
        return f"CONFIG_{self.symbol}={self.value}"


@dataclass(frozen=True)
class Lost:
    """A request that the final configuration does not grant: what it has instead, and why if known."""

    request: Request
    actual: str
    why: str

    def __str__(self) -> str:
        asked = f"CONFIG_{self.request.symbol}={self.request.value} was asked for"
        return f"{self.request.where}: {asked}, the kernel has {self.actual}: {self.why}"


@dataclass
class Entry:
    """What the Kconfig files say about one symbol (several entries joined)."""

    depends: list[str] = field(default_factory=list)
    prompt: bool = False
    selected_by: list[tuple[str, str]] = field(default_factory=list)  # symbol, condition
    choice: bool = False
    place: str = ""


def read_fragment(path: Path, root: Path) -> list[Request]:
    """The requests of a fragment, in order. Raises UserError naming every line that is none."""
    name = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
    if not path.is_file():
        raise UserError(f"there is no config fragment {name}")
    requests, problems = [], []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        where = f"{name}:{number}"
        if match := _SET.match(line):
            requests.append(Request(match[1], match[2], where))
        elif match := _UNSET.match(line):
            requests.append(Request(match[1], "n", where))
        elif line.strip() and not line.startswith("#"):
            problems.append(f"{where}: expected CONFIG_X=value or # CONFIG_X is not set, not: {line.strip()}")
    if problems:
        raise UserError("\n".join(problems))
    return requests


def from_options(options: Mapping[str, str], where: str) -> list[Request]:
    """The single options of a kernel in colinux.toml: {"DEBUG_FS": "y"}."""
    return [Request(symbol.removeprefix("CONFIG_"), value, where) for symbol, value in options.items()]


def merge(requests: Iterable[Request]) -> dict[str, Request]:
    """What holds in the end: a later request wins over an earlier one."""
    return {request.symbol: request for request in requests}


def read_config(text: str) -> dict[str, str]:
    """The options that a .config sets; what is off is not in it."""
    return {match[1]: match[2] for line in text.splitlines() if (match := _SET.match(line))}


def compose(base: str, requests: Mapping[str, Request]) -> str:
    """The text of `base` with the requested options in place of its own."""
    kept = [line for line in base.splitlines()
            if not ((match := _SET.match(line) or _UNSET.match(line)) and match[1] in requests)]
    return "\n".join([*kept, *(request.line() for request in requests.values())]) + "\n"


def lost(
    requests: Mapping[str, Request], config: Mapping[str, str], read: Callable[[], dict[str, Entry]]
) -> list[Lost]:
    """Every request that `config` does not grant, explained from what `read` finds in the kernel's tree.

    `read` is called only when something is lost: see read_tree, and pipeline.configin for 2.4's language.
    """
    missing = [(request, config.get(request.symbol, "n")) for request in requests.values()
               if config.get(request.symbol, "n") != request.value]
    if not missing:
        return []
    entries = read()
    return [Lost(request, actual, _why(request, actual, config, entries)) for request, actual in missing]


def read_tree(tree: Path, arch: str) -> dict[str, Entry]:
    """Every symbol that the Kconfig files of a kernel define, without the other architectures' files."""
    entries: dict[str, Entry] = {}
    for path in sorted(tree.rglob("Kconfig*")):
        parts = path.relative_to(tree).parts
        foreign = parts[0] == "arch" and parts[1] not in (arch, "Kconfig")
        if not foreign and parts[0] not in ("scripts", "Documentation", "tools") and path.is_file():
            _read_kconfig(path.read_text(errors="replace"), "/".join(parts), entries)
    return entries


def _read_kconfig(text: str, place: str, entries: dict[str, Entry]) -> None:
    """Collect entries; a small subset of the language: enough to explain, not to decide."""
    around: list[list[str]] = []  # conditions of the enclosing if, menu and choice blocks
    kinds: list[str] = []
    entry: Entry | None = None
    symbol = ""
    in_help: int | None = None
    for line in text.replace("\\\n", " ").splitlines():
        indent = len(line.expandtabs()) - len(line.expandtabs().lstrip())
        if in_help is not None:
            if not line.strip() or indent > in_help:
                continue
            in_help = None
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        word, rest = words[0], " ".join(words[1:])
        if word in ("help", "---help---"):
            in_help = indent
        elif word in ("config", "menuconfig"):
            symbol = rest
            entry = entries.setdefault(symbol, Entry())
            entry.place = entry.place or place
            entry.depends += [condition for block in around for condition in block]
            entry.choice = entry.choice or "choice" in kinds
        elif word in ("if", "menu", "choice"):
            around.append([rest] if word == "if" else [])
            kinds.append(word)
            entry, symbol = None, ""
        elif word in ("endif", "endmenu", "endchoice") and around:
            around.pop()
            kinds.pop()
            entry, symbol = None, ""
        elif word == "depends":
            condition = rest.removeprefix("on ").strip()
            if entry is not None:
                entry.depends.append(condition)
            elif around:
                around[-1].append(condition)
        elif word in ("comment", "source"):
            entry, symbol = None, ""
        elif entry is not None and word in ("bool", "tristate", "string", "int", "hex", "prompt"):
            entry.prompt = entry.prompt or bool(rest)
        elif entry is not None and word == "select":
            selected, _, condition = rest.partition(" if ")
            entries.setdefault(selected.strip(), Entry()).selected_by.append((symbol, condition))


def _why(request: Request, actual: str, config: Mapping[str, str], entries: Mapping[str, Entry]) -> str:
    entry = entries.get(request.symbol)
    if entry is None or not entry.place:
        near = difflib.get_close_matches(request.symbol, [name for name, e in entries.items() if e.place], 1)
        return "no such option" + (f"; did you mean CONFIG_{near[0]}?" if near else "")
    if request.value == "n":
        owners = [symbol for symbol, _ in entry.selected_by if config.get(symbol, "n") != "n"]
        if owners:
            return f"selected by {', '.join(sorted(owners))}"
        return "it cannot be chosen here, its default holds" if not entry.prompt else f"see {entry.place}"
    needs = [condition for condition in dict.fromkeys(entry.depends) if _names_off(condition, config)]
    if needs and actual == "n":
        off = sorted({name for condition in needs for name in _names_off(condition, config)})
        return f"it depends on {' && '.join(_grouped(needs))}; off here: {', '.join(off)}"
    if entry.choice:
        return "another option of the same choice was taken"
    if not entry.prompt:
        selectors = ", ".join(sorted({symbol for symbol, _ in entry.selected_by})[:4])
        return f"it has no prompt: only other options select it{selectors and f' ({selectors})'}"
    return f"see {entry.place}"


def _names_off(condition: str, config: Mapping[str, str]) -> list[str]:
    """The symbols of a condition that are off, or on where they are negated: the suspects."""
    suspects = []
    for match in _SYMBOL.finditer(re.sub(r'"[^"]*"|\$\([^)]*\)', "", condition)):
        negated = condition[: match.start()].rstrip().endswith("!")
        if (config.get(match[0], "n") != "n") == negated:
            suspects.append(f"!{match[0]}" if negated else match[0])
    return suspects


def _grouped(conditions: Iterable[str]) -> list[str]:
    return [f"({condition})" if "||" in condition else condition for condition in conditions]
