# SPDX-License-Identifier: GPL-2.0-only
"""Linux 2.6.33 as a guest on i386, with PAE and without: what the loader and the host rely on in the finished image."""

from __future__ import annotations

import struct
from pathlib import Path

import guest_kit
import pytest

from pipeline import kconfig
from pipeline.tasks import Project

pytestmark = pytest.mark.build

# kernel -> its note's flags (colinux_abi.h), the symbol at its root
KERNELS = {"2.6.33-i386": (1 << 1, "swapper_pg_dir"), "2.6.33-i386-pae": (1 << 1 | 1 << 2, "co_root")}
PAGE_OFFSET = 0xC0000000

# Every function of the image with a privileged instruction, and why it does no harm.
REVIEWED = {
    "writes what the world switch carries over (descriptor tables, LDT, SYSENTER's registers, XCR0)":
        "native_load_tr_desc native_set_ldt native_write_msr_safe xsave_init",
    "startup_32's part that needs paging off, and checkCPUtype: a guest joins there (co_entry)":
        "is386 sysctl_init",
    "early exceptions, which our gates take from head_32.S; hlt, for which we give the CPU to the host":
        "hlt_loop native_halt native_safe_halt",
    "for a CPU feature that co_absent_features declares absent (HYPERVISOR, MWAIT)":
        "mwait_idle mwait_idle_with_hints vmware_get_tsc_khz vmware_platform_setup",
    "a device's routine that the platform replaces or never registers (PIC, PIT, CMOS clock)": """
        disable_8259A_irq do_nmi enable_8259A_irq i8259A_irq_pending i8259A_resume i8259A_shutdown
        i8259A_suspend init_8259A init_pit_timer mask_8259A mask_and_ack_8259A native_calibrate_tsc
        native_machine_emergency_restart pit_next_event pit_read rtc_cmos_read rtc_cmos_write unmask_8259A""",
    "a helper without a caller here: no driver maps ports, no MSR device, no suspend; no port 0x80": """
        i8237A_resume ioread16 ioread16be ioread32 ioread32be ioread8 iowrite16 iowrite16be iowrite32
        iowrite32be iowrite8 native_io_delay native_wbinvd native_wrmsr_safe_regs""",
    "no code: objdump takes the ELF notes for it": "__start_notes",
}


@pytest.fixture(scope="module", params=KERNELS)
def out(request: pytest.FixtureRequest) -> Path:
    here = Project.here()
    reason = here.unreachable(here.declaration.kernels[request.param])
    if reason:
        pytest.skip(reason)
    here.bring(f"kernel:{request.param}")
    return here.paths.kernel(request.param)


def test_the_page_tables_are_translated(out: Path) -> None:
    config = kconfig.read_config((out / "config").read_text())
    assert config["PARAVIRT"] == "y" and config["NOHIGHMEM"] == "y"
    assert ("X86_PAE" in config) == out.name.endswith("-pae")
    for symbol in ("X86_LOCAL_APIC", "RELOCATABLE", "MODULES", "KEXEC", "PCI", "MTRR", "X86_MCE", "DEVKMEM"):
        assert symbol not in config


def test_the_note_tells_the_loader_all_of_the_entry(out: Path) -> None:
    image, symbols = (out / "vmlinux").read_bytes(), guest_kit.symbols(out / "System.map")
    _, flags, area_va, area_pte = guest_kit.note(image)
    entry, root, selector, page_offset = struct.unpack_from(
        "<QQII", image, image.index(struct.pack("<I", 1) + b"colinux\0") + 12 + guest_kit.NOTE.size)
    wanted, top = KERNELS[out.name]
    assert flags == wanted
    assert (area_va, selector, page_offset) == (0xFFC00000, 0x60, PAGE_OFFSET)
    assert entry == symbols["co_entry"] and root == symbols[top] - PAGE_OFFSET
    assert area_pte == symbols["co_area_pgt"] - PAGE_OFFSET
    # the loader clears bss before it fills these, and nobody does afterwards: each has pages of its own
    pages = [root, area_pte] if top == "swapper_pg_dir" else [root, root + 4096, area_pte]
    assert all(at % 4096 == 0 for at in pages) and len(set(pages)) == len(pages)
    assert all(symbols["__bss_start"] <= at + PAGE_OFFSET < symbols["__bss_stop"] for at in pages)


def test_every_privileged_instruction_was_looked_at(out: Path) -> None:
    found = guest_kit.privileged(out / "vmlinux")
    assert "native_write_msr_safe" in found
    known = {name for names in REVIEWED.values() for name in names.split()}
    assert not {name: sorted(instructions) for name, instructions in found.items() if name not in known}
