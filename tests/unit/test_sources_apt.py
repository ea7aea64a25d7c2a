# SPDX-License-Identifier: GPL-2.0-only
"""What apt's configuration says, Debian's order of versions, and keys in both their dresses."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.sources import debversion
from pipeline.sources.aptsources import Entry, as_deb822, configured, deb822, for_suite, one_line

LINES = """
# deb http://commented.example.org/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/a.gpg] http://a.example.org/debian bookworm main contrib # remark
deb-src http://a.example.org/debian bookworm main
deb   http://b.example.org/debian-security/ bookworm-security main
deb https://vendor.example.org/apt flat/
"""
STANZAS = """
Types: deb deb-src
# a remark
URIs: http://a.example.org/debian
  http://b.example.org/debian/
Suites: bookworm bookworm-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEZ
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
Enabled: no
URIs: http://off.example.org/debian
Suites: bookworm
Components: main
"""


def test_one_line_entries() -> None:
    assert one_line(LINES) == [
        Entry("http://a.example.org/debian/", "bookworm", ("main", "contrib"), "/usr/share/keyrings/a.gpg"),
        Entry("http://b.example.org/debian-security/", "bookworm-security", ("main",), None),
        Entry("https://vendor.example.org/apt/", "flat/", (), None),
    ]


def test_stanzas_survive_a_round_trip() -> None:
    entries = deb822(STANZAS)
    assert [(e.uri, e.suite) for e in entries] == [
        (f"http://{host}.example.org/debian/", suite) for host in "ab" for suite in ("bookworm", "bookworm-updates")
    ]
    assert all("BEGIN PGP" in str(e.signed_by) for e in entries)
    again = deb822(as_deb822(tuple(entries), "amd64"))
    assert again == entries and "Architectures: i386" in as_deb822(tuple(entries), "i386")


def test_files_of_both_kinds_are_read(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(LINES)
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d/debian.sources").write_text(STANZAS)
    (tmp_path / "sources.list.d/off.list.disabled").write_text("deb http://x.example.org x main")
    assert len(configured(tmp_path)) == 7
    assert configured(tmp_path / "none") == ()


def test_third_parties_do_not_count() -> None:
    entries = (*one_line(LINES), Entry("https://node.example.org/", "nodistro", ("main",), None))
    assert [e.suite for e in for_suite(entries, None)] == ["bookworm", "bookworm-security"]


def test_a_machine_of_another_release_has_the_same_archives() -> None:
    entries = (
        Entry("http://a/debian/", "trixie", ("main",), "k"),
        Entry("http://a/debian/", "trixie-backports", ("main",), "k"),
        Entry("http://a/sec/", "trixie-security", ("main",), "k"),
    )
    assert for_suite(entries, "bookworm") == (
        Entry("http://a/debian/", "bookworm", ("main",), "k"),
        Entry("http://a/sec/", "bookworm-security", ("main",), "k"),
    )
    assert for_suite(entries, "trixie") == entries


def test_no_debian_at_all_is_explained() -> None:
    with pytest.raises(UserError, match="no Debian archive"):
        for_suite((Entry("http://u.example.org/ubuntu/", "noble", ("main",), None),), "bookworm")


ORDER = ["1.0~rc1-1", "1.0-1~bpo1", "1.0-1", "1.0-1+b1", "1.0-2", "1.0a-1", "1.0+dfsg-1", "1.1-1", "1.10-1", "1:0.1-1"]


def test_the_order_of_versions() -> None:
    shuffled = random.Random(3).sample(ORDER, len(ORDER))
    assert shuffled != ORDER and sorted(shuffled, key=debversion.key) == ORDER
    assert debversion.compare("1.0", "1.0-0") == 0 == debversion.compare("0:1.00", "1.0")
    assert debversion.upstream("1:6.1.192-2") == "6.1.192" and debversion.upstream("5-1-1") == "5-1"


version = st.from_regex(r"\A([0-2]:)?[0-2][0-2a.+~]{0,4}(-[0-2a.+~]{1,3})?\Z")


@pytest.mark.skipif(not shutil.which("dpkg"), reason="dpkg is not installed")
@settings(max_examples=60, deadline=None)
@given(version, version)
def test_dpkg_agrees_about_versions(left: str, right: str) -> None:
    order = debversion.compare(left, right)
    relation = "lt" if order < 0 else "gt" if order > 0 else "eq"
    assert subprocess.run(["dpkg", "--compare-versions", left, relation, right], check=False).returncode == 0
