# SPDX-License-Identifier: Apache-2.0
"""What the steps of a plan do. Any step may come in any state: a fault that cannot happen now, such as the end of a
dead daemon, is left out."""

import contextlib
import signal
import socket
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from plan import Step
from rig import BRIDGE, Rig

from lib.orch import TABLE
from lib.proxy import Refusal, command
from lib.storm import mixed_changes, mtu_changes
from lib.wait import comes, wait_for

OVERRUN_CHANGES = 600  # a small buffer holds a tenth of them; a large one holds all, and the daemon reads them late
CHURN_GROUP = 9
CHURN_PAIRS = 40
TIMEOUTS_SECS = 3.0  # a command's limit, 1 s, and some more
SAVE_SECS = 1.5  # the state is saved a second after a change
ENABLE = "WARM_RESTART_ENABLE_TABLE|system"
SCRAPED = ("/metrics", "/healthz", "/ports", "/nothing")


class Actions:
    """The actions of one sequence. They may have removed other writers' fields from the rows of the ports `touched`,
    and other writers' rows from the databases `flushed`."""

    def __init__(self, rig: Rig) -> None:
        self.deleted: set[str] = set()  # ports whose link was deleted, even if another one came
        self.touched: set[str] = set()
        self.flushed: set[str] = set()
        self.misused: set[str] = set()  # ports whose key in STATE_DB is not a hash any more, so nobody's row
        self.restarted = self.disk_was_full = False
        self._rig = rig
        self._switch = rig.switch
        self._held: set[str] = set()  # why the daemon is stopped
        self._clients: list[socket.socket] = []
        self._refusals: list[Refusal] = []
        self._churn: threading.Thread | None = None
        self._churned = threading.Event()

    def carry_out(self, step: Step) -> None:
        getattr(self, step.action)(*step.words)

    def close(self) -> None:
        """Ends what runs, also after a failed step."""
        self.end_churn()
        self.close_clients()
        self._held.clear()
        self._release("everything")
        self.grant_memory()
        self.free_disk()
        self.heal_connections()
        self.accept_writes()

    # --- Redis ---

    def kill_redis(self) -> None:
        self._switch.redis.kill()

    def start_redis(self) -> None:
        """A cold start that found CONFIG_DB still empty would take this for a switch without ports, as in SONiC."""
        with self._still():
            self._switch.redis.start()
            if self._rig.kind.audited:
                self.flushed |= {"STATE_DB", "APPL_DB", "CONFIG_DB"}
                self._rig.load_config()

    @contextlib.contextmanager
    def _still(self) -> Iterator[None]:
        """Stops the daemon meanwhile; if another step has stopped it, it stays stopped."""
        daemon = self._switch.daemon
        moves = daemon.alive and Path(f"/proc/{daemon.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T"
        if moves:
            daemon.pause()
        yield
        if moves:
            daemon.resume()

    def stop_redis(self) -> None:
        self._switch.redis.pause()

    def continue_redis(self) -> None:
        self._switch.redis.resume()

    def wait_for_timeouts(self) -> None:
        """Waits until the daemon has dropped a connection, if it has a request for Redis at all."""
        comes(lambda: "no answer within" in self._rig.log_from(self._rig.started_at), TIMEOUTS_SECS)

    def flush(self, what: str) -> None:
        for name in ("STATE_DB", "APPL_DB", "CONFIG_DB"):
            if what in (name, "all"):
                getattr(self._switch, name.lower()).client.flushdb()
                self.flushed.add(name)
        if what == "all":
            self._rig.load_config()

    def reset_connections(self) -> None:
        self._switch.state_db.client.client_kill_filter(_type="normal", skipme=True)
        self._switch.state_db.client.client_kill_filter(_type="pubsub", skipme=True)

    def know(self, name: str) -> None:
        self._rig.known.add(name)
        self._switch.appl_db.client.hset(f"{TABLE}:{name}", mapping={"admin_status": "up"})

    def drift(self, name: str, what: str) -> None:
        client, key = self._switch.state_db.client, f"{TABLE}|{name}"
        if what == "field" and client.type(key) == "hash":
            client.hdel(key, "mtu")
        elif what == "value" and client.type(key) == "hash":
            client.hset(key, "netdev_oper_status", "odd")
        elif what in ("delete", "type"):
            self.touched.add(name)
            client.delete(key)
            if what == "type":
                self.misused.add(name)
                client.set(key, "no hash")

    # --- between the daemon and Redis ---

    def delay_replies(self, secs: float) -> None:
        if self._rig.proxy:
            self._rig.proxy.delay = secs

    def cut_to_pieces(self, size: int) -> None:
        if self._rig.proxy:
            self._rig.proxy.piece = size

    def cut_after(self, size: int, direction: str) -> None:
        if self._rig.proxy:
            self._rig.proxy.cut_after(size, direction)

    def heal_connections(self) -> None:
        if self._rig.proxy:
            self._rig.proxy.heal()

    def drop_connections(self) -> None:
        if self._rig.proxy:
            self._rig.proxy.drop_all()

    def refuse_writes(self, reply: str) -> None:
        if self._rig.proxy:
            self._refusals.append(self._rig.proxy.refuse(command("HSET"), reply))

    def accept_writes(self) -> None:
        for refusal in self._refusals:
            refusal.lift()

    # --- the daemon ---

    def kill_daemon(self, how: str) -> None:
        self._enable_warm(how)
        self._held.clear()
        self._switch.daemon.kill()

    def end_daemon(self, how: str) -> None:
        self._enable_warm(how)
        self._held.clear()
        self._release("everything")
        if self._has_begun():
            self._switch.daemon.stop(signal.SIGTERM)

    def start_daemon(self) -> None:
        if not self._switch.daemon.alive:
            self.restarted = True
            self._rig.start_daemon()

    def stop_daemon(self) -> None:
        self._hold("window")

    def continue_daemon(self) -> None:
        self._release("window")

    def hang_up(self) -> None:
        if self._has_begun():
            self._switch.daemon.send(signal.SIGHUP)

    def limit_descriptors(self, spare: int) -> None:
        if self._has_begun():
            self._rig.limit_descriptors(spare)

    def free_descriptors(self) -> None:
        if self._switch.daemon.alive:
            self._rig.free_descriptors()

    def refuse_memory(self, one_in: int) -> None:
        if self._has_begun():
            self._rig.refuse_memory(one_in)

    def grant_memory(self) -> None:
        self._rig.refuse_memory(0)

    def fill_disk(self) -> None:
        self.disk_was_full = True
        self._rig.fill_disk()

    def free_disk(self) -> None:
        self._rig.free_disk()

    def wait_for_a_save(self) -> None:
        """Waits until a save failed, if one is attempted."""
        comes(lambda: "counters are not saved" in self._rig.log_from(self._rig.started_at), SAVE_SECS)

    def jump_clock(self, secs: int) -> None:
        self._rig.move_clock(secs)

    def scrape(self) -> None:
        """Ignores the answer; the daemon's own figures reveal a hung page at the end."""
        for path in SCRAPED:
            with contextlib.suppress(OSError), self._client() as client:
                client.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
                if not self._held:
                    client.recv(1 << 16)

    def open_clients(self, count: int) -> None:
        """Opens clients that send no request, or half of one."""
        for i in range(count):
            with contextlib.suppress(OSError):
                client = self._client()
                self._clients.append(client)
                client.sendall((b"", b"GET /metr", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")[i % 3])

    def close_clients(self) -> None:
        for client in self._clients:
            client.close()
        self._clients.clear()

    # --- the kernel ---

    def storm(self, what: str, changes: int, *ports: str) -> None:
        make = mtu_changes if what == "mtu" else mixed_changes
        self._batch(make(ports, changes))

    def overrun(self, victim: str) -> None:
        self._hold("overrun")
        self._batch(mtu_changes([victim], OVERRUN_CHANGES))

    def end_overrun(self) -> None:
        self._release("overrun")

    def begin_churn(self) -> None:
        """Each turn changes the kernel's list of links, which a dump walks."""
        self._churned.clear()
        self._churn = threading.Thread(target=self._run_churn, daemon=True)
        self._churn.start()

    def end_churn(self) -> None:
        if self._churn:
            self._churned.set()
            self._churn.join()
            self._churn = None

    def delete(self, name: str) -> None:
        self.deleted.add(name)
        self._switch.netns.delete_port(name)

    def make(self, name: str, mtu: int, admin: str) -> None:
        self._switch.netns.add_port(name, mtu, admin)

    def rename(self, old: str, new: str) -> None:
        self.touched |= {old, new}
        self._switch.netns.rename_port(old, new)

    def swap(self, one: str, other: str) -> None:
        for old, new in ((one, "aside"), (other, one), ("aside", other)):
            self.rename(old, new)

    def bounce(self, name: str, mtu: int) -> None:
        self.delete(name)
        self.make(name, mtu, "up")

    def set_carrier(self, name: str, state: str) -> None:
        self._switch.netns.set_carrier(name, state)

    def set_admin(self, name: str, state: str) -> None:
        self._switch.netns.set_admin(name, state)

    def set_mtu(self, name: str, mtu: int) -> None:
        self._switch.netns.set_mtu(name, mtu)

    def round_trip(self, name: str, what: str) -> None:
        words = {"admin": ("down", "up"), "mtu": ("mtu 1300", "mtu 1301", "mtu 1300"), "master": (f"master {BRIDGE}", "nomaster")}
        self._batch(f"link set dev {name} {word}" for word in words[what])

    def join_bridge(self, name: str) -> None:
        self._switch.netns.set_master(name, BRIDGE)

    def leave_bridge(self, name: str) -> None:
        self._switch.netns.set_master(name, None)

    # --- helpers ---

    def _batch(self, lines: Iterable[str]) -> None:
        self._switch.netns.batch(lines)

    def _hold(self, why: str) -> None:
        if self._switch.daemon.alive:
            self._held.add(why)
            self._switch.daemon.pause()

    def _release(self, why: str) -> None:
        self._held.discard(why)
        if not self._held and self._switch.daemon.alive:
            self._switch.daemon.resume()

    def _has_begun(self) -> bool:
        """A denial may end a daemon that is starting, as any signal does; later it must not. A stopped daemon counts as
        starting, since we cannot tell."""
        if not self._switch.daemon.alive or self._held:
            return False
        wait_for(lambda: "follows the kernel's links" in self._rig.log_from(self._rig.started_at), 30, "a start")
        return True

    def _enable_warm(self, how: str) -> None:
        """Only if the plan knows that Redis answers: otherwise the tables stay as they are, and no start is warm."""
        if how == "warm":
            self._switch.state_db.client.hset(ENABLE, "enable", "true")

    def _client(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(1.0)
        try:
            client.connect(str(self._switch.pages.path))
        except OSError:
            client.close()
            raise
        return client

    def _run_churn(self) -> None:
        made = [
            f"link add name x{i} group {CHURN_GROUP} type veth peer name y{i} group {CHURN_GROUP}"
            for i in range(CHURN_PAIRS)
        ]
        while not self._churned.is_set():
            self._batch([*made, f"link delete group {CHURN_GROUP}"])
