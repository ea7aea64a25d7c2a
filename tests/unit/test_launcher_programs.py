# SPDX-License-Identifier: GPL-2.0-only
"""colinux-check on this computer: it measures what it says, and it does find a lost register."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import re
import select
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from launcher_kit import compiled
from test_launcher_net import free_port, serving

from runtime.launcher import clock
from runtime.launcher.checks import STATE_OK, values
from tests.bench import ratios

PTRACE_GETREGS, PTRACE_SETREGS = 12, 13
# user_regs_struct of x86_64 (sys/user.h)
REGISTERS = [*("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi"),
             *("orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs")]
PTRACE_ATTACH, PTRACE_DETACH, PTRACE_GETFPREGS, PTRACE_SETFPREGS = 16, 17, 14, 15
ST0, XMM3 = 32, 160 + 3 * 16  # offsets in user_fpregs_struct (sys/user.h)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled("colinux-check", tmp_path_factory.mktemp("check"))


def run(program: Path, *words: str) -> tuple[int, dict[str, str]]:
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, dict(values(done.stdout))


def test_registers_are_kept_here(program: Path) -> None:
    status, said = run(program, "fpu", "1", "3", "1")
    assert (status, said["faults"], said["holders"]) == (0, "0", "3")
    assert int(said["rounds"]) >= 3 and int(said["forks"]) > 0
    has_avx = " avx " in Path("/proc/cpuinfo").read_text()
    assert said["level"] == ("avx" if has_avx else "sse")


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def only_child(parent: subprocess.Popen[str]) -> int:
    """Wait for its one child."""
    while not children(parent.pid):
        assert parent.poll() is None, "it has ended without a child"
        time.sleep(0.02)
    [child] = children(parent.pid)
    return child


@pytest.mark.parametrize("offset", [ST0, XMM3], ids=["st0", "xmm3"])
def test_a_changed_register_is_found(program: Path, offset: int) -> None:
    """A debugger changes one byte of one register behind the program's back, as a bad world switch would."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    with subprocess.Popen([program, "fpu", "20", "1", "0"], stdout=subprocess.PIPE, text=True) as checker:
        holder = only_child(checker)
        end, attached = time.monotonic() + 15, False
        # It may be hit between two rounds, when no register matters: again, then.
        while time.monotonic() < end and checker.poll() is None:
            if libc.ptrace(PTRACE_ATTACH, holder, None, None):
                if not attached:
                    checker.kill()
                    pytest.skip("this computer does not let us trace")
                break  # it has ended: it has found something
            attached = True
            if not os.WIFSTOPPED(os.waitpid(holder, 0)[1]):  # a tracer may wait for what it traces
                break
            registers = ctypes.create_string_buffer(512)
            if libc.ptrace(PTRACE_GETFPREGS, holder, None, registers) == 0:
                registers[offset] = bytes([registers[offset][0] ^ 1])
                libc.ptrace(PTRACE_SETFPREGS, holder, None, registers)
            libc.ptrace(PTRACE_DETACH, holder, None, None)
            time.sleep(0.02)
        said, _ = checker.communicate()
    assert checker.returncode == 1
    assert "mismatch: " in said
    assert values(said)["faults"] == "1"


KINDS = ("tls", "ldt", "segments", "watch", "int80", "bases", "syscall", "compat32", "fast32")  # in the order of trial

x86_64 = pytest.mark.skipif(platform.machine() != "x86_64", reason="a computer of x86_64")


def may_trace() -> bool:
    """May a process have its child traced? Containers may forbid it."""
    with subprocess.Popen(["sleep", "60"]) as child:
        allowed = ptrace(PTRACE_ATTACH, child.pid) == 0
        child.kill()
    return allowed


def ptrace(request: int, pid: int, data: object = None) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    return int(libc.ptrace(request, pid, None, data))


def child_named(parent: subprocess.Popen[str], name: str) -> int:
    """Wait for the child that has given itself this name. The kernel's list is no order of births: it may leave
    out a child that lives while another one dies (proc_pid_children(5))."""
    while parent.poll() is None:
        for pid in children(parent.pid):
            with contextlib.suppress(OSError):  # it has ended since
                if Path(f"/proc/{pid}/comm").read_text().rstrip("\n") == name:
                    return pid
        time.sleep(0.02)
    raise AssertionError(f"there was no process {name}")


@x86_64
def test_state_is_kept_here(program: Path, tmp_path: Path) -> None:
    if not may_trace():
        pytest.skip("this computer does not let us trace")
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(16 << 20))
    status, said = run(program, "state", "2", str(disk))
    assert (status, said["faults"]) == (0, "0")
    # Not every kernel has modify_ldt or runs 32-bit programs; the rest is everybody's.
    assert {kind for kind in KINDS if said[kind].startswith("ok ")} >= {"segments", "watch", "bases", "syscall"}
    assert all(said[kind] == "absent" or STATE_OK.fullmatch(said[kind]) for kind in KINDS)
    assert int(said["disturbances"]) > 0 and int(said["interrupts"]) > 0


