# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for two daemons of SONiC that act on events of STATE_DB PORT_TABLE, and what they undo.

intfmgrd puts a configured IPv6 link-local address on an interface whenever its port's row is set and says admin up: the
kernel takes the address away as a link goes down. teammgrd makes a port a member of its LAG whenever the port's row is
set and says state ok. Neither looks at the kernel without an event, so a change that has none is never undone."""

import contextlib
import json
from collections.abc import Collection

from lib.checker import IFF_UP, Kernel, Observer
from lib.databases import Database
from lib.netns import NetNs

ADDRESS = "fe80::abcd"


class Managers(Observer):
    """Both, with the links of a namespace. A bridge stands for the LAG."""

    def __init__(self, state_db: Database, netns: NetNs, master: str, members: Collection[str] = ()) -> None:
        super().__init__(state_db)
        self._netns, self._master = netns, master
        self.members = {*members}

    def act(self, port: str, row: dict[str, str]) -> None:
        if row.get("admin_status") == "up":
            self._put_address_back(port)
        if row.get("state") == "ok" and port in self.members:
            # The link may be gone by now: another event follows.
            with contextlib.suppress(AssertionError):
                self._netns.set_master(port, self._master)

    def undone(self, names: Collection[str]) -> list[str]:
        """Which of these links are not as the two daemons want them."""
        kernel, wrong = Kernel(self._netns.name), []
        addressed = {
            link["ifname"]
            for link in json.loads(self._netns.ip("-6", "-json", "address", "show"))
            if any(address.get("local") == ADDRESS for address in link.get("addr_info", ()))
        }
        for link in self._netns.links():
            name = link["ifname"]
            if name not in names:
                continue
            if (kernel.flags(name) or 0) & IFF_UP and name not in addressed:
                wrong.append(f"{name}: its address is gone")
            if name in self.members and link.get("master") != self._master:
                wrong.append(f"{name}: is not a member of {self._master}")
        kernel.close()
        return wrong

    def _put_address_back(self, port: str) -> None:
        replace = ("address", "replace", f"{ADDRESS}/64", "dev", port, "nodad")
        try:
            self._netns.ip(*replace)
        except AssertionError:  # no IPv6 yet, or no link any more
            with contextlib.suppress(AssertionError):
                self._netns.exec("sysctl", "-qw", f"net.ipv6.conf.{port}.disable_ipv6=0")
                self._netns.ip(*replace)
