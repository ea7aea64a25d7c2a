#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The last steps into the surroundings of a second build (pipeline.reproduce.variation); runs
# in namespaces of its own, so that nothing of it is left when the build has ended.
#     enter.sh HOSTNAME UMASK FILES VIEW COMMAND [ARGUMENT...]
# An empty HOSTNAME leaves the name as it is; with an empty VIEW the command runs in FILES.
set -eu
name=$1 mask=$2 files=$3 view=$4
shift 4
[ -z "$name" ] || hostname "$name"
if [ -n "$view" ]; then
	disorderfs -q --sort-dirents=yes --reverse-dirents=yes "$files" "$view"
	files=$view
fi
umask "$mask"
cd "$files"
exec "$@"
