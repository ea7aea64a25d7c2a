# SPDX-License-Identifier: GPL-2.0-only
"""The page: everything that was gathered, through one template that escapes all of it.

Much of it was written by guests, which are free to print what they like. What
comes into the page passes `_shown`, which leaves no character that acts instead
of being seen, and then the template library's escaping; there is no other way in.
Should something get through all the same, the page's own policy (CSP) lets it
neither run nor load anything.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from pipeline import progress, sources
from pipeline.declaration.model import Declaration
from pipeline.paths import atomic_write
from pipeline.release import machines
from pipeline.report import charts, gather, history, inputs, place
from pipeline.report.charts import Point
from pipeline.report.gather import Boot

HERE = Path(__file__).parent
LAYOUT = "\n\t"  # the only controls that a text may keep
ACTING = ("Cc", "Cf", "Cs", "Co", "Cn")  # categories of characters that act, or are none
SYMBOLS = {"good": "✓", "bad": "✗", "odd": "!", "none": "–"}
STATUS = {"pass": "good", "fail": "bad", "skip": "none", gather.NOT_RUN: "none"}


@dataclass(frozen=True)
class Written:
    """The page, and how many machines are in which state."""

    path: Path
    states: dict[str, int]

    def __str__(self) -> str:
        return ", ".join(f"{count} {state}" for state, count in self.states.items())


def write(declaration: Declaration, ctx: sources.Context) -> Written:
    """Write the page anew. Raises UserError for a lock that cannot be read, OSError for a disk that is full."""
    with progress.step("looking at what was built and booted"):
        boots = gather.boots(declaration, ctx.paths, ctx.lock.digest())
        found, faults = history.releases(ctx.paths.dist)
        made_of = inputs.read(declaration, ctx)
    text = render(declaration, boots, found, faults, made_of)
    path = place(ctx.paths)
    atomic_write(path, text)
    return Written(path, _states(boots))


def render(declaration: Declaration, boots: Sequence[Boot], found: Sequence[history.Release], faults: Sequence[str],
           made_of: inputs.Inputs) -> str:
    """The page's text."""
    template = _environment().get_template("page.html.j2")
    return template.render(
        project=declaration.project, boots=boots, states=_states(boots), rows=_rows(declaration, boots),
        hosts=list(declaration.hosts), bars=_bars(boots), pairs=_pairs(declaration, boots, found),
        releases=list(reversed(found)), faults=faults, inputs=made_of, style=Markup((HERE / "style.css").read_text()),
    )


def _environment() -> jinja2.Environment:
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, finalize=_shown, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True)
    env.filters |= {"duration": progress.duration, "size": progress.size, "symbol": SYMBOLS.__getitem__,
                    "status": lambda status: STATUS.get(status, "bad")}
    return env


def _shown(value: Any) -> Any:
    """Text in which every character is one to be seen.

    A right-to-left override would show a line's letters in another order, a zero-width one hide: of these (category
    Cf), of controls and of what is no character the number is shown (The Unicode Standard, 4.5, "General Category").
    """
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    if value.isascii() and value.isprintable():
        return value
    return "".join(
        one if one in LAYOUT or unicodedata.category(one) not in ACTING else f"‹U+{ord(one):04X}›"
        for one in value)


def _states(boots: Sequence[Boot]) -> dict[str, int]:
    return dict(Counter(boot.state for boot in boots).most_common())


def _rows(declaration: Declaration, boots: Sequence[Boot]) -> list[tuple[str, list[list[Boot]]]]:
    """The matrix: for each guest kernel and each host, the machines."""
    return [(kernel, [[boot for boot in boots if (boot.machine.kernel, boot.machine.host) == (kernel, host)]
                      for host in declaration.hosts])
            for kernel in declaration.kernels]


def _bars(boots: Sequence[Boot]) -> list[charts.Bar]:
    return charts.bars([Point(boot.name, boot.boot_seconds, str(boot.facts["accel"]))
                        for boot in boots if boot.boot_seconds is not None], progress.duration)


def _pairs(declaration: Declaration, boots: Sequence[Boot], found: Sequence[history.Release]
           ) -> list[tuple[str, list[charts.Chart]]]:
    """For each machine that is released, its boot times and its sizes; without those that have neither."""
    now = {boot.name: boot for boot in boots}
    pairs = []
    for name in history.names(found, machines(declaration)):
        times = history.boot_times(name, found, now.get(name))
        sizes = history.sizes(name, found, now.get(name))
        drawn = [
            *([charts.line("boot time", times, progress.duration, charts.DECIMAL)] if times else []),
            *([charts.line("size, unpacked", sizes, progress.size, charts.BINARY)] if sizes else []),
        ]
        if drawn:
            pairs.append((name, drawn))
    return pairs
