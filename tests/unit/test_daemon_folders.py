# SPDX-License-Identifier: GPL-2.0-only
"""Host folders against guests that want out of them: the 9P server under a fuzzer."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import daemon_kit

# The whole run, before a release: COLINUX_FUZZ=1000000.
MESSAGES = int(os.environ.get("COLINUX_FUZZ", "60000"))


def test_hostile_messages(tmp_path: Path) -> None:
    """Whatever a guest sends, the file beside the folder is neither read nor touched, and every message is answered."""
    done = subprocess.run(
        [daemon_kit.programs() / "fuzz-p9", "1", str(MESSAGES)],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=False,
        env=daemon_kit.environment(),
        timeout=3600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    served, refused = (int(word) for word in done.stdout.split())
    assert served + refused == MESSAGES
    assert min(served, refused) > MESSAGES // 20
