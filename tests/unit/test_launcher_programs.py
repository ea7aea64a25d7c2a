# SPDX-License-Identifier: GPL-2.0-only
"""colinux-check on this computer: it measures what it says, and it does find a lost register."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from launcher_kit import compiled

from runtime.launcher.checks import values

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


@pytest.mark.parametrize("offset", [ST0, XMM3], ids=["st0", "xmm3"])
def test_a_changed_register_is_found(program: Path, offset: int) -> None:
    """A debugger changes one byte of one register behind the program's back, as a bad world switch would."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    with subprocess.Popen([program, "fpu", "20", "1", "0"], stdout=subprocess.PIPE, text=True) as checker:
        time.sleep(0.3)
        [holder] = children(checker.pid)
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


def test_sleeps_and_clocks(program: Path) -> None:
    status, said = run(program, "timers", "3")
    assert status == 0
    assert 10 <= float(said["sleep10_min_ms"]) <= float(said["sleep10_median_ms"]) <= float(said["sleep10_max_ms"])
    assert 1 <= float(said["sleep1_min_ms"]) < 100
    status, said = run(program, "clock", "200")
    assert status == 0
    assert 0.2 <= float(said["monotonic_s"]) < 5
    assert abs(float(said["epoch"]) - time.time()) < 5


def test_load(program: Path) -> None:
    assert run(program, "forks", "20")[1]["faults"] == "0"
    assert run(program, "mem", "4") == (0, {"mib": "4", "faults": "0"})
    began = time.monotonic()
    assert run(program, "spin", "1")[0] == 0
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize("kind", ["cpu", "fp", "getpid", "fork", "pipe", "sleep", "diskseq", "diskrand"])
def test_every_benchmark_gives_one_figure(program: Path, tmp_path: Path, kind: str) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(17 << 20))
    status, said = run(program, "bench", kind, *([str(disk)] if kind.startswith("disk") else []))
    assert status == 0
    [figure] = said.values()
    assert 0 < float(figure) < 60


@pytest.mark.parametrize(
    ("words", "status"),
    [((), 2), (("nonsense",), 2), (("forks", "many"), 2), (("bench",), 2), (("bench", "diskseq"), 3),
     (("bench", "diskseq", "/dev/null"), 3), (("mem", "0"), 2), (("pool",), 3), (("true",), 0)],
)  # fmt: skip
def test_what_it_cannot_do_it_says(program: Path, words: tuple[str, ...], status: int) -> None:
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == status
    assert bool(done.stderr) is (status != 0)


def test_a_killed_child_is_a_fault(program: Path) -> None:
    with subprocess.Popen([program, "fpu", "20", "1", "0"], stdout=subprocess.PIPE, text=True) as checker:
        time.sleep(0.3)
        [holder] = children(checker.pid)
        os.kill(holder, signal.SIGKILL)
        said, _ = checker.communicate()
    assert checker.returncode == 1
    assert "died of signal 9" in said
