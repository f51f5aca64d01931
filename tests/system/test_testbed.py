# SPDX-License-Identifier: Apache-2.0
"""What the other tests stand on: links without ip(8), and servers that one test after the other has."""

from collections.abc import Iterator
from typing import Any

import pytest

from lib.netns import Links, NetNs
from lib.redis_server import Servers

LINES = [
    "link add name Ethernet0 index 77 mtu 4000 type veth peer name p0 mtu 4001 group 3",
    "link add name Bridge type bridge",
    "link set dev p0 up",
    "link set dev Ethernet0 up mtu 4002 master Bridge",
    "link set dev p0 down name renamed",
    "link add name Ethernet4 group 5 type veth peer name p4",
    "link set dev Ethernet4 master Bridge",
    "link set dev Ethernet4 nomaster",
    "link set lo up",
    "link set dev p4 alias ours",
    "link delete group 5",
]
OF_THE_MOMENT = ("ifindex", "address", "linkinfo", "operstate", "flags")


def shown(netns: NetNs) -> list[dict[str, Any]]:
    links = [{**link, "up": "UP" in link["flags"]} for link in netns.links()]
    return [{key: value for key, value in link.items() if key not in OF_THE_MOMENT} for link in links]


def test_links_are_as_ip_makes_them(netns: NetNs) -> None:
    netns.batch(LINES)
    ours = shown(netns)
    assert netns.ifindex("Ethernet0") == 77
    netns.batch(["link delete dev Ethernet0", "link delete dev Bridge"])
    assert [link["ifname"] for link in netns.links()] == ["lo"]
    Links(["ip", "-n", netns.name]).batch(LINES)
    assert shown(netns) == ours


def test_what_the_kernel_refuses_fails(netns: NetNs) -> None:
    netns.add_port("Ethernet0")
    with pytest.raises(AssertionError, match="link set dev Ethernet0 mtu 70000: Invalid argument"):
        netns.set_mtu("Ethernet0", 70000)
    with pytest.raises(AssertionError, match="no link Ethernet4"):
        netns.batch(["link set dev Ethernet4 up"])


@pytest.fixture
def servers() -> Iterator[Servers]:
    made = Servers()
    yield made
    made.close()


def test_the_next_test_finds_no_trace(servers: Servers) -> None:
    server = servers.lend()
    server.client(4).set("key", "value")
    subscriber = server.client().pubsub()
    subscriber.subscribe("channel")
    servers.take_back(server)
    assert servers.lend() is server
    assert server.client().info("keyspace") == {}
    assert [client["cmd"] for client in server.client().client_list()] == ["client|list"]


@pytest.mark.parametrize(
    "change",
    [
        lambda server: server.client().config_set("maxclients", 100),
        lambda server: server.client().acl_setuser("guest", enabled=True, nopass=True),
        lambda server: server.folder.chmod(0o755),
        lambda server: server.restart_empty(),
        lambda server: server.pause(),
        lambda server: server.kill(),
    ],
    ids=["settings", "users", "files", "process", "paused", "dead"],
)
def test_a_server_that_was_changed_is_not_lent_again(servers: Servers, change: Any) -> None:
    server = servers.lend()
    change(server)
    servers.take_back(server)
    assert servers.lend() is not server
    assert not server.alive
