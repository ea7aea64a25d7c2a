# SPDX-License-Identifier: GPL-2.0-only
"""Is there a KVM that works? Only one that has booted a kernel is believed.

/dev/kvm may be there and useless: inside a virtual machine with broken nested
virtualisation a boot sector runs, yet Linux hangs in its first instructions;
other CPU models abort QEMU. So the test host's own kernel is started with the
very CPU model that is wanted, and without a root filesystem: it has to come
to its panic about that, which takes a working KVM a second or two. The answer
is kept until this computer boots again.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from pipeline import process
from pipeline.errors import BuildFailed, UserError
from pipeline.paths import atomic_write
from runtime.launcher.qemu import BINARY, KERNEL_ARGS

PROBE_SECONDS = 15.0
PROBE_SAYS = "Unable to mount root fs"
KVM = Path("/dev/kvm")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def choose(wanted: str, arch: str, cpu: str, kernel: Path, cache: Path) -> str:
    """Returns "tcg" or "kvm". `wanted`: "auto" (KVM if it works), "tcg", or "kvm" (an error if it does not).

    `kernel` is the test host's; `cache` the folder where answers are remembered. Raises UserError.
    """
    if wanted == "tcg":
        return "tcg"
    if wanted not in ("auto", "kvm"):
        raise UserError(f'accelerator "{wanted}": auto, tcg or kvm', where="COLINUX_ACCEL")
    if kvm_works(arch, cpu, kernel, cache):
        return "kvm"
    if wanted == "kvm":
        raise UserError(
            "KVM was asked for, but the test host's kernel does not boot with it here",
            where="COLINUX_ACCEL",
            hint="let the launcher choose: COLINUX_ACCEL=auto",
        )
    return "tcg"


def kvm_works(arch: str, cpu: str, kernel: Path, cache: Path) -> bool:
    """What is remembered since this computer booted, else what a probe finds out.

    A success counts for its CPU model only. A failure counts for all: each
    further one would cost its time, and a KVM that fails with one model is not
    to be trusted with another.
    """
    if not os.access(KVM, os.R_OK | os.W_OK):
        return False
    memory = cache / "kvm-probe.json"
    prefix = f"{boot_id()} {shutil.which(BINARY[arch])} "
    known = {key: works for key, works in remembered(memory).items() if key.startswith(prefix)}
    if prefix + cpu in known or False in known.values():
        return known.get(prefix + cpu, False)
    known[prefix + cpu] = works = probe(arch, cpu, kernel)
    atomic_write(memory, json.dumps(known, indent=1) + "\n")
    return works


def remembered(memory: Path) -> dict[str, bool]:
    """The file's content; anything unreadable is no memory."""
    try:
        known = json.loads(memory.read_text())
    except (OSError, ValueError):
        return {}
    return {k: v for k, v in known.items() if isinstance(v, bool)} if isinstance(known, dict) else {}


def boot_id() -> str:
    """Names this boot of the computer; "" where the kernel does not tell."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


def probe(arch: str, cpu: str, kernel: Path) -> bool:
    """Boot the kernel under KVM up to where it misses its root filesystem."""
    argv = [
        BINARY[arch], "-nodefaults", "-no-user-config", "-machine", "pc", "-accel", "kvm", "-cpu", cpu,
        "-m", "512", "-display", "none", "-no-reboot", "-serial", "stdio",
        "-kernel", str(kernel), "-append", KERNEL_ARGS,
    ]  # fmt: skip
    try:
        result = process.run(argv, timeout=PROBE_SECONDS, check=False)
    except (BuildFailed, UserError):  # it took too long; QEMU is not there
        return False
    return result.returncode == 0 and PROBE_SAYS in result.stdout
