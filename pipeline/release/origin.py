# SPDX-License-Identifier: GPL-2.0-only
"""The commit that a release is made of: its time, its files, what changed since the last tag.

A release is of a commit and of nothing else: a change that is not committed, or
a file that git does not know and that a build might have read, is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline import process
from pipeline.errors import BuildFailed, UserError

# A person's settings must not change what a release says.
SETTINGS = ("core.quotePath=false", "log.showSignature=false", "status.relativePaths=false",
            "i18n.logOutputEncoding=utf-8", "log.mailmap=false", "core.excludesFile=/dev/null")
SHOWN = 10  # of the files that are in the way


@dataclass(frozen=True)
class Origin:
    """A commit. `epoch`: its time (Unix, the committer's), which everything in the release carries.

    `since` is the last tag before it, None when there is none; `changes` are (commit, subject)
    from then on, the newest first; `files` its files, with their permissions, by path.
    """

    commit: str
    epoch: int
    since: str | None
    changes: tuple[tuple[str, str], ...]
    files: dict[str, int]


def of(root: Path) -> Origin:
    """The commit of the checkout `root`. UserError when there is none, or it is not all there is."""
    if not (root / ".git").exists():
        raise UserError(f"{root} is no git checkout", hint="a release is made of a commit: clone the repository")
    try:
        commit, time = _git(root, "log", "-1", "--format=%H %ct").split()
    except BuildFailed as error:
        raise UserError(f"git says of {root}: {error.excerpt or error.message}",
                        hint="a release needs a commit") from error
    _refuse_changes(root)
    since = _last_tag(root)
    if since is None and _git(root, "rev-parse", "--is-shallow-repository").strip() == "true":
        raise UserError("this clone is shallow: what changed since the last tag cannot be told",
                        hint="git fetch --unshallow --tags")
    log = _git(root, "log", "--no-color", "--format=%H %s", f"{since}..HEAD" if since else "HEAD")
    changes = tuple((line[:40], line[41:]) for line in log.splitlines())
    return Origin(commit, int(time), since, changes, _files(root))


def head(root: Path) -> tuple[str, bool] | None:
    """The commit that is checked out and whether there is anything beside it; None where there is no commit."""
    try:
        return _git(root, "rev-parse", "HEAD").strip(), bool(_changes(root))
    except BuildFailed:
        return None


def _refuse_changes(root: Path) -> None:
    changed = _changes(root)
    if changed:
        more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
        raise UserError(
            f"not committed: {', '.join(changed[:SHOWN])}{more}",
            hint="a release is made of a commit: commit the change, or take it away (git stash --include-untracked)",
        )


def _changes(root: Path) -> list[str]:
    """What is not as the commit has it."""
    status = _git(root, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--ignore-submodules=none")
    # A renamed file has its old name in an entry of its own, which has no letters before it.
    return [entry[3:] for entry in status.split("\0") if entry[2:3] == " "]


def _last_tag(root: Path) -> str | None:
    """The nearest tag that is not at HEAD itself: the one before, while this release is being tagged."""
    here = set(_git(root, "tag", "--points-at", "HEAD").split())
    words = [f"--exclude={tag}" for tag in sorted(here)]
    result = process.run(_argv("describe", "--tags", "--abbrev=0", *words, "HEAD"), cwd=root, check=False)
    return result.stdout.strip() if result.returncode == 0 else None


def _files(root: Path) -> dict[str, int]:
    files = {}
    for entry in filter(None, _git(root, "ls-tree", "-r", "-z", "--full-tree", "HEAD").split("\0")):
        mode, path = entry.split(None, 1)[0], entry.split("\t", 1)[1]
        if not mode.startswith("100"):
            raise UserError(f"{path} is a link or a submodule: the archive of our source holds plain files only")
        files[path] = 0o755 if mode == "100755" else 0o644
    return files


def _argv(*words: str) -> list[str]:
    return ["git", *(word for setting in SETTINGS for word in ("-c", setting)), *words]


def _git(root: Path, *words: str) -> str:
    return process.run(_argv(*words), cwd=root).stdout
