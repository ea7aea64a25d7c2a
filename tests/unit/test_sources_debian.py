# SPDX-License-Identifier: GPL-2.0-only
"""Debian packages, with the machine's real apt and gpgv, against an archive of the test's own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from debian_kit import FakeDebian, Key, Package, have_gpg, kernel, key
from sources_kit import Server, context, mirror, serving, sha

from pipeline import progress, sources, stamp
from pipeline.declaration.model import DebianSource
from pipeline.errors import InfrastructureError, UserError
from pipeline.lock import Lock
from pipeline.sources import Context, apt, aptsources, http, snapshot
from pipeline.sources.download import NotHere
from pipeline.sources.receipt import receipt_path
from pipeline.sources.substitute import Dropped

pytestmark = pytest.mark.skipif(not have_gpg(), reason="gpg is not installed (it signs the test's archive)")

BASE = [
    Package("base", "1", fields={"Essential": "yes", "Priority": "required"}),
    Package("needed", "1", fields={"Priority": "required", "Depends": "libc"}),
    Package("libc", "2.36-9"),
    Package("kmod", "30"),
    Package("initramfs", "1"),
    Package("gcc", "12"),
    Package("login", "1:4.13+dfsg1-1", fields={"Depends": "libpam | other", "Recommends": "extra"}),
    Package("libpam", "1.5~rc1"),
    Package("extra", "1"),
    Package("other", "1"),
    Package("never", "1", fields={"Depends": "absent"}),
]
HOST = ["linux-image-amd64", "linux-headers-amd64"]


@pytest.fixture(scope="module")
def debian_key() -> Iterator[Key]:
    with key("debian") as made:
        yield made


@pytest.fixture(scope="module")
def other_key() -> Iterator[Key]:
    with key("other") as made:
        yield made


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def debian(server: Server, debian_key: Key, monkeypatch: pytest.MonkeyPatch) -> FakeDebian:
    fake = FakeDebian(server, debian_key)
    fake.packages["bookworm"] += BASE + kernel(40, "6.1.100-1")
    fake.packages["bookworm-security"] += kernel(42, "6.1.120-1")
    fake.publish()
    monkeypatch.setattr(apt, "configured", lambda: fake.entries)
    monkeypatch.setattr(snapshot, "known_to_apt", lambda: None)
    monkeypatch.setattr(http, "FIRST_DELAY", 0.01)
    return fake


@pytest.fixture
def ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    return context(tmp_path, monkeypatch)


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(progress, "warn", said.append)
    return said


def lock_host(ctx: Context) -> None:
    blobs = sources.resolve_packages(HOST, "x86_64", "bookworm", ctx, closure=False)
    ctx.lock = Lock().with_group("host:h", blobs)


def next_point_release(debian: FakeDebian, *packages: Package) -> None:
    debian.packages["bookworm-security"][:] = packages
    debian.packages["bookworm"][:] = BASE
    debian.publish()


# --- resolving --------------------------------------------------------------------------


def test_meta_packages_lead_to_the_concrete_ones(debian: FakeDebian, debian_key: Key, ctx: Context) -> None:
    blobs = sources.resolve_packages(HOST, "amd64", "bookworm", ctx, closure=False)
    assert [(blob.package, blob.version, blob.arch) for blob in blobs] == [
        ("linux-headers-6.1.0-42-amd64", "6.1.120-1", "amd64"),
        ("linux-headers-6.1.0-42-common", "6.1.120-1", "all"),
        ("linux-headers-amd64", "6.1.120-1", "amd64"),
        ("linux-image-6.1.0-42-amd64", "6.1.120-1", "amd64"),
        ("linux-image-amd64", "6.1.120-1", "amd64"),
        ("linux-kbuild-6.1", "6.1.120-1", "amd64"),
    ]
    assert {blob.signer for blob in blobs} == {debian_key.fingerprint} and {blob.url for blob in blobs} == {None}
    assert blobs[0].filename == "pool/updates/main/linux-headers-6.1.0-42-amd64_6.1.120-1_amd64.deb"
    assert debian.asked(".deb") == []


def test_the_lock_can_hold_what_is_resolved(debian: FakeDebian, ctx: Context, tmp_path: Path) -> None:
    lock_host(ctx)
    ctx.lock.save(tmp_path / "colinux.lock")
    assert Lock.load(tmp_path / "colinux.lock").groups == ctx.lock.groups
    assert debian.server.url not in (tmp_path / "colinux.lock").read_text()


def test_the_closure_is_a_fresh_systems(debian: FakeDebian, ctx: Context) -> None:
    blobs = sources.resolve_packages(["login"], "amd64", "bookworm", ctx, closure=True)
    assert [blob.package for blob in blobs] == ["base", "libc", "libpam", "login", "needed"]


def test_the_machines_apt_and_dpkg_are_left_alone(debian: FakeDebian, ctx: Context) -> None:
    machine = [Path("/var/lib/apt/lists"), Path("/var/lib/dpkg/status"), Path("/var/cache/apt")]
    before = [path.stat().st_mtime_ns for path in machine if path.exists()]
    sources.resolve_packages(["login"], "amd64", "bookworm", ctx, closure=True)
    assert [path.stat().st_mtime_ns for path in machine if path.exists()] == before


@pytest.mark.parametrize("closure", [True, False])
def test_an_unknown_package_gets_a_suggestion(debian: FakeDebian, ctx: Context, closure: bool) -> None:
    with pytest.raises(UserError, match=r'no package "linux-imaeg-amd64"(.|\n)*linux-image-amd64'):
        sources.resolve_packages(["linux-imaeg-amd64"], "amd64", "bookworm", ctx, closure=closure)


def test_what_cannot_be_installed_is_explained(debian: FakeDebian, ctx: Context) -> None:
    with pytest.raises(UserError, match="never"):
        sources.resolve_packages(["never"], "amd64", "bookworm", ctx, closure=True)


def test_an_archive_signed_by_somebody_else_is_refused(debian: FakeDebian, other_key: Key, ctx: Context) -> None:
    debian.publish(signer=other_key)
    with pytest.raises(InfrastructureError, match="package lists"):
        sources.resolve_packages(HOST, "amd64", "bookworm", ctx, closure=False)


def test_an_index_that_the_release_does_not_vouch_for_is_refused(debian: FakeDebian, ctx: Context) -> None:
    index = debian.server.files["/debian/dists/bookworm/main/binary-amd64/Packages"]
    index.data = index.data.replace(b"Package: libc", b"Package: evil")
    with pytest.raises(InfrastructureError, match="package lists"):
        sources.resolve_packages(["login"], "amd64", "bookworm", ctx, closure=True)


def test_a_broken_security_index_is_a_loud_warning(debian: FakeDebian, ctx: Context, warned: list[str]) -> None:
    """A mirror in the middle of its update; in a locked build it is an error."""
    debian.server.files["/debian-security/dists/bookworm-security/main/binary-amd64/Packages"].data += b"\n"
    blobs = sources.resolve_packages(HOST, "amd64", "bookworm", ctx, closure=False)
    assert {blob.version for blob in blobs} == {"6.1.100-1"}
    assert "bookworm-security" in warned[0] and len(ctx.warnings) == 1
    ctx.locked = True
    with pytest.raises(InfrastructureError):
        sources.resolve_packages(HOST, "amd64", "bookworm", ctx, closure=False)


def test_offline_nothing_is_resolved(debian: FakeDebian, ctx: Context) -> None:
    ctx.offline = True
    with pytest.raises(UserError, match="offline"):
        sources.resolve_packages(HOST, "amd64", "bookworm", ctx, closure=False)
    assert debian.server.asked == []


# --- fetching ---------------------------------------------------------------------------


def test_the_locked_files_come_from_the_pool_without_asking_for_lists(debian: FakeDebian, ctx: Context) -> None:
    lock_host(ctx)
    debian.server.asked.clear()
    pairs = sources.fetch_packages("host:h", ctx)
    assert [blob for blob, _ in pairs] == list(ctx.lock.group("host:h"))
    assert all(sha(path.read_bytes()) == blob.sha256 for blob, path in pairs)
    assert debian.asked("/dists/") == [] and len(debian.asked("/pool/")) == len(pairs)
    ctx.offline = True
    assert sources.fetch_packages("host:h", ctx) == pairs
    sources.unpack_deb(pairs[0][1], ctx.paths.root / "unpacked")
    assert (ctx.paths.root / "unpacked/usr/share/doc" / str(pairs[0][0].package) / "version").is_file()


def test_a_group_may_hold_two_architectures(debian: FakeDebian, ctx: Context, warned: list[str]) -> None:
    """A 32-bit host's kernel, and tools for the machine that builds its driver; each looked for in its own index."""
    old = [Package("tool", "1", arch="amd64"), Package("image", "1", arch="i386"), Package("doc", "1", arch="all")]
    debian.packages["bookworm"] += old
    debian.publish()
    blobs = [*sources.resolve_packages(["tool"], "amd64", "bookworm", ctx, closure=False),
             *sources.resolve_packages(["image", "doc"], "i386", "bookworm", ctx, closure=False)]  # fmt: skip
    ctx.lock = Lock().with_group("host:h", blobs)
    pairs = sources.fetch_packages("host:h", ctx, suite="bookworm")
    assert [blob for blob, _ in pairs] == list(ctx.lock.group("host:h")) and warned == []
    shutil.rmtree(ctx.paths.cache / "sha256")
    debian.packages["bookworm"][-3:] = [Package(one.name, "1.1", arch=one.arch) for one in old]
    debian.publish()
    pairs = sources.fetch_packages("host:h", ctx, suite="bookworm")
    assert sorted((blob.name, blob.version, blob.arch) for blob, _ in pairs) == [
        ("doc", "1.1", "all"), ("image", "1.1", "i386"), ("tool", "1.1", "amd64")]  # fmt: skip
    assert all(sha(path.read_bytes()) == blob.sha256 for blob, path in pairs) and len(ctx.warnings) >= 1


