# SPDX-License-Identifier: Apache-2.0
"""portsyncctl why PORT, why init: each link of the chain is really broken, and that link is named."""

from collections.abc import Callable
from typing import Any

import pytest

from conftest import SwitchFactory
from lib import ctl
from lib.faults import NO_RECONCILE
from lib.proxy import command
from lib.switch import Switch
from lib.wait import wait_for

PORT = "Ethernet4"
CHAIN = [
    "CONFIG_DB row",
    "APPL_DB row",
    "interface",
    "not left over",
    "carrier",
    "STATE_DB row",
    "in sync",
]


def why(sw: Switch, subject: str = PORT) -> Any:
    """The JSON document; its text form is compared with it first."""
    shown = ctl.run(sw, "why", subject)
    answer = ctl.run(sw, "why", "-j", subject).json
    assert shown.code == (ctl.GOOD if answer["whole"] else ctl.NEGATIVE)
    broken = answer["broken"]
    verdict = f"{subject}: broken at: {broken['link']}: {broken['found']}" if broken else f"{subject}: the chain is whole"
    text = " ".join(shown.out.split())
    assert text.startswith(verdict), (verdict, shown.out)
    for link in answer["chain"]:
        assert " ".join(link["found"].split()) in text
        assert link["state"] != "broken" or link.get("remedy"), link
    if broken:
        assert f"remedy: {broken['remedy']}" in text
    return answer


def states(answer: Any) -> dict[str, str]:
    return {link["link"]: link["state"] for link in answer["chain"]}


def wait_whole(sw: Switch, subject: str = PORT) -> None:
    wait_for(lambda: ctl.run(sw, "why", subject).code == ctl.GOOD, what=f"the chain of {subject} is whole")


def wait_broken(sw: Switch, link: str, *found: str) -> Any:
    """Waits until this is the first broken link and its text has these words."""
    answers: list[Any] = []

    def there() -> bool:
        answers.append(ctl.run(sw, "why", "-j", PORT).json)
        broken = answers[-1]["broken"]
        return bool(broken) and broken["link"] == link and all(words in broken["found"] for words in found)

    wait_for(there, 30, lambda: f"broken at {link}, {found}: {answers[-1]}")
    answer = why(sw)
    assert answer["broken"]["link"] == link and all(words in answer["broken"]["found"] for words in found), answer
    return answer


def test_a_whole_chain(switch: SwitchFactory) -> None:
    sw = switch(ports=2)
    sw.wait_oper(PORT, "up")
    answer = why(sw)
    assert answer["whole"] and states(answer) == dict.fromkeys(CHAIN, "ok")
    assert answer["daemon_answers"] and not ctl.run(sw, "why", PORT).err


# --- each link ---


def no_config(sw: Switch) -> None:
    sw.config_db.client.delete(f"PORT|{PORT}")


def no_appl(sw: Switch) -> None:
    sw.appl_db.client.delete(f"PORT_TABLE:{PORT}")


def no_interface(sw: Switch) -> None:
    sw.netns.delete_port(PORT)


def no_carrier(sw: Switch) -> None:
    sw.netns.set_carrier(PORT, "down")


def admin_down(sw: Switch) -> None:
    sw.netns.set_admin(PORT, "down")


def no_row(sw: Switch) -> None:
    sw.state_db.client.delete(f"PORT_TABLE|{PORT}")


def another_mtu(sw: Switch) -> None:
    sw.state_db.client.hset(f"PORT_TABLE|{PORT}", "mtu", "1234")


def not_a_hash(sw: Switch) -> None:
    sw.config_db.client.delete(f"PORT|{PORT}")
    sw.config_db.client.set(f"PORT|{PORT}", "x")


BROKEN: dict[Callable[[Switch], None], tuple[str, str]] = {
    no_config: ("CONFIG_DB row", "there is no PORT row"),
    not_a_hash: ("CONFIG_DB row", "not a hash"),
    no_appl: ("APPL_DB row", "though PortConfigDone was sent"),
    no_interface: ("interface", "the kernel has no interface"),
    no_carrier: ("carrier", "none, though the interface is up"),
    admin_down: ("carrier", "though CONFIG_DB has admin_status up"),
    no_row: ("STATE_DB row", "there is no row"),
    another_mtu: ("in sync", "mtu is 1234, the kernel says 9100"),
}


