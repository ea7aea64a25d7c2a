# SPDX-License-Identifier: GPL-2.0-only
"""Installers for Windows, and signatures in its programs: the same every time, and what was booted lies beneath."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from release_kit import NAME, WINDOWS, Project, caught, copy, enter, facts, forge, project, setting, windows_toml

from pipeline import ntdriver, pe, windowsdaemon
from pipeline.errors import BuildFailed, InfrastructureError, UserError
from pipeline.paths import Paths
from pipeline.release import authenticode, installer, parts, rebuild, windows, zips
from pipeline.release import machine as machines
from pipeline.release.archive import File
from pipeline.release.verify import verify

pytestmark = pytest.mark.skipif(not shutil.which("makensis"), reason="makensis is not installed (./doit test does it)")
ZIP, SETUP = f"{NAME}-windows-x64.zip", f"{NAME}-windows-x64-setup.exe"
TOP = f"{NAME}-windows-x64"
COMPILER = "x86_64-w64-mingw32-gcc"


@functools.cache
def program(returns: int = 0) -> bytes:
    """A program for Windows, as ours are: with a checksum."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "x.c").write_text(f"int main(void) {{ return {returns}; }}\n")
        subprocess.run([COMPILER, "-s", "-Wl,--no-insert-timestamp", "-o", "x.exe", "x.c"], cwd=folder, check=True)
        return pe.with_checksum((Path(folder) / "x.exe").read_bytes())


