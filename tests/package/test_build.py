# SPDX-License-Identifier: Apache-2.0
"""What `make deb` builds, and what the packages declare."""

import re
import shutil
import subprocess
from pathlib import Path

from machine import ROOT, run
from packages import field

# promtool's tests, which operators do not need.
NOT_SHIPPED = (".test.yml",)
SONIC = "/usr/share/doc/portsyncd/examples/sonic"
SCRIPTS = ("apply", "debug-dump/portsyncd", "host/portsyncd_verify", "portsyncctl")
PROGRAMS = ("/usr/bin/portsyncd", "/usr/bin/portsyncctl", *(f"{SONIC}/{name}" for name in SCRIPTS))


def files_in(package: Path) -> dict[str, str]:
    """Each file's mode and owner by its path."""
    lines = [line.split() for line in run("dpkg-deb", "--contents", package).splitlines()]
    return {words[5].removeprefix("."): f"{words[0]} {words[1]}" for words in lines if not words[0].startswith("d")}


def debian_needs(section: str) -> set[str]:
    """Packages of one section of deps/debian.txt."""
    text = (ROOT / "deps" / "debian.txt").read_text()
    return set(re.split(rf"^# {section}$", text, flags=re.MULTILINE)[1].partition("#")[0].split())


def test_lintian_finds_nothing(built: Path) -> None:
    (changes,) = built.glob("*.changes")
    shown = run("lintian", "--allow-root", "--tag-display-limit", "0", "--fail-on", "error,warning", changes)
    assert re.findall(r"^[EWP]: .*$", shown, re.MULTILINE) == []


def test_sources_and_symbols_are_built_too(built: Path) -> None:
    suffixes = sorted(path.suffix for path in built.iterdir())
    assert suffixes == [".buildinfo", ".changes", *[".deb"] * 4, ".dsc", ".log", ".xz"]


def test_the_version_is_the_projects(built: Path, package: Path) -> None:
    version = re.search(r"^  version: '([\d.]+)'", (ROOT / "meson.build").read_text(), re.MULTILINE)
    assert version and field(package, "Version") == version[1]


def test_each_library_we_build_with_is_needed_for_the_package_too() -> None:
    control = (ROOT / "debian" / "control").read_text()
    needs = re.search(r"^Build-Depends:((?:.*\n(?: .*\n)*))", control, re.MULTILINE)
    assert needs
    named = set(re.findall(r"[a-z][\w.+-]+", re.sub(r"\(.*?\)", "", needs[1])))
    # Debian's build-essential, and the second compiler.
    assert debian_needs("build") - {"gcc", "make", "libc6-dev", "clang"} <= named


def test_the_program_needs_no_systemd(packages: list[Path]) -> None:
    """It needs libsystemd only. Files for systemd come with the unit."""
    needs = run("dpkg-deb", "--field", packages[0], "Depends", "Pre-Depends")
    assert set(re.findall(r"[\w-]*systemd[\w-]*", needs)) == {"libsystemd0"}
    assert [path for path in files_in(packages[0]) if re.search(r"/(systemd|sysusers|tmpfiles|sysctl)\b", path)] == []
    version = field(packages[0], "Version")
    assert f"portsyncd (>= {version}), portsyncd (<< {version}.1~)" in field(packages[1], "Depends")


def test_all_that_is_for_the_operator_is_in_it(packages: list[Path]) -> None:
    names = {path.split("/")[-1] for package in packages for path in files_in(package)}
    deployed = [path for path in (ROOT / "deploy").rglob("*") if path.is_file() and not path.name.endswith(NOT_SHIPPED)]
    assert sorted(str(path) for path in deployed if path.name not in names) == []
    for path in ("/usr/share/man/man8/portsyncd.8.gz", "/usr/share/man/man5/portsyncd.conf.5.gz"):
        assert path in files_in(packages[0])


def test_everything_is_roots_and_for_root_to_change(packages: list[Path]) -> None:
    for path, mode in (entry for package in packages for entry in files_in(package).items()):
        assert mode in ("-rw-r--r-- root/root", "-rwxr-xr-x root/root"), path
        assert ("rwx" in mode) == (path in PROGRAMS), path


def test_a_builder_without_libraries_can_have_the_core(tmp_path: Path) -> None:
    """dpkg-buildpackage's check of the build dependencies passes on a machine without those libraries."""
    lacks = {"pkg.portsyncd.nohttp": ("libmicrohttpd-dev", "libdeflate-dev"), "pkg.portsyncd.nosandbox": ("libseccomp-dev",)}
    for profile, packages in lacks.items():
        admin = tmp_path / profile
        admin.mkdir()
        paragraphs = Path("/var/lib/dpkg/status").read_text().split("\n\n")
        gone = tuple(f"Package: {name}\n" for name in packages)
        (admin / "status").write_text("\n\n".join(one for one in paragraphs if not one.startswith(gone)))
        check = ("dpkg-checkbuilddeps", f"--admindir={admin}")
        said = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
        assert said.returncode == 1 and set(said.stderr.rpartition(": ")[2].split()) == set(packages)
        run(*check, "-P", profile)


def test_a_fault_in_the_sources_is_told(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for folder in ("debian", "scripts"):
        shutil.copytree(ROOT / folder, copy / folder)
    shutil.copy(ROOT / "meson_options.txt", copy)
    (copy / "meson.build").write_text("project('portsyncd', 'no such language')\n")
    (copy / ".gitignore").write_text("/build-deb/\n")
    run("git", "init", "--quiet", cwd=copy)
    run("git", "add", ".", cwd=copy)
    before = run("git", "status", "--porcelain", cwd=copy)
    done = subprocess.run(["scripts/build-deb"], cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "build-deb/build.log" in done.stderr and "no such language" in done.stderr
    assert not list((copy / "build-deb").glob("*.deb"))
    assert run("git", "status", "--porcelain", cwd=copy) == before
