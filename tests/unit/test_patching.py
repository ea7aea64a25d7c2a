# SPDX-License-Identifier: GPL-2.0-only
"""Patched trees: made whole or not at all, never patched twice, and rewritten as little as possible."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from pathlib import Path

import pytest
from fake_kernel import HOOK, MAIN_C, Checkout, make_pristine

from pipeline import patching, stamp
from pipeline.errors import UserError
from pipeline.lock import Blob, Lock
from pipeline.series import read_patch, read_series

PATCHED = MAIN_C.replace("line 5\n", "line 5\nhook();\nanother();\n").replace(
    "line 15\n", "line 15\nsecond_hook();\n")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def prepare(checkout: Checkout) -> Path:
    return patching.prepare(checkout.kernel, checkout.decl, checkout.unpack, checkout.lock, checkout.paths)


def check(checkout: Checkout) -> None:
    patching.check(checkout.kernel, checkout.decl, checkout.lock, checkout.paths)


def content(tree: Path) -> dict[str, tuple[bytes, int]]:
    """Every file of a tree with its content and time."""
    return {str(path.relative_to(tree)): (path.read_bytes(), path.stat().st_mtime_ns)
            for path in tree.rglob("*") if path.is_file()}


def age(tree: Path) -> None:
    """Make every file old, so that a rewritten one shows."""
    for path in tree.rglob("*"):
        os.utime(path, (1, 1))


def test_the_tree_has_patches_overlay_and_shared_headers(checkout: Checkout) -> None:
    tree = prepare(checkout)
    assert (tree / "main.c").read_text() == PATCHED
    assert (tree / "new.c").read_text() == "int new;\n"
    assert (tree / "arch/x86/ours/ours.c").read_text() == "int ours;\n"
    assert (tree / "arch/x86/ours/abi.h").read_text() == "#define ABI 1\n"
    assert not (tree / "SHARED").exists()


def test_a_second_run_touches_nothing(checkout: Checkout) -> None:
    before = content(prepare(checkout))
    state = str(patching.STATE)
    after = content(prepare(checkout))
    assert checkout.unpacked == 1
    assert {k: v for k, v in after.items() if k != state} == {k: v for k, v in before.items() if k != state}
    assert after[state][0] == before[state][0]


def test_patches_apply_below_a_git_checkout(checkout: Checkout) -> None:
    """git must not take build/ for a part of the checkout's repository and skip the patches."""
    subprocess.run(["git", "init", "-q", checkout.paths.root], check=True)
    assert (prepare(checkout) / "main.c").read_text() == PATCHED


@pytest.mark.parametrize("name", ["arch/x86/ours/ours.c", "arch/x86/ours/abi.h"])
def test_a_changed_file_of_ours_is_the_only_one_rewritten(checkout: Checkout, name: str) -> None:
    age(prepare(checkout))
    source = "runtime/abi.h" if name.endswith(".h") else f"patches/ours/{name}"
    checkout.write(source, "changed\n")
    tree = prepare(checkout)
    young = {name for name, (_, time) in content(tree).items() if time != 1_000_000_000}
    assert young == {name, str(patching.STATE)}
    assert (tree / name).read_text() == "changed\n"
    assert checkout.unpacked == 1


def test_files_of_ours_come_and_go(checkout: Checkout) -> None:
    tree = prepare(checkout)
    checkout.write("patches/ours/arch/x86/ours/more.c", "more\n")
    prepare(checkout)
    assert (tree / "arch/x86/ours/more.c").is_file()
    (checkout.patches / "ours/arch/x86/ours/more.c").unlink()
    prepare(checkout)
    assert not (tree / "arch/x86/ours/more.c").exists()
    assert checkout.unpacked == 1


def test_a_changed_patch_makes_the_tree_anew(checkout: Checkout) -> None:
    prepare(checkout)
    checkout.write("patches/fake/0001-hook.patch", HOOK.replace("second_hook", "third_hook"))
    assert "third_hook();\n" in (prepare(checkout) / "main.c").read_text()
    assert "second_hook" not in (checkout.tree / "main.c").read_text()
    assert checkout.unpacked == 2


def test_a_changed_source_makes_the_tree_anew(checkout: Checkout) -> None:
    prepare(checkout)
    blob = Blob(name="fake.tar", kind="tarball", url="u", size=1, sha256="2" * 64)
    checkout.lock = Lock({"source:fake": (blob,)})
    prepare(checkout)
    assert checkout.unpacked == 2


