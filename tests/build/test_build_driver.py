# SPDX-License-Identifier: GPL-2.0-only
"""The driver: its core knows no host, its switch knows no address, and the module is the same wherever it is built."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline import driver
from pipeline.errors import BuildFailed
from pipeline.paths import Paths
from pipeline.tasks import Project

ROOT = Path(__file__).resolve().parents[2]
MONITOR = ROOT / "runtime/monitor"

# Each compiler that the monitor has to please, and what its kernel mode asks for. A host's
# registers are not the driver's to use, hence no SSE; and interrupts know of no red zone.
COMPILERS = {
    "linux": ("gcc", "-mno-red-zone", "-mno-sse", "-mno-mmx"),
    "nt": ("x86_64-w64-mingw32-gcc", "-mno-sse", "-mno-mmx"),
    "linux32": ("i686-linux-gnu-gcc-12", "-mno-sse", "-mno-mmx", "-fno-pic"),
}
# Assembly of one width only; what is not named here is for both.
OF_32_BITS = {"passage32.S", "reissue32.S"}
OF_64_BITS = {"passage.S", "passage6432.S", "reissue.S"}


def sources_for(host: str) -> list[Path]:
    """The monitor's files that a host's driver is made of."""
    others = OF_64_BITS if host == "linux32" else OF_32_BITS
    return [path for path in sorted(MONITOR.glob("*.[cS]")) if path.name not in others]

FLAGS = ("-std=gnu11", "-ffreestanding", "-O2", "-Wall", "-Wextra", "-Werror", "-fno-stack-protector")

pytestmark = pytest.mark.build


def compile_to(output: Path, source: Path, host: str, *more: str) -> Path:
    compiler, *flags = COMPILERS[host]
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed (./doit setup installs it)")
    done = subprocess.run([compiler, *FLAGS, *flags, *more, "-c", source, "-o", output],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return output


@pytest.mark.parametrize(("host", "source"), [(host, path.name) for host in COMPILERS for path in sources_for(host)])
def test_the_monitor_compiles_for_every_host(source: str, host: str, tmp_path: Path) -> None:
    compile_to(tmp_path / "out.o", MONITOR / source, host)


def test_the_monitor_includes_no_host_s_headers() -> None:
    sources = [*MONITOR.glob("*.[chS]")]
    assert len(sources) > 10
    foreign = {f"{path.name}: {line}" for path in sources for line in path.read_text().splitlines()
               if line.lstrip().startswith("#include") and "<" in line}
    assert not foreign


def test_the_monitor_says_no_long() -> None:
    """`long` has 32 bits on Windows and 64 on Linux; only `long long` is the same."""
    found = [f"{path.name}:{number}" for path in MONITOR.glob("*.[ch]")
             for number, line in enumerate(re.sub(r"/\*.*?\*/", lambda m: "\n" * m[0].count("\n"),
                                                  path.read_text(), flags=re.S).splitlines(), 1)
             if re.search(r"\blong\b", line.split("//")[0].replace("long long", ""))]
    assert not found


def test_what_the_monitor_needs_of_a_host_is_its_contract(tmp_path: Path) -> None:
    """Every undefined symbol of all its objects together is declared in os.h, or memcpy's family."""
    objects = [compile_to(tmp_path / f"{path.name}.o", path, "linux") for path in sources_for("linux")]
    whole = tmp_path / "monitor.o"
    subprocess.run(["ld", "-r", *objects, "-o", whole], check=True)
    symbols = subprocess.run(["nm", "-u", whole], capture_output=True, text=True, check=True).stdout.split()
    wanted = {symbol for symbol in symbols if symbol != "U"} - {"memcpy", "memset", "_GLOBAL_OFFSET_TABLE_"}
    contract = set(re.findall(r"\b(co_os_\w+)\(", (MONITOR / "os.h").read_text()))
    assert wanted
    assert wanted <= contract
    # and nothing is asked of a glue that nobody uses
    assert contract <= wanted


@pytest.mark.parametrize("host", ["linux", "nt"])
def test_the_passage_knows_no_address(host: str, tmp_path: Path) -> None:
    """It runs at two addresses: one relocation in it, and one of the two worlds dies."""
    out = compile_to(tmp_path / "passage.o", MONITOR / "passage.S", host)
    relocations = subprocess.run(["objdump", "-r", out], capture_output=True, text=True, check=True).stdout
    assert ".text" not in relocations.split("file format")[1]
    sections = subprocess.run(["objdump", "-h", out], capture_output=True, text=True, check=True).stdout
    [text] = re.findall(r"\.text\s+(\w+)", sections)
    assert int(text, 16) == 4096


def test_the_state_page_is_checked_by_every_compiler(tmp_path: Path) -> None:
    """A field that moves must not compile: the checks that passage.S relies on can fail."""
    spoilt = tmp_path / "runtime"
    for part in ("abi", "monitor"):
        shutil.copytree(ROOT / "runtime" / part, spoilt / part)
    header = spoilt / "monitor/co_state.h"
    header.write_text(header.read_text().replace("u64 rsp, cr0, cr2, cr3, cr4;", "u64 cr0, rsp, cr2, cr3, cr4;"))
    compiler, *flags = COMPILERS["linux"]
    done = subprocess.run([compiler, *FLAGS, *flags, "-c", spoilt / "monitor/world.c", "-o", tmp_path / "out.o"],
                          capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "co_world_rsp" in done.stderr


# --- the module ---------------------------------------------------------------------------


def copy(folder: Path) -> Paths:
    """The driver's sources in another place, with the prepared host of this checkout."""
    project = Project.here()
    host = project.paths.host("linux-amd64")
    if not (host / "headers").is_dir():
        pytest.skip("the test host's headers are not unpacked (./doit host:linux-amd64)")
    for part in driver.PARTS:
        shutil.copytree(ROOT / "runtime" / part, folder / "runtime" / part)
    paths = Paths(folder)
    paths.host("linux-amd64").parent.mkdir(parents=True)
    paths.host("linux-amd64").symlink_to(host)
    return paths


def test_two_places_one_module(tmp_path: Path) -> None:
    host = Project.here().declaration.hosts["linux-amd64"]
    built = []
    for name in ("here", "a/much/longer/path/to/there"):
        paths = copy(tmp_path / name)
        driver.build_linux(host, "1.2.3", paths)
        built.append(driver.module(host, paths).read_bytes())
        assert str(tmp_path).encode() not in built[-1]
        assert b"\0version=1.2.3\0" in built[-1]
    assert built[0] == built[1]


def test_a_symbol_that_the_host_does_not_export_stops_the_build(tmp_path: Path) -> None:
    host = Project.here().declaration.hosts["linux-amd64"]
    paths = copy(tmp_path)
    source = paths.root / "runtime/linux/os.c"
    source.write_text(source.read_text().replace("si_mem_available()", "si_mem_nonesuch()").replace(
        "/* ---- memory ---- */", "long si_mem_nonesuch(void);"))
    with pytest.raises(BuildFailed):
        driver.build_linux(host, "1.2.3", paths)
