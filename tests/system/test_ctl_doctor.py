# SPDX-License-Identifier: Apache-2.0
"""portsyncctl doctor: the real fault produces each WARN and FAIL: owners, modes, users, capabilities, limits."""

import ctypes
import json
import os
import pwd
import re
import shutil
import signal
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import SwitchFactory
from lib import ctl
from lib.daemon import ROOT
from lib.freeze import frozen_thread
from lib.netns import NetNs
from lib.redis_server import RedisServer
from lib.switch import Switch
from lib.wait import wait_for

NOBODY = 65534
REDIS = (pwd.getpwnam("redis").pw_uid, pwd.getpwnam("redis").pw_gid)
LANDLOCK_CREATE_RULESET, PRCTL = 444, 157  # of x86-64
ENOSYS, EINVAL = 38, 22

Servers = Callable[..., RedisServer]


class Report:
    def __init__(self, done: ctl.Done) -> None:
        assert not done.err, done.err
        self.document = done.json
        self.code = done.code

    def level(self, level: str) -> list[tuple[str, str, str]]:
        """Check, text and remedy of all findings of this level."""
        found = [check for check in self.document["checks"] if check["level"] == level]
        return [(check["check"], check["text"], check.get("remedy", "")) for check in found]

    def assert_has(self, level: str, check: str, *words: str) -> None:
        """One finding has all these words in its text or remedy."""
        found = [f"{text} / {remedy}" for name, text, remedy in self.level(level) if name == check]
        assert any(all(word in text for word in words) for text in found), (words, self.document["checks"])
        assert level == "ok" or all(remedy for _, _, remedy in self.level(level))
        assert self.code == (ctl.NEGATIVE if self.level("FAIL") else ctl.GOOD)
        worst = next(name for name in ("FAIL", "WARN", "ok") if self.level(name))
        assert self.document["verdict"] == worst


def doctor(sw: Switch, *words: str, before: tuple[str, ...] = ()) -> Report:
    return Report(ctl.run(sw, "doctor", "--json", *words, before=before))


@pytest.fixture
def built(switch: SwitchFactory) -> Callable[..., Switch]:
    """A switch whose daemon does not run, and whose folder others may pass through."""

    def build(**options: object) -> Switch:
        made = switch.build(**{"ports": 2, "links": "before", "least_rights": False, **options})
        made.folder.chmod(0o755)
        return made

    return build


# --- the daemon ---


def test_all_is_well(switch: SwitchFactory) -> None:
    sw = switch(ports=2)
    report = doctor(sw)
    assert (report.code, report.level("FAIL"), report.level("WARN")) == (ctl.GOOD, [], [])
    assert report.document["pid"] == sw.daemon.pid
    report.assert_has("ok", "daemon", f"process {sw.daemon.pid}", "answers")
    report.assert_has("ok", "redis", sw.redis.unix_socket, "mode 0700", "open to user root")
    report.assert_has("ok", "ports", "2 ports")
    text = ctl.run(sw, "doctor")
    assert text.code == ctl.GOOD and text.out.startswith("all is well (0 FAIL, 0 WARN, ")
    assert '\nhttp.listen = ""  (' in text.out


def test_a_daemon_that_does_not_run(built: Callable[..., Switch]) -> None:
    report = doctor(built())
    assert report.document["pid"] is None and not report.level("FAIL")
    report.assert_has("WARN", "daemon", "does not run", "supervisorctl start portsyncd")


