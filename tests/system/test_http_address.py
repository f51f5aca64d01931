# SPDX-License-Identifier: Apache-2.0
"""Another process has an address of the HTTP server: it is named, fails a health check, and is served once free."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from conftest import SwitchFactory
from lib.netns import NetNs
from lib.switch import Switch
from lib.wait import wait_for
from test_health_checks import set_http

PORT = 10187
ADDRESS = f"127.0.0.1:{PORT}"

LISTENER = """
import socket, sys
kind, where = sys.argv[1:]
listener = socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET)
listener.bind(where if kind == "unix" else (where, %d))
listener.listen()
print("ready", flush=True)
sys.stdin.read()
""" % PORT


@contextmanager
def occupied(netns: NetNs, kind: str, where: str) -> Iterator[subprocess.Popen[str]]:
    """Another program holds the address until its input ends."""
    command = ["ip", "netns", "exec", netns.name, sys.executable, "-c", LISTENER, kind, where]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "ready\n"
        yield process
        assert process.stdin
        process.stdin.close()


def check(sw: Switch) -> Any:
    return sw.pages.get("/healthz").json["checks"]["http_address"]


def answers_by_tcp(sw: Switch) -> bool:
    command = ["ip", "netns", "exec", sw.netns.name, "curl", "--silent", "--fail", "--noproxy", "*", f"http://{ADDRESS}/livez"]
    return subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0


@pytest.mark.parametrize("where", ["127.0.0.1", "0.0.0.0"])
def test_tcp(switch: SwitchFactory, where: str) -> None:
    """The sandbox is on, and lets the daemon listen there later."""
    sw = switch.build(ports=1)
    set_http(sw, "listen", f'"{ADDRESS}"')
    with occupied(sw.netns, "tcp", where) as process:
        sw.start()
        reason = rf"{ADDRESS}: in use by python3[.\d]*, process {process.pid}"
        sw.daemon.wait_log(rf"WARNING: .*{reason}; tried again")
        wait_for(lambda: check(sw)["status"] == "degraded", 60, lambda: check(sw))
        assert re.fullmatch(reason, check(sw)["reason"])
    sw.daemon.wait_log(rf"NOTICE: .*HTTP on {ADDRESS}")
    wait_for(lambda: check(sw)["status"] == "healthy", 60, lambda: check(sw))
    sw.netns.exec("ip", "link", "set", "lo", "up")
    assert answers_by_tcp(sw)


def test_unix_socket(switch: SwitchFactory) -> None:
    """It is the only configured address: nothing is served, and only the log says so."""
    sw = switch.build(ports=1)
    path = sw.pages.path
    with occupied(sw.netns, "unix", path) as process:
        sw.start()
        sw.daemon.wait_log(rf"WARNING: .*metrics and health are not served: {path}: in use by python3[.\d]*, "
                           rf"process {process.pid}; tried again")
    sw.daemon.wait_log(rf"NOTICE: .*HTTP on {path}")
    wait_for(lambda: sw.pages.takes_clients() and check(sw)["status"] == "healthy", what="healthy")
    sw.daemon.stop()
    sw.assert_nothing_denied()


def test_a_process_that_may_not_be_seen(switch: SwitchFactory) -> None:
    """As from within the Debian unit: only the socket reveals the process' user."""
    sw = switch.build(ports=1)
    set_http(sw, "listen", f'"{ADDRESS}"')
    sw.daemon.command[:0] = ["setpriv", "--bounding-set=-sys_ptrace"]
    with occupied(sw.netns, "tcp", "127.0.0.1"):
        sw.start()
        sw.daemon.wait_log(rf"WARNING: .*{ADDRESS}: in use by a process of user root; tried again")
