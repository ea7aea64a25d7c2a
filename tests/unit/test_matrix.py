# SPDX-License-Identifier: GPL-2.0-only
"""What a CI system is told: every machine once, what it needs, the heaviest first."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from pipeline import matrix, process
from pipeline.declaration.model import SCENARIOS
from pipeline.errors import UserError
from pipeline.paths import Paths
from pipeline.tasks import Project

ROOT = Path(__file__).resolve().parents[2]
DECL = Project.here().declaration


def test_the_command_prints_json_and_nothing_else(tmp_path: Path) -> None:
    done = process.run([sys.executable, "-c", "import sys; from pipeline import commands, tasks; "
                        "commands.print_matrix(tasks.Project.here(), 3)"], cwd=ROOT, env={"PYTHONPATH": str(ROOT)})
    assert 1 <= len(json.loads(done.stdout)["include"]) <= 3
    task = process.run([sys.executable, "-m", "pipeline.cli", "list", "ci-matrix"], cwd=ROOT, env={"PYTHONPATH": str(ROOT)})
    assert "ci-matrix" in task.stdout


def test_every_machine_is_there_once_with_what_it_needs(tmp_path: Path) -> None:
    entries = matrix.matrix(DECL, Paths(tmp_path))["include"]
    assert sorted(entry["machine"] for entry in entries) == sorted(DECL.machines)
    by_name = {entry["machine"]: entry for entry in entries}
    mixed = by_name["mixed"]
    assert mixed["kernels"] == ["6.1-x86_64", "2.4.37-i386"] and mixed["compilers"] == ["gcc-3.4.6-i386"]
    assert mixed["host"] == "linux-amd64" and {"busybox", "ramdisk-i386"} <= set(mixed["rootfs"])
    assert mixed["run"] == "./doit boot:mixed"
    weights = [entry["weight"] for entry in entries]
    assert weights == sorted(weights, reverse=True) and all(weights)
    # Two kernels weigh more than one, and a longer scenario more than a short one.
    assert mixed["weight"] > by_name["two-guests"]["weight"]
    assert by_name["clock-2.4.37"]["weight"] > by_name["linux-2.4.37-i386"]["weight"]


def test_nothing_that_is_declared_has_no_weight() -> None:
    known = matrix.weights()
    assert {*SCENARIOS} <= known["scenario"].keys()
    assert {kernel.series for kernel in DECL.kernels.values()} <= known["kernel"].keys()
    assert {image.kind for image in DECL.rootfs.values()} <= known["rootfs"].keys()
    assert {host.os for host in DECL.hosts.values()} <= known["host"].keys()
    for machine in DECL.machines.values():
        needed = matrix.parts(machine, DECL, known)
        assert all(needed.values()) and all(f"rootfs:{name}" in needed for name in matrix.images(machine, DECL))


def test_a_boot_of_this_checkout_weighs_what_it_took(tmp_path: Path) -> None:
    machine, known = DECL.machines["linux-6.1"], matrix.weights()
    paths = Paths(tmp_path)
    assert matrix.boot_seconds(machine, paths, known) == known["scenario"]["basic"]
    paths.boot("linux-6.1").mkdir(parents=True)
    for text, seconds in (('{"seconds": 12.5}', 12.5), ("{}", 45), ("broken", 45), ('{"seconds": null}', 45)):
        (paths.boot("linux-6.1") / "result.json").write_text(text)
        assert matrix.boot_seconds(machine, paths, known) == seconds


@pytest.mark.parametrize("groups", [1, 2, 5, 1000])
def test_groups_hold_every_machine_once_and_share_their_kernels(tmp_path: Path, groups: int) -> None:
    entries = matrix.matrix(DECL, Paths(tmp_path), groups)["include"]
    machines = [name for entry in entries for name in entry["machines"]]
    assert len(entries) <= groups and sorted(machines) == sorted(DECL.machines)
    known = matrix.weights()
    costs = {name: (matrix.parts(one, DECL, known), matrix.boot_seconds(one, Paths(tmp_path), known))
             for name, one in DECL.machines.items()}
    for entry in entries:
        assert set(entry["kernels"]) == {k for name in entry["machines"] for k in DECL.kernels_of(DECL.machines[name])}
        assert entry["run"].split()[1:] == [f"boot:{name}" for name in entry["machines"]]
        assert entry["weight"] == round(matrix.weight([costs[name] for name in entry["machines"]]))
    if groups == 1:
        # Kernels are built once: far less than the sum of machines that build their own.
        assert entries[0]["weight"] < sum(matrix.weight([cost]) for cost in costs.values()) / 2
    if groups == 5:
        weights = [entry["weight"] for entry in entries]
        assert max(weights) <= 1.5 * min(weights)


def test_a_number_of_groups_below_zero_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--groups"):
        matrix.matrix(DECL, Paths(tmp_path), -1)
