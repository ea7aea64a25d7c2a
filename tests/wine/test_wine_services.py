# SPDX-License-Identifier: GPL-2.0-only
"""colinux-daemon.exe, colinux.sys and Windows' service manager, all of it but the CPU's ring 0."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import daemon_kit
import pytest
from wine_kit import FOLDER, Done, Wine, compile_program, text, wait_until

from pipeline.tasks import Project

DRIVER = "colinux"  # runtime/windows/colinux_nt.h: CO_NT_SERVICE
EMULATED = "this is no NT kernel, but an emulation of one in user mode: no guest can run here"
NOT_INSTALLED = ("colinux-daemon: the driver is not installed; an administrator does it with "
                 "colinux-daemon --install-driver\n")  # fmt: skip


def daemon(wine: Wine, *words: str, cwd: Path | None = None) -> Done:
    return wine.run(rf"{FOLDER}\colinux-daemon.exe", *words, cwd=cwd)


@pytest.fixture
def driver(wine: Wine) -> Iterator[Wine]:
    """The driver is installed and loaded."""
    done = daemon(wine, "--install-driver")
    assert (done.returncode, done.both) == (0, "the driver is installed and loaded\n")
    yield wine
    daemon(wine, "--remove-driver")
    assert wine.state(DRIVER) == ""


# --- the command line ---------------------------------------------------------------------------


def test_help_and_version(wine: Wine) -> None:
    told = daemon(wine, "--help")
    assert (told.returncode, told.stderr) == (0, "")
    for word in ("kernel=PATH", "--install-driver", "--install-service [NAME]", "--check", "14 the driver"):
        assert word in told.stdout
    told = daemon(wine, "--version")
    assert (told.returncode, told.both) == (0, f"colinux-daemon {Project.here().version}, ABI 3\n")


def test_no_driver_is_exit_code_14(wine: Wine, tmp_path: Path) -> None:
    (tmp_path / "vmlinux").write_bytes(daemon_kit.kernel())
    for words in (["--status-driver"], ["kernel=vmlinux"]):
        done = daemon(wine, *words, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (14, "")
        assert done.stderr.endswith(NOT_INSTALLED)
    done = daemon(wine, "--remove-driver")
    assert (done.returncode, done.both) == (14, "colinux-daemon: the driver is not installed\n")


def test_a_kernel_that_is_not_there(wine: Wine, tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("mem=64\nkernel=gone\n")
    done = daemon(wine, "@a.conf", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (255, "")
    assert done.stderr.endswith("colinux-daemon: a.conf:2: kernel=gone: No such file or directory\n")


def test_paths_of_linux_are_explained(wine: Wine, tmp_path: Path) -> None:
    (tmp_path / "vmlinux").write_bytes(daemon_kit.kernel())
    done = daemon(wine, "--check", "kernel=vmlinux", "cobd0=/dev/no-such-disk", cwd=tmp_path)
    assert done.returncode == 255
    assert "(a device of Linux; here disks are \\Device\\Harddisk0\\Partition1, serial ports COM1)" in done.stderr


def test_letters_of_every_language(wine: Wine, tmp_path: Path) -> None:
    """As words and as names of files: UTF-8 outside, UTF-16 within."""
    name = "Ядро ümläut 核"
    (tmp_path / name).write_bytes(daemon_kit.kernel())
    done = daemon(wine, "--check", f"kernel={name}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"kernel: {name}, ABI 3")


def test_two_who_write_one_disk(wine: Wine, tmp_path: Path) -> None:
    (tmp_path / "vmlinux").write_bytes(daemon_kit.kernel())
    (tmp_path / "disk").write_bytes(bytes(4096))
    done = daemon(wine, "--check", "kernel=vmlinux", "cobd0=disk", "cobd1=disk", cwd=tmp_path)
    assert done.returncode == 0, "one after the other is looked at"
    done = daemon(wine, "--check", "kernel=vmlinux", "cobd0=.", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (255, "colinux-daemon: argument 3: cobd0=.: Is a directory\n")


def test_a_folder_to_go_to_first(wine: Wine, tmp_path: Path) -> None:
    (tmp_path / "guests").mkdir()
    (tmp_path / "guests/vmlinux").write_bytes(daemon_kit.kernel())
    assert daemon(wine, "-C", "guests", "--check", "kernel=vmlinux", cwd=tmp_path).returncode == 0
    done = daemon(wine, "-C", "nowhere", "--check", "kernel=vmlinux", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (255, "colinux-daemon: -C nowhere: No such file or directory\n")


# --- the driver ---------------------------------------------------------------------------------


def test_the_driver_comes_and_goes(wine: Wine) -> None:
    for _ in range(3):
        assert daemon(wine, "--install-driver").both == "the driver is installed and loaded\n"
        assert wine.state(DRIVER) == "RUNNING"
        about = wine.registered(DRIVER)
        assert about["ImagePath"] == rf"\??\{FOLDER}\colinux.sys"
        assert (about["Type"], about["Start"]) == ("0x1", "0x3")  # a driver, started on demand
        done = daemon(wine, "--status-driver")
        assert (done.returncode, done.both) == (0, f"driver {Project.here().version}, ABI 3\n")
        again = daemon(wine, "--install-driver")
        assert again.returncode == 255 and "the driver is installed already" in again.stderr
        assert daemon(wine, "--remove-driver").both == "the driver is removed\n"
        assert wine.state(DRIVER) == ""
        assert daemon(wine, "--status-driver").returncode == 14


def test_it_is_loaded_when_it_is_wanted(driver: Wine) -> None:
    driver.run("sc", "stop", DRIVER)
    assert driver.state(DRIVER) == "STOPPED"
    assert daemon(driver, "--status-driver").returncode == 0
    assert driver.state(DRIVER) == "RUNNING"


def test_a_driver_whose_file_is_gone(driver: Wine) -> None:
    """Windows has a code for that, with which the daemon's is 14; Wine's is any that a driver does not load by."""
    driver.run("sc", "stop", DRIVER)
    file, away = driver.programs / "colinux.sys", driver.programs / "away.sys"
    file.rename(away)
    try:
        done = daemon(driver, "--status-driver")
        assert done.returncode in (14, 255)
        assert done.stderr.startswith("colinux-daemon: loading the driver: ")
        done = daemon(driver, "--install-driver")
        assert (done.returncode, done.stderr) == (
            14, "colinux-daemon: colinux.sys is not in the folder of colinux-daemon.exe\n")  # fmt: skip
    finally:
        away.rename(file)
    assert daemon(driver, "--status-driver").returncode == 0


def test_what_cannot_be_loaded_is_not_installed(wine: Wine) -> None:
    file = wine.programs / "colinux.sys"
    whole = file.read_bytes()
    file.write_bytes(b"no driver")
    try:
        done = daemon(wine, "--install-driver")
    finally:
        file.write_bytes(whole)
    assert done.returncode == 255 and "loading the driver: " in done.stderr
    assert wine.state(DRIVER) == ""


def test_no_guest_runs_outside_of_ring_0(driver: Wine, tmp_path: Path) -> None:
    """And who wants one is told why, in the driver's words."""
    (tmp_path / "vmlinux").write_bytes(daemon_kit.kernel())
    done = daemon(driver, "kernel=vmlinux", "mem=16", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (255, "")
    assert done.stderr.endswith(
        "creating the virtual machine: this host cannot run this guest; the driver says: " + EMULATED + "\n")  # fmt: skip


@pytest.fixture(scope="module")
def requests(wine: Wine) -> str:
    """The program of tests/wine/requests.c, in there."""
    compile_program(wine.system.target, "tests/wine/requests.c", wine.programs / "requests.exe", "-lntdll")
    return rf"{FOLDER}\requests.exe"


def test_requests_that_no_daemon_makes(driver: Wine, requests: str) -> None:
    """Each wrong length, code, owner and pointer; and RUN with all others, as this is no ring 0."""
    done = driver.run(requests)
    lines = done.stdout.splitlines()
    assert [line for line in lines if not line.startswith(("ok ", "release "))] == ["0 failures"]
    assert done.returncode == 0
    assert sum(line.startswith("ok ") for line in lines) > 300
    for request in ("RUN", "CREATE", "START", "IRQ", "KICK", "POOL", "MAP", "UNMAP"):
        assert any(line.startswith(f"ok {request} outside of ring 0") for line in lines)
        assert any(line.startswith(f"ok {request} by who is not the owner") for line in lines)
    assert f"release {Project.here().version}" in lines
    # and it goes as it came, and comes again
    driver.run("sc", "stop", DRIVER)
    assert driver.state(DRIVER) == "STOPPED"
    assert driver.run(requests).stdout.startswith("not ok opening")
    driver.run("sc", "start", DRIVER)
    assert driver.run(requests).stdout.endswith("0 failures\r\n")


# --- guests as services -------------------------------------------------------------------------


@pytest.fixture
def service(wine: Wine) -> Iterator[str]:
    """A service's name; none is left of it."""
    name = "Cooperative Linux"
    yield name
    if wine.state(name):
        wine.run("sc", "stop", name)
        daemon(wine, "--remove-service", name)
    assert wine.state(name) == ""


def windows_path(path: Path) -> str:
    """A path of the host's, in Wine."""
    return "Z:" + str(path).replace("/", "\\")


def test_a_service_says_why_it_ended(wine: Wine, service: str, tmp_path: Path) -> None:
    """Into the log beside its configuration; its exit code is the daemon's."""
    (tmp_path / "linux.conf").write_text("mem=64\nkernel=gone\n")
    done = daemon(wine, "--install-service", "@linux.conf", "quiet", cwd=tmp_path)
    assert (done.returncode, done.both) == (
        0, f'the service {service} is installed; it starts with Windows, or with: net start "{service}"\n')  # fmt: skip
    about = wine.registered(service)
    assert about["ImagePath"] == (
        rf'"{FOLDER}\colinux-daemon.exe" "--run-service" "{service}" "-C" "{windows_path(tmp_path)}" "@linux.conf" "quiet"')
    assert (about["Type"], about["Start"]) == ("0x10", "0x2")  # of its own, started with the system
    again = daemon(wine, "--install-service", "@linux.conf", cwd=tmp_path)
    assert (again.returncode, again.stdout) == (255, "")
    assert f"there is a service {service} already; --remove-service first, or give another name" in again.stderr
    wine.run("sc", "start", service)
    wine.wait_for(service, "STOPPED")
    assert wine.exit_code(service) == 255
    log = tmp_path / "colinux-daemon.log"
    assert text(log).endswith("colinux-daemon: linux.conf:2: kernel=gone: No such file or directory\n")
    # without a driver it says that
    (tmp_path / "gone").write_bytes(daemon_kit.kernel())
    wine.run("sc", "start", service)
    wine.wait_for(service, "STOPPED")
    wait_until(lambda: wine.exit_code(service) == 14, "the exit code is not 14")
    assert text(log).endswith(NOT_INSTALLED)
    removed = daemon(wine, "--remove-service", service)
    assert (removed.returncode, removed.both) == (0, f"the service {service} is removed\n")
    assert wine.state(service) == ""


def test_words_of_a_service_arrive_as_they_were(wine: Wine, tmp_path: Path) -> None:
    """Blanks, quotes, backslashes before quotes: as the C library's start-up takes them apart."""
    words = {"kernel": "a b", "initrd": 'ü "q" b\\', "cobd0": r"C:\end\\", "cobd1": 'x\\"y', "cobd2": r"a\\b c\d"}
    given = [f"{key}={value}" for key, value in words.items()]
    done = daemon(wine, "--install-service", "it's", "--check", *given, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    try:
        wine.run("sc", "start", "it's")
        wine.wait_for("it's", "STOPPED")
        lines = text(tmp_path / "colinux-daemon.log").splitlines()
        # --run-service NAME -C FOLDER --check are in front of them
        assert [line.removesuffix(": No such file or directory") for line in lines] == [
            f"colinux-daemon: argument {number}: {word}" for number, word in enumerate(given, 6)
        ]
    finally:
        assert daemon(wine, "--remove-service", "it's").returncode == 0


def test_a_service_that_there_is_not(wine: Wine) -> None:
    done = daemon(wine, "--remove-service", "no such")
    assert (done.returncode, done.both) == (255, "colinux-daemon: the service no such is not installed\n")


@pytest.mark.parametrize("name", ["MountMgr", "PlugPlay"])
def test_a_service_of_somebody_elses_stays(wine: Wine, name: str) -> None:
    """Windows' own, by a slip."""
    before = wine.registered(name)
    done = daemon(wine, "--remove-service", name)
    assert (done.returncode, done.both) == (255, (
        f"colinux-daemon: the service {name} runs no guest of ours (--install-service has not made it): it stays\n"))
    assert before and wine.registered(name) == before and wine.state(name) == "RUNNING"


def test_a_guests_service_has_no_name_of_the_drivers(driver: Wine, tmp_path: Path) -> None:
    """As the registry has it, and as the list of services shows it."""
    for name in (DRIVER, "Cooperative Linux driver"):
        done = daemon(driver, "--install-service", name, "kernel=vmlinux", cwd=tmp_path)
        assert done.returncode == 255
        assert f"there is a service {name} already; --remove-service first, or give another name" in done.stderr
    done = daemon(driver, "--remove-service", DRIVER)
    assert done.returncode == 255 and "runs no guest of ours" in done.stderr
    assert driver.state(DRIVER) == "RUNNING"


def test_mistakes_are_told_before_a_service_is_installed(wine: Wine, tmp_path: Path) -> None:
    done = daemon(wine, "--install-service", "bad", "mem=1", cwd=tmp_path)
    assert done.returncode == 255 and "mem=1: expected a whole number of MiB" in done.stderr
    assert wine.state("bad") == ""


def test_run_service_is_the_managers(wine: Wine, tmp_path: Path) -> None:
    done = daemon(wine, "--run-service", "linux", "kernel=x", cwd=tmp_path)
    assert done.returncode == 255
    assert re.search(r"--run-service is for Windows' service manager: net start .linux.", done.stderr), done
