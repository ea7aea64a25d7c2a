# SPDX-License-Identifier: GPL-2.0-only
"""Git sources: real repositories with every trap that a server could set."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from sources_kit import context, mirror

from pipeline import sources
from pipeline.declaration.model import GitSource
from pipeline.errors import InfrastructureError, UserError
from pipeline.lock import Lock
from pipeline.sources import Context, tree_id
from pipeline.sources.download import NotHere

FILES = {
    "Makefile": "all:\n\techo $Id$\n",
    "dos.txt": "line\r\nline\r\n",
    "deep/er/file.c": "int x;\n",
    ".gitattributes": "*.txt text eol=lf\nMakefile ident export-subst\nhidden export-ignore\n*.c filter=evil\n",
    ".gitignore": "*.o\n",
    "hidden": "still a file of the tree\n",
    "kept.o": "tracked although ignored\n",
}


def git(folder: Path, *words: str) -> str:
    env = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
        "GIT_AUTHOR_DATE": "1700000000 +0000",
        "GIT_COMMITTER_DATE": "1700000000 +0000",
    }
    return subprocess.run(
        ["git", "-c", "core.autocrlf=false", *words], cwd=folder, env=env, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work tree and a bare repository whose second commit is the one we want, with a third on top."""
    folder = tmp_path_factory.mktemp("git")
    work = folder / "work"
    work.mkdir()
    git(work, "init", "-q", "-b", "main", ".")
    (work / "old").write_text("first\n")
    git(work, "add", "-A")
    git(work, "commit", "-q", "-m", "first")
    git(work, "rm", "-q", "old")
    for name, text in FILES.items():
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    (work / "run").write_text("#!/bin/sh\n")
    (work / "run").chmod(0o755)
    (work / "link").symlink_to("deep/er")
    # Past filters and line ends: what is in the repository is what is in FILES.
    (work / ".git/info/attributes").write_text("* -text -eol -filter -ident\n")
    git(work, "add", "-Af")
    git(work, "commit", "-q", "-m", "second")
    git(work, "tag", "-a", "-m", "tagged", "v2")
    (work / "new").write_text("third\n")
    git(work, "add", "-A")
    git(work, "commit", "-q", "-m", "third")
    git(folder, "clone", "-q", "--bare", str(work), str(folder / "upstream.git"))
    return folder


@pytest.fixture
def upstream(template: Path, tmp_path: Path) -> Path:
    shutil.copytree(template, tmp_path, symlinks=True, dirs_exist_ok=True)
    return tmp_path / "upstream.git"


@pytest.fixture
def source(upstream: Path) -> GitSource:
    commit, tree = (git(upstream, "rev-parse", name) for name in ("v2^{commit}", "v2^{tree}"))
    return GitSource("linux", (upstream.as_uri(),), commit, tree, "v2")


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    return context(tmp_path, monkeypatch)


def locked(source: GitSource, ctx: Context) -> Context:
    from pipeline.sources.git import blob_of

    ctx.lock = Lock().with_group(f"source:{source.name}", [blob_of(source)])
    return ctx


def check_out(source: GitSource, ctx: Context, dest: Path) -> Path:
    sources.unpack(source, sources.fetch(source, locked(source, ctx)), dest, ctx)
    return dest


def test_the_pinned_tree_is_written_byte_by_byte(source: GitSource, ctx: Context, tmp_path: Path) -> None:
    dest = check_out(source, ctx, tmp_path / "out")
    for name, text in FILES.items():
        assert (dest / name).read_bytes() == text.encode(), name
    assert sorted(path.name for path in dest.iterdir()) == sorted({*(n.split("/")[0] for n in FILES), "run", "link"})
    assert os.access(dest / "run", os.X_OK) and str((dest / "link").readlink()) == "deep/er"
    assert tree_id(dest) == source.tree


@pytest.mark.parametrize("ref", ["v2", None])
def test_only_the_one_commit_is_fetched(source: GitSource, ctx: Context, ref: str | None) -> None:
    source = replace(source, ref=ref)
    (repository,) = sources.fetch(source, locked(source, ctx)).files
    assert git(repository, "rev-list", "--count", source.commit) == "1"


