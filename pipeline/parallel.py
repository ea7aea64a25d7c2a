# SPDX-License-Identifier: GPL-2.0-only
"""`./doit -n N`: N independent tasks at a time, and the computer's CPUs divided among their makes.

doit would fork for each task. Our tasks spend their time in other programs, and
threads share what a run knows (its first error, what is up to date, which
commands Ctrl-C has to end), so they are what -n means here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

VARIABLE = "COLINUX_AT_ONCE"
# doit's options that take a word of their own, which may stand before -n.
WITH_WORD = ("-d", "--dir", "-f", "--file", "-k", "--seek-file", "-o", "--output-file", "-r", "--reporter",
             "-v", "--verbosity", "-P", "--parallel-type", "--backend", "--db-file", "--check_file_uptodate")


def in_threads(arguments: Sequence[str]) -> list[str]:
    """doit's command line; with -n before the tasks, and no -P, tasks run in threads.

    What follows the first task is that task's own. Sets the variable that `share` reads.
    """
    words = list(arguments)
    at = 1 if words[:1] == ["run"] else 0
    count, kind = "", False
    while at < len(words) and words[at].startswith("-"):
        word = words[at]
        if word in ("-n", "--process"):
            count = words[at + 1] if at + 1 < len(words) else ""
            at += 1
        elif word.startswith("-n"):
            count = word[2:]
        elif word.startswith("--process="):
            count = word.partition("=")[2]
        else:
            kind = kind or word.startswith(("-P", "--parallel-type"))
            at += word in WITH_WORD
        at += 1
    if count.isdigit() and int(count) > 1:
        os.environ[VARIABLE] = count
        if not kind:
            words.insert(1 if words[:1] == ["run"] else 0, "--parallel-type=thread")
    else:
        os.environ.pop(VARIABLE, None)
    return words


def share(jobs: int) -> int:
    """The part of so many jobs that each of the tasks running at a time may have; at least one."""
    at_once = os.environ.get(VARIABLE, "")
    return max(1, jobs // int(at_once)) if at_once.isdigit() and int(at_once) else jobs
