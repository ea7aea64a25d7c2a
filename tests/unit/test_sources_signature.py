# SPDX-License-Identifier: GPL-2.0-only
"""OpenPGP signatures of tarballs: who must have signed, and what was signed."""

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
