# SPDX-License-Identifier: Apache-2.0
"""Our output as others use it: readers that know only SONiC's protocols, late readers, absent readers, and daemons that
write to the same rows. (Single readers and writers, step by step: test_kernel_links.py, test_redis_drift.py.)"""

import contextlib
import itertools
import json
import threading
from collections.abc import Iterator

from conftest import SwitchFactory
from lib.checker import Kernel
from lib.consumer import BATCH, StateTableConsumer, TableSubscriber
from lib.databases import Database, open_database
from lib.faults import change_all
from lib.fence import fence, init_done_pushed
from lib.figures import figures
from lib.monitor import Monitor
from lib.orch import CONFIG_DONE, INIT_DONE, TABLE
from lib.storm import mixed_changes
from lib.switch import Switch
from lib.wait import patient, wait_for

SELDOM = 3600
MARKERS = {CONFIG_DONE, INIT_DONE}
KEY_SET = f"{TABLE}_KEY_SET"
OURS = {"state", "netdev_oper_status", "admin_status", "mtu"}


def own_client(sw: Switch, name: str) -> Database:
    """For one thread."""
    return open_database(sw.database_config, name)


def kernel_rows(sw: Switch) -> dict[str, dict[str, str]]:
    kernel = Kernel(sw.netns.name)
    try:
        return {name: row for name, row in kernel.rows().items() if name in sw.ports}
    finally:
        kernel.close()


def flap(sw: Switch, rounds: int = 10) -> None:
    """Carrier, MTU and admin status of every port; the cables are plugged in at the end."""
    for _ in range(rounds):
        sw.netns.batch(f"link set dev {sw.netns.peer(port)} down" for port in sw.ports)
        sw.netns.batch(mixed_changes(sw.ports, 8 * len(sw.ports)))
        sw.netns.batch(f"link set dev {sw.netns.peer(port)} up" for port in sw.ports)


def start_without_orch(sw: Switch) -> None:
    sw.daemon.start()
    wait_for(lambda: sw.appl_db.client.sismember(KEY_SET, CONFIG_DONE), 30, "PortConfigDone waits for a consumer")


def test_two_consumers_end_with_the_kernels_tables(switch: SwitchFactory) -> None:
    """More ports than a batch takes; links come, flap and go while both read."""
    sw = switch.build(ports=BATCH + 20, links="none", reconcile_secs=SELDOM)
    with (
        StateTableConsumer(own_client(sw, "APPL_DB")) as orchagent,
        TableSubscriber(own_client(sw, "STATE_DB")) as portmgrd,
    ):
        sw.daemon.start()
        wait_for(lambda: CONFIG_DONE in orchagent.table, 30, "PortConfigDone")
        sw.netns.add_ports(sw.ports)
        wait_for(lambda: INIT_DONE in orchagent.table, 30, "PortInitDone")
        flap(sw, rounds=3)
        for port in sw.ports[::10]:
            sw.netns.delete_port(port)
        sw.wait_equal(30)
        wait_for(lambda: portmgrd.table == kernel_rows(sw), 30, "the subscriber's table is the kernel's")
    assert sw.config and {key: row for key, row in orchagent.table.items() if key not in MARKERS} == sw.config["PORT"]
    assert orchagent.table[CONFIG_DONE] == {"count": str(len(sw.ports))}
    assert orchagent.order[-1] == INIT_DONE and len(orchagent.order) == len(sw.ports) + len(MARKERS)
    assert {port for port, event in portmgrd.heard if event == "del"} == set(sw.ports[::10])


