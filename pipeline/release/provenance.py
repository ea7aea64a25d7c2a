# SPDX-License-Identifier: GPL-2.0-only
"""Where a release comes from: an in-toto statement (v1) with an SLSA provenance predicate (v1).

It is honest about its level: Build L1, which says that there is provenance and
no more. It is written by the build itself, on a machine that nobody vouches for
(L2 wants a hosted builder that signs). What can be believed beyond that is what
anyone can do again: the same commit and the same pins give the same bytes.

There is no time and no invocation in it: a release made twice is the same.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pipeline.release.manifest import input_name

NAME = "provenance.intoto.json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:colinux:doit-release:v1"
BUILDER = "urn:colinux:builder:any-machine"
LEVEL = "SLSA Build L1: written by the build itself, on a machine that nobody vouches for"

# Field -> its type: in-toto attestation framework v1, "ResourceDescriptor".
_DESCRIPTOR = {"name": str, "uri": str, "digest": dict, "content": str, "downloadLocation": str, "mediaType": str,
               "annotations": dict}
_DIGESTS = {"sha256": 64, "sha1": 40, "gitCommit": 40, "gitTree": 40}  # algorithm -> hex digits


def text(manifest: Mapping[str, Any], subjects: Mapping[str, str]) -> str:
    """The file's content; `subjects`: path -> SHA-256 of everything in the release that is not derived from this."""
    return json.dumps(statement(manifest, subjects), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def statement(manifest: Mapping[str, Any], subjects: Mapping[str, str]) -> dict[str, Any]:
    """The statement as a value."""
    return {
        "_type": STATEMENT,
        "subject": [{"name": path, "digest": {"sha256": sha256}} for path, sha256 in sorted(subjects.items())],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "command": "./doit release" + (" --allow-unbooted" if manifest["unbooted"] else ""),
                    "commit": manifest["commit"],
                    "machines": sorted(manifest["machines"]),
                    "signer": manifest["signer"],
                },
                "internalParameters": {
                    "SOURCE_DATE_EPOCH": manifest["epoch"],
                    "declaration": manifest["declaration"],
                    "lock": manifest["lock"],
                    "tools": manifest["tools"],
                    "level": LEVEL,
                },
                "resolvedDependencies": dependencies(manifest),
            },
            "runDetails": {"builder": {"id": BUILDER}},
        },
    }


