# SPDX-License-Identifier: GPL-2.0-only
"""colinux.toml: what a good one means, and what is said of a bad one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pipeline.declaration import keys, load, schema
from pipeline.declaration.model import CHECKS, SCENARIOS, DebianSource, Disk, GitSource, TarballSource
from pipeline.errors import UserError
from runtime.launcher import scenarios

ROOT = Path(__file__).resolve().parents[2]

BASE = """\
[project]
name = "colinux"
version = "0.8.0"
default = "basic"

[source.deb]
kind = "debian"
package = "linux-source-6.1"

[source.tar]
kind = "tarball"
urls = ["https://example.org/a.tar.xz"]

[kernel."6.1-x86_64"]
series = "6.1"
arch = "x86_64"
sources = ["deb", "tar"]
patches = "linux-6.1"
overlay = ["guest"]
fragments = ["base", "configs/own.config"]
compiler = "gcc-12-x86_64"

[host.linux-amd64]
os = "linux"
arch = "x86_64"
image = "linux-image-amd64"
headers = "linux-headers-amd64"

[host.old]
os = "linux"
arch = "i386"
image = "linux-image-686"
headers = "linux-headers-686"

[rootfs.busybox]
kind = "initramfs"
arch = "x86_64"
packages = ["busybox-static"]

[rootfs.disk]
kind = "ext4"
arch = "x86_64"
size_mib = 64
packages = ["busybox-static"]

[rootfs.bookworm]
kind = "debian"
arch = "x86_64"
size_mib = 1024
suite = "bookworm"
packages = ["apt"]

[rootfs.client]
kind = "unpacked"
arch = "i386"
packages = ["dropbear-bin"]

