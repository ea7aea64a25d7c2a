# SPDX-License-Identifier: GPL-2.0-only
"""colinux.sys: the same bytes from everywhere, and only what Windows' loader takes."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from pipeline import ntdriver, pe
from pipeline.errors import BuildFailed, InfrastructureError
from pipeline.paths import Paths
from toolchain import windows

ROOT = Path(__file__).resolve().parents[2]
TARGETS = list(windows.targets().values())

pytestmark = pytest.mark.build


def copy(folder: Path) -> Paths:
    """The driver's sources in another place."""
    for part in ntdriver.PARTS:
        shutil.copytree(ROOT / "runtime" / part, folder / "runtime" / part)
    return Paths(folder)


@pytest.fixture(scope="module", params=TARGETS, ids=lambda target: target.name)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[windows.Target, Paths]:
    """A driver of version 1.2.3, in a folder of its own."""
    target: windows.Target = request.param
    if not shutil.which(f"{target.prefix}gcc"):
        pytest.skip(f"{target.prefix}gcc is not installed (./doit setup installs it)")
    paths = copy(tmp_path_factory.mktemp(target.name))
    ntdriver.build(target, "1.2.3", paths)
    return target, paths


def objdump(target: windows.Target, *words: str | Path) -> str:
    return subprocess.run([f"{target.prefix}objdump", *words], check=True, capture_output=True, text=True).stdout


def test_two_places_one_driver(built: tuple[windows.Target, Paths], tmp_path: Path) -> None:
    target, here = built
    there = copy(tmp_path / "a/much/longer/path/to/there")
    ntdriver.build(target, "1.2.3", there)
    for name in ntdriver.OUTPUTS:
        one = (here.driver(target.name) / name).read_bytes()
        assert one == (there.driver(target.name) / name).read_bytes()
        assert str(here.root).encode() not in one
    assert "1.2.3".encode("utf-16-le") in ntdriver.file(target, here).read_bytes()


def test_windows_would_load_it(built: tuple[windows.Target, Paths]) -> None:
    target, paths = built
    data = ntdriver.file(target, paths).read_bytes()
    assert ntdriver.check(data, target) == []
    image = pe.read(data)
    assert set(image.imports) == {"hal.dll", "ntoskrnl.exe"}
    # binutils reads the same out of it
    said = objdump(target, "-p", ntdriver.file(target, paths))
    for names in image.imports.values():
        assert all(re.search(rf"\s{name}\n", said) for name in names)
    assert int(re.search(r"CheckSum\s+(\w+)", said)[1], 16) == image.checksum  # type: ignore[index]


def put(data: bytes, offset: int, layout: str, value: int) -> bytes:
    start = struct.unpack_from("<I", data, 0x3C)[0] + offset
    return data[:start] + struct.pack(layout, value) + data[start + struct.calcsize(layout) :]


@pytest.mark.parametrize(("offset", "layout", "value", "complaint"), [
    (4, "<H", 0x1C0, "it is for 0x1c0"),
    (8, "<I", 1, "the time of its build"),
    (24 + 40, "<H", 4, "it asks for Windows"),
    (24 + 48, "<H", 4, "it asks for Windows"),
    (24 + 64, "<I", 1, "its checksum is wrong"),
    (24 + 68, "<H", 3, "its subsystem is 3"),
])  # fmt: skip
def test_a_fault_in_the_head_is_found(built: tuple[windows.Target, Paths], offset: int, layout: str, value: int,
                                      complaint: str) -> None:
    target, paths = built
    spoilt = put(ntdriver.file(target, paths).read_bytes(), offset, layout, value)
    assert complaint in " ".join(ntdriver.check(spoilt, target))


