# SPDX-License-Identifier: GPL-2.0-only
"""What is up to date: our own memory, because doit's has holes.

doit takes a missing or altered target for a good one, does not read a file
whose time stands still, and forgets what it did when it is killed. Here a job
is up to date when its inputs have the *content* they had, and its outputs
still are what it made. The record of a job is written, and on disk, before
`finish` returns; one killed in between is simply done again.

    build/state/<job>.json         digests of inputs and outputs: the memory
    build/state/<job>.seen.json    digest of each folder, and
    build/state/<job>.files.json   of each file, by identity: they save time and decide nothing

An unchanged file costs one stat, however big it is. The identity has the
ctime, which no program can set back (see pipeline.digest).
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline import digest
from pipeline.errors import InfrastructureError
from pipeline.paths import Paths, atomic_write, slug

FORMAT = 1

# A tree: path in it -> [digest, *identity, mode], or [digest] where the identity cannot be relied on.
_Files = dict[str, list[Any]]


@dataclass(frozen=True)
class Job:
    """What makes a piece of work what it is.

    `inputs` are small JSON values (versions, options); `files` the files or
    folders that it reads; `outputs` the files or folders that it leaves
    behind. Folders count with everything in them but __pycache__.
    """

    name: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    files: Sequence[Path] = ()
    outputs: Sequence[Path] = ()


# What `why_stale` found the inputs to be, for `finish`: an input edited while
# the job runs must count as changed the next time.
_before: dict[tuple[Path, str], dict[str, Any]] = {}


def why_stale(job: Job, paths: Paths) -> str | None:
    """None when the job is up to date, else the reason to do it, in one sentence."""
    key = (paths.state, job.name)
    _before.pop(key, None)
    record, problem = _read(job, paths)
    cache = _Cache(job, paths)
    inputs = _inputs(job, paths, cache)
    reason = problem or _difference(job, record, inputs, paths, cache)
    if reason is None:
        cache.save()
    else:
        _before[key] = inputs
    return reason


def finish(job: Job, paths: Paths) -> None:
    """Remember that the job is done.

    Its inputs are taken as they were when `why_stale` looked last. Raises InfrastructureError
    when an output is missing or empty, or an input is gone.
    """
    for output in job.outputs:
        _require(output, job)
    cache = _Cache(job, paths)
    inputs = _before.pop((paths.state, job.name), None) or _inputs(job, paths, cache)
    gone = [name for name, value in inputs["files"].items() if value is None]
    if gone:
        raise InfrastructureError(f"{job.name}: its input {gone[0]} is gone")
    record = {
        "format": FORMAT,
        "job": job.name,
        **inputs,
        "outputs": {_name(path, paths): cache.digest(path) for path in job.outputs},
    }
    cache.save()
    atomic_write(_record_path(job, paths), json.dumps(record, indent=1, sort_keys=True) + "\n")


def forget(job: Job, paths: Paths) -> None:
    """The job has to be done again."""
    _before.pop((paths.state, job.name), None)
    _record_path(job, paths).unlink(missing_ok=True)
    _seen_path(job, paths).unlink(missing_ok=True)
    _files_path(job, paths).unlink(missing_ok=True)


def output_digest(job: Job, paths: Paths) -> str | None:
    """One digest for all that the job left behind when it was last done; None when it never was.

    A cheap input for the jobs that build on it: no walk over a big tree.
    """
    record, problem = _read(job, paths)
    return None if problem else digest.of_json(record["outputs"])


def _record_path(job: Job, paths: Paths) -> Path:
    return paths.state / f"{slug(job.name)}.json"


def _seen_path(job: Job, paths: Paths) -> Path:
    return paths.state / f"{slug(job.name)}.seen.json"


def _files_path(job: Job, paths: Paths) -> Path:
    return paths.state / f"{slug(job.name)}.files.json"


def _name(path: Path, paths: Paths) -> str:
    """A path in a record: relative to the checkout where it lies in it, so that a checkout can move."""
    return path.relative_to(paths.root).as_posix() if path.is_relative_to(paths.root) else str(path)


def _read(job: Job, paths: Paths) -> tuple[dict[str, Any], str | None]:
    """The job's record, and why there is none that helps."""
    path = _record_path(job, paths)
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}, "it has not been done yet"
    except (ValueError, OSError):
        return {}, f"its record {_name(path, paths)} cannot be read"
    shape = {"job": str, "inputs": dict, "files": dict, "outputs": dict}
    if not isinstance(record, dict) or any(not isinstance(record.get(k), t) for k, t in shape.items()):
        return {}, f"its record {_name(path, paths)} cannot be read"
    if record.get("format") != FORMAT or record["job"] != job.name:
        return {}, f"its record {_name(path, paths)} is of another kind"
    return record, None


def _inputs(job: Job, paths: Paths, cache: _Cache) -> dict[str, Any]:
    # Through JSON and back, so that a tuple compares equal to the list it is recorded as.
    values = json.loads(json.dumps(dict(job.inputs)))
    files = {_name(path, paths): cache.digest(path) for path in job.files}
    return {"inputs": values, "files": files}


