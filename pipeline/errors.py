# SPDX-License-Identifier: GPL-2.0-only
"""The families of errors, and the exit code of each.

    1    BuildFailed           a command failed on good input: a compile error, a failing check
    2    UserError             the declaration, an option or the machine's set-up has to change
    3    InfrastructureError   network, disk, QEMU, or a tool of ours broke; trying again may help
    130  Interrupted           Ctrl-C or a signal ended the work

Modules raise; the one place that turns an error into an exit code is the
program's entry. An error says what was wrong, where, and what to do next.
"""

from __future__ import annotations

from pathlib import Path


class ColinuxError(Exception):
    """What went wrong (`message`), what to do next (`hint`), and the log with the whole story (`log`)."""

    exit_code = 1

    def __init__(
        self, message: str, *, where: str | None = None, hint: str | None = None, log: Path | None = None
    ) -> None:
        # Exception.args keeps the message alone: that, and __dict__, is what
        # pickling (doit's process workers) brings to the other side.
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint
        self.log = log

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.message}" if self.where else self.message]
        if self.log is not None:
            lines.append(f"log: {self.log}")
        if self.hint:
            lines.append(f"hint: {self.hint}")
        return "\n".join(lines)


class UserError(ColinuxError):
    """Something the person who runs us can put right: UserError("no such suite", where="colinux.toml:12")."""

    exit_code = 2


class InfrastructureError(ColinuxError):
    """The network, a disk, QEMU or one of our own tools broke; the input may be perfectly good."""

    exit_code = 3


class Interrupted(ColinuxError):
    """The work was ended from outside: Ctrl-C, SIGTERM, SIGHUP."""

    exit_code = 130

    def __init__(self, message: str = "interrupted", *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)


class BuildFailed(ColinuxError):
    """A command failed on good input.

    `command` is a line of shell that repeats it, `excerpt` the first error of
    its output with the lines around it, `log` the whole output, `returncode`
    as in subprocess: negative for a signal.
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        command: str | None = None,
        excerpt: str | None = None,
        returncode: int | None = None,
        where: str | None = None,
        hint: str | None = None,
        log: Path | None = None,
    ) -> None:
        super().__init__(message, where=where, hint=hint, log=log)
        self.command = command
        self.excerpt = excerpt
        self.returncode = returncode

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.message}" if self.where else self.message]
        if self.excerpt:
            lines += ["  " + line for line in self.excerpt.splitlines()]
        if self.command:
            lines.append(f"repeat: {self.command}")
        if self.log is not None:
            lines.append(f"log: {self.log}")
        if self.hint:
            lines.append(f"hint: {self.hint}")
        return "\n".join(lines)
