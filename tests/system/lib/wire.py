# SPDX-License-Identifier: Apache-2.0
"""A cable between two network namespaces, with an address at each end, that can be cut: what is sent then is lost."""

from lib.netns import NetNs

NEAR, FAR = "192.0.2.1", "192.0.2.2"


class Wire:
    def __init__(self, near: NetNs, far: NetNs) -> None:
        self._far = far
        near.ip("link", "add", "near", "type", "veth", "peer", "name", "far", "netns", far.name)
        for end, name, address in ((near, "near", NEAR), (far, "far", FAR)):
            end.ip("address", "add", f"{address}/24", "dev", name)
            end.ip("link", "set", name, "up")

    def cut(self) -> None:
        self._far.ip("link", "set", "far", "down")

    def mend(self) -> None:
        self._far.ip("link", "set", "far", "up")