def disturbed(program: Path, kind: str, register: str, bits: int) -> tuple[int, str]:
    """Exit code and output of a checker, the first of whose holders of this kind has had a register changed."""
    with subprocess.Popen([program, "state", "20"], stdout=subprocess.PIPE, text=True) as checker:
        holder = child_named(checker, f"{kind} 0")
        end, changed = time.monotonic() + 15, False
        # It may be hit between two rounds, when no register matters: again, then.
        while time.monotonic() < end and ptrace(PTRACE_ATTACH, holder) == 0:
            if not os.WIFSTOPPED(os.waitpid(holder, 0)[1]):
                break
            registers = (ctypes.c_ulong * len(REGISTERS))()
            ptrace(PTRACE_GETREGS, holder, registers)
            registers[REGISTERS.index(register)] ^= bits
            changed = ptrace(PTRACE_SETREGS, holder, registers) == 0
            ptrace(PTRACE_DETACH, holder)
            time.sleep(0.02)
        if not changed:
            checker.kill()
            pytest.skip("this computer does not let us trace")
        for one in children(checker.pid):  # the others have 20 s, and nothing to do with it
            os.kill(one, signal.SIGKILL)
        said, _ = checker.communicate()
    return checker.returncode, said


@x86_64
@pytest.mark.parametrize(("kind", "register", "bits"), [
    ("bases", "gs_base", 4096), ("segments", "es", 0x2b), ("segments", "gs", 0x2b), ("syscall", "r12", 1),
])  # fmt: skip
def test_changed_state_is_found(program: Path, kind: str, register: str, bits: int) -> None:
    """A debugger changes one register of one holder behind its back, as a bad world switch would.

    Between two rounds a general register may be a variable of the program's own: then it finds a fault as well, but
    cannot say it rightly (its own number was in that register), and is tried again.
    """
    for _ in range(20):
        code, said = disturbed(program, kind, register, bits)
        assert code == 1
        assert values(said)[kind].startswith("lost ")
        if f"fault: {kind} 0: " in said and f"fault: {kind} 0: died" not in said:
            return
    raise AssertionError(said)


# What a debug register of the guest's would be like if the switch lost it, or the host's if it stayed: the program
# asks for its two watchpoints, gets others, and is told that it has what it asked for.
LOSES_WATCHPOINTS = """
#include <dlfcn.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#define DR7 (offsetof(struct user, u_debugreg) + 7 * sizeof(long))
long ptrace(enum __ptrace_request request, ...)
{
	static unsigned long asked;
	long (*real)(enum __ptrace_request, long, void *, void *) = dlsym(RTLD_NEXT, "ptrace");
	va_list args;
	va_start(args, request);
	long pid = va_arg(args, int);
	void *address = va_arg(args, void *), *data = va_arg(args, void *);
	va_end(args);
	if (address == (void *)DR7 && request == PTRACE_POKEUSER) {
		asked = (unsigned long)data;
		data = (void *)(asked CHANGE);
	}
	if (address == (void *)DR7 && request == PTRACE_PEEKUSER)
		return (long)asked;
	return real(request, pid, address, data);
}
"""


@x86_64
@pytest.mark.parametrize(("change", "found"), [
    ("& ~0xfful", "0 of 24 stores"),  # none strikes
    ("| 0x33330000ul", "49 of 24 stores"),  # its own reading strikes, too
    ("& ~0x55ul | (asked & 0x55ul & -(asked & 0x55ul))", "of 24 stores"),  # one of the two is lost
], ids=["none", "too-many", "one"])  # fmt: skip
def test_a_lost_watchpoint_is_found(program: Path, tmp_path: Path, change: str, found: str) -> None:
    if not may_trace():
        pytest.skip("this computer does not let us trace")
    (tmp_path / "loses.c").write_text(LOSES_WATCHPOINTS.replace("CHANGE", change))
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-shared", "-fPIC", "loses.c", "-o", "loses.so", "-ldl"], cwd=tmp_path,
                   check=True)
    done = subprocess.run([program, "state", "1"], capture_output=True, text=True, check=False, timeout=60,
                          env={**os.environ, "LD_PRELOAD": str(tmp_path / "loses.so")})
    assert done.returncode == 1
    assert re.search(f"fault: watch 0: .*({found})", done.stdout)
    assert values(done.stdout)["watch"].startswith("lost ")


