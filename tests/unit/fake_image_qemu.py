# SPDX-License-Identifier: GPL-2.0-only
"""A QEMU made of words with an NT in it whose hook does what START.CMD on the second disk says, as far as it knows cmd.

The mode is the image's content: "FAKE no-hook"; without one everything goes well. Noise is on the line all the time,
and in the midst of every record that is said for the first time.

    no-hook   the image does not run its hook       no-driver  the driver is refused
    bugcheck  the NT is reset with a guest in it    panic      the guest panics
    lost      nothing of a check comes through      hang       the guest never ends
"""

from __future__ import annotations

import base64
import json
import re
import select
import socket
import sys

FDS = {m[1]: int(m[2]) for word in sys.argv if (m := re.match(r"socket,id=(\w+),fd=(\d+)", word))}
DRIVES = dict(m.groups() for word in sys.argv if (m := re.match(r"file=(.*?),format=\w+,if=ide,index=(\d)", word)))
IMAGE = next(path for path, index in DRIVES.items() if index == "0")
DISC = next(path for path, index in DRIVES.items() if index == "2")
NOISE = b"\x00\xff@co:(ntos/ke.c:77) KiNoise @@\r\n"
ANSWERS = {"hello": "6.1.192-colinux\nLinux version 6.1.192-colinux (gcc 12.2.0)\n",
           "uname": "release=6.1.192-colinux\nmachine=x86_64\n", "forks": "forks=300\nseconds=1.2\nfaults=0\n"}  # fmt: skip

qmp = socket.socket(fileno=FDS["qmp"])
ports = {"COM1": socket.socket(fileno=FDS["com1"]), "COM2": socket.socket(fileno=FDS["com2"])}
said: set[str] = set()


def send(message: object) -> None:
    qmp.sendall(json.dumps(message).encode() + b"\n")


def serve(seconds: float) -> None:
    """QMP's requests."""
    while select.select([qmp], [], [], seconds)[0]:
        data = qmp.recv(4096)
        if not data:
            sys.exit(0)
        for _ in data.splitlines():
            send({"return": {}})


def say(port: str, text: str) -> None:
    data = text.encode()
    if text not in said and text.startswith("@co:"):
        said.add(text)
        data = data[:20] + NOISE + data[20:]
    ports[port].sendall(NOISE + data + b"\r\n")


def guest(name: str, token: str, mode: str, written: object) -> int:
    say("COM2", "Linux version 6.1.192-colinux")
    if mode == "hang":
        serve(1e9)
    if mode == "bugcheck":
        send({"event": "SHUTDOWN", "data": {"guest": True, "reason": "guest-reset"}})
        serve(1e9)
    if mode == "panic":
        say("COM2", "Kernel panic - not syncing: VFS: cannot find root")
        return 16
    number, records = 0, []
    for check, output in ANSWERS.items():
        data = base64.b64encode(output.encode()).decode()
        pieces = [data[at : at + 30] for at in range(0, len(data), 30)]
        texts = [("out", f"{check},{at},{piece}") for at, piece in enumerate(pieces)]
        for kind, text in [*texts, ("end", f"{check},0,{len(pieces)}")]:
            number += 1
            if not (mode == "lost" and check == "forks" and kind == "out"):
                records.append(written(token, name, number, kind, text))  # type: ignore[operator]
    for record in [*records, *records]:
        say("COM1", record)
    return 0


def run(script: str, mode: str) -> None:
    from runtime.launcher.image.records import written

    values = {"errorlevel": "0"}
    token = re.search(r"@co:([0-9a-f]{8}):host", script)[1]  # type: ignore[index]
    for line in script.split("\r\n"):
        line = re.sub(r"%(\w+)%", lambda m: values.get(m[1], ""), line)
        if m := re.match(r'if (not )?"(\w*)"=="(\w+)" (.*)', line):
            if (m[2] == m[3]) == bool(m[1]):
                continue
            line = m[4]
        if m := re.fullmatch(r"set (\w+)=(.*)", line):
            values[m[1]] = m[2]
        elif m := re.fullmatch(r"echo (.*)>(COM\d)", line):
            say(m[2], m[1])
        elif m := re.fullmatch(r"ver>(COM\d)", line):
            say(m[1], "\r\nMicrosoft Windows [Version 5.2.3790]")
        elif "--install-driver" in line:
            values["errorlevel"] = "255" if mode == "no-driver" else "0"
        elif m := re.match(r"CODAEMON.EXE @(GUEST\d).CFG <NUL >\w+", line):
            values["errorlevel"] = str(guest(m[1].lower(), token, mode, written))
        elif line.startswith(("copy", "CODAEMON")):
            values["errorlevel"] = "0"


def main() -> None:
    with open(IMAGE, "rb") as file:  # noqa: PTH123
        mode = file.read(40).decode("ascii", "replace").partition("FAKE ")[2].strip()
    with open(DISC, "rb") as file:  # noqa: PTH123
        data = file.read()
    send({"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 22}}}})
    while not select.select([qmp], [], [], 60)[0]:
        pass
    serve(0.05)
    start = data.index(b"@echo off\r\n")
    if mode != "no-hook":
        run(data[start : data.index(b"endlocal\r\n", start)].decode("ascii"), mode)
    serve(1e9)


if __name__ == "__main__":
    main()
