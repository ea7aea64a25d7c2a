# SPDX-License-Identifier: GPL-2.0-only
"""Whole boots beside a fake QEMU: each way to end has its verdict, and evidence is kept of all of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import daemon_kit
import launcher_kit
import pytest
from launcher_kit import ALL_CHECKS, Stage, machine
from PIL import Image

from pipeline.declaration import load, model
from pipeline.errors import BuildFailed, InfrastructureError, UserError
from runtime.launcher import desktop, guest, host, livedin, network, scenarios, terminals
from runtime.launcher.boot import Verdict, boot, time_factor


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(tmp_path, monkeypatch)


def evidence(verdict: Verdict) -> dict:
    return json.loads((verdict.folder / "result.json").read_text())


def status(verdict: Verdict) -> dict[str, str]:
    return {check["name"]: check["status"] for check in evidence(verdict)["checks"]}


def test_a_good_boot_passes_every_check(stage: Stage) -> None:
    verdict = stage.boot(machine())
    assert verdict.good
    seen = status(verdict)
    assert set(ALL_CHECKS) <= set(seen)
    assert "disk-host" in seen and "boot" in seen and "driver" in seen
    assert set(seen.values()) == {"pass"}


def test_another_machines_guest_runs_beside(stage: Stage) -> None:
    """Each with its own kernel, memory and disks, and the checks are done on both."""
    other = machine("other", memory_mib=96, cmdline="root=/dev/ram0 rw", initramfs="ramdisk")
    one = machine("pair", beside="other", guests=2, checks=("uname", "disk", "poweroff"))
    decl = launcher_kit.declaration(stage.paths.root, one, other)
    decl.rootfs["ramdisk"] = model.Rootfs("ramdisk", "ramdisk", "x86_64", 4)
    launcher_kit.build(decl, stage.paths)
    verdict = launcher_kit.judge("pair", decl, stage.paths, lock_digest="10c4")
    seen = status(verdict)
    assert verdict.good and {"uname@0", "uname@1", "disk@0", "disk@1", "poweroff@1"} <= set(seen)
    said = [line for line in (verdict.folder / "daemon.log").read_text().splitlines() if "colinux-daemon" in line]
    assert "kernel=/colinux/vmlinux mem=128 cobd0=/dev/vda " in said[0] and "initrd" not in said[0]
    assert "kernel=/colinux/beside/vmlinux mem=96 initrd=/colinux/beside/initrd cobd0=/dev/vdb " in said[1]
    assert "root=/dev/ram0 rw" in said[1]
    roles = {entry["role"] for entry in evidence(verdict)["artifacts"]}
    assert {"kernel", "beside:kernel", "beside:initramfs"} <= roles


def test_names_of_disks_are_looked_for(stage: Stage) -> None:
    verdict = stage.judge(machine(cmdline="root=/dev/hda1 hda1=:cobd0", checks=("names", "poweroff")))
    assert verdict.good and status(verdict)["names"] == "pass"
    verdict = stage.judge(machine(cmdline="quiet hdb1=:cobd0", checks=("names", "poweroff")))
    assert not verdict.good and status(verdict)["names"] == "fail"


class OneDisk:
    """A test host's names of things."""

    def disk(self, serial: str) -> str:
        return f"/dev/by-serial/{serial}"

    def port(self, name: str) -> str:
        return f"/dev/port/{name}"


def test_a_daemon_is_started_from_a_configuration_file(tmp_path: Path) -> None:
    """One that the daemon itself understands, with quoted words in one piece."""
    config = guest.Config(64, 'ro "dyndbg=file a.c +p" hda1=:cobd0', "/colinux/initrd", [("g1d0", True)])
    text = guest.daemon_file(config, OneDisk(), 1, "panic=1 root=/dev/hda1")  # type: ignore[arg-type]
    (tmp_path / "guest.conf").write_text(text)
    told = json.loads(daemon_kit.check(tmp_path, "--print-json", "@guest.conf").stdout)
    assert (told["kernel"], told["initrd"], told["memory_mib"]) == ("/colinux/vmlinux", "/colinux/initrd", 64)
    assert told["disks"] == [{"name": "cobd0", "path": "/dev/by-serial/g1d0", "read_only": True, "device": "/dev/vda",
                              "aliases": ["hda1"]}]  # fmt: skip
    assert told["serials"] == [{"name": "ttys0", "path": "/dev/port/colinux.guest1", "device": "/dev/hvc1"}]
    assert told["command_line"] == ("colinux.names=cobd0:hda1 console=hvc0 colinux.agent=hvc1 ro "
                                    '"dyndbg=file a.c +p" panic=1 root=/dev/vda')


