# SPDX-License-Identifier: Apache-2.0
"""portsyncctl verify: lib/checker.py, which shares no code with it, is its oracle."""

import json
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import redis

from conftest import SwitchFactory
from lib import ctl
from lib.checker import Comparison
from lib.daemon import Daemon
from lib.monitor import Monitor
from lib.orch import CONFIG_DONE, INIT_DONE, TABLE
from lib.switch import Switch
from lib.wait import patient, wait_for
from test_redis_drift import PORT, ROW, SPOILERS

AT_ONCE = ("--grace", "0", "--json")

KERNEL_FAULTS: dict[str, Callable[[Switch], object]] = {
    "carrier lost": lambda sw: (sw.netns.set_carrier(PORT, "down"), sw.netns.wait_carrier([PORT], "down")),
    "set down": lambda sw: sw.netns.set_admin(PORT, "down"),
    "mtu": lambda sw: sw.netns.set_mtu(PORT, 1400),
    "link gone": lambda sw: sw.netns.delete_port(PORT),
    "renamed": lambda sw: sw.netns.rename_port(PORT, "Ethernet100"),
    "renamed to a port that is known": lambda sw: (
        sw.appl_db.client.hset(f"{TABLE}:Ethernet104", "admin_status", "up"),
        sw.netns.rename_port(PORT, "Ethernet104"),
    ),
    "swapped": lambda sw: (
        sw.netns.set_mtu(PORT, 1300),
        [sw.netns.rename_port(old, new) for old, new in ((PORT, "aside"), ("Ethernet0", PORT), ("aside", "Ethernet0"))],
    ),
    "state_db flushed": lambda sw: sw.state_db.client.flushdb(),
    "in a bridge, and nothing else": lambda sw: (sw.netns.add_bridge("Bridge"), sw.netns.set_master(PORT, "Bridge")),
    "link of no port": lambda sw: sw.netns.add_port("Ethernet200"),
    "rows of others": lambda sw: (
        sw.state_db.client.hset(f"{TABLE}|Ethernet0.10", "state", "ok"),
        sw.state_db.client.hset(f"{TABLE}|PortChannel1", mapping={"state": "ok", "mtu": "9100"}),
        sw.state_db.client.hset(ROW, "host_tx_ready", "true"),
        sw.state_db.client.hset(f"{TABLE}|Ethernet500", "host_tx_ready", "true"),
    ),
    "a row of a link that never was": lambda sw: sw.state_db.client.hset(
        f"{TABLE}|Ethernet600", mapping={"state": "ok", "netdev_oper_status": "up"}
    ),
    "a key of another type, and no link": lambda sw: sw.state_db.client.set(f"{TABLE}|Ethernet700", "x"),
    "a key with a NUL": lambda sw: sw.state_db.client.hset(f"{TABLE}|{PORT}\0x", "netdev_oper_status", "up"),
}


def wrong_ports(comparison: Comparison) -> set[str]:
    return {text.split(":")[0] for text in comparison.differences}


def of_state_db(document: Any) -> list[dict[str, Any]]:
    return [one for one in document["differences"] if one["database"] == "STATE_DB"]


def assert_agrees(sw: Switch, what: str) -> ctl.Done:
    """verify and the checker name the same ports and fields. Nothing may change meanwhile."""
    expected, done = sw.checker.compare(), ctl.run(sw, "verify", *AT_ONCE)
    found = of_state_db(done.json)
    shown = {name.replace("\0", "\\x00") for name in wrong_ports(expected)}
    assert {one["port"] for one in found} == shown, f"{what}: {expected.differences}, {found}"
    assert done.json["ports"] == expected.ports, what
    for one in found:
        if one["kind"] == "value":
            said = f"{one['port']}: {one['field']} is "
            assert any(text.startswith(said) and repr(one["should_be"]) in text for text in expected.differences), what
    assert done.code == (ctl.NEGATIVE if done.json["differences"] else ctl.GOOD)
    return done


@pytest.fixture
def paused(switch: SwitchFactory) -> Switch:
    """A switch whose daemon is stopped, so that it repairs nothing. Redis may take long on a busy machine."""
    sw = switch(ports=3, settings={"database": {"connection_timeout_secs": 3600}})
    sw.daemon.pause()
    return sw


