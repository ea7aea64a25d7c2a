# SPDX-License-Identifier: GPL-2.0-only
"""Guest kernels: configure, build out of tree, keep what the daemon boots.

    build/kernel/<kernel>/obj          make's folder, kept for the next build
    build/kernel/<kernel>/vmlinux      the kernel, without debug information
    build/kernel/<kernel>/System.map, config, build.log

The same input gives the same bytes: time, user, host and build number are
fixed, and the kernel's makefiles keep the folder's name out.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from pipeline import digest, kconfig, patching, process, progress
from pipeline.declaration.model import Declaration, Kernel
from pipeline.errors import InfrastructureError, UserError
from pipeline.paths import Paths, atomic_path, atomic_write, file_lock, remove
from pipeline.stamp import Job
from toolchain import packages
from toolchain.compilers import Compiler, compilers

# A kernel's name for an architecture: make's ARCH, and the folder in arch/.
MAKE_ARCH = {"x86_64": "x86_64", "i386": "i386"}
ARCH_FOLDER = {"x86_64": "x86", "i386": "x86"}
OPTIONAL_TOOLS = frozenset({"ccache"})
# make prints one such line for each file that it makes
_STEP = re.compile(rb"^  [A-Z][A-Z0-9_+]*(?: \[M\])? +\S", re.M)
_POLL = 0.5  # seconds between looks at the log


def build(kernel: Kernel, decl: Declaration, paths: Paths) -> None:
    """Make build/kernel/<kernel>/{vmlinux,System.map,config,build.log} from the patched tree.

    Raises UserError for missing tools, for a broken fragment and for requested
    options that did not survive (each with file:line and the reason),
    BuildFailed when make fails.
    """
    require_tools(kernel)
    out = paths.kernel(kernel.name)
    with file_lock(paths.state / f"kernel-{kernel.name}.lock"):
        _fresh_objects(kernel, paths)
        configure(kernel, decl, paths)
        log = out / "build.log"
        with _counted(f"compiling {kernel.name}", log, out / "obj" / ".colinux-steps"):
            process.run([*_make(kernel, paths), f"-j{os.cpu_count() or 1}", "vmlinux"],
                        cwd=paths.root, env=_environment(decl), log=log)
        _keep(kernel, paths)


def job(kernel: Kernel, decl: Declaration, paths: Paths) -> Job:
    """What the kernel is built from. The tree counts by its own memory of what it is made of."""
    out = paths.kernel(kernel.name)
    compiler = _compiler(kernel)
    return Job(
        f"kernel:{kernel.name}",
        {"base": kernel.base, "options": dict(kernel.options), "arch": kernel.arch,
         "fragments": list(kernel.fragments), "compiler": compiler.make_arguments(),
         "epoch": decl.project.epoch},
        [paths.src(kernel.name) / patching.STATE, *_fragment_paths(kernel, paths),
         *_tool_files(compiler)],
        [out / "vmlinux", out / "System.map", out / "config"],
    )


def require_tools(kernel: Kernel) -> None:
    """UserError naming every tool and header that this machine lacks for the build, with its package."""
    compiler = _compiler(kernel)
    wanted = [need for need in packages.needs(("kernel",)) if need.probe not in OPTIONAL_TOOLS]
    # A compiler of another kernel's is not missed here.
    others = {other.cc for other in compilers().values()} - {compiler.cc}
    lacking = {need.probe: need.package for need in wanted if need.probe not in others and not need.present()}
    if not packages.find_tool(compiler.cc):
        lacking[compiler.cc] = compiler.package
    if lacking:
        raise UserError(
            "the kernel cannot be built without "
            + ", ".join(f"{probe} (package {package})" for probe, package in lacking.items()),
            hint="apt-get install " + " ".join(sorted(set(lacking.values()))))


def requests(kernel: Kernel, paths: Paths) -> dict[str, kconfig.Request]:
    """Every option that the kernel's fragments and its table in colinux.toml ask for; the last one wins."""
    found = [request for path in _fragment_paths(kernel, paths)
             for request in kconfig.read_fragment(path, paths.root)]
    where = f"colinux.toml: kernel.{kernel.name}.options"
    return kconfig.merge([*found, *kconfig.from_options(kernel.options, where)])


def configure(kernel: Kernel, decl: Declaration, paths: Paths) -> None:
    """Write obj/.config: base, fragments over it, olddefconfig; then see that every request survived.

    Nothing is done when the requests and the Kconfig files are those of the last time.
    """
    wanted = requests(kernel, paths)
    obj = paths.kernel(kernel.name) / "obj"
    obj.mkdir(parents=True, exist_ok=True)
    current, memory = obj / ".config", obj / ".colinux-config"
    asked = digest.of_json([kernel.base, [request.line() for request in wanted.values()],
                            patching.kconfig_id(kernel, paths)])
    if (current.is_file() and memory.is_file()
            and memory.read_text() == f"{asked} {digest.sha256_file(current)}\n"):
        return
    log = paths.kernel(kernel.name) / "config.log"
    env = _environment(decl)
    with progress.step(f"configuring {kernel.name}"):
        # The base would overwrite the .config of the last build, and with it what make knows to be unchanged.
        scratch = obj / ".colinux-base"
        config = {"KCONFIG_CONFIG": str(scratch)}
        process.run([*_make(kernel, paths), kernel.base], cwd=paths.root, env={**env, **config}, log=log)
        scratch.write_text(kconfig.compose(scratch.read_text(), wanted))
        process.run([*_make(kernel, paths), "olddefconfig"], cwd=paths.root, env={**env, **config}, log=log,
                    append=True)
        text = scratch.read_text()
        lost = kconfig.lost(wanted, kconfig.read_config(text), paths.src(kernel.name),
                            ARCH_FOLDER[kernel.arch])
        if lost:
            raise UserError(
                f"{len(lost)} requested kernel option{'s' if len(lost) > 1 else ''} did not survive:\n"
                + "\n".join(str(one) for one in lost),
                hint="correct the fragment, or ask for what the option depends on as well")
        if not current.is_file() or current.read_text() != text:
            atomic_write(current, text)
        atomic_write(memory, f"{asked} {digest.sha256_file(current)}\n")


