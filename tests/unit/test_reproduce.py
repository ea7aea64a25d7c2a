# SPDX-License-Identifier: GPL-2.0-only
"""The second build: another world around it, and nothing that differs goes unseen."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from release_kit import project

from pipeline import process
from pipeline.errors import BuildFailed, UserError
from pipeline.paths import Paths
from pipeline.reproduce import again, check, compare, second, variation
from pipeline.reproduce.variation import Place
from pipeline.tasks import Project

# A build in small: it writes down what can be seen of the world around it.
JOB = """
id -u > user
hostname > name
umask > mask
nproc > cpus
ls -U many > order
ls /sys/class/net > network 2>&1 || true
cut -d: -f1 /proc/net/dev | tail -n +3 | tr -d ' ' | grep -v '^lo$' > network || true
pwd > folder
echo "$TZ $LC_ALL $HOME $TMPDIR $USER $CCACHE_DISABLE $COLINUX_OFFLINE" > environment
date +%Y > year
"""
SEEN_IN = {
    "user": "user", "host name": "name", "umask": "mask", "CPUs": "cpus", "file order": "order",
    "network": "network", "folder": "folder", "clock": "year",
}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path / second.BELOW)
    for folder in (made.files / "many", made.view, made.home, made.tmp):
        folder.mkdir(parents=True)
    for name in "cab":
        (made.files / "many" / name).touch()
    (made.files / "job.sh").write_text(JOB)
    yield made
    shutil.rmtree(tmp_path / "second")


def run(place: Place, varied: variation.Variation, command: list[str]) -> None:
    """As `second.build` runs its program: the wrapper is what that one puts before the commands that it starts."""
    wrapper = varied.env.get("COLINUX_WRAPPER", "").split()
    process.run([*varied.prefix, *wrapper, *command], cwd=place.files, env=varied.env)


def test_everything_is_said_to_vary_or_not_to(place: Place) -> None:
    varied = variation.plan(place)
    assert not varied.told.keys() & varied.same.keys()
    assert {*SEEN_IN, "locale", "time zone", "home, TMPDIR", "ccache"} == varied.told.keys() | varied.same.keys()
    assert all(varied.told.values()) and all(varied.same.values())


def test_what_is_said_to_vary_does(place: Place, tmp_path: Path) -> None:
    varied = variation.plan(place)
    here = tmp_path / "first"
    shutil.copytree(place.files, here)
    process.run(["sh", "job.sh"], cwd=here)
    run(place, varied, ["sh", "job.sh"])
    seen = {what: ((here / file).read_text(), (place.files / file).read_text()) for what, file in SEEN_IN.items()}
    for what in varied.told.keys() & SEEN_IN.keys() - {"network", "file order"}:
        assert seen[what][0] != seen[what][1], what
    if "network" in varied.told:
        assert seen["network"][1] == ""
    if "file order" in varied.told:
        assert seen["file order"][1].split() == ["c", "b", "a"]
    environment = (place.files / "environment").read_text().split()
    assert environment == [varied.env["TZ"], varied.env["LC_ALL"], str(place.home), str(place.tmp), "somebody", "1", "1"]
    # What the job has written is where we can read and remove it, whoever it was.
    found = compare.compare(here, place.files, ["folder", "job.sh", "many"])
    assert [one.path for one in found.differences] == ["folder"] and found.files == 5


def test_a_debian_system_is_installed_by_us_and_by_the_true_clock(place: Place) -> None:
    varied = variation.plan(place, as_root=True)
    assert {"user", "clock"} <= varied.same.keys() and "COLINUX_WRAPPER" not in varied.env
    run(place, varied, ["sh", "job.sh"])
    assert (place.files / "user").read_text() == f"{os.geteuid()}\n"
    assert {"folder", "umask", "locale", "time zone"} <= varied.told.keys()


def test_nothing_of_the_surroundings_is_left(place: Place) -> None:
    before = Path("/proc/mounts").read_text(), os.uname().nodename, sorted(p.name for p in Path("/sys/class/net").glob("*"))
    run(place, variation.plan(place), ["true"])
    assert before == (Path("/proc/mounts").read_text(), os.uname().nodename,
                      sorted(p.name for p in Path("/sys/class/net").glob("*")))
    assert list(place.view.iterdir()) == []


def test_a_thing_that_this_machine_forbids_is_said_with_its_reason(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variation, "_fails", lambda words: f"{words[0]}: Operation not permitted")
    monkeypatch.setattr(variation, "FAKETIME", place.top / "no-such-library")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    varied = variation.plan(place)
    assert varied.same.keys() == {"user", "host name", "CPUs", "file order", "network", "clock"}
    assert "not permitted" in varied.same["network"] and "not there" in varied.same["clock"]
    run(place, varied, ["sh", "job.sh"])  # and the build runs all the same
    assert (place.files / "environment").exists()


def test_programs_have_the_other_clock_and_we_have_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLINUX_WRAPPER", "env SEEN=yes")
    log = tmp_path / "log"
    assert process.run(["sh", "-c", "echo $SEEN"], log=log).stdout == "yes\n"
    assert "env SEEN=yes sh -c" in log.read_text().splitlines()[0]
    with process.spawn(["sh", "-c", "echo $SEEN"], stdout=log) as running:
        running.wait()
    assert log.read_text().splitlines()[-1] == "yes"


# --- comparison ---------------------------------------------------------------------------


def two(tmp_path: Path) -> tuple[Path, Path]:
    roots = tmp_path / "one", tmp_path / "other"
    for root in roots:
        (root / "made/folder").mkdir(parents=True)
        (root / "made/a").write_bytes(bytes(compare.CHUNK) + b"same")
        (root / "made/folder/b").write_text("b")
        (root / "made/link").symlink_to("a")
    return roots


def test_what_is_the_same_is_the_same_under_another_umask(tmp_path: Path) -> None:
    one, other = two(tmp_path)
    (other / "made/a").chmod(0o600)
    (other / "made/folder").chmod(0o700)
    seen = compare.compare(one, other, ["made"])
    assert (seen.files, seen.size, seen.differences) == (3, compare.CHUNK + 4 + 1 + 1, [])


@pytest.mark.parametrize(("change", "path", "what"), [
    (lambda made: (made / "a").write_bytes(bytes(compare.CHUNK) + b"samE"), "made/a", f"differs from byte {compare.CHUNK + 3} on ({compare.CHUNK + 4} bytes)"),
    (lambda made: (made / "folder/b").write_text("bb"), "made/folder/b", "differs from byte 1 on (1 bytes, then 2)"),
    (lambda made: (made / "folder/b").write_text(""), "made/folder/b", "differs from byte 0 on (1 bytes, then 0)"),
    (lambda made: (made / "folder/b").unlink(), "made/folder/b", "is in the first only"),
    (lambda made: (made / "folder/c").touch(), "made/folder/c", "is in the second only"),
    (lambda made: (made / "a").chmod(0o755), "made/a", "is a program in one of them only"),
    (lambda made: (made / "link").unlink() or (made / "link").symlink_to("folder"), "made/link", "leads to a, then to folder"),
    (lambda made: (made / "link").unlink() or (made / "link").write_text("a"), "made/link", "is a link, then a file"),
])  # fmt: skip
def test_every_kind_of_difference_is_found(tmp_path: Path, change: object, path: str, what: str) -> None:
    one, other = two(tmp_path)
    assert callable(change)
    change(other / "made")
    assert [str(found) for found in compare.compare(one, other, ["made"]).differences] == [f"{path}: {what}"]


def test_an_output_that_neither_build_has_is_a_difference(tmp_path: Path) -> None:
    one, other = two(tmp_path)
    assert [str(found) for found in compare.compare(one, other, ["gone"]).differences] == ["gone: is in neither"]


def test_a_difference_fails_and_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not shutil.which("diffoscope"):
        pytest.skip("diffoscope is not installed (./doit test installs it)")
    one, other = two(tmp_path)
    (one / "made/folder/b").write_text("made in 2026\n")
    (other / "made/folder/b").write_text("made in 2028\n")
    with pytest.raises(BuildFailed) as caught:
        check._judge(Paths(one), other, {"task:of": ["made/a", "made/folder"], "task:good": ["made/link"]}, [])
    text = str(caught.value)
    assert "made/folder/b: differs from byte 11 on" in text
    assert "-made in 2026" in text and "+made in 2028" in text
    report = next((one / "build/repro/diffoscope").iterdir())
    assert str(report) in text and "+made in 2028" in report.read_text()
    told = capsys.readouterr().out
    assert "DIFFERS task:of" in told and "same    task:good" in told
    evidence = json.loads((one / "build/repro/result.json").read_text())
    assert evidence["reproducible"] is False and evidence["compared"]["task:good"]["differences"] == []


# --- archives -------------------------------------------------------------------------------


def test_archives_are_packed_alike_wherever_the_build_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = (project(tmp_path / name, monkeypatch) for name in ("here", "a/longer/place"))
    names = again.pack(["small", "disk"], here.decl, here.paths)
    assert again.pack(["small", "disk"], there.decl, there.paths) == names
    assert names == ["colinux-0.8.0-small.tar.zst", "colinux-0.8.0-disk.tar.zst", "colinux-0.8.0-debug.tar.zst"]
    folder = again.archives(here.paths).relative_to(here.root).as_posix()
    seen = compare.compare(here.root, there.root, [folder])
    assert (seen.files, seen.differences) == (3, [])
    there.built("kernel").write_bytes(b"built otherwise")
    again.pack(["small", "disk"], there.decl, there.paths)
    assert [one.path for one in compare.compare(here.root, there.root, [folder]).differences] == [
        f"{folder}/{name}" for name in sorted(names[:2])]


# --- the second checkout --------------------------------------------------------------------


def test_a_second_checkout_has_our_files_and_none_of_our_products(tmp_path: Path) -> None:
    root = tmp_path / "first"
    for name in ("pipeline/build/x.py", "build/kernel", "dist/x", ".git/HEAD", ".venv/bin/python", "pipeline/__pycache__/x",
                 ".ruff_cache/x", "new-file", ".ci/run"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    second.copy_checkout(root, tmp_path / "second")
    found = {path.relative_to(tmp_path / "second").as_posix() for path in (tmp_path / "second").rglob("*") if path.is_file()}
    assert found == {"pipeline/build/x.py", "new-file", ".ci/run"}


def test_words_of_the_command_line() -> None:
    project = Project.here()
    machine = project.declaration.project.default
    assert check.tasks_of(project, [machine]) == list(project.machine_needs(project.declaration.machines[machine]))
    assert check.tasks_of(project, ["daemon:linux-i386", "daemon:linux-i386"]) == ["daemon:linux-i386"]
    for wrong in ("linux-6.0", "fetch:linux-6.1", "daemon:plan9", "boot:linux-6.1"):
        with pytest.raises(UserError, match=wrong):
            check.tasks_of(project, [wrong])


def test_what_was_not_built_is_said_before_anything_is_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(project: Project) -> Place:
        raise AssertionError("the second build has begun")

    monkeypatch.setattr(second, "prepare", prepare)
    with pytest.raises(UserError, match="not built: build/[^ ]*") as caught:
        check.check(Project(Project.here().declaration, Paths(tmp_path)), ["driver:windows-x64"])
    assert caught.value.hint.startswith("./doit ")


def test_what_a_machine_is_made_of_comes_in_order_and_is_all_compared() -> None:
    project = Project.here()
    for machine in project.declaration.machines.values():
        order = project.closure(project.machine_needs(machine))
        works = project.works()
        for name in order:
            assert all(order.index(need) < order.index(name) for need in works[name].needs if need in works)
        assert {"kernel", "driver", "daemon", "agent", "host"} <= {
            name.partition(":")[0] for name in order if name.partition(":")[0] not in check.NOT_COMPARED}


@pytest.mark.parametrize(("code", "family"), [(1, "BuildFailed"), (2, "UserError"), (3, "InfrastructureError"), (-9, "BuildFailed")])
def test_a_second_build_that_fails_is_no_success(place: Place, monkeypatch: pytest.MonkeyPatch, code: int, family: str) -> None:
    monkeypatch.setattr(process, "interact", lambda *args, **kwargs: code)
    with pytest.raises(Exception, match="second build failed") as caught:
        second.build(place, variation.Variation(), ["daemon:linux-x86_64"])
    assert type(caught.value).__name__ == family and str(place.top) in str(caught.value)
