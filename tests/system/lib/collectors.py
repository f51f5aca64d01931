# SPDX-License-Identifier: Apache-2.0
"""The real collectors of log lines: systemd-journald and rsyslogd, each with files of its own, and logrotate."""

import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lib.daemon import ROOT
from lib.netns import NetNs, run
from lib.wait import wait_for

JOURNALD = "/usr/lib/systemd/systemd-journald"
DEPLOY = ROOT / "deploy"

Record = dict[str, Any]


def in_own_mounts(mounts: Mapping[Path, str]) -> list[str]:
    """Prefix for a command that should see these folders at those places. /dev/shm stays visible."""
    script = ""
    for folder, there in mounts.items():
        here = shlex.quote(str(folder))
        if there == "/dev":
            script += f"mkdir -p {here}/shm && mount --rbind /dev/shm {here}/shm && "
        script += f"mount --rbind {here} {there} && "
    return ["unshare", "--mount", "sh", "-c", f'{script}exec "$@"', "sh"]


class Process:
    """A collector that runs until close(); its output goes to a file."""

    def __init__(self, command: list[str], output: Path) -> None:
        self.output = output
        with output.open("wb") as file:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def before_journal_in(folder: Path) -> list[str]:
    """Prefix for a command that should log to the journald of this folder, which need not run yet."""
    return in_own_mounts({folder / "run": "/run/systemd"})


class Journald:
    """systemd-journald as deploy/journald sets it up, on a /run/systemd and a /var/log of its own."""

    def __init__(self, folder: Path) -> None:
        self._run, self._log, self._etc, self._root = (folder / name for name in ("run", "log", "etc", "root"))
        for made in (self._run / "journal", self._log / "journal", self._etc / "journald.conf.d"):
            made.mkdir(parents=True, exist_ok=True)
        # Otherwise it waits until systemd reports that /var/log exists.
        (self._run / "journal" / "flushed").touch()
        drop_in = DEPLOY / "journald" / "50-portsyncd.conf"
        (self._etc / "journald.conf.d" / drop_in.name).write_text(drop_in.read_text())
        Path("/run/systemd").mkdir(exist_ok=True)
        mounts = {self._run: "/run/systemd", self._log: "/var/log", self._etc: "/etc/systemd"}
        self._process = Process([*in_own_mounts(mounts), JOURNALD], folder / "journald.out")
        try:
            wait_for((self._run / "journal" / "socket").exists, what="journald's socket")
            wait_for(lambda: list(self._log.glob("journal/*/system.journal")), what="a journal")
        except AssertionError:
            self.close()
            raise

    def close(self) -> None:
        self._process.close()

    def kill(self) -> None:
        """Kills it; the path of its socket stays."""
        os.kill(self._process.pid, signal.SIGKILL)
        wait_for(lambda: not self._process.alive, what="journald's end")

    @contextlib.contextmanager
    def hung(self) -> Iterator[None]:
        """Makes it read nothing, with its queue full."""
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    while True:
                        sender.sendto(b"MESSAGE=filler\n", str(self._run / "journal" / "socket"))
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)

    @property
    def before(self) -> list[str]:
        """Prefix for the command of a daemon that should log here."""
        return before_journal_in(self._run.parent)

    def journalctl(self, *arguments: str) -> str:
        return run("journalctl", "--directory", str(self._log / "journal"), "--quiet", *arguments)

    def records(self, *matches: str) -> list[Record]:
        return [json.loads(line) for line in self.journalctl("--output=json", *matches).splitlines()]

    def explained(self, *matches: str) -> str:
        """The output of journalctl -x, with only our catalogue."""
        catalogue = self._root / "usr" / "lib" / "systemd" / "catalog"
        database = self._root / "var" / "lib" / "systemd" / "catalog"
        for made in (catalogue, database):
            made.mkdir(parents=True, exist_ok=True)
        (catalogue / "portsyncd.catalog").write_text((DEPLOY / "portsyncd.catalog").read_text())
        run("journalctl", f"--root={self._root}", "--update-catalog")
        Path("/var/lib/systemd/catalog").mkdir(parents=True, exist_ok=True)
        before = in_own_mounts({database: "/var/lib/systemd/catalog"})
        return run(*before, "journalctl", "--directory", str(self._log / "journal"), "-x", "--no-pager", *matches)


def stock_rsyslog(folder: Path, drop_in: str) -> str:
    """Debian's /etc/rsyslog.conf with only this drop-in; written into the folder."""
    (folder / "rsyslog.d").mkdir()
    (folder / "rsyslog.d" / "50-portsyncd.conf").write_text(drop_in)
    stock = Path("/etc/rsyslog.conf").read_text()
    assert "\n$IncludeConfig /etc/rsyslog.d/*.conf\n" in stock
    return stock.replace("/etc/rsyslog.d/", f"{folder}/rsyslog.d/")


