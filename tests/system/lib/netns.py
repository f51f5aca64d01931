# SPDX-License-Identifier: Apache-2.0
"""Ports that are real links, veth pairs whose other end gives the carrier, and a network namespace of their own."""

import contextlib
import functools
import itertools
import json
import os
import re
import subprocess
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from lib.checker import CLONE_NEWNET, IFF_RUNNING, IFF_UP, Kernel, call, in_thread
from lib.rtnl import Rtnl
from lib.wait import wait_for

NAME_PREFIX = "pt-"
MS_BIND = 0x1000
MNT_DETACH = 2
DOOMED_GROUP = 77  # of links (netdevice(7)); nobody else uses it


def run(*command: str, stdin: str | None = None) -> str:
    """The command's stdout. AssertionError with its stderr if it fails."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()}"
    return done.stdout


def remove_stale() -> None:
    """Removes the namespaces of runs that were killed before they could clean up. Another run may do so at the same
    time."""
    for line in run("ip", "netns", "list").splitlines():
        owner = re.match(rf"{NAME_PREFIX}(\d+)-\d+\b", line)
        if owner and not os.path.exists(f"/proc/{owner[1]}"):
            with contextlib.suppress(AssertionError):
                run("ip", "netns", "delete", line.split()[0])


@functools.cache
def namespaces() -> Path:
    """The folder of ip-netns(8), which ip makes a shared mount, so that whoever copies our mounts keeps no namespace."""
    name = f"{NAME_PREFIX}{os.getpid()}-first"
    run("ip", "netns", "add", name)
    run("ip", "netns", "delete", name)
    return Path("/run/netns")


def add_namespace(name: str) -> None:
    """As `ip netns add`, without a process, and without IPv6."""
    path = namespaces() / name
    path.touch(0o444, exist_ok=False)

    def make() -> None:
        call("unshare", CLONE_NEWNET)
        call("mount", b"/proc/thread-self/ns/net", os.fsencode(path), None, MS_BIND, None)
        disable_ipv6()

    in_thread(make)


def delete_namespace(name: str) -> None:
    """As `ip netns delete`; harmless when it is gone."""
    path = namespaces() / name
    if path.exists():
        call("umount2", os.fsencode(path), MNT_DETACH)
        path.unlink()


def disable_ipv6() -> None:
    """Of the caller's namespace. With IPv6 each change of a link costs the kernel much more than what it reports to
    us."""
    for links in ("all", "default"):
        Path(f"/proc/sys/net/ipv6/conf/{links}/disable_ipv6").write_text("1")


class Links:
    """Ports are named as given; the other end of Ethernet4 is p4 and stands in the same namespace. ip: the command that
    acts there."""

    def __init__(self, ip: Sequence[str]) -> None:
        self._ip = list(ip)
        self._peers: dict[str, str] = {}
        self._peer_numbers = itertools.count()

    def ip(self, *arguments: str) -> str:
        return run(*self._ip, *arguments)

    def batch(self, lines: Iterable[str]) -> None:
        """Many ip commands in one process; ends at the first that fails."""
        run(*self._ip, "-batch", "-", stdin="".join(f"{line}\n" for line in lines))

    def links(self) -> list[dict[str, Any]]:
        return json.loads(self.ip("-json", "-details", "link", "show"))

    def ifindex(self, name: str) -> int:
        return int(json.loads(self.ip("-json", "link", "show", "dev", name))[0]["ifindex"])

    def peer(self, port: str) -> str:
        return self._peers[port]

    @property
    def ports(self) -> list[str]:
        return list(self._peers)

    def add_port(self, name: str, mtu: int = 9100, admin: str = "up", carrier: str = "up", index: int = 0) -> None:
        self.batch(self._add_lines(name, mtu, admin, carrier, index))

    def add_ports(self, names: Sequence[str], mtu: int = 9100, admin: str = "up", carrier: str = "up") -> None:
        self.batch(line for name in names for line in self._add_lines(name, mtu, admin, carrier, 0))

    def delete_port(self, name: str) -> None:
        del self._peers[name]
        self.batch([f"link delete dev {name}"])

    def delete_ports(self, names: Sequence[str]) -> None:
        """Deletes them all at once, which takes the kernel hardly longer than one."""
        for name in names:
            del self._peers[name]
        self.batch([*(f"link set dev {name} group {DOOMED_GROUP}" for name in names), f"link delete group {DOOMED_GROUP}"])

    def rename_port(self, name: str, new_name: str) -> None:
        """Takes it down around the rename: older kernels refuse to rename a link that is up."""
        self.batch([f"link set dev {name} down", f"link set dev {name} name {new_name}", f"link set dev {new_name} up"])
        self._peers[new_name] = self._peers.pop(name)

    def set_carrier(self, name: str, state: str) -> None:
        """Plugs ("up") or pulls ("down") the cable."""
        self.batch([f"link set dev {self._peers[name]} {state}"])

    def wait_carrier(self, names: Collection[str], state: str) -> None:
        """Waits until the kernel shows this carrier of links that are up: a kernel thread updates it some time after
        set_carrier()."""
        wanted = state == "up"
        wait_for(lambda: all(it == wanted for it in self.carriers(names)), what=f"carrier {state}: {names}")

    def carriers(self, names: Collection[str]) -> list[bool]:
        """Whether those of these links have carrier that are up."""
        shown = [link["flags"] for link in self.links() if link["ifname"] in names]
        return ["NO-CARRIER" not in flags for flags in shown if "UP" in flags]

    def set_admin(self, name: str, state: str) -> None:
        self.batch([f"link set dev {name} {state}"])

    def set_mtu(self, name: str, mtu: int) -> None:
        self.batch([f"link set dev {name} mtu {mtu}"])

    def add_bridge(self, name: str) -> None:
        self.batch([f"link add name {name} type bridge", f"link set dev {name} up"])

    def set_master(self, name: str, master: str | None) -> None:
        self.batch([f"link set dev {name} " + (f"master {master}" if master else "nomaster")])

    def _add_lines(self, name: str, mtu: int, admin: str, carrier: str, index: int) -> Iterator[str]:
        peer = self._new_peer(name)
        fixed_index = f" index {index}" if index else ""
        yield f"link add name {name}{fixed_index} mtu {mtu} type veth peer name {peer} mtu {mtu}"
        if carrier == "up":
            yield f"link set dev {peer} up"
        if admin == "up":
            yield f"link set dev {name} up"

    def _new_peer(self, name: str) -> str:
        number = re.fullmatch(r"Ethernet(\d+)", name)
        peer = f"p{number[1]}" if number else f"px{next(self._peer_numbers)}"
        if peer in self._peers.values():
            peer = f"px{next(self._peer_numbers)}"
        self._peers[name] = peer
        return peer


class NetNs(Links):
    """A network namespace, and the links in it."""

    _numbers = itertools.count()

    def __init__(self) -> None:
        self.name = f"{NAME_PREFIX}{os.getpid()}-{next(self._numbers)}"
        super().__init__(["ip", "-n", self.name])
        self.add_again()

    def add_again(self) -> None:
        """Made, or made again after close(), without links."""
        add_namespace(self.name)
        self.kernel = Kernel(self.name)
        self._rtnl = Rtnl(self.name, self.kernel)

    def batch(self, lines: Iterable[str]) -> None:
        """As above, without a process where possible."""
        if left := self._rtnl.batch(lines):
            super().batch(left)

    def ifindex(self, name: str) -> int:
        return self.kernel.index(name)

    def carriers(self, names: Collection[str]) -> list[bool]:
        shown = [self.kernel.flags(name) or 0 for name in names]
        return [bool(flags & IFF_RUNNING) for flags in shown if flags & IFF_UP]

    def close(self) -> None:
        self._rtnl.close()
        self.kernel.close()
        delete_namespace(self.name)

    def exec(self, *command: str) -> str:
        return run("ip", "netns", "exec", self.name, *command)
