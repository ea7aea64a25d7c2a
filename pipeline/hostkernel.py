# SPDX-License-Identifier: GPL-2.0-only
"""A test host's kernel, out of Debian's packages, without installing one of them.

    build/host/<host>/vmlinuz          what QEMU boots
                      config           its .config
                      release          what `uname -r` says there, one line
                      modules/         the declared modules and all they need, uncompressed;
                                       modules/order lists them, in the order to load them
                      headers/         for `make -C .../headers M=... modules`
                      busybox          static, for the host's initramfs

Debian splits the headers: linux-headers-<release> (this flavour's .config and
generated headers) includes linux-headers-<release>-common by an absolute path
and links to linux-kbuild's programs. Here the other two lie inside the first,
as headers/common and headers/kbuild, and find each other wherever that is.

linux-kbuild's programs run while a driver is built, so they are those of the
building machine's architecture, also where the host is an i386: they read the
word size out of the headers' configuration and of the objects.
"""

from __future__ import annotations

import difflib
import gzip
import lzma
import re
import shutil
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline import sources
from pipeline.declaration.model import Declaration, Host
from pipeline.errors import InfrastructureError, UserError
from pipeline.lock import Blob
from pipeline.paths import Paths, atomic_dir
from pipeline.process import run
from pipeline.progress import step
from pipeline.rootfs import busybox
from pipeline.rootfs.disk import disk_errors
from pipeline.sources.receipt import read_receipt
from pipeline.stamp import Job

BUSYBOX = "busybox-static"
KBUILD = "linux-kbuild-"

# What Debian calls the architecture that drivers are built on.
BUILD_ARCH = "amd64"

# The packages of a kernel's own source; all else that they depend on (kmod,
# initramfs-tools, a compiler) is for an installed kernel.
_OWN = re.compile(r"linux-(image|headers|kbuild)-.*")

# The folder of arch/ that belongs to an architecture.
_KERNEL_ARCH = {"x86_64": "x86", "i386": "x86"}


def group(host: Host) -> str:
    """The host's group of packages in colinux.lock."""
    return f"host:{host.name}"


def resolve(host: Host, ctx: sources.Context) -> tuple[Blob, ...]:
    """The packages that the host is unpacked from, as the archive has them today (`lock --update`)."""
    closure = sources.resolve_packages(
        [host.image, host.headers, BUSYBOX], host.debian_arch, host.suite, ctx, closure=True
    )
    own = [blob for blob in closure if blob.package == BUSYBOX or (blob.package and _OWN.fullmatch(blob.package))]
    if host.debian_arch == BUILD_ARCH:
        return tuple(own)
    foreign = [blob for blob in own if str(blob.package).startswith(KBUILD)]
    names = [str(blob.package) for blob in foreign]
    ours = sources.resolve_packages(names, BUILD_ARCH, host.suite, ctx, closure=False)
    kept = [blob for blob in own if blob not in foreign]
    return tuple(sorted([*kept, *ours], key=lambda blob: blob.name))


def job(host: Host, decl: Declaration, ctx: sources.Context, paths: Paths) -> Job:
    """What `prepare` depends on and leaves behind."""
    folder = paths.host(host.name)
    locked = ctx.lock.group(group(host))
    # A substitute for a package that Debian has dropped is another input.
    receipt = read_receipt(group(host), locked, ctx)
    packages = [blob.sha256 for blob in (receipt.blobs if receipt else locked)]
    return Job(
        name=f"host:{host.name}",
        inputs={"packages": packages, "modules": list(host.modules)},
        files=[Path(__file__)],
        outputs=[
            folder / one for one in ("vmlinuz", "config", "release", "modules", "headers", "busybox")
        ],
    )


def prepare(host: Host, decl: Declaration, ctx: sources.Context, paths: Paths) -> None:
    """Make build/host/<host>/ anew. Raises UserError for a module that the kernel does not have."""
    with step(f"packages of {host.name}"):
        debs = [path for _, path in sources.fetch_packages(group(host), ctx, suite=host.suite)]
    assemble(host, debs, paths.host(host.name))


