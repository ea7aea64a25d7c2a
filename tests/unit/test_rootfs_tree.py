# SPDX-License-Identifier: GPL-2.0-only
"""The file tree in memory, and the two formats it is written in."""

from __future__ import annotations

import gzip
import io
import os
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest
import rootfs_kit as kit

from pipeline.errors import InfrastructureError, UserError
from pipeline.rootfs import cpio, ext
from pipeline.rootfs.tree import Entry, Tree, from_tar, normal, read


def sample(folder: Path) -> Tree:
    """A bit of everything that every format takes."""
    big = folder / "big"
    big.write_bytes(os.urandom(1 << 20))
    big.chmod(0o600)
    tree = Tree(1_600_000_000)
    tree.file("/etc/secret", "x\n", 0o400)
    tree.file("/bin/su", big, 0o4755)
    tree.put("/bin/again", Entry(stat.S_IFREG | 0o4755, same_as="/bin/su"))
    tree.symlink("/sbin", "bin")
    tree.put("/var/mail", Entry(stat.S_IFDIR | 0o2775, gid=8, mtime=1_500_000_000))
    tree.put("/home/a", Entry(stat.S_IFREG | 0o640, uid=1000, gid=70000, content=b"mine"))
    tree.file("/usr/lib/system-systemd\\x2dcryptsetup.slice", "backslash and\n")
    tree.file("/usr/lib/a name with spaces", "")
    return tree


class TestTree:
    def test_folders_come_before_what_they_hold_and_are_made(self) -> None:
        tree = Tree()
        tree.file("a/b/c", "1")
        tree.file("/a-b", "2")
        assert [path for path, _ in tree] == ["/", "/a", "/a/b", "/a/b/c", "/a-b"]
        assert tree["/a/b"].mode == stat.S_IFDIR | 0o755

    @pytest.mark.parametrize("path", ["../x", "/a/../b", "a/../../b"])
    def test_a_path_may_not_climb(self, path: str) -> None:
        with pytest.raises(ValueError, match="climbs"):
            normal(path)

    def test_nothing_is_written_through_a_link(self) -> None:
        tree = Tree()
        tree.symlink("/bin", "usr/bin")
        with pytest.raises(ValueError, match="not a folder"):
            tree.file("/bin/sh", "")

    def test_a_folder_is_not_replaced_by_a_file(self) -> None:
        tree = Tree()
        tree.directory("/etc")
        with pytest.raises(ValueError, match="is a folder"):
            tree.file("/etc", "")

    def test_remove_takes_what_is_below_and_no_namesake(self) -> None:
        tree = Tree()
        for path in ("/var/log/x", "/var/log2/y"):
            tree.file(path, "")
        tree.remove("/var/log")
        assert "/var/log" not in tree and "/var/log/x" not in tree and "/var/log2/y" in tree

    def test_the_first_name_of_a_file_cannot_go_alone(self, tmp_path: Path) -> None:
        tree = sample(tmp_path)
        with pytest.raises(ValueError, match="another name"):
            tree.remove("/bin/su")
        tree.remove("/bin")
        assert "/bin/again" not in tree


class TestTar:
    def test_owners_links_and_attributes_come_through(self, tmp_path: Path) -> None:
        archive = tmp_path / "root.tar"
        with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
            def add(name: str, **values: object) -> None:
                member = tarfile.TarInfo(name)
                data = values.pop("data", b"")
                assert isinstance(data, bytes)
                for key, value in values.items():
                    setattr(member, key, value)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))

            add("./", type=tarfile.DIRTYPE, mode=0o755)
            add("./usr", type=tarfile.DIRTYPE, mode=0o755)
            add("./usr/ping", mode=0o755, uid=7, gid=9, mtime=2_000_000_000, data=b"ELF",
                pax_headers={"SCHILY.xattr.security.capability": "\x01\udcff"})
            add("./usr/ping6", type=tarfile.LNKTYPE, linkname="./usr/ping")
            add("./bin", type=tarfile.SYMTYPE, linkname="usr/bin")
            add("./null", type=tarfile.CHRTYPE, mode=0o666, devmajor=1, devminor=3)
        tree = from_tar(archive, epoch=1_700_000_000)
        ping = tree["/usr/ping"]
        assert (ping.uid, ping.gid, ping.mtime, read(ping.content)) == (7, 9, 1_700_000_000, b"ELF")
        assert ping.xattrs == {"security.capability": b"\x01\xff"}
        assert tree["/usr/ping6"].same_as == "/usr/ping"
        assert tree["/bin"].target == "usr/bin"
        assert (tree["/null"].kind, tree["/null"].device) == (stat.S_IFCHR, (1, 3))


