# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests under a real systemd. They need root, a Debian root (scripts/test-root makes it when there is
none) and portsyncd's packages (in the folder $PORTSYNCD_PACKAGES, or they are built)."""

import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from installed import SETTINGS, UNIT, Installed
from lib.daemon import ROOT
from lib.netns import run
from machine import Machine, remove_stale
from packages import NAMES

FAILED = pytest.StashKey[bool]()


def pytest_sessionstart(session: pytest.Session) -> None:
    if os.geteuid() != 0:
        pytest.exit("The system tests boot a machine: run them as root.", returncode=2)
    # As with Ctrl-C: pytest then takes down what the tests have set up.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    remove_stale()


@pytest.fixture(scope="session")
def debian() -> Path:
    """A Debian root, shared and therefore never written to."""
    return Path(run(str(ROOT / "scripts" / "test-root")).splitlines()[-1])


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    given = os.environ.get("PORTSYNCD_PACKAGES")
    folder = Path(given).resolve() if given else tmp_path_factory.mktemp("built")
    if not given:
        run(str(ROOT / "scripts" / "build-deb"), str(folder))
    return [path for name in NAMES for path in folder.glob(f"{name}_*.deb")]


@pytest.fixture
def fresh(debian: Path) -> Iterator[Machine]:
    """Debian as installed, with portsyncd's dependencies and Debian's redis-server, unconfigured."""
    made = Machine(debian)
    try:
        made.boot()
        yield made
    finally:
        made.close()


@pytest.fixture
def booted(debian: Path, packages: list[Path]) -> Iterator[Installed]:
    """A switch in a machine of its own, without the packages."""
    made = Installed(debian, packages)
    try:
        made.build()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def installed(debian: Path, packages: list[Path]) -> Iterator[Installed]:
    """A switch on which the service runs. The tests of a module share it; see `service`."""
    made = Installed(debian, packages)
    try:
        made.build()
        made.install()
        made.wait_whole()
        made.set_warm()
        made.write_settings(SETTINGS)
        made.machine.systemctl("restart", UNIT)
        made.wait_whole()
        yield made
    finally:
        made.close()


@pytest.fixture
def service(installed: Installed) -> Iterator[Installed]:
    """A running service, whatever the previous test left."""
    yield installed
    installed.restore()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """A failed test shows the journal of its machine."""
    outcome = yield
    report = outcome.get_result()
    if not report.failed:
        return
    for made in getattr(item, "funcargs", {}).values():
        machine = made.machine if isinstance(made, Installed) else made
        if isinstance(machine, Machine) and machine.alive:
            report.sections.append(("journal", machine.journal_text("-u", UNIT, "-u", "init.scope", lines=100)))
