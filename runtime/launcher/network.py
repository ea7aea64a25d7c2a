# SPDX-License-Identifier: GPL-2.0-only
"""The network (ethN=): traffic between a guest and its host, every byte of it compared, and what lies around it.

A machine that is asked for these checks has `CMDLINE` in its command line. The host has, beside its 127.0.0.1, an
address that is nobody's (`ELSEWHERE`), as a computer far away would have; a name server knows it by `NAME`, and at
`PORT` of all of them `colinux-check net serve` answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runtime.launcher import host  # the module: it imports this one, in the end
from runtime.launcher.report import Stopwatch
from runtime.launcher.servers import serving, wait_ready

if TYPE_CHECKING:
    from runtime.launcher.guest import Guest
    from runtime.launcher.lab import Lab

MAC = "02:43:4f:00:00:05"
PORT = 7001
REDIRECTED = 2201
OPENED = 2202  # while the guest runs
TAP = "cotap0"
CMDLINE = f"eth0=slirp,{MAC},tcp:{REDIRECTED}:{PORT}/udp:{REDIRECTED}:{PORT} eth1=slirp eth2=tuntap,{TAP}"

# Addresses and names that are kept free for such use (RFC 5737, RFC 6761).
ELSEWHERE = "192.0.2.1"
ELSEWHERE6 = "2001:db8::1"  # (RFC 3849)
NAME = "far.colinux.test"
NOBODY = "nobody.colinux.test"
TAP_HOST, TAP_GUEST = "198.51.100.1", "198.51.100.2"

MIB = 4
SERVER = f"exec colinux-check net serve {PORT}"


@dataclass(frozen=True)
class Traffic:
    """One check: a script for the guest, the `key=value` lines that it must print, and what is said when it did."""

    script: str
    expected: Mapping[str, str]
    text: str


# Both interfaces ask for a lease by themselves: the guest's init starts udhcpc for each.
LEASE = Traffic(
    """
address() { ifconfig $1 | sed -n 's/.*inet addr:\\([0-9.]*\\).*Mask:\\([0-9.]*\\).*/\\1 \\2/p'; }
i=0
until [ "$(address eth0)" ] && [ "$(address eth1)" ] && [ -s /etc/resolv.conf ] || [ $i = 240 ]; do
    i=$((i + 1)); sleep 0.25
done
echo eth0=$(address eth0)
echo eth1=$(address eth1)
echo mac=$(ifconfig eth0 | sed -n 's/.*HWaddr \\([0-9A-Fa-f:]*\\).*/\\1/p' | tr A-F a-f)
echo gateways=$(route -n | awk '$1 == "0.0.0.0"{print $2}')
echo resolvers=$(awk '/^nameserver/{print $2}' /etc/resolv.conf)
""",
    {
        "eth0": "10.0.2.15 255.255.255.0", "eth1": "10.0.3.15 255.255.255.0", "mac": MAC,
        "gateways": "10.0.2.2 10.0.3.2", "resolvers": "10.0.2.3 10.0.3.3",
    },
    f"eth0 is 10.0.2.15 with {MAC}, eth1 is 10.0.3.15",
)  # fmt: skip

# The host itself answers by libslirp; what is elsewhere it asks the host's kernel for (ping_group_range).
PING = Traffic(
    f"""
for address in 10.0.2.2 10.0.3.2 {ELSEWHERE}; do
    ping -c 2 -W 20 $address > /dev/null && echo answer.$address=yes
done
:
""",
    {f"answer.{address}": "yes" for address in ("10.0.2.2", "10.0.3.2", ELSEWHERE)},
    f"answers of the host on both interfaces, and of {ELSEWHERE} behind it",
)

DNS = Traffic(
    f"""
colinux-check net lookup {NAME}
colinux-check net lookup {NOBODY} 2> /dev/null
echo unknown=$?
""",
    {"address": ELSEWHERE, "unknown": "3"},
    f"{NAME} is {ELSEWHERE}, {NOBODY} is not known",
)

TCP = Traffic(
    f"""
