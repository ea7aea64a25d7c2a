# SPDX-License-Identifier: GPL-2.0-only
"""Compilers as data, and the building of one, with a source that is three shell scripts."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from fake_kernel import Checkout

from pipeline import compiler, stamp
from pipeline.declaration import load
from pipeline.errors import BuildFailed, InfrastructureError, UserError
from pipeline.lock import Blob, Lock
from pipeline.paths import Paths
from toolchain import packages
from toolchain.compilers import Compiler, Recipe, compilers
from toolchain.kernels import series

ROOT = Path(__file__).resolve().parents[2]

CONFIGURE = """\
#!/bin/sh
case $0 in /*) echo "error: called by its absolute name"; exit 1;; esac
printf 'all-things:\\n\\tcp /bin/true cc; echo "$(CC)" > words\\nfinish:\\n\\tcp /bin/true driver\\n' > Makefile
echo "$@" > arguments
"""

RECIPE = Recipe(
    source="fake-cc",
    environment={"CC": "gcc -w"},
    configure=("--target=fake",),
    make=(("all-things",), ("finish",)),
    install=(("bin/gcc", "driver"), ("libexec/cc1", "cc"), ("lib/include", "source/headers")),
)
FAKE = Compiler("fake-1-i386", "bin/gcc", (), "i686-fake-", ("binutils-fake",), ("i386",), RECIPE)
LOCK = Lock({"source:fake-cc": (Blob("fake-cc", "tarball", url="u", size=1, sha256="1" * 64),)})


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setattr(packages, "find_tool", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(packages.Need, "present", lambda self: True)
    return Paths(tmp_path)


def unpack(folder: Path) -> None:
    (folder / "headers").mkdir(parents=True)
    (folder / "headers/stdarg.h").write_text("/* ours */\n")
    (folder / "configure").write_text(CONFIGURE)
    (folder / "configure").chmod(0o755)


def test_what_is_built_is_what_the_recipe_lists(paths: Paths) -> None:
    compiler.build(FAKE, unpack, paths)
    root = paths.root / "build/compiler/fake-1-i386/root"
    assert sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()) == [
        "bin/gcc", "lib/include/stdarg.h", "libexec/cc1"]
    assert (root / "bin/gcc").stat().st_mode & 0o111
    assert not (root.parent / "work").exists()
    log = (root.parent / "build.log").read_text()
    assert "../source/configure --target=fake" in log.splitlines()[0] and "gcc -w" in log


def test_a_compiler_that_cannot_be_built_leaves_the_old_one(paths: Paths) -> None:
    compiler.build(FAKE, unpack, paths)
    before = (paths.compiler(FAKE.name) / "root/bin/gcc").stat().st_ino
    for words, error in (((("nothing",),), BuildFailed), ((("all-things",),), InfrastructureError)):
        broken = dataclasses.replace(FAKE, build=dataclasses.replace(RECIPE, make=words))
        with pytest.raises(error, match=r"nothing|no .*driver"):
            compiler.build(broken, unpack, paths)
    assert (paths.compiler(FAKE.name) / "root/bin/gcc").stat().st_ino == before


def test_its_job_notices_source_recipe_and_result(paths: Paths) -> None:
    def made(one: Compiler, lock: Lock) -> str | None:
        return stamp.why_stale(compiler.job(one, lock, paths), paths)

    assert made(FAKE, LOCK)
    compiler.build(FAKE, unpack, paths)
    stamp.finish(compiler.job(FAKE, LOCK, paths), paths)
    assert made(FAKE, LOCK) is None
    other = Lock({"source:fake-cc": (dataclasses.replace(LOCK.group("source:fake-cc")[0], sha256="2" * 64),)})
    assert made(FAKE, other) == "input source changed"
    more = dataclasses.replace(FAKE, build=dataclasses.replace(RECIPE, configure=("--target=other",)))
    assert made(more, LOCK) == "input configure changed"
    (paths.compiler(FAKE.name) / "root/bin/gcc").write_text("tampered")
    assert "altered" in str(made(FAKE, LOCK))


def test_what_it_lacks_is_said_before_anything_runs(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"fake-1-i386 is not built(.|\n)*doit compiler:fake-1-i386"):
        compiler.require(FAKE, paths)
    monkeypatch.setattr(packages, "find_tool", lambda name: None)
    with pytest.raises(UserError, match=r"i686-fake-as \(package binutils-fake\)"):
        compiler.build(FAKE, unpack, paths)
    assert not paths.compiler(FAKE.name).exists()


def test_another_compiler_makes_other_objects(paths: Paths) -> None:
    compiler.build(FAKE, unpack, paths)
    before = compiler.identity(FAKE, paths)
    assert compiler.identity(FAKE, paths) == before
    (paths.compiler(FAKE.name) / "root/libexec/cc1").write_text("another")
    assert compiler.identity(FAKE, paths) != before


def test_every_compiler_of_the_data_can_be_had() -> None:
    """Its programs have packages that set-up installs, and the source of one that is built here is declared."""
    known = {need.probe: need.package for need in packages.needs(("kernel",))}
    sources = load(ROOT / "colinux.toml").sources
    for one in compilers().values():
        assert set(one.packages) == {known[tool] for tool in one.programs}, one.name
        assert one.build is None or one.build.source in sources
        assert set(one.targets) <= {arch for each in series().values() for arch in each.arch}


def test_an_unknown_compiler_or_series_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    from pipeline import kernelmake

    made = Checkout(tmp_path).kernel
    with pytest.raises(UserError, match="gcc-3.4.6-i386"):
        compiler.of_kernel(dataclasses.replace(made, compiler="tcc"))
    with pytest.raises(UserError, match="2.4.37"):
        kernelmake.of_kernel(dataclasses.replace(made, series="2.2"))