class TestCpio:
    def test_gnu_cpio_reads_what_was_meant(self, tmp_path: Path) -> None:
        tree = sample(tmp_path)
        tree.character_device("/dev/console", 5, 1)
        image = tmp_path / "image.cpio"
        cpio.write_file(tree, image, level=None)
        found = kit.cpio_list(image)
        assert found["etc/secret"] == ("-r--------", "0/0", "")
        assert found["bin/su"][0] == "-rwsr-xr-x"
        assert found["var/mail"] == ("drwxrwsr-x", "0/8", "")
        assert found["home/a"][1] == "1000/70000"
        assert found["sbin"] == ("lrwxrwxrwx", "0/0", "bin")
        assert found["dev/console"][0] == "crw-------"
        assert "usr/lib/a name with spaces" in found
        assert len(found) == len(tree) - 1  # all but the root folder

    def test_contents_survive(self, tmp_path: Path) -> None:
        tree = sample(tmp_path)
        image = tmp_path / "image.cpio.gz"
        cpio.write_file(tree, image, level=9)
        out = tmp_path / "out"
        out.mkdir()
        subprocess.run(["cpio", "-idm", "--quiet"], cwd=out, input=gzip.decompress(image.read_bytes()), check=True)
        assert (out / "bin/su").read_bytes() == (tmp_path / "big").read_bytes() == (out / "bin/again").read_bytes()
        assert (out / "home/a").read_text() == "mine"
        assert (out / "var/mail").stat().st_mtime == 1_500_000_000
        assert (out / "etc/secret").stat().st_mtime == 1_600_000_000

    def test_same_bytes_whatever_the_umask_and_the_clock(self, tmp_path: Path) -> None:
        images = []
        for number, mask in enumerate((0o022, 0o077)):
            old = os.umask(mask)
            try:
                folder = tmp_path / str(number)
                folder.mkdir()
                (folder / "program").write_bytes(b"\0" * 5000)
                os.utime(folder / "program", (number, number))
                tree = Tree(1_600_000_000)
                tree.file("/b/program", folder / "program", 0o755)
                tree.directory("/a")
                images.append(folder / "image.gz")
                cpio.write_file(tree, images[-1], level=6)
            finally:
                os.umask(old)
        assert images[0].read_bytes() == images[1].read_bytes()

    def test_a_number_too_big_for_the_format_is_refused(self) -> None:
        tree = Tree()
        tree.put("/x", Entry(stat.S_IFREG | 0o644, uid=1 << 32))
        with pytest.raises(ValueError, match="newc"):
            cpio.write(tree, io.BytesIO())


