# SPDX-License-Identifier: GPL-2.0-only
"""The bill of materials, in CycloneDX 1.6, derived from the manifest.

Three kinds of components: `file:` each file of the release, `artifact:` each
built file in an archive, `input:` each blob of the lock that went in; and who
stands on whom. Its serial number is made of the manifest's digest, its time is
the commit's: a release made twice has the same one.
"""

from __future__ import annotations

import functools
import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from pipeline.release import parts
from pipeline.release.manifest import input_name, parse

NAME = "sbom.cdx.json"
VERSION = SchemaVersion.V1_6
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:colinux:sbom")
FILE, ARTIFACT, INPUT = "file:", "artifact:", "input:"
TYPES = {"kernel": ComponentType.OPERATING_SYSTEM, "driver": ComponentType.DEVICE_DRIVER,
         parts.NT_DRIVER: ComponentType.DEVICE_DRIVER, **dict.fromkeys(parts.NT_PROGRAMS, ComponentType.APPLICATION),
         "daemon": ComponentType.APPLICATION, "ctl": ComponentType.APPLICATION,
         "console": ComponentType.APPLICATION}
PREFIX = "colinux:"  # of our properties


def text(manifest: Mapping[str, Any], manifest_digest: str) -> str:
    """The file's content."""
    root = Component(
        name=manifest["name"], version=manifest["version"], type=ComponentType.APPLICATION, bom_ref="release",
        purl=PackageURL("generic", None, manifest["name"], manifest["version"]),
        properties=_properties({"commit": manifest["commit"], "lock": manifest["lock"]}),
    )
    bom = Bom(
        serial_number=uuid.uuid5(NAMESPACE, manifest_digest),
        metadata=BomMetaData(
            component=root, timestamp=datetime.fromtimestamp(manifest["epoch"], timezone.utc),
            properties=_properties({f"tool:{tool}": version for tool, version in manifest["tools"].items()}),
        ),
    )
    inputs = {group: [_input(group, blob) for blob in blobs] for group, blobs in manifest["inputs"].items()}
    artifacts = {member["sha256"]: _artifact(member) for _, _, member in built(manifest)}
    files = {file["path"]: _file(file) for file in manifest["files"]}
    for component in (*(one for group in inputs.values() for one in group), *artifacts.values(), *files.values()):
        bom.components.add(component)
    bom.register_dependency(root, files.values())
    holds: dict[str, set[str]] = {path: set() for path in files}
    stands: dict[str, set[str]] = {sha256: set() for sha256 in artifacts}
    for machine, path, member in built(manifest):
        holds[path].add(member["sha256"])
        stands[member["sha256"]].update(_groups(member, manifest["machines"][machine], manifest))
    for path, digests in holds.items():
        bom.register_dependency(files[path], [artifacts[sha256] for sha256 in sorted(digests)])
    for sha256, groups in stands.items():
        bom.register_dependency(artifacts[sha256], [one for group in sorted(groups) for one in inputs[group]])
    output = make_outputter(bom, OutputFormat.JSON, VERSION).output_as_string(indent=1)
    return json.dumps(json.loads(output), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def built(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(machine, archive, member) for every built file in the machines' archives; what several share, for each."""
    files = {file["path"]: file for file in manifest["files"]}
    for machine, facts in manifest["machines"].items():
        held = parts.held(facts, files.get(facts["archive"], {}))
        yield from ((machine, facts["archive"], member) for member in held.values())


def _groups(member: Mapping[str, Any], machine: Mapping[str, Any], manifest: Mapping[str, Any]) -> Iterator[str]:
    """The lock groups that a built file is made of."""
    role = _role(member)
    if role == "kernel":
        of = machine["kernels"][-1 if member["role"].startswith("beside:") else 0]
        yield from (group for group in manifest["kernels"][of]["sources"] if group in manifest["inputs"])
    elif role == "driver":
        yield from (group for group in (f"host:{machine['host']}",) if group in manifest["inputs"])
    else:
        name = member["path"].rsplit("/", 1)[-1]
        yield from (group for group in manifest["inputs"] if name.startswith(group.removeprefix("rootfs:") + "."))


def _role(member: Mapping[str, Any]) -> str:
    """A built file's role, whichever of several machines' it is."""
    return str(member["role"]).rpartition("/")[2].removeprefix("beside:")


def _file(file: Mapping[str, Any]) -> Component:
    return Component(name=file["path"], type=ComponentType.FILE, bom_ref=FILE + file["path"],
                     hashes=[_sha256(file["sha256"])], properties=_properties({"kind": file["kind"]}))


def _artifact(member: Mapping[str, Any]) -> Component:
    role = _role(member)
    return Component(name=member["path"].rsplit("/", 1)[-1], type=TYPES.get(role, ComponentType.DATA),
                     bom_ref=ARTIFACT + member["sha256"], hashes=[_sha256(member["sha256"])],
                     properties=_properties({"role": role}))


def _input(group: str, blob: Mapping[str, Any]) -> Component:
    return Component(
        name=str(blob["name"]), version=blob.get("version"), type=ComponentType.LIBRARY,
        bom_ref=INPUT + input_name(group, blob), purl=_purl(blob),
        hashes=[_sha256(blob["sha256"])] if "sha256" in blob else [],
        external_references=[ExternalReference(
            type=ExternalReferenceType.VCS if blob["kind"] == "git" else ExternalReferenceType.DISTRIBUTION,
            url=XsUri(blob["url"]))] if "url" in blob else [],
        properties=_properties({"lock-group": group} | {key: str(blob[key]) for key in ("commit", "tree", "signer")
                                                        if key in blob}),
    )


def _purl(blob: Mapping[str, Any]) -> PackageURL:
    """The package URL specification's types deb and generic."""
    if blob["kind"] == "debian":
        return PackageURL("deb", "debian", blob["package"], blob["version"], {"arch": blob["arch"]})
    qualifiers = {"download_url": str(blob["url"])} if blob["kind"] == "tarball" else {
        "vcs_url": f"git+{blob['url']}@{blob['commit']}"}
    if "sha256" in blob:
        qualifiers["checksum"] = f"sha256:{blob['sha256']}"
    return PackageURL("generic", None, str(blob["name"]), blob.get("version"), qualifiers)


def _sha256(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)


def _properties(values: Mapping[str, str]) -> list[Property]:
    return [Property(name=PREFIX + name, value=value) for name, value in values.items()]


# --- is it one? -----------------------------------------------------------------------------


def faults(data: bytes, manifest: Mapping[str, Any]) -> list[str]:
    """Where a text is no CycloneDX, or tells of other things than the manifest does."""
    bom = parse(data)
    error = "no JSON object" if not isinstance(bom, dict) else _validator().validate_str(data.decode())
    if error is not None:
        return [f"is not CycloneDX {VERSION.to_version()}: {str(error)[:300]}"]
    root = bom.get("metadata", {}).get("component", {})
    found = []
    for key in ("name", "version"):
        if root.get(key) != manifest[key]:
            found.append(f"is of {key} {root.get(key)!r}, the manifest of {manifest[key]!r}")
    seen: dict[str, str] = {}
    for component in bom.get("components", ()):
        ref = str(component.get("bom-ref"))
        digests = [one["content"] for one in component.get("hashes", ()) if one["alg"] == "SHA-256"]
        seen[ref] = ",".join(digests)
    wanted = expected(manifest)
    found += [f"does not have {ref}, which the manifest has" for ref in sorted(wanted.keys() - seen.keys())]
    found += [f"has {ref}, which the manifest has not" for ref in sorted(seen.keys() - wanted.keys())]
    found += [f"has {ref} with sha256 {seen[ref] or 'none'}, the manifest {wanted[ref] or 'none'}"
              for ref in sorted(wanted.keys() & seen.keys()) if seen[ref] != wanted[ref]]
    return found


@functools.cache
def _validator() -> JsonStrictValidator:
    """The published schema, read once."""
    return JsonStrictValidator(VERSION)


def expected(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Name -> SHA-256 ("" of a commit) of all components that the manifest asks for."""
    wanted = {FILE + file["path"]: file["sha256"] for file in manifest["files"]}
    wanted |= {ARTIFACT + member["sha256"]: member["sha256"] for _, _, member in built(manifest)}
    for group, blobs in manifest["inputs"].items():
        wanted |= {INPUT + input_name(group, blob): blob.get("sha256", "") for blob in blobs}
    return wanted

