# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's command line, its control protocol, and whether KVM is believed."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from launcher_kit import install_fake_qemu

from pipeline.declaration.model import Qemu as Computer
from pipeline.errors import InfrastructureError, UserError
from runtime.launcher import accel
from runtime.launcher.pump import Pump
from runtime.launcher.qemu import Drive, Plan, command
from runtime.launcher.qmp import Qmp, QmpError

PLAN = Plan(
    "x86_64", Computer("Nehalem", 4, 6144, "pti=on"), Path("/b/vmlinuz"), Path("/b/host.cpio"),
    [Drive(Path("/b/a,b.img"), "g0d0"), Drive(Path("/b/c.img"), "g0d1")], Path("/b/console.log"))  # fmt: skip
WORDS = command(PLAN, {"colinux.host": 7, "colinux.guest0": 9}, 11)


def following(option: str) -> list[str]:
    return [WORDS[n + 1] for n, word in enumerate(WORDS) if word == option]


def test_the_computer_is_as_declared() -> None:
    assert following("-cpu") == ["Nehalem"]
    assert following("-smp") == ["4"]
    assert following("-m") == ["6144"]
    assert following("-accel") == ["tcg,thread=multi"]
    assert following("-append")[0].endswith(" pti=on")
    assert "console=ttyS0" in following("-append")[0]


def test_no_disk_is_ever_written() -> None:
    drives = following("-drive")
    assert len(drives) == 2
    assert all("snapshot=on" in drive for drive in drives)


def test_a_comma_in_a_path_is_not_an_option() -> None:
    assert "file=/b/a,,b.img," in following("-drive")[0]


def test_every_port_has_its_name_and_socket() -> None:
    devices, chardevs = following("-device"), following("-chardev")
    for number, (name, descriptor) in enumerate({"colinux.host": 7, "colinux.guest0": 9}.items()):
        assert f"virtserialport,chardev=port{number},name={name}" in devices
        assert f"socket,id=port{number},fd={descriptor}" in chardevs
    assert "socket,id=qmp,fd=11" in chardevs
    assert any("serial=g0d1" in device for device in devices)


def test_nothing_of_the_user_s_gets_in_and_a_reset_is_the_end() -> None:
    assert {"-nodefaults", "-no-user-config", "-no-reboot"} <= set(WORDS)


# --- QMP -------------------------------------------------------------------------------------------


class Wire:
    def __init__(self) -> None:
        self.pump = Pump()
        self.qemu, ours = socket.socketpair()
        self.qmp = Qmp(self.pump, ours)

    def say(self, *messages: object) -> None:
        for message in messages:
            self.qemu.sendall(json.dumps(message).encode() + b"\r\n")


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire()
    yield made
    made.qmp.close()
    made.qemu.close()
    made.pump.close()


