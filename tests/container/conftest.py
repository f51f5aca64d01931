# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests in a container like SONiC's swss. They need root, and
scripts/test-root and scripts/container-parts need the network once. Packages and release: tests/nspawn/booting.py."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.daemon import ROOT
from lib.netns import run
from switch import Switch

pytest_plugins = ["booting"]


@pytest.fixture(scope="session")
def debian() -> Path:
    """The Debian root of host and container: $SUITE, or this machine's release."""
    suite = os.environ.get("SUITE")
    options = ("--suite", suite) if suite else ()
    return Path(run(str(ROOT / "scripts" / "test-root"), *options).splitlines()[-1])


@pytest.fixture(scope="session")
def parts(debian: Path) -> Path:
    folder = debian.with_name(f"container-{debian.name}")
    run(str(ROOT / "scripts" / "container-parts"), str(debian), str(folder))
    return folder


@pytest.fixture
def switch(debian: Path, parts: Path, packages: list[Path]) -> Iterator[Switch]:
    """A switch with SONiC's own image, and without a container."""
    made = Switch(debian, parts, packages)
    try:
        made.build()
        yield made
    finally:
        made.close()
