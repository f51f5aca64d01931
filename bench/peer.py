# SPDX-License-Identifier: Apache-2.0
"""Another portsyncd doing the same work, by turns with ours. Both start without arguments, as SONiC starts them, and
are compared only from outside."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from threading import Thread

from harness import STATE_DB, Bench, Result, new_switch, table
from lib.daemon import binary
from lib.proc import Proc
from lib.switch import Switch
from outside import METHOD, in_turns, label_of, ratios, shown, spread, storms_in_turns, subject_of, wait_quiet
from replayed import WARM_ROWS
from start import Rows

# The database_config.json in its usual place, in a /run that no other process sees: ip netns exec makes a mount
# namespace.
START = """
mount -t tmpfs tmpfs /run && mkdir -p /var/run/redis/sonic-db &&
cp "$1" /var/run/redis/sonic-db/database_config.json && exec "$2"
"""
LOSS_RATES = (4_000, 8_000, 20_000)
LATENCY_RATES = (100, 1_000, 4_000)
EDGE_RATES = (1_000, 4_000)
AT_ONCE_PER_SEC = 10


def start_plain(ports: int, program: Path) -> Switch:
    """A switch whose daemon is this program, started without arguments."""
    switch = new_switch(ports)
    switch.build()
    config = str(switch.database_config)
    switch.daemon.command = ["ip", "netns", "exec", switch.netns.name, "sh", "-ec", START, "sh", config, str(program)]
    switch.start()
    return switch


@contextmanager
def plain(bench: Bench, programs: dict[str, Path]) -> Iterator[dict[str, Switch]]:
    """Running switches by the names of their programs, with as many ports as the bench has."""
    with ExitStack() as stack:
        found: dict[str, Switch] = {}
        for name, program in programs.items():
            found[name] = start_plain(len(bench.switch.ports), program.resolve())
            stack.callback(found[name].close)
        yield found


def edges(bench: Bench, switch: Switch, rate: int) -> Result:
    """Changes ports' admin status, and counts the writes of their rows that Redis notifies of: at least one each, if no
    edge is lost."""
    with closing(Rows(switch)) as rows:
        reader = Thread(target=rows.count_until_closed)
        reader.start()
        said = bench.linkstorm(
            "--mode", "flags", "--rate", rate, "--seconds", bench.plan.peer_secs, netns=switch.netns.name
        )
        wait_quiet(switch.daemon.pid)
        rows.stop()
        reader.join()
    return {"seen_share": rows.seen / said["requested"]}


def start(switch: Switch) -> Result:
    """From exec() to the last row of an empty STATE_DB: a warm start, since a cold one waits for new links."""
    # A peer may end by the signal.
    switch.daemon.send(signal.SIGTERM)
    switch.daemon.wait_exit()
    state_db = switch.redis.client(STATE_DB)
    state_db.flushdb()
    for key, fields in WARM_ROWS.items():
        state_db.hset(key, mapping=fields)
    with closing(Rows(switch)) as rows:
        began = time.monotonic()
        switch.daemon.start()
        try:
            _, last = rows.wait(len(switch.ports))
        except TimeoutError:
            last = float("inf")
    return {"ms": 1000 * (last - began)}


def each_in_turn(bench: Bench, switches: dict[str, Switch], what: Callable[[Switch], Result]) -> Result:
    turns = [{name: what(switch) for name, switch in switches.items()} for _ in range(bench.plan.rounds)]
    return {name: [turn[name] for turn in turns] for name in switches}


def measure(bench: Bench) -> None:
    plan, ports = bench.plan, len(bench.switch.ports)
    assert bench.peer
    with plain(bench, {"ours": binary(), "peer": bench.peer}) as switches:
        subjects = [subject_of(name, switch) for name, switch in switches.items()]
        found_storms = {
            str(rate): storms_in_turns(bench, switches, plan.rounds, "--rate", rate, "--seconds", plan.peer_secs)
            for rate in LOSS_RATES
        }
        found_storms["flat_out"] = storms_in_turns(bench, switches, plan.rounds, "--count", plan.flat_out_changes)
        seen = {
            str(rate): in_turns(bench, subjects, plan.rounds, "--rate", rate, "--seconds", plan.peer_secs)
            for rate in LATENCY_RATES
        }
        rate = AT_ONCE_PER_SEC * ports
        at_once = ("--rate", rate, "--batch", ports, "--count", rate * plan.at_once_secs)
        seen[f"{ports}_at_once"] = in_turns(bench, subjects, plan.rounds, *at_once)
        rss = {name: Proc(switch.daemon.pid).rss_kib for name, switch in switches.items()}
        found_edges = {
            str(rate): each_in_turn(bench, switches, lambda switch: edges(bench, switch, rate)) for rate in EDGE_RATES
        }
        starts = each_in_turn(bench, switches, start)
    bench.result["peer"] = {
        "method": METHOD,
        "storms": found_storms,
        "latency": seen,
        "rss_kib": rss,
        "edges": found_edges,
        "starts": starts,
    }


Figure = Callable[[Result], float]


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def row(what: str, found: Result, figure: Figure, unit: str) -> tuple[str, ...]:
    sides = [spread([figure(one) for one in found[name]]) for name in ("ours", "peer")]
    cells = [f"{number(side['median'])} ({number(side['min'])}..{number(side['max'])}) {unit}" for side in sides]
    if any(figure(one) == 0 for one in found["ours"]):
        return (what, *cells, "-")
    ratio = ratios(found["peer"], found["ours"], figure)
    return (what, *cells, shown(ratio))


def compared_with_peer(what: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    return table((*what, "ours", "peer", "peer to ours"), rows)


def storm_rows(label: str, found: Result) -> list[tuple[str, ...]]:
    return [
        row(f"{label}: events lost", found, lambda one: 100 * one["lost_share"], "%"),
        row(f"{label}: wrong rows after", found, lambda one: one["wrong_rows"], ""),
        row(f"{label}: CPU per 100,000 events", found, lambda one: one["cpu_per_100k"], "s"),
    ]


def latency_figure(clock: str, name: str) -> Figure:
    return lambda one: one["latency"][f"from_{clock}_usec"][name]


def tables(result: Result) -> list[str]:
    found = result["peer"]
    rows: list[tuple[str, ...]] = []
    for rate, one in found["storms"].items():
        rows += storm_rows(label_of(rate), one)
    for rate, one in found["latency"].items():
        for name in ("p50", "p99"):
            label = f"{label_of(rate)}: {name.upper()} from the"
            for clock in ("request", "message"):
                rows.append(row(f"{label} {clock}", one, latency_figure(clock, name), "µs"))
    for rate, one in found["edges"].items():
        rows.append(row(f"{label_of(rate)}: writes of the row seen, of changes", one, lambda turn: 100 * turn["seen_share"], "%"))
    rows.append(row("exec to the last row", found["starts"], lambda one: one["ms"], "ms"))
    rss = found["rss_kib"]
    rows.append(("resident memory", f"{rss['ours']} KiB", f"{rss['peer']} KiB", f"{rss['peer'] / rss['ours']:.2f}"))
    return [compared_with_peer((f"{result['ports']} ports",), rows)]
