# SPDX-License-Identifier: GPL-2.0-only
"""Who signed: gpgv with the keys that are trusted for the thing at hand, and no others."""

from __future__ import annotations

import base64
import re
import tempfile
from pathlib import Path

from pipeline import process
from pipeline.errors import InfrastructureError

# What apt trusts for an archive without Signed-By (apt-key(8), apt-secure(8)).
TRUSTED = (Path("/etc/apt/trusted.gpg"), Path("/etc/apt/trusted.gpg.d"))


def release_signers(release: Path, signed_by: str | None) -> tuple[str, ...]:
    """Who signed a Release file, as gpgv sees it: fingerprints of primary keys, sorted.

    `signed_by` as in sources.list: keyring files, or a key itself, or None for
    apt's trusted ones. Raises InfrastructureError when no signature is good.
    """
    with tempfile.TemporaryDirectory(prefix="colinux-gpgv-") as scratch:
        rings = [word for ring in _keyrings(signed_by, Path(scratch)) for word in ("--keyring", str(ring))]
        detached = [str(release) + ".gpg"] if release.name.endswith("_Release") else []
        result = process.run(
            ["gpgv", "--homedir", scratch, "--status-fd", "1", *rings, *detached, str(release)],
            check=False,
            timeout=60,
        )
    # "VALIDSIG <key> <date> ... <primary key>": GnuPG's doc/DETAILS.
    signers = {line.split()[-1] for line in result.stdout.splitlines() if line.startswith("[GNUPG:] VALIDSIG ")}
    if not signers:
        raise InfrastructureError(
            f"no good signature on {release.name}:\n{result.stdout.strip()}",
            hint="the package debian-archive-keyring brings Debian's keys",
        )
    return tuple(sorted(signers))


def _keyrings(signed_by: str | None, scratch: Path) -> list[Path]:
    """Binary keyrings, as gpgv wants them."""
    if signed_by and "BEGIN PGP" in signed_by:
        # deb822 writes the key's empty lines as " ." (deb-control(5)).
        lines = [re.sub(r"^\s+", "", line) for line in signed_by.splitlines()]
        return [dearmour("\n".join("" if line == "." else line for line in lines), scratch)]
    files = [Path(word) for word in (signed_by or "").split() if word.startswith("/")]
    for trusted in () if files else TRUSTED:
        if trusted.is_dir():
            files += sorted(p for p in trusted.iterdir() if p.suffix in (".gpg", ".asc"))
        elif trusted.is_file() and trusted.stat().st_size:
            files.append(trusted)
    rings = []
    for file in files:
        data = file.read_bytes()
        rings.append(dearmour(data.decode("ascii", "replace"), scratch) if data.startswith(b"-----BEGIN") else file)
    return rings


def dearmour(text: str, scratch: Path) -> Path:
    """RFC 9580, section 6: base64 between an empty line and the checksum's "="."""
    data = b""
    for block in re.findall(r"-----BEGIN PGP PUBLIC KEY BLOCK-----(.*?)-----END", text, re.S):
        body = re.split(r"\n[ \t]*\n", block, maxsplit=1)[-1]
        data += base64.b64decode("".join(line.strip() for line in body.splitlines() if not line.startswith("=")))
    ring = scratch / f"{len(list(scratch.iterdir()))}.gpg"
    ring.write_bytes(data)
    return ring
