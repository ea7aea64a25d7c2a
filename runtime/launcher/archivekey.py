# SPDX-License-Identifier: GPL-2.0-only
"""Signs a flat Debian archive, as its owner would: with a key of its own (apt-secure(8)).

The key is made for it and forgotten at once. It is from a time that no clock of a guest's is behind.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from pipeline import process

MADE = "20240101T000000"
DATE = "Mon, 01 Jan 2024 00:00:00 UTC"
OWNER = "A host's archive <archive@colinux.test>"


@dataclass(frozen=True)
class Signed:
    """The archive's file InRelease, and the armoured key by which it is to be believed."""

    release: str
    key: str


def sign(digest: str, size: int) -> Signed:
    """Of an archive whose file Packages has that SHA-256 and so many bytes."""
    text = f"Origin: colinux\nSuite: host\nDate: {DATE}\nSHA256:\n {digest} {size} Packages\n"
    # A short path: the agent's socket lies in it, and such a name may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="ck-", dir="/tmp") as home:
        plain, release, key = (Path(home) / name for name in ("Release", "InRelease", "key.asc"))
        plain.write_text(text)
        try:
            _gpg(home, "--passphrase", "", "--quick-gen-key", OWNER, "ed25519", "sign", "never")
            _gpg(home, "--digest-algo", "SHA512", "-o", str(release), "--clearsign", str(plain))
            _gpg(home, "--armor", "-o", str(key), "--export")
            return Signed(release.read_text(), key.read_text())
        finally:
            process.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)


def _gpg(home: str, *words: str) -> None:
    process.run(["gpg", "--homedir", home, "--batch", "--quiet", f"--faked-system-time={MADE}!", *words], timeout=120)
