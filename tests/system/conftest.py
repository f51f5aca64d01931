# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the system tests. They need root (network namespaces), redis-server and iproute2."""

import os
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lib.daemon import Daemon, binary
from lib.faults import NO_RECONCILE, QUICK
from lib.netns import NetNs, remove_stale
from lib.notified import Notified
from lib.proxy import Proxy
from lib.redis_server import RedisServer, Servers
from lib.switch import Switch, port_names

LOG_SHOWN_CHARACTERS = 20_000
FAILED = pytest.StashKey[bool]()


def pytest_sessionstart(session: pytest.Session) -> None:
    # A shell starts background processes with SIGINT ignored, which all processes started here would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if os.geteuid() != 0:
        pytest.exit("The system tests make network namespaces: run them as root.", returncode=2)
    if not binary().is_file():
        pytest.exit(f"{binary()} is not built: run make.", returncode=2)
    if not hasattr(session.config, "workerinput"):  # once, not in each process of pytest-xdist
        remove_stale()


# `make test` runs a test with the sanitized build, whose daemon is confined as on a switch and the Redis user of
# deploy/redis, but these with the plain one: for documents, consoles, alerts and waits for a constant the build does not
# matter, and sanitizers would change what is measured or refused.
PLAIN = (
    "test_alerts",
    "test_bench_changes",
    "test_dashboards",
    "test_demo",
    "test_deploy",
    "test_deploy_sonic",
    "test_docs",
    "test_few_descriptors",
    "test_guides",
    "test_page",
    "test_prometheus",
    "test_sandbox",
    "test_supervisor",
    "test_tuning",
    "test_upstream_faults",
)
# What every build must do.
BOTH = ("test_kernel_sync", "test_smoke", "test_stop")
# Their fixtures belong to the module, so one process of pytest-xdist runs all of it. They are slow, so they begin.
IN_ONE_PROCESS = ("test_alerts", "test_dashboards", "test_deploy", "test_page")
BEGIN = (*IN_ONE_PROCESS, "test_upstream_faults", "test_cold_start", "test_supervisor")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        name = item.path.stem
        if name not in BOTH:
            item.add_marker("plain" if name in PLAIN else "sanitized")
        if name in IN_ONE_PROCESS:
            item.add_marker(pytest.mark.xdist_group(name))
    items.sort(key=lambda item: item.path.stem not in BEGIN)


class SwitchFactory:
    """switch(...) gives a running Switch, switch.build(...) one that the test starts itself. ports: how many, or their
    names. The options are those of Switch. redis_server: gives each its server; otherwise it has one of its own."""

    def __init__(self, redis_server: Callable[[], RedisServer] | None = None) -> None:
        self.made: list[Switch] = []
        self._redis_server = redis_server

    def __call__(self, ports: int | Sequence[str] = 8, wait: bool = True, **options: Any) -> Switch:
        made = self.build(ports, **options)
        made.start(wait)
        return made

    def build(self, ports: int | Sequence[str] = 8, **options: Any) -> Switch:
        if self._redis_server and "server" not in options:
            options["server"] = self._redis_server()
        made = Switch(port_names(ports) if isinstance(ports, int) else list(ports), **options)
        self.made.append(made)
        made.build()
        return made


@pytest.fixture
def switch(request: pytest.FixtureRequest, redis_server: Callable[..., RedisServer]) -> Iterator[SwitchFactory]:
    """A daemon that still runs at the end of a passed test must end with 0 on SIGTERM."""
    factory = SwitchFactory(redis_server)
    with ExitStack() as cleanup:
        yield factory
        for made in factory.made:
            cleanup.callback(made.close)
        if not request.node.stash.get(FAILED, False):
            for made in factory.made:
                end_well(made.daemon)
                made.assert_nothing_denied()


def end_well(daemon: Daemon) -> None:
    if daemon.alive:
        daemon.stop()
    daemon.assert_sane()


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    made = Servers()
    yield made
    made.close()


@pytest.fixture
def redis_server(servers: Servers) -> Iterator[Callable[..., RedisServer]]:
    """redis_server(...) gives one more running server, without data."""
    with ExitStack() as cleanup:

        def start(*extra: str, **options: Any) -> RedisServer:
            if not extra and not options:
                server = servers.lend()
                cleanup.callback(servers.take_back, server)
                return server
            server = RedisServer(*extra, **options)
            cleanup.callback(server.close)
            server.start()
            return server

        yield start


@pytest.fixture
def netns() -> Iterator[NetNs]:
    namespace = NetNs()
    yield namespace
    namespace.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """A failed test shows what its daemons logged."""
    outcome = yield
    report = outcome.get_result()
    if not report.failed:
        return
    item.stash[FAILED] = True
    factory = getattr(item, "funcargs", {}).get("switch")
    for made in factory.made if factory else []:
        # A switch that the test closed has removed its log.
        if hasattr(made, "daemon") and made.daemon.log_path.exists():
            report.sections.append(("portsyncd log", made.daemon.log[-LOG_SHOWN_CHARACTERS:]))


@pytest.fixture
def behind_proxy(
    switch: SwitchFactory, redis_server: Callable[..., RedisServer]
) -> Iterator[Callable[..., tuple[Switch, Proxy]]]:
    """behind_proxy(ports=..., ...) gives a switch, not started, whose daemon reaches Redis through a proxy."""
    server = redis_server()
    with Proxy(server.unix_socket) as proxy:

        def build(**options: Any) -> tuple[Switch, Proxy]:
            database = {**QUICK, "redis_unix_socket": proxy.path}
            settings = {"database": database, **options.pop("settings", {})}
            options.setdefault("reconcile_secs", NO_RECONCILE)
            return switch.build(server=server, settings=settings, **options), proxy

        yield build
        # While Redis can be reached: otherwise the daemon waits for it before it ends.
        for made in switch.made:
            if made.daemon.alive:
                made.daemon.stop()


@pytest.fixture
def notified(tmp_path: Path) -> Iterator[Notified]:
    made = Notified(tmp_path / "notify")
    yield made
    made.close()
