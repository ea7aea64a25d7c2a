# SPDX-License-Identifier: GPL-2.0-only
"""Errors: their exit codes, what they say, and that they survive a process worker."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from pipeline.errors import BuildFailed, ColinuxError, InfrastructureError, Interrupted, UserError


@pytest.mark.parametrize(
    ("kind", "code"), [(BuildFailed, 1), (UserError, 2), (InfrastructureError, 3), (Interrupted, 130)]
)
def test_each_family_has_its_exit_code(kind: type[ColinuxError], code: int) -> None:
    assert kind("x").exit_code == code
    assert isinstance(kind("x"), ColinuxError)


def test_an_error_says_where_what_and_what_next() -> None:
    error = UserError("no such suite", where="colinux.toml:12", hint="try bookworm", log=Path("/l"))
    assert str(error).splitlines() == ["colinux.toml:12: no such suite", "log: /l", "hint: try bookworm"]


def test_a_failed_build_shows_its_first_error_log_and_command() -> None:
    error = BuildFailed(
        "make failed", command="cd / && make", excerpt="> a.c:1: error: no", log=Path("/l"), hint="fix it"
    )
    assert str(error).splitlines() == [
        "make failed",
        "  > a.c:1: error: no",
        "repeat: cd / && make",
        "log: /l",
        "hint: fix it",
    ]


@pytest.mark.parametrize(
    "error",
    [
        UserError("m", where="w", hint="h", log=Path("/l")),
        BuildFailed("m", command="c", excerpt="e", returncode=-9, log=Path("/l"), hint="h"),
        Interrupted("m", hint="h"),
    ],
)
def test_an_error_survives_pickling(error: ColinuxError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)
