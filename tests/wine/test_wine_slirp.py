# SPDX-License-Identifier: GPL-2.0-only
"""ethN=slirp on Windows: libslirp over Windows' sockets, with what stands in for glib and for newer Windows' functions.

Wine's sockets are the host's, so these tests tell of our code and libslirp's, not of Windows' network.
"""

from __future__ import annotations

import re
import socket
from pathlib import Path

import daemon_kit
import pytest
from wine_kit import FOLDER, Wine, link_programs

from pipeline import daemon, slirp, windowsdaemon
from pipeline.paths import checkout

ROOT = checkout().root
SUPPORT = ("check_failed", "fake_driver", "fake_memory_windows", "guest")
REPLACED = ("main", "driver_windows")
PARTS = ROOT / "tests/wine/slirp_parts.c"
TESTS = re.findall(r'^\t\{ "(\w+)", \1 \},$', PARTS.read_text(), re.M)
INCLUDES = ("tests/unit/daemon", "tests/build")


@pytest.fixture(scope="module")
def network(wine: Wine, tmp_path_factory: pytest.TempPathFactory) -> Wine:
    """slirp_guest.exe and slirp_parts.exe, of the libslirp that the daemon is linked with, lie in its C:\\colinux."""
    flags, libraries = slirp.words(wine.system.target.name, checkout())
    ours = [path for path in daemon.daemon_sources("windows", checkout()) if path.stem not in REPLACED]
    support = [daemon_kit.HARNESS / f"{stem}.c" for stem in SUPPORT]
    programs = {"slirp_guest": sorted((ROOT / "tests/build").glob("slirp_*.c")), "slirp_parts": [PARTS]}
    link_programs(wine, tmp_path_factory.mktemp("slirp"), [*ours, *support], programs, INCLUDES, flags,
                  [*libraries, *windowsdaemon.SLIRP_LIBRARIES])  # fmt: skip
    return wine


@pytest.mark.parametrize("name", TESTS)
def test_parts(name: str, network: Wine) -> None:
    done = network.run(rf"{FOLDER}\slirp_parts.exe", name)
    assert done.returncode == 0, done.both


def test_they_are_all_here() -> None:
    assert len(TESTS) >= 14


@pytest.mark.fuzz
def test_a_network_through_the_host_and_hostile_frames(network: Wine) -> None:
    """DHCP, ping, datagrams and streams both ways, ports; then frames of noise, and all of it once more."""
    done = network.run(rf"{FOLDER}\slirp_guest.exe", "1", str(daemon_kit.inputs(5000)))
    assert (done.returncode, done.stdout.split("\r\n")) == (0, ["sandbox unavailable", "ok", ""]), done.both[-3000:]
    assert done.stderr.count("\n") < 60, "a hostile guest must not fill the host's disk with messages"


def test_a_port_that_is_taken(wine: Wine, tmp_path: Path) -> None:
    """The daemon says which, before it asks the driver for anything."""
    (tmp_path / "vmlinux").write_bytes(daemon_kit.kernel())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = wine.run(rf"{FOLDER}\colinux-daemon.exe", "kernel=vmlinux", f"eth0=slirp,,tcp:{port}:22", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (255, "")
    assert f"tcp port {port} at 127.0.0.1: Address already in use" in done.stderr
