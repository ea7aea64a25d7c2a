# SPDX-License-Identifier: GPL-2.0-only
"""What the boot tests share: the default machine under another name, in a scenario of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.declaration import load
from pipeline.errors import UserError
from pipeline.paths import Paths
from runtime import launcher
from runtime.launcher.lab import Lab
from runtime.launcher.scenarios import Scenario

ROOT = Path(__file__).resolve().parents[2]

# After whatever the test did on the host: a guest boots, works and ends, and nothing is lost.
AFTERWARDS = ("uname", "memory", "poweroff", "host-leak", "unload", "host-clean")

Boot = Callable[..., launcher.Verdict]


@pytest.fixture
def boot(request: pytest.FixtureRequest) -> Boot:
    """boot(before, extra, **machine): boot with `before(lab)` done once the driver is loaded."""

    def run(before: Callable[[Lab], None], extra: Mapping[str, Path], **changes: object) -> launcher.Verdict:
        declaration = load(ROOT / "colinux.toml")
        name = "test-" + request.node.name.split("[")[0].removeprefix("test_").replace("_", "-")
        machine = replace(declaration.machines[declaration.project.default],
                          **{"name": name, "checks": AFTERWARDS, **changes})  # type: ignore[arg-type]
        own = replace(declaration, machines={**declaration.machines, name: machine})
        try:
            return launcher.judge(name, own, Paths(ROOT), extra=extra, scenario=Scenario(name, before=before))
        except UserError as error:
            pytest.skip(str(error))

    return run
