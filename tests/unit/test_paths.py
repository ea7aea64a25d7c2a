# SPDX-License-Identifier: GPL-2.0-only
"""Files are whole or not there, locks hold, and what the dead left is swept away."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline import progress
from pipeline.errors import InfrastructureError
from pipeline.paths import Paths, atomic_dir, atomic_path, atomic_write, checkout, file_lock, remove, slug

ROOT = Path(__file__).resolve().parents[2]


def listing(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


def test_the_checkout_is_this_one() -> None:
    assert (checkout().root / "pipeline" / "paths.py").is_file()


def test_places_lie_below_build(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = Paths(Path("/c"))
    assert paths.kernel("6.1-x86_64") == Path("/c/build/kernel/6.1-x86_64")
    assert paths.daemon("linux-x86_64") == Path("/c/build/daemon/linux-x86_64")
    assert paths.log("boot:two/x") == Path("/c/build/log/boot_two_x.log")
    monkeypatch.delenv("COLINUX_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert paths.cache == Path("/xdg/colinux")
    monkeypatch.setenv("COLINUX_CACHE", "/mine")
    assert paths.cache == Path("/mine")
    monkeypatch.delenv("COLINUX_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/x")
    assert paths.cache == Path("/home/x/.cache/colinux")


def test_slug_is_one_component() -> None:
    assert "/" not in slug("../a:b/c d") and slug("kernel:6.1-x86_64") == "kernel_6.1-x86_64"


def test_atomic_write_replaces_and_sets_the_mode(tmp_path: Path) -> None:
    file = tmp_path / "sub" / "file"
    atomic_write(file, "one")
    atomic_write(file, b"two", mode=0o755)
    assert file.read_bytes() == b"two"
    assert file.stat().st_mode & 0o777 == 0o755
    assert listing(file.parent) == ["file"]


def test_a_failed_file_leaves_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_path(file) as new:
        assert new.name == "file"
        assert new != file
        assert not new.exists()
        new.write_text("half")
        raise ZeroDivisionError
    assert file.read_text() == "old"
    assert listing(tmp_path) == ["file"]


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="nothing was written"), atomic_path(tmp_path / "file"):
        pass
    assert listing(tmp_path) == []


def test_a_folder_takes_the_old_one_s_place(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "old").write_text("")
    with atomic_dir(folder) as new:
        (new / "new").write_text("")
        assert listing(folder) == ["old"]
    assert listing(folder) == ["new"]
    assert listing(tmp_path) == ["tree"]


def test_a_failed_folder_leaves_the_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "old").write_text("")
    with pytest.raises(KeyboardInterrupt), atomic_dir(folder) as new:
        (new / "new").write_text("")
        (new / "locked").mkdir(mode=0o500)
        raise KeyboardInterrupt
    assert listing(folder) == ["old"]
    assert listing(tmp_path) == ["tree"]


def test_what_a_killed_process_left_is_swept_and_the_living_are_not(tmp_path: Path) -> None:
    code = (
        "import sys, os, signal; from pathlib import Path; from pipeline.paths import atomic_dir\n"
        "with atomic_dir(Path(sys.argv[1])) as new:\n"
        "    (new / 'half').write_text(''); print('ready', flush=True)\n"
        "    sys.stdin.read(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "tree")],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        children[0].communicate()
        assert len(listing(tmp_path)) == 2
        with atomic_dir(tmp_path / "tree"):
            pass
        # The dead one's is gone, the living one's is there.
        assert len(listing(tmp_path)) == 2 and "tree" in listing(tmp_path)
    finally:
        for child in children:
            child.kill()
            child.communicate()
    atomic_write(tmp_path / "tree2", "another name sweeps nothing of tree")
    assert len(listing(tmp_path)) == 3
    with atomic_dir(tmp_path / "tree"):
        pass
    assert listing(tmp_path) == ["tree", "tree2"]


def test_remove_takes_anything(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    (folder / "b").mkdir(parents=True)
    (folder / "b" / "c").write_text("")
    (folder / "b").chmod(0o500)
    (tmp_path / "link").symlink_to(folder)
    remove(tmp_path / "link")
    assert folder.is_dir()
    remove(folder)
    remove(folder)
    assert listing(tmp_path) == []


def test_a_lock_excludes_and_says_who_is_waited_for(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    order: list[str] = []
    said = io.StringIO()
    progress.set_stream(said)

    def second() -> None:
        with file_lock(lock):
            order.append("second")

    try:
        with file_lock(lock):
            thread = threading.Thread(target=second)
            thread.start()
            time.sleep(1.2)
            order.append("first")
        thread.join(5)
    finally:
        progress.set_stream(None)
    assert order == ["first", "second"]
    assert f"waiting for process {os.getpid()}" in said.getvalue()
