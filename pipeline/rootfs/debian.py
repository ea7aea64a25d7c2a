# SPDX-License-Identifier: GPL-2.0-only
"""A Debian root filesystem that boots to a login prompt as a guest.

Verified packages become a local archive, mmdebstrap installs them in a
chroot without a network, its tar archive becomes a `Tree`, and that is made
ours: console, agent, no password for root (a development image: who has the
console has the machine), no units that a guest without firmware, modules and
network cannot run.

mmdebstrap has four ways to get at a chroot; which one this machine allows is
found out by `mode`. Their trees are the same to the bit once `tidy` has
removed what systemd-tmpfiles left there: it does less where /proc is missing.
"""

from __future__ import annotations

import getpass
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.declaration.model import Rootfs
from pipeline.errors import InfrastructureError, UserError
from pipeline.lock import Blob
from pipeline.paths import Paths, remove
from pipeline.process import run
from pipeline.rootfs import busybox
from pipeline.rootfs.disk import disk_errors, require_room
from pipeline.rootfs.tree import Entry, Tree, from_tar, read

OVERLAY = busybox.FILES / "debian"

Packages = Sequence[tuple[Blob, Path]]  # what the lock says, and the .deb

# Beside the declared packages: Debian's Essential ones come by themselves;
# usr-is-merged satisfies init-system-helpers without usrmerge and its Perl.
BASE = ("apt", "usr-is-merged", "systemd", "systemd-sysv", "udev", "e2fsprogs")

# Units that cannot work, or only cost time, in a guest that has no firmware,
# no modules, no network, no disk to unlock and gets its wall time from the
# host. (A program that starts costs up to a second where the host is emulated.)
MASKED = (
    "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer",
    "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer",
    "getty-static.service", "kmod-static-nodes.service",
    "modprobe@configfs.service", "modprobe@drm.service", "modprobe@efi_pstore.service",
    "modprobe@fuse.service", "modprobe@loop.service", "modprobe@dm_mod.service",
    "systemd-boot-system-token.service", "systemd-hwdb-update.service", "systemd-modules-load.service",
    "systemd-networkd.service", "systemd-pstore.service", "systemd-timesyncd.service",
    "hwclock.service", "proc-sys-fs-binfmt_misc.automount", "systemd-binfmt.service",
    "systemd-ask-password-console.path", "systemd-ask-password-wall.path",
    "systemd-journal-flush.service", "systemd-update-utmp.service", "systemd-update-utmp-runlevel.service",
)  # fmt: skip

# Programs that would look for such disks, and for other things that are not there, at every boot.
GENERATORS_OFF = (
    "cryptsetup", "debug", "gpt-auto", "hibernate-resume", "integritysetup", "rc-local", "run",
    "system-update", "sysv", "veritysetup",
)  # fmt: skip

ENABLED = {
    "getty.target.wants/serial-getty@hvc0.service": "/lib/systemd/system/serial-getty@.service",
    "multi-user.target.wants/colinux-agent.service": "/etc/systemd/system/colinux-agent.service",
}

# What a bootstrap leaves that would differ, or nobody needs: folders are emptied ("/*") or removed.
LEFT_BEHIND = (
    "/dev/*", "/proc/*", "/run/*", "/sys/*", "/tmp/*", "/var/tmp/*", "/boot/*",
    "/etc/apt/apt.conf.d/99mmdebstrap", "/etc/dpkg/dpkg.cfg.d/99mmdebstrap", "/etc/resolv.conf",
    "/etc/systemd/system/getty.target.wants/getty@tty1.service",
    # An image of which everybody knows the keys would be open to everybody: each guest makes its own.
    "/etc/ssh/*_key", "/etc/ssh/*_key.pub",
    "/root/.ssh", "/var/cache/apt/*", "/var/cache/debconf/*-old", "/var/cache/ldconfig/*",
    "/var/cache/private", "/var/lib/apt/lists/*", "/var/lib/dpkg/*-old", "/var/lib/private",
    "/var/lib/systemd/coredump", "/var/lib/systemd/pstore", "/var/lib/systemd/random-seed",
    "/var/log/*", "/etc/.pwd.lock",
    # The hardware database is for keyboards and USB names.
    "/usr/lib/udev/hwdb.bin", "/usr/lib/udev/hwdb.d/*",
)  # fmt: skip


# Room that is needed, in times the size of the .debs (measured: unpacked they
# are four times as big): chroot, tar file and two copies of the .debs in
# $TMPDIR; tar file, staged tree and image in build/.
IN_TMP = 11
IN_BUILD = 12

UTMP = 43  # the group utmp of base-passwd