def test_an_edited_patched_file_is_noticed(checkout: Checkout) -> None:
    tree = prepare(checkout)
    (tree / "main.c").write_text("edited\n")
    assert (prepare(checkout) / "main.c").read_text() == PATCHED


def test_a_foreign_tree_is_replaced(checkout: Checkout) -> None:
    checkout.tree.mkdir(parents=True)
    make_pristine(checkout.tree)
    (checkout.tree / "junk").write_text("junk")
    assert not (prepare(checkout) / "junk").exists()


def test_a_hunk_that_does_not_apply_is_named_and_leaves_the_tree(checkout: Checkout) -> None:
    before = content(prepare(checkout))
    checkout.write("patches/fake/0001-hook.patch", HOOK.replace(" line 14\n", " line fourteen\n"))
    with pytest.raises(UserError) as caught:
        prepare(checkout)
    assert str(caught.value).startswith(
        "patches/fake/0001-hook.patch:10: hunk 2 does not apply to main.c:14; it looked for:")
    assert "line fourteen" in str(caught.value)
    assert content(checkout.tree) == before
    assert [path.name for path in checkout.tree.parent.iterdir()] == ["fake-1"]


def test_of_two_patches_to_one_file_the_right_one_is_blamed(checkout: Checkout) -> None:
    path = checkout.patches / "fake/0002-second.patch"
    path.write_text(path.read_text().replace(" hook();", " no_such_hook();"))
    where = r"^patches/fake/0002-second\.patch:3: "
    with pytest.raises(UserError, match=where + r"hunk 1 does not apply to main\.c:5"):
        prepare(checkout)
    assert not checkout.tree.exists()


def test_a_patch_for_a_missing_file_is_named(checkout: Checkout) -> None:
    checkout.write("patches/fake/0001-hook.patch", HOOK.replace("main.c", "gone.c"))
    with pytest.raises(UserError, match=r"^patches/fake/0001-hook\.patch: gone\.c: No such file"):
        prepare(checkout)


def test_a_file_of_ours_may_not_hide_one_of_linux(checkout: Checkout) -> None:
    checkout.write("patches/ours/other.c", "ours\n")
    with pytest.raises(UserError, match=r"patches/ours/other\.c: other\.c is a file of Linux itself"):
        prepare(checkout)
    assert not checkout.tree.exists()


def test_the_same_when_the_tree_is_there(checkout: Checkout) -> None:
    tree = prepare(checkout)
    checkout.write("patches/ours/other.c", "ours\n")
    with pytest.raises(UserError, match="is a file of Linux itself"):
        prepare(checkout)
    with pytest.raises(UserError, match="is a file of Linux itself"):
        check(checkout)
    assert (tree / "other.c").read_text() == "other\n"


@pytest.mark.parametrize(
    ("series", "message"),
    [
        ("0001-hook.patch\n0002-second.patch\n0001-hook.patch\n", r"series:3: 0001-hook\.patch is named tw"),
        ("0001-hook.patch\n0003-third.patch\n0002-second.patch\n", r"series:2: there is no patch 0003-th"),
        ("0001-hook.patch\n", r"0002-second\.patch: not in patches/fake/series"),
    ],
)
def test_a_wrong_series_is_an_error(checkout: Checkout, series: str, message: str) -> None:
    checkout.write("patches/fake/series", series)
    with pytest.raises(UserError, match=message):
        prepare(checkout)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HOOK.rsplit("\n", 3)[0] + "\n", r"0001-hook\.patch:\d+: damaged patch: the hunk is shorter"),
        ("only words\n", r"0001-hook\.patch:1: damaged patch: it changes nothing"),
        (HOOK.replace("--- a/main.c\n+++ b/main.c\n", ""), r"damaged patch: a hunk before any file"),
        (HOOK.replace("/main.c", "/../main.c"), r"damaged patch: neither side names a file"),
    ],
)
def test_a_damaged_patch_is_an_error(checkout: Checkout, text: str, message: str) -> None:
    checkout.write("patches/fake/0001-hook.patch", text)
    with pytest.raises(UserError, match=message):
        prepare(checkout)


