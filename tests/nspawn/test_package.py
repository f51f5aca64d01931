# SPDX-License-Identifier: Apache-2.0
"""The life of the package on a running machine: installed, rebooted, upgraded, removed, purged."""

from pathlib import Path

from installed import CONFIG_FILE, UNIT, WARM, Installed
from packages import NAMES, as_single

OF_OTHERS = "/etc/sonic/config_db.json"
STATE_FOLDER = "/var/lib/sonic/portsyncd"
PROGRAM = "/usr/bin/portsyncd"
TEMPLATE = "portsyncd@.service"
INSTANCE = "portsyncd@asic0.service"
NETNS = "/run/netns/asic0"


def start_instance(booted: Installed) -> None:
    """Starts an instance in a network namespace; its program does not matter here."""
    if not booted.machine.path(NETNS).exists():
        booted.machine.run("ip", "netns", "add", Path(NETNS).name)
    booted.machine.write(f"/run/systemd/system/{TEMPLATE}", "[Service]\nExecStart=/bin/sleep infinity\n")
    booted.machine.systemctl("daemon-reload")
    booted.machine.systemctl("start", INSTANCE)


def test_upgraded_it_runs_the_new_one_with_the_old_settings(service: Installed) -> None:
    before = service.pid
    start_instance(service)
    instance = service.machine.show(INSTANCE)["MainPID"]
    service.write_settings({"sonic": {"reconcile_interval_secs": 77}})
    kept = service.machine.path(CONFIG_FILE).read_text()
    service.install()
    service.wait_whole()
    assert service.pid != before
    assert service.machine.show(INSTANCE)["MainPID"] not in (instance, "0")
    assert service.machine.path(CONFIG_FILE).read_text() == kept


def test_installed_it_comes_by_itself_after_a_reboot(service: Installed) -> None:
    service.state_db.client.delete(WARM)  # the links are new then
    service.reboot()
    service.wait_whole()
    assert service.state["NRestarts"] == "0"


def test_the_single_package_of_before_becomes_three_and_the_service_runs_on(booted: Installed, tmp_path: Path) -> None:
    """The service restarts once, as at each upgrade; the operator's settings stay."""
    booted.install(as_single(booted.packages, tmp_path))
    booted.wait_whole()
    booted.set_warm()
    booted.write_settings({"sonic": {"reconcile_interval_secs": 77}})
    kept = booted.machine.path(CONFIG_FILE).read_text()
    before, rows = booted.pid, {port: booted.row(port) for port in booted.ports}
    booted.install()
    booted.wait_whole()
    # In a chroot the link's target includes the path of the chroot.
    assert booted.pid != before and str(Path(f"/proc/{booted.pid}/exe").readlink()).endswith(PROGRAM)
    assert booted.machine.path(CONFIG_FILE).read_text() == kept
    assert {port: booted.row(port) for port in booted.ports} == rows
    assert booted.machine.systemctl("is-enabled", UNIT) == "enabled\n"
    assert booted.machine.systemctl("--failed", "--plain", "--no-legend") == ""


def test_removed_it_is_gone_but_for_what_is_the_users_and_purged_that_too(booted: Installed) -> None:
    booted.install()
    booted.wait_whole()
    machine = booted.machine
    machine.write(OF_OTHERS, "{}\n")
    machine.write(f"{STATE_FOLDER}/kept", "")
    start_instance(booted)
    machine.run("dpkg", "--remove", *NAMES)
    assert machine.show(INSTANCE)["ActiveState"] == "inactive"
    assert booted.state["ActiveState"] == "inactive"
    assert machine.attempt("pgrep", "portsyncd") == (1, ""), "no process is left"
    assert not machine.path(PROGRAM).exists() and not machine.path(f"/lib/systemd/system/{UNIT}").exists()
    assert machine.path(CONFIG_FILE).exists() and machine.path(f"{STATE_FOLDER}/kept").exists()
    assert booted.row("Ethernet0"), "STATE_DB's rows are the switch's"
    machine.run("dpkg", "--purge", *NAMES)
    assert not machine.path(CONFIG_FILE).exists() and not machine.path(STATE_FOLDER).exists()
    assert machine.path(OF_OTHERS).exists()
    assert booted.state["LoadState"] == "not-found"
    assert machine.systemctl("--failed", "--plain", "--no-legend") == ""