def with_programs(here: Project) -> Project:
    """A project whose files for Windows can be signed."""
    if not shutil.which(COMPILER) or not shutil.which("osslsigncode"):
        pytest.skip("MinGW-w64 or osslsigncode is not installed (./doit test does it)")
    ntdriver_file = here.paths.driver("windows-x64") / ntdriver.OUTPUTS[0]
    ntdriver_file.write_bytes(program(1))
    for number, path in enumerate(windowsdaemon.programs("windows-x64", here.paths), 2):
        path.write_bytes(program(number))
    for name in ("first", "second"):
        here.boot(name)
    return here


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.delenv(authenticode.VARIABLE, raising=False)
    return project(tmp_path, monkeypatch, windows_toml())


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key for signing code."""
    return make_key(tmp_path_factory.mktemp("key"))


def make_key(folder: Path, *words: str, days: int = 30, usage: str = "codeSigning") -> Path:
    """A key and its certificate in one file."""
    subprocess.run(["openssl", "req", "-x509", *(words or ("-newkey", "rsa:2048")), "-noenc", "-days", str(days),
                    "-subj", "/CN=somebody", "-addext", f"extendedKeyUsage={usage}", "-keyout", "k", "-out", "c"],
                   cwd=folder, check=True, capture_output=True)
    (folder / "key.pem").write_bytes((folder / "k").read_bytes() + (folder / "c").read_bytes())
    return folder / "key.pem"


@pytest.fixture(scope="module")
def made_signed(tmp_path_factory: pytest.TempPathFactory, key: Path) -> Path:
    """A release with signed programs; not to be touched."""
    with pytest.MonkeyPatch.context() as patch:
        here = with_programs(project(tmp_path_factory.mktemp("signed"), patch, windows_toml()))
        patch.setenv(authenticode.VARIABLE, str(key))
        return here.release()


@pytest.fixture
def signed(made_signed: Path, tmp_path: Path) -> Path:
    return copy(made_signed, tmp_path / "signed" / NAME)


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def archive_of(here: Project) -> parts.Archive:
    packages = [machines.package(here.decl.machines[name], here.decl, here.paths) for name in ("first", "second")]
    return parts.archives(packages)[0]


# --- installers -----------------------------------------------------------------------------


def test_an_installer_has_the_files_of_the_zip(here: Project, tmp_path: Path) -> None:
    if not shutil.which("7z"):
        pytest.skip("7z is not installed (./doit test installs it)")
    folder = here.release()
    subprocess.run(["7z", "x", "-y", f"-o{tmp_path / 'out'}", folder / SETUP], check=True, capture_output=True)
    with zipfile.ZipFile(folder / ZIP) as archive:
        wanted = {name.removeprefix(f"{TOP}/"): archive.read(name) for name in archive.namelist()}
    found = content(tmp_path / "out")
    assert {name: data for name, data in found.items() if not name.startswith("$") and name != "uninstall.exe"} == wanted
    image = pe.read((folder / SETUP).read_bytes())
    assert image.checksum == pe.checksum((folder / SETUP).read_bytes())


def test_an_installer_is_the_same_every_time(here: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for number in range(2):
        installer.make(archive_of(here), archive_of(here).files, here.decl, tmp_path / SETUP, 1_700_000_000)
        made.append((tmp_path / SETUP).read_bytes())
        for path in here.paths.build.rglob("*"):
            os.utime(path, (number, number))
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert made[0] == made[1]
    files = {**archive_of(here).files, f"{TOP}/vmlinux": File(b"another kernel")}
    installer.make(archive_of(here), files, here.decl, tmp_path / SETUP, 1_700_000_000)
    assert (tmp_path / SETUP).read_bytes() != made[0]


def test_what_a_person_works_in_is_his(here: Project) -> None:
    """Configurations and disks are never written over, and deleted only by whom it is asked for."""
    archive = archive_of(here)
    own = {"colinux.conf", "second.conf", "second/disk.ext4"}
    names = {path.removeprefix(f"{TOP}/") for path in archive.files}
    script = installer.script("windows-x64", {name: File(b"") for name in sorted(names)}, own, here.decl, SETUP)
    assert not re.search(r"@[A-Z_]+@", script)
    install, _, remove = script.partition("Section un.")
    over, _, kept = install.partition("SetOverwrite off")
    assert set(re.findall(r'^  File "([^"]+)"', over, re.M)) == names - own
    assert set(re.findall(r'^  File "([^"]+)"', kept, re.M)) == own
    checked = re.findall(r'CheckFree "\$INSTDIR\\([^"]+)"', over)
    assert {name.replace("\\", "/") for name in checked} == names - own
    always, question, asked = remove.partition("MessageBox MB_YESNO")
    deleted = re.findall(r'Delete "\$INSTDIR\\([^"]+)"', always)
    assert {name.replace("\\", "/") for name in deleted} == names - own and question
    assert "/SD IDNO IDNO keep" in asked
    before, _, _ = asked.partition("  keep:")
    assert {name.replace("\\", "/") for name in re.findall(r'Delete "\$INSTDIR\\([^"]+)"', before)} == own
    assert 'RMDir "$INSTDIR\\second"' in remove and "RMDir /r" not in script
    # What the daemon answers for a driver that is not installed is no reason to stop.
    assert script.count("$0 != 14") == 2


@pytest.mark.parametrize(("nt", "words"), [
    ("windows-x64", ("$PROGRAMFILES64", "${IfNot} ${RunningX64}", "SetRegView 64", "for 64-bit Windows")),
    ("windows-x86", ("$PROGRAMFILES\\", "${If} ${RunningX64}", "SetRegView 32", "for 32-bit Windows"))])
def test_each_width_has_its_own(here: Project, nt: str, words: tuple[str, ...]) -> None:
    script = installer.script(nt, {"colinux.sys": File(b"")}, set(), here.decl, "x.exe")
    assert all(word in script for word in words)


def test_makensis_that_is_not_there(here: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installer, "MAKENSIS", "no-makensis")
    with pytest.raises(UserError, match="no-makensis"):
        here.release()
    assert not any(here.paths.dist.iterdir())


def test_a_script_that_makensis_refuses(here: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(windows.TEMPLATES, tmp_path / "templates")
    (tmp_path / "templates" / installer.SCRIPT).write_text('Name "x"\nNoSuchCommand\n')
    monkeypatch.setattr(windows, "TEMPLATES", tmp_path / "templates")
    with pytest.raises(BuildFailed, match="makensis"):
        here.release()


def test_built_again_installers_are_compared(here: Project) -> None:
    report = verify(here.release())
    assert set(report.installers) == {SETUP}
    rebuild.compare(report, here.decl, here.ctx.lock, here.paths)
    report.installers[SETUP] = "0" * 64  # type: ignore[index]
    with pytest.raises(BuildFailed, match=f"{SETUP} has sha256"):
        rebuild.compare(report, here.decl, here.ctx.lock, here.paths)


# --- signatures -----------------------------------------------------------------------------


def programs(folder: Path) -> dict[str, bytes]:
    """All programs of a release for Windows."""
    names = [f"{TOP}/{name}" for name in ("colinux.sys", "colinux-daemon.exe", "colinux-ctl.exe", "colinux-console.exe")]
    return {SETUP: (folder / SETUP).read_bytes()} | {name: zips.content(folder / ZIP, name) for name in names}


def test_signed_programs(signed: Path, key: Path, tmp_path: Path) -> None:
    """By another program's word, with the certificate that lies in the release."""
    public = (signed / authenticode.CERTIFICATE).read_text()
    assert "PRIVATE" not in public and "BEGIN CERTIFICATE" in public
    assert b"PRIVATE KEY" not in b"".join(content(signed).values())
    for data in programs(signed).values():
        (tmp_path / "x.exe").write_bytes(data)
        done = subprocess.run(["osslsigncode", "verify", "-CAfile", signed / authenticode.CERTIFICATE, "-in", "x.exe"],
                              cwd=tmp_path, check=True, capture_output=True, text=True)
        assert "Signature verification: ok" in done.stdout and "Nov 14 22:13:20 2023 GMT" in done.stdout
        assert pe.read(data).checksum == pe.checksum(data)
    assert pe.unsigned(programs(signed)[f"{TOP}/colinux.sys"]) == program(1)
    said = facts(signed)
    assert said["certificate"] in (signed / "NOTES.md").read_text()
    readme = zips.content(signed / ZIP, f"{TOP}/README.txt").decode()
    assert f"Signed: with the certificate {said['certificate']}" in readme and "without its signature" in readme
    report = verify(signed)
    assert report.certificate == said["certificate"]


