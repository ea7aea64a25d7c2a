# SPDX-License-Identifier: GPL-2.0-only
"""The compilers a kernel may name, from compilers.toml."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import tomli

DATA = Path(__file__).with_name("compilers.toml")


@dataclass(frozen=True)
class Compiler:
    """One entry of compilers.toml; the fields are explained there."""

    name: str
    cc: str
    prefix: str
    package: str
    targets: tuple[str, ...]

    def make_arguments(self) -> list[str]:
        """What make gets to use it, for the kernel's own makefiles."""
        cross = [f"CROSS_COMPILE={self.prefix}"] if self.prefix else []
        return [f"CC={self.cc}", f"HOSTCC={self.cc}" if not self.prefix else "HOSTCC=gcc", *cross]


@functools.cache
def compilers() -> dict[str, Compiler]:
    """Every known compiler, by name."""
    table = tomli.loads(DATA.read_text())["compiler"]
    return {
        name: Compiler(name, entry["cc"], entry["prefix"], entry["package"], tuple(entry["targets"]))
        for name, entry in table.items()
    }
