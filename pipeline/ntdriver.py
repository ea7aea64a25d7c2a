# SPDX-License-Identifier: GPL-2.0-only
"""colinux.sys: runtime/monitor with the glue of NT, built by MinGW-w64.

    build/driver/windows-x64/colinux.sys   the driver, without symbols
                             colinux.dbg   the same with symbols and debug data, for a debugger
                             colinux.map   where everything lies in it

Nothing of this machine gets into them: no time, no folder. What Windows' loader
looks at (checksum, subsystem, version, relocations, imports) is checked before
the driver is left for anybody to load: a mistake there is a boot that stops.
"""

from __future__ import annotations

import functools
from pathlib import Path

from pipeline import pe, process
from pipeline.errors import BuildFailed
from pipeline.paths import Paths
from pipeline.stamp import Job
from toolchain.windows import Target

PARTS = ("abi", "monitor", "windows")
# Where Debian's mingw-w64-common has the headers of drivers; system headers, so their own warnings do not count.
HEADERS = "/usr/share/mingw-w64/include/ddk"
FLAGS = (
    "-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fno-builtin", "-fno-ident",
    # No FPU, MMX or SSE register: the guest's may be in them. No call of a stack probe, which nobody provides.
    "-mgeneral-regs-only", "-fno-stack-protector", "-mno-stack-arg-probe",
)  # fmt: skip
LINK = ("-nostdlib", "-Wl,--exclude-all-symbols", "-Wl,--no-insert-timestamp", "-Wl,--dynamicbase", "-Wl,--nxcompat")
LIBRARIES = ("-lntoskrnl", "-lhal")
# Of the monitor, what NT has no use for: the balloon.
NOT_HERE = {"chunk.c"}
# By architecture: the monitor's assembly of the others' width.
NOT_OF = {"x86_64": {"passage32.S", "reissue32.S"}, "i386": {"passage.S", "passage6432.S", "reissue.S"}}
OUTPUTS = ("colinux.sys", "colinux.dbg", "colinux.map")
SECTIONS = {".text", ".data", ".rdata", ".pdata", ".xdata", ".bss", ".idata", ".reloc", ".rsrc"}


def file(target: Target, paths: Paths) -> Path:
    """Where a target's driver is."""
    return paths.driver(target.name) / "colinux.sys"


def sources(target: Target, paths: Paths) -> tuple[Path, ...]:
    """The C and assembly files of the driver, in a fixed order."""
    runtime = paths.root / "runtime"
    monitor = [path for path in (runtime / "monitor").iterdir()
               if path.suffix in (".c", ".S") and path.name not in NOT_OF[target.arch] | NOT_HERE]
    return (*sorted((runtime / "windows").glob("*.c")), *sorted(monitor))


def build(target: Target, version: str, paths: Paths) -> None:
    """colinux.sys of our `version`. Raises BuildFailed with the compiler's first error, or Windows' refusal."""
    folder, log = paths.driver(target.name), paths.log(f"driver:{target.name}")
    folder.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    objects = folder / "obj"
    objects.mkdir(exist_ok=True)
    _compile(target, objects, version, log, paths)
    for name, strip in (("colinux.dbg", ()), ("colinux.sys", ("-s",))):
        major, minor = target.version
        _run(target, "gcc", [
            *LINK, *strip, f"-Wl,--subsystem,native:{major}.{minor}", f"-Wl,--major-os-version,{major}",
            f"-Wl,--minor-os-version,{minor}", f"-Wl,-e,{target.entry}", f"-Wl,--image-base,{target.base}",
            "-Wl,-Map,colinux.map", *(f"{one.stem}.o" for one in sources(target, paths)), "version.o", *LIBRARIES,
            "-o", name,
        ], objects, log)  # fmt: skip
    data = pe.with_checksum((objects / "colinux.sys").read_bytes())
    faults = check(data, target)
    if faults:
        raise BuildFailed(f"Windows would not load this colinux.sys: {'; '.join(faults)}", log=log)
    (objects / "colinux.sys").write_bytes(data)
    for name in OUTPUTS:
        (objects / name).replace(folder / name)