def test_a_daemon_that_is_stopped_or_hangs(switch: SwitchFactory) -> None:
    sw = switch(ports=2, settings={"health": {"max_stall_secs": 1}})
    sw.daemon.send(signal.SIGSTOP)
    wait_for(lambda: "(stopped)" in Path(f"/proc/{sw.daemon.pid}/status").read_text(), what="it is stopped")
    doctor(sw).assert_has("FAIL", "daemon", f"process {sw.daemon.pid} was stopped", f"kill -CONT {sw.daemon.pid}")
    sw.daemon.send(signal.SIGCONT)
    with frozen_thread(sw.daemon.pid):
        wait_for(lambda: sw.pages.get("/livez").status == 503, what="its loop hangs")
        doctor(sw).assert_has("FAIL", "daemon", "its loop has stopped turning; process", "restart")
    wait_for(lambda: sw.pages.get("/livez").status == 200, what="its loop turns")
    wait_for(lambda: not doctor(sw).level("FAIL"), what=lambda: f"nothing is wrong: {doctor(sw).document['checks']}")


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Callable[[NetNs], int]]:
    """Starts a process called portsyncd in this network namespace, with the library of SONiC's own daemon loaded."""
    started: list[subprocess.Popen[bytes]] = []
    program, library = tmp_path / "portsyncd", tmp_path / "libswsscommon.so.0"

    def start(netns: NetNs) -> int:
        shutil.copy("/usr/bin/sleep", program)
        shutil.copy(next(Path("/usr/lib").glob("*/libz.so.1")).resolve(), library)
        command = ["nsenter", f"--net=/run/netns/{netns.name}", "env", f"LD_PRELOAD={library}", program, "3600"]
        started.append(subprocess.Popen(command))
        pid = started[-1].pid
        wait_for(lambda: Path(f"/proc/{pid}/comm").read_text() == "portsyncd\n", what="it runs")
        wait_for(lambda: str(library) in Path(f"/proc/{pid}/maps").read_text(), what="it has its library")
        return pid

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_beside_another_daemon(switch: SwitchFactory, upstream: Callable[[NetNs], int]) -> None:
    sw = switch(ports=2)
    pid = upstream(sw.netns)
    doctor(sw).assert_has("FAIL", "another", f"process {pid} is SONiC's own portsyncd", f"process {sw.daemon.pid}")
    sw.daemon.stop()
    report = doctor(sw)
    report.assert_has("WARN", "daemon", f"process {pid} is SONiC's own portsyncd", "docs/deployment.md")
    assert report.document["pid"] == pid and not report.level("FAIL")


def test_the_daemons_own_options_count(switch: SwitchFactory) -> None:
    """doctor reads the command line and environment of the daemon, not its own."""
    sw = switch(ports=2, environment={"PORTSYNCD_RETIRE_OLD_LINKS": "never"})
    with ctl.curious(sw):
        report = Report(ctl.command("doctor", "--json", "--socket", str(sw.pages.path)))
    assert (report.code, report.document["pid"]) == (ctl.GOOD, sw.daemon.pid)
    told = {f"{key['section']}.{key['name']}": key for key in report.document["configuration"]["keys"]}
    assert told["log.level"]["origin"] == "command line"
    assert told["database.database_config"]["value"] == str(sw.database_config)
    assert told["sonic.retire_old_links"]["origin"] == "environment"
    assert report.document["configuration"]["command_line"]["netns"] == sw.netns.name
    assert report.document["configuration"]["file"] == str(sw.config_file)


# --- configuration ---


def test_faults_of_the_configuration(built: Callable[..., Switch]) -> None:
    sw = built()
    sw.config_file.write_text("[log]\nlevel = loud\n[http]\nlisten = 192.0.2.1:1\n" + sw.config_file.read_text())
    report = doctor(sw)
    report.assert_has("FAIL", "configuration", f"{sw.config_file}:2: log.level", "allowed: emerg")
    assert ctl.run(sw, "doctor").code == ctl.NEGATIVE
    sw.config_file.unlink()
    doctor(sw).assert_has("FAIL", "configuration", str(sw.config_file), "No such file")


def test_a_configuration_that_anybody_may_change(built: Callable[..., Switch]) -> None:
    sw = built()
    sw.config_file.chmod(0o646)
    doctor(sw).assert_has("WARN", "configuration", str(sw.config_file), "chmod o-w")


