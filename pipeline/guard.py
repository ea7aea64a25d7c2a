# SPDX-License-Identifier: GPL-2.0-only
"""Runs one command and outlives it just long enough to leave no descendant behind.

    python -I -S guard.py LIFELINE STATUS GRACE COMMAND [ARGUMENT...]

Started by pipeline.process for every command, as a program of its own (it
imports nothing of ours). Why it exists: a process group does not reach a
grandchild that made a session of its own, PR_SET_PDEATHSIG does not reach any
grandchild, and neither does anything when the pipeline itself is killed with
SIGKILL. The guard is the subreaper of everything below it, so that all of it
can be found, and it holds the reading end of LIFELINE, whose other end only
the pipeline has: end of file there means "stop", or that the pipeline is dead.

On STATUS it writes lines: `pid N` when the command runs, or `errno N` when it
could not be started, and `exit N` or `signal N` at the end, when everything
below is gone. LIFELINE and STATUS are file descriptor numbers, GRACE seconds
between SIGTERM and SIGKILL.
"""

import ctypes
import os
import select
import signal
import sys
import time

PR_SET_PDEATHSIG = 1  # prctl(2)
PR_SET_CHILD_SUBREAPER = 36
KILL_PATIENCE = 5.0  # seconds for SIGKILL to take effect (a process in the D state may never go)

_libc = ctypes.CDLL(None, use_errno=True)


def _children_of() -> dict[int, list[int]]:
    """The process tree: parent's pid -> children's, from proc_pid_stat(5)."""
    tree: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib would double the guard's start-up time
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as stat:  # noqa: PTH123
                content = stat.read()
        except OSError:
            continue  # it ended meanwhile
        # The second field is the command's name and may hold spaces and ")".
        parent = int(content[content.rindex(b")") + 2 :].split()[1])
        tree.setdefault(parent, []).append(int(name))
    return tree


def _signal_descendants(number: int) -> None:
    tree = _children_of()
    pending = list(tree.get(os.getpid(), ()))
    while pending:
        pid = pending.pop()
        pending += tree.get(pid, ())
        try:  # noqa: SIM105 - contextlib is not worth its milliseconds here
            os.kill(pid, number)
        except OSError:
            pass  # gone, or another user's (sudo): nothing we may do


class Guard:
    def __init__(self, lifeline: int, status: int, grace: float) -> None:
        self.lifeline = lifeline
        self.status = status
        self.grace = grace
        self.parent = os.getppid()
        self.command = 0
        self.outcome = ""
        self.stop = False  # end the command
        self.hurry = False  # do not wait for what SIGTERM does
        self.wakeup, writer = os.pipe()
        os.set_blocking(self.wakeup, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, self._on_stop)

    def _on_stop(self, *_: object) -> None:
        self.hurry = self.stop
        self.stop = True

    def tell(self, line: str) -> None:
        try:  # noqa: SIM105
            os.write(self.status, line.encode() + b"\n")
        except OSError:
            pass  # nobody listens any more

    def start(self, argv: list[str]) -> bool:
        """Fork and exec; False, and `errno N` told, when exec failed."""
        reader, writer = os.pipe()  # close-on-exec: end of file means that exec worked
        guard = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                os.setpgid(0, 0)
                _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
                if os.getppid() != guard:
                    os._exit(1)  # the guard died before the line above
                signal.set_wakeup_fd(-1)
                # What Python ignores, and what the guard catches, is the default for the command.
                for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                    signal.signal(number, signal.SIG_DFL)
                os.close(self.lifeline)
                os.close(self.status)
                os.execvp(argv[0], argv)
            except OSError as error:
                os.write(writer, str(error.errno).encode())
            os._exit(127)
        os.close(writer)
        problem = os.read(reader, 32)
        os.close(reader)
        if problem:
            os.waitpid(pid, 0)
            self.tell("errno " + problem.decode())
            return False
        self.command = pid
        self.tell(f"pid {pid}")
        # Output, input and handed-down descriptors belong to the command: were
        # the guard to hold them open as well, a reader would never see their end.
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        for descriptor in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208
            try:
                if descriptor > 2 and os.get_inheritable(descriptor):
                    os.close(descriptor)
            except OSError:
                pass  # the descriptor that listed the folder
        return True

    def reap(self) -> bool:
        """Collect whoever ended; False when no child is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self.command:
                code = os.waitstatus_to_exitcode(status)
                self.outcome = f"exit {code}" if code >= 0 else f"signal {-code}"

    def wait_event(self, seconds: float, *, lifeline: bool) -> bool:
        """Sleep until a signal or the given time; True when the lifeline was cut."""
        watched = [self.wakeup] + ([self.lifeline] if lifeline else [])
        ready = select.select(watched, [], [], seconds)[0]
        if self.wakeup in ready:
            try:  # noqa: SIM105
                os.read(self.wakeup, 512)
            except BlockingIOError:
                pass
        return self.lifeline in ready and not os.read(self.lifeline, 64)

    def sweep(self, number: int, patience: float) -> bool:
        """Signal every descendant; True when all are gone within `patience` seconds."""
        deadline = time.monotonic() + patience
        while self.reap():
            _signal_descendants(number)
            # Short naps at first: most processes go at once.
            self.wait_event(0.05, lifeline=False)
            if number == signal.SIGTERM:
                # One SIGTERM each: a second one would make some programs skip their cleaning up.
                while self.reap() and time.monotonic() < deadline and not self.hurry:
                    self.wait_event(0.1, lifeline=False)
                break
            if time.monotonic() >= deadline:
                break
        return not self.reap()

    def run(self) -> None:
        while not self.outcome and not self.stop:
            # A forked copy of the pipeline may hold the lifeline too; a changed
            # parent says as surely that the one who asked is dead.
            cut = self.wait_event(1.0, lifeline=True) or os.getppid() != self.parent
            self.stop = self.stop or cut
            self.reap()
        if not self.sweep(signal.SIGTERM, self.grace):
            self.sweep(signal.SIGKILL, KILL_PATIENCE)
        self.tell(self.outcome or "signal 9")


def main() -> None:
    guard = Guard(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    os.set_inheritable(guard.lifeline, False)
    os.set_inheritable(guard.status, False)
    if guard.start(sys.argv[4:]):
        guard.run()


if __name__ == "__main__":
    main()
