# SPDX-License-Identifier: Apache-2.0
"""What must hold after every sequence, and how a switch is restored for the next one."""

import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from actions import ENABLE, Actions
from plan import SPARE_NAMES
from rig import FOREIGN, FOREIGN_FIELDS, Rig, sanitized

from lib import ctl
from lib.daemon import SANITIZER_REPORT
from lib.orch import TABLE
from lib.recordings import fetch, replay
from lib.scrape import Figures
from lib.wait import wait_for

EQUAL_SECS = EVENT_SECS = 30.0
SEVERE = re.compile(r"^portsyncd: (?:ERR|CRIT|ALERT|EMERG): .*$", re.MULTILINE)
DECIDED = re.compile(r"PortConfigDone: \d+ ports$|warm start, restore count", re.MULTILINE)
OLD_LINKS = "old interfaces are set down and ignored"
INIT_DONE = re.compile(r"PortInitDone$", re.MULTILINE)
OWN_LOGGER = "LOGGER|portsyncd"
LINES = "portsyncd_log_lines_written_total"
# How much a daemon's memory may grow from its third sequence on, whatever happened to it.
SETTLED_AFTER, SAMPLES_LEAST = 3, 9
RSS_GROWTH_KIB, ALLOCATIONS_GROWTH = 1024, 4
# Plus the log's ring, whose pages are touched when the first line reaches them.
RING_KIB, RING_SLOTS = 1440, 1024
# name of a figure -> its meaning here
MET = {
    "overruns": "portsyncd_netlink_overruns_total",
    "interrupted dumps": "portsyncd_netlink_dumps_interrupted_total",
    "failed dumps": "portsyncd_netlink_dumps_failed_total",
    "refused rows": "portsyncd_row_refusals_total",
    "drifted rows": "portsyncd_drift_found_total",
    "failed saves": "portsyncd_state_save_errors_total",
}
RECONNECTS = "portsyncd_redis_reconnects_total"
LAST_SAVE = "portsyncd_state_last_save_timestamp_seconds"
STATE_REFUSED = "counters begin again"
CONNECTION_UP = "portsyncd_redis_connection_up"


@dataclass
class Said:
    """What portsyncctl verify and the checker say of the same state."""

    verify: Any = None
    checker: list[str] = field(default_factory=list)

    @property
    def agree(self) -> bool:
        found = {one["port"] for one in self.verify.get("differences", []) if one["database"] == "STATE_DB"}
        return "error" not in self.verify and found == {text.split(":")[0] for text in self.checker}


@dataclass
class Sample:
    """Figures of a daemon at rest."""

    pid: int
    rss_kib: int
    allocations: int
    lines: float  # that its log has had

    @property
    def ring_kib(self) -> float:
        """The part of the log's ring that was touched so far."""
        return RING_KIB * min(self.lines, RING_SLOTS) / RING_SLOTS


