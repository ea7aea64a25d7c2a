# SPDX-License-Identifier: GPL-2.0-only
"""Signed commits and tags: by whom, of what, under which name, and by a key that is good today."""

from __future__ import annotations

import os
import subprocess
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from debian_kit import Key, have_gpg, key
from sources_kit import context, mirror

from pipeline import sources
from pipeline.declaration import load
from pipeline.declaration.model import GitSignature, GitSource
from pipeline.errors import InfrastructureError, UserError
from pipeline.lock import Lock
from pipeline.sources import Context
from pipeline.sources import git as gits
from pipeline.sources.cache import Cache

pytestmark = pytest.mark.skipif(not have_gpg(), reason="gpg is not installed (it makes the test's signatures)")

LATIN = "Grüße, in the letters of another time".encode("latin-1")


def git(folder: Path, *words: str, by: Key | None = None, data: bytes | None = None) -> str:
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
           "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    signing = ["-c", f"user.signingKey={by.fingerprint}"] if by else []
    if by:
        env["GNUPGHOME"] = str(by.home)
    done = subprocess.run(["git", *signing, *words], cwd=folder, env=env, check=True, capture_output=True, input=data)
    return done.stdout.decode().strip()


@pytest.fixture(scope="module")
def author() -> Iterator[Key]:
    with key("author") as made:
        yield made


@pytest.fixture(scope="module")
def stranger() -> Iterator[Key]:
    with key("stranger") as made:
        yield made


@pytest.fixture
def upstream(tmp_path: Path, author: Key, stranger: Key) -> Path:
    """Commits and tags by the author and others, in a bare repository; some as git writes them, some forged."""
    work = tmp_path / "work"
    work.mkdir()
    git(work, "init", "-q", "-b", "main", ".")
    (work / "file").write_text("old\n")
    git(work, "add", "-A")
    git(work, "commit", "-q", "-m", "old")
    git(work, "tag", "-s", "-m", "old, and signed", "v1", by=author)
    (work / "file").write_text("new\n")
    (work / "message").write_bytes(b"new\n\n-----BEGIN PGP SIGNATURE-----\nnot one\n" + LATIN + b"\n")
    git(work, "commit", "-q", "-a", "-S", "-F", "message", by=author)
    git(work, "tag", "-s", "-F", "message", "v2", by=author)
    git(work, "tag", "-s", "-m", "by somebody else", "theirs", by=stranger)
    git(work, "tag", "-a", "-m", "by nobody", "unsigned")
    git(work, "tag", "light")
    return work


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, author: Key, stranger: Key) -> Context:
    made = context(tmp_path, monkeypatch)
    (made.paths.root / "keys.gpg").write_bytes(author.ring.read_bytes() + stranger.ring.read_bytes())
    (made.paths.root / "author.gpg").write_bytes(author.ring.read_bytes())
    return made


def source(upstream: Path, by: Key, of: str = "tag", ref: str = "refs/tags/v2", keyring: str = "keys.gpg") -> GitSource:
    return GitSource("linux", (upstream.as_uri(),), git(upstream, "rev-parse", "HEAD"),
                     git(upstream, "rev-parse", "HEAD^{tree}"), ref, GitSignature(by.fingerprint.lower(), keyring, of))


def refused(declared: GitSource, ctx: Context) -> str:
    with pytest.raises(UserError) as error:
        sources.resolve(declared, ctx)
    return str(error.value)


@pytest.mark.parametrize("of", ["tag", "commit"])
def test_a_good_signature_is_recorded(upstream: Path, ctx: Context, author: Key, of: str) -> None:
    declared = source(upstream, author, of)
    (blob,) = sources.resolve(declared, ctx)
    assert (blob.signer, blob.commit) == (author.fingerprint, declared.commit)
    ctx.lock = Lock().with_group("source:linux", [blob])
    assert sources.fetch(declared, ctx).blobs == (blob,)
    git(upstream, f"verify-{of}", "v2" if of == "tag" else "HEAD", by=author)  # git agrees


