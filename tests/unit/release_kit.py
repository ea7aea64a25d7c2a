# SPDX-License-Identifier: GPL-2.0-only
"""A whole project in miniature, committed, built (of a few bytes) and booted well, ready to be released.

And the attacker's tools: to change a release and put right what vouches for it, step by step.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import zstandard
from debian_kit import tarballs

from pipeline import ntdriver, release, windowsdaemon
from pipeline.declaration import load
from pipeline.declaration.model import Declaration
from pipeline.errors import UserError
from pipeline.lock import Blob, Lock
from pipeline.paths import Paths
from pipeline.release import manifest, notes, provenance, sbom, signing
from pipeline.release.make import build
from pipeline.release.verify import SUMS, sums_text, verify
from pipeline.sources import Context, Mirrors
from pipeline.sources.cache import Cache
from runtime.launcher import artifacts

ROOT = Path(__file__).resolve().parents[2]
TIME = 1_700_000_000  # of the commit
NAME = "colinux-0.8.0"  # of the release

TOML = """\
[project]
name = "colinux"
version = "0.8.0"
default = "small"
epoch = 1

[source.linux]
kind = "tarball"
urls = ["https://example.org/linux-6.1.tar.xz"]
[source.linux-git]
kind = "git"
urls = ["https://example.org/linux.git"]
commit = "1111111111111111111111111111111111111111"
tree = "2222222222222222222222222222222222222222"
[source.musl]
kind = "debian"
package = "musl-dev"
arch = "amd64"
[source.busybox]
kind = "debian"
package = "busybox"
arch = "source"

[userland.x86_64]
libc = "musl"
busybox = "busybox"

[kernel."6.1-x86_64"]
series = "6.1"
arch = "x86_64"
sources = ["linux", "linux-git"]
patches = "linux-6.1"
overlay = ["guest"]
compiler = "gcc-12-x86_64"
base = "tinyconfig"
fragments = ["base"]
options.DEBUG_FS = "y"

[host.debian]
os = "linux"
arch = "x86_64"
image = "linux-image-amd64"
headers = "linux-headers-amd64"

[rootfs.busybox]
kind = "initramfs"
arch = "x86_64"
packages = ["busybox-static"]
suite = "bookworm"
[rootfs.disk]
kind = "ext4"
arch = "x86_64"
size_mib = 4
packages = ["busybox-static"]
suite = "bookworm"

[machine.small]
title = "the least"
kernel = "6.1-x86_64"
host = "debian"
memory_mib = 64
initramfs = "busybox"
checks = ["uname"]
[machine.disk]
extends = "small"
title = "with disks"
cmdline = "root=/dev/vda ro"
disks = [{ rootfs = "disk", readonly = true }, { size_mib = 8 }]

[release]
machines = ["small", "disk"]
"""

# Two machines in one zip for Windows, in place of the release above.
WINDOWS = """\
[machine.first]
extends = "small"
title = "the least, through the driver for 64-bit Windows"
nt = "windows-x64"
[machine.second]
extends = "disk"
title = "with disks, through the driver for 64-bit Windows"
nt = "windows-x64"

