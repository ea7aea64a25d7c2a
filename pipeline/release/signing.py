# SPDX-License-Identifier: GPL-2.0-only
"""The signature on SHA256SUMS, through which it is one on everything.

`COLINUX_SIGN_KEY` names the key, as gpg reads it: a fingerprint, an address. The
signature carries the commit's time (or the key's, if that is younger), so that
it, too, comes out the same; and it is kept armoured in one exact form, with
the checksum of RFC 9580's section 6.1: OpenPGP leaves bytes of a signature
unsigned, and in a release no byte is free.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pipeline import process
from pipeline.errors import BuildFailed, UserError
from pipeline.sources.signed import Signatures, check_detached

VARIABLE = "COLINUX_SIGN_KEY"
SIGNATURE = "SHA256SUMS.sig"
PUBLIC = "signing-key.asc"
BEGIN, END = "-----BEGIN PGP SIGNATURE-----", "-----END PGP SIGNATURE-----"
LINE = 64  # characters of base64


@dataclass(frozen=True)
class Key:
    """A key to sign with: its primary fingerprint, when the youngest part of it was made, its public half."""

    fingerprint: str
    made: int
    public: bytes


def key() -> Key | None:
    """The key that COLINUX_SIGN_KEY names, None when it names none. UserError when gpg has not exactly one such."""
    name = os.environ.get(VARIABLE, "")
    return find(name) if name else None


def find(name: str) -> Key:
    """The one secret key of that name."""
    listed = _gpg("--with-colons", "--list-secret-keys", "--", name, check=False)
    # doc/DETAILS: field 1 the kind, 6 when it was made, 10 a fingerprint (of what the line before is about).
    fields = [line.split(":") for line in listed.splitlines() if line.startswith(("sec:", "ssb:", "fpr:"))]
    primaries = [after[9] for before, after in itertools.pairwise(fields) if before[0] == "sec"]
    if len(primaries) != 1:
        seen = ", ".join(primaries) or "none"
        raise UserError(f'gpg has not one secret key "{name}": {seen}', where=VARIABLE,
                        hint="gpg --list-secret-keys shows them; name one by its fingerprint")
    made = max(int(line[5]) for line in fields if line[0] in ("sec", "ssb"))
    with tempfile.TemporaryDirectory(prefix="colinux-key-") as scratch:
        out = Path(scratch) / PUBLIC
        _gpg("--armor", "--export-options", "export-minimal", "-o", str(out), "--export", primaries[0])
        return Key(primaries[0], made, out.read_bytes())


def sign(data: bytes, by: Key, epoch: int) -> bytes:
    """An armoured, detached signature. UserError when gpg cannot make one, or when nobody would take it for good."""
    with tempfile.TemporaryDirectory(prefix="colinux-sign-") as folder:
        scratch = Path(folder)
        signed, out, public = scratch / "data", scratch / "signature", scratch / PUBLIC
        signed.write_bytes(data)
        public.write_bytes(by.public)
        try:
            _gpg(f"--faked-system-time={max(epoch, by.made)}!", "-u", by.fingerprint, "-o", str(out),
                 "--detach-sign", str(signed))
        except BuildFailed as error:
            raise UserError(
                f"gpg does not sign with {by.fingerprint}: {error.excerpt or error.message}", where=VARIABLE,
                hint="is the key on this machine, and its passphrase at hand?") from error
        seen = check_detached(out, signed, [public], scratch)
        if not any(signer.primary == by.fingerprint for signer in seen.good):
            raise UserError(f"a signature by {by.fingerprint} would not be accepted: {seen.words}", where=VARIABLE)
        return armour(out.read_bytes())


def armour(signature: bytes) -> bytes:
    """A binary signature as text, in the one form that `dearmour` accepts."""
    body = base64.b64encode(signature).decode()
    lines = [body[at : at + LINE] for at in range(0, len(body), LINE)]
    check = base64.b64encode(_crc24(signature).to_bytes(3, "big")).decode()
    return "\n".join([BEGIN, "", *lines, f"={check}", END, ""]).encode()


def dearmour(text: bytes) -> bytes | None:
    """The binary signature; None when a single character of the text is not as `armour` writes it."""
    lines = text.decode("ascii", "replace").split("\n")
    try:
        signature = base64.b64decode("".join(lines[2:-3]), validate=True)
    except binascii.Error:
        return None
    return signature if armour(signature) == text else None


def _crc24(data: bytes) -> int:
    """RFC 9580, 6.1.1."""
    crc = 0xB704CE
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc = (crc << 1) ^ (0x1864CFB if crc & 0x800000 else 0)
    return crc & 0xFFFFFF


def check(text: bytes, signed: Path, ring: Path) -> Signatures | None:
    """What gpgv says of an armoured signature, with the keys in `ring` and no others; None when it is damaged."""
    signature = dearmour(text)
    if signature is None:
        return None
    with tempfile.TemporaryDirectory(prefix="colinux-gpgv-") as folder:
        scratch = Path(folder)
        (scratch / "signature").write_bytes(signature)
        return check_detached(scratch / "signature", signed.absolute(), [ring], scratch)


def _gpg(*words: str, check: bool = True) -> str:
    # All of the environment: where the keys are and how a passphrase is asked for is the person's own set-up.
    argv = ["gpg", "--batch", "--no-emit-version", "--no-comments", *words]
    return process.run(argv, check=check, clean_env=False, timeout=600).stdout
