# SPDX-License-Identifier: GPL-2.0-only
"""Unpacking: every way out of the folder is closed, and a damaged archive leaves nothing behind."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.sources import archive, tree_id, unpack_deb
from pipeline.sources.archive import unpack_archive, unpack_deb_member

COMPRESS = {"": None, "xz": ["xz"], "bz2": ["bzip2"], "gz": ["gzip"], "zst": ["zstd", "-q"]}


def entry(name: str, data: bytes = b"data\n", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data) if fields.get("type", tarfile.REGTYPE) == tarfile.REGTYPE else 0
    info.mode = 0o644
    info.mtime = 1_000_000_000
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def folder(name: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.DIRTYPE, mode=0o755)


def link(name: str, to: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.SYMTYPE, linkname=to)


def hard(name: str, to: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.LNKTYPE, linkname=to)


def tar(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def packed(data: bytes, how: str) -> bytes:
    tool = COMPRESS[how]
    return subprocess.run([*tool, "-c"], input=data, capture_output=True, check=True).stdout if tool else data


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


GOOD = (
    folder("top"),
    entry("top/run", b"#!/bin/sh\n", mode=0o755),
    folder("top/sub"),
    entry("top/sub/file"),
    link("top/link", "sub/file"),
    hard("top/hard", "top/run"),
    link("top/sub/up", "../run"),
    entry("top/long" + "g" * 200),
)


@pytest.mark.parametrize("how", COMPRESS)
def test_a_tarball_of_any_kind(tmp_path: Path, how: str) -> None:
    # Without a telling name, as in the cache.
    archive = put(tmp_path / "blob", packed(tar(*GOOD), how))
    unpack_archive(archive, tmp_path / "out", strip=1)
    out = tmp_path / "out"
    assert (out / "sub/file").read_bytes() == b"data\n" and (out / "sub/up").read_text() == "#!/bin/sh\n"
    assert str((out / "link").readlink()) == "sub/file" and (out / "hard").samefile(out / "run")
    assert stat.S_IMODE((out / "run").stat().st_mode) == 0o755 and (out / "run").stat().st_mtime == 1_000_000_000
    assert (out / "run").stat().st_uid == os.geteuid()
    assert len(list(out.rglob("*"))) == 7
    assert sorted(p.name for p in tmp_path.iterdir()) == ["blob", "out"] and archive.read_bytes()[:2] != b""


def test_strip_takes_dots_for_nothing(tmp_path: Path) -> None:
    members = [folder("./"), folder("./top"), entry("./top/file"), hard("./top/hard", "./top/file")]
    unpack_archive(put(tmp_path / "a", tar(*members)), tmp_path / "out", strip=1)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["file", "hard"]
    unpack_archive(put(tmp_path / "a", tar(*members)), tmp_path / "out", strip=0)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["top"]


def test_the_tree_id_is_checked(tmp_path: Path) -> None:
    archive = put(tmp_path / "a", tar(*GOOD))
    unpack_archive(archive, tmp_path / "one", strip=1)
    unpack_archive(archive, tmp_path / "two", strip=1, tree=tree_id(tmp_path / "one"))
    with pytest.raises(UserError, match="tree id"):
        unpack_archive(archive, tmp_path / "three", strip=1, tree="0" * 40)
    assert not (tmp_path / "three").exists()


ESCAPES: dict[str, tuple[str, tuple[tuple[tarfile.TarInfo, bytes], ...]]] = {
    "absolute": ("/tmp/evil", (entry("/tmp/evil"),)),
    "dotdot": ("top/../../evil", (folder("top"), entry("top/../../evil"))),
    "link out": ("top/link", (folder("top"), link("top/link", "../../etc"))),
    "absolute link": ("top/link", (folder("top"), link("top/link", "/etc/passwd"))),
    "below a link": ("top/link", (folder("top"), link("top/link", "."), entry("top/link/x"))),
    "below a later link": ("top/link", (folder("top"), entry("top/link/x"), link("top/link", "sub"))),
    "hard link out": ("top/hard", (folder("top"), hard("top/hard", "../../etc/passwd"))),
    "absolute hard link": ("top/hard", (folder("top"), hard("top/hard", "/etc/passwd"))),
    "hard link to a link": ("top/hard", (folder("top"), link("top/l", "x"), hard("top/hard", "top/l"))),
    "device": ("top/null", (folder("top"), entry("top/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3))),
    "disk": ("top/sda", (folder("top"), entry("top/sda", type=tarfile.BLKTYPE, devmajor=8))),
    "pipe": ("top/pipe", (folder("top"), entry("top/pipe", type=tarfile.FIFOTYPE))),
    "setuid": ("top/su", (folder("top"), entry("top/su", mode=0o4755))),
    "git folder": ("top/.git/config", (folder("top"), entry("top/.git/config"))),
    "git folder in disguise": ("top/.Git/hooks/x", (folder("top"), entry("top/.Git/hooks/x"))),
    "second top": ("other/x", (folder("top"), entry("top/a"), entry("other/x"))),
    "file as top": ("README", (entry("README"),)),
    "mixed dots": ("./top/x", (folder("top"), entry("./top/x"))),
    "link out of the stripped top": ("top/l", (folder("top"), link("top/l", "../x"))),
}


@pytest.mark.parametrize("case", ESCAPES)
def test_what_leads_out_is_refused_by_name(tmp_path: Path, case: str) -> None:
    member, members = ESCAPES[case]
    out = tmp_path / "out"
    out.mkdir()
    (out / "before").touch()
    with pytest.raises(UserError) as error:
        unpack_archive(put(tmp_path / "a", tar(*members)), out, strip=1, name="evil.tar")
    assert repr(member) in str(error.value) and "evil.tar: refused" in str(error.value)
    # As it was before, and nothing beside it.
    assert [p.name for p in out.iterdir()] == ["before"] and sorted(p.name for p in tmp_path.iterdir()) == ["a", "out"]


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]


# (A flipped bit in a plain tar's contents shows only in the pin: a tar has no checksum of them.)
@pytest.mark.parametrize(("how", "damage"), [("", cut), *((h, d) for h in COMPRESS if h for d in (cut, flip))])
def test_a_damaged_archive_is_called_so(tmp_path: Path, how: str, damage: Callable[[bytes], bytes]) -> None:
    data = tar(*GOOD, entry("top/random", os.urandom(100_000)))
    with pytest.raises(UserError, match=r"truncated|damaged"):
        unpack_archive(put(tmp_path / "a", damage(packed(data, how))), tmp_path / "out", strip=1)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("how", [how for how in COMPRESS if how])
def test_a_decompression_bomb_is_stopped(tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some KB that would be 32 MiB: ended at the allowance, not when the disk is full."""
    monkeypatch.setattr(archive, "BOMB_LEAST", 1 << 20)
    bomb = put(tmp_path / "a", packed(tar(folder("top"), entry("top/zeros", bytes(32 << 20))), how))
    assert bomb.stat().st_size * archive.BOMB_RATIO < 32 << 20
    with pytest.raises(UserError, match=rf"bomb.tar: refused: {bomb.stat().st_size} bytes that unpack to more than"):
        unpack_archive(bomb, tmp_path / "out", strip=1, name="bomb.tar")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_what_packs_well_is_no_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "BOMB_LEAST", 1 << 20)
    text = b"".join(b"%d\n" % n for n in range(1_000_000))
    unpack_archive(put(tmp_path / "a", packed(tar(folder("top"), entry("top/text", text)), "xz")), tmp_path / "out", strip=1)
    assert (tmp_path / "out/text").read_bytes() == text


