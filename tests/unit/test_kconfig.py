# SPDX-License-Identifier: GPL-2.0-only
"""No requested kernel option is lost silently, and whoever lost one learns why."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_kernel import make_pristine

from pipeline import kconfig
from pipeline.errors import UserError
from pipeline.kconfig import Request


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    make_pristine(tmp_path / "tree")
    (tmp_path / "tree/arch/arm").mkdir()
    (tmp_path / "tree/arch/arm/Kconfig").write_text('config ARM_ONLY\n\tbool "ARM"\n')
    return tmp_path / "tree"


def why(tree: Path, symbol: str, value: str, config: dict[str, str]) -> str:
    """What is said about one request that was not granted."""
    found = kconfig.lost({symbol: Request(symbol, value, "f.config:7")}, config, lambda: kconfig.read_tree(tree, "x86"))
    assert len(found) == 1
    assert str(found[0]).startswith(f"f.config:7: CONFIG_{symbol}={value} was asked for, ")
    return found[0].why


def test_a_fragment(tmp_path: Path) -> None:
    path = tmp_path / "a.config"
    path.write_text('# words\n\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C="x y"  \nCONFIG_D=n\n')
    assert kconfig.read_fragment(path, tmp_path) == [
        Request("A", "y", "a.config:3"), Request("B", "n", "a.config:4"),
        Request("C", '"x y"', "a.config:5"), Request("D", "n", "a.config:6")]


def test_every_bad_line_of_a_fragment_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.config"
    path.write_text("A=y\nCONFIG_B=y\nset CONFIG_C\n")
    with pytest.raises(UserError, match=r"a\.config:1: .*\n?a\.config:3: ") as caught:
        kconfig.read_fragment(path, tmp_path)
    assert "a.config:2" not in str(caught.value)


def test_a_missing_fragment(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no config fragment x\.config"):
        kconfig.read_fragment(tmp_path / "x.config", tmp_path)


def test_the_last_request_wins() -> None:
    merged = kconfig.merge([Request("A", "y", "1"), Request("A", "n", "2")])
    assert merged["A"].value == "n"


def test_composing_replaces_the_bases_own_lines() -> None:
    wanted = kconfig.merge([Request("A", "n", ""), Request("B", "y", "")])
    text = kconfig.compose("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_AB=y\n", wanted)
    assert text.splitlines() == ["CONFIG_AB=y", "# CONFIG_A is not set", "CONFIG_B=y"]
    assert kconfig.read_config(text) == {"AB": "y", "B": "y"}


def test_a_granted_request_is_not_lost(tree: Path) -> None:
    wanted = kconfig.merge([Request("NET", "y", ""), Request("INET", "n", ""), Request("NAME", '"x"', "")])
    assert kconfig.lost(wanted, {"NET": "y", "NAME": '"x"'}, lambda: kconfig.read_tree(tree, "x86")) == []


def test_a_dependency_is_named(tree: Path) -> None:
    text = why(tree, "INET", "y", {"NET": "y"})
    assert text == "it depends on CRYPTO; off here: CRYPTO"
    assert "off here: CRYPTO, NET" in why(tree, "INET", "y", {})


def test_a_misspelt_option(tree: Path) -> None:
    assert why(tree, "CRIPTO", "y", {}) == "no such option; did you mean CONFIG_CRYPTO?"


def test_help_texts_and_other_architectures_define_nothing(tree: Path) -> None:
    assert why(tree, "NOT_AN_OPTION", "y", {}).startswith("no such option")
    assert why(tree, "ARM_ONLY", "y", {}).startswith("no such option")


def test_what_selects_an_option_is_named(tree: Path) -> None:
    assert why(tree, "ALWAYS", "n", {"ALWAYS": "y", "HELPER": "y"}) == "selected by HELPER"


def test_an_option_without_a_prompt(tree: Path) -> None:
    assert why(tree, "LIBRARY", "y", {}) == "it has no prompt: only other options select it"


def test_a_different_value_is_a_loss(tree: Path) -> None:
    assert "Kconfig" in why(tree, "CRYPTO", "m", {"CRYPTO": "y"})


def test_our_own_fragments_parse() -> None:
    root = Path(__file__).resolve().parents[2]
    fragments = sorted((root / "patches").glob("*/config/*.config"))
    assert fragments
    for path in fragments:
        requests = kconfig.read_fragment(path, root)
        symbols = [request.symbol for request in requests]
        assert len(symbols) == len(set(symbols)), f"{path.name} asks for an option twice"