set -e
colinux-check net send {NAME} {PORT} {MIB}
colinux-check net take {ELSEWHERE} {PORT} {MIB}
colinux-check net both 10.0.2.2 {PORT} {MIB}
""",
    {f"{way}_good": str(MIB << 20) for way in ("sent", "taken", "echoed")},
    f"{MIB} MiB to the host, from it, and both ways at once, by name and by address",
)

# 8000 bytes are six IPv4 packets.
UDP = Traffic(
    f"colinux-check net udp 10.0.2.2 {PORT} 30 1400 && colinux-check net udp {ELSEWHERE} {PORT} 5 8000",
    {"datagrams": "5", "longest": "8000"},
    "30 datagrams of up to 1400 bytes, 5 of up to 8000, there and back",
)

# The route to .3.2 is by eth1; what its counters say is that nothing went another way.
SECOND = Traffic(
    f"""
received() {{ sed -n 's/^ *eth1: *\\([0-9]*\\).*/\\1/p' /proc/net/dev; }}
before=$(received)
colinux-check net take 10.0.3.2 {PORT} 1 || exit
[ $(($(received) - before)) -ge {1 << 20} ] && echo by=eth1
""",
    {"taken_good": str(1 << 20), "by": "eth1"},
    "1 MiB came by eth1",
)

# A guest makes its address of the router's prefix and its MAC (RFC 4862, RFC 4291 appendix A), and waits whether
# somebody else has it. The host's ::1 is the router's address with .2. Nobody takes datagrams to pieces there.
IP6 = Traffic(
    f"""
address() {{ awk '$6 == "'$1'" && /^fec0/ && !/ 40 +eth/ {{print $1}}' /proc/net/if_inet6; }}
i=0
until [ "$(address eth0)" ] && [ "$(address eth1)" ] || [ $i = 240 ]; do i=$((i + 1)); sleep 0.25; done
echo eth0=$(address eth0)
for address in fec0:0:0:2::2 fec0:0:0:3::2; do
    ping -6 -c 2 -W 20 $address > /dev/null && echo answer6.$address=yes
done
set -e
colinux-check net both fec0:0:0:2::2 {PORT} 1
colinux-check net take {ELSEWHERE6} {PORT} 1
colinux-check net udp fec0:0:0:3::2 {PORT} 10 1400
""",
    {
        "eth0": "fec000000000000200434ffffe000005", "answer6.fec0:0:0:2::2": "yes", "answer6.fec0:0:0:3::2": "yes",
        "echoed_good": str(1 << 20), "taken_good": str(1 << 20), "datagrams": "10", "longest": "1400",
    },
    f"an address by itself; answers of the host on both interfaces; 1 MiB there and back, 1 MiB from {ELSEWHERE6}, "
    "datagrams",
)  # fmt: skip

TUNTAP = Traffic(
    f"""
ifconfig eth2 {TAP_GUEST} netmask 255.255.255.0 || exit
ping -c 2 -W 20 {TAP_HOST} > /dev/null && echo answer=yes
colinux-check net both {TAP_HOST} {PORT} {MIB}
""",
    {"answer": "yes", "echoed_good": str(MIB << 20)},
    f"{MIB} MiB there and back through {TAP}",
)

TRAFFIC: Mapping[str, Traffic] = {
    "net-lease": LEASE, "net-ping": PING, "net-dns": DNS, "net-tcp": TCP, "net-udp": UDP, "net-second": SECOND,
    "net-ip6": IP6, "net-tap": TUNTAP,
}  # fmt: skip


def wrong(traffic: Traffic, status: int, output: str, said: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with the answer of a guest; `said` are its `key=value` lines."""
    faults = [line.removeprefix("fault: ") for line in output.splitlines() if line.startswith("fault: ")]
    if status or faults:
        yield f"{'; '.join(faults) or output.strip()[-300:]} (ended with {status})"
    for key, value in traffic.expected.items():
        if said.get(key) != value:
            yield f"{key} is {said.get(key)!r}, not {value!r}"


# --- the host's side ----------------------------------------------------------------------------------

