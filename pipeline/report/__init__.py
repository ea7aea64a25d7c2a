# SPDX-License-Identifier: GPL-2.0-only
"""`./doit report`: one page that shows how every machine booted, and out of what; build/report.html.

gather.py      what build/boot/ has of each machine: verdict, checks, consoles
history.py     what the releases in dist/ tell: boot times and sizes, the oldest first
charts.py      from numbers to the geometry of a drawing
inputs.py      what it was built from
page.py        all of it through page.html.j2 and style.css; what a guest wrote comes by here, and only as text

The page is one file: no address in it is loaded, no script is run, so that it can
be sent, archived and read anywhere. It tells what it finds and judges nothing:
a machine that failed, or was never booted, is in it as such.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.paths import Paths

# Not page: the template library takes its time to load, and every ./doit comes by here.


def place(paths: Paths) -> Path:
    """Where the page goes."""
    return paths.build / "report.html"
