# SPDX-License-Identifier: GPL-2.0-only
"""i386 kernels: what the daemon refuses, and how it lays out what it loads."""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path

import daemon_kit
import i386_kit
import pytest
from i386_kit import AREA_VA, BASE, OFFSET, PAE_SLOT, PAGE, ROOT, SLOT, TABLE, header, kernel, note, pae_note, segment

WHOLE = kernel()
TEXT = segment(1, PAGE, OFFSET + BASE, 8192, 8192)
NOTES = segment(4, 5 * PAGE, 0, len(note()), len(note()))
# of a kernel that has two GiB
LOW = [segment(1, PAGE, (1 << 31) + BASE, 8192, 8192), segment(1, 3 * PAGE, (1 << 31) + TABLE, 8192, 7 * PAGE), NOTES]
OUTSIDE = "colinux note points outside the image: "

BAD = {
    "header cut short": (WHOLE[:51], "is truncated: the ELF header needs 52 bytes, the file has 51"),
    "x32": (kernel(head=header(3, machine=62)), "is a 32-bit file for ELF machine 62"),
    "object file": (kernel(head=header(3, kind=1)), "ELF type 1: expected an executable"),
    "headers of 64 bits": (kernel(head=header(3, phentsize=56)), "3 program headers of 56 bytes: expected 1 to 64 of 32"),
    "headers outside": (kernel(head=header(3, phoff=2**32 - 8)), "is truncated: the program headers end at"),
    "cut in the text": (WHOLE[: PAGE + 5], "is truncated: note segment 2"),
    "cut in the notes": (WHOLE[:-1], "is truncated: note segment 2"),
    "segment cut": (
        kernel(segments=[segment(1, 6 * PAGE, OFFSET + BASE, 8192, 8192), NOTES]),
        "is truncated: segment 0 is 8192 bytes at offset 24576",
    ),
    "no note": (kernel(segments=[TEXT]), "is not a cooperative kernel: it has no colinux note"),
    "older ABI": (kernel(note(abi=1)), "was built for ABI version 1, this daemon speaks version 3"),
    "an x86-64 note": (kernel(daemon_kit.note()), "is an i386 kernel, and its colinux note does not say so"),
    "flags of another version": (kernel(note(flags=0x12)), "asks for what this version cannot do (flags 0x12)"),
    "flags of 64 bits": (kernel(note(flags=3)), "asks for what this version cannot do (flags 0x3)"),
    "PAE with entries of 32 bits": (kernel(note(flags=6)), OUTSIDE + "page-table entries at"),
    "PAE, area across two tables": (kernel(pae_note(area_va=0xFFDFE000, area_pte=TABLE + 8 * 510)), "shared area at 0xffdfe000"),
    "PAE, root cut": (kernel(pae_note(root=BASE + 9 * PAGE)), OUTSIDE + "page directory at 0x109000"),
    "PAE, table in the root": (kernel(pae_note(root=TABLE - PAGE)), OUTSIDE + "page directory at 0x102000"),
    "PAE, more roots than room": (kernel(pae_note(root=BASE + 8 * PAGE, offset=1 << 31, entry=(1 << 31) + BASE), segments=LOW), OUTSIDE + "page directory at 0x108000"),
    "memory begins at 0": (kernel(note(offset=0)), "says memory begins at virtual address 0x0"),
    "memory begins anywhere": (kernel(note(offset=OFFSET + PAGE)), "says memory begins at virtual address 0xc0001000"),
    "segment below": (kernel(segments=[segment(1, PAGE, BASE, 16, 16), NOTES]), "segment 0 is at virtual address 0x100000"),
    "segment in the first megabyte": (
        kernel(segments=[segment(1, PAGE, OFFSET + BASE - 16, 16, 16), NOTES]),
        "segment 0 is at virtual address 0xc00ffff0, 16 bytes: not between 1 and 896 MiB",
    ),
    "segment beyond": (
        kernel(segments=[segment(1, PAGE, OFFSET + (895 << 20), 16, 2 << 20), NOTES]),
        "not between 1 and 896 MiB above 0xc0000000",
    ),
    "segment without end": (
        kernel(segments=[segment(1, PAGE, OFFSET + BASE, 16, 2**32 - 1), NOTES]),
        "not between 1 and 896 MiB",
    ),
    "physical entry": (kernel(note(entry=BASE)), "the entry point 0x100000 lies outside the image (physical"),
    "entry of 64 bits": (kernel(note(entry=2**32 + i386_kit.ENTRY)), "the entry point 0x1c0100010 lies outside"),
    "entry in the hole": (kernel(note(entry=OFFSET + BASE + 0x2000)), "the entry point 0xc0102000 lies outside"),
    "area not in a page": (kernel(note(area_va=AREA_VA + 4)), "puts the shared area at 0xfffe0004"),
    "area in user space": (kernel(note(area_va=0x7FFF0000)), "no page table of a kernel's half"),
    "area at the top": (kernel(note(area_va=0xFFFFF000)), "puts the shared area at 0xfffff000"),
    "area of 64 bits": (kernel(note(area_va=daemon_kit.AREA_VA)), "no page table of a kernel's half"),
    "area across two tables": (
        kernel(note(area_va=0xFFBFE000, area_pte=TABLE + 4 * 1022)),
        "puts the shared area at 0xffbfe000",
    ),
    "entries of another page": (kernel(note(area_pte=TABLE + 4 * SLOT - 4)), OUTSIDE + "page-table entries at"),
    "entries below": (kernel(note(area_pte=BASE - PAGE + 4 * SLOT)), OUTSIDE + "page-table entries at"),
    "entries' page cut": (kernel(note(area_pte=BASE + 9 * PAGE + 4 * SLOT + 2**20)), OUTSIDE + "page-table"),
    "root outside": (kernel(note(root=BASE - PAGE)), OUTSIDE + "page directory at 0xff000"),
    "root in the hole": (kernel(note(root=BASE + 2 * PAGE)), OUTSIDE + "page directory at 0x102000"),
    "root not in a page": (kernel(note(root=ROOT + 8)), OUTSIDE + "page directory at"),
    "root virtual": (kernel(note(root=OFFSET + ROOT)), OUTSIDE + "page directory at 0xc0104000"),
    "root is the table": (kernel(note(root=TABLE)), OUTSIDE + "page directory at"),
    "user mode's selector": (kernel(note(selector=0x73)), "says code selector 0x73; expected 0x10 or 0x60"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_kernel_is_named(name: str, tmp_path: Path) -> None:
    content, message = BAD[name]
    (tmp_path / "vmlinux").write_bytes(content)
    done = daemon_kit.check(tmp_path, "--check", "kernel=vmlinux")
    assert done.returncode == 255, (done.returncode, done.stderr)
    assert done.stderr.startswith("colinux-daemon: argument 2: kernel=vmlinux: ") and done.stderr.count("\n") == 1
    assert message in done.stderr


def test_a_good_kernel_passes(tmp_path: Path) -> None:
    (tmp_path / "vmlinux").write_bytes(WHOLE)
    done = daemon_kit.check(tmp_path, "--check", "kernel=vmlinux")
    assert done.returncode == 0, done.stderr
    assert "ABI 3" in done.stdout and "entry 0xc0100010, shared area at 0xfffe0000" in done.stdout


@pytest.mark.fuzz
def test_damaged_kernels_by_the_thousand(tmp_path: Path) -> None:
    (tmp_path / "vmlinux").write_bytes(WHOLE)
    count = daemon_kit.inputs(40000)
    (refused, loaded), _ = daemon_kit.fuzz(tmp_path, "fuzz-kernel", "vmlinux", count=count, seed=2)
    assert refused + loaded == count
    assert loaded > 1000


# --- loading ----------------------------------------------------------------------------------


def boot(folder: Path, *arguments: str, driver: str = "") -> subprocess.CompletedProcess[str]:
    (folder / "vmlinux").write_bytes(WHOLE)
    return daemon_kit.boot(folder, "dump", *arguments, driver=driver)


def told(folder: Path) -> tuple[dict[str, int], list[int]]:
    """What CREATE and START were given, and the real address of each 4 MiB of the guest's memory."""
    numbers: dict[str, int] = {}
    chunks: list[int] = []
    for line in (folder / "guest.txt").read_text().splitlines():
        name, *values = line.split()
        if name == "range":
            start, size = (int(value, 16) for value in values)
            chunks += range(start, start + size, 4 << 20)
        else:
            numbers[name] = int(values[0], 16)
    return numbers, chunks


@pytest.mark.parametrize("driver", ["", "scattered"])
def test_the_guest_finds_what_it_needs(tmp_path: Path, driver: str) -> None:
    initrd = os.urandom(9 << 20 | 17)  # longer than a chunk: side by side all the same
    (tmp_path / "initrd.gz").write_bytes(initrd)
    done = boot(tmp_path, "initrd=initrd.gz", "quiet", "a=b", driver=driver)
    assert done.returncode == 0, done.stderr
    numbers, chunks = told(tmp_path)
    assert len(chunks) == 16 and numbers["creates"] == 1
    assert (numbers["mem"], numbers["flags"], numbers["image"]) == (64 << 20, 2, 0)
    assert (numbers["area_va"], numbers["code_selector"]) == (AREA_VA, 0x60)
    assert numbers["entry"] == i386_kit.ENTRY
    assert (numbers["params"], numbers["boot32"]) == (OFFSET + 0x90000, OFFSET + 0x91000)
    assert numbers["root"] == chunks[0] + ROOT

    # kernel.bin begins at guest-physical 0
    image = (tmp_path / "kernel.bin").read_bytes()[BASE:]
    assert image[:8192] == i386_kit.TEXT
    table = struct.unpack_from("<1024I", image, TABLE - BASE)
    root = struct.unpack_from("<1024I", image, ROOT - BASE)
    kept = struct.unpack("<1024I", i386_kit.DATA[:PAGE])
    assert table[SLOT] == numbers["code_phys"] | 0x21
    assert table[SLOT + 1 : SLOT + 7] == tuple(numbers["area_phys"] + i * PAGE | 0x63 for i in range(6))
    assert (*table[:SLOT], *table[SLOT + 7 :]) == (*kept[:SLOT], *kept[SLOT + 7 :])
    wanted = dict.fromkeys(range(1024), 0)
    wanted |= {(OFFSET >> 22) + i: chunk | 0xE3 for i, chunk in enumerate(chunks)}
    wanted[AREA_VA >> 22] = chunks[0] + TABLE | 0x63
    assert dict(enumerate(root)) == wanted
    assert image[5 * PAGE : 10 * PAGE] == bytes(5 * PAGE), "bss must be cleared"

    page = (tmp_path / "params.bin").read_bytes()
    params, boot32, cmdline = page[:PAGE], page[PAGE : 2 * PAGE], page[2 * PAGE :]
    assert struct.unpack_from("<IIII", boot32) == (0x32334F43, 3, 16, 0)
    assert struct.unpack_from("<II", boot32, 16) == (numbers["code_phys"], numbers["area_phys"])
    assert struct.unpack_from("<256I", boot32, 32) == (*(chunk >> 12 for chunk in chunks), *[0] * 240)
    assert cmdline[: cmdline.index(0)] == b"console=hvc0 quiet a=b"
    assert struct.unpack_from("<I", params, 0x228) == (0x92000,)
    assert struct.unpack_from("<IQ", params, 0x23C) == (0x434F, numbers["area_phys"])
    assert struct.unpack_from("<I", params, 0x1E0) == (63 << 10,)
    assert params[0x1E8] == 2 and params[0x210]
    assert [struct.unpack_from("<QQI", params, 0x2D0 + 20 * i) for i in range(2)] == [
        (0, 0x9FC00, 1), (1 << 20, 63 << 20, 1)]  # fmt: skip
    at, size = struct.unpack_from("<II", params, 0x218)
    assert size == len(initrd) and at == (64 << 20) - 10 * (1 << 20) + (1 << 20) - PAGE
    assert (tmp_path / "initrd.bin").read_bytes() == initrd


def test_a_guest_with_pae_finds_its_page_directories(tmp_path: Path) -> None:
    """Three levels: pointers in the root, a page directory for the one GiB of the kernel's, large pages of 2 MiB."""
    (tmp_path / "vmlinux").write_bytes(kernel(pae_note()))
    done = daemon_kit.boot(tmp_path, "dump", driver="scattered")
    assert done.returncode == 0, done.stderr
    numbers, chunks = told(tmp_path)
    assert (numbers["flags"], numbers["root"]) == (6, chunks[0] + ROOT)

    image = (tmp_path / "kernel.bin").read_bytes()[BASE:]
    table, root, directory = (
        struct.unpack_from("<512Q", image, at - BASE) for at in (TABLE, ROOT, ROOT + PAGE))
    assert root == (0, 0, 0, chunks[0] + ROOT + PAGE | 1, *[0] * 508)
    wanted = dict.fromkeys(range(512), 0)
    for i, chunk in enumerate(chunks):
        wanted |= {2 * i: chunk | 0xE3, 2 * i + 1: chunk + (2 << 20) | 0xE3}
    wanted[AREA_VA >> 21 & 511] = chunks[0] + TABLE | 0x63
    assert dict(enumerate(directory)) == wanted
    assert table[PAE_SLOT] == numbers["code_phys"] | 0x21
    assert table[PAE_SLOT + 1 : PAE_SLOT + 7] == tuple(numbers["area_phys"] + i * PAGE | 0x63 for i in range(6))


def test_page_directories_of_two_gib(tmp_path: Path) -> None:
    (tmp_path / "vmlinux").write_bytes(kernel(
        pae_note(offset=1 << 31, entry=(1 << 31) + BASE + 0x10), segments=LOW))
    done = daemon_kit.boot(tmp_path, "dump")
    assert done.returncode == 0, done.stderr
    _, chunks = told(tmp_path)
    image = (tmp_path / "kernel.bin").read_bytes()[BASE:]
    root, low, high = (struct.unpack_from("<512Q", image, ROOT - BASE + i * PAGE) for i in range(3))
    assert root == (0, 0, chunks[0] + ROOT + PAGE | 1, chunks[0] + ROOT + 2 * PAGE | 1, *[0] * 508)
    assert low[0] == chunks[0] | 0xE3 and [i for i, entry in enumerate(high) if entry] == [AREA_VA >> 21 & 511]


def test_more_memory_than_is_directly_mapped(tmp_path: Path) -> None:
    """mem=1024: 896 MiB of it in the page directory, and the initrd below that."""
    (tmp_path / "vmlinux").write_bytes(WHOLE)
    (tmp_path / "initrd").write_bytes(b"initrd")
    done = subprocess.run(
        [daemon_kit.programs() / "fake-daemon", "kernel=vmlinux", "mem=1024", "initrd=initrd"],
        cwd=tmp_path, text=True, env=daemon_kit.environment(FAKE_GUEST="dump"), input="", capture_output=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    image = (tmp_path / "kernel.bin").read_bytes()[BASE:]
    root = struct.unpack_from("<1024I", image, ROOT - BASE)
    assert all(root[(OFFSET >> 22) + i] & 0xFFF == 0xE3 for i in range(224))
    assert not any(root[(OFFSET >> 22) + 224 : AREA_VA >> 22])
    [at] = struct.unpack_from("<I", (tmp_path / "params.bin").read_bytes(), 0x218)
    assert at == (896 << 20) - PAGE


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mem=1025"], "vmlinux: is an i386 kernel, which has at most mem=1024"),
        (["mem=16", "initrd=12M"], "the kernel (up to 2 MiB) and the initrd (12 MiB) do not fit into mem=16"),
        (["mem=16", "kernel=big"], "the kernel reaches to 33 MiB and does not fit into mem=16"),
    ],
)
def test_what_does_not_fit(tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "vmlinux").write_bytes(WHOLE)
    (tmp_path / "12M").write_bytes(bytes(12 << 20))
    far = [segment(1, 3 * PAGE, OFFSET + TABLE, 8192, 31 << 20), TEXT, NOTES]
    (tmp_path / "big").write_bytes(kernel(segments=far))
    if not any(word.startswith("kernel=") for word in arguments):
        arguments = ["kernel=vmlinux", *arguments]
    done = subprocess.run(
        [daemon_kit.programs() / "fake-daemon", *arguments],
        cwd=tmp_path, text=True, env=daemon_kit.environment(FAKE_GUEST=""), input="", capture_output=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 255
    assert message in done.stderr


def test_no_low_memory(tmp_path: Path) -> None:
    done = boot(tmp_path, driver="nomem")
    assert done.returncode == 255
    assert "the host has no 64 MiB below 4 GiB for the guest" in done.stderr
