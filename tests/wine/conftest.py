# SPDX-License-Identifier: GPL-2.0-only
"""What the tests under Wine share: an emulated Windows with our programs in it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import ntdriver, windowsdaemon
from pipeline.paths import checkout, file_lock, remove
from pipeline.tasks import Project

# its kits, and the suites that are run here once more
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit"))

pytest.register_assert_rewrite("test_daemon_options", "test_daemon_corpus", "wine_kit")

import wine_kit  # noqa: E402
from wine_kit import TARGET  # noqa: E402


@pytest.fixture(scope="session")
def wine() -> Iterator[wine_kit.Wine]:
    """colinux-daemon.exe and colinux.sys lie in its C:\\colinux."""
    if not wine_kit.LOADER.exists() or not wine_kit.SERVER.exists():
        pytest.skip("Wine is not installed (./doit test installs it)")
    if not shutil.which(f"{TARGET.prefix}gcc-win32"):
        pytest.skip(f"no compiler for {TARGET.name} is installed (./doit setup installs it)")
    project = Project.here()
    # one test process at a time: whoever comes second finds them made
    with file_lock(checkout().build / "test/wine.lock"):
        for work in (f"driver:{TARGET.name}", f"daemon:{TARGET.name}"):
            project.bring(work)
        wine = wine_kit.new()
    try:
        for product in (windowsdaemon.outputs(TARGET.name, checkout())[0], ntdriver.file(TARGET, checkout())):
            shutil.copy(product, wine.programs)
        yield wine
    finally:
        wine.stop()
        remove(wine.folder)
