# SPDX-License-Identifier: Apache-2.0
"""qemu-system, in software: no KVM and no right of this machine is needed. Beside its console the guest has two virtio
serial ports: "results", a file, and "qmp", qemu's own monitor, by which it pulls its own cables and cards."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

MEMORY_MIB = 1536
PROCESSORS = 2
# Cards for the scenarios: id -> MAC address, by which a scenario finds its card.
VIRTIO = {"virtio0": "52:54:00:00:01:00", "virtio1": "52:54:00:00:01:01"}
E1000 = {"e10000": "52:54:00:00:02:00"}


@dataclass
class Machine:
    """How qemu builds a machine of an architecture."""

    program: str
    options: list[str]
    console: str
    kernel: str  # prefix of its image's name in /boot
    bus: bool = False  # a card is unplugged from its own port


MACHINES = {
    "amd64": Machine("qemu-system-x86_64", ["-machine", "pc", "-cpu", "max"], "ttyS0", "vmlinuz"),
    "arm64": Machine("qemu-system-aarch64", ["-machine", "virt,gic-version=2", "-cpu", "cortex-a57"], "ttyAMA0", "vmlinuz", True),
    "armhf": Machine("qemu-system-arm", ["-machine", "virt,highmem=off", "-cpu", "cortex-a15"], "ttyAMA0", "vmlinuz", True),
}


def cards(machine: Machine) -> list[str]:
    options: list[str] = []
    if machine.bus:
        for i, name in enumerate(VIRTIO):
            options += ["-device", f"pcie-root-port,id=port-{name},chassis={i + 1}"]
        options += ["-device", "pcie-root-port,id=port-old,chassis=9", "-device", "pcie-pci-bridge,id=old,bus=port-old"]
    for kind, found in {"virtio-net-pci": VIRTIO, "e1000": E1000}.items():
        for i, (name, mac) in enumerate(found.items()):
            bus = f",bus={f'port-{name}' if kind == 'virtio-net-pci' else 'old,addr=1'}" if machine.bus else ""
            options += ["-netdev", f"hubport,id=net-{name},hubid={i}"]
            options += ["-device", f"{kind},id={name},netdev=net-{name},mac={mac},romfile={bus}"]
    return options


def command(arch: str, boot: Path, initramfs: Path, disk: Path, work: Path) -> list[str]:
    machine = MACHINES[arch]
    kernel = next(boot.glob(f"{machine.kernel}-*"))
    return [
        machine.program, *machine.options, "-accel", "tcg,thread=multi", "-smp", str(PROCESSORS), "-m", str(MEMORY_MIB),
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-kernel", str(kernel), "-initrd", str(initramfs),
        "-append", f"console={machine.console} quiet loglevel=4 panic=-1 tsc=unstable mitigations=off audit=0 apparmor=0",
        "-serial", f"file:{work / 'console'}",
        "-drive", f"file={disk},format=raw,if=none,id=disk,snapshot=on", "-device", "virtio-blk-pci,drive=disk",
        "-device", "virtio-serial-pci",
        "-chardev", f"file,id=results,path={work / 'results'}", "-device", "virtserialport,chardev=results,name=results",
        "-chardev", f"socket,id=monitor,path={work / 'qmp'},server=on,wait=off", "-mon", "chardev=monitor,mode=control",
        "-chardev", f"socket,id=qmp,path={work / 'qmp'}", "-device", "virtserialport,chardev=qmp,name=qmp",
        *cards(machine),
    ]  # fmt: skip


def boot(arch: str, kernel: Path, initramfs: Path, disk: Path, work: Path) -> subprocess.Popen[bytes]:
    with (work / "qemu.log").open("wb") as log:
        return subprocess.Popen(command(arch, kernel, initramfs, disk, work), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