def test_a_tampered_package_is_refused(debian: FakeDebian, ctx: Context) -> None:
    lock_host(ctx)
    path = next(p for p in debian.server.files if "linux-kbuild-6.1_6.1.120" in p)
    debian.server.files[path].data = debian.server.files[path].data.replace(b"6.1.120-1\n", b"6.1.120-0\n")
    with pytest.raises(UserError, match="another file"):
        sources.fetch_packages("host:h", ctx)


def test_a_mirror_of_debian_works_offline(debian: FakeDebian, ctx: Context, tmp_path: Path) -> None:
    lock_host(ctx)
    for name, served in debian.server.files.items():
        if name.endswith(".deb"):
            (tmp_path / "mirror" / name[1:]).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "mirror" / name[1:]).write_bytes(served.data)
    ctx.mirrors = mirror(debian.server.url, str(tmp_path / "mirror"))
    ctx.offline = True
    debian.server.asked.clear()
    assert len(sources.fetch_packages("host:h", ctx)) == 6 and debian.server.asked == []


def test_offline_and_not_in_the_cache(debian: FakeDebian, ctx: Context) -> None:
    lock_host(ctx)
    ctx.offline = True
    with pytest.raises(NotHere, match="offline"):
        sources.fetch_packages("host:h", ctx)


