# SPDX-License-Identifier: GPL-2.0-only
"""What surrounds a command: its environment, the line that repeats it, its log, the words for what it met."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from pipeline.errors import InfrastructureError, UserError

# A user's PATH lacks the folders where Debian keeps mke2fs and its like.
SYSTEM_PATH = ("/usr/local/sbin", "/usr/sbin", "/sbin")
# What a command inherits. Proxies are how some machines reach an archive at all.
INHERITED = (
    "HOME", "TERM", "TMPDIR", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE",
    # Where compiled objects are kept, and who helps to compile: nothing of it changes what comes out (pipeline.ccache).
    "CCACHE_CONFIGPATH", "CCACHE_DIR", "CCACHE_DISABLE", "CCACHE_LOGFILE", "CCACHE_MAXSIZE", "CCACHE_PREFIX",
    "CCACHE_READONLY", "CCACHE_RECACHE", "CCACHE_REMOTE_ONLY", "CCACHE_REMOTE_STORAGE",
    "DISTCC_DIR", "DISTCC_HOSTS", "ICECC_PREFERRED_HOST", "ICECC_VERSION",
)  # fmt: skip

# Words that go before every command: the other clock of a second build (pipeline.reproduce).
WRAPPER = "COLINUX_WRAPPER"


def environment(extra: Mapping[str, str] | None = None, *, clean: bool = True) -> dict[str, str]:
    """The environment of a command: a minimal one (or all of ours when not `clean`) and `extra` on top."""
    ours = os.environ
    env = {name: ours[name] for name in INHERITED if name in ours} if clean else dict(ours)
    path = ours.get("PATH", os.defpath).split(os.pathsep)
    env["PATH"] = os.pathsep.join(path + [folder for folder in SYSTEM_PATH if folder not in path])
    env["LANG"] = "C.UTF-8"
    env.setdefault("HOME", "/")
    env.setdefault("TERM", "dumb")
    env.update(extra or {})
    return env


def wrapped(argv: tuple[str, ...]) -> tuple[str, ...]:
    """A command as it is really started."""
    return (*shlex.split(os.environ.get(WRAPPER, "")), *argv)


def repeat_line(
    argv: Sequence[str], cwd: Path | None, extra: Mapping[str, str] | None, *, clean: bool
) -> str:
    """One line of shell that does the same again: same folder, same environment, same arguments."""
    words = ["cd", shlex.quote(str((cwd or Path.cwd()).absolute())), "&&", "env"]
    if clean:
        # By reference, not by value: the line is the same for everybody and tells no secret of a proxy.
        words += ["-i"] + [f'{name}="${name}"' for name in INHERITED if name in os.environ]
        words += [f'PATH="$PATH:{":".join(SYSTEM_PATH)}"', "LANG=C.UTF-8"]
    words += [f"{name}={shlex.quote(value)}" for name, value in sorted((extra or {}).items())]
    return " ".join([*words, shlex.join(argv)])


class Output:
    """What a command prints: into the log as it comes, and kept for the caller."""

    # A log bigger than this is kept at its two ends: nobody parses it, and the file has it all.
    KEEP = 32 << 20

    def __init__(self, log: Path | None, append: bool, first_line: str) -> None:
        self.log = log
        self.file: IO[bytes] | None = None
        self.kept = bytearray()
        self.head = b""
        if log is not None:
            try:
                log.parent.mkdir(parents=True, exist_ok=True)
                self.file = log.open("ab" if append else "wb", buffering=0)
            except OSError as error:
                raise write_error(log, error) from error
            self._write(first_line.encode() + b"\n")

    def add(self, data: bytes) -> None:
        self.kept += data
        if self.file is not None:
            self._write(data)
            if len(self.kept) > self.KEEP:
                cut = len(self.kept) - self.KEEP // 4
                self.head = self.head or bytes(self.kept[: self.KEEP // 2])
                del self.kept[:cut]

    def _write(self, data: bytes) -> None:
        assert self.file is not None and self.log is not None
        try:
            view = memoryview(data)
            while view:
                view = view[self.file.write(view) :]
        except OSError as error:
            raise write_error(self.log, error) from error

    def text(self) -> str:
        if not self.head:
            return self.kept.decode(errors="replace")
        ends = (part.decode(errors="replace") for part in (self.head, self.kept))
        return f"\n[... see {self.log} ...]\n".join(ends)

    def close(self) -> None:
        if self.file is not None:
            self.file.close()


def require(tool: str, cwd: Path | None, env: Mapping[str, str]) -> None:
    """UserError when the command is not there: before anything was started or written."""
    if cwd is not None and not cwd.is_dir():
        raise InfrastructureError(f"cannot run {tool}: the folder {cwd} does not exist")
    if "/" in tool:
        if not ((cwd or Path()) / tool).exists():
            raise missing_tool(tool)
    elif shutil.which(tool, path=env["PATH"]) is None:
        raise missing_tool(tool)


def missing_tool(tool: str) -> UserError:
    package = None
    with suppress(ImportError):
        # Here and not above: toolchain runs its own commands through this module.
        from toolchain.packages import package_for

        package = package_for(tool)
    hint = f"install it: apt-get install {package}" if package else "install it, or put its folder on PATH"
    return UserError(f"the command {tool} is not on this machine", hint=hint)


def start_error(tool: str, cwd: Path | None, error: OSError) -> InfrastructureError | UserError:
    if error.errno == errno.ENOENT:
        return missing_tool(tool)
    return InfrastructureError(f"could not start {tool}{f' in {cwd}' if cwd else ''}: {error.strerror}")


def write_error(path: Path, error: OSError) -> InfrastructureError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full(path.parent, f"writing {path}", None)
    return InfrastructureError(f"cannot write {path}: {error.strerror}")


def disk_full(folder: Path, what: str, log: Path | None) -> InfrastructureError:
    """Which filesystem, and how much is left on it: the one thing that a person asks next."""
    state = []
    for place in dict.fromkeys((folder, Path(os.environ.get("TMPDIR", "/tmp")))):
        with suppress(OSError):
            point = place.resolve()
            while not point.is_mount():
                point = point.parent
            state.append(f"{shutil.disk_usage(point).free >> 20} MiB free on {point}")
    return InfrastructureError(
        f"disk full: {what} ({', '.join(state)})", hint="free some space and run the same again", log=log
    )