def test_a_file_of_holes_is_a_bomb_too(tmp_path: Path) -> None:
    """GNU tar's sparse members: a few bytes in the archive, eight exabytes on the disk, for whoever hashes them."""
    hole = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "top/hole",
            "GNU.sparse.realsize": str(8 << 60)}
    members = [folder("top"), entry("top/hole", b"0\n".ljust(512, b"\0"), pax_headers=hole)]
    with pytest.raises(UserError, match=r"'top/hole' has holes: it would unpack to 9223372036854775808 bytes"):
        unpack_archive(put(tmp_path / "a", tar(*members)), tmp_path / "out", strip=1)
    assert not (tmp_path / "out").exists()


def test_a_tar_cut_between_members_is_truncated(tmp_path: Path) -> None:
    """Python's reader takes it for a whole one."""
    data = tar(folder("top"), entry("top/a"), entry("top/b"))
    with pytest.raises(UserError, match=r"truncated.*top/a"):
        unpack_archive(put(tmp_path / "a", data[: 512 + 1024]), tmp_path / "out", strip=1)


@pytest.mark.parametrize("data", [b"", b"<html>not found</html>", bytes(10240)])
def test_what_is_no_archive(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UserError, match=r"damaged|empty|truncated"):
        unpack_archive(put(tmp_path / "a", data), tmp_path / "out")
    assert not (tmp_path / "out").exists()


# --- Debian packages --------------------------------------------------------------------


