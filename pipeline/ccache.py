# SPDX-License-Identifier: GPL-2.0-only
"""ccache: what was compiled once, in any checkout, is not compiled again; and how many makes may run at a time.

A result is shared between folders when neither its hash nor its bytes know
where they were made. CCACHE_BASEDIR makes the paths that ccache sees relative,
so that the hash is the same; the compiler then is *given* relative paths, so
__FILE__ would be another one than without ccache: whoever compiles maps both
forms of its source's folder away (`maps`), and a result is the same bytes with
ccache and without, here and elsewhere (tests/build/test_build_ccache.py).

No sloppiness is asked for, and what a person's own configuration grants is
taken back: each one is a way to a stale or foreign object. What CCACHE_NOHASHDIR
would allow is not needed either: it is about debug data, whose folder the maps
take out, and which then counts no more (ccache(1), hash_dir). On the other hand
the assembler, which ccache does not look at, counts here (CCACHE_EXTRAFILES), and
the compiler by its content, as one that was built in another checkout is
younger and still the same.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline import parallel, progress
from pipeline.errors import UserError
from toolchain import packages

# A person's own settings (which folder, a remote storage, a compiler farm behind it) come from ccache's
# configuration file, or from the environment: pipeline.command.
FIXED = {
    "CCACHE_SLOPPINESS": "",
    "CCACHE_HASHDIR": "1",
    "CCACHE_COMPILERCHECK": "content",
    # The compiler is given names relative to make's folder; a person is told where the file is.
    "CCACHE_ABSSTDERR": "1",
}


def words() -> list[str]:
    """What stands before a compiler: ccache where it is installed."""
    return ["ccache"] if packages.find_tool("ccache") else []


def environment(root: Path, programs: Iterable[Path] = (), log: Path | None = None) -> dict[str, str]:
    """The environment of a make whose compilations all lie below the checkout `root`.

    `programs` are files whose content counts beside the compiler itself; what
    ccache did is added to the file `log`, for `counts`.
    """
    assembler = packages.find_tool("as")
    files = [str(path) for path in programs] + ([assembler] if assembler else [])
    return {
        **FIXED,
        "CCACHE_BASEDIR": str(root),
        "CCACHE_EXTRAFILES": ":".join(dict.fromkeys(files)),
        **({"CCACHE_STATSLOG": str(log)} if log else {}),
    }


def maps(option: str, places: Sequence[Path], cwd: Path, to: str = "") -> list[str]:
    """Compiler options that take the folders' names away, in both forms: with "macro" or "file" as `option`.

    `cwd` is where the compiler runs. With `to` empty "/w/src/a.c" becomes "a.c", with "." "./a.c".
    """
    end = "" if to else "/"
    forms = [form for place in places for form in (str(place), os.path.relpath(place, cwd))]
    return [f"-f{option}-prefix-map={form}{end}={to}" for form in forms if form != "."]


@dataclass(frozen=True)
class Counts:
    """Compilations whose result was in the cache, and that had to be done."""

    hits: int
    misses: int

    def tell(self, title: str) -> None:
        """One line for a person; nothing where ccache was not used."""
        if self.hits or self.misses:
            progress.note(f"{title}: {self.hits} of {self.hits + self.misses} compilations were in ccache")


def counts(log: Path) -> Counts:
    """What a statistics log says; nothing happened where there is none."""
    try:
        lines = Counter(log.read_text(errors="replace").splitlines())
    except FileNotFoundError:
        lines = Counter()
    return Counts(lines["direct_cache_hit"] + lines["preprocessed_cache_hit"], lines["cache_miss"])


def jobs() -> int:
    """How many compilers one make may run: $COLINUX_JOBS, else one for each CPU that this process may use.

    More than that is of use where a compiler farm does the work. Where several makes
    run at a time (`./doit -n N`), each has its share.
    """
    text = os.environ.get("COLINUX_JOBS", "")
    if text and not (text.isdigit() and int(text)):
        raise UserError(f"COLINUX_JOBS is {text!r}", hint="a number from 1 on, or unset it")
    return parallel.share(int(text) if text else len(os.sched_getaffinity(0)))
