# SPDX-License-Identifier: GPL-2.0-only
"""What is inside the images: busybox guest, Debian guest, test host."""

from __future__ import annotations

import dataclasses
import gzip
import re
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import rootfs_kit as kit
from debian_kit import Package

from pipeline import rootfs, sources, userland
from pipeline.declaration.model import File, Host, Qemu, Rootfs
from pipeline.digest import sha256_file
from pipeline.errors import InfrastructureError, UserError
from pipeline.lock import Blob, Lock
from pipeline.paths import Paths
from pipeline.rootfs import busybox, debian, initramfs
from pipeline.rootfs.disk import disk_errors, require_room
from pipeline.rootfs.tree import Entry, Tree, read
from pipeline.sources.archive import unpack_deb
from pipeline.sources.mirror import Mirrors
from pipeline.sources.receipt import write_receipt

BUSYBOX = Rootfs("busybox", "initramfs", "x86_64", packages=("busybox-static",))


class TestBusybox:
    def test_applets_are_read_without_running_it(self, tmp_path: Path) -> None:
        assert busybox.applets(kit.fake_busybox(tmp_path / "busybox")) == kit.APPLETS

    @pytest.mark.parametrize("names", [["[", "[[", "cat"], ["[", "[[", "sh", "mount", "insmod"], []])
    def test_another_program_is_refused(self, tmp_path: Path, names: list[str]) -> None:
        with pytest.raises(InfrastructureError, match="no table of applets"):
            busybox.applets(kit.fake_busybox(tmp_path / "busybox", names))

    def test_the_guest_has_applets_agents_and_its_name(self, tmp_path: Path) -> None:
        program = kit.fake_busybox(tmp_path / "busybox")
        tree = busybox.guest(program, "x86_64", "little", kit.checkout(tmp_path))
        assert tree["/bin/sh"].target == "busybox"
        assert tree["/bin/busybox"].mode == stat.S_IFREG | 0o755
        assert read(tree["/bin/colinux-agent"].content) == b"colinux-agent"
        assert "/bin/colinux-check" in tree
        assert tree["/bin/colinux-names"].mode == stat.S_IFREG | 0o755
        assert tree["/sbin/mount.cofs"].mode == stat.S_IFREG | 0o755
        assert tree["/sbin/poweroff"].target == "../bin/poweroff" and "/bin/poweroff" in tree
        assert read(tree["/etc/hostname"].content) == b"little\n"
        assert all(entry.uid == 0 for _, entry in tree)

    def test_without_an_agent_it_says_what_to_run(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="colinux-agent") as caught:
            busybox.guest(kit.fake_busybox(tmp_path / "busybox"), "x86_64", "x", Paths(tmp_path))
        assert "./doit agent:x86_64" in str(caught.value)


class TestHost:
    def host(self, tmp_path: Path) -> tuple[Host, Paths]:
        paths = kit.checkout(tmp_path)
        folder = paths.host("h")
        kit.fake_busybox(folder / "busybox")
        (folder / "modules").mkdir()
        (folder / "modules/order").write_text("virtio.ko\n")
        (folder / "modules/virtio.ko").write_text("module")
        return Host("h", "linux", "x86_64", "", "", ("virtio",), Qemu("max", 1, 512)), paths

    def test_payload_modules_and_init_are_inside(self, tmp_path: Path) -> None:
        host, paths = self.host(tmp_path)
        script = tmp_path / "script"
        script.write_text("#!/bin/sh\n")
        script.chmod(0o755)
        kernel = tmp_path / "vmlinux"
        kernel.write_text("ELF")
        kernel.chmod(0o600)
        image = initramfs.host_initramfs(host, {"/colinux/run": script, "/colinux/vmlinux": kernel}, paths)
        found = kit.cpio_list(image)
        assert found["colinux/run"][0] == "-rwxr-xr-x"
        assert found["colinux/vmlinux"][0] == "-rw-r--r--"
        assert {"init", "modules/order", "modules/virtio.ko", "bin/colinux-agent", "dev/console"} <= found.keys()

    def test_the_same_things_make_the_same_file_once(self, tmp_path: Path) -> None:
        host, paths = self.host(tmp_path)
        payload = tmp_path / "p"
        payload.write_text("1")
        first = initramfs.host_initramfs(host, {"/p": payload}, paths)
        made = first.stat().st_ino
        assert initramfs.host_initramfs(host, {"/p": payload}, paths).stat().st_ino == made
        payload.write_text("2")
        assert initramfs.host_initramfs(host, {"/p": payload}, paths) != first

    def test_old_images_go(self, tmp_path: Path) -> None:
        host, paths = self.host(tmp_path)
        payload = tmp_path / "p"
        for number in range(initramfs.KEEP + 3):
            payload.write_text(str(number))
            last = initramfs.host_initramfs(host, {"/p": payload}, paths)
        left = list(last.parent.iterdir())
        assert last in left and len(left) == initramfs.KEEP


