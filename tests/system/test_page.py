# SPDX-License-Identifier: Apache-2.0
"""The page at / in a real browser, with a real daemon whose ports change meanwhile."""

import json
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from conftest import SwitchFactory
from lib.certificates import SERVER_NAME, Authority
from lib.checker import socket_in
from lib.chromium import Chromium, Tab
from lib.daemon import ROOT
from lib.faults import QUICK
from lib.forward import Forward
from lib.http_probe import Stream
from lib.storm import mixed_changes
from lib.switch import Switch
from lib.wait import wait_for

ADDRESS = "127.0.0.1:10187"  # in the switch's network namespace, which is its own
URL = f"http://{ADDRESS}/"
MANY = 512
STORM_CHANGES = 20_000
KEPT_TURNS = 60  # of changes, to be seen in the pictures of the documentation

Browse = Callable[[Switch, int], Tab]

CELLS = "[...document.querySelectorAll('.cell')]"
STATES = f"Object.fromEntries({CELLS}.map(cell => [cell.dataset.port, cell.dataset.state]))"
SHOWN = f"{CELLS}.filter(cell => !cell.hidden).map(cell => cell.dataset.port)"
STALE = "document.body.classList.contains('stale')"


def text(identity: str) -> str:
    return f"document.getElementById('{identity}').textContent"


def state(port: str) -> str:
    return f"document.querySelector('.cell[data-port=\"{port}\"]')?.dataset.state"


def serve(switch: SwitchFactory, ports: int, **settings: dict[str, object]) -> Switch:
    sw = switch.build(ports=ports, settings={"http": {"listen": ADDRESS}, **settings})
    sw.netns.batch(["link set lo up"])
    sw.start()
    return sw


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    made = Chromium()
    yield made
    made.close()


@pytest.fixture
def browse(switch: SwitchFactory, chromium: Chromium) -> Iterator[Browse]:
    """browse(sw, ports) shows its page. The browser is outside of the switch's network, so it is forwarded."""
    with ExitStack() as opened:

        def show(sw: Switch, ports: int) -> Tab:
            forward = opened.enter_context(Forward(sw.pages.path))
            tab = chromium.open(f"http://{forward.address}/")
            opened.callback(tab.close)
            tab.wait(f"{CELLS}.length", ports)
            return tab

        yield show


def expected_states(sw: Switch) -> dict[str, str]:
    """The kernel's state of each port, in the words of the page."""
    links = {link["ifname"]: set(link["flags"]) for link in sw.netns.links()}
    return {
        port: "admin down" if "UP" not in links[port] else "down" if "NO-CARRIER" in links[port] else "up"
        for port in sw.ports
    }


def detail(tab: Tab, port: str) -> str:
    tab.run(f"document.querySelector('.cell[data-port=\"{port}\"]').click()")
    return tab.run(text("detail"))


def test_512_ports_in_a_storm(switch: SwitchFactory, browse: Browse) -> None:
    """The page follows a flap during the storm, and equals the kernel at the end."""
    sw = serve(switch, MANY)
    tab = browse(sw, MANY)
    still, stormy = sw.ports[:8], sw.ports[8:]
    assert tab.run(f"{CELLS}.map(cell => cell.dataset.port)") == sw.ports
    storm = threading.Thread(target=sw.netns.batch, args=(list(mixed_changes(stormy, STORM_CHANGES)),))
    storm.start()
    for expected in ("down", "up"):
        sw.netns.set_carrier(still[1], expected)
        tab.wait(state(still[1]), expected)
    sw.netns.set_admin(still[2], "down")
    tab.wait(state(still[2]), "admin down")
    storm.join()
    sw.wait_equal()
    wanted = expected_states(sw)
    # The ports of the storm count as flapping for a minute.
    tab.wait(f"Object.entries({STATES}).filter(([port, state]) => state !== {json.dumps(wanted)}[port] && "
             "state !== 'flapping').length", 0)  # fmt: skip
    mtu = next(link["mtu"] for link in sw.netns.links() if link["ifname"] == stormy[0])
    wait_for(lambda: f"MTU {mtu}," in detail(tab, stormy[0]), what=f"MTU {mtu} in {detail(tab, stormy[0])}")
    assert re.search(r"highest [1-9]\d*", tab.run(text("rate")))
    assert re.search(r"highest [\d.]+ (µs|ms|s)", tab.run(text("latency")))
    assert tab.run("document.querySelectorAll('#changes tr').length") == 20
    assert tab.complaints == []


