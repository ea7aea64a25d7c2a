# SPDX-License-Identifier: GPL-2.0-only
"""A package that Debian's archive has dropped, from an archive of all its past states.

No such archive is written down here. One is used when the mirror file names
it ([debian] snapshot = "https://..."), or when this machine's apt knows one
(Acquire::Snapshots::URI, apt 2.9 and later). It is asked through the
machine-readable interface that Debian's snapshot service documents:

    /mr/binary/<package>/<version>/binfiles?fileinfo=1    which files, by SHA-1
    /mr/package/<source>/<version>/srcfiles?fileinfo=1    the same of a source package
    /file/<SHA-1>                                         the file

The lock's SHA-256 decides what is accepted, as everywhere.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import quote

from pipeline import process
from pipeline.lock import Blob
from pipeline.sources import debsource, http
from pipeline.sources.context import Context
from pipeline.sources.download import Want, download


def from_snapshot(blob: Blob, ctx: Context) -> Path:
    """The locked .deb, in the cache. Raises http.Refused with the reason when it cannot be had that way.

    UserError when the snapshot archive has another file than the locked one,
    InfrastructureError when it breaks off in the middle.
    """
    base = ctx.mirrors.snapshot or known_to_apt()
    if base is None:
        raise http.Refused('no snapshot archive is configured ([debian] snapshot = "..." in the mirror file)')
    if ctx.offline:
        raise http.Refused("not asked: --offline")
    of_source = blob.arch == debsource.ARCH
    name = debsource.package(blob) if of_source else blob.package
    package, version = (quote(str(word), safe="") for word in (name, blob.version))
    page = f"{base}/mr/binary/{package}/{version}/binfiles?fileinfo=1"
    if of_source:
        page = f"{base}/mr/package/{package}/{version}/srcfiles?fileinfo=1"
    try:
        answer = json.loads(http.small(page))
        if of_source:
            file = Path(str(blob.filename)).name
            files = [(debsource.ARCH, one["hash"]) for one in answer["result"]
                     if any(info["name"] == file for info in answer["fileinfo"][one["hash"]])]
        else:
            files = [(one["architecture"], one["hash"]) for one in answer["result"]]
    except http.Refused as error:
        raise http.Refused(f"{page}: {error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise http.Refused(f"{page}: not the answer of a snapshot archive") from error
    for arch, sha1 in files:
        if arch == blob.arch and re.fullmatch(r"[0-9a-f]{40}", str(sha1)):
            want = Want(f"{blob.package} {blob.version}", (f"{base}/file/{sha1}",), blob.sha256, blob.size)
            return download(want, ctx)
    raise http.Refused(f"{page}: no file for {blob.arch}")


def known_to_apt() -> str | None:
    """The snapshot service of Debian that the machine's apt is configured for, if any."""
    dump = process.run(["apt-config", "dump"], check=False).stdout
    match = re.search(r'^Acquire::Snapshots::URI::(?:Origin|Label)::Debian "([^"]*://[^"]+?)/archive/', dump, re.M)
    return match[1] if match else None