def test_a_shared_header_that_is_not_there(checkout: Checkout) -> None:
    (checkout.paths.root / "runtime/abi.h").unlink()
    with pytest.raises(UserError, match=r"patches/ours/SHARED:2: there is no file runtime/abi\.h"):
        prepare(checkout)


def test_check_sees_what_prepare_would(checkout: Checkout) -> None:
    before = content(prepare(checkout))
    check(checkout)
    checkout.write("patches/fake/0001-hook.patch", HOOK.replace(" line 4\n", " line four\n"))
    with pytest.raises(UserError, match=r"0001-hook\.patch:5: hunk 1 does not apply to main\.c:4"):
        check(checkout)
    assert content(checkout.tree) == before
    assert checkout.unpacked == 1


def test_check_takes_a_new_patch_to_a_file_not_patched_so_far(checkout: Checkout) -> None:
    prepare(checkout)
    checkout.write("patches/fake/series", "0001-hook.patch\n0002-second.patch\n0003-other.patch\n")
    patch = "--- a/other.c\n+++ b/other.c\n@@ -1 +1,2 @@\n other\n+more\n"
    checkout.write("patches/fake/0003-other.patch", patch)
    check(checkout)
    assert (checkout.tree / "other.c").read_text() == "other\n"


def test_check_needs_a_tree(checkout: Checkout) -> None:
    with pytest.raises(UserError, match="is not unpacked"):
        check(checkout)


def test_the_job_is_fresh_after_prepare_and_stale_after_any_change(checkout: Checkout) -> None:
    def reason() -> str | None:
        return stamp.why_stale(
            patching.job(checkout.kernel, checkout.decl, checkout.lock, checkout.paths), checkout.paths)

    def do() -> None:
        assert reason() is not None
        prepare(checkout)
        job = patching.job(checkout.kernel, checkout.decl, checkout.lock, checkout.paths)
        stamp.finish(job, checkout.paths)
        assert reason() is None

    do()
    for name in ("patches/fake/0001-hook.patch", "patches/ours/arch/x86/ours/ours.c", "runtime/abi.h"):
        path = checkout.paths.root / name
        path.write_text("A comment.\n" + path.read_text())
        do()
    (checkout.tree / "main.c").write_text("edited\n")
    do()
    assert (checkout.tree / "main.c").read_text() == PATCHED
    (checkout.tree / "arch/x86/ours/ours.c").unlink()
    do()


def test_the_tree_id_changes_with_patches_only(checkout: Checkout) -> None:
    assert patching.tree_id(checkout.kernel, checkout.paths) is None
    prepare(checkout)
    first = patching.tree_id(checkout.kernel, checkout.paths)
    checkout.write("patches/ours/arch/x86/ours/ours.c", "changed\n")
    prepare(checkout)
    assert patching.tree_id(checkout.kernel, checkout.paths) == first
    checkout.write("patches/fake/0001-hook.patch", HOOK.replace("second_hook", "third_hook"))
    prepare(checkout)
    assert patching.tree_id(checkout.kernel, checkout.paths) != first


def test_an_interrupted_update_leaves_no_unknown_file(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = prepare(checkout)
    checkout.write("patches/ours/arch/x86/ours/more.c", "more\n")
    real = patching.atomic_write

    def interrupted(path: Path, *rest: object) -> None:
        real(path, *rest)  # type: ignore[arg-type]
        if path.name == "more.c":
            raise KeyboardInterrupt

    monkeypatch.setattr(patching, "atomic_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare(checkout)
    monkeypatch.undo()
    (checkout.patches / "ours/arch/x86/ours/more.c").unlink()
    prepare(checkout)
    assert not (tree / "arch/x86/ours/more.c").exists()


def test_a_kernel_without_overlay(checkout: Checkout) -> None:
    checkout.kernel = dataclasses.replace(checkout.kernel, overlay=())
    tree = prepare(checkout)
    assert (tree / "main.c").read_text() == PATCHED
    assert not (tree / "arch/x86/ours").exists()


def test_our_own_series_parse() -> None:
    root = Path(__file__).resolve().parents[2]
    for path in sorted((root / "patches").glob("*/series")):
        series = read_series(path, root)
        assert series.patches
        for patch in series.patches:
            assert read_patch(patch.path, root) == patch
            assert not patch.path.read_text().startswith("---"), f"{patch.path} does not say what and why"