def test_each_row_spoilt_is_seen(paused: Switch) -> None:
    sw, client = paused, paused.state_db.client
    assert not of_state_db(assert_agrees(sw, "nothing").json)
    before = sw.row(PORT)
    for name, spoil in SPOILERS.items():
        spoil(client)
        wait_for(lambda: sw.checker.compare().differences, what=f"{name} is wrong")
        done = assert_agrees(sw, name)
        no_hash = name in ("string", "list", "set")
        assert done.code == ctl.NEGATIVE and ("not_a_hash" in done.out) == no_hash, name
        client.delete(ROW, "elsewhere")
        client.hset(ROW, mapping=before)
        assert assert_agrees(sw, f"{name}, mended").code == ctl.GOOD
    sw.daemon.resume()


@pytest.mark.parametrize("what", KERNEL_FAULTS)
def test_what_the_daemon_has_missed_is_seen(what: str, paused: Switch) -> None:
    """Once the daemon goes on it repairs the row, and verify succeeds within its grace period."""
    sw = paused
    KERNEL_FAULTS[what](sw)
    # A link runs a little after it was set up; that must not happen between the two comparisons.
    up = {link["ifname"] for link in sw.netns.links()} & {*sw.ports, "Ethernet100", "Ethernet104", "Ethernet200"}
    sw.netns.wait_carrier(up - ({PORT} if what == "carrier lost" else set()), "up")
    assert_agrees(sw, what)
    sw.daemon.resume()
    sw.wait_equal(ignored={"Ethernet600", "Ethernet700", f"{PORT}\0x"})
    if what == "state_db flushed":
        done = ctl.run(sw, "verify", "--grace", "30", "--json")
        assert (done.code, done.json["equal"]) == (ctl.GOOD, True), done.out


def test_markers_and_ports_that_were_not_handed_over(paused: Switch) -> None:
    sw = paused
    sw.config_db.client.hset("PORT|Ethernet900", "lanes", "1")
    sw.config_db.client.hset("PORT|Ethernet90", "lanes", "2")
    sw.appl_db.client.delete(f"{TABLE}:{INIT_DONE}", f"{TABLE}:{CONFIG_DONE}")
    done = ctl.run(sw, "verify", *AT_ONCE)
    found = [(one["kind"], one["port"], one["database"]) for one in done.json["differences"]]
    assert found == [
        ("not_applied", "Ethernet90", "APPL_DB"),
        ("not_applied", "Ethernet900", "APPL_DB"),
        ("no_marker", CONFIG_DONE, "APPL_DB"),
        ("no_marker", INIT_DONE, "APPL_DB"),
    ]
    assert done.code == ctl.NEGATIVE
    sw.daemon.resume()


def test_an_old_link_is_a_known_state(switch: SwitchFactory) -> None:
    """A cold start sets an older link down and ignores it: it differs, and verify says why."""
    sw = switch(ports=2, links="before", wait=False)
    sw.orch.wait_config_done()
    sw.daemon.wait_log("old interfaces are set down")
    wait_for(lambda: set(sw.appl_db.keys(TABLE)) >= set(sw.ports), what="APPL_DB has the ports")
    done = assert_agrees(sw, "old links")
    assert [one["kind"] for one in of_state_db(done.json)] == ["no_row"] * 2
    assert all("cold start" in one["note"] for one in of_state_db(done.json))
    assert "cold start" in ctl.run(sw, "verify", "--grace", "0").err


def test_what_is_mended_within_the_grace_does_not_count(paused: Switch) -> None:
    sw = paused
    sw.netns.set_mtu(PORT, 1400)
    with Monitor(sw.redis.client()) as seen:
        assert ctl.run(sw, "verify", "--grace", "0", "--json").code == ctl.NEGATIVE
        sw.redis.client().echo("that was one look")
        wait_for(lambda: seen.named("ECHO"), what="the end of one comparison")
        one_look = len(seen.named("SCAN"))
    with subprocess.Popen(
        [str(ctl.program()), *ctl.arguments(sw), "verify", "--grace", "60", "--json"], stdout=subprocess.PIPE, text=True
    ) as running:
        with Monitor(sw.redis.client()) as seen:
            wait_for(lambda: len(seen.named("SCAN")) > one_look, what="it compares again")
        sw.daemon.resume()
        out, _ = running.communicate(timeout=patient(60))
    document = json.loads(out)
    ctl.validate(document)
    assert running.returncode == ctl.GOOD and document["equal"] and document["looks"] > 1


