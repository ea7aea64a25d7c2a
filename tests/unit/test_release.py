# SPDX-License-Identifier: GPL-2.0-only
"""A release is of a commit, of files that were booted, and comes out the same every time."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import daemon_kit
import pytest
import zstandard
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from debian_kit import Key, have_gpg, key
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from release_kit import ROOT, TIME, Project, facts, git, plain, project

from pipeline import commands, tasks, windowsdaemon
from pipeline.declaration import load
from pipeline.errors import BuildFailed, UserError
from pipeline.paths import Paths
from pipeline.release import archive, evidence, licences, make, provenance, rebuild, signing
from pipeline.release import machine as machines
from pipeline.release import notes as release_notes
from pipeline.release.archive import File
from pipeline.release.verify import verify
from pipeline.sources.receipt import receipt_path
from runtime.launcher import artifacts


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return project(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def signer() -> Iterator[Key]:
    if not have_gpg():
        pytest.skip("gpg is not installed")
    with key("releaser") as made:
        yield made


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(project: Project, *, unbooted: bool = False) -> str:
    """The words with which a release is refused; nothing of it may be left."""
    with pytest.raises(UserError) as error:
        project.release(unbooted=unbooted)
    assert not project.paths.dist.exists() or not any(project.paths.dist.iterdir())
    return str(error.value)


# --- what is in it --------------------------------------------------------------------------


def test_what_a_release_is(here: Project) -> None:
    found = content(here.release())
    assert set(found) == {
        "colinux-0.8.0-small.tar.zst", "colinux-0.8.0-disk.tar.zst", "colinux-0.8.0-debug.tar.zst",
        "colinux-0.8.0-source.tar.zst", "evidence/small/result.json", "evidence/small/guest-console.log",
        "evidence/disk/result.json", "evidence/disk/guest-console.log", "licences/GPL-2.0.txt", "licences/LGPL-2.1.txt",
        "licences/busybox-static.copyright", "licences/musl.copyright", "licences/glibc-x86_64.copyright", "README.md",
        "SUPPORT.md", "colinux.toml", "colinux.lock", "manifest.json", "NOTES.md", "SOURCES.md", "sbom.cdx.json",
        "provenance.intoto.json", "SHA256SUMS",
    }
    sums = dict(reversed(line.split("  ")) for line in found.pop("SHA256SUMS").decode().splitlines())
    assert sums == {path: hashlib.sha256(data).hexdigest() for path, data in found.items()}
    assert found["evidence/small/result.json"] == (here.paths.boot("small") / "result.json").read_bytes()
    assert found["licences/busybox-static.copyright"] == b"terms of busybox-static\n"
    # sha256sum, gpgv's companion, reads it as well.
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=here.folder, check=True)


def test_a_machines_archive_is_ready_to_run(here: Project, tmp_path: Path) -> None:
    here.release()
    subprocess.run(["tar", "--zstd", "-xf", here.folder / "colinux-0.8.0-disk.tar.zst", "-C", tmp_path], check=True)
    top = tmp_path / "colinux-0.8.0-disk"
    for name, role in {"vmlinux": "kernel", "colinux.ko": "driver", "colinux-daemon": "daemon",
                       "busybox.cpio.gz": "initramfs", "disk.ext4": "disk:disk"}.items():
        assert (top / name).read_bytes() == here.built(role, "disk").read_bytes()
    assert os.access(top / "colinux-daemon", os.X_OK) and not os.access(top / "vmlinux", os.X_OK)
    words = [line for line in (top / "colinux.conf").read_text().splitlines() if not line.startswith("#")]
    assert words == ["kernel=vmlinux", "mem=64", "initrd=busybox.cpio.gz", "cobd0=disk.ext4,ro", "root=/dev/vda ro"]
    assert "truncate -s 8M disk1.img" in (top / "colinux.conf").read_text()
    readme = (top / "README").read_text()
    assert "insmod colinux.ko" in readme and "Linux 6.1.0-1-amd64" in readme and "not isolation" in readme
    for command in machines.INSTALL.splitlines():
        assert "    " + command in readme.splitlines()


def test_the_unit_starts_what_the_readme_installs(tmp_path: Path) -> None:
    """Its command line is one that the daemon takes; what it names is installed; systemd finds nothing wrong with it."""
    unit = machines.UNIT.read_text()
    said = dict(line.split("=", 1) for line in unit.splitlines() if "=" in line and not line.startswith("#"))
    program, *words = said["ExecStart"].replace("%i", "home").split()
    assert program == "/usr/local/sbin/colinux-daemon" and f" {Path(program).name} " in machines.INSTALL
    assert words[-1] == "@/etc/colinux/home.conf" and " /etc/colinux/home.conf" in machines.INSTALL
    assert said["WorkingDirectory"] == "/etc/colinux" and f"install -m 644 {machines.UNIT.name} " in machines.INSTALL
    (tmp_path / "vmlinux").write_bytes(daemon_kit.kernel())
    (tmp_path / "home.conf").write_text("kernel=vmlinux\n")
    done = daemon_kit.check(tmp_path, "--check", *words[:-1], "@home.conf")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed: what systemd says to the unit was not asked")
    folder = tmp_path / "etc/systemd/system"
    folder.mkdir(parents=True)
    for target in ("sysinit", "basic", "shutdown", "network", "multi-user"):
        (folder / f"{target}.target").write_text("[Unit]\nDescription=what it stands on\n")
    for one in (program, said["ExecStartPre"].split()[0]):
        (tmp_path / one[1:]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / one[1:]).write_text("#!/bin/sh\n")
        (tmp_path / one[1:]).chmod(0o755)
    (folder / "colinux@home.service").write_text(unit)
    analyzed = subprocess.run(["systemd-analyze", f"--root={tmp_path}", "--man=no", "verify", "colinux@home.service"],
                              capture_output=True, text=True, check=False)
    assert analyzed.returncode == 0 and not analyzed.stderr, analyzed.stderr


def test_the_daemon_understands_the_configuration(here: Project, tmp_path: Path) -> None:
    """The real one, of this checkout, with a kernel that it takes for one of ours."""
    here.built("kernel").write_bytes(daemon_kit.kernel())
    folder = tmp_path / "run"
    folder.mkdir()
    package = machines.package(here.decl.machines["disk"], here.decl, here.paths)
    for path, file in package.files.items():
        data = file.content if isinstance(file.content, bytes) else file.content.read_bytes()
        (folder / path.split("/", 1)[1]).write_bytes(data)
    done = daemon_kit.check(folder, "--check", "@colinux.conf")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert "command line: console=hvc0 root=/dev/vda ro\n" in done.stdout


def test_the_source_is_the_commit(here: Project, tmp_path: Path) -> None:
    (here.root / "run").write_text("#!/bin/sh\n")
    (here.root / "run").chmod(0o755)
    here.commit()
    here.release()
    subprocess.run(["tar", "--zstd", "-xf", here.folder / "colinux-0.8.0-source.tar.zst", "-C", tmp_path], check=True)
    top = tmp_path / "colinux-0.8.0-source"
    names = git(here.root, "ls-tree", "-r", "--name-only", "HEAD").splitlines()
    assert {p.relative_to(top).as_posix() for p in top.rglob("*") if p.is_file()} == set(names)
    assert all((top / name).read_bytes() == (here.root / name).read_bytes() for name in names)
    assert os.access(top / "run", os.X_OK) and not os.access(top / "LICENSE", os.X_OK)


def test_debug_information_is_apart(here: Project, tmp_path: Path) -> None:
    """A kernel that was built with some has it in make's folder; what is booted has none."""
    folder = here.paths.kernel("6.1-x86_64")
    source = tmp_path / "x.c"
    source.write_text("int line_five(void) { return 5; }\nint main(void) { return line_five(); }\n")
    (folder / "obj").mkdir()
    subprocess.run(["gcc", "-g", "-o", folder / "obj/vmlinux", source], check=True)
    here.release()
    assert b"vmlinux.debug" not in plain(here.folder, "colinux-0.8.0-debug.tar.zst")
    (folder / "config").write_text("CONFIG_64BIT=y\nCONFIG_DEBUG_INFO=y\n")
    here.release()
    subprocess.run(["tar", "--zstd", "-xf", here.folder / "colinux-0.8.0-debug.tar.zst", "-C", tmp_path], check=True)
    top = tmp_path / "colinux-0.8.0-debug/kernel/6.1-x86_64"
    assert (top / "System.map").is_file() and (top / "config").is_file()
    sections = subprocess.run(["readelf", "-SW", top / "vmlinux.debug"], check=True, capture_output=True, text=True).stdout
    assert ".debug_info" in sections and "NOBITS" in sections
    (folder / "obj/vmlinux").unlink()
    with pytest.raises(UserError, match="debug information"):
        here.release()


