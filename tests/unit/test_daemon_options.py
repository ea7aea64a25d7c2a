# SPDX-License-Identifier: GPL-2.0-only
"""coLinux's configuration language: what is understood, and where an error is said to be."""

from __future__ import annotations

import subprocess
from pathlib import Path

import daemon_kit
import i386_kit
import pytest

TYPICAL = """\
# A configuration as people have them.
kernel=vmlinux
mem=64

  initrd="my initrd.gz"   # a comment behind a word
cobd0="disk one.img"
cobd1=two.img,ro
cobd11="three,a.img",ro
ttys0="C:\\serial port"
root=/dev/vda ro quiet
"dyndbg=file x.c +p"
console=ttyX0 # with a console of its own
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "vmlinux").write_bytes(daemon_kit.kernel())
    (tmp_path / "my initrd.gz").write_bytes(bytes(1024))
    for disk in ("disk one.img", "two.img", "three,a.img"):
        (tmp_path / disk).write_bytes(bytes(2048))
    return tmp_path


def good(folder: Path, *arguments: str) -> str:
    done = daemon_kit.check(folder, "--check", *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def faults(folder: Path, *arguments: str) -> list[str]:
    """What is wrong, one string a fault."""
    done = daemon_kit.check(folder, "--check", *arguments)
    assert done.returncode == 255, (done.returncode, done.stdout, done.stderr)
    lines = done.stderr.splitlines()
    assert lines and all(line.startswith("colinux-daemon: ") for line in lines)
    return [line.removeprefix("colinux-daemon: ") for line in lines]


def bad(folder: Path, *arguments: str) -> str:
    (fault,) = faults(folder, *arguments)
    return fault


def test_a_typical_file(folder: Path) -> None:
    (folder / "colinux.conf").write_text(TYPICAL)
    said = good(folder, "@colinux.conf").splitlines()
    assert said[1:] == [
        "initrd: my initrd.gz, 1 KiB",
        "cobd0: disk one.img, 2 KiB, /dev/vda in the guest",
        "cobd1: two.img, 2 KiB, read-only, /dev/vdb in the guest",
        "cobd11: three,a.img, 2 KiB, read-only, /dev/vdc in the guest",
        'ttys0: "C:\\serial port"',
        "sandbox: unavailable",
        "memory: 64 MiB",
        "command line: colinux.names=cobd0,cobd1,cobd11 "
        'root=/dev/vda ro quiet "dyndbg=file x.c +p" console=ttyX0',
    ]


def test_windows_line_ends_and_a_missing_last_one(folder: Path) -> None:
    (folder / "a.conf").write_bytes(b"kernel=vmlinux\r\n# comment\r\nmem=32\r\nquiet")
    assert "memory: 32 MiB\ncommand line: console=hvc0 quiet\n" in good(folder, "@a.conf")


def test_a_byte_order_mark_is_no_word(folder: Path) -> None:
    (folder / "a.conf").write_bytes(b"\xef\xbb\xbfkernel=vmlinux quiet")
    assert "command line: console=hvc0 quiet\n" in good(folder, "@a.conf")
    (folder / "a.conf").write_text("kernel=vmlinux", encoding="utf-16")
    assert bad(folder, "@a.conf") == "a.conf:1: is UTF-16; save it as UTF-8 or plain text"


def test_words_of_the_command_line(folder: Path) -> None:
    """The shell took the quotes; the kernel gets them back. "--" and all behind it is init's."""
    said = good(
        folder, "kernel=vmlinux", "cobd0=disk one.img", "dyndbg=file x +p", "a=b", "--", "mem=5", "-x"
    )
    assert "cobd0: disk one.img" in said
    assert 'command line: console=hvc0 dyndbg="file x +p" a=b -- mem=5 -x\n' in said


def test_repeated_kernel_parameters_are_the_kernels_business(folder: Path) -> None:
    said = good(folder, "kernel=vmlinux", "console=tty0", "console=hvc0")
    assert "command line: console=tty0 console=hvc0\n" in said