def _difference(
    job: Job, record: dict[str, Any], inputs: dict[str, Any], paths: Paths, cache: _Cache
) -> str | None:
    for path in job.outputs:
        name = _name(path, paths)
        now = cache.digest(path)
        if name not in record["outputs"]:
            return f"output {name} is new"
        if now is None:
            return f"output {name} is gone"
        if now != record["outputs"][name]:
            return f"output {cache.changed(path)} was altered since it was made"
    values, then = inputs["inputs"], record["inputs"]
    for name in sorted(values.keys() | then.keys()):
        if name not in values or name not in then:
            return f"input {name} {'is new' if name in values else 'is no longer one'}"
        if values[name] != then[name]:
            return f"input {name} changed"
    for path in job.files:
        name = _name(path, paths)
        if name not in record["files"]:
            return f"input {name} is new"
        if inputs["files"][name] is None:
            return f"input {name} is gone"
        if inputs["files"][name] != record["files"][name]:
            return f"input {cache.changed(path)} changed"
    for name in record["files"].keys() - inputs["files"].keys():
        return f"input {name} is no longer one"
    return None


def _require(output: Path, job: Job) -> None:
    """An output exists and has something in it."""
    if not output.exists():
        problem = "was not made"
    elif output.is_dir():
        problem = "" if any(output.iterdir()) else "is an empty folder"
    else:
        problem = "" if output.stat().st_size else "is empty"
    if problem:
        raise InfrastructureError(
            f"{job.name} ended well, but its output {output} {problem}",
            hint="this is a fault of the pipeline",
        )


class _Cache:
    """Digests of files and folders, reading only what changed since the run that the side files remember.

    Two side files, because a kernel's source has 80,000 files: a short one
    with one signature (of all identities) a folder, which is enough when
    nothing changed, and the long one, read only when something did.
    """

    def __init__(self, job: Job, paths: Paths) -> None:
        self._job = job
        self._paths = paths
        self._seen: dict[str, list[str]] = _load(_seen_path(job, paths))
        self._now: dict[str, list[str]] = {}
        self._new: dict[str, _Files] = {}
        self._loaded: dict[str, _Files] | None = None

    @property
    def _old(self) -> dict[str, _Files]:
        if self._loaded is None:
            self._loaded = _load(_files_path(self._job, self._paths))
        return self._loaded

    def digest(self, path: Path) -> str | None:
        """One digest for a file or folder; None when it is not there."""
        name = _name(path, self._paths)
        try:
            # A declared path may be a link (default -> machine); links inside a folder count as links.
            path = path.resolve(strict=True) if path.is_symlink() else path
            found = digest.walk(path)
            signature, settled = _signature(found)
            if settled and self._seen.get(name, [""])[0] == signature:
                self._now[name] = self._seen[name]
                return self._seen[name][1]
            old = self._old.get(name, {})
            entries = {
                relative: _entry(path / relative if relative else path, status, old.get(relative))
                for relative, status in found
            }
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InfrastructureError(f"cannot read {error.filename or path}: {error.strerror}") from error
        self._new[name] = entries
        result = digest.of_json([[relative, entry[0]] for relative, entry in entries.items()])
        self._now[name] = [signature if settled else "", result]
        return result

    def changed(self, path: Path) -> str:
        """What differs in `path` since the job was done: the file in a folder, when that is known."""
        name = _name(path, self._paths)
        old, new = self._old.get(name, {}), self._new.get(name, {})
        if old:
            for relative in sorted(old.keys() | new.keys()):
                if relative and old.get(relative, [""])[0] != new.get(relative, [""])[0]:
                    return f"{name}/{relative}"
        return name

    def save(self) -> None:
        """Write what is new. Only for a state that is up to date: `changed` compares with it."""
        if self._now != self._seen:
            _store(_seen_path(self._job, self._paths), self._now)
        if self._new:
            kept = {name: self._old[name] for name in self._now if name in self._old}
            _store(_files_path(self._job, self._paths), {**kept, **self._new})


def _signature(found: list[tuple[str, os.stat_result]]) -> tuple[str, bool]:
    """The identities of a whole tree in one word, and whether any later change would show in it."""
    words = []
    latest = 0
    for relative, status in found:
        if stat.S_ISDIR(status.st_mode):
            # Its own times change with any scratch file in it; its entries say what counts.
            words.append(f"{relative}\0d")
        else:
            key = digest.identity(status)
            words.append(f"{relative}\0{status.st_mode}{key}")
            latest = max(latest, key[4])
    return digest.sha256_bytes(os.fsencode("\0".join(words))), digest.settled_at(latest)


def _entry(path: Path, status: os.stat_result, known: list[Any] | None) -> list[Any]:
    """[digest, *identity, x bit]; without the identity where a later change could hide behind it."""
    if stat.S_ISDIR(status.st_mode):
        return ["d"]
    key = [*digest.identity(status), status.st_mode]
    if known is not None and known[1:] == key:
        return known
    # Asked before the content is read: a change while we read counts as a later one.
    settled = digest.settled(digest.identity(status))
    word = digest.entry_digest(path, status)
    return [word, *key] if settled else [word]


def _load(path: Path) -> dict[str, Any]:
    """A side file's content; {} when it is not there or no good: it only saves time."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    good = (
        isinstance(content, dict)
        and content.get("format") == FORMAT
        and isinstance(content.get("trees"), dict)
    )
    return content["trees"] if good else {}


def _store(path: Path, trees: dict[str, Any]) -> None:
    atomic_write(path, json.dumps({"format": FORMAT, "trees": trees}, separators=(",", ":")))