[release]
machines = ["small", "first", "second"]
"""

CHECKOUT = {
    "colinux.toml": TOML,
    ".gitignore": "/build/\n/dist/\n",
    "LICENSE": "the licence\n",
    "README.md": "read me\n",
    "SUPPORT.md": "support\n",
    "patches/linux-6.1/series": "0001-one.patch\n",
    "patches/linux-6.1/0001-one.patch": "--- a/Makefile\n+++ b/Makefile\n@@ -1 +1 @@\n-old\n+new\n",
    "patches/linux-6.1/config/base.config": "CONFIG_64BIT=y\n",
    "patches/guest/arch/x86/colinux/guest.c": "int guest;\n",
}


def windows_toml(machines: str = WINDOWS) -> str:
    """The declaration with machines that are released for Windows."""
    return TOML[: TOML.index("[release]")] + machines


def git(folder: Path, *words: str, time: int = TIME) -> str:
    env = {
        **os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
        "GIT_AUTHOR_DATE": f"{time} +0000", "GIT_COMMITTER_DATE": f"{time} +0000",
    }
    done = subprocess.run(["git", *words], cwd=folder, env=env, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def deb(package: str) -> bytes:
    """A package with its terms."""
    parts = [("debian-binary", b"2.0\n"), ("control.tar", tarballs({"./control": f"Package: {package}\n"})),
             ("data.tar", tarballs({f"./usr/share/doc/{package}/copyright": f"terms of {package}\n"}))]
    return b"!<arch>\n" + b"".join(
        f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data for name, data in parts)


def _debian(package: str, cache: Cache) -> Blob:
    """A locked package that is in the cache."""
    data = deb(package)
    sha256 = hashlib.sha256(data).hexdigest()
    path = cache.path(sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return Blob(package, "debian", package=package, version="1:2.3-4+b1", arch="amd64", filename=f"pool/{package}.deb",
                size=len(data), sha256=sha256, signer="A" * 40)


def _lock(cache: Cache) -> Lock:
    busybox = _debian("busybox-static", cache)
    digest = hashlib.sha256(b"linux").hexdigest()
    groups = {
        "source:linux": [Blob("linux", "tarball", url="https://example.org/linux-6.1.tar.xz", version="6.1", size=5,
                              sha256=digest)],
        "source:linux-git": [Blob("linux-git", "git", url="https://example.org/linux.git", commit="1" * 40, tree="2" * 40)],
        "source:musl": [_debian("musl-dev", cache)],
        "host:debian": [_debian("linux-image-6.1.0-1-amd64", cache)],
        "rootfs:busybox": [busybox],
        "rootfs:disk": [busybox],
    }
    lock = Lock()
    for group, blobs in groups.items():
        lock = lock.with_group(group, blobs)
    return lock


@dataclass
class Project:
    """A checkout with what was built and booted in it."""

    decl: Declaration
    ctx: Context

    @property
    def paths(self) -> Paths:
        return self.ctx.paths

    @property
    def root(self) -> Path:
        return self.paths.root

    @property
    def folder(self) -> Path:
        return release.folder(self.decl, self.paths)

    def release(self, *, unbooted: bool = False) -> Path:
        build(self.decl, self.ctx, allow_unbooted=unbooted)
        return self.folder

    def commit(self, message: str = "a change", time: int = TIME) -> None:
        git(self.root, "add", "-A")
        git(self.root, "commit", "-q", "-m", message, time=time)

    def boot(self, name: str, **changes: object) -> Path:
        """Write the evidence of a boot that passed, but for the `changes` in its result.json."""
        folder = self.paths.boot(name)
        folder.mkdir(parents=True, exist_ok=True)
        files = artifacts.find(name, self.decl, self.paths).files
        result = {
            "format": 1, "machine": name, "verdict": "pass", "kernel": "6.1.1-colinux", "host": "debian 6.1.0-1-amd64",
            "accel": "tcg", "boot_seconds": 2.5, "started": "2026-01-01T00:00:00+00:00", "warnings": [],
            "checks": [{"name": "uname", "status": "pass", "output": "6.1", "seconds": 0.1}],
            "artifacts": [{"role": role, "path": path.relative_to(self.root).as_posix(),
                           "sha256": hashlib.sha256(path.read_bytes()).hexdigest()} for role, path in files.items()],
            "inputs": {"lock": self.ctx.lock.digest()}, "tools": {"qemu": "7.2"}, **changes,
        }
        (folder / "result.json").write_text(json.dumps(result))
        (folder / "guest-console.log").write_text(f"./doit boot:{name}\nLinux version 6.1\n")
        return folder

    def built(self, role: str, machine: str = "small") -> Path:
        return artifacts.find(machine, self.decl, self.paths).files[role]


def project(root: Path, monkeypatch: pytest.MonkeyPatch, toml: str = TOML) -> Project:
    """The project below `root`, whose cache has all that is locked; nothing is asked of a network."""
    monkeypatch.setenv("COLINUX_CACHE", str(root / "cache"))
    monkeypatch.delenv(signing.VARIABLE, raising=False)
    checkout = root / "checkout"
    for name, text in CHECKOUT.items():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text(text)
    (checkout / "colinux.toml").write_text(toml)
    lock = _lock(Cache(root / "cache"))
    lock.save(checkout / "colinux.lock")
    git(checkout, "init", "-q", "-b", "main")
    paths = Paths(checkout)
    made = Project(load(checkout / "colinux.toml"), Context(paths, lock, Mirrors(), offline=True, locked=True))
    made.commit("the beginning")
    for machine in made.decl.machines:
        for path in artifacts.find(machine, made.decl, paths).files.values():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(path.name.encode() * 100)
    for name in {machine.nt for machine in made.decl.machines.values() if machine.nt}:
        for path in (*windowsdaemon.outputs(name, paths), *(paths.driver(name) / one for one in ntdriver.OUTPUTS)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(path.name.encode() * 100)
    for name, text in {"System.map": "c1000000 T _text\n", "config": "CONFIG_64BIT=y\n", "compiler": "gcc 12\n"}.items():
        (paths.kernel("6.1-x86_64") / name).write_text(text)
    (paths.host("debian") / "release").write_text("6.1.0-1-amd64\n")
    for machine in made.decl.machines:
        made.boot(machine)
    return made


# --- the attacker's tools -------------------------------------------------------------------


def flip(path: Path, at: int) -> None:
    """Change one byte."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def facts(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / manifest.NAME).read_text()))


