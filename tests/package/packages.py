# SPDX-License-Identifier: Apache-2.0
"""Packages made for a test: a changed copy of ours, and a small one with the files of another project. tests/nspawn has
them, too."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from machine import ROOT, run

# In the order in which dpkg accepts them.
NAMES = ("portsyncd", "portsyncd-systemd", "portsyncd-monitoring")


def dpkg_deb(*arguments: str | Path) -> str:
    return run("dpkg-deb", *map(str, arguments))


def field(package: Path, name: str) -> str:
    return dpkg_deb("--field", package, name).strip()


def build(folder: Path, target: Path) -> Path:
    dpkg_deb("--root-owner-group", "--build", folder, target)
    return target


def repacked(package: Path, folder: Path, version: str, change: Callable[[Path], None]) -> Path:
    """The same package as another version; change() may edit its files, given where they are."""
    files = folder / f"files-{version}"
    dpkg_deb("--raw-extract", package, files)
    control = files / "DEBIAN" / "control"
    # Not the version below which everything was one package.
    control.write_text(re.sub(rf"\b{re.escape(field(package, 'Version'))}(?!~)", version, control.read_text()))
    change(files)
    return build(files, folder / f"{field(package, 'Package')}_{version}.deb")


def as_single(packages: list[Path], folder: Path) -> Path:
    """The single package of up to 0.2.0: today's files in their old places, with the old scripts."""
    files = folder / "files-single"
    for package in packages:
        dpkg_deb("--extract", package, files)
    for newer in files.glob("usr/lib/systemd/system/*"):  # Debian 13's place; it was always /lib
        (files / "lib/systemd/system").mkdir(parents=True, exist_ok=True)
        shutil.move(newer, files / "lib/systemd/system")
    for newer in files.glob("usr/share/doc/portsyncd-*"):
        shutil.rmtree(newer)
    shutil.copytree(ROOT / "tests" / "package" / "single", files / "DEBIAN")
    control = dpkg_deb("--field", packages[0], "Package", "Architecture", "Maintainer", "Depends", "Description")
    (files / "DEBIAN" / "control").write_text(f"{control}Version: 0.2.0\n")
    return build(files, folder / "portsyncd_0.2.0.deb")


def swss(folder: Path, version: str) -> Path:
    """A stand-in for sonic-swss' package, which contains another /usr/bin/portsyncd."""
    files = folder / f"swss-{version}"
    program = files / "usr" / "bin" / "portsyncd"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho swss {version}\n")
    program.chmod(0o755)
    (files / "DEBIAN").mkdir()
    lines = ("Package: swss", f"Version: {version}", "Architecture: all", "Maintainer: nobody <nobody@localhost>")
    (files / "DEBIAN" / "control").write_text("\n".join((*lines, "Description: stand-in for sonic-swss", "")))
    return build(files, folder / f"swss_{version}.deb")