@pytest.mark.parametrize(("modes", "control", "stop"), [
    ("", "pass", "pass"), ("no-ctl", "fail", "fail"), ("no-console", "fail", "pass"), ("same-boot", "fail", "pass"), ("bad-stop", "pass", "fail"),
])  # fmt: skip
def test_a_guest_is_controlled_from_its_host(stage: Stage, modes: str, control: str, stop: str) -> None:
    judged = stage.judge(machine("led", modes, checks=("uname", "control", "stop")))
    assert judged.good == (control == stop == "pass")
    assert (status(judged)["control"], status(judged)["stop"]) == (control, stop)


def test_a_guest_that_does_not_come_back_from_a_restart_of_its_own(stage: Stage) -> None:
    judged = stage.judge(machine("led", "no-restart", checks=("uname", "control", "stop")))
    assert judged.outcome.verdict == "check-failed" and "exit code 17" in judged.outcome.reason


@pytest.mark.parametrize(("modes", "verdict"), [("", "pass"), ("slow-clock", "check-failed")])
def test_a_clock_that_drifts_under_load_is_found(stage: Stage, modes: str, verdict: str) -> None:
    judged = stage.judge(machine("ticks", modes, scenario="clock", checks=("uname", "poweroff")))
    assert judged.outcome.verdict == verdict
    seen = status(judged)
    assert seen["clock-load"] == "pass" and seen["clock-kept"] == ("pass" if not modes else "fail")


def test_the_evidence_has_the_keys_of_the_design(stage: Stage) -> None:
    note = stage.paths.kernel("6.1-x86_64") / "compiler"
    note.parent.mkdir(parents=True)
    note.write_text("gcc-12-x86_64: gcc (Debian) 12\n")
    verdict = stage.boot(machine())
    result = evidence(verdict)
    assert result["machine"] == "tiny"
    assert result["verdict"] == "pass"
    assert result["kernel"] == "6.1.192-colinux"
    assert result["host"] == "linux-amd64 6.1.0-fake"
    assert 0 <= result["boot_seconds"] < 5
    assert result["host_alive_after"] is True
    assert result["inputs"]["lock"] == "10c4"
    assert result["tools"]["qemu"] == "7.2.22"
    assert "gcc 12.2.0" in result["tools"]["guest-kernel"]
    assert result["tools"]["guest-compiler"] == "gcc-12-x86_64: gcc (Debian) 12"
    assert result["first_error"] is None
    kernel = next(one for one in result["artifacts"] if one["role"] == "kernel")
    assert kernel["path"] == "build/kernel/6.1-x86_64/vmlinux"
    assert len(kernel["sha256"]) == 64
    assert all({"name", "status", "output"} <= set(check) for check in result["checks"])
    for log in ("host-console.log", "guest-console.log", "daemon.log", "qemu.log"):
        assert (verdict.folder / log).read_text().splitlines()[0] == "./doit boot:tiny", log
    assert "last words" in (verdict.folder / "guest-console.log").read_text()
    assert "cobd0=/dev/vda" in (verdict.folder / "daemon.log").read_text()
    assert (verdict.folder.parent / "default").resolve() == verdict.folder.resolve()


@pytest.mark.parametrize(
    ("modes", "expected", "says"),
    [
        ("silent", "silent", "printed nothing"),
        ("hang", "hang", "last words"),
        ("panic", "panic", "VFS: cannot find root"),
        ("late-panic", "panic", "too many forks"),
        ("stuck", "hang", "forks: no answer"),
        ("refused", "check-failed", "is not a cooperative kernel"),
        ("bad-forks", "check-failed", "failed: forks"),
        ("no-off", "check-failed", "failed: poweroff"),
        ("no-driver", "check-failed", "bad module"),
        ("leak", "check-failed", "host-leak"),
        ("complain", "check-failed", "Oops: 0000"),
        ("bad-disk", "check-failed", "disk-host"),
        ("host-panic", "panic", "the host crashed"),
        ("host-reset", "panic", "the host was reset"),
        ("host-silent", "infrastructure", "the test host was not up"),
        ("die", "infrastructure", "could not find the moon"),
    ],
)
def test_every_end_has_its_verdict(stage: Stage, modes: str, expected: str, says: str) -> None:
    verdict = stage.judge(machine(modes=modes))
    result = evidence(verdict)
    assert result["verdict"] == expected
    assert says in result["first_error"]
    assert result["host_alive_after"] is (modes not in ("host-panic", "host-reset", "host-silent", "die"))