def test_a_file_that_has_moved_is_found_by_the_index(debian: FakeDebian, ctx: Context) -> None:
    """A point release moves packages from the security archive to the main one."""
    lock_host(ctx)
    debian.packages["bookworm"] = BASE + kernel(42, "6.1.120-1")
    debian.packages["bookworm-security"] = []
    debian.publish()
    pairs = sources.fetch_packages("host:h", ctx)
    assert [blob for blob, _ in pairs] == list(ctx.lock.group("host:h")) and ctx.warnings == []


# --- what the archive has dropped -------------------------------------------------------


def test_a_locked_build_stops(debian: FakeDebian, ctx: Context) -> None:
    lock_host(ctx)
    next_point_release(debian, *kernel(43, "6.1.130-1"))
    ctx.locked = True
    with pytest.raises(Dropped) as error:
        sources.fetch_packages("host:h", ctx)
    assert "linux-image-6.1.0-42-amd64 6.1.120-1" in str(error.value) and "lock --update" in str(error.value)
    assert error.value.exit_code == 2


def test_another_takes_the_next_point_release_whole(debian: FakeDebian, ctx: Context, warned: list[str]) -> None:
    lock_host(ctx)
    # The newest is not complete yet, and 6.5 is another series.
    next_point_release(
        debian,
        *kernel(43, "6.1.125-1"),
        *kernel(44, "6.1.130-1"),
        *kernel(45, "6.1.140-1")[3:],
        *kernel(9, "6.5.1-1", "6.5"),
    )
    pairs = sources.fetch_packages("host:h", ctx)
    assert [blob.package for blob, _ in pairs] == [
        "linux-headers-6.1.0-44-amd64",
        "linux-headers-6.1.0-44-common",
        "linux-headers-amd64",
        "linux-image-6.1.0-44-amd64",
        "linux-image-amd64",
        "linux-kbuild-6.1",
    ]
    assert {blob.version for blob, _ in pairs} == {"6.1.130-1"}
    assert all(sha(path.read_bytes()) == blob.sha256 for blob, path in pairs)
    text = "\n".join(warned)
    assert "dropped" in text and "6.1.120-1" in text and "6.1.130-1" in text and "lock --update" in text
    assert ctx.warnings == warned == sources.warnings(ctx.paths)