def assemble(host: Host, debs: Sequence[Path], folder: Path) -> None:
    """Make `folder` out of verified packages (see the head of this file)."""
    with disk_errors(folder.parent, f"the test host {host.name}"), atomic_dir(folder) as new:
        root = new.parent / "unpacked"
        with step("unpacking kernel, headers and modules"):
            for deb in debs:
                sources.unpack_deb(deb, root)
        release = _release(root)
        (new / "release").write_text(release + "\n")
        (root / "boot" / f"vmlinuz-{release}").rename(new / "vmlinuz")
        (root / "boot" / f"config-{release}").rename(new / "config")
        busybox.find(root).rename(new / "busybox")
        _modules(root / "lib" / "modules" / release, host, new / "modules")
        with step("making the headers movable"):
            _headers(root / "usr", release, host, new / "headers")


def _release(root: Path) -> str:
    found = sorted(path.name for path in (root / "lib" / "modules").glob("*/"))
    if len(found) != 1:
        raise InfrastructureError(
            f"the host's packages hold {len(found)} kernels ({', '.join(found)}), one was expected",
            hint="run ./doit lock --update",
        )
    return found[0]


# --- modules ------------------------------------------------------------------------------


def module_closure(tree: Path, names: Iterable[str]) -> list[Path]:
    """The files of the named modules and of all that they need, in the order to load them.

    `tree` is a folder like lib/modules/<release>, its modules plain or
    compressed. What a module needs is read from the module itself ("depends"
    and "softdep=pre:" of its .modinfo section, which is where depmod has it
    from: Debian's packages carry no modules.dep). Names are taken with - or _;
    those built into the kernel are left out. Raises UserError for others.
    """
    available = {_module_name(path): path for path in sorted(tree.rglob("*.ko*"))}
    builtin = tree / "modules.builtin"
    inside = {_module_name(Path(line)) for line in builtin.read_text().split()} if builtin.exists() else set()
    order: dict[str, Path] = {}
    visiting: list[str] = []

    def visit(name: str, *, optional: bool = False) -> None:
        name = name.replace("-", "_")
        if name in order or name in inside or name in visiting:
            return  # (a circle of soft dependencies: whoever was asked first comes last)
        path = available.get(name)
        if path is None:
            if optional:
                return
            raise _no_module(name, visiting, available)
        visiting.append(name)
        needs = modinfo(read_module(path))
        for one in filter(None, ",".join(needs.get("depends", [])).split(",")):
            visit(one)
        for soft in needs.get("softdep", []):
            # "pre: a b post: c"; what should be loaded first may as well not exist.
            before = re.search(r"\bpre:((?:\s+[^\s:]+(?!\S*:))*)", soft)
            for one in before[1].split() if before else ():
                visit(one, optional=True)
        visiting.pop()
        order[name] = path

    for name in names:
        visit(name)
    return list(order.values())


def _no_module(name: str, visiting: list[str], available: dict[str, Path]) -> UserError:
    if visiting:
        return UserError(f"the kernel module {visiting[-1]} needs {name}, which is not in its package")
    close = difflib.get_close_matches(name, available, 1)
    return UserError(
        f"the host's kernel has no module {name}" + (f"; did you mean {close[0]}?" if close else ""),
        where="colinux.toml: hosts.*.modules",
    )


def _module_name(path: Path) -> str:
    return path.name.partition(".ko")[0].replace("-", "_")


def read_module(path: Path) -> bytes:
    """A kernel module's ELF file, decompressed if need be (.ko, .ko.gz, .ko.xz, .ko.zst)."""
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".zst":
        plain = path.with_suffix("")
        run(["zstd", "-q", "-d", "-f", path, "-o", plain])
        return plain.read_bytes()
    return path.read_bytes()


