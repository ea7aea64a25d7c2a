# SPDX-License-Identifier: GPL-2.0-only
"""The works of a declaration: which artifacts there are, what each stands on.

Data flows one way here: source -> tree -> kernel; packages -> host -> driver;
programs and packages -> root filesystems; all of it -> boot. Every function
takes the declaration and returns works; nothing is done until one is asked.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline import (
    compiler,
    daemon,
    driver,
    hostkernel,
    kernel,
    libc,
    ntdriver,
    ntharness,
    patching,
    rootfs,
    seccomp,
    slirp,
    sources,
    stamp,
    userland,
    windowsdaemon,
)
from pipeline import lock as locks
from pipeline.declaration import load
from pipeline.declaration.model import Declaration, Kernel, Machine, Rootfs, WindowsImage
from pipeline.declaration.schema import suggestion
from pipeline.errors import InfrastructureError, UserError
from pipeline.lock import Lock
from pipeline.paths import Paths, checkout
from pipeline.work import Work
from runtime import launcher
from runtime.launcher import image as windows_image
from toolchain import windows
from toolchain.compilers import Compiler


def flag(variable: str) -> bool:
    """Whether an environment variable says yes (anything but empty and 0)."""
    return os.environ.get(variable, "0") not in ("", "0")


@dataclass(frozen=True)
class Project:
    """The declaration of a checkout with its lock and its folders."""

    declaration: Declaration
    paths: Paths

    @classmethod
    def here(cls) -> Project:
        """The checkout this file belongs to. Raises UserError for every fault in colinux.toml."""
        paths = checkout()
        return cls(load(paths.root / "colinux.toml"), paths)

    @functools.cached_property
    def lock(self) -> Lock:
        """colinux.lock, read when first needed; empty where there is none yet, so that `lock --update` can begin."""
        path = self.paths.root / "colinux.lock"
        return locks.load(path) if path.exists() else Lock(path=path)

    @functools.cached_property
    def context(self) -> sources.Context:
        """What the sources need to know: cache, lock, mirrors, and how strict to be."""
        return sources.Context(
            paths=self.paths,
            lock=self.lock,
            mirrors=sources.mirrors(),
            offline=flag("COLINUX_OFFLINE"),
            locked=flag("COLINUX_LOCKED"),
        )

    @property
    def version(self) -> str:
        """Ours: what driver and daemon say that they are."""
        return self.declaration.project.version

    def machine_needs(self, machine: Machine) -> tuple[str, ...]:
        """The tasks whose artifacts a machine boots with."""
        host = self.declaration.hosts[machine.host]
        driven = ntharness.name(machine.nt, host) if machine.nt else host.name
        needs = [f"driver:{driven}", f"daemon:{host.os}-{host.arch}", f"agent:{host.arch}", f"host:{host.name}"]
        for one in (machine, *([self.declaration.machines[machine.beside]] if machine.beside else [])):
            images = [one.initramfs, *(disk.rootfs for disk in one.disks), *one.carries]
            needs += [f"kernel:{one.kernel}", f"agent:{self.declaration.kernels[one.kernel].arch}"]
            needs += [f"rootfs:{image}" for image in images if image]
        return tuple(dict.fromkeys(needs))

    def package_needs(self, machine: Machine) -> tuple[str, ...]:
        """The tasks whose artifacts a release holds of a machine, or has seen booted."""
        return (*self.machine_needs(machine), *((f"daemon:{machine.nt}",) if machine.nt else ()))

    def image_machine_needs(self, one: WindowsImage) -> tuple[str, ...]:
        """The tasks behind a machine of kind windows-image; none where its image is missing, which is then said."""
        if windows_image.missing(one, self.declaration):
            return ("setup",)
        images = [one.initramfs, *(disk.rootfs for disk in one.disks if disk.rootfs)]
        needs = [f"driver:{one.nt}", f"daemon:{one.nt}", f"kernel:{one.kernel}", *(f"rootfs:{name}" for name in images)]
        return tuple(dict.fromkeys(needs))

    def unreachable(self, one: Kernel) -> str | None:
        """Why a kernel's source, or that of its compiler, cannot be had here; None when both can."""
        built_with = compiler.of_kernel(one)
        wanted = [one.sources, *([(built_with.build.source,)] if built_with.build else [])]
        try:
            for names in wanted:
                sources.fetch_first([self.declaration.sources[name] for name in names], self.context)
        except (InfrastructureError, sources.NotHere, sources.Dropped) as error:
            return str(error)
        return None

    def works(self) -> dict[str, Work]:
        """Every work by its name, but the boots."""
        every = (self.fetches(), self.patches(), self.compilers(), self.kernels(), self.hosts(), self.drivers(),
                 self.slirps(), self.seccomps(), self.daemons(), self.agents(), self.libcs(), self.busyboxes(),
                 self.images())
        return {one.name: one for group in every for one in group}

    def closure(self, tasks: Iterable[str]) -> list[str]:
        """These works' names with those of all that they need, in an order in which they can be done."""
        works = self.works()
        order: dict[str, None] = {}

        def visit(name: str) -> None:
            if name in works and name not in order:
                for need in works[name].needs:
                    visit(need)
                order[name] = None

        for task in tasks:
            visit(task)
        return list(order)

    def bring(self, task: str) -> None:
        """Do a work and what it needs, as far as they are not up to date: for those whom doit does not serve."""
        works = self.works()
        for name in self.closure([task]):
            if stamp.why_stale(works[name].job(), self.paths) is not None:
                works[name].act()
                stamp.finish(works[name].job(), self.paths)

    # --- works, in the order of the data -------------------------------------------------

    def fetches(self) -> Iterator[Work]:
        """Every byte from outside, into the cache."""
        for source in self.declaration.sources.values():
            yield Work(
                f"fetch:{source.name}", f"fetch and verify the source {source.name}",
                functools.partial(fetch_source, self, source.name),
                functools.partial(sources.job, source, self.context), ("setup",))
        groups = {hostkernel.group(host): host.suite for host in self.declaration.hosts.values()}
        groups |= {rootfs.group(image): image.suite for image in self.declaration.rootfs.values() if image.packages}
        for group, suite in groups.items():
            yield Work(
                fetch_task(group), f"fetch and verify the packages of {group.replace(':', ' ')}",
                functools.partial(fetch_group, self, group, suite),
                functools.partial(sources.group_job, group, self.context), ("setup",))

    def patches(self) -> Iterator[Work]:
        """Patched source trees."""
        for one in self.declaration.kernels.values():
            yield Work(
                f"patch:{one.name}", f"unpack Linux {one.series} and lay our changes over it",
                functools.partial(patch_tree, self, one),
                functools.partial(patching.job, one, self.declaration, self.lock, self.paths),
                # Which of several sources can be had is found out when the tree is made.
                (f"fetch:{one.sources[0]}",) if len(one.sources) == 1 else ("setup",))

    def compilers(self) -> Iterator[Work]:
        """Compilers that are built here, of those that a kernel names."""
        named = {one.compiler: compiler.of_kernel(one) for one in self.declaration.kernels.values()}
        for one in named.values():
            if one.build:
                yield Work(
                    f"compiler:{one.name}", f"build the compiler {one.name}",
                    functools.partial(build_compiler, self, one),
                    functools.partial(compiler.job, one, self.lock, self.paths), (f"fetch:{one.build.source}",))

    def kernels(self) -> Iterator[Work]:
        """Guest kernels."""
        for one in self.declaration.kernels.values():
            yield Work(
                f"kernel:{one.name}", f"build the cooperative guest kernel {one.name}",
                functools.partial(kernel.build, one, self.declaration, self.paths),
                functools.partial(kernel.job, one, self.declaration, self.paths),
                (f"patch:{one.name}", *((f"compiler:{one.compiler}",) if compiler.of_kernel(one).build else ())))

    def hosts(self) -> Iterator[Work]:
        """Test hosts' kernels, modules and headers, unpacked."""
        for host in self.declaration.hosts.values():
            yield Work(
                f"host:{host.name}", f"unpack the test host {host.name}: kernel, modules, headers",
                functools.partial(hostkernel.prepare, host, self.declaration, self.context, self.paths),
                functools.partial(hostkernel.job, host, self.declaration, self.context, self.paths),
                (fetch_task(hostkernel.group(host)),))

    def drivers(self) -> Iterator[Work]:
        """Host drivers."""
        for host in self.declaration.hosts.values():
            yield Work(
                f"driver:{host.name}", f"build the host driver for {host.name}",
                functools.partial(driver.build_linux, host, self.version, self.paths),
                functools.partial(driver.job, host, self.version, self.paths), (f"host:{host.name}",))
        for target in windows.targets().values():
            yield Work(
                f"driver:{target.name}", f"build the host driver for Windows ({target.arch})",
                functools.partial(ntdriver.build, target, self.version, self.paths),
                functools.partial(ntdriver.job, target, self.version, self.paths), ("setup",))
        # Whatever a machine wants to see colinux.sys in.
        for nt, name in sorted({(one.nt, one.host) for one in self.declaration.machines.values() if one.nt}):
            host, target = self.declaration.hosts[name], windows.targets()[nt]
            yield Work(
                f"driver:{ntharness.name(nt, host)}", f"build the harness for {nt}'s colinux.sys inside {name}",
                functools.partial(ntharness.build, target, host, self.paths),
                functools.partial(ntharness.job, target, host, self.paths), (f"driver:{nt}", f"host:{name}"))

    def slirps(self) -> Iterator[Work]:
        """The daemon's user-mode network, for each architecture of hosts and each Windows."""
        arches = {host.arch for host in self.declaration.hosts.values() if host.os == "linux"}
        compilers = {arch: daemon.COMPILERS[arch] for arch in arches}
        compilers |= {name: (windowsdaemon.compiler(target),) for name, target in windows.targets().items()}
        for arch, compile_with in sorted(compilers.items()):
            if slirp.declared(arch, self.declaration):
                yield Work(
                    f"slirp:{arch}", f"build the user-mode network of daemons for {arch}",
                    functools.partial(slirp.make, arch, compile_with, self.declaration, self.context, self.paths),
                    functools.partial(slirp.job, arch, compile_with, self.context, self.paths),
                    tuple(f"fetch:{name}" for name in slirp.SOURCES[arch]))

    def seccomps(self) -> Iterator[Work]:
        """What the daemon's sandbox is made with, for each architecture of hosts whose source is declared."""
        for arch in sorted({host.arch for host in self.declaration.hosts.values() if host.os == "linux"}):
            if seccomp.declared(arch, self.declaration):
                yield Work(
                    f"seccomp:{arch}", f"unpack what the sandbox of daemons for {arch} is made with",
                    functools.partial(seccomp.make, arch, self.declaration, self.context, self.paths),
                    functools.partial(seccomp.job, arch, self.context, self.paths),
                    (f"fetch:{seccomp.SOURCES[arch]}",))

    def daemons(self) -> Iterator[Work]:
        """The user-mode side of each host."""
        for target, arch in sorted({(f"{host.os}-{host.arch}", host.arch) for host in self.declaration.hosts.values()}):
            has = {"with_slirp": slirp.declared(arch, self.declaration),
                   "with_seccomp": seccomp.declared(arch, self.declaration)}
            needs = [f"{one}:{arch}" for one in ("slirp", "seccomp") if has[f"with_{one}"]]
            yield Work(
                f"daemon:{target}", f"build colinux-daemon for {target}",
                functools.partial(daemon.build_daemon, target, self.version, self.paths, **has),
                functools.partial(daemon.daemon_job, target, self.version, self.paths, **has),
                tuple(needs or ("setup",)))
        for target in windows.targets():
            network = slirp.declared(target, self.declaration)
            yield Work(
                f"daemon:{target}", f"build colinux-daemon for {target}",
                functools.partial(windowsdaemon.build, target, self.version, self.paths, with_slirp=network),
                functools.partial(windowsdaemon.job, target, self.version, self.paths, with_slirp=network),
                (f"slirp:{target}" if network else "setup",))

    def agents(self) -> Iterator[Work]:
        """The programs that carry results out of hosts and guests."""
        decl = self.declaration
        arches = {host.arch for host in decl.hosts.values()} | {guest.arch for guest in decl.kernels.values()}
        for arch in sorted(arches | {image.arch for image in decl.rootfs.values()}):
            musl = arch in decl.userlands
            yield Work(
                f"agent:{arch}", f"build the test agent for {arch}",
                functools.partial(daemon.build_agent, arch, self.paths, musl=musl),
                functools.partial(daemon.agent_job, arch, self.paths, musl=musl),
                (f"libc:{arch}",) if musl else ("setup",))

    def libcs(self) -> Iterator[Work]:
        """The C library of programs that run in guests."""
        for one in self.declaration.userlands.values():
            yield Work(
                f"libc:{one.arch}", f"unpack the C library of guests' programs for {one.arch}",
                functools.partial(libc.make, one, self.declaration, self.context, self.paths),
                functools.partial(libc.job, one, self.context, self.paths), (f"fetch:{one.libc}",))

    def busyboxes(self) -> Iterator[Work]:
        """Busybox of our own, for guests with an old kernel."""
        for one in self.declaration.userlands.values():
            yield Work(
                f"busybox:{one.arch}", f"build the busybox of old guests for {one.arch}",
                functools.partial(userland.build, one, self.declaration, self.context, self.paths),
                functools.partial(userland.job, one, self.declaration, self.context, self.paths),
                (f"fetch:{one.busybox}", f"libc:{one.arch}"))

    def images(self) -> Iterator[Work]:
        """Root filesystems."""
        for one in self.declaration.rootfs.values():
            yield Work(
                f"rootfs:{one.name}", f"build the root filesystem {one.name} ({one.kind})",
                functools.partial(rootfs.build, one, self.declaration, self.context, self.paths),
                functools.partial(rootfs.job, one, self.declaration, self.context, self.paths),
                self.image_needs(one))

    def image_needs(self, one: Rootfs) -> tuple[str, ...]:
        """What a root filesystem is made of."""
        programs = fetch_task(rootfs.group(one)) if one.packages else f"busybox:{one.arch}"
        return (programs, *(f"fetch:{source}" for source in one.sources), f"agent:{one.arch}")

    def boots(self) -> Iterator[Work]:
        """Machines: booted beside a real host kernel, checked and judged."""
        for machine in self.declaration.machines.values():
            yield Work(
                f"boot:{machine.name}", f"boot and judge: {machine.title}",
                functools.partial(boot_machine, self, machine),
                functools.partial(launcher.job, machine, self.declaration, self.paths, self.lock.digest()),
                self.machine_needs(machine))
        for one in self.declaration.images.values():
            yield Work(
                f"boot:{one.name}", f"boot and judge: {one.title}",
                functools.partial(boot_image, self, one),
                functools.partial(windows_image.job, one, self.declaration, self.paths, self.lock.digest()),
                self.image_machine_needs(one))


