# SPDX-License-Identifier: GPL-2.0-only
"""A Debian archive in miniature: real packages, real signatures, served by the kit's web server."""

from __future__ import annotations

import bz2
import hashlib
import io
import lzma
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sources_kit import Server

from pipeline.sources.aptsources import Entry


@dataclass
class Key:
    """A key that signs, in a home of its own; `ring` is its public half, as apt wants it."""

    home: Path
    fingerprint: str
    ring: Path

    def clearsign(self, text: str) -> bytes:
        return subprocess.run(
            ["gpg", "--homedir", self.home, "--batch", "--clearsign", "--digest-algo", "SHA512", "-o", "-"],
            input=text.encode(),
            check=True,
            capture_output=True,
        ).stdout

    def detach(self, data: bytes, *options: str) -> bytes:
        return subprocess.run(
            ["gpg", "--homedir", self.home, "--batch", *options, "--detach-sign", "-o", "-"],
            input=data,
            check=True,
            capture_output=True,
        ).stdout


@contextmanager
def key(name: str, *, expires: str = "never", made: str = "") -> Iterator[Key]:
    """A fresh key, as if `made` at that time (ISO 8601, as gpg reads it); its agent ends with the block."""
    # A short path: gpg-agent's socket lies in it, and such a name may have 107 characters.
    home = Path(tempfile.mkdtemp(prefix="ck-", dir="/tmp"))
    try:
        subprocess.run(
            [
                "gpg",
                "--homedir",
                home,
                "--batch",
                "--quiet",
                *([f"--faked-system-time={made}!"] if made else []),
                "--passphrase",
                "",
                "--quick-gen-key",
                f"{name} <{name}@example.org>",
                "ed25519",
                "sign",
                expires,
            ],
            check=True,
            capture_output=True,
        )
        listing = subprocess.run(
            ["gpg", "--homedir", home, "--batch", "--with-colons", "-K"], check=True, capture_output=True, text=True
        ).stdout
        fingerprint = next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))
        ring = home / "public.gpg"
        ring.write_bytes(
            subprocess.run(["gpg", "--homedir", home, "--batch", "--export"], check=True, capture_output=True).stdout
        )
        # apt reads it as its own unprivileged user.
        home.chmod(0o711)
        ring.chmod(0o644)
        yield Key(home, fingerprint, ring)
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)


@dataclass
class Package:
    """One package; `deb` is made from the rest."""

    name: str
    version: str
    arch: str = "amd64"
    source: str = ""
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def control(self) -> str:
        lines = {
            "Package": self.name,
            "Version": self.version,
            "Architecture": self.arch,
            "Maintainer": "nobody <nobody@example.org>",
            "Description": "a test",
            **({"Source": self.source} if self.source else {}),
            **self.fields,
        }
        return "".join(f"{key}: {value}\n" for key, value in lines.items())

    @property
    def deb(self) -> bytes:
        name = f"./usr/share/doc/{self.name}/version"
        parts = [
            ("debian-binary", b"2.0\n"),
            ("control.tar", tarball("./control", self.control)),
            ("data.tar", tarball(name, self.version + "\n")),
        ]
        out = b"!<arch>\n"
        for part, data in parts:
            out += f"{part:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data
        return out

    @property
    def path(self) -> str:
        return f"main/{self.name}_{self.version.split(':')[-1]}_{self.arch}.deb"


@dataclass
class SourcePackage:
    """A source package of format 3.0 (quilt): the author's files, and Debian's, patches/... among them."""

    name: str
    version: str
    author: dict[str, str]
    debian: dict[str, str]

    @property
    def files(self) -> dict[str, bytes]:
        """What the pool holds, by file name."""
        version = self.version.split(":")[-1]
        upstream = version.split("-")[0]
        return {
            f"{self.name}_{version}.dsc": f"Source: {self.name}\nVersion: {self.version}\n".encode(),
            f"{self.name}_{upstream}.orig.tar.bz2": bz2.compress(
                tarballs({f"{self.name}-{upstream}/{path}": text for path, text in self.author.items()})
            ),
            f"{self.name}_{version}.debian.tar.xz": lzma.compress(
                tarballs({f"debian/{path}": text for path, text in self.debian.items()})
            ),
        }


def tarball(name: str, text: str) -> bytes:
    return tarballs({name: text})


