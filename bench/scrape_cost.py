# SPDX-License-Identifier: Apache-2.0
"""What scraping over TLS costs an event: the same daemon with a scraper and without one, by turns. The ceiling is the
cost to the floor's events while the idle daemon is scraped. And what clients that begin a handshake and fall silent
cost the daemon and a scrape."""

import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from harness import Bench, Must, Result, least, most, new_switch, table, warm_up
from outside import Subject, cpu_seconds, daemon, floor, label_of, latency_cells, observe, ratio_of_medians, shown

from lib.certificates import SERVER_NAME, Authority, Pair
from lib.checker import socket_in

RATE, SCRAPES = 1_000, 50  # a second
TURN_SECS, PAIRS_TO_PLAN = 4, 3
LIMIT, LOOSE = 1.10, 3.0  # ratio of P99 with and without; the same on a noisy machine
SILENT, SILENT_SECS = 8, 2
BEGUN = bytes.fromhex("1603010200010001")  # of a ClientHello
SILENT_CPU, SILENT_CPU_LOOSE = 0.02, 0.25  # of one
SILENT_LIMIT = 1.25  # ratio of a scrape's time with and without
ADDRESS, PORT = "127.0.0.1", 9443
WAYS = ("without", "with")
SUBJECTS: dict[str, Callable[[Bench], Subject]] = {"daemon": daemon, "floor": floor}
HEADING = ("events of the", "daemon scraped over TLS", "rate", "n", "P50", "P95", "P99", "P99.9", "max")


@contextmanager
def scraping(bench: Bench, authority: Authority, client: Pair) -> Iterator[Result]:
    """Scrapes from the daemon's network namespace; at the end the result has the scraper's figures."""
    words = (ADDRESS, PORT, SERVER_NAME, authority.path, client.cert, client.key, SCRAPES)
    command = ["ip", "netns", "exec", bench.netns, str(Path(__file__).with_name("scraper")), *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", "the scraper does not start"
        said: Result = {}
        try:
            yield said
        finally:
            process.terminate()
        said |= json.loads(process.stdout.read())


def one_turn(bench: Bench, subject: Subject, authority: Authority, client: Pair, scraped: bool) -> Result:
    storm = ("--rate", RATE, "--seconds", TURN_SECS)
    if not scraped:
        return observe(bench, subject, *storm)
    with scraping(bench, authority, client) as said:
        found = observe(bench, subject, *storm)
    return found | {"scraper": said}


def compare(bench: Bench, authority: Authority, client: Pair) -> dict[str, Result]:
    """By the program that follows the events."""
    found: dict[str, Result] = {name: {way: [] for way in WAYS} for name in SUBJECTS}
    for number in range(PAIRS_TO_PLAN * bench.plan.pairs):
        for name, subject in SUBJECTS.items():
            for way in WAYS if number % 2 == 0 else reversed(WAYS):
                found[name][way].append(one_turn(bench, subject(bench), authority, client, way == "with"))
    for one in found.values():
        one["p99_ratio"] = ratio_of_medians(*(one[way] for way in reversed(WAYS)), p99)
    return found


def p99(one: Result) -> float:
    return one["latency"]["from_message_usec"]["p99"]


@contextmanager
def silent_clients(bench: Bench, count: int) -> Iterator[None]:
    with ExitStack() as cleanup:
        for _ in range(count):
            client = cleanup.enter_context(socket_in(bench.netns, socket.AF_INET, socket.SOCK_STREAM))
            client.connect((ADDRESS, PORT))
            client.sendall(BEGUN)
        yield


def scrape_beside(bench: Bench, authority: Authority, client: Pair, silent: int) -> Result:
    with silent_clients(bench, silent), scraping(bench, authority, client) as said:
        time.sleep(SILENT_SECS)
    return said


def beside_the_silent(bench: Bench, authority: Authority, client: Pair) -> Result:
    pid = bench.switch.daemon.pid
    with silent_clients(bench, SILENT):
        cpu = cpu_seconds(pid)
        time.sleep(SILENT_SECS)
        cpu = cpu_seconds(pid) - cpu
    found: dict[int, list[Result]] = {0: [], SILENT: []}
    for number in range(bench.plan.pairs):
        for silent in (0, SILENT) if number % 2 == 0 else (SILENT, 0):
            found[silent].append(scrape_beside(bench, authority, client, silent))
    by_p50 = ratio_of_medians(found[SILENT], found[0], lambda one: one["usec_p50"])
    return {"cpu_share": cpu / SILENT_SECS, "with": found[SILENT], "without": found[0], "p50_ratio": by_p50}


def measure(bench: Bench) -> None:
    with tempfile.TemporaryDirectory(prefix="portsyncd-certificates-") as folder:
        authority = Authority(Path(folder) / "ca")
        server, client = authority.issue("server"), authority.issue("client")
        http = {"listen": f"{ADDRESS}:{PORT}", "unix_socket": '""', "cert": server.cert, "key": server.key}
        switch = new_switch(len(bench.switch.ports), {"http": http | {"ca": authority.path}})
        try:
            switch.build()
            switch.netns.batch(["link set dev lo up"])
            switch.start()
            own = replace(bench, switch=switch, netns="")
            warm_up(own, switch)
            found = compare(own, authority, client)
            silent = beside_the_silent(own, authority, client)
            switch.daemon.stop()
        finally:
            switch.close()
    bench.result["scrape_cost"] = found | {"silent": silent}


def tables(result: Result) -> list[str]:
    found = result["scrape_cost"]
    rows = [
        (name, f"{SCRAPES}/s" if way == "with" else "no", label_of(str(RATE)),
         *latency_cells(found[name][way], "from_message"))
        for name in SUBJECTS
        for way in WAYS
    ]
    ceiling = shown(found["floor"]["p99_ratio"])
    return [table(HEADING, rows), f"P99 with scrapes to without: of the floor's events {ceiling}, of the daemon's "
            f"{shown(found['daemon']['p99_ratio'])}."]


def musts(result: Result) -> list[Must]:
    found = result["scrape_cost"]
    ratio = found["daemon"]["p99_ratio"]
    done = min(one["scraper"]["scrapes"] / one["scraper"]["seconds"] for one in found["daemon"]["with"])
    label = f"{label_of(str(RATE))}: P99 with {SCRAPES} scrapes a second over TLS to without"
    ceiling = shown(found["floor"]["p99_ratio"])
    silent, clients = found["silent"], f"{SILENT} clients that begin a TLS handshake and say no more"
    return [
        most(label, ratio["median"], LIMIT, text=shown(ratio), ceiling=f"the floor's {ceiling}", ci=LOOSE),
        least("scrapes a second over TLS", done, 0.95 * SCRAPES),
        most(f"{clients}: CPU time of the daemon", silent["cpu_share"], SILENT_CPU, ci=SILENT_CPU_LOOSE),
        most(f"a scrape beside {clients}, to one alone: P50", silent["p50_ratio"]["median"], SILENT_LIMIT,
             text=shown(silent["p50_ratio"]), ci=LOOSE),
    ]
