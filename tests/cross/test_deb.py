# SPDX-License-Identifier: Apache-2.0
"""What `make deb ARCH=...` builds: a package for that architecture, which installs with its libraries and runs. Needs
root, and the network once, for scripts/cross-root."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAMS = ("portsyncd", "portsyncctl")
# Installs it in a Debian root, where dpkg checks its dependencies; $1: the architecture, $2: its emulator.
INSTALL_AND_RUN = """
dpkg --install portsyncd_*_"$1".deb >&2
"$2" /usr/bin/portsyncd --version
"$2" /usr/bin/portsyncctl --version
"$2" /usr/bin/portsyncd --config /etc/sonic/portsyncd.conf --show-config
dpkg --purge "portsyncd:$1" >&2
"""


def run(*command: str | Path, folder: Path = ROOT) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: exit {done.returncode}:\n{done.stdout}"
    return done.stdout


@dataclass(frozen=True)
class Architecture:
    """The names of an architecture in dpkg, readelf and Debian's qemu-user-static."""

    name: str
    elf_class: str
    machine: str
    emulator: str
    triplet: str


ARCHITECTURES = (
    Architecture("arm64", "ELF64", "AArch64", "qemu-aarch64-static", "aarch64-linux-gnu"),
    Architecture("armhf", "ELF32", "ARM", "qemu-arm-static", "arm-linux-gnueabihf"),
)


@dataclass(frozen=True)
class Built:
    arch: Architecture
    folder: Path

    @property
    def package(self) -> Path:
        (found,) = self.folder.glob(f"portsyncd_*_{self.arch.name}.deb")
        return found

    def program(self, name: str) -> Path:
        return self.folder / "unpacked" / "usr" / "bin" / name


@pytest.fixture(scope="session", params=ARCHITECTURES, ids=lambda arch: arch.name)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    folder = tmp_path_factory.mktemp(request.param.name)
    run("make", "--no-print-directory", "deb", f"ARCH={request.param.name}", f"BUILD_DEB={folder}")
    made = Built(request.param, folder)
    run("dpkg-deb", "--extract", made.package, folder / "unpacked")
    yield made


def field(package: Path, name: str) -> str:
    return run("dpkg-deb", "--field", package, name).strip()


def test_it_is_for_that_machine(built: Built) -> None:
    assert field(built.package, "Architecture") == built.arch.name
    for name in PROGRAMS:
        header = run("readelf", "--file-header", built.program(name))
        assert re.search(r"Class: +(.*)", header)[1] == built.arch.elf_class  # type: ignore[index]
        assert re.search(r"Machine: +(.*)", header)[1] == built.arch.machine  # type: ignore[index]


def test_it_is_hardened_as_the_native_one(built: Built) -> None:
    for name in PROGRAMS:
        shown = run("readelf", "--file-header", "--program-headers", "--dynamic", "--syms", "--wide", built.program(name))
        assert re.search(r"Type: +DYN", shown) and "GNU_RELRO" in shown and re.search(r"FLAGS_1.*NOW.*PIE", shown)
        assert re.search(r"GNU_STACK.* RW ", shown) and "__stack_chk_fail" in shown and "_chk@" in shown


def test_32_bit_machines_use_64_bits_for_time(built: Built) -> None:
    symbols = run("readelf", "--dyn-syms", "--wide", built.program("portsyncd"))
    wide = built.arch.elf_class == "ELF32"
    assert ("__clock_gettime64@" in symbols) == wide
    assert re.search(r" (clock_gettime|time|gmtime_r)@", symbols) is None or not wide


def test_it_depends_on_what_it_is_linked_with(built: Built) -> None:
    needed: set[str] = set()
    for name in PROGRAMS:
        needed |= set(re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "--dynamic", built.program(name))))
    libraries = [name for name in needed if not name.startswith("ld-linux")]
    script = 'for name in "${@:2}"; do dpkg --search "$1/$name" | cut -d: -f1; done'
    packages = run("scripts/cross-run", built.folder, "bash", "-c", script, "bash", f"*/{built.arch.triplet}", *libraries)
    depends = set(re.findall(r"(?:^|, )([a-z0-9.+-]+)", field(built.package, "Depends")))
    assert len(packages.split()) >= len(libraries) and set(packages.split()) <= depends


def test_lintian_finds_nothing(built: Built) -> None:
    (changes,) = built.folder.glob("*.changes")
    command = ("lintian", "--allow-root", "--tag-display-limit", "0", "--fail-on", "error,warning", changes.name)
    shown = run("scripts/cross-run", built.folder, *command)
    assert re.findall(r"^[EWP]: .*$", shown, re.MULTILINE) == []


def test_it_installs_and_runs(built: Built) -> None:
    command = ("bash", "-euc", INSTALL_AND_RUN, "bash", built.arch.name, built.arch.emulator)
    shown = run("scripts/cross-run", built.folder, *command)
    version = field(built.package, "Version")
    assert f"portsyncd {version}" in shown and f"portsyncctl {version}" in shown and "[database]" in shown


def test_a_command_runs_in_the_folder_it_is_called_from() -> None:
    here = Path(__file__).resolve().parent
    assert run("../../scripts/cross-run", ".", "pwd", folder=here).strip() == str(here)
