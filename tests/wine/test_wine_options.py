# SPDX-License-Identifier: GPL-2.0-only
"""The Linux daemon's own tests of its command line, once more, with colinux-daemon.exe in its place."""

from __future__ import annotations

import subprocess
from pathlib import Path

import daemon_kit
import pytest
import test_daemon_options
from wine_kit import FOLDER, Wine

# What is Linux's alone: its /dev/full, and the development version of the instrumented daemon.
OTHERS = {"test_a_full_stdout_is_an_error", "test_help_and_version"}

folder = test_daemon_options.folder
globals().update(
    {name: test for name, test in vars(test_daemon_options).items() if name.startswith("test_") and name not in OTHERS}
)


@pytest.fixture(autouse=True)
def instead(wine: Wine, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = wine.run(rf"{FOLDER}\colinux-daemon.exe", *arguments, cwd=folder)
        return subprocess.CompletedProcess(arguments, done.returncode, done.stdout, done.stderr)

    monkeypatch.setattr(daemon_kit, "check", check)


def test_they_are_all_here() -> None:
    assert sum(name.startswith("test_") for name in globals()) >= 17
