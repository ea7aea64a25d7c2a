# SPDX-License-Identifier: GPL-2.0-only
"""Signatures in programs for Windows, by osslsigncode: only where a key is named.

`COLINUX_AUTHENTICODE` names a PEM file with a private key, its certificate, and those above it up to the root; the
word "test" means a key of this checkout's own, which is made when it is first asked for. A passphrase is read from
the file that `COLINUX_AUTHENTICODE_PASS` names.

The signature carries the commit's time, and no authority's stamp, so that it comes out the same every time; a key
whose signatures do not (ECDSA draws lots) is refused. It lies in the signed file, behind what was booted: without it
the file is the booted one to the byte, which `./doit verify` looks at.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pipeline import pe, process
from pipeline.errors import BuildFailed, InfrastructureError, UserError
from pipeline.paths import Paths, atomic_path

VARIABLE, PASSPHRASE = "COLINUX_AUTHENTICODE", "COLINUX_AUTHENTICODE_PASS"
TEST = "test"
CERTIFICATE = "signing-certificate.pem"
OSSLSIGNCODE = "osslsigncode"
NAME = "Cooperative Linux"
PEM = re.compile(r"-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=\n]+)-----END CERTIFICATE-----\n")
DAYS = 3650  # that a test certificate is good for


@dataclass(frozen=True)
class Signer:
    """Whose signature it will be: the PEM file, the SHA-256 of the certificate, all certificates as text."""

    file: Path
    certificate: str
    public: bytes
    passphrase: Path | None = None


def signer(paths: Paths) -> Signer | None:
    """Of the key that COLINUX_AUTHENTICODE names, None when it names none. UserError when it is no good."""
    name = os.environ.get(VARIABLE, "")
    if not name:
        return None
    file = _test_key(paths) if name == TEST else Path(name).absolute()
    try:
        text = file.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read as PEM: {error}", where=VARIABLE,
                        hint=f'a PEM file, or "{TEST}"; openssl pkcs12 -in KEY.pfx -out KEY.pem makes one') from error
    found = PEM.findall(text.replace("\r\n", "\n"))
    if not found or "PRIVATE KEY-----" not in text:
        raise UserError(f"{file} has no {'private key' if found else 'certificate'}", where=VARIABLE,
                        hint="the private key, its certificate, and those above it, in one PEM file")
    try:
        first = base64.b64decode(found[0])
    except binascii.Error as error:
        raise UserError(f"the first certificate of {file} is damaged: {error}", where=VARIABLE) from error
    secret = os.environ.get(PASSPHRASE, "")
    public = "".join(f"-----BEGIN CERTIFICATE-----\n{one}-----END CERTIFICATE-----\n" for one in found)
    return Signer(file, hashlib.sha256(first).hexdigest(), public.encode(), Path(secret).absolute() if secret else None)


def _test_key(paths: Paths) -> Path:
    """A key and a certificate for signing code, by nobody but itself, of this checkout."""
    path = paths.build / "authenticode" / "test.pem"
    if not path.is_file():
        with atomic_path(path) as new:
            key, certificate = new.with_suffix(".key"), new.with_suffix(".crt")
            process.run(["openssl", "req", "-x509", "-newkey", "rsa:3072", "-sha256", "-nodes", "-days", str(DAYS),
                         "-subj", f"/CN={NAME} (test signing)", "-addext", "keyUsage=critical,digitalSignature",
                         "-addext", "extendedKeyUsage=codeSigning", "-keyout", key, "-out", certificate])
            new.touch(0o600)
            new.write_bytes(key.read_bytes() + certificate.read_bytes())
    return path


def sign(data: bytes, by: Signer, epoch: int) -> bytes:
    """A signed PE file. Raises UserError when the key does not sign, or not in a way that anybody can check."""
    with tempfile.TemporaryDirectory(prefix="colinux-authenticode-") as folder:
        plain = Path(folder) / "plain"
        plain.write_bytes(data)
        signed = [_signed(plain, Path(folder) / name, by, epoch) for name in ("one", "two")]
        if signed[0] != signed[1]:
            raise UserError("two signatures by this key differ, so the release would not come out the same",
                            where=VARIABLE, hint="take an RSA key")
        if pe.unsigned(signed[0]) != data:
            raise InfrastructureError(f"{OSSLSIGNCODE} changed more of the file than a signature does")
        _check(Path(folder) / "one", by)
        return signed[0]


def _signed(plain: Path, out: Path, by: Signer, epoch: int) -> bytes:
    secret: list[str | Path] = ["-readpass", by.passphrase] if by.passphrase else []
    try:
        process.run([OSSLSIGNCODE, "sign", "-certs", by.file, "-key", by.file, *secret, "-h", "sha256", "-n", NAME,
                     "-time", str(epoch), "-in", plain, "-out", out], timeout=600)
    except BuildFailed as error:
        raise UserError(f"{OSSLSIGNCODE} does not sign with {by.file}: {error.excerpt or error.message}",
                        where=VARIABLE, hint=f"is its passphrase in the file that {PASSPHRASE} names?") from error
    return out.read_bytes()


def _check(signed: Path, by: Signer) -> None:
    """It is by the first certificate, which leads to the last one. UserError when it does not."""
    done = process.run([OSSLSIGNCODE, "verify", "-CAfile", by.file, "-require-leaf-hash", f"sha256:{by.certificate}",
                        "-in", signed], check=False, timeout=600)
    if done.returncode:
        raise UserError(f"a signature by {by.file} would not be accepted: {' '.join(done.stdout.split())[-300:]}",
                        where=VARIABLE, hint="its certificate comes first, then those above it up to the root; "
                        "it has to be one for signing code, and of today")
