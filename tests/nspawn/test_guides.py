# SPDX-License-Identifier: Apache-2.0
"""Runs every command of the guides that is not marked as an example, in their order, and nothing else: a step that a
guide leaves out makes this fail. In between the tests only look at the results."""

import re
from pathlib import Path

from guides import run_all
from installed import UNIT, Installed
from lib.daemon import ROOT
from lib.wait import wait_for
from machine import Machine

REDIS_CLI = ("redis-cli", "-s", "/run/redis/redis.sock")


def wait_status(machine: Machine, wanted: str) -> None:
    machine.wait_unit(UNIT, lambda state: wanted in state["StatusText"], f"says {wanted!r}")


def redis_connected(machine: Machine) -> None:
    wait_status(machine, "Redis connected")


def first_port_is_followed(machine: Machine) -> None:
    wanted = ["ok", "down", "up", "1500"]
    ask = (*REDIS_CLI, "-n", "6", "HMGET", "PORT_TABLE|Ethernet0", "state", "netdev_oper_status", "admin_status", "mtu")
    wait_for(lambda: machine.run(*ask).split() == wanted, 30, lambda: f"{wanted}: {machine.run(*ask)}")


def runs_as_its_own_redis_user(machine: Machine) -> None:
    wait_status(machine, "Redis connected")
    assert " user=portsyncd " in machine.run(*REDIS_CLI, "CLIENT", "LIST")


def conffile_still_has_every_key(machine: Machine) -> None:
    """The configuration file was edited, not replaced."""
    shipped = (ROOT / "deploy" / "portsyncd.conf").read_text()
    keys = re.findall(r"^#?(\w+) =", shipped, re.MULTILINE)
    assert re.findall(r"^#?(\w+) =", machine.path("/etc/sonic/portsyncd.conf").read_text(), re.MULTILINE) == keys


def put_packages(machine: Machine, packages: list[Path]) -> None:
    """Puts the packages where `make deb` and a copy to the switch leave them."""
    for package in packages:
        machine.path(f"/root/{package.name}").write_bytes(package.read_bytes())


def test_deployment(fresh: Machine, packages: list[Path]) -> None:
    put_packages(fresh, packages)
    looks = {
        "Where Redis is": redis_connected,
        "A first port": first_port_is_followed,
        "A Redis user and password of its own": runs_as_its_own_redis_user,
        "Metrics for another machine": conffile_still_has_every_key,
    }
    run_all(fresh, "deployment.md", looks)
    for gone in ("/usr/bin/portsyncd", "/etc/sonic/portsyncd.conf", "/var/lib/sonic"):
        assert not fresh.path(gone).exists(), gone


def test_troubleshooting(service: Installed) -> None:
    run_all(service.machine, "troubleshooting.md", {})
    service.wait_whole()


def ask(machine: Machine, path: str) -> str:
    return machine.attempt("curl", "--silent", "--fail", f"http://127.0.0.1:9090{path}")[1]


def rules_are_recorded(machine: Machine) -> None:
    """A Prometheus with our rules has recorded series of this switch."""
    wanted = '"instance":"127.0.0.1:10187","job":"portsyncd"'
    query = "/api/v1/query?query=instance:portsyncd_available:bool"
    wait_for(lambda: wanted in ask(machine, query), 60, lambda: f"{wanted}: {ask(machine, query)}")


def consoles_show_the_switch(machine: Machine) -> None:
    page = "/consoles/portsyncd.html?instance=127.0.0.1:10187"
    wait_for(lambda: "Ethernet4" in ask(machine, page), 60, lambda: ask(machine, page))


def test_monitoring(service: Installed) -> None:
    looks = {"Prometheus": rules_are_recorded, "Prometheus' consoles": consoles_show_the_switch}
    run_all(service.machine, "monitoring.md", looks)
    service.machine.systemctl("disable", "--now", "prometheus")
