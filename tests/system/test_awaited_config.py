# SPDX-License-Identifier: Apache-2.0
"""database_config.json does not exist yet: on a switch the database container may write it after our start."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import SwitchFactory
from lib.collectors import in_own_mounts
from lib.daemon import Daemon
from lib.notified import Notified
from lib.redis_server import RedisServer
from lib.switch import Switch
from lib.wait import wait_for
from test_namespaces import write_database_global

DEFAULT_FOLDER = "/var/run/redis"


def without(daemon: Daemon, option: str) -> None:
    at = daemon.command.index(option)
    del daemon.command[at : at + 2]


def says_why(health: Any, missing: Path | str) -> bool:
    return health["status"] != "healthy" and str(missing) in health["checks"]["redis_away"]["reason"]


def assert_waits(sw: Switch, notified: Notified, missing: Path | str, mark: int = 0) -> None:
    """The log, the pages and systemd learn what is awaited; systemd must not abort so long a start."""
    sw.daemon.wait_log(f"WARNING: .*it is not known yet where Redis is.*: {missing}: No such file", since=mark)
    status = f"STATUS=waits for the file that says where Redis is: {missing}: No such file or directory"
    wait_for(lambda: status in notified.seen and "READY=1" in notified.seen, what=lambda: f"{status}: {notified.seen}")
    pages = sw.pages_when_served()
    wait_for(lambda: says_why(pages.get("/healthz").json, missing), what=lambda: pages.get("/healthz").text)
    assert pages.get("/readyz").status == 503
    assert pages.metrics()("portsyncd_redis_connection_up", connection="STATE_DB") == 0
    assert pages.get("/ports").json["ports"] == []


def test_the_default_one_comes_later(
    switch: SwitchFactory, redis_server: Callable[..., RedisServer], notified: Notified
) -> None:
    """Meanwhile the daemon does not contact the Redis at SONiC's default place either: it may be the wrong one. The
    file is written in two steps, as a shell does it."""
    there = redis_server()
    (there.folder / "sonic-db").mkdir()
    Path(DEFAULT_FOLDER).mkdir(exist_ok=True)
    sw = switch.build(ports=2, environment={"NOTIFY_SOCKET": str(notified.path)})
    without(sw.daemon, "--database-config")
    sw.daemon.command[:0] = in_own_mounts({there.folder: DEFAULT_FOLDER})
    sw.start(wait=False)
    assert_waits(sw, notified, f"{DEFAULT_FOLDER}/sonic-db/database_config.json")
    text = sw.database_config.read_text()
    with (there.folder / "sonic-db" / "database_config.json").open("w") as file:
        file.write(text[:100])
        file.flush()
        sw.daemon.wait_log("WARNING: .*it is not known yet where Redis is.*not JSON")
        file.write(text[100:])
    sw.wait_init_done()
    sw.wait_equal(ports=2)
    assert "cmdstat_select" not in there.client().info("commandstats"), "the daemon was never there"


def test_an_include_of_the_global_file_comes_later(
    switch: SwitchFactory, tmp_path: Path, notified: Notified
) -> None:
    """The global file comes first, then the one that it names."""
    folder = tmp_path / "redis" / "sonic-db"
    folder.mkdir(parents=True)
    database_global = folder / "database_global.json"
    environment = {"NOTIFY_SOCKET": str(notified.path)}
    sw = switch.build(ports=2, namespace="asic0", database_global=database_global, environment=environment)
    kept = sw.database_config.rename(sw.folder / "kept.json")
    sw.start(wait=False)
    assert_waits(sw, notified, database_global)
    write_database_global(database_global, [sw])
    assert_waits(sw, notified, folder / os.path.relpath(sw.database_config, folder))
    kept.rename(sw.database_config)
    sw.wait_init_done()
    sw.wait_equal(ports=2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_it_can_be_stopped_while_it_waits(number: signal.Signals, switch: SwitchFactory, notified: Notified) -> None:
    """Other signals wait for their turn."""
    sw = switch.build(ports=1, environment={"NOTIFY_SOCKET": str(notified.path), "WATCHDOG_USEC": "200000"})
    sw.database_config.unlink()
    sw.daemon.start()
    assert_waits(sw, notified, sw.database_config)
    for other in (signal.SIGHUP, signal.SIGUSR1):
        sw.daemon.send(other)
    notified.wait("WATCHDOG=1", 3)
    notified.stop(sw.daemon, number)
    assert sw.redis.client().info("keyspace") == {"db4": sw.redis.client().info("keyspace")["db4"]}, "CONFIG_DB alone"


def test_one_that_stays_bad_ends_it(switch: SwitchFactory, notified: Notified) -> None:
    """As with a bad file that was there from the start, a line says what is wrong."""
    sw = switch.build(ports=1, environment={"NOTIFY_SOCKET": str(notified.path)})
    sw.database_config.unlink()
    sw.daemon.start()
    assert_waits(sw, notified, sw.database_config)
    sw.database_config.write_text("[]")
    assert sw.daemon.wait_exit(60) == 1
    assert f"{sw.database_config}: is an array; allowed: " in sw.daemon.log.splitlines()[-1]
