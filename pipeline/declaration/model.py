# SPDX-License-Identifier: GPL-2.0-only
"""What colinux.toml declares, as plain frozen values; `pipeline.declaration.load` makes them.

Everything here is checked: references lead somewhere, numbers are in their
bounds, inherited keys (`extends`) and defaults are filled in. Architectures
are named as Linux names them ("x86_64", "i386"); `debian_arch` translates.
Mappings are ordinary dicts in the order of the file: treat them as read-only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

DEBIAN_ARCH: Mapping[str, str] = {"x86_64": "amd64", "i386": "i386"}

# Which guest architectures a host's CPU mode can run beside (DESIGN.md, section 5).
GUESTS_OF_HOST: Mapping[str, frozenset[str]] = {
    "x86_64": frozenset({"x86_64", "i386"}),
    "i386": frozenset({"i386"}),
}

# The kinds of root filesystem that are loaded with the kernel; 2.4 has no initramfs, but a ramdisk.
IN_MEMORY = ("initramfs", "ramdisk")

# The kinds that a test host has in a folder, to be used beside its guest.
FOR_HOSTS = ("unpacked", "archive")

# What the launcher can do with a machine, and what it can check on one. The
# launcher implements these names; a test of its own holds both lists together.
SCENARIOS = frozenset(
    {"basic", "stress", "two-guests", "panic", "kill", "journal", "journal-50", "nmi", "mce", "busy", "clock", "cofs",
     "net", "devices", "debian", "lived-in", "desktop"}
)
CHECKS = frozenset(
    {
        # in the guest
        "uname",
        "memory",
        "disk",
        "names",
        "timers",
        "fpu",
        "state",
        "forks",
        "doors",
        "status",
        "accounts",
        "systemd",
        "apt",
        "login",
        "folder",
        "net-lease",
        "net-ping",
        "net-dns",
        "net-tcp",
        "net-udp",
        "net-second",
        "net-ip6",
        "net-tap",
        "apt-install",
        "git-build",
        "poweroff",
        # on the host, while the guest works: its daemon; with colinux-ctl
        "sandbox",
        "terminals",
        "control",
        "balloon",
        "stop",
        # on the host, afterwards
        "host-clean",
        "host-leak",
        "second-guest",
        "two-guests",
        "unload",
    }
)


# Of these, what can be done where nobody answers questions (runtime/launcher/image).
IMAGE_CHECKS = frozenset(
    {"uname", "memory", "disk", "names", "timers", "fpu", "state", "forks", "doors", "accounts",
     "poweroff", "second-guest", "unload"}
)  # fmt: skip


@dataclass(frozen=True)
class Project:
    """`default` is the machine that ./doit boots; `epoch` the time (Unix) that built files carry."""

    name: str
    version: str
    default: str
    epoch: int


@dataclass(frozen=True)
class Signature:
    """An OpenPGP signature: where it is, and the fingerprint (40 or 64 hex digits) of who must have made it.

    `of` is what was signed: the "file" as downloaded, or its decompressed "content" (kernel.org's way).
    `keyring` is a file of the checkout with that key.
    """

    url: str
    fingerprint: str
    keyring: str | None
    of: str


@dataclass(frozen=True)
class TarballSource:
    """A tarball from the first of `urls` that works; `strip` leading path components are dropped.

    `tree` is the git tree id that its files must have. `sha256` and `size` (bytes) are the
    file's where they are known beforehand; with `derived` nobody has published them, they
    were computed from the tree as one would pack it, so that the tree decides.
    """

    name: str
    urls: tuple[str, ...]
    signature: Signature | None = None
    strip: int = 1
    tree: str | None = None
    sha256: str | None = None
    size: int | None = None
    derived: bool = False


@dataclass(frozen=True)
class GitSignature:
    """Who must have signed a commit: the fingerprint, and the file of the checkout that has the key, as `Signature`.

    `of` is the object that carries the signature: the "commit", or the "tag" that the source's `ref` names.
    """

    fingerprint: str
    keyring: str | None
    of: str


@dataclass(frozen=True)
class GitSource:
    """A commit: `commit` and `tree` are full ids, `ref` a hint where the commit can be found."""

    name: str
    urls: tuple[str, ...]
    commit: str
    tree: str
    ref: str | None = None
    signature: GitSignature | None = None


@dataclass(frozen=True)
class DebianSource:
    """A Debian package, or one file out of it (`member`); `arch` is Debian's name, "all", or "source".

    Of a source package that is not `patched` only the author's own tarball counts.
    """

    name: str
    package: str
    arch: str
    suite: str | None = None
    member: str | None = None
    patched: bool = True


Source = TarballSource | GitSource | DebianSource


@dataclass(frozen=True)
class Userland:
    """Programs of our own for one architecture: the sources of their C library and of busybox."""

    arch: str
    libc: str
    busybox: str


@dataclass(frozen=True)
class Kernel:
    """A guest kernel.

    `sources` are tried in their order. `patches` and `overlay` are folders of
    patches/; `fragments` are files <patches>/config/<name>.config or, with a
    slash, paths in the checkout; `options` are single ones on top: {"DEBUG_FS": "y"};
    `compiler` is one of toolchain/compilers.toml.
    """

    name: str
    series: str
    arch: str
    sources: tuple[str, ...]
    patches: str
    overlay: tuple[str, ...]
    base: str
    fragments: tuple[str, ...]
    options: dict[str, str]
    compiler: str

    def fragment_path(self, fragment: str, root: Path) -> Path:
        """Where a fragment of this kernel lies in the checkout `root`."""
        if "/" in fragment:
            return root / fragment
        return root / "patches" / self.patches / "config" / f"{fragment}.config"


@dataclass(frozen=True)
class Qemu:
    """The computer that QEMU shows to a test host; memory in MiB, arguments for the host's kernel."""

    cpu: str
    smp: int
    memory_mib: int
    kernel_args: str = ""


@dataclass(frozen=True)
class Host:
    """A test host: Debian (meta)packages of its kernel and headers, the kernel modules it loads.

    `suite` is the Debian release that they are of, None for whatever this machine's apt offers.
    """

    name: str
    os: str
    arch: str
    image: str
    headers: str
    modules: tuple[str, ...]
    qemu: Qemu
    suite: str | None = None

    @property
    def debian_arch(self) -> str:
        return DEBIAN_ARCH[self.arch]

    @property
    def osarch(self) -> str:
        """For Paths.daemon: "linux-x86_64"."""
        return f"{self.os}-{self.arch}"


@dataclass(frozen=True)
class File:
    """One file of a root filesystem: its text, or the file of the checkout that it is a copy of."""

    content: str | None
    source: str | None
    mode: int


@dataclass(frozen=True)
class Rootfs:
    """A root filesystem: a busybox, or of kind "debian" a whole system.

    Two kinds are loaded with the kernel (IN_MEMORY), two are for test hosts (FOR_HOSTS), the others are disks.
    `size_mib` is 0 for an initramfs; `suite` None for whatever release this
    machine's apt offers; without `packages` its busybox is the userland's.
    """

    name: str
    kind: str
    arch: str
    size_mib: int = 0
    sources: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    files: dict[str, File] = field(default_factory=dict)
    suite: str | None = None
    hostname: str = "colinux"

    @property
    def debian_arch(self) -> str:
        return DEBIAN_ARCH[self.arch]


@dataclass(frozen=True)
class Disk:
    """A block device: an image (`rootfs`), or an empty one of `size_mib` (else 0). Not both."""

    rootfs: str | None = None
    size_mib: int = 0
    readonly: bool = False


@dataclass(frozen=True)
class Timeouts:
    """Seconds: `boot` from QEMU's start to the guest's agent, `check` for each check, `total` for all."""

    boot: int
    check: int
    total: int


@dataclass(frozen=True)
class Machine:
    """Something to boot. `qemu` is the host's, with the machine's own values over it.

    `cmdline` is words for the daemon: for the guest kernel's command line, or keys of coLinux's (hda1=:cobd0).

    `conf` is a file of the checkout that the daemon is configured by; `carries` are root filesystems of the kinds
    FOR_HOSTS, which the test host has as files.

    `beside` names a machine whose guest runs at the same time, in the second slot.

    `nt`: the driver is the named Windows' colinux.sys (toolchain/windows.toml), in a harness inside the host's kernel.
    """

    name: str
    title: str
    kernel: str
    host: str
    initramfs: str | None
    disks: tuple[Disk, ...]
    memory_mib: int
    cmdline: str
    guests: int
    scenario: str
    checks: tuple[str, ...]
    driver_args: tuple[str, ...]
    timeouts: Timeouts
    qemu: Qemu
    beside: str | None = None
    nt: str | None = None
    conf: str | None = None
    carries: tuple[str, ...] = ()


@dataclass(frozen=True)
class WindowsImage:
    """A machine of kind windows-image: a disk image of an NT, which is the user's, and the guest that is tried in it.

    `image` is a path (runtime.launcher.image.path_of); `format` None for what the file itself says; `serial` the
    port that verdicts come by. In `timeouts`, `boot` is until the image has run its hook.
    """

    name: str
    title: str
    image: str
    format: str | None
    nt: str
    kernel: str
    initramfs: str
    disks: tuple[Disk, ...]
    memory_mib: int
    cmdline: str
    checks: tuple[str, ...]
    serial: str
    timeouts: Timeouts
    qemu: Qemu


@dataclass(frozen=True)
class Release:
    """What `./doit release` packs; with no machine named, the default one."""

    name: str
    machines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Declaration:
    """All of a colinux.toml; `path` is the file. Every mapping is by name, in the file's order."""

    path: Path
    project: Project
    sources: dict[str, Source]
    kernels: dict[str, Kernel]
    userlands: dict[str, Userland]  # by architecture
    hosts: dict[str, Host]
    rootfs: dict[str, Rootfs]
    machines: dict[str, Machine]
    release: Release
    images: dict[str, WindowsImage] = field(default_factory=dict)  # machines, too, but of kind windows-image

    def kernels_of(self, machine: Machine) -> tuple[str, ...]:
        """The kernels that a machine boots: its own, and that of the machine it is beside."""
        beside = [self.machines[machine.beside].kernel] if machine.beside else []
        return tuple(dict.fromkeys([machine.kernel, *beside]))

    @property
    def root(self) -> Path:
        """The checkout."""
        return self.path.parent
