# SPDX-License-Identifier: Apache-2.0
"""A whole small switch: Redis, a network namespace, an orchagent stand-in and the daemon under test."""

import json
import shutil
import tempfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import redis

from lib import redis_acl
from lib.checker import Checker, Comparison
from lib.daemon import Daemon, Settings, write_settings
from lib.databases import DATABASES, Database, open_database, write_database_config
from lib.netns import NetNs
from lib.orch import INIT_DONE, TABLE, Orch, Taken
from lib.redis_server import RedisServer
from lib.scrape import Pages
from lib.wait import wait_for

START_TIMEOUT_SECS = 60.0
MEMORY = Path("/dev/shm")
MEMORY_BYTES = 2 << 30  # of all tests that run at once

# Table -> key -> field -> value: the shape of config_db.json.
ConfigDb = dict[str, dict[str, dict[str, str]]]


def scratch() -> Path | None:
    """A folder in memory: another program's sync() could delay a save for seconds, longer than a stopping daemon waits.
    None: the usual place, since this machine has too little memory."""
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES else None


def port_names(count: int) -> list[str]:
    """Ethernet0, Ethernet4, ...: four lanes a port, as SONiC names them."""
    return [f"Ethernet{4 * i}" for i in range(count)]


def sample_config(ports: Sequence[str], switch_type: str | None = None, mtu: int = 9100) -> ConfigDb:
    """A CONFIG_DB with these ports, as `config load` would leave it."""
    metadata = {"hostname": "sonic", "platform": "x86_64-kvm_x86_64-r0"}
    if switch_type:
        metadata["switch_type"] = switch_type
    rows = {
        name: {
            "lanes": ",".join(str(4 * i + lane) for lane in range(1, 5)),
            "alias": f"fortyGigE0/{4 * i}",
            "index": str(i + 1),
            "speed": "40000",
            "mtu": str(mtu),
            "admin_status": "up",
        }
        for i, name in enumerate(ports)
    }
    return {"DEVICE_METADATA": {"localhost": metadata}, "PORT": rows}


def load_config(config_db: Database, config: ConfigDb) -> None:
    pipe = config_db.client.pipeline(transaction=False)
    for table, rows in config.items():
        for key, fields in rows.items():
            pipe.hset(config_db.key(table, key), mapping=fields or {"NULL": "NULL"})
    pipe.set("CONFIG_DB_INITIALIZED", "1")
    pipe.execute()


