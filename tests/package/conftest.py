# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the package's tests. They need root, and once the network: for the Debian root."""

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
    """The folder with what `make deb` makes, which leaves the work tree as it is; or has made, in $PORTSYNCD_PACKAGES."""
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
    """One with all packages, for tests that only look."""
    made = Machine(debian)
    made.install(*packages)
    yield made
    made.close()
