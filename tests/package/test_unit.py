# SPDX-License-Identifier: Apache-2.0
"""deploy/systemd/portsyncd.service as systemd's own tools judge it. The running service: `make system-test`."""

import json
import re

from machine import ROOT, Machine

UNIT = ROOT / "deploy" / "systemd" / "portsyncd.service"
EXPOSURE_MAX = 1.5


def settings() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


def test_systemd_has_nothing_to_say_of_the_unit(installed: Machine) -> None:
    """Run where the program is installed. (The manual pages are installed, too, but not `man`.)"""
    assert installed("systemd-analyze", "verify", "--man=no", "portsyncd.service") == ""


def test_verify_does_find_faults(installed: Machine) -> None:
    installed.write("/etc/systemd/system/portsyncd.service.d/bad.conf", "[Service]\nNoNewPrivilege=yes\n")
    assert "NoNewPrivilege" in installed("systemd-analyze", "verify", "--man=no", "portsyncd.service")
    installed("rm", "-r", "/etc/systemd/system/portsyncd.service.d")


def test_the_exposure_is_low(installed: Machine) -> None:
    command = ("systemd-analyze", "security", "--offline=yes", "--no-pager", f"--threshold={10 * EXPOSURE_MAX:.0f}")
    shown = installed(*command, "portsyncd.service")
    level = re.search(r"Overall exposure level for portsyncd.service: ([\d.]+)", shown)
    assert level and float(level[1]) <= EXPOSURE_MAX


def test_what_is_exposed_is_what_it_needs(installed: Machine) -> None:
    """The unit gives the reason for each weakness that systemd finds."""
    shown = installed("systemd-analyze", "security", "--offline=yes", "--no-pager", "--json=short", "portsyncd.service")
    exposed = {one["name"] for one in json.loads(shown) if float(one.get("exposure") or 0) > 0}
    assert exposed == {
        "AmbientCapabilities=",
        "CapabilityBoundingSet=~CAP_NET_ADMIN",
        "DeviceAllow=",  # comes with ProtectClock=
        "IPAddressDeny=",
        "PrivateNetwork=",
        "PrivateUsers=",
        "RestrictAddressFamilies=~AF_(INET|INET6)",
        "RestrictAddressFamilies=~AF_NETLINK",
        "RestrictAddressFamilies=~AF_UNIX",
        "RootDirectory=/RootImage=",
        "SystemCallFilter=~@resources",
    }


def test_health_tells_a_stall_before_the_watchdog_ends_it(installed: Machine) -> None:
    stall = re.search(r"^#max_stall_secs = (\d+)$", installed.read("/etc/sonic/portsyncd.conf"), re.MULTILINE)
    assert stall and int(settings()["WatchdogSec"][0]) > int(stall[1])


def test_what_its_comments_name_is_there(installed: Machine) -> None:
    program = settings()["ExecStart"][0].split()[0]
    assert installed.exists(program)
    user, state = settings()["User"][0], settings()["StateDirectory"][0]
    assert installed("getent", "passwd", user).split(":")[5] == f"/var/lib/{state}"
    credential, _, folder = settings()["LoadCredential"][0].partition(":")
    assert installed.exists(folder)
    # systemd joins the two by "_", which makes the name that portsyncd reads.
    assert f"{credential}_password" in installed(program, "--help")


def test_the_log_files_folder_is_the_one_that_logrotate_turns() -> None:
    rotated = (ROOT / "deploy" / "logrotate" / "portsyncd").read_text()
    unit = {name: settings()[name][0] for name in ("LogsDirectory", "User", "Group")}
    assert f"\n/var/log/{unit['LogsDirectory']}/*.log {{\n" in rotated
    assert f"    su {unit['User']} {unit['Group']}\n" in rotated
    assert f"    create 0640 {unit['User']} {unit['Group']}\n" in rotated


def test_no_end_is_the_last_one() -> None:
    """No limit of starts, and no exit status that prevents a restart."""
    assert settings()["StartLimitIntervalSec"] == ["0"]
    assert "RestartPreventExitStatus" not in settings()
    assert settings()["Restart"] == ["on-failure"]


def test_a_reload_checks_what_a_start_would_read() -> None:
    """systemd stops at the first step that fails, so the check comes first."""
    check, reload = settings()["ExecReload"]
    assert check.endswith(f" {settings()['ExecStart'][0]} --check-config")
    assert reload.endswith("kill -HUP $MAINPID")
