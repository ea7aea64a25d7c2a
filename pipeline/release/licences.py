# SPDX-License-Identifier: GPL-2.0-only
"""The licence texts of everything in a release, and the offer of its source.

Our own code, Linux and busybox are under the GPL, version 2: LICENSE. What comes
in Debian's packages brings a copyright file, which is taken from the locked
package itself; a whole Debian system has these files on its disk already. The C
library in the static daemon is the build machine's.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline import rootfs, seccomp, slirp, sources
from pipeline.declaration.model import Declaration, Machine
from pipeline.errors import UserError
from pipeline.release.manifest import every_machine, image_names
from pipeline.sources import archive
from toolchain import windows

FOLDER = "licences"
# The daemon is static: glibc's terms apply to its copy in there.
GLIBC = {"x86_64": Path("/usr/share/doc/libc6-dev/copyright"),
         "i386": Path("/usr/share/doc/libc6-dev-i386-cross/copyright")}
LGPL = Path("/usr/share/common-licenses/LGPL-2.1")
# What a compiler for Windows links into the daemon: MinGW-w64's run-time library, and its own.
MINGW = Path("/usr/share/doc/mingw-w64-common/copyright")
# And what an installer begins with.
NSIS = Path("/usr/share/doc/nsis-common/copyright")
GCC = {"x86_64": Path("/usr/share/doc/gcc-mingw-w64-x86-64-win32/copyright"),
       "i386": Path("/usr/share/doc/gcc-mingw-w64-i686-win32/copyright")}


def texts(machines: Sequence[Machine], decl: Declaration, ctx: sources.Context) -> dict[str, bytes]:
    """File name -> text, for all that the machines' archives hold."""
    found = {"GPL-2.0.txt": (ctx.paths.root / "LICENSE").read_bytes()}
    every = every_machine(machines, decl)
    for name in dict.fromkeys(name for machine in every for name in image_names(machine)):
        image = decl.rootfs[name]
        if image.packages and image.kind != "debian":
            for blob, deb in sources.fetch_packages(rootfs.group(image), ctx, suite=image.suite):
                found[f"{blob.package}.copyright"] = copyright_of(deb, str(blob.package))
        if (userland := decl.userlands.get(image.arch)) is not None:
            # The test agent in every image is linked with it, as busybox of our own is.
            libc = sources.fetch(decl.sources[userland.libc], ctx)
            found["musl.copyright"] = copyright_of(libc.files[0], str(libc.blobs[0].package))
    for name in sorted({machine.nt for machine in every if machine.nt}):
        arch = windows.targets()[name].arch
        found |= {"mingw-w64.copyright": _here(MINGW), "nsis.copyright": _here(NSIS),
                  f"gcc-mingw-w64-{arch}.copyright": _here(GCC[arch])}
        if slirp.declared(name, decl):
            found |= _slirp_texts(name, decl, ctx)
    # The daemon for Linux, through which the driver for a Windows was booted, is not given away with it.
    for arch in sorted({decl.hosts[machine.host].arch for machine in every if not machine.nt}):
        found[f"glibc-{arch}.copyright"] = _here(GLIBC[arch])
        if slirp.declared(arch, decl):
            found |= _slirp_texts(arch, decl, ctx)
        if seccomp.declared(arch, decl):
            found |= _package_text(seccomp.SOURCES[arch], decl, ctx)
    found["LGPL-2.1.txt"] = _here(LGPL)
    return dict(sorted(found.items()))


def _slirp_texts(arch: str, decl: Declaration, ctx: sources.Context) -> dict[str, bytes]:
    """Those of the libraries that the daemon's user-mode network is linked with."""
    found = {"libslirp.copyright": _here(slirp.folder(arch, ctx.paths) / "COPYRIGHT")}
    for name in slirp.SOURCES[arch][1:]:
        found |= _package_text(name, decl, ctx)
    return found


def _package_text(name: str, decl: Declaration, ctx: sources.Context) -> dict[str, bytes]:
    """That of a declared source which is a package of Debian's."""
    package = sources.fetch(decl.sources[name], ctx)
    named = str(package.blobs[0].package)
    return {f"{named}.copyright": copyright_of(package.files[0], named)}


def copyright_of(deb: Path, package: str) -> bytes:
    """The copyright file of a Debian package (Debian Policy, 12.5)."""
    with tempfile.TemporaryDirectory(prefix="colinux-licence-") as scratch:
        found = archive.read_deb_member(deb, f"usr/share/doc/{package}/copyright", Path(scratch))
    if found is None:
        raise UserError(f"the package {package} has no copyright file, so it cannot be given away",
                        hint="take another package into the root filesystem in colinux.toml")
    return found


def _here(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(
            f"the licence text {path} cannot be read: {error.strerror}",
            hint="./doit setup brings the packages; a minimal system may have left such files out") from error


def offer(manifest: dict[str, Any]) -> str:
    """SOURCES.md: where the source of everything in the release is, to the byte."""
    name, version = manifest["name"], manifest["version"]
    lines = [
        f"# Source of {name} {version}",
        "",
        f"The GNU General Public License, version 2 ({FOLDER}/GPL-2.0.txt), gives you the right to the complete",
        "source of what is in this release. It is:",
        "",
        f"1. our own, with every patch, configuration fragment and build script: `{name}-{version}-source.tar.zst`,",
        f"   which is the commit `{manifest['commit']}`;",
        "2. what it is laid over, named below to the byte: URL, size, SHA-256, commit, tree id. `./doit fetch` in the",
        "   source archive brings and verifies exactly these.",
        "",
        "Whoever gives you this release in binary form offers you, for at least three years and for no more than the",
        "cost of handing it over, a complete machine-readable copy of all of it on a medium customarily used for",
        "exchanging software (section 3b of that licence). The configuration of each kernel lies in the debug archive.",
        "",
        "The daemon is linked with glibc, for its sandbox with libseccomp, for ethN=slirp with GLib, all of them under",
        "the LGPL 2.1: with the source above you can link it again, with other ones (section 6 of that licence). The",
        "one for Windows is linked with the run-time libraries of MinGW-w64 and, by its exception for that, of GCC;",
        "there is libslirp in it, as in the others, but no GLib.",
    ]
    for kernel, facts in manifest["kernels"].items():
        lines += ["", f"## Linux {kernel}", "",
                  f"Compiled by {facts['compiler']}, configured from {facts['base']}.", ""]
        lines += [f"- source, any one of: {', '.join(facts['sources'])}"]
        for what in ("patches", "fragments"):
            lines += [f"- {one['path']}  sha256 {one['sha256']}" for one in facts[what]]
        lines += [f"- {place} = {one['path']}  sha256 {one['sha256']}" for place, one in facts["overlay"].items()]
    lines += ["", "## Pins", ""]
    for group, blobs in manifest["inputs"].items():
        lines += [f"### {group}", "", *(f"- {pin(blob)}" for blob in blobs), ""]
    return "\n".join(lines).rstrip() + "\n"


def pin(blob: dict[str, Any]) -> str:
    """One input in one line: what it is, where it is, which bytes it has to be."""
    words = [str(blob["name"])]
    for key in ("version", "arch", "url", "filename"):
        if key in blob and str(blob[key]) not in words:
            words.append(str(blob[key]))
    for key, word in (("size", "size"), ("sha256", "sha256"), ("commit", "commit"), ("tree", "tree")):
        if key in blob:
            words.append(f"{word} {blob[key]}")
    return "  ".join(words)
