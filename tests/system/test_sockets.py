# SPDX-License-Identifier: Apache-2.0
"""The options that the daemon's sockets really have, read from the sockets themselves."""

import socket
from collections.abc import Iterator

import pytest

from conftest import SwitchFactory
from lib.databases import Instance
from lib.redis_server import RedisServer
from lib.sockets import borrowed_sockets, granted
from lib.switch import Switch, load_config

REDIS_BUFFER_BYTES = 1 << 20
RECEIVE_BUFFER_BYTES = 16 << 20
SEND_BUFFER_BYTES = 2 << 20
NO_SERVER = {"http": {"listen": '""', "unix_socket": '""'}}  # its sockets are not those to Redis
NETLINK_SOCKETS = 2  # events, and questions
CONNECTIONS = 5  # CONFIG_DB, APPL_DB, STATE_DB and two subscriptions

SNDBUF = (socket.SOL_SOCKET, socket.SO_SNDBUF)
RCVBUF = (socket.SOL_SOCKET, socket.SO_RCVBUF)

Option = tuple[int, int]


class RedisInside(RedisServer):
    """Also listens on TCP in the switch's namespace; the test uses the Unix socket, which is reachable everywhere."""

    def __init__(self) -> None:
        super().__init__(tcp=True)
        self.netns = ""

    @property
    def instance(self) -> Instance:
        return Instance(unix_socket=self.unix_socket)

    def move_to(self, netns: str) -> None:
        self.kill()
        self.netns = netns
        self.start()

    def _command(self) -> list[str]:
        enter = ["nsenter", f"--net=/run/netns/{self.netns}"] if self.netns else []
        return [*enter, *super()._command()]


@pytest.fixture
def redis_inside() -> Iterator[RedisInside]:
    server = RedisInside()
    server.start()
    yield server
    server.close()


def speaks(one: socket.socket) -> bool:
    """Whether it leads to Redis or the kernel, and not to a log or another thread, and does not listen."""
    if one.type == socket.SOCK_STREAM:
        return not one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    return one.type == socket.SOCK_RAW


def options(sw: Switch, family: socket.AddressFamily, wanted: tuple[Option, ...]) -> list[tuple[int, ...]]:
    """The values of these options of each socket of the family to Redis or the kernel."""
    with borrowed_sockets(sw.daemon.pid) as sockets:
        chosen = [one for one in sockets if one.family == family and speaks(one)]
        return [tuple(one.getsockopt(level, name) for level, name in wanted) for one in chosen]


def test_a_unix_socket_is_the_default_and_takes_a_whole_batch(switch: SwitchFactory) -> None:
    """database_config.json also names a host and a port, which are not used."""
    sw = switch(ports=1, settings=NO_SERVER)
    assert options(sw, socket.AF_UNIX, (SNDBUF,)) == [(granted(REDIS_BUFFER_BYTES, "w"),)] * CONNECTIONS
    assert options(sw, socket.AF_INET, ()) == []


def test_tcp_to_redis(redis_inside: RedisInside, switch: SwitchFactory) -> None:
    """No delay; a dead peer is noticed after 30 + 3 * 5 s; both buffers hold a batch."""
    wanted = {
        (socket.IPPROTO_TCP, socket.TCP_NODELAY): 1,
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE): 1,
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): 30,
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL): 5,
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT): 3,
        SNDBUF: granted(REDIS_BUFFER_BYTES, "w"),
        RCVBUF: granted(REDIS_BUFFER_BYTES, "r"),
    }
    database = {"redis_host": "127.0.0.1", "redis_port": redis_inside.port}
    sw = switch.build(ports=2, server=redis_inside, settings={"database": database, **NO_SERVER})
    sw.netns.batch(["link set lo up"])
    redis_inside.move_to(sw.netns.name)
    load_config(sw.config_db, sw.config or {})
    sw.start()
    assert options(sw, socket.AF_INET, tuple(wanted)) == [tuple(wanted.values())] * CONNECTIONS
    assert options(sw, socket.AF_UNIX, ()) == []
    sw.daemon.stop()


def test_the_netlink_socket_has_its_buffers(switch: SwitchFactory) -> None:
    """16 MiB to receive by SO_RCVBUFFORCE, whatever net.core.rmem_max is; 2 MiB to send, if allowed."""
    sw = switch(ports=1)
    expected = (2 * RECEIVE_BUFFER_BYTES, granted(SEND_BUFFER_BYTES, "w"))
    assert options(sw, socket.AF_NETLINK, (RCVBUF, SNDBUF)) == [expected] * NETLINK_SOCKETS


def test_the_netlink_buffers_follow_the_configuration(switch: SwitchFactory) -> None:
    sw = switch(ports=1, settings={"performance": {"receive_buffer_bytes": 1 << 17}})
    assert options(sw, socket.AF_NETLINK, (RCVBUF, SNDBUF)) == [(1 << 18, granted(SEND_BUFFER_BYTES, "w"))] * NETLINK_SOCKETS
