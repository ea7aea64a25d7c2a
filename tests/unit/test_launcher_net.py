# SPDX-License-Identifier: GPL-2.0-only
"""colinux-check net on this computer: it carries every byte, and it does find a wrong one."""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from launcher_kit import compiled

from runtime.launcher.checks import values

MIB = str(1 << 20)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled("colinux-check", tmp_path_factory.mktemp("check"))


def run(program: Path, *words: str) -> tuple[int, dict[str, str]]:
    done = subprocess.run([program, "net", *words], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, dict(values(done.stdout))


def free_port() -> str:
    """One that nobody has, neither of TCP nor of UDP."""
    while True:
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
            stream.bind(("127.0.0.1", 0))
            with contextlib.suppress(OSError):
                datagrams.bind(stream.getsockname())
                return str(stream.getsockname()[1])


@contextlib.contextmanager
def serving(program: Path, *words: str) -> Iterator[None]:
    with subprocess.Popen([program, "net", *words], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout and server.stdout.readline().startswith("ready=")
            yield
        finally:
            server.kill()


@pytest.fixture(scope="module")
def port(program: Path) -> Iterator[str]:
    number = free_port()
    with serving(program, "serve", number):
        yield number


@pytest.mark.parametrize(("way", "key"), [("send", "sent"), ("take", "taken"), ("both", "echoed")])
def test_streams_arrive(program: Path, port: str, way: str, key: str) -> None:
    status, said = run(program, way, "127.0.0.1", port, "1")
    assert (status, said[f"{key}_bytes"], said[f"{key}_good"]) == (0, MIB, MIB)
    if way == "send":
        assert said["sent_hash"] == said["received_hash"]


def test_datagrams_and_single_bytes_come_back(program: Path, port: str) -> None:
    status, said = run(program, "udp", "127.0.0.1", port, "10", "9000")
    assert (status, said["datagrams"], said["longest"]) == (0, "10", "9000")
    status, said = run(program, "rtt", "127.0.0.1", port, "20")
    assert status == 0 and 0 < float(said["min_ms"]) <= float(said["median_ms"]) <= float(said["max_ms"])


@contextlib.contextmanager
def between(port: str, spoil: Callable[[bytes], bytes]) -> Iterator[str]:
    """A TCP relay to `port` that does something to what the server answers, from the second read on."""

    def carry(source: socket.socket, target: socket.socket, change: Callable[[bytes], bytes] | None) -> None:
        first = True
        with contextlib.suppress(OSError):
            while data := source.recv(8192):
                target.sendall(change(data) if change and not first else data)
                first = False
            target.shutdown(socket.SHUT_WR)

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def relay() -> None:
            with listener.accept()[0] as client, socket.create_connection(("127.0.0.1", int(port))) as server:
                there = threading.Thread(target=carry, args=(client, server, None))
                there.start()
                carry(server, client, spoil)
                there.join()

        thread = threading.Thread(target=relay)
        thread.start()
        yield str(listener.getsockname()[1])
        thread.join(60)


@pytest.mark.parametrize("spoil", [
    lambda data: bytes([data[0] ^ 1]) + data[1:], lambda data: data[1:], lambda data: data[:1] + data,
    lambda data: data[1:2] + data[:1] + data[2:],
], ids=["changed", "lost", "doubled", "swapped"])  # fmt: skip
@pytest.mark.parametrize("way", ["take", "both"])
def test_a_spoilt_stream_is_found(program: Path, port: str, way: str, spoil: Callable[[bytes], bytes]) -> None:
    with between(port, spoil) as spoilt:
        status, said = run(program, way, "127.0.0.1", spoilt, "1")
    key = {"take": "taken", "both": "echoed"}[way]
    assert status == 1 and 0 < int(said[f"{key}_good"]) < 1 << 20


def test_a_server_that_got_something_else_is_believed(program: Path) -> None:
    """What counts of a stream that was sent is what the other end says that it got."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def swallow() -> None:
            with listener.accept()[0] as client:
                while client.recv(1 << 16):
                    pass
                client.sendall(struct.pack(">II", 1 << 20, 0x1234))  # all of it, and another hash

        thread = threading.Thread(target=swallow)
        thread.start()
        status, said = run(program, "send", "127.0.0.1", str(listener.getsockname()[1]), "1")
        thread.join(60)
    assert status == 1 and said["received_hash"] == "00001234"


def test_a_spoilt_datagram_is_found(program: Path) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def answer() -> None:
            data, client = server.recvfrom(1 << 16)
            server.sendto(data[:-1] + bytes([data[-1] ^ 1]), client)

        thread = threading.Thread(target=answer)
        thread.start()
        status, said = run(program, "udp", "127.0.0.1", str(server.getsockname()[1]), "1")
        thread.join(60)
    assert (status, said["datagrams"]) == (1, "0")


def test_nobody_there_is_said(program: Path) -> None:
    assert run(program, "send", "127.0.0.1", free_port(), "1")[0] == 3
    assert run(program, "lookup", "nobody.invalid.")[0] == 3
    assert run(program)[0] == 2


def question(name: str, kind: int = 1, count: int = 1) -> bytes:
    """A DNS message that asks for a name (RFC 1035, 4.1)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">HHHHHH", 7, 0x100, count, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)


def test_the_name_server_knows_its_names_and_no_others(program: Path) -> None:
    number = free_port()
    with serving(program, "names", f"PORT={number}", "far.colinux.test=192.0.2.1"), \
            socket.socket(type=socket.SOCK_DGRAM) as client:  # fmt: skip
        client.connect(("127.0.0.1", int(number)))
        client.settimeout(60)

        def ask(message: bytes) -> tuple[int, int, bytes]:
            client.send(message)
            data = client.recv(600)
            identity, _, code, _, answers = struct.unpack_from(">HBBHH", data)
            assert identity == 7
            return code & 15, answers, data[-4:]

        # What is no question gets no answer, and what comes after it does.
        for junk in (b"", b"\0" * 11, question("x", count=2), b"\0\7\1\0\0\1\0\0\0\0\0\0\x3fshort", b"\xff" * 300):
            client.send(junk)
        assert ask(question("far.colinux.test")) == (0, 1, bytes([192, 0, 2, 1]))
        assert ask(question("FAR.colinux.TEST")) == (0, 1, bytes([192, 0, 2, 1]))
        assert ask(question("far.colinux.test", kind=28))[:2] == (0, 0)  # there is such a name, without IPv6
        assert ask(question("farther.colinux.test"))[:2] == (3, 0)
        assert ask(question("far.colinux"))[:2] == (3, 0)