@dataclass
class Switch:
    """First the options, then the parts that build() makes of them, which tests use directly."""

    ports: list[str] = field(default_factory=lambda: port_names(8))
    config: ConfigDb | None = None  # CONFIG_DB instead of sample_config(ports)
    switch_type: str | None = None
    # "orch": the stand-in creates the links once PortConfigDone came; "before": they are there before the daemon
    # starts; "none": the test makes them.
    links: str = "orch"
    reconcile_secs: int = 1
    settings: Settings = field(default_factory=dict)  # more sections and keys of portsyncd.conf
    arguments: Sequence[str] = ()  # more arguments of the daemon
    log_level: str = "info"
    environment: Mapping[str, str] = field(default_factory=dict)
    # A running server instead of a private one, servers of single databases, and how database_config.json names them.
    server: RedisServer | None = None
    others: Mapping[str, RedisServer] = field(default_factory=dict)
    numbers: Mapping[str, int] = field(default_factory=dict)
    separators: Mapping[str, str] = field(default_factory=dict)
    # The daemon finds database_config.json by -n and the test's database_global.json, not by its path.
    namespace: str | None = None
    database_global: Path | None = None
    # Of this class's own clients (default: the server's password); the daemon gets its credentials by settings.
    username: str | None = None
    password: str | None = None
    # The daemon is the Redis user of deploy/redis/portsyncd.acl. Never so with credentials of the test's own, nor where
    # the databases have other numbers or separators than in SONiC, for which that file is.
    least_rights: bool = field(default_factory=redis_acl.chosen)

    redis: RedisServer = field(init=False)
    netns: NetNs = field(init=False)
    orch: Orch = field(init=False)
    daemon: Daemon = field(init=False)
    checker: Checker = field(init=False)
    appl_db: Database = field(init=False)
    config_db: Database = field(init=False)
    state_db: Database = field(init=False)
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        assert self.links in ("orch", "before", "none"), self.links
        self._cleanup = ExitStack()

    @property
    def database_config(self) -> Path:
        return self.folder / "database_config.json"

    @property
    def config_file(self) -> Path:
        return self.folder / "portsyncd.conf"

    @property
    def state_file(self) -> Path:
        return self.folder / "state" / "state.json"

    @property
    def recordings(self) -> Path:
        return self.folder / "recordings"

    @property
    def pages(self) -> Pages:
        return Pages(self.folder / "http.sock")

    def pages_when_served(self) -> Pages:
        """Waits for the pages of a daemon that was started without waiting."""
        wait_for(self.pages.takes_clients, what="the daemon serves its pages")
        return self.pages

    def build(self) -> None:
        """Starts everything but the daemon and the orchagent stand-in, and fills CONFIG_DB."""
        self.folder = Path(tempfile.mkdtemp(prefix="portsyncd-test-", dir=scratch()))
        self._cleanup.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self._build_redis()
        self.netns = NetNs()
        self._cleanup.callback(self.netns.close)
        self._build_helpers()
        self.daemon = self._make_daemon()
        self._cleanup.callback(self.daemon.kill)
        if self.config is None:
            self.config = sample_config(self.ports, self.switch_type)
        load_config(self.config_db, self.config)
        if self.links == "before":
            self.netns.add_ports(self.ports)

    def start(self, wait: bool = True) -> None:
        """Starts the daemon; wait: until every port is up in STATE_DB and PortInitDone was sent."""
        self.orch.start()
        self.daemon.start()
        if wait:
            self.wait_init_done()
            if self.links != "none":
                self.netns.wait_carrier(self.ports, "up")
            self.wait_equal(START_TIMEOUT_SECS)

    def wait_init_done(self) -> None:
        """Waits until PortInitDone was consumed; fails at once when the daemon ends."""
        wait_for(
            lambda: self.orch.fields(INIT_DONE) is not None or not self.daemon.alive,
            START_TIMEOUT_SECS,
            lambda: f"PortInitDone; so far {len(self.orch.taken)} keys; log:\n{self.daemon.log}",
        )
        assert self.daemon.alive, f"portsyncd ended: {self.daemon.log}"

    def close(self) -> None:
        """Takes everything down, however far it was built."""
        self._cleanup.close()

    def assert_nothing_denied(self) -> None:
        """Asserts that Redis denied the daemon nothing."""
        for server in {self.redis, *self.others.values()} if self.least_rights else ():
            if server.alive:
                assert not server.denials(redis_acl.USER)

    def row(self, port: str) -> dict[str, str]:
        """The port's row in STATE_DB."""
        return self.state_db.row(TABLE, port)

    def wait_field(self, port: str, name: str, value: str | None, timeout: float = 30.0) -> None:
        wait_for(
            lambda: self.row(port).get(name) == value,
            timeout,
            lambda: f"{port} {name} is {value!r}: {self.row(port)}",
        )

    def wait_oper(self, port: str, value: str | None, timeout: float = 30.0) -> None:
        self.wait_field(port, "netdev_oper_status", value, timeout)

    def wait_no_row(self, port: str, timeout: float = 30.0) -> None:
        wait_for(lambda: not self.row(port), timeout, lambda: f"{port} has no row: {self.row(port)}")

    def wait_equal(self, timeout: float = 30.0, ports: int | None = None, ignored: Collection[str] = ()) -> Comparison:
        """Waits until STATE_DB equals the kernel (with so many ports); else shows the differences."""
        last = Comparison(0, ["never compared"])

        def equal() -> bool:
            nonlocal last
            try:
                last = self.checker.compare(ignored)
            except redis.RedisError as error:
                last = Comparison(0, [f"Redis: {error}"])
            return not last.differences and ports in (None, last.ports)

        wait_for(equal, timeout, lambda: f"{last.verdict}, expected ports: {ports}; log:\n{self.daemon.log[-4000:]}")
        return last

    def _open(self, name: str) -> Database:
        return open_database(self.database_config, name, self.username, self.password or self.redis.password)

    def _build_redis(self) -> None:
        self.redis = self.server or RedisServer()
        if self.server is None:
            self._cleanup.callback(self.redis.close)
            self.redis.start()
        instances = {name: server.instance for name, server in self.others.items()}
        write_database_config(self.database_config, self.redis.instance, instances, self.numbers, self.separators)
        self.appl_db, self.config_db, self.state_db = (self._open(name) for name in DATABASES)

    def _build_helpers(self) -> None:
        number = self.numbers.get("APPL_DB", DATABASES["APPL_DB"][0])
        self.checker = Checker(self.netns.name, self._open("APPL_DB"), self._open("STATE_DB"))
        self._cleanup.callback(self.checker.close)
        self.orch = Orch(self._open("APPL_DB"), number, self._create_links, self._delete_link)
        self._cleanup.callback(self.orch.stop)

    def _make_daemon(self) -> Daemon:
        settings: dict[str, dict[str, object]] = {section: dict(keys) for section, keys in self.settings.items()}
        self._choose_user(settings.setdefault("database", {}))
        settings.setdefault("sonic", {}).setdefault("reconcile_interval_secs", self.reconcile_secs)
        # As in SONiC's swss after a restart of all of it.
        settings["sonic"].setdefault("retire_old_links", "always")
        # By TCP the switches of tests that run at the same time would collide.
        # The default one is the machine's.
        settings.setdefault("state", {}).setdefault("file", self.state_file)
        # Otherwise a busy machine would count as a fault.
        settings.setdefault("health", {}).setdefault("max_latency_usecs", 1_000_000_000)
        settings.setdefault("recorder", {}).setdefault("folder", self.recordings)
        settings.setdefault("http", {"listen": '""'}).setdefault("unix_socket", self.pages.path)
        write_settings(self.config_file, settings)
        options = {
            "--netns": self.netns.name,
            "--config": str(self.config_file),
            "--log-target": "stderr",
            "--log-level": self.log_level,
        }
        if self.namespace:
            options |= {"-n": self.namespace, "--database-global": str(self.database_global)}
        else:
            options["--database-config"] = str(self.database_config)
        command = [word for option in options.items() for word in option]
        return Daemon([*command, *self.arguments], self.folder / "portsyncd.log", self.environment)

    def _choose_user(self, database: dict[str, object]) -> None:
        own = {"redis_username", "redis_password_file"} & database.keys() or "CREDENTIALS_DIRECTORY" in self.environment
        servers = (self.redis, *self.others.values())
        if own or self.numbers or self.separators or any(server.password for server in servers):
            self.least_rights = False
        if self.least_rights:
            database["redis_username"] = redis_acl.USER
            database["redis_password_file"] = redis_acl.password_file(self.folder)

    def _create_links(self, taken: list[Taken]) -> None:
        if self.links != "orch":
            return
        by_kind: dict[tuple[int, str], list[str]] = {}
        for port in taken:
            kind = int(port.fields.get("mtu", "9100")), port.fields.get("admin_status", "down")
            by_kind.setdefault(kind, []).append(port.key)
        for (mtu, admin), names in by_kind.items():
            self.netns.add_ports(names, mtu, admin)

    def _delete_link(self, port: str) -> None:
        if self.links == "orch":
            self.netns.delete_port(port)


def load_config_file(path: Path) -> ConfigDb:
    return json.loads(path.read_text())
