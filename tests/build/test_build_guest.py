# SPDX-License-Identifier: GPL-2.0-only
"""The real guest kernel: what the loader and the host rely on in the finished image."""

from __future__ import annotations

import time
from pathlib import Path

import guest_kit
import pytest

from pipeline import kconfig, kernelconfig, patching
from pipeline.declaration.model import Kernel
from pipeline.tasks import Project

pytestmark = pytest.mark.build

NAME = "6.1-x86_64"

# Every function of the image that has one, and why it does no harm. One that is not here has to be
# looked at: a point release or an option has brought a way to disturb the host.
REVIEWED = {
    "writes what the world switch carries over (descriptor tables, LDT, FS and GS bases, system calls' "
    "registers, EFER, TSC_AUX, DEBUGCTL, XCR0)": """
        __switch_to __switch_to_xtra __wrgsbase_inactive arch_setup_new_exec check_null_seg_clears_base
        cpu_init cpu_init_exception_handling do_arch_prctl_64 do_arch_prctl_common early_setup_idt exc_debug
        fpu__init_cpu_xstate idt_invalidate idt_setup_apic_and_irq_gates idt_setup_early_handler
        idt_setup_early_traps load_current_idt load_direct_gdt load_fixmap_gdt load_mm_ldt load_percpu_segment
        secondary_startup_64_no_verify set_task_blockstep startup_64 startup_64_setup_env switch_to_new_gdt
        syscall_init x86_gsbase_write_cpu_inactive""",
    "for a CPU feature that co_absent_features declares absent": """
        __fpu_restore_sig __xfd_enable_feature cet_disable exc_device_not_available fpu__clear_user_states
        identify_cpu lapic_next_deadline mwait_idle restore_fpregs_from_fpstate
        tsc_store_and_check_tsc_adjust tsc_verify_tsc_adjust umwait_cpu_offline umwait_cpu_online
        umwait_syscore_resume umwait_update_control_msr update_srbds_msr""",
    "a mitigation of CPU flaws: all of them are off": """
        .altinstr_replacement entry_ibpb speculation_ctrl_update switch_mm_irqs_off update_gds_msr
        update_spec_ctrl_cond update_stibp_msr x86_amd_ssb_disable x86_spec_ctrl_setup_ap""",
    "for a vendor's CPU, and ours is X86_VENDOR_UNKNOWN: no PMU, no erratum": """
        amd_e400_idle check_hw_exists msr_clear_bit msr_set_bit perf_clear_dirty_counters
        x86_perf_event_set_period x86_pmu_disable_all x86_pmu_enable_all x86_pmu_enable_event""",
    "a device's routine that the platform replaces or never registers (PIC, PIT, CMOS clock, APIC, MP table)": """
        clockevent_i8253_disable construct_default_ioirq_mptable default_do_nmi default_get_nmi_reason
        disable_8259A_irq enable_8259A_irq i8259A_irq_pending i8259A_resume i8259A_shutdown i8259A_suspend
        init_8259A lapic_timer_shutdown mask_8259A mask_8259A_irq mask_and_ack_8259A
        native_machine_emergency_restart pit_hpet_ptimer_calibrate_cpu pit_next_event pit_set_oneshot
        pit_set_periodic print_ICs probe_8259A quick_pit_calibrate rtc_cmos_read rtc_cmos_write
        unmask_8259A unmask_8259A_irq""",
    "a helper without a caller here: no driver maps ports, no MSR device, no suspend, no PAT set-up": """
        cpu_emergency_disable_virtualization fpu__resume_cpu ioread16 ioread16be ioread32 ioread32be
        ioread64_hi_lo ioread64_lo_hi ioread64be_hi_lo ioread64be_lo_hi ioread8 iowrite16 iowrite16be
        iowrite32 iowrite32be iowrite64_hi_lo iowrite64_lo_hi iowrite64be_hi_lo iowrite64be_lo_hi iowrite8
        native_io_delay pat_init wrmsr_safe_regs wrmsrl""",
    "stops or flushes: after a hook of ours has left for the host, or with no effect on its state": """
        __cpa_flush_all default_idle early_fixup_exception fpu__init_system stop_this_cpu""",
    "verify_cpu enables NX and SSE where the firmware forgot: the host has done so": "verify_cpu",
}


