# SPDX-License-Identifier: GPL-2.0-only
"""ethN=tuntap on Windows: adapters of TAP-Windows in the registry, and one with a driver of the tests' (tap_driver.c)."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import daemon_kit
import pytest
from tap_kit import write
from wine_kit import FOLDER, Done, Wine

from pipeline import windowsdaemon
from pipeline.paths import checkout

ROOT = checkout().root
HERE = ROOT / "tests/wine"
DRIVER = "colinux-test-tap"
# What of the daemon stands between a network device and the driver, but for what tap_frames.c has in it.
SOURCES = ("tap_adapters_windows", "io_request_windows", "text_windows", "os_windows", "log")
TESTS = re.findall(r'^\t\{ "(\w+)", \1 \},$', (HERE / "tap_frames.c").read_text(), re.M)

IDS = re.findall(r'#define TAP_ID_\d\s+"(.*)"', (HERE / "tap_hand.h").read_text())
GONE, OTHERS, CARD, NAMELESS = (f"{{C01100{n:02}-0000-4000-8000-00000000C0DE}}" for n in range(10, 14))

FIRST, SECOND, FAR = "Local Area Connection 2", "coLinux", "Połączenie lokalne 3"
INSTALL = ('install TAP-Windows (OpenVPN\'s setup has it, with "Add a new TAP virtual ethernet adapter") '
           "and start anew")  # fmt: skip
DISABLED = "it is disabled, or its driver does not run: enable it among the network connections"

# As setups leave them.
CARD_ONLY = [("0001", r"pci\ven_10ec&dev_8168", CARD, "Ethernet")]
OURS = [("0007", "tap0901", IDS[0], FIRST), ("0012", r"root\tap0901", IDS[1], SECOND)]
ALL = [*CARD_ONLY, ("0003", "tapnordvpn", OTHERS, "Nord"), ("0005", "TAP0801co", GONE, FAR), *OURS,
       ("0013", "tap0901", NAMELESS, "")]  # fmt: skip


@pytest.fixture(scope="module")
def tap(wine: Wine) -> Iterator[Wine]:
    """The tests' driver is loaded, their program compiled."""
    target = wine.system.target
    compiler = f"{target.prefix}gcc-win32"
    subprocess.run([compiler, *windowsdaemon.FLAGS, "-nostdlib", "-shared", "-Wl,--subsystem,native",
                    f"-Wl,-e,{target.entry}", HERE / "tap_driver.c", "-o", wine.programs / "tap_driver.sys",
                    "-lntoskrnl"], check=True)  # fmt: skip
    subprocess.run([compiler, *windowsdaemon.flags(target), *(f"-I{ROOT / include}" for include in windowsdaemon.INCLUDES),
                    "-static", HERE / "tap_frames.c", *(ROOT / f"runtime/daemon/{stem}.c" for stem in SOURCES),
                    ROOT / "tests/unit/daemon/check_failed.c", *windowsdaemon.LIBRARIES,
                    "-o", wine.programs / "tap_frames.exe"], check=True)  # fmt: skip
    wine.run("sc", "create", DRIVER, "type=", "kernel", "binPath=", rf"{FOLDER}\tap_driver.sys")
    wine.run("sc", "start", DRIVER)
    wine.wait_for(DRIVER, "RUNNING")
    yield wine
    wine.run("sc", "stop", DRIVER)
    wine.run("sc", "delete", DRIVER)
    assert wine.state(DRIVER) == ""


def complaint(wine: Wine, folder: Path, value: str) -> str:
    """What colinux-daemon.exe says when it is to start a guest with this ethN=."""
    (folder / "vmlinux").write_bytes(daemon_kit.kernel())
    (folder / "linux.conf").write_text(f"kernel=vmlinux\neth0={value}\n", encoding="utf-8")
    done = wine.run(rf"{FOLDER}\colinux-daemon.exe", "-d", "@linux.conf", cwd=folder)
    assert (done.returncode, done.stdout) == (255, "")
    line = done.stderr.splitlines()[-1]
    assert line.startswith(f"colinux-daemon: linux.conf:2: eth0={value}: ")
    return line.partition(f"eth0={value}: ")[2]


def test_without_any_adapter(wine: Wine, tmp_path: Path) -> None:
    for adapters in ([], CARD_ONLY):
        write(wine, adapters)
        for value in ("tuntap", "tuntap,TAP,00:ff:e1:51:c2:01"):
            assert complaint(wine, tmp_path, value) == f"there is no adapter of TAP-Windows: {INSTALL}"
    assert complaint(wine, tmp_path, "tuntap,Ethernet") == (
        rf'"Ethernet" is no adapter of TAP-Windows: its driver is pci\ven_10ec&dev_8168; {INSTALL}')


def test_names_that_there_are(wine: Wine, tmp_path: Path) -> None:
    write(wine, ALL)
    there = f'"Nord", "{FAR}", "{FIRST}", "{SECOND}", "{NAMELESS}"'
    assert complaint(wine, tmp_path, 'tuntap,"Local Area Connection"') == (
        f'no network connection is called "Local Area Connection"; of TAP-Windows there are: {there}')
    assert complaint(wine, tmp_path, "tuntap,eThErNeT") == (
        rf'"eThErNeT" is no adapter of TAP-Windows: its driver is pci\ven_10ec&dev_8168; those there are: {there}')