def test_files_that_the_daemons_user_may_not_read(built: Callable[..., Switch]) -> None:
    """First only root may read the password, then only root may read the configuration."""
    sw = built()
    password = sw.folder / "password"
    password.write_text("secret\n")
    password.chmod(0o600)
    text = sw.config_file.read_text()
    sw.config_file.write_text(text.replace("[database]\n", f"[database]\nredis_password_file = {password}\n"))
    doctor(sw, "--user", "nobody").assert_has("FAIL", "configuration", str(password), "Permission denied", "readable")
    os.chown(password, NOBODY, NOBODY)
    found = doctor(sw, "--user", "nobody").level("FAIL")
    assert not any(check == "configuration" for check, _, _ in found), found
    password.chmod(0o644)
    doctor(sw).assert_has("FAIL", "configuration", str(password), "others", "chmod 0600")
    sw.config_file.chmod(0o600)
    doctor(sw, "--user", "nobody").assert_has("FAIL", "configuration", str(sw.config_file), "Permission denied")


UNIT = """
set -e
mount -t tmpfs none /run/systemd
mkdir /run/systemd/system /run/systemd/etc /run/systemd/work
mount -t overlay -o lowerdir=/etc,upperdir=/run/systemd/etc,workdir=/run/systemd/work none /etc
mkdir -p /etc/systemd/system /etc/sonic/portsyncd/redis
cat "$UNIT_FILE" >/etc/systemd/system/portsyncd.service
echo portsyncd:x:64999:64999::/:/bin/false >>/etc/passwd
(umask 077 && echo secret >/etc/sonic/portsyncd/redis/password)
exec "$@"
"""


def test_the_user_of_the_unit(built: Callable[..., Switch], redis_server: Servers) -> None:
    """Where systemd would start it, the unit's user counts, and the unit makes folders and sets limits."""
    server = redis_server(user=REDIS)
    Path(server.unix_socket).parent.chmod(0o755)
    sw = built(server=server)
    before = ("env", f"UNIT_FILE={ROOT}/deploy/systemd/portsyncd.service", "unshare", "--mount", "sh", "-c", UNIT, "sh")
    report = doctor(sw, before=before)
    assert report.document["user"] == "portsyncd"
    told = {f"{key['section']}.{key['name']}": key for key in report.document["configuration"]["keys"]}
    assert (told["recorder.folder"]["value"], told["recorder.folder"]["origin"]) == ("/var/log/portsyncd", "environment")
    report.assert_has("ok", "recorder", "/var/log/portsyncd can be written")
    report.assert_has("FAIL", "redis", "user portsyncd does not get in", "mode 0700", "unixsocketperm 770")
    report.assert_has("ok", "capabilities", "user portsyncd has CAP_NET_ADMIN")
    report.assert_has("ok", "state_file", "can be written")
    report.assert_has("WARN", "daemon", "systemctl start portsyncd")
    Path(server.unix_socket).chmod(0o777)
    server.client().config_set("requirepass", "secret")
    assert not doctor(sw, before=before).level("FAIL"), "it has a credential"
    doctor(sw).assert_has("FAIL", "redis", "NOAUTH")


def test_a_user_that_does_not_exist(built: Callable[..., Switch]) -> None:
    done = ctl.run(built(), "doctor", "--json", "--user", "no-such-user")
    assert (done.code, done.json["error"]["code"]) == (ctl.USAGE, ctl.USAGE)


# --- Redis ---


def test_a_socket_as_sonic_makes_it(built: Callable[..., Switch], redis_server: Servers) -> None:
    """srwx------ redis; from the host, later, its group and 0760."""
    server = redis_server(user=REDIS)
    sw = built(server=server)
    path = Path(server.unix_socket)
    doctor(sw).assert_has("ok", "redis", "of redis, redis, mode 0700", "open to user root")
    weak = ("setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override")
    doctor(sw, before=weak).assert_has("FAIL", "redis", "user root does not get in", "mode 0700", "CAP_DAC_OVERRIDE")
    doctor(sw, "--user", "nobody").assert_has(
        "FAIL", "redis", "user nobody does not get in", f"{path.parent} is of user {REDIS[0]}", "chmod o+x"
    )
    path.parent.chmod(0o755)
    report = doctor(sw, "--user", "nobody")
    report.assert_has("FAIL", "redis", "user nobody does not get in", "(redis), mode 0700", "unixsocketperm 770")
    assert not any(check == "ports" for check, _, _ in report.level("ok"))
    os.chown(path, REDIS[0], NOBODY)
    path.chmod(0o760)
    doctor(sw, "--user", "nobody").assert_has("ok", "redis", "mode 0760", "open to user nobody")
    os.chown(path, *REDIS)
    doctor(sw, "--user", "nobody").assert_has("FAIL", "redis", "mode 0760", "user nobody does not get in")


