# SPDX-License-Identifier: GPL-2.0-only
"""What of the monitor can be run without a kernel."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

DIVIDE = r"""
#include "co_types.h"

int main(void)
{
	static const u64 numbers[] = {
		0, 1, 2, 999, 0xffffffff, 0x100000000, 0x100000001, 1000000ull << 32, ~0ull - 1, ~0ull,
		0x8000000000000000, 18000000ull * 1000000 * 1000, 0xdeadbeefcafebabe,
	};
	static const u32 divisors[] = { 1, 2, 3, 1000, 999999, 2445430, 0x7fffffff, 0x80000000, 0xffffffff };
	volatile u64 n;
	volatile u32 d;
	u32 i, j;

	for (i = 0; i < CO_ARRAY_SIZE(numbers); i++)
		for (j = 0; j < CO_ARRAY_SIZE(divisors); j++) {
			n = numbers[i];
			d = divisors[j];
			if (co_divide(n, d) != n / d)
				return 1;
		}
	return 0;
}
"""


@pytest.mark.parametrize("compiler", ["gcc", "i686-linux-gnu-gcc-12"])
def test_division_of_64_bits(compiler: str, tmp_path: Path) -> None:
    """32-bit kernels have no division of 64 bits, so the monitor has its own; the compiler's is the judge."""
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed (./doit setup installs it)")
    source, program = tmp_path / "divide.c", tmp_path / "divide"
    source.write_text(DIVIDE)
    subprocess.run([compiler, "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static",
                    f"-I{ROOT / 'runtime/monitor'}", source, "-o", program], check=True)  # fmt: skip
    subprocess.run([program], check=True)


def test_memory_that_comes_and_goes(tmp_path: Path) -> None:
    """The balloon, with a host that is a table (tests/unit/monitor/balloon.c)."""
    program = tmp_path / "balloon"
    monitor = ROOT / "runtime/monitor"
    subprocess.run(["gcc", "-std=gnu11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined",
                    "-fno-sanitize-recover=all", f"-I{monitor}", ROOT / "tests/unit/monitor/balloon.c",
                    *(monitor / f"{part}.c" for part in ("pool", "chunk", "paging")), "-o", program],
                   check=True)  # fmt: skip
    done = subprocess.run([program], text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