@dataclass
class Checks:
    """The checks of all sequences of one rig."""

    rig: Rig
    met: Counter[str] = field(default_factory=Counter)  # faults that the daemon saw
    samples: list[Sample] = field(default_factory=list)
    _log_at: int = 0
    _last: tuple[int, dict[str, float]] = (0, {})

    def begin(self) -> None:
        """Before a sequence."""
        if not self.rig.descriptors:
            # Requests no page here: the request would count as a client for a moment.
            self.rig.descriptors = self.rig.open_descriptors()
            self._log_at = 0
        self.rig.plant_foreign()

    def after(self, actions: Actions) -> None:
        """Restores what the plan left broken, and checks everything."""
        switch = self.rig.switch
        self.rig.move_clock(0)
        assert switch.daemon.alive, f"portsyncd ended with {switch.daemon.wait_exit()}"
        self._verify_agrees()
        wait_for(lambda: set(switch.appl_db.keys(TABLE)) >= {*self.rig.ports}, EQUAL_SECS, "APPL_DB has the ports")
        if actions.restarted:
            self._start_over(actions)
        missing = [port for port in (*self.rig.ports, *SPARE_NAMES) if port not in switch.netns.ports]
        for name in actions.misused - {*switch.netns.ports}:
            switch.state_db.client.delete(f"{TABLE}|{name}")
        # The rows of a warm start's ports wait for their links.
        switch.wait_equal(EQUAL_SECS, ignored=missing if actions.restarted else ())
        self._no_row_of_no_port()
        self._restore()
        switch.wait_equal(EQUAL_SECS, ports=len(self.rig.ports))
        self._no_change_without_an_event()
        self._at_rest()
        self._verify_is_content()
        self._replay_ends_the_same()
        if actions.disk_was_full:
            self._state_is_saved()
        self._nothing_of_others_lost(actions)
        self._log_is_calm()
        switch.state_db.client.delete(ENABLE)

    def end(self) -> None:
        """After the last sequence: the daemon ends well, and its memory did not grow."""
        self.rig.switch.daemon.stop()
        self._log_is_calm()
        self._memory_is_flat()

    # --- the way back ---

    def _start_over(self, actions: Actions) -> None:
        """Once the kind of start is decided, orchagent makes the links again that a cold start retired."""
        since = self.rig.started_at
        wait_for(
            lambda: DECIDED.search(self.rig.log_from(since)), EQUAL_SECS, "PortConfigDone, or a warm start"
        )
        if OLD_LINKS in self.rig.log_from(self._log_at):
            actions.touched |= {*self.rig.ports}
        if OLD_LINKS not in self.rig.log_from(since):
            return
        netns = self.rig.switch.netns
        netns.delete_ports(netns.ports)
        netns.add_ports(self.rig.ports)

    def _restore(self) -> None:
        """Exactly the configured ports, up, in no bridge."""
        netns, ports = self.rig.switch.netns, self.rig.ports
        present = netns.ports
        spare = [name for name in present if name not in ports]
        if spare:
            netns.delete_ports(spare)
        for port in ports:
            if port in present:
                peer = netns.peer(port)
                release = [] if port == self.rig.member else [f"link set dev {port} nomaster"]
                netns.batch([f"link set dev {peer} up", *release, f"link set dev {port} up"])
        netns.add_ports([port for port in ports if port not in present])

    # --- the recording ---

    def _replay_ends_the_same(self) -> None:
        """Replaying what the flight recorder has of this and earlier sequences leads to the same rows."""
        file = fetch(self.rig.switch)
        played = replay(file)
        well = played.returncode == 0 and "as at the end of the recording" in played.stderr
        assert well, f"{file.rename('/tmp/chaos.pcapng')}: {played.stderr[-4000:]}"

    # --- what portsyncctl verify says ---

    def _verify(self, grace: float) -> Any:
        """Runs portsyncctl verify, without the daemon's configuration, which names a proxy."""
        switch = self.rig.switch
        where = ("--netns", switch.netns.name, "--database-config", str(switch.database_config))
        return ctl.command(*where, "verify", "--grace", str(grace), "--json").json

    def _verify_agrees(self) -> None:
        """verify finds the same differences as the checker, which shares no code with it. The daemon is held, but
        consumers may still act."""
        switch, said = self.rig.switch, Said()

        def agrees() -> bool:
            before = switch.checker.compare().differences
            said.verify = self._verify(0)
            said.checker = switch.checker.compare().differences
            return before == said.checker and said.agree

        switch.daemon.pause()
        try:
            wait_for(agrees, EQUAL_SECS, lambda: f"portsyncctl verify and the checker agree: {said}")
        finally:
            switch.daemon.resume()
        self.met["wrong rows that verify saw"] += bool(said.checker)

    def _verify_is_content(self) -> None:
        document = self._verify(EQUAL_SECS)
        assert document["equal"], f"portsyncctl verify: {document}"

    # --- what must hold ---

    def _no_change_without_an_event(self) -> None:
        """A consumer that acts on events alone knows the present state, and has undone everything the kernel did."""
        managers, checker = self.rig.managers, self.rig.switch.checker
        wait_for(
            lambda: not checker.compare_heard(managers).differences,
            EVENT_SECS,
            lambda: f"the row at the last event is the truth: {checker.compare_heard(managers).differences}",
        )
        ports = self.rig.ports
        wait_for(
            lambda: not managers.undone(ports), EVENT_SECS, lambda: f"each change had an event: {managers.undone(ports)}"
        )

    def _no_row_of_no_port(self) -> None:
        for name in SPARE_NAMES:
            row = self.rig.switch.row(name) if name not in self.rig.known else {}
            assert not row, f"{name} is no port and has a row: {row}"

    def _at_rest(self) -> None:
        """All connections stand, nothing is owed, no descriptor was leaked, and PortInitDone was sent."""
        rig = self.rig
        since = rig.started_at
        wait_for(lambda: INIT_DONE.search(rig.log_from(since)), EQUAL_SECS, "PortInitDone")
        wait_for(self._connected, EQUAL_SECS, lambda: f"connected, synced, nothing owed: {self._figures_now()}")
        wait_for(
            lambda: rig.open_descriptors() == rig.descriptors,
            EQUAL_SECS,
            lambda: f"as many descriptors as at first, {dict(rig.descriptors)}: {dict(rig.open_descriptors())}",
        )
        self._note_met()
        memory = rig.rss_kib, rig.live_allocations  # before the page that counts the lines
        self.samples.append(Sample(rig.switch.daemon.pid, *memory, rig.switch.pages.metrics()(LINES)))

    def _figures_now(self) -> dict[str, float]:
        figures = self.rig.switch.pages.metrics()
        names = ("portsyncd_synced", "portsyncd_ports_owed", "portsyncd_ports_awaited")
        return {name: figures(name) for name in names} | connections(figures)

    def _connected(self) -> bool:
        figures = self.rig.switch.pages.metrics()
        up = connections(figures)
        return (
            figures("portsyncd_synced") == 1
            and figures("portsyncd_ports_owed") == 0
            and len(up) == 5
            and all(value == 1 for value in up.values())
        )

    def _note_met(self) -> None:
        figures, pid = self.rig.switch.pages.metrics(), self.rig.switch.daemon.pid
        now = {what: figures(name) for what, name in MET.items()}
        labels = figures.labels(RECONNECTS, "connection")
        now["reconnections"] = sum(figures(RECONNECTS, connection=one) for one in labels)
        now["refused allocations"] = self.rig.refusals
        before = self._last[1] if self._last[0] == pid else {}
        for what, value in now.items():
            self.met[what] += int(value - before.get(what, 0))
        self.met["starts"] += self._last[0] != pid
        self._last = (pid, now)

    def _state_is_saved(self) -> None:
        """Even after a full disk, a change from now on is saved soon."""
        netns, port, began = self.rig.switch.netns, self.rig.ports[0], time.time()
        netns.batch([f"link set dev {port} mtu {mtu}" for mtu in (1400, 1401)])
        pages = self.rig.switch.pages
        wait_for(lambda: (pages.metrics().get(LAST_SAVE) or 0) > began, EQUAL_SECS, "the state is saved again")

    def _nothing_of_others_lost(self, actions: Actions) -> None:
        switch = self.rig.switch
        for name, rows in FOREIGN.items():
            if name in actions.flushed and name != "CONFIG_DB":
                continue
            client = getattr(switch, name.lower()).client
            for key, fields in rows.items():
                assert client.hgetall(key) == fields, f"{name} {key}: {client.hgetall(key)}, was {fields}"
        if "STATE_DB" not in actions.flushed:
            for port in set(self.rig.ports) - actions.touched - actions.deleted:
                row = switch.row(port)
                assert row.items() >= FOREIGN_FIELDS.items(), f"{port} has lost fields of others: {row}"
        if not actions.restarted:
            self._deletions_were_told(actions)
        self._config_is_as_it_was()

    def _deletions_were_told(self, actions: Actions) -> None:
        """Consumers wait for the DEL of a deleted link's row, even if another link has its name by now. (After unseen
        renames the deleted link may never have had a row of that name.)"""
        for port in actions.deleted & {*self.rig.ports} - actions.touched:
            row = self.rig.switch.row(port)
            assert not row.keys() & FOREIGN_FIELDS.keys(), f"{port} was deleted, and its row never was: {row}"

    def _config_is_as_it_was(self) -> None:
        client = self.rig.switch.config_db.client
        config = self.rig.switch.config or {}
        wanted = {f"{table}|{key}": fields for table, rows in config.items() for key, fields in rows.items()}
        wanted |= FOREIGN["CONFIG_DB"]
        for key, fields in wanted.items():
            assert client.hgetall(key) == fields, f"CONFIG_DB {key}: {client.hgetall(key)}, was {fields}"
        more = {*client.keys("*|*")} - {*wanted, OWN_LOGGER}
        assert not more, f"CONFIG_DB has rows that nobody wrote: {more}"

    def _log_is_calm(self) -> None:
        text = self.rig.log_from(self._log_at)
        self._log_at += len(text.encode())
        found = SEVERE.findall(text)
        assert not found, f"lines at ERR or above: {found[:5]}"
        assert not SANITIZER_REPORT.search(text), "a sanitizer's report"
        assert STATE_REFUSED not in text, "the daemon refused the state that it had left itself"

    def _memory_is_flat(self) -> None:
        for pid in {sample.pid for sample in self.samples}:
            own = [sample for sample in self.samples if sample.pid == pid][SETTLED_AFTER:]
            if len(own) < SAMPLES_LEAST:
                continue
            rss = own[-1].rss_kib - own[0].rss_kib
            ring = own[-1].ring_kib - own[0].ring_kib
            assert rss <= RSS_GROWTH_KIB + ring or sanitized(), f"{rss} KiB more, {ring} of the log's ring: {own}"
            # The minimum of several: a page that is being served holds memory too.
            third = len(own) // 3
            before, after = (min(sample.allocations for sample in part) for part in (own[:third], own[-third:]))
            assert after - before <= ALLOCATIONS_GROWTH, f"{after - before} allocations more: {own}"


def connections(figures: Figures) -> dict[str, float]:
    return {one: figures(CONNECTION_UP, connection=one) for one in figures.labels(CONNECTION_UP, "connection")}
