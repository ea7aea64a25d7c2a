# SPDX-License-Identifier: GPL-2.0-only
"""The memory of what is up to date, met with everything that fools doit's."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import digest, stamp
from pipeline.errors import InfrastructureError
from pipeline.paths import Paths
from pipeline.stamp import Job, finish, forget, output_digest, why_stale


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path)


@pytest.fixture
def job(paths: Paths) -> Job:
    """A job with a file and a folder on each side, done a while ago."""
    root = paths.root
    (root / "in").mkdir()
    (root / "in" / "b.c").write_text("int b;")
    (root / "in" / "a.c").write_text("int a;")
    (root / "one.c").write_text("int one;")
    (root / "out" / "sub").mkdir(parents=True)
    (root / "out" / "sub" / "x").write_text("x")
    (root / "vmlinux").write_bytes(b"\0" * 1000)
    result = Job(
        "kernel:a/b",
        {"compiler": "gcc-12", "flags": ("-O2", "-g")},
        [root / "one.c", root / "in"],
        [root / "vmlinux", root / "out"],
    )
    finish(result, paths)
    settle()
    assert why_stale(result, paths) is None
    return result


def settle() -> None:
    time.sleep(digest.SETTLED_NS / 1e9 * 1.2)


def rewrite(path: Path, content: str) -> None:
    """Change a file and put its size's and time's appearance back."""
    before = path.stat()
    assert before.st_size == len(content)
    path.write_text(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_new_work_has_not_been_done(paths: Paths) -> None:
    assert why_stale(Job("x"), paths) == "it has not been done yet"


CHANGES: dict[str, Callable[[Path], object]] = {
    "input one.c changed": lambda r: rewrite(r / "one.c", "int two;"),
    "input in/b.c changed": lambda r: rewrite(r / "in/b.c", "int c;"),
    "input in/c.c changed": lambda r: (r / "in/c.c").write_text("new"),
    "input in/a.c changed": lambda r: (r / "in/a.c").unlink(),
    "input one.c is gone": lambda r: (r / "one.c").unlink(),
    "output vmlinux is gone": lambda r: (r / "vmlinux").unlink(),
    "output vmlinux was altered since it was made": lambda r: rewrite(r / "vmlinux", "\0" * 999 + "!"),
    "output out/sub/x was altered since it was made": lambda r: rewrite(r / "out/sub/x", "y"),
    "output out/sub/y was altered since it was made": lambda r: (r / "out/sub/y").write_text(""),
}


@pytest.mark.parametrize("reason", CHANGES)
def test_a_change_is_noticed_and_named(paths: Paths, job: Job, reason: str) -> None:
    CHANGES[reason](paths.root)
    assert why_stale(job, paths) == reason
    # And still the next time: asking must not make it forget.
    assert why_stale(job, paths) == reason


def test_touching_is_no_change(paths: Paths, job: Job) -> None:
    for path in (*job.files, *job.outputs):
        os.utime(path)
    os.utime(paths.root / "in/a.c", (1, 1))
    assert why_stale(job, paths) is None


def test_an_equal_time_is_no_proof(paths: Paths, job: Job) -> None:
    """Rewritten at once after the record, within one tick of the clock, with equal size and time."""
    source = paths.root / "one.c"
    for number in range(20):
        source.write_text(f"int {number:03};")
        forget(job, paths)
        finish(job, paths)
        rewrite(source, "int xxx;")
        assert why_stale(job, paths) == "input one.c changed"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"compiler": "gcc-13", "flags": ["-O2", "-g"]}, "input compiler changed"),
        ({"compiler": "gcc-12", "flags": ["-g", "-O2"]}, "input flags changed"),
        ({"compiler": "gcc-12"}, "input flags is no longer one"),
        ({"compiler": "gcc-12", "flags": ["-O2", "-g"], "new": None}, "input new is new"),
    ],
)
def test_values_count(paths: Paths, job: Job, changed: dict[str, object], reason: str) -> None:
    assert why_stale(Job(job.name, changed, job.files, job.outputs), paths) == reason


def test_other_files_count(paths: Paths, job: Job) -> None:
    fewer = Job(job.name, job.inputs, job.files[:1], job.outputs)
    assert why_stale(fewer, paths) == "input in is no longer one"
    finish(fewer, paths)
    assert why_stale(job, paths) == "input in is new"
    more = Job(job.name, job.inputs, job.files[:1], [*job.outputs, paths.root / "one.c"])
    assert why_stale(more, paths) == "output one.c is new"


def test_an_input_edited_while_the_job_runs_counts_as_changed(paths: Paths, job: Job) -> None:
    (paths.root / "one.c").write_text("int first;")
    assert why_stale(job, paths)
    (paths.root / "one.c").write_text("int second;")  # the compiler had read the file already
    finish(job, paths)
    assert why_stale(job, paths) == "input one.c changed"
    finish(job, paths)
    assert why_stale(job, paths) is None


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda r: (r / "vmlinux").unlink(), "vmlinux was not made"),
        (lambda r: (r / "vmlinux").write_text(""), "vmlinux is empty"),
        (lambda r: ((r / "out/sub/x").unlink(), (r / "out/sub").rmdir()), "out is an empty folder"),
    ],
)
def test_success_without_output_is_a_fault(paths: Paths, job: Job, spoil: Callable[[Path], object], words: str) -> None:
    forget(job, paths)
    spoil(paths.root)
    with pytest.raises(InfrastructureError, match=words):
        finish(job, paths)
    assert why_stale(job, paths) == "it has not been done yet"


def test_a_missing_input_cannot_be_remembered(paths: Paths, job: Job) -> None:
    (paths.root / "one.c").unlink()
    with pytest.raises(InfrastructureError, match=r"one\.c is gone"):
        finish(job, paths)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"format":1,"job":"x"}', b"\xff\xfe"])
def test_a_damaged_record_means_doing_it_again(paths: Paths, job: Job, content: bytes) -> None:
    (paths.state / "kernel_a_b.json").write_bytes(content)
    reason = why_stale(job, paths)
    assert reason is not None and "its record" in reason
    finish(job, paths)
    assert why_stale(job, paths) is None


@pytest.mark.parametrize("name", ["kernel_a_b.seen.json", "kernel_a_b.files.json"])
@pytest.mark.parametrize("content", [b"", b"{", b'{"format":1,"trees":[]}', b"null", None])
def test_a_damaged_side_file_costs_time_only(paths: Paths, job: Job, name: str, content: bytes | None) -> None:
    side = paths.state / name
    assert side.exists()
    if content is None:
        side.unlink()
    else:
        side.write_bytes(content)
    assert why_stale(job, paths) is None
    rewrite(paths.root / "vmlinux", "!" + "\0" * 999)
    assert why_stale(job, paths) == "output vmlinux was altered since it was made"


def test_names_that_share_a_file_do_not_share_a_memory(paths: Paths, job: Job) -> None:
    twin = Job("kernel:a:b", job.inputs, job.files, job.outputs)
    reason = why_stale(twin, paths)
    assert reason is not None and "of another kind" in reason


def test_an_unchanged_big_output_is_not_read(paths: Paths, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "sha256_file", lambda path: pytest.fail(f"read {path}"))
    assert why_stale(job, paths) is None


def test_of_a_changed_tree_only_the_change_is_read(paths: Paths, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    (paths.root / "in/a.c").write_text("int z;")
    read: list[str] = []
    real = digest.sha256_file
    monkeypatch.setattr(digest, "sha256_file", lambda path: read.append(path.name) or real(path))
    assert why_stale(job, paths) == "input in/a.c changed"
    assert read == ["a.c"]


def test_forgetting(paths: Paths, job: Job) -> None:
    forget(job, paths)
    assert why_stale(job, paths) == "it has not been done yet"
    assert list(paths.state.iterdir()) == []


def test_a_checkout_can_move(paths: Paths, job: Job, tmp_path_factory: pytest.TempPathFactory) -> None:
    new = tmp_path_factory.mktemp("other") / "checkout"
    paths.root.rename(new)

    def moved(path: Path) -> Path:
        return new / path.relative_to(paths.root)

    again = Job(job.name, job.inputs, [moved(p) for p in job.files], [moved(p) for p in job.outputs])
    assert why_stale(again, Paths(new)) is None


def test_an_output_may_be_a_link_to_a_folder(paths: Paths, job: Job) -> None:
    link = paths.root / "default"
    link.symlink_to("out")
    linked = Job("boot", outputs=[link])
    finish(linked, paths)
    assert why_stale(linked, paths) is None
    (paths.root / "out/sub/x").write_text("z")
    assert why_stale(linked, paths) == "output default/sub/x was altered since it was made"


def test_the_digest_of_outputs_stands_for_them(paths: Paths, job: Job) -> None:
    before = output_digest(job, paths)
    assert before is not None
    (paths.root / "vmlinux").write_text("another")
    finish(job, paths)
    assert output_digest(job, paths) != before
    forget(job, paths)
    assert output_digest(job, paths) is None


def test_the_record_is_on_disk_when_finish_returns(paths: Paths, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync
    monkeypatch.setattr(
        stamp.os, "fsync", lambda fd: synced.append(str(Path(f"/proc/self/fd/{fd}").readlink())) or real(fd)
    )
    finish(job, paths)
    assert any(name.endswith("/kernel_a_b.json") for name in synced)
    assert str(paths.state) in synced
