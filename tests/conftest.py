# SPDX-License-Identifier: GPL-2.0-only
"""How the tests are shared out between the processes of `./doit test`.

A file's tests stay in one process, as they share what its fixtures made, but the
machines: there are so many of them that one process would go on booting long
after the other has done all else. So one boots, the other does the rest, and
what is left of the machines then they boot between them. (Both from the start
would leave the short tests to the end, with nothing to run beside.)
"""

from __future__ import annotations

import pytest

try:
    from xdist.scheduler import LoadFileScheduling
except ImportError:     # without it there is one process
    LoadFileScheduling = object

MACHINES = "tests/boot/test_machines.py"


class OneBoots(LoadFileScheduling):     # type: ignore[misc,valid-type]
    """--dist loadfile, but each machine is a unit of work of its own."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return nodeid if file == MACHINES else file

    def _assign_work_unit(self, node: object) -> None:
        if any(self._boots(work) for other, work in self.assigned_work.items() if other is not node):
            rest = next((scope for scope in self.workqueue if not scope.startswith(MACHINES)), None)
            if rest:
                self.workqueue.move_to_end(rest, last=False)
        super()._assign_work_unit(node)

    def _boots(self, work: dict[str, dict[str, bool]]) -> bool:
        return any(scope.startswith(MACHINES) and not all(tests.values()) for scope, tests in work.items())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    return OneBoots(config, log) if config.getvalue("dist") == "loadfile" else None
