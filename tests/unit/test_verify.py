# SPDX-License-Identifier: GPL-2.0-only
"""A release that was touched is caught: by whom ever vouches for what was touched, however much was put right.

Each attack here goes through every check but one: it shows that this one is there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from debian_kit import Key, have_gpg, key
from release_kit import (
    EVIL,
    NAME,
    ROOT,
    caught,
    copy,
    enter,
    facts,
    flip,
    forge,
    project,
    setting,
    sum_up,
    tar_with,
    vouch,
)

from pipeline import commands
from pipeline.errors import UserError
from pipeline.release import manifest, provenance, sbom, signing
from pipeline.release.verify import SHOWN, SUMS, verify
from pipeline.tasks import Project

SMALL = f"{NAME}-small.tar.zst"


@pytest.fixture(scope="module")
def signer() -> Iterator[Key]:
    if not have_gpg():
        pytest.skip("gpg is not installed")
    with key("releaser") as made:
        yield made


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release; not to be touched."""
    with pytest.MonkeyPatch.context() as patch:
        return project(tmp_path_factory.mktemp("release"), patch).release()


@pytest.fixture(scope="module")
def made_signed(tmp_path_factory: pytest.TempPathFactory, signer: Key) -> Path:
    """A signed one; not to be touched."""
    with pytest.MonkeyPatch.context() as patch:
        here = project(tmp_path_factory.mktemp("signed"), patch)
        patch.setenv("GNUPGHOME", str(signer.home))
        patch.setenv(signing.VARIABLE, signer.fingerprint)
        return here.release()


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    return copy(made, tmp_path / NAME)


@pytest.fixture
def signed(made_signed: Path, tmp_path: Path) -> Path:
    return copy(made_signed, tmp_path / "signed" / NAME)


def files_of(place: Path) -> list[str]:
    return sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file())


def test_as_it_was_made_it_is_whole(place: Path) -> None:
    report = verify(place)
    assert (report.name, report.archives, report.signer, report.unbooted) == (NAME, 4, None, False)
    assert report.files == len(files_of(place)) and "is whole" in str(report)


# --- any byte of any file -------------------------------------------------------------------


