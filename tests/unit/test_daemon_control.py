# SPDX-License-Identifier: GPL-2.0-only
"""colinux-ctl and the door it knocks at, with scripted guests; and clients that mean no good."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import daemon_kit
import pytest

# Longer than the door's patience with a client (control.c), and then some for a busy machine.
PATIENCE = 60


class Guest:
    """A daemon with a scripted guest, in the background; the guest is up when this is made."""

    def __init__(
        self, folder: Path, run: Path, guest: str, *arguments: str, memory: int = 64, flags: int = 1
    ) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "vmlinux").write_bytes(daemon_kit.kernel(daemon_kit.note(flags=flags)))
        self.run = run
        self.name = "colinux"
        self.process = subprocess.Popen(
            [daemon_kit.programs() / "fake-daemon", "kernel=vmlinux", f"mem={memory}", *arguments],
            cwd=folder, text=True, env=daemon_kit.environment(FAKE_GUEST="say up\n;" + guest, COLINUX_RUN=str(run)),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def wait_up(self) -> None:
        """Until it has said so, and its daemon has come to look at the guest as running, which may be later."""
        assert self.process.stdout and self.process.stdout.readline() == "up\n"
        until = time.monotonic() + PATIENCE
        while not self.is_running():
            assert time.monotonic() < until, "the guest runs, and its daemon does not know it"
            time.sleep(0.01)

    def is_running(self) -> bool:
        """Ask every door which is this daemon's, and by what name."""
        for door in self.run.glob("*.ctl"):
            with contextlib.suppress(ConnectionError), self.connect(door.stem) as link:
                link.sendall(b"status\n")
                status = line(link)
                if status["pid"] == self.process.pid:
                    self.name = door.stem
                    return bool(status["state"] != "starting")
        return False

    def end(self) -> tuple[int, str]:
        """Exit code and what it said."""
        errors = self.process.communicate(timeout=PATIENCE)[1]
        return self.process.returncode, errors

    def connect(self, name: str = "") -> socket.socket:
        link = socket.socket(socket.AF_UNIX)
        link.connect(str(self.run / f"{name or self.name}.ctl"))  # without a timeout it waits where a queue is full
        link.settimeout(PATIENCE)
        return link

    def ask(self, request: bytes = b"status\n") -> dict[str, Any]:
        """One request on a connection of its own."""
        with self.connect() as link:
            link.sendall(request)
            return line(link)


def line(link: socket.socket) -> dict[str, Any]:
    """The next line, as JSON."""
    text = b""
    while not text.endswith(b"\n"):
        byte = link.recv(1)
        assert byte, text
        text += byte
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


def is_closed(link: socket.socket) -> bool:
    """The daemon has ended this connection, or does within its patience."""
    try:
        while link.recv(4096):
            pass
    except ConnectionError:
        pass
    return True


Start = Callable[..., Guest]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    """A folder for running guests; it does not exist yet."""
    yield daemon_kit.run_folder() / f"{os.getpid()}-{abs(hash(str(tmp_path))) % 10**9}"


@pytest.fixture
def start(tmp_path: Path, run: Path) -> Iterator[Start]:
    some: list[Guest] = []

    def one(guest: str, *arguments: str, memory: int = 64, flags: int = 1) -> Guest:
        some.append(Guest(tmp_path / str(len(some)), run, guest, *arguments, memory=memory, flags=flags))
        some[-1].wait_up()
        return some[-1]

    yield one
    for guest in some:
        if guest.process.poll() is None:
            guest.process.kill()
        guest.process.communicate()


@pytest.fixture
def ctl(run: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [daemon_kit.programs() / "colinux-ctl", *words], text=True, capture_output=True, check=False,
            env=daemon_kit.environment(COLINUX_RUN=str(run)), stdin=subprocess.DEVNULL, timeout=2 * PATIENCE,
        )  # fmt: skip

    return call


Ctl = Callable[..., subprocess.CompletedProcess[str]]


# --- what people do ---------------------------------------------------------------------------------


