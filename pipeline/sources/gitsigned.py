# SPDX-License-Identifier: GPL-2.0-only
"""Who signed a pinned commit: the OpenPGP signature in the commit itself, or in an annotated tag on it.

git would say so, too (verify-tag, verify-commit), but by the keys of whoever
runs it and by programs that its configuration names. Here gpgv is given the
declared keys and no others, as for tarballs. What was signed is taken out of
the object byte for byte, and that the object is the one of its id is looked at
again; and a tag has to be of the pinned commit and of the name that was asked for,
since an old tag, or another one, is signed as well.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from pathlib import Path

import git.exc
from git.db import GitDB

from pipeline.declaration.model import GitSource
from pipeline.errors import InfrastructureError, UserError
from pipeline.sources.context import Context
from pipeline.sources.git import Repository, reach, words_of
from pipeline.sources.signed import require

FETCHED = "refs/colinux/signed"
BEGIN = b"-----BEGIN PGP SIGNATURE-----\n"
# A commit's header with its signature: continued lines begin with a space (git's Documentation, "gitformat-signature").
IN_COMMIT = re.compile(rb"^gpgsig (.*\n(?: .*\n)*)", re.M)


def verify(source: GitSource, repo: Repository, ctx: Context) -> str:
    """The fingerprint, when the declared key has signed the commit, or the tag on it. The commit is in `repo`.

    Raises UserError when it has not; InfrastructureError when the tag cannot be fetched.
    """
    assert source.signature is not None
    if source.signature.of == "commit":
        signed, signature = in_commit(_object(repo, source.commit, b"commit", source.name), source.name)
    else:
        signed, signature = in_tag(_object(repo, _tag(source, repo, ctx), b"tag", source.name), source)
    with tempfile.TemporaryDirectory(prefix="colinux-gpgv-") as folder:
        file = Path(folder) / "signed"
        file.write_bytes(signed)
        by = source.signature
        return require(signature, file, by.fingerprint, by.keyring, source.name, ctx.paths.root, Path(folder))


def in_commit(data: bytes, name: str) -> tuple[bytes, bytes]:
    """A commit as (what was signed, the signature)."""
    head, empty, message = data.partition(b"\n\n")
    found = list(IN_COMMIT.finditer(head + b"\n"))
    if len(found) != 1:
        raise UserError(f"{name}: the commit has {len(found) or 'no'} OpenPGP signature{'s' * (len(found) > 1)}",
                        hint='is it its tag that is signed? (of = "tag")')
    start, end = found[0].span()
    # The message's own bytes, and an empty line between it and the headers that are left.
    signed = (head + b"\n")[:start] + (head + b"\n")[end:] + empty[1:] + message
    return signed, found[0][1].replace(b"\n ", b"\n")


def in_tag(data: bytes, source: GitSource) -> tuple[bytes, bytes]:
    """A tag as (what was signed, the signature). UserError unless it is the declared one on the declared commit."""
    wanted = [f"object {source.commit}", "type commit", f"tag {str(source.ref).removeprefix('refs/tags/')}"]
    seen = data.decode("utf-8", "replace").splitlines()[:3]
    if seen != wanted:
        raise UserError(f"{source.name}: {source.ref} is a tag of another thing: {'; '.join(seen)[:200]}; "
                        f"expected {'; '.join(wanted)}", hint="correct `ref` or `commit` in colinux.toml")
    at = data.rfind(b"\n" + BEGIN) + 1
    if not at:
        raise UserError(f"{source.name}: the tag {source.ref} has no OpenPGP signature",
                        hint='is it the commit that is signed? (of = "commit")')
    return data[:at], data[at:]


def _object(repo: Repository, identity: str, kind: bytes, name: str) -> bytes:
    """An object's content, byte for byte (git's command line, through our door, gives text)."""
    found = GitDB(str(Path(repo.git_dir) / "objects")).stream(bytes.fromhex(identity))
    data = bytes(found.read())
    seen = hashlib.sha1(b"%s %d\0" % (found.type, len(data)) + data, usedforsecurity=False).hexdigest()
    if seen != identity:
        raise InfrastructureError(f"{name}: the object {identity} has the id {seen}",
                                  hint=f"the cached repository is damaged: remove {repo.git_dir} and run again")
    if found.type != kind:
        raise UserError(f"{name}: {identity} is a {found.type.decode()}, expected a {kind.decode()} that is signed",
                        hint="only an annotated tag can be signed" if kind == b"tag" else None)
    return data


def _tag(source: GitSource, repo: Repository, ctx: Context) -> str:
    """The id of what the declared tag is now, fetched from the first place that has it."""
    wanted, reasons = f"+{source.ref}:{FETCHED}", []
    for place in (place for url in source.urls for place in ctx.mirrors.places(url)):
        if not place.local and ctx.offline:
            reasons.append(f"    {place}: not asked: --offline")
            continue
        where, env = reach(repo, place)
        for option in ("--depth=1", "--update-shallow"):
            try:
                repo.git.fetch("--no-tags", "--force", "--quiet", option, "--", where, wanted, env=env)
                return str(repo.git.rev_parse("--verify", FETCHED))
            except git.exc.GitCommandError as error:
                reasons.append(f"    {place}: {words_of(str(error.stderr))}")
    asked = "\n".join(dict.fromkeys(reasons))
    raise InfrastructureError(f"{source.name}: no {source.ref} to be had, whose signature is asked for:\n{asked}",
                              hint="try again, or name a mirror that has the tag")
