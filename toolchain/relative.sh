#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# relative.sh TOP COMMAND...: run a compiler that is told of TOP's headers by their relative names.
#
# Linux 2.4 says -I<its absolute folder>/include, and a BUG() in a header puts that name into the
# kernel. Compilers of that time have no option to map it, so it is not told to them.
top=$1
shift
here=$(pwd -P)
case $here in
"$top" | "$top"/*) ;;
*) exec "$@" ;;
esac
up=
while [ "$here" != "$top" ]; do
	up=../$up
	here=${here%/*}
done
for word; do
	shift
	case $word in
	-I"$top"/*) word=-I$up${word#-I"$top"/} ;;
	esac
	set -- "$@" "$word"
done
exec "$@"