GREETING = {"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 22}}, "capabilities": []}}


def test_the_greeting_tells_the_version(wire: Wire) -> None:
    wire.say(GREETING, {"return": {}})
    # The answer to a command that was not given yet is dropped, as QEMU never sends one.
    wire.pump.settle(0.01)
    wire.qmp._answers.clear()
    with wire.pump.every(0.01, lambda: wire.say({"return": {}})):
        assert wire.qmp.connect(2) == "7.2.22"


def test_an_error_is_an_exception_with_qemu_s_words(wire: Wire) -> None:
    with wire.pump.every(0.01, lambda: wire.say({"error": {"class": "GenericError", "desc": "no such thing"}})), \
            pytest.raises(QmpError, match="bogus: no such thing"):
        wire.qmp.command("bogus")


def test_events_do_not_pass_for_answers(wire: Wire) -> None:
    event = {"event": "SHUTDOWN", "data": {"guest": True, "reason": "guest-reset"}}
    with wire.pump.every(0.01, lambda: wire.say(event, {"return": "yes"})):
        assert wire.qmp.command("question") == "yes"
    assert wire.qmp.shutdown_reason == "guest-reset"


def test_posted_commands_are_answered_in_their_order(wire: Wire) -> None:
    wire.qmp.nmi()
    wire.qmp.nmi()
    with wire.pump.every(0.05, lambda: wire.say({"return": {}}, {"error": {"desc": "late"}}, {"return": "mine"})):
        assert wire.qmp.command("question") == "mine"
    assert wire.qmp.posted_done == 2
    assert wire.qmp.posted_error == "late"
    asked = [json.loads(line)["execute"] for line in wire.qemu.recv(4096).splitlines()]
    assert asked == ["inject-nmi", "inject-nmi", "question"]


def test_a_qemu_that_says_nothing_or_goes_is_infrastructure(wire: Wire) -> None:
    with pytest.raises(InfrastructureError, match="said nothing"):
        wire.qmp.connect(0.1)
    wire.qemu.close()
    with pytest.raises(InfrastructureError, match="closed"):
        wire.qmp.connect(5)


# --- KVM ---------------------------------------------------------------------------------------------


@pytest.fixture
def kvm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A computer with /dev/kvm; the list says what was probed, and its probes succeed for the CPU "good"."""
    probed: list[str] = []

    def probe(arch: str, cpu: str, kernel: Path) -> bool:
        probed.append(cpu)
        return cpu.startswith("good")

    monkeypatch.setattr(accel, "probe", probe)
    monkeypatch.setattr(accel, "KVM", tmp_path)
    monkeypatch.setattr(accel, "BOOT_ID", tmp_path / "boot_id")
    (tmp_path / "boot_id").write_text("first\n")
    yield probed


def choose(tmp_path: Path, cpu: str = "good", wanted: str = "auto") -> str:
    return accel.choose(wanted, "x86_64", cpu, Path("vmlinuz"), tmp_path / "cache")


def test_a_kvm_that_works_is_used_and_remembered(kvm: list[str], tmp_path: Path) -> None:
    assert choose(tmp_path) == choose(tmp_path) == "kvm"
    assert kvm == ["good"]
    assert choose(tmp_path, "good-too") == "kvm"
    assert kvm == ["good", "good-too"], "each CPU model shows for itself that it works"


def test_a_kvm_that_fails_once_is_not_asked_again_until_the_next_boot(kvm: list[str], tmp_path: Path) -> None:
    assert choose(tmp_path, "bad") == "tcg"
    assert choose(tmp_path, "bad") == choose(tmp_path, "good") == "tcg"
    assert kvm == ["bad"]
    (tmp_path / "boot_id").write_text("second\n")
    assert choose(tmp_path) == "kvm"


def test_tcg_is_never_probed(kvm: list[str], tmp_path: Path) -> None:
    assert choose(tmp_path, wanted="tcg") == "tcg"
    assert kvm == []


def test_a_kvm_that_was_asked_for_has_to_work(kvm: list[str], tmp_path: Path) -> None:
    assert choose(tmp_path, wanted="kvm") == "kvm"
    (tmp_path / "boot_id").write_text("second\n")
    with pytest.raises(UserError, match="KVM"):
        choose(tmp_path, "bad", "kvm")
    with pytest.raises(UserError, match="auto, tcg or kvm"):
        choose(tmp_path, wanted="hvf")


def test_a_damaged_memory_is_no_memory(kvm: list[str], tmp_path: Path) -> None:
    memory = tmp_path / "cache/kvm-probe.json"
    memory.parent.mkdir()
    for text in ("", "[1]", '{"a": 3}', "{"):
        memory.write_text(text)
        assert choose(tmp_path) == "kvm"


def test_without_the_device_there_is_nothing_to_probe(kvm: list[str], tmp_path: Path,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accel, "KVM", tmp_path / "none")
    assert choose(tmp_path) == "tcg"
    assert kvm == []


@pytest.mark.parametrize(("text", "status", "works"), [
    ("Kernel panic: VFS: Unable to mount root fs on unknown-block(0,0)", 0, True),
    ("Probing EDD (edd=off to disable)... ok", 0, False),
    ("VFS: Unable to mount root fs", 134, False),
])  # fmt: skip
def test_the_probe_wants_a_booted_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, status: int,
                                         works: bool) -> None:
    program = install_fake_qemu(tmp_path / "bin") / "qemu-system-x86_64"
    program.write_text(f"#!/bin/sh\necho '{text}'\nexit {status}\n")
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    assert accel.probe("x86_64", "max", Path("vmlinuz")) is works


def test_a_probe_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = install_fake_qemu(tmp_path / "bin") / "qemu-system-x86_64"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setattr(accel, "PROBE_SECONDS", 0.3)
    assert accel.probe("x86_64", "max", Path("vmlinuz")) is False
