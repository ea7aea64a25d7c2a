# SPDX-License-Identifier: GPL-2.0-only
"""colinux.lock: what is written is read back, the same content is the same file, and nothing malformed passes."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import lock
from pipeline.errors import UserError
from pipeline.lock import Blob, Lock

SHA = "63e237de3b3c4c46a21833b9ce7e20574548d52dabbd1a8bf376041e4455d5c6"
COMMIT = "60b341b778cc2929df16c0a504c91621b3c6a4ad"

TARBALL = Blob(
    "linux-2.6.33",
    "tarball",
    url="https://example.org/linux-2.6.33.tar.bz2",
    size=66234147,
    sha256=SHA,
    signer="647F28654894E3BD457199BE38DBBDC86092693E",
)
DEBIAN = Blob(
    "busybox-static",
    "debian",
    package="busybox-static",
    version="1:1.35.0-4+b3~x",
    arch="amd64",
    filename="pool/main/b/busybox/busybox-static_1.35.0-4+b3_amd64.deb",
    size=0,
    sha256=SHA,
)
OTHER = Blob("apt", "debian", package="apt", version="2.6.1", arch="amd64", filename="pool/a.deb", size=5, sha256=SHA)
GIT = Blob("linux", "git", url="https://example.org/linux.git", commit=COMMIT, tree=COMMIT)

LOCK = Lock().with_group("source:old", [TARBALL, GIT]).with_group("rootfs:x", [DEBIAN, OTHER])


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "colinux.lock"
    LOCK.save(path)
    again = Lock.load(path)
    assert again.groups == LOCK.groups
    assert again.digest() == LOCK.digest()
    assert lock.load(path) == again
    again.save(tmp_path / "second")
    assert (tmp_path / "second").read_text() == path.read_text()


def test_the_same_content_is_the_same_file() -> None:
    other = Lock().with_group("rootfs:x", [OTHER, DEBIAN]).with_group("source:old", [GIT, TARBALL])
    assert other.text() == LOCK.text()
    assert other.digest() == LOCK.digest()
    assert other.with_group("source:old", [GIT]).digest() != LOCK.digest()
    assert other.with_group("source:old", ()).with_group("source:older", [GIT, TARBALL]).digest() != LOCK.digest()


LINES = st.text(st.characters(max_codepoint=0x2FF), min_size=1)


@settings(deadline=None, max_examples=50)
@given(LINES, LINES)
def test_any_text_is_written_as_toml(name: str, version: str) -> None:
    blob = Blob(name, "tarball", url="https://x/y", version=version, size=1, sha256=SHA)
    assert tomli.loads(Lock({"source:a": (blob,)}).text())["blobs"]["source:a"][0]["name"] == name


def test_a_lock_is_a_value() -> None:
    before = dict(LOCK.groups)
    LOCK.with_group("source:new", [GIT])
    assert LOCK.groups == before
    assert LOCK.only(["rootfs:x", "nothing"]).groups.keys() == {"rootfs:x"}


def test_groups_are_sorted_and_known() -> None:
    assert [blob.name for blob in LOCK.group("rootfs:x")] == ["apt", "busybox-static"]
    with pytest.raises(UserError) as caught:
        LOCK.group("host:none")
    assert "host:none is not in colinux.lock" in str(caught.value)
    assert "./doit lock --update" in str(caught.value)


def test_no_lock_at_all(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="lock --update"):
        Lock.load(tmp_path / "colinux.lock")


def test_an_empty_lock_is_one(tmp_path: Path) -> None:
    Lock().save(tmp_path / "l")
    assert Lock.load(tmp_path / "l").groups == {}


BAD = {
    "size": ("size = 66234147", 'size = "66234147"', "size: expected an integer from 0 to"),
    "negative size": ("size = 66234147", "size = -1", "size: expected an integer"),
    "short digest": (f'sha256 = "{SHA}"', f'sha256 = "{SHA[1:]}"', "sha256: expected a SHA-256 of 64"),
    "upper-case digest": (SHA, SHA.upper(), "expected a SHA-256 of 64 lower-case"),
    "no digest": (f'sha256 = "{SHA}"\n', "", 'the key "sha256" is missing'),
    "kind": ('kind = "git"', 'kind = "gti"', 'unknown blobs kind "gti"; did you mean "git"?'),
    "unknown key": ("arch =", "arhc =", 'unknown key "arhc"; did you mean "arch"?'),
    "abbreviated commit": (f'commit = "{COMMIT}"', 'commit = "60b341b7"', "commit: expected a full id"),
    "a path that climbs": ('filename = "pool/a.deb"', 'filename = "../a.deb"', "filename: expected a path inside"),
    "an absolute path": ('filename = "pool/a.deb"', 'filename = "/a.deb"', "filename: expected a path inside"),
    "version": ('version = "2.6.1"', 'version = "2.6.1; rm"', "version: expected a Debian version"),
    "signer": ('signer = "647F', 'signer = "me 647F', "signer: expected fingerprints in hex"),
    "url": ('url = "https://example.org/linux.git"', 'url = "linux.git"', "url: expected a URL"),
    "format": ("format = 1", "format = 2", "format: expected an integer from 1 to 1"),
    "no format": ("format = 1\n", "", 'the key "format" is missing'),
    "group": ('[[blobs."source:old"]]', '[[blobs."old"]]', '"old" cannot be a name: expected a group'),
    "twins": ('name = "apt"', 'name = "busybox-static"', '"busybox-static" is locked twice'),
}


@pytest.mark.parametrize("name", BAD)
def test_a_malformed_field_has_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    old, new, message = BAD[name]
    text = LOCK.text()
    assert old in text
    spoilt = text.replace(old, new, 1)
    (tmp_path / "colinux.lock").write_text(spoilt)
    with pytest.raises(UserError) as caught:
        Lock.load(Path("colinux.lock"))
    hits = [line for line in str(caught.value).splitlines() if message in line]
    assert len(hits) == 1, str(caught.value)
    assert "lock --update" in str(caught.value)
    number = int(hits[0].removeprefix("colinux.lock:").split(":")[0])
    if "missing" not in message and name != "twins":
        assert (new.split("\n")[0] or "format") in spoilt.splitlines()[number - 1]


def test_a_merge_conflict_is_seen(tmp_path: Path) -> None:
    (tmp_path / "l").write_text(LOCK.text().replace("format = 1", "<<<<<<< HEAD\nformat = 1"))
    with pytest.raises(UserError, match="not valid TOML"):
        Lock.load(tmp_path / "l")