def bootstrapped() -> Tree:
    """The little of a Debian tree that tidy and furnish look at."""
    tree = Tree(1_600_000_000)
    tree.symlink("/bin", "usr/bin")
    tree.file("/etc/shadow", "root:*:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\n", 0o640)
    tree["/etc/shadow"].gid = 42
    tree.character_device("/dev/null", 1, 3)
    for path in ("/run/lock/x", "/tmp/left", "/var/log/dpkg.log", "/var/lib/apt/lists/archive",
                 "/var/cache/debconf/config.dat-old", "/var/cache/debconf/config.dat",
                 "/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_ed25519_key.pub", "/etc/apt/sources.list", "/etc/hostname", "/etc/resolv.conf", "/usr/bin/dpkg"):  # fmt: skip
        tree.file(path, "of the building machine\n")
    tree.put("/var/log/journal", Entry(stat.S_IFDIR | 0o2755, gid=999, xattrs={"system.posix_acl_access": b"x"}))
    return tree


class TestDebian:
    def made(self, tmp_path: Path) -> Tree:
        tree = bootstrapped()
        debian.tidy(tree)
        debian.furnish(tree, Rootfs("d", "debian", "x86_64", hostname="guest"), kit.checkout(tmp_path))
        return tree

    def test_nothing_of_the_building_machine_is_left(self, tmp_path: Path) -> None:
        tree = self.made(tmp_path)
        left = [path for path, entry in tree
                if entry.kind == stat.S_IFREG and read(entry.content) == b"of the building machine\n"]
        assert left == ["/usr/bin/dpkg", "/var/cache/debconf/config.dat"]
        assert not [path for path, entry in tree if entry.kind == stat.S_IFCHR]
        assert not [path for path, entry in tree if entry.xattrs]

    def test_folders_for_mounts_and_logs_are_there(self, tmp_path: Path) -> None:
        tree = self.made(tmp_path)
        for path in ("/dev", "/proc", "/sys", "/run", "/var/log", "/var/lib/apt/lists"):
            assert tree[path].kind == stat.S_IFDIR
        assert tree["/tmp"].mode == stat.S_IFDIR | 0o1777

    def test_root_gets_in_without_a_password_and_nobody_else(self, tmp_path: Path) -> None:
        shadow = self.made(tmp_path)["/etc/shadow"]
        assert read(shadow.content).decode().splitlines() == ["root::19000:0:99999:7:::", "daemon:*:19000:0:99999:7:::"]
        assert (shadow.mode, shadow.gid) == (stat.S_IFREG | 0o640, 42)

    def test_units(self, tmp_path: Path) -> None:
        tree = self.made(tmp_path)
        units = "/etc/systemd/system"
        assert tree[f"{units}/getty.target.wants/serial-getty@hvc0.service"].target.endswith("serial-getty@.service")
        assert tree[f"{units}/multi-user.target.wants/colinux-agent.service"].target == f"{units}/colinux-agent.service"
        assert b"ConditionKernelCommandLine=colinux.agent" in read(tree[f"{units}/colinux-agent.service"].content)
        assert tree[f"{units}/systemd-timesyncd.service"].target == "/dev/null"
        assert tree["/usr/lib/colinux/start-agent"].mode == stat.S_IFREG | 0o755

    def test_udev_knows_the_names_of_disks(self, tmp_path: Path) -> None:
        tree = self.made(tmp_path)
        rules = read(tree["/usr/lib/udev/rules.d/60-colinux-names.rules"].content).decode()
        (program,) = set(re.findall(r'PROGRAM=="(\S+) %k"', rules))
        assert tree[program].mode == stat.S_IFREG | 0o755
        assert read(tree[program].content) == (busybox.FILES / "colinux-names").read_bytes()

    def test_identity(self, tmp_path: Path) -> None:
        tree = self.made(tmp_path)
        assert read(tree["/etc/machine-id"].content) == b""
        assert read(tree["/etc/hostname"].content) == b"guest\n"
        assert b"/dev/vda" in read(tree["/etc/fstab"].content)

    def test_a_bootstrap_without_root_is_refused(self, tmp_path: Path) -> None:
        tree = bootstrapped()
        tree.file("/etc/shadow", "nobody:*:1::::::\n")
        with pytest.raises(InfrastructureError, match="no root"):
            debian.furnish(tree, Rootfs("d", "debian", "x86_64"), kit.checkout(tmp_path))

    def test_a_user_without_ways_to_a_chroot_is_told_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(debian.os, "geteuid", lambda: 1000)
        monkeypatch.setenv("PATH", "/nowhere")
        with pytest.raises(UserError, match="fakechroot") as caught:
            debian.mode()
        assert "uidmap" in str(caught.value)

    def test_a_user_with_id_ranges_takes_namespaces(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(debian.os, "geteuid", lambda: 1000)
        monkeypatch.setattr(debian.shutil, "which", lambda tool, path=None: f"/usr/bin/{tool}")
        monkeypatch.setattr(debian, "_has_subids", lambda: True)
        assert debian.mode() == "unshare"
        monkeypatch.setattr(debian, "_has_subids", lambda: False)
        assert debian.mode() == "fakechroot"


class TestBuild:
    """build() with packages that come from nowhere."""

    def project(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, sources.Context, Paths]:
        paths = kit.checkout(tmp_path)
        blob = Blob("busybox-static", "debian", package="busybox-static", sha256="0" * 64)
        lock = Lock({}).with_group("rootfs:busybox", [blob])
        monkeypatch.setattr(sources, "fetch_packages", lambda group, ctx, suite: [(blob, tmp_path / "deb")])
        monkeypatch.setattr(sources, "unpack_deb", lambda deb, to: kit.fake_busybox(to / "bin" / "busybox"))
        ctx = sources.Context(paths=paths, lock=lock, mirrors=Mirrors(()))
        return SimpleNamespace(root=tmp_path, project=SimpleNamespace(epoch=1_600_000_000)), ctx, paths

    def test_initramfs_twice_the_same_with_own_files(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        decl, ctx, paths = self.project(tmp_path, monkeypatch)
        (tmp_path / "motd").write_text("hello\n")
        image = Rootfs("busybox", "initramfs", "x86_64", packages=("busybox-static",),
                       files={"/etc/motd": File(None, "motd", 0o600), "/etc/x": File("text", None, 0o644)})  # fmt: skip
        rootfs.build(image, decl, ctx, paths)
        target = paths.rootfs("busybox") / "busybox.cpio.gz"
        first = target.read_bytes()
        rootfs.build(image, decl, ctx, paths)
        assert target.read_bytes() == first
        assert [path.name for path in target.parent.iterdir()] == ["busybox.cpio.gz"]
        assert rootfs.job(image, decl, ctx, paths).outputs == [target]

    @pytest.mark.parametrize(("kind", "ending"), [("initramfs", "cpio.gz"), ("ramdisk", "ext2.gz"), ("ext3", "ext3")])
    def test_without_packages_it_is_our_own_busybox_with_devices(
        self, kind: str, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        decl, ctx, paths = self.project(tmp_path, monkeypatch)
        image = Rootfs("old", kind, "x86_64", size_mib=16)
        with pytest.raises(UserError, match=r"\./doit busybox:x86_64"):
            rootfs.build(image, decl, ctx, paths)
        program = kit.fake_busybox(userland.program("x86_64", paths))
        rootfs.build(image, decl, ctx, paths)
        made = paths.rootfs("old") / f"old.{ending}"
        assert [path.name for path in made.parent.iterdir()] == [made.name]
        first = made.read_bytes()
        rootfs.build(image, decl, ctx, paths)
        assert made.read_bytes() == first
        job = rootfs.job(image, decl, ctx, paths)
        assert job.outputs == [made] and program in job.files and rootfs.resolve(image, ctx) == ()
        plain = tmp_path / "plain"
        plain.write_bytes(gzip.decompress(first) if ending.endswith("gz") else first)
        if kind == "initramfs":
            found = kit.cpio_list(plain)
            assert found["dev/hvc1"][0][0] == "c" and found["dev/ram0"][0][0] == "b" and "init" in found
        else:
            assert "block special" in kit.debugfs(plain, "stat /dev/cobd0")
            assert kit.debugfs(plain, "stat /sbin/init") and "root::" not in kit.debugfs(plain, "cat /etc/passwd")

    @pytest.mark.parametrize("kind", ["archive", "unpacked"])
    def test_packages_for_a_test_host(self, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """As they are, with an index that apt reads; or their files."""
        decl, ctx, paths = self.project(tmp_path, monkeypatch)
        package = Package("make", "4.3-4.1", fields={"Depends": "libc6"})
        deb = tmp_path / "make.deb"
        deb.write_bytes(package.deb)
        blob = Blob("make", "debian", package="make", arch="amd64", sha256=sha256_file(deb), size=deb.stat().st_size)
        monkeypatch.setattr(sources, "fetch_packages", lambda group, ctx, suite: [(blob, deb)])
        monkeypatch.setattr(sources, "unpack_deb", unpack_deb)
        image = Rootfs("make", kind, "x86_64", packages=("make",))
        rootfs.build(image, decl, ctx, paths)
        packed = paths.rootfs("make") / "make.cpio.gz"
        first = packed.read_bytes()
        rootfs.build(image, decl, ctx, paths)
        assert packed.read_bytes() == first
        plain = tmp_path / "plain"
        plain.write_bytes(gzip.decompress(first))
        found = kit.cpio_list(plain)
        files = {name for name, what in found.items() if what[0][0] == "-"}
        if kind == "unpacked":
            assert files == {"usr/share/doc/make/version"}
        else:
            assert files == {"Packages", "make_amd64.deb"}
            index = plain.read_bytes()
            assert b"Depends: libc6\n" in index and b"Filename: ./make_amd64.deb\n" in index
            assert f"SHA256: {blob.sha256}\n".encode() in index and deb.read_bytes() in index

    def test_a_file_of_the_declaration_that_is_not_there(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        decl, ctx, paths = self.project(tmp_path, monkeypatch)
        image = Rootfs("busybox", "initramfs", "x86_64", packages=("busybox-static",),
                       files={"/etc/motd": File(None, "motd", 0o644)})  # fmt: skip
        with pytest.raises(UserError, match="there is no file") as caught:
            rootfs.build(image, decl, ctx, paths)
        assert "rootfs.busybox.files" in str(caught.value)
        assert not list(paths.rootfs("busybox").iterdir())

    def test_another_hostname_is_another_job(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        decl, ctx, paths = self.project(tmp_path, monkeypatch)
        other = Rootfs("busybox", "initramfs", "x86_64", packages=("busybox-static",), hostname="else")
        assert rootfs.job(BUSYBOX, decl, ctx, paths).inputs != rootfs.job(other, decl, ctx, paths).inputs

    @pytest.mark.parametrize("kind", ["initramfs", "ramdisk", "ext2", "ext3", "ext4", "debian", "archive", "unpacked"])
    def test_what_an_image_is_made_by_is_there(self, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        decl, ctx, paths = self.project(tmp_path, monkeypatch)
        job = rootfs.job(dataclasses.replace(BUSYBOX, kind=kind), decl, ctx, paths)
        assert not [file for file in job.files if not file.exists()]
        assert any("rootfs/files" in str(file) for file in job.files)

    def test_a_substitute_for_a_dropped_package_is_another_job(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        decl, ctx, paths = self.project(tmp_path, monkeypatch)
        locked = ctx.lock.group("rootfs:busybox")
        before = rootfs.job(BUSYBOX, decl, ctx, paths).inputs
        newer = dataclasses.replace(locked[0], sha256="1" * 64)
        write_receipt("rootfs:busybox", locked, sources.Fetched("x", (Path("x"),), (newer,), "dropped"), ctx)
        assert rootfs.job(BUSYBOX, decl, ctx, paths).inputs != before


class TestDisk:
    def test_a_full_disk_names_the_filesystem(self, tmp_path: Path) -> None:
        words = r"disk full: no room for an image in .* MiB free on /"
        with pytest.raises(InfrastructureError, match=words), disk_errors(tmp_path, "an image"):
            raise OSError(28, "No space left on device")

    def test_another_error_is_not_called_full(self, tmp_path: Path) -> None:
        with pytest.raises(InfrastructureError, match="cannot make an image") as caught, disk_errors(tmp_path, "an image"):
            (tmp_path / "missing" / "file").write_text("")
        assert "full" not in str(caught.value)

    def test_room_is_asked_for_before_the_work(self, tmp_path: Path) -> None:
        require_room(tmp_path, 1, "a file")
        with pytest.raises(InfrastructureError, match="a file of 1073741824 MiB"):
            require_room(tmp_path, 1 << 50, "a file")
