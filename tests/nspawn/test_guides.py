# SPDX-License-Identifier: Apache-2.0
"""Every command of the guides that is not marked as an example is run, in the order in which they stand there."""

import re
from collections.abc import Iterator

from installed import Installed

from lib.daemon import ROOT


def blocks(guide: str) -> Iterator[tuple[int, str]]:
    """Those marked `sh`, each with the number of its first line."""
    text = (ROOT / "docs" / guide).read_text()
    for found in re.finditer(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield text[: found.start(1)].count("\n") + 1, found[1]


def run_all(installed: Installed, guide: str) -> None:
    ran = 0
    for line, text in blocks(guide):
        status, said = installed.machine.attempt("bash", "-euo", "pipefail", "-c", f"cd /root\n{text}")
        assert status == 0, f"{guide}, line {line}: status {status}\n{text}\n{said}\n{installed.machine.journal_text()}"
        ran += 1
    assert ran > 1


def test_deployment(booted: Installed) -> None:
    package = booted.machine.path(f"/root/{booted.package.name}")
    package.write_bytes(booted.package.read_bytes())
    run_all(booted, "deployment.md")
    assert not booted.machine.path("/usr/bin/portsyncd").exists()


def test_troubleshooting(service: Installed) -> None:
    run_all(service, "troubleshooting.md")
    service.wait_whole()
