# SPDX-License-Identifier: GPL-2.0-only
"""Kernels of old series: make that asks, that builds only in its tree, and a language before Kconfig."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from fake_kernel import HOOK, Checkout

from pipeline import compiler, configin, kconfig, kernel, kernelmake, patching, process
from pipeline.errors import UserError
from pipeline.kconfig import Request
from toolchain import packages

CONFIG_IN = """\
bool 'Networking' CONFIG_NET
if [ "$CONFIG_NET" = "y" -a "$CONFIG_OLD" != "y" ]; then
   dep_tristate 'TCP/IP' CONFIG_INET $CONFIG_CRYPTO
else
   bool 'Another net' CONFIG_OTHER
fi
choice 'Processor' \\
\t"386 CONFIG_M386 \\
\t586 CONFIG_M586" 386
define_bool CONFIG_FIXED n
string "A name that isn't closed CONFIG_BROKEN
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    monkeypatch.setattr(packages.Need, "present", lambda self: True)
    monkeypatch.setattr(compiler, "version", lambda one, paths: "cc 1.0")
    monkeypatch.setattr(packages, "find_tool", lambda name: f"/usr/bin/{name}" if name != "ccache" else None)
    return Checkout(tmp_path)


def prepare(checkout: Checkout) -> None:
    patching.prepare(checkout.kernel, checkout.decl, checkout.unpack, checkout.lock, checkout.paths)


def build(checkout: Checkout) -> Path:
    kernel.build(checkout.kernel, checkout.decl, checkout.paths)
    return checkout.paths.kernel("fake-1")


def log(out: Path, name: str) -> str:
    return (out / name).read_text()


def old(checkout: Checkout, series: str, arch: str) -> None:
    """Make the checkout's kernel one of an old series, with a compiler that is installed."""
    checkout.kernel = dataclasses.replace(
        checkout.kernel, series=series, arch=arch, base="allnoconfig", compiler=f"gcc-12-{arch}-gnu89")


@pytest.fixture
def strip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The prefixed binutils of a compiler that need not be here."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/i686-linux-gnu-strip").symlink_to("/usr/bin/strip")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")


def test_a_make_that_asks_gets_its_defaults(checkout: Checkout) -> None:
    old(checkout, "2.6.33", "x86_64")
    prepare(checkout)
    out = build(checkout)
    assert set((out / "config").read_text().splitlines()) == {"CONFIG_NET=y", "CONFIG_HELPER=y", "CONFIG_ALWAYS=y"}
    assert "allnoconfig" in log(out, "config.log") and "oldconfig" in log(out, "config.log")
    first = log(out, "build.log").splitlines()[0]
    assert f"O={out / 'obj'}" in first and "'CC=gcc-12 -std=gnu89" in first
    # ccache gives the compiler names relative to make's folder: the same must come out.
    assert f"-fmacro-prefix-map={checkout.tree}/= -fmacro-prefix-map=../../../src/fake-1/=" in first
    assert "'HOSTCC=gcc -std=gnu89 -w " in first


@pytest.mark.usefixtures("strip")
def test_a_series_that_builds_in_its_tree_builds_in_a_copy(checkout: Checkout) -> None:
    old(checkout, "2.4.37", "i386")
    prepare(checkout)
    before = sorted(checkout.tree.rglob("*"))
    out = build(checkout)
    assert sorted(checkout.tree.rglob("*")) == before
    assert (out / "vmlinux").read_bytes()[:4] == b"\x7fELF" and (out / "System.map").read_text() == "map\n"
    assert set((out / "config").read_text().splitlines()) == {"CONFIG_NET=y", "CONFIG_HELPER=y"}
    assert not (out / "obj/.colinux").exists() and (out / "obj/.depend").read_text() == "dep\n"
    first, *rest = [line for line in log(out, "build.log").splitlines() if " ARCH=" in line]
    assert f"make -C {out / 'obj'} ARCH=i386" in first and first.endswith(" dep") and rest[0].endswith(" vmlinux")
    assert "CROSS_COMPILE=i686-linux-gnu-" in first and "macro-prefix-map" not in first
    assert kernelmake.RELATIVE in kernel.job(checkout.kernel, checkout.decl, checkout.paths).files
    assert f"'CC=sh {kernelmake.RELATIVE} {out / 'obj'} i686-linux-gnu-gcc-12 -std=gnu89" in first