def test_the_substitute_is_kept(debian: FakeDebian, ctx: Context, warned: list[str]) -> None:
    """The next run needs no network for it, is warned again, and a locked run does not accept it."""
    lock_host(ctx)
    next_point_release(debian, *kernel(43, "6.1.130-1"))
    job = sources.group_job("host:h", ctx)
    first = sources.fetch_packages("host:h", ctx)
    job = sources.group_job("host:h", ctx)
    stamp.finish(job, ctx.paths)
    assert stamp.why_stale(sources.group_job("host:h", ctx), ctx.paths) is None
    record = json.loads(receipt_path("host:h", ctx.paths).read_text())
    assert "6.1.130-1" in record["warning"] and record["blobs"][0]["version"] == "6.1.130-1"
    again = Context(ctx.paths, ctx.lock, ctx.mirrors, offline=True)
    assert sources.fetch_packages("host:h", again) == first and len(again.warnings) == 1
    strict = Context(ctx.paths, ctx.lock, ctx.mirrors, locked=True)
    assert stamp.why_stale(sources.group_job("host:h", strict), ctx.paths) is not None
    with pytest.raises(Dropped):
        sources.fetch_packages("host:h", strict)


def test_the_locked_version_is_taken_when_it_comes_back(debian: FakeDebian, ctx: Context) -> None:
    lock_host(ctx)
    next_point_release(debian, *kernel(43, "6.1.130-1"))
    sources.fetch_packages("host:h", ctx)
    ctx.lock = ctx.lock.with_group("host:h", sources.resolve_packages(HOST, "amd64", "bookworm", ctx, closure=False))
    ctx.warnings.clear()
    pairs = sources.fetch_packages("host:h", ctx)
    assert [blob for blob, _ in pairs] == list(ctx.lock.group("host:h")) and ctx.warnings == []
    assert sources.warnings(ctx.paths) == []


def test_no_other_series_stands_in(debian: FakeDebian, ctx: Context) -> None:
    lock_host(ctx)
    next_point_release(debian, *kernel(9, "6.5.1-1", "6.5"))
    with pytest.raises(Dropped, match="series"):
        sources.fetch_packages("host:h", ctx)


def test_no_older_version_stands_in(debian: FakeDebian, ctx: Context) -> None:
    lock_host(ctx)
    next_point_release(debian, *kernel(40, "6.1.100-1"))
    with pytest.raises(Dropped, match="later one"):
        sources.fetch_packages("host:h", ctx)