def test_a_server_that_gives_no_commits_by_id_is_asked_by_ref(
    source: GitSource, upstream: Path, ctx: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protocol 0, as dumb as old servers: only advertised tips."""
    from pipeline.sources import git as module

    monkeypatch.setattr(
        module,
        "SETTINGS",
        tuple("protocol.version=0" if s.startswith("protocol.version") else s for s in module.SETTINGS),
    )
    hidden = GitSource(
        "h", source.urls, git(upstream, "rev-parse", "main~2"), git(upstream, "rev-parse", "main~2^{tree}")
    )
    for one in (source, hidden):
        assert tree_id(check_out(one, ctx, tmp_path / one.name)) == one.tree


@pytest.mark.parametrize("kind", ["branch", "tag"])
def test_a_name_like_the_id_fools_nobody(source: GitSource, upstream: Path, ctx: Context, kind: str) -> None:
    """The commit is not there, but a branch or tag of its name is, at another commit."""
    missing = "0123456789abcdef0123456789abcdef01234567"
    git(upstream, "update-ref", f"refs/{'heads' if kind == 'branch' else 'tags'}/{missing}", "main")
    trapped = replace(source, commit=missing, ref=missing)
    with pytest.raises(UserError) as error:
        sources.fetch(trapped, locked(trapped, ctx))
    assert f"expected commit {missing}" in str(error.value)
    assert git(upstream, "rev-parse", "main") in str(error.value)


def test_a_name_like_the_id_beside_the_true_commit(
    source: GitSource, upstream: Path, ctx: Context, tmp_path: Path
) -> None:
    git(upstream, "update-ref", f"refs/heads/{source.commit}", "main")
    assert tree_id(check_out(replace(source, ref=source.commit), ctx, tmp_path / "out")) == source.tree


def test_a_wrong_tree_is_refused_before_a_file_is_written(
    source: GitSource, upstream: Path, ctx: Context, tmp_path: Path
) -> None:
    other = git(upstream, "rev-parse", "main^{tree}")
    with pytest.raises(UserError, match=f"has tree {source.tree}, expected tree {other}"):
        check_out(replace(source, tree=other), ctx, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("what", ["v2", "main^{tree}", "main:new"])
def test_an_id_of_something_else_is_no_commit(source: GitSource, upstream: Path, ctx: Context, what: str) -> None:
    wrong = replace(source, commit=git(upstream, "rev-parse", what))
    with pytest.raises(UserError, match="expected commit"):
        sources.fetch(wrong, locked(wrong, ctx))


@pytest.mark.parametrize("commit", ["v2", "main", "abc123", "--upload-pack=touch /tmp/x", "A" * 40])
def test_only_full_ids_are_pins(source: GitSource, ctx: Context, commit: str) -> None:
    wrong = replace(source, commit=commit)
    with pytest.raises(UserError, match="full id"):
        sources.fetch(wrong, locked(wrong, ctx))


def test_the_lock_must_agree(source: GitSource, ctx: Context) -> None:
    locked(source, ctx)
    with pytest.raises(UserError, match="lock --update"):
        sources.fetch(replace(source, tree="0" * 40), ctx)


def test_a_replaced_object_does_not_count(source: GitSource, upstream: Path, ctx: Context, tmp_path: Path) -> None:
    """refs/replace in our own cache, however it got there."""
    (repository,) = sources.fetch(source, locked(source, ctx)).files
    git(repository, "fetch", "-q", str(upstream), "main:refs/heads/x")
    git(repository, "replace", source.commit, "refs/heads/x")
    assert tree_id(check_out(source, ctx, tmp_path / "out")) == source.tree


def test_hooks_and_filters_of_the_cache_do_not_run(source: GitSource, ctx: Context, tmp_path: Path) -> None:
    (repository,) = sources.fetch(source, locked(source, ctx)).files
    trap = tmp_path / "trap"
    for hook in ("post-checkout", "post-index-change", "reference-transaction"):
        (repository / "hooks").mkdir(exist_ok=True)
        (repository / "hooks" / hook).write_text(f"#!/bin/sh\ntouch {trap}\n")
        (repository / "hooks" / hook).chmod(0o755)
    git(repository, "config", "filter.evil.smudge", f"touch {trap}; cat")
    check_out(source, ctx, tmp_path / "out")
    assert not trap.exists()


def test_a_persons_configuration_does_not_count(
    source: GitSource, ctx: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".gitconfig").write_text("[core]\n\tautocrlf = true\n\tsymlinks = false\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))  # as in a git hook
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    assert tree_id(check_out(source, ctx, tmp_path / "out")) == source.tree


def test_a_mirror_stands_in_offline(source: GitSource, upstream: Path, ctx: Context, tmp_path: Path) -> None:
    away = replace(source, urls=("https://git.example.org/linux.git",))
    ctx.offline = True
    with pytest.raises(NotHere, match="not asked: --offline"):
        sources.fetch(away, locked(away, ctx))
    ctx.mirrors = mirror("https://git.example.org", str(tmp_path))
    upstream.rename(tmp_path / "linux.git")
    assert tree_id(check_out(away, ctx, tmp_path / "out")) == source.tree


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a repository to somebody else")
def test_a_mirror_may_belong_to_another_user(source: GitSource, upstream: Path, ctx: Context) -> None:
    away = replace(source, urls=("https://git.example.org/linux.git",))
    for path in (upstream, *upstream.rglob("*")):
        os.chown(path, 65534, 65534)
    ctx.mirrors = mirror(away.urls[0], str(upstream), only=True)
    sources.fetch(away, locked(away, ctx))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a repository to somebody else")
def test_the_cache_may_belong_to_another_user(source: GitSource, upstream: Path, ctx: Context, tmp_path: Path) -> None:
    """As it does under sudo."""
    (repository,) = sources.fetch(source, locked(source, ctx)).files
    for path in (repository, *repository.rglob("*")):
        os.chown(path, 65534, 65534)
    upstream.rename(tmp_path / "gone")
    ctx.offline = True
    assert tree_id(check_out(source, ctx, tmp_path / "out")) == source.tree


def test_once_fetched_it_needs_nobody(source: GitSource, upstream: Path, ctx: Context, tmp_path: Path) -> None:
    sources.fetch(source, locked(source, ctx))
    upstream.rename(tmp_path / "gone")
    ctx.offline = True
    assert tree_id(check_out(source, ctx, tmp_path / "out")) == source.tree


def test_nobody_there_is_the_networks_fault(source: GitSource, ctx: Context, tmp_path: Path) -> None:
    away = replace(source, urls=("http://127.0.0.1:9/linux.git", (tmp_path / "none").as_uri()))
    with pytest.raises(InfrastructureError) as error:
        sources.fetch(away, locked(away, ctx))
    assert (
        "127.0.0.1:9" in str(error.value) and "no such folder" in str(error.value) and "[[mirror]]" in str(error.value)
    )
    assert "unable to access" in str(error.value)  # what git said, not only that it failed


def test_a_damaged_cache_is_noticed(source: GitSource, ctx: Context, tmp_path: Path) -> None:
    """A blob exchanged for another one inside the cached repository, hash and all."""
    (repository,) = sources.fetch(source, locked(source, ctx)).files
    blob = git(repository, "rev-parse", f"{source.commit}:deep/er/file.c")
    other = subprocess.run(
        ["git", "hash-object", "-w", "--stdin"],
        cwd=repository,
        input="int y;\n",
        text=True,
        capture_output=True,
        check=True,
    ).stdout.strip()
    loose = repository / "objects" / blob[:2] / blob[2:]
    loose.unlink()
    loose.write_bytes((repository / "objects" / other[:2] / other[2:]).read_bytes())
    with pytest.raises(InfrastructureError):
        check_out(source, ctx, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_killed_git_leaves_no_lock_for_ever(source: GitSource, upstream: Path, ctx: Context) -> None:
    first = replace(source, commit=git(upstream, "rev-parse", "main"), tree=git(upstream, "rev-parse", "main^{tree}"))
    (repository,) = sources.fetch(first, locked(first, ctx)).files
    for name in ("shallow.lock", "FETCH_HEAD.lock", "refs/colinux/pinned/x.lock", "objects/pack/tmp_pack_x"):
        (repository / name).parent.mkdir(exist_ok=True)
        (repository / name).touch()
    sources.fetch(source, locked(source, ctx))
    assert not list(repository.rglob("*.lock")) and not list(repository.rglob("tmp_pack*"))


def test_an_unreadable_cache_is_made_anew(source: GitSource, ctx: Context, tmp_path: Path) -> None:
    (repository,) = sources.fetch(source, locked(source, ctx)).files
    (repository / "HEAD").unlink()
    assert tree_id(check_out(source, ctx, tmp_path / "out")) == source.tree


def test_a_submodule_is_refused(source: GitSource, upstream: Path, ctx: Context, tmp_path: Path) -> None:
    work = tmp_path / "work"
    git(work, "update-index", "--add", "--cacheinfo", f"160000,{source.commit},sub")
    git(work, "commit", "-q", "-m", "sub")
    git(work, "push", "-q", str(upstream), "main")
    wrong = replace(
        source, commit=git(work, "rev-parse", "HEAD"), tree=git(work, "rev-parse", "HEAD^{tree}"), ref="main"
    )
    with pytest.raises(UserError, match="sub is a submodule"):
        check_out(wrong, ctx, tmp_path / "out")


def test_resolve_proves_the_pins(source: GitSource, ctx: Context) -> None:
    (blob,) = sources.resolve(source, ctx)
    assert (blob.kind, blob.commit, blob.tree) == ("git", source.commit, source.tree)
    with pytest.raises(UserError, match="expected tree"):
        sources.resolve(replace(source, tree="1" * 40), ctx)


# --- tree ids ---------------------------------------------------------------------------


def test_the_tree_id_is_gits(tmp_path: Path, upstream: Path) -> None:
    """Sorting of folders and files that begin alike, empty folders, x bits, links, odd names."""
    folder = tmp_path / "tree"
    for name in ("a/x", "a.c", "a-b", "a0/y", "z/z/z/z", "ö/ü", "new\nline"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "empty/inside").mkdir(parents=True)
    (folder / "a/x").chmod(0o700)
    (folder / "dangling").symlink_to("no/where")
    git(tmp_path, "init", "-q", "--bare", "repo.git")
    env = ["--git-dir", str(tmp_path / "repo.git"), "--work-tree", str(folder)]
    git(tmp_path, *env, "add", "-Af", str(folder))
    assert tree_id(folder) == git(tmp_path, *env, "write-tree")
    (folder / "a/x").chmod(0o600)
    assert tree_id(folder) != git(tmp_path, *env, "write-tree")


def test_a_git_folder_cannot_hide_from_the_tree_id(tmp_path: Path) -> None:
    (tmp_path / "sub/.GIT").mkdir(parents=True)
    with pytest.raises(UserError, match=r"\.git"):
        tree_id(tmp_path)
