# SPDX-License-Identifier: GPL-2.0-only
"""A guest kernel's configuration: a base, fragments over it, and proof that every request survived."""

from __future__ import annotations

from pathlib import Path

from pipeline import configin, digest, kconfig, kernelmake, patching, progress
from pipeline.declaration.model import Declaration, Kernel
from pipeline.errors import UserError
from pipeline.paths import Paths, atomic_write
from toolchain.kernels import Series

# What a lost option is explained from, by the language of the series.
READERS = {"Kconfig": kconfig.read_tree, "Config.in": configin.read_tree}
# What make is told when it asks: take the default, as often as it wants.
ENTER = b"\n" * 10_000


def fragments(kernel: Kernel, paths: Paths) -> list[Path]:
    """The kernel's fragments, in their order."""
    return [kernel.fragment_path(fragment, paths.root) for fragment in kernel.fragments]


def requests(kernel: Kernel, paths: Paths) -> dict[str, kconfig.Request]:
    """Every option that the kernel's fragments and its table in colinux.toml ask for; the last one wins."""
    found = [request for path in fragments(kernel, paths) for request in kconfig.read_fragment(path, paths.root)]
    where = f"colinux.toml: kernel.{kernel.name}.options"
    return kconfig.merge([*found, *kconfig.from_options(kernel.options, where)])


def configure(kernel: Kernel, decl: Declaration, paths: Paths) -> None:
    """Write obj/.config: base, fragments over it, what they leave open; then see that every request survived.

    Nothing is done when the requests and the files that describe the options are those of the last time.
    """
    kind = kernelmake.of_kernel(kernel)
    wanted = requests(kernel, paths)
    obj = kernelmake.obj(kernel, paths)
    obj.mkdir(parents=True, exist_ok=True)
    current, memory = obj / ".config", obj / ".colinux-config"
    asked = digest.of_json([kernel.base, [request.line() for request in wanted.values()],
                            patching.kconfig_id(kernel, paths), kernelmake.environment(decl)])
    if (current.is_file() and memory.is_file()
            and memory.read_text() == f"{asked} {digest.sha256_file(current)}\n"):
        return
    memory.unlink(missing_ok=True)
    with progress.step(f"configuring {kernel.name}"):
        complete = _config_in if kind.language == "Config.in" else _kconfig
        text = complete(kernel, kind, wanted, decl, paths)
        tree, folder = paths.src(kernel.name), kind.folder
        lost = kconfig.lost(wanted, kconfig.read_config(text), lambda: READERS[kind.language](tree, folder))
        if lost:
            raise UserError(
                f"{len(lost)} requested kernel option{'s' if len(lost) > 1 else ''} did not survive:\n"
                + "\n".join(str(one) for one in lost),
                hint="correct the fragment, or ask for what the option depends on as well")
        if not current.is_file() or current.read_text() != text:
            atomic_write(current, text)
        atomic_write(memory, f"{asked} {digest.sha256_file(current)}\n")


def _kconfig(kernel: Kernel, kind: Series, wanted: dict[str, kconfig.Request], decl: Declaration,
             paths: Paths) -> str:
    """The complete configuration, made beside .config: the base would overwrite that of the last build,
    and with it what make knows to be unchanged."""
    scratch = kernelmake.obj(kernel, paths) / ".colinux-base"
    log = paths.kernel(kernel.name) / "config.log"
    env = {"KCONFIG_CONFIG": str(scratch)}
    kernelmake.run(kernel, decl, paths, kind.bases[kernel.base], log=log, env=env)
    scratch.write_text(kconfig.compose(scratch.read_text(), wanted))
    kernelmake.run(kernel, decl, paths, kind.complete, log=log, append=True, env=env,
                   stdin=ENTER if kind.asks else None)
    return scratch.read_text()


def _config_in(kernel: Kernel, kind: Series, wanted: dict[str, kconfig.Request], decl: Declaration,
               paths: Paths) -> str:
    """The complete configuration of a series that knows no other name than .config, and takes `n` for an
    answer to everything that is not in it."""
    config = kernelmake.obj(kernel, paths) / ".config"
    atomic_write(config, kconfig.compose("", wanted))
    kernelmake.run(kernel, decl, paths, kind.complete, log=paths.kernel(kernel.name) / "config.log",
                   stdin=ENTER if kind.asks else None)
    return config.read_text()
