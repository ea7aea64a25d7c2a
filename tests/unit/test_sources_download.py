# SPDX-License-Identifier: GPL-2.0-only
"""Downloads: what may go wrong on the way goes wrong here, against a real server."""

from __future__ import annotations

import errno
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sources_kit import Server, context, mirror, serving, sha, tarball_lock

from pipeline import progress, sources
from pipeline.declaration.model import TarballSource
from pipeline.errors import InfrastructureError, UserError
from pipeline.sources import Context, cache, http
from pipeline.sources.cache import Cache
from pipeline.sources.download import NotHere, NotThere, Want, download

ROOT = Path(__file__).resolve().parents[2]
DATA = random.Random(1).randbytes(300_000)
OTHER = random.Random(2).randbytes(300_000)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setattr(http, "FIRST_DELAY", 0.01)
    return context(tmp_path, monkeypatch)


def want(*urls: str, data: bytes = DATA) -> Want:
    return Want("file", urls, sha(data), len(data))


def leftovers(ctx: Context) -> list[str]:
    return sorted(path.name for path in (ctx.paths.cache / "partial").iterdir())


def test_the_pinned_file_comes_once_and_stays(server: Server, ctx: Context) -> None:
    url = server.serve("/file", DATA)
    first = download(want(url), ctx)
    assert first.read_bytes() == DATA
    assert first == ctx.paths.cache / "sha256" / sha(DATA)[:2] / sha(DATA)
    assert first.stat().st_mode & 0o777 == 0o444
    assert download(want(url), ctx) == first
    assert len(server.asked) == 1 and leftovers(ctx) == []


def test_a_broken_download_goes_on_where_it_stopped(server: Server, ctx: Context) -> None:
    url = server.serve("/file", DATA, breaks_after={0: 100_000, 1: 50_000})
    assert download(want(url), ctx).read_bytes() == DATA
    assert [asked.range for asked in server.asked] == [None, "bytes=100000-", "bytes=150000-"]
    assert {asked.if_range for asked in server.asked[1:]} == {'"one"'}
    assert sum(asked.sent for asked in server.asked) == len(DATA)


def test_a_file_that_changes_between_the_parts_is_fetched_whole(server: Server, ctx: Context) -> None:
    def change(number: int) -> None:
        if number == 1:
            server.files["/file"].data, server.files["/file"].etag = DATA, '"two"'

    url = server.serve("/file", OTHER, breaks_after={0: 100_000}, before=change)
    assert download(want(url), ctx).read_bytes() == DATA
    assert server.asked[1].if_range == '"one"' and server.asked[1].sent == len(DATA)


def test_mixed_parts_are_noticed_when_the_server_ignores_if_range(server: Server, ctx: Context) -> None:
    def change(number: int) -> None:
        if number == 1:
            server.files["/file"].data, server.files["/file"].etag = DATA, '"two"'

    url = server.serve("/file", OTHER, breaks_after={0: 100_000}, before=change, ignores_if_range=True)
    assert download(want(url), ctx).read_bytes() == DATA
    assert [asked.range for asked in server.asked] == [None, "bytes=100000-", None]


def test_a_server_that_ignores_range_is_started_over(server: Server, ctx: Context) -> None:
    url = server.serve("/file", DATA, breaks_after={0: 100_000}, ignores_range=True)
    assert download(want(url), ctx).read_bytes() == DATA
    assert server.asked[1].range == "bytes=100000-" and server.asked[1].sent == len(DATA)


def test_a_part_that_reaches_beyond_the_file_is_thrown_away(server: Server, ctx: Context) -> None:
    """416 while there is no pin: the .part is of another file."""
    url = server.serve("/file", DATA)
    wanted = Want("file", (url,))
    part = Cache(ctx.paths.cache).part(wanted.key)
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(len(DATA) + 5))
    part.with_suffix(".json").write_text(f'{{"url": "{url}", "validator": "\\"one\\""}}')
    assert download(wanted, ctx).read_bytes() == DATA
    assert [asked.range for asked in server.asked] == [f"bytes={len(DATA) + 5}-", None]


def test_a_spoilt_part_does_not_spoil_the_file(server: Server, ctx: Context) -> None:
    url = server.serve("/file", DATA)
    part = Cache(ctx.paths.cache).part(sha(DATA))
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(1000))
    assert download(want(url), ctx).read_bytes() == DATA


