# SPDX-License-Identifier: GPL-2.0-only
"""apt in a private folder: Debian's signed metadata, without touching the machine's own apt or dpkg.

The archives are those that apt on the machine is configured for; proxies and
credentials in /etc/apt count as well. Private are the list of sources
(Debian's only), the downloaded indexes, dpkg's status (empty) and the caches;
preferences and hooks of the machine do not count. apt verifies the signature
of each Release file and the hash of each index; who signed is established
again with gpgv, to be recorded.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from pipeline import process, progress
from pipeline.errors import BuildFailed, InfrastructureError, UserError
from pipeline.paths import atomic_write, file_lock
from pipeline.sources import debsource, debversion
from pipeline.sources.aptsources import Entry, as_deb822, configured, for_suite
from pipeline.sources.cache import disk_errors
from pipeline.sources.context import Context
from pipeline.sources.signed import release_signers

NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")  # Debian Policy, section 5.6.7

CONFIG = """\
Dir::State "{folder}/state";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "srcpkgcache.bin";
Dir::Etc::sourcelist "{folder}/debian.sources";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
#clear APT::Update;
#clear DPkg::Pre-Install-Pkgs;
#clear APT::Architectures;
APT::Architecture "{arch}";
APT::Architectures {{ "{arch}"; }};
APT::Default-Release "";
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Get::AllowUnauthenticated "false";
APT::Update::Error-Mode "any";
APT::Sandbox::User "{user}";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::ForceHash "SHA256";
Acquire::GzipIndexes "false";
Acquire::Languages "none";
Acquire::Retries "3";
Debug::NoLocking "true";
"""


@dataclass(frozen=True)
class Stanza:
    """A package in an archive's index. `uri` is the archive, `release` the suite as apt's sources name it."""

    text: str
    uri: str
    release: str
    index: Path

    def field(self, name: str, default: str = "") -> str:
        """A one-line field of the stanza."""
        match = re.search(rf"^{name}: *(.*)$", self.text, re.M)
        return match[1].strip() if match else default

    @property
    def package(self) -> str:
        return self.field("Package")

    @property
    def version(self) -> str:
        return self.field("Version")

    @property
    def arch(self) -> str:
        return self.field("Architecture")

    @property
    def filename(self) -> str:
        """Path of the .deb below `uri`."""
        return self.field("Filename")

    @property
    def size(self) -> int:
        return int(self.field("Size", "0"))

    @property
    def sha256(self) -> str:
        return self.field("SHA256")

    @property
    def source(self) -> str:
        """Name of the source package."""
        return self.field("Source", self.package).split(" ")[0]

    @property
    def depends(self) -> tuple[tuple[str, ...], ...]:
        """Names: alternatives of each dependency, Pre-Depends first."""
        text = ", ".join(filter(None, (self.field("Pre-Depends"), self.field("Depends"))))
        return tuple(
            tuple(re.split(r"[ (:\[]", one.strip(), maxsplit=1)[0] for one in group.split("|"))
            for group in text.split(",")
            if group.strip()
        )


class Archive:
    """Debian's archive for one architecture ("amd64", "i386") and one suite; None: as the machine has it.

    Of the architecture "source" are the files of source packages (pipeline.sources.debsource).
    """

    def __init__(self, arch: str, suite: str | None, ctx: Context, entries: tuple[Entry, ...] | None = None) -> None:
        self.arch = arch
        self.suite = suite
        self.ctx = ctx
        self.entries = for_suite(configured() if entries is None else entries, suite)
        text = as_deb822(self.entries, arch)
        tag = hashlib.sha256(text.encode()).hexdigest()[:12]
        self.folder = ctx.paths.cache / "apt" / f"{suite or 'machine'}-{arch}-{tag}"
        self._sources = text
        self._index: dict[str, list[Stanza]] | None = None
        self._signers: dict[Path, tuple[str, ...]] = {}

    @property
    def uris(self) -> tuple[str, ...]:
        """The archives' addresses, ending in "/". Needs no network."""
        return tuple(dict.fromkeys(entry.uri for entry in self.entries))

    # --- asking the archive -----------------------------------------------------------------

    def update(self) -> None:
        """Fetch the indexes that have changed. Raises InfrastructureError, or UserError when offline.

        A broken -updates or -security index (a mirror in the middle of its own
        update) is only warned about, except with `ctx.locked`.
        """
        if self.ctx.offline:
            raise UserError(
                f"Debian's package lists ({self.arch}) have to be fetched", hint="run once without --offline"
            )
        with file_lock(self.folder / "lock"):
            self._prepare()
            with progress.step(f"apt: package lists of {self.suite or 'Debian'} {self.arch}"):
                result = self._apt("update", check=False, timeout=900)
            self._index = None
            if result.returncode:
                self._judge(result.stdout)

    def _judge(self, output: str) -> None:
        """What apt could not fetch: fatal, or worth a warning."""
        if "No space left" in output:
            with disk_errors(self.folder):
                raise OSError(28, "No space left on device")
        faults = [line for line in output.splitlines() if re.match(r"[EW]: ", line)]
        failed = re.findall(r"Failed to fetch (\S+)/dists/([^/\s]+)/", "\n".join(faults))
        text = "\n".join("    " + fault for fault in faults) or output[-2000:]
        extra = failed and all(re.search(r"-(updates|security)$", suite) for _, suite in failed)
        if not extra or self.ctx.locked:
            raise InfrastructureError(
                f"apt could not fetch the package lists for {self.arch}:\n{text}",
                hint="try again later, or name another mirror of Debian in /etc/apt/sources.list.d; "
                "a missing key comes with the package debian-archive-keyring",
            )
        suites = ", ".join(sorted({suite for _, suite in failed}))
        warning = (
            f"Debian's archive gives no good package list of {suites} for {self.arch}: "
            "packages may be older than they could be"
        )
        progress.warn(f"{warning}\n{text}")
        self.ctx.warnings.append(warning)

    def find(self, package: str) -> list[Stanza]:
        """Every version of a package in the indexes, the newest first."""
        return sorted(self.packages().get(package, ()), key=lambda s: debversion.key(s.version), reverse=True)

    def candidate(self, package: str) -> Stanza:
        """The newest version. Raises UserError with "did you mean" when the archive has none."""
        found = self.find(package)
        if not found:
            close = get_close_matches(package, self.packages(), 3)
            raise UserError(
                f'no package "{package}" in Debian ({self.suite or "as configured"}, {self.arch})',
                hint=f"did you mean {' or '.join(close)}?" if close else None,
            )
        return found[0]

    def packages(self) -> dict[str, list[Stanza]]:
        """The indexes by package name. Run `update` before."""
        if self._index is None:
            index: dict[str, list[Stanza]] = {}
            for path, uri, release in self._index_files():
                for text in path.read_text(encoding="utf-8").split("\n\n"):
                    for one in debsource.stanzas(text) if self.arch == debsource.ARCH else (text,):
                        match = re.match(r"\s*Package: (\S+)$", one, re.M)
                        if match:
                            index.setdefault(match[1], []).append(Stanza(one, uri, release, path))
            if not index:
                raise InfrastructureError(
                    f"no package lists for {self.arch} in {self.folder}", hint="run again with a network"
                )
            self._index = index
        return self._index

    def source(self, package: str) -> list[Stanza]:
        """The files of a source package's newest version (of the architecture "source"), sorted by part."""
        every = [s for stanzas in self.packages().values() for s in stanzas if s.source == package]
        if not every:
            known = {stanza.source for stanzas in self.packages().values() for stanza in stanzas}
            close = get_close_matches(package, known, 3)
            raise UserError(
                f'no source package "{package}" in Debian ({self.suite or "as configured"})',
                hint=f"did you mean {' or '.join(close)}?" if close else None,
            )
        newest = max((stanza.version for stanza in every), key=debversion.key)
        files = {stanza.package: stanza for stanza in every if stanza.version == newest}
        return [files[name] for name in sorted(files)]

    def closure(self, names: Sequence[str]) -> list[Stanza]:
        """What a fresh system with these packages consists of: apt's own answer for an empty dpkg status.

        Essential packages, those of Priority required, and every dependency;
        no Recommends. Sorted by name.
        """
        for name in names:
            self.candidate(name)
        base = [
            name
            for name, stanzas in self.packages().items()
            if any(s.field("Essential") == "yes" or s.field("Priority") == "required" for s in stanzas)
        ]
        with file_lock(self.folder / "lock"):
            try:
                result = self._apt("install", "--yes", "-qq", "--print-uris", *sorted({*base, *names}), timeout=600)
            except BuildFailed as error:
                raise UserError(
                    f"apt cannot install {', '.join(names)} together:\n{error.excerpt or error.message}",
                    hint="the message names the package that does not fit",
                ) from error
        chosen = []
        known = {stanza.sha256: stanza for stanzas in self.packages().values() for stanza in stanzas}
        for line in result.stdout.splitlines():
            match = re.fullmatch(r"'(\S+)' (\S+) (\d+) SHA256:([0-9a-f]{64})", line.strip())
            if match:
                chosen.append(known[match[4]])
        if not chosen:
            raise InfrastructureError(f"apt named no packages for {', '.join(names)}:\n{result.stdout[-1000:]}")
        return sorted(chosen, key=lambda stanza: stanza.package)

    def fetch_through_apt(self, stanza: Stanza, folder: Path) -> Path:
        """Let apt bring a .deb into `folder`, for archives at addresses that only apt understands."""
        if stanza.arch == debsource.ARCH:
            words = ["source", "--download-only", f"{stanza.source}={stanza.version}"]
        else:
            arch = stanza.arch if stanza.arch != "all" else self.arch
            words = ["download", f"{stanza.package}:{arch}={stanza.version}"]
        with file_lock(self.folder / "lock"):
            self._apt(*words, cwd=folder, timeout=3600)
        wanted = "*.deb" if stanza.arch != debsource.ARCH else Path(stanza.filename).name
        files = list(folder.glob(wanted))
        if len(files) != 1:
            raise InfrastructureError(f"apt downloaded {len(files)} files for {stanza.package}")
        return files[0]

    # --- who signed -------------------------------------------------------------------------

    def signers(self, stanza: Stanza) -> tuple[str, ...]:
        """Fingerprints of the primary keys whose signature on the stanza's Release file is good, sorted.

        Raises InfrastructureError when there is none: nothing unsigned gets any further.
        """
        lists = self.folder / "state/lists"
        files = [
            p
            for p in lists.glob("*Release")
            if p.name.endswith(("_InRelease", "_Release"))
            and stanza.index.name.startswith(p.name.removesuffix("InRelease").removesuffix("Release"))
        ]
        if not files:
            raise InfrastructureError(f"no Release file for {stanza.index.name}", hint=f"remove {self.folder}")
        release = max(files, key=lambda p: (len(p.name.removesuffix("InRelease").removesuffix("Release")), p.name))
        if release not in self._signers:
            entry = next(e for e in self.entries if (e.uri, e.suite) == (stanza.uri, stanza.release))
            self._signers[release] = release_signers(release, entry.signed_by)
        return self._signers[release]

    # --- inside -----------------------------------------------------------------------------

    def _prepare(self) -> None:
        with disk_errors(self.folder):
            for folder in ("state/lists/partial", "cache/archives/partial"):
                (self.folder / folder).mkdir(parents=True, exist_ok=True)
            (self.folder / "status").touch()
            for name, text in (("debian.sources", self._sources), ("apt.conf", self._config())):
                if not (self.folder / name).exists() or (self.folder / name).read_text() != text:
                    atomic_write(self.folder / name, text)

    def _config(self) -> str:
        user = "_apt"
        if os.geteuid() == 0 and not all(p.stat().st_mode & 0o001 for p in (self.folder, *self.folder.parents)):
            # Below /root apt's own unprivileged user could not write what it fetches.
            user = "root"
        # Source packages are of no architecture, but apt wants to know its own; the lists are the same for all.
        text = CONFIG.format(folder=self.folder, arch="amd64" if self.arch == debsource.ARCH else self.arch, user=user)
        dump = process.run(["apt-config", "dump"]).stdout
        for kind, target in sorted(set(re.findall(r"^Acquire::IndexTargets::(deb|deb-src)::([^:\s]+) ", dump, re.M))):
            # Contents, DEP-11 and their like, which other programs have asked the machine's apt for.
            if target not in ("Packages", "Sources"):
                text += f'Acquire::IndexTargets::{kind}::{target}::DefaultEnabled "false";\n'
        return text

    def _apt(self, *words: str, check: bool = True, cwd: Path | None = None, timeout: float) -> process.Result:
        # -c is read after /etc/apt/apt.conf.d, so it wins over it; $APT_CONFIG would lose (apt.conf(5)).
        # Lists are added to, though: hence the #clear lines.
        return process.run(["apt-get", "-c", self.folder / "apt.conf", *words], check=check, cwd=cwd, timeout=timeout)

    def _index_files(self) -> Iterable[tuple[Path, str, str]]:
        result = self._apt(
            "indextargets",
            "--format",
            "$(FILENAME)|$(REPO_URI)|$(RELEASE)",
            f"Created-By: {'Sources' if self.arch == debsource.ARCH else 'Packages'}",
            timeout=60,
        )
        for line in result.stdout.splitlines():
            if line.count("|") == 2:
                path, uri, release = line.split("|")
                yield Path(path), uri, release