def test_a_test_host_that_does_not_come_up_makes_room_for_another(stage: Stage) -> None:
    verdict = stage.boot(machine(modes="host-late"))
    (warning,) = evidence(verdict)["warnings"]
    assert warning.startswith("try 1 of a test host: the test host crashed before the driver was loaded: watchdog: BUG")
    for log in ("host-console", "qemu"):
        first, second = ((verdict.folder / f"{log}{end}.log").read_text().splitlines() for end in ("-1", ""))
        assert first[0] == second[0] == "./doit boot:tiny"
    assert "soft lockup" in (verdict.folder / "host-console-1.log").read_text()
    assert "soft lockup" not in (verdict.folder / "host-console.log").read_text()


def test_a_test_host_has_two_tries_and_ours_none(stage: Stage) -> None:
    verdict = stage.judge(machine(modes="host-silent"))
    assert len(evidence(verdict)["warnings"]) == 1 and "not up" in verdict.outcome.reason
    assert (verdict.folder / "host-console-1.log").exists() and not (verdict.folder / "host-console-2.log").exists()
    for modes in ("host-reset", "silent", "hang", "no-driver"):  # once the driver was there it is ours to answer for
        assert not (stage.judge(machine(modes=modes)).folder / "host-console-1.log").exists(), modes


def test_the_driver_for_windows_has_after_guests_what_it_had_before(stage: Stage) -> None:
    good = evidence(stage.judge(machine(nt="windows-x64")))
    assert good["verdict"] == "pass", good["first_error"]
    leak = next(check["output"] for check in good["checks"] if check["name"] == "host-leak")
    assert "3 allocations of 777 bytes, 0 chunks, 0 mappings, as before" in leak
    bad = evidence(stage.judge(machine(nt="windows-x64", modes="held")))
    assert bad["verdict"] == "check-failed"
    assert "host-leak" in bad["first_error"] and "7 allocations" in bad["first_error"]


def test_a_bad_boot_raises_its_first_error_and_the_way_to_repeat_it(stage: Stage) -> None:
    with pytest.raises(BuildFailed) as caught:
        stage.boot(machine(modes="panic"))
    text = str(caught.value)
    assert "tiny: panic:" in text and "VFS: cannot find root" in text
    assert "./doit boot:tiny" in text and "build/boot/tiny" in text
    assert caught.value.exit_code == 1


def test_broken_infrastructure_has_its_own_exit_code(stage: Stage) -> None:
    with pytest.raises(InfrastructureError) as caught:
        stage.boot(machine(modes="die"))
    assert caught.value.exit_code == 3
    assert "moon" in str(caught.value)


def test_junit_tells_failures_from_errors(stage: Stage) -> None:
    suite = ElementTree.parse(stage.judge(machine(modes="bad-forks", checks=("forks",))).folder / "junit.xml").getroot()
    assert suite.get("failures") == "1" and suite.get("errors") == "0"
    assert suite.find("testcase[@name='forks']/failure") is not None
    suite = ElementTree.parse(stage.judge(machine(modes="hang")).folder / "junit.xml").getroot()
    assert suite.get("errors") == "1"
    assert "last words" in (suite.find("testcase/error").text or "")


@pytest.mark.parametrize("scenario", sorted(scenarios.SCENARIOS))
def test_every_scenario_plays(stage: Stage, scenario: str) -> None:
    extra = ("systemd", "apt", "login") if scenario == "debian" else ()
    verdict = stage.judge(machine(scenario=scenario, checks=(*ALL_CHECKS, *extra)))
    assert evidence(verdict)["first_error"] is None
    added = {"stress": {"host-load"}, "busy": {"host-timers"}, "nmi": {"nmi-seen"}, "mce": {"mce-seen"},
             "panic": {"panic-early", "panic-double", "panic-init", "panic-oops"}, "kill": {"kill-0", "kill-1", "kill-2"},
             "two-guests": {"fpu@0", "fpu@1", "disk@1"}, "debian": {"login"},
             "cofs": {"folder-host"}, "net": {"net-redirect", "net-ports"},
             "devices": {"folder-host", "net-redirect", "net-ports"}, "lived-in": {"folder-host", "ssh", "consoles"},
             "desktop": {"desktop"}, "journal": {"journal", "poweroff-journal"}}  # fmt: skip
    assert added.get(scenario, set()) <= set(status(verdict))


@pytest.mark.parametrize(("mode", "says"), [
    ("lost-file", "fault: 7 holds 1, and 71 was promised"), ("no-journal", "the journal replayed 0 times"),
])  # fmt: skip
def test_what_a_killed_daemon_loses_is_noticed(stage: Stage, mode: str, says: str) -> None:
    verdict = stage.judge(machine(scenario="journal", modes=mode, checks=("uname",)))
    assert status(verdict)["journal"] == "fail"
    assert says in next(check["output"] for check in evidence(verdict)["checks"] if check["name"] == "journal")


