# SPDX-License-Identifier: Apache-2.0
"""A switch as SONiC has it: a host with systemd and a real dockerd, whose container swss has supervisord and the rights
that SONiC gives it. Redis is the host's, and its socket has the owner and the modes of a switch.

The host is a machine of tests/nspawn; nothing of docker is on this one. orchagent and syncd are stand-ins, outside."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from installed import REDIS_CONF, REDIS_DROP_IN, Installed
from lib.daemon import ROOT
from lib.databases import DATABASES, Database
from lib.netns import Links
from lib.orch import Orch, Taken
from lib.wait import wait_for

HERE = ROOT / "tests" / "container"
HOST = HERE / "host"
SWSS = "swss.service"
IMAGE = "docker-orchagent:latest"
OURS = "docker-orchagent:with-portsyncd"
ENTRYPOINT = "/usr/bin/docker-init.sh"
PROGRAM = "/usr/bin/portsyncd"
EVENTS = "/var/log/supervisor/events"
SUPERVISOR_LOG = "/var/log/supervisor/supervisord.log"

# Opens nspawn's filter of system calls: docker has its own for containers.
OPTIONS = ("--system-call-filter=@known", "--tmpfs=/var/lib/docker:mode=0711,size=75%")


class OrchAndSyncd(Orch):
    """Makes the links again that a cold start of swss removed."""

    def __init__(self, appl_db: Database, links: Links) -> None:
        super().__init__(appl_db, DATABASES["APPL_DB"][0], lambda taken: links.add_ports([port.key for port in taken]))
        self._links = links

    def _handle(self, taken: Taken) -> None:
        if taken.key not in (link["ifname"] for link in self._links.links()):
            self._created.discard(taken.key)
        super()._handle(taken)


class Switch(Installed):
    """build() boots the host, with SONiC's image and without a container."""

    # Redis makes its socket for its own user; the host then lets the group in. (The container's group redis is another.)
    redis_conf = REDIS_CONF.replace("unixsocketperm 770", "unixsocketperm 700")
    redis_drop_in = (
        REDIS_DROP_IN
        + """ExecStartPost=+/bin/sh -c 'chgrp redis /run/redis/redis.sock && chmod 0760 /run/redis/redis.sock'
"""
    )

    def __init__(self, root: Path, parts: Path, packages: list[Path], ports: int = 4) -> None:
        bound = (f"--bind-ro={parts / 'docker'}:/opt/docker", f"--bind-ro={parts / 'debs'}:/opt/debs")
        image = f"--bind-ro={parts / 'swss.tar'}:/opt/swss.tar"
        super().__init__(root, packages, ports, (*OPTIONS, *bound, image))
        self.package = packages[0]  # the program's

    def build(self) -> None:
        super().build()
        machine = self.machine
        for unit in ("docker.service", SWSS):
            machine.write(f"/etc/systemd/system/{unit}", (HOST / unit).read_text())
        machine.write("/usr/local/bin/swss", (HOST / "swss").read_text())
        machine.path("/usr/local/bin/swss").chmod(0o755)
        machine.path("/usr/bin/docker").symlink_to("/opt/docker/usr/bin/docker")
        for folder in ("/var/log/swss", "/home/admin"):
            machine.path(folder).mkdir(parents=True)
        machine.systemctl("daemon-reload")
        machine.systemctl("start", "docker")
        self.docker("import", "--change", f'ENTRYPOINT ["{ENTRYPOINT}"]', "/opt/swss.tar", IMAGE)

    def make_orch(self) -> Orch:
        return OrchAndSyncd(self._open("APPL_DB"), self.links)

    def docker(self, *words: str) -> str:
        return self.machine.run("docker", *words)

    def inside(self, *words: str) -> str:
        """The output of a command in the container."""
        return self.docker("exec", "swss", *words)

    def container(self) -> Any:
        """docker inspect."""
        return json.loads(self.docker("inspect", "swss"))[0]

    def events(self, program: str = "portsyncd") -> list[str]:
        """The program's changes of state, in supervisord's words, over this container's whole life."""
        lines = self.inside("cat", EVENTS).splitlines()
        return [event["state"] for event in map(json.loads, lines) if event["program"] == program]

    def program(self, name: str = "portsyncd") -> str:
        """The program's state: RUNNING, ..."""
        status, said = self.machine.attempt("docker", "exec", "swss", "supervisorctl", "status", name)
        return said.split()[1] if status in (0, 3) and said.startswith(name) else said

    def wait_program(self, state: str, name: str = "portsyncd") -> None:
        wait_for(lambda: self.program(name) == state, 60, lambda: f"{name} is {state}: {self.program(name)}\n{self.words()}")

    def inside_pid(self) -> int:
        return int(self.inside("supervisorctl", "pid", "portsyncd"))

    def words(self) -> str:
        """The container's output, for a failed test."""
        tell = f"supervisorctl status; tail -n 40 {SUPERVISOR_LOG} /var/log/syslog"
        _, said = self.machine.attempt("docker", "exec", "swss", "sh", "-c", tell)
        return said + self.machine.journal_text("--unit", SWSS)

    def start_swss(self) -> None:
        self.machine.systemctl("start", SWSS)
        self.wait_program("RUNNING")

    @property
    def started_at(self) -> str:
        """When the container started; "" if it does not run."""
        status, said = self.machine.attempt("docker", "inspect", "--format={{.State.Running}} {{.State.StartedAt}}", "swss")
        running, _, at = said.strip().partition(" ")
        return at if status == 0 and running == "true" else ""

    def start_again(self, cause: Callable[[], object]) -> None:
        """The cause ends the container; waits until it runs again."""
        before = self.started_at
        cause()
        wait_for(lambda: self.started_at not in ("", before), 60, lambda: f"swss starts again\n{self.words()}")
        self.wait_program("RUNNING")

    def restore(self) -> None:
        """Restores a container that runs portsyncd, whatever a test left."""
        self.machine.path("/etc/sonic/portsyncd.conf").unlink(missing_ok=True)
        self.state_db.client.delete("WARM_RESTART_ENABLE_TABLE|swss")
        self.machine.systemctl("reset-failed", SWSS)
        if not self.started_at or "swss" in self.inside(PROGRAM, "--version"):
            self.machine.systemctl("stop", SWSS)
            self.docker("rm", "swss")
            self.docker("tag", OURS, IMAGE)
            self.start_swss()
        self.wait_equal()

    def shell(self, text: str) -> None:
        """Runs a guide's commands as root's shell on the switch would."""
        status, said = self.machine.attempt("bash", "-euo", "pipefail", "-c", f"cd /root\n{text}")
        assert status == 0, f"status {status}\n{text}\n{said}\n{self.words()}"

    def put_package_source(self) -> None:
        """Makes the local folder the only source of the switch's apt."""
        self.machine.write("/etc/apt/sources.list", "deb [trusted=yes] file:/opt/debs ./\n")
        self.machine.run("apt-get", "-q", "update")