def tarballs(files: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


class FakeDebian:
    """`packages` by suite; `publish` puts pool, index and signed Release up. -security is an archive of its own."""

    def __init__(self, server: Server, signer: Key) -> None:
        self.server = server
        self.signer = signer
        self.packages: dict[str, list[Package]] = {"bookworm": [], "bookworm-security": []}
        self.sources: list[SourcePackage] = []  # all in bookworm

    def root(self, suite: str) -> str:
        return "/debian-security" if suite.endswith("-security") else "/debian"

    def pool(self, suite: str) -> str:
        return "pool/updates/" if suite.endswith("-security") else "pool/"

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(
            Entry(f"{self.server.url}{self.root(suite)}/", suite, ("main",), str(self.signer.ring))
            for suite in self.packages
        )

    def publish(self, signer: Key | None = None) -> None:
        """What was published before is gone, pool and all, as on a real mirror."""
        for path in [p for p in self.server.files if p.startswith("/debian")]:
            del self.server.files[path]
        for suite, packages in self.packages.items():
            for package in packages:
                self.server.serve(f"{self.root(suite)}/{self.pool(suite)}{package.path}", package.deb)
            for source in self.sources if suite == "bookworm" else ():
                for name, data in source.files.items():
                    self.server.serve(f"{self.root(suite)}/{self.pool(suite)}{name}", data)
            self.serve_index(suite, "".join(self.stanza(suite, p) for p in packages).encode(), signer or self.signer)

    def stanza(self, suite: str, package: Package) -> str:
        deb = package.deb
        return (
            f"{package.control}Filename: {self.pool(suite)}{package.path}\nSize: {len(deb)}\n"
            f"SHA256: {hashlib.sha256(deb).hexdigest()}\n\n"
        )

    def source_stanza(self, suite: str, source: SourcePackage) -> str:
        sums = "".join(
            f" {hashlib.sha256(data).hexdigest()} {len(data)} {name}\n" for name, data in source.files.items()
        )
        return (
            f"Package: {source.name}\nFormat: 3.0 (quilt)\nVersion: {source.version}\n"
            f"Directory: {self.pool(suite).rstrip('/')}\nChecksums-Sha256:\n{sums}Section: utils\n\n"
        )

    def serve_index(self, suite: str, index: bytes, signer: Key) -> None:
        base = f"{self.root(suite)}/dists/{suite}"
        release = (
            f"Origin: Debian\nLabel: Debian\nSuite: stable\nCodename: {suite}\n"
            f"Date: Sat, 01 Nov 2025 00:00:00 UTC\nArchitectures: amd64 i386\nComponents: main\nSHA256:\n"
        )
        for arch in ("amd64", "i386"):
            self.server.serve(f"{base}/main/binary-{arch}/Packages", index)
            release += f" {hashlib.sha256(index).hexdigest()} {len(index)} main/binary-{arch}/Packages\n"
        listed = self.sources if suite == "bookworm" else []
        sources = "".join(self.source_stanza(suite, source) for source in listed).encode()
        self.server.serve(f"{base}/main/source/Sources", sources)
        release += f" {hashlib.sha256(sources).hexdigest()} {len(sources)} main/source/Sources\n"
        self.server.serve(f"{base}/InRelease", signer.clearsign(release))

    def asked(self, word: str) -> list[str]:
        return [asked.path for asked in self.server.asked if word in asked.path]


def kernel(abi: int, version: str, series: str = "6.1") -> list[Package]:
    """The packages of one point release of Debian's kernel."""
    release = f"{series}.0-{abi}"
    signed = f"linux-signed-amd64 ({version})"
    same = f"(= {version})"
    return [
        Package("linux-image-amd64", version, source=signed, fields={"Depends": f"linux-image-{release}-amd64 {same}"}),
        Package(f"linux-image-{release}-amd64", version, source=signed, fields={"Depends": "kmod, initramfs"}),
        Package(
            "linux-headers-amd64", version, source=signed, fields={"Depends": f"linux-headers-{release}-amd64 {same}"}
        ),
        Package(
            f"linux-headers-{release}-amd64",
            version,
            source="linux",
            fields={"Depends": f"linux-headers-{release}-common {same}, linux-kbuild-{series} (>= {version}), gcc"},
        ),
        Package(f"linux-headers-{release}-common", version, "all", "linux"),
        Package(f"linux-kbuild-{series}", version, source="linux", fields={"Depends": "libc"}),
    ]


def have_gpg() -> bool:
    return bool(shutil.which("gpg")) and os.access("/tmp", os.W_OK)