def test_the_manifest_names_what_went_in(here: Project) -> None:
    said = facts(here.release())
    assert (said["commit"], said["epoch"]) == (git(here.root, "rev-parse", "HEAD"), TIME)
    assert said["lock"] == here.ctx.lock.digest() and said["unbooted"] is False and said["signer"] is None
    kernel = said["kernels"]["6.1-x86_64"]
    for what, path in {"fragments": "patches/linux-6.1/config/base.config",
                       "patches": "patches/linux-6.1/0001-one.patch"}.items():
        assert kernel[what] == [{"path": path, "sha256": hashlib.sha256((here.root / path).read_bytes()).hexdigest()}]
    assert kernel["overlay"]["arch/x86/colinux/guest.c"]["path"] == "patches/guest/arch/x86/colinux/guest.c"
    assert kernel["options"] == {"DEBUG_FS": "y"} and kernel["compiler"] == "gcc 12"
    assert set(said["inputs"]) == {"source:linux", "source:linux-git", "source:musl", "host:debian", "rootfs:busybox",
                                   "rootfs:disk"}
    assert said["inputs"]["source:linux-git"][0]["commit"] == "1" * 40
    boot = said["machines"]["small"]["boot"]
    assert boot["verdict"] == "pass" and boot["checks"] == {"pass": 1, "fail": 0, "skip": 0}
    assert set(said["machines"]["small"]["booted"]) == set(artifacts.find("small", here.decl, here.paths).files)
    assert "gcc" in said["tools"] and "zstd" in said["tools"]


