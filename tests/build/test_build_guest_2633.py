# SPDX-License-Identifier: GPL-2.0-only
"""Linux 2.6.33 as a guest on x86_64: what the loader and the host rely on in the finished image."""

from __future__ import annotations

from pathlib import Path

import guest_kit
import pytest

from pipeline import kconfig
from pipeline.tasks import Project

pytestmark = pytest.mark.build

NAME = "2.6.33-x86_64"

# Every function of the image with a privileged instruction, and why it does no harm.
REVIEWED = {
    "writes what the world switch carries over (descriptor tables, LDT, FS and GS bases, system calls' "
    "registers, EFER, TSC_AUX, DEBUGCTL, XCR0)": """
        __switch_to __switch_to_xtra alloc_ldt cpu_init do_arch_prctl enable_step flush_old_exec
        load_percpu_segment schedule secondary_startup_64 switch_to_new_gdt syscall32_cpu_init syscall_init
        use_mm user_disable_single_step vsyscall_init x86_64_start_kernel xsave_init""",
    "for a vendor's CPU, and ours is X86_VENDOR_UNKNOWN: no PMU, no watchdog, no TSC measurement": """
        amd_pmu_disable_all amd_pmu_disable_event amd_pmu_enable_all amd_pmu_enable_event amd_pmu_handle_irq
        hw_perf_event_init hw_perf_event_setup_online intel_pmu_disable_all intel_pmu_disable_bts
        intel_pmu_disable_event intel_pmu_enable_all intel_pmu_enable_bts intel_pmu_enable_event
        intel_pmu_handle_irq p4_rearm p6_pmu_disable_all p6_pmu_disable_event p6_pmu_enable_all
        p6_pmu_enable_event p6_pmu_handle_irq p6_rearm release_bts_hardware setup_intel_arch_watchdog
        setup_k7_watchdog setup_p4_watchdog setup_p6_watchdog single_msr_rearm single_msr_stop_watchdog
        stop_p4_watchdog tsc_init x86_perf_event_set_period""",
    "for a CPU feature that co_absent_features declares absent (HYPERVISOR, MWAIT)": """
        mwait_idle mwait_idle_with_hints vmware_get_tsc_khz vmware_platform_setup""",
    "a device's routine that the platform replaces or never registers (PIC, PIT, CMOS clock, MP table)": """
        construct_default_ioirq_mptable disable_8259A_irq do_nmi do_nmi_callback enable_8259A_irq
        i8259A_irq_pending i8259A_resume i8259A_shutdown i8259A_suspend init_8259A init_pit_timer
        mach_get_cmos_time mach_set_rtc_mmss mask_8259A mask_and_ack_8259A native_calibrate_tsc
        native_machine_emergency_restart pit_next_event print_ICs rtc_cmos_read rtc_cmos_write
        unmask_8259A""",
    "a helper without a caller here: no driver maps ports, no MSR device, no suspend; no port 0x80": """
        i8237A_resume ioread16 ioread16be ioread32 ioread32be ioread8 iowrite16 iowrite16be iowrite32
        iowrite32be iowrite8 native_io_delay native_wrmsr_safe_regs""",
    "stops or flushes: after a hook of ours has left for the host, or with no effect on its state": """
        __cpa_flush_all default_idle stop_this_cpu""",
    "early_idt_handler, which our early gates replace, by the name of the section it begins": "_sinittext",
    "no code: objdump takes the ELF notes for it": "__start_notes",
}


@pytest.fixture(scope="module")
def project() -> Project:
    here = Project.here()
    reason = here.unreachable(here.declaration.kernels[NAME])
    if reason:
        pytest.skip(reason)
    here.bring(f"kernel:{NAME}")
    return here


@pytest.fixture(scope="module")
def out(project: Project) -> Path:
    return project.paths.kernel(NAME)


def test_the_ways_into_ring_0_are_shut(project: Project, out: Path) -> None:
    config = kconfig.read_config((out / "config").read_text())
    for symbol in ("MODULES", "DEVKMEM", "DEVPORT", "KEXEC", "PROC_KCORE", "X86_MSR", "PCI", "MTRR", "X86_MCE"):
        assert symbol not in config
    # /dev/mem has no option: its operations are not in the image
    assert "mem_fops" in (project.paths.src(NAME) / "drivers/char/mem.c").read_text()
    assert "mem_fops" not in guest_kit.symbols(out / "System.map")


def test_the_note_tells_the_loader_where_the_shared_area_goes(out: Path) -> None:
    image, symbols = (out / "vmlinux").read_bytes(), guest_kit.symbols(out / "System.map")
    abi, flags, area_va, area_pte = guest_kit.note(image)
    header = (Path(__file__).resolve().parents[2] / "runtime/abi/colinux_abi.h").read_text()
    assert f"#define CO_ABI_VERSION\t\t{abi}u" in header
    assert flags == 1 << 3, "memory below 4 GiB; it cannot run with five levels of page tables"
    # Entry 505 of level2_fixmap_pgt is co_area_pgt, the area its first pages (head_64.S).
    assert area_va == 0xFFFFFFFFC0000000 + 505 * (2 << 20)
    assert area_pte == symbols["co_area_pgt"] - 0xFFFFFFFF80000000
    entry = symbols["level2_fixmap_pgt"] - 0xFFFFFFFF80000000 + 505 * 8
    physical, offset, in_file, _ = next(s for s in guest_kit.segments(image) if s[0] <= entry < s[0] + s[2])
    assert int.from_bytes(image[offset + entry - physical :][:8], "little") & ~0xFFF == area_pte
    physical, offset, in_file, _ = next(s for s in guest_kit.segments(image) if s[0] <= area_pte < s[0] + s[2])
    assert area_pte + 7 * 8 <= physical + in_file, "data, not bss: Linux clears that after the loader has filled it"
    assert image[offset + area_pte - physical :][: 7 * 8] == bytes(7 * 8), "the slots are the loader's to fill"


def test_the_image_is_small(out: Path) -> None:
    """Image, parameters and initrd need one contiguous run: it must fit where memory is fragmented."""
    loads = guest_kit.segments((out / "vmlinux").read_bytes())
    assert max(p + m for p, _, _, m in loads) - min(p for p, _, _, _ in loads) <= 8 << 20


def test_every_privileged_instruction_was_looked_at(out: Path) -> None:
    found = guest_kit.privileged(out / "vmlinux")
    assert "syscall_init" in found
    known = {name for names in REVIEWED.values() for name in names.split()}
    assert not {name: sorted(instructions) for name, instructions in found.items() if name not in known}
    assert not [name for name in found if name.startswith(("co_", "asm_co_"))]