def test_sleeps_and_clocks(program: Path) -> None:
    status, said = run(program, "timers", "3")
    assert status == 0
    assert 10 <= float(said["sleep10_min_ms"]) <= float(said["sleep10_median_ms"]) <= float(said["sleep10_max_ms"])
    assert 1 <= float(said["sleep1_min_ms"]) < 100
    status, said = run(program, "clock", "200")
    assert status == 0
    assert 0.2 <= float(said["monotonic_s"]) < 5
    assert abs(float(said["epoch"]) - time.time()) < 5


def test_two_stamps_tell_how_fast_the_clock_goes(program: Path) -> None:
    """Those of one clock do not drift apart, whatever happened between them; and they come one after the other."""
    made = []
    for _ in range(4):
        began = time.time()
        status, said = run(program, "stamp")
        assert status == 0 and began <= float(said["epoch"]) <= time.time()
        made.append(clock.Stamp(int(said["tsc"]), float(said["epoch"]), int(said["width"])))
        time.sleep(0.2)
    assert [one.tsc for one in made] == sorted(one.tsc for one in made)
    seen = clock.drift((made[1], made[2]), (made[0], made[3]))
    assert abs(seen.seconds) < 0.01 and seen.uncertain < 0.01


def test_a_drift_is_what_one_clock_went_more_than_the_other() -> None:
    host = clock.Stamp(0, 1000.0, 100), clock.Stamp(2_000_000_000 * 600, 1600.0, 300)
    guest = clock.Stamp(2_000_000_000, 5001.0, 0), clock.Stamp(2_000_000_000 * 501, 5501.25, 400)
    seen = clock.drift(guest, host)
    assert abs(seen.seconds - 0.25) < 1e-9 and abs(seen.uncertain - (400e-9 + 4e-6)) < 1e-12


def test_load(program: Path) -> None:
    assert run(program, "forks", "20")[1]["faults"] == "0"
    assert run(program, "mem", "4") == (0, {"mib": "4", "faults": "0"})
    began = time.monotonic()
    assert run(program, "spin", "1")[0] == 0
    assert time.monotonic() - began >= 1


@contextlib.contextmanager
def terminal() -> Iterator[str]:
    """A terminal whose other end is read."""
    ours, theirs = os.openpty()
    name = os.ttyname(theirs)

    def read() -> None:
        with contextlib.suppress(OSError):  # EIO: nobody has it open any more
            while os.read(ours, 65536):
                pass

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield name
    finally:
        os.close(theirs)
        reader.join()
        os.close(ours)


@contextlib.contextmanager
def far_ends(program: Path, *paths: Path) -> Iterator[None]:
    with subprocess.Popen([program, "serial", *paths], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout and server.stdout.readline() == f"ready={len(paths)}\n"
            yield
        finally:
            server.kill()


@pytest.mark.parametrize("kind", ratios.KINDS)
def test_every_benchmark_gives_one_figure(
    program: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, kind: str
) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(17 << 20))
    with contextlib.ExitStack() as stack:
        place = {"": [], "disk": [disk], "folder": [tmp_path], "entropy": ["/dev/urandom"]}
        if kind.startswith("net"):
            port = free_port()
            stack.enter_context(serving(program, "serve", port))
            place["server"] = [f"127.0.0.1:{port}"]
        if kind == "tty":
            place["console"] = [stack.enter_context(terminal())]
        if kind == "serial":
            line = tmp_path_factory.mktemp("line") / "line"
            stack.enter_context(far_ends(program, line))
            place["serial"] = [line]
        status, said = run(program, "bench", kind, *map(str, place[ratios.KINDS[kind].place]))
    assert status == 0
    [figure] = said.values()
    assert 0 < float(figure) < 60
    assert [path.name for path in tmp_path.iterdir()] == ["disk"]


def test_a_serial_line_takes_all_before_it_answers(program: Path, tmp_path: Path) -> None:
    """Two lines, each for itself; a second user of one finds it as the first did."""
    lines = [tmp_path / "a", tmp_path / "b"]
    with far_ends(program, *lines):
        users = [os.open(line, os.O_RDWR | os.O_NOCTTY) for line in lines]
        left = 256 * 1024
        os.write(users[1], b"x" * 100)
        while left > 1:
            left -= os.write(users[0], bytes(min(left - 1, 4000)))
        assert select.select(users, [], [], 0.3)[0] == []
        os.write(users[0], b"\n")
        assert select.select(users, [], [], 60)[0] == users[:1]
        assert os.read(users[0], 10) == b"\0"
        for user in users:
            os.close(user)
        for _ in range(2):
            assert run(program, "bench", "serial", str(lines[0]))[0] == 0


def test_a_folder_with_a_file_of_that_name_is_left_alone(program: Path, tmp_path: Path) -> None:
    for name in ("bench", "bench7"):
        (tmp_path / name).write_text("somebody's")
    assert run(program, "bench", "fileseq", str(tmp_path))[0] == 3
    assert run(program, "bench", "files", str(tmp_path))[0] == 3
    assert (tmp_path / "bench").read_text() == (tmp_path / "bench7").read_text() == "somebody's"


