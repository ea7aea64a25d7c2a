# SPDX-License-Identifier: GPL-2.0-only
"""The same benchmarks in a virtual machine of QEMU's, on the very test host that the cooperative guest runs beside.

It has the host's own kernel, virtio devices that lead to the same disk, server and folder and to terminals like the guest's, and KVM where the
host has it: QEMU's TCG emulates AMD's virtualization, so kvm_amd loads in an emulated test host. Without KVM it is
QEMU's TCG inside of that, which says nothing about devices; so `Rival.accel` says which it was.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.declaration.model import Declaration, Host, Machine
from pipeline.errors import BuildFailed
from runtime.launcher.lab import Lab
from runtime.launcher.network import PORT
from runtime.launcher.verdict import last_lines

IMAGE = "qemu"  # the root filesystem of kind "unpacked" that QEMU and its libraries lie in
CARRIED = f"/colinux/{IMAGE}.cpio.gz"
KERNEL = "/colinux/vmlinuz"
# Modules of the test host without which there is no such machine.
MODULES = {"kvm_amd", "virtio_net", "9p", "9pnet_virtio", "virtio_rng"}

ROOT = "/tmp/qemu"
SHARED = "/shared"  # the host folder, inside of ROOT
MOUNTED = "/mnt"

# As busybox-static, modules and colinux-check are in the test host. Its own guests' virtual machines are not loaded.
INITRD = f"""
set -e
mkdir -p {ROOT}{SHARED} /tmp/rival/bin /tmp/rival/modules
cd {ROOT}
zcat {CARRIED} | cpio -id 2> /dev/null
mkdir -p dev proc
cp {KERNEL} vmlinuz
mount -o bind /dev dev
mount -o bind /dev/pts dev/pts
mount -t proc proc proc     # QEMU's 9P goes through /proc/self/fd
mount -o bind {{folder}} {ROOT}{SHARED}
cd /tmp/rival
cp /bin/busybox /bin/colinux-check bin
cp /modules/*.ko modules
grep -v -e kvm -e tun /modules/order > modules/order
cat > init <<'END'
{{init}}
END
chmod 755 init
find . | cpio -o -H newc 2> /dev/null > {ROOT}/initrd
rm -r /tmp/rival
"""

INIT = f"""#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev {MOUNTED}
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
while read module; do insmod /modules/$module || echo "no $module"; done < /modules/order
ifconfig lo 127.0.0.1 up
ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
mount -t 9p -o trans=virtio,version=9p2000.L,msize=131072 shared {MOUNTED}
i=0
until [ $i = {{rounds}} ]; do
    i=$((i + 1))
{{work}}
done
poweroff -f
"""

# No ROM for the network card: nobody boots from it.
QEMU = f"""
accel=tcg,thread=multi cpu=max
[ -c /dev/kvm ] && accel=kvm cpu=host
echo accel=${{{{accel%%,*}}}}
serial=$(readlink {{serial}})
exec chroot {ROOT} qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot -L /usr/share/seabios \\
    -L /usr/share/qemu -accel $accel -cpu $cpu -m {{memory}} -kernel /vmlinuz -initrd /initrd \\
    -append 'console=ttyS0 quiet panic=-1 no_timer_check' -serial stdio \\
    -drive file={{disk}},format=raw,if=none,id=disk,cache=none -device virtio-blk-pci,drive=disk \\
    -netdev user,id=net -device virtio-net-pci,netdev=net,romfile= \\
    -fsdev local,id=shared,path={SHARED},security_model=none -device virtio-9p-pci,fsdev=shared,mount_tag=shared \\
    -device virtio-rng-pci -device virtio-serial-pci -chardev file,id=console,path={{console}} \\
    -device virtconsole,chardev=console \\
    -chardev serial,id=serial,path=$serial -device virtconsole,chardev=serial 2>&1
"""

FIGURE = re.compile(r"^figure (\w+) \w+=([0-9.]+)\s*$", re.M)


@dataclass
class Rival:
    """What was measured in it: how it ran, and per kind one value a round."""

    accel: str = ""
    figures: dict[str, list[float]] = field(default_factory=dict)


def host_for(machine: Machine, decl: Declaration) -> Host | None:
    """A host with the machine's kernel and what a virtual machine on it needs; None where none is declared."""
    image = decl.hosts[machine.host].image
    if IMAGE not in decl.rootfs:
        return None
    return next((one for one in decl.hosts.values() if one.image == image and set(one.modules) >= MODULES), None)


def files(kernel: Path) -> Mapping[str, Path]:
    """What the test host has to have in its image beside what it carries."""
    return {KERNEL: kernel}


def measure(lab: Lab, kinds: Mapping[str, str], rounds: int, memory_mib: int, devices: Mapping[str, str]) -> Rival:
    """Run it to its end, while the guests idle.

    `kinds`: a benchmark's name -> its argument in there; `devices`: "disk", "console" and "serial" of the host's, and the "folder".
    Raises BuildFailed when it does not give every figure.
    """
    work = "\n".join(f'    echo "figure {kind} $(colinux-check bench {kind} {place})"' for kind, place in kinds.items())
    lab.host.ask(INITRD.format(folder=devices["folder"], init=INIT.format(rounds=rounds, work=work)), 300)
    limit = 3 * lab.check_limit
    status, text = lab.host.run(
        QEMU.format(memory=memory_mib, **{name: devices[name] for name in ("disk", "console", "serial")}), limit)
    lab.host.ask(f"umount {ROOT}{SHARED} {ROOT}/dev/pts {ROOT}/dev {ROOT}/proc; rm -rf {ROOT}")
    rival = parse(text)
    missing = [kind for kind in kinds if len(rival.figures.get(kind, ())) < rounds]
    if missing:
        raise BuildFailed(f"the virtual machine beside gave no figures of {', '.join(missing)} (ended with {status})",
                          excerpt=last_lines(text))
    return rival


def parse(text: str) -> Rival:
    """What QEMU's serial port said."""
    rival = Rival("".join(re.findall(r"^accel=(\w+)$", text, re.M)[:1]))
    for kind, value in FIGURE.findall(text):
        rival.figures.setdefault(kind, []).append(float(value))
    return rival


def places(where: Mapping[str, str]) -> Mapping[str, str]:
    """A benchmark's name -> its argument inside; `where`: name -> word of ratios.Kind.place."""
    inside = {"": "", "disk": "/dev/vda", "server": f"10.0.2.2:{PORT}", "folder": MOUNTED, "console": "/dev/hvc0",
              "serial": "/dev/hvc1", "entropy": "/dev/hwrng"}
    return {name: inside[place] for name, place in where.items()}


__all__ = ["Rival", "files", "host_for", "measure", "parse", "places"]
