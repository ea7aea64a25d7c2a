# SPDX-License-Identifier: GPL-2.0-only
"""The parts of a release vouch for one another: archives, evidence, provenance, SBOM, each held against the manifest.

Each attack puts everything right but one thing: it shows that this one is looked at.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from release_kit import (
    EVIL,
    NAME,
    caught,
    copy,
    derive,
    enter,
    facts,
    forge,
    plain,
    project,
    repack,
    setting,
    sum_up,
    tar_with,
    vouch,
)

from pipeline.release import provenance, sbom
from pipeline.release.verify import verify

SMALL = f"{NAME}-small.tar.zst"
RESULT = "evidence/small/result.json"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release; not to be touched."""
    with pytest.MonkeyPatch.context() as patch:
        return project(tmp_path_factory.mktemp("release"), patch).release()


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    return copy(made, tmp_path / NAME)


# --- archives -------------------------------------------------------------------------------


@pytest.mark.parametrize("case", EVIL)
def test_an_archive_with_more_than_the_manifest_says(place: Path, case: str) -> None:
    add, words = EVIL[case]
    said = facts(place)
    repack(place, SMALL, tar_with(plain(place, SMALL), add=add), said)
    derive(place, said)
    told = caught(place)
    assert f"{SMALL}: {words}" in told


def test_an_archive_with_less(place: Path) -> None:
    data = plain(place, SMALL)
    inside = data.index(b"vmlinuxvmlinux")  # the last member's content
    for length, words in ((0, "has its end where the manifest has 'colinux-0.8.0-small'"),
                          (inside, "is damaged in or after 'colinux-0.8.0-small/vmlinux'"),
                          (inside + 50, "is damaged in or after 'colinux-0.8.0-small/vmlinux'"),
                          (inside - 512, "has its end where the manifest has 'colinux-0.8.0-small/vmlinux'"),
                          (len(data) - 1, "where the manifest has no more")):
        said = facts(place)
        repack(place, SMALL, data[:length], said)
        derive(place, said)
        assert f"{SMALL}: " in (told := caught(place)) and words in told, told


def reheaded(data: bytes, **fields: int) -> bytes:
    """An archive whose first header says something else, checksum and all."""
    info = tarfile.TarInfo.frombuf(data[:512], "utf-8", "strict")
    for name, value in fields.items():
        setattr(info, name, value)
    return info.tobuf(tarfile.PAX_FORMAT) + data[512:]


CHANGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "another content": (lambda data: data.replace(b"vmlinuxvmlinux", b"vmlinuxvmlinuX", 1), "/vmlinux' with sha256"),
    "a damaged header": (lambda data: b"X" + data[1:], "has no member that can be read where the manifest has"),
    "another owner": (lambda data: reheaded(data, uid=1000), "has the folder 'colinux-0.8.0-small' with another owner"),
    "a later time": (lambda data: reheaded(data, mtime=1), "has the folder 'colinux-0.8.0-small' with another owner, time"),
    "a set-user-id bit": (lambda data: reheaded(data, mode=0o4755), "with another owner, time, size or permissions"),
    "a byte in the padding": (lambda data: data.replace(b"the licence\n\0", b"the licence\n!", 1), "is damaged in or after"),
    "something behind the end": (lambda data: data + b"x", "has more behind its end"),
    "something in the end": (lambda data: data[:-1] + b"x", "where the manifest has no more"),
    "no end": (lambda data: data.rstrip(b"\0"), "is damaged in or after"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_an_archive_of_other_bytes(place: Path, case: str) -> None:
    change, words = CHANGES[case]
    said = facts(place)
    before = plain(place, SMALL)
    after = change(before)
    assert after != before
    repack(place, SMALL, after, said)
    derive(place, said)
    told = caught(place)
    assert f"{SMALL}: " in told and words in told, told


@pytest.mark.parametrize("data", [b"", b"no zstd at all", b"\x28\xb5\x2f\xfd\x00"])
def test_an_archive_that_is_none(place: Path, data: bytes) -> None:
    (place / SMALL).write_bytes(data)
    said = facts(place)
    enter(place, said, SMALL)
    derive(place, said)
    assert f"{SMALL}: " in caught(place)


def test_a_bomb_is_read_no_further_than_it_may_be(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first header is not the expected one, or its content goes on: nothing of a gigabyte is kept or written."""
    import resource

    said = facts(place)
    repack(place, SMALL, plain(place, SMALL) + bytes(1 << 28), said)
    derive(place, said)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "has more behind its end" in caught(place)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10  # KiB


def test_an_archive_needs_its_members_and_nothing_else_has_any(place: Path) -> None:
    paths = [file["path"] for file in facts(place)["files"]]

    def change(said: dict[str, Any]) -> None:
        debug, readme = (said["files"][paths.index(name)] for name in (f"{NAME}-debug.tar.zst", "README.md"))
        readme["members"] = debug.pop("members")

    forge(place, change)
    told = caught(place)
    assert "README.md: manifest.json has members of it" in told
    assert f"{NAME}-debug.tar.zst: manifest.json has no members of it" in told


# --- evidence -------------------------------------------------------------------------------


def rewrite(place: Path, said: dict[str, Any], **changes: object) -> None:
    """Another result.json, entered in the manifest."""
    result = json.loads((place / RESULT).read_text())
    (place / RESULT).write_text(json.dumps({**result, **changes}))
    enter(place, said, RESULT)


def test_another_kernel_than_the_booted_one(place: Path) -> None:
    """The archive, its list and its SBOM agree; only it never booted."""
    said = facts(place)
    small = next(file for file in said["files"] if file["path"] == SMALL)
    kernel = next(one for one in small["members"] if one.get("role") == "kernel")
    data = plain(place, SMALL)
    other = data.replace(b"vmlinux" * 100, b"vmlinuX" * 100)
    repack(place, SMALL, other, said)
    kernel["sha256"] = hashlib.sha256(b"vmlinuX" * 100).hexdigest()
    derive(place, said)
    assert f"{SMALL}: its kernel is not the one that manifest.json calls booted" in caught(place)
    # With "booted" put right as well, the evidence itself remains.
    said["machines"]["small"]["booted"]["kernel"] = kernel["sha256"]
    derive(place, said)
    assert "it was booted with another kernel than the one built now; manifest.json says: it is good" in caught(place)


def test_a_built_file_cannot_hide_its_role(place: Path) -> None:
    def change(said: dict[str, Any]) -> None:
        small = next(file for file in said["files"] if file["path"] == SMALL)
        next(one for one in small["members"] if one.get("role") == "kernel").pop("role")

    forge(place, change)
    assert f"{SMALL}: its kernel is not the one that manifest.json calls booted" in caught(place)


@pytest.mark.parametrize(("changes", "words"), [
    ({"verdict": "hang"}, "manifest.json tells of another boot"),
    ({"kernel": "6.6"}, "manifest.json tells of another boot"),
    ({"checks": []}, "manifest.json tells of another boot"),
    ({"checks": 7, "warnings": 7}, "manifest.json tells of another boot"),
    ({"machine": "disk"}, "its evidence is of another machine, disk; manifest.json says: it is good"),
    ({"inputs": {"lock": "0"}}, "colinux.lock was another one (0); manifest.json says: it is good"),
    ({"artifacts": []}, "it was booted without a kernel"),
])
def test_evidence_of_another_boot(place: Path, changes: dict[str, object], words: str) -> None:
    said = facts(place)
    rewrite(place, said, **changes)
    derive(place, said)
    told = caught(place)
    assert f"{RESULT}: " in told and words in told


def test_a_good_boot_is_not_called_bad_either(place: Path) -> None:
    def change(said: dict[str, Any]) -> None:
        said["unbooted"] = True
        said["machines"]["small"]["problems"] = ["it is old"]

    forge(place, change)
    assert f"{RESULT}: it is good; manifest.json says: it is old" in caught(place)


def test_evidence_that_was_taken_away(place: Path) -> None:
    said = facts(place)
    (place / RESULT).unlink()
    said["files"] = [file for file in said["files"] if file["path"] != RESULT]
    derive(place, said)
    assert f"{RESULT}: manifest.json tells of a boot" in caught(place)
    said["machines"]["small"]["boot"] = None
    derive(place, said)
    assert "small: was not booted well with these files, and manifest.json does not own to it" in caught(place)


def test_evidence_that_the_manifest_denies(place: Path) -> None:
    forge(place, setting("machines", "small", "boot", to=None))
    assert f"{RESULT}: manifest.json tells of no boot" in caught(place)


def test_a_verdict_that_did_not_pass_has_to_be_owned_to(place: Path) -> None:
    said = facts(place)
    rewrite(place, said, verdict="panic")
    said["machines"]["small"]["boot"]["verdict"] = "panic"
    said["machines"]["small"]["problems"] = ["its verdict is panic, not pass"]
    derive(place, said)
    assert "small: was not booted well with these files" in caught(place)
    said["unbooted"] = True
    derive(place, said)
    assert "small: its verdict is panic, not pass" in str(verify(place))


def test_a_machine_without_its_archive(place: Path) -> None:
    forge(place, setting("machines", "small", "archive", to="gone.tar.zst"))
    assert "gone.tar.zst: is missing, it is the machine small" in caught(place)


# --- provenance -----------------------------------------------------------------------------


def state(place: Path, change: Callable[[Any], object]) -> str:
    """A provenance of other content, with sums that go with it; what is said of it."""
    statement = json.loads((place / provenance.NAME).read_text())
    change(statement)
    (place / provenance.NAME).write_text(json.dumps(statement))
    sum_up(place)
    return caught(place)


PREDICATE = ("predicate", "buildDefinition")
STATEMENTS: dict[str, tuple[Callable[[Any], object], str]] = {
    "a subject less": (lambda s: s["subject"].pop(0), "does not vouch for NOTES.md"),
    "a subject more": (lambda s: s["subject"].append({"name": "x", "digest": {"sha256": "0" * 64}}),
                       "vouches for x, which is not here"),
    "a subject's digest": (lambda s: s["subject"][0]["digest"].update(sha256="0" * 64), "vouches for another NOTES.md"),
    "a subject twice": (lambda s: s["subject"].append(s["subject"][0]), "subject: the name 'NOTES.md' is there twice"),
    "no digest": (lambda s: s["subject"][0].pop("digest"), "subject[0] has neither uri nor digest nor content"),
    "an empty digest": (lambda s: s["subject"][0].update(digest={}), "subject[0] has no digest"),
    "a digest of capitals": (lambda s: s["subject"][0]["digest"].update(sha256="A" * 64), "subject[0].digest.sha256 is no"),
    "an unknown digest": (lambda s: s["subject"][0]["digest"].update(md5="0" * 32), "subject[0].digest.md5 is no"),
    "no subject": (lambda s: s.update(subject=[]), "subject is not a list of at least 1"),
    "another type": (lambda s: s.update(_type="https://in-toto.io/Statement/v0.1"), "_type is "),
    "another predicate": (lambda s: s.update(predicateType="https://slsa.dev/provenance/v0.2"), "predicateType is "),
    "a field more": (lambda s: s.update(more=1), "more is not known"),
    "a field less": (lambda s: s["predicate"].pop("runDetails"), "predicate.runDetails is missing"),
    "a field of another kind": (lambda s: s["predicate"].update(runDetails=[]), "predicate.runDetails is not of the type dict"),
    "no builder": (lambda s: s["predicate"]["runDetails"].pop("builder"), "predicate.runDetails.builder is missing"),
    "no builder's id": (lambda s: s["predicate"]["runDetails"].update(builder={}), "predicate.runDetails.builder.id is missing"),
    "an id that is no URI": (lambda s: s["predicate"]["runDetails"]["builder"].update(id="me"), "builder.id is no URI"),
    "a build type that is no URI": (lambda s: s["predicate"]["buildDefinition"].update(buildType="x y:z"), "buildType is no URI"),
    "a time that is a number": (lambda s: s["predicate"]["runDetails"].update(metadata={"startedOn": 5}), "metadata.startedOn is not"),
    "a byproduct of nothing": (lambda s: s["predicate"]["runDetails"].update(byproducts=[{}]), "byproducts[0] has neither"),
    "an input that is no object": (lambda s: s["predicate"]["buildDefinition"]["resolvedDependencies"].append(3),
                                   "resolvedDependencies[7] is not an object"),
    "an input's address": (lambda s: s["predicate"]["buildDefinition"]["resolvedDependencies"][0].update(uri="here"),
                           "resolvedDependencies[0].uri is no URI"),
    "an input less": (lambda s: s["predicate"]["buildDefinition"]["resolvedDependencies"].pop(),
                      "says another resolvedDependencies than manifest.json"),
    "another commit": (lambda s: s["predicate"]["buildDefinition"]["externalParameters"].update(commit="0" * 40),
                       "says another externalParameters than manifest.json"),
    "another build type": (lambda s: s["predicate"]["buildDefinition"].update(buildType="urn:x:y"),
                           "says another buildType than manifest.json"),
    "a higher level": (lambda s: s["predicate"]["buildDefinition"]["internalParameters"].update(level="SLSA Build L3"),
                       "says another internalParameters than manifest.json"),
}


@pytest.mark.parametrize("case", STATEMENTS)
def test_provenance_of_something_else(place: Path, case: str) -> None:
    change, words = STATEMENTS[case]
    told = state(place, change)
    assert f"{provenance.NAME}: " in told and words in told, told


@pytest.mark.parametrize("text", ["", "[]", "3", "[" * 100_000])
def test_provenance_that_is_none(place: Path, text: str) -> None:
    (place / provenance.NAME).write_text(text)
    sum_up(place)
    assert f"{provenance.NAME}: the whole is not an object" in caught(place)


# --- SBOM -----------------------------------------------------------------------------------


def list_(place: Path, change: Callable[[Any], object]) -> str:
    """An SBOM of other content, with provenance and sums that go with it; what is said of it."""
    bom = json.loads((place / sbom.NAME).read_text())
    change(bom)
    (place / sbom.NAME).write_text(json.dumps(bom))
    vouch(place, facts(place))
    return caught(place)


def component(bom: Any, start: str) -> Any:
    return next(one for one in bom["components"] if one["bom-ref"].startswith(start))


LISTS: dict[str, tuple[Callable[[Any], object], str]] = {
    "not CycloneDX": (lambda b: b.pop("bomFormat"), "is not CycloneDX 1.6: "),
    "a field more": (lambda b: b.update(more=1), "is not CycloneDX 1.6: "),
    "of another name": (lambda b: b["metadata"]["component"].update(name="x"), "is of name 'x', the manifest of 'colinux'"),
    "of another version": (lambda b: b["metadata"]["component"].update(version="9"), "is of version '9'"),
    "a file less": (lambda b: b["components"].remove(component(b, "file:README.md")), "does not have file:README.md"),
    "an artifact less": (lambda b: b["components"].remove(component(b, "artifact:")), "does not have artifact:"),
    "an input less": (lambda b: b["components"].remove(component(b, "input:source:linux/")), "does not have input:source:linux/linux"),
    "a component more": (lambda b: b["components"].append({"type": "file", "name": "x", "bom-ref": "x"}),
                         "has x, which the manifest has not"),
    "another digest": (lambda b: component(b, "file:README.md")["hashes"][0].update(content="0" * 64),
                       f"has file:README.md with sha256 {'0' * 64}, the manifest "),
    "another algorithm": (lambda b: component(b, "file:README.md")["hashes"][0].update(alg="SHA3-256"),
                          "has file:README.md with sha256 none"),
}


@pytest.mark.parametrize("case", LISTS)
def test_an_sbom_of_something_else(place: Path, case: str) -> None:
    change, words = LISTS[case]
    told = list_(place, change)
    assert f"{sbom.NAME}: {words}" in told, told


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"[]"])
def test_an_sbom_that_is_none(place: Path, data: bytes) -> None:
    (place / sbom.NAME).write_bytes(data)
    vouch(place, facts(place))
    assert f"{sbom.NAME}: is not CycloneDX" in caught(place)