def test_a_late_consumer_finds_everything(switch: SwitchFactory) -> None:
    """A late consumer takes all rows in full batches; the links then come up as usual."""
    sw = switch.build(ports=BATCH + 20, links="none", reconcile_secs=1)
    start_without_orch(sw)
    reconciliations = figures(sw.daemon)["reconciliations"]
    wait_for(lambda: figures(sw.daemon)["reconciliations"] > reconciliations + 1, what="two reconciliations see that nobody took the rows")
    assert sw.appl_db.client.scard(KEY_SET) == len(sw.ports) + 1
    with StateTableConsumer(own_client(sw, "APPL_DB")) as orchagent:
        wait_for(lambda: CONFIG_DONE in orchagent.table, what="PortConfigDone")
        wait_for(lambda: len(orchagent.table) > len(sw.ports), what="all rows")
        assert orchagent.batches == [BATCH, len(sw.ports) + 1 - BATCH]
        sw.netns.add_ports(sw.ports)
        wait_for(lambda: INIT_DONE in orchagent.table, 30, "PortInitDone")
        sw.wait_equal(30, ports=len(sw.ports))
    assert orchagent.order.count(CONFIG_DONE) == 1
    subscriber = TableSubscriber(own_client(sw, "STATE_DB"))
    with subscriber:
        wait_for(lambda: subscriber.table == kernel_rows(sw), what="a late subscriber finds the rows too")


def test_a_consumer_that_never_runs_changes_nothing(switch: SwitchFactory) -> None:
    """Each row waits once. No port is known: no row in STATE_DB, no PortInitDone, no drift, no repetition."""
    sw = switch.build(ports=8, links="none", reconcile_secs=1)
    start_without_orch(sw)
    sw.netns.add_ports(sw.ports)
    flap(sw)
    reconciliations = figures(sw.daemon)["reconciliations"]
    wait_for(lambda: figures(sw.daemon)["reconciliations"] > reconciliations + 1, what="two reconciliations")
    assert sw.appl_db.client.smembers(KEY_SET) == {*sw.ports, CONFIG_DONE}
    assert sw.appl_db.keys(TABLE) == [] and sw.state_db.keys(TABLE) == []
    assert not init_done_pushed(sw)
    counted = figures(sw.daemon)
    assert (counted["sets"], counted["drift"]) == (0, 0)
    warnings = [line for line in sw.daemon.log.splitlines() if "WARNING" in line]
    late = "PortInitDone waits for 8 configured ports"  # once this lasts 30 s, as on a busy machine
    assert [line for line in warnings if late not in line] == [], "a slow orchagent does not count as our fault"
    sw.orch.start()
    sw.orch.wait_init_done()
    sw.wait_equal(ports=8)


# --- writers of the same row ---

OTHERS = {
    "host_tx_ready": "true",
    "speed": "{turn}000",
    "supported_speeds": "10000,{turn}",
    "supported_fecs": "none,rs,{turn}",
    "rmt_adv_speeds": "{turn}",
    "link_training_status": "trained{turn}",
    "NPU_SI_SETTINGS_SYNC_STATUS": "NPU_SI_SETTINGS_{turn}",
    "CMIS_REINIT_REQUIRED": "{turn}",
}


def fields_of_others(turn: int) -> dict[str, str]:
    return {name: value.format(turn=turn) for name, value in OTHERS.items()}


class Writers:
    """orchagent and xcvrd in one thread: they write all their fields of all rows again and again, an HSET each."""

    def __init__(self, sw: Switch) -> None:
        self.turn = 0
        self._db = own_client(sw, "STATE_DB")
        self._ports = sw.ports
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        for self.turn in itertools.count(1):
            pipe = self._db.client.pipeline(transaction=False)
            for port in self._ports:
                for name, value in fields_of_others(self.turn).items():
                    pipe.hset(self._db.key(TABLE, port), name, value)
            pipe.execute()
            if self._over.is_set():
                return

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        self._thread.start()
        yield
        self._over.set()
        self._thread.join(30)


def test_fields_of_concurrent_writers_survive_flapping_and_reconciliations(switch: SwitchFactory) -> None:
    """Their last values stand beside ours, whatever the timing; a DELLINK removes the whole row."""
    sw = switch(ports=4, reconcile_secs=1)
    writers = Writers(sw)
    with writers.at_work():
        reconciliations = figures(sw.daemon)["reconciliations"]
        while figures(sw.daemon)["reconciliations"] < reconciliations + 3:
            flap(sw, rounds=1)
    sw.wait_equal(ports=4)
    for port in sw.ports:
        row = sw.row(port)
        assert {name: value for name, value in row.items() if name not in OURS} == fields_of_others(writers.turn)
    counted = figures(sw.daemon)
    assert (counted["drift"], counted["deletes"]) == (0, 0)
    for port in sw.ports:
        sw.netns.delete_port(port)
        sw.wait_no_row(port)
    assert sw.state_db.keys(TABLE) == []


