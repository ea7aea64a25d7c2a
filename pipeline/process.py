# SPDX-License-Identifier: GPL-2.0-only
"""The one door to other programs: nothing else in the repository imports subprocess.

A command runs under `guard.py`, in a session of its own: whatever ends us
(an exception, Ctrl-C, SIGTERM, even SIGKILL) ends it and all its descendants,
and a descendant that it leaves behind is ended with it. Its standard input is
empty unless given, standard error joins standard output, and its environment
is small, so that it behaves alike for everybody.
"""

from __future__ import annotations

import atexit
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO

from pipeline.command import Output, disk_full, environment, repeat_line, require, start_error, wrapped
from pipeline.errors import BuildFailed, InfrastructureError, Interrupted
from pipeline.excerpt import first_error

__all__ = ["Process", "Result", "environment", "first_error", "install_signal_handlers", "interact", "run", "spawn"]

GRACE = 5.0  # seconds between SIGTERM and SIGKILL
# No system call waits longer than this: Python runs a signal's handler between
# two steps of its own, so one that comes just before a call would wait with it.
LONGEST_WAIT = 0.5
GUARD = Path(__file__).with_name("guard.py")

Argument = str | os.PathLike[str]


@dataclass(frozen=True)
class Result:
    """A command that ended: its output (both streams, undecodable bytes replaced) and how long it took.

    `returncode` is negative for a signal, as in subprocess.
    """

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    log: Path | None
    seconds: float


