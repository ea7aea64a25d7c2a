# SPDX-License-Identifier: GPL-2.0-only
"""The first error of real-looking logs is the line a person would look for."""

from __future__ import annotations

import time

import pytest

from pipeline.excerpt import first_error

LOGS = {
    "a compiler's error, not make's": (
        "  CC      kernel/a.o\n"
        "kernel/b.c:7:2: warning: unused variable 'error' [-Wunused-variable]\n"
        "kernel/a.c: In function 'f':\n"
        "kernel/a.c:12:3: error: 'x' undeclared (first use in this function)\n"
        "make[2]: *** [scripts/Makefile.build:250: kernel/a.o] Error 1\n"
        "make: *** [Makefile:2010: .] Error 2\n",
        "kernel/a.c:12:3: error: 'x' undeclared",
    ),
    "a missing header": (
        "a.c:1:10: fatal error: gelf.h: No such file or directory\ncompilation terminated.\n",
        "a.c:1:10: fatal error: gelf.h",
    ),
    "the compiler driver": ("gcc: error: unrecognized command-line option '-mfoo'\n", "gcc: error: unrec"),
    "the linker": (
        "ld: warning: x.o: missing .note.GNU-stack section\n"
        "ld: NOTE: This behaviour is deprecated\n"
        "ld: arch/x86/colinux/a.o: in function `f':\n"
        "a.c:(.text+0x5): undefined reference to `g'\n"
        "make: *** [Makefile:1: all] Error 1\n",
        "ld: arch/x86/colinux/a.o: in function",
    ),
    "modpost": (
        'ERROR: modpost: "co_run" [colinux.ko] undefined!\nmake: *** [all] Error 1\n',
        'ERROR: modpost: "co_run"',
    ),
    "kconfig": ("arch/x86/colinux/Kconfig:3: syntax error\nmake: *** [a] Error 1\n", "colinux/Kconfig:3"),
    "git apply": (
        "Checking patch a.c...\nerror: while searching for:\nint x;\n\nerror: patch failed: a.c:1\n",
        "error: while searching for:",
    ),
    "apt": ("Reading package lists...\nE: Unable to locate package nosuch\n", "E: Unable to locate"),
    "git": ("Cloning into 'x'...\nfatal: repository 'x' does not exist\n", "fatal: repository"),
    "make alone": ("make: *** No rule to make target 'x'.  Stop.\n", "make: *** No rule"),
    "a shell's": ("sh: 1: mke2fs: not found\n", "mke2fs: not found"),
}


@pytest.mark.parametrize("name", LOGS)
def test_finds(name: str) -> None:
    log, expected = LOGS[name]
    marked = [line for line in first_error(log).splitlines() if line.startswith("> ")]
    assert len(marked) == 1
    assert expected in marked[0]


def test_shows_lines_around_it() -> None:
    log = "".join(f"line {n}\n" for n in range(9)) + "a.c:1:1: error: x\n" + "after\n" * 9
    assert first_error(log, context=2).splitlines() == [
        "  line 7",
        "  line 8",
        "> a.c:1:1: error: x",
        "  after",
        "  after",
    ]


def test_a_traceback_ends_with_its_exception() -> None:
    log = 'x\nTraceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\nKeyError: 1\nmore\n'
    assert first_error(log).splitlines()[-1] == "> KeyError: 1"


def test_without_an_error_shows_the_end() -> None:
    log = "".join(f"{n}\n" for n in range(30)) + "\n\n"
    assert first_error(log, context=1).split() == ["27", "28", "29"]
    assert first_error("") == ""


def test_a_log_cannot_play_with_the_terminal() -> None:
    text = first_error("\x1b[31ma.c:1:1: error: \x07red\x1b[0m\x1b]0;title\x07\n" + "x" * 5000)
    assert "\x1b" not in text and "\x07" not in text
    assert max(map(len, text.splitlines())) < 300


def test_a_flood_is_searched_in_time() -> None:
    began = time.monotonic()
    text = "y\n" * (4 << 20) + "a.c:1:1: error: at the end\n"
    assert "> a.c:1:1: error: at the end" in first_error(text)
    assert first_error("x" * (8 << 20)).endswith(" ...")
    assert time.monotonic() - began < 30


def test_a_progress_line_is_what_is_left_of_it() -> None:
    assert first_error("10%\r20%\rerror: broken\r\n") == "> error: broken"
