# SPDX-License-Identifier: GPL-2.0-only
"""The C tests of the daemon's parts (tests/unit/daemon), each as a test of its own."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import daemon_kit
import pytest

DEVICES = ["console", "cobd0", "cobd1", "cofs0", "ttys0", "eth0", "rng"]
TABLE = re.compile(r'^\t\{ "(\w+)", \1 \},$', re.M)


def names() -> list[str]:
    """Every test of every table, read from the sources, so that collecting compiles nothing."""
    return [
        f"{source.stem.replace('_', '-')}:{name}"
        for source in sorted(daemon_kit.HARNESS.glob("test_*.c"))
        for name in TABLE.findall(source.read_text())
    ]


@pytest.mark.parametrize("test", names())
def test_c(test: str, tmp_path: Path) -> None:
    program, name = test.split(":")
    done = subprocess.run(
        [daemon_kit.programs() / program, name],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=False,
        env=daemon_kit.environment(),
        stdin=subprocess.DEVNULL,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def test_the_tables_are_read_whole() -> None:
    """What the programs themselves list is what runs here."""
    listed = [
        f"{source.stem.replace('_', '-')}:{name}"
        for source in sorted(daemon_kit.HARNESS.glob("test_*.c"))
        for name in subprocess.run(
            [daemon_kit.programs() / source.stem.replace("_", "-")],
            text=True,
            check=True,
            capture_output=True,
            env=daemon_kit.environment(),
        ).stdout.split()
    ]
    assert listed == names()
    assert len(listed) > 40


def test_a_failing_check_fails(tmp_path: Path) -> None:
    """A test program with a false CHECK, and one with a memory error, must not pass for good ones."""
    for body, sign in (
        ("CHECK_EQUAL(1 + 1, 3);", "expected 3"),
        ("char *p = malloc(8); free(p); CHECK(p[0] == p[1]);", "AddressSanitizer"),
    ):
        source = tmp_path / "test_bad.c"
        source.write_text(
            f'#include "check.h"\nstatic void bad(void) {{ {body} }}\n'
            'const struct test tests[] = { { "bad", bad }, { 0 } };\n'
        )
        program = tmp_path / "bad"
        folder = daemon_kit.programs()
        subprocess.run(
            [
                "gcc",
                *daemon_kit.FLAGS,
                "-Wno-use-after-free",
                source,
                folder / "check.o",
                folder / "check_failed.o",
                "-o",
                program,
            ],
            check=True,
        )
        done = subprocess.run(
            [program, "bad"], text=True, capture_output=True, check=False, env=daemon_kit.environment()
        )
        assert done.returncode not in (0, None)
        assert sign in done.stderr


def test_every_kind_of_device_is_in_the_zoo() -> None:
    """What is not in it, hostile rings and fuzzers have not met."""
    kinds = {
        kind
        for source in (daemon_kit.PATHS.root / "runtime/daemon").glob("*.c")
        for kind in re.findall(r"^static const struct device_ops (\w+)_ops = ", source.read_text(), re.M)
    }
    assert len(kinds) >= 5
    zoo = (daemon_kit.HARNESS / "zoo.c").read_text()
    assert [kind for kind in sorted(kinds) if not re.search(rf"\b{kind}_attach\(", zoo)] == []


def test_every_device_of_the_zoo_is_fuzzed(tmp_path: Path) -> None:
    done = subprocess.run([daemon_kit.programs() / "fuzz-devices"], cwd=tmp_path, text=True, check=True,
                          capture_output=True, env=daemon_kit.environment())  # fmt: skip
    assert done.stdout.split() == DEVICES


@pytest.mark.fuzz
@pytest.mark.parametrize("device", [*DEVICES, "all"])
def test_hostile_drivers(device: str, tmp_path: Path) -> None:
    """Nothing that a guest writes into rings, buffers and registers harms the daemon (cobd1 is an overlay)."""
    count = daemon_kit.inputs(4000)
    served, said = daemon_kit.fuzz(tmp_path, "fuzz-devices", device, count=count)
    # Each queue is served where it keeps the rules: how often, the devices' own threads and a busy computer decide.
    assert len(served) >= len(DEVICES) if device == "all" else 1 <= len(served) <= 2
    assert min(served) > count // 1000
    assert said.count("\n") <= 8 * 8, "a hostile guest must not fill the host's disk with messages"
