# SPDX-License-Identifier: GPL-2.0-only
"""The first error in a command's output: what a person would scroll up for."""

from __future__ import annotations

import re

# What announces an error, by tool, the surest first. A later kind counts only
# when no line is of an earlier one: make's "Error 2" comes after its cause.
KINDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern, re.MULTILINE))
    for name, pattern in (
        ("compiler", r"^[^\s:][^:\n]*:(\d+:)*[ \t]*(fatal error|error|Error):|^\S+: (fatal )?error: "),
        ("linker", r"undefined reference to|multiple definition of|^\S*ld(\.\w+)?: (?!warning|NOTE)"),
        ("modpost", r"^ERROR: modpost:|^FATAL: modpost:"),
        ("kconfig", r"^\S*(Kconfig|\.config)\S*:\d+:(?!warning)|recursive dependency detected"),
        ("patch", r"^error: (patch failed|corrupt patch|\S+: )|^Hunk #\d+ FAILED|^error: "),
        ("missing", r"command not found|: not found$|No such file or dir|cannot find -l|Permission denied"),
        ("archive", r"^E: |^dpkg\S*: error|^(tar|xz|gzip|bzip2|zstd|cpio): (?!Removing)"),
        ("git", r"^fatal: "),
        ("python", r"^Traceback \(most recent call last\):"),
        ("make", r"^(g?make)(\[\d+\])?: \*\*\* "),
        ("other", r"\b([Ee]rror|ERROR|[Ff]ailed|FAILED|[Ff]ailure|[Pp]anic|[Cc]annot|[Ff]atal)\b"),
    )
)

# What a carriage return overwrote; what no person reads of a line; terminal escapes and control characters.
_NOISE = (
    (re.compile(r"^[^\n]*\r(?!\n|\Z)", re.MULTILINE), ""),
    (re.compile(r"^([^\n]{2000})[^\n]+", re.MULTILINE), r"\1 ..."),
    (re.compile(r"\x1b\[[0-9;?]{0,20}[ -/]{0,20}[@-~]|[\x00-\x08\x0b-\x1f\x7f]"), ""),
)
_WIDTH = 240  # characters a line: a linker's command line would bury the message
# Of an endless output, this much from its two ends is looked at.
_HEAD, _TAIL = 1 << 19, 3 << 19


def first_error(text: str, context: int = 3) -> str:
    """The first error line, marked with ">", and `context` lines before and after it.

    Knows the messages of compilers, linkers, make, Kconfig, git, Debian's
    tools and Python (of a traceback the last frames and the exception). With
    no such line, the end of the output; "" when there was none.
    """
    if len(text) > _HEAD + _TAIL:
        text = f"{text[:_HEAD]}\n[...]\n{text[-_TAIL:]}"
    for pattern, replacement in _NOISE:
        text = pattern.sub(replacement, text)
    text = text.rstrip()
    if not text:
        return ""
    for name, pattern in KINDS:
        if match := pattern.search(text):
            at, before, after = match.start(), context, context
            if name == "python":
                at, before, after = _exception(text, at), 2 * context, 0
            return _excerpt(text, at, before, after)
    return "\n".join("  " + _short(line) for line in _last_lines(text, 2 * context + 1))


def _exception(text: str, traceback: int) -> int:
    """Where the exception stands that ends the traceback that begins there."""
    match = re.compile(r"\n(?=\S)").search(text, traceback)
    return match.end() if match else len(text)


def _excerpt(text: str, at: int, before: int, after: int) -> str:
    """The line around `at`, marked, and its neighbours."""
    start = text.rfind("\n", 0, at) + 1
    earlier = _last_lines(text[:start].removesuffix("\n"), before) if start else []
    # Enough text for the lines wanted, not the whole rest.
    line, *later = text[start : start + 100_000].split("\n", after + 1)[: after + 1]
    marked = ["  " + _short(one) for one in earlier] + ["> " + _short(line)]
    return "\n".join(marked + ["  " + _short(one) for one in later])


def _last_lines(text: str, count: int) -> list[str]:
    return text[-100_000:].rsplit("\n", count)[-count:]


def _short(line: str) -> str:
    return line if len(line) <= _WIDTH else line[: _WIDTH - 4] + " ..."
