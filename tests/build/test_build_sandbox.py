# SPDX-License-Identifier: GPL-2.0-only
"""The daemon's sandbox, with libseccomp as it is built: from inside (sandbox_use.c), and around a whole daemon.

Here the daemon has no sanitizers, which need more of the system than its sandbox allows.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline import daemon, seccomp, slirp, sources
from pipeline.errors import ColinuxError
from pipeline.tasks import Project

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/unit"))
import daemon_kit  # noqa: E402
from test_daemon_devices import TABLE  # noqa: E402

pytestmark = pytest.mark.build

ARCHES = ("x86_64", "i386")
SUPPORT = ("check_failed", "fake_driver", "fake_memory_linux", "guest")
INCLUDES = ("runtime/abi", "runtime/daemon", "tests/unit/daemon")
TESTS = TABLE.findall((ROOT / "tests/build/sandbox_use.c").read_text())
NUMBERS = {"x86_64": 59, "i386": 11}  # of execve()


@dataclass(frozen=True)
class Programs:
    """For one architecture: the tests from inside, a daemon with a scripted guest, slirp_guest."""

    arch: str
    use: Path
    daemon: Path
    slirp_guest: Path


@pytest.fixture(scope="module")
def project() -> Project:
    project = Project.here()
    try:
        for arch in ARCHES:
            project.bring(f"seccomp:{arch}")
            project.bring(f"slirp:{arch}")
    except (ColinuxError, sources.NotHere) as error:
        pytest.skip(f"the sources cannot be reached: {error}")
    return project


def runs_here(arch: str, folder: Path) -> bool:
    """Not every 64-bit Linux runs 32-bit programs."""
    (folder / "try.c").write_text("int main(void) { return 0; }\n")
    subprocess.run([*daemon.COMPILERS[arch], "-static", folder / "try.c", "-o", folder / "try"], check=True)
    try:
        return subprocess.run([folder / "try"], check=False).returncode == 0
    except OSError:
        return False


@pytest.fixture(scope="module", params=ARCHES)
def programs(project: Project, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Programs:
    arch = str(request.param)
    folder = tmp_path_factory.mktemp(f"sandbox-{arch}")
    if not runs_here(arch, folder):
        pytest.skip(f"this Linux runs no programs for {arch}")
    used = [library.words(arch, project.paths) for library in (slirp, seccomp)]
    flags = [*daemon.FLAGS, *(flag for one, _ in used for flag in one), *(f"-I{ROOT / name}" for name in INCLUDES)]
    ours = [path for path in daemon.daemon_sources("linux", project.paths) if path.stem != "driver_linux"]
    support = [daemon_kit.HARNESS / f"{stem}.c" for stem in SUPPORT]
    compiler = daemon.COMPILERS[arch]
    programs = {
        "use": [daemon_kit.HARNESS / "check.c", *(ROOT / f"tests/build/sandbox_{part}.c" for part in ("use", "works"))],
        "daemon": [daemon_kit.HARNESS / "guest_program.c"],
        "slirp-guest": sorted((ROOT / "tests/build").glob("slirp_*.c")),
    }
    every = [*ours, *support, *itertools.chain(*programs.values())]
    objects = {source: folder / f"{source.stem}.o" for source in every}
    for source, target in objects.items():
        compiled = subprocess.run([*compiler, *flags, "-c", source, "-o", target],
                                  text=True, capture_output=True, check=False)  # fmt: skip
        assert compiled.returncode == 0, compiled.stderr
    for name, own in programs.items():
        parts = [objects[source] for source in (*ours, *support, *own) if source.stem != "main" or name == "daemon"]
        linked = subprocess.run([*compiler, *daemon.FLAGS, *parts, *(path for _, one in used for path in one),
                                 "-o", folder / name], text=True, capture_output=True, check=False)  # fmt: skip
        assert linked.returncode == 0, linked.stderr
    return Programs(arch, *(folder / name for name in programs))


# --- from inside ---------------------------------------------------------------------------------------


def test_the_table_was_read() -> None:
    assert len(TESTS) > 8 and "forbidden" in TESTS


@pytest.mark.parametrize("name", TESTS)
def test_from_inside(name: str, programs: Programs, tmp_path: Path) -> None:
    done = subprocess.run([programs.use, name], cwd=tmp_path, text=True, capture_output=True, check=False,
                          env=daemon_kit.environment(), stdin=subprocess.DEVNULL, timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stderr
    if "not here" in done.stdout:
        pytest.skip("this file system has nothing of the kind")


def test_a_network_in_a_sandbox(programs: Programs) -> None:
    """libslirp's DHCP, ping, and datagrams both ways; frames of noise do not end it, on neither architecture."""
    done = subprocess.run([programs.slirp_guest, "1", "3000"], text=True, capture_output=True, check=False,
                          env=daemon_kit.environment(), timeout=300)  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "sandbox on\nok\n"), done.stderr


