# SPDX-License-Identifier: GPL-2.0-only
"""Commands: what they see, what is told of them, and that none outlives us, however we end."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import command, process
from pipeline.errors import BuildFailed, InfrastructureError, Interrupted, UserError
from pipeline.process import run, spawn

ROOT = Path(__file__).resolve().parents[2]


def alive(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition: object, seconds: float = 60) -> bool:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


def numbers(file: Path, count: int) -> list[int]:
    """The process numbers that a command wrote into a file, when all are there."""
    assert wait_for(lambda: file.exists() and len(file.read_text().split()) >= count), "the command did not start"
    return [int(word) for word in file.read_text().split()]


# --- what a command gets and gives ---------------------------------------------------------


def test_output_of_both_streams_and_no_input() -> None:
    result = run(["sh", "-c", "echo out; echo err >&2; cat; printf '\\377'"])
    assert result.stdout == "out\nerr\n\N{REPLACEMENT CHARACTER}"
    assert result.returncode == 0
    assert result.argv[0] == "sh"
    assert 0 < result.seconds < 30


def test_input_and_output_bigger_than_any_pipe() -> None:
    data = os.urandom(1 << 20).hex().encode()
    assert run(["cat"], stdin=data).stdout.encode() == data


def test_the_environment_is_small_and_the_same_for_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CFLAGS", "-O0")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("MAKEFLAGS", "-k")
    seen = dict(line.split("=", 1) for line in run(["env"], env={"MINE": "1"}).stdout.splitlines())
    assert seen["MINE"] == "1" and seen["LANG"] == "C.UTF-8"
    assert not {"CFLAGS", "LC_ALL", "MAKEFLAGS"} & seen.keys()
    assert "/usr/sbin" in seen["PATH"].split(":")
    assert set(seen) <= {*command.INHERITED, "PATH", "LANG", "MINE", "PWD", "SHLVL", "_"}
    assert "CFLAGS=-O0" in run(["env"], clean_env=False).stdout


def test_the_log_s_first_line_repeats_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://user:secret@proxy:1")
    folder = tmp_path / "a folder"
    folder.mkdir()
    log = tmp_path / "logs" / "x.log"
    argv = ["sh", "-c", 'pwd; echo "$WHAT" "$CFLAGS" "$https_proxy" "$1"', "-", "it's; $HOME"]
    monkeypatch.setenv("CFLAGS", "not passed on")
    result = run(argv, cwd=folder, env={"WHAT": "two  words"}, log=log)
    first, rest = log.read_text().split("\n", 1)
    assert rest == result.stdout == f"{folder}\ntwo  words  http://user:secret@proxy:1 it's; $HOME\n"
    assert "secret" not in first
    again = subprocess.run(["sh", "-c", first], cwd="/", capture_output=True, text=True, check=True)
    assert again.stdout == rest


def test_a_log_can_be_added_to(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    run(["echo", "one"], log=log)
    run(["echo", "two"], log=log, append=True)
    assert [line for line in log.read_text().splitlines() if not line.startswith("cd ")] == ["one", "two"]
    run(["echo", "three"], log=log)
    assert "one" not in log.read_text()


def test_output_is_in_the_log_while_the_command_runs(tmp_path: Path) -> None:
    log, stop = tmp_path / "x.log", tmp_path / "stop"
    script = f"echo early; while ! [ -e {stop} ]; do sleep 0.05; done"
    thread = threading.Thread(target=run, args=(["sh", "-c", script],), kwargs={"log": log})
    thread.start()
    try:
        assert wait_for(lambda: log.exists() and log.read_text().endswith("\nearly\n"))
        assert thread.is_alive()
    finally:
        stop.touch()
        thread.join(10)


def test_a_huge_output_does_not_stay_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command.Output, "KEEP", 100_000)
    log = tmp_path / "x.log"
    result = run(["sh", "-c", "echo first; seq 200000; echo last"], log=log)
    assert len(result.stdout) < 300_000
    assert result.stdout.startswith("first\n") and result.stdout.endswith("last\n")
    assert f"see {log}" in result.stdout
    assert log.read_text().count("\n") == 200_003


# --- failures -------------------------------------------------------------------------------


def test_a_failure_shows_error_log_and_command(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    with pytest.raises(BuildFailed) as caught:
        run(["sh", "-c", "echo a.c:1:2: error: bad; echo make: Error 1; exit 7"], cwd=tmp_path, log=log)
    error = caught.value
    assert error.returncode == 7 and error.log == log
    assert "> a.c:1:2: error: bad" in str(error) and str(log) in str(error)
    assert error.command == log.read_text().splitlines()[0]
    assert run(["false"], check=False).returncode == 1


def test_a_signal_is_told_from_an_exit() -> None:
    with pytest.raises(BuildFailed, match="Killed"):
        run(["sh", "-c", "kill -KILL $$"])
    assert run(["sh", "-c", "kill -USR1 $$"], check=False).returncode == -signal.SIGUSR1


def test_a_missing_tool_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no-such-tool is not on this machine"):
        run(["no-such-tool"])
    monkeypatch.setattr(command.shutil, "which", lambda *args, **kwargs: None)
    with pytest.raises(UserError, match="apt-get install e2fsprogs"):
        run(["mke2fs"], log=tmp_path / "log")
    with pytest.raises(UserError, match="mke2fs"):
        spawn(["mke2fs"])
    assert not (tmp_path / "log").exists()


def test_what_cannot_be_executed(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    with pytest.raises(UserError, match="script is not on this machine"):
        run([script])
    (tmp_path / "plain").write_text("")
    with pytest.raises(InfrastructureError, match="Permission denied"):
        run([tmp_path / "plain"])
    with pytest.raises(InfrastructureError, match="does not exist"):
        run(["true"], cwd=tmp_path / "no")


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    full = tmp_path / "full.log"
    full.symlink_to("/dev/full")
    with pytest.raises(InfrastructureError, match=r"disk full.*MiB free on /"):
        run(["echo", "x"], log=full)
    with pytest.raises(InfrastructureError, match="disk full"):
        run(["sh", "-c", "cat /proc/version > /dev/full"], cwd=tmp_path)


# --- nothing hangs, nothing is left ----------------------------------------------------------


def test_a_timeout_ends_everything(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"echo out; setsid sh -c 'echo $$ >> {pids}; exec sleep 100' & echo $$ >> {pids}; wait"
    began = time.monotonic()
    with pytest.raises(BuildFailed, match=r"longer than 0\.5 seconds"):
        run(["sh", "-c", script], timeout=0.5)
    assert time.monotonic() - began < 30
    assert not any(alive(pid) for pid in numbers(pids, 2))


def test_a_timeout_comes_through_a_flood_of_output(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(BuildFailed, match="longer than"):
        run(["yes"], timeout=0.3, log=tmp_path / "x.log")
    assert time.monotonic() - began < 40


def test_a_grandchild_that_keeps_the_pipe_does_not_hang_us_or_survive(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    began = time.monotonic()
    script = f"setsid sh -c 'echo $$ >> {pids}; exec sleep 100' & while ! [ -s {pids} ]; do sleep 0.01; done; echo done"
    result = run(["sh", "-c", script])
    assert result.stdout == "done\n"
    assert time.monotonic() - began < 30
    assert not alive(numbers(pids, 1)[0])


def test_a_command_may_clean_up_and_the_stubborn_are_killed(tmp_path: Path) -> None:
    deaf = tmp_path / "deaf"
    stubborn = spawn(["sh", "-c", f"trap '' TERM; touch {deaf}; while :; do sleep 0.1; done"])
    assert wait_for(deaf.exists)
    assert stubborn.terminate(grace=0.3) == -signal.SIGKILL
    tidy = tmp_path / "tidy"
    ready = tmp_path / "ready"
    script = f"trap 'touch {tidy}; exit 3' TERM; touch {ready}; while :; do sleep 0.05; done"
    polite = spawn(["sh", "-c", script])
    assert wait_for(ready.exists)
    assert polite.terminate() == 3
    assert tidy.exists()


def test_spawn_runs_beside_us(tmp_path: Path) -> None:
    log = tmp_path / "log"
    reader, writer = os.pipe()
    # bash: dash has no descriptors above 9
    script = f"echo started; echo $$ >&{writer}; exec sleep 100"
    with spawn(["bash", "-c", script], stdout=log, pass_fds=[writer]) as one:
        os.close(writer)
        assert int(os.read(reader, 100)) == one.pid
        assert one.poll() is None and one.wait(0.05) is None and one.returncode is None
        assert alive(one.pid)
        one.send_signal(signal.SIGINT)
        assert one.wait(60) == -signal.SIGINT
        # Nobody else (the guard) holds the pipe open.
        assert os.read(reader, 100) == b""
    os.close(reader)
    assert log.read_text().endswith("\nstarted\n") and log.read_text().startswith("cd ")
    assert one.terminate() == one.poll() == -signal.SIGINT


def test_a_killed_guard_takes_the_command_with_it() -> None:
    one = spawn(["sleep", "100"])
    guard = int(Path(f"/proc/{one.pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    os.kill(guard, signal.SIGKILL)
    assert one.wait(60) == -signal.SIGKILL
    assert wait_for(lambda: not alive(one.pid))


def children() -> set[str]:
    """This process's children by number, zombies too."""
    return set(" ".join(task.read_text() for task in Path("/proc/self/task").glob("*/children")).split())


