# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the package's tests. They need root, and the network once, for the Debian root."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from machine import ROOT, Machine, run
from packages import NAMES


def pytest_sessionstart(session: pytest.Session) -> None:
    if os.geteuid() != 0:
        pytest.exit("The tests of the package install it in a root of their own: run them as root.", returncode=2)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the packages: $PORTSYNCD_PACKAGES, or that of `make deb`, which leaves the work tree unchanged."""
    if given := os.environ.get("PORTSYNCD_PACKAGES"):
        return Path(given).resolve()
    folder = tmp_path_factory.mktemp("built")
    before = run("git", "status", "--porcelain")
    run("make", "--no-print-directory", "deb", f"BUILD_DEB={folder}")
    assert run("git", "status", "--porcelain") == before
    return folder


@pytest.fixture(scope="session")
def packages(built: Path) -> list[Path]:
    """The program, its unit, and what monitoring needs."""
    return [path for name in NAMES for path in built.glob(f"{name}_*.deb")]


@pytest.fixture(scope="session")
def package(packages: list[Path]) -> Path:
    """The program alone, as the swss container has it."""
    return packages[0]


@pytest.fixture(scope="session")
def debian() -> Path:
    return Path(run(ROOT / "scripts" / "test-root").splitlines()[-1])


@pytest.fixture
def machine(debian: Path) -> Iterator[Machine]:
    made = Machine(debian)
    yield made
    made.close()


@pytest.fixture(scope="session")
def installed(debian: Path, packages: list[Path]) -> Iterator[Machine]:
    """A machine with all packages, for tests that change nothing."""
    made = Machine(debian)
    made.install(*packages)
    yield made
    made.close()
