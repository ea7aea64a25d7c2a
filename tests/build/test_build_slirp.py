# SPDX-License-Identifier: GPL-2.0-only
"""The daemon's user-mode network: libslirp as it is built, and behind our network device, with sanitizers."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import daemon, slirp, sources
from pipeline.errors import ColinuxError
from pipeline.tasks import Project

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/unit"))
import daemon_kit  # noqa: E402

pytestmark = pytest.mark.build

GUEST = sorted((ROOT / "tests/build").glob("slirp_*.c"))
SUPPORT = ("check_failed", "fake_driver", "fake_memory_linux", "guest")


@pytest.fixture(scope="module")
def project() -> Project:
    project = Project.here()
    try:
        project.bring("slirp:x86_64")
    except (ColinuxError, sources.NotHere) as error:
        pytest.skip(f"the sources cannot be reached: {error}")
    return project


@pytest.fixture(scope="module")
def guest(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """slirp_guest, with libslirp and our code under the address sanitizer, ours under the other one as well."""
    folder = tmp_path_factory.mktemp("slirp")
    declared = project.declaration.sources["libslirp"]
    tree = folder / "libslirp"
    sources.unpack(declared, sources.fetch(declared, project.context), tree, project.context)
    (flag, include), libraries = slirp.words("x86_64", project.paths)
    checked = folder / "libslirp.a"
    slirp.compile_library(tree, slirp.folder("x86_64", project.paths) / "include", folder / "objects", checked,
                          ("gcc", "-g", "-fsanitize=address", *slirp.LINUX_CFLAGS), "ar", folder / "log")  # fmt: skip
    ours = [path for path in daemon.daemon_sources("linux", project.paths)
            if path.stem not in ("main", "driver_linux")]  # fmt: skip
    support = [daemon_kit.HARNESS / f"{stem}.c" for stem in SUPPORT]
    program = folder / "slirp-guest"
    done = subprocess.run(["gcc", *daemon_kit.FLAGS, flag, include, *ours, *support, *GUEST, checked, *libraries[1:],
                           "-o", program], text=True, capture_output=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return program


@pytest.mark.fuzz
def test_a_network_through_the_host_and_hostile_frames(guest: Path) -> None:
    """DHCP, ping, datagrams both ways; then frames of noise, and all of it once more."""
    done = subprocess.run([guest, "1", str(daemon_kit.inputs(5000))], text=True, capture_output=True, check=False,
                          env=daemon_kit.environment(), timeout=100000)  # fmt: skip
    assert done.returncode == 0 and done.stdout == "sandbox unavailable\nok\n", done.stderr[-3000:]
    assert done.stderr.count("\n") < 60, "a hostile guest must not fill the host's disk with messages"


def test_a_port_that_is_taken(project: Project, tmp_path: Path) -> None:
    """The daemon says which, before it asks the driver for anything."""
    project.bring("daemon:linux-x86_64")
    program = project.paths.daemon("linux-x86_64") / "colinux-daemon"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run([program, "kernel=none", f"eth0=slirp,,tcp:{port}:22"], text=True, cwd=tmp_path,
                              capture_output=True, check=False, timeout=60)  # fmt: skip
    assert done.returncode == 255
    assert f"tcp port {port} at 127.0.0.1: Address already in use" in done.stderr