def test_a_compiler_is_told_relative_names(tmp_path: Path) -> None:
    (tmp_path / "a top/net/ipv4").mkdir(parents=True)
    top = tmp_path / "a top"

    def told(where: Path, *words: str) -> list[str]:
        argv = ["sh", kernelmake.RELATIVE, top, "printf", "%s\n", *words]
        return process.run(argv, cwd=where).stdout.splitlines()

    words = [f"-I{top}/include", "-DA=\"x  y\"", "-I/usr/include", f"{top}/file.c", ""]
    assert told(top / "net/ipv4", *words) == ["-I../../include", *words[1:]]
    assert told(top, *words)[0] == "-Iinclude"
    assert told(tmp_path, *words) == words


@pytest.mark.usefixtures("strip")
def test_the_copy_follows_the_tree_and_nothing_else_moves(checkout: Checkout) -> None:
    old(checkout, "2.4.37", "i386")
    prepare(checkout)
    obj = build(checkout) / "obj"
    (obj / "main.o").write_text("an object")
    os.utime(obj / "other.c")  # 2.4's make touches headers
    times = {name: (obj / name).stat().st_mtime_ns for name in ("main.c", "other.c")}
    checkout.write("patches/ours/arch/x86/ours/ours.c", "changed\n")
    checkout.write("patches/ours/arch/x86/ours/new.c", "new\n")
    (checkout.paths.root / "patches/ours/arch/x86/ours/Makefile").unlink()
    prepare(checkout)
    build(checkout)
    assert (obj / "arch/x86/ours/ours.c").read_text() == "changed\n" and (obj / "arch/x86/ours/new.c").is_file()
    assert not (obj / "arch/x86/ours/Makefile").exists() and (obj / "main.o").exists()
    assert times == {name: (obj / name).stat().st_mtime_ns for name in times}
    checkout.write("patches/fake/0001-hook.patch", HOOK.replace("second_hook", "third_hook"))
    prepare(checkout)
    build(checkout)
    assert not (obj / "main.o").exists() and "third_hook" in (obj / "main.c").read_text()


@pytest.mark.usefixtures("strip")
def test_a_lost_option_is_explained_in_the_old_language_too(checkout: Checkout) -> None:
    old(checkout, "2.4.37", "i386")
    checkout.write("patches/ours/net/Config.in", CONFIG_IN)
    checkout.write("patches/fake/config/base.config", "CONFIG_NET=y\nCONFIG_INET=y\nCONFIG_NETT=y\n")
    prepare(checkout)
    for _ in range(2):  # also when the configuration that lacks them is there already
        with pytest.raises(UserError) as caught:
            build(checkout)
        text = str(caught.value)
        fragment = "patches/fake/config/base.config"
        assert f"{fragment}:2: CONFIG_INET=y was asked for, the kernel has n: it depends on CRYPTO; off here" in text
        assert f"{fragment}:3: CONFIG_NETT=y was asked for, the kernel has n: no such option; did you mean" in text


def why(tree: Path, symbol: str, config: dict[str, str]) -> str:
    wanted = {symbol: Request(symbol, "y", "f.config:7")}
    return kconfig.lost(wanted, config, lambda: configin.read_tree(tree, "i386"))[0].why


def test_reasons_in_the_old_language(tmp_path: Path) -> None:
    (tmp_path / "arch/i386").mkdir(parents=True)
    (tmp_path / "arch/i386/config.in").write_text(CONFIG_IN)
    (tmp_path / "arch/mips").mkdir()
    (tmp_path / "arch/mips/config.in").write_text("bool 'MIPS' CONFIG_MIPS_ONLY\n")
    assert why(tmp_path, "INET", {}) == "it depends on NET && !OLD && CRYPTO; off here: CRYPTO, NET"
    assert why(tmp_path, "INET", {"NET": "y", "OLD": "y", "CRYPTO": "y"}).endswith("off here: !OLD")
    assert why(tmp_path, "OTHER", {}) != "no such option"
    assert why(tmp_path, "M586", {}) == "another option of the same choice was taken"
    assert why(tmp_path, "FIXED", {}) == "it has no prompt: only other options select it"
    assert why(tmp_path, "MIPS_ONLY", {}).startswith("no such option")


def test_old_makes_steps_are_counted_as_well(tmp_path: Path) -> None:
    counter = kernelmake._Counter(tmp_path / "log")
    (tmp_path / "log").write_text(
        "make[1]: Entering\ngcc -D__KERNEL__ -O2 -c -o init/main.o init/main.c\n"
        "gcc -D__ASSEMBLY__ -c -o head.o head.S\nld -r -o x.o a.o\n")
    assert counter.look() == 2
