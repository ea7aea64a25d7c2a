# SPDX-License-Identifier: GPL-2.0-only
"""Every key that colinux.toml may have: the reference to look at, and the data that it is checked by."""

from __future__ import annotations

from pipeline.declaration.model import CHECKS, DEBIAN_ARCH, IMAGE_CHECKS, SCENARIOS, Qemu
from pipeline.declaration.schema import (
    Choice,
    Either,
    Flag,
    Key,
    List,
    Named,
    Number,
    Reference,
    Table,
    Text,
    Type,
    Variant,
)
from toolchain import windows

MAX_MEMORY_MIB = 64 << 10
DAY = 24 * 3600

# A name becomes a task's and a folder's.
NAME = Text("letters, digits and . _ + - only, beginning with a letter or digit", r"[A-Za-z0-9][A-Za-z0-9._+-]*")
PACKAGE = Text("the name of a Debian package", r"[a-z0-9][a-z0-9+.-]+")
URL = Text("a URL", r"(https?|ftp|git|ssh|file)://\S+")
SHA1 = Text("a full id of 40 hexadecimal digits (a branch or an abbreviation can move)", r"[0-9a-f]{40}")
SHA256 = Text("a SHA-256 of 64 lower-case hexadecimal digits", r"[0-9a-f]{64}")
LINE = Text("a string of one line", r"[^\x00-\x1f\x7f]*")
WORDS = Text("a string of one line that is not empty", r"[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*")
RELATIVE = Text('a path inside the checkout, without ".."', r"(?!/)(?!(.*/)?\.\.(/|$))[^\x00]+")
MEMORY = Number(16, MAX_MEMORY_MIB, "MiB")
ARCH = Choice("architecture", frozenset(DEBIAN_ARCH))
# "source": the source package of that name, with Debian's patches.
DEBIAN_ARCHES = Choice("Debian architecture", frozenset({"all", "source", *DEBIAN_ARCH.values()}))

PROJECT = Table(
    {
        "name": Key(NAME, required=True),
        "version": Key(Text("a version like 0.8.0", r"\d+(\.\d+)*[A-Za-z0-9.+~-]*"), required=True),
        "default": Key(Reference("machine"), required=True),  # what ./doit boots
        "epoch": Key(Number(0, 2**33, "seconds since 1970"), default=0),  # the time that built files carry
    }
)

_SIGNER = {
    "fingerprint": Key(
        Text(
            "a full OpenPGP fingerprint, 40 or 64 hexadecimal digits",
            r"([0-9A-Fa-f]{40}){1}|[0-9A-Fa-f]{64}",
        ),
        required=True,
    ),
    "keyring": Key(RELATIVE),
}
SIGNATURE = Table(
    {
        **_SIGNER,
        "url": Key(URL, required=True),
        "of": Key(Choice("part that is signed", frozenset({"file", "content"})), default="file"),
    }
)
GIT_SIGNATURE = Table(
    {**_SIGNER, "of": Key(Choice("object that is signed", frozenset({"commit", "tag"})), default="tag")}
)

SOURCE = Variant(
    "kind",
    {
        "tarball": Table(
            {
                "urls": Key(List(URL, least=1), required=True),  # tried in this order
                "signature": Key(SIGNATURE),
                "strip": Key(Number(0, 9, "leading folders to drop"), default=1),
                "tree": Key(SHA1),  # git's tree id of the unpacked files: the same for a tarball and a commit
                "sha256": Key(SHA256),  # of the file, where it is known before the file was seen, and its
                "size": Key(Number(1, 1 << 44, "bytes")),
                "derived": Key(Flag(), default=False),  # not published by anybody: the tree decides
            }
        ),
        "git": Table(
            {
                "urls": Key(List(URL, least=1), required=True),
                "commit": Key(SHA1, required=True),
                "tree": Key(SHA1, required=True),
                "ref": Key(LINE),  # only a hint where the commit is found
                "signature": Key(GIT_SIGNATURE),
            }
        ),
        "debian": Table(
            {
                "package": Key(PACKAGE, required=True),
                "arch": Key(DEBIAN_ARCHES, default="all"),
                "suite": Key(NAME),
                "member": Key(RELATIVE),  # one file out of the package
                "patched": Key(Flag(), default=True),  # a source package with Debian's patches
            }
        ),
    },
)

