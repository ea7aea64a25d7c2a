# SPDX-License-Identifier: GPL-2.0-only
"""The page shows every machine as it is, and whatever a guest has written is nothing but text in it."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from release_kit import Project, forge, project

from pipeline import commands, tasks
from pipeline.report import charts, gather, history, page, place
from pipeline.report.charts import Point

EVIL = '</pre></details><script>evil()</script><img src=x onerror=evil()>"\'><a href="javascript:evil()">&lt;b>'
TAGS = {"html", "head", "meta", "title", "style", "body", "header", "nav", "main", "section", "article", "footer", "h1",
        "h2", "h3", "h4", "p", "a", "b", "strong", "small", "span", "code", "pre", "ul", "li", "dl", "div", "dt", "dd",
        "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "figure", "figcaption",
        "svg", "path", "text", "circle", "rect"}
VOID = {"meta"}
LOADS = {"src", "srcset", "data", "poster", "background", "xlink:href", "action", "formaction", "ping"}


class Page(HTMLParser):
    """A page's elements with their attributes, and its text by the element that it is in."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(data for tag, data in self.texts if tag != "style"))

    def of(self, tag: str) -> str:
        return "\n".join(data for where, data in self.texts if where == tag)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return project(tmp_path, monkeypatch)


def shown(here: Project) -> Page:
    """The page as it is now; it has to be well formed, and to ask for nothing from anywhere."""
    written = page.write(here.decl, here.ctx)
    assert written.path == place(here.paths)
    text = written.path.read_text()
    found = Page(text)
    assert not found.open and {tag for tag, _ in found.elements} <= TAGS
    asks_for_nothing(found, text)
    return found


def asks_for_nothing(found: Page, text: str) -> None:
    """No attribute loads or runs anything, no address is in one, and the page's own policy forbids it all."""
    for tag, attributes in found.elements:
        assert not LOADS & attributes.keys(), (tag, attributes)
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        assert "href" not in attributes or str(attributes["href"]).startswith("#"), (tag, attributes)
        assert not [value for value in attributes.values() if value and "://" in value], (tag, attributes)
    assert "url(" not in found.of("style") and "@import" not in found.of("style")
    policy = next(a["content"] for tag, a in found.elements if tag == "meta" and a.get("http-equiv"))
    assert str(policy).startswith("default-src 'none'; style-src 'unsafe-inline'; ")
    assert text.index("Content-Security-Policy") < text.index("<style")


# --- what it tells --------------------------------------------------------------------------


def test_every_machine_is_there_as_it_is(here: Project) -> None:
    shutil.rmtree(here.paths.boot("disk"))
    found = shown(here)
    ids = [attributes["id"] for tag, attributes in found.elements if tag == "article"]
    assert ids == ["machine-small", "machine-disk"]
    assert {f"#{one}" for one in ids} <= {attributes.get("href") for tag, attributes in found.elements if tag == "a"}
    assert "✓ small pass · 1/1 checks · up after 2.5 s" in found.text and "– disk not booted" in found.text
    assert "1 pass, 1 not booted of 2 machines." in found.text and "6.1-x86_64 beside debian: ./doit boot:disk" in found.text
    assert "Linux 6.1.1-colinux (6.1-x86_64)" in found.text and "debian 6.1.0-1-amd64, tcg" in found.text
    assert "Linux version 6.1" in found.of("pre") and "with changes" not in found.text


def test_what_went_wrong_is_on_top(here: Project) -> None:
    checks = [{"name": "uname", "status": "fail", "output": "it is 2.0\nand not 6.1", "seconds": 61.0},
              {"name": "odd", "status": "exploded"}]
    here.boot("small", verdict="check-failed", first_error="failed: uname\nit is 2.0", checks=checks, seconds=125)
    found = shown(here)
    assert "✗ small check-failed · 0/2 checks · up after 2.5 s · 2 min 05 s in all" in found.text
    assert "failed: uname\nit is 2.0" in found.of("pre") and "✗ fail uname 1 min 01 s" in found.text
    assert "✗ exploded odd" in found.text
    opened = [attributes for tag, attributes in found.elements if tag == "details" and "open" in attributes]
    assert len(opened) == 1


def test_a_check_that_was_not_come_to_is_told(here: Project) -> None:
    here.boot("small", verdict="hang", checks=[{"name": "boot", "status": "pass", "output": "", "seconds": 0}])
    assert "✓ pass boot – not run uname" in shown(here).text