def test_any_other_byte_has_another_checksum(built: tuple[windows.Target, Paths]) -> None:
    target, paths = built
    data = ntdriver.file(target, paths).read_bytes()
    for at in (0x400, len(data) // 2, len(data) - 1):
        spoilt = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
        assert "its checksum is wrong" in ntdriver.check(spoilt, target)
        assert ntdriver.check(pe.with_checksum(spoilt), target) == []


def test_another_import_is_found(built: tuple[windows.Target, Paths]) -> None:
    target, paths = built
    data = ntdriver.file(target, paths).read_bytes().replace(b"MmUnmapLockedPages\0", b"MmUnmapLockedPagez\0")
    assert any("MmUnmapLockedPagez of ntoskrnl.exe" in fault for fault in ntdriver.check(data, target))


def test_what_is_no_driver() -> None:
    for data in (b"", b"\x7fELF" + bytes(100), b"MZ" + bytes(100), b"MZ" + bytes(58) + b"\x40\0\0\0PE\0\0"):
        with pytest.raises(InfrastructureError, match="Windows executable"):
            pe.read(data)


def test_newer_windows_names_stop_the_build(tmp_path: Path) -> None:
    target = windows.targets()["windows-x64"]
    if not shutil.which(f"{target.prefix}gcc"):
        pytest.skip(f"{target.prefix}gcc is not installed (./doit setup installs it)")
    paths = copy(tmp_path)
    source = paths.root / "runtime/windows/cpu.c"
    source.write_text(source.read_text().replace("KeQueryActiveProcessors()", "KeQueryActiveProcessorCount(NULL)"))
    with pytest.raises(BuildFailed, match=r"KeQueryActiveProcessorCount of ntoskrnl.exe, which Windows XP x64"):
        ntdriver.build(target, "1.2.3", paths)
    assert not ntdriver.file(target, paths).exists()


def test_no_register_of_the_guests_is_used(built: tuple[windows.Target, Paths]) -> None:
    """Between co_os_fpu_begin and co_os_fpu_end the FPU's are the guest's; and a segment-relative access would be
    to a structure of the system's that is another one in each of its versions."""
    target, paths = built
    code = objdump(target, "-d", "--no-show-raw-insn", paths.driver(target.name) / "colinux.dbg")
    assert "<co_vm_run>" in code or "<_co_vm_run>" in code
    assert not re.search(r"%[xyz]mm\d|%mm\d|%st\b|%[fg]s:", code)


def test_the_passage_lies_in_one_page(built: tuple[windows.Target, Paths]) -> None:
    target, paths = built
    symbols = subprocess.run([f"{target.prefix}nm", paths.driver(target.name) / "colinux.dbg"], check=True,
                             capture_output=True, text=True).stdout
    name = "co_passage" if target.arch == "x86_64" else "_co_passage32"
    [address] = re.findall(rf"^(\w+) T {name}$", symbols, re.M)
    assert int(address, 16) % 4096 == 0
    sections = objdump(target, "-h", paths.driver(target.name) / "colinux.dbg")
    [start] = re.findall(r"\.text\s+\w+\s+(\w+)", sections)
    # in memory, too: the image lies on a page's border, and .text in it
    assert int(start, 16) % 4096 == 0


def test_oldest_windows_decides_what_may_be_imported() -> None:
    x64, x86 = (windows.targets()[name] for name in ("windows-x64", "windows-x86"))
    assert "KfRaiseIrql" in x86.imports["hal.dll"]
    assert "KfRaiseIrql" not in x64.imports["hal.dll"]
    assert x86.version < x64.version
    # looked up at run time: no system that we name has it among its first exports
    assert "KeSaveExtendedProcessorState" not in x64.imports["ntoskrnl.exe"]


# tests/nt/nt.h's names of NT's structures and fields -> the headers' own
STRUCTURES = {
    "nt_driver_object": ("DRIVER_OBJECT", {"unload": "DriverUnload", "major": "MajorFunction"}),
    "nt_file_object": ("FILE_OBJECT", {"context": "FsContext", "flags": "Flags", "name": "FileName"}),
    "nt_irp": ("IRP", {"system_buffer": "AssociatedIrp.SystemBuffer", "status": "IoStatus.Status",
                       "stack": "Tail.Overlay.CurrentStackLocation"}),
    "nt_stack": ("IO_STACK_LOCATION", {"in": "Parameters.DeviceIoControl.InputBufferLength", "file": "FileObject"}),
}  # fmt: skip


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_harness_has_nt_s_own_structures(target: windows.Target, tmp_path: Path) -> None:
    """What the driver's compiler makes of NT's headers is what the harness says that it is."""
    if not shutil.which(f"{target.prefix}gcc"):
        pytest.skip(f"{target.prefix}gcc is not installed (./doit setup installs it)")
    said = re.findall(r"^NT_OFFSET\((\w+), (\w+), (\w+), (\w+)\);", (ROOT / "tests/nt/nt.h").read_text(), re.M)
    lines = ["#include <ntddk.h>"]
    for structure, field, wide, narrow in said:
        offset = wide if target.arch == "x86_64" else narrow
        if structure == "nt_mdl":  # the page numbers follow it
            lines.append(f"_Static_assert(sizeof(MDL) == {offset}, \"MDL\");")
            continue
        name, fields = STRUCTURES[structure]
        lines.append(f"_Static_assert(__builtin_offsetof({name}, {fields[field]}) == {offset}, \"{structure}.{field}\");")
    assert len(lines) > 10
    flags = re.findall(r"^#define (\w+)\t+(0x\w\w)$", (ROOT / "tests/nt/mdl.c").read_text(), re.M)
    assert len(flags) == 5
    lines += [f"_Static_assert(MDL_{name} == {value}, \"MDL_{name}\");" for name, value in flags]
    source = tmp_path / "layout.c"
    source.write_text("\n".join(lines) + "\n")
    subprocess.run([f"{target.prefix}gcc", "-fsyntax-only", "-isystem", ntdriver.HEADERS, source], check=True)