def test_redis_that_does_not_answer(built: Callable[..., Switch]) -> None:
    sw = built()
    sw.redis.pause()
    doctor(sw).assert_has("FAIL", "redis", "has not answered for", "is it stopped")
    sw.redis.resume()
    sw.redis.kill()
    doctor(sw).assert_has("FAIL", "redis", f"nothing listens at {sw.redis.unix_socket}", "start Redis")
    Path(sw.redis.unix_socket).unlink()
    doctor(sw).assert_has("FAIL", "redis", f"{sw.redis.unix_socket} does not exist", "start Redis")


def test_redis_by_tcp(built: Callable[..., Switch], redis_server: Servers) -> None:
    server = redis_server(tcp=True)
    sw = built(server=server)
    doctor(sw).assert_has("ok", "redis", f"127.0.0.1:{server.port} answers")
    server.kill()
    doctor(sw).assert_has("FAIL", "redis", f"127.0.0.1:{server.port}", "refused")
    server.start()


def test_a_password_that_redis_refuses(built: Callable[..., Switch], redis_server: Servers) -> None:
    sw = built(server=redis_server(password="right"))
    doctor(sw).assert_has("FAIL", "redis", "NOAUTH")
    password = sw.folder / "password"
    password.write_text("wrong\n")
    password.chmod(0o600)
    text = sw.config_file.read_text()
    sw.config_file.write_text(text.replace("[database]\n", f"[database]\nredis_password_file = {password}\n"))
    doctor(sw).assert_has("FAIL", "redis", "WRONGPASS")
    password.write_text("right\n")
    assert not doctor(sw).level("FAIL")


def test_redis_without_notifications(built: Callable[..., Switch], redis_server: Servers) -> None:
    sw = built(server=redis_server(notify_keyspace_events=""))
    doctor(sw).assert_has("WARN", "redis", "sends no notifications", "notify-keyspace-events AKE")
    sw.redis.client().config_set("notify-keyspace-events", "Khg")
    assert not any(check == "redis" for check, _, _ in doctor(sw).level("WARN"))


def test_databases_that_are_awaited(built: Callable[..., Switch]) -> None:
    sw = built()
    sw.database_config.unlink()
    doctor(sw).assert_has("FAIL", "databases", "the daemon waits for", str(sw.database_config), "database container")
    sw.database_config.write_text("{")
    doctor(sw).assert_has("FAIL", "databases", str(sw.database_config), "JSON")


def test_ports_without_rows_or_links(built: Callable[..., Switch]) -> None:
    sw = built(ports=5, links="none")
    sw.netns.add_port("Ethernet0")
    doctor(sw).assert_has("WARN", "links", "4 of the 5 ports have no interface", "Ethernet4, Ethernet8, Ethernet12, ...")
    for port in sw.ports:
        sw.config_db.client.delete(sw.config_db.key("PORT", port))
    doctor(sw).assert_has("WARN", "ports", "no row of PORT", "config load")


# --- HTTP ---