class Process:
    """A running command, from `spawn`; as a context manager it is terminated at the end of the block."""

    def __init__(
        self,
        argv: tuple[str, ...],
        cwd: Path | None,
        env: Mapping[str, str],
        stdin: int | IO[bytes],
        stdout: int | IO[bytes],
        pass_fds: Sequence[int] = (),
        grace: float = GRACE,
    ) -> None:
        self.argv = argv
        self.grace = grace
        self.pid = 0
        self._returncode: int | None = None
        self._told = b""
        self._lock = threading.RLock()
        lifeline, ours = os.pipe()
        # In a list: its pop() is one step, also for a signal handler that comes between.
        self._lifeline = [ours]
        self._status, status = os.pipe()
        try:
            # -I and -S: no user setting and no package can get in, and it starts in a few milliseconds.
            command = [sys.executable, "-I", "-S", str(GUARD), str(lifeline), str(status), str(grace), *argv]
            with _birth:
                self._guard = subprocess.Popen(
                    command,
                    cwd=cwd,
                    env=dict(env),
                    stdin=stdin,
                    stdout=stdout,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=[lifeline, status, *pass_fds],
                )
                _register(self)
        except BaseException as error:
            self.stop_soon()
            os.close(self._status)
            if isinstance(error, OSError):
                raise start_error(argv[0], cwd, error) from error
            raise
        finally:
            os.close(lifeline)
            os.close(status)
        try:
            self.pid = self._learn_pid()
        except BaseException:
            self.terminate()
            raise

    @property
    def returncode(self) -> int | None:
        return self._returncode

    @property
    def status_fd(self) -> int:
        """Readable when the command has ended (and once when it starts)."""
        return self._status

    def poll(self) -> int | None:
        """The return code (negative: a signal), or None while it or a descendant of it runs."""
        return self.wait(0)

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end, at most `timeout` seconds; None when it has not come by then."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._returncode is None:
            left = LONGEST_WAIT if deadline is None else max(0.0, deadline - time.monotonic())
            with suppress(subprocess.TimeoutExpired):
                self._guard.wait(min(left, LONGEST_WAIT))
                self._finish()
            if left == 0:
                break
        return self._returncode

    def terminate(self, grace: float | None = None) -> int:
        """End it and everything below it: SIGTERM, after `grace` seconds SIGKILL. Harmless after its end."""
        self.stop_soon()
        if self.wait(self.grace if grace is None else grace) is None:
            self._guard.terminate()  # to the guard it means: hurry
            if self.wait(2 * GRACE) is None:
                self._guard.kill()
                self._guard.wait()
                self._finish()
        assert self._returncode is not None
        return self._returncode

    def send_signal(self, number: int) -> None:
        """Signal the command itself (not its descendants)."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def stop_soon(self) -> None:
        """Ask the guard to end everything; does not wait, so that a signal handler may call it."""
        with suppress(IndexError):
            os.close(self._lifeline.pop())

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.terminate()

    def _learn_pid(self) -> int:
        while b"\n" not in self._told:
            chunk = os.read(self._status, 4096)
            if not chunk:
                raise InfrastructureError(f"could not start {self.argv[0]}: the guard process ended early")
            self._told += chunk
        word, number = self._told.split(b"\n", 1)[0].split()
        if word == b"errno":
            raise start_error(self.argv[0], None, OSError(int(number), os.strerror(int(number))))
        return int(number)

    def _finish(self) -> None:
        """The guard has ended: read what it told, once."""
        with self._lock:
            if self._returncode is not None:
                return
            while chunk := os.read(self._status, 4096):
                self._told += chunk
            os.close(self._status)
            self.stop_soon()
            word, number = self._told.splitlines()[-1].split() if self._told else (b"", b"0")
            if word == b"exit":
                self._returncode = int(number)
            elif word == b"signal":
                self._returncode = -int(number)
            else:
                # Somebody killed the guard: the command died with it
                # (PR_SET_PDEATHSIG), its group may not have.
                if self.pid:
                    with suppress(OSError):
                        os.killpg(self.pid, signal.SIGKILL)
                self._returncode = -signal.SIGKILL
            _forget(self)


_running: set[Process] = set()
# Held from a command's start until it is known here: another thread's must not begin unseen while we end.
_birth = threading.Lock()
_stopping = threading.Event()


def _register(process: Process) -> None:
    _running.add(process)
    if _stopping.is_set():
        process.stop_soon()


def _forget(process: Process) -> None:
    _running.discard(process)


@atexit.register
def _end_all() -> None:
    _stopping.set()
    with _birth:
        pass
    for process in list(_running):
        process.stop_soon()
    for process in list(_running):
        process.terminate()


def _after_fork() -> None:
    """A forked copy of us (a worker of multiprocessing) owns none of the commands."""
    for process in list(_running):
        process.stop_soon()  # closes the copy's end only
    _running.clear()
    global _birth
    _birth = threading.Lock()  # a thread that is not here may hold the copy


os.register_at_fork(after_in_child=_after_fork)


def install_signal_handlers() -> None:
    """Make Ctrl-C, SIGTERM and SIGHUP end every command at once, and then us by an exception.

    In the main thread Ctrl-C raises KeyboardInterrupt, the others SystemExit(143
    or 129); worker threads that wait for a command see Interrupted. Call it
    once, in the main thread, at the program's start.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        _stopping.set()
        for process in list(_running):
            process.stop_soon()
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # nohup's wish is respected.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handle)


def run(
    argv: Sequence[Argument],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
    append: bool = False,
    stdin: bytes | None = None,
    timeout: float | None = None,
    check: bool = True,
    clean_env: bool = True,
) -> Result:
    """Run a command to its end and return what it printed.

    `log` receives the output as it comes (added at the end with `append`);
    its first line is the command that repeats it. `timeout` is in seconds.
    With `check`, a non-zero exit raises BuildFailed; a timeout always does.
    A command that is not installed raises UserError with the package that
    brings it, a full disk InfrastructureError, an interrupted pipeline Interrupted.
    """
    words = tuple(os.fspath(word) for word in argv)
    if _stopping.is_set():
        raise Interrupted(f"interrupted before {words[0]}")
    full_env = environment(env, clean=clean_env)
    require(words[0], cwd, full_env)
    repeat = repeat_line(wrapped(words), cwd, env, clean=clean_env)
    began = time.monotonic()
    output = Output(log, append, repeat)
    timed_out = False
    try:
        reader, writer = os.pipe()
        try:
            with _input(stdin) as source:
                try:
                    process = Process(wrapped(words), cwd, full_env, source, writer)
                finally:
                    os.close(writer)
            with process:
                timed_out = not _pump(process, reader, output, timeout)
            returncode = process.returncode
        finally:
            os.close(reader)
    finally:
        output.close()
    assert returncode is not None
    result = Result(words, returncode, output.text(), log, time.monotonic() - began)
    if _stopping.is_set():
        raise Interrupted(f"{words[0]} was interrupted")
    if timed_out:
        _fail(result, repeat, f"{words[0]} took longer than {timeout:g} seconds and was ended")
    if check and returncode:
        if "No space left on device" in result.stdout:
            raise disk_full(cwd or Path.cwd(), f"{words[0]} failed", log)
        if returncode < 0:
            how = signal.strsignal(-returncode) or f"signal {-returncode}"
            _fail(result, repeat, f"{words[0]} was ended by a signal: {how}")
        _fail(result, repeat, f"{words[0]} failed with exit code {returncode}")
    return result


