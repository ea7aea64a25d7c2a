# SPDX-License-Identifier: GPL-2.0-only
"""What has to be true between the keys of colinux.toml, one function a rule.

The rules see the content without its faulty parts, so any key may be missing:
what is missing or wrong by itself has been noted already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.declaration.inherit import Merged
from pipeline.declaration.keys import MACHINE, QEMU_DEFAULTS, WINDOWS_IMAGE
from pipeline.declaration.model import FOR_HOSTS, GUESTS_OF_HOST, IN_MEMORY
from pipeline.declaration.positions import KeyPath
from pipeline.declaration.schema import Faults, suggestion
from toolchain import windows
from toolchain.compilers import compilers
from toolchain.kernels import series

# Checks that ask for what only a Debian has.
OF_DEBIAN = ("systemd", "login", "apt", "apt-install", "git-build")

# What a test host needs for itself and its initramfs, in MiB, beside its guests' memory.
HOST_NEEDS_MIB = 256

Content = Mapping[str, Any]
Machines = Mapping[str, Merged]
Rule = Callable[[Content, Machines, Path, Faults], None]


def patch_folders(content: Content, machines: Machines, root: Path, faults: Faults) -> None:
    """A kernel's patches and overlays are folders of patches/."""
    for name, kernel in content.get("kernel", {}).items():
        wanted: list[tuple[KeyPath, str]] = []
        if "patches" in kernel:
            wanted.append((("kernel", name, "patches"), kernel["patches"]))
        wanted += _elements(("kernel", name, "overlay"), kernel.get("overlay", ()))
        for path, folder in wanted:
            if not (root / "patches" / folder).is_dir():
                known = [item.name for item in _listing(root / "patches") if item.is_dir()]
                faults.add(path, f"there is no folder patches/{folder}{suggestion(folder, known)}")


def fragment_files(content: Content, machines: Machines, root: Path, faults: Faults) -> None:
    """A fragment is a file: <patches>/config/<name>.config, or with a slash a path in the checkout."""
    for name, kernel in content.get("kernel", {}).items():
        folder = f"patches/{kernel.get('patches', '')}/config"
        for path, fragment in _elements(("kernel", name, "fragments"), kernel.get("fragments", ())):
            if "/" not in fragment and "patches" not in kernel:
                continue
            file = fragment if "/" in fragment else f"{folder}/{fragment}.config"
            if not (root / file).is_file():
                known = [item.stem for item in _listing(root / folder) if item.suffix == ".config"]
                hint = "" if "/" in fragment else suggestion(fragment, known)
                faults.add(path, f"there is no file {file}{hint}")


def files_of_the_checkout(content: Content, machines: Machines, root: Path, faults: Faults) -> None:
    """Files that are copied into a root filesystem, configuration files and keyrings are there."""
    for name, rootfs in content.get("rootfs", {}).items():
        for target, file in rootfs.get("files", {}).items():
            if isinstance(file, dict) and "source" in file and not (root / file["source"]).is_file():
                path = ("rootfs", name, "files", target, "source")
                faults.add(path, f"there is no file {file['source']} in the checkout")
    for machine in machines.values():
        conf = machine.values.get("conf")
        if conf and machine.owns("conf") and not (root / conf).is_file():
            faults.add(("machine", machine.name, "conf"), f"there is no file {conf} in the checkout",
                       at=machine.origin("machine", "conf"))
    for name, source in content.get("source", {}).items():
        keyring = source.get("signature", {}).get("keyring")
        if keyring and not (root / keyring).is_file():
            faults.add(("source", name, "signature", "keyring"), f"there is no file {keyring} in the checkout")


def signed_tags(content: Content, machines: Machines, root: Path, faults: Faults) -> None:
    """A signed tag is asked for by its name, which is a part of what was signed."""
    for name, source in content.get("source", {}).items():
        signature = source.get("signature")
        if source.get("kind") == "git" and signature and signature.get("of", "tag") == "tag" \
                and not str(source.get("ref")).startswith("refs/tags/"):
            faults.add(("source", name, "signature"), 'a tag\'s signature needs its name: ref = "refs/tags/..." '
                       '(or of = "commit")')


