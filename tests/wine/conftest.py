# SPDX-License-Identifier: GPL-2.0-only
"""What the tests under Wine share: an emulated Windows with our programs in it; and the same once more, of 32 bits."""

from __future__ import annotations

import contextlib
import functools
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline import ntdriver, windowsdaemon
from pipeline.paths import checkout, file_lock, remove
from pipeline.tasks import Project

# its kits, and the suites that are run here once more
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit"))

pytest.register_assert_rewrite("test_daemon_options", "test_daemon_corpus", "test_daemon_control", "test_daemon_consoles",
                               "wine_kit", "wine_watch", "door_kit", "tap_kit")  # fmt: skip

import door_kit  # noqa: E402
import test_daemon_control  # noqa: E402
import wine_kit  # noqa: E402
import wine_systems  # noqa: E402
from wine_kit import FOLDER  # noqa: E402


@pytest.fixture(scope="session")
def running() -> Iterator[Callable[[str], wine_kit.Wine]]:
    """The Wine of a system, by its name: from when it is first wanted to the end of all tests."""
    with contextlib.ExitStack() as until_the_end:
        yield functools.cache(lambda name: until_the_end.enter_context(started(name)))


@contextlib.contextmanager
def started(name: str) -> Iterator[wine_kit.Wine]:
    system = wine_systems.find(name)
    if isinstance(system, str):
        pytest.skip(system)
    target, project = system.target, Project.here()
    # one test process at a time: whoever comes second finds them made
    with file_lock(checkout().build / "test/wine.lock"):
        for work in (f"driver:{target.name}", f"daemon:{target.name}"):
            project.bring(work)
        wine = wine_kit.new(system)
    try:
        for product in (*windowsdaemon.programs(target.name, checkout()), ntdriver.file(target, checkout())):
            shutil.copy(product, wine.programs)
        yield wine
    finally:
        wine.stop()
        remove(wine.folder)


@pytest.fixture(scope="session", params=["x64", "x86"])
def wine(request: pytest.FixtureRequest, running: Callable[[str], wine_kit.Wine]) -> wine_kit.Wine:
    """colinux-daemon.exe, the clients and colinux.sys lie in its C:\\colinux. Every test that has it is of both."""
    return running(request.param)


@pytest.fixture(scope="session")
def bridge(wine: wine_kit.Wine) -> Iterator[door_kit.Bridge]:
    """Named pipes as sockets; and the daemon with scripted guests lies in there, too."""
    target = wine.system.target
    shutil.copy(door_kit.fake_daemon(target), wine.programs)
    wine_kit.compile_program(target, "tests/wine/bridge.c", wine.programs / "bridge.exe", "-lws2_32", "-ladvapi32")
    with wine.begin(rf"{FOLDER}\bridge.exe", name="bridge") as running:
        yield door_kit.Bridge(running)


@pytest.fixture
def doors(wine: wine_kit.Wine, bridge: door_kit.Bridge, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The suites of the Linux daemon's door start their guests in there."""
    with contextlib.ExitStack() as open_:
        for name, value in (("wine", wine), ("bridge", bridge), ("open", open_)):
            monkeypatch.setattr(door_kit.Guest, name, value, raising=False)
        monkeypatch.setattr(test_daemon_control, "Guest", door_kit.Guest)
        yield
