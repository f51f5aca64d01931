# SPDX-License-Identifier: Apache-2.0
"""scripts/demo, as a pipe sees it."""

import os
import shlex
import subprocess
from collections.abc import Iterator

import pytest

from lib.daemon import ROOT, binary
from lib.netns import run

STOPPED = 130


@pytest.fixture
def demo() -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PORTSYNCD": str(binary())}
    process = subprocess.Popen([ROOT / "scripts" / "demo"], stdout=subprocess.PIPE, text=True, env=environment)
    yield process
    process.terminate()  # harmless when it ended
    process.communicate(timeout=60)


def test_the_demo_prints_addresses_that_answer(demo: subprocess.Popen[str]) -> None:
    assert demo.stdout is not None
    command = next(line for line in demo.stdout if line.startswith("curl "))
    others = next(demo.stdout).split()
    *curl, metrics = shlex.split(command)
    urls = [metrics, *(word.rstrip(",") for word in others if word.startswith("http://"))]
    assert [url.partition("localhost")[2] for url in urls] == ["/metrics", "/healthz", "/ports"]
    answers = [run(*curl, "--silent", "--show-error", url) for url in urls]
    assert "portsyncd_port_init_done 1\n" in answers[0]
    assert '"ports_in_sync"' in answers[1]
    assert '"Ethernet124"' in answers[2]
    demo.terminate()
    assert "Stopped." in demo.communicate(timeout=60)[0]
    assert demo.returncode == STOPPED
