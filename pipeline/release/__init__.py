# SPDX-License-Identifier: GPL-2.0-only
"""dist/<name>-<version>/: what was built, what it was built from, how it booted, and how anyone can tell.

<name>-<version>-<machine>.tar.zst   kernel, driver, daemon, images, an example colinux.conf
<name>-<version>-<windows>.zip       the same for a Windows: the guests that were booted through its driver
<name>-<version>-<windows>-setup.exe its installer
<name>-<version>-debug.tar.zst       symbols and configurations of the kernels
<name>-<version>-source.tar.zst      the commit: patches, fragments, lock, pipeline
evidence/<machine>/                  what its boot left behind, as it is
licences/, SOURCES.md                terms, and the offer of source with every pin
manifest.json                        the one account, from which the rest is derived:
NOTES.md, sbom.cdx.json, provenance.intoto.json
SHA256SUMS, SHA256SUMS.sig           every file's digest; the signature where a key was named

A release made twice of a commit is the same to the byte: times are the commit's,
and the evidence, which has times of its own, is included as it is (made twice
it is the same evidence; a machine booted anew is another release).

Reading order: make, origin, evidence, parts, machine, archive, windows, zips, installer, authenticode, manifest;
then what is derived: notes, licences, sbom, provenance, signing; and verify, which believes none of it.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.declaration.model import Declaration
from pipeline.paths import Paths

# Not make and verify: what reads and writes JSON by schema takes seconds to load, and every ./doit comes by here.


def machines(declaration: Declaration) -> tuple[str, ...]:
    """The machines that a release holds: those declared, or the default one."""
    return declaration.release.machines or (declaration.project.default,)


def folder(declaration: Declaration, paths: Paths) -> Path:
    """Where the release goes."""
    return paths.dist / f"{declaration.project.name}-{declaration.project.version}"
