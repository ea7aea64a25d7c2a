# SPDX-License-Identifier: GPL-2.0-only
"""What a guest does by itself beside a real NT: its checks one after the other, told in records, then power-off.

It takes the test agent's place: the declared initramfs is left as it is, and a second archive
behind it (Linux unpacks one after the other) replaces /bin/colinux-agent by the script below.
"""

from __future__ import annotations

import io
import shlex
from collections.abc import Mapping

from pipeline.rootfs import cpio
from pipeline.rootfs.tree import Tree

SCRIPTS = "/colinux"
# First of all, for what is known of the guest whatever comes afterwards.
HELLO = "uname -r; cat /proc/version"
# How often everything is said once more.
AGAIN = 2

_AGENT = """#!/bin/sh
# Made by runtime/launcher/image/batch.py. $1: the line.
line=$1
records=$SCRATCH/colinux-records
number=0
[ -e $records ] && exit 0		# init starts its agent again
stty -F $line raw -echo
exec 3>$line

record() {	# kind, text
	number=$((number + 1))
	body="$TOKEN:$SOURCE:$number:$1:$2"
	sum=$(printf %s "$body" | sha256sum | cut -c1-8)
	echo "@co:$body:$sum@" | tee -a $records >&3
}

check() {	# name
	timeout "$LIMIT" sh "$SCRIPTS/$1" >$SCRATCH/colinux-output 2>&1 </dev/null
	status=$?
	pieces=0
	for piece in $(base64 <$SCRATCH/colinux-output | tr -d '\\n' | fold -w 300); do
		record out "$1,$pieces,$piece"
		pieces=$((pieces + 1))
	done
	record end "$1,$status,$pieces"
}

for name in $NAMES; do
	check "$name"
done
record bye "$number"
for again in $AGAIN; do
	cat $records >&3
done
sync
poweroff
"""


def agent(
    token: str, source: str, names: list[str], limit: float, scripts: str = SCRIPTS, scratch: str = "/tmp"
) -> str:
    """The script in the agent's place: `names` are files of `scripts`, each for at most `limit` seconds."""
    values = {
        "TOKEN": token, "SOURCE": source, "SCRIPTS": scripts, "SCRATCH": scratch, "LIMIT": str(max(1, round(limit))),
        "NAMES": " ".join(names), "AGAIN": " ".join("x" * AGAIN),
    }  # fmt: skip
    head, _, rest = _AGENT.partition("line=$1\n")
    return head + "".join(f"{key}={shlex.quote(value)}\n" for key, value in values.items()) + "line=$1\n" + rest


def archive(token: str, source: str, scripts: Mapping[str, str], limit: float) -> bytes:
    """The second archive: the agent's stand-in, and the scripts by their names, "hello" before them."""
    tree = Tree()
    tree.directory("/bin")
    tree.directory(SCRIPTS)
    every = {"hello": HELLO, **scripts}
    tree.file("/bin/colinux-agent", agent(token, source, list(every), limit).encode(), 0o755)
    for name, text in every.items():
        tree.file(f"{SCRIPTS}/{name}", (text.rstrip("\n") + "\n").encode())
    stream = io.BytesIO()
    cpio.write(tree, stream)
    return stream.getvalue()


def initrd(image: bytes, more: bytes) -> bytes:
    """Both archives; the second begins at a multiple of 4 (Linux, Documentation: buffer-format)."""
    return image + bytes(-len(image) % 4) + more
