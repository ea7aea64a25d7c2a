# SPDX-License-Identifier: GPL-2.0-only
"""Digests follow content, whatever sizes and times pretend."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from pipeline import digest


def test_a_file_s_digest(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"abc" * 1_000_000)
    assert digest.sha256_file(file) == hashlib.sha256(b"abc" * 1_000_000).hexdigest()
    with pytest.raises(FileNotFoundError):
        digest.sha256_file(tmp_path / "no")


def test_a_settled_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "f"
    file.write_text("abc")
    time.sleep(digest.SETTLED_NS / 1e9 * 1.5)
    before = digest.sha256_file(file)
    monkeypatch.setattr(digest.hashlib, "sha256", lambda *_: pytest.fail("read again"))
    assert digest.sha256_file(file) == before


def test_a_change_with_size_and_mtime_restored_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_text("abc")
    time.sleep(digest.SETTLED_NS / 1e9 * 1.5)
    before, times = digest.sha256_file(file), file.stat()
    file.write_text("abd")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert file.stat().st_mtime_ns == times.st_mtime_ns
    assert digest.sha256_file(file) != before


def test_a_change_right_after_reading_is_seen(tmp_path: Path) -> None:
    """Within one tick of the clock nothing but the content tells two versions apart."""
    file = tmp_path / "f"
    for number in range(200):
        file.write_text(f"{number:03}")
        assert digest.sha256_file(file) == hashlib.sha256(f"{number:03}".encode()).hexdigest()


def make_tree(root: Path) -> Path:
    tree = root / "t"
    (tree / "sub" / "empty").mkdir(parents=True)
    (tree / "a").write_text("1")
    (tree / "sub" / "b").write_text("2")
    (tree / "link").symlink_to("a")
    return tree


def test_equal_trees_have_equal_digests(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    one, two = make_tree(tmp_path / "x"), make_tree(tmp_path / "y")
    os.utime(two / "a", (0, 0))
    assert digest.tree_digest([one], one.parent) == digest.tree_digest([two], two.parent)
    # However it is listed.
    parts = [two / "sub", two / "link", two / "a"]
    assert digest.tree_digest(parts, two) == digest.tree_digest(reversed(parts), two)


CHANGES = {
    "content": lambda t: (t / "sub/b").write_text("3"),
    "a new file": lambda t: (t / "sub/c").write_text(""),
    "a missing file": lambda t: (t / "a").unlink(),
    "another name": lambda t: (t / "a").rename(t / "z"),
    "x bit": lambda t: (t / "a").chmod(0o755),
    "link target": lambda t: ((t / "link").unlink(), (t / "link").symlink_to("b")),
    "link became a file": lambda t: ((t / "link").unlink(), (t / "link").write_text("1")),
    "a missing empty folder": lambda t: (t / "sub/empty").rmdir(),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_of_a_tree_counts(tmp_path: Path, name: str) -> None:
    tree = make_tree(tmp_path)
    before = digest.tree_digest([tree], tmp_path)
    CHANGES[name](tree)
    assert digest.tree_digest([tree], tmp_path) != before


def test_python_s_droppings_do_not_count(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    before = digest.tree_digest([tree], tmp_path)
    (tree / "sub/__pycache__").mkdir()
    (tree / "sub/__pycache__/b.pyc").write_text("")
    assert digest.tree_digest([tree], tmp_path) == before


def test_of_json_ignores_the_order_of_keys_only() -> None:
    assert digest.of_json({"a": 1, "b": [1, 2]}) == digest.of_json({"b": [1, 2], "a": 1})
    assert digest.of_json({"a": [1, 2]}) != digest.of_json({"a": [2, 1]})
