# SPDX-License-Identifier: Apache-2.0
"""Least privilege (AC-6, CM-7): what the sandbox refuses to an intruder in the process, and that the daemon works in
it, which all other tests show too, since it is on by default. What Landlock refuses depends on its version (see
docs/security-compliance.md); `make kernel-test` runs these tests on kernels with older ones."""

import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from conftest import SwitchFactory
from lib.checker import socket_in
from lib.daemon import binary
from lib.faults import NO_RECONCILE, QUICK
from lib.notified import Notified
from lib.proc import Proc
from lib.redis_server import RedisServer
from lib.storm import SMALL_BUFFER, mixed_changes
from lib.switch import Switch
from lib.wait import patient, wait_for
from test_audit import audited, lines, log_file, records, wait_record, write_keys

PROBE = binary().parent / "tests" / "unit" / "sandbox_probe"
SECCOMP_FILTER = 2  # /proc/<pid>/status
NET_ADMIN = f"{1 << 12:016x}"
OVERRIDE = f"{1 << 12 | 1 << 1:016x}"  # CAP_DAC_OVERRIDE too
NO_CAPABILITY = f"{0:016x}"

LANDLOCK_CREATE_RULESET, LANDLOCK_CREATE_RULESET_VERSION = 444, 1  # <linux/landlock.h>
# This kernel's version of Landlock; -1: none.
LANDLOCK = ctypes.CDLL(None).syscall(LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), LANDLOCK_CREATE_RULESET_VERSION)
HOLDS_FILES, HOLDS_TCP, HOLDS_ABSTRACT_SOCKETS = LANDLOCK > 0, LANDLOCK >= 4, LANDLOCK >= 6
# The gaps of this kernel, as the log line names them.
GAPS = (
    "" if HOLDS_ABSTRACT_SOCKETS
    else "; this kernel leaves open: abstract Unix sockets (held from Linux 6.12 on)" if HOLDS_TCP
    else "; this kernel leaves open: TCP ports (held from Linux 6.7 on), abstract Unix sockets (from 6.12 on)"
    if HOLDS_FILES else ", no Landlock (the kernel, or a container's filter: "
)  # fmt: skip
IN_FORCE = f"sandbox in force: no_new_privs, {f'Landlock {LANDLOCK} ' if HOLDS_FILES else 'no Landlock '}"
UID, GID, REDIS_UID, REDIS_GID = 12345, 12346, 12347, 12348  # no process uses it

# Attempt of tests/unit/sandbox_probe.c -> its outcome.
WORKS = (
    "write_inside", "replace_inside", "remove_inside", "read_anything", "list_descriptors", "allocate", "grow_stack",
    "unix_socket", "connect_allowed", "dump_links", "usual_commands",
)  # fmt: skip
BY_LANDLOCK = {
    **dict.fromkeys(
        ("write_outside", "write_existing", "remove_outside", "rename_outside", "write_proc"),
        "EACCES" if HOLDS_FILES else "ok",
    ),
    "connect_elsewhere": "EACCES" if HOLDS_TCP else "ECONNREFUSED",  # nobody listens there
    **dict.fromkeys(("abstract_stream", "abstract_datagram"), "EPERM" if HOLDS_ABSTRACT_SOCKETS else "ok"),
}
BY_SECCOMP = (
    "truncate_outside", "make_device", "change_mode", "make_link", "fork_process", "make_thread", "signal_parent", "make_code",
    "change_code", "become_root", "take_capabilities", "be_dumpable", "dump_core", "packet_socket", "raw_socket",
    "datagram_socket", "audit_socket", "vsock_socket", "listen_tcp", "own_by_parent", "own_by_parent_ex",
    "own_by_fiosetown", "own_by_siocspgrp", "choose_signal", "signal_on_input", "slow_parent", "starve_parent",
    "multipath_socket", "become_other_protocol", "change_packet_filter", "fast_open_elsewhere", "fast_open_by_message",
)  # fmt: skip
DEADLY = ("run_program", "trace_self", "read_parent", "mount_tmpfs", "new_namespace", "load_module", "load_bpf",
          "make_ring")  # fmt: skip