def test_a_boot_of_other_files_is_called_so(here: Project) -> None:
    here.built("kernel").write_bytes(b"built anew")
    found = shown(here)
    assert found.text.count("it was booted with another kernel than the one built now") == 2
    assert "small pass, not of these files" in found.text


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", "[" * 100_000, '{"verdict": 7, "checks": {"a": 1}}',
                                  '{"verdict": "\\ud800", "seconds": NaN, "boot_seconds": "x", "artifacts": [7, {}], '
                                  '"checks": [3, {}, {"name": null, "seconds": "long"}], "first_error": ["a"]}'])
def test_evidence_in_no_form_is_no_stumbling_block(here: Project, text: str) -> None:
    (here.paths.boot("small") / "result.json").write_text(text)
    found = shown(here)
    assert ("✗ small unreadable" in found.text) == (not text.startswith('{"'))
    assert "✓ disk pass" in found.text


def test_a_long_log_is_shown_from_both_ends(here: Project) -> None:
    path = here.paths.boot("small") / "guest-console.log"
    path.write_bytes(b"the beginning\n" + b"\xff" * gather.HEAD + b"left out\n" + b"y" * gather.TAIL + b"the end\n")
    found = shown(here)
    pres = found.of("pre")
    assert "the beginning" in pres and "the end" in pres and "left out" not in pres
    assert "31 B are left out here: the whole is in build/boot/small/guest-console.log" in found.text


def test_what_it_was_made_of(here: Project) -> None:
    (here.root / "README.md").write_text("changed\n")
    text = shown(here).text
    assert here.ctx.lock.digest() in text and "with changes that are not committed" in text
    assert "6.1-x86_64 Linux 6.1, gcc 12, 1 patches, 1 files of ours" in text and "patches/linux-6.1/0001-one.patch" in text
    assert "rootfs:busybox 1 file, " in text and f"Signed by {'A' * 40}" in text and "busybox-static 1:2.3-4+b1 amd64" in text
    shutil.rmtree(here.root / ".git")
    assert "Of no commit." in shown(here).text


def test_the_command(here: Project, capsys: pytest.CaptureFixture[str]) -> None:
    commands.write_report(tasks.Project(here.decl, here.paths))
    assert "build/report.html: 2 pass\n" in capsys.readouterr().out
    before = place(here.paths).read_bytes()
    commands.write_report(tasks.Project(here.decl, here.paths))
    assert place(here.paths).read_bytes() == before


# --- over releases --------------------------------------------------------------------------


def older(here: Project, version: str, change: Callable[[dict[str, Any]], None]) -> None:
    """A release before the one in dist/."""
    folder = here.paths.dist / f"colinux-{version}"
    shutil.copytree(here.folder, folder)

    def of_then(said: dict[str, Any]) -> None:
        said.update(version=version, epoch=said["epoch"] - 1000)
        change(said)

    forge(folder, of_then)


def test_releases_give_the_charts_a_history(here: Project) -> None:
    here.release()
    older(here, "0.7.0", lambda said: said["machines"]["small"]["boot"].update(boot_seconds=5.0, accel="kvm"))
    here.boot("small", boot_seconds=1.5)
    found, faults = history.releases(here.paths.dist)
    assert [one.version for one in found] == ["0.7.0", "0.8.0"] and not faults
    now = gather.boot(here.decl.machines["small"], here.decl, here.paths, here.ctx.lock.digest())
    assert history.boot_times("small", found, now) == [
        Point("0.7.0", 5.0, "pass, kvm"), Point("0.8.0", 2.5, "pass, tcg"), Point("this build", 1.5, "pass, tcg")]
    assert history.boot_times("unheard-of", found, None) == []
    packed = [member for file in found[1].facts["files"] if file["path"] == "colinux-0.8.0-small.tar.zst"
              for member in file["members"] if "role" in member]
    assert found[1].size("small") == sum(member["size"] for member in packed)
    assert {"kernel", "initramfs", "daemon", "driver"} <= {member["role"] for member in packed}
    text = shown(here).text
    assert "0.7.0: 5.0 s (pass, kvm)" in text and "this build: 1.5 s (pass, tcg)" in text
    assert text.index("colinux-0.8.0 2023-11-14") < text.index("colinux-0.7.0 2023-11-14") and "not signed" in text


def test_a_machine_without_a_boot_has_no_time(here: Project) -> None:
    shutil.rmtree(here.paths.boot("small"))
    here.release(unbooted=True)
    found, _ = history.releases(here.paths.dist)
    assert history.boot_times("small", found, None) == [] and history.sizes("small", found, None)
    text = shown(here).text
    assert "colinux-0.8.0 2023-11-14, made with --allow-unbooted" in text
    assert "small: not booted; it was not booted: there is no build/boot/small/result.json" in text


def test_a_manifest_that_cannot_be_read_is_named(here: Project) -> None:
    for name, content in {"colinux-0.1": "{", "colinux-<b>": '{"format": 2}'}.items():
        (here.paths.dist / name).mkdir(parents=True)
        (here.paths.dist / name / "manifest.json").write_text(content)
    text = shown(here).text
    assert "colinux-0.1/manifest.json: is no JSON object" in text and "colinux-<b>/manifest.json: " in text


