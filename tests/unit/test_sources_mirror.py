# SPDX-License-Identifier: GPL-2.0-only
"""The mirror file: which place a URL leads to, and what its faults look like."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.sources import mirror
from pipeline.sources.mirror import Mirrors


def load(tmp_path: Path, text: str) -> Mirrors:
    file = tmp_path / "mirrors.toml"
    file.write_text(text)
    return Mirrors.load({"COLINUX_MIRRORS": str(file)})


def where(mirrors: Mirrors, url: str) -> list[str]:
    """Each place as text: the URL, or the first path."""
    return [place.url or str(place.paths[0]) for place in mirrors.places(url)]


RULES = """
[[mirror]]
match = "https://example.org"
to = "https://mirror.example.net/org/"

[[mirror]]
match = "https://example.org/pub/linux/"
to = "/srv/linux"

[[mirror]]
match = "https://example.org/repo.git"
to = "repos/repo.git"
only = true
"""


def test_the_longest_match_wins_and_falls_through(tmp_path: Path) -> None:
    mirrors = load(tmp_path, RULES)
    assert where(mirrors, "https://example.org/a/b.tar") == [
        "https://mirror.example.net/org/a/b.tar",
        "https://example.org/a/b.tar",
    ]
    assert where(mirrors, "https://example.org/pub/linux/v6/x.tar")[0] == "/srv/linux/v6/x.tar"


def test_only_means_only_and_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    assert where(load(tmp_path, RULES), "https://example.org/repo.git") == [str(tmp_path / "repos/repo.git")]


@pytest.mark.parametrize("url", ["https://example.org.evil.net/x", "https://example.orgx", "http://example.org/x"])
def test_only_whole_parts_of_a_url_match(tmp_path: Path, url: str) -> None:
    assert where(load(tmp_path, RULES), url) == [url]


def test_a_flat_folder_will_do(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_text("here")
    mirrors = load(tmp_path, '[[mirror]]\nmatch = "https://example.org"\nto = "."\n')
    assert mirrors.places("https://example.org/deep/below/x.tar")[0].file == tmp_path / "x.tar"


def test_a_url_cannot_climb_out_of_a_mirror(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("no")
    folder = tmp_path / "m"
    folder.mkdir()
    mirrors = load(tmp_path, '[[mirror]]\nmatch = "https://example.org"\nto = "m"\n')
    for url in ("https://example.org/../secret", "https://example.org/%2e%2e/secret"):
        assert mirrors.places(url)[0].file is None


def test_the_persons_file_comes_before_the_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = tmp_path / "etc/mirrors.toml"
    system.parent.mkdir()
    system.write_text('[[mirror]]\nmatch = "https://a.org"\nto = "/system"\n')
    monkeypatch.setattr(mirror, "SYSTEM", system)
    home = {"HOME": str(tmp_path / "home")}
    assert where(Mirrors.load(home), "https://a.org/x")[0] == "/system/x"
    own = tmp_path / "home/.config/colinux/mirrors.toml"
    own.parent.mkdir(parents=True)
    own.write_text('[[mirror]]\nmatch = "https://a.org"\nto = "/own"\n')
    assert where(Mirrors.load(home), "https://a.org/x")[0] == "/own/x"


def test_no_file_is_fine_but_a_named_one_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "SYSTEM", tmp_path / "none")
    mirrors = Mirrors.load({"HOME": str(tmp_path)})
    assert mirrors.entries == () and str(tmp_path / ".config/colinux/mirrors.toml") in mirrors.hint("https://a.org/x")
    with pytest.raises(UserError, match="not there"):
        Mirrors.load({"COLINUX_MIRRORS": str(tmp_path / "missing")})


FAULTY = """\
[[mirror]]
match = "https://a.org"
too = "/x"
[[mirror]]
match = 7
to = ""
[mirrors]
a = 1
[debian]
snapshot = "somewhere"
archive = "x"
pool = 7
"""


def test_all_faults_are_told_with_their_lines(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        load(tmp_path, FAULTY)
    lines = str(error.value).splitlines()
    file = tmp_path / "mirrors.toml"
    for line, word in (
        (3, '"too"'),
        (1, '"to" is missing'),
        (5, "mirror.match"),
        (6, "mirror.to"),
        (7, '"mirrors"'),
        (10, "debian.snapshot"),
        (11, '"archive"'),
        (12, "debian.pool"),
    ):
        assert any(text.startswith(f"{file}:{line}: ") and word in text for text in lines), (line, word, lines)


def test_a_pool_lies_beside_the_file_or_at_a_url(tmp_path: Path) -> None:
    assert load(tmp_path, '[debian]\npool = "debian"\n').pool == str(tmp_path / "debian")
    assert load(tmp_path, '[debian]\npool = "https://a.org/debian/"\n').pool == "https://a.org/debian"
    assert load(tmp_path, "[debian]\n").pool is None


def test_broken_toml_has_its_line_too(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"mirrors\.toml:2: "):
        load(tmp_path, "[[mirror]]\nmatch = \n")
