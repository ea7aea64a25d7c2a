# SPDX-License-Identifier: GPL-2.0-only
"""sandbox=: what is understood, and a daemon that has none. What one does is in tests/build/test_build_sandbox.py."""

from __future__ import annotations

import signal
from pathlib import Path

import daemon_kit
import pytest
from test_daemon_control import Guest


@pytest.mark.parametrize("value", ["yes", "", "On", "1"])
def test_on_or_off(value: str, tmp_path: Path) -> None:
    done = daemon_kit.check(tmp_path, "--check", "kernel=a", f"sandbox={value}")
    assert done.returncode == 255
    assert f"argument 3: sandbox={value}: expected on or off" in done.stderr


def test_check_says_what_it_will_be(tmp_path: Path) -> None:
    (tmp_path / "vmlinux").write_bytes(daemon_kit.kernel())
    assert "sandbox: unavailable\n" in daemon_kit.check(tmp_path, "--check", "kernel=vmlinux").stdout
    assert "sandbox: off\n" in daemon_kit.check(tmp_path, "--check", "kernel=vmlinux", "sandbox=off").stdout


def test_the_manual_knows_it(tmp_path: Path) -> None:
    assert "sandbox=on|off" in daemon_kit.check(tmp_path, "--help").stdout


def test_a_daemon_without_libseccomp_says_so(tmp_path: Path) -> None:
    """These tests' is one: the sanitizers need more than a sandbox allows. Who insists gets no guest."""
    done = daemon_kit.boot(tmp_path, "say hello", "-v1")
    assert (done.returncode, done.stdout) == (0, "hello")
    assert "no sandbox: this daemon was built without libseccomp" in done.stderr
    done = daemon_kit.boot(tmp_path, "say never", "sandbox=on")
    assert (done.returncode, done.stdout) == (255, "")
    assert "argument 3: sandbox=on: this daemon was built without libseccomp" in done.stderr


@pytest.mark.parametrize(("words", "state"), [((), "unavailable"), (("sandbox=off",), "off")])
def test_status_tells(words: tuple[str, ...], state: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir(mode=0o700)
    guest = Guest(tmp_path / "guest", run, "power;leave 8", *words)
    guest.wait_up()
    assert guest.ask()["sandbox"] == state
    guest.process.send_signal(signal.SIGTERM)
    assert guest.end()[0] == 0
