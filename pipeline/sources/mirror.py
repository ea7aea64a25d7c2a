# SPDX-License-Identifier: GPL-2.0-only
"""The mirror file: a person's or a machine's own places for declared URLs.

    [[mirror]]
    match = "https://example.org/pub/linux"     # a URL, or the beginning of one up to a "/"
    to = "/srv/mirror/linux"                    # folder, file, bare git repository, or another URL
    only = true                                 # never fall back on the declared URL (default false)

    [debian]
    pool = "debian"                             # folder or URL that has Debian's pool/, asked before apt's archives
    snapshot = "https://snapshot.example.org"   # an archive of dropped packages, in Debian's snapshot format

Looked for at $COLINUX_MIRRORS, then ~/.config/colinux/mirrors.toml, then
/etc/colinux/mirrors.toml; the first that exists is read, alone. The longest
`match` wins. A mirror only says where to look: the pin in colinux.lock decides
what is accepted.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pipeline.errors import UserError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SYSTEM = Path("/etc/colinux/mirrors.toml")
KEYS = {"match": str, "to": str, "only": bool}


@dataclass(frozen=True)
class Mirror:
    """One redirection; `where` is file:line, `to` a URL or an absolute path."""

    match: str
    to: str
    only: bool
    where: str

    def rest(self, url: str) -> str | None:
        """What follows `match` in the URL, None when it does not match. Only whole path parts match."""
        if url == self.match:
            return ""
        stem = self.match if self.match.endswith("/") else self.match + "/"
        return url[len(stem) :] if url.startswith(stem) else None


@dataclass(frozen=True)
class Place:
    """One place to look: a URL to ask, or paths on this machine of which the first that exists counts."""

    url: str | None
    paths: tuple[Path, ...]
    where: str | None = None

    @property
    def local(self) -> bool:
        return self.url is None

    @property
    def file(self) -> Path | None:
        """The local file, if it is there."""
        return next((path for path in self.paths if path.is_file()), None)

    @property
    def folder(self) -> Path | None:
        """The local folder, if it is there."""
        return next((path for path in self.paths if path.is_dir()), None)

    def __str__(self) -> str:
        # A mirror's password is nobody's business who reads a log.
        text = re.sub(r"//[^/@\s]*@", "//", self.url) if self.url else str(self.folder or self.file or self.paths[0])
        return f"{text} (from {self.where})" if self.where else text


@dataclass(frozen=True)
class Mirrors:
    """The redirections in force; `searched` are the files that could have held some."""

    entries: tuple[Mirror, ...] = ()
    file: Path | None = None
    searched: tuple[Path, ...] = ()
    snapshot: str | None = None
    pool: str | None = None

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Mirrors:
        """Read the mirror file that counts. Raises UserError with every fault, each with file:line."""
        environ = os.environ if environ is None else environ
        named = environ.get("COLINUX_MIRRORS")
        searched = (Path(named).expanduser(),) if named else (_user_file(environ), SYSTEM)
        for file in searched:
            try:
                text = file.read_text(encoding="utf-8")
            except FileNotFoundError:
                if named:
                    raise UserError(
                        f"the mirror file {file} is not there",
                        hint="COLINUX_MIRRORS names it; correct or unset it",
                    ) from None
                continue
            except (OSError, UnicodeDecodeError) as error:
                raise UserError(f"cannot read the mirror file {file}: {error}") from error
            entries, debian = _parse(text, file)
            return cls(entries, file, searched, debian.get("snapshot"), debian.get("pool"))
        return cls(searched=searched)

    def places(self, url: str) -> tuple[Place, ...]:
        """Where to look for a URL, in order: the best mirror, then the URL itself."""
        best = self._best(url)
        if best is None:
            return (_place(url, None),)
        mirror, rest = best
        place = _redirected(mirror, rest, url)
        return (place,) if mirror.only else (place, _place(url, None))

    def _best(self, url: str) -> tuple[Mirror, str] | None:
        matches = [(mirror, rest) for mirror in self.entries if (rest := mirror.rest(url)) is not None]
        return max(matches, key=lambda match: len(match[0].match.rstrip("/")), default=None)

    def hint(self, url: str) -> str:
        """What to write where, so that a mirror stands in for the URL."""
        if self.file is not None:
            known = f"the mirror file {self.file} could redirect it"
        else:
            looked = ", ".join(map(str, self.searched))
            known = f"a mirror file could redirect it (none found; looked at {looked})"
        folder = url.rsplit("/", 1)[0]
        return f'{known}:\n    [[mirror]]\n    match = "{folder}"\n    to = "/a/folder/that/holds/the/file"'


def _user_file(environ: Mapping[str, str]) -> Path:
    # Always below ~/.config: that is what the documentation promises, also for root under sudo.
    return Path(environ.get("HOME") or Path.home()) / ".config/colinux/mirrors.toml"


def _place(url: str, where: str | None) -> Place:
    path = local_path(url)
    return Place(None, (path,), where) if path else Place(url, (), where)


def local_path(url: str) -> Path | None:
    """The path of a file: URL or of a plain absolute path; None for everything else."""
    if url.startswith("/"):
        return Path(url)
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(unquote(parts.path))
    return None


def _redirected(mirror: Mirror, rest: str, url: str) -> Place:
    base = local_path(mirror.to)
    if base is None:
        return Place(f"{mirror.to.rstrip('/')}/{rest}" if rest else mirror.to, (), mirror.where)
    name = unquote(urlsplit(url).path.rstrip("/").rsplit("/", 1)[-1])
    below = unquote(rest)
    if ".." in below.split("/") or name in ("", ".", ".."):
        return Place(None, (base,), mirror.where)
    # A folder that mirrors the server's tree, or one flat folder of files; for a whole URL the file itself.
    candidates = (base / below, base / name) if rest else ((base / name, base) if base.is_dir() else (base,))
    return Place(None, candidates, mirror.where)


def _parse(text: str, file: Path) -> tuple[tuple[Mirror, ...], dict[str, str]]:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        raise UserError(f"not TOML: {error}", where=f"{file}:{line[1]}" if line else str(file)) from error
    lines = text.splitlines()
    faults: list[str] = []
    for key in table:
        if key not in ("mirror", "debian"):
            faults.append(f'{file}:{_line(lines, key)}: unknown key "{key}"; expected [[mirror]] or [debian]')
    entries = []
    mirrors = table.get("mirror", [])
    if not isinstance(mirrors, list) or not all(isinstance(entry, dict) for entry in mirrors):
        faults.append(f"{file}:{_line(lines, 'mirror')}: mirror: expected [[mirror]] tables")
        mirrors = []
    headers = [n for n, line in enumerate(lines, 1) if re.match(r"\s*\[\[\s*mirror\s*\]\]", line)]
    for number, entry in enumerate(mirrors):
        start = headers[number] if number < len(headers) else 1
        mirror = _entry(entry, file, lines, start, faults)
        if mirror:
            entries.append(mirror)
    debian = _debian(table.get("debian", {}), file, lines, faults)
    if faults:
        raise UserError("\n".join(faults), hint="the head of pipeline/sources/mirror.py shows the format")
    return tuple(entries), debian


def _entry(entry: dict[str, Any], file: Path, lines: list[str], start: int, faults: list[str]) -> Mirror | None:
    before = len(faults)
    for key, value in entry.items():
        where = f"{file}:{_line(lines, key, start)}"
        if key not in KEYS:
            faults.append(f'{where}: mirror: unknown key "{key}"; expected match, to or only')
        elif not isinstance(value, KEYS[key]) or value == "":
            faults.append(f"{where}: mirror.{key}: expected {'true or false' if key == 'only' else 'a text'}")
    for key in ("match", "to"):
        if key not in entry:
            faults.append(f'{file}:{start}: mirror: "{key}" is missing')
    if len(faults) > before:
        return None
    return Mirror(entry["match"], _beside(entry["to"], file), entry.get("only", False), f"{file}:{start}")


def _beside(place: str, file: Path) -> str:
    """A path relative to the file that says it, so that a mirror can be carried around with its description."""
    return place if "://" in place else str(file.absolute().parent / Path(place).expanduser())


def _debian(table: Any, file: Path, lines: list[str], faults: list[str]) -> dict[str, str]:
    """[debian]: `pool` as a URL or an absolute path, `snapshot` as a URL."""
    if not isinstance(table, dict):
        faults.append(f"{file}:{_line(lines, 'debian')}: debian: expected a table [debian]")
        return {}
    start = next((n for n, line in enumerate(lines, 1) if re.match(r"\s*\[\s*debian\s*\]", line)), 1)
    good = {}
    for key, value in table.items():
        where = f"{file}:{_line(lines, key, start)}"
        if key not in ("pool", "snapshot"):
            faults.append(f'{where}: debian: unknown key "{key}"; expected pool or snapshot')
        elif not isinstance(value, str) or not value or (key == "snapshot" and "://" not in value):
            faults.append(f"{where}: debian.{key}: expected a URL{' or a path' if key == 'pool' else ''}")
        else:
            good[key] = (_beside(value, file) if key == "pool" else value).rstrip("/")
    return good


def _line(lines: list[str], key: str, start: int = 1) -> int:
    """The line at or after `start` where a key is set or a table of that name begins; `start` if unseen."""
    pattern = re.compile(rf"\s*(\[+\s*)?[\"']?{re.escape(key)}[\"']?\s*[\]=.]")
    return next((n for n in range(start, len(lines) + 1) if pattern.match(lines[n - 1])), start)