def test_another_mirror_continues_what_the_first_began(server: Server, ctx: Context) -> None:
    first = server.serve("/a/file", DATA, breaks_after={n: 1000 if n == 0 else 0 for n in range(9)})
    second = server.serve("/b/file", DATA)
    assert download(want(first, second), ctx).read_bytes() == DATA
    last = server.asked[-1]
    assert (last.path, last.range, last.sent) == ("/b/file", "bytes=1000-", len(DATA) - 1000)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_tampered_file_is_refused(server: Server, ctx: Context, chunked: bool) -> None:
    url = server.serve("/file", OTHER, chunked=chunked)
    with pytest.raises(UserError) as error:
        download(want(url), ctx)
    text = str(error.value)
    assert url in text and sha(DATA) in text and sha(OTHER) in text and "./doit lock --update" in text
    assert leftovers(ctx) == [] and not any((ctx.paths.cache / "sha256").iterdir())


@pytest.mark.parametrize("length", [10, 300_001])
def test_a_file_of_the_wrong_size_is_not_even_fetched(server: Server, ctx: Context, length: int) -> None:
    url = server.serve("/file", bytes(length))
    with pytest.raises(UserError, match=f"{length} bytes, the pinned one has 300000"):
        download(want(url), ctx)
    assert len(server.asked) == 1


def test_an_endless_answer_is_cut(server: Server, ctx: Context) -> None:
    url = server.serve("/file", DATA * 100, chunked=True)
    with pytest.raises(UserError, match="more than the 300000 bytes"):
        download(want(url), ctx)
    assert leftovers(ctx) == []


def test_a_wrong_mirror_does_not_cost_the_good_bytes(server: Server, ctx: Context) -> None:
    first = server.serve("/wrong", b"an error page with status 200")
    second = server.serve("/right", DATA)
    part = Cache(ctx.paths.cache).part(sha(DATA))
    part.parent.mkdir(parents=True)
    part.write_bytes(DATA[:200_000])
    assert download(want(first, second), ctx).read_bytes() == DATA
    assert server.asked[-1].sent == 100_000


def test_every_url_is_named_with_its_reason(server: Server, ctx: Context) -> None:
    server.serve("/busy", b"", status=503)
    server.serve("/no", b"", status=403)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}/dead"
    urls = (f"{server.url}/gone", f"{server.url}/busy", f"{server.url}/no", dead)
    with pytest.raises(InfrastructureError) as error:
        download(want(*urls), ctx)
    text = str(error.value)
    for url, reason in zip(urls, ("404", "503", "403", "Connection refused"), strict=True):
        assert any(url in line and reason in line for line in text.splitlines()), (url, text)
    assert sha(DATA) in text and "300000 bytes" in text
    assert "/m.toml" in text and "[[mirror]]" in text and f'match = "{server.url}"' in text
    assert sum(asked.path == "/busy" for asked in server.asked) == http.RETRIES + 1
    assert sum(asked.path == "/gone" for asked in server.asked) == 1
    # Nobody there is no reason to wait: the next source may be near.
    assert any(dead in line and f"({http.UNREACHED_RETRIES + 1} tries)" in line for line in text.splitlines())
    assert not isinstance(error.value, NotThere)


def test_gone_everywhere_is_told_apart(server: Server, ctx: Context) -> None:
    with pytest.raises(NotThere):
        download(want(f"{server.url}/a", f"{server.url}/b"), ctx)


def test_a_password_in_a_url_is_not_shown(server: Server, ctx: Context) -> None:
    with pytest.raises(InfrastructureError) as error:
        download(want(server.url.replace("//", "//me:secret@") + "/gone"), ctx)
    assert "secret" not in str(error.value).split("hint:")[0]


# --- the cache --------------------------------------------------------------------------


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(progress, "warn", said.append)
    return said


def test_a_corrupted_blob_is_thrown_away_with_a_warning(server: Server, ctx: Context, warned: list[str]) -> None:
    url = server.serve("/file", DATA)
    path = download(want(url), ctx)
    path.chmod(0o644)
    path.write_bytes(OTHER)
    assert download(want(url), ctx).read_bytes() == DATA
    assert len(server.asked) == 2
    assert len(warned) == 1 and "damaged" in warned[0] and str(path) in warned[0]


def test_a_corrupted_blob_is_never_used_offline(server: Server, ctx: Context) -> None:
    path = download(want(server.serve("/file", DATA)), ctx)
    path.chmod(0o644)
    path.write_bytes(DATA[:-1] + b"!")
    ctx.offline = True
    with pytest.raises(NotHere, match="offline"):
        download(want(server.url + "/file"), ctx)
    assert not path.exists()