@pytest.fixture(scope="module")
def project() -> Project:
    """The checkout, with its kernel built (nothing happens when it is)."""
    here = Project.here()
    here.bring(f"kernel:{NAME}")
    return here


@pytest.fixture(scope="module")
def guest(project: Project) -> Kernel:
    return project.declaration.kernels[NAME]


@pytest.fixture(scope="module")
def out(project: Project) -> Path:
    return project.paths.kernel(NAME)


@pytest.fixture(scope="module")
def symbols(out: Path) -> dict[str, int]:
    return guest_kit.symbols(out / "System.map")


def test_the_series_is_checked_within_seconds(project: Project, guest: Kernel) -> None:
    began = time.monotonic()
    patching.check(guest, project.declaration, project.lock, project.paths)
    assert time.monotonic() - began < 20


def test_every_option_survived_and_the_ways_into_ring_0_are_shut(
    project: Project, guest: Kernel, out: Path
) -> None:
    config = kconfig.read_config((out / "config").read_text())
    for request in kernelconfig.requests(guest, project.paths).values():
        assert config.get(request.symbol, "n") == request.value, request.where
    for symbol in ("MODULES", "DEVMEM", "DEVPORT", "X86_IOPL_IOPERM", "KEXEC", "KEXEC_FILE", "PROC_KCORE", "X86_MSR"):
        assert symbol not in config
    assert config["PANIC_ON_OOPS"] == "y"


def test_the_note_tells_the_loader_where_the_shared_area_goes(out: Path, symbols: dict[str, int]) -> None:
    image = (out / "vmlinux").read_bytes()
    abi, flags, area_va, area_pte = guest_kit.note(image)
    header = (Path(__file__).resolve().parents[2] / "runtime/abi/colinux_abi.h").read_text()
    assert f"#define CO_ABI_VERSION\t\t{abi}u" in header
    assert flags & 1, "the guest must run with five levels of page tables too"
    # The last two entries of level2_fixmap_pgt before its reserved four are level1_fixmap_pgt's (head_64.S).
    table = symbols["level1_fixmap_pgt"] - 0xFFFFFFFF80000000
    first_va = 0xFFFFFFFFC0000000 + (512 - 4 - 2) * (2 << 20)
    assert area_va % 4096 == 0
    assert area_pte == table + (area_va - first_va) // 4096 * 8
    for slot in range(area_pte, area_pte + 7 * 8, 8):
        physical, offset, _, _ = next(s for s in guest_kit.segments(image) if s[0] <= slot < s[0] + s[2])
        assert image[offset + slot - physical :][:8] == bytes(8), "the slots are the loader's to fill"


def test_the_image_is_small(out: Path) -> None:
    """Image, parameters and initrd need one contiguous run: it must fit where memory is fragmented."""
    loads = guest_kit.segments((out / "vmlinux").read_bytes())
    assert max(p + m for p, _, _, m in loads) - min(p for p, _, _, _ in loads) <= 16 << 20


def test_no_trace_of_this_machine(project: Project, out: Path) -> None:
    image = (out / "vmlinux").read_bytes()
    assert str(project.paths.root).encode() not in image
    assert b"(colinux@colinux)" in image


def test_every_privileged_instruction_was_looked_at(out: Path) -> None:
    found = guest_kit.privileged(out / "vmlinux")
    assert "syscall_init" in found
    known = {name for names in REVIEWED.values() for name in names.split()}
    new = {name: sorted(instructions) for name, instructions in found.items() if name not in known}
    assert not new
    assert not [name for name in found if name.startswith(("co_", "asm_co_"))]