# --- make --------------------------------------------------------------------------------


def _make(kernel: Kernel, paths: Paths) -> list[str]:
    compiler = _compiler(kernel)
    arguments = compiler.make_arguments()
    if packages.find_tool("ccache"):
        arguments = [f"{name}=ccache {value}" if (name := word.partition("=")[0]) in ("CC", "HOSTCC")
                     and (value := word.partition("=")[2]) else word for word in arguments]
    return ["make", "-C", str(paths.src(kernel.name)), f"O={paths.kernel(kernel.name) / 'obj'}",
            f"ARCH={MAKE_ARCH[kernel.arch]}", *arguments]


def _environment(decl: Declaration) -> dict[str, str]:
    """Nothing of this machine or this moment may get into the kernel."""
    when = datetime.fromtimestamp(decl.project.epoch, timezone.utc)
    return {
        "KBUILD_BUILD_TIMESTAMP": when.strftime("%a %b %e %H:%M:%S UTC %Y"),
        "KBUILD_BUILD_USER": "colinux",
        "KBUILD_BUILD_HOST": "colinux",
        "KBUILD_BUILD_VERSION": "1",
        "SOURCE_DATE_EPOCH": str(decl.project.epoch),
    }


def _compiler(kernel: Kernel) -> Compiler:
    known = compilers()
    if kernel.compiler not in known:
        raise UserError(f"kernel {kernel.name}: unknown compiler {kernel.compiler}",
                        hint=f"toolchain/compilers.toml has {', '.join(known)}")
    return known[kernel.compiler]


def _fragment_paths(kernel: Kernel, paths: Paths) -> list[Path]:
    return [kernel.fragment_path(fragment, paths.root) for fragment in kernel.fragments]


def _tool_files(compiler: Compiler) -> Iterator[Path]:
    """The programs whose change changes the kernel. The compiler proper hides behind its driver's name."""
    for tool in (compiler.cc, f"{compiler.prefix}ld", f"{compiler.prefix}as"):
        if found := shutil.which(tool):
            yield Path(found).resolve()


def _fresh_objects(kernel: Kernel, paths: Paths) -> None:
    """Remove objects of another tree: see patching.tree_id. ccache makes up for most of the time."""
    obj = paths.kernel(kernel.name) / "obj"
    marker = obj / ".colinux-tree"
    now = patching.tree_id(kernel, paths)
    if now is None:
        raise InfrastructureError(f"there is no source tree {paths.src(kernel.name)}",
                                  hint=f"./doit patch:{kernel.name}")
    compiler = digest.of_json([str(path) for path in _tool_files(_compiler(kernel))])
    content = f"{now} {compiler}\n"
    if not marker.is_file() or marker.read_text() != content:
        remove(obj)
        atomic_write(marker, content)


def _keep(kernel: Kernel, paths: Paths) -> None:
    """Put the results in their places, each of them whole or not at all."""
    out = paths.kernel(kernel.name)
    prefix = _compiler(kernel).prefix
    with atomic_path(out / "vmlinux") as new:
        process.run([f"{prefix}strip", "--strip-debug", "-o", new, out / "obj" / "vmlinux"])
    for name, source in (("System.map", "System.map"), ("config", ".config")):
        with atomic_path(out / name) as new:
            shutil.copyfile(out / "obj" / source, new)


# --- progress ----------------------------------------------------------------------------


@contextmanager
def _counted(title: str, log: Path, memory: Path) -> Iterator[None]:
    """Show how many files make has made, of about how many: as many as it took the last time.

    `memory` keeps the number of a build from nothing.
    """
    total = int(text) if memory.is_file() and (text := memory.read_text().strip()).isdigit() else None
    stop = threading.Event()
    log.unlink(missing_ok=True)
    with progress.Bar(title, total, "files") as bar:
        counter = _Counter(log)

        def follow() -> None:
            while not stop.wait(_POLL):
                bar.update(counter.look())

        thread = threading.Thread(target=follow, name="make-progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            bar.update(counter.look())
    if total is None or bar.done > total:
        memory.write_text(f"{bar.done}\n")


class _Counter:
    """Counts the steps of make in a growing log."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._read = 0

    def look(self) -> int:
        """How many have come since the last look; whole lines only."""
        try:
            with self._log.open("rb") as file:
                file.seek(self._read)
                text = file.read()
        except OSError:
            return 0
        text = text[: text.rfind(b"\n") + 1]
        self._read += len(text)
        return len(_STEP.findall(text))