def test_nobody_is_there(ctl: Ctl, run: Path) -> None:
    assert (ctl("list").returncode, ctl("list").stdout) == (0, "")
    assert json.loads(ctl("--json", "list").stdout) == []
    done = ctl("status")
    assert (done.returncode, done.stderr) == (1, "colinux-ctl: no guest is running\n")
    assert not run.exists(), "to look must leave nothing behind"


def test_list_and_status(start: Start, ctl: Ctl) -> None:
    one = start("power", "name=one")
    two = start("power", "name=two.b-3", memory=96)
    assert [row.split()[:3] for row in ctl("list").stdout.splitlines()] == [
        ["NAME", "PID", "STATE"],
        ["one", str(one.process.pid), "running"],
        ["two.b-3", str(two.process.pid), "running"],
    ]
    listed = json.loads(ctl("list", "--json").stdout)
    assert [(guest["name"], guest["memory_mib"]) for guest in listed] == [("one", 64), ("two.b-3", 96)]
    done = ctl("status")
    assert (done.returncode, done.stderr) == (1, "colinux-ctl: which one? There are: one two.b-3\n")
    done = ctl("status", "three")
    assert (done.returncode, done.stderr) == (1, "colinux-ctl: no guest three is running; there are: one two.b-3\n")
    status = json.loads(ctl("--json", "status", "one").stdout)
    assert status["state"] == "running" and status["pid"] == one.process.pid and status["kernel"] == "vmlinux"
    assert f"process   {two.process.pid}" in ctl("status", "two.b-3").stdout


