# SPDX-License-Identifier: GPL-2.0-only
"""A missing tool is named with its package; where we may not install, the exact command is."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import UserError
from toolchain import packages


@pytest.fixture
def one_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "packages.toml"
    data.write_text('[need.kernel]\nno-such-tool-here = "the-package"\n"/no/such/header.h" = "its-dev"\nsh = "dash"\n')
    monkeypatch.setattr(packages, "DATA", data)


@pytest.mark.usefixtures("one_need")
def test_only_what_is_absent_is_missing() -> None:
    assert [need.package for need in packages.missing()] == ["the-package", "its-dev"]
    assert packages.package_for("sh") == "dash"
    assert packages.package_for("unheard-of") is None


@pytest.mark.parametrize("group", ["repro", "test"])
def test_what_one_command_alone_needs_waits_until_it_is_asked_for(
    group: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "packages.toml"
    data.write_text(f'[need.kernel]\nno-such-tool = "a"\n[need.{group}]\nno-other-tool = "b"\n')
    monkeypatch.setattr(packages, "DATA", data)
    assert [need.package for need in packages.missing()] == ["a"]
    assert [need.package for need in packages.missing((group,))] == ["b"]
    assert [need.package for need in packages.missing(packages.groups())] == ["a", "b"]
    assert packages.package_for("no-other-tool") == "b"


@pytest.mark.usefixtures("one_need")
def test_without_rights_the_command_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(packages, "find_tool", lambda name: None)
    with pytest.raises(UserError) as caught:
        packages.ensure(tmp_path / "log")
    text = str(caught.value)
    assert caught.value.exit_code == 2
    assert "no-such-tool-here (the-package)" in text
    assert "sudo apt-get update" in text
    assert "install -y --no-install-recommends dash its-dev the-package" in text


def test_every_entry_of_the_real_table_is_plausible() -> None:
    for need in packages.needs():
        assert need.package == need.package.strip().lower()
        assert "/" not in need.probe or need.probe.startswith("/")
