# SPDX-License-Identifier: GPL-2.0-only
"""A Wine that goes wrong is ended, and says why."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import wine_kit
from wine_kit import FOLDER, Wine, compile_program, wait_until
from wine_systems import fixed
from wine_watch import processes

from pipeline.paths import remove

LIMIT = 25      # a Wine that does nothing has about ten


@pytest.fixture
def another(wine: Wine) -> Iterator[Wine]:
    """One more, that may have fewer processes."""
    one = wine_kit.new(wine.system, "another", LIMIT)
    compile_program(wine.system.target, "tests/wine/runaway.c", one.programs / "runaway.exe")
    yield one
    one.stop()
    remove(one.folder)


def test_programs_without_end(another: Wine, wine: Wine) -> None:
    with pytest.raises(AssertionError, match=rf"more than {LIMIT} processes in one Wine.*: \d+ runaway.exe"):
        another.run(rf"{FOLDER}\runaway.exe", "60")
    assert processes(another.prefix) == {}
    with pytest.raises(AssertionError, match="more than"):
        another.run("cmd", "/c", "ver")
    # it can be used again; and nobody else was meant
    another.stop()
    another.start()
    assert "Windows" in another.run("cmd", "/c", "ver").stdout
    wine.check()
    assert "Windows" in wine.run("cmd", "/c", "ver").stdout


def test_a_wine_without_its_server(another: Wine) -> None:
    """No program starts another one in its place."""
    assert another.server
    another.server.kill()
    another.server.wait()
    with pytest.raises(AssertionError, match="the wineserver has ended"):
        another.run("cmd", "/c", "ver")


def test_addresses_are_no_game_of_chance(wine: Wine) -> None:
    if not fixed():
        pytest.skip("this kernel does not let us ask for fixed addresses: about one program in 2000 ends with 1")
    found = processes(wine.prefix)
    assert len(found) > 3 and wine.server and wine.server.pid in found
    for pid, name in found.items():
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            assert int(Path(f"/proc/{pid}/personality").read_text(), 16) & 0x0040000, name


def test_nothing_is_left(another: Wine) -> None:
    named = Path("/tmp", wine_kit.text(another.prefix / wine_kit.TEMPORARY))
    with another.begin(rf"{FOLDER}\runaway.exe", "2"):
        wait_until(lambda: list(processes(another.prefix).values()).count("runaway.exe") == 3, "it does not start")
        another.stop()
        assert processes(another.prefix) == {}
    assert named == Path("/tmp") or not named.exists()
