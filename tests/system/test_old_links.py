# SPDX-License-Identifier: Apache-2.0
"""[sonic] retire_old_links: whether a cold start sets down the links that it finds. The judge is the kernel: a link that
carries traffic must not go down because a service was restarted."""

import pytest

from conftest import SwitchFactory
from lib.monitor import Monitor
from lib.orch import INIT_DONE, TABLE
from lib.switch import Switch
from lib.wait import wait_for

# The variables that supervisord sets for its programs (supervisord.org/subprocess.html#subprocess-environment).
SUPERVISED = {"SUPERVISOR_ENABLED": "1", "SUPERVISOR_PROCESS_NAME": "portsyncd", "SUPERVISOR_GROUP_NAME": "portsyncd"}
AUTO = {"sonic": {"retire_old_links": "auto"}}


def ups(sw: Switch) -> set[str]:
    """The ports that are administratively up in the kernel."""
    return {link["ifname"] for link in sw.netns.links() if link["ifname"] in sw.ports and "UP" in link["flags"]}


def carrier_changes(sw: Switch) -> list[str]:
    """The kernel's own counters, which change whenever a link goes down and comes back."""
    return [sw.netns.exec("cat", f"/sys/class/net/{port}/carrier_changes") for port in sw.ports]


def old_links(sw: Switch) -> tuple[str, int]:
    check = sw.pages.get("/healthz").json["checks"]["old_links"]
    return check["status"], check["value"]


def rows(sw: Switch) -> dict[str, dict[str, str]]:
    return {port: sw.row(port) for port in sw.ports}


def again(sw: Switch, how: str) -> None:
    """Starts the next process and waits for PortInitDone and the kernel's rows."""
    sw.daemon.kill() if how == "crash" else sw.daemon.stop()
    mark = sw.daemon.mark()
    sw.daemon.start()
    sw.daemon.wait_log("PortInitDone$", 60, since=mark)
    sw.wait_equal(60)


@pytest.mark.parametrize("how", ["restart", "crash"])
@pytest.mark.parametrize("configured", [True, False], ids=["ports", "empty-config-db"])
def test_a_restart_outside_of_sonic_touches_nothing(switch: SwitchFactory, how: str, configured: bool) -> None:
    """systemctl restart, an upgrade, a crash: no link goes down, no row is deleted, no value changes."""
    sw = switch(ports=4, links="before", settings=AUTO)
    before = rows(sw)
    foreign = {"state": "ok"}
    sw.state_db.client.hset(f"{TABLE}|Ethernet0.10", mapping=foreign)
    if not configured:
        sw.config_db.client.flushdb()
    changes = carrier_changes(sw)
    with Monitor(sw.redis.client()) as seen:
        again(sw, how)
        assert old_links(sw) == ("healthy", 0)
    assert (ups(sw), carrier_changes(sw)) == (set(sw.ports), changes)
    assert rows(sw) == before
    assert sw.state_db.row(TABLE, "Ethernet0.10") == foreign
    assert [c for c in seen.named("DEL", "HDEL", "UNLINK") if c[1].startswith(f"{TABLE}|")] == []
    assert "old interfaces" not in sw.daemon.log


def test_supervised_it_happens_once_and_never_to_a_switch_that_runs(switch: SwitchFactory) -> None:
    """auto under SONiC's supervisord: a cold start of swss retires; a portsyncd that alone died and is started again
    (APPL_DB still has PortInitDone) leaves the links alone; a swss that was restarted (swss.sh: APPL_DB is emptied)
    retires again."""
    sw = switch.build(ports=3, links="before", settings=AUTO, environment=SUPERVISED)
    sw.netns.set_admin("Ethernet8", "down")
    sw.start(wait=False)
    sw.orch.wait_config_done()
    for port in ("Ethernet0", "Ethernet4"):
        sw.daemon.wait_log(rf"WARNING: .*\b{port}: set down")
    assert ups(sw) == set()
    assert old_links(sw) == ("degraded", 3)
    assert sw.pages.metrics()("portsyncd_links_set_down_total") == 2, "the third was down already"
    for port in sw.ports:
        sw.netns.delete_port(port)
        sw.netns.add_port(port)
    sw.wait_init_done()
    sw.wait_equal(ports=3)
    assert old_links(sw) == ("healthy", 0)
    for port in sw.ports:
        sw.netns.set_admin(port, "up")
    wait_for(lambda: ups(sw) == set(sw.ports), what="all are up")
    sw.netns.wait_carrier(sw.ports, "up")
    assert sw.orch.fields(INIT_DONE) is not None

    changes = carrier_changes(sw)
    again(sw, "crash")
    assert (ups(sw), carrier_changes(sw)) == (set(sw.ports), changes)

    sw.daemon.kill()
    sw.appl_db.client.flushdb()
    mark = sw.daemon.mark()
    sw.daemon.start()
    sw.daemon.wait_log("3 old interfaces are set down", since=mark)
    wait_for(lambda: ups(sw) == set(), what="swss was restarted cold")


@pytest.mark.parametrize("environment", [{"PORTSYNCD_RETIRE_OLD_LINKS": "never"}, {}], ids=["unit", "file"])
def test_never_is_never(switch: SwitchFactory, environment: dict[str, str]) -> None:
    """The unit's environment overrides a file that says otherwise; or the file says so itself."""
    policy = "always" if environment else "never"
    sw = switch.build(
        ports=2,
        links="before",
        settings={"sonic": {"retire_old_links": policy}},
        environment={**SUPERVISED, **environment},
    )
    changes = carrier_changes(sw)
    sw.start()
    assert (ups(sw), carrier_changes(sw)) == (set(sw.ports), changes)