# Without seccomp, too, the kernel refuses these: no capability is left, and Landlock forbids to execute.
WITHOUT_RIGHTS = dict.fromkeys(("mount_tmpfs", "take_capabilities", "dump_core", "packet_socket", "raw_socket"), "EPERM")
if HOLDS_TCP:
    WITHOUT_RIGHTS |= dict.fromkeys(
        ("run_program", "truncate_outside", "make_device", "make_link", "listen_tcp"), "EACCES"
    )


@pytest.fixture
def listener() -> Iterator[int]:
    """The port of a listener like Redis, which also has abstract sockets named after it."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as stream,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagram,
    ):
        port = server.getsockname()[1]
        stream.bind(f"\0portsyncd-stream-{port}")
        stream.listen()
        datagram.bind(f"\0portsyncd-datagram-{port}")
        yield port


def probe(
    folder: Path,
    port: int,
    thread: str,
    *attempts: str,
    refuse: str = "",
    as_filter: bool = False,
    sockets: bool = False,
    names: bool = False,
    before: Sequence[str] = (),
    abstract: bool = False,
    unlocked: bool = False,
) -> subprocess.CompletedProcess[str]:
    allowed, outside = folder / "allowed", folder / "allowed-outside"
    for made in (allowed, outside):
        made.mkdir(exist_ok=True)
        (made / "there").touch()
        (made / "private").touch(0o600)
        os.chown(made / "private", UID, GID)
    environment = {**os.environ, **({"REFUSE": refuse} if refuse else {})}
    environment |= {"UNIX_REDIS": "1"} if sockets else {}
    environment |= {"NAMES": "1"} if names else {}
    environment |= {"REFUSE_AS_FILTER": "1"} if as_filter else {}
    environment |= {"ABSTRACT": "1"} if abstract else {}
    environment |= {"UNLOCKED": "1"} if unlocked else {}
    command = [*before, str(PROBE), str(allowed), str(port), thread, *attempts]
    return subprocess.run(command, capture_output=True, text=True, timeout=patient(60), check=False, env=environment)


def outcomes(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    return dict(line.split() for line in done.stdout.splitlines())


@pytest.mark.parametrize("thread", ["main", "other"])
def test_what_an_intruder_can_and_cannot_do(thread: str, tmp_path: Path, listener: int) -> None:
    """In the thread that entered the sandbox, and in a thread that was made in between."""
    expected = dict.fromkeys(WORKS, "ok") | BY_LANDLOCK | dict.fromkeys(BY_SECCOMP, "EPERM")
    done = probe(tmp_path, listener, thread, *expected)
    assert (outcomes(done), done.returncode) == (expected, 0), done.stderr
    assert (tmp_path / "allowed-outside" / "there").exists() == HOLDS_FILES


@pytest.mark.parametrize("thread", ["main", "other"])
def test_what_is_refused_without_seccomp(thread: str, tmp_path: Path, listener: int) -> None:
    """An intruder who gets past one part of the sandbox meets the others."""
    expected = dict.fromkeys(WORKS, "ok") | BY_LANDLOCK | WITHOUT_RIGHTS
    done = probe(tmp_path, listener, thread, *expected, unlocked=True)
    assert (outcomes(done), done.returncode) == (expected, 0), done.stderr


@pytest.mark.parametrize("names", [False, True])
def test_datagrams_are_for_name_servers(names: bool, tmp_path: Path, listener: int) -> None:
    """Datagrams are allowed if the host of a Redis is a name; nothing else changes."""
    expected = {"datagram_socket": "ok" if names else "EPERM", "raw_socket": "EPERM", "fast_open_by_messages": "EPERM"}
    expected["connect_elsewhere"] = BY_LANDLOCK["connect_elsewhere"]
    assert outcomes(probe(tmp_path, listener, "other", *expected, names=names)) == expected


@pytest.mark.parametrize("sockets", [False, True], ids=["tcp", "unix"])
def test_what_root_keeps_for_the_sockets_of_redis(sockets: bool, tmp_path: Path, listener: int) -> None:
    """CAP_DAC_OVERRIDE, if Redis has Unix sockets, and in force for nothing else. An intruder who puts it in force can
    read more files, but write no others."""
    expected = {"read_private": "EACCES", "take_capabilities": "EPERM", "override": "ok" if sockets else "EPERM"}
    expected |= {name: BY_LANDLOCK[name] for name in ("write_existing", "remove_outside", "write_proc")}
    done = probe(tmp_path, listener, "main", *expected, "read_private", sockets=sockets)
    told = " and, to connect to Redis' Unix sockets alone, CAP_DAC_OVERRIDE" in done.stderr
    assert (outcomes(done), told) == (expected | {"read_private": "ok" if sockets else "EACCES"}, sockets), done


@pytest.mark.parametrize("thread", ["main", "other"])
def test_an_attack_ends_the_process(thread: str, tmp_path: Path, listener: int) -> None:
    """The attempt has no effect, and the process leaves no core."""
    for attempt in DEADLY:
        done = probe(tmp_path, listener, thread, attempt)
        assert (done.returncode, done.stdout) == (-signal.SIGSYS, ""), (attempt, done)
    assert not list(tmp_path.rglob("core*"))


def test_a_supervisor_with_an_abstract_socket(tmp_path: Path, listener: int) -> None:
    """Then such sockets can be reached, which the log says; everything else is as usual."""
    expected = {name: BY_LANDLOCK[name] for name in ("connect_elsewhere", "write_outside")}
    expected |= {"abstract_stream": "ok", "abstract_datagram": "ok"}
    done = probe(tmp_path, listener, "other", *expected, abstract=True)
    assert outcomes(done) == expected, done.stderr
    told = "; abstract Unix sockets stay open: NOTIFY_SOCKET is one)" if HOLDS_ABSTRACT_SOCKETS else GAPS
    assert told in done.stderr, done.stderr


@pytest.mark.parametrize("as_filter", [False, True])
def test_a_kernel_without_landlock(as_filter: bool, tmp_path: Path, listener: int) -> None:
    """A kernel before 5.13, or a container whose filter forbids unknown calls: the other parts are in force, and what
    is missing is reported."""
    expected = {"write_outside": "ok", "take_capabilities": "EPERM", "allocate": "ok", "abstract_stream": "ok"}
    expected |= {"truncate_outside": "EPERM"}
    done = probe(tmp_path, listener, "other", *expected, refuse="landlock_create_ruleset", as_filter=as_filter)
    assert outcomes(done) == expected, done.stderr
    assert "WARNING: " in done.stderr and "no Landlock (the kernel, or a container's filter: Function not implemented)" in done.stderr


def test_a_kernel_without_seccomp_is_refused(tmp_path: Path, listener: int) -> None:
    done = probe(tmp_path, listener, "main", "write_inside", refuse="seccomp")
    assert (done.returncode, done.stdout) == (1, "") and "the sandbox cannot be entered: seccomp" in done.stderr


@pytest.mark.parametrize("alone", [True, False], ids=["nothing-to-lose", "all-to-lose"])
def test_a_supervisor_that_lets_no_capability_change(alone: bool, tmp_path: Path, listener: int) -> None:
    """As deploy/systemd does: no harm if CAP_NET_ADMIN is the only capability; otherwise the daemon does not start."""
    before = ["setpriv", "--bounding-set=-all,+net_admin", "--inh-caps=-all,+net_admin"] if alone else []
    done = probe(tmp_path, listener, "other", "dump_links", refuse="capset", before=before)
    assert (done.returncode, outcomes(done)) == ((0, {"dump_links": "ok"}) if alone else (1, {})), done.stderr
    assert ("the sandbox cannot be entered: capabilities" in done.stderr) != alone


# --- the daemon itself ---


def status(pid: int, task: int | str, key: str) -> str:
    text = Path(f"/proc/{pid}/task/{task}/status").read_text()
    found = re.search(rf"^{key}:[ \t]*(.*)$", text, re.MULTILINE)
    assert found, key
    return found[1].strip()


def tasks(pid: int) -> list[str]:
    return sorted(task.name for task in Path(f"/proc/{pid}/task").iterdir())


def assert_confined(sw: Switch, bounding: str = NET_ADMIN, permitted: str = OVERRIDE) -> None:
    """Checks each thread. Only while it connects to a Unix socket may more be in force."""
    pid = sw.daemon.pid
    threads = {"portsyncd", "log", "links", "http", "recorder", "recorder-end", "state", "state-end"}
    wait_for(lambda: {status(pid, one, "Name") for one in tasks(pid)} == threads, 30, "threads")
    for task in tasks(pid):
        sets = [status(pid, task, key) for key in ("CapPrm", "CapEff", "CapInh", "CapAmb", "CapBnd")]
        assert sets == [permitted, NET_ADMIN, NO_CAPABILITY, NO_CAPABILITY, bounding]
        assert status(pid, task, "NoNewPrivs") == "1"
        assert status(pid, task, "Seccomp") == str(SECCOMP_FILTER)
    assert re.search(r"^Max core file size +0 +0 ", Path(f"/proc/{pid}/limits").read_text(), re.MULTILINE)
    # In /proc, root owns the files of a process that may not be traced or dumped, whatever its user.
    assert Path(f"/proc/{pid}/environ").stat().st_uid == 0
    assert IN_FORCE in sw.daemon.log or any(IN_FORCE in record["text"] for record in records(sw))


def own_files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def assert_gaps_are_told(sw: Switch) -> None:
    """The record and the metric name each missing part."""
    applied = records(sw, "sandbox_applied")[0]
    outcome = "success" if HOLDS_ABSTRACT_SOCKETS else "failure"
    assert (applied["AUDIT_OUTCOME"], GAPS in applied["text"]) == (outcome, True), applied
    expected = {"files": HOLDS_FILES, "tcp": HOLDS_TCP, "abstract_sockets": HOLDS_ABSTRACT_SOCKETS}
    expected |= {"capabilities": True, "system_calls": True}
    figures = sw.pages.metrics()
    assert {part: figures("portsyncd_sandbox_holds", part=part) for part in expected} == expected


def test_a_life_in_the_sandbox(switch: SwitchFactory) -> None:
    """Every fault after which the daemon opens something again, and a stop that leaves nothing behind."""
    sw = audited(switch, ports=8, settings=SMALL_BUFFER, log_level="info")
    sw.start()
    assert_confined(sw)
    assert_gaps_are_told(sw)
    sw.daemon.pause()
    sw.netns.batch(mixed_changes(sw.ports, 2000))
    sw.daemon.resume()
    wait_record(sw, "receive_overrun")
    sw.wait_equal(ports=8)
    sw.redis.restart_empty()
    sw.netns.set_mtu("Ethernet4", 1600)
    sw.wait_field("Ethernet4", "mtu", "1600")
    wait_for(lambda: sw.pages.get("/metrics").status == 200, what="a scrape")
    log_file(sw).rename(sw.folder / "rotated.log")
    sw.daemon.send(signal.SIGHUP)
    wait_for(log_file(sw).exists, what="the log is opened again")
    sw.daemon.send(signal.SIGUSR1)
    wait_record(sw, "log_level_changed")
    assert sw.pages.metrics()("process_open_fds") > 10, "its own part of /proc can be read"
    sw.daemon.stop()
    assert "http.sock" not in own_files(sw.folder)


def as_user(sw: Switch, *capabilities: str) -> None:
    """The daemon runs as a user with only these capabilities, who owns all that it needs, and starts inside its network
    namespace."""
    program = Path(shutil.copy(binary(), sw.folder))
    allowed = ",".join(["-all", *(f"+{name}" for name in capabilities)])
    user = ["setpriv", f"--reuid={UID}", f"--regid={GID}", "--clear-groups", f"--inh-caps={allowed}"]
    user += [f"--ambient-caps={allowed}"] if capabilities else []
    at = sw.daemon.command.index("--netns")
    del sw.daemon.command[at : at + 2]
    sw.daemon.command[:1] = ["ip", "netns", "exec", sw.netns.name, *user, str(program)]
    for path in (sw.folder, *sw.folder.iterdir()):
        os.chown(path, UID, GID)


def test_a_user_with_one_capability(switch: SwitchFactory) -> None:
    """Old links are set down, the receive buffer has the requested size, /proc and everything else can be read."""
    sw = audited(switch, ports=2, links="before")
    for path in (sw.redis.folder, Path(sw.redis.unix_socket)):
        path.chmod(0o777)
    as_user(sw, "net_admin")
    sw.start(wait=False)
    wait_for(lambda: [line for line in lines(sw) if line["kind"] == "port_config_done"], what="PortConfigDone")
    assert [line["text"] for line in lines(sw) if line["kind"].startswith("old_links")] == [
        "2 old interfaces are set down and ignored until they are deleted"
    ]
    for port in sw.ports:
        sw.netns.delete_port(port)
        sw.netns.add_port(port)
    sw.wait_init_done()
    sw.wait_equal(ports=2)
    assert status(sw.daemon.pid, sw.daemon.pid, "Uid").split() == [str(UID)] * 4
    bounding = status(os.getpid(), os.getpid(), "CapBnd")
    assert_confined(sw, bounding, NET_ADMIN)
    figures = sw.pages.metrics()
    assert figures("process_open_fds") > 10 and figures("process_resident_memory_bytes") > 1 << 20


@pytest.mark.parametrize("who", ["user", "root"])
def test_a_missing_capability_is_named(who: str, switch: SwitchFactory) -> None:
    sw = audited(switch, ports=1)
    if who == "user":
        as_user(sw)
    else:
        sw.daemon.command[:0] = ["setpriv", "--bounding-set=-net_admin"]
    sw.daemon.start()
    assert sw.daemon.wait_exit() == 1
    said = sw.daemon.log.splitlines()
    assert len(said) == 1 and "CAP_NET_ADMIN is missing" in said[0] and "AmbientCapabilities=" in said[0], said
    assert wait_record(sw, "capability_missing")["AUDIT_OUTCOME"] == "failure"


@pytest.mark.parametrize(("key", "flag"), [("off", None), ("on", "off"), (None, "off")])
def test_it_can_be_turned_off(key: str | None, flag: str | None, switch: SwitchFactory) -> None:
    """The sandbox can be off for debugging: a warning and a record say so."""
    sw = audited(switch, ports=1, settings={"security": {"sandbox": key}} if key else {})
    sw.daemon.command += ["--sandbox", flag] if flag else []
    sw.start()
    everything = status(os.getpid(), os.getpid(), "CapEff")
    found = [status(sw.daemon.pid, sw.daemon.pid, name) for name in ("CapEff", "NoNewPrivs", "Seccomp")]
    assert found == [everything, "0", "0"]
    figures = sw.pages.metrics()
    parts = figures.labels("portsyncd_sandbox_holds", "part")
    assert len(parts) == 5 and not any(figures("portsyncd_sandbox_holds", part=part) for part in parts)
    record = wait_record(sw, "sandbox_applied")
    assert (record["AUDIT_OUTCOME"], "sandbox is off" in record["text"]) == ("failure", True)


def test_the_flag_overrides_the_file(switch: SwitchFactory) -> None:
    sw = switch.build(ports=1, settings={"security": {"sandbox": "off"}})
    sw.daemon.command += ["--sandbox", "on"]
    sw.start()
    assert_confined(sw)


def test_a_supervisor_with_an_abstract_socket_is_told(switch: SwitchFactory) -> None:
    """It gets notifications from within the sandbox, to the end."""
    environment = {"NOTIFY_SOCKET": "@supervisor", "WATCHDOG_USEC": "200000"}
    sw = switch.build(ports=1, environment=environment)
    notified = Notified("\0supervisor", socket_in(sw.netns.name, socket.AF_UNIX, socket.SOCK_DGRAM))
    try:
        sw.start()
        notified.wait("READY=1")
        notified.wait("WATCHDOG=1", 4)
        notified.stop(sw.daemon)
    finally:
        notified.close()


# The capabilities that docker gives a container by default (moby, oci/caps/defaults.go).
DOCKER = (
    "chown", "dac_override", "fsetid", "fowner", "mknod", "net_raw", "setgid", "setuid", "setfcap", "setpcap",
    "net_bind_service", "sys_chroot", "kill", "audit_write",
)  # fmt: skip


def as_container_root(sw: Switch, *capabilities: str) -> None:
    """The daemon runs as root with these capabilities, and starts inside its network namespace."""
    allowed = ",".join(["-all", *(f"+{name}" for name in capabilities)])
    at = sw.daemon.command.index("--netns")
    del sw.daemon.command[at : at + 2]
    sw.daemon.command[:0] = ["ip", "netns", "exec", sw.netns.name, "setpriv", f"--bounding-set={allowed}"]


def denied(sw: Switch) -> str:
    """Health's reason."""
    return str(sw.pages.get("/healthz").json["checks"]["redis_away"].get("reason", ""))