def check(data: bytes, target: Target) -> list[str]:
    """What is wrong with a driver's file, in words; an empty list is as it should be."""
    image = pe.read(data)
    names = {section.name for section in image.sections}
    faults = []
    if image.arch != target.arch:
        faults.append(f"it is for {image.arch}")
    if image.subsystem != pe.NATIVE:
        faults.append(f"its subsystem is {image.subsystem}, not native")
    if image.os_version != target.version or image.subsystem_version != target.version:
        faults.append(f"it asks for Windows {image.os_version}, {image.subsystem_version}, not {target.version}")
    if image.timestamp:
        faults.append("it carries the time of its build")
    if image.checksum != pe.checksum(data):
        faults.append("its checksum is wrong")
    if names - SECTIONS:
        faults.append(f"it has sections that nobody expects: {', '.join(sorted(names - SECTIONS))}")
    if not image.directories[pe.RELOCATIONS][1]:
        faults.append("it cannot be relocated")
    if not image.directories[pe.RESOURCES][1]:
        faults.append("it has no version resource")
    if image.directories[pe.DEBUG][1]:
        faults.append("it carries debug data")
    faults += [f"it imports {name} of {dll}, which {target.title} lacks (toolchain/windows.toml)"
               for dll, symbols in sorted(image.imports.items())
               for name in sorted(set(symbols) - target.imports.get(dll, frozenset()))]
    return faults


def _run(target: Target, tool: str, words: list[str], objects: Path, log: Path) -> None:
    process.run([target.prefix + tool, *words], cwd=objects, log=log, append=True, timeout=600)


def _compile(target: Target, objects: Path, version: str, log: Path, paths: Paths) -> None:
    """The object files. Names, in debug data too, are relative to their folder: the same from any checkout."""
    runtime = Path("../../../../runtime")
    for suffix, only in ((".c", []), (".S", ["-D__ASSEMBLY__", *(f"-D{name}=_{name}" for name in target.symbols)])):
        _run(target, "gcc", [
            *FLAGS, *target.flags, *only, f'-DCO_RELEASE="{version}"', f"-ffile-prefix-map={objects}=.",
            "-isystem", HEADERS, "-c",
            *(str(runtime / one.relative_to(paths.root / "runtime")) for one in sources(target, paths)
              if one.suffix == suffix),
        ], objects, log)  # fmt: skip
    # What Windows shows among a file's properties.
    numbers = (version.split("-")[0].split(".") + ["0"] * 4)[:4]
    (objects / "version.rc").write_text(VERSION.replace("@VERSION@", version).replace("@NUMBERS@", ",".join(numbers)))
    _run(target, "windres", ["--codepage=1252", "version.rc", "version.o"], objects, log)


# VS_VERSION_INFO: a driver (3) of kind system (7), in US English, Unicode.
VERSION = """\
1 VERSIONINFO
FILEVERSION @NUMBERS@
PRODUCTVERSION @NUMBERS@
FILEOS 0x40004
FILETYPE 3
FILESUBTYPE 7
BEGIN
  BLOCK "StringFileInfo"
  BEGIN
    BLOCK "040904b0"
    BEGIN
      VALUE "FileDescription", "Cooperative Linux host driver"
      VALUE "FileVersion", "@VERSION@"
      VALUE "InternalName", "colinux"
      VALUE "LegalCopyright", "GPL-2.0-only"
      VALUE "OriginalFilename", "colinux.sys"
      VALUE "ProductName", "Cooperative Linux"
      VALUE "ProductVersion", "@VERSION@"
    END
  END
  BLOCK "VarFileInfo"
  BEGIN
    VALUE "Translation", 0x409, 1200
  END
END
"""


@functools.cache
def _compiler(prefix: str) -> str:
    """What the compiler calls itself; asked of it, so that another one means another job."""
    return process.run([f"{prefix}gcc", "--version"]).stdout.splitlines()[0]


def job(target: Target, version: str, paths: Paths) -> Job:
    """Stale when the monitor, the glue, the ABI, the compiler or what may be imported changed."""
    folder = paths.driver(target.name)
    return Job(
        name=f"driver:{target.name}",
        inputs={"version": version, "compiler": _compiler(target.prefix), "flags": [*FLAGS, *target.flags, *LINK],
                "target": [target.entry, target.base, list(target.version)],
                "imports": {dll: sorted(names) for dll, names in target.imports.items()}},
        files=[*(paths.root / "runtime" / part for part in PARTS), Path(__file__).absolute(),
               Path(pe.__file__).absolute()],
        outputs=[folder / name for name in OUTPUTS],
    )  # fmt: skip
