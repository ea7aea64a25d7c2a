# SPDX-License-Identifier: GPL-2.0-only
"""balloon= and colinux-ctl balloon, with scripted guests; what moves is tests/unit/daemon/test_balloon.c's."""

from __future__ import annotations

import json
import time
from pathlib import Path

import daemon_kit
import pytest
from test_daemon_control import PATIENCE, Ctl, Start, ctl, run, start

__all__ = ["ctl", "run", "start"]  # fixtures

# Its kernel's note has CO_NOTE_BALLOON; the fake driver's guests have 80 MiB.
BALLOON = 0x10
NO_KERNEL = ("this guest's kernel keeps all its memory while it runs; that of Linux 6.1 for x86_64 "
             "can give some back")  # fmt: skip


def told(ctl: Ctl, *words: str) -> dict[str, object]:
    done = ctl("--json", *(words or ("balloon",)))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["balloon"]
    assert isinstance(found, dict)
    return found


def test_a_guest_gives_and_takes(start: Start, ctl: Ctl) -> None:
    start("balloon", "name=one", flags=BALLOON)
    whole = {"auto": False, "target_mib": 80, "actual_mib": 80, "given_mib": 0, "broken": False}
    less = {"auto": False, "target_mib": 64, "actual_mib": 64, "given_mib": 16, "broken": False}
    assert told(ctl) == whole == told(ctl, "status") == told(ctl, "stats", "one")
    assert told(ctl, "balloon", "64") == less == told(ctl)
    assert "memory    64 MiB, 16 of it with the host\n" in ctl("status").stdout
    done = ctl("balloon", "one", "72")
    assert (done.returncode, done.stdout, done.stderr) == (0, "it keeps 72 MiB of 80, asked for are 72\n", "")
    assert told(ctl, "balloon", "one", "80") == whole
    assert "with the host" not in ctl("status").stdout
    assert ctl("stop").returncode == 0


def test_it_may_choose_itself(start: Start, ctl: Ctl) -> None:
    """By its configuration, and by a wish."""
    one = start("balloon", "balloon=auto", flags=BALLOON)
    until = time.monotonic() + PATIENCE
    while told(ctl) != {"auto": True, "actual_mib": 72, "given_mib": 8, "broken": False}:
        assert time.monotonic() < until, told(ctl)
    assert ctl("balloon").stdout == "it keeps 72 MiB of 80, and chooses itself\n"
    assert told(ctl, "balloon", "80")["given_mib"] == 0
    done = ctl("balloon", one.name, "auto")  # this has no end to wait for
    assert done.returncode == 0 and done.stdout.endswith("and chooses itself\n")


def test_what_cannot_be_had_is_said(start: Start, ctl: Ctl) -> None:
    start("balloon lost", "name=one", flags=BALLOON)
    # 32 MiB are all that this guest can spare
    done = ctl("balloon", "one", "16")
    assert (done.returncode, done.stdout) == (1, "it keeps 48 MiB of 80, asked for are 16\n")
    assert done.stderr == "colinux-ctl: one keeps 48 MiB, not 16: it can spare no more now\n"
    assert told(ctl)["actual_mib"] == 48
    # and what is gone stays where it is: this is only asked for
    done = ctl("--no-wait", "--json", "balloon", "80")
    assert done.returncode == 0 and json.loads(done.stdout)["balloon"]["target_mib"] == 80
    done = ctl("balloon", "80")
    assert done.returncode == 1
    assert done.stderr == ("colinux-ctl: one keeps 48 MiB, not 80: the host has put into the rest what cannot be "
                           "moved, or has no memory to spare\n")  # fmt: skip


def test_a_guest_that_ends_meanwhile(start: Start, ctl: Ctl) -> None:
    start("sleep 1500;leave 8", flags=BALLOON)
    done = ctl("balloon", "64")
    assert done.returncode == 1 and done.stderr.startswith("colinux-ctl: "), done.stderr