def deb(*members: tuple[tarfile.TarInfo, bytes], how: str = "xz") -> bytes:
    parts = [
        ("debian-binary", b"2.0\n"),
        ("control.tar", tar(entry("./control", b"Package: x\n"))),
        (f"data.tar.{how}" if how else "data.tar", packed(tar(*members), how)),
    ]
    out = b"!<arch>\n"
    for name, data in parts:
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
    return out


SYSTEM = (
    folder("./"),
    folder("./usr"),
    folder("./usr/bin"),
    entry("./usr/bin/su", mode=0o4755),
    folder("./lib"),
    link("./lib/build", "/usr/src/x"),
)


@pytest.mark.parametrize("how", ["xz", "zst", "gz", ""])
def test_a_package_is_laid_into_a_folder(tmp_path: Path, how: str) -> None:
    package = put(tmp_path / "x.deb", deb(*SYSTEM, how=how))
    unpack_deb(package, tmp_path / "root")
    unpack_deb(put(tmp_path / "y.deb", deb(folder("./"), folder("./usr"), entry("./usr/two"))), tmp_path / "root")
    root = tmp_path / "root"
    assert stat.S_IMODE((root / "usr/bin/su").stat().st_mode) == 0o4755 and (root / "usr/two").is_file()
    assert str((root / "lib/build").readlink()) == "/usr/src/x"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["root", "x.deb", "y.deb"]


def test_dpkg_agrees(tmp_path: Path) -> None:
    """Our hand-made package is one to Debian's own tool."""
    package = put(tmp_path / "x.deb", deb(*SYSTEM))
    unpack_deb(package, tmp_path / "ours")
    subprocess.run(["dpkg-deb", "-x", package, tmp_path / "theirs"], check=True)
    assert tree_id(tmp_path / "ours") == tree_id(tmp_path / "theirs")


def test_packages_can_follow_the_links_of_a_merged_usr(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "usr/lib").mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    unpack_deb(put(tmp_path / "x.deb", deb(folder("./"), folder("./lib"), entry("./lib/a.so"))), root)
    assert (root / "lib").is_symlink() and (root / "usr/lib/a.so").is_file()


@pytest.mark.parametrize("to", ["absolute", "..", "../../etc"])
def test_one_package_cannot_lead_the_next_one_out(tmp_path: Path, to: str) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "lib").symlink_to(outside if to == "absolute" else to)
    with pytest.raises(UserError, match="leads out"):
        unpack_deb(put(tmp_path / "x.deb", deb(folder("./"), entry("./lib/colinux-evil"))), root)
    assert not list(tmp_path.rglob("colinux-evil"))


@pytest.mark.parametrize("member", [link("./l", "../../etc"), entry("./../x"), entry("./null", type=tarfile.CHRTYPE)])
def test_a_package_may_not_lead_out_either(tmp_path: Path, member: tuple[tarfile.TarInfo, bytes]) -> None:
    with pytest.raises(UserError, match="refused"):
        unpack_deb(put(tmp_path / "x.deb", deb(folder("./"), member)), tmp_path / "root")
    assert not any((tmp_path / "root").iterdir())


@pytest.mark.parametrize("size", [0, 4, 30, 300, 600])
def test_a_cut_package_is_called_so(tmp_path: Path, size: int) -> None:
    whole = deb(*SYSTEM)
    with pytest.raises(UserError, match=r"damaged|truncated|not a Debian package"):
        unpack_deb(put(tmp_path / "x.deb", whole[:size]), tmp_path / "root")


def test_the_tarball_inside_a_package(tmp_path: Path) -> None:
    inner = packed(tar(*GOOD), "xz")
    package = put(tmp_path / "x.deb", deb(folder("./"), folder("./usr"), entry("./usr/linux.tar.xz", inner)))
    unpack_deb_member(package, "usr/linux.tar.xz", tmp_path / "out")
    assert (tmp_path / "out/sub/file").is_file()
    with pytest.raises(UserError, match=r"no file usr/linux-6\.tar.*it has usr/linux\.tar\.xz"):
        unpack_deb_member(package, "usr/linux-6.tar", tmp_path / "other")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "x.deb"]


def test_many_members_do_not_take_for_ever(tmp_path: Path) -> None:
    """A kernel has 80,000 files: the check of that many may cost some seconds (CPU, ours; tar's own is apart)."""
    members = [folder("top")] + [entry(f"top/{n % 50}/{n}", b"") for n in range(8000)]
    archive = put(tmp_path / "a", tar(*members))
    began = time.process_time()
    unpack_archive(archive, tmp_path / "out", strip=1)
    assert time.process_time() - began < 4
