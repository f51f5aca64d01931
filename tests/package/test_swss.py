# SPDX-License-Identifier: Apache-2.0
"""deploy/swss in a root like that of SONiC's swss image: Debian without systemd, libmicrohttpd and libdeflate, with a
program of our name in its own package, and with a dpkg that unpacks no documentation.

There is no docker here: what the Dockerfile says is done step by step.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from machine import ROOT, Machine
from packages import field, swss

DOCKERFILE = ROOT / "deploy" / "swss" / "Dockerfile"
ARCHIVES = "/var/cache/apt/archives"
PROGRAM = "/usr/bin/portsyncd"
T64 = "" if 'VERSION_CODENAME=bookworm' in Path("/etc/os-release").read_text() else "t64"
LACKS = (f"libmicrohttpd12{T64}", "libdeflate0")
WITHOUT = ("systemd", "systemd-sysv", "libpam-systemd", "redis-server", "redis-tools", "prometheus", *LACKS)


@pytest.fixture
def image(machine: Machine, tmp_path: Path) -> Machine:
    machine.write("/etc/dpkg/dpkg.cfg.d/01_drop", "path-exclude /usr/share/doc/*\npath-exclude /usr/share/man/*\n")
    machine.dpkg("--purge", "--force-depends", "--force-remove-essential", "--force-remove-protected", *WITHOUT)
    machine.install(swss(tmp_path, "1.0"))
    return machine


def instructions() -> Iterator[tuple[str, str]]:
    """COPY, ... and what follows."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        word, _, rest = line.partition(" ")
        yield word, rest


def build(image: Machine, package: Path) -> None:
    for word, rest in instructions():
        if word == "COPY":
            assert rest == "*.deb /portsyncd/"
            image("mkdir", "/portsyncd")
            image("sh", "-c", f"cp {ARCHIVES}/*.deb /portsyncd")
            image.put(package, f"/portsyncd/{package.name}")
        elif word == "RUN":
            image("sh", "-c", rest)
        else:
            assert word == "FROM" and rest.startswith("docker-orchagent:")


def test_the_program_alone_does_not_start_there(image: Machine, package: Path, tmp_path: Path) -> None:
    """Why it takes more than a copy."""
    image.put(package, "/package.deb")
    image("sh", "-c", "dpkg-deb --extract /package.deb /unpacked")
    assert not image.says("/unpacked/usr/bin/portsyncd", "--version")


def test_the_image_has_our_program_and_keeps_sonics(image: Machine, package: Path, tmp_path: Path) -> None:
    build(image, package)
    assert field(package, "Version") in image(PROGRAM, "--version")
    assert image(f"{PROGRAM}.swss") == "swss 1.0\n"
    assert all(image.status(name) == "ii" for name in ("portsyncd", *LACKS))
    assert not image.exists("/portsyncd")
    assert image("dpkg", "--audit") == ""
    # An update of SONiC's package goes where its program is now.
    image.install(swss(tmp_path, "2.0"))
    assert field(package, "Version") in image(PROGRAM, "--version")
    assert image(f"{PROGRAM}.swss") == "swss 2.0\n"


def test_it_is_built_on_the_image_without_it_again_and_again(image: Machine, package: Path) -> None:
    """Or on one with it, by mistake."""
    build(image, package)
    build(image, package)
    assert image(f"{PROGRAM}.swss") == "swss 1.0\n"


def test_a_container_of_it_needs_nothing_of_etc_and_var(image: Machine, package: Path) -> None:
    """The host's /etc/sonic is mounted over the image's, read-only; there is no /var/lib/sonic."""
    build(image, package)
    mounts = "mount -t tmpfs -o ro none /etc/sonic && rm -rf /var/lib/sonic"
    said = image("sh", "-c", f"{mounts} && {PROGRAM} --check-config")
    assert "configuration is good" in said


def test_the_guide_collects_what_the_image_lacks(package: Path, tmp_path: Path) -> None:
    """Its commands as they stand there; what they would ask of the network is only printed."""
    guide = (ROOT / "docs" / "deployment.md").read_text()
    (block,) = (text for text in re.findall(r"^```sh example\n(.*?)^```$", guide, re.M | re.S) if "apt-get download" in text)
    shipped = "/usr/share/doc/portsyncd/examples/swss/Dockerfile"
    assert shipped in block
    (tmp_path / package.name).write_bytes(package.read_bytes())
    script = "apt-get() { echo \"$@\"; }\nscp() { :; }\n" + block.replace(shipped, str(DOCKERFILE))
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    verb, *names = done.stdout.split()
    assert verb == "download" and set(LACKS) <= set(names) and not {"libc6", f"libgnutls30{T64}", "libsystemd0"} & set(names)
    assert sorted(path.name for path in (tmp_path / "portsyncd-swss").iterdir()) == ["Dockerfile", package.name]
