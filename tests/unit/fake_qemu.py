# SPDX-License-Identifier: GPL-2.0-only
"""A QEMU made of words: QMP, a test host's agent, and guests that behave as the test says.

Installed under QEMU's name (see launcher_kit.py). It answers the launcher's
scripts by what they contain, so that whole boots are played in a second. Words
`fake.NAME` on the host's kernel command line choose a behaviour:

    die           QEMU complains and exits with 1      host-silent   the host never comes up
    host-late     a first host ends before it is up
    host-panic    the host crashes under the guest     host-reset    the host is reset under the guest
    no-driver     insmod fails                         silent        the guest prints nothing
    hang          it prints two lines, then nothing    panic         it panics before it is up
    refused       the daemon ends with 255             late-panic    it panics during a check
    bad-forks     a check finds a fault                stuck         a check never ends
    no-off        the guest does not switch off        leak          the host loses 20 MiB a guest
    complain      the host's log has an oops           bad-disk      host and guest read different disks
    no-nmi        NMIs do not arrive                   linger        it stays after SIGTERM
    slow-clock    the guest's clock jumps under load   no-double     a lost stack ends in another panic
    no-ctl        colinux-ctl gets no answer           bad-stop      a guest that is stopped ends with 1
    same-boot     a reboot is none                     no-console    nothing is seen at the guest's console
    wrong-guest   ssh leads to another guest
    no-server     the host's servers do not listen     no-redirect   nothing comes through an opened port
    no-ports      no port can be opened later          no-serial     a serial port loses a line
    no-restart    it ends when it should restart       lost-file     what was promised before a kill is gone
    no-journal    the guest's journal is not replayed
    no-window     one of its programs has no window    blank         its windows are empty
    held          colinux.sys keeps something of each guest
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
import select
import signal
import socket
import sys
import time

from screen_kit import xwd

NAMES = {}
for word in sys.argv:
    if m := re.match(r"socket,id=(\w+),fd=(\d+)", word):
        NAMES[m[1]] = int(m[2])
PORTS = {}
for word in sys.argv:
    if m := re.match(r"virtserialport,chardev=(\w+),name=(.*)", word):
        PORTS[m[2]] = NAMES[m[1]]
SERIALS = [m[1] for word in sys.argv if (m := re.match(r"virtio-blk-pci,.*serial=(\w+)", word))]
CMDLINE = sys.argv[sys.argv.index("-append") + 1].split()
MODES = {word[5:] for word in CMDLINE if word.startswith("fake.")}
CONSOLE = next(m[1] for word in sys.argv if (m := re.match(r"file,id=serial,path=(.*),append=on", word)))

DISK = "d" * 64
FILE = "f" * 64
WINDOWS = """\
     0x600001 "KCalc": ("kcalc" "kcalc")  110x20+0+0  +5+10
     0x600002 "kcalc": ("kcalc" "kcalc")  10x10+0+0  +5+10
     0x400001 "sh : sh": ("konsole" "konsole")  120x10+0+0  +20+50
