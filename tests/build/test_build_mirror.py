# SPDX-License-Identifier: GPL-2.0-only
"""`./doit fetch --all --into DIR`: a checkout elsewhere has all that it needs from DIR, where there is no network."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pipeline import fetching, process
from pipeline.errors import InfrastructureError
from pipeline.reproduce import second
from pipeline.sources import carried
from pipeline.sources.cache import Cache
from pipeline.tasks import Project
from toolchain import packages

pytestmark = pytest.mark.build

NAMESPACE = ["unshare", "--user", "--map-root-user", "--net"]


def test_a_machine_without_a_network_fetches_everything_from_the_folder(tmp_path: Path) -> None:
    if process.run([*NAMESPACE, "true"], check=False).returncode:
        pytest.skip("this machine allows no network namespace")
    if packages.missing():
        pytest.skip("tools are missing (./doit setup installs them)")
    project = Project.here()
    try:
        brought = fetching.everything(project)
    except InfrastructureError as error:
        pytest.skip(f"not everything can be had here: {error}")
    folder, checkout = tmp_path / "mirror", tmp_path / "checkout"
    written = carried.write(folder, brought)
    assert written.files > 100
    second.copy_checkout(project.paths.root, checkout)
    (tmp_path / "none.toml").write_text("")

    def fetch(mirrors: Path) -> process.Result:
        return process.run(
            [*NAMESPACE, sys.executable, "-m", "pipeline.cli", "--offline", "fetch", "--all"], cwd=checkout, check=False,
            env={"PYTHONPATH": str(checkout), "COLINUX_MIRRORS": str(mirrors), "COLINUX_CACHE": str(tmp_path / "cache")})

    devices = process.run([*NAMESPACE, "cat", "/proc/net/dev"]).stdout.splitlines()[2:]
    assert {line.split(":")[0].strip() for line in devices} <= {"lo", "sit0", "tunl0"}  # the last two lead nowhere
    # It is the folder that helps, and nothing else.
    without = fetch(tmp_path / "none.toml")
    assert without.returncode == 2 and "--offline" in without.stdout, without.stdout
    done = fetch(folder / carried.NAME)
    assert done.returncode == 0, done.stdout
    cache = Cache(tmp_path / "cache")
    wanted = {blob.sha256 for _, fetched in brought.sources for blob in fetched.blobs if blob.sha256}
    wanted |= {blob.sha256 for blob, _ in brought.packages}
    assert all(cache.path(digest).is_file() for digest in wanted)
    commits = [source for source, fetched in brought.sources if not fetched.blobs[0].sha256]
    assert len(list((tmp_path / "cache/git").glob("*.git"))) >= len(commits) == written.repositories
