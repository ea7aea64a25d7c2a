# SPDX-License-Identifier: GPL-2.0-only
"""What a person gets for a Windows: a zip with the driver, the daemon, what talks to it, and the guests that were
booted through that very driver, in the order in which `[release]` names their machines.

The first machine's files lie beside the driver, each further one's in a folder that is called as the machine. The
texts are templates in windows_files/; every text in a zip has Windows' line ends.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline import ntdriver, windowsdaemon
from pipeline.declaration.model import Declaration, Machine
from pipeline.digest import sha256_file
from pipeline.errors import UserError
from pipeline.paths import Paths
from pipeline.release import conf, zips
from pipeline.release.archive import File
from pipeline.release.parts import CONF, NT_DRIVER, NT_PROGRAMS, Package, Part, Windows, shipped
from runtime.launcher import artifacts
from toolchain import windows as targets

TEMPLATES = Path(__file__).with_name("windows_files")
TEXTS = ("install.cmd", "uninstall.cmd", "README.txt", "SOURCE.txt")
SYSTEMS = {"x86_64": "64-bit Windows", "i386": "32-bit Windows"}


def package(machine: Machine, decl: Declaration, paths: Paths, signer: str | None = None) -> Package:
    """A machine's share of its Windows' zip. `signer`: whose certificate signs the programs, for the README.

    Raises UserError when something is not built, or cannot lie in a zip for Windows.
    """
    assert machine.nt
    if machine.beside:
        raise UserError(f"{machine.name} runs beside {machine.beside}, which a zip for Windows has no form for",
                        hint="name both machines in [release] instead")
    found = artifacts.find(machine.name, decl, paths)
    artifacts.require(found, paths)
    programs = dict(zip(NT_PROGRAMS, windowsdaemon.programs(machine.nt, paths), strict=True))
    for program in programs.values():
        if not program.is_file():
            raise UserError(f"not built: {program.relative_to(paths.root)}", hint=f"./doit daemon:{machine.nt}")
    top = f"{decl.project.name}-{decl.project.version}-{machine.nt}"
    fellows = _machines(machine, decl)
    first = machine is fellows[0]
    prefix = "" if first else f"{machine.name}/"
    parts = [Part(NT_DRIVER, f"{top}/colinux.sys", found.files[NT_DRIVER]),
             *(Part(role, f"{top}/{program.name}", program) for role, program in programs.items())]
    parts += [Part(prefix + role, f"{top}/{prefix}{found.files[role].name}", found.files[role])
              for role in sorted(shipped(found.files, windows=True) - {NT_DRIVER})]
    files = {part.path: File(part.file) for part in parts}
    name = CONF if first else f"{machine.name}.conf"
    written = conf.text(found.guests[0], found, name, conf.WINDOWS, prefix.replace("/", "\\"))
    files[f"{top}/{name}"] = File(lines(written))
    files[f"{top}/LICENSE.txt"] = File(lines((paths.root / "LICENSE").read_text()))
    words = _words(machine.nt, fellows, decl, signer)
    files |= {f"{top}/{text}": File(lines(filled(text, words))) for text in TEXTS}
    built = {role: sha256_file(path) for role, path in found.files.items()}
    return Package(machine, f"{top}{zips.SUFFIX}", tuple(parts), files, built,
                   Windows(machine.nt, prefix, {role: sha256_file(program) for role, program in programs.items()}))


def symbols(name: str, paths: Paths) -> dict[str, Path]:
    """What belongs to the debug archive, not into the zip: file name -> file."""
    found = [paths.driver(name) / made for made in ntdriver.OUTPUTS[1:]]
    found += windowsdaemon.symbols(name, paths)
    missing = [path for path in found if not path.is_file()]
    if missing:
        raise UserError(f"not built: {missing[0].relative_to(paths.root)}",
                        hint=f"./doit driver:{name} daemon:{name}")
    return {path.name: path for path in found}


def lines(text: str) -> bytes:
    """A text as Windows' own programs show it: ASCII, with CR LF. UserError for another letter, with its line."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.isascii():
            raise UserError(f"not ASCII, so old Windows cannot show it, in line {number}: {line[:60]}",
                            hint="a title in colinux.toml, or a text of pipeline/release/windows_files")
    return text.replace("\r\n", "\n").replace("\n", "\r\n").encode()


def filled(text: str, words: dict[str, str]) -> str:
    """A template of windows_files with its @WORDS@ replaced."""
    content = (TEMPLATES / text).read_text()
    for word, value in words.items():
        content = content.replace(f"@{word}@", value)
    return content


def _machines(machine: Machine, decl: Declaration) -> Sequence[Machine]:
    """The released machines of the same Windows; the machine alone where it is not released itself."""
    named = [decl.machines[name] for name in dict.fromkeys(decl.release.machines)]
    return [one for one in named if one.nt == machine.nt] if machine in named else [machine]


def _words(name: str, fellows: Sequence[Machine], decl: Declaration, signer: str | None) -> dict[str, str]:
    target = targets.targets()[name]
    system = f"{SYSTEMS[target.arch]} ({target.title} and later)"
    configurations = [CONF, *(f"{one.name}.conf" for one in fellows[1:])]
    return {
        "NAME": f"{decl.project.name}-{decl.project.version}",
        "VERSION": decl.project.version,
        "SYSTEM": system,
        "RULE": "=" * len(f"Cooperative Linux {decl.project.version} for {system}"),
        "BENEATH": ", without its signature," if signer else "",
        "GUESTS": "\n".join(_guests(configurations, fellows, decl)),
        "RUN": "\n".join(f"       colinux-daemon @{one}" for one in configurations),
        "DEMANDS": (TEMPLATES / f"demands-{target.arch}.txt").read_text().rstrip(),
        "SIGNED": f"with the certificate {signer}" if signer else "no",
    }


def _guests(configurations: Sequence[str], fellows: Sequence[Machine], decl: Declaration) -> Iterator[str]:
    for name, machine in zip(configurations, fellows, strict=True):
        kernel = decl.kernels[machine.kernel]
        where = f", in {machine.name}\\" if name != CONF else ""
        told = textwrap.wrap(f"{machine.title}: Linux {kernel.series}, {kernel.arch}{where}", 55)
        yield f"    {name:<22}{told[0]}"
        yield from (f"    {'':<22}{line}" for line in told[1:])
