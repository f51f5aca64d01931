# SPDX-License-Identifier: Apache-2.0
"""scripts/demo, as a pipe sees it."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lib import redis_server
from lib.daemon import ROOT, binary
from lib.netns import run
from lib.prometheus import http_get
from lib.wait import patient, wait_for

STOPPED = 130
# All that the demo runs but Prometheus.
PROGRAMS = ("env", "ip", redis_server.PROGRAM, "sysctl", "python3")


@contextmanager
def running(path: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PORTSYNCD": str(binary()), "PATH": path, **more}
    # A shell starts background processes with SIGINT ignored.
    command = ["env", "--default-signal=INT", ROOT / "scripts" / "demo"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        yield process
    finally:
        process.terminate()  # harmless if it has ended
        process.communicate(timeout=patient(300))


@pytest.fixture
def demo() -> Iterator[subprocess.Popen[str]]:
    with running(os.environ["PATH"]) as process:
        yield process


def test_the_demo_prints_addresses_that_answer(demo: subprocess.Popen[str]) -> None:
    assert demo.stdout is not None
    page = next(line for line in demo.stdout if line.endswith(" is the page\n")).split()[0]
    command = next(demo.stdout)
    assert command.startswith("curl ")
    others = next(demo.stdout).split()
    *curl, metrics = shlex.split(command)
    urls = [metrics, *(word.rstrip(",") for word in others if word.startswith("http://"))]
    assert [url.partition("localhost")[2] for url in urls] == ["/metrics", "/healthz", "/ports"]
    answers = [run(*curl, "--silent", "--show-error", url) for url in urls]
    assert "portsyncd_port_init_done 1\n" in answers[0]
    assert '"ports_in_sync"' in answers[1]
    assert '"Ethernet124"' in answers[2]
    assert "/metrics" in http_get(None, urlsplit(page).port or 0, "/")
    demo.terminate()
    assert "Stopped." in demo.communicate(timeout=patient(300))[0]
    assert demo.returncode == STOPPED


def test_the_demo_has_consoles_while_it_runs(demo: subprocess.Popen[str]) -> None:
    assert demo.stdout is not None
    urls = [urlsplit(line.strip()) for line in islice((line for line in demo.stdout if "/consoles/" in line), 2)]
    fleet, switch = urls
    assert (fleet.hostname, fleet.path) == ("127.0.0.1", "/consoles/portsyncd-fleet.html")
    assert (switch.netloc, switch.path) == (fleet.netloc, "/consoles/portsyncd.html")
    port = fleet.port or 0
    instance = switch.query.removeprefix("instance=")

    def shown() -> bool:
        """With figures of the daemon."""
        pages = [http_get(None, port, f"{url.path}?{url.query}") for url in urls]
        return instance in pages[0] and "Ethernet124" in pages[1]

    wait_for(shown, 30, "the consoles know the ports")
    # A graph over an hour would not show these few seconds.
    page = http_get(None, port, f"{switch.path}?{switch.query}")
    shown_range = re.search(r"portsyncdRange = *(\d+) *;", page)
    assert shown_range, re.findall(r".*portsyncdRange.*", page)
    assert int(shown_range[1]) <= 120
    assert "portsyncd_build_info" in http_get(None, int(instance.rpartition(":")[2]), "/metrics")
    demo.terminate()
    assert "Stopped." in demo.communicate(timeout=patient(300))[0]
    for ended in (port, int(instance.rpartition(":")[2])):
        with pytest.raises(ConnectionRefusedError):
            http_get(None, ended, "/metrics")


def test_a_demo_without_prometheus_says_how_to_have_it(tmp_path: Path) -> None:
    for program in PROGRAMS:
        (tmp_path / program).symlink_to(shutil.which(program) or program)
    with running(str(tmp_path)) as demo:
        assert demo.stdout is not None
        line = next(line for line in demo.stdout if "Prometheus" in line)
        assert "apt install prometheus" in line


def test_the_demo_ends_with_a_verdict_and_stays_as_it_is() -> None:
    """It serves the page until Ctrl-C, and the command that it suggests works."""
    with running(os.environ["PATH"], KEEP="1") as demo:
        assert demo.stdout is not None
        assert any(line == "portsyncctl verify:\n" for line in demo.stdout)
        verdict = list(iter(demo.stdout.readline, "\n"))
        assert verdict, "portsyncctl says nothing"
        page = next(demo.stdout).split()[-1]
        suggested = next(demo.stdout).partition(": ")[2]

        def admin() -> str:
            port = json.loads(http_get(None, urlsplit(page).port or 0, "/ports/Ethernet0"))
            return str(port["link"]["admin"])

        assert admin() == "up"
        run(*shlex.split(suggested))
        wait_for(lambda: admin() == "down", 30, "Ethernet0 is shut")
        demo.send_signal(signal.SIGINT)
        assert "Stopped." in demo.communicate(timeout=patient(300))[0]
        assert demo.returncode == 0, verdict