def test_the_offer_of_source_names_every_pin(here: Project) -> None:
    here.release()
    offer = (here.folder / "SOURCES.md").read_text()
    for text in ("https://example.org/linux-6.1.tar.xz", hashlib.sha256(b"linux").hexdigest(), "1" * 40, "2" * 40,
                 "pool/busybox-static.deb", "1:2.3-4+b1", git(here.root, "rev-parse", "HEAD"), "three years",
                 "0001-one.patch", "base.config", "guest.c"):
        assert text in offer, text


def test_notes_tell_verdicts_and_changes(here: Project) -> None:
    notes = (here.release() / "NOTES.md").read_text()
    assert "| small | Linux 6.1.1-colinux | debian 6.1.0-1-amd64 | pass | 2.5 s (tcg) | 1 pass |" in notes
    assert "since the beginning" in notes and "- the beginning (" in notes and "not isolation" in notes
    told = facts(here.folder)
    told["machines"]["small"]["boot"]["guest"] = "6.1|x"    # it calls itself what it likes: the table keeps its columns
    assert "| Linux 6.1\\|x | debian" in release_notes.text(told)
    git(here.root, "tag", "v0.7")
    for change in ("one thing", "another thing"):
        (here.root / "README.md").write_text(change)
        here.commit(change)
    git(here.root, "tag", "v0.8.0")  # the release's own tag is not "the last one"
    notes = (here.release() / "NOTES.md").read_text()
    changes = notes[notes.index("## Changes since v0.7"):]
    assert changes.index("- another thing (") < changes.index("- one thing (") and "the beginning" not in changes


def test_two_machines_at_once_lie_apart(here: Project) -> None:
    text = (here.root / "colinux.toml").read_text().replace(
        "[release]", '[machine.both]\nextends = "small"\ntitle = "both"\nbeside = "disk"\n\n[release]')
    (here.root / "colinux.toml").write_text(text)
    decl = load(here.root / "colinux.toml")
    package = machines.package(decl.machines["both"], decl, here.paths)
    top = "colinux-0.8.0-both"
    assert {part.path: part.role for part in package.parts}[f"{top}/beside/disk.ext4"] == "beside:disk:disk"
    assert b"cobd0=disk.ext4,ro" in package.files[f"{top}/beside/colinux.conf"].content  # type: ignore[operator]
    assert "beside/" in package.files[f"{top}/README"].content.decode()  # type: ignore[union-attr]


