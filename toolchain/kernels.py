# SPDX-License-Identifier: GPL-2.0-only
"""How each series of Linux is configured and built, from kernels.toml."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import tomli

DATA = Path(__file__).with_name("kernels.toml")
# The script that `paths = "relative"` means.
RELATIVE = Path(__file__).with_name("relative.sh")


@dataclass(frozen=True)
class Series:
    """One entry of kernels.toml; the fields are explained there."""

    name: str
    arch: Mapping[str, str]
    folder: str
    language: str
    bases: Mapping[str, str]
    complete: str
    tree: str
    asks: bool = False
    prepare: tuple[str, ...] = ()
    host_cc: str = "gcc"
    paths: str = ""

    @property
    def in_tree(self) -> bool:
        """Whether it can only be built where its source lies."""
        return self.tree == "copy"


@functools.cache
def series() -> dict[str, Series]:
    """Every series that we know how to build, by name."""
    table = tomli.loads(DATA.read_text())["series"]
    return {name: Series(name, **{**entry, "prepare": tuple(entry.get("prepare", ()))})
            for name, entry in table.items()}
