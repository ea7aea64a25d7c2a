# SPDX-License-Identifier: GPL-2.0-only
"""The daemon's look at a kernel's file: each way of being wrong has its message, and nothing else happens."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import daemon_kit
import pytest
from daemon_kit import BASE, PAGE, header, kernel, note, segment
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

WHOLE = kernel()
LOADS = [segment(1, PAGE, BASE, 8192, 8192), segment(1, 3 * PAGE, BASE + 0x3000, 4096, 16384)]
NOTES = segment(4, 4 * PAGE, 0, len(note()), len(note()))

BAD = {
    "empty": (b"", "is empty"),
    "text": (b"hello, world\n", "is not an ELF file; give the vmlinux of a cooperative kernel"),
    "three bytes of ELF": (b"\x7fEL", "is not an ELF file"),
    "gzip": (b"\x1f\x8b\x08" + bytes(100), "is compressed with gzip; give the uncompressed vmlinux"),
    "bzImage": (bytes(0x202) + b"HdrS" + bytes(512), "is a compressed boot image (bzImage)"),
    "32-bit": (header(3, ident=b"\x7fELF\1\1\1"), "is a 32-bit file for ELF machine 62; a guest is x86-64 (62) or i386 (3"),
    "32-bit, cut short": (b"\x7fELF\1", "is truncated: the ELF header needs 52 bytes, the file has 5"),
    "header cut short": (WHOLE[:63], "is truncated: the ELF header needs 64 bytes, the file has 63"),
    "class 3": (kernel(head=header(3, ident=b"\x7fELF\3\1\1")), "ELF class 3, byte order 1"),
    "big-endian": (kernel(head=header(3, ident=b"\x7fELF\2\2\1")), "ELF class 2, byte order 2"),
    "arm64": (
        kernel(head=header(3, machine=183)),
        "is a 64-bit file for ELF machine 183; a guest is x86-64 (62)",
    ),
    "object file": (kernel(head=header(3, kind=1)), "ELF type 1: expected an executable"),
    "core file": (kernel(head=header(3, kind=4)), "ELF type 4: expected an executable"),
    "no program headers": (kernel(head=header(0)), "0 program headers of 56 bytes"),
    "too many": (kernel(head=header(65)), "65 program headers of 56 bytes"),
    "odd size": (
        kernel(head=header(3, phentsize=32)),
        "3 program headers of 32 bytes: expected 1 to 64 of 56",
    ),
    "program headers outside": (
        kernel(head=header(3, phoff=len(WHOLE) - 100)),
        "is truncated: the program headers end at",
    ),
    "program headers overflow": (
        kernel(head=header(3, phoff=2**64 - 8)),
        "is truncated: the program headers end at",
    ),
    "cut in the text": (
        WHOLE[: PAGE + 100],
        "is truncated: segment 0 is 8192 bytes at offset 4096, the file has 4196 bytes",
    ),
    "cut in the data": (
        WHOLE[: 3 * PAGE + 1],
        "is truncated: segment 1 is 4096 bytes at offset 12288, the file has 12289",
    ),
    "cut in the notes": (WHOLE[:-1], "is truncated: note segment 2 is"),
    "offset overflows": (
        kernel(segments=[segment(1, 2**64 - 16, BASE, 32, 32), NOTES]),
        "is truncated: segment 0",
    ),
    "more file than memory": (
        kernel(segments=[segment(1, PAGE, BASE, 8192, 100), NOTES]),
        "segment 0 holds 8192 bytes but has room for 100",
    ),
    "overlap": (
        kernel(segments=[LOADS[0], segment(1, PAGE, BASE + 8191, 100, 100), NOTES]),
        "segments overlap at physical address 0x1001fff",
    ),
    "overlap, other order": (
        kernel(segments=[segment(1, PAGE, BASE + 8191, 100, 100), LOADS[0], NOTES]),
        "segments overlap at physical address 0x1001fff",
    ),
    "the same twice": (kernel(segments=[LOADS[0], LOADS[0], NOTES]), "segments overlap"),
    "absurd size": (kernel(segments=[segment(1, PAGE, BASE, 8192, 2**40), NOTES]), "segment 0 is absurd"),
    "absurd address": (
        kernel(segments=[segment(1, PAGE, 2**64 - 4096, 4096, 4096), NOTES]),
        "segment 0 is absurd",
    ),
    "absurd span": (kernel(segments=[LOADS[0], segment(1, PAGE, 2**40, 4096, 4096), NOTES]), "segments span"),
    "17 segments": (
        kernel(segments=[segment(1, PAGE, BASE + i * PAGE, 16, 16) for i in range(17)]),
        "has more than 16 segments to load",
    ),
    "nothing to load": (kernel(segments=[NOTES]), "has nothing to load"),
    "no note": (kernel(segments=LOADS), "is not a cooperative kernel: it has no colinux note"),
    "another's note": (kernel(note(owner=b"GNU\0\0\0\0\0")), "is not a cooperative kernel"),
    "almost our owner": (kernel(note(owner=b"colinuxx")), "is not a cooperative kernel"),
    "another type": (kernel(note(kind=2)), "is not a cooperative kernel"),
    "newer ABI": (kernel(note(abi=4)), "was built for ABI version 4, this daemon speaks version 3"),
    "newer ABI, longer note": (
        kernel(note(desc=struct.pack("<I", 7) + bytes(60))),
        "was built for ABI version 7",
    ),
    "x86-64, says it is not": (kernel(note(flags=2)), "is an x86-64 kernel, and its colinux note says otherwise"),
    "empty note": (kernel(note(desc=b"")), "the colinux note is empty"),
    "short note": (kernel(note(desc=struct.pack("<I", 3))), "the colinux note has 4 bytes, expected 48"),
    "note's name too long": (
        kernel(struct.pack("<III", 2**32 - 1, 24, 1) + bytes(32)),
        "reaches beyond its end",
    ),
    "note too long": (
        kernel(struct.pack("<III", 8, 2**32 - 4, 1) + b"colinux\0" + bytes(24)),
        "reaches beyond its end",
    ),
    "our note cut short": (kernel(note(kind=9) + note()[:-8]), "the note at its offset 68 reaches beyond its end"),
    "notes too many": (kernel(segments=[*LOADS, segment(4, 0, 0, 2**40, 0)]), "is truncated: note segment 2"),
    "area not in a page": (
        kernel(note(area_va=0xFFFFFFFFFF579008)),
        "puts the shared area at 0xffffffffff579008",
    ),
    "area in user space": (kernel(note(area_va=0x7FFFFF000)), "no page in a kernel's half"),
    "area not canonical": (kernel(note(area_va=0x8000_0000_0000_0000)), "no page in a kernel's half"),
    "area wraps": (kernel(note(area_va=0xFFFF_FFFF_FFFF_F000)), "no page in a kernel's half"),
    "entries below": (kernel(note(area_pte=BASE - 8)), "note points outside the image"),
    "entries above": (kernel(note(area_pte=BASE + 0x3000 + 4 * PAGE)), "note points outside the image"),
    "entries in the hole": (kernel(note(area_pte=BASE + 0x2000)), "note points outside the image"),
    "entries cross a page": (
        kernel(note(area_pte=BASE + 0x3000 + PAGE - 48)),
        "note points outside the image",
    ),
    "entries cross the end": (kernel(note(area_pte=BASE + 0x2000 - 48)), "note points outside the image"),
    "entries not aligned": (kernel(note(area_pte=BASE + 0x3004)), "note points outside the image"),
    "entries overflow": (kernel(note(area_pte=2**64 - 8)), "note points outside the image"),
    "virtual entry": (
        kernel(head=header(3, entry=0xFFFFFFFF81000000)),
        "the entry point 0xffffffff81000000 lies outside",
    ),
    "entry in the hole": (
        kernel(head=header(3, entry=BASE + 0x2000)),
        "the entry point 0x1002000 lies outside",
    ),
}


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """Exit code 255 and one line of error; anything else is a crash."""
    assert done.returncode == 255, (done.returncode, done.stderr)
    assert done.stderr.startswith("colinux-daemon: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize("name", BAD)
def test_a_bad_kernel_is_named(name: str, tmp_path: Path) -> None:
    content, message = BAD[name]
    (tmp_path / "vmlinux").write_bytes(content)
    said = refused(daemon_kit.check(tmp_path, "--check", "kernel=vmlinux"))
    assert said.startswith("colinux-daemon: argument 2: kernel=vmlinux: ")
    assert message in said


def test_every_message_is_its_own() -> None:
    """No two different faults of the header may share one vague sentence."""
    assert len({message for _, message in BAD.values()}) > 30


def test_a_good_kernel_passes(tmp_path: Path) -> None:
    (tmp_path / "vmlinux").write_bytes(WHOLE)
    done = daemon_kit.check(tmp_path, "--check", "kernel=vmlinux", "root=/dev/vda", "quiet")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "kernel: vmlinux, ABI 3, 28 KiB in memory, entry 0x1000000, shared area at 0xffffffffff579000" in done.stdout
    assert "command line: console=hvc0 root=/dev/vda quiet\n" in done.stdout


def test_a_note_among_others_is_found(tmp_path: Path) -> None:
    (tmp_path / "vmlinux").write_bytes(
        kernel(note(owner=b"Linux\0", desc=b"abc") + note(owner=b"", kind=9, desc=b"") + note())
    )
    assert daemon_kit.check(tmp_path, "--check", "kernel=vmlinux").returncode == 0


@pytest.mark.parametrize("what", ["nothing", ".", "/dev/null"])
def test_what_is_no_file(what: str, tmp_path: Path) -> None:
    assert what in refused(daemon_kit.check(tmp_path, "--check", f"kernel={what}"))


def test_a_kernel_that_is_a_fifo_does_not_hang(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "vmlinux")
    assert "neither a file nor a block device" in refused(daemon_kit.check(tmp_path, "--check", "kernel=vmlinux"))


NUMBERS = st.sampled_from(
    [
        0,
        1,
        2,
        3,
        4,
        7,
        8,
        24,
        63,
        64,
        0xFF,
        0xFFF,
        0x1000,
        0x7FFFFFFF,
        0x80000000,
        0xFFFFFFFF,
        BASE,
        BASE + 0x3000,
        2**40,
        2**47,
        2**63,
        2**64 - 4096,
        2**64 - 1,
    ]
)


@settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    changes=st.lists(
        st.tuples(
            st.one_of(st.integers(0, 64 + 3 * 56), st.integers(4 * PAGE, 4 * PAGE + 68)),
            NUMBERS,
            st.sampled_from("BHIQ"),
        ),
        min_size=1,
        max_size=5,
    ),
    cut=st.one_of(st.none(), st.integers(0, len(WHOLE))),
)
def test_damaged_kernels_are_refused_or_loaded(
    changes: list[tuple[int, int, str]], cut: int | None, tmp_path: Path
) -> None:
    """Whatever is written over headers and notes: an answer, no crash, nothing for the sanitizers."""
    image = bytearray(WHOLE)
    for offset, value, width in changes:
        size = struct.calcsize(width)
        image[offset : offset + size] = (value % (1 << 8 * size)).to_bytes(size, "little")
    (tmp_path / "vmlinux").write_bytes(bytes(image[:cut]))
    done = daemon_kit.check(tmp_path, "--check", "kernel=vmlinux")
    if done.returncode:
        refused(done)


@pytest.mark.fuzz
def test_damaged_kernels_by_the_thousand(tmp_path: Path) -> None:
    """The same in one process, and what passes the checks is loaded into (fake) guest memory."""
    (tmp_path / "vmlinux").write_bytes(WHOLE)
    count = daemon_kit.inputs(50000)
    (refused_count, loaded), _ = daemon_kit.fuzz(tmp_path, "fuzz-kernel", "vmlinux", count=count)
    assert refused_count + loaded == count
    assert loaded > 1000  # the fuzzer gets past the checks, too
