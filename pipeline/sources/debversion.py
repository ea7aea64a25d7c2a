# SPDX-License-Identifier: GPL-2.0-only
"""Debian's order of versions (Debian Policy, section 5.6.12)."""

from __future__ import annotations

import functools
import re


def compare(left: str, right: str) -> int:
    """Negative, zero or positive, as `left` is older than, the same as or newer than `right`."""
    for one, other in zip(_parts(left), _parts(right), strict=True):
        order = _compare_part(one, other)
        if order:
            return order
    return 0


key = functools.cmp_to_key(compare)


def upstream(version: str) -> str:
    """ "6.1.192" of "1:6.1.192-2"."""
    return _parts(version)[1]


def _parts(version: str) -> tuple[str, str, str]:
    """(epoch, upstream version, Debian revision)."""
    epoch, _, rest = version.rpartition(":") if ":" not in version else version.partition(":")
    if "-" in rest:
        rest, _, revision = rest.rpartition("-")
    else:
        revision = ""
    return epoch or "0", rest, revision


def _compare_part(left: str, right: str) -> int:
    # Text and numbers take turns, beginning with (maybe empty) text.
    lefts, rights = re.split(r"(\d+)", left), re.split(r"(\d+)", right)
    length = max(len(lefts), len(rights))
    lefts += [""] * (length - len(lefts))
    rights += [""] * (length - len(rights))
    for index, (one, other) in enumerate(zip(lefts, rights, strict=True)):
        if index % 2:
            order = int(one or 0) - int(other or 0)
        else:
            a, b = _weights(one), _weights(other)
            order = (a > b) - (a < b)
        if order:
            return order
    return 0


def _weights(text: str) -> list[int]:
    """ "~" sorts before the end, the end before letters, letters before everything else."""
    return [-1 if c == "~" else ord(c) if c.isalpha() else ord(c) + 256 for c in text] + [0]