def test_an_adapter_that_is_switched_off(wine: Wine, tmp_path: Path) -> None:
    """By its name in whatever letters, and by its id."""
    write(wine, ALL)
    for name in (f'"{FAR}"', f'"{FAR.upper()}"', GONE, NAMELESS.lower(), "Nord"):
        assert complaint(wine, tmp_path, f"tuntap,{name}") == DISABLED


def test_who_is_not_asked_for_is_not_taken(wine: Wine, tmp_path: Path) -> None:
    """A product's own adapter is used by name only; all others are tried."""
    write(wine, ALL)
    assert complaint(wine, tmp_path, "tuntap") == "no adapter of TAP-Windows can be used: " + "; ".join(
        f'"{name}": {DISABLED}' for name in (FAR, FIRST, SECOND, NAMELESS))
    write(wine, ALL[:2])
    assert complaint(wine, tmp_path, "tuntap") == (
        'every adapter of TAP-Windows here is some product\'s own; if one of them may be used, name it: "Nord"')


def test_values_that_nobody_expects(wine: Wine, tmp_path: Path) -> None:
    """Ids that are none, names and drivers that are too long, a name that would move a cursor."""
    write(wine, [("0000", "tap0901", r"..\\..\\pipe\\x", "a"), ("0001", "tap0901", r"{..\\x}", "a"),
                 ("0002", "tap0901", "x" * 200, "b"),
                 ("0003", "tap" + "9" * 200, OTHERS, "c"), ("0004", "tap0901", GONE, "d" * 300),
                 ("0005", "tap0901", NAMELESS, "e\x1b[2Jf")])  # fmt: skip
    assert complaint(wine, tmp_path, "tuntap") == (
        f'no adapter of TAP-Windows can be used: "{GONE}": {DISABLED}; "e?[2Jf": {DISABLED}')


@pytest.mark.parametrize("name", TESTS)
def test_frames(name: str, tap: Wine) -> None:
    write(tap, [*CARD_ONLY, *OURS])
    done = tap.run(rf"{FOLDER}\tap_frames.exe", name)
    assert done.returncode == 0, done.both


def test_they_are_all_here() -> None:
    assert len(TESTS) >= 15


@pytest.mark.usefixtures("bridge")
def test_a_guest_has_them(tap: Wine, tmp_path: Path) -> None:
    """A whole daemon with a scripted guest in place of one in ring 0: again and again, one after the other."""
    write(tap, [*CARD_ONLY, *OURS])
    (tmp_path / "vmlinux").write_bytes(daemon_kit.kernel())
    words = ("-v", "1", "kernel=vmlinux", "mem=64", f'eth0=tuntap,"{SECOND}",00:ff:e1:51:c2:01', "eth3=tuntap")
    macs = set()
    for _ in range(2):
        done = tap.run(rf"{FOLDER}\fake-daemon.exe", *words, cwd=tmp_path, FAKE_GUEST="devices")
        assert done.returncode == 0, done.both
        # the console, two networks, random numbers
        assert done.stdout == "".join(f"device {n} id {kind}\n" for n, kind in enumerate([3, 1, 1, 4]))
        for number, name, driver in ((0, SECOND, r"root\tap0901"), (3, FIRST, "tap0901")):
            assert f'eth{number}: is "{name}" on the host ({driver}, version 9.24, MTU 1500)\n' in done.stderr
        assert "eth0: 00:ff:e1:51:c2:01\n" in done.stderr
        macs |= set(re.findall("eth3: (02:43:4f:.*)", done.stderr))
    assert len(macs) == 1


def test_check_looks_for_them(wine: Wine, tmp_path: Path) -> None:
    """Without a driver, and without opening one."""
    write(wine, ALL)
    (tmp_path / "vmlinux").write_bytes(daemon_kit.kernel())

    def check(*words: str) -> Done:
        return wine.run(rf"{FOLDER}\colinux-daemon.exe", "--check", "kernel=vmlinux", *words, cwd=tmp_path)

    done = check('eth0=tuntap,"local area connection 2"', "eth1=tuntap", f"eth2=tuntap,{FAR}", "eth3=tuntap,Nord")
    assert (done.returncode, done.stderr) == (0, "")
    for line in (f'eth0: tuntap,"local area connection 2" ("{FIRST}", driver tap0901)',
                 f'eth1: tuntap (the first that is free: "{FAR}", driver TAP0801co; "{FIRST}", driver tap0901; '
                 rf'"{SECOND}", driver root\tap0901; "{NAMELESS}", driver tap0901)',
                 f'eth2: tuntap,{FAR} ("{FAR}", driver TAP0801co)',
                 'eth3: tuntap,Nord ("Nord", driver tapnordvpn)'):  # fmt: skip
        assert f"{line}\n" in done.stdout
    done = check("eth0=tuntap,Ethernet", "eth1=tuntap,x")
    assert (done.returncode, done.stdout) == (255, "")
    assert 'eth0=tuntap,Ethernet: "Ethernet" is no adapter of TAP-Windows: its driver is pci' in done.stderr
    assert 'eth1=tuntap,x: no network connection is called "x"; of TAP-Windows there are: "Nord", ' in done.stderr
