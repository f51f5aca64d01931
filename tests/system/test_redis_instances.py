# SPDX-License-Identifier: Apache-2.0
"""Where the databases are and how the daemon gets in: several instances, other numbers and separators, TCP, passwords,
users."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from conftest import SwitchFactory
from lib.checker import socket_in
from lib.databases import DATABASES
from lib.dns import NameServer, asking_there
from lib.faults import LABELS, NO_RECONCILE, QUICK, change_all
from lib.proxy import Proxy
from lib.redis_server import RedisServer
from lib.switch import Switch
from lib.wait import wait_for

Servers = Callable[..., RedisServer]

SECRET = "s3cret-Zm9v&%/pass word"


def test_three_instances_other_numbers_and_separators(switch: SwitchFactory, redis_server: Servers) -> None:
    others = {name: redis_server() for name in DATABASES}
    numbers = {"APPL_DB": 3, "CONFIG_DB": 9, "STATE_DB": 11}
    separators = {"APPL_DB": "|", "CONFIG_DB": "#", "STATE_DB": "?"}
    sw = switch(ports=4, others=others, numbers=numbers, separators=separators, reconcile_secs=NO_RECONCILE)
    sw.orch.wait_config_done()
    change_all(sw)
    sw.wait_equal(ports=4)
    assert set(others["STATE_DB"].client(11).keys("PORT_TABLE[?]*")) == {f"PORT_TABLE?{port}" for port in sw.ports}
    assert sw.redis.client().info("keyspace") == {}, "nothing on the instance without a database"
    for name, server in others.items():
        assert set(server.client().info("keyspace")) == {f"db{numbers[name]}"}


def test_separators_that_are_glob_characters(switch: SwitchFactory) -> None:
    """SCAN MATCH and PSUBSCRIBE take patterns: a separator must stand for itself there."""
    sw = switch(ports=3, separators={"APPL_DB": "?", "CONFIG_DB": "[", "STATE_DB": "*"}, reconcile_secs=NO_RECONCILE)
    assert sw.orch.fields("PortConfigDone") == {"count": "3"}
    change_all(sw)
    sw.wait_equal(ports=3)


@pytest.mark.parametrize("down", sorted(DATABASES))
def test_one_instance_away_does_not_stop_the_others(down: str, switch: SwitchFactory, redis_server: Servers) -> None:
    others = {name: redis_server() for name in DATABASES}
    sw = switch(ports=4, others=others, settings={"database": QUICK}, reconcile_secs=NO_RECONCILE)
    others[down].pause()
    change_all(sw)
    if down == "STATE_DB":
        sw.daemon.wait_log("STATE_DB: no connection to")
    else:
        for port, field, value in (("Ethernet0", "netdev_oper_status", "down"), ("Ethernet4", "mtu", "1500")):
            sw.wait_field(port, field, value)
    others[down].resume()
    sw.wait_equal(ports=4)


def test_state_db_away_at_start_is_waited_for(switch: SwitchFactory, redis_server: Servers) -> None:
    """STATE_DB says whether this is a warm start, and then nothing may be pushed."""
    others = {"STATE_DB": redis_server()}
    sw = switch.build(ports=3, others=others, settings={"database": QUICK}, reconcile_secs=NO_RECONCILE)
    others["STATE_DB"].kill()
    sw.start(wait=False)
    sw.daemon.wait_log("STATE_DB: no connection to")
    assert not sw.orch.taken
    others["STATE_DB"].start()
    assert sw.orch.wait_config_done() == {"count": "3"}
    sw.wait_init_done()
    sw.wait_equal(ports=3)


def test_appl_db_alone_comes_back_empty(switch: SwitchFactory, redis_server: Servers) -> None:
    """The connection to CONFIG_DB stands: the ports are pushed again all the same, without a reconciliation."""
    others = {"APPL_DB": redis_server()}
    sw = switch(ports=4, others=others, settings={"database": QUICK}, reconcile_secs=NO_RECONCILE)
    sw.orch.taken.clear()
    others["APPL_DB"].restart_empty()
    assert sw.orch.wait_config_done() == {"count": "4"}
    sw.wait_init_done()
    sw.wait_equal(ports=4)


def tcp_forwarder(sw: Switch, server: RedisServer, address: str = "127.0.0.1") -> Proxy:
    """The server's port on the loopback interface of the switch's namespace, where the daemon is."""
    sw.netns.batch(["link set lo up"])
    listener = socket_in(sw.netns.name, socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, server.port))
    return Proxy(server.unix_socket, listener)


def test_tcp_only_and_refused_at_first(switch: SwitchFactory, redis_server: Servers) -> None:
    server = redis_server(tcp=True)
    sw = switch.build(ports=3, server=server, settings={"database": QUICK}, reconcile_secs=NO_RECONCILE)
    sw.netns.batch(["link set lo up"])
    sw.orch.start()
    sw.daemon.start()
    for label in LABELS:
        sw.daemon.wait_log(f"{label}: no connection to 127.0.0.1:{server.port}: Connection refused")
    with tcp_forwarder(sw, server) as forwarder:
        sw.wait_init_done()
        sw.wait_equal(ports=3)
        mark = sw.daemon.mark()
        forwarder.drop_all()
        change_all(sw)
        sw.daemon.wait_log("STATE_DB: connected to 127.0.0.1:[0-9]+, was away for", since=mark)
        sw.wait_equal(ports=3)
        sw.daemon.stop()


def test_redis_host_and_port_of_the_configuration_file(switch: SwitchFactory, redis_server: Servers) -> None:
    server = redis_server(tcp=True)
    database = {"redis_host": "127.0.0.1", "redis_port": server.port}
    sw = switch.build(ports=2, server=server, settings={"database": database}, reconcile_secs=NO_RECONCILE)
    with tcp_forwarder(sw, server):
        sw.start()
        sw.wait_equal(ports=2)
        sw.daemon.stop()


@pytest.fixture
def name_server() -> Iterator[Callable[[str], NameServer]]:
    with ExitStack() as cleanup:

        def start(netns: str) -> NameServer:
            made = NameServer(netns)
            cleanup.callback(made.close)
            return made

        yield start


def test_a_host_name_is_looked_up_at_every_attempt(
    switch: SwitchFactory, redis_server: Servers, name_server: Callable[[str], NameServer], tmp_path: Path
) -> None:
    """The name server is mute at first, then does not know the name, then does; later the name moves to another
    address. All this works within the sandbox, and nothing else is delayed."""
    server = redis_server(tcp=True)
    database = {**QUICK, "redis_host": "redis.test", "redis_port": server.port}
    sw = switch.build(ports=2, server=server, settings={"database": database}, reconcile_secs=NO_RECONCILE)
    sw.netns.batch(["link set lo up"])
    names = name_server(sw.netns.name)
    names.mute = True
    sw.daemon.command[:0] = asking_there(tmp_path)
    sw.start(wait=False)
    said = f"STATE_DB: no connection to redis.test:{server.port}: its host name"
    pages = sw.pages_when_served()
    wait_for(lambda: pages.get("/livez").status == 200, what="it lives")
    sw.daemon.wait_log("in sync with the kernel")
    sw.daemon.wait_log(said, 30)
    names.mute = False
    reason = "its host name cannot be looked up: Name or service not known"
    wait_for(lambda: reason in pages.get("/healthz").text, 30, lambda: pages.get("/healthz").text)
    names.addresses = {"redis.test": "127.0.0.1"}
    with tcp_forwarder(sw, server):
        sw.wait_init_done()
        sw.wait_equal(ports=2)
        mark = sw.daemon.mark()
    names.addresses = {"redis.test": "127.0.0.2"}
    change_all(sw)
    with tcp_forwarder(sw, server, "127.0.0.2"):
        sw.daemon.wait_log("STATE_DB: connected to redis.test", 30, mark)
        sw.wait_equal(ports=2)
        names.mute = True
        sw.daemon.stop()


# --- passwords ---


def secret_file(tmp_path: Path, text: str = SECRET + "\n", mode: int = 0o600) -> Path:
    path = tmp_path / "redis_password"
    path.write_text(text)
    path.chmod(mode)
    return path


def assert_secret_is_nowhere(sw: Switch) -> None:
    proc = Path("/proc") / str(sw.daemon.pid)
    assert SECRET not in sw.daemon.log
    for name in ("cmdline", "environ"):
        assert SECRET.encode() not in (proc / name).read_bytes(), name


def test_password_from_a_file(switch: SwitchFactory, redis_server: Servers, tmp_path: Path) -> None:
    server = redis_server(password=SECRET)
    settings = {"database": {"redis_password_file": secret_file(tmp_path)}}
    sw = switch(ports=3, server=server, settings=settings, log_level="debug")
    change_all(sw)
    sw.wait_equal(ports=3)
    assert_secret_is_nowhere(sw)


def test_password_from_a_systemd_credential(switch: SwitchFactory, redis_server: Servers, tmp_path: Path) -> None:
    secret_file(tmp_path)
    server = redis_server(password=SECRET)
    sw = switch(ports=2, server=server, environment={"CREDENTIALS_DIRECTORY": str(tmp_path)}, log_level="debug")
    sw.wait_equal(ports=2)
    assert_secret_is_nowhere(sw)


def test_user_name_with_the_least_rights(switch: SwitchFactory, tmp_path: Path) -> None:
    """CONFIG is for administrators: the daemon must work without it."""
    database = {"redis_username": "portsyncd", "redis_password_file": secret_file(tmp_path)}
    sw = switch.build(ports=3, settings={"database": database}, reconcile_secs=NO_RECONCILE, log_level="debug")
    rights = ["~*", "&*", "+@all", "-@admin", "-@dangerous"]
    sw.state_db.client.execute_command("ACL", "SETUSER", "portsyncd", "reset", "on", f">{SECRET}", *rights)
    sw.start()
    change_all(sw)
    sw.wait_equal(ports=3)
    clients = sw.state_db.client.client_list()
    users = {client["user"] for client in clients if int(client["fd"]) and client["name"] == ""}
    assert "portsyncd" in users
    assert_secret_is_nowhere(sw)


@pytest.mark.parametrize("user", ["default", "portsyncd"])
def test_wrong_password_until_it_is_mended_on_the_server(
    user: str, switch: SwitchFactory, redis_server: Servers, tmp_path: Path
) -> None:
    server = redis_server(password="old")
    server.client().execute_command("ACL", "SETUSER", user, "on", ">old", "~*", "&*", "+@all")
    database = {**QUICK, "redis_username": user, "redis_password_file": secret_file(tmp_path)}
    sw = switch(ports=3, wait=False, server=server, settings={"database": database}, log_level="debug")
    for label in LABELS:
        sw.daemon.wait_log(f"WARNING.* {label}: no connection to .*AUTH refused: WRONGPASS")
    sw.daemon.wait_log(r"DEBUG.* STATE_DB: .*AUTH refused[\s\S]*DEBUG.* STATE_DB: .*AUTH refused")
    server.client().execute_command("ACL", "SETUSER", user, f">{SECRET}")
    sw.wait_init_done()
    sw.wait_equal(ports=3)
    for label in LABELS:
        warnings = [line for line in sw.daemon.log.splitlines() if f" {label}: no connection" in line]
        assert len(warnings) == 1, warnings
    assert_secret_is_nowhere(sw)


def test_no_password_where_one_is_needed(switch: SwitchFactory, redis_server: Servers) -> None:
    sw = switch.build(ports=2, server=redis_server(password=SECRET), settings={"database": QUICK})
    sw.start(wait=False)
    sw.daemon.wait_log("STATE_DB: no connection to .*NOAUTH")
    # pooled connections of the test stay logged in
    sw.state_db.client.execute_command("ACL", "SETUSER", "default", "nopass")
    sw.redis.password = None
    sw.daemon.wait_log("STATE_DB: connected to")


def test_the_server_that_knows_no_password_does_not_make_us_tell_ours(
    switch: SwitchFactory, tmp_path: Path
) -> None:
    """Redis answers 'AUTH <password> called without any password configured'; old servers repeat the arguments."""
    database = {**QUICK, "redis_username": "nobody", "redis_password_file": secret_file(tmp_path)}
    sw = switch.build(ports=2, settings={"database": database}, log_level="debug")
    sw.redis.client().execute_command("ACL", "SETUSER", "default", "nopass")
    sw.daemon.start()
    sw.daemon.wait_log("STATE_DB: no connection to .*AUTH refused")
    assert_secret_is_nowhere(sw)


@pytest.mark.parametrize(
    ("text", "mode", "wrong"),
    [
        ("", 0o600, "empty"),
        ("\n", 0o600, "empty"),
        ("x" * 5000, 0o600, "4096"),
        ("a\0b", 0o600, "NUL"),
        (SECRET, 0o644, "by others"),
    ],
)
def test_bad_password_file(text: str, mode: int, wrong: str, switch: SwitchFactory, tmp_path: Path) -> None:
    path = secret_file(tmp_path, text, mode)
    sw = switch.build(ports=1, settings={"database": {"redis_password_file": path}})
    sw.daemon.start()
    assert sw.daemon.wait_exit() == 1
    lines = sw.daemon.log.splitlines()
    assert len(lines) == 1 and str(path) in lines[0] and wrong in lines[0], lines
    assert SECRET not in sw.daemon.log


def test_missing_password_file(switch: SwitchFactory, tmp_path: Path) -> None:
    path = tmp_path / "absent"
    sw = switch.build(ports=1, settings={"database": {"redis_password_file": path}})
    sw.daemon.start()
    assert sw.daemon.wait_exit() == 1
    assert len(sw.daemon.log.splitlines()) == 1 and os.fspath(path) in sw.daemon.log
