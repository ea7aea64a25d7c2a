# SPDX-License-Identifier: GPL-2.0-only
"""START.CMD, which a Windows image's hook calls, in a cmd.exe: each of its records arrives, and none that is not so.

There are a CD in drive D:, two lines, the very driver and daemon. A guest cannot run, as there is no ring 0; the
records have to say that. The lines are FIFOs with names of files: Wine's cmd cannot redirect anything to a COM1, nor does
it know what becomes of `(...) 2>NUL && ...` where a redirection fails, so a computer with one line is not tried.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import daemon_kit
import pytest
import wine_kit
from wine_kit import Wine, wait_until

from pipeline import ntdriver, windowsdaemon
from pipeline.paths import checkout, remove
from runtime.launcher.image import disc
from runtime.launcher.image.records import Receiver, Record

TOKEN = "0123abcd"
GUESTS = ("guest1", "guest2")
END = b"\0the end"
SCRIPT = disc.Script(TOKEN, GUESTS, r"C:\verdicts", r"C:\console")


class Port:
    """One end of a line, whose other end is a file in drive C:."""

    def __init__(self, wine: Wine, name: str) -> None:
        self.said = bytearray()
        link = wine.drive / name
        os.mkfifo(link)
        # also for writing, so that it has no end before ours
        self._fifo = os.open(link, os.O_RDWR)
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while not self.said.endswith(END):
            self.said += os.read(self._fifo, 4096)

    def close(self) -> None:
        os.write(self._fifo, END)
        self._thread.join()
        os.close(self._fifo)


@pytest.fixture
def computer(wine: Wine, tmp_path: Path) -> Iterator[Wine]:
    """A Windows of its own, with nothing of ours in C:, and the CD."""
    one = wine_kit.new(wine.system, "image")
    cd = tmp_path / "cd"
    cd.mkdir()
    target = wine.system.target
    daemon = next(path for path in windowsdaemon.programs(target.name, checkout()) if path.name == "colinux-daemon.exe")
    (cd / disc.DAEMON).write_bytes(daemon.read_bytes())
    (cd / disc.DRIVER).write_bytes(ntdriver.file(target, checkout()).read_bytes())
    (cd / disc.KERNEL).write_bytes(daemon_kit.kernel())
    for guest in GUESTS:
        (cd / disc.initrd(guest)).write_bytes(b"initrd")
        (cd / disc.configuration(guest)).write_bytes(disc.guest_file(guest, 64, "quiet", [], "COM1", "/dev/ttyS0"))
    for path in cd.iterdir():
        path.chmod(0o444)  # as on a CD
    (cd / disc.START).write_bytes(disc.start(SCRIPT))
    (one.prefix / "dosdevices/d:").symlink_to(cd)
    (one.drive / "colinux").rmdir()
    (one.drive / "colinux-hook.cmd").write_text(hook(), newline="\r\n")
    yield one
    one.stop()
    remove(one.folder)


def hook() -> str:
    """The line that SUPPORT.md has for an image."""
    [line] = re.findall(r"^ +(@for .*START\.CMD)$", (checkout().root / "SUPPORT.md").read_text(), re.M)
    return f"{line}\n"


def run_hook(computer: Wine, verdicts: Port, *others: Port) -> list[Record]:
    """What came by the line, from the hook's start to the script's end."""
    records: list[Record] = []
    try:
        done = computer.run("cmd", "/c", r"C:\colinux-hook.cmd")
        wait_until(lambda: b":over:" in verdicts.said, f"no end of it: {done.both} {bytes(verdicts.said)!r}", 30)
    finally:
        for port in (verdicts, *others):
            port.close()
    Receiver(TOKEN, records.append).feed(bytes(verdicts.said))
    return records


def test_the_script_tells_all_that_happens(computer: Wine) -> None:
    verdicts, console = Port(computer, "verdicts"), Port(computer, "console")
    records = run_hook(computer, verdicts, console)
    assert [(one.kind, one.text) for one in records] == [
        ("start", ""), ("copied", "0"), ("driver", "0"),
        ("guest", "guest1"), ("guest-ended-a", "255"), ("guest", "guest2"), ("guest-ended-b", "255"),
        ("unloaded", "0"), ("over", ""),
    ]  # fmt: skip
    assert [one.number for one in records] == sorted(one.number for one in records)
    assert bytes(verdicts.said).count(b"@co:") == 2 * len(records)
    said = console.said.decode(errors="replace")
    assert "the driver is installed and loaded" in said and "the driver is removed" in said
    assert said.count("this is no NT kernel") == len(GUESTS)
    assert computer.state("colinux") == ""


def test_a_driver_that_is_none_is_told(computer: Wine, tmp_path: Path) -> None:
    (tmp_path / "cd" / disc.DRIVER).chmod(0o644)
    (tmp_path / "cd" / disc.DRIVER).write_bytes(b"no driver at all")
    told = {one.kind: one.text for one in run_hook(computer, Port(computer, "verdicts"))}
    assert told["driver"] not in ("0", "") and told["guest-ended-a"] == told["unloaded"] == "14"


def test_without_our_cd_the_hook_does_nothing(computer: Wine) -> None:
    (computer.prefix / "dosdevices/d:").unlink()
    done = computer.run("cmd", "/c", r"C:\colinux-hook.cmd")
    assert done.both == ""
    assert not (computer.drive / "colinux").exists()