@pytest.mark.parametrize("of", ["tag", "commit"])
def test_a_known_stranger_is_not_the_author(upstream: Path, ctx: Context, author: Key, stranger: Key, of: str) -> None:
    told = refused(source(upstream, stranger, of), ctx)
    assert f"expected a signature by {stranger.fingerprint}, seen: a good signature by {author.fingerprint}" in told


@pytest.mark.parametrize("of", ["tag", "commit"])
def test_a_signer_whom_nobody_has_named_is_not_trusted(upstream: Path, ctx: Context, stranger: Key, of: str) -> None:
    """A valid signature by a key that is in no keyring of ours, though the declaration names its fingerprint."""
    git(upstream, "commit", "-q", "--amend", "--no-edit", "-S", by=stranger)
    git(upstream, "tag", "-f", "-s", "-m", "x", "v2", by=stranger)
    assert "a key that is not in the keyring" in refused(source(upstream, stranger, of, keyring="author.gpg"), ctx)


def test_an_expired_key_vouches_for_nothing(upstream: Path, ctx: Context) -> None:
    with key("retired", expires="seconds=86400", made="20250101T000000") as old:
        (ctx.paths.root / "old.gpg").write_bytes(old.ring.read_bytes())
        data = f"object {git(upstream, 'rev-parse', 'HEAD')}\ntype commit\ntag v9\ntagger a <a@b> 1735700000 +0000\n\nx\n"
        then = old.detach(data.encode(), "--armor", "--faked-system-time=20250101T010000!")
        tag(upstream, "v9", data.encode() + then)
        assert "is by a key that has expired" in refused(source(upstream, old, ref="refs/tags/v9", keyring="old.gpg"), ctx)


def tag(upstream: Path, name: str, data: bytes) -> None:
    """A tag of these bytes, whatever they say."""
    identity = git(upstream, "hash-object", "-t", "tag", "-w", "--literally", "--stdin", data=data)
    git(upstream, "update-ref", f"refs/tags/{name}", identity)


def raw(upstream: Path, kind: str, name: str) -> bytes:
    return subprocess.run(["git", "cat-file", kind, name], cwd=upstream, check=True, capture_output=True).stdout


@pytest.mark.parametrize(("name", "put", "words"), [
    ("v1", "v1", "is a tag of another thing"),             # the author's, on an older commit
    ("v1", "v2", "is a tag of another thing"),             # the same under the new one's name
    ("v2", "v3", "is a tag of another thing: "),           # the right commit, under another name
    ("unsigned", "unsigned", "has no OpenPGP signature"),
    ("theirs", "theirs", "expected a signature by"),
])
def test_another_tag_will_not_do(upstream: Path, ctx: Context, author: Key, name: str, put: str, words: str) -> None:
    tag(upstream, put, raw(upstream, "tag", name))
    assert words in refused(source(upstream, author, ref=f"refs/tags/{put}"), ctx)


def test_a_name_that_is_no_tag_cannot_be_signed(upstream: Path, ctx: Context, author: Key) -> None:
    assert "is a commit, expected a tag that is signed" in refused(source(upstream, author, ref="refs/tags/light"), ctx)