def test_a_row_of_orchagent_alone_is_not_ours(switch: SwitchFactory) -> None:
    """S15: orchagent HSETs host_tx_ready right after our DEL. That row survives reconciliations and a restart, gets our
    fields when the link is back, and is deleted with the link."""
    sw = switch(ports=2, reconcile_secs=1)
    orchagent = own_client(sw, "STATE_DB")

    def write_after_del(port: str, event: str) -> None:
        if event == "del":
            orchagent.client.hset(orchagent.key(TABLE, port), "host_tx_ready", "false")

    with TableSubscriber(own_client(sw, "STATE_DB"), on_event=write_after_del) as subscriber:
        sw.netns.delete_port("Ethernet4")
        wait_for(lambda: sw.row("Ethernet4") == {"host_tx_ready": "false"}, what="orchagent's row")
        reconciliations = figures(sw.daemon)["reconciliations"]
        wait_for(lambda: figures(sw.daemon)["reconciliations"] > reconciliations + 2, what="reconciliations")
        fence(sw)
        assert subscriber.heard.count(("Ethernet4", "del")) == 1
    sw.state_db.client.hset("WARM_RESTART_ENABLE_TABLE|system", "enable", "true")
    sw.daemon.stop()
    sw.daemon.start()
    sw.netns.set_mtu("Ethernet0", 4000)
    sw.wait_field("Ethernet0", "mtu", "4000")
    assert sw.row("Ethernet4") == {"host_tx_ready": "false"}
    sw.netns.add_port("Ethernet4")
    sw.wait_oper("Ethernet4", "up")
    assert sw.row("Ethernet4")["host_tx_ready"] == "false"
    sw.netns.delete_port("Ethernet4")
    sw.wait_no_row("Ethernet4")


# --- consumers of published events ---


def name_event_table(sw: Switch) -> None:
    config = json.loads(sw.database_config.read_text())
    config["DATABASES"]["STATE_DB"]["event_tables"] = ["PORT_TABLE"]
    sw.database_config.write_text(json.dumps(config))


class EventTable:
    """A consumer that knows STATE_DB PORT_TABLE from published events alone (sonic-swss-common#1020)."""

    def __init__(self, sw: Switch) -> None:
        self.rows: dict[str, dict[str, str]] = {}
        self.deleted: list[str] = []
        self._channel = sw.redis.client(6).pubsub(ignore_subscribe_messages=True)
        self._channel.subscribe("PORT_TABLE_CHANNEL@6")
        self._channel.get_message(timeout=patient())  # reads the confirmation; returns None

    def follow(self) -> dict[str, dict[str, str]]:
        while message := self._channel.get_message():
            operation, port, *rest = json.loads(message["data"])
            if operation == "SET":
                self.rows.setdefault(port, {}).update(zip(rest[::2], rest[1::2], strict=True))
            else:
                assert (operation, rest) == ("DEL", [])
                self.rows.pop(port, None)
                self.deleted.append(port)
        return self.rows


def test_a_consumer_of_published_events_ends_with_our_rows(switch: SwitchFactory) -> None:
    """event_tables names the table: a consumer of the events alone ends with the same rows."""
    sw = switch.build(ports=8, least_rights=False)  # deploy/redis/README.md says what to add
    name_event_table(sw)
    consumer = EventTable(sw)
    sw.start(wait=False)
    sw.wait_init_done()
    change_all(sw)
    sw.netns.delete_port("Ethernet4")
    sw.wait_no_row("Ethernet4")
    sw.wait_equal(ports=7)
    wanted = {port: sw.row(port) for port in sw.ports if port != "Ethernet4"}
    wait_for(lambda: consumer.follow() == wanted, what=lambda: f"{consumer.rows} are {wanted}")
    assert "Ethernet4" in consumer.deleted


def test_nothing_is_published_unless_it_is_asked_for(switch: SwitchFactory) -> None:
    sw = switch(ports=2)
    consumer = EventTable(sw)
    with Monitor(sw.redis.client()) as seen:
        change_all(sw)
        sw.wait_equal(ports=2)
    assert consumer.follow() == {} and seen.named("PUBLISH") == []