def tarball_pins(content: Content, machines: Machines, root: Path, faults: Faults) -> None:
    """A file known beforehand is known by hash and size; a hash that nobody published needs a tree to decide."""
    for name, source in content.get("source", {}).items():
        if source.get("kind") != "tarball":
            continue
        for key, needed in (("sha256", "size"), ("size", "sha256"), ("derived", "sha256"), ("derived", "tree")):
            if source.get(key) and needed not in source:
                faults.add(("source", name, key), f'"{key}" is of no use without "{needed}"')


def source_package_is_whole(content: Content, machines: Machines, root: Path, faults: Faults) -> None:
    """A source package is an author's tree, not a box of files to take one from."""
    for name, source in content.get("source", {}).items():
        if source.get("arch") == "source" and "member" in source:
            faults.add(("source", name, "member"), 'a source package (arch = "source") is unpacked whole')
        if source.get("kind") == "debian" and source.get("arch") != "source" and not source.get("patched", True):
            faults.add(("source", name, "patched"), 'only a source package (arch = "source") has patches')


def series_fits(content: Content, machines: Machines, root: Path, faults: Faults) -> None:
    """We know how to build the kernel's series, for its architecture and from its base."""
    for name, kernel in content.get("kernel", {}).items():
        known = series().get(kernel.get("series"))
        if known is None:
            if "series" in kernel:
                message = f'unknown series "{kernel["series"]}"{suggestion(kernel["series"], series())}'
                faults.add(("kernel", name, "series"), message)
            continue
        for key, words in (("arch", known.arch), ("base", known.bases)):
            if key in kernel and kernel[key] not in words:
                message = f"Linux {known.name} is built for {' or '.join(words)}, not for {kernel[key]}"
                if key == "base":
                    message = f'Linux {known.name} has no {kernel[key]}{suggestion(kernel[key], words)}'
                faults.add(("kernel", name, key), message)


def compiler_fits(content: Content, machines: Machines, root: Path, faults: Faults) -> None:
    """A kernel's compiler makes code for the kernel's architecture, and its source is declared if it is built here."""
    for name, kernel in content.get("kernel", {}).items():
        compiler = compilers().get(kernel.get("compiler"))
        if compiler and "arch" in kernel and kernel["arch"] not in compiler.targets:
            targets = " and ".join(compiler.targets)
            message = f'"{compiler.name}" builds for {targets}, the kernel is {kernel["arch"]}'
            faults.add(("kernel", name, "compiler"), message)
        if compiler and compiler.build and compiler.build.source not in content.get("source", {}):
            message = f'"{compiler.name}" is built from [source."{compiler.build.source}"], which is not declared'
            faults.add(("kernel", name, "compiler"), message)


def guest_fits_host(content: Content, machines: Machines, root: Path, faults: Faults) -> None:
    """The host's architecture can run the kernel's."""
    for machine in machines.values():
        kernel = content.get("kernel", {}).get(machine.values.get("kernel"), {}).get("arch")
        host = content.get("host", {}).get(machine.values.get("host"), {}).get("arch")
        if kernel and host and machine.owns("kernel", "host") and kernel not in GUESTS_OF_HOST[host]:
            faults.add(
                ("machine", machine.name, "kernel"),
                f'an {kernel} kernel ("{machine.values["kernel"]}") cannot run beside '
                f'an {host} host ("{machine.values["host"]}")',
                at=machine.blame("machine", "kernel", "host"),
            )


def neighbour_fits(content: Content, machines: Machines, root: Path, faults: Faults) -> None:
    """The guest beside another is another machine's, and the host's architecture can run it."""
    for machine in machines.values():
        beside = machine.values.get("beside")
        if not beside or not machine.owns("beside", "host"):
            continue
        place = machine.origin("machine", "beside")
        if beside == machine.name:
            message = 'is the machine itself; "guests" is for more of it'
            faults.add(("machine", machine.name, "beside"), message, at=place)
        other = machines[beside].values if beside in machines else {}
        kernel = content.get("kernel", {}).get(other.get("kernel"), {}).get("arch")
        host = content.get("host", {}).get(machine.values.get("host"), {}).get("arch")
        if kernel and host and kernel not in GUESTS_OF_HOST[host]:
            message = f'an {kernel} kernel ("{other["kernel"]}") cannot run beside an {host} host'
            faults.add(("machine", machine.name, "beside"), message, at=place)