def test_signed_twice_it_is_the_same(here: Project, key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(authenticode.VARIABLE, str(key))
    first = content(with_programs(here).release())
    assert content(here.release()) == first
    # Built again, it is what lies beneath the signatures that counts.
    assert rebuild.compare(verify(here.folder), here.decl, here.ctx.lock, here.paths)


def test_nothing_is_signed_unless_it_is_asked_for(here: Project) -> None:
    folder = with_programs(here).release()
    assert all(pe.signature(data) is None for data in programs(folder).values())
    assert "certificate" not in facts(folder) and not (folder / authenticode.CERTIFICATE).exists()
    assert "are not signed" in (folder / "NOTES.md").read_text()


def test_a_test_key_is_made_once(here: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(authenticode.VARIABLE, authenticode.TEST)
    first = authenticode.signer(here.paths)
    assert first is not None and first == authenticode.signer(here.paths)
    assert first.file.stat().st_mode & 0o777 == 0o600 and first.file.is_relative_to(here.paths.build)
    assert [path.name for path in first.file.parent.iterdir()] == ["test.pem"]
    assert pe.signature(authenticode.sign(program(), first, 1))


def test_a_key_with_a_passphrase(tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = tmp_path / "locked.pem"
    subprocess.run(["openssl", "rsa", "-aes256", "-passout", "pass:secret", "-in", key, "-out", locked], check=True,
                   capture_output=True)
    locked.write_bytes(locked.read_bytes() + (key.parent / "c").read_bytes())
    (tmp_path / "pass").write_text("secret\n")
    monkeypatch.setenv(authenticode.VARIABLE, str(locked))
    monkeypatch.setenv(authenticode.PASSPHRASE, str(tmp_path / "pass"))
    signer = authenticode.signer(Paths(tmp_path))
    assert signer and pe.signature(authenticode.sign(program(), signer, 1))
    (tmp_path / "pass").write_text("wrong\n")
    with pytest.raises(UserError, match=f"does not sign with {locked}"):
        authenticode.sign(program(), signer, 1)


def refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(authenticode.VARIABLE, str(file))
    with pytest.raises(UserError) as error:
        signer = authenticode.signer(Paths(file.parent))
        assert signer
        authenticode.sign(program(), signer, 1)
    assert error.value.where == authenticode.VARIABLE and error.value.hint
    return str(error.value)


def test_keys_that_are_none(tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "cannot be read as PEM" in refused(tmp_path / "nowhere.pem", monkeypatch)
    other = tmp_path / "x.pem"
    other.write_bytes(b"\xff\xfe\x00")
    assert "cannot be read as PEM" in refused(other, monkeypatch)
    other.write_bytes((key.parent / "k").read_bytes())
    assert "has no certificate" in refused(other, monkeypatch)
    other.write_bytes((key.parent / "c").read_bytes())
    assert "has no private key" in refused(other, monkeypatch)
    other.write_text((key.parent / "k").read_text() + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert f"does not sign with {other}" in refused(other, monkeypatch)


def test_keys_that_nobody_would_take(tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [tmp_path / name for name in ("curve", "mail", "other")]
    for folder in folders:
        folder.mkdir()
    curve = make_key(folders[0], "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    assert "two signatures by this key differ" in refused(curve, monkeypatch)
    assert "would not be accepted" in refused(make_key(folders[1], usage="emailProtection"), monkeypatch)
    # Another's certificate before the key's own: what a reader is told would be another signer than there is.
    make_key(folders[2])
    wrong = tmp_path / "wrong.pem"
    wrong.write_bytes((folders[2] / "c").read_bytes() + key.read_bytes())
    told = refused(wrong, monkeypatch)
    assert "would not be accepted" in told or "does not sign with" in told


def test_a_signature_that_is_not_at_the_end(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(authenticode.VARIABLE, str(key))
    signer = authenticode.signer(Paths(key.parent))
    assert signer
    data = authenticode.sign(program(), signer, 1)
    assert pe.unsigned(program()) == program()
    for odd in (data + b"12345678", data[:-8]):
        with pytest.raises(InfrastructureError, match="not at its end"):
            pe.unsigned(odd)


# --- tampering ------------------------------------------------------------------------------


def member(said: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for file in said["files"] for one in file.get("members", ()) if one["path"] == f"{TOP}/{name}")


def change(folder: Path, name: str, data: bytes, **more: str) -> None:
    """Another content of a program in the zip, all that vouches for it put right."""
    with zipfile.ZipFile(folder / ZIP) as archive:
        files = {one: File(archive.read(one)) for one in archive.namelist()}
    zips.pack(folder / ZIP, files | {f"{TOP}/{name}": File(data)}, facts(folder)["epoch"])

    def put_right(said: dict[str, Any]) -> None:
        member(said, name).update(size=len(data), sha256=hashlib.sha256(data).hexdigest(), **more)
        enter(folder, said, ZIP)

    forge(folder, put_right)


def test_another_program_beneath_a_signature(signed: Path, key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(authenticode.VARIABLE, str(key))
    signer = authenticode.signer(Paths(key.parent))
    assert signer
    evil = authenticode.sign(program(9), signer, 1)
    change(signed, "colinux.sys", evil)
    beneath = hashlib.sha256(program(9)).hexdigest()
    assert f"colinux.sys: has sha256 {beneath} without its signature" in caught(signed)
    change(signed, "colinux.sys", evil, unsigned=beneath)
    assert "its nt-driver is not the one that manifest.json calls booted" in caught(signed)


@pytest.mark.parametrize(("data", "words"), [
    (program, "is not signed, as manifest.json says"),
    (lambda: b"no program", "is no signed program for Windows: not a Windows executable")])
def test_what_is_not_signed_though_it_should_be(signed: Path, data: Callable[[], bytes], words: str) -> None:
    change(signed, "colinux.sys", data())
    assert f"colinux.sys: {words}" in caught(signed)


FORGED: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "nobody signed": (lambda said: said.pop("certificate"), "is signed, and manifest.json does not say by whom"),
    "no signature in the driver": (lambda said: member(said, "colinux.sys").pop("unsigned"),
                                   "its nt-driver is not the one"),
    "another daemon": (lambda said: member(said, "colinux-daemon.exe").update(unsigned="0" * 64),
                       "colinux-daemon.exe: has sha256"),
    "no certificate's digest": (setting("certificate", to="me"), "certificate: 'me' does not match"),
    "an installer of another kind": (
        lambda said: [file.update(unsigned="0" * 64) for file in said["files"] if file["path"] == SETUP],
        f"{SETUP}: has sha256"),
    "a text that is signed": (
        lambda said: [file.update(unsigned="0" * 64) for file in said["files"] if file["path"] == "README.md"],
        "README.md: is no signed program for Windows"),
}


@pytest.mark.parametrize("case", FORGED)
def test_a_manifest_that_tells_other_things_of_signatures(signed: Path, case: str) -> None:
    alter, words = FORGED[case]
    forge(signed, alter)
    assert words in caught(signed)


def test_no_windows_no_installer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: Path) -> None:
    """A key for Windows does nothing to what is for Linux; makensis is not asked for."""
    monkeypatch.setenv(authenticode.VARIABLE, str(key))
    monkeypatch.setattr(installer, "MAKENSIS", "no-makensis")
    here = project(tmp_path, monkeypatch, windows_toml(WINDOWS.replace(', "first", "second"', "")))
    folder = here.release()
    assert not list(folder.glob("*.exe")) and "makensis" not in facts(folder)["tools"]
    assert "certificate" not in facts(folder) and not (folder / authenticode.CERTIFICATE).exists()
