# SPDX-License-Identifier: Apache-2.0
"""A switch for a few sequences, with the means to break it: a proxy before Redis, and libraries in the daemon that
refuse memory and move the clock (bench/mallocs.c, clock.c)."""

import contextlib
import os
import re
import resource
import shutil
import struct
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from plan import Kind, Powers

from lib.daemon import Settings, binary
from lib.databases import open_database
from lib.faults import NO_RECONCILE, QUICK
from lib.managers import Managers
from lib.netns import run
from lib.proc import Proc
from lib.proxy import Proxy
from lib.redis_server import RedisServer
from lib.storm import SMALL_BUFFER
from lib.switch import Switch, load_config, port_names

HOOKS = binary().parent / "tests" / "chaos"
# As bench/mallocs.c counts.
CALLS = ("malloc", "calloc", "realloc", "free", "aligned", "mmap")
REFUSE_AT, REFUSED_AT, MALLOCS_BYTES = 8 * len(CALLS), 8 * (len(CALLS) + 2), 8 * (len(CALLS) + 3)
CLOCK_BYTES = 8
BRIDGE = "Bridge"
FOLDER_PREFIX = "portsyncd-chaos-"
DISK_KIB = 4096  # two of the largest state file, with its history
STATE_SAVED_EVERY_SECS = 1
# Other writers' rows: key -> fields, by database. CONFIG_DB's own rows are compared too.
FOREIGN = {
    "STATE_DB": {
        "PORT_TABLE|Ethernet0.10": {"state": "ok"},
        "PORT_TABLE|PortChannel1": {"state": "ok", "mtu": "9100"},
        "LLDP_ENTRY_TABLE|Ethernet0": {"lldp_rem_sys_name": "spine"},
    },
    "APPL_DB": {"LAG_TABLE:PortChannel1": {"admin_status": "up"}, "_LAG_TABLE:PortChannel2": {"mtu": "9100"}},
    "CONFIG_DB": {"VLAN|Vlan10": {"vlanid": "10"}, "LOGGER|orchagent": {"LOGLEVEL": "NOTICE"}},
}
FOREIGN_FIELDS = {"host_tx_ready": "true", "supported_speeds": "40000,100000"}  # in the rows of ports


def sanitized() -> bool:
    return b"__asan_init" in binary().read_bytes()


def powers() -> Powers:
    """The libraries that the daemon can load: a sanitizer has its own allocator."""
    return Powers(refuse_memory=not sanitized())