def images_fit(content: Content, machines: Machines, root: Path, faults: Faults) -> None:
    """What is loaded with the kernel can be, a disk is one, and both hold programs for the kernel's architecture."""
    every = content.get("rootfs", {})
    for machine in machines.values():
        arch = content.get("kernel", {}).get(machine.values.get("kernel"), {}).get("arch")
        for path, name in _images(machine):
            image = every.get(name, {})
            if not machine.owns("kernel", str(path[0])):
                continue
            wrong = "kind" in image and _use(image["kind"]) != path[0]
            if wrong:
                needed = {"initramfs": " or ".join(IN_MEMORY), "carries": " or ".join(FOR_HOSTS)}.get(
                    str(path[0]), "ext2, ext3, ext4 or debian")
                message = f'"{name}" is of kind {image["kind"]}; expected one of kind {needed}'
                fitting = [n for n, i in every.items() if _use(i.get("kind")) == path[0]]
                message += suggestion(name, fitting)
                faults.add(("machine", machine.name, *path), message, at=machine.origin("machine", *path))
            # what a host carries may be the host's
            if path[0] != "carries" and _differ(arch, image.get("arch")):
                message = f'"{name}" is for {image["arch"]}, the kernel is {arch}'
                faults.add(("machine", machine.name, *path), message, at=machine.origin("machine", *path))


def _use(kind: object) -> str:
    """The key of a machine that images of this kind are for."""
    return "initramfs" if kind in IN_MEMORY else "carries" if kind in FOR_HOSTS else "disks"


def programs_for_images(content: Content, machines: Machines, root: Path, faults: Faults) -> None:
    """A root filesystem without packages gets the busybox of its architecture's user land, which must be declared."""
    for name, rootfs in content.get("rootfs", {}).items():
        own = "packages" not in rootfs and rootfs.get("kind") != "debian" and "arch" in rootfs
        if own and rootfs["arch"] not in content.get("userland", {}):
            message = f'has neither "packages" nor a busybox of our own: there is no [userland.{rootfs["arch"]}]'
            faults.add(("rootfs", name), message)


def something_to_boot(content: Content, machines: Machines, root: Path, faults: Faults) -> None:
    """A machine has an initramfs or a disk with a root filesystem."""
    for machine in machines.values():
        if machine.owns("initramfs", "disks") and not any(path[0] != "carries" for path, _ in _images(machine)):
            faults.add(("machine", machine.name), "has neither an initramfs nor a disk with a root filesystem")


def memory_fits(content: Content, machines: Machines, root: Path, faults: Faults) -> None:
    """The guests' memory fits into the host's, with room for the host."""
    for machine in machines.values():
        guests, memory = _value(machine, "guests"), _value(machine, "memory_mib")
        beside = machines.get(machine.values.get("beside", ""))
        others = _value(beside, "memory_mib") if beside else 0
        host = content.get("host", {}).get(machine.values.get("host"), {}).get("qemu", {})
        room = machine.values.get("qemu", {}).get("memory_mib") or host.get("memory_mib")
        room = room or QEMU_DEFAULTS.memory_mib
        if machine.owns("memory_mib", "guests", "qemu", "beside") and guests * memory + others + HOST_NEEDS_MIB > room:
            faults.add(
                ("machine", machine.name, "memory_mib"),
                f"{guests} x {memory}{f' + {others}' if others else ''} MiB for guests and "
                f"{HOST_NEEDS_MIB} MiB for the host itself are more than the host's {room} MiB (qemu.memory_mib)",
                at=machine.blame("machine", "memory_mib", "guests", "qemu"),
            )


def timeouts_fit(content: Content, machines: Machines, root: Path, faults: Faults) -> None:
    """No single limit is longer than the total one."""
    defaults = MACHINE.keys["timeouts"].type
    for machine in machines.values():
        given = machine.values.get("timeouts", {})
        times = {key: given.get(key, rule.default) for key, rule in defaults.keys.items()}  # type: ignore[union-attr]
        for key in ("boot", "check"):
            if machine.owns("timeouts") and times[key] > times["total"]:
                path = ("timeouts", key if key in given else "total")
                total = times["total"]
                message = f"the limit for {key}, {times[key]} s, is longer than that for all, {total} s"
                faults.add(("machine", machine.name, *path), message, at=machine.origin("machine", *path))


