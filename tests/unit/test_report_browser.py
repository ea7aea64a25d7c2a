# SPDX-License-Identifier: GPL-2.0-only
"""The page in a real browser, on a telephone and on a desk: readable, quiet, and asking nobody for anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser_kit import BROWSER, Tab, browser, have_browser
from release_kit import project
from test_report import hostile

from pipeline.report import page

pytestmark = pytest.mark.skipif(not have_browser(), reason=f"{BROWSER} is not installed (./doit setup installs it)")

PHONE, DESK = 390, 1280
OPEN_ALL = "document.querySelectorAll('details').forEach(one => { one.open = true })"
# What sticks out of the window and cannot be scrolled to within something of its own.
STICKS_OUT = """(() => {
  const scrolls = one => one && (getComputedStyle(one).overflowX !== 'visible' || scrolls(one.parentElement))
  return [...document.body.querySelectorAll('*')]
    .filter(one => one.getClientRects().length && !scrolls(one.parentElement))
    .filter(one => { const box = one.getBoundingClientRect(); return box.right > innerWidth + 1 || box.left < -1 })
    .map(one => one.outerHTML.slice(0, 200)).concat(
      document.documentElement.scrollWidth > innerWidth ? [`the page is ${document.documentElement.scrollWidth} wide`] : [])
})()"""
# Machine -> whether its link in the matrix and its chapter can be seen and read.
SEEN = """Object.fromEntries([...document.querySelectorAll('article')].map(one => {
  const link = document.querySelector(`.matrix a[href="#${one.id}"]`)
  const seen = at => at && at.checkVisibility() && at.getBoundingClientRect().width > 100 && at.innerText.length > 5
  return [one.id, Boolean(seen(one) && seen(link))]
}))"""


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A page with a machine that booted well and one whose guest is an enemy and writes lines without an end."""
    with pytest.MonkeyPatch.context() as patch:
        here = project(tmp_path_factory.mktemp("report"), patch)
        here.release()
        hostile(here)
        with (here.paths.boot("small") / "guest-console.log").open("a") as file:
            file.write("x" * 5000 + "\n")
        yield page.write(here.decl, here.ctx).path


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_everything_can_be_read(tab: Tab, report: Path, width: int, dark: bool) -> None:
    tab.open(report, width=width, dark=dark)
    assert tab.ask("innerWidth") == width
    assert tab.ask(STICKS_OUT) == []
    assert tab.ask(SEEN) == {"machine-small": True, "machine-disk": True}
    tab.ask(OPEN_ALL)
    assert tab.ask(STICKS_OUT) == []
    assert tab.ask("[...document.querySelectorAll('pre')].every(one => one.checkVisibility())")
    red, green, blue = tab.ask("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)")
    assert (red + green + blue < 3 * 64) == dark


def test_it_is_quiet_and_asks_for_nothing(tab: Tab, report: Path) -> None:
    tab.open(report, width=PHONE)
    tab.ask(OPEN_ALL)
    asked = [event["request"]["url"] for event in tab.told("Network.requestWillBeSent")]
    assert asked == [report.absolute().as_uri()]
    # A policy that had something to forbid would be heard here, too.
    assert tab.told("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown") == []
    assert tab.ask("document.scripts.length + document.images.length + document.styleSheets.length") == 1
    assert tab.ask("document.compatMode") == "CSS1Compat"


def test_the_eye_of_this_test_is_open(tab: Tab, tmp_path: Path) -> None:
    """A page that does what ours must not is seen to."""
    bad = tmp_path / "bad.html"
    bad.write_text("<!doctype html><p style='width: 2000px'>wide</p><img src='gone.png'><script>console.error('x')</script>")
    tab.open(bad, width=PHONE)
    assert tab.ask(STICKS_OUT)
    assert len(tab.told("Network.requestWillBeSent")) == 2 and tab.told("Runtime.consoleAPICalled")