def test_a_folder_without_the_guests_file_is_noticed(stage: Stage) -> None:
    verdict = stage.judge(machine(scenario="cofs", modes="no-guest-file", checks=("folder",)))
    assert status(verdict)["folder"] == "pass"
    assert status(verdict)["folder-host"] == "fail"


@pytest.mark.parametrize(("modes", "verdict", "says"), [
    ("", "pass", None), ("no-server", "check-failed", "does not listen"), ("no-redirect", "check-failed", "net-redirect"),
    ("no-ports", "check-failed", "net-ports"),
])  # fmt: skip
def test_a_network_is_spoken_through_both_ways(stage: Stage, modes: str, verdict: str, says: str | None) -> None:
    judged = stage.judge(machine(scenario="net", modes=modes, cmdline=network.CMDLINE, checks=("uname", *network.TRAFFIC)))
    seen = status(judged)
    assert judged.outcome.verdict == verdict, judged.outcome.reason
    if says is None:
        assert {*network.TRAFFIC, "net-redirect", "net-ports"} <= set(seen) and set(seen.values()) == {"pass"}
    else:
        assert says in judged.outcome.reason


@pytest.mark.parametrize(("modes", "says"), [("", None), ("no-serial", "/tmp/colinux-ttys1"), ("no-console", "cocon1")])
def test_a_serial_port_and_a_further_console_are_looked_at(stage: Stage, modes: str, says: str | None) -> None:
    verdict = stage.judge(machine(modes=modes, cmdline=terminals.CMDLINE, checks=("uname", "terminals", "poweroff")))
    [seen] = [check for check in evidence(verdict)["checks"] if check["name"] == "terminals"]
    assert seen["status"] == ("fail" if says else "pass")
    assert says is None or says in seen["output"]


@pytest.mark.parametrize(("modes", "wrong"), [
    ("", set()), ("no-guest-file", {"folder-host"}), ("wrong-guest", {"ssh"}), ("no-console", {"consoles"}), ("bad-stop", {"stop"}),
])  # fmt: skip
def test_somebody_lives_in_a_machine(stage: Stage, modes: str, wrong: set[str]) -> None:
    judged = stage.judge(machine(scenario="lived-in", modes=modes, checks=("uname", *livedin.WORK, "stop")))
    seen = status(judged)
    assert {"apt-install", "git-build", "folder-host", "ssh", "consoles", "stop"} <= set(seen)
    assert {name for name, how in seen.items() if how != "pass"} == wrong


@pytest.mark.parametrize(("modes", "says"), [("", None), ("no-window", "konsole"), ("blank", "kcalc, konsole")])
def test_programs_on_a_screen_are_looked_for(stage: Stage, modes: str, says: str | None) -> None:
    limits = model.Timeouts(boot=60, check=3, total=60)
    verdict = stage.judge(machine(scenario="desktop", modes=modes, checks=("uname", "stop"), timeouts=limits))
    [seen] = [check for check in evidence(verdict)["checks"] if check["name"] == "desktop"]
    assert seen["status"] == ("fail" if says else "pass")
    assert says is None or seen["output"].splitlines()[0] == f"nothing to be seen of {says}"
    with Image.open(verdict.folder / desktop.PICTURE) as picture:
        assert picture.size == (200, 80)


def test_a_daemon_is_given_its_owners_configuration_file(stage: Stage, tmp_path: Path) -> None:
    """As it is: what the launcher needs is said beside it. It describes the declared machine."""
    (stage.paths.root / "linux.conf").write_text("mem=128\n")
    verdict = stage.judge(machine(conf="linux.conf", checks=("uname", "poweroff")))
    assert verdict.good
    said = next(line for line in (verdict.folder / "daemon.log").read_text().splitlines() if "colinux-daemon" in line)
    assert "colinux-daemon --no-reboot @/colinux/linux.conf shutdown-timeout=600 ttys0=/dev/vport0p2 console=hvc0 colinux.agent=hvc1" in said
    assert {entry["role"] for entry in evidence(verdict)["artifacts"]} >= {"conf"}
    declared = load(launcher_kit.ROOT / "colinux.toml").machines["lived-in"]
    (tmp_path / "linux.conf").write_bytes((launcher_kit.ROOT / str(declared.conf)).read_bytes())
    told = json.loads(daemon_kit.check(tmp_path, "--print-json", "@linux.conf", "ttys0=/dev/x", "console=hvc0").stdout)
    assert (told["kernel"], told["memory_mib"], len(told["disks"])) == (host.KERNEL, declared.memory_mib, len(declared.disks))
    assert "root=/dev/vda" in told["command_line"]
    assert {f"/colinux/{name}.cpio.gz" for name in declared.carries} == {livedin.ARCHIVE, livedin.CLIENT}