""".splitlines(keepends=True)
SCREEN = [0 if "blank" in MODES else n % 60 * 4 for n in range(200 * 80)]
STATE = ("ldt", "segments", "watch", "int80", "tls", "bases", "syscall", "compat32", "fast32")
state = {"guests": 0, "nmis": 0, "mces": 0, "driver": False, "asked": 0, "boots": 0}


def console(text: str) -> None:
    with open(CONSOLE, "a") as file:  # noqa: PTH123
        file.write(text)


class Line:
    """One end of a socket, by line and by count."""

    def __init__(self, fd: int) -> None:
        self.sock = socket.socket(fileno=fd)
        self.buffer = b""

    def send(self, data: str) -> None:
        self.sock.sendall(data.encode())

    def requests(self):
        data = self.sock.recv(65536)
        if not data:
            sys.exit(0)
        self.buffer += data
        while b"\n" in self.buffer:
            line, rest = self.buffer.split(b"\n", 1)
            words = line.decode().split()
            if words and words[0] == "run":
                count = int(words[3])
                if len(rest) < count:
                    return
                self.buffer = rest[count:]
                yield words, rest[:count].decode()
            else:
                self.buffer = rest
                yield words, line.decode()

    def answer(self, number: str, status: int, text: str = "") -> None:
        if text:
            self.send(f"out {number} {len(text.encode())}\n{text}")
        self.send(f"exit {number} {status}\n")


class Guest:
    def __init__(self, host: Line, number: str, script: str) -> None:
        slot = int(re.search(r"guest(\d)\.pid", script)[1])
        self.host, self.number, self.slot = host, number, slot
        self.line, self.screen = lines[f"colinux.guest{slot}"], lines[f"colinux.console{slot}"]
        self.over = False
        state["guests"] += 1
        if "colinux.fault=early" in script:
            self.end(16, "colinux-daemon: guest panic: early exception 0x0e at co_early_setup+0x10\n")
        elif "colinux.fault=double" in script:
            self.screen.send("[    0.5] traps: PANIC: double fault, error_code: 0x0\n" * ("no-double" not in MODES))
            self.end(16, "colinux-daemon: guest panic: Fatal exception\n")
        elif "rdinit=/bin/false" in script:
            self.end(16, "colinux-daemon: guest panic: Attempted to kill init! exitcode=0x00000100\n")
        elif "refused" in MODES:
            self.end(255, "colinux-daemon: /colinux/vmlinux is not a cooperative kernel\n")
        elif "panic" in MODES:
            self.screen.send("[    0.1] booting\n")
            self.end(16, "colinux-daemon: guest panic: VFS: cannot find root\n")
        elif "silent" not in MODES:
            self.screen.send("[    0.000000] Linux version 6.1.0-colinux\r\n[    0.100000] \x1b[1mlast words\x1b[0m\r\n")
            if "host-panic" in MODES:
                console("BUG: unable to handle page fault for address: 0000dead\nKernel panic - not syncing: Fatal exception\n")
                qmp_event("guest-reset")
            elif "host-reset" in MODES:
                qmp_event("guest-reset")
            elif "hang" not in MODES:
                self.screen.send("login: ")
                if "colinux.agent=hvc1" in script:
                    self.line.send("hello 1 hvc1\n")

    def end(self, status: int, text: str = "") -> None:
        if not self.over:
            self.over = True
            self.host.answer(self.number, status, text)

    def obey(self, words: list[str], script: str) -> None:
        if words[0] == "run" and not self.over:
            self.run(words[1], script)
        elif words[0] == "kill":
            self.line.answer(words[1], 143)

    def run(self, number: str, script: str) -> None:
        if "poweroff" in script:
            if "no-off" not in MODES:
                self.end(0)
            return None
        if "reboot" in script:
            if "no-restart" in MODES:
                self.end(17)
            else:
                state["boots"] += 1
                self.line.send("hello 1 hvc1\n")
            return None
        if "sysrq" in script:
            self.end(16, "colinux-daemon: guest panic: sysrq triggered crash\n")
            return None
        if "forks 300" in script and "stuck" in MODES:
            return None
        if "forks 300" in script and "late-panic" in MODES:
            self.end(16, "colinux-daemon: guest panic: too many forks\n")
            return None
        if "spin" in script or "fpu 100" in script or "while :" in script or "dbus-run-session" in script:
            loaded.append(number)
            return None
        if "net serve" in script:
            loaded.append(number)
            return self.line.send(f"out {number} 11\nready=7001\n")
        if m := re.search(r"colinux-check keep \S+ (\d+)", script):
            text = "".join(f"kept={int(m[1]) + n}\n" for n in range(99))
            return self.line.send(f"out {number} {len(text)}\n{text}")
        if m := re.search(r"colinux-check kept \S+ (\d+)", script):
            lost = "lost-file" in MODES and int(m[1]) > 99
            text = f"newest={m[1]}\nfaults={int(lost)}\n" + "recovered=yes\n" * ("no-journal" not in MODES)
            return self.line.answer(number, int(lost), "fault: 7 holds 1, and 71 was promised\n" * lost + text)
        faults = "bad-forks" in MODES
        answers = [
            ("uname -r; cat", "6.1.192-colinux\nLinux version 6.1.192-colinux (gcc 12.2.0)\n"),
            ("echo release", "release=6.1.192-colinux\nmachine=x86_64\n"),
            ("colinux-check mem", "total_kib=112640\nfree_kib=90000\nmib=43\nfaults=0\n"),
            ("mke2fs", f"written={FILE}  -\nagain={FILE}  -\ncopy=equal\ndevice={DISK}  -\n"),
            ("timers", "sleep10_min_ms=10.1\nsleep10_median_ms=10.4\nsleep10_max_ms=12\nsleep1_min_ms=1.1\n"
             "sleep1_median_ms=1.2\nsleep1_max_ms=2\nmonotonic_s=1.0\nwall_s=1.0\nreads=9\nbackward=0\n"
             f"epoch={time.time():.3f}\n"),
            ("fpu", "level=avx\nholders=4\nrounds=99\nforks=20\nfaults=0\n"),
            ("colinux-check state", "".join(f"{kind}=ok rounds=9 holders=2\n" for kind in STATE) +
             "disturbances=9\ninterrupts=900\nfaults=0\n"),
            ("forks 300", f"fault: fork 7\nforks=300\nseconds=1\nfaults={int(faults)}\n" if faults else
             "forks=300\nseconds=1.000\nfaults=0\n"),
            ("colinux-df", "interrupts_before=1\ndf_before=8\ndf_with=4104\ndf_after=8\ninterrupts_after=9\ntotal=9\n"
             "free_total=9\nfree_used=4\nfree_free=5\n"),
            ("readlink -f", "cobd0=/dev/vda\nserial.cobd0=cobd0\n" + "hda1=/dev/vda\n" * ("hda1" in script)),
            ("colinux-check stamp", stamp(0.2 if "slow-clock" in MODES and loaded else 0.0)),
            ("is-system-running", "running\n"),
            ("boot_id", f"{state['boots']}-0\n"),
            ("apt-get install", "unsigned=refused\nupdate=done\nmake=install ok installed\ntcc=install ok installed\nruns=tcc version\n"),
            ("git clone", "said=hello 42\nsame=yes\nchanged=0\n"),
            ("authorized_keys", "ssh-ed25519 AAAA\n"),
            ("apt-get", "apt 2.6.1 (amd64)\n"),
            ("colinux-check folder", "refused=yes\nhost=made by host\ntried=49\nfaults=0\numount=done\n"),
            ("serial-getty", "getty=active\n"),
            ("ifconfig eth0", "eth0=10.0.2.15 255.255.255.0\neth1=10.0.3.15 255.255.255.0\nmac=02:43:4f:00:00:05\n"
             "gateways=10.0.2.2 10.0.3.2\nresolvers=10.0.2.3 10.0.3.3\n"),
            ("answer.$address", "answer.10.0.2.2=yes\nanswer.10.0.3.2=yes\nanswer.192.0.2.1=yes\n"),
            ("/proc/colinux/status", "abi=3\ninterrupted=yes\nleaves=yes\ndisks=all\nconsole=driven\n"),
            ("answer6.", "eth0=fec000000000000200434ffffe000005\nanswer6.fec0:0:0:2::2=yes\nanswer6.fec0:0:0:3::2=yes\n"
             "echoed_good=1048576\ntaken_good=1048576\ndatagrams=10\nlongest=1400\n"),
            ("net lookup", "address=192.0.2.1\nunknown=3\n"),
            ("net send", "sent_good=4194304\ntaken_good=4194304\nechoed_good=4194304\n"),
            ("net udp", "datagrams=5\nlongest=8000\n"),
            ("> /dev/hvc2", ""),
            ("< /dev/hvc3", ""),
            ("by=eth1", "taken_good=1048576\nby=eth1\n"),
            ("ifconfig eth2", "answer=yes\nechoed_good=4194304\n"),
        ]  # fmt: skip
        for part, text in answers:
            if part in script:
                return self.line.answer(number, int(faults and part == "forks 300"), text)
        self.line.answer(number, 127, f"fake guest: what is {script!r}?\n")
        return None


def stamp(ahead: float) -> str:
    """A clock that is so many seconds ahead, at a moment of a counter of 1 GHz."""
    now = time.time_ns()
    return f"tsc={now}\nepoch={now / 1e9 + ahead:.6f}\nwidth=40\n"


def lines_sum(count: int) -> str:
    """Of the numbers from 1 on, a line each."""
    return hashlib.sha256("".join(f"{n}\n" for n in range(1, count + 1)).encode()).hexdigest()


guests: dict[int, Guest] = {}
loads: list[str] = []
loaded: list[str] = []  # the same in the guests


def ctl(host: Line, number: str, command: str, slot: int) -> None:
    """colinux-ctl --json on the host."""
    guest = guests.get(slot)
    state["asked"] += 1
    status = {"ok": True, "name": f"guest{slot}", "pid": 70 + slot, "state": "running", "memory_mib": 128}
    if command == "list":
        alive = [n for n, one in guests.items() if not one.over]
        return host.answer(number, 0, json.dumps([{"name": f"guest{n}", "pid": 70 + n} for n in alive]) + "\n")
    if "no-ctl" in MODES or guest is None:
        return host.answer(number, 1, "colinux-ctl: the guest's daemon does not answer\n")
    if command == "stop":
        guest.end(int("bad-stop" in MODES))
        status = {"event": "ended", "exit_code": int("bad-stop" in MODES), "reason": ""}
    if command == "reboot":
        status = {"event": "restarted", "exit_code": 0, "reason": ""}
        state["boots"] += "same-boot" not in MODES
        guest.line.send("hello 1 hvc1\n")
    if command == "stats":
        queues = [{"size": 64, "taken": state["asked"], "returned": state["asked"]} for _ in range(2)]
        status |= {
            "guest": {"switches": 9 * state["asked"], "interrupts": 9, "doorbells": 9, "running_ms": 9, "idle_share": 0.9},
            "devices": [{"name": name, "state": "running", "complaints": 0, "queues": queues}
                        for name in ("console", "cobd0", "ttys0")],
        }  # fmt: skip
    return host.answer(number, 0, json.dumps(status) + "\n")


def host_run(host: Line, number: str, script: str) -> None:
    if "dropbearkey" in script or "BEGIN PGP SIGNED" in script:
        return host.answer(number, 0)
    if "sha256sum < Packages" in script:
        return host.answer(number, 0, f"{'0' * 64}  -\n80\n")
    if "dbclient" in script:
        boot = "1-0" if "wrong-guest" in MODES else f"{state['boots']}-0"
        return host.answer(number, 0, f"here=5eed -\nboot={boot}\nthere=5eed -\n")
    if "built-by-guest" in script:
        return host.answer(number, 0, " 7f 45 4c 46\n.git/HEAD\n" if "no-guest-file" not in MODES else "cmp: EOF\n")
    if "con.out" in script:
        return host.answer(number, 0, "answered=yes\n" * ("no-console" not in MODES) + "detached=yes\n")
    if "colinux-console" in script:
        return host.answer(number, 0, "" if "no-console" in MODES else "ends=0,0\n")
    if m := re.search(r"colinux-ctl --json (\w+)(?: guest(\d))?", script):
        return ctl(host, number, m[1], int(m[2] or 0))
    if "colinux-daemon" in script:
        guest = Guest(host, number, script)
        guests[guest.slot] = guest
        return None
    if "while :" in script:  # host load
        if "forks" in script:
            host.send(f"out {number} 8\nforks=1\n")
        if "sha256sum" in script:
            text = "bb9f8df61474d25e71fa00722318cd387396ca1736605e1248821cc0de3d3af8  -\n" * 2
            host.send(f"out {number} {len(text)}\n{text}")
        loads.append(number)
        return None
    if re.search(r"exec colinux-check net (serve|names)|httpd -f|Xvfb :1", script):
        if "no-server" in MODES:
            return host.answer(number, 3, "colinux-check: net: port 7001: Address already in use\n")
        loads.append(number)
        return host.send(f"out {number} 8\nready=1\n")
    if m := re.search(r"kill -9 .*guest(\d)\.pid", script):
        guests[int(m[1])].end(137)
    lost = 20480 * state["guests"] if "leak" in MODES else 0
    oops = "[   99.0] Oops: 0000 [#1] PREEMPT SMP\n" if "complain" in MODES and state["guests"] else ""
    ports = "".join(f"port.{name}=/dev/vport0p{n}\n" for n, name in enumerate(PORTS, 1))
    disks = "".join(f"disk.{serial}=/dev/vd{chr(97 + n)}\n" for n, serial in enumerate(SERIALS))
    seen = 0 if "no-nmi" in MODES else state["nmis"]
    answers = [
        ("/sys/class/virtio-ports", 0, ports + disks),
        ("uname -r", 0, "6.1.0-fake\n"),
        ("grep -qw avx", 0, ""),
        ("insmod", int("no-driver" in MODES), "insmod: bad module\n" if "no-driver" in MODES else ""),
        ("colinux-check pool trim", 0, "pool_chunks=0\npool_chunks_used=0\nchunk_kib=4096\n"),
        ("colinux-check pool", 0, "pool_chunks=10\npool_chunks_used=0\nchunk_kib=4096\n"),
        ("kernel/slab", 0, f"free_kib={900000 - lost - (40960 if state['driver'] else 0)}\n"),
        ("sha256sum < /dev/", 0, f"{'e' * 64 if 'bad-disk' in MODES else DISK}  -\n"),
        ("parameters/held", 0, f"{3 + state['guests'] * ('held' in MODES)} allocations of 777 bytes, 0 chunks, 0 mappings\n"),
        ("rmmod", 0, ""),
        ("dmesg", 0, f"[    0.0] Linux version 6.1.0-fake\n{oops}"),
        ("echo alive", 0, "alive\n"),
        ("colinux-check stamp", 0, stamp(0.0)),
        ("timers 30", 0, "sleep10_median_ms=10.2\n"),
        ("NMI:", 0, f"NMI: {seen} {seen} Non-maskable interrupts\n"),
        ("MCE:", 0, f"MCE: {state['mces']} 0 Machine check exceptions\n"),
        ("cat /tmp/guest0.pid", 0, "70\n"),
        ("kill -9", 0, ""),
        ("echo hello-host", 0, "hello-host\n"),
        ("echo left=", 0, "guest=made by guest\nsecret=nobody shall know\n"
         f"left={'from-guest ' * ('no-guest-file' not in MODES)}from-host link-absolute link-up\n"),
        ("rm -rf /tmp/colinux-shared", 0, ""),
        ("umount /tmp/ssh-client/dev", 0, ""),
        ("x-screen.cpio.gz", 0, ""),
        ("umount /tmp/x-screen/dev", 0, ""),
        ("xwininfo", 0, "".join(WINDOWS[: -1 if "no-window" in MODES else None])),
        ("Xvfb_screen0", 0, base64.encodebytes(gzip.compress(xwd(200, 80, SCREEN))).decode()),
        ("ping_group_range", 0, ""),
        (": > /tmp/colinux-ttys1", 0, ""),
        ("rm /tmp/colinux-ttys1", 0, ""),
        ("< /tmp/colinux-ttys1", 0, f"sum={lines_sum(20000 - ('no-serial' in MODES))}  -\n"),
        ("ifconfig cotap0", 0, ""),
        ("redirect", int("no-ports" in MODES), "listed=2\nechoed_good=1048576\ndatagrams=10\ntaken=refused\nwhich=asked\n"
             "closed=yes\nlast_good=4194304\n"),
            ("net both 127.0.0.1", 0, "echoed_good=1048576\n" + "datagrams=10\n" * ("no-redirect" not in MODES)),
    ]
    for part, status, text in answers:
        if part in script:
            if part == "insmod":
                state["driver"] = True
            if part == "rmmod":
                state["driver"] = False
            return host.answer(number, status, text)
    host.answer(number, 127, f"fake host: what is {script!r}?\n")
    return None


def qmp_event(reason: str) -> None:
    qmp.send(json.dumps({"event": "SHUTDOWN", "data": {"guest": True, "reason": reason}}) + "\n")
    time.sleep(0.1)
    sys.exit(0)


def qmp_line(line: str) -> None:
    request = json.loads(line)
    name = request["execute"]
    if name == "inject-nmi":
        state["nmis"] += 1
    text = ""
    if name == "human-monitor-command":
        state["mces"] += 1
        console("mce: [Hardware Error]: CPU 0: Machine Check Exception: 5 Bank 9\n")
    if name not in ("qmp_capabilities", "inject-nmi", "human-monitor-command"):
        qmp.send(json.dumps({"error": {"class": "CommandNotFound", "desc": f"no {name}"}}) + "\n")
        return
    qmp.send(json.dumps({"return": text or {}}) + "\n")


def main() -> None:
    if "die" in MODES:
        sys.exit("qemu-system-x86_64: could not find the moon")
    if "linger" in MODES:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    qmp.send(json.dumps({"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 22}}}}) + "\n")
    console("[    0.000000] Linux version 6.1.0-fake\n")
    lost = "host-late" in MODES and not os.path.exists(CONSOLE.replace(".log", "-1.log"))  # noqa: PTH110
    if lost:
        console("watchdog: BUG: soft lockup - CPU#0 stuck for 26s!\n")
    elif "host-silent" not in MODES:
        lines["colinux.host"].send("hello 1 colinux.host\n")
    while True:
        ready, _, _ = select.select([line.sock for line in [qmp, *lines.values()]], [], [])
        for sock in ready:
            if sock is qmp.sock:
                for _, line in qmp.requests():
                    qmp_line(line)
                if lost:
                    sys.exit(0)
            for name, line in lines.items():
                if sock is not line.sock:
                    continue
                if name.startswith("colinux.console"):
                    line.send(line.sock.recv(4096).decode().upper())  # a terminal that shouts
                    continue
                for words, text in line.requests():
                    if name == "colinux.host" and words[0] == "run":
                        host_run(line, words[1], text)
                    elif name == "colinux.host" and words[0] == "kill":
                        for guest in guests.values():
                            if guest.number == words[1]:
                                guest.end(143)
                        if words[1] in loads:
                            line.answer(words[1], 143)
                    elif name.startswith("colinux.guest") and int(name[-1]) in guests:
                        guests[int(name[-1])].obey(words, text)


if __name__ == "__main__":
    qmp = Line(NAMES["qmp"])
    lines = {name: Line(fd) for name, fd in PORTS.items()}
    main()
