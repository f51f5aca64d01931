# SPDX-License-Identifier: Apache-2.0
"""A switch with systemd: Debian's redis-server and portsyncd's package in a machine, and orchagent's stand-in."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import redis

from lib.checker import Checker
from lib.daemon import Settings, write_settings
from lib.databases import DATABASES, Database, Instance, open_database, write_database_config
from lib.netns import Links
from lib.orch import TABLE, Orch, Taken
from lib.switch import load_config, port_names, sample_config
from lib.wait import wait_for
from machine import Machine

UNIT = "portsyncd.service"
DROP_INS = f"/run/systemd/system/{UNIT}.d"
REDIS = "redis-server.service"
REDIS_SOCKET = "/run/redis/redis.sock"
CONFIG_FILE = "/etc/sonic/portsyncd.conf"
PASSWORD_FILE = "/etc/sonic/portsyncd/redis/password"
WARM = "WARM_RESTART_ENABLE_TABLE|system"
DATABASE_CONFIG = "/run/redis/sonic-db/database_config.json"
# Each reconciliation renews what `systemctl status` shows, and checks whether an emptied CONFIG_DB was filled.
# And a busy machine does not count as a fault.
SETTINGS = {"sonic": {"reconcile_interval_secs": 1}, "health": {"max_latency_usecs": 1_000_000_000}}

# As SONiC's database container has it: a Unix socket, and database_config.json written again when Redis starts (Debian
# removes /run/redis when it stops).
REDIS_CONF = f"""
unixsocket {REDIS_SOCKET}
unixsocketperm 770
notify-keyspace-events AKE
"""
REDIS_DROP_IN = f"""[Service]
ExecStartPost=+/usr/bin/install -D --mode=644 /etc/sonic/database_config.json {DATABASE_CONFIG}
"""


class Installed:
    """build() boots the machine, with CONFIG_DB filled; install() installs the package, which starts the service."""

    redis_conf = REDIS_CONF
    redis_drop_in = REDIS_DROP_IN

    def __init__(self, root: Path, packages: list[Path], ports: int = 8, options: Sequence[str] = ()) -> None:
        """options: more of the machine's."""
        self.ports = port_names(ports)
        self.config = sample_config(self.ports)
        self.packages = packages
        self._root = root
        self.machine = Machine(root, options)
        self._cleanup = ExitStack()
        self._cleanup.callback(self.machine.close)

    def build(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="portsyncd-installed-"))
        self._cleanup.callback(shutil.rmtree, folder)
        self._outside_config = folder / "database_config.json"
        self._set_up_redis(folder / "files")
        self.machine.boot(folder / "files")
        self._connect()
        self.load_config()

    def close(self) -> None:
        """Leaves nothing behind, however far it was built."""
        self._cleanup.close()

    def reboot(self) -> None:
        self.orch.stop()
        self.machine.reboot()
        self._connect()

    def install(self, *packages: Path) -> None:
        """Installs these packages, or all of this version."""
        for package in packages or self.packages:
            self.machine.path(f"/root/{package.name}").write_bytes(package.read_bytes())
        self.machine.run("dpkg", "--install", *(f"/root/{package.name}" for package in packages or self.packages))

    def load_config(self) -> None:
        load_config(self.config_db, self.config)

    def write_settings(self, settings: Settings) -> None:
        """The whole configuration; in force after a restart."""
        write_settings(self.machine.path(CONFIG_FILE), settings)

    def drop_in(self, name: str, text: str) -> None:
        """A drop-in of the service, as `systemctl edit --runtime` would write it."""
        self.machine.write(f"{DROP_INS}/{name}.conf", text)
        self.machine.systemctl("daemon-reload")

    def remove_drop_ins(self) -> None:
        if self.machine.path(DROP_INS).exists():
            shutil.rmtree(self.machine.path(DROP_INS))
            self.machine.systemctl("daemon-reload")

    @property
    def state(self) -> dict[str, str]:
        return self.machine.show(UNIT)

    @property
    def pid(self) -> int:
        """The daemon's PID as seen from outside."""
        return self.machine.outside_pid(int(self.state["MainPID"]))

    def wait_state(self, wanted: Callable[[dict[str, str]], bool], what: str) -> dict[str, str]:
        return self.machine.wait_unit(UNIT, wanted, what)

    def wait_whole(self) -> None:
        """Waits until the service is active and every port has its row."""
        self.wait_state(lambda state: state["ActiveState"] == "active", "is active")
        self.wait_equal()

    def wait_equal(self) -> None:
        """Waits until STATE_DB has the row of every port and equals the kernel."""
        verdict = f"STATE_DB equals the kernel for {len(self.ports)} ports"
        last = ""

        def equal() -> bool:
            nonlocal last
            last = self._compare()
            return last == verdict

        wait_for(equal, 30, lambda: f"{verdict}: {last}\n{self.machine.journal_text('-u', UNIT)}")

    def row(self, port: str) -> dict[str, str]:
        return self.state_db.row(TABLE, port)

    def restore(self) -> None:
        """Restores a running, healthy service over running links, whatever a test left."""
        self.remove_drop_ins()
        self.machine.systemctl("reset-failed", UNIT)
        self.write_settings(SETTINGS)
        self.machine.path(PASSWORD_FILE).unlink(missing_ok=True)
        self.machine.systemctl("start", REDIS)
        self.set_warm()
        self.machine.systemctl("restart", UNIT)
        self.links.batch(f"link set dev {name} up" for port in self.ports for name in (port, self.links.peer(port)))
        # Otherwise late changes of the kernel would fall into the next test.
        self.links.wait_carrier(self.ports, "up")
        self.wait_whole()

    def set_warm(self) -> None:
        """From now on starts are warm and leave the links alone, as after a crash of portsyncd."""
        self.state_db.client.hset(WARM, "enable", "true")

    def _set_up_redis(self, files: Path) -> None:
        for name, text in {
            "etc/redis/redis.conf": (self._root / "etc/redis/redis.conf").read_text() + self.redis_conf,
            f"etc/systemd/system/{REDIS}.d/sonic.conf": self.redis_drop_in,
        }.items():
            (files / name).parent.mkdir(parents=True)
            (files / name).write_text(text)
        (files / "etc/sonic").mkdir()
        write_database_config(files / "etc/sonic/database_config.json", Instance(f"/var{REDIS_SOCKET}"))

    def _connect(self) -> None:
        """Connects to the running machine's Redis and links."""
        write_database_config(self._outside_config, Instance(str(self.machine.path(REDIS_SOCKET))))
        self.appl_db, self.config_db, self.state_db = (open_database(self._outside_config, n) for n in DATABASES)
        self._checker = Checker(self.machine.network, self.appl_db, self.state_db)
        self._cleanup.callback(self._checker.close)
        self.links: Links = self.machine.links
        self.orch = self.make_orch()
        self._cleanup.callback(self.orch.stop)
        self.orch.start()

    def make_orch(self) -> Orch:
        return Orch(self._open("APPL_DB"), DATABASES["APPL_DB"][0], self._create_links, self.links.delete_port)

    def _open(self, name: str) -> Database:
        return open_database(self._outside_config, name)

    def _create_links(self, taken: list[Taken]) -> None:
        self.links.add_ports([port.key for port in taken])

    def _compare(self) -> str:
        try:
            return self._checker.compare().verdict
        except redis.RedisError as error:
            return str(error)