[machine.basic]
title = "the basic one"
kernel = "6.1-x86_64"
host = "linux-amd64"
initramfs = "busybox"
disks = [{ rootfs = "disk" }, { size_mib = 64, readonly = true }]
checks = ["uname", "memory"]
timeouts.boot = 100
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what BASE names."""
    for file in ("patches/linux-6.1/config/base.config", "configs/own.config", "files/motd"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("")
    (tmp_path / "patches" / "guest").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(checkout: Path, text: str) -> Path:
    path = checkout / "colinux.toml"
    path.write_text(text)
    return path


def faults(checkout: Path, text: str) -> list[str]:
    """What is said of a text: one string a fault."""
    with pytest.raises(UserError) as caught:
        load(write(checkout, text))
    assert caught.value.exit_code == 2
    return str(caught.value).splitlines()


def changed(old: str, new: str) -> str:
    assert BASE.count(old) >= 1, old
    return BASE.replace(old, new, 1)


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


# --- good ones ---------------------------------------------------------------------------------


def test_the_repository_s_own_is_good() -> None:
    declaration = load(ROOT / "colinux.toml")
    assert declaration.project.default in declaration.machines
    assert declaration.root == ROOT
    # What the scenarios promise is there to be booted.
    assert {machine.scenario for machine in declaration.machines.values()} == SCENARIOS
    assert {check for machine in declaration.machines.values() for check in machine.checks} == CHECKS
    qemus = [machine.qemu for machine in declaration.machines.values()]
    assert {1, 2, 4} <= {qemu.smp for qemu in qemus}
    assert {"qemu64", "Nehalem", "Skylake-Client", "EPYC", "max"} <= {qemu.cpu for qemu in qemus}
    assert any("pti=on" in qemu.kernel_args for qemu in qemus)
    assert any(qemu.memory_mib > 4096 for qemu in qemus)
    assert any("scatter=1" in machine.driver_args for machine in declaration.machines.values())
    assert len({machine.title for machine in declaration.machines.values()}) == len(declaration.machines)


def test_the_launcher_knows_the_same_names() -> None:
    """A name that may be declared but not played would be found after the build, not before."""
    assert scenarios.CHECKS == CHECKS
    assert set(scenarios.SCENARIOS) == SCENARIOS


def test_values_and_defaults(checkout: Path) -> None:
    declaration = load(write(checkout, BASE))
    assert declaration.sources["deb"] == DebianSource("deb", "linux-source-6.1", "all")
    assert declaration.sources["tar"] == TarballSource("tar", ("https://example.org/a.tar.xz",), None, 1)
    kernel = declaration.kernels["6.1-x86_64"]
    assert (kernel.base, kernel.options, kernel.sources) == ("tinyconfig", {}, ("deb", "tar"))
    assert kernel.fragment_path("base", checkout) == checkout / "patches/linux-6.1/config/base.config"
    assert kernel.fragment_path("configs/own.config", checkout) == checkout / "configs/own.config"
    host = declaration.hosts["linux-amd64"]
    assert (host.debian_arch, host.osarch) == ("amd64", "linux-x86_64")
    machine = declaration.machines["basic"]
    assert machine.disks == (Disk("disk"), Disk(None, 64, True))
    assert (machine.memory_mib, machine.guests, machine.scenario) == (128, 1, "basic")
    assert (machine.timeouts.boot, machine.timeouts.check, machine.timeouts.total) == (100, 120, 900)
    assert machine.qemu == host.qemu == keys.QEMU_DEFAULTS
    assert declaration.release.machines == () and declaration.release.name == "colinux"
    assert declaration.rootfs["busybox"].size_mib == 0 and declaration.rootfs["busybox"].suite is None


def test_every_other_key(checkout: Path) -> None:
    text = (
        BASE.replace("[host.old]", 'qemu = { cpu = "EPYC", smp = 4 }\n[host.old]')
        + """
    cmdline = "quiet"
    qemu.smp = 1
    qemu.kernel_args = "pti=on"
    [source.git]
    kind = "git"
    urls = ["https://example.org/linux.git"]
    commit = "60b341b778cc2929df16c0a504c91621b3c6a4ad"
    tree = "b76a619a82e7f3a95c08cc0894e19d3c47c68fe5"
    ref = "v2.6.33"
    [source.tar.signature]
    url = "https://example.org/a.tar.sign"
    fingerprint = "647F28654894E3BD457199BE38DBBDC86092693E"
    of = "content"
    [rootfs.busybox.files]
    "/etc/motd" = "Good morning."
    "/etc/x" = { source = "files/motd", mode = 0o755 }
    [kernel."6.1-x86_64".options]
    DEBUG_FS = "y"
    [release]
    name = "colinux-try"
    machines = ["basic"]
    """
    )
    declaration = load(write(checkout, text))
    git = declaration.sources["git"]
    assert isinstance(git, GitSource) and git.ref == "v2.6.33" and git.commit.startswith("60b341b7")
    tar = declaration.sources["tar"]
    assert isinstance(tar, TarballSource) and tar.signature is not None
    assert tar.signature.of == "content" and tar.signature.keyring is None
    files = declaration.rootfs["busybox"].files
    assert files["/etc/motd"].content == "Good morning." and files["/etc/motd"].mode == 0o644
    assert files["/etc/x"].source == "files/motd" and files["/etc/x"].mode == 0o755
    assert declaration.kernels["6.1-x86_64"].options == {"DEBUG_FS": "y"}
    assert declaration.release.machines == ("basic",) and declaration.release.name == "colinux-try"
    qemu = declaration.machines["basic"].qemu
    assert (qemu.cpu, qemu.smp, qemu.memory_mib, qemu.kernel_args) == ("EPYC", 1, 1024, "pti=on")


def test_a_declaration_cannot_be_changed(checkout: Path) -> None:
    declaration = load(write(checkout, BASE))
    with pytest.raises(dataclasses.FrozenInstanceError):
        declaration.machines["basic"].memory_mib = 1  # type: ignore[misc]


# --- extends -----------------------------------------------------------------------------------


def test_a_machine_takes_what_it_does_not_give(checkout: Path) -> None:
    text = (
        BASE
        + """
    [machine.child]
    extends = "basic"
    title = "a child"
    memory_mib = 256
    timeouts.check = 7
    qemu.smp = 4
    [machine.grandchild]
    extends = "child"
    title = "its child"
    checks = []
    qemu.cpu = "EPYC"
    """
    )
    machines = load(write(checkout, text)).machines
    child, grandchild = machines["child"], machines["grandchild"]
    assert child.disks == machines["basic"].disks and child.checks == ("uname", "memory")
    assert (child.timeouts.boot, child.timeouts.check) == (100, 7)
    assert (grandchild.memory_mib, grandchild.checks) == (256, ())
    assert (grandchild.qemu.cpu, grandchild.qemu.smp) == ("EPYC", 4)
    assert machines["basic"].memory_mib == 128 and machines["basic"].qemu.smp == 2


def test_the_order_of_machines_does_not_matter(checkout: Path) -> None:
    text = '[machine.first]\nextends = "basic"\ntitle = "first"\n' + BASE
    assert load(write(checkout, text)).machines["first"].kernel == "6.1-x86_64"


def test_a_template_is_no_machine(checkout: Path) -> None:
    text = (
        BASE
        + """
