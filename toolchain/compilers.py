# SPDX-License-Identifier: GPL-2.0-only
"""The compilers a kernel may name, from compilers.toml."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli

DATA = Path(__file__).with_name("compilers.toml")


@dataclass(frozen=True)
class Recipe:
    """How a compiler is built here; the fields are explained in compilers.toml."""

    source: str
    environment: Mapping[str, str]
    configure: tuple[str, ...]
    make: tuple[tuple[str, ...], ...]
    install: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Compiler:
    """One entry of compilers.toml; the fields are explained there. `build` is None for an installed one."""

    name: str
    cc: str
    flags: tuple[str, ...]
    prefix: str
    packages: tuple[str, ...]
    targets: tuple[str, ...]
    build: Recipe | None = None

    @property
    def programs(self) -> tuple[str, ...]:
        """What has to be on this machine: binutils, and the compiler unless it is built here."""
        binutils = (f"{self.prefix}as", f"{self.prefix}ld")
        return binutils if self.build else (self.cc, *binutils)


@functools.cache
def compilers() -> dict[str, Compiler]:
    """Every known compiler, by name."""
    return {name: _compiler(name, entry) for name, entry in tomli.loads(DATA.read_text())["compiler"].items()}


def _compiler(name: str, entry: Mapping[str, Any]) -> Compiler:
    build = entry.get("build")
    recipe = build and Recipe(
        build["source"],
        build["environment"],
        tuple(build["configure"]),
        tuple(map(tuple, build["make"])),
        tuple(map(tuple, build["install"])),
    )
    return Compiler(
        name,
        entry["cc"],
        tuple(entry.get("flags", ())),
        entry["prefix"],
        tuple(entry["packages"]),
        tuple(entry["targets"]),
        recipe,
    )