def spawn(
    argv: Sequence[Argument],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdout: Path | None = None,
    pass_fds: Sequence[int] = (),
    clean_env: bool = True,
) -> Process:
    """Start a command that runs beside us (QEMU); its output goes to the file `stdout`, or nowhere.

    The file's first line is the command that repeats it. The command ends with us, however we end.
    """
    words = tuple(os.fspath(word) for word in argv)
    if _stopping.is_set():
        raise Interrupted(f"interrupted before {words[0]}")
    full_env = environment(env, clean=clean_env)
    require(words[0], cwd, full_env)
    if stdout is None:
        return Process(wrapped(words), cwd, full_env, subprocess.DEVNULL, subprocess.DEVNULL, pass_fds)
    output = Output(stdout, False, repeat_line(wrapped(words), cwd, env, clean=clean_env))
    try:
        assert output.file is not None
        return Process(wrapped(words), cwd, full_env, subprocess.DEVNULL, output.file, pass_fds)
    finally:
        output.close()


def interact(argv: Sequence[Argument], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> int:
    """Run a command whose output is the person's to see as it comes (pytest); return its exit code.

    It inherits our environment and writes where we write, in its own colours; its input is empty.
    """
    words = tuple(os.fspath(word) for word in argv)
    full_env = environment(env, clean=False)
    require(words[0], cwd, full_env)
    sys.stdout.flush()
    with Process(words, cwd, full_env, subprocess.DEVNULL, 1) as process:
        returncode = process.wait()
    if _stopping.is_set():
        raise Interrupted(f"{words[0]} was interrupted")
    assert returncode is not None
    return returncode


def _input(data: bytes | None) -> IO[bytes]:
    if data is None:
        return open(os.devnull, "rb")  # noqa: PTH123 - the caller closes it
    # A file in memory, not a pipe: no deadlock with a command that writes before it reads.
    file = os.fdopen(os.memfd_create("stdin"), "w+b")
    file.write(data)
    file.seek(0)
    return file


def _pump(process: Process, reader: int, output: Output, timeout: float | None) -> bool:
    """Move output until the command and its descendants have ended; False when time ran out first."""
    deadline = None if timeout is None else time.monotonic() + timeout
    os.set_blocking(reader, False)
    with selectors.DefaultSelector() as selector:
        selector.register(reader, selectors.EVENT_READ)
        selector.register(process.status_fd, selectors.EVENT_READ)
        ended = False
        while not ended:
            left = LONGEST_WAIT if deadline is None else deadline - time.monotonic()
            if left <= 0:
                process.terminate()
                _drain(reader, output)
                return False
            for key, _ in selector.select(min(left, LONGEST_WAIT)):
                if key.fd == process.status_fd:
                    ended = True
                elif not _drain(reader, output):
                    selector.unregister(reader)
    process.wait()
    # Every writer is gone, or is beyond our reach (another user's process that
    # kept the pipe): what is in the pipe now is all there will be.
    _drain(reader, output)
    return True


def _drain(reader: int, output: Output) -> bool:
    """Take what the pipe holds; False at its end. Not for ever: a command may write faster than we read."""
    for _ in range(16):
        try:
            chunk = os.read(reader, 1 << 16)
        except BlockingIOError:
            return True
        if not chunk:
            return False
        output.add(chunk)
    return True


def _fail(result: Result, repeat: str, message: str) -> None:
    raise BuildFailed(
        message,
        command=repeat,
        excerpt=first_error(result.stdout),
        returncode=result.returncode,
        log=result.log,
    )