PREPARE = f"""
ifconfig lo 127.0.0.1 up
ifconfig lo:1 {ELSEWHERE} netmask 255.255.255.255
ip -6 addr add {ELSEWHERE6}/128 dev lo
echo nameserver 127.0.0.1 > /etc/resolv.conf
echo '0 2147483647' > /proc/sys/net/ipv4/ping_group_range
"""

# As a guest's owner would: the interface is there as long as the daemon is.
TAP_UP = f"ifconfig {TAP} {TAP_HOST} netmask 255.255.255.0 up"

# What is behind these ports is the guest.
INTO_GUEST = f"""
colinux-check net both 127.0.0.1 {REDIRECTED} 1 && colinux-check net udp 127.0.0.1 {REDIRECTED} 10 1400
"""


# The host's owner opens ports, uses them, and closes them, while a stream is under way through one of them.
OPENED_PORTS = """
ctl() {{ {ctl} redirect {name} "$@"; }}
ports=tcp:{port}:{inside}/udp:{port}:{inside}
ctl add eth1 $ports || exit
echo listed=$(ctl | grep -c '^eth1: ...:127.0.0.1:{port}:{inside}$')
colinux-check net both 127.0.0.1 {port} 1 || exit
colinux-check net udp 127.0.0.1 {port} 10 1400 || exit
ctl add eth0 tcp:{port}:{inside} 2>&1 | grep -q 'Address already in use' && echo taken=refused
ctl add tcp:{port}:{inside} 2>&1 | grep -q 'There are: eth0 eth1' && echo which=asked
colinux-check net both 127.0.0.1 {port} 4 > /tmp/under-way & stream=$!
sleep 0.3
ctl remove eth1 $ports || exit
colinux-check net both 127.0.0.1 {port} 1 > /dev/null 2>&1 || echo closed=yes
wait $stream && sed 's/^echoed_/last_/' /tmp/under-way
"""
OPENED_EXPECTED = {
    "listed": "2", "echoed_good": str(1 << 20), "datagrams": "10", "taken": "refused", "which": "asked",
    "closed": "yes", "last_good": str(4 << 20),
}  # fmt: skip


def prepare(lab: Lab) -> None:
    """Before the daemon starts: it opens ports of the host's, and reads where names are asked for."""
    lab.host.ask(PREPARE)


@contextmanager
def served(lab: Lab, guests: Sequence[Guest]) -> Iterator[None]:
    """The servers that guests speak to; afterwards the host speaks to the first guest, by ports that lead there."""
    with serving(lab, "a server on the test host", SERVER, f"exec colinux-check net names {NAME}={ELSEWHERE}"):
        if TAP in lab.machine.cmdline:
            lab.host.ask(TAP_UP)
        yield
        redirected(lab, guests[0])


def redirected(lab: Lab, guest: Guest) -> None:
    """net-redirect: a stream and datagrams from the host into the guest; net-ports: the same by ports that
    colinux-ctl opens and closes meanwhile."""
    server = guest.begin(SERVER, 0)
    wait_ready(lab, server, "a server in the guest")
    into_guest(lab, "net-redirect", INTO_GUEST, {"echoed_good": str(1 << 20), "datagrams": "10"},
               f"1 MiB and 10 datagrams there and back by port {REDIRECTED}")  # fmt: skip
    into_guest(lab, "net-ports", OPENED_PORTS.format(ctl=host.CTL, name=guest.name, port=OPENED, inside=PORT),
               OPENED_EXPECTED, f"port {OPENED} was opened, used, and closed under a stream of 4 MiB")  # fmt: skip
    guest.agent.kill(server)
    lab.host.pump.until(lambda: server.ended, 10 * lab.setting.factor)


def into_guest(lab: Lab, name: str, script: str, expected: Mapping[str, str], said: str) -> None:
    """A check of that name: a script for the host, and the lines `key=value` that it has to print."""
    watch = Stopwatch()
    status, text = lab.host.run(script, lab.check_limit)
    lines = text.splitlines()
    good = status == 0 and all(f"{key}={value}" in lines for key, value in expected.items())
    lab.report.add(name, good, said if good else f"ended with {status}\n{text}", watch.seconds)