def dependencies(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What went in: our commit, and every blob of the lock that a build of these machines reads."""
    found: list[dict[str, Any]] = [{"name": manifest["name"], "digest": {"gitCommit": manifest["commit"]}}]
    for group, blobs in sorted(manifest["inputs"].items()):
        found += [_descriptor(group, blob) for blob in blobs]
    return found


def _descriptor(group: str, blob: Mapping[str, Any]) -> dict[str, Any]:
    digest = {"sha256": blob.get("sha256"), "gitCommit": blob.get("commit"),
              "gitTree": blob.get("tree") if blob["kind"] == "git" else None}
    found: dict[str, Any] = {
        "name": input_name(group, blob),
        "digest": {algorithm: value for algorithm, value in digest.items() if value},
        "annotations": {key: value for key, value in blob.items() if key in ("version", "arch", "filename", "signer")},
    }
    if "url" in blob:
        found["uri"] = ("git+" if blob["kind"] == "git" else "") + blob["url"]
    return found


# --- is it one? -----------------------------------------------------------------------------


def faults(value: object) -> list[str]:
    """Where a value is not an in-toto statement with SLSA provenance, as strictly as the two texts say it."""
    checker = _Checker()
    top = checker.fields(value, "", {"_type": str, "subject": list, "predicateType": str, "predicate": dict},
                         required=("_type", "subject", "predicateType", "predicate"))
    checker.same(top.get("_type"), STATEMENT, "_type")
    checker.same(top.get("predicateType"), PREDICATE, "predicateType")
    checker.descriptors(top.get("subject"), "subject", digest=True)
    predicate = checker.fields(top.get("predicate"), "predicate", {"buildDefinition": dict, "runDetails": dict},
                               required=("buildDefinition", "runDetails"))
    where = "predicate.buildDefinition"
    definition = checker.fields(
        predicate.get("buildDefinition"), where,
        {"buildType": str, "externalParameters": dict, "internalParameters": dict, "resolvedDependencies": list},
        required=("buildType", "externalParameters"))
    checker.uri(definition.get("buildType"), f"{where}.buildType")
    checker.descriptors(definition.get("resolvedDependencies", []), f"{where}.resolvedDependencies", least=0)
    details = checker.fields(
        predicate.get("runDetails"), "predicate.runDetails",
        {"builder": dict, "metadata": dict, "byproducts": list}, required=("builder",))
    builder = checker.fields(details.get("builder"), "predicate.runDetails.builder",
                             {"id": str, "version": dict, "builderDependencies": list}, required=("id",))
    checker.uri(builder.get("id"), "predicate.runDetails.builder.id")
    checker.fields(details.get("metadata", {}), "predicate.runDetails.metadata",
                   {"invocationId": str, "startedOn": str, "finishedOn": str})
    checker.descriptors(details.get("byproducts", []), "predicate.runDetails.byproducts", least=0)
    return checker.found


class _Checker:
    """Collects faults, each with its path."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def fields(self, value: object, where: str, known: Mapping[str, type], required: tuple[str, ...] = ()
               ) -> Mapping[str, Any]:
        """An object with known fields of their types; what is good of it."""
        if not isinstance(value, dict):
            self.found.append(f"{where or 'the whole'} is not an object")
            return {}
        prefix = f"{where}." if where else ""
        self.found += [f"{prefix}{key} is missing" for key in required if key not in value]
        self.found += [f"{prefix}{key} is not known" for key in value if key not in known]
        wrong = [key for key in value if key in known and not isinstance(value[key], known[key])]
        self.found += [f"{prefix}{key} is not of the type {known[key].__name__}" for key in wrong]
        return {key: value[key] for key in value if key in known and key not in wrong}

    def same(self, value: object, wanted: str, where: str) -> None:
        if value != wanted:
            self.found.append(f"{where} is {value!r}, not {wanted}")

    def uri(self, value: object, where: str) -> None:
        """A TypeURI or ResourceURI (RFC 3986): it has a scheme."""
        if not isinstance(value, str) or not urlsplit(value).scheme or not value.isascii() or " " in value:
            self.found.append(f"{where} is no URI: {value!r}")

    def descriptors(self, value: object, where: str, *, digest: bool = False, least: int = 1) -> None:
        """ResourceDescriptors: each names its thing by uri, digest or content; `digest`: and has one."""
        if not isinstance(value, list) or len(value) < least:
            self.found.append(f"{where} is not a list of at least {least}")
            return
        for number, one in enumerate(value):
            place = f"{where}[{number}]"
            fields = self.fields(one, place, _DESCRIPTOR)
            if not fields.keys() & {"uri", "digest", "content"}:
                self.found.append(f"{place} has neither uri nor digest nor content")
            if digest and not fields.get("digest"):
                self.found.append(f"{place} has no digest")
            if "uri" in fields:
                self.uri(fields["uri"], f"{place}.uri")
            for algorithm, text in fields.get("digest", {}).items():
                size = _DIGESTS.get(algorithm)
                if not isinstance(text, str) or len(text) != size or set(text) - set("0123456789abcdef"):
                    self.found.append(f"{place}.digest.{algorithm} is no such digest: {text!r}")
        names = [str(one["name"]) for one in value if isinstance(one, dict) and one.get("name")]
        twice = [name for name, count in Counter(names).items() if count > 1]
        self.found += [f"{where}: the name {name!r} is there twice" for name in twice]
