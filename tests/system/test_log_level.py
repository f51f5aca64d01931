# SPDX-License-Identifier: Apache-2.0
"""At log level ERR no lesser line is written, whatever happens, and what the lines would be about works as ever."""

import re
import signal
from pathlib import Path

from conftest import SwitchFactory
from lib.fence import at_rest
from lib.orch import TABLE
from lib.switch import Switch
from lib.wait import wait_for

LESSER = re.compile(r"^.*\b(?:WARNING|NOTICE|INFO|DEBUG): .*$", re.MULTILINE)
COUNT_KEY = "WARM_RESTART_TABLE|portsyncd"
STEPS_TO_EMERG = 3  # of SIGUSR2, from ERR


def spoil(sw: Switch) -> None:
    """Rows of other types than a daemon expects, and a port whose name no link of a port has."""
    config, appl = sw.config_db.client, sw.appl_db.client
    config.hset("PORT|Bogus0", mapping={"lanes": "401", "speed": "40000"})
    config.delete("DEVICE_METADATA|localhost")
    for client, key in (
        (config, "DEVICE_METADATA|localhost"),
        (config, "LOGGER|portsyncd"),
        (appl, f"{TABLE}_KEY_SET"),
        (appl, f"_{TABLE}:Ethernet0"),
        (sw.state_db.client, COUNT_KEY),
    ):
        client.set(key, "x")
    sw.state_db.client.hset("WARM_RESTART_ENABLE_TABLE|system", "enable", "true")


def reload_with(sw: Switch, old: str, new: str) -> None:
    """What an operator does who changes the file; the daemon has read it once it has handled a change after it."""
    sw.config_file.write_text(sw.config_file.read_text().replace(old, new))
    sw.daemon.send(signal.SIGHUP)
    at_rest(sw)


def test_lesser_lines_are_not_written(switch: SwitchFactory, tmp_path: Path) -> None:
    stopped = tmp_path / "last-stop"
    stopped.write_text("watchdog\n")
    sw = switch.build(ports=2, log_level="err", environment={"RUNTIME_DIRECTORY": str(tmp_path)})
    spoil(sw)
    databases = sw.database_config.read_text()
    sw.database_config.unlink()
    sw.start(wait=False)
    wait_for(lambda: sw.pages_when_served().get("/readyz").status == 503, what="the databases are awaited")
    sw.database_config.write_text(databases)
    sw.wait_init_done()
    sw.wait_equal(ports=2)
    assert sw.appl_db.client.hget(f"{TABLE}:Bogus0", "lanes") == "401"
    assert not stopped.exists()
    assert sw.state_db.client.hget(COUNT_KEY, "restore_count") == "0"

    sw.config_db.client.delete("LOGGER|portsyncd")
    sw.config_db.client.hset("LOGGER|portsyncd", mapping={"LOGLEVEL": "loud", "LOGOUTPUT": "printer"})
    at_rest(sw)
    reload_with(sw, "reconcile_interval_secs = 1", "reconcile_interval_secs = often")
    reload_with(sw, "reconcile_interval_secs = often", "reconcile_interval_secs = 77")
    sw.netns.delete_port("Ethernet4")
    sw.wait_no_row("Ethernet4")
    for _ in range(STEPS_TO_EMERG + 1):
        sw.daemon.send(signal.SIGUSR2)
        at_rest(sw)
    assert LESSER.findall(sw.daemon.log) == []

    sw.daemon.stop()
    sw.state_db.client.hset(COUNT_KEY, "restore_count", "many")
    sw.daemon.start()
    wait_for(lambda: sw.state_db.client.hget(COUNT_KEY, "restore_count") == "0", what="the start is a cold one")
    assert LESSER.findall(sw.daemon.log) == []
