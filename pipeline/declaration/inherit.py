# SPDX-License-Identifier: GPL-2.0-only
"""`extends`: a machine takes every key that it does not give from the machine named there.

Tables (qemu, timeouts) are merged key by key; everything else is replaced as a
whole. What says what the machine itself is (its title) is not inherited.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.declaration.positions import KeyPath
from pipeline.declaration.schema import Faults

NOT_INHERITED = ("extends", "template", "title")


@dataclass(frozen=True)
class Merged:
    """A table with what it inherits, and for each key (and key of a table in it) whose it is.

    A template only serves to be extended: what is taken from one counts as the table's own.
    """

    name: str
    values: dict[str, Any]
    owners: dict[KeyPath, str]
    base: str = ""
    template: bool = False
    whole: bool = True  # every base was found
    foreign: frozenset[str] = frozenset()  # the tables it extends, without templates

    @property
    def given(self) -> frozenset[str]:
        """The keys that are written, here or in a base, faulty ones too."""
        return frozenset(str(key[0]) for key in self.owners)

    def owns(self, *keys: str) -> bool:
        """Whether one of the keys was given here: a fault in it is not the base's, which says so itself."""
        return not self.foreign or any(self._own((key,)) for key in keys)

    def _own(self, key: KeyPath) -> bool:
        return key in self.owners and self.owners[key] not in self.foreign

    def blame(self, table: str, *keys: str) -> KeyPath:
        """Where to put right what two keys together do wrong: at the one that was given here."""
        return self.origin(table, next((key for key in keys if self._own((key,))), keys[0]))

    def origin(self, table: str, *path: str | int) -> KeyPath:
        """Where the value at `path` is written."""
        key = path[:2] if path[:2] in self.owners else path[:1]
        return (table, self.owners.get(key, self.name), *path)


def resolve(
    tables: Mapping[str, Mapping[str, Any]], written: Mapping[str, Any], table: str, faults: Faults
) -> dict[str, Merged]:
    """Every table with what it inherits. Notes cycles; an unknown base has been noted as a reference.

    `tables` are without faulty values, `written` are the same with them: a faulty key is not a missing one.
    """
    done: dict[str, Merged] = {}

    def merged(name: str, chain: tuple[str, ...]) -> Merged:
        if name in done:
            return done[name]
        own = dict(tables[name])
        template = own.get("template", False)
        base = own.get("extends", "")
        result = Merged(name, {}, {}, base, template, whole=not base)
        way = (*chain, name)
        if base in way:
            cycle = " -> ".join((*way[way.index(base) :], base))
            faults.add((table, name, "extends"), f"extends itself: {cycle}")
        elif base in tables:
            from_base = merged(base, way)
            foreign = from_base.foreign if from_base.template else from_base.foreign | {base}
            values = {key: item for key, item in from_base.values.items() if key not in NOT_INHERITED}
            owners = {key: owner for key, owner in from_base.owners.items() if key[0] not in NOT_INHERITED}
            result = Merged(name, values, owners, base, template, from_base.whole, foreign)
        result.owners.update({(key,): name for key in written[name]})
        _lay_over(result, own)
        done[name] = result
        return result

    for name in tables:
        merged(name, ())
    return done


def _lay_over(result: Merged, own: Mapping[str, Any]) -> None:
    for key, value in own.items():
        result.owners[(key,)] = result.name
        if isinstance(value, dict):
            result.values[key] = {**result.values.get(key, {}), **value}
            result.owners.update({(key, inner): result.name for inner in value})
        else:
            result.values[key] = value
