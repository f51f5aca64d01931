# SPDX-License-Identifier: Apache-2.0
"""portsyncd in a container like SONiC's swss: the commands of docs/deployment.md install and remove it; in between
supervisord, SONiC's listeners and swss.service run it."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from guides import blocks, run_all
from lib.monitor import Monitor
from lib.netns import run
from lib.wait import wait_for
from machine import Machine
from switch import IMAGE, OURS, PROGRAM, SUPERVISOR_LOG, SWSS, Switch

GUIDE = "deployment.md"
LACKS = ("libmicrohttpd", "libdeflate")
# docker's own set, and CAP_NET_ADMIN.
SONICS_CAPABILITIES = 0xA80435FB


def version(package: Path) -> str:
    return f"portsyncd {run('dpkg-deb', '--field', str(package), 'Version').strip()}\n"


def newer(package: Path, folder: Path) -> Path:
    """The same package with a later version."""
    run("dpkg-deb", "--raw-extract", str(package), str(folder / "files"))
    control = folder / "files" / "DEBIAN" / "control"
    control.write_text(re.sub(r"^Version: .*$", "Version: 99.0", control.read_text(), flags=re.MULTILINE))
    made = folder / re.sub("_[^_]+_", "_99.0_", package.name)
    run("dpkg-deb", "--root-owner-group", "--build", str(folder / "files"), str(made))
    return made


def status(switch: Switch, what: str) -> int:
    """A line of /proc/<pid>/status of the daemon, a hexadecimal number."""
    text = switch.inside("cat", f"/proc/{switch.inside_pid()}/status")
    return int(re.search(rf"^{what}:\s*(\w+)$", text, re.MULTILINE)[1], 16)


def is_whole(switch: Switch) -> None:
    """The daemon runs as it should, and STATE_DB equals the kernel."""
    switch.wait_program("RUNNING")
    switch.wait_program("RUNNING", "orchagent")
    switch.wait_equal()


def killed_it_takes_swss_with_it(switch: Switch, number: signal.Signals = signal.SIGKILL) -> None:
    """SONiC's listener ends supervisord, and swss.service starts the container again, cold, with new links."""
    before = switch.links.ifindex("Ethernet0")
    switch.start_again(lambda: switch.inside("kill", f"-{number}", str(switch.inside_pid())))
    is_whole(switch)
    assert switch.links.ifindex("Ethernet0") != before
    assert switch.events() == ["STARTING", "RUNNING", "EXITED", "STARTING", "RUNNING"]


def test_the_guide(switch: Switch, tmp_path: Path) -> None:
    """Installs into SONiC's image, adds the host's commands, upgrades, and goes back."""
    package, later = switch.package, newer(switch.package, tmp_path)
    folder = "/home/admin/portsyncd-swss"
    switch.put_package_source()
    switch.machine.path(f"/root/{package.name}").write_bytes(package.read_bytes())
    switch.start_swss()
    assert switch.inside(PROGRAM, "--version") == "swss 1.0\n"

    def copied(machine: Machine) -> None:
        machine.run("mv", "/root/portsyncd-swss", "/home/admin/")
        names = machine.run("ls", folder).split()
        assert all(any(name.startswith(library) for name in names) for library in LACKS) and not any(name.startswith("libc6") for name in names)

    def runs(machine: Machine) -> None:
        assert switch.inside(PROGRAM, "--version") == version(package)
        assert switch.inside(f"{PROGRAM}.swss", "--version") == "swss 1.0\n"
        is_whole(switch)
        assert int(re.search(r"CapPrm:\s*(\w+)", switch.inside("cat", "/proc/1/status"))[1], 16) == SONICS_CAPABILITIES
        assert switch.inside("stat", "--format=%a %u", "/var/run/redis/redis.sock").split()[0] == "760"
        assert switch.inside("dpkg", "--audit") == ""
        doctor = json.loads(machine.run("portsyncctl", "doctor", "--json"))
        # With SONiC's rights only the limit of locked memory falls short.
        assert [check["check"] for check in doctor["checks"] if check["level"] != "ok"] == ["limits"]
        killed_it_takes_swss_with_it(switch)
        machine.path(f"{folder}/{package.name}").unlink()
        machine.path(f"{folder}/{later.name}").write_bytes(later.read_bytes())

    def is_newer(machine: Machine) -> None:
        assert switch.inside("dpkg-query", "--show", "--showformat=${Version}", "portsyncd") == "99.0"
        is_whole(switch)

    def is_sonics(machine: Machine) -> None:
        switch.wait_program("RUNNING")
        assert switch.inside(PROGRAM, "--version") == "swss 1.0\n"
        assert not machine.path("/usr/local/bin/portsyncctl").exists()

    looks = {
        "What goes onto the switch": copied,
        "Its commands on the host": runs,
        "A newer portsyncd": is_newer,
        "Back to SONiC's own": is_sonics,
    }
    run_all(switch.machine, GUIDE, looks, "sh switch")


@pytest.fixture(scope="module")
def swapped(debian: Path, parts: Path, packages: list[Path]) -> Iterator[Switch]:
    """A switch on which portsyncd was installed as the guide says. The tests below share it."""
    made = Switch(debian, parts, packages)
    try:
        made.build()
        made.put_package_source()
        made.machine.path(f"/root/{made.package.name}").write_bytes(made.package.read_bytes())
        for block in blocks(GUIDE, "sh switch"):
            if block.heading == "What goes onto the switch":
                made.shell(f"{block.text}mv /root/portsyncd-swss /home/admin/\n")
            elif block.heading == "Into the image":
                made.shell(block.text.replace("systemctl stop swss\ndocker rm swss\n", ""))
        made.docker("tag", IMAGE, OURS)
        is_whole(made)
        yield made
    finally:
        made.close()


