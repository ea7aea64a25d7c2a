# SPDX-License-Identifier: GPL-2.0-only
"""`./doit repro`: everything a second time, with everything around it changed, and not a byte of difference.

    build/repro/second/one/level/deeper/files    another checkout, with a cache of its own
                                       /view     the same, each folder's files in reverse order
    build/repro/archives/                        release archives, packed here and there
    build/repro/result.json                      what varied, what was compared, what differs
    build/repro/diffoscope/                      where something differs, how

What varies is in `variation`, and what this machine does not let us vary is
said, not passed over. The second build compiles every file (no ccache), in one
network namespace without an interface: what the lock pins is in its cache
before it begins.

Reading order: check, second, variation with enter.sh, again (which runs inside), compare.
"""
