# SPDX-License-Identifier: Apache-2.0
"""portsyncd@.service: a daemon for each of two ASICs, each with a network namespace and a Redis of its own."""

import json

import pytest

from installed import Installed
from lib.databases import DATABASES
from lib.netns import Links
from lib.wait import wait_for

ASICS = ("asic0", "asic1")
GLOBAL = "/run/redis/sonic-db/database_global.json"
PAGE = ("curl", "--silent", "--show-error", "--unix-socket")


class Asic:
    """The n-th ASIC of a switch, with port Ethernet<n>."""

    def __init__(self, switch: Installed, number: int) -> None:
        self.name = ASICS[number]
        self.port = f"Ethernet{number}"
        self._machine = switch.machine
        self.unit = f"portsyncd@{self.name}.service"
        self._socket = f"/run/redis{number}/redis.sock"
        self.links = Links(switch.machine.inside("ip", "-n", self.name))

    def build(self) -> None:
        machine, folder = self._machine, self._socket.rpartition("/")[0]
        machine.run("ip", "netns", "add", self.name)
        machine.run("install", "--directory", "--owner=redis", "--group=redis", folder)
        options = ("--port", "0", "--unixsocket", self._socket, "--unixsocketperm", "770", "--save", "")
        unit = (f"--unit=redis-{self.name}", "--uid=redis", "--gid=redis")
        machine.run("systemd-run", "--quiet", *unit, "redis-server", *options, "--notify-keyspace-events", "AKE")
        wait_for(lambda: machine.attempt("redis-cli", "-s", self._socket, "PING")[1] == "PONG\n", what="Redis answers")
        databases = {
            name: {"id": number, "separator": separator, "instance": "redis"}
            for name, (number, separator) in DATABASES.items()
        }
        config = {"INSTANCES": {"redis": {"unix_socket_path": self._socket}}, "DATABASES": databases}
        machine.write(f"{folder}/sonic-db/database_config.json", json.dumps(config))

    def redis(self, number: int, *words: str) -> str:
        return self._machine.run("redis-cli", "-s", self._socket, "-n", str(number), *words)

    def add_port(self) -> None:
        self.redis(4, "HSET", f"PORT|{self.port}", "lanes", "0", "mtu", "9100")
        self.redis(0, "HSET", f"PORT_TABLE:{self.port}", "lanes", "0", "mtu", "9100")
        self.links.add_port(self.port)

    def oper(self) -> str:
        return self.redis(6, "HGET", f"PORT_TABLE|{self.port}", "netdev_oper_status").strip()

    def wait_oper(self, wanted: str) -> None:
        wait_for(lambda: self.oper() == wanted, 30, lambda: self._machine.journal_text("-u", self.unit))


@pytest.fixture(scope="module")
def asics(installed: Installed) -> list[Asic]:
    """Both services run, beside the packages' other service and its Redis."""
    made = [Asic(installed, number) for number in range(len(ASICS))]
    includes = [
        {"include": f"../../redis{number}/sonic-db/database_config.json", "namespace": asic.name}
        for number, asic in enumerate(made)
    ]
    installed.machine.write(GLOBAL, json.dumps({"INCLUDES": [{"include": "database_config.json"}, *includes]}))
    for asic in made:
        asic.build()
        installed.machine.systemctl("enable", "--now", asic.unit)
        asic.add_port()
    return made


def test_each_follows_its_own_links(installed: Installed, asics: list[Asic]) -> None:
    first, second = asics
    for asic in asics:
        asic.wait_oper("up")
    first.links.set_carrier(first.port, "down")
    first.wait_oper("down")
    assert second.oper() == "up"
    assert [asic.redis(6, "KEYS", "PORT_TABLE|*").split() for asic in asics] == [
        [f"PORT_TABLE|{asic.port}"] for asic in asics
    ]
    machine = installed.machine
    for asic in asics:
        ports = json.loads(machine.run(*PAGE, f"/run/portsyncd-{asic.name}/http.sock", "http://localhost/ports"))
        assert [port["name"] for port in ports["ports"]] == [asic.port]
        assert machine.path(f"/var/lib/sonic/portsyncd-{asic.name}").is_dir()
    # One ends and is started again; the other is not affected.
    before = {asic.name: machine.show(asic.unit)["MainPID"] for asic in asics}
    # Kills only the main process: systemd 257 would kill ExecStopPost=, too.
    machine.systemctl("kill", "--kill-whom=main", "--signal=KILL", first.unit)
    machine.wait_unit(first.unit, lambda state: state["NRestarts"] == "1" and state["ActiveState"] == "active", "runs again")
    first.links.set_carrier(first.port, "up")
    first.wait_oper("up")
    assert machine.show(second.unit)["MainPID"] == before[second.name]
    metrics = machine.run(*PAGE, f"/run/portsyncd-{first.name}/http.sock", "http://localhost/metrics")
    assert 'portsyncd_previous_stop_info{result="signal"} 1' in metrics.splitlines()


def test_one_has_a_configuration_of_its_own(installed: Installed, asics: list[Asic]) -> None:
    machine = installed.machine
    machine.write("/etc/sonic/portsyncd-asic1.conf", "[log]\nlevel = loud\n")
    for asic, wanted in zip(asics, (0, 1)):
        assert machine.attempt("systemctl", "restart", asic.unit)[0] == wanted
    machine.write("/etc/sonic/portsyncd-asic1.conf", "[log]\nlevel = info\n")
    machine.wait_unit(asics[1].unit, lambda state: state["ActiveState"] == "active", "runs once that is mended")
    machine.systemctl("reload", *(asic.unit for asic in asics))
