# SPDX-License-Identifier: Apache-2.0
"""portsyncctl wait: for scripts and units, which run before there is a daemon, or a Redis."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from conftest import SwitchFactory
from lib import ctl
from lib.faults import NO_RECONCILE
from lib.switch import Switch
from lib.wait import patient, wait_for

SOON = ["--timeout", "0.5"]


@contextmanager
def waiting(sw: Switch, goal: str) -> Iterator["subprocess.Popen[str]"]:
    """`portsyncctl wait` without a timeout. It still runs when the body begins, and ends with 0 after it."""
    arguments = [str(ctl.program()), *ctl.arguments(sw), "wait", goal]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.poll() is None
            yield process
            out, _ = process.communicate(timeout=patient(60))
            assert (process.returncode, out) == (ctl.GOOD, "")
        finally:
            process.kill()


def cpu_seconds(process: "subprocess.Popen[str]") -> float:
    with open(f"/proc/{process.pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


@pytest.mark.parametrize("goal", ["init-done", "in-sync"])
def test_reached_already(switch: SwitchFactory, goal: str) -> None:
    sw = switch(ports=3)
    sw.wait_equal()
    done = ctl.run(sw, "wait", goal)
    assert (done.code, done.out, done.err) == (ctl.GOOD, "", "")
    document = ctl.run(sw, "wait", goal, "-j").json
    assert document["reached"] and document["for"] == goal and "missing" not in document


@pytest.mark.parametrize("goal", ["init-done", "in-sync"])
def test_neither_redis_nor_the_daemon_is_there_yet(switch: SwitchFactory, goal: str) -> None:
    """As a unit that starts before everything else."""
    sw = switch.build(ports=2)
    sw.redis.kill()
    assert ctl.run(sw, "wait", goal, *SOON).code == ctl.NEGATIVE
    with waiting(sw, goal) as process:
        sw.redis.start()
        for table, rows in sw.config.items():
            for key, fields in rows.items():
                sw.config_db.client.hset(f"{table}|{key}", mapping=fields)
        assert process.poll() is None
        sw.start()
    if goal == "in-sync":
        sw.wait_equal()


def test_ports_that_are_awaited(switch: SwitchFactory) -> None:
    sw = switch.build(ports=2, links="none")
    sw.start(wait=False)
    sw.orch.wait_config_done()
    done = ctl.run(sw, "wait", "init-done", "-j", *SOON)
    assert done.code == ctl.NEGATIVE
    assert not done.json["reached"] and done.json["missing"] == "APPL_DB has no PortInitDone"
    assert 0.5 <= done.json["seconds"] < 30
    assert "APPL_DB has no PortInitDone" in ctl.run(sw, "wait", "init-done", *SOON).err
    with waiting(sw, "init-done"):
        for port in sw.ports:
            sw.netns.add_port(port)


@pytest.mark.parametrize("how", ["stopped", "hung"])
def test_rows_that_nobody_corrects(switch: SwitchFactory, how: str) -> None:
    """A daemon that is stopped or hangs leaves a wrong row: in-sync does not rely on the daemon."""
    sw = switch(ports=2, reconcile_secs=NO_RECONCILE, settings={"sonic": {"retire_old_links": "never"}})
    sw.wait_equal()
    sw.daemon.stop() if how == "stopped" else sw.daemon.pause()
    assert ctl.run(sw, "wait", "in-sync", *SOON).code == ctl.GOOD, "nothing has changed"
    sw.netns.set_mtu("Ethernet4", 1500)
    done = ctl.run(sw, "wait", "in-sync", "-j", *SOON)
    assert done.code == ctl.NEGATIVE and "Ethernet4" in done.json["missing"] and "mtu" in done.json["missing"]
    assert ctl.run(sw, "wait", "init-done").code == ctl.GOOD
    with waiting(sw, "in-sync"):
        sw.daemon.start() if how == "stopped" else sw.daemon.resume()
    sw.wait_equal()


def test_it_is_no_busy_loop(switch: SwitchFactory) -> None:
    sw = switch.build(ports=2)
    begun = time.monotonic()
    with waiting(sw, "in-sync") as process:
        wait_for(lambda: time.monotonic() - begun > 3)
        assert cpu_seconds(process) < 0.3 * (time.monotonic() - begun)
        sw.start()


def test_what_cannot_be_read_is_said_once(switch: SwitchFactory) -> None:
    """Redis may still come, but a mistake must not lead to a silent wait."""
    sw = switch.build(ports=1)
    sw.redis.kill()
    done = ctl.run(sw, "wait", "in-sync", "--timeout", "1")
    assert done.code == ctl.NEGATIVE and done.err.count("waits: ") == 1 and "Redis at" in done.err


def test_the_limit_is_one_for_redis_too(switch: SwitchFactory) -> None:
    """--timeout also limits a wait for a Redis that does not answer. It takes seconds, and nothing else."""
    sw = switch.build(ports=1)
    sw.redis.pause()
    done = ctl.run(sw, "wait", "init-done", "--timeout", "1")
    assert done.code == ctl.NEGATIVE and "has not answered for 1 s" in done.err
    sw.redis.resume()
    assert "allowed: 0 to 31536000\n" in ctl.run(sw, "wait", "init-done", "--timeout", "soon").err


def test_usage(switch: SwitchFactory) -> None:
    sw = switch.build(ports=1)
    for words in ([], ["peace"], ["in-sync", "--timeout", "soon"], ["in-sync", "init-done"], ["in-sync", "--timeout", "-1"]):
        assert ctl.run(sw, "wait", *words).code == ctl.USAGE, words
