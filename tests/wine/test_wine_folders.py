# SPDX-License-Identifier: GPL-2.0-only
"""cofsN= on Windows: host folders by NT's own calls, through the 9P server that all hosts have.

Wine has no junctions and no symbolic links of NT's, so nobody has seen here what is said of them.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import daemon_kit
import pytest
import test_daemon_folders
from wine_kit import FOLDER, Wine, link_programs

from pipeline import daemon
from pipeline.paths import checkout

ROOT = checkout().root
USE = sorted((ROOT / "tests/wine").glob("folder_use*.c"))
TESTS = [name for path in USE for name in re.findall(r'^\t\{ "(\w+)", \1 \},$', path.read_text(), re.M)]
# what of the daemon is in it
PARTS = ("folder", "nt_files_", "p9_", "text_windows", "log")
KIT = ("check_failed", "p9_client", "p9_client_u")


@pytest.fixture(scope="module")
def folders(wine: Wine, tmp_path_factory: pytest.TempPathFactory) -> Wine:
    """folder_use.exe and fuzz_p9.exe lie in its C:\\colinux."""
    ours = [path for path in daemon.daemon_sources("windows", checkout()) if path.stem.startswith(PARTS)]
    kit = [*(daemon_kit.HARNESS / f"{stem}.c" for stem in KIT), ROOT / "tests/wine/p9_client_windows.c"]
    programs = {"folder_use": USE, "fuzz_p9": [daemon_kit.HARNESS / "fuzz_p9.c"]}
    link_programs(wine, tmp_path_factory.mktemp("folders"), [*ours, *kit], programs, ["tests/unit/daemon"])
    return wine


@pytest.mark.parametrize("name", TESTS)
def test_a_folder(name: str, folders: Wine, tmp_path: Path) -> None:
    done = folders.run(rf"{FOLDER}\folder_use.exe", name, cwd=tmp_path)
    assert done.returncode == 0, done.both


@pytest.mark.fuzz
def test_hostile_messages(folders: Wine, tmp_path: Path) -> None:
    """Whatever a guest sends, the file beside the folder is neither read nor touched, and every message is answered."""
    count = daemon_kit.inputs(60000)
    done = folders.run(rf"{FOLDER}\fuzz_p9.exe", "1", str(count), cwd=tmp_path)
    assert done.returncode == 0, done.both
    served, refused = map(int, done.stdout.split())
    assert served + refused == count and min(served, refused) > count // 20


def test_they_are_all_here() -> None:
    assert len(TESTS) >= 19


# --- cofsN= of colinux-daemon.exe ---


@pytest.fixture
def instead(wine: Wine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Linux daemon's own tests of the key ask this one."""

    def check(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = wine.run(rf"{FOLDER}\colinux-daemon.exe", *arguments, cwd=folder)
        return subprocess.CompletedProcess(arguments, done.returncode, done.stdout, done.stderr)

    monkeypatch.setattr(daemon_kit, "check", check)


@pytest.mark.usefixtures("bridge")
def test_a_guest_finds_its_folders(wine: Wine, tmp_path: Path) -> None:
    """Behind its disks, each with its name in its registers; the daemon ends as ever. bridge: fake-daemon.exe is there."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "vmlinux").write_bytes(daemon_kit.kernel())
    done = wine.run(rf"{FOLDER}\fake-daemon.exe", "kernel=vmlinux", "mem=64", "--stats", "cofs0=folder", "cofs7=folder,ro",
                    cwd=tmp_path, FAKE_GUEST="devices;leave 8")  # fmt: skip
    assert done.returncode == 0, done.both
    assert "stats: cofs0: 0 requests" in done.stderr and "stats: cofs7: " in done.stderr
    missing = wine.run(rf"{FOLDER}\fake-daemon.exe", "kernel=vmlinux", "mem=64", "cofs0=nothing", cwd=tmp_path)
    assert missing.returncode == 255 and "cofs0=nothing: No such file or directory" in missing.stderr


@pytest.mark.usefixtures("instead")
def test_a_folder_that_is_none_is_told_beforehand(tmp_path: Path) -> None:
    test_daemon_folders.test_a_folder_that_is_none_is_told_beforehand(tmp_path)
    assert "owners are not stored on Windows" in test_daemon_folders.checked(tmp_path, "folder,owner=xattr")
