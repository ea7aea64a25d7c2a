# SPDX-License-Identifier: GPL-2.0-only
"""colinux.toml: what is wanted, checked to the last key.

model.py      what a declaration is, as values
keys.py       every key that may be written, as data
schema.py     checks any TOML against such data, all faults at once
positions.py  on which line each key stands
inherit.py    `extends` between machines
rules.py      what has to be true between keys
loader.py     all of it in order
"""

from pipeline.declaration.loader import load
from pipeline.declaration.model import Declaration

__all__ = ["Declaration", "load"]
