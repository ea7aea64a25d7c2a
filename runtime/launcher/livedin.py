# SPDX-License-Identifier: GPL-2.0-only
"""A machine that somebody lives in: a Debian from a configuration file in coLinux's language (conf/lived-in.conf).

Its owner installs packages, clones a project into a folder of the host's and builds it there, comes in by ssh, sits
at two consoles. The test host has a web server for it: with a Debian archive of a few packages, signed by a key
that lies in the folder, and with what is in the folder's www. Its ssh client is Debian's dropbear. This is what is done
in the guest; livedin_host.py has what the host does.
"""

from __future__ import annotations

from collections.abc import Mapping

from runtime.launcher.network import Traffic

# As in conf/lived-in.conf; the machine's `carries` by their names.
FOLDER = "/tmp/shared"
SSH_PORT = 2222
ARCHIVE = "/colinux/apt-archive.cpio.gz"
CLIENT = "/colinux/ssh-client.cpio.gz"

WEB_PORT = 8080
WEB = f"http://10.0.2.2:{WEB_PORT}"
CHROOT = "/tmp/ssh-client"
BOOT_ID = "/proc/sys/kernel/random/boot_id"

# The archive's key, where the host lays it; and where the guest's owner puts it.
KEY = f"{FOLDER}/archive-key.asc"
KEPT = "/etc/apt/keyrings/host.asc"

# What is to be installed is nowhere but in the archive, which nobody believes before its key is there.
APT = Traffic(
    f"""
export DEBIAN_FRONTEND=noninteractive
command -v make tcc && exit 9
mkdir -p /mnt/host /etc/apt/keyrings
mount -t cofs cofs0 /mnt/host || exit
echo 'deb [signed-by={KEPT}] {WEB}/apt ./' > /etc/apt/sources.list
apt-get update || echo unsigned=refused
install -m 644 /mnt/host/{KEY.rpartition("/")[2]} {KEPT}
apt-get update || exit
echo update=done
apt-get install -y --no-install-recommends make tcc || exit
dpkg-query -W -f '${{Package}}=${{Status}}\\n' make tcc
echo runs=$(tcc -v | cut -d' ' -f1-2)
""",
    {
        "unsigned": "refused", "update": "done", "make": "install ok installed", "tcc": "install ok installed",
        "runs": "tcc version",
    },
    f"apt-get update and install of make and tcc, from {WEB}, by the key of that archive",
)  # fmt: skip

# The project begins on the guest's disk; its bare clone is what the host's web server shows.
GIT = Traffic(
    f"""
set -e
export HOME=/root
mkdir -p /mnt/host
mountpoint -q /mnt/host || mount -t cofs cofs0 /mnt/host
git config --global user.name owner
git config --global user.email owner@colinux.test
git init -q -b main /root/project
cd /root/project
cat > greet.h <<'END'
const char *greet(int number);
END
cat > greet.c <<'END'
#include <stdio.h>
#include "greet.h"
const char *greet(int number) {{ static char text[40]; sprintf(text, "hello %d", number); return text; }}
END
cat > main.c <<'END'
#include <stdio.h>
#include "greet.h"
int main(int argc, char **argv) {{ (void)argv; puts(greet(41 + argc)); return 0; }}
END
printf 'hello: main.o greet.o\\n\\t$(CC) -o $@ $^\\nmain.o greet.o: greet.h\\n' > Makefile
printf '*.o\\nhello\\n' > .gitignore
git add .
git commit -q -m 'A greeting'
git clone -q --bare . /mnt/host/www/project.git
git -C /mnt/host/www/project.git update-server-info
git clone -q {WEB}/project.git /mnt/host/project
cd /mnt/host/project
make CC=tcc
echo said=$(./hello)
git fsck --strict
echo same=$([ "$(git rev-parse HEAD)" = "$(git -C /root/project rev-parse HEAD)" ] && echo yes)
echo changed=$(git status --porcelain | wc -l)
cp hello built-by-guest
echo hash=$(sha256sum < hello)
""",
    {"said": "hello 42", "same": "yes", "changed": "0"},
    f"cloned from {WEB}, built and run in the host's folder",
)

WORK: Mapping[str, Traffic] = {"apt-install": APT, "git-build": GIT}
