# SPDX-License-Identifier: GPL-2.0-only
"""Which Debian archives apt on this machine is configured for (sources.list(5), both its formats)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.errors import UserError

# Debian's releases of the last years and its rolling names: what tells Debian's archive from a third party's.
# (Debian wiki, DebianReleases.)
RELEASES = frozenset(
    {
        "bullseye",
        "bookworm",
        "trixie",
        "forky",
        "duke",
        "sid",
        "oldoldstable",
        "oldstable",
        "stable",
        "testing",
        "unstable",
    }
)
FOLDER = Path("/etc/apt")


@dataclass(frozen=True)
class Entry:
    """One archive, suite and set of components. `signed_by`: paths, fingerprints or a key."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str | None

    @property
    def release(self) -> str:
        """ "bookworm" of "bookworm", "bookworm-security", "bookworm-updates"."""
        return re.split(r"[-/]", self.suite, maxsplit=1)[0]

    @property
    def extra(self) -> str:
        """What follows the release in the suite's name, such as "-security"."""
        return self.suite[len(self.release) :]


def configured(folder: Path = FOLDER) -> tuple[Entry, ...]:
    """Every enabled binary entry below /etc/apt, in apt's order."""
    entries: list[Entry] = []
    listed = folder / "sources.list"
    parts = folder / "sources.list.d"
    files = [listed] if listed.is_file() else []
    files += sorted(p for p in parts.glob("*") if p.suffix in (".list", ".sources")) if parts.is_dir() else []
    for file in files:
        text = file.read_text(encoding="utf-8", errors="replace")
        entries += deb822(text) if file.suffix == ".sources" else one_line(text)
    return tuple(dict.fromkeys(entries))


def one_line(text: str) -> list[Entry]:
    """`deb [options] uri suite component...` lines."""
    entries = []
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s*([^#]*)", line)
        if not match:
            continue
        options = dict(option.split("=", 1) for option in (match[1] or "").split() if "=" in option)
        signed_by = options.get("signed-by")
        entries.append(
            Entry(
                _slash(match[2]),
                match[3],
                tuple(match[4].split()),
                signed_by.replace(",", " ") if signed_by else None,
            )
        )
    return entries


def deb822(text: str) -> list[Entry]:
    """Stanzas of `Types: deb`, `URIs:`, `Suites:`, `Components:`, `Signed-By:`."""
    entries = []
    text = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", text):
        fields = {}
        for match in re.finditer(r"^([A-Za-z0-9-]+):((?:.*)(?:\n[ \t].*)*)", stanza, re.M):
            fields[match[1].lower()] = match[2].strip("\n")
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").strip().lower() in (
            "no",
            "false",
        ):
            continue
        signed_by = fields.get("signed-by")
        entries += [
            Entry(_slash(uri), suite, tuple(fields.get("components", "").split()), signed_by)
            for uri in fields.get("uris", "").split()
            for suite in fields.get("suites", "").split()
        ]
    return entries


def for_suite(entries: tuple[Entry, ...], suite: str | None) -> tuple[Entry, ...]:
    """Debian's entries for one release (with -updates and -security), or as configured when `suite` is None.

    A machine that runs another Debian release has the same archives: their
    entries are taken with the release's name exchanged. Raises UserError when
    no Debian archive is configured at all.
    """
    ours = tuple(entry for entry in entries if entry.release in RELEASES and entry.components)
    if suite is not None:
        exact = tuple(entry for entry in ours if entry.release == suite)
        if exact:
            return exact
        ours = tuple(
            dict.fromkeys(
                replace(entry, suite=suite + entry.extra)
                for entry in ours
                if entry.extra in ("", "-updates", "-security")
            )
        )
    if not ours:
        raise UserError(
            "apt on this machine is configured for no Debian archive",
            hint=f"add one as {FOLDER}/sources.list.d/debian.sources, Signed-By the keyring of the package "
            "debian-archive-keyring (sources.list(5) shows the format)",
        )
    return ours


def as_deb822(entries: tuple[Entry, ...], arch: str) -> str:
    """A .sources file that means the entries, for one architecture, and never an unsigned archive.

    The architecture "source" means the source packages.
    """
    stanzas = []
    for entry in entries:
        lines = [
            "Types: deb-src" if arch == "source" else "Types: deb",
            f"URIs: {entry.uri}",
            f"Suites: {entry.suite}",
            f"Components: {' '.join(entry.components)}",
        ]
        if arch != "source":
            lines.append(f"Architectures: {arch}")
        if entry.signed_by:
            lines.append(f"Signed-By: {entry.signed_by.lstrip(' ')}")
        stanzas.append("\n".join(lines) + "\n")
    return "\n".join(stanzas)


def _slash(uri: str) -> str:
    return uri if uri.endswith("/") else uri + "/"