def test_a_driver_that_breaks_the_rules(start: Start, ctl: Ctl) -> None:
    """It gives what it has not; the guest goes on without a balloon, and its daemon too."""
    one = start("once leave 12 1 0x1000;power", flags=BALLOON)
    until = time.monotonic() + PATIENCE
    while not told(ctl)["broken"]:
        assert time.monotonic() < until
    assert "its driver broke the rules" in ctl("balloon").stdout
    done = ctl("balloon", "64")
    assert done.returncode == 1 and "broke the rules" in done.stderr
    assert ctl("reboot").returncode == 0
    assert not told(ctl)["broken"], "a new life"
    assert ctl("stop").returncode == 0
    code, errors = one.end()
    assert code == 0
    assert ("balloon: the guest's driver broke the rules, the balloon stops: it wants to give what is no chunk of "
            "its memory (0x1000)") in errors  # fmt: skip


def test_guests_without_one(start: Start, ctl: Ctl) -> None:
    one = start("leave 12 1 0x4000000;leave 12 7 0;power")
    assert json.loads(ctl("--json", "status").stdout)["balloon"] is None
    for words in ((), ("64",), ("auto",), (one.name, "64")):
        done = ctl("balloon", *words)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", f"colinux-ctl: {NO_KERNEL}\n")
    assert ctl("stop").returncode == 0
    code, errors = one.end()
    assert code == 0 and "balloon" not in errors


@pytest.mark.parametrize("words", [("one", "two"), ("64", "one"), ("one", "64", "65"), ("one", "6.4"),
                                   ("one", "-64"), ("one", "1234567890")])  # fmt: skip
def test_words_that_make_no_sense(words: tuple[str, ...], ctl: Ctl) -> None:
    done = ctl("balloon", *words)
    assert done.returncode == 2 and done.stderr, words


def test_the_door_refuses(start: Start) -> None:
    guest = start("balloon", flags=BALLOON)
    for words in ("x", "64 65", "64 x", "-1", "+64", "6 4", "0x40", "auto 64", "99999999999", "1" * 200):
        answer = guest.ask(f"balloon {words}\n".encode())
        assert answer == {"ok": False, "error": "expected balloon, or balloon MIB|auto"}, words
    for mib in (1, 15, 81, 65536):
        answer = guest.ask(f"balloon {mib}\n".encode())
        assert answer["error"] == "a guest of 80 MiB can keep 16 to 80 of them"
    assert "unknown request" in str(guest.ask(b"balloons\n")["error"])
    assert guest.ask(b"balloon\n")["balloon"]["given_mib"] == 0


# --- balloon= ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["on", "", "Auto", "64"])
def test_auto_or_off(value: str, tmp_path: Path) -> None:
    done = daemon_kit.check(tmp_path, "--check", "kernel=a", f"balloon={value}")
    assert done.returncode == 255
    assert f"argument 3: balloon={value}: expected auto or off" in done.stderr


def test_check_knows_which_kernels_have_one(tmp_path: Path) -> None:
    (tmp_path / "with").write_bytes(daemon_kit.kernel(daemon_kit.note(flags=BALLOON | 1)))
    (tmp_path / "without").write_bytes(daemon_kit.kernel())
    done = daemon_kit.check(tmp_path, "--check", "kernel=with", "balloon=auto")
    assert done.returncode == 0 and "balloon: auto\n" in done.stdout
    assert daemon_kit.check(tmp_path, "--check", "kernel=without", "balloon=off").returncode == 0
    done = daemon_kit.check(tmp_path, "--check", "kernel=without", "balloon=auto")
    assert (done.returncode, done.stderr) == (255, f"colinux-daemon: argument 3: balloon=auto: {NO_KERNEL}\n")


def test_a_host_without_one_starts_no_guest_that_insists(tmp_path: Path) -> None:
    """As NT: said before the guest begins."""
    (tmp_path / "vmlinux").write_bytes(daemon_kit.kernel(daemon_kit.note(flags=BALLOON)))
    done = daemon_kit.boot(tmp_path, "say never", "balloon=auto", driver="keeps")
    assert (done.returncode, done.stdout) == (255, "")
    assert "balloon=auto: this host takes no memory back from a guest that runs; Linux hosts do" in done.stderr