KERNEL = Table(
    {
        "series": Key(Text("a kernel series like 6.1", r"\d+\.\d+(\.\d+)*"), required=True),
        "arch": Key(ARCH, required=True),
        "sources": Key(List(Reference("source"), least=1), required=True),  # tried in this order
        "patches": Key(RELATIVE, required=True),  # a folder of patches/
        "overlay": Key(List(RELATIVE), default=[]),  # folders of patches/ laid over the tree
        "base": Key(
            Choice("base configuration", frozenset({"tinyconfig", "allnoconfig", "defconfig"})),
            default="tinyconfig",
        ),
        "fragments": Key(List(RELATIVE), default=[]),  # <patches>/config/NAME.config, or a path with a slash
        "options": Key(
            Named(
                Text("y, n, m, a number or a text"),
                Text("an option without CONFIG_", r"(?!CONFIG_)[A-Z0-9][A-Za-z0-9_]*"),
            ),
            default={},
        ),
        "compiler": Key(Reference("compiler"), required=True),  # one of toolchain/compilers.toml
    }
)

# Named by their architecture.
USERLAND_ARCH = Text("an architecture, " + " or ".join(sorted(DEBIAN_ARCH)), "|".join(DEBIAN_ARCH))
USERLAND = Table(
    {
        "libc": Key(Reference("source"), required=True),  # Debian's musl-dev of that architecture
        "busybox": Key(Reference("source"), required=True),  # its source
    }
)

QEMU_KEYS = {
    "cpu": Key(Text("a CPU model of QEMU, perhaps with features: max,la57=off", r"[A-Za-z0-9_.,=+-]+")),
    "smp": Key(Number(1, 64, "CPUs")),
    "memory_mib": Key(Number(128, MAX_MEMORY_MIB, "MiB")),
    "kernel_args": Key(LINE),
}

HOST = Table(
    {
        "os": Key(Choice("operating system", frozenset({"linux"})), required=True),
        "arch": Key(ARCH, required=True),
        "image": Key(PACKAGE, required=True),
        "headers": Key(PACKAGE, required=True),
        "suite": Key(NAME),  # the Debian release; without it whatever this machine's apt offers
        "modules": Key(List(Text("the name of a kernel module", r"[a-z0-9_-]+")), default=[]),
        "qemu": Key(Table(QEMU_KEYS), default={}),
    }
)
# What QEMU shows to a host that says nothing else.
QEMU_DEFAULTS = Qemu(cpu="max,la57=off", smp=2, memory_mib=1024)