@pytest.mark.parametrize(
    ("words", "status"),
    [((), 2), (("nonsense",), 2), (("forks", "many"), 2), (("bench",), 2), (("bench", "diskseq"), 3),
     (("bench", "diskseq", "/dev/null"), 3), (("bench", "files"), 2), (("bench", "tty"), 2),
     (("bench", "serial"), 2), (("bench", "serial", "/dev/null"), 3), (("serial",), 2), (("serial", "/nowhere/a"), 3),
     (("bench", "entropy", "/dev/null"), 3), (("bench", "netrtt"), 2), (("bench", "netsend", "127.0.0.1:1"), 3),
     (("mem", "0"), 2), (("pool",), 3), (("true",), 0)],
)  # fmt: skip
def test_what_it_cannot_do_it_says(program: Path, words: tuple[str, ...], status: int) -> None:
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == status
    assert bool(done.stderr) is (status != 0)


def test_a_killed_child_is_a_fault(program: Path) -> None:
    with subprocess.Popen([program, "fpu", "20", "1", "0"], stdout=subprocess.PIPE, text=True) as checker:
        holder = only_child(checker)
        os.kill(holder, signal.SIGKILL)
        said, _ = checker.communicate()
    assert checker.returncode == 1
    assert "died of signal 9" in said


def test_a_folder_does_what_a_file_system_does(program: Path, tmp_path: Path) -> None:
    """What `folder` asks of a host folder, this computer's own file system does; and it leaves what it says."""
    done = subprocess.run([program, "folder", tmp_path], capture_output=True, text=True, check=False, timeout=120)
    if "chown" in done.stdout and os.geteuid():
        pytest.skip("only root can give files away")
    assert done.returncode == 0, done.stdout
    assert values(done.stdout) == {"tried": "40", "faults": "0"}
    assert [path.name for path in tmp_path.iterdir()] == ["from-guest"]


def test_a_folder_that_can_do_more_than_it_should_is_found_out(program: Path, tmp_path: Path) -> None:
    """What a file system is said to lack must not be there: the table would be wrong."""
    lacks = "shared-maps,moves,link-counts,blocks"
    done = subprocess.run([program, "folder", tmp_path, "", lacks], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    for fault in ("no shared mapping", "rename to another directory says so", "a hard link", "5 GiB that take no room"):
        assert f"fault: {fault}" in done.stdout
    assert values(done.stdout)["tried"] == "38"


def test_a_folder_that_loses_something_is_found_out(program: Path, tmp_path: Path) -> None:
    """A folder with its names taken: what cannot be made is a fault."""
    (tmp_path / "dir").mkdir()
    (tmp_path / "big").mkdir()
    done = subprocess.run([program, "folder", tmp_path], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "fault: 3 MiB are written" in done.stdout and "fault: mkdir" in done.stdout


def keep(program: Path, folder: Path, first: int, count: int) -> int:
    """Have files written until `count` were promised, then SIGKILL; the last number that was."""
    with subprocess.Popen([program, "keep", folder, str(first)], text=True, stdout=subprocess.PIPE) as writer:
        assert writer.stdout
        lines = [writer.stdout.readline() for _ in range(count)]
        writer.kill()
        lines += writer.stdout.readlines()
    assert lines == [f"kept={first + n}\n" for n in range(len(lines))]
    return first + len(lines) - 1


def test_files_that_were_promised_are_found(program: Path, tmp_path: Path) -> None:
    assert run(program, "kept", str(tmp_path), "0") == (0, {"newest": "0", "faults": "0"})
    last = 0
    for count in (1, 70, 9):    # there are 64 names
        last = keep(program, tmp_path, last + 1, count)
        status, said = run(program, "kept", str(tmp_path), str(last))
        assert (status, said["faults"]) == (0, "0") and last <= int(said["newest"]) <= last + 1
        last = int(said["newest"])


@pytest.mark.parametrize("harm", ["gone", "old", "cut off", "changed", "another's"])
def test_a_promise_that_was_broken_is_found(program: Path, tmp_path: Path, harm: str) -> None:
    last = keep(program, tmp_path, 1, 80)
    file = tmp_path / str(last % 64)
    content = file.read_bytes()
    match harm:
        case "gone":
            file.unlink()
        case "old":
            keep(program, tmp_path / ".", last - 64, 1)
        case "cut off":
            file.write_bytes(content[:-1])
        case "changed":
            file.write_bytes(content[:20] + bytes([content[20] ^ 1]) + content[21:])
        case "another's":
            file.write_bytes((tmp_path / str((last - 1) % 64)).read_bytes())
    status, said = run(program, "kept", str(tmp_path), str(last))
    assert status == 1 and int(said["faults"]) >= 1
