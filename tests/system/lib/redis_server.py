# SPDX-License-Identifier: Apache-2.0
"""A private redis-server on a Unix socket in a folder of its own, with the daemon's user of deploy/redis."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import redis

from lib import redis_acl
from lib.databases import Instance
from lib.proc import is_stopped
from lib.wait import wait_for

START_TIMEOUT_SECS = 30.0
# Another that speaks the same, say valkey-server.
PROGRAM = os.environ.get("PORTSYNCD_TEST_REDIS_SERVER", "redis-server")


def free_tcp_port() -> int:
    """A port below the range that the kernel gives to clients, so that no client takes it before the server does, or
    during its restart."""
    lowest_of_clients = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", random.randrange(11000, lowest_of_clients)))
            return int(probe.getsockname()[1])


class RedisServer:
    """Keeps nothing on disk, so a restart is empty. password is for the default user; netns: its TCP port is in that
    network namespace, its Unix socket is everywhere; user: who it runs as, and who owns its folder and its socket."""

    def __init__(
        self,
        *extra: str,
        tcp: bool = False,
        password: str | None = None,
        notify_keyspace_events: str = "AKE",
        netns: str | None = None,
        user: tuple[int, int] | None = None,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="portsyncd-redis-"))
        if user:
            os.chown(self.folder, *user)
        self.unix_socket = str(self.folder / "redis.sock")
        self.port = free_tcp_port() if tcp else 0
        self.password = password
        self._extra = list(extra)
        self._notify = notify_keyspace_events
        self._netns = netns
        self.user = user
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log_path(self) -> Path:
        return self.folder / "redis.log"

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def instance(self) -> Instance:
        """How database_config.json names this server: by TCP if it listens here, else by its Unix socket."""
        if self.port and not self._netns:
            return Instance(port=self.port)
        return Instance(unix_socket=self.unix_socket)

    def client(self, number: int = 0, decode: bool = True) -> redis.Redis:
        return redis.Redis(
            unix_socket_path=self.unix_socket, db=number, password=self.password, decode_responses=decode
        )

    def start(self) -> None:
        assert self._process is None, "redis-server runs already"
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(self._command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_for(self._answers, START_TIMEOUT_SECS, lambda: f"redis-server answers: {self.log_path.read_text()}")

    def kill(self) -> None:
        """SIGKILL; harmless when it is dead already."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def denials(self, user: str) -> list[str]:
        """The commands, keys and channels that this user was denied, by ACL LOG."""
        with self.client() as client:
            return [f"{e['reason']}: {e['object']} ({e['context']})" for e in client.acl_log() if e["username"] == user]

    def restart_empty(self) -> None:
        self.kill()
        self.start()

    def pause(self) -> None:
        self._running().send_signal(signal.SIGSTOP)
        wait_for(lambda: self.paused, what="redis-server is stopped")

    def resume(self) -> None:
        self._running().send_signal(signal.SIGCONT)

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def nature(self) -> tuple[object, ...]:
        """What a test may change that is no data: the process, the settings, the users, and the folder's files."""
        with self.client() as client:
            known = client.pipeline(transaction=False).config_get("*").acl_list().execute()
        files = [self.folder, *self.folder.iterdir()]
        return self.pid, *known, {str(it): (it.stat().st_mode, it.stat().st_uid, it.stat().st_gid) for it in files}

    def forget(self) -> None:
        """Drops all clients, data, scripts, figures and complaints."""
        with self.client() as client:
            pipe = client.pipeline(transaction=False)
            for words in ("CLIENT KILL SKIPME yes", "FLUSHALL", "SCRIPT FLUSH", "ACL LOG RESET", "CONFIG RESETSTAT"):
                pipe.execute_command(*words.split())
            pipe.execute()

    @property
    def paused(self) -> bool:
        return is_stopped(self.pid)

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "redis-server does not run"
        return self._process

    def _command(self) -> list[str]:
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "unixsocket": self.unix_socket,
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "save": "",
            "appendonly": "no",
            "notify-keyspace-events": self._notify,
        }
        users = self.folder / "users.acl"
        users.write_text(redis_acl.users(self.password))
        options["aclfile"] = str(users)
        command = ["ip", "netns", "exec", self._netns] if self._netns else []
        if self.user:
            command += ["setpriv", f"--reuid={self.user[0]}", f"--regid={self.user[1]}", "--clear-groups"]
        command += [PROGRAM]
        for name, value in options.items():
            command += [f"--{name}", value]
        return command + self._extra

    def _answers(self) -> bool:
        assert self._running().poll() is None, f"redis-server ended: {self.log_path.read_text()}"
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


class Servers:
    """Servers without options that tests have one after the other, since a start costs more than most of what a test
    does with one. What a test has changed for good is not lent again."""

    def __init__(self) -> None:
        self._natures: dict[RedisServer, tuple[object, ...]] = {}
        self._free: list[RedisServer] = []

    def lend(self) -> RedisServer:
        if self._free:
            return self._free.pop()
        server = RedisServer()
        server.start()
        self._natures[server] = server.nature
        return server

    def take_back(self, server: RedisServer) -> None:
        if self._as_lent(server):
            self._free.append(server)
        else:
            del self._natures[server]
            server.close()

    def close(self) -> None:
        for server in self._natures:
            server.close()

    def _as_lent(self, server: RedisServer) -> bool:
        try:
            if not server.alive or server.paused or server.nature != self._natures[server]:
                return False
            server.forget()
        except (OSError, redis.RedisError):
            return False
        return True