def test_a_drawing_begins_at_zero_and_ends_above_all() -> None:
    drawn = charts.line("t", [Point("a", 2.0), Point("b", 0.0), Point("c", 3.9, "how")], lambda v: f"{v:g} s", charts.DECIMAL)
    assert [tick.text for tick in drawn.ticks] == ["0 s", "2 s", "4 s"]
    zero, middle, top = (tick.y for tick in drawn.ticks)
    assert [mark.y for mark in drawn.marks][:2] == [middle, zero] and top < drawn.marks[2].y < middle
    assert [mark.x for mark in drawn.marks] == [drawn.left, (drawn.left + drawn.right) / 2, drawn.right]
    assert drawn.path == "M58.0 68.0 L182.0 124.0 L306.0 14.8" and drawn.marks[2].text == "c: 3.9 s (how)"


@pytest.mark.parametrize("count", [0, 1, 2, 9, 40])
def test_labels_leave_each_other_room(count: int) -> None:
    drawn = charts.line("t", [Point(f"0.{n}.0-rc1", n) for n in range(count)], str, charts.DECIMAL)
    assert len(drawn.marks) == count and bool(drawn.path) == (count > 1)
    places = [mark.x for mark in drawn.marks if mark.label]
    assert not count or places
    assert all(after - before >= 60 for before, after in itertools.pairwise(places))


def test_axes_end_with_a_number_that_a_person_would_choose() -> None:
    ends = [charts.nice(value, charts.DECIMAL) for value in (0, 0.03, 1, 1.1, 3, 4.5, 7, 9, 10, 11, 99.9)]
    assert ends == pytest.approx([1, 0.04, 1, 2, 4, 5, 8, 10, 10, 20, 100])
    assert [charts.nice(value << 20, charts.BINARY) / (1 << 20) for value in (1, 3, 100, 129)] == [1, 3, 128, 160]


# --- what a guest writes --------------------------------------------------------------------


def hostile(here: Project) -> None:
    """All that a guest or an old evidence folder has a say in, as bad as can be."""
    check = {"name": EVIL, "status": EVIL, "output": EVIL, "seconds": 1}
    folder = here.boot(
        "small", verdict=EVIL, kernel=EVIL, host=EVIL, accel=EVIL, started=EVIL, repeat=EVIL, first_error=EVIL, seconds=1,
        checks=[check], tools={EVIL: EVIL}, warnings=[EVIL],
        artifacts=[{"role": EVIL, "path": EVIL, "sha256": EVIL, "bytes": EVIL}], inputs={"lock": EVIL})
    controls = "".join(map(chr, [*range(1, 32), 127, 0x85, 0x9B, 0xAD, 0x200B, 0x202E, 0x2066, 0x2069, 0xFEFF, 0xE0041]))
    (folder / "guest-console.log").write_text(f"{EVIL}\n\x1b[31mred\x1b[0m {{{{ 7 * 7 }}}} <!-- {controls} ]]> </style>\n")
    (folder / f"{EVIL.replace('/', '')}.log").write_bytes(EVIL.encode() + b"\xff\xfe\0")


def test_what_a_guest_writes_is_text(here: Project) -> None:
    hostile(here)
    found = shown(here)
    assert found.text.count("<script>evil()</script>") >= 15
    assert EVIL in found.of("pre") and "red {{ 7 * 7 }} <!-- " in found.text
    # It ends no element of ours, and begins none: what stands behind it is where it belongs.
    assert found.open == [] and "machine-disk" in [attributes.get("id") for _, attributes in found.elements]


def test_no_character_acts_in_secret(here: Project) -> None:
    hostile(here)
    text = place(shown_place(here).paths).read_text()
    assert "‹U+202E›" in text and "‹U+200B›" in text and "‹U+009B›" in text and "‹U+E0041›" in text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]", text)


def shown_place(here: Project) -> Project:
    shown(here)
    return here


def test_a_release_of_somebody_else_is_text_as_well(here: Project) -> None:
    here.release()

    def change(said: dict[str, Any]) -> None:
        said["machines"]["small"]["boot"].update(verdict=EVIL, guest=EVIL, beside=EVIL, accel=EVIL)
        said["machines"]["small"]["problems"] = [EVIL]
        said["inputs"]["source:linux"][0]["name"] = EVIL

    older(here, "0.7.0", change)
    assert json.loads((here.paths.dist / "colinux-0.7.0/manifest.json").read_text())["version"] == "0.7.0"
    assert shown(here).text.count("<script>evil()</script>") >= 4