def test_it_says_so_when_the_daemon_is_gone(switch: SwitchFactory, browse: Browse) -> None:
    """The daemon is stopped, hangs, and is back."""
    sw = serve(switch, 4, sonic={"retire_old_links": "never"})
    tab = browse(sw, 4)
    gone = f"document.getElementById('gone').hidden ? '' : {text('gone')}"
    tab.wait(STALE, False)
    tab.wait(gone, "")
    sw.daemon.stop()
    tab.wait(STALE)
    assert tab.run(gone).startswith("No connection to portsyncd since ")
    assert tab.run("document.title").startswith("no connection")
    sw.netns.set_carrier(sw.ports[1], "down")
    sw.daemon.start()
    tab.wait(STALE, False)
    tab.wait(state(sw.ports[1]), "down")
    sw.daemon.pause()
    tab.wait(STALE)
    assert tab.run(gone).startswith("portsyncd does not answer since ")
    sw.daemon.resume()
    tab.wait(STALE, False)
    tab.wait(gone, "")


def test_one_page_too_many(switch: SwitchFactory, browse: Browse) -> None:
    """The page says why it has no data, and works once another page is closed."""
    sw = switch.build(ports=2, settings={"http": {"listen": ADDRESS, "max_clients": 16}})
    sw.netns.batch(["link set lo up"])
    sw.start()
    with ExitStack() as others:
        for _ in range(4):
            client = others.enter_context(socket_in(sw.netns.name, socket.AF_INET, socket.SOCK_STREAM))
            client.connect(("127.0.0.1", 10187))
            others.enter_context(Stream(client, "/live"))
        tab = browse(sw, 0)
        tab.wait(f"{text('gone')}.includes('a quarter of http.max_clients')")
    tab.wait(f"{CELLS}.length", 2)
    tab.wait(STALE, False)


def test_a_verdict_with_its_remedy(switch: SwitchFactory, browse: Browse) -> None:
    sw = serve(switch, 4, database=QUICK)
    tab = browse(sw, 4)
    tab.wait(text("verdict"), "healthy")
    sw.redis.pause()
    tab.wait(f"{text('verdict')} !== 'healthy'")
    tab.wait(f"{text('problems')}.includes('What helps: ')")
    tab.wait(f"{text('redis')}.includes('away for ')")
    sw.redis.resume()
    tab.wait(text("verdict"), "healthy")
    tab.wait("document.getElementById('problems').hidden")


def test_filter_and_keyboard(switch: SwitchFactory, browse: Browse) -> None:
    sw = serve(switch, 48)
    sw.netns.set_carrier("Ethernet20", "down")
    tab = browse(sw, 48)
    tab.wait(state("Ethernet20"), "down")

    def filtered(words: str) -> list[str]:
        tab.run(f"(box => {{ box.value = {json.dumps(words)}; box.dispatchEvent(new Event('input')); }})"
                "(document.getElementById('filter'))")  # fmt: skip
        return tab.run(SHOWN)

    assert filtered("Ethernet8-19") == ["Ethernet8", "Ethernet12", "Ethernet16"]
    assert filtered("ethernet10?, Ethernet12") == ["Ethernet12", "Ethernet100", "Ethernet104", "Ethernet108",
                                                   "Ethernet120", "Ethernet124", "Ethernet128"]  # fmt: skip
    assert filtered("down") == ["Ethernet20"]
    assert tab.run(text("shown")) == "1 of 48 ports."
    assert filtered("no such port") == []
    assert filtered("") == sw.ports
    tab.run("document.querySelector('#legend [data-state=\"down\"]').click()")
    assert tab.run(SHOWN) == ["Ethernet20"]
    tab.run("document.querySelector('#legend [data-state=\"down\"]').click()")
    tab.run("document.getElementById('panel').focus()")
    for key, port in (("ArrowRight", "Ethernet0"), ("ArrowRight", "Ethernet4"), ("End", "Ethernet188"),
                      ("Home", "Ethernet0"), ("ArrowLeft", "Ethernet0")):  # fmt: skip
        tab.press(key)
        assert tab.run("document.querySelector('[aria-selected=\"true\"]').dataset.port") == port
        assert tab.run(text("detail")).startswith(f"{port}: up. Link up, admin up, MTU 9100, ")


# --- accessibility ---