def test_stats_count(start: Start, ctl: Ctl, tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    (tmp_path / "0/disk").write_bytes(bytes(8192))
    start("sector 1 text;power", "cobd0=disk")
    until = time.monotonic() + PATIENCE
    while True:
        stats = json.loads(ctl("--json", "stats").stdout)
        console, disk = (next(one for one in stats["devices"] if one["name"] == name) for name in ("console", "cobd0"))
        if disk["queues"][0]["returned"]:
            break
        assert time.monotonic() < until, stats
    assert (console["name"], console["type"], console["state"]) == ("console", "console", "running")
    assert console["queues"][1] == {"size": 64, "taken": 1, "returned": 1}
    assert (disk["name"], disk["type"], disk["writes"], disk["bytes_written"]) == ("cobd0", "disk", 1, 512)
    assert disk["queues"] == [{"size": 64, "taken": 1, "returned": 1}] and disk["doorbells"] > 0
    text = ctl("stats").stdout
    assert " 1/1  (read 0.0 MiB, written 0.0 MiB, errors 0)" in text and "colinux: running, up 0:00:" in text


def test_stop_is_clean(start: Start, ctl: Ctl) -> None:
    guest = start("power;say bye")
    done = ctl("stop")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    code, errors = guest.end()
    assert code == 0 and "asking the guest to shut down" in errors
    assert ctl("list").stdout == ""


def test_stop_of_a_guest_that_does_not_hear(start: Start, ctl: Ctl) -> None:
    guest = start("hang", "shutdown-timeout=1")
    done = ctl("stop", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout) == {
        "event": "ended", "exit_code": 255, "reason": "the guest did not shut down within 1 seconds; it was ended",
    }  # fmt: skip
    assert "did not shut down within 1 seconds" in done.stderr
    assert guest.end()[0] == 255


def test_to_ask_twice_is_not_to_kill(start: Start, ctl: Ctl) -> None:
    guest = start("hang")
    for _ in range(3):
        assert ctl("stop", "--no-wait").returncode == 0
    until = time.monotonic() + PATIENCE
    while json.loads(ctl("--json", "status").stdout)["state"] != "stopping":
        assert time.monotonic() < until
    assert guest.process.poll() is None
    assert ctl("kill").returncode == 0
    assert guest.end()[0] == 255


def test_a_panic_is_told(start: Start, ctl: Ctl) -> None:
    guest = start("power;panic out of \"cheese\"")
    done = ctl("stop", "--json")
    assert json.loads(done.stdout)["exit_code"] == 16
    assert 'guest panic: out of "cheese"' in json.loads(done.stdout)["reason"] and done.returncode == 1
    assert guest.end()[0] == 16


def test_reboot_stays_in_the_daemon(start: Start, ctl: Ctl) -> None:
    """The guest shuts down, runs anew, and is the same one to everybody outside."""
    guest = start("power;say bye\n")
    for _ in range(2):
        done = ctl("reboot", "--json")
        assert (done.returncode, json.loads(done.stdout)["event"]) == (0, "restarted")
        assert guest.process.stdout
        assert [guest.process.stdout.readline() for _ in range(2)] == ["bye\n", "up\n"]
    status = json.loads(ctl("--json", "status").stdout)
    assert (status["state"], status["pid"]) == ("running", guest.process.pid)
    assert ctl("stop").returncode == 0
    assert guest.end()[0] == 0


def test_a_guest_that_restarts_instead_of_going_off_has_gone(start: Start, ctl: Ctl) -> None:
    guest = start("power;leave 9")
    assert json.loads(ctl("stop", "--json").stdout) == {"event": "ended", "exit_code": 17, "reason": ""}
    assert guest.end()[0] == 17


def test_one_that_restarts_when_a_reboot_was_asked_for_is_rebooted(start: Start, ctl: Ctl) -> None:
    guest = start("power;once leave 9", "--no-reboot")
    assert json.loads(ctl("reboot", "--json").stdout)["event"] == "restarted"
    assert guest.process.stdout and guest.process.stdout.readline() == "up\n"
    assert ctl("stop").returncode == 0
    assert guest.end()[0] == 0


def test_a_guest_that_hangs_is_started_anew_all_the_same(start: Start, ctl: Ctl) -> None:
    guest = start("hang", "shutdown-timeout=1")
    assert ctl("reboot").returncode == 0
    assert guest.process.stdout and guest.process.stdout.readline() == "up\n"
    assert ctl("kill").returncode == 0
    assert guest.end()[0] == 255


# --- redirections -------------------------------------------------------------------------------------------


def free_ports(count: int) -> int:
    """The first of so many ports of 127.0.0.1 that are free, one after the other."""
    for port in range(20000, 60000, count):
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for number in range(port, port + count):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", number))
            return port
    raise AssertionError("no ports are free")


def is_open(port: int) -> bool:
    """Somebody listens there."""
    with socket.socket() as client:
        client.settimeout(PATIENCE)
        return client.connect_ex(("127.0.0.1", port)) == 0


def redirections(ctl: Ctl) -> dict[str, list[str]]:
    """What is open, as a program would ask for it."""
    answer = json.loads(ctl("--json", "redirect").stdout)
    return {one["name"]: [entry["text"] for entry in one["redirections"]] for one in answer["interfaces"]}


def test_ports_are_opened_and_closed(start: Start, ctl: Ctl) -> None:
    port = free_ports(4)
    first, second = f"tcp:127.0.0.1:{port}:22", f"tcp:127.0.0.1:{port + 1}:80:2"
    start("power", f"eth0=slirp,,tcp:{port}:22", "name=one")
    assert (ctl("redirect").returncode, ctl("redirect", "one").stdout) == (0, f"eth0: {first}\n")
    done = ctl("redirect", "add", f"tcp:{port + 1}:80:2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert is_open(port) and is_open(port + 1) and is_open(port + 2)
    assert ctl("redirect").stdout == f"eth0: {first}\neth0: {second}\n"
    assert json.loads(ctl("--json", "redirect", "one").stdout)["interfaces"][0]["redirections"][1] == {
        "text": second, "protocol": "tcp", "address": "127.0.0.1", "host": port + 1, "guest": 80, "count": 2,
    }  # fmt: skip
    answer = json.loads(ctl("--json", "redirect", "one", "remove", "eth0", f"{second}/{first}").stdout)
    assert answer == {"ok": True, "interfaces": [{"name": "eth0", "redirections": []}]}
    assert not is_open(port) and not is_open(port + 1) and not is_open(port + 2)
    assert ctl("redirect").stdout == "eth0: none\n"


def test_redirections_that_cannot_be(start: Start, ctl: Ctl) -> None:
    port = free_ports(2)

    def refused(*words: str) -> str:
        done = ctl("redirect", *words)
        assert (done.returncode, done.stdout) == (1, "")
        return done.stderr.removeprefix("colinux-ctl: ").rstrip()

    start("power", "eth0=slirp", "eth1=slirp", "name=one")
    assert refused("add", f"tcp:{port}:22") == "which network? There are: eth0 eth1"
    assert refused("add", "eth2", f"tcp:{port}:22") == "the guest has no network eth2"
    assert refused("add", "Eth0", f"tcp:{port}:22") == "the guest has no network Eth0"
    assert refused("add", "eth1", "tcp:x:22") == "x is no port, 1 to 65535"
    assert refused("add", "eth1", "22") == "22: expected tcp:HOST-PORT:GUEST-PORT, or udp:"
    assert refused("add", "eth1", '"\\') == '"\\: expected tcp:HOST-PORT:GUEST-PORT, or udp:'
    assert refused("remove", "eth1", "/") == '"": expected tcp:HOST-PORT:GUEST-PORT, or udp:'
    assert refused("remove", "eth1", f"tcp:{port}:22") == f"eth1 has no redirection tcp:127.0.0.1:{port}:22"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port + 1))
        taken.listen()
        both = f"tcp:{port}:1/tcp:{port + 1}:2"
        assert refused("add", "eth1", both) == f"tcp port {port + 1} at 127.0.0.1: Address already in use"
        assert not is_open(port)
    assert ctl("redirect", "add", "eth0", f"tcp:{port}:1").returncode == 0
    assert refused("add", "eth1", f"tcp:{port}:1") == f"tcp port {port} at 127.0.0.1: Address already in use"
    assert redirections(ctl) == {"eth0": [f"tcp:127.0.0.1:{port}:1"], "eth1": []}