def test_offline_never_opens_a_socket(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*args: object, **kwargs: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    with pytest.raises(AssertionError):
        download(want("http://127.0.0.1:9/file"), ctx)  # the trap works
    ctx.offline = True
    with pytest.raises(NotHere, match="not asked: --offline"):
        download(want("http://127.0.0.1:9/file"), ctx)


RUN = """
import os, sys
from pathlib import Path
from pipeline import process
from pipeline.lock import Lock
from pipeline.paths import Paths
from pipeline.sources import Context, Mirrors
from pipeline.sources.download import Want, download
process.install_signal_handlers()
url, sha256, size, root = sys.argv[1:]
ctx = Context(Paths(Path(root)), Lock(), Mirrors())
print(download(Want("file", (url,), sha256, int(size)), ctx))
"""


def other_process(url: str, ctx: Context) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, url, sha(DATA), str(len(DATA)), str(ctx.paths.root)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_runs_at_once_fetch_once(server: Server, ctx: Context) -> None:
    url = server.serve("/file", DATA, pause=0.005)
    both = [other_process(url, ctx) for _ in range(2)]
    results = [one.communicate(timeout=60) for one in both]
    assert [one.returncode for one in both] == [0, 0], results
    assert len(server.asked) == 1
    assert Path(results[0][0].splitlines()[-1]).read_bytes() == DATA


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_download_is_resumed(server: Server, ctx: Context, number: int) -> None:
    url = server.serve("/file", DATA, pause=0.01)
    child = other_process(url, ctx)
    deadline = time.monotonic() + 60
    part = Cache(ctx.paths.cache).part(sha(DATA))
    while not (part.exists() and part.stat().st_size > 50_000):
        assert time.monotonic() < deadline and child.poll() is None, child.communicate()
        time.sleep(0.01)
    child.send_signal(number)
    child.communicate(timeout=60)
    assert child.returncode != 0
    kept = part.stat().st_size
    assert 50_000 < kept < len(DATA) and part.read_bytes() == DATA[:kept]
    assert not (ctx.paths.cache / "sha256" / sha(DATA)[:2]).exists()
    server.files["/file"].pause = 0
    assert download(want(url), ctx).read_bytes() == DATA
    assert server.asked[-1].range == f"bytes={kept}-" and server.asked[-1].sent == len(DATA) - kept


def mount_tmpfs(folder: Path, kib: int) -> bool:
    folder.mkdir()
    return (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "none", folder], capture_output=True, check=False
        ).returncode
    )


def test_a_full_disk_says_so_and_keeps_what_came(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = context(tmp_path, monkeypatch)
    disk = tmp_path / "disk"
    if not mount_tmpfs(disk, 200):
        pytest.skip("mounting a small tmpfs needs root")
    try:
        monkeypatch.setenv("COLINUX_CACHE", str(disk / "cache"))
        url = server.serve("/file", DATA)
        with pytest.raises(InfrastructureError, match=r"disk full.*300000 bytes are to come"):
            download(want(url), ctx)
        # A disk that fills up only on the way, and one that takes a part of the last chunk.
        monkeypatch.setattr(http, "free_bytes", lambda path: 1 << 40)
        with pytest.raises(InfrastructureError, match="disk full") as error:
            download(want(url), ctx)
        part = Cache(ctx.paths.cache).part(sha(DATA))
        assert "COLINUX_CACHE" in str(error.value) and error.value.exit_code == 3
        kept = part.stat().st_size
        assert kept > 0 and part.read_bytes() == DATA[:kept]
        assert not list((ctx.paths.cache / "sha256").rglob("*"))
        subprocess.run(["mount", "-o", "remount,size=2m", disk], check=True)
        assert download(want(url), ctx).read_bytes() == DATA
        assert server.asked[-1].range == f"bytes={kept}-"
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_write_that_fails_for_want_of_room(server: Server, ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, data: memoryview) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *args: object) -> None:
            pass

    monkeypatch.setattr(http, "_open", lambda job: Full())
    with pytest.raises(InfrastructureError, match="disk full"):
        download(want(server.serve("/file", DATA)), ctx)
    assert not list((ctx.paths.cache / "sha256").rglob("*"))


