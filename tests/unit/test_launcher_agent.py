# SPDX-License-Identifier: GPL-2.0-only
"""The agent's protocol: the launcher's side against made-up bytes, and both sides together on a terminal."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from launcher_kit import PtyAgent, compiled

from runtime.launcher.agent import SCRIPT_MAX, Agent, AgentLost
from runtime.launcher.pump import Pump

# --- the launcher's side ----------------------------------------------------------------------


class Wire:
    """An agent of the launcher's, and the socket behind which the machine would be."""

    def __init__(self) -> None:
        self.pump = Pump()
        self.machine, ours = socket.socketpair()
        self.agent = Agent(self.pump, ours, "a machine")

    def say(self, data: bytes) -> None:
        self.machine.sendall(data)
        self.pump.settle(0.01)

    def asked(self) -> bytes:
        self.pump.settle(0.01)
        return self.machine.recv(1 << 20)

    def close(self) -> None:
        self.agent.close()
        self.machine.close()
        self.pump.close()


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire()
    yield made
    made.close()


def test_a_script_travels_whole_and_its_result_comes_back(wire: Wire) -> None:
    wire.say(b"hello 1 hvc1\n")
    assert wire.agent.wait_hello(1)
    run = wire.agent.start("echo täst\n", 2.5)
    assert wire.asked() == b"run 1 2500 11\necho t\xc3\xa4st\n"
    wire.say(b"out 1 6\nt\xc3\xa4st\nexit 1 0\n")
    assert (wire.agent.wait(run), run.text) == (0, "täst\n")


def test_output_that_looks_like_the_protocol_is_output(wire: Wire) -> None:
    run = wire.agent.start("x", 1)
    body = b"exit 1 0\nout 1 99\nhello 1 x\n"
    wire.say(b"out 1 %d\n%sexit 1 3\n" % (len(body), body))
    assert wire.agent.wait(run) == 3
    assert bytes(run.output) == body


outputs = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(min_size=1, max_size=50)), max_size=8)


@given(outputs, st.lists(st.integers(0, 400), max_size=8))
@settings(deadline=None, max_examples=40)
def test_bytes_may_come_in_any_pieces(outputs: list[tuple[int, bytes]], cuts: list[int]) -> None:
    stream = b"".join(b"out %d %d\n%s" % (n, len(body), body) for n, body in outputs) + b"exit 2 7\nexit 1 0\n"
    cuts = sorted(min(cut, len(stream)) for cut in cuts)
    wire = Wire()
    try:
        runs = {1: wire.agent.start("a", 1), 2: wire.agent.start("b", 1)}
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            wire.machine.sendall(stream[start:end])
            wire.pump.turn(0.005)
        for number, run in runs.items():
            assert bytes(run.output) == b"".join(body for n, body in outputs if n == number)
        assert (runs[1].status, runs[2].status) == (0, 7)
    finally:
        wire.close()


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=60)
def test_noise_before_a_line_does_no_harm(noise: bytes) -> None:
    wire = Wire()
    try:
        run = wire.agent.start("x", 1)
        if b"out " in noise or b"hello" in noise or b"exit" in noise:
            return
        wire.say(noise + b"\nexit 1 5\n")
        assert wire.agent.wait(run) == 5
    finally:
        wire.close()


def test_an_agent_that_starts_anew_has_lost_its_runs(wire: Wire) -> None:
    run = wire.agent.start("x", 60)
    wire.say(b"out 1 3\nabchello 1 hvc1\n")
    with pytest.raises(AgentLost):
        wire.agent.wait(run)
    assert run.text == "abc"


def test_an_agent_that_says_nothing_is_given_up(wire: Wire) -> None:
    run = wire.agent.start("x", 0.1)
    began = time.monotonic()
    with pytest.raises(AgentLost, match="no answer"):
        wire.agent.wait(run, extra=0.2)
    assert 0.25 < time.monotonic() - began < 60