def scenario_fits(content: Content, machines: Machines, root: Path, faults: Faults) -> None:
    """Two guests at once are asked for as such or as neighbours; systemd, login and apt exist only in a Debian."""
    for machine in machines.values():
        alone = _value(machine, "guests") < 2 and "beside" not in machine.values and machine.owns("scenario", "guests")
        if machine.values.get("scenario") == "two-guests" and alone:
            place = machine.blame("machine", "scenario", "guests")
            faults.add(("machine", machine.name, "scenario"), 'needs "guests" to be 2 or more', at=place)
        kinds = {content.get("rootfs", {}).get(name, {}).get("kind") for _, name in _images(machine)}
        for path, check in _elements(("checks",), machine.values.get("checks", ())):
            if check in OF_DEBIAN and "debian" not in kinds and machine.owns("checks", "disks"):
                message = f'the check "{check}" needs a disk with a root filesystem of kind debian'
                faults.add(("machine", machine.name, *path), message, at=machine.origin("machine", *path))


def windows_images_fit(content: Content, machines: Machines, root: Path, faults: Faults) -> None:
    """What runs in a disk image: a kernel for that Windows, in an initramfs, in less memory than the computer has."""
    for name, image in content.get("image", {}).items():
        kernel = content.get("kernel", {}).get(image.get("kernel"), {}).get("arch")
        target = windows.targets().get(image.get("nt"))
        if kernel and target and kernel not in GUESTS_OF_HOST[target.arch]:
            message = f'an {kernel} kernel ("{image["kernel"]}") cannot run beside {target.name}'
            faults.add(("machine", name, "kernel"), message)
        loaded = content.get("rootfs", {}).get(image.get("initramfs"), {})
        if loaded.get("kind", "initramfs") != "initramfs":
            message = f'"{image["initramfs"]}" is of kind {loaded["kind"]}; expected one of kind initramfs'
            faults.add(("machine", name, "initramfs"), message)
        if _differ(kernel, loaded.get("arch")):
            message = f'"{image["initramfs"]}" is for {loaded["arch"]}, the kernel is {kernel}'
            faults.add(("machine", name, "initramfs"), message)
        room = image.get("qemu", {}).get("memory_mib", QEMU_DEFAULTS.memory_mib)
        memory = image.get("memory_mib", WINDOWS_IMAGE.keys["memory_mib"].default)
        if memory + HOST_NEEDS_MIB > room:
            message = f"{memory} MiB for a guest and {HOST_NEEDS_MIB} MiB for Windows itself are more than the " \
                      f"computer's {room} MiB (qemu.memory_mib)"
            faults.add(("machine", name, "memory_mib"), message)
        for index, disk in enumerate(image.get("disks", ())):
            if content.get("rootfs", {}).get(disk.get("rootfs"), {}).get("kind") in IN_MEMORY:
                path = ("machine", name, "disks", index, "rootfs")
                faults.add(path, f'"{disk["rootfs"]}" is no disk; expected one of kind ext2, ext3, ext4 or debian')


RULES: tuple[Rule, ...] = (
    windows_images_fit,
    patch_folders,
    fragment_files,
    files_of_the_checkout,
    signed_tags,
    tarball_pins,
    source_package_is_whole,
    series_fits,
    compiler_fits,
    guest_fits_host,
    neighbour_fits,
    images_fit,
    programs_for_images,
    something_to_boot,
    memory_fits,
    timeouts_fit,
    scenario_fits,
)


def _elements(path: KeyPath, items: Iterable[str]) -> list[tuple[KeyPath, str]]:
    return [((*path, index), item) for index, item in enumerate(items)]


def _listing(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _differ(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one != other


def _value(machine: Merged, key: str) -> int:
    value: int = machine.values.get(key, MACHINE.keys[key].default)
    return value


def _images(machine: Merged) -> Iterator[tuple[KeyPath, str]]:
    """The root filesystems of a machine: path in its table, name."""
    if "initramfs" in machine.values:
        yield ("initramfs",), machine.values["initramfs"]
    for index, disk in enumerate(machine.values.get("disks", ())):
        if "rootfs" in disk:
            yield ("disks", index, "rootfs"), disk["rootfs"]
    for index, name in enumerate(machine.values.get("carries", ())):
        yield ("carries", index), name
