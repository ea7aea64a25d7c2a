# SPDX-License-Identifier: GPL-2.0-only
"""The test host's kernel out of packages: modules in order, headers that can be moved."""

from __future__ import annotations

import gzip
import lzma
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
import rootfs_kit as kit

from pipeline import hostkernel, sources
from pipeline.declaration.model import Host, Qemu
from pipeline.errors import InfrastructureError, UserError
from pipeline.lock import Blob, Lock
from pipeline.sources.mirror import Mirrors

RELEASE = "6.1.0-1-amd64"


def module(*info: str, wide: bool = True) -> bytes:
    """An ELF file with a .modinfo section (System V ABI: headers of 64 and 64, or 52 and 40, bytes)."""
    modinfo = b"\0".join(item.encode() for item in info) + b"\0"
    names = b"\0.modinfo\0.shstrtab\0"
    start = 64 if wide else 52
    table = start + len(modinfo) + len(names)

    def section(name: int, offset: int, size: int) -> bytes:
        if wide:
            return struct.pack("<IIQQQQIIQQ", name, 1, 0, 0, offset, size, 0, 0, 1, 0)
        return struct.pack("<10I", name, 1, 0, 0, offset, size, 0, 0, 1, 0)

    ident = b"\x7fELF" + bytes([2 if wide else 1, 1, 1]) + bytes(9)
    layout = "<HHIQQQIHHHHHH" if wide else "<HHIIIIIHHHHHH"
    header = ident + struct.pack(layout, 1, 62, 1, 0, 0, table, 0, start, 0, 0, 64 if wide else 40, 3, 2)
    return (header + modinfo + names + section(0, 0, 0) + section(1, start, len(modinfo))
            + section(10, start + len(modinfo), len(names)))  # fmt: skip


def tree(folder: Path) -> Path:
    """A lib/modules/<release> with dependencies, a soft one, an underscore, compression and a built-in."""
    kernel = folder / "kernel/drivers"
    kernel.mkdir(parents=True)
    (kernel / "virtio.ko").write_bytes(module("license=GPL", "depends=virtio_ring"))
    (kernel / "virtio_ring.ko.xz").write_bytes(lzma.compress(module("depends=")))
    (kernel / "virtio-pci.ko.gz").write_bytes(gzip.compress(module("depends=virtio,virtio_ring,printk_core")))
    (kernel / "ext4.ko").write_bytes(module("depends=jbd2", "softdep=pre: crc32c-x absent post: late"))
    (kernel / "jbd2.ko").write_bytes(module("depends=", wide=False))
    (kernel / "crc32c_x.ko").write_bytes(module("depends="))
    (kernel / "late.ko").write_bytes(module("depends="))
    (kernel / "orphan.ko").write_bytes(module("depends=nothing_like_it"))
    (folder / "modules.builtin").write_text("kernel/core/printk-core.ko\n")
    return folder


def names(paths: list[Path]) -> list[str]:
    return [path.name.split(".")[0] for path in paths]


class TestClosure:
    def test_what_is_needed_comes_first_and_once(self, tmp_path: Path) -> None:
        order = names(hostkernel.module_closure(tree(tmp_path), ["virtio_pci", "virtio-ring"]))
        assert order == ["virtio_ring", "virtio", "virtio-pci"]

    def test_soft_dependencies_before_not_after_and_not_if_absent(self, tmp_path: Path) -> None:
        assert names(hostkernel.module_closure(tree(tmp_path), ["ext4"])) == ["jbd2", "crc32c_x", "ext4"]

    def test_built_in_is_no_file(self, tmp_path: Path) -> None:
        assert hostkernel.module_closure(tree(tmp_path), ["printk_core"]) == []

    def test_unknown_gets_a_suggestion(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="did you mean virtio_pci") as caught:
            hostkernel.module_closure(tree(tmp_path), ["virtio_pcy"])
        assert "hosts" in str(caught.value)

    def test_a_missing_dependency_names_who_needs_it(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="orphan needs nothing_like_it"):
            hostkernel.module_closure(tree(tmp_path), ["orphan"])

    @pytest.mark.parametrize("data", [b"", b"\x7fELF", b"MZ" * 40, module("x=y")[:150]])
    def test_what_is_no_module_is_said_to_be_none(self, data: bytes) -> None:
        with pytest.raises(InfrastructureError, match="not a kernel module"):
            hostkernel.modinfo(data)


def lay(deb: Path, root: Path) -> None:
    """Stands for unpack_deb: what Debian's kernel packages hold, all at once."""
    if deb.name != "all.deb":
        return
    (root / "boot").mkdir(parents=True)
    (root / f"boot/vmlinuz-{RELEASE}").write_text("bzImage")
    (root / f"boot/config-{RELEASE}").write_text("CONFIG_X=y\n")
    tree(root / "lib/modules" / RELEASE)
    kit.fake_busybox(root / "bin/busybox")
    flavour = root / f"usr/src/linux-headers-{RELEASE}"
    common = root / "usr/src/linux-headers-6.1.0-1-common"
    kbuild = root / "usr/lib/linux-kbuild-6.1"
    for file in (flavour / "include/config/auto.conf", flavour / "include/config/SMP",
                 common / "arch/x86/Makefile", common / "arch/mips/Makefile", common / "include/dt-bindings/a.h",
                 kbuild / "scripts/mod/modpost", kbuild / "tools/objtool/objtool"):  # fmt: skip
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    (flavour / "Makefile").write_text("include /usr/src/linux-headers-6.1.0-1-common/Makefile\n")
    (flavour / ".kernelvariables").write_text("CC = gcc-12\n")
    (common / "Makefile").write_text("all:\n\t@echo $(srctree) made in $(CURDIR)\nsrctree := "
                                     "$(realpath $(dir $(lastword $(MAKEFILE_LIST))))\n")  # fmt: skip
    for folder in (flavour, common):
        for name in ("scripts", "tools"):
            (folder / name).symlink_to(f"../../lib/linux-kbuild-6.1/{name}")