def fetch_task(group: str) -> str:
    """The task that fetches a lock group of packages: "host:x" is fetched by fetch:host-x."""
    return "fetch:" + group.replace(":", "-")


def fetch_source(project: Project, name: str) -> None:
    """Bring one declared source into the cache."""
    sources.fetch(project.declaration.sources[name], project.context)


def fetch_group(project: Project, group: str, suite: str | None) -> None:
    """Bring one group of packages, of a Debian release, into the cache."""
    sources.fetch_packages(group, project.context, suite=suite)


def patch_tree(project: Project, one: Kernel) -> None:
    """Unpack a kernel's source, unless it is there, and lay our changes over it."""

    def unpack(destination: Path) -> None:
        source, fetched = sources.fetch_first(
            [project.declaration.sources[name] for name in one.sources], project.context)
        sources.unpack(source, fetched, destination, project.context)

    patching.prepare(one, project.declaration, unpack, project.lock, project.paths)


def build_compiler(project: Project, one: Compiler) -> None:
    """Build a compiler from its declared source."""
    assert one.build is not None
    source = project.declaration.sources[one.build.source]

    def unpack(destination: Path) -> None:
        sources.unpack(source, sources.fetch(source, project.context), destination, project.context)

    compiler.build(one, unpack, project.paths)