@pytest.mark.parametrize("fault", BROKEN, ids=lambda fault: fault.__name__)
def test_a_broken_link_is_named(switch: SwitchFactory, fault: Callable[[Switch], None]) -> None:
    """The next reconciliation is far off, so nothing repairs it."""
    sw = switch(ports=2, reconcile_secs=NO_RECONCILE)
    sw.wait_oper(PORT, "up")
    fault(sw)
    wait_broken(sw, *BROKEN[fault])
    sw.wait_oper("Ethernet0", "up")
    assert why(sw, "Ethernet0")["whole"]


def test_a_port_that_is_down_as_configured(switch: SwitchFactory) -> None:
    sw = switch.build(ports=2)
    sw.config["PORT"][PORT]["admin_status"] = "down"
    sw.config_db.client.hset(f"PORT|{PORT}", "admin_status", "down")
    sw.start()
    answer = wait_broken(sw, "carrier", "administratively down, as CONFIG_DB has it")
    assert "startup" in answer["broken"]["remedy"]
    assert states(answer)["in sync"] == "ok"


def test_a_row_that_orchagent_has_not_taken(switch: SwitchFactory) -> None:
    sw = switch.build(ports=2)
    sw.daemon.start()
    wait_for(lambda: bool(sw.appl_db.client.exists(f"_PORT_TABLE:{PORT}")), what="pushed")
    answer = wait_broken(sw, "APPL_DB row", "orchagent has not taken it")
    assert states(answer)["carrier"] == "skipped"
    init = why(sw, "init")
    assert init["broken"]["link"] == "APPL_DB PortConfigDone" and "orchagent" in init["broken"]["remedy"]


def test_an_interface_of_before_a_cold_start(switch: SwitchFactory) -> None:
    sw = switch.build(ports=2, links="before", settings={"sonic": {"retire_old_links": "always"}})
    sw.start(wait=False)
    answer = wait_broken(sw, "not left over", "before a cold start")
    assert "syncd" in answer["broken"]["remedy"]
    sw.netns.delete_port(PORT)
    sw.netns.add_port(PORT)
    wait_whole(sw)


def test_a_row_that_redis_refuses(behind_proxy: Callable[..., Any]) -> None:
    sw, proxy = behind_proxy(ports=2)
    sw.start()
    sw.wait_oper(PORT, "up")
    refusal = proxy.refuse(command("HSET"), "-OOM command not allowed when used memory > 'maxmemory'.")
    sw.netns.set_mtu(PORT, 1500)
    wait_broken(sw, "in sync", "mtu is 9100, the kernel says 1500", "Redis refused the daemon's last write")
    refusal.lift()
    wait_whole(sw)


def test_what_is_no_port(switch: SwitchFactory) -> None:
    sw = switch(ports=1)
    answer = why(sw, "PortChannel1")
    assert not answer["whole"] and "does not begin with Ethernet" in answer["broken"]["found"]
    answer = why(sw, "Ethernet999")
    assert answer["broken"]["link"] == "CONFIG_DB row" and "portsyncctl ports" in answer["broken"]["remedy"]


# --- the initialisation ---

INIT_CHAIN = ["CONFIG_DB rows", "APPL_DB PortConfigDone", "its count", "ports", "APPL_DB PortInitDone"]


def test_init_is_done(switch: SwitchFactory) -> None:
    sw = switch(ports=3)
    answer = why(sw, "init")
    assert answer["whole"] and states(answer) == dict.fromkeys(INIT_CHAIN, "ok") and answer["awaited"] == []
    sw.netns.delete_port(PORT)
    sw.wait_no_row(PORT)
    assert why(sw, "init")["whole"], "the initialisation does not depend on later rows"


