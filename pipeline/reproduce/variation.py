# SPDX-License-Identifier: GPL-2.0-only
"""What is different around a second build, as far as this machine allows it.

Namespaces (unshare(1)) give it another user, another host name and no network,
and hold the mount of disorderfs, which lists folders in reverse order; taskset(1)
gives fewer CPUs, libfaketime another time. All of that can be forbidden or
missing: each is tried with a command that does nothing first.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from pipeline import process
from pipeline.command import WRAPPER
from pipeline.errors import BuildFailed
from toolchain import packages

ENTER = Path(__file__).with_name("enter.sh")
USER = 4711  # nobody in particular: there is no passwd entry
HOSTNAME = "another-host"
LATER = 34_650_123  # seconds: another year, month, day, hour, minute and second
# By the folder that Debian's package has it in; MT: for programs with threads.
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
TRIAL = 600.0  # seconds; a command that does nothing and takes longer, on however busy a machine, does not work


@dataclass
class Variation:
    """`told`: what varies -> how. `same`: what does not -> why. `prefix` goes before a command, `env` around it."""

    told: dict[str, str] = field(default_factory=dict)
    same: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """A second build's folder; see pipeline.reproduce."""

    top: Path

    @property
    def files(self) -> Path:
        return self.top / "files"

    @property
    def view(self) -> Path:
        return self.top / "view"

    @property
    def home(self) -> Path:
        return self.top / "home"

    @property
    def tmp(self) -> Path:
        return self.top / "tmp"

    @property
    def cache(self) -> Path:
        return self.top / "cache"

    @property
    def mirrors(self) -> Path:
        return self.top / "mirrors.toml"


def other_mask() -> int:
    """A umask that is not ours."""
    ours = os.umask(0)
    os.umask(ours)
    return 0o022 if ours == 0o077 else 0o077


def plan(place: Place, *, as_root: bool = False) -> Variation:
    """How a build in `place` can differ from one here; its folders exist. Nothing is left of what is tried.

    `as_root`: root builds again, in no namespace that has one user only (what installs a Debian system).
    """
    made = Variation()
    made.told["folder"] = str(place.files)
    _around(place, made)
    spaces, flags = _namespaces(made, as_root=as_root)
    name = HOSTNAME if "--uts" in flags else ""
    mask = other_mask()
    made.told["umask"] = f"{mask:03o}"

    def entered(view: str) -> tuple[str, ...]:
        unshare = ("unshare", *spaces, *flags) if flags else ()
        return (*unshare, "sh", str(ENTER), name, f"{mask:03o}", str(place.files), view)

    view = ""
    if "--mount" not in flags:
        made.same["file order"] = "no mount namespace"
    elif (why := _fails((*entered(str(place.view)), "true"))) is None:
        view = str(place.view)
        made.told["file order"] = "reversed (disorderfs)"
    else:
        made.same["file order"] = why
    made.prefix = entered(view)
    _user(made, as_root=as_root)
    _cpus(made)
    _clock(made, as_root=as_root)
    return made


def _around(place: Place, made: Variation) -> None:
    """Everything that the environment says."""
    here = next((os.environ[key] for key in ("LC_ALL", "LC_CTYPE", "LANG") if os.environ.get(key)), "C")
    locale = "C.UTF-8" if here in ("C", "POSIX") else "C"
    # In POSIX's own form, which needs no tzdata; fourteen hours east are half a day away from everybody near noon.
    zone = "<-11>+11" if os.environ.get("TZ") == "<+14>-14" else "<+14>-14"
    made.told.update({"locale": f"{locale}, not {here}", "time zone": f"UTC{zone[1:4]}", "ccache": "off",
                      "home, TMPDIR": str(place.top)})
    made.env = {
        "LANG": locale, "LC_ALL": locale, "TZ": zone,
        "HOME": str(place.home), "TMPDIR": str(place.tmp), "USER": "somebody", "LOGNAME": "somebody",
        "CCACHE_DISABLE": "1", "COLINUX_JOBS": "",
        "COLINUX_CACHE": str(place.cache), "COLINUX_MIRRORS": str(place.mirrors), "COLINUX_OFFLINE": "1",
    }  # fmt: skip


def _namespaces(made: Variation, *, as_root: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """unshare's words for who one is inside, and for the namespaces that can be had."""
    root = os.geteuid() == 0
    ways: list[tuple[str, ...]] = [()] if root else []
    if not as_root:
        # Who may not, root in a container for one, perhaps may as root of a user namespace.
        ways.append(("--user", "--map-root-user"))
    what = {"--net": ("network", "none: no interface"), "--uts": ("host name", HOSTNAME), "--mount": ("", "")}
    why: dict[str, str | None] = dict.fromkeys(what, "a Debian system is installed by one who has several users")
    for spaces in ways:
        why = {flag: _fails(("unshare", *spaces, flag, "true")) for flag in what}
        if None in why.values():
            break
    else:
        spaces = ()
    for flag, (word, how) in what.items():
        failure = why[flag]
        if word and failure is None:
            made.told[word] = how
        elif word:
            made.same[word] = str(failure)
    return spaces, tuple(flag for flag, failure in why.items() if failure is None)


def _user(made: Variation, *, as_root: bool) -> None:
    if as_root:
        made.same["user"] = "a Debian system is installed by one who has several users"
        return
    # By another name only: to everything outside it is us, so that our files and our Python can be read.
    words = ("unshare", "--user", f"--map-user={USER}", f"--map-group={USER}")
    why = _fails((*made.prefix, *words, sys.executable, "-c", "import doit, os; os.listdir('.')"))
    if why is None:
        made.prefix += words
        made.told["user"] = f"{USER}, not {os.geteuid()}"
    else:
        made.same["user"] = why


def _cpus(made: Variation) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) == 1:
        made.same["CPUs"] = "there is but one"
        return
    made.prefix += ("taskset", "--cpu-list", ",".join(map(str, cpus[:-1])))
    made.told["CPUs"] = f"{len(cpus) - 1}, not {len(cpus)}"


def _clock(made: Variation, *, as_root: bool) -> None:
    if as_root:
        # What libfaketime prints into a pipe between dpkg-deb and tar ends mmdebstrap.
        made.same["clock"] = "a Debian system is not installed under libfaketime; it is later all the same"
        return
    if not FAKETIME.exists():
        made.same["clock"] = f"{FAKETIME} is not there; the second build is later all the same"
        return
    # It is for the programs that make the bytes: Python waits by a clock that libfaketime 0.9.10 mistakes for a
    # false one, so the pipeline itself is just later. Files keep their true times (make compares them).
    made.told["clock"] = f"{LATER} s later (faketime)"
    made.env[WRAPPER] = (f"env LD_PRELOAD={FAKETIME} FAKETIME=+{LATER} NO_FAKE_STAT=1 "
                         "FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_DISABLE_SHM=1")


def _fails(words: tuple[str, ...]) -> str | None:
    """None when a command works, else why it does not, in one line."""
    if packages.find_tool(words[0]) is None:
        return f"{words[0]} is not installed"
    try:
        done = process.run(words, check=False, timeout=TRIAL)
    except BuildFailed as error:
        return error.message
    if not done.returncode:
        return None
    lines = done.stdout.strip().splitlines()
    return lines[-1] if lines else f"{words[0]} ends with {done.returncode}"
