# SPDX-License-Identifier: Apache-2.0
"""The package is installed, upgraded, removed and purged by dpkg in a Debian 12."""

import re
from pathlib import Path

import pytest

from machine import ROOT, Machine, run
from packages import NAMES, as_single, field, repacked, swss

CONF = "/etc/sonic/portsyncd.conf"
PROGRAM = "/usr/bin/portsyncd"
COMPLETIONS = (
    "/usr/share/bash-completion/completions/portsyncctl",
    "/usr/share/zsh/vendor-completions/_portsyncctl",
)
STATE = "/var/lib/sonic/portsyncd"
SECRETS = "/etc/sonic/portsyncd/redis"
UNIT = "/lib/systemd/system/portsyncd.service"
ENABLED = "/etc/systemd/system/multi-user.target.wants/portsyncd.service"
NEWER = "99.0"


def mode(machine: Machine, path: str) -> str:
    return machine("stat", "--format=%a %U %G", path).strip()


@pytest.fixture(scope="session")
def newer(packages: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The next version, whose default configuration has one more line."""

    def change(files: Path) -> None:
        conf = files / CONF.lstrip("/")
        if conf.exists():
            conf.write_text(conf.read_text() + "# new in this version\n")

    return [repacked(package, tmp_path_factory.mktemp("newer"), NEWER, change) for package in packages]


@pytest.fixture(scope="session")
def single(packages: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return as_single(packages, tmp_path_factory.mktemp("single"))


# --- installed ---


def test_it_is_installed(installed: Machine, package: Path) -> None:
    assert installed.status("portsyncd") == "ii"
    assert field(package, "Version") in installed(PROGRAM, "--version")
    assert field(package, "Version") in installed("portsyncctl", "--version")
    for path in COMPLETIONS:
        assert mode(installed, path) == "644 root root"
    assert installed("dpkg", "--verify", *NAMES) == ""


def test_the_user_can_do_nothing_but_run_it(installed: Machine) -> None:
    name, _, _, _, _, home, shell = installed("getent", "passwd", "portsyncd").strip().split(":")
    assert (name, home, shell) == ("portsyncd", STATE, "/usr/sbin/nologin")
    assert installed("id", "--name", "--groups", "portsyncd").split() == ["portsyncd", "redis"]
    password = installed("getent", "shadow", "portsyncd").split(":")[1]
    assert password.startswith(("!", "*"))


def test_folders_are_for_whom_they_should_be(installed: Machine) -> None:
    assert mode(installed, STATE) == "700 portsyncd portsyncd"
    assert mode(installed, SECRETS) == "700 root root"
    assert mode(installed, CONF) == "644 root root"


def test_the_service_starts_at_boot(installed: Machine) -> None:
    assert installed("readlink", "-f", ENABLED).strip().endswith(UNIT)


def test_the_journal_knows_our_messages(installed: Machine) -> None:
    ours = re.findall(r"^-- ([0-9a-f]{32})$", (ROOT / "deploy" / "portsyncd.catalog").read_text(), re.MULTILINE)
    known = set(re.findall(r"^([0-9a-f]{32}) portsyncd:", installed("journalctl", "--list-catalog"), re.MULTILINE))
    assert ours and set(ours) == known


def test_the_default_configuration_is_good(installed: Machine) -> None:
    assert "configuration is good" in installed(PROGRAM, "--check-config")


def test_sysctl_and_tmpfiles_read_our_files(installed: Machine) -> None:
    shown = installed("sysctl", "--dry-run", "-p", "/usr/lib/sysctl.d/50-portsyncd.conf")
    assert shown.startswith("net.core.rmem_max = ")
    installed("rm", "-r", SECRETS)
    installed("systemd-tmpfiles", "--create", "portsyncd.conf")
    assert mode(installed, SECRETS) == "700 root root"


def test_redis_may_be_installed_afterwards(machine: Machine, packages: list[Path]) -> None:
    """Our sysusers.d has made the group redis; redis-tools' postinst gives it to Redis' user."""
    machine.dpkg("--purge", "redis-server", "redis-tools")
    if machine.says("getent", "passwd", "redis"):
        machine("userdel", "redis")
    assert not machine.says("getent", "group", "redis")
    machine.install(*packages)
    assert machine("getent", "group", "redis").strip().endswith(":portsyncd")
    machine("adduser", "--system", "--home", "/var/lib/redis", "--quiet", "--group", "redis")
    assert machine("id", "--name", "--group", "redis").strip() == "redis"


# --- upgraded ---


def test_an_upgrade_brings_the_new_defaults(machine: Machine, packages: list[Path], newer: list[Path]) -> None:
    machine.install(*packages)
    machine.install(*newer)
    assert field(newer[0], "Version") == NEWER in machine("dpkg-query", "--show", "portsyncd")
    assert machine.read(CONF).endswith("# new in this version\n")
    assert machine.exists(ENABLED)


def test_an_upgrade_keeps_what_was_edited(machine: Machine, packages: list[Path], newer: list[Path]) -> None:
    machine.install(*packages)
    machine.append(CONF, "[log]\nlevel = info\n")
    edited = machine.read(CONF)
    machine.write(f"{STATE}/state.json", "{}")
    machine.write(f"{SECRETS}/password", "secret")
    machine("rm", ENABLED)
    machine.install(*newer)
    assert machine.read(CONF) == edited
    assert machine.read(f"{CONF}.dpkg-dist").endswith("# new in this version\n")
    assert machine.read(f"{STATE}/state.json") == "{}"
    assert machine.read(f"{SECRETS}/password") == "secret"
    assert not machine.exists(ENABLED), "what an operator disabled stays disabled"


def test_the_version_before_can_be_installed_again(machine: Machine, packages: list[Path], newer: list[Path]) -> None:
    machine.install(*newer)
    machine.append(CONF, "[log]\nlevel = info\n")
    machine.install(*packages)
    assert field(packages[0], "Version") in machine("dpkg-query", "--show", "portsyncd")
    assert "level = info" in machine.read(CONF)


# --- from the single package of 0.2.0 ---


def from_single(machine: Machine, single: Path) -> None:
    """Installs the single package and configures it as an operator would."""
    machine.install(single)
    machine.append(CONF, "[log]\nlevel = info\n")
    machine.write(f"{STATE}/state.json", "{}")
    machine.write(f"{SECRETS}/password", "secret")


def is_whole(machine: Machine) -> None:
    assert machine("dpkg", "--audit") == "" and machine("dpkg", "--verify", *NAMES) == f"??5?????? c {CONF}\n"
    for path in (UNIT, "/usr/lib/sysusers.d/portsyncd.conf", "/usr/share/portsyncd/grafana"):
        assert machine.exists(path), path
    assert machine.read(CONF).endswith("[log]\nlevel = info\n") and not machine.exists(f"{CONF}.dpkg-dist")
    assert machine.read(f"{STATE}/state.json") == "{}" and machine.read(f"{SECRETS}/password") == "secret"


@pytest.mark.parametrize("enabled", [True, False])
def test_the_single_package_becomes_three(enabled: bool, machine: Machine, single: Path, packages: list[Path]) -> None:
    from_single(machine, single)
    if not enabled:
        machine("rm", ENABLED)
    machine.install(*packages)
    is_whole(machine)
    assert machine.exists(ENABLED) == enabled


def test_apt_finds_the_way_too(machine: Machine, single: Path, packages: list[Path]) -> None:
    from_single(machine, single)
    for path in packages:
        machine.put(path, f"/{path.name}")
    options = ("-o", "Dpkg::Options::=--force-confold", "--no-install-recommends", "--yes")
    machine("apt-get", *options, "install", *(f"/{path.name}" for path in reversed(packages)))
    is_whole(machine)
    assert machine.exists(ENABLED)


def test_the_unit_is_not_lost_by_an_order_that_dpkg_refuses(machine: Machine, single: Path, packages: list[Path]) -> None:
    """dpkg would remove the new unit with the old package, since one package has /lib and the other /usr/lib."""
    from_single(machine, single)
    for path in packages:
        machine.put(path, f"/{path.name}")
    wrong = ("dpkg", "--force-unsafe-io", "--force-confold", "--install", *(f"/{path.name}" for path in reversed(packages)))
    assert not machine.says(*wrong)
    assert machine.says(*wrong)
    is_whole(machine)


# --- removed, purged ---


def test_removal_leaves_configuration_and_state(machine: Machine, packages: list[Path]) -> None:
    machine.install(*packages)
    machine.append(CONF, "# mine\n")
    machine.write(f"{STATE}/state.json", "{}")
    machine.dpkg("--remove", *NAMES)
    assert machine.status("portsyncd") == "rc"
    assert machine.read(CONF).endswith("# mine\n")
    assert machine.exists(f"{STATE}/state.json")
    for gone in (PROGRAM, f"{PROGRAM}.swss", UNIT, "/usr/share/portsyncd"):
        assert not machine.exists(gone), gone
    machine.install(*packages)
    assert machine.read(CONF).endswith("# mine\n")
    assert machine.exists(f"{STATE}/state.json")


def test_a_purge_leaves_nothing_of_ours(machine: Machine, packages: list[Path]) -> None:
    machine.install(*packages)
    machine.write(f"{STATE}/state.json", "{}")
    machine.write(f"{SECRETS}/password", "secret")
    machine.write("/var/log/portsyncd/portsyncd.log", "")
    machine.dpkg("--purge", *NAMES)
    assert [machine.status(name) for name in NAMES] == ["un", "un", "un"]
    left = machine("find", "/etc", "/lib", "/usr", "/var", "-xdev", "-name", "*portsyncd*").split()
    assert left == ["/etc/portsyncd-test-root"]
    assert not machine.exists("/var/lib/sonic")


def test_a_purge_leaves_what_is_sonics(machine: Machine, packages: list[Path]) -> None:
    machine.write("/etc/sonic/config_db.json", "{}")
    machine.write("/var/lib/sonic/other/file", "theirs")
    machine.install(*packages)
    machine.dpkg("--purge", *NAMES)
    assert machine("ls", "/etc/sonic").split() == ["config_db.json"]
    assert machine.read("/var/lib/sonic/other/file") == "theirs"


# --- together with sonic-swss, which has a program of the same name ---


@pytest.mark.parametrize("first", ["swss", "ours"])
def test_it_takes_the_place_of_swss_program_and_gives_it_back(
    first: str, machine: Machine, package: Path, tmp_path: Path
) -> None:
    theirs = swss(tmp_path, "1.0")
    for one in (theirs, package) if first == "swss" else (package, theirs):
        machine.install(one)
    assert machine(PROGRAM, "--version").startswith("portsyncd ")
    machine.install(swss(tmp_path, "2.0"))
    assert machine(PROGRAM, "--version").startswith("portsyncd ")
    machine.dpkg("--remove", "portsyncd")
    assert machine(PROGRAM, "--version") == "swss 2.0\n"
    assert run("dpkg-deb", "--field", theirs, "Package").strip() in machine("dpkg", "--search", PROGRAM)