def test_sonics_root_gets_to_every_redis(switch: SwitchFactory, redis_server: Callable[..., RedisServer]) -> None:
    """Several instances of the user redis, mode 0700, as in the swss container: made before and after our start, made
    again, replaced by another user's, given to groups, closed to all. The daemon connects as soon as root with all
    rights would, and uses its extra right for nothing else."""
    user = (REDIS_UID, REDIS_GID)
    others = {name: redis_server(user=user) for name in ("APPL_DB", "STATE_DB")}
    sw = switch.build(ports=2, server=redis_server(user=user), others=others, settings={"database": QUICK})
    as_container_root(sw, "net_admin", *DOCKER)
    others["STATE_DB"].kill()
    sw.start(wait=False)
    sw.daemon.wait_log("STATE_DB: no connection to")
    others["STATE_DB"].start()
    assert Path(others["STATE_DB"].unix_socket).stat().st_mode & 0o777 == 0o700
    sw.wait_init_done()
    sw.wait_equal(ports=2)
    for fault in (chmod_none, chgrp, replace, close_folder):
        mark = sw.daemon.mark()
        fault(others["STATE_DB"])
        sw.daemon.wait_log("STATE_DB: connected to", since=mark)
    sw.wait_equal(ports=2)
    assert "Permission denied" not in sw.daemon.log
    assert set(status(sw.daemon.pid, sw.daemon.pid, "Groups").split()) == set(map(str, os.getgroups()))
    assert_confined(sw)


