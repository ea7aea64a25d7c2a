# SPDX-License-Identifier: GPL-2.0-only
"""One URL into one `.part` file: resume, retry, and a clean start when the server's file is another one.

Beside NAME.part lies NAME.json: the URL it came from and the validator (ETag or
Last-Modified) the server gave. A continuation asks `Range` with `If-Range`
(RFC 9110, sections 13.1.5 and 14.2): a server whose file has changed sends the
whole new one. A server that ignores Range sends the whole file as well; both
mean: start again from nothing. Whether the bytes are the right ones is not
decided here but by the pin.
"""

from __future__ import annotations

import functools
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import requests
import urllib3

from pipeline import progress
from pipeline.paths import atomic_write
from pipeline.sources.cache import disk_error, free_bytes

CONNECT_SECONDS = 15.0
READ_SECONDS = 60.0
RETRIES = 4  # tries in a row that bring no new byte, before a URL is given up
UNREACHED_RETRIES = 1  # the same where there was not even a connection: another source may be near
MOST_TRIES = 100  # of any kind: a server that breaks off after each byte must end as well
FIRST_DELAY = 0.5  # seconds before the second try; doubled each time
LONGEST_DELAY = 20.0
CHUNK = 1 << 17
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})


class Refused(Exception):
    """This URL will not give us the file. `gone`: the server has none. `wrong`: it has another one."""

    def __init__(self, reason: str, *, gone: bool = False, wrong: bool = False) -> None:
        super().__init__(reason)
        self.gone = gone
        self.wrong = wrong


class Broken(Exception):
    """This try failed; another may not. `after`: seconds the server asked us to wait.

    `unreached`: nobody answered at all (no such host, nobody listens, no way there).
    """

    def __init__(self, reason: str, after: float = 0.0, *, unreached: bool = False) -> None:
        super().__init__(reason)
        self.after = after
        self.unreached = unreached


@dataclass(frozen=True)
class Transfer:
    """What is to be brought where. `size` is the pinned size in bytes, None before there is a pin."""

    url: str
    part: Path
    size: int | None
    title: str
    shared: progress.Bar | None = None

    @property
    def pinned(self) -> bool:
        return self.size is not None

    @property
    def memory(self) -> Path:
        return self.part.with_suffix(".json")

    def have(self) -> int:
        """Bytes already here."""
        try:
            return self.part.stat().st_size
        except FileNotFoundError:
            return 0

    def forget(self) -> None:
        """Start again from nothing next time."""
        self.part.unlink(missing_ok=True)
        self.memory.unlink(missing_ok=True)


def transfer(job: Transfer) -> bool:
    """Bring the whole file into job.part; True when it was continued from earlier bytes.

    Raises Refused when the URL is given up, InfrastructureError when the disk
    is full. Ctrl-C leaves the .part for the next run.
    """
    continued = job.have() > 0
    idle = 0
    for _ in range(MOST_TRIES):
        before = job.have()
        try:
            started_over = _once(job)
        except Broken as broken:
            idle = 0 if job.have() > before else idle + 1
            if idle > (UNREACHED_RETRIES if broken.unreached else RETRIES):
                raise Refused(f"{broken} ({idle} tries)") from broken
            delay = min(LONGEST_DELAY, max(broken.after, FIRST_DELAY * 2.0**idle))
            progress.note(f"{job.title}: {broken}; trying again in {delay:.0f} s")
            continued = True
            time.sleep(delay)
        else:
            return continued and not started_over
    raise Refused(f"broke off {MOST_TRIES} times")


@functools.lru_cache(maxsize=1)
def _session(pid: int) -> requests.Session:
    """Connections that stay open: hundreds of small packages come from one server.

    By process, because a forked copy must not talk on its parent's connection.
    """
    return requests.Session()


def small(url: str, limit: int = 1 << 20) -> bytes:
    """The body of a small answer, such as a signature or an index page. Raises Refused."""
    try:
        with _session(os.getpid()).get(url, timeout=(CONNECT_SECONDS, READ_SECONDS), stream=True) as reply:
            _check_status(reply)
            body = reply.raw.read(limit + 1, decode_content=True)
    except Broken as error:
        raise Refused(str(error)) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise Refused(plain(error)) from error
    if len(body) > limit:
        raise Refused(f"sends more than {limit} bytes")
    return bytes(body)


def _once(job: Transfer) -> bool:
    """One request. True when the server made us start over. Raises Broken or Refused."""
    have = job.have()
    if job.size is not None and have == job.size:
        return False
    if job.size is not None and have > job.size:
        job.forget()
        have = 0
    headers = {"Accept-Encoding": "identity", **_range(job, have)}
    try:
        with _session(os.getpid()).get(
            job.url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)
        ) as reply:
            if reply.status_code == 416:
                # Our bytes reach beyond the end of the server's file: it is another file, or ours is spoilt.
                length = re.fullmatch(r"bytes \*/(\d+)", reply.headers.get("Content-Range", ""))
                _check_size(job, int(length[1]) if length else None)
                job.forget()
                raise Broken("the server's file is shorter than what was fetched before")
            _check_status(reply)
            _check_downgrade(reply, job)
            start, total = _extent(reply, have)
            _check_size(job, total)
            if start != have:
                job.forget()
            _remember(job, reply)
            _receive(reply, job, start, total)
            return start != have
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error) or isinstance(error, requests.exceptions.InvalidURL):
            raise Refused(plain(error)) from error
        raise Broken(plain(error), unreached=_unreached(error)) from error


