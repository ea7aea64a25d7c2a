# SPDX-License-Identifier: GPL-2.0-only
"""Debian's source packages, with the machine's real apt and gpgv, against an archive of the test's own."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from debian_kit import FakeDebian, Key, SourcePackage, have_gpg, key
from sources_kit import Server, context, serving, sha

from pipeline import progress, sources
from pipeline.declaration.model import DebianSource
from pipeline.errors import UserError
from pipeline.lock import Lock
from pipeline.sources import Context, Mirrors, apt, debsource, http, snapshot
from pipeline.sources.substitute import Dropped

pytestmark = pytest.mark.skipif(not have_gpg(), reason="gpg is not installed (it signs the test's archive)")

BUSYBOX = DebianSource("busybox", "busybox", "source", "bookworm")
PATCH = "--- a/main.c\n+++ b/main.c\n@@ -1,3 +1,3 @@\n one\n-two\n+Debian's two\n three\n"
FORMAT = {"source/format": "3.0 (quilt)\n"}


def busybox(version: str = "1:1.35.0-4+deb12u1", patch: str = PATCH) -> SourcePackage:
    debian = {"patches/series": "# not-for-us.patch\nfix.diff # why\n\n", "patches/fix.diff": patch}
    return SourcePackage("busybox", version, {"main.c": "one\ntwo\nthree\n"}, FORMAT | debian)


@pytest.fixture(scope="module")
def debian_key() -> Iterator[Key]:
    with key("debian") as made:
        yield made


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def debian(server: Server, debian_key: Key, monkeypatch: pytest.MonkeyPatch) -> FakeDebian:
    fake = FakeDebian(server, debian_key)
    fake.sources += [busybox("1:1.34.1-9"), busybox(), SourcePackage("busy", "9", {"x": "y"}, FORMAT)]
    fake.publish()
    monkeypatch.setattr(apt, "configured", lambda: fake.entries)
    monkeypatch.setattr(snapshot, "known_to_apt", lambda: None)
    monkeypatch.setattr(http, "FIRST_DELAY", 0.01)
    return fake


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    return context(tmp_path, monkeypatch)


def lock_busybox(ctx: Context) -> None:
    ctx.lock = Lock().with_group("source:busybox", sources.resolve(BUSYBOX, ctx))


def test_every_file_of_the_newest_version_is_locked(debian: FakeDebian, debian_key: Key, ctx: Context) -> None:
    blobs = sources.resolve(BUSYBOX, ctx)
    assert [(blob.name, blob.version, blob.arch) for blob in blobs] == [
        ("busybox.debian.tar", "1:1.35.0-4+deb12u1", "source"),
        ("busybox.dsc", "1:1.35.0-4+deb12u1", "source"),
        ("busybox.orig.tar", "1:1.35.0-4+deb12u1", "source"),
    ]
    data = busybox().files["busybox_1.35.0.orig.tar.bz2"]
    assert (blobs[2].sha256, blobs[2].size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert blobs[2].filename == "pool/busybox_1.35.0.orig.tar.bz2" and blobs[2].signer == debian_key.fingerprint


def test_the_lock_can_hold_it(debian: FakeDebian, ctx: Context, tmp_path: Path) -> None:
    lock_busybox(ctx)
    ctx.lock.save(tmp_path / "colinux.lock")
    assert Lock.load(tmp_path / "colinux.lock").groups == ctx.lock.groups


def test_an_unknown_one_gets_a_suggestion(debian: FakeDebian, ctx: Context) -> None:
    with pytest.raises(UserError, match=r'no source package "busybux"(.|\n)*busybox'):
        sources.resolve(DebianSource("x", "busybux", "source", "bookworm"), ctx)


def test_it_is_fetched_by_its_pin_and_unpacked_with_debians_patches(debian: FakeDebian, ctx: Context) -> None:
    lock_busybox(ctx)
    debian.server.asked.clear()
    fetched = sources.fetch(BUSYBOX, ctx)
    assert debian.asked("/dists/") == [] and len(debian.asked("/pool/")) == 3
    assert [sha(file.read_bytes()) for file in fetched.files] == [blob.sha256 for blob in fetched.blobs]
    tree = ctx.paths.root / "tree"
    sources.unpack(BUSYBOX, fetched, tree, ctx)
    assert (tree / "main.c").read_text() == "one\nDebian's two\nthree\n"
    assert (tree / "debian/patches/series").is_file()
    debsource.unpack(fetched.blobs, fetched.files, tree, name="busybox", patched=False)
    assert (tree / "main.c").read_text() == "one\ntwo\nthree\n" and not (tree / "debian").exists()


def test_without_debians_patches_only_the_authors_own_is_locked_and_unpacked(
    debian: FakeDebian, ctx: Context
) -> None:
    source = dataclasses.replace(BUSYBOX, patched=False)
    ctx.lock = Lock().with_group("source:busybox", sources.resolve(source, ctx))
    assert [blob.name for blob in ctx.lock.group("source:busybox")] == ["busybox.orig.tar"]
    tree = ctx.paths.root / "tree"
    sources.unpack(source, sources.fetch(source, ctx), tree, ctx)
    assert (tree / "main.c").read_text() == "one\ntwo\nthree\n" and not (tree / "debian").exists()


def test_a_patch_that_does_not_apply_leaves_no_tree(debian: FakeDebian, ctx: Context) -> None:
    debian.sources[:] = [busybox(patch=PATCH.replace("-two", "-deux"))]
    debian.publish()
    lock_busybox(ctx)
    with pytest.raises(UserError, match=r"debian/patches/fix.diff:3(.|\n)*does not apply to main.c"):
        sources.unpack(BUSYBOX, sources.fetch(BUSYBOX, ctx), ctx.paths.root / "tree", ctx)
    assert not (ctx.paths.root / "tree").exists()


def test_what_is_locked_must_be_what_is_declared(debian: FakeDebian, ctx: Context) -> None:
    lock_busybox(ctx)
    with pytest.raises(UserError, match="colinux.lock has the package busybox"):
        sources.fetch(DebianSource("busybox", "busy", "source", "bookworm"), ctx)


def test_a_dropped_version_is_replaced_whole(debian: FakeDebian, ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "warn", lambda text: None)
    lock_busybox(ctx)
    debian.sources[:] = [busybox("1:1.35.0-4+deb12u2"), busybox("1:1.34.1-9")]
    debian.publish()
    strict = Context(ctx.paths, ctx.lock, ctx.mirrors, locked=True)
    with pytest.raises(Dropped, match="busybox.dsc 1:1.35.0-4"):
        sources.fetch(BUSYBOX, strict)
    fetched = sources.fetch(BUSYBOX, ctx)
    assert {blob.version for blob in fetched.blobs} == {"1:1.35.0-4+deb12u2"} and len(ctx.warnings) == 1
    sources.unpack(BUSYBOX, fetched, ctx.paths.root / "tree", ctx)


def test_a_snapshot_archive_has_dropped_ones(debian: FakeDebian, ctx: Context) -> None:
    lock_busybox(ctx)
    old = busybox().files
    debian.sources[:] = [SourcePackage("busy", "9", {"x": "y"}, FORMAT)]
    debian.publish()
    hashes = {hashlib.sha1(data).hexdigest(): name for name, data in old.items()}
    answer = {"result": [{"hash": one} for one in hashes],
              "fileinfo": {one: [{"name": name, "size": 1}] for one, name in hashes.items()}}  # fmt: skip
    page = "/mr/package/busybox/1%3A1.35.0-4%2Bdeb12u1/srcfiles?fileinfo=1"
    debian.server.serve(page, json.dumps(answer).encode())
    for one, name in hashes.items():
        debian.server.serve(f"/file/{one}", old[name])
    ctx.mirrors = Mirrors(snapshot=debian.server.url)
    fetched = sources.fetch(BUSYBOX, ctx)
    assert fetched.blobs == ctx.lock.group("source:busybox") and ctx.warnings == []


@pytest.mark.parametrize(("name", "part"), [
    ("a_1.2-3.dsc", "dsc"), ("a_1.2.orig.tar.gz", "orig.tar"), ("a_1.2.orig.tar.xz.asc", "orig.tar.asc"),
    ("a_1.2.orig-extra.tar.bz2", "orig-extra.tar"), ("a_1.2-3.debian.tar.xz", "debian.tar"),
    ("a_1.tar.xz", "tar"), ("a_1.2-3.diff.gz", "diff"), ("a_1.2-3_amd64.deb", None), ("README", None),
])  # fmt: skip
def test_parts_are_known_by_their_names(name: str, part: str | None) -> None:
    assert debsource.part(name) == part
