# SPDX-License-Identifier: GPL-2.0-only
"""The check `balloon`, with a host and a guest that are numbers: what it asks for, and that it sees every fault."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import Any

import pytest

from runtime.launcher import balloon
from runtime.launcher.report import Report

WHOLE, OWN_KIB, HOST_KIB = 256, 30_000, 700_000


class Model:
    """A guest of 256 MiB in a host, with what is wrong about them."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self.mode: int | None = None  # what it shall keep; None: auto
        self.given = 0
        self.commands: list[str] = []

    def settle(self) -> None:
        if self.fault == "stuck":
            return
        self.given = 128 if self.mode is None else WHOLE - self.mode
        if self.fault == "greedy" and self.mode is None:
            self.given = 200
        if self.fault == "lost" and self.mode == WHOLE:
            self.given = 4

    @property
    def free_kib(self) -> int:
        return HOST_KIB if self.fault == "host" else HOST_KIB + self.given * 1024

    def ctl(self, words: list[str]) -> tuple[int, str]:
        if words[1:]:
            self.mode = None if words[1] == "auto" else int(words[1])
        self.settle()
        told: dict[str, Any] = {"auto": self.mode is None, "actual_mib": WHOLE - self.given, "given_mib": self.given,
                                "broken": self.fault == "broken"}  # fmt: skip
        if self.mode is not None:
            told["target_mib"] = self.mode
        reached = self.mode is None or self.given == WHOLE - self.mode
        return (0 if reached else 1), json.dumps({"ok": True, "balloon": told}) + "\n"

    def on_host(self, script: str, seconds: float = 30) -> tuple[int, str]:
        self.commands.append(script)
        if m := re.search(r"colinux-ctl --json balloon (.*)", script):
            return self.ctl(m[1].split())
        if "colinux-check mem" in script:
            return (1, "fault: word 7\n") if self.fault == "scribbled" else (0, "mib=500\nfaults=0\n")
        return 0, ""

    def in_guest(self, script: str, seconds: float) -> tuple[int, str]:
        total = WHOLE * 1024 - OWN_KIB - (0 if self.fault == "total" else self.given * 1024)
        if "given_kib" in script:
            given = 0 if self.fault == "status" else self.given * 1024
            return 0, f"total={total}\nfree={total - 9000}\navailable={total - 8000}\ngiven={given}\n"
        if m := re.search(r"colinux-check mem (\d+)", script):
            if self.fault == "killed":
                return 137, "Killed\n"
            return 0, f"mib={m[1]}\nfaults=0\n"
        if self.fault == "bad-memory" and self.given == 0:
            return 1, "fault: word 1\nmib=100\nfaults=1\n"
        return 0, f"mib={100 if self.fault == 'small' else total // 1024 - 24}\nfaults=0\n"


def judged(fault: str = "") -> tuple[Any, Model]:
    model, report = Model(fault), Report(show=False)
    host = SimpleNamespace(run=model.on_host, free_kib=lambda: model.free_kib)
    lab = SimpleNamespace(host=host, report=report, check_limit=0.05, leak_limit=768)
    guest = SimpleNamespace(name="guest0", slot=0, config=SimpleNamespace(memory_mib=WHOLE), run=model.in_guest)
    balloon.balloon(lab, [guest])  # type: ignore[arg-type, list-item]
    [check] = report.checks
    return check, model


def test_a_good_one_passes() -> None:
    check, model = judged()
    assert check.name == "balloon" and check.status == "pass", check.output
    asked = [m[1] for line in model.commands if (m := re.search(r"balloon guest0 (\w+)", line))]
    assert asked == ["256", "128", "256", "auto"]
    assert model.given, "the machine ends with memory at its host"


@pytest.mark.parametrize(("fault", "why"), [
    ("stuck", "idle: 0 MiB are given"), ("greedy", "it has kept only"), ("killed", "were not to be had"),
    ("lost", "colinux-ctl balloon guest0 256 ended with 1"), ("host", "KiB more, the guest gave"),
    ("total", "its MemTotal is"), ("status", "the guest has given 0 KiB"), ("scribbled", "the host's memory"),
    ("bad-memory", "the guest's memory could not be used"), ("small", "it filled 100 MiB, 100 before"),
    ("broken", "the balloon has stopped"),
])  # fmt: skip
def test_every_fault_is_seen(fault: str, why: str) -> None:
    check, _ = judged(fault)
    assert check.status == "fail" and why in check.output