LISTEN_UNIX = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
print(flush=True)
sys.stdin.read()
"""
LISTEN = "import socket, sys; s = socket.create_server(('127.0.0.1', 18999)); print(flush=True); sys.stdin.read()"


def test_an_http_address_in_use(switch: SwitchFactory) -> None:
    sw = switch.build(ports=2, links="before", settings={"http": {"listen": "127.0.0.1:18999"}})
    sw.netns.batch(["link set lo up"])
    doctor(sw).assert_has("ok", "http", "127.0.0.1:18999 is free")
    command = ["nsenter", f"--net=/run/netns/{sw.netns.name}", "python3", "-c", LISTEN]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout and other.stdout.readline()
        doctor(sw).assert_has("WARN", "http", "127.0.0.1:18999 is in use by python3", f"process {other.pid}", "http.listen")
        assert other.stdin
        other.stdin.close()
    sw.start(wait=False)
    sw.pages_when_served()
    doctor(sw).assert_has("ok", "http", "127.0.0.1:18999 is the daemon's")
    # As root in a container, which may not inspect the daemon.
    weak = ("setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace")
    report = doctor(sw, before=weak)
    report.assert_has("ok", "http", "127.0.0.1:18999 is the daemon's")
    assert "http" not in [check for check, _, _ in report.level("WARN")]
    sw.config_file.write_text(sw.config_file.read_text().replace("18999", "18998"))
    doctor(sw).assert_has("WARN", "http", "the daemon does not listen on 127.0.0.1:18998")


def test_a_socket_of_another_program(built: Callable[..., Switch]) -> None:
    sw = built()
    with subprocess.Popen(["python3", "-c", LISTEN_UNIX, sw.pages.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout and other.stdout.readline() and other.stdin
        report = doctor(sw)
        other.stdin.close()
    assert report.document["pid"] is None
    report.assert_has("WARN", "http", f"{sw.pages.path} is in use by python3, process {other.pid}")


def test_the_namespace_of_an_asic(switch: SwitchFactory, upstream: Callable[[NetNs], int]) -> None:
    """-n checks the daemon and the ports of the network namespace of that name."""
    sw = switch.build(ports=3, links="before")
    pid = upstream(sw.netns)
    database_global = sw.folder / "database_global.json"
    includes = [{"include": str(sw.database_config)}, {"namespace": sw.netns.name, "include": str(sw.database_config)}]
    database_global.write_text(json.dumps({"INCLUDES": includes, "VERSION": "1.0"}))
    options = ["--config", str(sw.config_file), "--database-global", str(database_global), "-n", sw.netns.name]
    with ctl.curious(sw):
        report = Report(ctl.command(*options, "doctor", "--json"))
    assert report.document["pid"] == pid
    report.assert_has("ok", "links", "each of the 3 ports has an interface")
    assert report.document["configuration"]["command_line"]["namespace"] == sw.netns.name


# --- rights, limits, folders ---


def test_capabilities_and_the_receive_buffer(built: Callable[..., Switch]) -> None:
    """The machine's net.core.rmem_max limits the receive buffer that the configuration requests."""
    most = int(Path("/proc/sys/net/core/rmem_max").read_text())
    sw = built(settings={"performance": {"receive_buffer_bytes": most + 4096}})
    weak = ("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")
    report = doctor(sw, before=weak)
    report.assert_has("WARN", "capabilities", "user root lacks CAP_NET_ADMIN", "--cap-add NET_ADMIN")
    report.assert_has("WARN", "receive_buffer", f"{most} bytes", f"sysctl -w net.core.rmem_max={most + 4096}")
    assert not any(check in ("capabilities", "receive_buffer") for check, _, _ in doctor(sw).level("WARN"))


def test_limits(built: Callable[..., Switch]) -> None:
    sw = built()
    doctor(sw, before=("prlimit", "--nofile=50:50")).assert_has("WARN", "limits", "RLIMIT_NOFILE is 50", "LimitNOFILE=")
    weak = ("prlimit", "--memlock=65536:65536", "setpriv", "--bounding-set=-ipc_lock", "--inh-caps=-ipc_lock")
    doctor(sw, before=weak).assert_has("WARN", "limits", "RLIMIT_MEMLOCK is 65536 bytes", "LimitMEMLOCK=infinity")


