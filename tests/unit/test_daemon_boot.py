# SPDX-License-Identifier: GPL-2.0-only
"""The whole daemon around a scripted guest: loading, exit codes, devices, statistics."""

from __future__ import annotations

import fcntl
import itertools
import os
import struct
import subprocess
import time
from pathlib import Path

import daemon_kit
import pytest
from daemon_kit import boot

# --- how a guest ends ------------------------------------------------------------------------------

ENDS = {
    "power-off": ("leave 8", 0, ""),
    "halt": ("leave 10", 0, ""),
    "panic": (
        "panic Attempted to kill init! exitcode=0x00000100",
        16,
        "colinux-daemon: guest panic: Attempted to kill init! exitcode=0x00000100\n",
    ),
    "panic without words": ("leave 11", 16, "colinux-daemon: guest panic: \n"),
    "bad reason": ("leave 65", 255, "the guest left for a reason that the driver does not know"),
}


@pytest.mark.parametrize("name", ENDS)
def test_the_end_decides_the_exit_code(name: str, tmp_path: Path) -> None:
    guest, code, message = ENDS[name]
    done = boot(tmp_path, guest)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert message or not done.stderr


def test_a_guest_that_restarts_comes_again_in_its_daemon(tmp_path: Path) -> None:
    done = boot(tmp_path, "say life;once leave 9;say and another", "-v", "1")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "lifelifeand another"
    notes = [line.partition(": ")[2] for line in done.stderr.splitlines() if "stats" not in line]
    assert notes.index("the guest restarts") < notes.index("the guest is started anew") < notes.index("the guest powered off")


def test_a_guest_that_must_not_restart_ends(tmp_path: Path) -> None:
    done = boot(tmp_path, "say life;leave 9", "--no-reboot")
    assert (done.returncode, done.stdout, done.stderr) == (17, "life", "")


DRIVERS = {
    "absent": (14, "the fake driver is not installed"),
    "old": (3, "the driver speaks ABI version 2, this daemon version 3; install both from one release"),
    "nomem": (255, "the host has no 64 MiB for the guest"),
    "cannot": (255, "this host cannot run this guest; the host kernel's log says why"),
    "cannot: the driver says: no": (255, "creating the virtual machine: this host cannot run this guest; the driver says: no\n"),
    f"cannot: {'x' * 400}": (255, "cannot run this guest; " + "x" * 286 + "\n"),
}


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_driver_that_cannot(driver: str, tmp_path: Path) -> None:
    code, message = DRIVERS[driver]
    done = boot(tmp_path, "say never;", driver=driver)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr


def test_status_driver(tmp_path: Path) -> None:
    assert boot(tmp_path, "", "--status-driver").stdout == "driver fake, ABI 3\n"
    assert boot(tmp_path, "", "--status-driver", driver="old").returncode == 3
    assert boot(tmp_path, "", "--status-driver", driver="absent").returncode == 14


@pytest.mark.skipif(Path("/dev/colinux").exists(), reason="the driver is loaded here")
def test_no_driver_here(tmp_path: Path) -> None:
    """The real door of Linux, with nothing behind it."""
    (tmp_path / "vmlinux").write_bytes(daemon_kit.kernel())
    done = daemon_kit.check(tmp_path, "kernel=vmlinux")
    assert done.returncode == 14
    assert "/dev/colinux: No such file or directory; the driver is not installed" in done.stderr


def test_a_panics_text_cannot_command_the_terminal(tmp_path: Path) -> None:
    done = boot(tmp_path, "panic \x1b]0;owned\x07 \x1b[2J")
    assert "guest panic: ?]0" in boot(tmp_path, "panic \x1b]0").stderr
    assert "\x1b" not in done.stderr and "\x07" not in done.stderr


# --- loading ---------------------------------------------------------------------------------------


def dumped(folder: Path) -> tuple[dict[str, int], list[tuple[int, int]]]:
    """What the guest found at its start: numbers by name, and the memory ranges."""
    numbers: dict[str, int] = {}
    ranges = []
    for line in (folder / "guest.txt").read_text().splitlines():
        name, *values = line.split()
        if name == "range":
            ranges.append((int(values[0], 16), int(values[1], 16)))
        else:
            numbers[name] = int(values[0], 16)
    return numbers, ranges