def test_nmis_that_do_not_arrive_are_noticed(stage: Stage) -> None:
    verdict = stage.judge(machine(scenario="nmi", modes="no-nmi"))
    assert status(verdict)["nmi-seen"] == "fail"


def test_a_double_fault_that_nobody_saw_is_noticed(stage: Stage) -> None:
    verdict = stage.judge(machine(scenario="panic", modes="no-double"))
    assert status(verdict)["panic-double"] == "fail"
    assert status(verdict)["panic-init"] == "pass"


def test_a_total_limit_ends_a_boot_that_goes_on_and_on(stage: Stage) -> None:
    limits = model.Timeouts(boot=60, check=60, total=1)
    began = time.monotonic()
    verdict = stage.judge(machine(modes="stuck", timeouts=limits))
    assert verdict.outcome.verdict == "hang"
    assert "not finished after 1 s" in verdict.outcome.reason
    assert time.monotonic() - began < 30


def test_the_time_factor_stretches_limits(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLINUX_TIME_FACTOR", "3")
    began = time.monotonic()
    assert stage.judge(machine(modes="hang")).outcome.verdict == "hang"
    assert time.monotonic() - began >= 3


@pytest.mark.parametrize("text", ["fast", "0", "-1", "nan"])
def test_a_factor_that_is_none_is_an_error(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("COLINUX_TIME_FACTOR", text)
    with pytest.raises(UserError, match="COLINUX_TIME_FACTOR"):
        time_factor()


def test_what_is_not_built_is_named_before_anything_starts(stage: Stage) -> None:
    one = machine()
    decl = launcher_kit.declaration(stage.paths.root, one)
    launcher_kit.build(decl, stage.paths)
    (stage.paths.kernel("6.1-x86_64") / "vmlinux").unlink()
    with pytest.raises(UserError, match="build/kernel/6.1-x86_64/vmlinux"):
        boot("tiny", decl, stage.paths)
    assert not stage.paths.boot("tiny").exists()


def test_an_unknown_machine_is_an_error_of_the_user(stage: Stage) -> None:
    decl = launcher_kit.declaration(stage.paths.root, machine())
    with pytest.raises(UserError, match='no machine "tinny"'):
        boot("tinny", decl, stage.paths)


def test_evidence_is_replaced_as_a_whole(stage: Stage) -> None:
    stage.judge(machine(guests=2))
    assert (stage.paths.boot("tiny") / "guest-console1.log").exists()
    verdict = stage.judge(machine(checks=("uname",)))
    assert not (verdict.folder / "guest-console1.log").exists()
    assert not list(verdict.folder.parent.glob(".*tmp*"))


def test_a_machine_without_a_disk_to_write_skips_the_disk_check(stage: Stage) -> None:
    verdict = stage.judge(machine(disks=(), checks=("uname", "disk")))
    assert status(verdict)["disk"] == "skip"
    assert verdict.good


SCRIPT = """
import sys
sys.path[:0] = [{root!r}, {unit!r}]
import pytest, launcher_kit
from pathlib import Path
from pipeline import process
process.install_signal_handlers()
with pytest.MonkeyPatch.context() as patch:
    stage = launcher_kit.Stage(Path({folder!r}), patch)
    limits = launcher_kit.Timeouts(boot=60, check=60, total=600)
    stage.judge(launcher_kit.machine(modes="hang linger", timeouts=limits))
"""


def fakes(folder: Path) -> list[int]:
    """Processes of the fake QEMU whose command line names this folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"fake_qemu.py" in words and str(folder).encode() in words:
                found.append(int(entry.name))
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_qemu_outlives_the_launcher(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C, SIGTERM, and even kill -9 in the middle of a boot leave no QEMU, and no half-written evidence."""
    script = SCRIPT.format(root=str(launcher_kit.ROOT), unit=str(Path(__file__).parent), folder=str(tmp_path))
    child = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while not fakes(tmp_path):
            assert child.poll() is None and time.monotonic() < end
            time.sleep(0.05)
        time.sleep(0.5)
        os.kill(child.pid, number)
        assert child.wait(60) != 0
        end = time.monotonic() + 60
        while fakes(tmp_path):
            assert time.monotonic() < end, "QEMU is still there"
            time.sleep(0.05)
        assert not (tmp_path / "build/boot/tiny").exists()
    finally:
        child.kill()
        child.wait()