def test_a_short_write_is_no_lost_byte(server: Server, ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write may take less than it is given; at the edge of a full disk it does."""
    opened = http._open

    class Reluctant:
        def __init__(self, job: http.Transfer) -> None:
            self.file = opened(job)

        def write(self, data: memoryview) -> int:
            return self.file.write(data[:1000])

        def __enter__(self) -> Reluctant:
            return self

        def __exit__(self, *args: object) -> None:
            self.file.close()

    monkeypatch.setattr(http, "_open", Reluctant)
    assert download(want(server.serve("/file", DATA)), ctx).read_bytes() == DATA


def test_a_cache_that_cannot_be_written_is_explained(
    ctx: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "occupied").write_text("a file")
    monkeypatch.setenv("COLINUX_CACHE", str(tmp_path / "occupied/cache"))
    with pytest.raises(InfrastructureError, match="COLINUX_CACHE"):
        download(want("http://127.0.0.1:9/x"), ctx)


def test_a_digest_is_never_a_path(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a SHA-256"):
        cache.Cache(tmp_path).path("../../etc/passwd")


# --- mirrors ----------------------------------------------------------------------------


def test_a_local_mirror_stands_in(server: Server, ctx: Context, tmp_path: Path) -> None:
    folder = tmp_path / "mirror/pub"
    folder.mkdir(parents=True)
    (folder / "file").write_bytes(DATA)
    ctx.mirrors = mirror(server.url, str(tmp_path / "mirror"))
    ctx.offline = True
    assert download(want(server.url + "/pub/file"), ctx).read_bytes() == DATA
    assert server.asked == []


def test_a_mirror_without_the_file_is_passed_by(server: Server, ctx: Context, tmp_path: Path) -> None:
    url = server.serve("/file", DATA)
    ctx.mirrors = mirror(server.url, str(tmp_path))
    assert download(want(url), ctx).read_bytes() == DATA


def test_a_mirror_alone_is_not_passed_by(server: Server, ctx: Context, tmp_path: Path) -> None:
    url = server.serve("/file", DATA)
    ctx.mirrors = mirror(server.url, str(tmp_path), only=True)
    with pytest.raises(NotThere, match=r"no such file(.|\n)*mirror"):
        download(want(url), ctx)
    assert server.asked == []


def test_the_pin_decides_over_a_mirror(server: Server, ctx: Context, tmp_path: Path, warned: list[str]) -> None:
    url = server.serve("/file", DATA)
    (tmp_path / "file").write_bytes(OTHER)
    ctx.mirrors = mirror(url, str(tmp_path / "file"))
    assert download(want(url), ctx).read_bytes() == DATA
    assert len(warned) == 1 and "another file" in warned[0] and "mirrors.toml:1" in warned[0]
    assert (tmp_path / "file").read_bytes() == OTHER


# --- the tarball source -----------------------------------------------------------------


def test_a_tarball_is_fetched_by_the_lock(server: Server, ctx: Context) -> None:
    url = server.serve("/linux.tar", DATA)
    source = TarballSource("linux", (url,))
    with pytest.raises(UserError, match="lock --update"):
        sources.fetch(source, ctx)
    ctx.lock = ctx.lock.with_group("source:linux", sources.resolve(source, ctx))
    assert ctx.lock.group("source:linux")[0].sha256 == sha(DATA)
    server.asked.clear()
    fetched = sources.fetch(source, ctx)
    assert fetched.files[0].read_bytes() == DATA and server.asked == []
    with pytest.raises(UserError, match="none of the declared URLs"):
        sources.fetch(TarballSource("linux", (url + "2",)), ctx)


def test_the_next_source_is_taken_when_the_first_is_gone(server: Server, ctx: Context) -> None:
    ctx.lock = tarball_lock("a", server.url + "/gone", OTHER)
    url = server.serve("/b", DATA)
    ctx.lock = ctx.lock.with_group("source:b", tarball_lock("b", url, DATA).group("source:b"))
    first, second = TarballSource("a", (server.url + "/gone",)), TarballSource("b", (url,))
    source, fetched = sources.fetch_first([first, second], ctx)
    assert source is second and fetched.files[0].read_bytes() == DATA
    assert ctx.warnings == ["b is used, because a cannot be had"]
    server.serve("/gone", DATA)  # there, but not what is locked: nobody looks further
    with pytest.raises(UserError, match="another file"):
        sources.fetch_first([first, second], ctx)


def test_a_fetch_job_is_stale_when_the_cache_was_emptied(server: Server, ctx: Context) -> None:
    from pipeline import stamp

    url = server.serve("/f", DATA)
    ctx.lock = tarball_lock("linux", url, DATA)
    source = TarballSource("linux", (url,))
    assert stamp.why_stale(sources.job(source, ctx), ctx.paths)
    fetched = sources.fetch(source, ctx)
    stamp.finish(sources.job(source, ctx), ctx.paths)
    assert stamp.why_stale(sources.job(source, ctx), ctx.paths) is None
    fetched.files[0].unlink()
    assert "gone" in str(stamp.why_stale(sources.job(source, ctx), ctx.paths))


def test_threads_share_the_cache(server: Server, ctx: Context) -> None:
    url = server.serve("/file", DATA, pause=0.001)
    got: list[bytes] = []
    threads = [threading.Thread(target=lambda: got.append(download(want(url), ctx).read_bytes())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [DATA] * 4 and len(server.asked) == 1