def modinfo(elf: bytes) -> dict[str, list[str]]:
    """The "key=value" strings of a module's .modinfo section. Raises InfrastructureError if it is no module.

    ELF: section headers at e_shoff, their names in section e_shstrndx (System V ABI, chapter 4).
    """
    try:
        sections = dict(_sections(elf))
        content = sections[b".modinfo"]
    except (struct.error, KeyError, IndexError, ValueError) as error:
        raise InfrastructureError(f"not a kernel module: {error}") from error
    found: dict[str, list[str]] = {}
    for item in content.split(b"\0"):
        key, equals, value = item.decode("utf-8", "replace").partition("=")
        if equals:
            found.setdefault(key, []).append(value)
    return found


def _sections(elf: bytes) -> Iterable[tuple[bytes, bytes]]:
    """Names and contents of an ELF file's sections, little-endian, 32 or 64 bits."""
    if elf[:4] != b"\x7fELF" or elf[5:6] != b"\x01":
        raise ValueError("not a little-endian ELF file")
    wide = elf[4] == 2
    (start,) = struct.unpack_from("<Q" if wide else "<I", elf, 0x28 if wide else 0x20)
    size, count, names = struct.unpack_from("<HHH", elf, 0x3A if wide else 0x2E)
    # In a section header: sh_name, sh_offset, sh_size.
    layout = ("<I20xQQ" if wide else "<I12xII", size)
    headers = [struct.unpack_from(layout[0], elf, start + number * layout[1]) for number in range(count)]
    strings = elf[headers[names][1] : sum(headers[names][1:])]
    for name, offset, length in headers:
        yield strings[name : strings.index(b"\0", name)], elf[offset : offset + length]


def _modules(tree: Path, host: Host, target: Path) -> None:
    """Keep what the host declares and its closure: a whole Debian kernel has 400 MB of modules."""
    target.mkdir()
    order = []
    for path in module_closure(tree, host.modules):
        name = f"{_module_name(path)}.ko"
        (target / name).write_bytes(read_module(path))
        order.append(name)
    (target / "order").write_text("".join(f"{name}\n" for name in order))


# --- headers ------------------------------------------------------------------------------


def _headers(usr: Path, release: str, host: Host, target: Path) -> None:
    flavour = usr / "src" / f"linux-headers-{release}"
    commons = [path for path in (usr / "src").glob("linux-headers-*-common*") if path.is_dir()]
    kbuilds = [path for path in (usr / "lib").glob("linux-kbuild-*") if path.is_dir()]
    if len(commons) != 1 or len(kbuilds) != 1 or not flavour.is_dir():
        raise InfrastructureError(
            f"the packages of {host.name} lack the kernel's headers",
            hint=f"does {host.headers} belong to {host.image}? Run ./doit lock --update",
        )
    [common], [kbuild] = commons, kbuilds
    _prune(flavour, common, _KERNEL_ARCH[host.arch])
    flavour.rename(target)
    common.rename(target / "common")
    kbuild.rename(target / "kbuild")
    for folder, above in ((target, ""), (target / "common", "../")):
        for name in ("scripts", "tools"):
            link = folder / name
            link.unlink(missing_ok=True)
            link.symlink_to(f"{above}kbuild/{name}")
    makefile = target / "Makefile"
    makefile.write_text(
        "# Relative to this file, so that the folder may lie anywhere.\n"
        "include $(dir $(realpath $(lastword $(MAKEFILE_LIST))))common/Makefile\n"
    )
    for path in (makefile, target / ".kernelvariables"):
        if "/usr/" in path.read_text():
            raise InfrastructureError(f"{path} still names an absolute path: Debian's layout has changed")


def _prune(flavour: Path, common: Path, arch: str) -> None:
    """Drop two thirds of the files: nobody reads them, and every look at the folder costs their number.

    They are the other architectures, device-tree bindings, and the empty files
    of include/config, one an option, by which Kbuild sees that an option
    changed: here none does.
    """
    for path in (common / "arch").iterdir():
        if path.is_dir() and path.name != arch:
            shutil.rmtree(path)
    shutil.rmtree(common / "include" / "dt-bindings", ignore_errors=True)
    for path in (flavour / "include" / "config").iterdir():
        if path.name not in ("auto.conf", "auto.conf.cmd", "kernel.release"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
