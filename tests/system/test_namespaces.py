# SPDX-License-Identifier: Apache-2.0
"""A switch with several ASICs: each has a SONiC namespace (its databases) and a network namespace (its links)."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
import redis

from conftest import SwitchFactory
from lib.fence import at_rest
from lib.switch import Switch
from lib.wait import wait_for

WRITES = "__keyspace@6__:PORT_TABLE|*"


@pytest.fixture
def database_global(tmp_path: Path) -> Path:
    folder = tmp_path / "redis" / "sonic-db"
    folder.mkdir(parents=True)
    return folder / "database_global.json"


def write_database_global(path: Path, switches: Sequence[Switch]) -> None:
    """As SONiC writes it: an entry for the host, then one for each ASIC, relative to the file's folder."""
    entries = [{"include": "../../redis/sonic-db/database_config.json"}]
    for made in switches:
        include = os.path.relpath(made.database_config, path.parent)
        assert include.startswith("../"), include
        entries.append({"namespace": made.namespace, "include": include})
    path.write_text(json.dumps({"INCLUDES": entries, "VERSION": "1.0"}, indent=4))


class Witness:
    """Remembers every key of STATE_DB PORT_TABLE that is ever written or deleted."""

    def __init__(self, sw: Switch) -> None:
        self.seen: set[str] = set()
        self._events: redis.client.PubSub = sw.state_db.client.pubsub()
        self._events.psubscribe(WRITES)
        wait_for(lambda: self._events.get_message(timeout=1), 30, lambda: "the subscription is confirmed")

    def ports(self) -> set[str]:
        while message := self._events.get_message(timeout=0.2):
            if message["type"] == "pmessage":
                self.seen.add(message["channel"].split("|", 1)[1])
        return self.seen


def test_two_asics_side_by_side(switch: SwitchFactory, database_global: Path) -> None:
    """Both CONFIG_DBs have the same port names: a link of the other ASIC must not be taken for ours."""
    asics = [
        switch.build(ports=8, links="none", namespace=name, database_global=database_global)
        for name in ("asic0", "asic1")
    ]
    write_database_global(database_global, asics)
    witnesses = [Witness(sw) for sw in asics]
    own = [sw.ports[i::2] for i, sw in enumerate(asics)]
    for sw, ports in zip(asics, own):
        sw.start(wait=False)
        sw.orch.wait_config_done()
        sw.netns.add_ports(ports)
        sw.wait_equal(ports=4)

    for _ in range(10):
        for sw, ports in zip(asics, own):
            sw.netns.set_carrier(ports[0], "down")
            sw.netns.set_mtu(ports[1], 1500)
            sw.netns.set_carrier(ports[0], "up")
            sw.netns.set_mtu(ports[1], 9100)
    for sw, ports in zip(asics, own):
        sw.netns.delete_port(ports[2])
        sw.wait_no_row(ports[2])
        sw.wait_equal(ports=3)
    for witness, ports in zip(witnesses, own):
        assert witness.ports() == set(ports)


def test_one_asic_starts_cold_again(switch: SwitchFactory, database_global: Path) -> None:
    """Its old interfaces are set down and lose their rows; those of the other ASIC stay up and keep theirs."""
    asics = [
        switch.build(ports=2, namespace=name, database_global=database_global) for name in ("asic0", "asic1")
    ]
    write_database_global(database_global, asics)
    for sw in asics:
        sw.start()
    at_rest(asics[1])
    other = Witness(asics[1])
    asics[0].daemon.stop()
    asics[0].daemon.start()
    for port in asics[0].ports:
        asics[0].wait_no_row(port)
    asics[1].wait_equal(ports=2)
    assert asics[1].row("Ethernet0")["admin_status"] == "up"
    assert other.ports() == set()


def test_unknown_namespace(switch: SwitchFactory, database_global: Path) -> None:
    sw = switch.build(ports=1, namespace="asic7", database_global=database_global)
    database_global.write_text('{"INCLUDES": [{"namespace": "asic0", "include": "x"}]}')
    sw.daemon.start()
    assert sw.daemon.wait_exit() == 1
    assert sw.daemon.log.count("\n") == 1, sw.daemon.log
    assert sw.daemon.log.endswith(
        f'{database_global}: INCLUDES: "asic7" is the name of no entry; allowed: asic0\n'
    ), sw.daemon.log
