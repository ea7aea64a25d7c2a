# SPDX-License-Identifier: GPL-2.0-only
"""SUPPORT.md's table of devices: each cell names a machine that has such a guest on such a host, and is asked for it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from pipeline.declaration import load
from pipeline.declaration.model import Machine
from pipeline.paths import checkout
from runtime.launcher.series import TRAITS

ROOT = checkout().root
DECLARATION = load(ROOT / "colinux.toml")
SECTION = "### Which device was seen to work where\n"

# A row, by the word that no other has: the checks (or scenarios) that a machine in it is asked for, all of them.
ROWS = {
    "disks": {"disk"},
    "first console": {"uname"},
    "coconN": {"terminals"},
    "slirp`, with ports": {"net-lease", "net-ping", "net-dns", "net-tcp", "net-udp", "net-second"},
    "tuntap": {"net-tap"},
    "IPv6": {"net-ip6"},
    "host folders": {"folder"},
    "reboot": {"control"},
    "stop": {"stop"},
    "two guests": {"two-guests"},
}
# What a Linux has no driver for, by TRAITS: these cells say so, whatever the host.
NEEDS = {"host folders": "folder"}
UNTESTED, NOT_THERE = "untested", "not there"


@dataclass(frozen=True)
class Cell:
    row: str
    column: str
    text: str


def lines() -> Iterator[list[str]]:
    section = (ROOT / "SUPPORT.md").read_text().split(SECTION)[1].split("\n## ")[0]
    for line in section.splitlines():
        if line.startswith("| "):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def cells() -> list[Cell]:
    head, *rows = lines()
    return [Cell(row[0], column, text) for row in rows for column, text in zip(head[1:], row[1:], strict=True)]


def wanted(row: str) -> tuple[str, set[str]]:
    [word] = [word for word in ROWS if word in row]
    return word, ROWS[word]


def has(machine: Machine, series: str, nt: bool) -> bool:
    kernels = {DECLARATION.kernels[name].series for name in DECLARATION.kernels_of(machine)}
    return series in kernels and bool(machine.nt) == nt


def test_every_row_is_looked_at() -> None:
    rows = {cell.row for cell in cells()}
    assert len(rows) == len(ROWS) and {wanted(row)[0] for row in rows} == {*ROWS}
    columns = {cell.column for cell in cells()}
    assert columns == {*(f"{series}, {host}" for series in TRAITS for host in ("Linux", "NT")), "Wine"}


@pytest.mark.parametrize("cell", cells(), ids=lambda cell: f"{cell.column}: {cell.row[:30]}")
def test_a_cell_is_true(cell: Cell) -> None:
    word, checks = wanted(cell.row)
    names = re.findall(r"`([^`]+)`", cell.text)
    if not names:
        assert cell.text in (UNTESTED, NOT_THERE)
    if cell.column == "Wine":
        assert all((ROOT / name).is_file() for name in names)
        return
    series, host = cell.column.split(", ")
    for name in names:
        machine = DECLARATION.machines[name]
        assert has(machine, series, host == "NT"), f"{name} has no such guest"
        asked = {*machine.checks, machine.scenario}
        assert checks <= asked, f"{name} is not asked for {checks - asked}"
    if cell.text == UNTESTED:
        found = [one.name for one in DECLARATION.machines.values()
                 if has(one, series, host == "NT") and checks <= {*one.checks, one.scenario}]  # fmt: skip
        assert not found, f"{found} look at it"
    if word in NEEDS:
        assert (cell.text == NOT_THERE) == (NEEDS[word] not in TRAITS[series].devices)