def _unreached(error: Exception) -> bool:
    # requests hides urllib3's word for it in the reason of its MaxRetryError.
    inner = error.args[0] if error.args else None
    reason = getattr(inner, "reason", inner)
    return isinstance(reason, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError))


def _check_size(job: Transfer, total: int | None) -> None:
    # Before our old bytes are given up: they may be of a mirror that has the right file.
    if total is not None and job.size is not None and total != job.size:
        raise Refused(f"its file has {total} bytes, the pinned one has {job.size}", wrong=True)


def _range(job: Transfer, have: int) -> dict[str, str]:
    """The headers of a continuation; none (and no old bytes) when there is nothing safe to continue from."""
    if have == 0:
        return {}
    try:
        memory = json.loads(job.memory.read_bytes())
        validator = memory["validator"] if memory["url"] == job.url else None
    except (OSError, ValueError, KeyError, TypeError):
        validator = None
    if validator:
        return {"Range": f"bytes={have}-", "If-Range": str(validator)}
    if job.pinned:
        # Another mirror's beginning: the same bytes if both are right, and the pin tells if not.
        return {"Range": f"bytes={have}-"}
    job.forget()
    return {}


def _check_status(reply: requests.Response) -> None:
    code = reply.status_code
    if code in (200, 206):
        return
    reason = f"{code} {reply.reason or ''}".strip()
    if code in TRANSIENT:
        after = reply.headers.get("Retry-After", "")
        raise Broken(reason, float(after) if after.isdigit() else 0.0)
    raise Refused(reason, gone=code in (404, 410))


def _check_downgrade(reply: requests.Response, job: Transfer) -> None:
    hops = [*(hop.url for hop in reply.history), reply.url]
    if not job.pinned and job.url.startswith("https:") and not all(hop.startswith("https:") for hop in hops):
        # Without a pin TLS is all that vouches for the bytes.
        raise Refused(f"is redirected from https to {hops[-1]}")


def _extent(reply: requests.Response, have: int) -> tuple[int, int | None]:
    """(offset of the first byte that comes, whole size or None). Refused when the answer does not fit."""
    if reply.status_code == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", reply.headers.get("Content-Range", ""))
        if not match or int(match[1]) != have:
            raise Refused(f"answers another range than asked: {reply.headers.get('Content-Range')!r}")
        return have, None if match[2] == "*" else int(match[2])
    length = reply.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _remember(job: Transfer, reply: requests.Response) -> None:
    etag = reply.headers.get("ETag", "")
    # A weak ETag ("W/...") says "about the same": no use for byte ranges.
    validator = etag if etag and not etag.startswith("W/") else reply.headers.get("Last-Modified")
    try:
        atomic_write(job.memory, json.dumps({"url": job.url, "validator": validator}))
    except OSError as error:
        raise disk_error(job.part, error) from error


def _receive(reply: requests.Response, job: Transfer, start: int, total: int | None) -> None:
    goal = total if total is not None else job.size
    if goal is not None and goal - start > (free := free_bytes(job.part.parent)):
        raise disk_error(job.part.parent, OSError(28, f"{goal - start} bytes are to come, {free} are free"))
    got = start
    with _bar(job, goal, start) as bar, _open(job) as file:
        # raw, not iter_content: a .tar.gz must not be unpacked because a server labels it an encoding.
        for chunk in reply.raw.stream(CHUNK, decode_content=False):
            _write(job, file, chunk)
            got += len(chunk)
            bar.update(len(chunk))
            if goal is not None and got > goal:
                job.forget()
                raise Refused(f"sends more than the {goal} bytes it should", wrong=job.pinned)
    if goal is not None and got < goal:
        raise Broken(f"the connection ended after {got} of {goal} bytes")


def _write(job: Transfer, file: IO[bytes], chunk: bytes) -> None:
    view = memoryview(chunk)
    try:
        while view:
            # A disk that fills up takes a part first, and refuses only the rest.
            view = view[file.write(view) :]
    except OSError as error:
        raise disk_error(job.part, error) from error


@contextmanager
def _bar(job: Transfer, goal: int | None, start: int) -> Iterator[progress.Bar]:
    if job.shared is not None:
        job.shared.resume_at(job.shared.done + start)
        yield job.shared
        return
    with progress.Bar(job.title, goal) as bar:
        bar.resume_at(start)
        yield bar


def _open(job: Transfer) -> IO[bytes]:
    try:
        # Unbuffered: what was received before a Ctrl-C or a kill is on the disk.
        return job.part.open("ab", buffering=0)
    except OSError as error:
        raise disk_error(job.part, error) from error


def plain(error: Exception) -> str:
    """A network error in a few words: the innermost cause, without object addresses and nested reprs."""
    cause: BaseException = error
    seen = 0
    while seen < 10:
        seen += 1
        inner = getattr(cause, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((arg for arg in cause.args if isinstance(arg, BaseException)), None)
        if inner is None:
            break
        cause = inner
    text = str(cause.args[-1] if cause.args else cause) or type(cause).__name__
    return re.sub(r"<[^>]* object at 0x[0-9a-f]+>:? ?", "", text)