def test_a_guest_without_a_slirp_network(start: Start, ctl: Ctl) -> None:
    start("power")
    assert (ctl("redirect").returncode, ctl("redirect").stdout) == (0, "it has no slirp network\n")
    done = ctl("redirect", "add", "tcp:2222:22")
    assert (done.returncode, done.stderr) == (1, "colinux-ctl: the guest has no slirp network (ethN=slirp)\n")


def test_redirections_outlive_the_guest(start: Start, ctl: Ctl) -> None:
    """As they were changed, they are when it runs anew; they end with the daemon."""
    port = free_ports(2)
    guest = start("power;say bye\n", f"eth0=slirp,,tcp:{port}:22", "-v", "2")
    assert ctl("redirect", "add", f"tcp:{port + 1}:23").returncode == 0
    assert ctl("redirect", "remove", f"tcp:{port}:22").returncode == 0
    assert ctl("reboot").returncode == 0
    assert redirections(ctl) == {"eth0": [f"tcp:127.0.0.1:{port + 1}:23"]}
    assert is_open(port + 1) and not is_open(port)
    assert ctl("stop").returncode == 0
    assert f"eth0: tcp:127.0.0.1:{port + 1}:23 is open" in guest.end()[1]
    assert not is_open(port + 1)


# --- names ---------------------------------------------------------------------------------------------


def test_a_name_is_taken_once(start: Start, tmp_path: Path, run: Path) -> None:
    start("power", "name=mine")
    second = Guest(tmp_path / "second", run, "power", "name=mine")
    code, errors = second.end()
    assert code == 255
    assert errors == "colinux-daemon: argument 3: name=mine: a guest of the name mine is running\n"


def test_a_name_from_the_file_makes_way(start: Start, ctl: Ctl, tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "my linux.conf").write_text("\n")
        start("power", "@my linux.conf")
    assert [guest["name"] for guest in json.loads(ctl("--json", "list").stdout)] == [
        "my-linux", "my-linux-2", "my-linux-3",
    ]  # fmt: skip


