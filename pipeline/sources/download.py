# SPDX-License-Identifier: GPL-2.0-only
"""A pinned file into the cache: from the cache, a mirror, or the first URL that has the right bytes."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from pipeline import progress
from pipeline.digest import sha256_file
from pipeline.errors import InfrastructureError, UserError
from pipeline.sources import http
from pipeline.sources.cache import Cache, disk_errors
from pipeline.sources.context import Context
from pipeline.sources.mirror import Place

UPDATE = "run ./doit lock --update"


class NotHere(UserError):
    """It is not in the cache, and only the network has it, which --offline forbids."""


class NotThere(InfrastructureError):
    """Every place that could be asked answered that it does not have the file."""


@dataclass(frozen=True)
class Want:
    """A file: its name for messages, where it may be, and its pin (None only while a lock is being made).

    `bar` is a progress bar shared by several files; without it the file gets its own.
    `tree` is for messages: the pin of its content, which the caller verifies.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str | None = None
    size: int | None = None
    bar: progress.Bar | None = None
    tree: str | None = None

    @property
    def key(self) -> str:
        """What the cache's lock and .part are called."""
        return self.sha256 or "url-" + hashlib.sha256(self.urls[0].encode()).hexdigest()

    @property
    def pin(self) -> str:
        if self.sha256:
            return f"pinned to sha256 {self.sha256}, {self.size} bytes"
        return f"pinned to git tree {self.tree}" if self.tree else "not pinned yet"


@dataclass(frozen=True)
class Failure:
    """Why one place did not do."""

    place: Place
    reason: str
    gone: bool = False
    wrong: bool = False


def download(want: Want, ctx: Context) -> Path:
    """The verified file in the cache, fetched if need be. `want.urls` and their mirrors are tried in order.

    Raises UserError when a place has a file that is not the pinned one, or when
    only the network could help and ctx.offline forbids it; NotThere when no
    place has it; InfrastructureError for network and disk.
    """
    cache = Cache(ctx.paths.cache)
    with cache.lock(want.key):
        if want.sha256:
            hit = cache.take(want.sha256, want.size, want.name)
            if hit:
                return hit
        failures: list[Failure] = []
        for place in (place for url in want.urls for place in ctx.mirrors.places(url)):
            if not place.local and ctx.offline:
                failures.append(Failure(place, "not asked: --offline"))
                continue
            try:
                return _from_place(want, place, cache)
            except http.Refused as error:
                failures.append(Failure(place, str(error), error.gone, error.wrong))
                if error.wrong:
                    # Said even if the next place has the right bytes: somebody serves others under this name.
                    progress.warn(f"{want.name}: {place} {error}")
    raise _explain(want, failures, ctx)


def _from_place(want: Want, place: Place, cache: Cache) -> Path:
    if place.local:
        return _copy(want, place, cache)
    assert place.url is not None
    if not place.url.startswith(("http://", "https://")):
        raise http.Refused("only http, https and file are understood here")
    job = http.Transfer(place.url, cache.part(want.key), want.size, want.name, want.bar)
    continued = http.transfer(job)
    try:
        return _accept(want, job.part, cache)
    except http.Refused:
        if not continued:
            raise
        # Old bytes and new ones may be of different files; the URL alone deserves a second chance.
        progress.note(f"{want.name}: the continued download is not the pinned file; fetching it whole")
        http.transfer(job)
        return _accept(want, job.part, cache)
    finally:
        if not job.part.exists():
            job.memory.unlink(missing_ok=True)


def _copy(want: Want, place: Place, cache: Cache) -> Path:
    if place.file is None:
        raise http.Refused("no such file", gone=True)
    # Not over the .part: that one may hold an hour of a slow line.
    copy = cache.part(want.key + ".copy")
    try:
        source = place.file.open("rb")
    except OSError as error:
        raise http.Refused(str(error.strerror)) from error
    try:
        with source, disk_errors(cache.root), copy.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        return _accept(want, copy, cache)
    finally:
        copy.unlink(missing_ok=True)


def _accept(want: Want, file: Path, cache: Cache) -> Path:
    """Move a complete file into the cache if it is the pinned one; else remove it and raise Refused."""
    size = file.stat().st_size
    seen = sha256_file(file)
    if want.sha256 is not None and (seen != want.sha256 or size != want.size):
        file.unlink()
        raise http.Refused(f"has another file: sha256 {seen}, {size} bytes", wrong=True)
    return cache.adopt(file, seen)


def _explain(want: Want, failures: list[Failure], ctx: Context) -> UserError | InfrastructureError:
    lines = [f"cannot fetch {want.name}, {want.pin}"]
    lines += [f"    {failure.place}: {failure.reason}" for failure in failures]
    message = "\n".join(lines)
    mirror = ctx.mirrors.hint(want.urls[0]) if want.urls else None
    if any(failure.wrong for failure in failures):
        return UserError(
            message,
            hint=f"what is served is not what colinux.lock has; if upstream changed it and you trust it, "
            f"{UPDATE}; else {mirror}",
        )
    if ctx.offline:
        return NotHere(message, hint=f"run once without --offline; or {mirror}")
    if failures and all(failure.gone for failure in failures):
        return NotThere(message, hint=f"{mirror}\nor {UPDATE}")
    return InfrastructureError(message, hint=f"try again: what was fetched so far is kept; or {mirror}")
