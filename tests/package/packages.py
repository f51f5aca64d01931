# SPDX-License-Identifier: Apache-2.0
"""Packages made for a test: a changed copy of ours, and a small one with the files of another project."""

import re
from collections.abc import Callable
from pathlib import Path

from machine import run


def field(package: Path, name: str) -> str:
    return run("dpkg-deb", "--field", package, name).strip()


def build(folder: Path, target: Path) -> Path:
    run("dpkg-deb", "--root-owner-group", "--build", folder, target)
    return target


def repacked(package: Path, folder: Path, version: str, change: Callable[[Path], None]) -> Path:
    """The same package as another version; change() may edit its files, given where they are."""
    files = folder / f"files-{version}"
    run("dpkg-deb", "--raw-extract", package, files)
    control = files / "DEBIAN" / "control"
    control.write_text(re.sub(r"^Version: .*$", f"Version: {version}", control.read_text(), flags=re.MULTILINE))
    change(files)
    return build(files, folder / f"portsyncd_{version}.deb")


def swss(folder: Path, version: str) -> Path:
    """A stand-in for sonic-swss' package: it brings a /usr/bin/portsyncd of its own."""
    files = folder / f"swss-{version}"
    program = files / "usr" / "bin" / "portsyncd"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho swss {version}\n")
    program.chmod(0o755)
    (files / "DEBIAN").mkdir()
    lines = ("Package: swss", f"Version: {version}", "Architecture: all", "Maintainer: nobody <nobody@localhost>")
    (files / "DEBIAN" / "control").write_text("\n".join((*lines, "Description: stand-in for sonic-swss", "")))
    return build(files, folder / f"swss_{version}.deb")