def test_a_killed_daemons_name_is_free(start: Start, ctl: Ctl, run: Path) -> None:
    guest = start("power", "name=again")
    guest.process.kill()
    guest.process.wait()
    assert (run / "again.ctl").exists() and ctl("list").stdout == ""
    assert "no guest is running" in ctl("status", "again").stderr
    start("power", "name=again")
    assert ctl("stop", "again").returncode == 0
    assert not list(run.iterdir())


@pytest.mark.parametrize("name", ["", "-a", ".a", "a/b", "a b", "ä", "x" * 33])
def test_names_that_are_none(name: str, tmp_path: Path) -> None:
    done = daemon_kit.check(tmp_path, "--check", f"name={name}")
    assert done.returncode == 255 and f"name={name}: expected 1 to 32 letters" in done.stderr


# --- who may --------------------------------------------------------------------------------------------


def test_the_folder_is_for_its_owner(start: Start, run: Path) -> None:
    start("power")
    assert run.stat().st_mode & 0o777 == 0o700
    assert (run / "colinux.ctl").stat().st_mode & 0o777 == 0o600


def test_an_open_folder_is_refused(tmp_path: Path, run: Path, ctl: Ctl) -> None:
    run.mkdir(mode=0o755)
    run.chmod(0o755)
    guest = Guest(tmp_path / "one", run, "power", "name=open")
    code, errors = guest.end()
    assert code == 255 and "others can open it (mode 755); chmod 700 it" in errors
    assert "others can open it" in ctl("list").stderr
    # a name that nobody asked for is not insisted on
    unnamed = Guest(tmp_path / "two", run, "")
    code, errors = unnamed.end()
    assert code == 0 and "colinux-ctl will not find this guest" in errors
    run.rmdir()
    run.symlink_to(tmp_path)
    assert "is not a folder" in ctl("list").stderr
    run.unlink()


