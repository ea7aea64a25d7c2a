# SPDX-License-Identifier: GPL-2.0-only
"""OpenPGP signatures: who must have signed, what was signed, and that the key is good for it today."""

from __future__ import annotations

import lzma
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from debian_kit import Key, have_gpg, key
from sources_kit import Server, context, serving, sha

from pipeline import sources
from pipeline.declaration.model import Signature, TarballSource
from pipeline.errors import InfrastructureError, UserError
from pipeline.sources import Context
from pipeline.sources.signed import read_status, release_signers

pytestmark = pytest.mark.skipif(not have_gpg(), reason="gpg is not installed (it makes the test's signatures)")

CONTENT = b"the tarball\n" * 100
PACKED = lzma.compress(CONTENT)


@pytest.fixture(scope="module")
def author() -> Iterator[Key]:
    with key("author") as made:
        yield made


@pytest.fixture(scope="module")
def stranger() -> Iterator[Key]:
    with key("stranger") as made:
        yield made


@pytest.fixture(scope="module")
def retired() -> Iterator[Key]:
    """Somebody whose key was good for a day, long ago."""
    with key("retired", expires="seconds=86400", made="20250101T000000") as made:
        yield made


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, author: Key, stranger: Key) -> Context:
    made = context(tmp_path, monkeypatch)
    # Both keys are known; which one must have signed is what the fingerprint says.
    (made.paths.root / "keys.gpg").write_bytes(author.ring.read_bytes() + stranger.ring.read_bytes())
    return made


def source(server: Server, by: Key, signature: bytes, of: str, keyring: str = "keys.gpg") -> TarballSource:
    url = server.serve("/x.tar.xz", PACKED)
    signed = server.serve("/x.sign", signature)
    return TarballSource("x", (url,), Signature(signed, by.fingerprint.lower(), keyring, of))


@pytest.mark.parametrize("of", ["file", "content"])
def test_a_good_signature_is_recorded(server: Server, ctx: Context, author: Key, of: str) -> None:
    declared = source(server, author, author.detach(PACKED if of == "file" else CONTENT), of)
    (blob,) = sources.resolve(declared, ctx)
    assert blob.signer == author.fingerprint and blob.sha256 == sha(PACKED)
    ctx.lock = ctx.lock.with_group("source:x", [blob])
    assert sources.fetch(declared, ctx).files[0].read_bytes() == PACKED


def test_an_armoured_keyring_will_do(server: Server, ctx: Context, author: Key) -> None:
    armoured = subprocess.run(
        ["gpg", "--homedir", author.home, "--batch", "--armor", "--export"], check=True, capture_output=True
    )
    (ctx.paths.root / "author.asc").write_bytes(armoured.stdout)
    declared = source(server, author, author.detach(PACKED), "file", "author.asc")
    assert sources.resolve(declared, ctx)[0].signer == author.fingerprint


def test_a_known_stranger_is_not_the_author(server: Server, ctx: Context, author: Key, stranger: Key) -> None:
    with pytest.raises(UserError) as error:
        sources.resolve(source(server, author, stranger.detach(PACKED), "file"), ctx)
    assert author.fingerprint in str(error.value) and stranger.fingerprint in str(error.value)


def test_an_expired_key_vouches_for_nothing(server: Server, ctx: Context, retired: Key) -> None:
    """gpgv itself is content (exit code 0, VALIDSIG) with a signature from the days when the key was good."""
    (ctx.paths.root / "old.gpg").write_bytes(retired.ring.read_bytes())
    then = retired.detach(PACKED, "--faked-system-time=20250101T010000!")
    with pytest.raises(UserError, match=f"by {retired.fingerprint}.*is by a key that has expired"):
        sources.resolve(source(server, retired, then, "file", "old.gpg"), ctx)


def test_an_expired_key_of_an_archive_neither(tmp_path: Path, retired: Key, author: Key) -> None:
    release = tmp_path / "archive_Release"
    release.write_text("Origin: nobody\n")
    ring = tmp_path / "ring.gpg"
    ring.write_bytes(retired.ring.read_bytes() + author.ring.read_bytes())
    then = retired.detach(release.read_bytes(), "--faked-system-time=20250101T010000!")
    (tmp_path / "archive_Release.gpg").write_bytes(then)
    with pytest.raises(InfrastructureError, match="no good signature"):
        release_signers(release, str(ring))
    # Beside a good one it does no harm, and is not counted.
    (tmp_path / "archive_Release.gpg").write_bytes(then + author.detach(release.read_bytes()))
    assert release_signers(release, str(ring)) == (author.fingerprint,)


def test_a_signer_whom_nobody_has_named_is_not_trusted(server: Server, ctx: Context, author: Key, stranger: Key) -> None:
    """A valid signature by a key that is in no keyring of ours, though the declaration names its fingerprint."""
    (ctx.paths.root / "only.gpg").write_bytes(author.ring.read_bytes())
    with pytest.raises(UserError, match="a key that is not in the keyring"):
        sources.resolve(source(server, stranger, stranger.detach(PACKED), "file", "only.gpg"), ctx)


@pytest.mark.parametrize("keep", [0, 1, 2, 40, -1])
def test_a_truncated_signature_is_none(server: Server, ctx: Context, author: Key, keep: int) -> None:
    whole = author.detach(PACKED)
    with pytest.raises(UserError, match="expected a signature by"):
        sources.resolve(source(server, author, whole[:keep], "file"), ctx)


def test_nothing_is_unpacked_before_it_is_verified(server: Server, ctx: Context, author: Key, stranger: Key) -> None:
    with pytest.raises(UserError):
        sources.resolve(source(server, author, stranger.detach(CONTENT), "content"), ctx)
    assert [path.name for path in ctx.paths.root.iterdir()] == ["keys.gpg"]


def test_only_the_word_before_a_valid_signature_makes_it_good() -> None:
    """Several signatures on one file: a good one does not lend its word to the next."""
    lines = ["NEWSIG", "GOODSIG A a", "NOTATION_NAME x", "VALIDSIG A1 2026 A2", "VALIDSIG B1 2026 B2",
             "NEWSIG", "GOODSIG C c", "NEWSIG", "REVKEYSIG D d", "VALIDSIG D1 2026 D2"]
    seen = read_status("".join(f"[GNUPG:] {line}\n" for line in lines) + "GOODSIG E\n[GNUPG:]\n")
    assert [(one.key, one.primary) for one in seen.good] == [("A1", "A2")]
    assert seen.refused == ("the signature is by a key that was revoked (D d)",)


@pytest.mark.parametrize(("signed", "of"), [(CONTENT, "file"), (PACKED, "content"), (b"other", "file")])
def test_a_signature_of_something_else_is_refused(
    server: Server, ctx: Context, author: Key, signed: bytes, of: str
) -> None:
    with pytest.raises(UserError, match="expected a signature by"):
        sources.resolve(source(server, author, author.detach(signed), of), ctx)


def test_no_signature_there(server: Server, ctx: Context, author: Key) -> None:
    declared = source(server, author, b"", "file")
    del server.files["/x.sign"]
    with pytest.raises(InfrastructureError, match="404"):
        sources.resolve(declared, ctx)


def test_a_lock_without_the_declared_signer_is_outdated(server: Server, ctx: Context, author: Key) -> None:
    declared = source(server, author, author.detach(PACKED), "file")
    unsigned = TarballSource("x", declared.urls)
    ctx.lock = ctx.lock.with_group("source:x", sources.resolve(unsigned, ctx))
    sources.fetch(unsigned, ctx)
    with pytest.raises(UserError, match="lock --update"):
        sources.fetch(declared, ctx)
