# SPDX-License-Identifier: GPL-2.0-only
"""A web server with every bad habit, and a context whose cache and checkout are the test's own."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.lock import Blob, Lock
from pipeline.paths import Paths
from pipeline.sources import Context, Mirrors
from pipeline.sources.mirror import Mirror


@dataclass
class Served:
    """What a path answers. `habit` changes the server's manners for the n-th request (from 0)."""

    data: bytes
    etag: str | None = '"one"'
    status: int = 200
    breaks_after: dict[int, int] = field(default_factory=dict)  # request number -> bytes, then the line is cut
    ignores_range: bool = False
    ignores_if_range: bool = False
    chunked: bool = False
    before: Callable[[int], None] | None = None
    pause: float = 0.0


@dataclass
class Asked:
    """One request as the server saw it, and the bytes of body it sent."""

    path: str
    range: str | None
    if_range: str | None
    sent: int = 0


class Server:
    """`files` is what is served; `asked` what was asked, in order."""

    def __init__(self) -> None:
        self.files: dict[str, Served] = {}
        self.asked: list[Asked] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                server.answer(self)

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, *args: object) -> None:
                pass  # a client that hangs up is what half of the tests are about

        self.http = Quiet(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def serve(self, path: str, data: bytes, **manners: object) -> str:
        """Put a file up; its URL."""
        self.files[path] = Served(data, **manners)  # type: ignore[arg-type]
        return self.url + path

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = Asked(handler.path, handler.headers.get("Range"), handler.headers.get("If-Range"))
        number = sum(one.path == handler.path for one in self.asked)
        self.asked.append(asked)
        served = self.files.get(handler.path)
        if served is None:
            return self.plain(handler, 404, b"no such file")
        if served.before:
            served.before(number)
        if served.status != 200:
            return self.plain(handler, served.status, b"oops")
        start, status = 0, 200
        wanted = asked.range and not served.ignores_range
        if wanted and asked.if_range and asked.if_range != served.etag and not served.ignores_if_range:
            wanted = False
        if wanted:
            start, status = int(str(asked.range).removeprefix("bytes=").rstrip("-")), 206
            if start >= len(served.data):
                handler.send_response(416)
                handler.send_header("Content-Range", f"bytes */{len(served.data)}")
                handler.send_header("Content-Length", "0")
                handler.end_headers()
                return None
        body = served.data[start:]
        handler.send_response(status)
        if status == 206:
            handler.send_header("Content-Range", f"bytes {start}-{len(served.data) - 1}/{len(served.data)}")
        if served.etag:
            handler.send_header("ETag", served.etag)
        if served.chunked:
            handler.send_header("Connection", "close")
        else:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        limit = served.breaks_after.get(number, len(body))
        handler.close_connection = served.chunked or limit < len(body)
        for at in range(0, limit, 4096):
            piece = body[at : min(at + 4096, limit)]
            try:
                handler.wfile.write(piece)
                handler.wfile.flush()
            except OSError:
                return None
            asked.sent += len(piece)
            if served.pause:
                threading.Event().wait(served.pause)
        return None

    def plain(self, handler: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


@contextmanager
def serving() -> Iterator[Server]:
    """A server that runs as long as the block."""
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()
        thread.join()


def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **changes: object) -> Context:
    """A context with a checkout and a cache below tmp_path, an empty lock and no mirrors."""
    monkeypatch.setenv("COLINUX_CACHE", str(tmp_path / "cache"))
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    root = tmp_path / "checkout"
    root.mkdir(exist_ok=True)
    values: dict[str, object] = {"paths": Paths(root), "lock": Lock(), "mirrors": Mirrors(searched=(Path("/m.toml"),))}
    return Context(**{**values, **changes})  # type: ignore[arg-type]


def mirror(match: str, to: str, only: bool = False) -> Mirrors:
    """One redirection."""
    return Mirrors((Mirror(match, to, only, "mirrors.toml:1"),), Path("mirrors.toml"), (Path("mirrors.toml"),))


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def tarball_lock(name: str, url: str, data: bytes) -> Lock:
    """A lock with one tarball."""
    return Lock().with_group(f"source:{name}", [Blob(name, "tarball", url=url, size=len(data), sha256=sha(data))])
