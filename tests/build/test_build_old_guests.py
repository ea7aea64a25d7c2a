# SPDX-License-Identifier: GPL-2.0-only
"""Linux 2.6.33 and 2.4.37.11 as they are really built: patches, options, and the same bytes twice."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from pipeline import kconfig, kernel, kernelconfig, patching, sources
from pipeline.paths import Paths
from pipeline.tasks import Project
from toolchain import packages

pytestmark = pytest.mark.build

# name -> what it says of itself, bits, machine (elf(5))
KERNELS = {
    "2.4.37-i386": ("Linux version 2.4.37.11", 1, 3),
    "2.6.33-i386": ("Linux version 2.6.33-colinux", 1, 3),
    "2.6.33-i386-pae": ("Linux version 2.6.33-colinux", 1, 3),
    "2.6.33-x86_64": ("Linux version 2.6.33-colinux", 2, 62),
}


@pytest.fixture(scope="module")
def project() -> Project:
    return Project.here()


def built(project: Project, name: str) -> Path:
    """The folder of a kernel, made if it is not up to date; skips where its source cannot be reached."""
    reason = project.unreachable(project.declaration.kernels[name])
    if reason:
        pytest.skip(reason)
    project.bring(f"kernel:{name}")
    return project.paths.kernel(name)


@pytest.mark.parametrize("name", KERNELS)
def test_the_series_is_checked_within_seconds(project: Project, name: str) -> None:
    built(project, name)
    began = time.monotonic()
    patching.check(project.declaration.kernels[name], project.declaration, project.lock, project.paths)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("name", KERNELS)
def test_the_kernel_is_what_was_asked_for(project: Project, name: str) -> None:
    out = built(project, name)
    banner, bits, machine = KERNELS[name]
    image = (out / "vmlinux").read_bytes()
    assert (image[4], image[18]) == (bits, machine)
    assert banner.encode() in image
    config = kconfig.read_config((out / "config").read_text())
    for request in kernelconfig.requests(project.declaration.kernels[name], project.paths).values():
        assert config.get(request.symbol, "n") == request.value, request.where
    wanted = project.declaration.kernels[name].compiler
    assert (out / "compiler").read_text().startswith(f"{wanted}: ")


@pytest.mark.parametrize("name", KERNELS)
def test_no_trace_of_this_machine(project: Project, name: str) -> None:
    out = built(project, name)
    image = (out / "vmlinux").read_bytes()
    assert str(project.paths.root).encode() not in image
    assert b"(colinux@colinux)" in image
    # 2.6 writes the date into it, and it into the kernel (IKCONFIG).
    assert not re.search(r"^# .*\d\d:\d\d:\d\d 20\d\d", (out / "config").read_text(), re.M)


def test_2_4_built_elsewhere_is_the_same(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another folder, without the objects of the first build.

    It takes a minute for 2.4. The others are compared in the same way by hand: `./doit kernel:NAME` in
    two checkouts, with ccache off (`ccache -o disable=true`), then cmp of build/kernel/NAME/vmlinux.
    """
    name = "2.4.37-i386"
    first = built(project, name)
    elsewhere = Paths(tmp_path / "a-checkout-with-a-longer-name")
    elsewhere.build.mkdir(parents=True)
    for shared in ("patches", "runtime", "build/compiler"):
        (elsewhere.root / shared).symlink_to(project.paths.root / shared)
    find_tool = packages.find_tool
    monkeypatch.setattr(packages, "find_tool", lambda tool: None if tool == "ccache" else find_tool(tool))
    one = project.declaration.kernels[name]

    def unpack(folder: Path) -> None:
        source, fetched = sources.fetch_first(
            [project.declaration.sources[each] for each in one.sources], project.context)
        sources.unpack(source, fetched, folder, project.context)

    patching.prepare(one, project.declaration, unpack, project.lock, elsewhere)
    kernel.build(one, project.declaration, elsewhere)
    for file in ("vmlinux", "System.map", "config"):
        assert (elsewhere.kernel(name) / file).read_bytes() == (first / file).read_bytes(), file