def hang_up(server: RedisServer) -> None:
    with server.client() as admin:
        admin.client_kill_filter(_type="normal", skipme=True)


def chmod_none(server: RedisServer) -> None:
    hang_up(server)
    Path(server.unix_socket).chmod(0)


def chgrp(server: RedisServer) -> None:
    Path(server.unix_socket).chmod(0o760)
    os.chown(server.unix_socket, REDIS_UID, GID)
    hang_up(server)


def replace(server: RedisServer) -> None:
    server.kill()
    server.user = (UID, GID)
    Path(server.unix_socket).unlink()
    os.chown(server.folder, UID, GID)
    server.start()


def close_folder(server: RedisServer) -> None:
    server.folder.chmod(0o700)
    hang_up(server)


@pytest.mark.parametrize("closed", ["socket", "folder"])
def test_a_redis_that_is_closed_to_us(closed: str, switch: SwitchFactory, redis_server: Callable[..., RedisServer]) -> None:
    """Not root: the log and health name what is closed, to whom, and the remedy; then it is opened."""
    server = redis_server(user=(REDIS_UID, REDIS_GID))
    sw = switch.build(ports=1, server=server, settings={"database": QUICK})
    as_user(sw, "net_admin")
    path, opened = (Path(server.unix_socket), 0o777) if closed == "socket" else (server.folder, 0o755)
    remedy = "unixsocketperm" if closed == "socket" else "chmod o+x"
    Path(server.unix_socket).chmod(0o777)
    server.folder.chmod(0o755)
    path.chmod(0o700)
    sw.daemon.start()
    sw.orch.start()
    sw.pages_when_served()
    wait_for(lambda: "Permission denied" in denied(sw), what=lambda: f"health says why: {denied(sw)}")
    for text in (denied(sw), sw.daemon.wait_log("STATE_DB: no connection to .*")[0]):
        for word in (f"{path} ", f"user {REDIS_UID}", f"group {REDIS_GID}", "mode 0700", f"user {UID}", remedy):
            assert word in text, (word, text)
    path.chmod(opened)
    sw.wait_init_done()
    sw.wait_equal(ports=1)


