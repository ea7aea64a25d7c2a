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
from pipeline.declaration.keys import MACHINE, QEMU_DEFAULTS
from pipeline.declaration.model import GUESTS_OF_HOST
from pipeline.declaration.positions import KeyPath
from pipeline.declaration.schema import Faults, suggestion
from toolchain.compilers import compilers

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
    """Files that are copied into a root filesystem, and keyrings, are there."""
    for name, rootfs in content.get("rootfs", {}).items():
        for target, file in rootfs.get("files", {}).items():
            if isinstance(file, dict) and "source" in file and not (root / file["source"]).is_file():
                path = ("rootfs", name, "files", target, "source")
                faults.add(path, f"there is no file {file['source']} in the checkout")
    for name, source in content.get("source", {}).items():
        keyring = source.get("signature", {}).get("keyring")
        if keyring and not (root / keyring).is_file():
            faults.add(("source", name, "signature", "keyring"), f"there is no file {keyring} in the checkout")


def compiler_fits(content: Content, machines: Machines, root: Path, faults: Faults) -> None:
    """A kernel's compiler makes code for the kernel's architecture."""
    for name, kernel in content.get("kernel", {}).items():
        compiler = compilers().get(kernel.get("compiler"))
        if compiler and "arch" in kernel and kernel["arch"] not in compiler.targets:
            targets = " and ".join(compiler.targets)
            message = f'"{compiler.name}" builds for {targets}, the kernel is {kernel["arch"]}'
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


def images_fit(content: Content, machines: Machines, root: Path, faults: Faults) -> None:
    """An initramfs is one, a disk is none, and both hold programs for the kernel's architecture."""
    every = content.get("rootfs", {})
    for machine in machines.values():
        arch = content.get("kernel", {}).get(machine.values.get("kernel"), {}).get("arch")
        for path, name in _images(machine):
            image = every.get(name, {})
            if not machine.owns("kernel", str(path[0])):
                continue
            wrong = "kind" in image and (image["kind"] == "initramfs") != (path[0] == "initramfs")
            if wrong:
                needed = "initramfs" if path[0] == "initramfs" else "ext4 or debian"
                message = f'"{name}" is of kind {image["kind"]}; expected one of kind {needed}'
                fitting = [n for n, i in every.items() if (i.get("kind") == "initramfs") == (path[0] == "initramfs")]
                message += suggestion(name, fitting)
                faults.add(("machine", machine.name, *path), message, at=machine.origin("machine", *path))
            if _differ(arch, image.get("arch")):
                message = f'"{name}" is for {image["arch"]}, the kernel is {arch}'
                faults.add(("machine", machine.name, *path), message, at=machine.origin("machine", *path))


def something_to_boot(content: Content, machines: Machines, root: Path, faults: Faults) -> None:
    """A machine has an initramfs or a disk with a root filesystem."""
    for machine in machines.values():
        if machine.owns("initramfs", "disks") and not any(True for _ in _images(machine)):
            faults.add(("machine", machine.name), "has neither an initramfs nor a disk with a root filesystem")


def memory_fits(content: Content, machines: Machines, root: Path, faults: Faults) -> None:
    """The guests' memory fits into the host's, with room for the host."""
    for machine in machines.values():
        guests, memory = _value(machine, "guests"), _value(machine, "memory_mib")
        host = content.get("host", {}).get(machine.values.get("host"), {}).get("qemu", {})
        room = machine.values.get("qemu", {}).get("memory_mib") or host.get("memory_mib")
        room = room or QEMU_DEFAULTS.memory_mib
        if machine.owns("memory_mib", "guests", "qemu") and guests * memory + HOST_NEEDS_MIB > room:
            faults.add(
                ("machine", machine.name, "memory_mib"),
                f"{guests} x {memory} MiB for guests and {HOST_NEEDS_MIB} MiB for the host itself "
                f"are more than the host's {room} MiB (qemu.memory_mib)",
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
    """Two guests at once are asked for as such; systemd, login and apt exist only in a Debian."""
    for machine in machines.values():
        alone = _value(machine, "guests") < 2 and machine.owns("scenario", "guests")
        if machine.values.get("scenario") == "two-guests" and alone:
            place = machine.blame("machine", "scenario", "guests")
            faults.add(("machine", machine.name, "scenario"), 'needs "guests" to be 2 or more', at=place)
        kinds = {content.get("rootfs", {}).get(name, {}).get("kind") for _, name in _images(machine)}
        for path, check in _elements(("checks",), machine.values.get("checks", ())):
            if check in ("systemd", "login", "apt") and "debian" not in kinds and machine.owns("checks", "disks"):
                message = f'the check "{check}" needs a disk with a root filesystem of kind debian'
                faults.add(("machine", machine.name, *path), message, at=machine.origin("machine", *path))


RULES: tuple[Rule, ...] = (
    patch_folders,
    fragment_files,
    files_of_the_checkout,
    compiler_fits,
    guest_fits_host,
    images_fit,
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
