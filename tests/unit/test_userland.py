# SPDX-License-Identifier: GPL-2.0-only
"""Programs of our own for old guests: what is asked of the C library's package and of busybox's configuration."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline import libc, sources, userland
from pipeline.declaration.model import Userland
from pipeline.errors import BuildFailed, UserError
from pipeline.lock import Blob, Lock
from pipeline.paths import Paths
from pipeline.sources.mirror import Mirrors

ROOT = Path(__file__).resolve().parents[2]
ONE = Userland("x86_64", "musl", "busybox")

# It knows as many options as the fragment below names, and drops what it does not know.
MAKEFILE = """\
allnoconfig:
\t@echo '# CONFIG_ASH is not set' > $(O)/.config; echo '# CONFIG_LS is not set' >> $(O)/.config
oldconfig:
\t@read answer; grep -E 'CONFIG_(ASH|LS)[ =]' $(O)/.config > $(O)/.new; mv $(O)/.new $(O)/.config
busybox:
\t@test ! -e $(CURDIR)/broken || { echo 'broken.c:1:2: error: it is broken'; exit 1; }
\t@printf 'const char word[] = "%s %s"; int main(void) { return 0; }' "$$SOURCE_DATE_EPOCH" '$(O)' > $(O)/b.c
\t@gcc -static -o $(O)/busybox $(O)/b.c
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A checkout with a busybox of a few lines and a fragment that wants two applets of it."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "Makefile").write_text(MAKEFILE)
    fragment = tmp_path / "busybox.config"
    fragment.write_text("# what it can do\nCONFIG_ASH=y\nCONFIG_LS=y\n")
    monkeypatch.setattr(userland, "CONFIG", fragment)
    monkeypatch.setattr(libc, "flags", lambda arch, paths: ("-static",))
    return Paths(tmp_path)


def compile_it(paths: Paths) -> Path:
    userland.compile_tree("x86_64", paths.root / "tree", paths.root / "obj", 1_600_000_000, paths)
    return userland.program("x86_64", paths)


class TestBusybox:
    def test_the_program_is_kept_with_its_configuration(self, place: Paths) -> None:
        program = compile_it(place)
        assert b"1600000000" in program.read_bytes() and b".symtab" not in program.read_bytes()
        assert (program.parent / "config").read_text() == "CONFIG_ASH=y\nCONFIG_LS=y\n"

    def test_an_option_that_is_lost_is_named_with_its_line(self, place: Paths) -> None:
        userland.CONFIG.write_text("CONFIG_ASH=y\nCONFIG_SL=y\n")
        with pytest.raises(UserError, match=r"busybox\.config:2: CONFIG_SL=y, busybox has n") as caught:
            compile_it(place)
        assert "1 requested options" in str(caught.value)
        assert not userland.program("x86_64", place).exists()

    def test_the_compilers_first_error_is_shown(self, place: Paths) -> None:
        (place.root / "tree/broken").touch()
        with pytest.raises(BuildFailed, match="it is broken"):
            compile_it(place)

    def test_the_repositorys_own_fragment_has_what_init_and_checks_call(self) -> None:
        asked = (ROOT / "pipeline/rootfs/files/busybox.config").read_text().splitlines()
        for applet in ("ASH", "MOUNT", "UMOUNT", "SETSID", "SWITCH_ROOT", "MDEV", "POWEROFF", "MKE2FS", "AWK", "DD",
                       "SHA256SUM", "CMP", "DF", "FREE", "BLOCKDEV", "TEST1", "TEST2", "INSMOD"):  # fmt: skip
            assert f"CONFIG_{applet}=y" in asked
        # Linux 2.4 has no monotonic clock, and busybox ends where it asks for one in vain.
        assert not [line for line in asked if line.startswith("CONFIG_MONOTONIC_SYSCALL")]


def context(paths: Paths) -> sources.Context:
    pins = {name: (Blob(name, "debian", package=name, sha256=name[0] * 64),) for name in ("musl", "busybox")}
    lock = Lock({f"source:{name}": blobs for name, blobs in pins.items()})
    return sources.Context(paths=paths, lock=lock, mirrors=Mirrors(()))


def test_another_pin_or_epoch_is_another_job(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    ctx, decl = context(paths), SimpleNamespace(project=SimpleNamespace(epoch=1))
    other = dataclasses.replace(ctx, lock=ctx.lock.with_group("source:busybox", [Blob("b", "debian", sha256="0" * 64)]))
    later = SimpleNamespace(project=SimpleNamespace(epoch=2))
    first: Any = userland.job(ONE, decl, ctx, paths)  # type: ignore[arg-type]
    assert first.inputs != userland.job(ONE, decl, other, paths).inputs  # type: ignore[arg-type]
    assert first.inputs != userland.job(ONE, later, ctx, paths).inputs  # type: ignore[arg-type]
    assert libc.folder("x86_64", paths) in first.files


class TestLibc:
    def deb(self, folder: Path) -> Path:
        """The files of a musl-dev, as far as they matter."""
        for name in ("lib/i386-linux-musl/libc.a", "lib/i386-linux-musl/crt1.o", "include/i386-linux-musl/stdio.h"):
            (folder / "usr" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "usr" / name).write_text(name)
        return folder

    def test_lying_in_one_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        headers = tmp_path / "headers"
        for name in libc.KERNEL_FOLDERS:
            (headers / ("apart" if name == "asm" else "") / name).mkdir(parents=True)
        monkeypatch.setattr(libc, "KERNEL_HEADERS", {"i386": (headers, headers / "apart")})
        new = tmp_path / "new"
        new.mkdir()
        libc._lay_out(self.deb(tmp_path / "deb"), Userland("i386", "musl", "busybox"), new)
        assert (new / "lib/crt1.o").is_file() and (new / "include/stdio.h").is_file()
        assert (new / "kernel/asm").readlink() == headers / "apart/asm"

    def test_kernel_headers_that_are_not_installed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(libc, "KERNEL_HEADERS", {"i386": (tmp_path / "none",)})
        with pytest.raises(UserError, match=r"Linux's headers for i386 are not there(.|\n)*doit setup"):
            libc._lay_out(self.deb(tmp_path / "deb"), Userland("i386", "musl", "busybox"), tmp_path)

    def test_another_package_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "deb/usr/lib").mkdir(parents=True)
        with pytest.raises(UserError, match="holds no static musl") as caught:
            libc._lay_out(tmp_path / "deb", Userland("i386", "glibc", "busybox"), tmp_path)
        assert "userland.i386.libc" in str(caught.value)

    def test_without_it_the_task_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"\./doit libc:i386"):
            libc.flags("i386", Paths(tmp_path))