class Rsyslogd:
    """rsyslogd as Debian and deploy/rsyslog set it up, with its files in the folder, in the daemon's network namespace."""

    def __init__(self, folder: Path, netns: NetNs) -> None:
        self._folder = folder
        deployed = (DEPLOY / "rsyslog" / "50-portsyncd.conf").read_text()
        for place in ("/run/portsyncd-rsyslog", "/var/log/portsyncd-rsyslog"):
            assert place in deployed
            deployed = deployed.replace(place, str(folder))
        # It must not take the machine's own messages.
        stock = stock_rsyslog(folder, deployed).partition("#### RULES ####")[0]
        stock = re.sub(r"^module\(load=\"imklog\"\)", "#", stock, flags=re.MULTILINE)
        stock = stock.replace('module(load="imuxsock")', 'module(load="imuxsock" SysSock.Use="off")')
        self.config = folder / "rsyslog.conf"
        self.config.write_text(stock.replace("/var/spool/rsyslog", str(folder)))
        netns.batch(["link set lo up"])
        command = ["rsyslogd", "-n", "-f", str(self.config), "-i", str(folder / "rsyslogd.pid")]
        self._process = Process(["nsenter", f"--net=/run/netns/{netns.name}", *command], folder / "rsyslogd.out")
        try:
            wait_for(self.socket.exists, what="rsyslogd's socket")
            wait_for(lambda: ":6514" in netns.exec("ss", "-Hltn"), what="rsyslogd's port")
        except AssertionError:
            self.close()
            raise

    def close(self) -> None:
        self._process.close()

    @property
    def socket(self) -> Path:
        return self._folder / "syslog.sock"

    @property
    def audit_file(self) -> Path:
        return self._folder / "audit.json"

    def lines(self) -> list[Record]:
        return self._read(self._folder / "portsyncd.json")

    def audit(self) -> list[Record]:
        return self._read(self.audit_file)

    @staticmethod
    def _read(path: Path) -> list[Record]:
        """The records, each with "fields": those of our structured data element."""
        text = path.read_text() if path.exists() else ""
        found: list[Record] = [json.loads(line) for line in text.splitlines() if line.endswith("}")]
        return [one | {"fields": one["data"]["portsyncd@32473"]} for one in found]


SONIC_RSYSLOG = """
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{folder}/dev/log" CreatePath="on")
template(name="sonic" type="string"
         string="%TIMESTAMP% %HOSTNAME% %syslogseverity-text:::uppercase% swss#%syslogtag%%msg:::sp-if-no-1st-sp%%msg%\\n")
action(type="omfile" file="{folder}/syslog" template="sonic")
"""


@contextlib.contextmanager
def sonics_syslog(folder: Path) -> Iterator[Path]:
    """rsyslogd as the swss container has it: with its name in front of the tag. Yields the file that it writes; the
    daemon's /dev must be the folder's."""
    folder.mkdir()
    config = folder / "rsyslog.conf"
    config.write_text(SONIC_RSYSLOG.format(folder=folder))
    command = ["rsyslogd", "-n", "-f", str(config), "-i", str(folder / "rsyslogd.pid")]
    process = Process(command, folder / "rsyslogd.out")
    try:
        wait_for((folder / "dev" / "log").exists, what="rsyslogd's socket")
        yield folder / "syslog"
    finally:
        process.close()


@contextlib.contextmanager
def journald(folder: Path) -> Iterator[Journald]:
    collector = Journald(folder)
    try:
        yield collector
    finally:
        collector.close()


@contextlib.contextmanager
def rsyslogd(folder: Path, netns: NetNs) -> Iterator[Rsyslogd]:
    collector = Rsyslogd(folder, netns)
    try:
        yield collector
    finally:
        collector.close()


RFC5424 = re.compile(
    r"<(?P<priority>\d+)>1 (?P<time>\S+) (?P<host>\S+) portsyncd (?P<pid>\d+) (?P<kind>\S+) "
    r"\[portsyncd@32473(?P<data>(?: [a-z_]+=\"(?:[^\"\\\]]|\\[\"\\\]])*\")*)\] (?P<text>.*)"
)


def parse_rfc5424(line: str) -> Record:
    """Its parts, and its fields by their names in the journal."""
    match = RFC5424.fullmatch(line)
    assert match, line
    data = re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', match["data"])
    fields = {name.upper(): re.sub(r"\\(.)", r"\1", value) for name, value in data}
    return {**match.groupdict(), **fields}


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")


def with_user(folder: Path, user: int, group: int) -> list[str]:
    """Prefix for a command for which the user portsyncd is this one. Two files are written into the folder."""
    users, groups = folder / "passwd", folder / "group"
    users.write_text(f"root:x:0:0::/:/bin/sh\nportsyncd:x:{user}:{group}::/:/bin/sh\n")
    groups.write_text(f"root:x:0:\nportsyncd:x:{group}:\n")
    return in_own_mounts({users: "/etc/passwd", groups: "/etc/group"})


def rotate(config: Path, *options: str, user: int, group: int) -> str:
    """logrotate's output. It reads no configuration that others may write."""
    config.chmod(0o600)
    done = subprocess.run(
        [*with_user(config.parent, user, group), "/usr/sbin/logrotate", *options, str(config)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "error" not in done.stderr, done.stderr
    return done.stderr
