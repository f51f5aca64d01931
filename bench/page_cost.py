# SPDX-License-Identifier: Apache-2.0
"""What open pages cost an event: the same daemon with four of them and without, by turns. And how soon a page in a
browser shows a flap, by the browser's own clock."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from harness import Bench, Must, Result, least, most, new_switch, table, warm_up
from outside import daemon, label_of, latency_cells, observe, ratio_of_medians, shown

from lib.checker import socket_in
from lib.chromium import Chromium, Tab
from lib.switch import Switch

PAGES = 4
RATE = 1_000  # changes a second
TURN_SECS, PAIRS_TO_PLAN = 4, 3
LIMIT, LOOSE = 1.10, 3.0  # ratio of P99 with and without; the same on a noisy machine
FLAPS = 10
FOLLOWS_SECS = 1.5
ADDRESS, PORT = "127.0.0.1", 10187
HEADING = ("open pages", "rate", "n", "P50", "P95", "P99", "P99.9", "max")

# When each cell got its state: port -> state -> milliseconds since the epoch.
NOTE_STATES = """
window.noted = {};
new MutationObserver(changes => {
	for (const {target} of changes)
		(window.noted[target.dataset.port] ??= {})[target.dataset.state] = performance.timeOrigin + performance.now();
}).observe(document.getElementById("panel"), {subtree: true, attributeFilter: ["data-state"]});
"""


class Reader(threading.Thread):
    """Reads a page's stream and discards it: the reader's own work must not count."""

    def __init__(self, client: socket.socket) -> None:
        super().__init__()
        self._client = client
        self.taken = 0
        client.sendall(b"GET /live HTTP/1.0\r\n\r\n")
        assert b" 200 OK" in client.recv(1 << 16), "the stream is refused"
        self.start()

    def run(self) -> None:
        while got := self._client.recv(1 << 16):
            self.taken += len(got)

    def close(self) -> None:
        self._client.shutdown(socket.SHUT_RDWR)
        self.join()


@contextmanager
def open_pages(bench: Bench, count: int) -> Iterator[list[Reader]]:
    with ExitStack() as cleanup:
        readers = []
        for _ in range(count):
            client = cleanup.enter_context(socket_in(bench.netns, socket.AF_INET, socket.SOCK_STREAM))
            client.connect((ADDRESS, PORT))
            readers.append(Reader(client))
            cleanup.callback(readers[-1].close)
        yield readers


def one_turn(bench: Bench, pages: int) -> Result:
    with open_pages(bench, pages) as readers:
        found = observe(bench, daemon(bench), "--rate", RATE, "--seconds", TURN_SECS)
        seconds = found["storm"]["seconds"]
        return found | {"bytes_a_second": [reader.taken / seconds for reader in readers]}


def follow(switch: Switch, tab: Tab, port: str, carrier: str) -> float:
    """Seconds from the change to its cell."""
    began = time.time()
    switch.netns.set_carrier(port, carrier)
    noted = f"window.noted[{json.dumps(port)}]?.[{json.dumps(carrier)}]"
    tab.wait(f"{noted} !== undefined")
    return tab.run(noted) / 1000 - began


def flaps(switch: Switch) -> list[float]:
    """One flap of a port each, at different moments within the page's second."""
    browser = Chromium(switch.netns.name)
    found = []
    try:
        tab = browser.open(f"http://{ADDRESS}:{PORT}/")
        tab.wait("document.querySelectorAll('.cell').length", len(switch.ports))
        tab.run(f"{NOTE_STATES};0")
        for i, port in enumerate(switch.ports[:FLAPS]):
            time.sleep(i / FLAPS)
            found += [follow(switch, tab, port, carrier) for carrier in ("down", "up")]
    finally:
        browser.close()
    return sorted(found)


def measure(bench: Bench) -> None:
    switch = new_switch(len(bench.switch.ports), {"http": {"listen": f"{ADDRESS}:{PORT}", "unix_socket": '""'}})
    try:
        switch.build()
        switch.netns.batch(["link set dev lo up"])
        switch.start()
        own = replace(bench, switch=switch, netns="")
        warm_up(own, switch)
        found: dict[int, list[Result]] = {0: [], PAGES: []}
        for number in range(PAIRS_TO_PLAN * bench.plan.pairs):
            for pages in (0, PAGES) if number % 2 == 0 else (PAGES, 0):
                found[pages].append(one_turn(own, pages))
        followed = flaps(switch)
        switch.daemon.stop()
    finally:
        switch.close()
    by_p99 = ratio_of_medians(found[PAGES], found[0], lambda one: one["latency"]["from_message_usec"]["p99"])
    bench.result["page_cost"] = {
        "without": found[0],
        "with": found[PAGES],
        "p99_ratio": by_p99,
        "followed_secs": followed,
    }


def tables(result: Result) -> list[str]:
    found = result["page_cost"]
    rows = [
        (str(PAGES) if way == "with" else "no", label_of(str(RATE)), *latency_cells(found[way], "from_message"))
        for way in ("without", "with")
    ]
    return [table(HEADING, rows)]


def musts(result: Result) -> list[Must]:
    found = result["page_cost"]
    followed, label = found["followed_secs"], f"{label_of(str(RATE))}: P99 with {PAGES} open pages to without"
    slowest = min(min(one["bytes_a_second"]) for one in found["with"])
    return [
        most(label, found["p99_ratio"]["median"], LIMIT, text=shown(found["p99_ratio"]), ci=LOOSE),
        least("bytes a second that each page gets meanwhile", slowest, 100),
        most(f"a flap is shown after seconds, the slowest of {len(followed)}", followed[-1], FOLLOWS_SECS,
             text=f"{followed[-1]:.2f}, median {followed[len(followed) // 2]:.2f}", ci=20 * FOLLOWS_SECS),
    ]