def test_the_guest_finds_what_it_needs(tmp_path: Path) -> None:
    initrd = os.urandom(3 * 1024 * 1024 + 17)
    (tmp_path / "initrd.gz").write_bytes(initrd)
    done = boot(tmp_path, "dump", "initrd=initrd.gz", "quiet", "a=b")
    assert done.returncode == 0, done.stderr
    numbers, ranges = dumped(tmp_path)
    assert numbers["mem"] == 64 << 20
    assert numbers["flags"] == 1
    assert numbers["area_va"] == daemon_kit.AREA_VA
    assert numbers["image"] == 7 * 4096
    base = ranges[0][0]
    assert numbers["entry"] == base and base % (2 << 20) == 0

    image = (tmp_path / "kernel.bin").read_bytes()
    assert image[:8192] == daemon_kit.TEXT
    entries = struct.unpack("<7Q", image[0x3000 : 0x3000 + 56])
    assert entries[0] == numbers["code_phys"] | 0x21
    assert entries[1:] == tuple(numbers["area_phys"] + i * 4096 | 0x63 for i in range(6))
    assert image[0x3000 + 56 : 0x4000] == daemon_kit.DATA[56:]
    assert image[0x4000:0x7000] == bytes(0x3000), "bss must be cleared"

    page = (tmp_path / "params.bin").read_bytes()
    params, cmdline = page[:4096], page[4096:8192]
    assert cmdline[: cmdline.index(0)] == b"console=hvc0 quiet a=b"
    assert params[0x1FE:0x200] == b"\x55\xaa" and params[0x202:0x206] == b"HdrS"
    assert struct.unpack_from("<I", params, 0x228)[0] == numbers["params"] + 4096
    assert struct.unpack_from("<IQ", params, 0x23C) == (0x434F, numbers["area_phys"])
    seed_at = struct.unpack_from("<Q", params, 0x250)[0] - numbers["params"]
    assert struct.unpack_from("<QII", page, seed_at) == (0, 9, 32)  # the end of the list, SETUP_RNG_SEED
    assert len(set(page[seed_at + 16 : seed_at + 48])) > 8
    at, size = struct.unpack_from("<II", params, 0x218)
    assert size == len(initrd) and at % 4096 == 0
    assert (tmp_path / "initrd.bin").read_bytes() == initrd
    count = params[0x1E8]
    table = [struct.unpack_from("<QQI", params, 0x2D0 + 20 * i) for i in range(count)]
    assert table == [(0, 4096, 2), *((start, size, 1) for start, size in ranges)]
    # nothing lies on anything else
    places = sorted([(base, 7 * 4096), (numbers["params"], 8192), (at, size)])
    assert all(a + n <= b for (a, n), (b, _) in itertools.pairwise(places))


def test_scattered_memory(tmp_path: Path) -> None:
    """Chunks of 4 MiB: a small initrd finds a chunk of its own, a large one gets a run with the kernel."""
    small, large = os.urandom(3 << 20), os.urandom(9 << 20)
    (tmp_path / "small").write_bytes(small)
    (tmp_path / "large").write_bytes(large)
    assert boot(tmp_path, "dump", "initrd=small", driver="scattered").returncode == 0
    assert dumped(tmp_path)[0]["creates"] == 1
    assert (tmp_path / "initrd.bin").read_bytes() == small
    done = boot(tmp_path, "dump", "initrd=large", driver="scattered")
    assert done.returncode == 0, done.stderr
    numbers, _ = dumped(tmp_path)
    assert numbers["creates"] == 2
    assert numbers["image"] >= len(large) + 7 * 4096
    assert (tmp_path / "initrd.bin").read_bytes() == large


def test_too_much_for_the_memory(tmp_path: Path) -> None:
    with (tmp_path / "initrd").open("wb") as file:
        file.truncate(64 << 20)
    done = boot(tmp_path, "", "initrd=initrd")
    assert done.returncode == 255
    assert "the kernel (0 MiB) and the initrd (64 MiB) do not fit into mem=64" in done.stderr


def test_an_empty_initrd_is_none(tmp_path: Path) -> None:
    (tmp_path / "initrd").write_bytes(b"")
    assert boot(tmp_path, "dump", "initrd=initrd").returncode == 0
    assert (tmp_path / "params.bin").read_bytes()[0x218:0x220] == bytes(8)