def test_the_real_declaration_can_be_released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every machine of colinux.toml has a configuration that names only files of its own archive."""
    decl = load(ROOT / "colinux.toml")
    paths = Paths(tmp_path)
    (tmp_path / "LICENSE").touch()
    for machine in decl.machines.values():
        nt = windowsdaemon.outputs(machine.nt, paths) if machine.nt else ()
        for path in (*artifacts.find(machine.name, decl, paths).files.values(), *nt):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        package = machines.package(machine, decl, paths)
        for path, file in package.files.items():
            if path.endswith("colinux.conf"):
                assert isinstance(file.content, bytes)
                lines = [line for line in file.content.decode().splitlines() if line[:4] in ("kern", "init", "cobd")]
                named = [line.split("=")[1].split(",")[0] for line in lines]
                assert named and all(f"{path.removesuffix('colinux.conf')}{name}" in package.files for name in named), path


# --- the same every time --------------------------------------------------------------------


def test_made_twice_it_is_the_same_to_the_byte(here: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    first = content(here.release())
    for path in here.paths.build.rglob("*"):
        os.utime(path, (1, 1))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    before = os.umask(0o077)
    try:
        second = content(here.release())
    finally:
        os.umask(before)
    assert second == first
    assert {path.stat().st_mode & 0o777 for path in here.folder.rglob("*") if path.is_file()} == {0o644}


def test_made_elsewhere_it_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = content(project(tmp_path / "one", monkeypatch).release())
    two = content(project(tmp_path / "two/with a longer name", monkeypatch).release())
    assert one == two


def test_an_archive_has_one_owner_one_time_and_an_order(tmp_path: Path) -> None:
    files = {"b/z": File(b"z"), "a": File(b"a" * 5000, 0o755), "b/c/d": File(b""), "long/" + "n" * 300: File(b"x")}
    members = archive.pack(tmp_path / "a.zst", files, TIME)
    with tarfile.open(fileobj=io.BytesIO(plain(tmp_path, "a.zst"))) as tar:
        seen = tar.getmembers()
    assert [one.name for one in seen] == ["a", "b", "b/c", "b/c/d", "b/z", "long", "long/" + "n" * 300]
    assert {(one.uid, one.gid, one.uname, one.gname, one.mtime) for one in seen} == {(0, 0, "", "", TIME)}
    assert [one.mode for one in seen] == [0o755, 0o755, 0o755, 0o644, 0o644, 0o755, 0o644]
    assert [(one.path, one.size) for one in members] == [("a", 5000), ("b/c/d", 0), ("b/z", 1), ("long/" + "n" * 300, 1)]
    archive.pack(tmp_path / "again.zst", dict(reversed(files.items())), TIME)
    assert (tmp_path / "again.zst").read_bytes() == (tmp_path / "a.zst").read_bytes()
    frame = zstandard.get_frame_parameters((tmp_path / "a.zst").read_bytes())
    assert frame.has_checksum


def test_a_file_that_shrinks_while_it_is_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Shrinking(io.BytesIO):
        def seek(self, where: int, whence: int = 0) -> int:
            return super().seek(where, whence) + (4 if whence == 2 else 0)

    monkeypatch.setattr(archive, "opened", lambda _: Shrinking(b"0123456789"))
    with pytest.raises(OSError, match="became shorter"):
        archive.pack(tmp_path / "a.zst", {"a": File(tmp_path / "source")}, TIME)


# --- built again ----------------------------------------------------------------------------


def test_built_again_it_is_held_against_the_release(here: Project, capsys: pytest.CaptureFixture[str]) -> None:
    report = verify(here.release())
    commands.verify_places(tasks.Project(here.decl, here.paths), "", True, [str(here.folder)])
    files = {path for name in ("small", "disk") for path in artifacts.find(name, here.decl, here.paths).files.values()}
    assert f"built here it is the same: {len(files)} files" in capsys.readouterr().out
    here.built("kernel").write_bytes(b"another compiler")
    here.built("disk:disk", "disk").write_bytes(b"another mke2fs")
    with pytest.raises(BuildFailed) as error:
        rebuild.compare(report, here.decl, here.ctx.lock, here.paths)
    told = str(error.value)
    assert all(f"{what} has sha256" in told for what in ("small: kernel", "disk: kernel", "disk: disk:disk"))
    assert "driver" not in told and hashlib.sha256(b"another compiler").hexdigest() in told


def test_only_the_same_commit_can_be_compared(here: Project) -> None:
    report = verify(here.release())
    with pytest.raises(UserError, match="another colinux.lock"):
        rebuild.compare(report, here.decl, here.ctx.lock.only(()), here.paths)
    (here.root / "README.md").write_text("later\n")
    here.commit()
    with pytest.raises(UserError, match=f"git checkout {report.commit}"):
        rebuild.compare(report, here.decl, here.ctx.lock, here.paths)


# --- what is refused ------------------------------------------------------------------------


def test_all_machines_that_were_not_booted_well_are_named_at_once(here: Project) -> None:
    (here.paths.boot("small") / "result.json").unlink()
    here.boot("disk", verdict="hang")
    told = refused(here)
    assert "small: it was not booted: there is no build/boot/small/result.json" in told
    assert "disk: its verdict is hang, not pass" in told
    assert "hint: ./doit boot:small && ./doit boot:disk" in told and "--allow-unbooted" in told


@pytest.mark.parametrize("role", ["kernel", "driver", "daemon", "initramfs", "agent", "check", "host-kernel"])
def test_a_boot_of_another_file_is_stale(here: Project, role: str) -> None:
    here.built(role).write_bytes(b"built anew")
    assert f"small: it was booted with another {role} than the one built now" in refused(here)


STALE = {
    "of another lock": ({"inputs": {"lock": "0" * 64}}, "colinux.lock was another one (000000000000)"),
    "of another machine": ({"machine": "disk"}, "its evidence is of another machine, disk"),
    "of nothing": ({"artifacts": []}, "it was booted without a kernel"),
    "of strange things": ({"artifacts": [1, {"role": "kernel"}], "inputs": 7}, "it was booted with another kernel"),
    "check-failed": ({"verdict": "check-failed"}, "its verdict is check-failed"),
    "no verdict": ({"verdict": None}, "its verdict is None"),
}


@pytest.mark.parametrize("case", STALE)
def test_evidence_that_does_not_hold(here: Project, case: str) -> None:
    changes, words = STALE[case]
    here.boot("small", **changes)  # type: ignore[arg-type]
    told = refused(here)
    assert f"small: {words}" in told or words in told
    assert "hint: ./doit boot:small " in told


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_evidence_that_cannot_be_read(here: Project, text: str) -> None:
    (here.paths.boot("small") / "result.json").write_text(text)
    assert "small: its evidence cannot be read" in refused(here)


ODD = {
    "unreadable": ("{", None),
    "no number": ('{"boot_seconds": NaN}', {"verdict": "None", "boot_seconds": None}),
    "half a character": ('{"verdict": "\\ud800", "machine": "\\udfff", "tools": {"\\ud800": 1}, "boot_seconds": 2}',
                         {"verdict": "?", "tools": {"?": "1"}, "boot_seconds": 2}),
}


@pytest.mark.parametrize("case", ODD)
def test_allowed_evidence_of_any_kind_makes_a_release_that_is_whole(here: Project, case: str) -> None:
    text, wanted = ODD[case]
    (here.paths.boot("small") / "result.json").write_text(text)
    folder = here.release(unbooted=True)
    assert "small: " in str(verify(folder))
    boot = facts(folder)["machines"]["small"]["boot"]
    assert boot is None if wanted is None else {key: boot[key] for key in wanted} == wanted


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1, 10**400, True, "long", None, [1]])
def test_what_is_no_time_is_told_as_none(seconds: object) -> None:
    summary = evidence.summary({"boot_seconds": seconds, "checks": 7, "tools": [], "warnings": {}})
    assert summary is not None and summary["boot_seconds"] is None


def test_allow_unbooted_is_the_only_way_around_and_is_told(here: Project) -> None:
    (here.paths.boot("small") / "result.json").unlink()
    here.built("kernel", "disk").write_bytes(b"built anew")
    folder = here.release(unbooted=True)
    said = facts(folder)
    assert said["unbooted"] is True and said["machines"]["small"]["boot"] is None
    assert said["machines"]["small"]["problems"] and said["machines"]["disk"]["problems"]
    notes = (folder / "NOTES.md").read_text()
    assert "Made with --allow-unbooted" in notes and "| small | | debian | **not booted** | | |" in notes
    assert "disk: it was booted with another kernel than the one built now" in notes
    assert "**pass, not of these files**" in notes
    statement = json.loads((folder / "provenance.intoto.json").read_text())
    parameters = statement["predicate"]["buildDefinition"]["externalParameters"]
    assert parameters["command"] == "./doit release --allow-unbooted"
    told = str(verify(folder))
    assert "made with --allow-unbooted" in told and "small: it was not booted" in told


def test_allowed_though_not_needed_is_told_as_well(here: Project) -> None:
    folder = here.release(unbooted=True)
    assert "Yet every machine booted well" in (folder / "NOTES.md").read_text()
    assert "yet every machine booted well" in str(verify(folder))


@pytest.mark.parametrize("change", ["edited", "staged", "untracked", "deleted", "renamed"])
def test_a_release_is_of_a_commit_and_of_nothing_else(here: Project, change: str) -> None:
    path = here.root / "SUPPORT.md"
    if change in ("edited", "staged"):
        path.write_text("edited\n")
    if change == "staged":
        git(here.root, "add", "SUPPORT.md")
    elif change == "untracked":
        (here.root / "patches/guest/new file.c").write_text("x")
    elif change == "deleted":
        path.unlink()
    elif change == "renamed":
        git(here.root, "mv", "SUPPORT.md", "OTHER.md")
    told = refused(here, unbooted=True)
    wanted = {"untracked": "patches/guest/new file.c", "renamed": "OTHER.md"}.get(change, "SUPPORT.md")
    assert f"not committed: {wanted}" in told and "commit the change" in told


def test_a_persons_git_settings_hide_nothing(here: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    home = here.root.parent / "home"
    home.mkdir()
    (home / "ignore").write_text("*.c\n")
    (home / ".gitconfig").write_text(f"[core]\n\texcludesFile = {home / 'ignore'}\n[status]\n\tshowUntrackedFiles = no\n")
    monkeypatch.setenv("HOME", str(home))
    (here.root / "patches/guest/new.c").write_text("x")
    assert "not committed: patches/guest/new.c" in refused(here)


def test_without_a_commit_there_is_none(here: Project) -> None:
    (here.root / ".git").rename(here.root.parent / "git")
    assert "no git checkout" in refused(here)
    git(here.root, "init", "-q", "-b", "main")
    assert "a release needs a commit" in refused(here)


def test_a_shallow_clone_cannot_tell_what_changed(here: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (here.root / "README.md").write_text("second\n")
    here.commit("second")
    (here.root / ".git/shallow").write_text(git(here.root, "rev-parse", "HEAD") + "\n")
    assert "git fetch --unshallow --tags" in refused(here)


def test_a_link_in_the_checkout_is_refused(here: Project) -> None:
    (here.root / "link").symlink_to("LICENSE")
    here.commit("a link")
    assert "link is a link or a submodule" in refused(here)


def test_what_is_not_built_is_named(here: Project) -> None:
    here.built("driver").unlink()
    assert "not built: build/driver/debian/colinux.ko" in refused(here, unbooted=True)


def test_a_substitute_for_a_dropped_package_is_no_release(here: Project) -> None:
    locked = here.ctx.lock.group("rootfs:busybox")
    path = receipt_path("rootfs:busybox", here.paths)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"locked": [locked[0].sha256], "blobs": [{**vars(locked[0])}], "warning": "a later one"}))
    assert "rootfs:busybox is not what colinux.lock has: a later one" in refused(here, unbooted=True)


def test_a_package_without_terms_cannot_be_given_away(tmp_path: Path) -> None:
    from release_kit import deb

    (tmp_path / "x.deb").write_bytes(deb("other"))
    with pytest.raises(UserError, match="x has no copyright file"):
        licences.copyright_of(tmp_path / "x.deb", "x")


def test_a_release_that_breaks_off_leaves_the_one_before(here: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(here.release())

    def fail(*_: object) -> str:
        raise UserError("no more")

    monkeypatch.setattr(make.sbom, "text", fail)
    with pytest.raises(UserError, match="no more"):
        here.release()
    assert content(here.folder) == before
    assert [path.name for path in here.paths.dist.iterdir()] == [here.folder.name]


# --- published schemas ----------------------------------------------------------------------


def test_the_sbom_is_cyclonedx(here: Project) -> None:
    text = (here.release() / "sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bom = json.loads(text)
    components = {one["bom-ref"]: one for one in bom["components"]}
    package = components["input:rootfs:busybox/busybox-static:amd64"]
    assert package["purl"] == "pkg:deb/debian/busybox-static@1:2.3-4%2Bb1?arch=amd64"
    assert components["input:source:linux/linux"]["purl"].startswith("pkg:generic/linux@6.1?checksum=sha256:")
    depends = {one["ref"]: set(one.get("dependsOn", ())) for one in bom["dependencies"]}
    assert "file:colinux-0.8.0-small.tar.zst" in depends["release"]
    kernel = "artifact:" + hashlib.sha256(here.built("kernel").read_bytes()).hexdigest()
    assert kernel in depends["file:colinux-0.8.0-small.tar.zst"]
    assert depends[kernel] == {"input:source:linux/linux", "input:source:linux-git/linux-git"}
    disk = "artifact:" + hashlib.sha256(here.built("disk:disk", "disk").read_bytes()).hexdigest()
    assert depends[disk] == {"input:rootfs:disk/busybox-static:amd64"}


def test_the_provenance_is_in_totos_and_slsas(here: Project) -> None:
    """The published protocol buffers: unknown fields and wrong types do not parse."""
    text = (here.release() / "provenance.intoto.json").read_text()
    statement = json_format.Parse(text, statement_pb2.Statement())
    Statement.copy_from_pb(statement).validate()
    value = json.loads(text)
    predicate = json_format.ParseDict(value["predicate"], provenance_pb2.Provenance())
    assert predicate.build_definition.build_type and predicate.run_details.builder.id
    assert value["predicateType"] == "https://slsa.dev/provenance/v1" and provenance.faults(value) == []
    assert "L1" in value["predicate"]["buildDefinition"]["internalParameters"]["level"]
    # The published form is stricter than "some JSON": an invented field does not pass it, nor our own check.
    value["predicate"]["runDetails"]["level"] = 3
    with pytest.raises(json_format.ParseError):
        json_format.ParseDict(value["predicate"], provenance_pb2.Provenance())
    assert provenance.faults(value) == ["predicate.runDetails.level is not known"]


# --- signatures -----------------------------------------------------------------------------


def test_a_signed_release_is_the_same_every_time(here: Project, signer: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GNUPGHOME", str(signer.home))
    monkeypatch.setenv(signing.VARIABLE, "releaser@example.org")
    first = content(here.release())
    assert facts(here.folder)["signer"] == signer.fingerprint and signer.fingerprint in first["NOTES.md"].decode()
    assert {"SHA256SUMS.sig", "signing-key.asc"} <= set(first)
    assert content(here.release()) == first
    # Without us: gpgv alone accepts it.
    subprocess.run(["gpgv", "--keyring", signer.ring, "SHA256SUMS.sig", "SHA256SUMS"], cwd=here.folder, check=True,
                   capture_output=True)
    report = verify(here.folder, signer.ring)
    assert report.signer == signer.fingerprint and report.trusted and f"signed by {signer.fingerprint}" in str(report)
    assert "--key would prove it" in str(verify(here.folder))


def test_a_key_that_cannot_sign_is_told_before_anything_is_made(
    here: Project, signer: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GNUPGHOME", str(signer.home))
    monkeypatch.setenv(signing.VARIABLE, "nobody@example.org")
    told = refused(here)
    assert 'COLINUX_SIGN_KEY: gpg has not one secret key "nobody@example.org": none' in told


def test_an_expired_key_signs_no_release(here: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    if not have_gpg():
        pytest.skip("gpg is not installed")
    with key("retired", expires="seconds=86400", made="20231114T000000") as old:  # good at the commit's time
        monkeypatch.setenv("GNUPGHOME", str(old.home))
        monkeypatch.setenv(signing.VARIABLE, old.fingerprint)
        assert "would not be accepted: the signature is by a key that has expired" in refused(here)