def test_a_substitute_needs_a_known_signer(
    debian: FakeDebian, other_key: Key, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock_host(ctx)
    # The machine trusts the other key; the lock has never heard of it.
    next_point_release(debian, *kernel(43, "6.1.130-1"))
    debian.signer = other_key
    debian.publish()
    with pytest.raises(InfrastructureError, match=other_key.fingerprint):
        sources.fetch_packages("host:h", ctx)


def test_packages_of_one_source_are_replaced_together(debian: FakeDebian, ctx: Context, warned: list[str]) -> None:
    def perl(version: str) -> list[Package]:
        return [Package("perl", version), Package("perl-base", version, source="perl"), Package("unrelated", "5-1")]

    debian.packages["bookworm"] += perl("5.36-7")
    debian.publish()
    blobs = sources.resolve_packages(["perl", "perl-base", "unrelated"], "amd64", "bookworm", ctx, closure=False)
    ctx.lock = Lock().with_group("rootfs:r", blobs)
    debian.packages["bookworm"] = BASE + perl("5.36-7+deb12u1")
    debian.publish()
    # One of the old files is still in the pool: but two halves of perl do not fit together.
    old = next(p for p in perl("5.36-7") if p.name == "perl-base")
    debian.server.serve(f"/debian/pool/{old.path}", old.deb)
    pairs = sources.fetch_packages("rootfs:r", ctx, suite="bookworm")
    assert [(b.package, b.version) for b, _ in pairs] == [
        ("perl", "5.36-7+deb12u1"),
        ("perl-base", "5.36-7+deb12u1"),
        ("unrelated", "5-1"),
    ]


def serve_snapshot(server: Server, package: str, version: str, deb: bytes) -> str:
    """As Debian's snapshot service answers."""
    answer = {"result": [{"architecture": "i386", "hash": "0" * 40}, {"architecture": "amd64", "hash": "a" * 40}]}
    server.serve(f"/snap/mr/binary/{package}/{version}/binfiles?fileinfo=1", json.dumps(answer).encode())
    server.serve(f"/snap/file/{'a' * 40}", deb)
    return server.url + "/snap"


@pytest.mark.parametrize("good", [True, False])
def test_a_snapshot_archive_has_what_debian_dropped(debian: FakeDebian, ctx: Context, good: bool) -> None:
    ctx.lock = Lock().with_group(
        "source:s", sources.resolve_packages(["login"], "amd64", "bookworm", ctx, closure=False)
    )
    deb = next(p for p in BASE if p.name == "login").deb
    debian.packages["bookworm"] = [p for p in BASE if p.name != "login"]
    debian.publish()
    url = serve_snapshot(debian.server, "login", "1%3A4.13%2Bdfsg1-1", deb if good else deb.replace(b"4.13", b"4.14"))
    ctx.mirrors = type(ctx.mirrors)(snapshot=url)
    ctx.locked = True
    source = DebianSource("s", "login", "amd64", "bookworm")
    if good:
        assert sources.fetch(source, ctx).files[0].read_bytes() == deb and ctx.warnings == []
        return
    with pytest.raises(UserError, match="another file"):
        sources.fetch(source, ctx)


def test_the_snapshot_services_answer_is_part_of_the_story(debian: FakeDebian, ctx: Context) -> None:
    lock_host(ctx)
    next_point_release(debian, *kernel(43, "6.1.130-1"))
    ctx.mirrors = type(ctx.mirrors)(snapshot=debian.server.url + "/none")
    ctx.locked = True
    with pytest.raises(Dropped, match=r"snapshot: .*/none/mr/binary/.*404"):
        sources.fetch_packages("host:h", ctx)


def test_a_declared_package_and_the_lock_must_agree(debian: FakeDebian, ctx: Context) -> None:
    source = DebianSource("s", "login", "amd64", "bookworm")
    ctx.lock = Lock().with_group("source:s", sources.resolve(source, ctx))
    assert sources.fetch(source, ctx).blobs == ctx.lock.group("source:s")
    with pytest.raises(UserError, match="lock --update"):
        sources.fetch(DebianSource("s", "libc", "amd64", "bookworm"), ctx)


def test_apt_brings_what_only_it_understands(
    debian: FakeDebian, ctx: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address such as mirror+file: is apt's own language."""
    listing = tmp_path / "mirrors.list"
    listing.write_text(f"{debian.server.url}/debian/\n")
    tmp_path.chmod(0o755)
    entry = aptsources.Entry(f"mirror+file:{listing}/", "bookworm", ("main",), str(debian.signer.ring))
    monkeypatch.setattr(apt, "configured", lambda: (entry,))
    blobs = sources.resolve_packages(["libc"], "amd64", "bookworm", ctx, closure=False)
    ctx.lock = Lock().with_group("rootfs:r", blobs)
    ((blob, path),) = sources.fetch_packages("rootfs:r", ctx)
    assert blob.package == "libc" and sha(path.read_bytes()) == blob.sha256


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests have shown it already")
def test_a_person_who_is_not_root_can_do_it(debian: FakeDebian) -> None:
    script = f"""
from pathlib import Path
from pipeline import sources
from pipeline.lock import Lock
from pipeline.paths import Paths
from pipeline.sources import apt
from pipeline.sources.aptsources import Entry
apt.configured = lambda: (Entry({debian.entries[0].uri!r}, "bookworm", ("main",), {str(debian.signer.ring)!r}),)
ctx = sources.Context(Paths(Path.cwd()), Lock(), sources.Mirrors())
print(*[blob.package for blob in sources.resolve_packages(["login"], "amd64", None, ctx, closure=True)])
"""
    home = Path(tempfile.mkdtemp(prefix="colinux-user-"))
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path[1:]]),
    }

    def as_nobody(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, cwd=home, user=65534, group=65534, env=env, capture_output=True, text=True, check=False
        )

    try:
        os.chown(home, 65534, 65534)
        # A Python below /root is nobody's; the machine's own one will do.
        for python in (sys.executable, "/usr/bin/python3"):
            try:
                if as_nobody(python, "-c", "import git, requests, pipeline.sources").returncode == 0:
                    break
            except PermissionError:
                continue
        else:
            pytest.skip("another user may not read this checkout or its Python")
        done = as_nobody(python, "-c", script)
        assert done.stdout.split() == ["base", "libc", "libpam", "login", "needed"], done.stderr
    finally:
        shutil.rmtree(home)