@pytest.fixture
def swss(swapped: Switch) -> Iterator[Switch]:
    """A running container, whatever the previous test left."""
    yield swapped
    swapped.restore()


@pytest.mark.long
def test_an_end_that_nobody_ordered_restarts_swss(swss: Switch) -> None:
    """Even an end with status 0, which SONiC's own section would expect, restarts swss."""
    killed_it_takes_swss_with_it(swss, signal.SIGTERM)


@pytest.mark.long
def test_a_warm_restart_of_swss_touches_no_link_and_no_row(swss: Switch) -> None:
    swss.state_db.client.hset("WARM_RESTART_ENABLE_TABLE|swss", "enable", "true")
    rows = {port: swss.row(port) for port in swss.ports}
    links = swss.links.links()
    with Monitor(swss.state_db.client) as seen:
        swss.start_again(lambda: swss.machine.systemctl("restart", SWSS))
        is_whole(swss)
        wait_for(lambda: swss.state_db.row("WARM_RESTART_TABLE", "portsyncd"), what="it counts the warm start")
    assert not [command for command in seen.commands if command[0] == "DEL" and command[1].startswith("PORT_TABLE|")]
    assert {port: swss.row(port) for port in swss.ports} == rows
    assert [(link["ifindex"], link["flags"]) for link in swss.links.links()] == [(link["ifindex"], link["flags"]) for link in links]
    assert swss.state_db.row("WARM_RESTART_TABLE", "portsyncd")["restore_count"] == "1"


@pytest.mark.long
def test_a_bad_configuration_is_no_restart_loop(swss: Switch) -> None:
    """Exit status 2 within a second would lead to FATAL, and to a restart of swss, which finds the same file."""
    swss.machine.write("/etc/sonic/portsyncd.conf", "[log]\nlevel = loud\n")
    swss.start_again(lambda: swss.machine.systemctl("restart", SWSS))
    is_whole(swss)
    assert swss.events()[-2:] == ["STARTING", "RUNNING"]
    status, said = swss.machine.attempt("docker", "exec", "swss", "portsyncctl", "doctor")
    assert "log.level" in said and "loud" in said


@pytest.mark.long
def test_a_program_that_cannot_start_is_given_up(swss: Switch) -> None:
    """FATAL ends swss, as often as swss.service allows. Then the guide's way back helps."""
    swss.inside("sh", "-c", f"rm /usr/lib/*/{LACKS[0]}.so*")
    swss.inside("kill", "-KILL", str(swss.inside_pid()))
    wait_for(lambda: swss.machine.show(SWSS)["ActiveState"] == "failed", 300, lambda: f"it is given up\n{swss.words()}")
    # Its listener may be ended before it has heard of it.
    swss.machine.run("docker", "cp", f"swss:{SUPERVISOR_LOG}", "/root/supervisord.log")
    assert "portsyncd entered FATAL state" in swss.machine.path("/root/supervisord.log").read_text()
    swss.machine.systemctl("reset-failed", SWSS)
    (back,) = (block for block in blocks(GUIDE, "sh switch") if block.heading == "Back to SONiC's own")
    swss.shell(back.text.replace("rm /usr", "rm -f /usr"))
    swss.wait_program("RUNNING")
    assert swss.inside(PROGRAM, "--version") == "swss 1.0\n"


@pytest.mark.long
def test_a_killed_container_starts_again(swss: Switch) -> None:
    """The container is killed without notice to any process in it."""
    swss.start_again(lambda: swss.docker("kill", "swss"))
    is_whole(swss)


@pytest.mark.long
def test_an_update_of_sonics_package_goes_beside_ours(swss: Switch, tmp_path: Path) -> None:
    """The program of SONiC's package is diverted."""
    files = tmp_path / "swss"
    (files / "usr" / "bin").mkdir(parents=True)
    (files / "usr" / "bin" / "portsyncd").write_text("#!/bin/sh\necho swss 2.0\n")
    (files / "usr" / "bin" / "portsyncd").chmod(0o755)
    (files / "DEBIAN").mkdir()
    lines = ("Package: swss", "Version: 2.0", "Architecture: all", "Maintainer: nobody <nobody@localhost>")
    (files / "DEBIAN" / "control").write_text("\n".join((*lines, "Description: stand-in for sonic-swss", "")))
    run("dpkg-deb", "--root-owner-group", "--build", str(files), str(tmp_path / "swss.deb"))
    swss.machine.path("/root/swss.deb").write_bytes((tmp_path / "swss.deb").read_bytes())
    swss.docker("cp", "/root/swss.deb", "swss:/swss.deb")
    swss.inside("dpkg", "--install", "/swss.deb")
    assert swss.inside(PROGRAM, "--version") == version(swss.package)
    assert swss.inside(f"{PROGRAM}.swss", "--version") == "swss 2.0\n"


@pytest.mark.long
def test_the_program_alone_does_not_start_there(swss: Switch) -> None:
    """Shows why a copy of the program is not enough."""
    swss.docker("cp", f"swss:{PROGRAM}", "/root/portsyncd")
    sonics = ("--volume=/root/portsyncd:/portsyncd", "--entrypoint=/portsyncd", "docker-orchagent:without-portsyncd")
    status, said = swss.machine.attempt("docker", "run", "--rm", "--net=host", *sonics, "--version")
    assert status == 127 and any(library in said for library in LACKS)