def test_another_user_is_turned_away(start: Start, run: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can become somebody else")
    guest = start("power")
    # somebody has opened every door on the way
    modes = {path: path.stat().st_mode for path in (run.parent, run, run / "colinux.ctl")}
    for path in modes:
        path.chmod(0o777)
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            os.setuid(65534)
            with guest.connect() as link:
                with contextlib.suppress(ConnectionError):
                    link.sendall(b"kill\n")
                with contextlib.suppress(ConnectionError):
                    if not link.recv(1):
                        os._exit(7)
                os._exit(7)
        os._exit(8)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    for path, mode in modes.items():
        path.chmod(mode)
    assert guest.ask()["state"] == "running"
    guest.ask(b"stop\n")
    assert "user 65534 is not this guest's owner: turned away" in guest.end()[1]


# --- clients that mean no good -----------------------------------------------------------------------------


@pytest.mark.parametrize("request_", [b"x" * 256, b"x" * 100000, b"stop\0\n", b"\xff\n", b"\x1b[2J\n", b"stop\r\n"])
def test_what_is_no_line_ends_the_connection(request_: bytes, start: Start) -> None:
    guest = start("power")
    with guest.connect() as link:
        with contextlib.suppress(ConnectionError):
            link.sendall(request_)
        with contextlib.suppress(ConnectionError):
            assert line(link) == {"ok": False, "error": "a request is a short line of plain text"}
        assert is_closed(link)
    assert guest.ask()["state"] == "running"


@pytest.mark.parametrize("request_", [b"\n", b" status\n", b"status \n", b"Status\n", b"statu\n", b"x" * 255 + b"\n"])
def test_what_is_unknown_is_said(request_: bytes, start: Start) -> None:
    guest = start("power")
    with guest.connect() as link:
        link.sendall(request_ + b"status\n")
        assert line(link)["ok"] is False
        assert line(link)["state"] == "running"


def test_requests_in_pieces_and_in_a_row(start: Start) -> None:
    guest = start("power")
    with guest.connect() as link:
        for byte in b"status\nstat":
            link.sendall(bytes([byte]))
        link.sendall(b"s\n" + b"status\n" * 20)
        answers = [line(link) for _ in range(22)]
        assert all(answer["ok"] for answer in answers) and "devices" in answers[1]


def test_half_a_request_has_its_time(start: Start) -> None:
    guest = start("power")
    with guest.connect() as link:
        link.sendall(b"stat")
        assert is_closed(link)


def test_more_clients_than_there_is_room_for(start: Start) -> None:
    """Who says nothing keeps nobody out for long."""
    guest = start("power")
    silent = [guest.connect() for _ in range(16)]
    assert guest.ask()["state"] == "running"
    for link in silent:
        link.close()
    for _ in range(200):
        guest.connect().close()
    assert guest.ask()["state"] == "running"


def test_who_does_not_read_holds_nobody_up(start: Start) -> None:
    """Answers go nowhere: the others are served, the guest works on, and the connection ends."""
    guest = start("echo 0")
    deaf = guest.connect()
    deaf.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            deaf.send(b"stats\n" * 1000)
    for _ in range(50):
        assert guest.ask()["state"] == "running"
    deaf.settimeout(PATIENCE)
    until = time.monotonic() + PATIENCE
    with pytest.raises(ConnectionError):
        while time.monotonic() < until:
            deaf.sendall(b"stats\n")
    deaf.close()
    assert guest.process.poll() is None


def test_the_end_does_not_wait_for_clients(start: Start) -> None:
    guest = start("power")
    silent, waiting, deaf = guest.connect(), guest.connect(), guest.connect()
    waiting.sendall(b"wait\n")
    assert line(waiting)["ok"]
    deaf.sendall(b"wait\n")
    guest.process.send_signal(signal.SIGTERM)
    assert line(waiting) == {"event": "ended", "exit_code": 0, "reason": ""}
    assert guest.end()[0] == 0
    for link in (silent, waiting, deaf):
        link.close()


def test_hostile_answers_do_not_fool_the_client(ctl: Ctl, run: Path) -> None:
    """A daemon is the user's own; its texts may come from a guest."""
    run.mkdir(mode=0o700)
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(run / "odd.ctl"))
    server.listen(8)
    for answer, said in (
        (b"{\n", "none of a guest's daemon"),
        (b'{"ok":true,"name":"\\u001b[2Jx","state":"up\n', ""),
        (b"", "closed the connection"),
        (b'{"ok":[[[[[[{"ok":true\n', "none of a guest's daemon"),
        (b"[" * 65000 + b"\n", "none of a guest's daemon"),
        (b"x" * 70000, "answers too much"),
        (b'{"ok":false,"error":"not today"}\n', "not today"),
    ):
        child = os.fork()
        if not child:
            with contextlib.suppress(BaseException):
                link = server.accept()[0]
                link.recv(100)
                link.sendall(answer)
                link.close()
            os._exit(0)
        done = ctl("status", "odd")
        os.waitpid(child, 0)
        assert said in done.stderr and done.returncode == bool(said), (answer[:20], done)
        assert "\x1b" not in done.stdout
    server.close()


@pytest.mark.parametrize(
    "words",
    [
        (), ("stop", "a", "b"), ("list", "a"), ("--nonsense",), ("restart",), ("list", "--jsn"),
        ("redirect", "add"), ("redirect", "a", "remove"), ("redirect", "a", "tcp:1:2"), ("redirect", "add", "eth0", "a", "b"),
        ("redirect", "a", "add", "eth0", "tcp:1:2", "b"), ("redirect", "a", "add", "eth0", "tcp:1:2", "b", "c"),
        ("redirect", "add", "tcp:1:2\nkill"), ("redirect", "add", "tcp:1:2 x"), ("redirect", "add", "ä"),
        ("redirect", "add", "tcp:1:2/" * 40),
    ],
)  # fmt: skip
def test_misuse(words: tuple[str, ...], ctl: Ctl) -> None:
    done = ctl(*words)
    assert done.returncode == 2 and "see --help" in done.stderr and not done.stdout


@pytest.mark.fuzz
def test_lines_by_the_thousand(tmp_path: Path) -> None:
    """No request harms the daemon; every answer is one line of JSON."""
    (granted,), _ = daemon_kit.fuzz(tmp_path, "fuzz-control", count=daemon_kit.inputs(50000))
    assert granted > 100