def test_any_byte_of_any_file(made_signed: Path, place: Path, signed: Path) -> None:
    """Start, middle and end of every file; every one of those that vouch for the others."""
    for folder in (place, signed):
        for name in files_of(folder):
            path = folder / name
            before = path.read_bytes()
            places = {0, len(before) // 2, len(before) - 1}
            if name == signing.SIGNATURE:
                places = set(range(len(before)))
            elif name == SUMS:
                places |= set(range(0, len(before), 23))
            for at in sorted(places):
                flip(path, at)
                told = caught(folder)
                assert name in told or name == SUMS, (name, at, told)
                path.write_bytes(before)
    assert verify(signed).signer


@pytest.mark.parametrize("change", ["appended", "cut", "emptied", "deleted"])
def test_any_file_longer_shorter_or_gone(place: Path, change: str) -> None:
    for name in files_of(place):
        path = place / name
        before = path.read_bytes()
        if change == "deleted":
            path.unlink()
        else:
            path.write_bytes({"appended": before + b"\n", "cut": before[:-1], "emptied": b""}[change])
        assert name in caught(place)
        path.write_bytes(before)


def test_any_file_changed_with_sums_put_right(made: Path, place: Path) -> None:
    """The manifest, the provenance, the SBOM: something else still vouches for each file."""
    for name in sorted(set(files_of(place)) - {SUMS}):
        path = place / name
        flip(path, path.stat().st_size // 2)
        sum_up(place)
        assert name in caught(place), name
        shutil.copyfile(made / name, path)


def test_a_file_too_many(place: Path) -> None:
    for name in ("extra", "evidence/small/extra", "__pycache__/x.pyc", ".hidden"):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text("x")
        assert f"{name}: is not in SHA256SUMS" in caught(place)
        sum_up(place)
        assert f"{name}: manifest.json does not know it" in caught(place)
        (place / name).unlink()
        if name.startswith("__pycache__"):
            (place / "__pycache__").rmdir()
        sum_up(place)
    (place / "empty").mkdir()
    assert "empty/: is not in SHA256SUMS" in caught(place)


@pytest.mark.parametrize("kind", ["link to the same", "link out", "folder link", "pipe"])
def test_only_plain_files(place: Path, tmp_path: Path, kind: str) -> None:
    path = place / "README.md"
    if kind == "link to the same":
        path.rename(tmp_path / "README.md")
        path.symlink_to(tmp_path / "README.md")
    elif kind == "link out":
        path = place / "passwd"
        path.symlink_to("/etc/passwd")
    elif kind == "folder link":
        path = place / "evidence"
        path.rename(tmp_path / "evidence")
        path.symlink_to(tmp_path / "evidence")
    else:
        path = place / "pipe"
        os.mkfifo(path)
    assert f"{path.name}: is a link or a device" in caught(place)


# --- SHA256SUMS -----------------------------------------------------------------------------


def test_no_release(tmp_path: Path, place: Path) -> None:
    assert "there is no" in caught(tmp_path / "nowhere")
    assert "is no release: there is no SHA256SUMS" in caught(tmp_path)
    (place / SUMS).rename(tmp_path / "sums")
    (place / SUMS).symlink_to(tmp_path / "sums")
    assert "is no release: there is no SHA256SUMS" in caught(place)


def test_here(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    flip(place / "README.md", 0)
    assert caught(Path()).startswith(f"{NAME} is not as it was made")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read(place: Path) -> None:
    (place / "README.md").chmod(0)
    assert "README.md cannot be read" in caught(place)


@pytest.mark.parametrize("line", ["", "x", "0" * 64 + " one-space", "0" * 63 + "  short", "0" * 64 + "  /etc/passwd",
                                  "0" * 64 + "  ../up", "0" * 64 + "  a/../../up", "0" * 64 + "  a//b", "A" * 64 + "  x",
                                  "0" * 64 + "  .", "0" * 64 + "  a/", "0" * 64 + "  ba\\ck", "0" * 64 + "  x\udcff"])
def test_sums_have_one_form(place: Path, line: str) -> None:
    (place / SUMS).write_bytes((place / SUMS).read_bytes() + f"{line}\n".encode(errors="surrogateescape"))
    assert "SHA256SUMS: not a digest and a path" in caught(place)


def test_sums_twice_or_in_another_order(place: Path) -> None:
    lines = (place / SUMS).read_text().splitlines(keepends=True)
    for changed in ([*lines, lines[0]], lines[::-1], [line.replace("\n", "\r\n") for line in lines], [*lines[:-1], lines[-1][:-1]]):
        (place / SUMS).write_bytes("".join(changed).encode())
        assert "SHA256SUMS is not written as a release writes it" in caught(place)


# --- signature ------------------------------------------------------------------------------


def test_who_signed(signed: Path, signer: Key, tmp_path: Path) -> None:
    report = verify(signed, signer.ring)
    assert report.signer == signer.fingerprint and report.trusted
    armoured = tmp_path / "ring.asc"
    armoured.write_bytes((signed / signing.PUBLIC).read_bytes())
    assert verify(signed, armoured).trusted
    assert not verify(signed).trusted


def test_an_unsigned_release_does_not_do_where_a_key_is_given(place: Path, signer: Key) -> None:
    assert "is not signed, as --key asks" in caught(place, signer.ring)


def test_a_keyring_that_is_not_there(signed: Path, tmp_path: Path) -> None:
    assert "there is no keyring" in caught(signed, tmp_path / "none.gpg")


def test_a_signature_that_was_taken_off(signed: Path, signer: Key) -> None:
    (signed / signing.SIGNATURE).unlink()
    assert "is not signed, as --key asks" in caught(signed, signer.ring)
    # Without a key the manifest still says that there was one.
    assert f"SHA256SUMS.sig: is by nobody, manifest.json says {signer.fingerprint}" in caught(signed)


def test_a_signature_that_was_put_on(place: Path, signer: Key) -> None:
    """A known signer's, on what somebody else made."""
    (place / signing.SIGNATURE).write_bytes(signing.armour(signer.detach((place / SUMS).read_bytes())))
    assert f"is by {signer.fingerprint}, manifest.json says nobody" in caught(place, signer.ring)
    assert "signing-key.asc is not" in caught(place)


def test_the_wrong_key(signed: Path, signer: Key) -> None:
    with key("stranger") as stranger:
        told = caught(signed, stranger.ring)
        assert "no good signature" in told and "is by a key that is not in the keyring" in told
        # A stranger who makes a release of his own of it, key and all, passes for himself only.
        (signed / signing.PUBLIC).write_bytes(
            subprocess.run(["gpg", "--homedir", stranger.home, "--batch", "--armor", "--export"], check=True,
                           capture_output=True).stdout)

        def change(said: dict[str, Any]) -> None:
            enter(signed, said, signing.PUBLIC)
            said["signer"] = stranger.fingerprint

        forge(signed, change)
        (signed / signing.SIGNATURE).write_bytes(signing.armour(stranger.detach((signed / SUMS).read_bytes())))
        report = verify(signed)
        assert report.signer == stranger.fingerprint and "--key would prove it" in str(report)
        assert "no good signature" in caught(signed, signer.ring)


def test_the_right_key_on_another_file(signed: Path, signer: Key) -> None:
    (signed / signing.SIGNATURE).write_bytes(signing.armour(signer.detach(b"something else")))
    for ring in (None, signer.ring):
        assert "is of another file, or damaged" in caught(signed, ring)


def test_an_expired_key(place: Path) -> None:
    with key("retired", expires="seconds=86400", made="20250101T000000") as old:
        (place / signing.PUBLIC).write_bytes(old.ring.read_bytes())
        sum_up(place)
        then = old.detach((place / SUMS).read_bytes(), "--faked-system-time=20250101T010000!")
        (place / signing.SIGNATURE).write_bytes(signing.armour(then))
        for ring in (None, old.ring):
            assert "is by a key that has expired" in caught(place, ring)


@pytest.mark.parametrize("text", [b"", b"x", b"-----BEGIN PGP SIGNATURE-----\n\n=AAAA\n-----END PGP SIGNATURE-----\n"])
def test_no_signature_at_all(signed: Path, text: bytes) -> None:
    (signed / signing.SIGNATURE).write_bytes(text)
    assert "SHA256SUMS.sig is damaged" in caught(signed)


def test_a_signature_in_another_form_is_not_taken(signed: Path) -> None:
    """OpenPGP leaves bytes of a signature free; in ours there is none."""
    text = (signed / signing.SIGNATURE).read_bytes()
    binary = signing.dearmour(text)
    assert binary is not None
    for other in (binary, text + b"\n", text.replace(b"\n\n", b"\nComment: x\n\n", 1), text[:-1], b"\n" + text):
        (signed / signing.SIGNATURE).write_bytes(other)
        assert "SHA256SUMS.sig is damaged" in caught(signed)


# --- the manifest ---------------------------------------------------------------------------


def test_a_manifest_there_has_to_be(place: Path) -> None:
    (place / manifest.NAME).unlink()
    sum_up(place)
    assert "has no manifest.json" in caught(place)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", "[" * 100_000, '{"format": 1}'])
def test_a_manifest_that_is_none(place: Path, text: str) -> None:
    (place / manifest.NAME).write_text(text)
    sum_up(place)
    assert "manifest.json: " in caught(place)


SHAPES = {
    "another format": (setting("format", to=2), "format: 1 was expected"),
    "a key more": (setting("more", to=1), "the whole: Additional properties are not allowed"),
    "a path out": (setting("files", 0, "path", to="../up"), "files.0.path: '../up' does not match"),
    "a path with a line's end": (setting("files", 0, "path", to="up\n"), "files.0.path"),
    "an absolute path": (setting("files", 0, "path", to="/up"), "files.0.path"),
    "a member's path out": (setting("files", 2, "members", 0, "path", to="a/../../b"), "files.2.members.0.path"),
    "a strange mode": (setting("files", 2, "members", 0, "mode", to="4755"), "files.2.members.0.mode"),
    "a digest of another length": (setting("files", 0, "sha256", to="00"), "files.0.sha256"),
    "a negative size": (setting("files", 0, "size", to=-1), "files.0.size"),
    "no machines": (setting("machines", to={}), "machines: {} should be non-empty"),
    "another derived": (setting("derived", to=["NOTES.md"]), "derived: "),
    "a time that no tar has": (setting("epoch", to=1 << 40), "epoch: "),
}


@pytest.mark.parametrize("case", SHAPES)
def test_a_manifest_of_another_shape(place: Path, case: str) -> None:
    change, words = SHAPES[case]
    said = facts(place)
    change(said)
    (place / manifest.NAME).write_text(manifest.text(said))
    sum_up(place)
    assert f"manifest.json: {words}" in caught(place)


def test_a_manifest_in_another_layout(place: Path) -> None:
    text = (place / manifest.NAME).read_text()
    for other in (json.dumps(json.loads(text)), text.replace("{", '{\n "name": "other",', 1), text + " "):
        (place / manifest.NAME).write_text(other)
        sum_up(place)
        assert "manifest.json: is not written as a release writes it" in caught(place)
    (place / manifest.NAME).write_text(text.replace('"the least"', r'"\ud800"'))
    sum_up(place)
    assert "manifest.json: is not written as a release writes it" in caught(place)


def test_a_file_twice_in_the_manifest(place: Path) -> None:
    said = facts(place)
    said["files"].append(said["files"][0])
    (place / manifest.NAME).write_text(manifest.text(said))
    vouch(place, said)
    assert f"{said['files'][0]['path']}: is twice in manifest.json" in caught(place)


def test_a_file_that_only_the_manifest_has(place: Path) -> None:
    (place / "README.md").unlink()
    vouch(place, facts(place))
    assert "README.md: is missing, manifest.json has it" in caught(place)


def test_a_file_that_only_the_manifest_has_not(place: Path) -> None:
    forge(place, lambda said: said["files"].pop([file["path"] for file in said["files"]].index("README.md")))
    assert "README.md: manifest.json does not know it" in caught(place)


@pytest.mark.parametrize("change", ["digest", "size"])
def test_another_file_than_the_manifests(place: Path, change: str) -> None:
    if change == "digest":
        flip(place / "README.md", 0)
        vouch(place, facts(place))
    else:
        forge(place, setting("files", [file["path"] for file in facts(place)["files"]].index("README.md"), "size", to=9))
    assert "README.md: is another file than the one in manifest.json" in caught(place)


@pytest.mark.parametrize("name", ["NOTES.md", "SOURCES.md", sbom.NAME, provenance.NAME])
def test_what_is_derived_has_to_be_there(place: Path, name: str) -> None:
    (place / name).unlink()
    if name == provenance.NAME:
        sum_up(place)
    else:
        vouch(place, facts(place))
    assert f"{name}: is missing" in caught(place)


# --- a release in one archive ---------------------------------------------------------------


@pytest.mark.parametrize("how", ["", "--zstd", "--gzip", "--xz"])
def test_a_release_that_was_packed_for_the_way(place: Path, tmp_path: Path, how: str) -> None:
    packed = tmp_path / "x"
    subprocess.run(["tar", *([how] if how else []), "-cf", packed, NAME], cwd=tmp_path, check=True)
    report = verify(packed)
    assert report.name == NAME
    flip(place / "README.md", 0)
    subprocess.run(["tar", *([how] if how else []), "-cf", packed, NAME], cwd=tmp_path, check=True)
    assert "README.md: has sha256" in caught(packed)


@pytest.mark.parametrize("case", ["dotdot", "absolute", "a link out", "a hard link", "a device", "a pipe"])
def test_a_packed_release_leads_nowhere_else(place: Path, tmp_path: Path, case: str) -> None:
    add, _ = EVIL[case]
    packed = tmp_path / "x.tar"
    subprocess.run(["tar", "-cf", packed, NAME], cwd=tmp_path, check=True)
    packed.write_bytes(tar_with(packed.read_bytes(), add=add))
    assert "refused" in caught(packed)


def test_a_part_of_a_release_is_not_checked_alone(place: Path) -> None:
    told = caught(place / SMALL)
    assert "is a part of a release" in told and f"./doit verify {place}" in told


def test_what_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"hello")
    assert "damaged archive" in caught(tmp_path / "x")


# --- ./doit verify --------------------------------------------------------------------------


def test_the_command(place: Path, signed: Path, signer: Key, capsys: pytest.CaptureFixture[str]) -> None:
    here = Project.here()
    commands.verify_places(here, "", False, [str(place)])
    assert f"{NAME} is whole" in capsys.readouterr().out
    commands.verify_places(here, str(signer.ring), False, [str(signed)])
    assert f"signed by {signer.fingerprint}" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"verify what\?"):
        commands.verify_places(here, "", False, [])
    flip(place / "README.md", 0)
    with pytest.raises(UserError, match=r"README\.md"):
        commands.verify_places(here, "", False, [str(place)])


def test_what_has_to_be_built_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release boots, unless it is told not to; a check needs nothing, unless it is to compare."""
    here = Project.here()
    assert all(need.startswith(("boot:", "daemon:windows")) for need in commands.release(here)["task_dep"])
    assert commands.verify(here)["task_dep"] == []
    monkeypatch.setattr(sys, "argv", ["doit", "release", "--allow-unbooted", "verify", "--rebuild"])
    for task in (commands.release(here), commands.verify(here)):
        assert "kernel:6.1-x86_64" in task["task_dep"] and not [n for n in task["task_dep"] if n.startswith("boot:")]


def test_its_exit_code_is_2(place: Path, tmp_path: Path) -> None:
    flip(place / "README.md", 0)
    # doit's memory of its own: this may run inside a ./doit test.
    argv = [sys.executable, "-m", "pipeline.cli", "run", "--db-file", tmp_path / "doit", "verify", place]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "README.md: has sha256" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_many_faults_are_cut_short(place: Path) -> None:
    for number in range(SHOWN + 5):
        (place / f"extra{number}").touch()
    assert "... and 5 more" in caught(place)
