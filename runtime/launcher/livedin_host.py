# SPDX-License-Identifier: GPL-2.0-only
"""The host's side of a machine that somebody lives in (livedin.py): what it offers, and what it looks at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from runtime.launcher import archivekey
from runtime.launcher.guest import Guest
from runtime.launcher.host import CONSOLE
from runtime.launcher.lab import Lab
from runtime.launcher.livedin import ARCHIVE, BOOT_ID, CHROOT, CLIENT, FOLDER, KEY, SSH_PORT, WEB_PORT
from runtime.launcher.report import Stopwatch
from runtime.launcher.servers import serving

# The host's public key is brought by the folder, as a person would.
LET_IN = """
mkdir -p -m 700 /root/.ssh
install -m 600 /mnt/host/key.pub /root/.ssh/authorized_keys
systemctl start ssh.service serial-getty@hvc2.service || exit
cut -d' ' -f1-2 /etc/ssh/ssh_host_ed25519_key.pub
"""

PREPARE = f"""
set -e
ifconfig lo 127.0.0.1 up
mkdir -p {FOLDER}/www/apt {CHROOT}
cd {FOLDER}/www/apt
zcat {ARCHIVE} | cpio -id 2> /dev/null
cd {CHROOT}
zcat {CLIENT} | cpio -id 2> /dev/null
mkdir -p dev etc root/.ssh
mount -o bind /dev dev
echo root:x:0:0:root:/root:/bin/sh > etc/passwd
chroot . dropbearkey -t ed25519 -f /root/.ssh/id_dropbear > /dev/null 2>&1
chroot . dropbearkey -y -f /root/.ssh/id_dropbear | grep ^ssh-ed25519 > {FOLDER}/key.pub
"""

# busybox's httpd says nothing when it is ready.
SERVER = f"""
httpd -f -p 127.0.0.1:{WEB_PORT} -h {FOLDER}/www & server=$!
trap 'kill $server' TERM
until wget -q -O /dev/null http://127.0.0.1:{WEB_PORT}/apt/Packages; do sleep 0.2; done
echo ready={WEB_PORT}
wait $server
"""

AFTERWARDS = f"rm -f /tmp/by-ssh; umount {CHROOT}/dev; rm -rf {CHROOT} {FOLDER}"


PACKAGES = f"cd {FOLDER}/www/apt; sha256sum < Packages; wc -c < Packages"

SIGNED = f"""
cat > {FOLDER}/www/apt/InRelease <<'END'
{{release}}
END
cat > {KEY} <<'END'
{{key}}
END
"""


def prepare(lab: Lab) -> None:
    """The archive and its key, the ssh client and its own, the folder."""
    lab.host.ask(PREPARE, 120)
    digest, _, size = lab.host.ask(PACKAGES).split()
    signed = archivekey.sign(digest, int(size))
    lab.host.ask(SIGNED.format(release=signed.release.strip(), key=signed.key.strip()))


@contextmanager
def around(lab: Lab, guests: Sequence[Guest]) -> Iterator[None]:
    """The web server; afterwards what is done from the host: its own look at the folder, ssh, consoles."""
    with serving(lab, "the test host's web server", SERVER):
        yield
        built(lab)
        let_in(lab, guests[0])
        consoles(lab, guests[0])


def built(lab: Lab) -> None:
    """folder-host: what the guest has built is in the host's folder, a program as it is one."""
    watch = Stopwatch()
    status, text = lab.host.run(
        f"cd {FOLDER}/project && cmp hello built-by-guest && od -An -tx1 -N4 hello && ls .git/HEAD"
    )
    good = status == 0 and text.split() == ["7f", "45", "4c", "46", ".git/HEAD"]
    lab.report.add("folder-host", good, "the project and its program are there" if good else text, watch.seconds)


def let_in(lab: Lab, guest: Guest) -> None:
    """ssh: from the host through the opened port. Whom it reached is known by another way: key and boot number."""
    watch = Stopwatch()
    status, key = guest.run(LET_IN, lab.check_limit)
    boot = guest.run(f"cat {BOOT_ID}", 30)[1].strip()
    script = f"""
    echo '127.0.0.1 {key.strip()}' > {CHROOT}/root/.ssh/known_hosts
    head -c 1000000 /dev/urandom > /tmp/by-ssh
    echo here=$(sha256sum < /tmp/by-ssh)
    HOME=/root chroot {CHROOT} dbclient -T -i /root/.ssh/id_dropbear -p {SSH_PORT} root@127.0.0.1 \\
        'echo boot=$(cat {BOOT_ID}); echo there=$(sha256sum)' < /tmp/by-ssh
    """
    ended, text = lab.host.run(script, lab.check_limit)
    said = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    good = (
        status == 0
        and ended == 0
        and key.startswith("ssh-ed25519 ")
        and said.get("boot") == boot != ""
        and said.get("here", "") == said.get("there") != ""
    )
    shown = f"port {SSH_PORT} leads to boot {boot}, which got 1000000 bytes as they were"
    lab.report.add("ssh", good, shown if good else f"ended with {status}, {ended}\n{key}\n{text}", watch.seconds)


# At each console somebody logs in, as soon as he is asked to, and has something reckoned.
CONSOLE_SCRIPT = """
cd /tmp && mkfifo con.in && touch con.out || exit 1
{console} {name} {which} < con.in > con.out & client=$!
exec 3> con.in
sees() {{
    i=0
    until grep -q "$1" con.out || [ $i = {tries} ]; do i=$((i + 1)); sleep 0.25; done
    grep -q "$1" con.out
}}
sees 'login: ' && echo root >&3 && sees 'root@.*# ' && echo 'echo con-$((6*7))' >&3 && sees con-42 && echo answered=yes
exec 3>&-
wait $client && echo detached=yes
tail -n 3 con.out
rm con.in con.out
"""


def consoles(lab: Lab, guest: Guest) -> None:
    """consoles: a login at each of the two."""
    watch, answers = Stopwatch(), []
    for which in ("console", "cocon1"):
        script = CONSOLE_SCRIPT.format(
            console=CONSOLE, name=guest.name, which=which, tries=int(lab.check_limit * 2)
        )
        answers.append(lab.host.run(script, lab.check_limit)[1])
    good = all({"answered=yes", "detached=yes"} <= {*text.splitlines()} for text in answers)
    shown = "logged in at console and cocon1" if good else "\n---\n".join(answers)
    lab.report.add("consoles", good, shown, watch.seconds)


def cleared(lab: Lab) -> None:
    """Nothing of it stays in the host's memory, which is looked at next."""
    lab.host.ask(AFTERWARDS)
