# SPDX-License-Identifier: GPL-2.0-only
"""A pinned commit from a git server, a mirror or a bare repository, and its files in a fresh folder.

Two ids are pinned, of the commit and of its tree, both in full. A server can
only be asked for things by name or id; what it sends is looked at in our own
bare repository, where no name of the server's exists: an object of exactly
that id has to be there, it has to be a commit (a branch or tag that is called
like the id does not help), its tree has to be the pinned one, and all that
before a file is written. What is written is hashed again.

Everything in a repository or a person's set-up that could run programs or
alter content is off: hooks, filters, attributes, line ends, submodules, system
and user configuration. GitPython's commands go through pipeline.process, so
that Ctrl-C leaves no git behind.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline import process, progress
from pipeline.declaration.model import GitSource
from pipeline.errors import InfrastructureError, UserError
from pipeline.lock import Blob
from pipeline.paths import atomic_dir, remove
from pipeline.sources.cache import Cache, disk_error, disk_errors
from pipeline.sources.context import Context, Fetched
from pipeline.sources.download import UPDATE, NotHere
from pipeline.sources.mirror import Place
from pipeline.sources.treeid import tree_id

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # a missing git is reported by us, when one is needed
import git
import git.exc

HEX = re.compile(r"[0-9a-f]{40}")
ALL = ("+refs/heads/*:refs/colinux/heads/*", "+refs/tags/*:refs/colinux/tags/*")
UNREACHABLE = re.compile(
    r"could not resolve host|unable to access|unable to connect|connection (refused|timed out|reset)"
    r"|could not read from remote|early EOF|not found|does not appear to be a git repository|timed out",
    re.I,
)

ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",  # refs/replace/ could put another object under the pinned id
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
    "GIT_ALLOW_PROTOCOL": "https:http:ssh:git:file",
    "GIT_HTTP_LOW_SPEED_LIMIT": "100",  # bytes/s, and for how many seconds, until we give up
    "GIT_HTTP_LOW_SPEED_TIME": "60",
}
INHERITED = ("SSH_AUTH_SOCK", "GIT_SSH_COMMAND", "GIT_SSL_CAINFO", "SSL_CERT_FILE", "ALL_PROXY", "all_proxy")
SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.autocrlf=false",
    "core.eol=lf",
    "core.symlinks=true",
    "core.fileMode=true",
    "core.ignoreCase=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "protocol.version=2",
    "advice.detachedHead=false",
    "core.checkRoundtripEncoding=",
)
# $GIT_DIR/info/attributes outranks every .gitattributes of the tree (gitattributes(5)).
ATTRIBUTES = "* -text -eol -ident -filter -working-tree-encoding -export-ignore -export-subst\n"


class Door(git.Git):
    """GitPython's way of running git, led through pipeline.process with an environment of ours."""

    def execute(self, command: str | Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        """Output of one git command, both streams, stripped. Raises GitCommandError when it fails."""
        assert not isinstance(command, str)
        folder = Path(self.working_dir or ".")
        env = {**ENVIRONMENT, **{name: os.environ[name] for name in INHERITED if name in os.environ}}
        if (folder / "objects").is_dir():
            # Said, not found: git looks for an owner and a configuration on the way when it has to search.
            env["GIT_DIR"] = str(folder)
        env.update(kwargs.get("env") or {})
        settings = [word for setting in SETTINGS for word in ("-c", setting)]
        result = process.run([command[0], *settings, *map(str, command[1:])], cwd=folder, env=env, check=False)
        if result.returncode:
            if "No space left on device" in result.stdout:
                raise disk_error(folder, OSError(errno.ENOSPC, "No space left on device"))
            raise git.exc.GitCommandError(list(command), result.returncode, result.stdout)
        return result.stdout.strip()


class Repository(git.Repo):
    """A bare repository of the cache."""

    GitCommandWrapperType = Door


def fetch(source: GitSource, ctx: Context) -> Fetched:
    """The bare repository that has the pinned commit, verified; fetches it if need be.

    Raises UserError for a wrong commit or tree and when offline; InfrastructureError
    when no URL can be reached.
    """
    (blob,) = ctx.lock.group(f"source:{source.name}")
    if (blob.commit, blob.tree) != (source.commit, source.tree):
        raise UserError(
            f"{source.name}: colinux.lock has commit {blob.commit}, colinux.toml has {source.commit} "
            f"(trees {blob.tree}, {source.tree})",
            hint=UPDATE,
        )
    wanted = source.signature.fingerprint.upper() if source.signature else None
    if wanted and blob.signer != wanted:
        raise UserError(
            f"{source.name}: colinux.lock says signed by {blob.signer or 'nobody'}, colinux.toml wants {wanted}",
            hint=UPDATE,
        )
    return Fetched(source.name, (_obtain(source, ctx),), (blob,))


def resolve(source: GitSource, ctx: Context) -> Blob:
    """The lock's entry: the commit is fetched once to prove that it and its tree exist, and who signed it."""
    repository = _obtain(source, ctx)
    if source.signature is None:
        return blob_of(source)
    from pipeline.sources import gitsigned  # which stands on this module

    with Cache(ctx.paths.cache).lock(repository.name):
        return blob_of(source, gitsigned.verify(source, open_repository(repository), ctx))


def checkout(source: GitSource, repository: Path, dest: Path, ctx: Context) -> None:
    """Write the pinned tree into a new folder `dest`, replaced as a whole; verified before and after."""
    with Cache(ctx.paths.cache).lock(repository.name):
        repo = open_repository(repository)
        verify(repo, source)
        with atomic_dir(dest) as new:
            env = {"GIT_WORK_TREE": str(new), "GIT_INDEX_FILE": str(new.parent / "index")}
            repo.git.read_tree(source.tree, env=env)
            for line in repo.git.ls_files("--stage", env=env).splitlines():
                if line.startswith("160000 "):
                    raise UserError(f"{source.name}: {line.split(None, 3)[3]} is a submodule, which is not supported")
            repo.git.checkout_index("--all", "--force", f"--prefix={new}/", env=env)
            written = tree_id(new)
            if written != source.tree:
                raise InfrastructureError(
                    f"{source.name}: the files written have tree {written}, expected {source.tree}",
                    hint=f"the cached repository is damaged: remove {repository} and run again",
                )


def _obtain(source: GitSource, ctx: Context) -> Path:
    for what, value in (("commit", source.commit), ("tree", source.tree)):
        if not HEX.fullmatch(value):
            raise UserError(f"{source.name}: {what} must be a full id of 40 hex digits, not {value!r}")
    cache = Cache(ctx.paths.cache)
    path = place(source, cache)
    with cache.lock(path.name):
        repo = open_repository(path)
        _sweep(path)
        if kind_of(repo, source.commit) is None:
            _fetch_somewhere(source, repo, ctx)
        verify(repo, source)
        repo.git.update_ref(f"refs/colinux/pinned/{source.commit}", source.commit)
    return path


def place(source: GitSource, cache: Cache) -> Path:
    """The bare repository of a source in a cache, whether it is there or not."""
    return cache.root / "git" / f"{source.name}-{hashlib.sha256(source.urls[0].encode()).hexdigest()[:12]}.git"


def open_repository(path: Path) -> Repository:
    """The bare repository at `path`, made if it is not there. One that git cannot read is thrown away."""
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(2):
            if not path.exists():
                with atomic_dir(path) as new:
                    Door(str(path.parent)).execute(["git", "init", "--quiet", "--bare", "--template=", str(new)])
            try:
                repo = Repository(path)
                repo.git.rev_parse("--is-bare-repository")
                break
            except (git.exc.InvalidGitRepositoryError, git.exc.GitCommandError):
                progress.warn(f"the cached repository {path} is damaged: it is thrown away and fetched again")
                remove(path)
        (path / "info").mkdir(exist_ok=True)
        (path / "info/attributes").write_text(ATTRIBUTES)
    return repo


def _sweep(path: Path) -> None:
    """Remove what a git that was killed has left. We hold the repository's lock: nobody is at work in it."""
    for pattern in ("*.lock", "refs/**/*.lock", "objects/pack/tmp_*"):
        for file in path.glob(pattern):
            file.unlink(missing_ok=True)


def kind_of(repo: Repository, identity: str) -> str | None:
    """ "commit", "tag", ... of the object with exactly this id; None when it is not there."""
    try:
        return str(repo.git.cat_file("-t", identity))
    except git.exc.GitCommandError:
        return None


def verify(repo: Repository, source: GitSource) -> None:
    """Raise UserError unless there is a commit of the pinned id and its tree is the pinned one.

    That the tree's files hash to it is verified when they are written.
    """
    kind = kind_of(repo, source.commit)
    if kind != "commit":
        raise UserError(
            f"{source.name}: expected commit {source.commit}, seen {f'a {kind}' if kind else 'nothing'} of that id",
            hint="pin the id of the commit itself, not of a tag, branch or tree",
        )
    first = str(repo.git.cat_file("commit", source.commit)).splitlines()[0]
    if first != f"tree {source.tree}":
        raise UserError(
            f"{source.name}: commit {source.commit} has {first}, expected tree {source.tree}",
            hint="correct `tree` (or `commit`) in colinux.toml",
        )


def _fetch_somewhere(source: GitSource, repo: Repository, ctx: Context) -> None:
    reasons: list[str] = []
    reached = False
    for place in (place for url in source.urls for place in ctx.mirrors.places(url)):
        if not place.local and ctx.offline:
            reasons.append(f"    {place}: not asked: --offline")
            continue
        if place.local and place.folder is None:
            reasons.append(f"    {place}: no such folder")
            continue
        with progress.step(f"git fetch {source.name} from {place}"):
            error = _fetch_from(source, repo, place)
        if kind_of(repo, source.commit) is not None:
            return
        reached = reached or error is None
        reasons.append(f"    {place}: {error or _seen(source, repo, place)}")
    message = f"cannot fetch {source.name}: expected commit {source.commit}\n" + "\n".join(reasons)
    mirror = ctx.mirrors.hint(source.urls[0])
    if reached:
        raise UserError(message, hint="correct `commit` and `ref` in colinux.toml, or the mirror file")
    if ctx.offline:
        raise NotHere(message, hint=f"run once without --offline; or {mirror}")
    raise InfrastructureError(message, hint=f"try again; or {mirror}")


def _fetch_from(source: GitSource, repo: Repository, place: Place) -> str | None:
    """Ask one place in ever more general ways until it is here; None when it answered, else why not."""
    where, env = reach(repo, place)
    if where.startswith("-"):
        return "not a URL"
    ways: list[tuple[str, ...]] = [("--depth=1", where, source.commit)]
    if source.ref:
        ways += [("--depth=1", where, source.ref), ("--update-shallow", where, source.ref)]
    ways.append(("--update-shallow", where, *ALL))
    answer: str | None = None
    for number, way in enumerate(ways):
        if number == len(ways) - 1 and (Path(repo.git_dir) / "shallow").exists():
            way = ("--unshallow", *way)
        try:
            options = [word for word in way if word.startswith("--")]
            repo.git.fetch("--no-tags", "--force", "--quiet", *options, "--", *way[len(options) :], env=env)
            answer = None
        except git.exc.GitCommandError as error:
            answer = words_of(str(error.stderr))
            if UNREACHABLE.search(answer) and not re.search(r"remote ref|not our ref", answer):
                return answer
        if kind_of(repo, source.commit) is not None:
            return None
    return answer


def reach(repo: Repository, place: Place) -> tuple[str, dict[str, str]]:
    """How git is told of a place, and the environment in which it may look there."""
    where = str(place.folder.resolve()) if place.folder else str(place.url)
    if not (place.local and place.where):
        return where, {}
    # git refuses another user's repository; who wrote it into the mirror file has decided to trust it.
    config = Path(repo.git_dir) / "mirror.config"
    config.write_text(f'[safe]\n\tdirectory = "{where}"\n\tdirectory = "{where}/.git"\n')
    return where, {"GIT_CONFIG_GLOBAL": str(config)}


def _seen(source: GitSource, repo: Repository, place: Place) -> str:
    """What a place has where the pinned commit was expected."""
    where = str(place.folder.resolve()) if place.folder else str(place.url)
    seen = []
    for name in filter(None, (source.ref, source.commit)):
        try:
            lines = str(repo.git.ls_remote("--", where, name, f"{name}^{{}}")).splitlines()
        except git.exc.GitCommandError:
            continue
        seen += [" is ".join(reversed(line.split("\t"))) for line in lines]
    return "it does not have that commit" + (f"; there {', '.join(seen)}" if seen else "")


def words_of(output: str) -> str:
    """git's error in one line."""
    # GitPython puts what git said between quotes, the first of them behind this word.
    said = [line.strip().removeprefix("stderr:").strip(" '\"") for line in output.splitlines()]
    lines = [re.sub(r"^(fatal|error|remote): *", "", line) for line in said]
    return "; ".join(dict.fromkeys(line for line in lines if line)) or "git failed"


def blob_of(source: GitSource, signer: str | None = None) -> Blob:
    """The lock's entry for a git source."""
    return Blob(source.name, "git", url=source.urls[0], tree=source.tree, commit=source.commit, signer=signer)
