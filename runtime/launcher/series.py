# SPDX-License-Identifier: GPL-2.0-only
"""What guests of each kernel series are like, as far as the launcher's checks must know: data, no decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Kinds of CPU state that `colinux-check state` knows of, and which a guest's programs can have:
#   ldt       modify_ldt            segments  null and flat selectors     watch  debug registers, by ptrace
#   int80     the gate of 32 bits   tls       set_thread_area: entries of the GDT
#   sysenter  by the vDSO's address           vm86   virtual 8086 mode
#   bases     arch_prctl            syscall   the instruction
#   compat32, fast32   a 32-bit program beside a 64-bit kernel: by int 0x80, and by what the vDSO offers
_ALWAYS = {"ldt", "segments", "watch", "int80"}
_I386 = frozenset({*_ALWAYS, "tls", "sysenter", "vm86"})
_X86_64 = frozenset({*_ALWAYS, "tls", "bases", "syscall", "compat32", "fast32"})


@dataclass(frozen=True)
class Traits:
    """`disk` is the name of a guest's n-th disk, with {number} (0, 1, ...) and {letter} (a, b, ...) in it.

    `hires`: timers finer than a tick (Linux 2.6.21 on i386, 2.6.24 on x86_64).
    `fpu` is the most of "sse" and "avx" whose registers the kernel saves; `state`, by architecture, the
    kinds of CPU state that its programs can have, exactly. `devices`: what of "net", "folder" and "entropy" its
    kernels as configured here have drivers for. `folder_lacks`: what its file system for host folders has not, in the
    words of colinux-check (runtime/agent/check_folder.c).
    """

    disk: str
    hires: bool
    fpu: str
    state: Mapping[str, frozenset[str]]
    devices: frozenset[str] = frozenset()
    folder_lacks: tuple[str, ...] = ()

    def disk_name(self, number: int) -> str:
        """The device of a guest's n-th disk."""
        return self.disk.format(number=number, letter=chr(ord("a") + number))


TRAITS: Mapping[str, Traits] = {
    "6.1": Traits(
        disk="/dev/vd{letter}", hires=True, fpu="avx", state={"x86_64": _X86_64},
        devices=frozenset({"net", "folder", "entropy"}),
    ),
    "2.6.33": Traits(
        disk="/dev/vd{letter}", hires=True, fpu="avx", state={"x86_64": _X86_64, "i386": _I386},
        devices=frozenset({"net", "folder", "entropy"}),
        folder_lacks=("shared-maps", "moves", "link-counts", "blocks"),  # its 9P is an older one
    ),
    # Its disks are those of a driver of ours: patches/guest-2.4. TLS, SYSENTER and the vDSO came with 2.6.
    "2.4.37": Traits(
        disk="/dev/cobd{number}", hires=False, fpu="sse", state={"i386": _I386 - {"tls", "sysenter"}}
    ),
}
