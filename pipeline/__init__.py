# SPDX-License-Identifier: GPL-2.0-only
"""From colinux.toml to artifacts: fetch, verify, unpack, patch, configure, build, package.

Data flows one way through these modules; READING.md gives the order to read
them in. None of them knows doit: `pipeline.tasks` wires them to it.
"""