FILES = {  # name of the fault: text of bad.conf, message
    "twice": ("kernel=a\nmem=50\n\n mem=60", "bad.conf:4: mem is given twice; the first one is at bad.conf:2"),
    "disk twice": ("cobd0=a\ncobd0=b,ro", "bad.conf:2: cobd0 is given twice; the first one is at bad.conf:1"),
    "alias twice": (
        "kernel=a cobd0=a hda1=:cobd0\nhda1=:cobd0",
        "bad.conf:2: hda1 is given twice; the first one is at bad.conf:1",
    ),
    "open quote": ('mem=64\ncobd0="disk\n', "bad.conf:2: a quote is opened and not closed on its line"),
    "binary": ("mem=64\nroot=\x01", "bad.conf:2: control character 0x01; this is no text file"),
    "XML": (
        '\n<?xml version="1.0"?>\n<colinux>',
        "bad.conf:2: is XML, the form before coLinux 0.7; write lines of key=value, see --help",
    ),
    "switch": ("kernel=a\n-d\n", "bad.conf:2: -d: switches belong on the command line"),
    "nested": ("@other.conf", "bad.conf:1: @other.conf: a configuration file cannot name another one"),
    "disk 32": ("cobd32=x", "bad.conf:1: there is no cobd32; disks are cobd0 to cobd31"),
    "disk 01": ("cobd01=x", "bad.conf:1: there is no cobd01;"),
    "disk, huge": ("cobd99999999999999999999=x", "bad.conf:1: there is no cobd99999999999999999999;"),
    "no path": ("cobd0=", "bad.conf:1: cobd0=: a path is needed"),
    "no path, ro": ("cobd0=,ro", "bad.conf:1: cobd0=,ro: a path is needed"),
    "empty path": ('kernel=""', 'bad.conf:1: kernel="": a path is needed'),
    "behind the quote": (
        'cobd0="a"b',
        'bad.conf:1: cobd0="a"b: unexpected b after the closing quote; known: ,ro ,rw ,cow=FILE',
    ),
    "kernel's quote": ('kernel="a",ro', 'bad.conf:1: kernel="a",ro: unexpected ,ro after the closing quote'),
    "quotes around all": (
        'kernel=a\n"cobd0=c:\\a b"',
        'bad.conf:2: "cobd0=c:\\a b": the quotes belong around the value: cobd0="..."',
    ),
    "ttys16": ("ttys16=x", "bad.conf:1: there is no ttys16; serial ports are ttys0 to ttys15"),
    "ttys, no path": ("ttys0=,9600", "bad.conf:1: ttys0=,9600: a path is needed"),
    "ttys, quote": ('ttys0="a"b', 'bad.conf:1: ttys0="a"b: unexpected b after the closing quote'),
    "ttys, line's quote": ('ttys0=a,"9600"b', 'bad.conf:1: ttys0=a,"9600"b: unexpected b after the closing quote'),
    "ttys, line": ("ttys0=/dev/ttyS0,115200,8n1,rts", "rts: unknown setting of a line; known are a speed (115200)"),
    "ttys, mode": ('ttys0=COM1:,"BAUD=115200 DTR=hs"', "dtr=hs: unknown setting of a line; known are a speed"),
    "ttys, speed": ("ttys0=/dev/ttyS0,5", "ttys0=/dev/ttyS0,5: expected a whole number of bits a second, 50 to"),
    "ttys, twice": ("ttys0=/dev/ttyS0,8n1,8n1", "the number of data bits is given twice"),
    "ttys, socket": ("ttys0=unix:a,9600", "ttys0=unix:a,9600: a socket has no line to be set"),
    "eth, kind": ("eth0=pppoe", "bad.conf:1: eth0=pppoe: expected slirp or tuntap, not pppoe"),
    "eth, bridge": ('eth3=pcap-bridge,"LAN"', 'eth3=pcap-bridge,"LAN": there is no such bridge any more; use tuntap,'),
    "eth16": ("eth16=slirp", "bad.conf:1: there is no eth16; network interfaces are eth0 to eth15"),
    "eth, MAC": ("eth0=slirp,00:ff:e1:51:c2", "00:ff:e1:51:c2 is no MAC address, like 02:43:4f:00:00:01"),
    "eth, MAC's end": ("eth0=tuntap,tap0,00:ff:e1:51:c2:011", "00:ff:e1:51:c2:011 is no MAC address"),
    "eth, group": ("eth0=slirp,01:00:5e:00:00:01", "01:00:5e:00:00:01 is a group's MAC address: its first"),
    "eth, zero": ("eth0=slirp,00-00-00-00-00-00", "00-00-00-00-00-00 is no station's MAC address"),
    "eth, protocol": ("eth0=slirp,,sctp:1:2", "sctp:1:2: expected tcp:HOST-PORT:GUEST-PORT, or udp:"),
    "eth, one port": ("eth0=slirp,,tcp:22", "tcp:22: expected PROTOCOL:HOST-PORT:GUEST-PORT, and perhaps"),
    "eth, many ports": ("eth0=slirp,,tcp:1.2.3.4:1:2:3:4:5", "expected PROTOCOL:HOST-PORT:GUEST-PORT, and perhaps"),
    "eth, port 0": ("eth0=slirp,,udp:0:53", "0 is no port, 1 to 65535"),
    "eth, port": ("eth0=slirp,,tcp:22:65536", "65536 is no port, 1 to 65535"),
    "eth, last port": ("eth0=slirp,,tcp:65535:22:2", "tcp:65535:22:2: ports end at 65535"),
    "eth, count": ("eth0=slirp,,tcp:1000:1000:2000", "expected a whole number of ports, 1 to 1024"),
    "eth, address": ("eth0=slirp,,tcp:1.2.3:22:22", "tcp:1.2.3:22:22: 1.2.3 is no address of the host's"),
    "eth, slashes": ("eth0=slirp,,tcp:1:2,udp:3:4", "unexpected udp:3:4: redirections are divided by slashes"),
    "eth, too many": (
        "eth0=slirp,," + "/".join(f"tcp:{n}:{n}" for n in range(1, 34)),
        "there is room for 32 redirections",
    ),
    "eth, open": ('eth0=tuntap,"tap0', "bad.conf:1: a quote is opened and not closed on its line"),
    "eth, after the quote": ('eth0=tuntap,"tap0"1', "unexpected 1 after the closing quote"),
    "eth, the host's address": (
        "eth0=tuntap,tap0,00:ff:e1:51:c2:01,10.0.0.1",
        "unexpected 10.0.0.1: the interface's address on the host is the host's to set",
    ),
    "cofs32": ("cofs32=a", "bad.conf:1: there is no cofs32; host folders are cofs0 to cofs31"),
    "cofs, no path": ("cofs0=,ro", "bad.conf:1: cofs0=,ro: a folder is needed"),
    "cofs, quote": ('cofs0="a"b', 'bad.conf:1: cofs0="a"b: unexpected b after the closing quote'),
    "cofs, word": ('cofs0="a",r0', 'bad.conf:1: cofs0="a",r0: unexpected ,r0; known: ,ro ,rw ,owner='),
    "cofs, owner": ("cofs0=a,owner=me,ro", "owner=me: known are owner=same, owner=xattr and owner=UID:GID in"),
    "cofs, huge owner": ('cofs0="a",ro,owner=0:4294967295', "owner=0:4294967295: known are owner=same,"),
    "no more: scsi": ("scsi0=a", "bad.conf:1: scsi0=a: SCSI devices are not passed through any more; a disk"),
    "no more: pci": ("pci0=00:1f.2", "bad.conf:1: pci0=00:1f.2: devices of the host's buses are not passed"),
    "alias of nothing": ("kernel=a hda1=:cobd1", "bad.conf:1: hda1=:cobd1: there is no cobd1="),
    "alias of no disk": ("hda1=:hdb", "bad.conf:1: hda1=:hdb: expected a disk, :cobd0 to :cobd31, or a path"),
    "cobd as alias": ("cobd1=:cobd0", "bad.conf:1: cobd1=:cobd0: cobdN= needs a path; a further name is"),
    "alias, no path": ("sda=", "bad.conf:1: sda=: a path is needed"),
    "root, no disk": (
        "kernel=a\n\nroot=/dev/cobd0",
        "bad.conf:3: root=/dev/cobd0: there is no such disk; disks are cobdN=,",
    ),
    "root, no alias": (
        "kernel=a cobd0=a\nroot=/dev/hda1",
        "bad.conf:2: root=/dev/hda1: no disk has that name; say which one it is: hda1=:cobdN,",
    ),
    "exec, no program": ('exec0="",a', 'bad.conf:1: exec0="",a: a program is needed: exec0=PROGRAM,"ARGUMENTS"'),
    "exec, path's quote": ('exec0="a"b', 'bad.conf:1: exec0="a"b: unexpected b after the closing quote'),
    "exec, open": ('exec0=a,"b"c', 'bad.conf:1: exec0=a,"b"c: unexpected c after the closing quote'),
    "exec16": ("exec16=a", "bad.conf:1: there is no exec16; programs are exec0 to exec15"),
    "cocon": ("cocon=big", "bad.conf:1: cocon=big: expected COLUMNSxROWS, like 80x25"),
    "cocon, half": ("cocon=80", "bad.conf:1: cocon=80: expected COLUMNSxROWS"),
    "cocon, more": ("cocon=80x25x3", "bad.conf:1: cocon=80x25x3: expected"),
    "cocon, negative": ("cocon=-80x25", "bad.conf:1: cocon=-80x25: expected"),
    "cocon, tiny": ("cocon=1x1", "bad.conf:1: cocon=1x1: expected"),
    "cocon, huge": ("cocon=18446744073709551696x25", "bad.conf:1: cocon=18446744073709551696x25: expected"),
    "mem, letters": ("mem=64M", "bad.conf:1: mem=64M: expected a whole number of MiB, 16 to 65536"),
    "mem, too small": ("mem=15", "mem=15: expected a whole number of MiB"),
    "mem, too big": ("mem=65537", "mem=65537: expected"),
    "mem, wraps": ("mem=18446744073709551680", "mem=18446744073709551680: expected"),
    "mem, negative": ("mem=-64", "mem=-64: expected"),
    "mem, empty": ("mem=", "mem=: expected"),
    "timeout": (
        "shutdown-timeout=soon",
        "shutdown-timeout=soon: expected a whole number of seconds, 0 to 86400",
    ),
    "long line": ("x" * 2048, "bad.conf:1: the guest kernel's command line is longer than 2047 bytes"),
    "no room for ours": (
        "kernel=a " + "x" * 2040,
        "the guest kernel's command line would have 2053 bytes; Linux reads 2047",
    ),
    "no kernel": ("mem=64", "no kernel= is given; see --help"),
    "too many devices": (
        "kernel=a " + " ".join(f"cobd{i}=a" for i in range(32)),
        "33 devices are too many: a guest has room for 32, one of them its console",
    ),
    "too many aliases": (
        "kernel=a cobd0=a " + " ".join(f"hd{'ab'[i // 63]}{i % 63 + 1}=:cobd0" for i in range(65)),
        "bad.conf:1: hdb2=:cobd0: there is room for 64 names of disks",
    ),
    "typo": ("kernal=vmlinux", "bad.conf:1: kernal=vmlinux: unknown key kernal=; did you mean kernel=?"),
    "typo, number": ("kernel=a cobb12=a", "bad.conf:1: cobb12=a: unknown key cobb12=; did you mean cobd12=?"),
    "typo, no number": ("kernel=a cobd=a", "bad.conf:1: cobd=a: unknown key cobd=; did you mean cobd0=?"),
    "typo, case": ("kernel=a\nMEM=64", "bad.conf:2: MEM=64: unknown key MEM=; did you mean mem=?"),
    "typo, swapped": ("kernel=a ehtr0=slirp eht0=slirp", "eht0=slirp: unknown key eht0=; did you mean eth0=?"),
    "typo, line": ("kernel=a shutdown_timout=5", "unknown key shutdown_timout=; did you mean shutdown-timeout=?"),
    "typo, tty": ("kernel=a ttyS0=/dev/ttyS0", "unknown key ttyS0=; did you mean ttys0=?"),
}