def test_what_lasts_counts_and_is_told(paused: Switch) -> None:
    sw = paused
    sw.netns.set_mtu(PORT, 1400)
    done = ctl.run(sw, "verify", "--grace", "0.3", "--json")
    assert done.code == ctl.NEGATIVE and not done.json["equal"]
    (found,) = done.json["differences"]
    assert (found["port"], found["field"], found["is"], found["should_be"]) == (PORT, "mtu", "9100", "1400")
    assert found["seconds"] >= 0.3 and done.json["looks"] > 1
    done = ctl.run(sw, "verify", "--grace", "0.3", "--color", "never")
    assert done.code == ctl.NEGATIVE and done.out.startswith("DIFFERENT: 1 difference, 3 ports with a link\n")
    assert [PORT, "STATE_DB", "mtu", "9100", "1400"] in [line.split()[:5] for line in done.out.splitlines()]
    sw.daemon.resume()


def absent(sw: Switch) -> None:
    sw.daemon.kill()
    sw.pages.path.unlink(missing_ok=True)


@pytest.mark.parametrize("leave", [Daemon.stop, Daemon.pause, None], ids=["stopped", "hung", "absent"])
def test_it_needs_no_daemon(leave: Callable[[Daemon], None] | None, switch: SwitchFactory) -> None:
    sw = switch(ports=2)
    leave(sw.daemon) if leave else absent(sw)
    assert ctl.run(sw, "verify", "--quiet") == ctl.Done(ctl.GOOD, "", "")
    sw.netns.set_mtu("Ethernet0", 1400)
    done = ctl.run(sw, "verify", *AT_ONCE)
    assert done.code == ctl.NEGATIVE and done.json["differences"][0]["field"] == "mtu"
    assert "DIFFERENT" in ctl.run(sw, "verify", "--quiet", "--grace", "0").out
    if leave is Daemon.pause:
        sw.daemon.resume()


def test_without_redis(switch: SwitchFactory) -> None:
    """Redis hangs, or is gone: the document names the remedy, and the exit status is the one for Redis."""
    sw = switch(ports=1)
    sw.redis.pause()
    done = ctl.run(sw, "verify", "--json")
    assert done.code == done.json["error"]["code"] == ctl.NO_SOURCE and "has not answered" in done.json["error"]["message"]
    sw.redis.resume()
    sw.redis.kill()
    done = ctl.run(sw, "verify", "--json")
    assert done.code == ctl.NO_SOURCE and done.json["error"]["remedy"] and not done.err
    done = ctl.run(sw, "verify")
    assert done.code == ctl.NO_SOURCE and not done.out and "what helps" in done.err
    sw.redis.start()


def test_watching_goes_on_over_a_loss_of_redis(switch: SwitchFactory) -> None:
    sw = switch(ports=1)
    words = [str(ctl.program()), *ctl.arguments(sw), "verify", "--grace", "0", "--watch", "0.1", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout and running.stderr

        def until(condition: Callable[[Any], bool]) -> None:
            for line in running.stdout or ():
                document = json.loads(line)
                ctl.validate(document)
                if condition(document):
                    return

        until(lambda d: d["equal"])
        sw.redis.kill()
        until(lambda d: "error" in d)
        sw.redis.start()
        until(lambda d: "error" not in d)
        running.send_signal(signal.SIGINT)
        assert running.wait(patient()) == 130
        assert running.stderr.read() == "", "it ends quietly"
    wait_for(lambda: redis_answers(sw), what="Redis answers")


def redis_answers(sw: Switch) -> bool:
    try:
        return bool(sw.state_db.client.ping())
    except redis.RedisError:
        return False


@pytest.mark.parametrize("words", [["--grace", "-1"], ["--grace", "x"], ["--grace"], ["--watch", "nan"], ["--watch", "0"], ["Ethernet0"]])
def test_bad_usage(words: list[str]) -> None:
    done = ctl.command("--json", "verify", *words)
    assert done.code == done.json["error"]["code"] == ctl.USAGE