def test_many_commands_leave_no_descriptor_and_no_child() -> None:
    run(["true"])
    before = len(list(Path("/proc/self/fd").iterdir()))
    born = children()
    for _ in range(5):
        run(["true"])
        with pytest.raises(BuildFailed):
            run(["false"])
        spawn(["sleep", "9"]).terminate()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert children() == born


def test_threads_run_commands_at_once(tmp_path: Path) -> None:
    results: list[str] = []
    # Each waits for the others: one after the other, the first would wait for ever.
    script = "touch {n}; while [ $(ls | wc -l) -lt 4 ]; do sleep 0.05; done; echo {n}"
    threads = [
        threading.Thread(target=lambda n=n: results.append(
            run(["sh", "-c", script.format(n=n)], cwd=tmp_path, timeout=60).stdout))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [f"{n}\n" for n in range(4)]


def test_a_thread_that_ends_leaves_its_process_running() -> None:
    """PR_SET_PDEATHSIG follows the thread that forked; our promise follows the process."""
    started: list[process.Process] = []
    thread = threading.Thread(target=lambda: started.append(spawn(["sleep", "100"])))
    thread.start()
    thread.join()
    time.sleep(0.3)
    assert started[0].poll() is None
    started[0].terminate()


# --- signals to ourselves -----------------------------------------------------------------------

PIPELINE = """
import sys, threading, time
from pathlib import Path
from pipeline.process import install_signal_handlers, run, spawn
pids = sys.argv[1]
if "handlers" in sys.argv:
    install_signal_handlers()
child = f"sh -c 'echo $$ >> {pids}; exec sleep 100' &"
script = f"setsid {child} {child} echo $$ >> {pids}; wait"
try:
    if "spawn" in sys.argv:
        spawn(["sh", "-c", script])
        if "exit" in sys.argv:
            while len(Path(pids).read_text().split() if Path(pids).exists() else []) < 3: time.sleep(0.02)
            sys.exit(5)
        time.sleep(100)
    elif "thread" in sys.argv:
        def work():
            try: run(["sh", "-c", script])
            except BaseException as error: print("thread:", type(error).__name__, flush=True)
        thread = threading.Thread(target=work); thread.start()
        # Not join(timeout): an exception in there makes CPython 3.11 take the thread for ended (bpo-45274).
        while thread.is_alive(): time.sleep(0.02)
        time.sleep(100)
    else:
        run(["sh", "-c", script], log=Path(pids + ".log"))
except BaseException as error:
    print("main:", type(error).__name__, getattr(error, "code", ""), flush=True)
    raise
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[object]:
    """Starts a Python process that runs commands; returns it and the commands' process numbers."""
    children: list[subprocess.Popen[str]] = []
    everybody: list[int] = []

    def start(*how: str, stdin: int = subprocess.DEVNULL) -> tuple[subprocess.Popen[str], list[int]]:
        pids = tmp_path / "pids"
        child = subprocess.Popen(
            [sys.executable, "-c", PIPELINE, str(pids), *how],
            cwd=ROOT,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        children.append(child)
        everybody.extend(numbers(pids, 3))
        assert all(alive(pid) for pid in everybody) or "exit" in how
        return child, list(everybody)

    yield start
    for child in children:
        child.kill()
        child.communicate()
    for pid in everybody:
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("how", "number", "code", "said"),
    [
        (["handlers"], signal.SIGTERM, 143, "main: SystemExit 143"),
        (["handlers"], signal.SIGHUP, 129, "main: SystemExit 129"),
        (["handlers"], signal.SIGINT, -signal.SIGINT, "main: KeyboardInterrupt"),
        ([], signal.SIGINT, -signal.SIGINT, "main: KeyboardInterrupt"),
        (["handlers", "spawn"], signal.SIGTERM, 143, "main: SystemExit 143"),
        (["handlers", "thread"], signal.SIGTERM, 143, "thread: Interrupted"),
        (["handlers", "thread"], signal.SIGINT, -signal.SIGINT, "thread: Interrupted"),
        ([], signal.SIGKILL, -signal.SIGKILL, ""),
        ([], signal.SIGTERM, -signal.SIGTERM, ""),
        (["spawn"], signal.SIGKILL, -signal.SIGKILL, ""),
        (["thread"], signal.SIGKILL, -signal.SIGKILL, ""),
    ],
    ids=lambda value: "-".join(value) or "plain" if isinstance(value, list) else None,
)
def test_a_signal_leaves_no_orphan(pipeline, how: list[str], number: int, code: int, said: str) -> None:
    child, pids = pipeline(*how)
    child.send_signal(number)
    output, _ = child.communicate(timeout=60)
    assert child.returncode == code
    assert said in output
    assert wait_for(lambda: not any(alive(pid) for pid in pids)), f"left behind: {pids}"


def test_an_exit_with_commands_running_leaves_no_orphan(pipeline) -> None:
    child, pids = pipeline("spawn", "exit")
    child.communicate(timeout=60)
    assert child.returncode == 5
    assert not any(alive(pid) for pid in pids)


def test_ctrl_c_at_a_terminal_is_ours_to_handle(tmp_path: Path) -> None:
    """The terminal's SIGINT reaches us and not the command, which gets an orderly SIGTERM."""
    marks = tmp_path / "marks"
    code = textwrap.dedent(f"""
        from pipeline.process import install_signal_handlers, run
        install_signal_handlers()
        run(["sh", "-c", "trap 'echo INT >> {marks}' INT; trap 'echo TERM >> {marks}; exit' TERM; echo up >> {marks}; "
             "while :; do sleep 0.05; done"])
    """)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execv(sys.executable, [sys.executable, "-c", code])
    try:
        assert wait_for(lambda: marks.exists())
        os.write(terminal, b"\x03")
        output = b""
        while select.select([terminal], [], [], 10)[0]:
            try:
                output += os.read(terminal, 4096)
            except OSError:
                break
        assert wait_for(lambda: not alive(pid)), "still running after Ctrl-C"
    finally:
        os.close(terminal)
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    assert marks.read_text().split() == ["up", "TERM"]
    assert os.waitstatus_to_exitcode(status) == -signal.SIGINT
    assert b"KeyboardInterrupt" in output


def test_nothing_starts_after_a_signal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stopping = threading.Event()
    stopping.set()
    monkeypatch.setattr(process, "_stopping", stopping)
    for start in (run, spawn):
        with pytest.raises(Interrupted):
            start(["touch", tmp_path / "x"])
    assert not (tmp_path / "x").exists()


def test_a_forked_copy_of_us_does_not_end_our_commands() -> None:
    one = spawn(["sleep", "100"])
    pid = os.fork()
    if pid == 0:
        process._end_all()
        os._exit(0)
    os.waitpid(pid, 0)
    time.sleep(0.3)
    assert one.poll() is None
    one.terminate()


def test_the_guard_is_alone() -> None:
    """It runs with -I -S, before and after everything of ours: it may not import any of it."""
    text = process.GUARD.read_text()
    assert not re.search(r"^\s*(from|import) (pipeline|toolchain|runtime)", text, re.MULTILINE)
