# SPDX-License-Identifier: GPL-2.0-only
"""The Linux daemon's own tests of its control door, once more, with colinux-daemon.exe's and colinux-ctl.exe; and what
is Windows' alone of it: whose pipe it is, who may open it, and names that somebody else has."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from pathlib import Path

import door_kit
import pytest
import test_daemon_control
from door_kit import Bridge, Ctl
from test_daemon_control import PATIENCE, Start, is_closed, line
from wine_kit import FOLDER, Wine, wait_until

# What is Linux's alone: a folder with sockets in it, its users and signals, the instrumented daemon; and answers to
# which the system adds nothing.
OTHERS = {
    "test_what_is_unknown_is_said",
    "test_a_killed_daemons_name_is_free", "test_names_that_are_none", "test_the_folder_is_for_its_owner",
    "test_an_open_folder_is_refused", "test_another_user_is_turned_away", "test_the_end_does_not_wait_for_clients",
    "test_hostile_answers_do_not_fool_the_client", "test_lines_by_the_thousand",
}  # fmt: skip
ACCESS_DENIED = "error 5"

pytestmark = pytest.mark.usefixtures("doors")

run, start = test_daemon_control.run, test_daemon_control.start
globals().update(
    {name: test for name, test in vars(test_daemon_control).items() if name.startswith("test_") and name not in OTHERS}
)


@pytest.fixture
def ctl(wine: Wine) -> Ctl:
    return door_kit.ctl(wine)


def test_they_are_all_here() -> None:
    assert sum(name.startswith("test_") for name in globals()) >= 25


# --- the name -------------------------------------------------------------------------------------------


def test_a_killed_daemons_name_is_free(start: Start, ctl: Ctl) -> None:
    guest = start("power", "name=again")
    guest.process.kill()
    guest.process.wait()
    assert "no guest is running" in ctl("status", "again").stderr
    start("power", "name=again")
    assert ctl("stop", "again").returncode == 0


def test_large_letters_are_small_ones(start: Start, ctl: Ctl, tmp_path: Path) -> None:
    """As everywhere in Windows."""
    start("power", "name=Mine")
    assert ctl("status", "mine").stdout.startswith("Mine: running")
    code, errors = test_daemon_control.Guest(tmp_path / "second", tmp_path, "power", "name=MINE").end()
    assert (code, errors) == (255, "colinux-daemon: argument 3: name=MINE: a guest of the name MINE is running\n")


def test_a_name_that_somebody_else_has_taken(bridge: Bridge, start: Start, ctl: Ctl, tmp_path: Path) -> None:
    """A pipe with the name of a guest, made by another user: no guest takes it, no client trusts it."""
    with bridge.pipe("squat", "mine") as squatter:
        code, errors = test_daemon_control.Guest(tmp_path / "one", tmp_path, "power", "name=mine").end()
        assert (code, errors) == (
            255, "colinux-daemon: argument 3: name=mine: the name mine is taken: another user's program has a pipe or "
            "an event called colinux-ctl-mine\n")  # fmt: skip
        # the daemon has looked whose it is, and said nothing
        assert bridge.answer(squatter) == "come" and is_closed(squatter)
    with bridge.pipe("squat", "mine") as squatter:
        done = ctl("kill", "mine")
        assert (done.returncode, done.stdout) == (1, "")
        assert "mine: that pipe was made by a user who is no administrator: it is no guest's" in done.stderr
        assert bridge.answer(squatter) == "come"
        assert squatter.recv(100) == b"", "a request that the wrong one could read"
    # a name that nobody asked for makes way
    with bridge.pipe("squat", "my-linux"):
        (tmp_path / "0").mkdir(exist_ok=True)
        (tmp_path / "0/my linux.conf").write_text("\n")
        assert start("power", "@my linux.conf").name == "my-linux-2"


def test_an_event_that_somebody_else_has(bridge: Bridge, start: Start, ctl: Ctl, tmp_path: Path) -> None:
    """It keeps a daemon from the name, and is no guest in the list."""
    with bridge.pipe("hold", "mine"):
        code, errors = test_daemon_control.Guest(tmp_path / "one", tmp_path, "power", "name=mine").end()
        assert code == 255 and "the name mine is taken: another user's program has a pipe or an event" in errors
        assert (ctl("list").returncode, ctl("list").stdout) == (0, "")
    start("power", "name=mine")
    assert ctl("stop", "mine").returncode == 0


# --- who may ----------------------------------------------------------------------------------------------


def test_a_stranger_is_turned_away(bridge: Bridge, start: Start) -> None:
    """By the descriptors that the daemon's pipe and event really have: who is no administrator, nor the daemon's user."""
    guest = start("power", "name=mine")
    for word in ("stranger", "intrude"):
        with pytest.raises(ConnectionError, match=ACCESS_DENIED):
            bridge.pipe(word, "mine")
    assert guest.ask()["state"] == "running"
    # it is their doing: what is for everybody, lets him in
    with bridge.pipe("serve", "open") as server, bridge.pipe("stranger", "open"):
        assert bridge.answer(server) == "come"
    with bridge.pipe("hold", "open"), bridge.pipe("intrude", "open"):
        pass


# --- clients that go wrong ---------------------------------------------------------------------------------


def test_the_end_does_not_wait_for_clients(start: Start, ctl: Ctl) -> None:
    guest = start("power")
    silent, waiting, deaf = guest.connect(), guest.connect(), guest.connect()
    waiting.sendall(b"wait\n")
    assert line(waiting)["ok"]
    deaf.sendall(b"wait\n")
    assert ctl("stop").returncode == 0
    assert line(waiting) == {"event": "ended", "exit_code": 0, "reason": ""}
    assert guest.end()[0] == 0
    for link in (silent, waiting, deaf):
        link.close()


def test_two_clients_at_once(start: Start, wine: Wine) -> None:
    """Both ask, wait for the same end, and are told the same; a third one looks on meanwhile."""
    guest = start("hang", "shutdown-timeout=15")
    with wine.begin(rf"{FOLDER}\colinux-ctl.exe", "--json", "stop") as one, \
            wine.begin(rf"{FOLDER}\colinux-ctl.exe", "--json", "stop", "colinux") as other:  # fmt: skip
        wait_until(lambda: guest.ask()["state"] == "stopping", "nobody has asked")
        for running in (one, other):
            done = running.wait()
            assert done.returncode == 1 and "did not shut down within 15 seconds" in done.stderr, done
            assert json.loads(done.stdout)["exit_code"] == 255
    assert guest.end()[0] == 255


def test_a_client_that_is_killed(start: Start, wine: Wine) -> None:
    """In the middle of its waiting, sixteen times: the door has room for the next."""
    guest = start("power")
    for _ in range(4):
        with contextlib.ExitStack() as clients:
            some = [clients.enter_context(wine.begin(rf"{FOLDER}\colinux-ctl.exe", "wait")) for _ in range(4)]
            time.sleep(0.5)
            for running in some:
                assert running.process.poll() is None
                running.process.kill()
                running.process.wait()
        assert guest.ask()["state"] == "running"
    assert guest.process.poll() is None


def test_hostile_answers_do_not_fool_the_client(bridge: Bridge, ctl: Ctl) -> None:
    for answer, said in (
        (b"{\n", "none of a guest's daemon"),
        (b'{"ok":true,"name":"\\u001b[2Jx","state":"up\n', ""),
        (b"", "closed the connection"),
        (b"[" * 65000 + b"\n", "none of a guest's daemon"),
        (b"x" * 70000, "answers too much"),
        (b'{"ok":false,"error":"not today"}\n', "not today"),
    ):
        server = bridge.pipe("serve", "odd")

        def serve(link: socket.socket = server, answer: bytes = answer) -> None:
            with contextlib.suppress(OSError):
                assert bridge.answer(link) == "come"
                link.recv(100)
                link.sendall(answer)
                time.sleep(0.5)
            link.close()

        thread = threading.Thread(target=serve)
        thread.start()
        done = ctl("status", "odd")
        thread.join(PATIENCE)
        assert said in done.stderr and done.returncode == bool(said), (answer[:20], done)
        assert "\x1b" not in done.stdout


def test_names_that_are_no_pipes(ctl: Ctl) -> None:
    for name in ("a/b", "..\\a", "x" * 70):
        done = ctl("status", name)
        assert (done.returncode, done.stdout) == (1, "") and "is no guest's name" in done.stderr


def test_help_and_version(ctl: Ctl, wine: Wine) -> None:
    """Those of the other systems, to the letter."""
    assert ctl("--help").stdout.startswith("usage: colinux-ctl [--json] COMMAND [NAME] [WORDS]\n")
    for program in ("colinux-ctl", "colinux-console"):
        done = wine.run(rf"{FOLDER}\{program}.exe", "--version")
        assert (done.returncode, done.both.split()[0]) == (0, program)