def test_a_member_of_the_group_needs_no_more(switch: SwitchFactory, redis_server: Callable[..., RedisServer]) -> None:
    """As in deploy/systemd: the user portsyncd is in the group redis, which may use the socket."""
    server = redis_server("--unixsocketperm", "770", user=(REDIS_UID, REDIS_GID))
    sw = switch.build(ports=1, server=server)
    server.folder.chmod(0o750)
    as_user(sw, "net_admin")
    sw.daemon.command[sw.daemon.command.index("--clear-groups")] = f"--groups={REDIS_GID}"
    sw.start()
    assert_confined(sw, status(os.getpid(), os.getpid(), "CapBnd"), NET_ADMIN)


def elsewhere(where: Sequence[str], tmp_path: Path) -> str:
    return where[0] if where else f"file:{tmp_path}/elsewhere.log"


@pytest.mark.parametrize("where", [(), ("tcp:127.0.0.1:6514",)], ids=["file", "tcp"])
def test_a_log_outside_of_the_sandbox(where: Sequence[str], switch: SwitchFactory, tmp_path: Path) -> None:
    """SIGHUP cannot widen the sandbox: the log says so and keeps its target; the rest of the file takes effect."""
    sw = audited(switch, ports=1)
    sw.start()
    wanted = elsewhere(where, tmp_path)
    sw.config_file.write_text(sw.config_file.read_text().replace(f"file:{log_file(sw)}", wanted) + "limit_secs = 3\n")
    sw.daemon.send(signal.SIGHUP)
    record = wait_record(sw, "config_changed")
    assert "log.limit_secs" in record["text"] and "rfc5424_to" not in record["text"]
    told = f"log.rfc5424_to = {wanted} lies outside of the sandbox: in force after a restart only"
    wait_for(lambda: told in log_file(sw).read_text(), what=told)
    assert not own_files(tmp_path)
    write_keys(sw)
    sw.daemon.stop()
    sw.daemon.start()
    wait_record(sw, "start", 2)


def test_memory_stays_locked(switch: SwitchFactory) -> None:
    """Without CAP_IPC_LOCK RLIMIT_MEMLOCK applies again: locked memory stays locked, and more can be allocated."""
    sw = switch(ports=64, reconcile_secs=NO_RECONCILE, log_level="notice")
    assert Proc(sw.daemon.pid).status("VmLck") > 4096
    sw.netns.batch(mixed_changes(sw.ports, 4000))
    sw.wait_equal(ports=64)
    assert "lock_memory" not in sw.daemon.log and "no longer locked" not in sw.daemon.log