def test_the_limits_of_a_daemon_that_runs(switch: SwitchFactory) -> None:
    sw = switch.build(ports=2)
    sw.daemon.command[:0] = ["prlimit", "--nofile=90:90", "setpriv", "--bounding-set=-net_admin"]
    sw.daemon.command += ["--sandbox", "off"]
    sw.start()
    report = doctor(sw)
    report.assert_has("WARN", "limits", "RLIMIT_NOFILE is 90")
    report.assert_has("WARN", "capabilities", "user root lacks CAP_NET_ADMIN")
    with ctl.curious(sw):
        own = Report(ctl.command("doctor", "--json", "--socket", str(sw.pages.path)))
    own.assert_has("WARN", "sandbox", "the sandbox is off", "security.sandbox = on")


def test_folders_that_may_not_be_written(built: Callable[..., Switch]) -> None:
    sw = built()
    report = doctor(sw, "--user", "nobody")
    report.assert_has("WARN", "state_file", f"user nobody may not write {sw.folder}", "do not survive a restart")
    recordings = sw.folder / "absent" / "recordings"
    conf = sw.config_file.read_text()
    sw.config_file.write_text(re.sub("(?m)^folder = .*$", "folder = /root", conf))
    report = doctor(sw, "--user", "nobody")
    report.assert_has("WARN", "recorder", "/root: user nobody may not write /root", "flight recorder")
    sw.config_file.write_text(re.sub("(?m)^folder = .*$", f"folder = {recordings}", conf))
    doctor(sw).assert_has("WARN", "recorder", f"user root may not write {recordings.parent} (No such file")
    recordings.parent.mkdir()
    doctor(sw).assert_has("ok", "recorder", f"{recordings} can be written")
    sw.state_file.parent.mkdir()
    os.chown(sw.state_file.parent, NOBODY, NOBODY)
    doctor(sw, "--user", "nobody").assert_has("ok", "state_file", f"{sw.state_file} can be written")
    text = sw.config_file.read_text().replace(str(sw.pages.path), "/root/http.sock")
    sw.config_file.write_text(text)
    options = ["--config", str(sw.config_file), "--database-config", str(sw.database_config), "--user", "nobody"]
    Report(ctl.command("doctor", "--json", *options)).assert_has("WARN", "http", "user nobody may not write /root")


def test_without_the_right_to_look(built: Callable[..., Switch]) -> None:
    """Neither root nor the daemon's user: a check that cannot be made is not reported as ok."""
    sw = built()
    program = shutil.copy(ctl.program(), sw.folder / "portsyncctl")
    nobody = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    done = ctl.run(sw, "doctor", "--json", "--user", "root", before=nobody, at=Path(program))
    report = Report(done)
    report.assert_has("WARN", "user", "it is not known what user root", "run it as root")


# --- the kernel ---


class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


def without(*calls: tuple[int, int]) -> Callable[[], None]:
    """Makes these system calls fail with these errors, as in a kernel built without them (x86-64)."""
    steps = [(0x20, 0, 0, 0)]  # the call's number
    for call, error in calls:
        steps += [(0x15, 0, 1, call), (0x06, 0, 0, 0x00050000 | error)]
    steps.append((0x06, 0, 0, 0x7FFF0000))
    code = b"".join(struct.pack("HBBI", *step) for step in steps)

    def install() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        program = Filter(len(steps), code)
        if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(program)):
            raise OSError(ctypes.get_errno(), "seccomp")

    return install


def test_a_kernel_without_landlock_and_seccomp(built: Callable[..., Switch]) -> None:
    sw = built()
    prctl = (PRCTL, EINVAL)
    report = Report(ctl.run(sw, "doctor", "--json", preexec=without((LANDLOCK_CREATE_RULESET, ENOSYS), prctl)))
    report.assert_has("WARN", "landlock", "there is no Landlock", "CONFIG_SECURITY_LANDLOCK")
    report.assert_has("WARN", "seccomp", "there is no seccomp", "CONFIG_SECCOMP_FILTER")
