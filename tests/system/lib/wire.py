# SPDX-License-Identifier: Apache-2.0
"""A cable between two network namespaces, with an address at each end. It can be cut somewhere on the way: neither end
notices, and what is sent then is lost."""

import json

from lib.netns import NetNs

NEAR, FAR = "192.0.2.1", "192.0.2.2"


class Wire:
    def __init__(self, near: NetNs, far: NetNs) -> None:
        self._far = far
        near.ip("link", "add", "near", "type", "veth", "peer", "name", "far", "netns", far.name)
        for end, name, address in ((near, "near", NEAR), (far, "far", FAR)):
            end.ip("address", "add", f"{address}/24", "dev", name)
            end.ip("link", "set", name, "up")
        # Fixed, so that no address resolution is needed while an end does not answer.
        hardware = json.loads(far.ip("-json", "link", "show", "dev", "far"))[0]["address"]
        near.ip("neighbour", "replace", FAR, "lladdr", hardware, "dev", "near", "nud", "permanent")

    def cut(self) -> None:
        self._far.ip("address", "delete", f"{FAR}/24", "dev", "far")

    def mend(self) -> None:
        self._far.ip("address", "add", f"{FAR}/24", "dev", "far")
