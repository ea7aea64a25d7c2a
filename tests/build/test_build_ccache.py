# SPDX-License-Identifier: GPL-2.0-only
"""What ccache shares between checkouts, and that nobody can tell from the object whether it was there."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pipeline import ccache, process
from pipeline.errors import UserError
from toolchain import packages

pytestmark = pytest.mark.build

HEADER = "#define HERE __FILE__\nstatic inline const char *header(void) { return __FILE__; }\n"
SOURCE = '#include "where.h"\nconst char *where(void) { return HERE; }\nconst char *there(void) { return header(); }\n'


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not packages.find_tool("ccache"):
        pytest.skip("ccache is not installed (./doit setup installs it)")
    for name in ("CCACHE_DISABLE", "CCACHE_PREFIX", "CCACHE_REMOTE_STORAGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CCACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("CCACHE_CONFIGPATH", str(tmp_path / "ccache.conf"))


def checkout(root: Path, source: str = SOURCE) -> Path:
    """A checkout that is built as a kernel is: by absolute names, in a folder beside the tree."""
    for folder in ("build/src/one/include", "build/kernel/one/obj"):
        (root / folder).mkdir(parents=True)
    (root / "build/src/one/where.c").write_text(source)
    (root / "build/src/one/include/where.h").write_text(HEADER)
    return root


def build(root: Path, *programs: Path, debug: bool = False) -> tuple[bytes, ccache.Counts]:
    """The object, and what ccache did for it."""
    src, obj, log = root / "build/src/one", root / "build/kernel/one/obj", root / "log"
    log.unlink(missing_ok=True)
    # make's folder is in debug data as well; of several maps the last one that fits counts.
    whole = ["-g", f"-ffile-prefix-map={root}=."] if debug else []
    maps = ccache.maps("file" if debug else "macro", [src], obj)
    process.run([*ccache.words(), "gcc", "-O2", *whole, *maps,
                 f"-I{src}/include", "-c", src / "where.c", "-o", obj / "where.o"],
                cwd=obj, env=ccache.environment(root, programs, log))
    return (obj / "where.o").read_bytes(), ccache.counts(log)


@pytest.mark.parametrize("debug", [False, True])
def test_another_checkout_finds_the_result_and_the_bytes_are_those_of_the_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, debug: bool
) -> None:
    here, there = checkout(tmp_path / "here"), checkout(tmp_path / "a/much/longer/place")
    first, counts = build(here, debug=debug)
    assert counts == ccache.Counts(0, 1)
    second, counts = build(there, debug=debug)
    assert counts == ccache.Counts(1, 0)
    monkeypatch.setenv("CCACHE_DISABLE", "1")
    for root in (here, there):
        bare, counts = build(root, debug=debug)
        assert counts == ccache.Counts(0, 0) and bare == first == second
    assert b"where.c" in first and b"include/where.h" in first and str(tmp_path).encode() not in first


def test_what_a_person_lets_ccache_overlook_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCACHE_SLOPPINESS", "time_macros")
    root = checkout(tmp_path, "const char *when(void) { return __TIME__; }\n")
    first, _ = build(root)
    time.sleep(1.1)
    assert build(root)[0] != first


def test_another_assembler_is_another_result(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("one")
    root = checkout(tmp_path / "here")
    build(root, program)
    assert build(root, program)[1] == ccache.Counts(1, 0)
    program.write_text("two")
    assert build(root, program)[1] == ccache.Counts(0, 1)


def test_errors_name_the_file_where_a_person_finds_it(tmp_path: Path) -> None:
    root = checkout(tmp_path, "int broken\n")
    with pytest.raises(Exception, match=rf"{root}/build/src/one/where\.c:1"):
        build(root)


def test_how_many_compilers_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLINUX_JOBS", "7")
    assert ccache.jobs() == 7
    monkeypatch.setenv("COLINUX_JOBS", "many")
    with pytest.raises(UserError, match="many"):
        ccache.jobs()
    monkeypatch.delenv("COLINUX_JOBS")
    assert ccache.jobs() >= 1