CHANGES = {
    "another message": lambda data: data.replace(b"new\n", b"New\n"),
    "another tagger": lambda data: data.replace(b"tagger a ", b"tagger b "),
    "a truncated signature": lambda data: data[:-60],
    "half of a signature": lambda data: data[: data.rfind(b"BEGIN PGP") + 60],
    "a line more behind the signature's beginning": lambda data: data.replace(b"\n\n", b"\n\nx\n", 1),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_tag_of_other_bytes(upstream: Path, ctx: Context, author: Key, case: str) -> None:
    before = raw(upstream, "tag", "v2")
    data = CHANGES[case](before)
    assert data != before
    tag(upstream, "v2", data)
    assert refused(source(upstream, author), ctx)


def test_an_old_tag_cannot_be_led_to_another_commit(upstream: Path, ctx: Context, author: Key) -> None:
    old = raw(upstream, "tag", "v1")
    then, now = (git(upstream, "rev-parse", name).encode() for name in ("v1^{commit}", "HEAD"))
    tag(upstream, "v1", old.replace(then, now))
    assert "is of another file, or damaged" in refused(source(upstream, author, ref="refs/tags/v1"), ctx)


def test_a_commit_of_other_bytes(upstream: Path, ctx: Context, author: Key) -> None:
    """With the signature of the one that was signed; and with none, and with two."""
    good = raw(upstream, "commit", "HEAD")
    at = good.index(b"gpgsig ")
    end = good.index(b"-----END PGP SIGNATURE-----\n", at) + len(b"-----END PGP SIGNATURE-----\n")
    for data, words in ((good.replace(b"author a ", b"author b "), "is of another file, or damaged"),
                        (good[:at] + good[end:], "the commit has no OpenPGP signature"),
                        (good[:end] + good[at:], "the commit has 2 OpenPGP signatures")):
        identity = git(upstream, "hash-object", "-t", "commit", "-w", "--literally", "--stdin", data=data)
        git(upstream, "update-ref", "refs/heads/main", identity)
        assert words in refused(source(upstream, author, "commit"), ctx)


def test_an_object_has_to_be_the_one_of_its_id(upstream: Path, ctx: Context, author: Key) -> None:
    """In the cache a commit that nobody signed is exchanged for one of the same tree that the author did sign."""
    good = raw(upstream, "commit", "HEAD")
    git(upstream, "commit", "-q", "--amend", "-m", "by nobody")
    declared = source(upstream, author, "commit")
    assert "the commit has no OpenPGP signature" in refused(declared, ctx)
    loose = gits.place(declared, Cache(ctx.paths.cache)) / "objects" / declared.commit[:2] / declared.commit[2:]
    loose.unlink()
    loose.write_bytes(zlib.compress(b"commit %d\0" % len(good) + good))
    with pytest.raises(InfrastructureError, match=f"the object {declared.commit} has the id"):
        sources.resolve(declared, ctx)


def test_no_such_tag(upstream: Path, ctx: Context, author: Key) -> None:
    with pytest.raises(InfrastructureError, match="no refs/tags/v4 to be had, whose signature is asked for"):
        sources.resolve(source(upstream, author, ref="refs/tags/v4"), ctx)


def test_a_mirror_has_the_tag_as_well(upstream: Path, ctx: Context, author: Key) -> None:
    declared = replace(source(upstream, author), urls=("https://git.example.org/linux.git",))
    ctx.mirrors = mirror("https://git.example.org/linux.git", str(upstream), only=True)
    ctx.offline = True
    assert sources.resolve(declared, ctx)[0].signer == author.fingerprint


def test_a_lock_without_the_declared_signer_is_outdated(upstream: Path, ctx: Context, author: Key) -> None:
    declared = source(upstream, author)
    ctx.lock = Lock().with_group("source:linux", sources.resolve(replace(declared, signature=None), ctx))
    with pytest.raises(UserError, match="(?s)signed by nobody.*lock --update"):
        sources.fetch(declared, ctx)


DECLARED = """\
[project]
name = "x"
version = "1"
default = "x"
[source.x]
kind = "git"
urls = ["https://example.org/x.git"]
commit = "{commit}"
tree = "{commit}"
ref = "{ref}"
[source.x.signature]
fingerprint = "{signer}"
keyring = "{keyring}"
"""


@pytest.mark.parametrize(("ref", "keyring", "fault"), [
    ("main", "x.gpg", 'ref = "refs/tags/..."'), ("refs/tags/v1", "y.gpg", "there is no file y.gpg")])
def test_how_it_is_declared(tmp_path: Path, ref: str, keyring: str, fault: str) -> None:
    (tmp_path / "x.gpg").touch()
    path = tmp_path / "colinux.toml"
    path.write_text(DECLARED.format(commit="1" * 40, signer="A" * 40, ref=ref, keyring=keyring))
    with pytest.raises(UserError) as error:
        load(path)
    assert fault in str(error.value) and "source.x.signature" in str(error.value)