def package_names(rootfs: Rootfs) -> list[str]:
    """What `lock --update` resolves, dependencies and Debian's essential packages on top."""
    return sorted({*BASE, *rootfs.packages})


def tree(
    rootfs: Rootfs, packages: Packages, archive: Path, paths: Paths, *, log: Path, epoch: int
) -> Tree:
    """Bootstrap `packages` and make the result the guest's root filesystem.

    `archive` is a path for mmdebstrap's tar file, which must outlive the tree.
    """
    bootstrap(packages, rootfs.debian_arch, archive, log=log, epoch=epoch)
    made = from_tar(archive, epoch)
    tidy(made)
    furnish(made, rootfs, paths)
    return made


# --- the bootstrap ------------------------------------------------------------------------


def bootstrap(packages: Packages, arch: str, archive: Path, *, log: Path, epoch: int) -> None:
    """Install the packages, all of them and no others, in a chroot; pack it into the tar file `archive`."""
    chosen = mode()
    compressed = sum(blob.size for blob, _ in packages)
    require_room(archive.parent, compressed * IN_BUILD, "a Debian tree")
    with _workshop() as workshop:
        require_room(workshop, compressed * IN_TMP, "a Debian chroot (set TMPDIR to choose another place)")
        with disk_errors(workshop, "a local archive of the packages"):
            repository(packages, workshop / "archive")
        output = workshop / "out" / "root.tar"
        output.parent.mkdir()
        merged = " ".join(["bin", "sbin", "lib", *(["lib64"] if arch == "amd64" else [])])
        run(
            ["mmdebstrap", f"--mode={chosen}", "--variant=custom", "--format=tar", f"--architectures={arch}",
             "--include=" + ",".join(blob.package or "" for blob, _ in packages),
             "--setup-hook=cd \"$1\" && for d in " + merged + "; do mkdir -p usr/$d && ln -s usr/$d $d; done",
             f"--dpkgopt={workshop}/dpkg.cfg",
             "", output, f"deb [trusted=yes] copy:{workshop}/archive ./"],
            cwd=workshop, log=log,
            env={"SOURCE_DATE_EPOCH": str(epoch), "TMPDIR": str(workshop / "tmp"), "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        shutil.move(output, archive)


def mode() -> str:
    """mmdebstrap's way to a chroot on this machine. Raises UserError when there is none.

    root: "unshare" where namespaces are allowed (nothing stays mounted when
    we are killed), else "root" (in containers). A user: "unshare" with
    newuidmap and a range in /etc/subuid, else "fakechroot".
    """
    if os.geteuid() == 0:
        namespaces = run(["unshare", "--mount", "--pid", "--fork", "true"], check=False)
        return "root" if namespaces.returncode else "unshare"
    path = os.environ.get("PATH", os.defpath)
    if shutil.which("newuidmap", path=path) and _has_subids():
        return "unshare"
    if shutil.which("fakechroot", path=path) and shutil.which("fakeroot", path=path):
        return "fakechroot"
    raise UserError(
        "this user may not make a Debian root filesystem: it needs newuidmap and a line in /etc/subuid and"
        " /etc/subgid, or fakechroot and fakeroot",
        hint="install the package uidmap (or fakechroot and fakeroot), or run as root",
    )


def _has_subids() -> bool:
    names = {getpass.getuser(), str(os.getuid())}
    for table in (Path("/etc/subuid"), Path("/etc/subgid")):
        lines = table.read_text().splitlines() if table.exists() else []
        if not any(line.split(":")[0] in names for line in lines):
            return False
    return True


@contextmanager
def _workshop() -> Iterator[Path]:
    """A folder outside the checkout that mmdebstrap's other user ids can reach; gone afterwards.

    A home folder is often closed to them, /tmp ($TMPDIR) is not.
    """
    workshop = Path(tempfile.mkdtemp(prefix="colinux-rootfs-"))
    try:
        workshop.chmod(0o755)
        (workshop / "tmp").mkdir()
        (workshop / "tmp").chmod(0o1777)
        config = workshop / "dpkg.cfg"
        config.write_bytes((OVERLAY / "etc" / "dpkg" / "dpkg.cfg.d" / "colinux").read_bytes())
        config.chmod(0o644)
        yield workshop
    finally:
        try:
            remove(workshop)
        except OSError:
            # A chroot that was left in the middle belongs to user ids of ours that only a namespace shows.
            run(["mmdebstrap", "--unshare-helper", "rm", "-rf", workshop / "tmp"], check=False)
            shutil.rmtree(workshop, ignore_errors=True)


_CONTROL = 'for deb; do dpkg-deb --field "$deb" || exit; printf "\\f"; done'


def repository(packages: Packages, folder: Path) -> None:
    """Make `folder`, a flat archive (sources.list(5)) of the packages: the .debs and a Packages file."""
    folder.mkdir()
    folder.chmod(0o755)
    files = []
    for blob, path in packages:
        # The cache names files by digest; nothing is linked, as the cache may be closed to others.
        deb = folder / f"{blob.package}_{blob.arch}.deb"
        shutil.copyfile(path, deb)
        deb.chmod(0o644)
        files.append(deb)
    stanzas = run(["sh", "-c", _CONTROL, "sh", *files]).stdout.split("\f")
    index = [
        f"{stanza.strip()}\nFilename: ./{deb.name}\nSize: {blob.size}\nSHA256: {blob.sha256}\n"
        for stanza, deb, (blob, _) in zip(stanzas, files, packages, strict=False)
    ]
    target = folder / "Packages"
    target.write_text("\n".join(index))
    target.chmod(0o644)


# --- the tree -----------------------------------------------------------------------------


def tidy(made: Tree) -> None:
    """Remove what the bootstrap left: the same tree whoever made it, whenever and how."""
    for pattern in LEFT_BEHIND:
        folder, _, name = pattern.rpartition("/")
        for path in [path for path, _ in made]:
            if path.rpartition("/")[0] == folder and path != "/" and _matches(path.rpartition("/")[2], name):
                made.remove(path)


def _matches(name: str, pattern: str) -> bool:
    return name.endswith(pattern[1:]) if pattern.startswith("*") else name == pattern


def furnish(made: Tree, rootfs: Rootfs, paths: Paths) -> None:
    """Make a bootstrapped Debian tree a guest: overlay, agent, names, units, root without a password."""
    for file in sorted(OVERLAY.rglob("*")):
        if file.is_file():
            target = "/" + file.relative_to(OVERLAY).as_posix()
            made.file(target, file, 0o755 if file.read_bytes().startswith(b"#!") else 0o644)
    for program, path in busybox.agents(rootfs.arch, paths).items():
        made.file(f"/usr/bin/{program}", path, 0o755)
    made.file("/usr/lib/colinux/colinux-names", busybox.FILES / "colinux-names", 0o755)
    made.file("/usr/sbin/mount.cofs", busybox.FILES / "mount.cofs", 0o755)
    made.file("/etc/hostname", f"{rootfs.hostname}\n")
    made.file("/etc/hosts", f"127.0.0.1\tlocalhost\n127.0.1.1\t{rootfs.hostname}\n::1\tlocalhost\n")
    # Empty, not absent: machine-id(5) calls that "not the first boot" and fills it in.
    made.file("/etc/machine-id", "", 0o444)
    made.symlink("/etc/mtab", "../proc/self/mounts")
    for unit in MASKED:
        made.symlink(f"/etc/systemd/system/{unit}", "/dev/null")
    for name in GENERATORS_OFF:
        made.symlink(f"/etc/systemd/system-generators/systemd-{name}-generator", "/dev/null")
    for link, target in ENABLED.items():
        made.symlink(f"/etc/systemd/system/{link}", target)
    made.symlink("/etc/systemd/system/default.target", "/lib/systemd/system/multi-user.target")
    # Not older than /usr: else systemd-update-done(8)'s units rebuild caches at the first boot.
    for stamp in ("/etc/.updated", "/var/.updated"):
        made.file(stamp, "# This image is up to date.\n")
    _open_root(made)
    _folders(made)


def _open_root(made: Tree) -> None:
    """Take root's password away (shadow(5): an empty second field); Debian's PAM then asks for none."""
    shadow = made["/etc/shadow"]
    lines = read(shadow.content).decode().splitlines()
    if not any(line.startswith("root:") for line in lines):
        raise InfrastructureError("the bootstrapped /etc/shadow has no root")
    opened = ["root::" + line.split(":", 2)[2] if line.startswith("root:") else line for line in lines]
    shadow.content = ("\n".join(opened) + "\n").encode()


def _folders(made: Tree) -> None:
    """Folders that programs expect and that tidy may have emptied away."""
    for path in ("/dev", "/proc", "/run", "/sys", "/var/log", "/var/log/apt", "/var/lib/apt/lists",
                 "/var/cache/apt", "/var/cache/apt/archives"):  # fmt: skip
        if path not in made:
            made.directory(path)
    for path, mode_ in (("/tmp", 0o1777), ("/var/tmp", 0o1777)):
        made.put(path, Entry(stat.S_IFDIR | mode_))
    # login(1) and its PAM modules write these and make neither.
    for path, mode_ in (("/var/log/wtmp", 0o664), ("/var/log/btmp", 0o660), ("/var/log/lastlog", 0o664)):
        made.put(path, Entry(stat.S_IFREG | mode_, gid=UTMP))