class TestAssemble:
    HOST = Host("h", "linux", "x86_64", "linux-image-amd64", "linux-headers-amd64", ("virtio_pci",),
                Qemu("max", 1, 512))  # fmt: skip

    def made(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: Host = HOST) -> Path:
        monkeypatch.setattr(sources, "unpack_deb", lay)
        folder = tmp_path / "host"
        hostkernel.assemble(host, [tmp_path / "all.deb"], folder)
        return folder

    def test_everything_lies_where_it_should(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = self.made(tmp_path, monkeypatch)
        assert sorted(path.name for path in folder.iterdir()) == [
            "busybox", "config", "headers", "modules", "release", "vmlinuz"]  # fmt: skip
        assert (folder / "release").read_text() == RELEASE + "\n"
        assert (folder / "modules/order").read_text().split() == ["virtio_ring.ko", "virtio.ko", "virtio_pci.ko"]
        assert (folder / "modules/virtio_ring.ko").read_bytes()[:4] == b"\x7fELF"

    def test_headers_work_wherever_they_lie(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        headers = self.made(tmp_path, monkeypatch) / "headers"
        moved = tmp_path / "elsewhere"
        headers.rename(moved)
        said = subprocess.run(["make", "-C", moved], capture_output=True, text=True, check=True).stdout
        assert f"{moved}/common made in {moved}" in said
        for folder in (moved, moved / "common"):
            assert (folder / "scripts/mod/modpost").exists()
            assert (folder / "tools/objtool/objtool").exists()
        assert not [path for path in moved.rglob("*") if path.is_symlink() and path.readlink().is_absolute()]

    def test_what_nobody_reads_is_dropped(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        headers = self.made(tmp_path, monkeypatch) / "headers"
        assert [path.name for path in (headers / "common/arch").iterdir()] == ["x86"]
        assert [path.name for path in (headers / "include/config").iterdir()] == ["auto.conf"]

    def test_a_module_that_is_not_there_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        host = Host("h", "linux", "x86_64", "", "", ("virtio_pzi",), Qemu("max", 1, 512))
        with pytest.raises(UserError, match="virtio_pci"):
            self.made(tmp_path, monkeypatch, host)
        assert not [path for path in tmp_path.iterdir() if path.name.startswith((".", "host"))]

    def test_no_headers_is_said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def without(deb: Path, root: Path) -> None:
            lay(deb, root)
            shutil.rmtree(root / "usr/lib")

        monkeypatch.setattr(sources, "unpack_deb", without)
        with pytest.raises(InfrastructureError, match="lack the kernel's headers"):
            hostkernel.assemble(self.HOST, [tmp_path / "all.deb"], tmp_path / "host")


def test_only_the_kernels_own_packages_are_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["linux-image-6.1.0-1-amd64", "linux-image-amd64", "linux-headers-6.1.0-1-common", "linux-kbuild-6.1",
             "busybox-static", "kmod", "linux-base", "linux-compiler-gcc-12-x86", "gcc-12", "libc6"]  # fmt: skip
    closure = tuple(Blob(name, "debian", package=name) for name in names)
    monkeypatch.setattr(sources, "resolve_packages", lambda *args, **kwargs: closure)
    ctx = sources.Context(paths=kit.Paths(Path("/")), lock=Lock({}), mirrors=Mirrors(()))
    assert [blob.package for blob in hostkernel.resolve(TestAssemble.HOST, ctx)] == names[:5]


def test_a_32_bit_hosts_kbuild_runs_on_the_building_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """And every package is asked for in the host's own release."""
    asked = []

    def resolve(names: list[str], arch: str, suite: str | None, ctx: object, *, closure: bool) -> tuple[Blob, ...]:
        asked.append((names, arch, suite, closure))
        every = ["linux-image-686", "linux-headers-686", "linux-kbuild-6.1", "busybox-static"] if closure else names
        return tuple(Blob(name, "debian", package=name, arch=arch) for name in every)

    monkeypatch.setattr(sources, "resolve_packages", resolve)
    ctx = sources.Context(paths=kit.Paths(Path("/")), lock=Lock({}), mirrors=Mirrors(()))
    host = Host("h", "linux", "i386", "linux-image-686", "linux-headers-686", (), Qemu("max", 1, 512), "bookworm")
    found = {blob.package: blob.arch for blob in hostkernel.resolve(host, ctx)}
    assert found == {"busybox-static": "i386", "linux-headers-686": "i386", "linux-image-686": "i386",
                     "linux-kbuild-6.1": "amd64"}  # fmt: skip
    assert asked == [(["linux-image-686", "linux-headers-686", "busybox-static"], "i386", "bookworm", True),
                     (["linux-kbuild-6.1"], "amd64", "bookworm", False)]