def test_a_line_that_breaks_ends_the_waiting_at_once(wire: Wire) -> None:
    run = wire.agent.start("x", 60)
    wire.machine.close()
    began = time.monotonic()
    with pytest.raises(AgentLost):
        wire.agent.wait(run)
    assert time.monotonic() - began < 50


def test_another_protocol_is_no_hello(wire: Wire) -> None:
    wire.say(b"hello 2 hvc1\n")
    assert wire.agent.hello is None
    assert wire.agent.wrong_protocol == "2"


def test_a_script_that_cannot_travel_is_refused(wire: Wire) -> None:
    for script in ("x" * (SCRIPT_MAX + 1), "a\0b"):
        with pytest.raises(ValueError, match="script"):
            wire.agent.start(script, 1)


# --- both sides ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled("colinux-agent", tmp_path_factory.mktemp("agent"))


class Both:
    """The real agent on a terminal, and the launcher's side of it."""

    def __init__(self, program: Path) -> None:
        self.pump = Pump()
        self.pty = PtyAgent(program)
        self.agent = Agent(self.pump, self.pty.sock, "pty")
        if not self.agent.wait_hello(10):
            self.close()  # a child left here would fail another test
            pytest.fail("the agent said no hello")

    def run(self, script: str, limit: float = 20) -> tuple[int, str]:
        return self.agent.run(script, limit)

    def raw(self, data: bytes) -> None:
        self.agent._channel.send(data)

    def close(self) -> None:
        self.agent.close()
        self.pty.close()
        self.pump.close()


@pytest.fixture
def both(program: Path) -> Iterator[Both]:
    made = Both(program)
    yield made
    assert made.pty.process.poll() is None, f"the agent ended with {made.pty.process.returncode}"
    made.close()


def test_the_agent_tells_its_name(both: Both) -> None:
    assert both.agent.hello == both.pty.device.rsplit("/", 1)[1]


def test_status_output_and_errors(both: Both) -> None:
    assert both.run("echo out; echo err >&2; exit 7") == (7, "out\nerr\n")
    assert both.run("kill -SEGV $$")[0] == 128 + 11
    assert both.run("no-such-command")[0] == 127
    assert both.run("cat")[0] == 0, "standard input is empty, not the line"
    assert both.run("") == (0, "")


def test_bytes_arrive_as_they_are(both: Both) -> None:
    """A terminal that is not raw would turn newlines, drop ^S, take ^C and ^D."""
    everything = "".join(f"\\{n:03o}" for n in range(256))
    run = both.agent.start(f"printf '{everything}'", 10)
    assert both.agent.wait(run) == 0
    assert bytes(run.output) == bytes(range(256))


def test_much_output_arrives_whole(both: Both) -> None:
    run = both.agent.start("i=0; while [ $i -lt 3 ]; do head -c 300000 /dev/zero | tr '\\0' x; i=$((i+1)); done", 60)
    assert both.agent.wait(run) == 0
    assert bytes(run.output) == b"x" * 900000


def test_a_long_script(both: Both) -> None:
    filler = "# " + "x" * (SCRIPT_MAX - 20) + "\n"
    assert both.run(filler + "echo end") == (0, "end\n")


def test_several_at_once(both: Both, tmp_path: Path) -> None:
    # Each waits for the others: one after the other, the first would wait for its time limit.
    meet = f"cd {tmp_path}; touch $n; while [ $(ls | wc -l) -lt 8 ]; do sleep 0.1; done"
    runs = [both.agent.start(f"n={n}; {meet}; echo {n}; exit {n}", 60) for n in range(8)]
    assert [both.agent.wait(run) for run in runs] == list(range(8))
    assert [run.text for run in runs] == [f"{n}\n" for n in range(8)]


def test_output_comes_while_the_script_goes_on(both: Both) -> None:
    run = both.agent.start("echo first; sleep 30", 60)
    assert both.pump.until(lambda: run.text == "first\n", 60)
    assert not run.ended
    both.agent.kill(run)
    assert both.agent.wait(run) == 128 + signal.SIGTERM


