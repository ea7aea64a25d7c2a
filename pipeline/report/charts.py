# SPDX-License-Identifier: GPL-2.0-only
"""From numbers to the geometry of a drawing; page.html.j2 draws it.

Small multiples: one measure of one machine a drawing, each with a scale of its
own that begins at zero, so that a difference looks as big as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 320, 150  # of a drawing, in its own units
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 12, 26  # what the axes' words take
DECIMAL, BINARY = (1, 2, 4, 5, 8, 10), (1, 1.25, 1.5, 2)
LETTER = 6.2  # the width of a letter of the axes' words, at most


@dataclass(frozen=True)
class Point:
    """A value, where it comes from (a version), and what is to be known of it."""

    label: str
    value: float
    how: str = ""


@dataclass(frozen=True)
class Mark:
    """A point of the drawing; `label` stands below it where there is room, `text` is its value in words."""

    x: float
    y: float
    label: str
    text: str
    anchor: str


@dataclass(frozen=True)
class Tick:
    """A line across, and its words."""

    y: float
    text: str


@dataclass(frozen=True)
class Chart:
    """A drawing of WIDTH x HEIGHT. `path` joins the marks (SVG's path data), "" for fewer than two."""

    title: str
    marks: tuple[Mark, ...]
    ticks: tuple[Tick, ...]
    path: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT


def line(title: str, points: Sequence[Point], words: Callable[[float], str], steps: Sequence[float]) -> Chart:
    """Values in their order, joined; `words` says a value with its unit, `steps` as `nice` has them."""
    top = nice(max((point.value for point in points), default=0), steps)
    inner_x, inner_y = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    step = inner_x / max(len(points) - 1, 1)
    marks = []
    # A label wherever the last one leaves room; always the first and the last.
    every = max(1, math.ceil(max((len(p.label) for p in points), default=0) * LETTER / step))
    for number, point in enumerate(points):
        last = number == len(points) - 1
        shown = last or (number % every == 0 and len(points) - 1 - number >= every)
        marks.append(Mark(
            x=round(LEFT + (step * number if len(points) > 1 else inner_x / 2), 1),
            y=round(TOP + inner_y * (1 - point.value / top), 1),
            label=point.label if shown else "",
            text=f"{point.label}: {words(point.value)}" + (f" ({point.how})" if point.how else ""),
            anchor="middle" if len(points) == 1 else "end" if last else "start" if number == 0 else "middle"))
    ticks = [Tick(round(TOP + inner_y * (1 - part), 1), words(top * part)) for part in (0, 0.5, 1)]
    path = " ".join(f"{'L' if number else 'M'}{mark.x} {mark.y}" for number, mark in enumerate(marks))
    return Chart(title, tuple(marks), tuple(ticks), path if len(marks) > 1 else "")


@dataclass(frozen=True)
class Bar:
    """A bar of `part` (0 to 1) of the longest one."""

    name: str
    text: str
    part: float


def bars(points: Sequence[Point], words: Callable[[float], str]) -> list[Bar]:
    """Values beside each other, in their order."""
    longest = max((point.value for point in points), default=0) or 1
    return [Bar(point.label, words(point.value) + (f" ({point.how})" if point.how else ""),
                round(point.value / longest, 4)) for point in points]


def nice(value: float, steps: Sequence[float]) -> float:
    """The next number that an axis may end with: one of `steps` (from 1 up to its base, the last one) times a power
    of that base. 1 of nothing."""
    if value <= 0:
        return 1
    base = steps[-1]
    power = float(base ** math.floor(math.log(value, base)))
    return next(factor * power for factor in (*steps, 2 * base) if factor * power >= value * (1 - 1e-9))