# --- a whole daemon ------------------------------------------------------------------------------------


class Daemon:
    """A daemon with a scripted guest, which has said `up`."""

    def __init__(self, programs: Programs, folder: Path, guest: str, *words: str) -> None:
        self.run = folder / "run"
        self.run.mkdir(mode=0o700, exist_ok=True)
        (folder / "vmlinux").write_bytes(daemon_kit.kernel())
        self.process = subprocess.Popen(
            [programs.daemon, "kernel=vmlinux", "mem=64", "name=tried", "-p", "pid", *words],
            cwd=folder, text=True, env=daemon_kit.environment(FAKE_GUEST=guest, COLINUX_RUN=str(self.run)),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert self.process.stdout and self.process.stdout.readline() == "up\n"

    def threads(self) -> dict[str, dict[str, str]]:
        """Of each thread by its name: what proc(5) says of it."""
        found = {}
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            lines = (line.split(":", 1) for line in (task / "status").read_text().splitlines())
            status = {key: value.strip() for key, value in lines}
            found[status["Name"]] = status
        return found

    def ask(self, request: str) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(60)
            link.connect(str(self.run / "tried.ctl"))
            link.sendall(f"{request}\n".encode())
            with link.makefile() as answer:
                told = dict(json.loads(answer.readline()))
                return dict(json.loads(answer.readline())) if request == "reboot" else told

    def end(self) -> tuple[int, str, str]:
        """Exit code, what the guest and what the daemon said."""
        out, errors = self.process.communicate(timeout=120)
        return self.process.returncode, out, errors


@pytest.fixture
def daemon_of(programs: Programs, tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    started: list[Daemon] = []

    def start(guest: str, *words: str) -> Daemon:
        started.append(Daemon(programs, tmp_path, guest, *words))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.communicate()


def number(status: Mapping[str, str], field: str) -> int:
    return int(status[field], 16)


def test_every_thread_is_in_it(daemon_of: Callable[..., Daemon], tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(bytes(4096))
    (tmp_path / "folder").mkdir()
    tried = daemon_of("say up\n;power;leave 8", "cobd0=disk", "cofs0=folder", "eth0=slirp", "ttys0=unix:nobody")
    until = time.monotonic() + 60
    # each gives itself its name
    while not (threads := tried.threads()).keys() >= {"control", "console", "cobd0", "cofs0", "eth0", "ttys0", "vcpu"}:
        assert time.monotonic() < until, threads.keys()
        time.sleep(0.05)
    for name, status in threads.items():
        assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1"), name
        assert number(status, "CapEff") & ~(0b11011 if name == "cofs0" else 0) == 0, name
        if not os.geteuid():
            assert number(status, "CapBnd") == 0, name
            assert number(status, "CapPrm") == 0b11011, name
    assert tried.ask("status")["sandbox"] == "on"
    tried.process.send_signal(signal.SIGTERM)
    assert tried.end() == (0, "", "colinux-daemon: asking the guest to shut down; again, or in 30 seconds, it is ended at once\n")


def test_a_guest_comes_again_in_it(daemon_of: Callable[..., Daemon], tmp_path: Path) -> None:
    """Everything is opened once more: by the opener, with what the files hold by then."""
    (tmp_path / "disk").write_bytes(bytes(4096))
    (tmp_path / "beneath").write_bytes(bytes(4096))
    (tmp_path / "folder").mkdir()
    (tmp_path / "pids").touch()
    (tmp_path / "program").write_text("#!/bin/sh\necho $$ >> pids\nexec sleep 1000\n")
    (tmp_path / "program").chmod(0o755)
    tried = daemon_of("say up\n;sector 1 x;once power;once leave 9;say again\n;sector 2 y;power;leave 8", "cobd0=disk",
                      "cobd1=beneath,cow=changes", "cofs0=folder", "eth0=slirp", "exec0=./program", "-v1")  # fmt: skip

    def have_begun(count: int) -> list[str]:
        """A shell for each guest, which is not ended before it has told its number."""
        until = time.monotonic() + 60
        while len(pids := (tmp_path / "pids").read_text().split()) < count:
            assert time.monotonic() < until, pids
            time.sleep(0.05)
        return pids

    have_begun(1)
    assert tried.ask("reboot")["event"] == "restarted"
    assert tried.process.stdout and tried.process.stdout.readline() == "up\n"
    assert tried.process.stdout.readline() == "again\n"
    assert int((tmp_path / "pid").read_text()) == tried.process.pid
    assert all(status["Seccomp"] == "2" for status in tried.threads().values())
    pids = have_begun(2)
    tried.process.send_signal(signal.SIGTERM)
    code, _, errors = tried.end()
    assert code == 0, errors
    assert (tmp_path / "disk").read_bytes()[512:513] == b"x"
    assert (tmp_path / "changes").exists() and not (tmp_path / "beneath").read_bytes().strip(b"\0")
    for pid in pids:
        assert not Path(f"/proc/{pid}").exists()
    # what was made before the sandbox is taken away behind it
    assert not (tmp_path / "pid").exists() and not list((tmp_path / "run").iterdir())


def test_the_end_of_a_daemon_that_does_other_things(daemon_of: Callable[..., Daemon], programs: Programs) -> None:
    tried = daemon_of(f"say up\n;power;call {NUMBERS[programs.arch]};say survived\n;leave 8")
    tried.process.send_signal(signal.SIGTERM)
    code, out, errors = tried.end()
    assert (code, out) == (255, "")
    assert f"it has called the system by number {NUMBERS[programs.arch]}, which its sandbox does not allow" in errors


def test_it_can_be_left_out(daemon_of: Callable[..., Daemon], programs: Programs) -> None:
    tried = daemon_of(f"say up\n;power;call {NUMBERS[programs.arch]};say survived\n;leave 8", "sandbox=off", "-v1")
    assert {status["Seccomp"] for status in tried.threads().values()} == {"0"}
    assert tried.ask("status")["sandbox"] == "off"
    tried.process.send_signal(signal.SIGTERM)
    code, out, errors = tried.end()
    assert (code, out) == (0, "survived\n"), errors
    assert "no sandbox: as it was asked for\n" in errors


def test_a_killed_daemon_leaves_nobody_behind(daemon_of: Callable[..., Daemon], tmp_path: Path) -> None:
    (tmp_path / "program").write_text("#!/bin/sh\necho $$ > new && mv new started\nexec sleep 1000\n")
    (tmp_path / "program").chmod(0o755)
    tried = daemon_of("say up\n;hang", "exec0=./program")
    children = Path(f"/proc/{tried.process.pid}/task/{tried.process.pid}/children").read_text().split()
    assert len(children) == 1
    assert Path(f"/proc/{children[0]}/comm").read_text() == "colinux-opener\n"
    until = time.monotonic() + 60
    while not (tmp_path / "started").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    started = (tmp_path / "started").read_text().strip()
    tried.process.kill()
    tried.process.communicate(timeout=60)
    while Path(f"/proc/{started}").exists() or Path(f"/proc/{children[0]}").exists():
        assert time.monotonic() < until, "opener or program are still there"
        time.sleep(0.05)


def test_a_disk_is_the_daemons_alone(daemon_of: Callable[..., Daemon], programs: Programs, tmp_path: Path) -> None:
    """Its lock is held by the daemon, and by nobody once that is gone."""
    (tmp_path / "disk").write_bytes(bytes(4096))
    tried = daemon_of("say up\n;hang", "cobd0=disk")
    words = [str(programs.daemon), "kernel=vmlinux", "mem=64", "cobd0=disk"]
    environment = daemon_kit.environment(FAKE_GUEST="leave 8")
    done = subprocess.run(words, cwd=tmp_path, text=True, capture_output=True, check=False, env=environment,
                          stdin=subprocess.DEVNULL, timeout=60)  # fmt: skip
    assert done.returncode == 255 and "is in use, by another guest" in done.stderr
    tried.process.kill()
    tried.process.communicate(timeout=60)
    assert subprocess.run(words, cwd=tmp_path, check=False, env=environment, timeout=60).returncode == 0
