# SPDX-License-Identifier: GPL-2.0-only
"""Who signed: gpgv with the keys that are trusted for the thing at hand, and no others."""

from __future__ import annotations

import base64
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline import process
from pipeline.errors import InfrastructureError, UserError

# What apt trusts for an archive without Signed-By (apt-key(8), apt-secure(8)).
TRUSTED = (Path("/etc/apt/trusted.gpg"), Path("/etc/apt/trusted.gpg.d"))

# What else gpgv may say of a signature; the words come after the key's id or name. GnuPG's doc/DETAILS.
REFUSED = {
    "BADSIG": "is of another file, or damaged",
    "EXPSIG": "has expired",
    "EXPKEYSIG": "is by a key that has expired",
    "REVKEYSIG": "is by a key that was revoked",
    "NO_PUBKEY": "is by a key that is not in the keyring",
}


@dataclass(frozen=True)
class Signer:
    """Whose good signature it was: the fingerprints of the key that signed and of the primary key it belongs to."""

    key: str
    primary: str

    def matches(self, fingerprint: str) -> bool:
        return fingerprint.upper() in (self.key, self.primary)


@dataclass(frozen=True)
class Signatures:
    """What gpgv says of a file's signatures: the good ones, and in words what is wrong with the others."""

    good: tuple[Signer, ...]
    refused: tuple[str, ...]
    output: str

    @property
    def words(self) -> str:
        """For an error message: who has signed well, and what was refused."""
        seen = [f"a good signature by {signer.primary}" for signer in self.good] + list(self.refused)
        return "; ".join(seen) or f"no signature at all\n{self.output.strip()}"


def read_status(output: str) -> Signatures:
    """gpgv's --status-fd lines. VALIDSIG alone is no good word: it comes for an expired or revoked key as well."""
    good, refused, well = [], [], False
    for line in output.splitlines():
        words = line.split()
        if words[:1] != ["[GNUPG:]"] or len(words) < 2:
            continue
        if words[1] == "VALIDSIG" and well:
            # "VALIDSIG <key> <date> ... <primary key>"
            good.append(Signer(words[2], words[-1]))
        elif words[1] in REFUSED:
            refused.append(f"the signature {REFUSED[words[1]]} ({' '.join(words[2:])})")
        if words[1] == "GOODSIG":
            well = True
        elif words[1] in ("NEWSIG", "VALIDSIG", "ERRSIG", *REFUSED):
            well = False
    return Signatures(tuple(good), tuple(refused), output)


def check_detached(signature: Path, signed: Path, rings: Sequence[Path], scratch: Path) -> Signatures:
    """What gpgv says of a detached signature when it knows the keys of `rings` and no others.

    `rings` are files of keys, binary or armoured; `scratch` an existing folder of the caller's.
    """
    words = [word for ring in rings for word in ("--keyring", str(_binary(ring, scratch).absolute()))]
    result = process.run(
        ["gpgv", "--homedir", scratch, "--status-fd", "1", *words, signature, signed], check=False, timeout=600)
    return read_status(result.stdout)


def require(
    signature: bytes, signed: Path, fingerprint: str, keyring: str | None, name: str, root: Path, scratch: Path
) -> str:
    """The fingerprint, in capitals, when that key has made a good signature on a file.

    `keyring` is a file of the checkout `root`; without one the keys are those of the person who asks (gpgv(1)).
    `scratch` is the caller's. Raises UserError, in which `name` is what this is about.
    """
    ring = root / keyring if keyring else None
    if ring is not None and not ring.is_file():
        raise UserError(f"{name}: the keyring {keyring} is not there", where="colinux.toml")
    file = scratch / "signature"
    file.write_bytes(signature)
    seen = check_detached(file, signed, [ring] if ring else _own_rings(), scratch)
    wanted = fingerprint.upper()
    if not any(signer.matches(wanted) for signer in seen.good):
        raise UserError(
            f"{name}: expected a signature by {wanted}, seen: {seen.words}",
            hint="it is not accepted; is the key, and is it as its owner has it today, in the declared keyring?",
        )
    return wanted


def _own_rings() -> list[Path]:
    home = Path(os.environ.get("GNUPGHOME") or Path.home() / ".gnupg")
    return [ring for ring in (home / "trustedkeys.kbx", home / "trustedkeys.gpg") if ring.is_file()]


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
    signers = {signer.primary for signer in read_status(result.stdout).good}
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
    return [_binary(file, scratch) for file in files]


def _binary(ring: Path, scratch: Path) -> Path:
    """A file of keys as gpgv wants it."""
    data = ring.read_bytes()
    return dearmour(data.decode("ascii", "replace"), scratch) if data.startswith(b"-----BEGIN") else ring


def dearmour(text: str, scratch: Path) -> Path:
    """RFC 9580, section 6: base64 between an empty line and the checksum's "="."""
    data = b""
    for block in re.findall(r"-----BEGIN PGP PUBLIC KEY BLOCK-----(.*?)-----END", text, re.S):
        body = re.split(r"\n[ \t]*\n", block, maxsplit=1)[-1]
        data += base64.b64decode("".join(line.strip() for line in body.splitlines() if not line.startswith("=")))
    ring = scratch / f"{len(list(scratch.iterdir()))}.gpg"
    ring.write_bytes(data)
    return ring