@pytest.fixture(scope="module")
def axe() -> str:
    """The source of axe-core."""
    done = subprocess.run([ROOT / "scripts" / "fetch-axe"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"axe-core could not be fetched: {done.stderr}"
    return Path(done.stdout.strip()).read_text()


def barriers(tab: Tab) -> list[str]:
    """The barriers that axe-core finds; its checks must really have run."""
    found: dict[str, Any] = tab.run("axe.run(document).then(({violations, passes}) => ({passes: passes.length, "
                                    "violations: violations.map(v => [v.impact, v.id, v.nodes.map(n => n.html)])}))")  # fmt: skip
    assert found["passes"] > 20
    return [str(one) for one in found["violations"] if one[0] in ("serious", "critical")]


def show_all_states(sw: Switch, tab: Tab) -> None:
    """Shows a port in each state, one of them selected."""
    down, admin, flapping, out, lone = sw.ports[1:6]
    sw.netns.set_carrier(down, "down")
    sw.netns.set_admin(admin, "down")
    sw.netns.delete_port(out)
    sw.appl_db.client.delete(sw.appl_db.key("PORT_TABLE", lone))

    def flaps() -> bool:
        for carrier in ("down", "up"):
            sw.netns.set_carrier(flapping, carrier)
            sw.wait_oper(flapping, carrier)
        return tab.run(state(flapping)) == "flapping"

    wait_for(flaps, what="the port is flapping")
    for port, expected in ((down, "down"), (admin, "admin down"), (out, "out of sync"), (lone, "not configured")):
        tab.wait(state(port), expected)
    tab.run(f"document.querySelector('.cell[data-port=\"{down}\"]').click()")


def stir(sw: Switch) -> None:
    """Makes changes, more and fewer by turns, so that the plots are not flat."""
    for turn in range(KEPT_TURNS):
        count = 40 + 400 * (turn % 7 == 3) + 90 * (turn % 5)
        sw.netns.batch(mixed_changes(sw.ports[8 : 8 + count], count))
        time.sleep(2.5)


def test_nobody_is_kept_out(switch: SwitchFactory, browse: Browse, axe: str, tmp_path: Path) -> None:
    """No barrier in light and dark mode, with each state of a port, with a problem, and without the daemon.
    PICTURES=<folder> keeps pictures, for docs/monitoring."""
    kept = os.environ.get("PICTURES")
    ports = MANY if kept else 64
    sw = serve(switch, ports)
    tab = browse(sw, ports)
    tab.run(f"{axe};0")
    if kept:
        stir(sw)
    show_all_states(sw, tab)
    for scheme in ("light", "dark"):
        tab.look(scheme)
        assert barriers(tab) == []
        picture = (Path(kept) if kept else tmp_path) / f"page-{scheme}.png"
        tab.picture(picture)
        assert picture.read_bytes().startswith(b"\x89PNG")
    sw.daemon.stop()
    tab.wait(STALE)
    for scheme in ("light", "dark"):
        tab.look(scheme)
        assert barriers(tab) == []


# --- without a browser ---


def test_as_text(switch: SwitchFactory) -> None:
    sw = serve(switch, 8)
    sw.netns.set_carrier("Ethernet4", "down")
    sw.wait_oper("Ethernet4", "down")
    expected = "  Ethernet0        ^v^^^^^^\n"
    wait_for(lambda: expected in sw.netns.exec("curl", "--silent", URL), what=f"{expected!r} by curl")
    shown = sw.netns.exec("curl", "--silent", URL)
    assert shown.startswith("portsyncd ") and " Ethernet4        netdev_oper_status down\n" in shown


def test_by_tls_with_a_client_certificate(switch: SwitchFactory, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    server, client = authority.issue("server"), authority.issue("client")
    http = {"listen": ADDRESS, "unix_socket": '""', "cert": server.cert, "key": server.key, "ca": authority.path}
    sw = switch.build(ports=2, settings={"http": http})
    sw.netns.batch(["link set lo up"])
    sw.start()
    base = ["curl", "--silent", "--cacert", str(authority.path), "--resolve", f"{SERVER_NAME}:10187:127.0.0.1"]
    pair = ["--cert", str(client.cert), "--key", str(client.key)]
    url = f"https://{SERVER_NAME}:10187"
    page = sw.netns.exec(*base, *pair, "--include", "--header", "Accept: text/html", f"{url}/")
    assert "content-security-policy: default-src 'none'; script-src 'sha256-" in page.lower()
    assert page.rstrip().endswith("</html>")
    # head ends curl after the first event.
    first = sw.netns.exec("sh", "-c", '"$@" | head -n 2', "sh", *base, *pair, "--no-buffer", f"{url}/live")
    assert first.startswith("event: all\ndata: {")
    assert len(json.loads(first.partition("data: ")[2])["ports"]) == 2
    with pytest.raises(AssertionError):
        sw.netns.exec(*base, f"{url}/")
