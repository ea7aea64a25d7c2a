# SPDX-License-Identifier: GPL-2.0-only
"""The kernel build, on a kernel whose makefile is twenty lines."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from fake_kernel import HOOK, Checkout

from pipeline import compiler, kernel, kernelmake, patching, stamp
from pipeline.errors import BuildFailed, InfrastructureError, UserError
from toolchain import packages


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    # The fake kernel needs no compiler: this test runs where there is none.
    monkeypatch.setattr(packages.Need, "present", lambda self: True)
    monkeypatch.setattr(compiler, "version", lambda one, paths: "cc 1.0")
    monkeypatch.setattr(packages, "find_tool", lambda name: f"/usr/bin/{name}" if name != "ccache" else None)
    made = Checkout(tmp_path)
    prepare(made)
    return made


def prepare(checkout: Checkout) -> None:
    patching.prepare(checkout.kernel, checkout.decl, checkout.unpack, checkout.lock, checkout.paths)


def build(checkout: Checkout) -> Path:
    kernel.build(checkout.kernel, checkout.decl, checkout.paths)
    return checkout.paths.kernel("fake-1")


def test_the_artifacts(checkout: Checkout) -> None:
    out = build(checkout)
    assert (out / "vmlinux").read_bytes()[:4] == b"\x7fELF"
    assert (out / "System.map").read_text() == "map\n"
    assert (out / "compiler").read_text() == "gcc-12-x86_64: cc 1.0\n"
    config = (out / "config").read_text().splitlines()
    assert set(config) == {"CONFIG_NET=y", "CONFIG_HELPER=y", "CONFIG_ALWAYS=y"}
    log = (out / "build.log").read_text().splitlines()
    assert "make -C" in log[0] and log[0].endswith("vmlinux")
    assert "  LD      vmlinux" in log


def test_time_and_place_stay_outside(checkout: Checkout) -> None:
    build(checkout)
    banner = checkout.paths.kernel("fake-1") / "obj/banner.c"
    assert banner.read_text() == "Fri Jan  2 00:00:00 UTC 1970 colinux\n"


def test_fragments_and_options_in_order_the_last_wins(checkout: Checkout) -> None:
    checkout.write("patches/fake/config/more.config", "# CONFIG_NET is not set\n")
    checkout.kernel = dataclasses.replace(
        checkout.kernel, fragments=("base", "more"), options={"NAME": '"x"'})
    config = (build(checkout) / "config").read_text()
    assert "CONFIG_NET=y" not in config
    assert 'CONFIG_NAME="x"' in config


def test_every_lost_option_is_named_with_its_line(checkout: Checkout) -> None:
    checkout.write("patches/fake/config/base.config", "CONFIG_NET=y\n\nCONFIG_INET=y\nCONFIG_NETT=y\n")
    checkout.kernel = dataclasses.replace(checkout.kernel, options={"LIBRARY": "y"})
    with pytest.raises(UserError) as caught:
        build(checkout)
    text = str(caught.value)
    assert "3 requested kernel options did not survive" in text
    fragment = "patches/fake/config/base.config"
    assert f"{fragment}:3: CONFIG_INET=y was asked for, the kernel has n: it depends on" in text
    assert f"{fragment}:4: CONFIG_NETT=y was asked for, the kernel has n: no such option" in text
    assert "colinux.toml: kernel.fake-1.options: CONFIG_LIBRARY=y was asked for" in text
    assert not (checkout.paths.kernel("fake-1") / "vmlinux").exists()


def test_a_failing_make_is_shown_and_keeps_the_old_kernel(checkout: Checkout) -> None:
    out = build(checkout)
    before = (out / "vmlinux").stat().st_mtime_ns
    (checkout.tree / "broken.sh").write_text("echo 'main.c:3:7: error: expected expression'; exit 2\n")
    with pytest.raises(BuildFailed) as caught:
        build(checkout)
    assert "main.c:3:7: error: expected expression" in str(caught.value)
    assert (out / "vmlinux").stat().st_mtime_ns == before


def test_objects_of_another_tree_are_not_used(checkout: Checkout) -> None:
    leftover = build(checkout) / "obj/leftover.o"
    leftover.write_text("old")
    build(checkout)
    assert leftover.exists()
    checkout.write("patches/ours/arch/x86/ours/ours.c", "changed\n")
    prepare(checkout)
    build(checkout)
    assert leftover.exists()
    checkout.write("patches/fake/0001-hook.patch", HOOK.replace("second_hook", "third_hook"))
    prepare(checkout)
    build(checkout)
    assert not leftover.exists()


def test_an_unchanged_configuration_keeps_its_time(checkout: Checkout) -> None:
    """make compiles everything anew when .config is younger than it was."""
    config = build(checkout) / "obj/.config"
    before = config.stat().st_mtime_ns
    build(checkout)
    assert config.stat().st_mtime_ns == before


def test_a_configuration_is_made_once(checkout: Checkout) -> None:
    out = build(checkout)
    (out / "config.log").unlink()
    checkout.write("patches/ours/arch/x86/ours/ours.c", "changed\n")
    prepare(checkout)
    build(checkout)
    assert not (out / "config.log").exists()
    checkout.write("patches/ours/arch/x86/ours/Kconfig", "config OURS\n\tbool\n")
    prepare(checkout)
    build(checkout)
    assert (out / "config.log").exists()


def test_an_altered_configuration_is_made_again(checkout: Checkout) -> None:
    config = build(checkout) / "obj/.config"
    config.write_text("CONFIG_NET=y\n")
    assert "CONFIG_HELPER=y" in (build(checkout) / "config").read_text()


def test_missing_tools_are_named_with_their_packages_before_anything_runs(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = ("flex", "/usr/include/libelf.h")
    monkeypatch.setattr(packages.Need, "present", lambda self: self.probe not in absent)
    monkeypatch.setattr(packages, "find_tool", lambda name: None)
    with pytest.raises(UserError) as caught:
        build(checkout)
    text = str(caught.value)
    assert "flex (package flex)" in text
    assert "/usr/include/libelf.h (package libelf-dev)" in text
    assert "gcc-12 (package gcc-12)" in text
    assert "ccache" not in text and "bison" not in text
    assert "apt-get install binutils flex gcc-12 libelf-dev" in text
    assert not (checkout.paths.kernel("fake-1") / "obj").exists()


def test_an_unknown_compiler(checkout: Checkout) -> None:
    checkout.kernel = dataclasses.replace(checkout.kernel, compiler="tcc")
    with pytest.raises(UserError, match="unknown compiler tcc"):
        build(checkout)


def test_without_a_tree(checkout: Checkout) -> None:
    checkout.kernel = dataclasses.replace(checkout.kernel, name="other")
    with pytest.raises(InfrastructureError, match="no source tree"):
        build(checkout)


def test_the_job_notices_every_input(checkout: Checkout) -> None:
    def job() -> stamp.Job:
        return kernel.job(checkout.kernel, checkout.decl, checkout.paths)

    def rebuild() -> None:
        assert stamp.why_stale(job(), checkout.paths) is not None
        build(checkout)
        stamp.finish(job(), checkout.paths)
        assert stamp.why_stale(job(), checkout.paths) is None

    rebuild()
    checkout.write("patches/fake/config/base.config", "CONFIG_NET=y\n")
    rebuild()
    checkout.write("patches/ours/arch/x86/ours/ours.c", "changed\n")
    prepare(checkout)
    rebuild()
    checkout.kernel = dataclasses.replace(checkout.kernel, options={"NAME": '"x"'})
    rebuild()
    (checkout.paths.kernel("fake-1") / "vmlinux").write_text("tampered")
    rebuild()


def test_steps_are_counted_as_they_come(tmp_path: Path) -> None:
    log = tmp_path / "log"
    counter = kernelmake._Counter(log)
    assert counter.look() == 0
    log.write_text("make: Entering\n  CC      a.o\n  LD [M]  b.ko\n  CC      hal")
    assert counter.look() == 2
    log.write_text(log.read_text() + "f.o\n  HOSTCC  scripts/x\nwords  CC no\n")
    assert counter.look() == 2
