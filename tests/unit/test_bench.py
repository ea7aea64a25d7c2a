# SPDX-License-Identifier: GPL-2.0-only
"""./doit bench, without a computer: what is measured where, and what is made of the figures."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import pytest

from pipeline.declaration import load
from pipeline.errors import BuildFailed
from tests.bench import ratios, rival

DECLARATION = load(Path(__file__).resolve().parents[2] / "colinux.toml")


def test_the_default_machine_is_measured_with_every_device_and_its_rival() -> None:
    machine = ratios.equipped(DECLARATION.project.default, DECLARATION)
    assert f"ttys1={ratios.LINES[0]} eth0=slirp cofs0={ratios.FOLDER}" in machine.cmdline
    host = DECLARATION.hosts[machine.host]
    declared = DECLARATION.hosts[DECLARATION.machines[DECLARATION.project.default].host]
    assert (host.image, host.arch) == (declared.image, declared.arch)
    assert set(host.modules) >= rival.MODULES
    assert rival.IMAGE in machine.carries and machine.qemu == host.qemu


def test_a_machine_is_measured_with_what_its_kernel_knows() -> None:
    """Linux 2.4 here has no drivers for these; and a declaration without QEMU has no rival."""
    machine = ratios.equipped("linux-2.4.37-i386", DECLARATION)
    assert "eth0" not in machine.cmdline and "cofs0" not in machine.cmdline
    bare = dataclasses.replace(DECLARATION, rootfs={k: v for k, v in DECLARATION.rootfs.items() if k != rival.IMAGE})
    machine = ratios.equipped("linux-6.1", bare)
    assert machine.host == "linux-amd64" and not machine.carries


def test_figures_come_out_of_what_a_serial_port_said() -> None:
    said = rival.parse("accel=kvm\n[    0.1] figure of speech\r\nfigure cpu cpu_s=0.5\r\nfigure cpu cpu_s=0.25\r\n"
                       "figure tty fault: no\r\nfigure netrtt netrtt_s=1\n")
    assert said == rival.Rival("kvm", {"cpu": [0.5, 0.25], "netrtt": [1.0]})


def test_the_table_has_medians_and_both_ratios() -> None:
    figures = ratios.Figures({"cpu": [1.0, 9.0, 2.0], "sleep": [0.5]}, {"cpu": [1.0, 1.0, 4.0], "sleep": [0.0]},
                             rival.Rival("kvm", {"cpu": [4.0]}), 2.5)
    [cpu, sleep] = figures.table()
    assert (cpu["guest"], cpu["host"], cpu["ratio"], cpu["qemu"], cpu["ratio_qemu"]) == (2.0, 1.0, 2.0, 4.0, 0.5)
    assert (sleep["ratio"], sleep["qemu"]) == (None, None)
    lines = figures.as_text("m").splitlines()
    assert "QEMU (kvm)" in lines[0] and lines[-1] == "boot to init: 2.50 s"
    assert next(line for line in lines if line.startswith("integer")).split()[-1] == "0.50"
    assert max(map(len, lines)) <= 100


def test_what_gave_no_figure_is_an_error() -> None:
    assert ratios.value("cpu_s=0.5\n") == 0.5
    for text in ("", "colinux-check: no", "cpu_s="):
        with pytest.raises(BuildFailed):
            ratios.value(text)


def test_the_scripts_for_the_rival_are_a_shells() -> None:
    """Templates of templates: what comes out is what sh reads, with nothing left to fill in."""
    init = rival.INIT.format(rounds=5, work="    true")
    for script in (init, rival.INITRD.format(folder="/f", init=init),
                   rival.QEMU.format(memory=128, disk="/dev/vdb", console="/dev/vport0p4", serial="/tmp/line")):
        assert subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0
        assert "{" not in script.replace("${accel%%,*}", "")