@pytest.mark.parametrize("name", FILES)
def test_an_error_says_where(name: str, tmp_path: Path) -> None:
    text, message = FILES[name]
    (tmp_path / "bad.conf").write_text(text)
    assert message in bad(tmp_path, "@bad.conf")


ARGUMENTS = {
    "twice": (["mem=32", "mem=32"], "argument 3: mem is given twice; the first one is at argument 2"),
    "unknown switch": (["--frobnicate"], "argument 2: unknown switch --frobnicate; see --help"),
    "misspelt switch": (["--print-jsno"], "argument 2: unknown switch --print-jsno; did you mean --print-json?"),
    "kind of console": (["-t", "nt"], "argument 2: -t: there is one kind of console, the terminal; leave it out"),
    "unknown short": (["-x"], "argument 2: unknown switch -x; see --help"),
    "level": (["-v", "4"], "argument 2: -v 4: expected a level from 0 to 3"),
    "level, glued": (["-v10"], "-v 10: expected a level"),
    "level missing": (["-v"], "argument 2: -v needs a value"),
    "no file": (["@"], "@ needs a file's path right after it"),
    "file missing": (["@nothing.conf"], "@nothing.conf: No such file or directory"),
    "file is a folder": (["@."], "@.: Is a directory"),
    "pidfile twice": (["-p", "a", "-p", "b"], "-p is given twice"),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_bad_argument_is_named(name: str, tmp_path: Path) -> None:
    arguments, message = ARGUMENTS[name]
    assert message in faults(tmp_path, *arguments)[0]


def test_file_and_command_line_share_the_keys(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("mem=64\n")
    assert (
        bad(tmp_path, "@a.conf", "mem=32") == "argument 3: mem is given twice; the first one is at a.conf:1"
    )
    assert (
        bad(tmp_path, "mem=32", "@a.conf") == "a.conf:1: mem is given twice; the first one is at argument 2"
    )


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "huge").write_bytes(b" " * (1 << 20) + b"x")
    assert "larger than 1024 KiB" in bad(tmp_path, "@huge")
    assert "larger than 1024 KiB" in bad(tmp_path, "@/dev/zero")


def test_a_disk_that_is_not_there(folder: Path) -> None:
    assert bad(folder, "kernel=vmlinux", "cobd0=nothing.img") == (
        "argument 3: cobd0=nothing.img: No such file or directory"
    )
    (folder / "a.conf").write_text("kernel=vmlinuz\ninitrd=nothing.gz\nhda1=nothing.img,ro")
    assert faults(folder, "@a.conf") == [
        "a.conf:1: kernel=vmlinuz: No such file or directory",
        "a.conf:2: initrd=nothing.gz: No such file or directory",
        "a.conf:3: hda1=nothing.img,ro: No such file or directory",
    ]


def test_help_and_version(tmp_path: Path) -> None:
    told = daemon_kit.check(tmp_path, "--help")
    assert told.returncode == 0
    for word in (
        "kernel=PATH",
        "cobdN=PATH[,MODE]",
        "ttysN=PATH[,LINE]",
        "shutdown-timeout=SEC",
        "--check",
        "14 the driver",
    ):
        assert word in told.stdout
    assert max(map(len, told.stdout.splitlines())) <= 88
    told = daemon_kit.check(tmp_path, "--version")
    assert (told.returncode, told.stdout) == (0, "colinux-daemon development, ABI 3\n")


def test_a_full_stdout_is_an_error(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [daemon_kit.programs() / "daemon", "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=daemon_kit.environment(),
        )
    assert done.returncode == 255
    assert "writing to stdout failed" in done.stderr


def test_a_guest_of_linux_24_has_other_names(folder: Path) -> None:
    (folder / "vmlinux").write_bytes(i386_kit.kernel(i386_kit.note(selector=0x10)))
    said = good(folder, "kernel=vmlinux", "cobd3=two.img", "hda1=:cobd3", "root=/dev/hda1")
    assert "cobd3: two.img, 2 KiB, /dev/cobd0 in the guest, also hda1\n" in said
    assert "command line: console=hvc0 colinux.names=cobd3:hda1 root=/dev/cobd0\n" in said
    (folder / "vmlinux").write_bytes(i386_kit.kernel())  # Linux 2.6
    assert "root=/dev/vda\n" in good(folder, "kernel=vmlinux", "cobd3=two.img", "root=/dev/cobd3")
    (folder / "vmlinux").write_bytes(i386_kit.kernel(i386_kit.note(selector=0x10)))
    assert bad(folder, "kernel=vmlinux", "x" * 250) == (
        "the guest kernel's command line would have 263 bytes; Linux 2.4 reads 255"
    )


def test_every_fault_of_every_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("kernel=a mem=1\ncobd0=\n")
    (tmp_path / "b.conf").write_text('initrd="\nhda=:cobd9')
    assert faults(tmp_path, "@a.conf", "@b.conf", "-x", "@c.conf") == [
        "a.conf:1: mem=1: expected a whole number of MiB, 16 to 65536",
        "a.conf:2: cobd0=: a path is needed",
        "b.conf:1: a quote is opened and not closed on its line",
        "argument 4: unknown switch -x; see --help",
        "@c.conf: No such file or directory",
        "b.conf:2: hda=:cobd9: there is no cobd9=",
    ]


def test_a_file_without_its_at(folder: Path) -> None:
    (folder / "linux.conf").write_text("kernel=vmlinux")
    assert bad(folder, "linux.conf", "quiet") == "no kernel= is given; did you mean @linux.conf?"
    assert bad(folder, "nothing.conf", "quiet") == "no kernel= is given; see --help"


def test_a_thousand_faults_are_not_all_told(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("".join(f"cobd{number}=x\n" for number in range(32, 1032)))
    told = faults(tmp_path, "@a.conf")
    assert 10 < len(told) < 100
    assert told[0].startswith("a.conf:1: there is no cobd32;") and told[-1] == "(and more of the kind)"


def test_a_long_name_does_not_hide_the_line(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 200 + ".conf")
    path.write_text("\nmem=1")
    assert bad(tmp_path, f"@{path.name}").startswith(f"...{'x' * 67}.conf:2: mem=1: expected")


def test_quoted_words_go_to_the_guest_as_they_are(folder: Path) -> None:
    (folder / "a.conf").write_text('kernel=vmlinux "kernal=1" "a b" "c" x="y z"')
    assert 'command line: console=hvc0 kernal=1 "a b" c x="y z"\n' in good(folder, "@a.conf")
