# SPDX-License-Identifier: GPL-2.0-only
"""coLinux's configuration language: what is understood, and where an error is said to be."""

from __future__ import annotations

import subprocess
from pathlib import Path

import daemon_kit
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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


def bad(folder: Path, *arguments: str) -> str:
    done = daemon_kit.check(folder, "--check", *arguments)
    assert done.returncode == 255, (done.returncode, done.stdout, done.stderr)
    assert done.stderr.startswith("colinux-daemon: ") and done.stderr.count("\n") == 1
    return done.stderr.removeprefix("colinux-daemon: ").rstrip("\n")


def test_a_typical_file(folder: Path) -> None:
    (folder / "colinux.conf").write_text(TYPICAL)
    said = good(folder, "@colinux.conf").splitlines()
    assert said[1:] == [
        "initrd: my initrd.gz, 1 KiB",
        "cobd0: disk one.img, 2 KiB",
        "cobd1: two.img, 2 KiB",
        "cobd11: three,a.img, 2 KiB",
        "ttys0: C:\\serial port",
        "memory: 64 MiB",
        'command line: root=/dev/vda ro quiet "dyndbg=file x.c +p" console=ttyX0',
    ]


def test_windows_line_ends_and_a_missing_last_one(folder: Path) -> None:
    (folder / "a.conf").write_bytes(b"kernel=vmlinux\r\n# comment\r\nmem=32\r\nquiet")
    assert "memory: 32 MiB\ncommand line: console=hvc0 quiet\n" in good(folder, "@a.conf")


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
    "twice": ("kernel=a\nmem=5\n\n mem=6", "bad.conf:4: mem is given twice; the first one is at bad.conf:2"),
    "disk twice": ("cobd0=a\ncobd0=b,ro", "bad.conf:2: cobd0 is given twice; the first one is at bad.conf:1"),
    "open quote": ('mem=64\ncobd0="disk\n', "bad.conf:2: a quote is opened and not closed on its line"),
    "binary": ("mem=64\nroot=\x01", "bad.conf:2: control character 0x01; this is no text file"),
    "switch": ("kernel=a\n-d\n", "bad.conf:2: -d: switches belong on the command line"),
    "nested": ("@other.conf", "bad.conf:1: @other.conf: a configuration file cannot name another one"),
    "disk 32": ("cobd32=x", "bad.conf:1: there is no cobd32; disks are cobd0 to cobd31"),
    "disk 01": ("cobd01=x", "bad.conf:1: there is no cobd01;"),
    "disk, huge": ("cobd99999999999999999999=x", "bad.conf:1: there is no cobd99999999999999999999;"),
    "no path": ("cobd0=", "bad.conf:1: cobd0= needs a path"),
    "no path, ro": ("cobd0=,ro", "bad.conf:1: cobd0= needs a path"),
    "empty path": ('kernel=""', "bad.conf:1: kernel= needs a path"),
    "behind the quote": (
        'cobd0="a"b',
        "bad.conf:1: cobd0=: unexpected b after the closing quote; known: ,ro ,rw",
    ),
    "kernel's quote": ('kernel="a",ro', "bad.conf:1: kernel=: unexpected ,ro after the closing quote"),
    "ttys16": ("ttys16=x", "bad.conf:1: there is no ttys16; serial ports are ttys0 to ttys15"),
    "mode": (
        'ttys0=COM1:,"BAUD=115200"',
        'bad.conf:1: ttys0=: a line mode (,"BAUD=115200") is not supported yet',
    ),
    "later: eth": ("kernel=a\neth0=slirp", "bad.conf:2: eth0= is not supported by this version"),
    "later: cofs": ("cofs31=/home", "bad.conf:1: cofs31= is not supported by this version"),
    "later: exec": ("exec0=xming.exe", "bad.conf:1: exec0= is not supported by this version"),
    "later: hda1": ("hda1=:cobd0", "bad.conf:1: hda1= is not supported by this version"),
    "later: sdb": ("sdb=:cobd0", "bad.conf:1: sdb= is not supported by this version"),
    "later: cocon": ("cocon=80x25", "bad.conf:1: cocon= is not supported by this version"),
    "mem, letters": ("kernel=a mem=64M", "bad.conf:1: mem=64M: expected a whole number of MiB, 16 to 65536"),
    "mem, too small": ("kernel=a mem=15", "mem=15: expected a whole number of MiB"),
    "mem, too big": ("kernel=a mem=65537", "mem=65537: expected"),
    "mem, wraps": ("kernel=a mem=18446744073709551680", "mem=18446744073709551680: expected"),
    "mem, negative": ("kernel=a mem=-64", "mem=-64: expected"),
    "mem, empty": ("kernel=a mem=", "mem=: expected"),
    "timeout": (
        "kernel=a shutdown-timeout=soon",
        "shutdown-timeout=soon: expected a whole number of seconds, 0 to 86400",
    ),
    "long line": ("x" * 2048, "bad.conf:1: the guest kernel's command line is longer than 2047 bytes"),
    "no kernel": ("mem=64", "no kernel= is given; see --help"),
    "too many devices": (
        "kernel=a " + " ".join(f"cobd{i}=a" for i in range(32)),
        "32 disks and 0 serial ports are too many: a guest has room for 32 devices",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_an_error_says_where(name: str, tmp_path: Path) -> None:
    text, message = FILES[name]
    (tmp_path / "bad.conf").write_text(text)
    assert message in bad(tmp_path, "@bad.conf")


ARGUMENTS = {
    "twice": (["mem=32", "mem=32"], "argument 3: mem is given twice; the first one is at argument 2"),
    "unknown switch": (["--frobnicate"], "argument 2: unknown switch --frobnicate; see --help"),
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
    assert message in bad(tmp_path, *arguments)


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
    assert bad(folder, "kernel=vmlinux", "cobd0=nothing.img") == "nothing.img: No such file or directory"
    assert "nothing.gz: No such file" in bad(folder, "kernel=vmlinux", "initrd=nothing.gz")


def test_help_and_version(tmp_path: Path) -> None:
    told = daemon_kit.check(tmp_path, "--help")
    assert told.returncode == 0
    for word in (
        "kernel=PATH",
        "cobdN=PATH[,ro]",
        "ttysN=PATH",
        "shutdown-timeout=SEC",
        "--check",
        "14 the driver",
    ):
        assert word in told.stdout
    assert max(map(len, told.stdout.splitlines())) <= 88
    told = daemon_kit.check(tmp_path, "--version")
    assert (told.returncode, told.stdout) == (0, "colinux-daemon development, ABI 1\n")


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


WORDS = st.one_of(
    st.sampled_from(
        [
            "kernel=",
            "mem=",
            "cobd0=",
            "cobd31=",
            'ttys0="',
            '"',
            "#",
            "\n",
            " ",
            "--",
            "=",
            ",ro",
            "@x",
            "-d",
            "eth0=",
            "initrd=vmlinux",
            "mem=64",
            "root=/dev/vda",
            "\\",
            "\t",
            "\r\n",
            "hd",
            "sda",
            "cocon",
        ]
    ),
    st.text(max_size=8),
    st.binary(max_size=8),
)


@settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(words=st.lists(WORDS, max_size=30))
def test_any_text_gets_an_answer(words: list[str | bytes], tmp_path: Path) -> None:
    """No text crashes the parser or makes it say nothing."""
    text = b"".join(word if isinstance(word, bytes) else word.encode("utf-8", "replace") for word in words)
    (tmp_path / "any.conf").write_bytes(text)
    done = subprocess.run(
        [daemon_kit.programs() / "daemon", "--check", "@any.conf"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
        env=daemon_kit.environment(),
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    assert done.returncode == 255  # "kernel=vmlinux" cannot come out of these words
    assert done.stderr.startswith(b"colinux-daemon: ")
    assert done.stderr.count(b"\n") == 1


def test_fifty_thousand_texts(tmp_path: Path) -> None:
    """The same in one process, without a limit on what comes out."""
    done = subprocess.run(
        [daemon_kit.programs() / "fuzz-options", "1", "50000"],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=False,
        env=daemon_kit.environment(),
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    accepted, refused = (int(word) for word in done.stdout.split())
    assert accepted > 1000 and refused > 1000