def dead(pid: int) -> bool:
    """Gone, or a zombie that waits for somebody else's parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_time_limit_kills_everything_the_script_started(both: Both, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    status, text = both.run(f"echo begun; sleep 100 & echo $! > {pid}; trap '' TERM; sleep 100", 1)
    assert (status, text) == (124, "begun\n")
    assert both.pump.until(lambda: dead(int(pid.read_text())), 60)


def test_kill_ends_a_script_that_ignores_sigterm(both: Both) -> None:
    run = both.agent.start("trap '' TERM; echo ready; while :; do sleep 0.1; done", 60)
    assert both.pump.until(lambda: run.text == "ready\n", 60)
    both.agent.kill(run)
    assert both.agent.wait(run) == 128 + signal.SIGKILL


def test_a_script_may_leave_something_behind(both: Both, tmp_path: Path) -> None:
    """The run ends with its shell; what runs on in the background does not hold it."""
    go, late = tmp_path / "go", tmp_path / "late"
    wait = f"while ! [ -e {go} ]; do sleep 0.1; done; touch {late}"
    assert both.run(f"({wait}) > /dev/null 2>&1 & echo gone") == (0, "gone\n")
    assert both.run(f"({wait}) & echo gone") == (0, "gone\n")
    assert not late.exists()
    go.touch()
    assert both.pump.until(late.exists, 60)


def test_ping(both: Both) -> None:
    both.agent.hello = None
    both.raw(b"ping\n")
    assert both.agent.wait_hello(5)


@pytest.mark.parametrize(
    "noise",
    [
        b"\n\n\n",
        b"run\nrun 1\nrun a b c\nrun 1 2\nrun -1 2 3\nkill\nkill x\nrun 1 1 1 1\n",
        b"run 1 1000 99999999999\n",
        b"run 99999999999999999999 0 0\n",
        b"x" * 5000 + b"\n",
        bytes(range(256)) + b"\n",
        b"kill 77\n",
    ],
)
def test_noise_leaves_the_agent_well(both: Both, noise: bytes) -> None:
    both.raw(noise)
    assert both.run("echo well") == (0, "well\n")


@given(noise=st.lists(st.one_of(st.binary(max_size=40), st.sampled_from(
    [b"run ", b"kill ", b"ping\n", b" 7", b" 0", b"\n", b"run 900 0 3\nabc", b"run 901 50 9\nsleep 100"])), max_size=12))
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_noise_leaves_the_agent_well(both: Both, noise: list[bytes]) -> None:
    both.raw(b"".join(noise) + b"\n" * 200)
    both.pump.settle(0.3)  # an answer to a ping in the noise would look like an agent that starts anew
    run = both.agent.start("echo well", 20)
    assert both.agent.wait(run) == 0
    assert run.text == "well\n"


def test_a_script_that_is_too_long_is_refused_and_skipped(both: Both) -> None:
    both.raw(b"run 500 0 %d\n" % (SCRIPT_MAX + 10) + b"x" * (SCRIPT_MAX + 10))
    assert both.run("echo next") == (0, "next\n")


def test_an_id_in_use_is_refused(both: Both) -> None:
    run = both.agent.start("sleep 1; echo done", 20)
    both.raw(b"run %d 0 5\necho " % run.number)
    assert both.agent.wait(run) == 125
    assert "already running" in run.text


def test_more_runs_than_there_is_room_for(both: Both) -> None:
    runs = [both.agent.start("sleep 1", 20) for _ in range(40)]
    statuses = [both.agent.wait(run) for run in runs]
    assert statuses.count(0) == 32 and statuses.count(125) == 8


def test_the_agent_sleeps_when_there_is_nothing_to_do(both: Both) -> None:
    def ticks() -> int:
        fields = Path(f"/proc/{both.pty.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    run = both.agent.start("sleep 3", 20)
    before = ticks()
    both.pump.rest(2)
    assert ticks() - before <= 2
    both.agent.kill(run)