def sum_up(folder: Path) -> None:
    """SHA256SUMS of what is there now."""
    found = {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
             for path in folder.rglob("*") if path.is_file() and path.name not in (SUMS, signing.SIGNATURE)}
    (folder / SUMS).write_text(sums_text(found))


def derive(folder: Path, changed: dict[str, Any]) -> None:
    """A manifest of other content, with SBOM, provenance and sums that go with it."""
    (folder / manifest.NAME).write_text(manifest.text(changed))
    (folder / notes.NAME).write_text(notes.text(changed))
    digest = hashlib.sha256((folder / manifest.NAME).read_bytes()).hexdigest()
    (folder / sbom.NAME).write_text(sbom.text(changed, digest))
    vouch(folder, changed)


def vouch(folder: Path, said: dict[str, Any]) -> None:
    """Provenance and sums of what is there now."""
    (folder / provenance.NAME).unlink(missing_ok=True)
    found = {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
             for path in folder.rglob("*") if path.is_file() and path.name not in (SUMS, signing.SIGNATURE)}
    (folder / provenance.NAME).write_text(provenance.text(said, found))
    sum_up(folder)


def enter(folder: Path, said: dict[str, Any], path: str) -> None:
    """Put a file's size and digest, as it is now, into a manifest."""
    for file in said["files"]:
        if file["path"] == path:
            file["size"] = (folder / path).stat().st_size
            file["sha256"] = hashlib.sha256((folder / path).read_bytes()).hexdigest()


def forge(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a manifest and everything that is derived from it."""
    said = facts(folder)
    change(said)
    derive(folder, said)


def repack(folder: Path, path: str, data: bytes, said: dict[str, Any]) -> None:
    """Another content of an archive, plain tar, with a manifest that vouches for the file (not for its members)."""
    (folder / path).write_bytes(zstandard.ZstdCompressor().compress(data))
    enter(folder, said, path)


def plain(folder: Path, path: str) -> bytes:
    """An archive's tar."""
    with (folder / path).open("rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw) as stream:
        return stream.read()


def copy(source: Path, target: Path) -> Path:
    shutil.copytree(source, target)
    return target


def setting(*keys: str | int, to: object) -> Callable[[dict[str, Any]], None]:
    def change(said: dict[str, Any]) -> None:
        for name in keys[:-1]:
            said = said[name]  # type: ignore[index]
        said[keys[-1]] = to  # type: ignore[index]

    return change


def tar_with(data: bytes, *, add: tarfile.TarInfo, content: bytes = b"") -> bytes:
    """An archive with one more member at its end."""
    out = io.BytesIO(data)
    with tarfile.open(fileobj=out, mode="a") as tar:
        add.size = len(content)
        tar.addfile(add, io.BytesIO(content))
    return out.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


EVIL = {
    "a file more": (member("top/extra"), "has the file 'top/extra' where the manifest has no more"),
    "dotdot": (member("../../evil"), "has the file '../../evil'"),
    "absolute": (member("/etc/evil"), "has the file '/etc/evil'"),
    "a link out": (member("top/link", tarfile.SYMTYPE, "../../etc"), "has a symbolic link 'top/link' to '../../etc'"),
    "a hard link": (member("top/hard", tarfile.LNKTYPE, "/etc/passwd"), "has a hard link 'top/hard' to '/etc/passwd'"),
    "a device": (member("top/null", tarfile.CHRTYPE), "has a device 'top/null'"),
    "a disk": (member("top/sda", tarfile.BLKTYPE), "has a device 'top/sda'"),
    "a pipe": (member("top/pipe", tarfile.FIFOTYPE), "has a pipe 'top/pipe'"),
    "a kind of its own": (member("top/x", b"Z"), "has a member of another kind 'top/x'"),
}


def caught(place: Path, ring: Path | None = None) -> str:
    """What is said of a release that must not pass."""
    with pytest.raises(UserError) as error:
        verify(place, ring)
    assert error.value.hint and error.value.exit_code == 2
    return str(error.value)
