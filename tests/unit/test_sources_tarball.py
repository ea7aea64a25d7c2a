# SPDX-License-Identifier: GPL-2.0-only
"""Tarballs whose content is pinned: the tree id judges the files, and a derived hash judges nothing."""

from __future__ import annotations

import dataclasses
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sources_kit import Server, context, serving, sha

from pipeline import progress, sources
from pipeline.declaration.model import TarballSource
from pipeline.errors import InfrastructureError, UserError
from pipeline.lock import Blob, Lock
from pipeline.sources import Context, http, tree_id

OTHER_TREE = "0" * 40


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setattr(http, "FIRST_DELAY", 0.0)
    return context(tmp_path, monkeypatch)


def packed(kind: str) -> bytes:
    """The same two files, packed in different ways."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=f"w:{kind}") as tar:
        for name in ("linux/Makefile", "linux/init/main.c"):
            member = tarfile.TarInfo(name)
            member.size = len(name)
            tar.addfile(member, io.BytesIO(name.encode()))
    return data.getvalue()


PLAIN, BZ2 = packed(""), packed("bz2")


@pytest.fixture
def tree(tmp_path: Path) -> str:
    folder = tmp_path / "expected"
    (folder / "init").mkdir(parents=True)
    (folder / "Makefile").write_text("linux/Makefile")
    (folder / "init/main.c").write_text("linux/init/main.c")
    return tree_id(folder)


def derived(url: str, tree: str) -> TarballSource:
    """Nobody has published the file's hash; BZ2's is what it may be."""
    return TarballSource("linux", (url,), tree=tree, sha256=sha(BZ2), size=len(BZ2), derived=True)


def test_the_lock_has_what_was_seen_and_not_what_was_derived(server: Server, ctx: Context, tree: str) -> None:
    blob = sources.resolve(derived(server.serve("/linux.tar", PLAIN), tree), ctx)[0]
    assert (blob.sha256, blob.size, blob.tree, blob.derived) == (sha(PLAIN), len(PLAIN), tree, None)


def test_a_published_hash_and_the_tree_are_held_against_the_file(server: Server, ctx: Context, tree: str) -> None:
    url = server.serve("/linux.tar", PLAIN)
    with pytest.raises(UserError, match=f"colinux.toml has {sha(BZ2)}"):
        sources.resolve(dataclasses.replace(derived(url, tree), derived=False), ctx)
    with pytest.raises(UserError, match=f"pinned is {OTHER_TREE}"):
        sources.resolve(TarballSource("linux", (url,), tree=OTHER_TREE), ctx)


def test_what_cannot_be_reached_is_locked_as_declared_with_a_warning(
    server: Server, ctx: Context, tree: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said: list[str] = []
    monkeypatch.setattr(progress, "warn", said.append)
    source = derived(server.url + "/gone", tree)
    blob = sources.resolve(source, ctx)[0]
    assert blob == Blob("linux", "tarball", url=source.urls[0], filename="gone", size=len(BZ2), sha256=sha(BZ2),
                        tree=tree, derived=True)
    assert len(said) == 1 and "unseen" in said[0] and "404" in said[0]
    Lock().with_group("source:linux", [blob]).save(tmp_path / "lock")
    assert Lock.load(tmp_path / "lock").group("source:linux") == (blob,)
    ctx.offline = True
    assert sources.resolve(source, ctx)[0] == blob
    with pytest.raises(UserError, match="without looking"):
        sources.resolve(TarballSource("linux", source.urls, tree=tree), ctx)


def test_a_derived_hash_is_no_judge(server: Server, ctx: Context, tree: str) -> None:
    source = derived(server.url + "/linux.tar", tree)
    locked = sources.resolve(source, ctx)
    ctx.lock = Lock().with_group("source:linux", locked)
    with pytest.raises(InfrastructureError, match=f"pinned to git tree {tree}"):
        sources.fetch(source, ctx)
    server.serve("/linux.tar", PLAIN)  # not the derived file, but its files are the pinned ones
    fetched = sources.fetch(source, ctx)
    assert fetched.files[0].read_bytes() == PLAIN and fetched.blobs[0].sha256 == sha(PLAIN)
    sources.unpack(source, fetched, ctx.paths.src("x"), ctx)
    assert tree_id(ctx.paths.src("x")) == tree
    server.asked.clear()
    assert sources.fetch(source, ctx) == fetched and server.asked == []  # the receipt remembers which it was


def test_a_derived_hash_that_holds_is_an_ordinary_one(server: Server, ctx: Context, tree: str) -> None:
    source = derived(server.url + "/linux.tar", tree)
    ctx.lock = Lock().with_group("source:linux", sources.resolve(source, ctx))
    server.serve("/linux.tar", BZ2)
    assert sources.fetch(source, ctx).blobs[0].sha256 == sha(BZ2)
    ctx.offline = True
    assert sources.fetch(source, ctx).files[0].read_bytes() == BZ2


def test_another_tree_is_refused_however_it_is_packed(server: Server, ctx: Context, tree: str) -> None:
    source = derived(server.url + "/linux.tar", OTHER_TREE)
    ctx.lock = Lock().with_group("source:linux", sources.resolve(source, ctx))
    server.serve("/linux.tar", PLAIN)
    with pytest.raises(UserError, match=f"tree id {tree}, pinned is {OTHER_TREE}"):
        sources.fetch(source, ctx)
    assert not list(ctx.paths.build.glob(".tree-*"))


def test_lock_and_declaration_must_mean_the_same_tree(server: Server, ctx: Context, tree: str) -> None:
    source = derived(server.serve("/linux.tar", BZ2), tree)
    ctx.lock = Lock().with_group("source:linux", sources.resolve(source, ctx))
    with pytest.raises(UserError, match=f"has tree {tree}, colinux.toml {OTHER_TREE}"):
        sources.fetch(dataclasses.replace(source, tree=OTHER_TREE), ctx)
    with pytest.raises(UserError, match="has sha256"):
        sources.fetch(dataclasses.replace(source, derived=False, sha256="0" * 64), ctx)