class SharedFile:
    """A file that a library of LD_PRELOAD and we both map."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self._size = size
        self.clear()

    def clear(self) -> None:
        """A new file: a process that still has the old one keeps it."""
        self.path.unlink(missing_ok=True)
        self.path.write_bytes(bytes(self._size))

    def write(self, at: int, value: int) -> None:
        with self.path.open("r+b", buffering=0) as file:
            file.seek(at)
            file.write(struct.pack("q", value))

    def read(self, at: int, count: int = 1) -> tuple[int, ...]:
        return struct.unpack_from(f"{count}Q", self.path.read_bytes(), at)


@dataclass
class Rig:
    kind: Kind
    disk: Path  # where the state file is
    mallocs: SharedFile
    clock: SharedFile
    switch: Switch = field(init=False)
    proxy: Proxy | None = None
    managers: Managers = field(init=False)  # consumers that undo what the kernel does
    known: set[str] = field(default_factory=set)  # spare names that APPL_DB has had
    started_at: int = 0  # where the log of this process of the daemon begins
    descriptors: Counter[str] = field(default_factory=Counter)  # as they are when nothing is broken

    @property
    def ports(self) -> list[str]:
        return self.switch.ports

    @property
    def member(self) -> str:
        """The port that belongs to a LAG."""
        return self.ports[-1]

    def fill_disk(self) -> None:
        with contextlib.suppress(OSError), (self.disk / "fill").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1024))

    def free_disk(self) -> None:
        (self.disk / "fill").unlink(missing_ok=True)

    @property
    def log_size(self) -> int:
        return self.switch.daemon.log_path.stat().st_size

    def log_from(self, at: int) -> str:
        with self.switch.daemon.log_path.open("rb") as file:
            file.seek(at)
            return file.read().decode(errors="backslashreplace")

    def start_daemon(self) -> None:
        self.mallocs.clear()
        self.clock.clear()
        self.started_at = self.log_size
        self.switch.daemon.start()

    def refuse_memory(self, one_in: int) -> None:
        self.mallocs.write(REFUSE_AT, one_in)

    @property
    def refusals(self) -> int:
        return self.mallocs.read(REFUSED_AT)[0]

    @property
    def live_allocations(self) -> int:
        """Without allocations from before the library was loaded, so only differences are meaningful."""
        calls = dict(zip(CALLS, self.mallocs.read(0, len(CALLS))))
        return calls["malloc"] + calls["calloc"] + calls["aligned"] - calls["free"]

    def move_clock(self, secs: int) -> None:
        self.clock.write(0, secs * 10**9)

    def limit_descriptors(self, spare: int) -> None:
        """Allows so many more than are open now."""
        pid = self.switch.daemon.pid
        highest = max(int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir())
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 1 + spare, hard))

    def free_descriptors(self) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.prlimit(self.switch.daemon.pid, resource.RLIMIT_NOFILE, (soft, hard))

    def open_descriptors(self) -> Counter[str]:
        """How many of each kind."""
        found: Counter[str] = Counter()
        for entry in Path(f"/proc/{self.switch.daemon.pid}/fd").iterdir():
            try:
                found[os.readlink(entry).partition("[")[0] or "?"] += 1
            except FileNotFoundError:
                continue
        return found

    @property
    def rss_kib(self) -> int:
        return Proc(self.switch.daemon.pid).rss_kib

    def plant_foreign(self) -> None:
        for name, rows in FOREIGN.items():
            self._plant(name, rows)
        self._plant("STATE_DB", {f"PORT_TABLE|{port}": FOREIGN_FIELDS for port in self.ports})

    def load_config(self) -> None:
        """What is in CONFIG_DB after the switch was loaded again."""
        load_config(self.switch.config_db, self.switch.config or {})
        self._plant("CONFIG_DB", FOREIGN["CONFIG_DB"])

    def _plant(self, database: str, rows: dict[str, dict[str, str]]) -> None:
        client = getattr(self.switch, database.lower()).client
        pipe = client.pipeline(transaction=False)
        for key, fields in rows.items():
            pipe.hset(key, mapping=fields)
        pipe.execute()


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    disk = folder / "disk"
    disk.mkdir()
    run("mount", "-t", "tmpfs", "-o", f"size={DISK_KIB}k,mode=0700", "portsyncd-chaos", str(disk))
    try:
        yield disk
    finally:
        run("umount", "--lazy", str(disk))


def remove_stale_disks() -> None:
    """Removes the disks of runs that were killed before they could clean up."""
    for line in Path("/proc/mounts").read_text().splitlines():
        found = re.search(rf" (\S*/{FOLDER_PREFIX}(\d+)-[^/ ]*)/disk ", line)
        if found and not Path(f"/proc/{found[2]}").exists():
            run("umount", "--lazy", f"{found[1]}/disk")
            shutil.rmtree(found[1], ignore_errors=True)


def settings_of(kind: Kind, proxy: Proxy | None, disk: Path) -> Settings:
    database: dict[str, object] = dict(QUICK)
    if proxy:
        database["redis_unix_socket"] = proxy.path
    state = {"file": disk / "state.json", "save_interval_secs": STATE_SAVED_EVERY_SECS}
    return {"database": database, "state": state, **(SMALL_BUFFER if kind.small_buffer else {})}


@contextmanager
def rig(kind: Kind) -> Iterator[Rig]:
    """A rig whose daemon runs, with STATE_DB equal to the kernel."""
    with ExitStack() as cleanup:
        server = RedisServer(*(() if kind.audited else ("--appendonly", "yes")))
        cleanup.callback(server.close)
        server.start()
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix=f"{FOLDER_PREFIX}{os.getpid()}-")))
        disk = cleanup.enter_context(small_disk(folder))
        made = Rig(kind, disk, SharedFile(folder / "mallocs", MALLOCS_BYTES), SharedFile(folder / "clock", CLOCK_BYTES))
        made.proxy = cleanup.enter_context(Proxy(server.unix_socket)) if kind.proxied else None
        made.switch = Switch(
            port_names(kind.ports),
            switch_type="dpu" if kind.dpu else None,
            reconcile_secs=1 if kind.audited else NO_RECONCILE,
            settings=settings_of(kind, made.proxy, disk),
            environment=preload(folder),
            server=server,
        )
        cleanup.callback(made.switch.close)
        made.switch.build()
        crowd(made)
        state_db = open_database(made.switch.database_config, "STATE_DB")
        made.managers = Managers(state_db, made.switch.netns, BRIDGE, [made.member])
        cleanup.enter_context(made.managers)
        made.load_config()
        made.switch.orch.start()
        made.start_daemon()
        made.switch.wait_init_done()
        made.switch.wait_equal(ports=kind.ports)
        yield made


def preload(folder: Path) -> dict[str, str]:
    """The environment that makes the daemon load the libraries."""
    names = ("clock", "mallocs") if powers().refuse_memory else ("clock",)
    return {
        "LD_PRELOAD": " ".join(str(HOOKS / f"{name}.so") for name in names),
        "MALLOCS_FILE": str(folder / "mallocs"),
        "CLOCK_FILE": str(folder / "clock"),
        "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "detect_leaks=1:exitcode=99") + ":verify_asan_link_order=0",
    }


def crowd(made: Rig) -> None:
    netns = made.switch.netns
    netns.add_bridge(BRIDGE)
    netns.batch(f"link add name a{i} type veth peer name b{i}" for i in range(made.kind.crowd // 2))