class TestExt:
    def image(self, tree: Tree, folder: Path, name: str = "disk", size_mib: int = 16, kind: str = "ext4") -> Path:
        folder.mkdir()
        image = folder / "image"
        ext.write(tree, image, kind=kind, name=name, size_mib=size_mib, scratch=folder, log=folder / "log")
        return image

    @pytest.mark.parametrize("kind", ["ext2", "ext3"])
    def test_what_an_old_linux_can_mount(self, kind: str, tmp_path: Path) -> None:
        """Linux 2.4 refuses inodes of another size than 128 bytes, and every feature that it does not know."""
        tree = sample(tmp_path)
        image = self.image(tree, tmp_path / "a", kind=kind)
        kit.fsck(image)
        said = dict(line.split(":", 1) for line in kit.debugfs(image, "stats -h").splitlines() if ":" in line)
        assert said["Inode size"].strip() == "128" and said["Block size"].strip() in ("1024", "4096")
        journal = {"has_journal"} if kind == "ext3" else set()
        assert set(said["Filesystem features"].split()) == {"filetype", "sparse_super"} | journal
        assert kit.debugfs(image, "cat /home/a") == "mine"
        assert "User:  1000   Group: 70000" in kit.debugfs(image, "stat /home/a")
        assert image.read_bytes() == self.image(sample_again(tree), tmp_path / "b", kind=kind).read_bytes()

    def test_devices_need_no_privileges(self, tmp_path: Path) -> None:
        tree = Tree()
        tree.character_device("/dev/null", 1, 3, 0o666)
        tree.block_device("/dev/cobd31", 117, 31)
        tree.character_device("/top", 5, 1)
        image = self.image(tree, tmp_path / "a", kind="ext2")
        kit.fsck(image)
        null, disk = kit.debugfs(image, "stat /dev/null"), kit.debugfs(image, "stat /dev/cobd31")
        assert "Type: character special" in null and "Mode:  0666" in null and "01:03" in null
        assert "Type: block special" in disk and "117:31" in disk.replace("75:1f", "117:31")
        assert "05:01" in kit.debugfs(image, "stat /top")

    def test_inodes_are_what_the_tree_says(self, tmp_path: Path) -> None:
        tree = sample(tmp_path)
        capability = {"security.capability": b"\x01\0\0\x02" + bytes(16)}
        tree.put("/bin/ping", Entry(stat.S_IFREG | 0o755, content=b"x", xattrs=capability))
        image = self.image(tree, tmp_path / "a")
        kit.fsck(image)
        su = kit.debugfs(image, "stat /bin/su")
        assert "Mode:  04755" in su and "User:     0 " in su and "Links: 2" in su
        mine = kit.debugfs(image, "stat /home/a")
        assert "User:  1000   Group: 70000" in mine and "Mode:  0640" in mine
        # 0x5f5e1000 is 1600000000: no time of this machine's in any of the four.
        assert mine.count("0x5f5e1000") == 4
        assert kit.debugfs(image, "cat /home/a") == "mine"
        assert "Mode:  0400" in kit.debugfs(image, "stat /etc/secret")
        assert "Mode:  02775" in kit.debugfs(image, "stat /var/mail")
        assert "security.capability" in kit.debugfs(image, "ea_list /bin/ping")
        assert "backslash" in kit.debugfs(image, r'cat "/usr/lib/system-systemd\x2dcryptsetup.slice"')

    def test_further_names_need_no_scratch_that_knows_links(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """FUSE and others tell other inode numbers for them, or a count that is a second old."""
        monkeypatch.delattr(os, "link")
        tree = sample(tmp_path)
        for number in range(300):       # more than a block's worth of a folder
            tree.put(f"/many/{'a' * 40}{number}", Entry(stat.S_IFREG | 0o640, same_as="/home/a"))
        image = self.image(tree, tmp_path / "a")
        kit.fsck(image)
        assert "Links: 301" in kit.debugfs(image, "stat /home/a")
        last = kit.debugfs(image, f"stat /many/{'a' * 40}299")
        assert last.splitlines()[0] == kit.debugfs(image, "stat /home/a").splitlines()[0] and "Mode:  0640" in last

    def test_same_bytes_twice_another_name_other_ids(self, tmp_path: Path) -> None:
        tree = sample(tmp_path)
        first = self.image(tree, tmp_path / "a").read_bytes()
        for path in (tmp_path / "a").rglob("*"):
            os.utime(path, (5, 5), follow_symlinks=False)
        old = os.umask(0o077)
        try:
            second = self.image(sample_again(tree), tmp_path / "b")
        finally:
            os.umask(old)
        assert first == second.read_bytes()
        assert first != self.image(tree, tmp_path / "c", "other").read_bytes()

    def test_too_small_says_what_to_set(self, tmp_path: Path) -> None:
        tree = Tree()
        tree.file("/zeros", bytes(12 << 20))
        with pytest.raises(UserError, match=r"need \d+ MiB, its image has 8") as caught:
            self.image(tree, tmp_path / "a", size_mib=8)
        assert "size_mib" in str(caught.value)

    def test_a_complaint_of_debugfs_is_an_error(self, tmp_path: Path) -> None:
        tree = sample(tmp_path)
        image = self.image(tree, tmp_path / "a")
        tree.file("/not/in/the/image", "")
        with pytest.raises(InfrastructureError, match="debugfs"):
            ext._set_inodes(tree, image, tmp_path / "a", {})


def sample_again(tree: Tree) -> Tree:
    """The same tree put together in the opposite order."""
    copy = Tree(tree.epoch)
    for path, entry in sorted(tree, key=lambda one: (one[1].same_as is not None, one[0]), reverse=True):
        if path != "/":
            copy.put(path, entry)
    return copy
