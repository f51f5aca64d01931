# SPDX-License-Identifier: Apache-2.0
"""RTM_NEWLINK and RTM_DELLINK, which only the kernel should send, sent by us to all listeners for link changes."""

import os
import socket
import struct

from lib.checker import IFF_RUNNING, IFF_UP, socket_in

RTM_NEWLINK = 16
RTM_DELLINK = 17
RTMGRP_LINK = 1
IFLA_IFNAME = 3
IFLA_MTU = 4


def attribute(kind: int, value: bytes) -> bytes:
    padding = bytes(-len(value) % 4)
    return struct.pack("HH", 4 + len(value), kind) + value + padding


def link_message(kind: int, name: str, ifindex: int, mtu: int, flags: int) -> bytes:
    attributes = attribute(IFLA_IFNAME, os.fsencode(name) + b"\0") + attribute(IFLA_MTU, struct.pack("I", mtu))
    info = struct.pack("BxHiII", socket.AF_UNSPEC, 1, ifindex, flags, 0xFFFFFFFF)
    length = 16 + len(info) + len(attributes)
    return struct.pack("IHHII", length, kind, 0, 0, 0) + info + attributes


def forge_link(netns: str, kind: int, name: str, ifindex: int, mtu: int, flags: int = IFF_UP | IFF_RUNNING) -> None:
    """Multicast by a process of the namespace. The unicast copy goes to ourselves: the kernel would take it as a
    request."""
    with socket_in(netns, socket.AF_NETLINK, socket.SOCK_RAW, 0) as sender:
        sender.bind((0, 0))
        own_port = sender.getsockname()[0]
        sender.sendto(link_message(kind, name, ifindex, mtu, flags), (own_port, RTMGRP_LINK))