def check_patches(project: Project, one: Kernel) -> None:
    """Prove in seconds that a kernel's patches apply to its pristine source."""
    patching.check(one, project.declaration, project.lock, project.paths)


def boot_machine(project: Project, machine: Machine) -> None:
    """Boot a machine; anything but the verdict `pass` raises, with the evidence kept."""
    launcher.boot(machine.name, project.declaration, project.paths, lock_digest=project.lock.digest())


def boot_image(project: Project, one: WindowsImage) -> None:
    """The same of a machine of kind windows-image; one without its image is refused with the reason."""
    windows_image.boot(one.name, project.declaration, project.paths, lock_digest=project.lock.digest())


def update_lock(project: Project, names: tuple[str, ...] = ()) -> list[str]:
    """Resolve every source, host and root filesystem anew and write colinux.lock; returns what changed.

    Keeps `project.lock` as it was: the next command reads the new file. With `names`, only those groups; raises
    UserError for one that the declaration does not have.
    """
    lock = project.lock
    wanted = {f"source:{s.name}": functools.partial(sources.resolve, s, project.context)
              for s in project.declaration.sources.values()}
    for host in project.declaration.hosts.values():
        wanted[hostkernel.group(host)] = functools.partial(hostkernel.resolve, host, project.context)
    for image in project.declaration.rootfs.values():
        wanted[rootfs.group(image)] = functools.partial(rootfs.resolve, image, project.context)
    for name in names:
        if name not in wanted:
            raise UserError(f'no group "{name}" in the lock{suggestion(name, wanted)}',
                            hint="./doit lock names them all")
    changed = []
    for group, resolve in wanted.items():
        if names and group not in names:
            continue
        blobs = resolve()
        if not blobs and group not in lock.groups:
            continue  # an image of our own programs alone
        if group not in lock.groups or lock.group(group) != tuple(blobs):
            changed.append(group)
        lock = lock.with_group(group, blobs)
    lock = lock.only(tuple(wanted))
    lock.save(project.paths.root / "colinux.lock")
    return changed