def test_boot_params_are_where_linux_has_them(tmp_path: Path) -> None:
    """The offsets in boot_params.c against <asm/bootparam.h> of this machine."""
    names = {
        "EXT_RAMDISK_IMAGE": "ext_ramdisk_image",
        "EXT_RAMDISK_SIZE": "ext_ramdisk_size",
        "EXT_CMD_LINE_PTR": "ext_cmd_line_ptr",
        "ALT_MEM_K": "alt_mem_k",
        "E820_ENTRIES": "e820_entries",
        "E820_TABLE": "e820_table",
        **{
            name: f"hdr.{field}"
            for name, field in {
                "BOOT_FLAG": "boot_flag",
                "HEADER_MAGIC": "header",
                "PROTOCOL_VERSION": "version",
                "TYPE_OF_LOADER": "type_of_loader",
                "LOADFLAGS": "loadflags",
                "RAMDISK_IMAGE": "ramdisk_image",
                "RAMDISK_SIZE": "ramdisk_size",
                "CMD_LINE_PTR": "cmd_line_ptr",
                "KERNEL_ALIGNMENT": "kernel_alignment",
                "CMDLINE_SIZE": "cmdline_size",
                "HARDWARE_SUBARCH": "hardware_subarch",
                "INIT_SIZE": "init_size",
                "SETUP_DATA": "setup_data",
                "HARDWARE_SUBARCH_DATA": "hardware_subarch_data",
            }.items()
        },
    }
    source = (daemon_kit.PATHS.root / "runtime/daemon/boot_params.c").read_text()
    table = source[source.index("enum {") : source.index("};")]
    assert sorted(names) == sorted(line.split()[0] for line in table.splitlines() if " = " in line)
    program = tmp_path / "offsets.c"
    program.write_text(
        "#include <stddef.h>\n#include <asm/bootparam.h>\n"
        + table
        + "};\n"
        + "".join(
            f'_Static_assert({name} == offsetof(struct boot_params, {field}), "{name}");\n'
            for name, field in names.items()
        )
    )
    done = subprocess.run(["gcc", "-fsyntax-only", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- devices ---------------------------------------------------------------------------------------


def test_devices_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(bytes(4096))
    done = boot(
        tmp_path,
        "devices;sector 1 first;sector 2 second",
        "ttys3=unix:x",
        "cobd7=b",
        "cobd2=a",
        "ttys0=unix:y",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "".join(f"device {n} id {kind}\n" for n, kind in enumerate([3, 2, 2, 3, 3, 4]))
    assert (tmp_path / "a").read_bytes()[512:517] == b"first"
    assert (tmp_path / "b").read_bytes()[512:518] == b"second"


def test_a_guest_full_of_disks_has_no_random_numbers(tmp_path: Path) -> None:
    """What the user asks for goes first."""
    (tmp_path / "a").write_bytes(bytes(4096))
    done = boot(tmp_path, "devices", *(f"cobd{n}=a,ro" for n in range(31)))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "device 0 id 3\n" + "".join(f"device {n} id 2\n" for n in range(1, 32))


def test_an_interface_that_cannot_be(tmp_path: Path) -> None:
    done = boot(tmp_path, "devices", 'eth3=tuntap,"My TAP",02:43:4f:00:00:01')
    assert done.returncode == 255
    assert 'eth3=tuntap,"My TAP",02:43:4f:00:00:01: "My TAP" is no name of a network interface' in done.stderr


def test_text_in_and_out(tmp_path: Path) -> None:
    done = boot(tmp_path, "early from the start\n;say hello\n;echo 0", stdin="one two\nq")
    assert (done.returncode, done.stdout) == (0, "from the start\nhello\none two\nq")


def test_early_text_is_cut_to_its_room(tmp_path: Path) -> None:
    done = boot(tmp_path, "long")
    assert done.returncode == 0
    assert len(done.stdout) == 2048


def test_switches_that_silence(tmp_path: Path) -> None:
    assert boot(tmp_path, "early A;say B", "-k").stdout == "B"
    assert boot(tmp_path, "early A;say B", "-d").stdout == ""


def test_doorbells_for_nothing(tmp_path: Path) -> None:
    done = boot(
        tmp_path,
        "leave 6 1 0;leave 6 31 0;leave 6 18446744073709551615 0;leave 6 0 0;leave 6 0 6;"
        "leave 6 0 4294967294;leave 0;leave 5;leave 64;leave 999;say alive",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "alive", "")


def test_statistics(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(4096))
    done = boot(tmp_path, "sector 1 x;say y", "cobd0=a", "--stats")
    assert "stats: cobd0: 0 reads (0 KiB), 1 writes (0 KiB), 0 flushes, 0 others, 0 errors" in done.stderr
    assert "stats: guest: 42 switches" in done.stderr
    assert "stats: console: " in done.stderr
    assert "stats:" not in boot(tmp_path, "").stderr
    assert "stats: guest" in boot(tmp_path, "", "-v1").stderr


def test_the_image_is_locked_while_the_guest_runs(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(4096))
    with (tmp_path / "a").open("rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = boot(tmp_path, "", "cobd0=a")
    assert done.returncode == 255
    assert (
        "cobd0: a: is in use, by another guest or twice by this one; read-only (,ro) it could be shared"
        in done.stderr
    )
    assert "is in use" in boot(tmp_path, "", "cobd0=a", "cobd1=a").stderr
    assert boot(tmp_path, "", "cobd0=a,ro", "cobd1=a,ro").returncode == 0
    assert boot(tmp_path, "", "cobd0=a").returncode == 0


def test_closed_descriptors_are_not_reused(tmp_path: Path) -> None:
    """With stdout closed, the first file that is opened must not become the console."""
    (tmp_path / "vmlinux").write_bytes(daemon_kit.kernel())
    (tmp_path / "disk").write_bytes(bytes(4096))
    program = daemon_kit.programs() / "fake-daemon"
    done = subprocess.run(
        ["sh", "-c", f"exec {program} kernel=vmlinux cobd0=disk -v2 0<&- 1>&- 2>&-"],
        cwd=tmp_path,
        env=daemon_kit.environment(FAKE_GUEST="say XXXXXXXX;panic YYYYYYYY"),
        check=False,
        timeout=60,
    )
    assert done.returncode == 16
    assert (tmp_path / "disk").read_bytes() == bytes(4096)


# --- programs of the host, the console's size -----------------------------------------------------------


def test_a_program_runs_as_long_as_the_guest(tmp_path: Path) -> None:
    """Started with its arguments, with nothing to read; ended with the guest, children and all."""
    (tmp_path / "server").write_text(
        '#!/bin/sh\necho "with $#: $1 $2" > started\ncat\necho talk\nsleep 1000 &\necho $$ $! > pids\nwait\n'
    )
    (tmp_path / "server").chmod(0o755)
    begun = time.monotonic()
    done = boot(tmp_path, "await pids;leave 8", 'exec3=./server,"-a  b"', "-v1")
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begun < 30
    assert (tmp_path / "started").read_text() == "with 2: -a b\n"
    assert "exec3: ./server was started\n" in done.stderr
    assert "talk\n" in done.stderr and "talk" not in done.stdout
    for pid in (tmp_path / "pids").read_text().split():
        assert not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes()


def test_a_program_that_does_not_want_to_end(tmp_path: Path) -> None:
    (tmp_path / "stubborn").write_text("#!/bin/sh\ntrap '' TERM\necho $$ > pid\nwhile :; do sleep 1; done\n")
    (tmp_path / "stubborn").chmod(0o755)
    assert boot(tmp_path, "await pid;leave 8", "exec0=./stubborn").returncode == 0
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_a_program_has_no_files_of_the_daemons(tmp_path: Path) -> None:
    (tmp_path / "disk.img").write_bytes(bytes(4096))
    (tmp_path / "nosy").write_text("#!/bin/sh\nls -l /proc/$$/fd > files\n")
    (tmp_path / "nosy").chmod(0o755)
    assert boot(tmp_path, "await files;leave 8", "exec0=./nosy", "cobd0=disk.img").returncode == 0
    files = (tmp_path / "files").read_text()
    assert "/dev/null" in files and "disk.img" not in files and "colinux" not in files


@pytest.mark.parametrize("program", ["./nothing", "no-such-program-anywhere"])
def test_a_program_that_is_not_there(program: str, tmp_path: Path) -> None:
    done = boot(tmp_path, "say never;leave 8", f"exec0={program}")
    assert (done.returncode, done.stdout) == (255, "")
    assert f"argument 3: exec0={program}: No such file or directory" in done.stderr


def test_a_program_in_vain(tmp_path: Path) -> None:
    """One that ends by itself is no reason to end the guest."""
    done = boot(tmp_path, "sleep 500;say here;leave 8", "exec0=true", "exec1=false")
    assert (done.returncode, done.stdout) == (0, "here")


def test_the_size_of_a_console_that_is_no_terminal(tmp_path: Path) -> None:
    assert boot(tmp_path, "size;leave 8", "cocon=132x43").stdout == "size 132x43\n"
    assert boot(tmp_path, "size;leave 8").stdout == "size 0x0\n"


def test_the_kernel_gets_the_names_of_disks(tmp_path: Path) -> None:
    for name in ("a.img", "b.img"):
        (tmp_path / name).write_bytes(bytes(4096))
    (tmp_path / "my.conf").write_text("cobd2=a.img\nhdb1=b.img,ro\nroot=/dev/cobd2\n")
    assert boot(tmp_path, "dump;leave 8", "@my.conf").returncode == 0
    line = (tmp_path / "params.bin").read_bytes()[4096:].partition(b"\0")[0]
    assert line == b"console=hvc0 colinux.names=cobd0:hdb1,cobd2 root=/dev/vdb"