[machine.half]
template = true
memory_mib = 64
[machine.whole]
extends = "basic"
title = "whole"
[machine.more]
extends = "half"
title = "more"
kernel = "6.1-x86_64"
host = "linux-amd64"
initramfs = "busybox"
"""
    )
    machines = load(write(checkout, text)).machines
    assert list(machines) == ["basic", "whole", "more"]
    assert machines["more"].memory_mib == 64
    text = text.replace('default = "basic"', 'default = "half"')
    assert faults(checkout, text) == ['colinux.toml:4: project.default: "half" is a template; expected a machine']


def test_a_title_is_not_inherited(checkout: Path) -> None:
    said = faults(checkout, BASE + '[machine.child]\nextends = "basic"\n')
    line = BASE.count("\n") + 1
    assert len(said) == 1
    assert said[0].startswith(f'colinux.toml:{line}: machine.child: the key "title" is missing')


def test_a_cycle_is_named(checkout: Path) -> None:
    text = (
        BASE
        + """
[machine.a]
extends = "b"
title = "a"
[machine.b]
extends = "c"
title = "b"
[machine.c]
extends = "a"
title = "c"
[machine.me]
extends = "me"
title = "me"
"""
    )
    said = faults(checkout, text)
    assert len(said) == 2
    three, one = line_of(text, 'extends = "a"'), line_of(text, 'extends = "me"')
    assert f"colinux.toml:{three}: machine.c.extends: extends itself: a -> b -> c -> a" in said
    assert f"colinux.toml:{one}: machine.me.extends: extends itself: me -> me" in said


def test_an_inherited_fault_is_said_once_where_it_stands(checkout: Path) -> None:
    text = changed('initramfs = "busybox"', 'initramfs = "disk"') + '[machine.child]\nextends = "basic"\ntitle = "c"\n'
    said = faults(checkout, text)
    assert len(said) == 1
    line = line_of(text, 'initramfs = "disk"')
    assert said[0].startswith(f"colinux.toml:{line}: machine.basic.initramfs")


def test_a_fault_that_only_the_child_has_is_the_child_s(checkout: Path) -> None:
    text = BASE + '[machine.child]\nextends = "basic"\ntitle = "c"\nhost = "old"\n'
    said = faults(checkout, text)
    assert len(said) == 1
    line = line_of(text, 'host = "old"')
    assert said[0].startswith(f"colinux.toml:{line}: machine.child.kernel: an x86_64 kernel")


# --- bad ones: what is changed in BASE, and what is said with which line's text ----------------

BAD = {
    "a series that nobody can build": (
        'series = "6.1"', 'series = "2.6.34"', 'series: unknown series "2.6.34"; did you mean "2.6.33"?'
    ),
    "an architecture that the series has not": (
        'series = "6.1"\narch = "x86_64"', 'series = "2.4.37"\narch = "x86_64"', "arch: Linux 2.4.37 is built for i386, not for x86_64"
    ),
    "a base that the series has not": (
        'series = "6.1"', 'series = "2.6.33"\nbase = "tinyconfig"', "base: Linux 2.6.33 has no tinyconfig"
    ),
    "a compiler whose source is nowhere": (
        'arch = "x86_64"\nsources = ["deb", "tar"]\npatches = "linux-6.1"\noverlay = ["guest"]\n'
        'fragments = ["base", "configs/own.config"]\ncompiler = "gcc-12-x86_64"',
        'arch = "i386"\nsources = ["deb", "tar"]\npatches = "linux-6.1"\noverlay = ["guest"]\n'
        'fragments = ["base", "configs/own.config"]\ncompiler = "gcc-3.4.6-i386"',
        '"gcc-3.4.6-i386" is built from [source."gcc-3.4.6"], which is not declared',
    ),
    "a hash without a size": (
        'urls = ["https://example.org/a.tar.xz"]',
        f'urls = ["https://example.org/a.tar.xz"]\nsha256 = "{"0" * 64}"',
        'source.tar.sha256: "sha256" is of no use without "size"',
    ),
    "a derived hash that no tree can overrule": (
        'urls = ["https://example.org/a.tar.xz"]',
        f'urls = ["https://example.org/a.tar.xz"]\nsha256 = "{"0" * 64}"\nsize = 1\nderived = true',
        'source.tar.derived: "derived" is of no use without "tree"',
    ),
    "an unknown reference": (
        'kernel = "6.1-x86_64"',
        'kernel = "6.1-x86_63"',
        'machine.basic.kernel: unknown kernel "6.1-x86_63"; did you mean "6.1-x86_64"?',
    ),
    "an unknown key of a machine": (
        "initramfs =",
        "initrmfs =",
        'machine.basic.initrmfs: unknown key "initrmfs"; did you mean "initramfs"?',
    ),
    "an unknown table": ("[rootfs.disk]", "[rootf.disk]", 'rootf: unknown key "rootf"; did you mean "rootfs"?'),
    "an unknown key deep inside": (
        "readonly = true",
        "readonli = true",
        'machine.basic.disks[1].readonli: unknown key "readonli"; did you mean "readonly"?',
    ),
    "a wrong type": (
        'title = "the basic one"',
        "title = 7",
        "machine.basic.title: expected a string of one line that is not empty, found an integer, 7",
    ),
    "a string for a number": (
        "size_mib = 64\n",
        'size_mib = "64"\n',
        'rootfs.disk.size_mib: expected an integer from 4 to 1048576 (MiB), found "64"',
    ),
    "a boolean for a number": (
        "timeouts.boot = 100",
        "timeouts.boot = true",
        "machine.basic.timeouts.boot: expected an integer from 1 to 86400 (seconds), found true",
    ),
    "a table for a string": ('host = "linux-amd64"', "host = {}", "machine.basic.host: expected the name of a host"),
    "a date": ('default = "basic"', "default = 2020-01-01", "found a date or time"),
    "a check": (
        '"uname", "memory"',
        '"uname", "memroy"',
        'machine.basic.checks[1]: unknown check "memroy"; did you mean "memory"?',
    ),
    "a check twice": ('"uname", "memory"', '"uname", "uname"', 'machine.basic.checks[1]: "uname" is there twice'),
    "a kind": ('kind = "ext4"', 'kind = "ext5"', 'unknown rootfs kind "ext5"; did you mean "ext4"?'),
    "a missing kind": ('kind = "debian"\npackage', "package", 'source.deb: the key "kind" is missing'),
    "a key of another kind": (
        'package = "linux-source-6.1"',
        'package = "linux-source-6.1"\ncommit = "x"',
        'source.deb.commit: unknown key "commit"',
    ),
    "a missing key": ('series = "6.1"\n', "", 'kernel."6.1-x86_64": the key "series" is missing'),
    "a missing table": (
        "[host.old]",
        "[machine.x.y]\n[host.old]",
        'machine.x.y: unknown key "y"',
    ),
    "a compiler": (
        '"gcc-12-x86_64"',
        '"gcc-13-x86_64"',
        'kernel."6.1-x86_64".compiler: unknown compiler "gcc-13-x86_64"; did you mean "gcc-12-x86_64"?',
    ),
    "a fragment": (
        '"base", ',
        '"bsae", ',
        'kernel."6.1-x86_64".fragments[0]: there is no file patches/linux-6.1/config/bsae.config; did you mean "base"?',
    ),
    "a fragment by path": (
        '"configs/own.config"',
        '"configs/my.config"',
        'kernel."6.1-x86_64".fragments[1]: there is no file configs/my.config',
    ),
    "a folder of patches": (
        'patches = "linux-6.1"',
        'patches = "linux-6.2"',
        'kernel."6.1-x86_64".patches: there is no folder patches/linux-6.2; did you mean "linux-6.1"?',
    ),
    "an overlay": (
        'overlay = ["guest"]',
        'overlay = ["gest"]',
        'kernel."6.1-x86_64".overlay[0]: there is no folder patches/gest; did you mean "guest"?',
    ),
    "a path out of the checkout": (
        'patches = "linux-6.1"',
        'patches = "../linux-6.1"',
        'kernel."6.1-x86_64".patches: expected a path inside the checkout',
    ),
    "a disk that is an initramfs": (
        '{ rootfs = "disk" }',
        '{ rootfs = "busybox" }',
        'machine.basic.disks[0].rootfs: "busybox" is of kind initramfs; expected one of kind ext2, ext3, ext4 or debian',
    ),
    "an initramfs that is a disk": (
        'initramfs = "busybox"',
        'initramfs = "bookworm"',
        'machine.basic.initramfs: "bookworm" is of kind debian; expected one of kind initramfs or ramdisk; known: busybox',
    ),
    "a disk that a host carries": (
        '{ rootfs = "disk" }, {',
        '{ rootfs = "client" }, {',
        'machine.basic.disks[0].rootfs: "client" is of kind unpacked; expected one of kind ext2, ext3, ext4 or debian',
    ),
    "a host that carries a disk": (
        "timeouts.boot",
        'carries = ["disk"]\ntimeouts.boot',
        'machine.basic.carries[0]: "disk" is of kind ext4; expected one of kind unpacked or archive; known: client',
    ),
    "a configuration file that is not there": (
        "timeouts.boot",
        'conf = "files/linux.conf"\ntimeouts.boot',
        "machine.basic.conf: there is no file files/linux.conf in the checkout",
    ),
    "a disk that is both": (
        '{ rootfs = "disk" }',
        '{ rootfs = "disk", size_mib = 4 }',
        'machine.basic.disks[0]: expected one of "rootfs" and "size_mib", found both',
    ),
    "a disk that is nothing": (
        '{ rootfs = "disk" }',
        "{ readonly = true }",
        'machine.basic.disks[0]: expected one of "rootfs" and "size_mib", found neither',
    ),
    "a guest for another host": (
        'host = "linux-amd64"',
        'host = "old"',
        'machine.basic.kernel: an x86_64 kernel ("6.1-x86_64") cannot run beside an i386 host ("old")',
    ),
    "programs for another guest": (
        'arch = "x86_64"\npackages',
        'arch = "i386"\npackages',
        'machine.basic.initramfs: "busybox" is for i386, the kernel is x86_64',
    ),
    "a compiler for another kernel": (
        'arch = "x86_64"\nsources',
        'arch = "i386"\nsources',
        'kernel."6.1-x86_64".compiler: "gcc-12-x86_64" builds for x86_64, the kernel is i386',
    ),
    "too little memory": (
        "timeouts.boot",
        "memory_mib = 15\ntimeouts.boot",
        "machine.basic.memory_mib: expected an integer from 16 to 65536 (MiB), found an integer, 15",
    ),
    "too much memory": (
        "timeouts.boot",
        "memory_mib = 65537\ntimeouts.boot",
        "machine.basic.memory_mib: expected an integer from 16 to 65536 (MiB)",
    ),
    "more memory than the host has": (
        "timeouts.boot",
        "memory_mib = 400\nguests = 2\ntimeouts.boot",
        "machine.basic.memory_mib: 2 x 400 MiB for guests and 256 MiB for the host itself are more than",
    ),
    "no time": (
        "timeouts.boot = 100",
        "timeouts.boot = 0",
        "machine.basic.timeouts.boot: expected an integer from 1 to 86400 (seconds), found an integer, 0",
    ),
    "a limit longer than all": (
        "timeouts.boot = 100",
        "timeouts.boot = 1000",
        "machine.basic.timeouts.boot: the limit for boot, 1000 s, is longer than that for all, 900 s",
    ),
    "a Debian's check without Debian": (
        '"uname", "memory"',
        '"uname", "apt"',
        'machine.basic.checks[1]: the check "apt" needs a disk with a root filesystem of kind debian',
    ),
    "two guests that are one": (
        "timeouts.boot",
        'scenario = "two-guests"\ntimeouts.boot',
        'machine.basic.scenario: needs "guests" to be 2 or more',
    ),
    "a name with a slash": (
        "[rootfs.disk]",
        '[rootfs."../disk"]',
        'rootfs."../disk": "../disk" cannot be a name: expected letters, digits',
    ),
    "an abbreviated commit": (
        "[host.old]",
        '[source.git]\nkind = "git"\nurls = ["https://x/y"]\ncommit = "v6.1"\n'
        'tree = "b76a619a82e7f3a95c08cc0894e19d3c47c68fe5"\n[host.old]',
        "source.git.commit: expected a full id of 40 hexadecimal digits",
    ),
    "no address": (
        '"https://example.org/a.tar.xz"',
        '"example.org/a.tar.xz"',
        'source.tar.urls[0]: expected a URL, found "example.org/a.tar.xz"',
    ),
    "no address at all": (
        '["https://example.org/a.tar.xz"]',
        "[]",
        "source.tar.urls: expected at least 1 element, found none",
    ),
    "a default that is not there": (
        'default = "basic"',
        'default = "Basic"',
        'project.default: unknown machine "Basic"; did you mean "basic"?',
    ),
    "a piece of a source package": (
        'package = "linux-source-6.1"',
        'package = "linux"\narch = "source"\nmember = "README"',
        'source.deb.member: a source package (arch = "source") is unpacked whole',
    ),
    "an option with its prefix": (
        'compiler = "gcc',
        'options.CONFIG_DEBUG_FS = "y"\ncompiler = "gcc',
        '"CONFIG_DEBUG_FS" cannot be a name: expected an option without CONFIG_',
    ),
    "a relative path in an image": (
        "[rootfs.disk]",
        '[rootfs.busybox.files]\n"etc/motd" = ""\n[rootfs.disk]',
        '"etc/motd" cannot be a name: expected an absolute path',
    ),
    "a file that is not there": (
        "[rootfs.disk]",
        '[rootfs.busybox.files]\n"/etc/motd" = { source = "no/motd" }\n[rootfs.disk]',
        'rootfs.busybox.files."/etc/motd".source: there is no file no/motd in the checkout',
    ),
}


# Two lines contradict each other: the other one is as good a place.
ELSEWHERE = ("a guest for another host", "programs for another guest", "a compiler for another kernel")


@pytest.mark.parametrize("name", BAD)
def test_a_fault_is_said_on_its_line(checkout: Path, name: str) -> None:
    old, new, message = BAD[name]
    text = changed(old, new)
    said = faults(checkout, text)
    hits = [line for line in said if message in line]
    assert len(hits) == 1, "\n".join(said)
    # The fault is on a line that the change touched, or on that of the table around it.
    first = line_of(text, new) if new else line_of(BASE, old) - 1
    number = int(hits[0].split(":")[1])
    lines = range(first - 8 if "missing" in message else first, first + new.count("\n") + 1)
    if name not in ELSEWHERE:
        assert number in lines, (number, hits)


def test_an_empty_file_lacks_every_table(checkout: Path) -> None:
    said = faults(checkout, "")
    assert [line.split('"')[1] for line in said] == ["host", "kernel", "machine", "project", "source"]
    assert all(line.startswith("colinux.toml:1: the key ") for line in said)


def test_a_table_that_is_none(checkout: Path) -> None:
    assert "colinux.toml:1: machine: expected a table of tables, found an integer, 3" in faults(
        checkout, "machine = 3\n"
    )
    assert any("machine.x: expected a table, found true" in line for line in faults(checkout, "machine.x = true\n"))


def test_all_faults_at_once_by_line(checkout: Path) -> None:
    text = BASE
    expected = []
    for name in ("a default that is not there", "a fragment", "a kind", "a check", "no time", "a wrong type"):
        old, new, message = BAD[name]
        text = text.replace(old, new, 1)
        expected.append(message)
    said = faults(checkout, text)
    for message in expected:
        assert any(message in line for line in said), message
    numbers = [int(line.split(":")[1]) for line in said]
    assert numbers == sorted(numbers)
    assert len(numbers) == len(expected), "\n".join(said)


def test_a_faulty_entry_is_not_an_unknown_one(checkout: Path) -> None:
    """One mistake in a kernel must not make every machine complain that it has none."""
    assert len(faults(checkout, changed('series = "6.1"', "series = 6.1"))) == 1


def test_an_unknown_base_is_one_fault(checkout: Path) -> None:
    said = faults(checkout, BASE + '[machine.child]\nextends = "basik"\ntitle = "c"\n')
    assert len(said) == 1 and 'unknown machine "basik"; did you mean "basic"?' in said[0]


def test_the_file_is_named_as_one_would_open_it(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (checkout / "sub").mkdir()
    monkeypatch.chdir(checkout / "sub")
    with pytest.raises(UserError) as caught:
        load(write(checkout, changed('default = "basic"', "default = 1")))
    assert str(caught.value).startswith(f"{checkout}/colinux.toml:4: project.default")


# --- suggestions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "known", "end"),
    [
        ("tinyconfg", ["tinyconfig", "defconfig"], '; did you mean "tinyconfig"?'),
        ("UNAME", ["uname", "memory"], '; did you mean "uname"?'),
        ("deb", ["debian-bookworm", "busybox"], '; did you mean "debian-bookworm"?'),
        ("zzz", ["a", "b"], "; known: a, b"),
        ("zzz", [], "; none is declared"),
    ],
)
def test_did_you_mean(word: str, known: list[str], end: str) -> None:
    assert schema.suggestion(word, known) == end