FILE = Either(
    Text("the file's text"),
    Table(
        {
            "content": Key(Text("the file's text")),
            "source": Key(RELATIVE),
            "mode": Key(Number(0, 0o7777, "permission bits, e.g. 0o755"), default=0o644),
        },
        exclusive=("content", "source"),
    ),
)
FILES = Named(FILE, Text('an absolute path without ".."', r"(?!(.*/)?\.\.(/|$))/[^\x00]*[^/\x00]"))
HOSTNAME = Text("a host name", r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
ROOTFS_COMMON = {
    "arch": Key(ARCH, required=True),
    "packages": Key(List(PACKAGE, least=1), default=[]),  # without them: busybox of [userland.<arch>]
    "suite": Key(NAME),  # the Debian release; without it whatever this machine's apt offers
    "sources": Key(List(Reference("source")), default=[]),
    "files": Key(FILES, default={}),
    "hostname": Key(HOSTNAME, default="colinux"),
}
PACKAGES_COMMON = {**ROOTFS_COMMON, "packages": Key(List(PACKAGE, least=1), required=True)}
ROOTFS_SIZE = {"size_mib": Key(Number(4, 1 << 20, "MiB"), required=True)}

ROOTFS = Variant(
    "kind",
    {
        "initramfs": Table(ROOTFS_COMMON),
        # An ext2 image that Linux 2.4 unpacks into a ramdisk: it knows no initramfs.
        "ramdisk": Table({**ROOTFS_COMMON, **ROOTFS_SIZE}),
        "ext2": Table({**ROOTFS_COMMON, **ROOTFS_SIZE}),
        "ext3": Table({**ROOTFS_COMMON, **ROOTFS_SIZE}),
        "ext4": Table({**ROOTFS_COMMON, **ROOTFS_SIZE}),
        # A whole system: the packages with all that they depend on, so it has to say of which release.
        "debian": Table(
            {
                **ROOTFS_COMMON,
                **ROOTFS_SIZE,
                "packages": Key(List(PACKAGE, least=1), required=True),
                "suite": Key(NAME, required=True),
            }
        ),
        # What a test host carries for its guests (a machine's `carries`): the files of packages, for a
        # program of theirs; and the packages themselves, an archive that a guest's apt can install from.
        "unpacked": Table(PACKAGES_COMMON),
        "archive": Table(PACKAGES_COMMON),
    },
)

DISK = Table(
    {
        "rootfs": Key(Reference("rootfs")),
        "size_mib": Key(Number(1, 1 << 20, "MiB")),  # an empty disk
        "readonly": Key(Flag(), default=False),
    },
    exclusive=("rootfs", "size_mib"),
)

SECONDS = Number(1, DAY, "seconds")

MACHINE = Table(
    {
        "extends": Key(Reference("machine")),  # take every key from there that is not given here
        "template": Key(Flag(), default=False),  # only there to be extended: is not a machine itself
        "title": Key(WORDS, required=True),
        "kernel": Key(Reference("kernel"), required=True),
        "host": Key(Reference("host"), required=True),
        "initramfs": Key(Reference("rootfs")),
        "disks": Key(List(DISK), default=[]),
        # a configuration file in coLinux's language that the daemon is given; the launcher adds its own console
        "conf": Key(RELATIVE),
        "carries": Key(List(Reference("rootfs")), default=[]),  # of kind unpacked or archive, in the host's /colinux
        "memory_mib": Key(MEMORY, default=128),  # of the guest
        # added to the guest kernel's command line; also keys of the daemon's, like hda1=:cobd0
        "cmdline": Key(LINE, default=""),
        "guests": Key(Number(1, 8, "guests at once"), default=1),
        "beside": Key(Reference("machine")),  # run that one's guest at the same time, as the second
        # that Windows' colinux.sys as the driver, in a harness inside the (Linux) host's kernel
        "nt": Key(Choice("Windows", frozenset(windows.targets()))),
        "scenario": Key(Choice("scenario", SCENARIOS), default="basic"),
        "checks": Key(List(Choice("check", CHECKS)), default=[]),
        "driver_args": Key(List(Text("a parameter of the driver like scatter=1", r"[a-z_]+=\S+")), default=[]),
        "timeouts": Key(
            Table(
                {
                    "boot": Key(SECONDS, default=300),
                    "check": Key(SECONDS, default=120),
                    "total": Key(SECONDS, default=900),
                }
            ),
            default={},
        ),
        "qemu": Key(Table(QEMU_KEYS), default={}),
    },
    extends=True,
)

# colinux.sys in a real NT, in a disk image of the user's (runtime/launcher/image). It extends nothing, nor is extended.
WINDOWS_IMAGE = Table(
    {
        "title": Key(WORDS, required=True),
        "image": Key(LINE, required=True),  # its file; a relative path is one in $COLINUX_IMAGES, or in the checkout
        "format": Key(Choice("image format", frozenset({"raw", "qcow2", "vdi", "vhdx", "vmdk", "vpc"}))),
        "nt": Key(Choice("Windows", frozenset(windows.targets())), required=True),
        "kernel": Key(Reference("kernel"), required=True),
        "initramfs": Key(Reference("rootfs"), required=True),
        "disks": Key(List(DISK), default=[]),
        "memory_mib": Key(MEMORY, default=128),
        "cmdline": Key(LINE, default=""),
        "checks": Key(List(Choice("check of a windows-image", IMAGE_CHECKS), least=1), required=True),
        # The port that verdicts come by: one that the NT does not use for its own debugging. The other has the console.
        "serial": Key(Choice("serial port", frozenset({"COM1", "COM2"})), default="COM1"),
        "timeouts": Key(
            Table(
                {
                    "boot": Key(SECONDS, default=1800),  # until the hook has run
                    "check": Key(SECONDS, default=300),
                    "total": Key(SECONDS, default=3600),
                }
            ),
            default={},
        ),
        "qemu": Key(Table({key: QEMU_KEYS[key] for key in ("cpu", "smp", "memory_mib")}), default={}),
    }
)
# By architecture, the least that each Windows and our guests run on: what an image was installed on is often no more.
IMAGE_CPUS = {"x86_64": "qemu64", "i386": "pentium3"}

MACHINES = Variant("kind", {"test-host": MACHINE, "windows-image": WINDOWS_IMAGE}, default="test-host")

RELEASE = Table(
    {
        "name": Key(NAME),
        "machines": Key(List(Reference("machine")), default=[]),
    }
)


def _named(item: Type, *, required: bool = False) -> Key:
    return Key(Named(item, NAME), required=required)


COLINUX_TOML = Table(
    {
        "project": Key(PROJECT, required=True),
        "source": _named(SOURCE, required=True),
        "kernel": _named(KERNEL, required=True),
        "userland": Key(Named(USERLAND, USERLAND_ARCH)),
        "host": _named(HOST, required=True),
        "rootfs": _named(ROOTFS),
        "machine": _named(MACHINES, required=True),
        "release": Key(RELEASE),
    }
)