def test_init_names_each_port_that_is_awaited_and_what_it_lacks(switch: SwitchFactory) -> None:
    sw = switch.build(ports=3, links="none", reconcile_secs=NO_RECONCILE)
    sw.start(wait=False)
    sw.orch.wait_config_done()
    sw.netns.add_port("Ethernet0")
    sw.wait_field("Ethernet0", "state", "ok")
    wait_for(lambda: len(ctl.run(sw, "why", "-j", "init").json["awaited"]) == 2, what="two are awaited")
    answer = why(sw, "init")
    assert answer["broken"]["link"] == "ports" and answer["broken"]["found"].startswith("2 of them")
    assert [(port["port"], port["link"]) for port in answer["awaited"]] == [(PORT, "interface"), ("Ethernet8", "interface")]
    shown = ctl.run(sw, "why", "init").out
    assert f"{PORT}, Ethernet8: interface: the kernel has no interface" in shown and "syncd" in shown
    for port in (PORT, "Ethernet8"):
        sw.netns.add_port(port)
    sw.wait_init_done()
    assert why(sw, "init")["whole"]


@pytest.mark.parametrize("count", ["5", "many"])
def test_a_count_that_does_not_fit(switch: SwitchFactory, count: str) -> None:
    """S8, S9: before PortInitDone it holds orchagent back; afterwards only a later warm start."""
    sw = switch(ports=2, reconcile_secs=NO_RECONCILE)
    sw.appl_db.client.hset("PORT_TABLE:PortConfigDone", "count", count)
    answer = why(sw, "init")
    assert answer["whole"]
    assert f"{count}, and APPL_DB has 2 ports" in answer["chain"][2]["found"]
    sw.daemon.stop()
    sw.appl_db.client.delete("PORT_TABLE:PortInitDone")
    answer = why(sw, "init")
    assert (answer["broken"]["link"], answer["broken"]["found"]) == ("its count", f"{count}, and APPL_DB has 2 ports")


def test_init_without_ports_is_a_valid_state(switch: SwitchFactory) -> None:
    sw = switch.build(config={"DEVICE_METADATA": {"localhost": {"hostname": "sonic"}}})
    sw.start(wait=False)
    sw.wait_init_done()
    assert why(sw, "init")["whole"]


# --- a daemon that does not help ---


def test_the_daemon_is_absent(switch: SwitchFactory) -> None:
    """Redis and the kernel are enough to name the link and its remedy."""
    sw = switch.build(ports=2, links="before")
    answer = why(sw)
    assert not answer["daemon_answers"]
    assert answer["broken"]["link"] == "APPL_DB row" and "Start portsyncd" in answer["broken"]["remedy"]
    init = why(sw, "init")
    assert init["broken"]["link"] == "APPL_DB PortConfigDone" and "Start portsyncd" in init["broken"]["remedy"]
    assert "portsyncd does not run" in ctl.run(sw, "why", PORT).err


@pytest.mark.parametrize("how", ["stopped", "hung"])
def test_the_daemon_is_stopped_or_hangs(switch: SwitchFactory, how: str) -> None:
    sw = switch(ports=2)
    sw.wait_oper(PORT, "up")
    sw.daemon.stop() if how == "stopped" else sw.daemon.pause()
    answer = ctl.run(sw, "why", "-j", PORT).json
    assert answer["whole"] and not answer["daemon_answers"]
    assert states(answer) == {**dict.fromkeys(CHAIN, "ok"), "not left over": "unknown"}
    init = ctl.run(sw, "why", "init")
    assert init.code == ctl.GOOD and "without what the daemon knows" in init.err
    sw.netns.set_mtu(PORT, 1500)
    answer = wait_broken(sw, "in sync", "mtu is 9100, the kernel says 1500; portsyncd does not answer")
    assert "portsyncctl doctor" in answer["broken"]["remedy"]
    if how == "hung":
        sw.daemon.resume()
        wait_whole(sw)


def test_redis_cannot_be_reached(switch: SwitchFactory) -> None:
    sw = switch(ports=1)
    sw.redis.kill()
    for subject in ("Ethernet0", "init"):
        done = ctl.run(sw, "why", "-j", subject)
        assert done.code == ctl.NO_SOURCE and done.json["error"]["remedy"], done
    assert ctl.run(sw, "why").code == ctl.USAGE
