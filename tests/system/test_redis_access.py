# SPDX-License-Identifier: Apache-2.0
"""AC-3 and IA-2: the daemon's rights in Redis, what happens without them, and that its password is kept nowhere."""

import os
import re
import signal
import socket
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest
import redis

from conftest import SwitchFactory
from lib import redis_acl
from lib.collectors import in_own_mounts, journald
from lib.daemon import ROOT
from lib.faults import LABELS, NO_RECONCILE, QUICK, change_all
from lib.fence import fence
from lib.memory import places
from lib.netns import NetNs, run
from lib.orch import CONFIG_DONE, TABLE
from lib.portmgr import delete_port, push_port
from lib.proxy import Command, Proxy, command
from lib.redis_server import RedisServer
from lib.switch import Switch
from lib.wait import wait_for
from lib.wire import FAR, Wire
from test_audit import audited, lines, records, wait_record

SECRET = "s3cret-Zm9v-in-no-memory"
WRONG = "wr0ng-Zm9v-in-no-memory"
SCRATCH_DB = 15
# These run only inside the script, so no client is seen to send them.
IN_THE_SCRIPT = {"sadd", "publish"}


def name_of(argv: Command) -> str:
    words = [word.decode().lower() for word in argv[:2]]
    return "|".join(words) if words[0] == "script" else words[0]


def live(sw: Switch, proxy: Proxy) -> None:
    """Everything that a daemon does in its life: cold start, changes, ports that come and go, a lost script, emptied
    databases, a log level, reconnections, reconciliations, a warm start. Its own keys have another type at first."""
    sw.appl_db.client.set("_PORT_TABLE:Ethernet0", "x")
    sw.appl_db.client.set("PORT_TABLE_KEY_SET", "x")
    sw.state_db.client.set("WARM_RESTART_TABLE|portsyncd", "x")
    sw.start()
    change_all(sw)
    sw.wait_equal(ports=4)
    push_port(sw, "Ethernet100")
    sw.wait_oper("Ethernet100", "up")
    wait_for(lambda: sw.appl_db.client.hget(f"{TABLE}:{CONFIG_DONE}", "count") == "5", what="the count follows")
    delete_port(sw, "Ethernet100")
    sw.wait_no_row("Ethernet100")
    asked = proxy.count(command("HMGET", "LOGGER|portsyncd"))
    sw.config_db.client.hset("LOGGER|portsyncd", "LOGLEVEL", "DEBUG")
    wait_for(lambda: proxy.count(command("HMGET", "LOGGER|portsyncd")) > asked, what="the new level is read")
    mark = sw.daemon.mark()
    proxy.drop_all()
    sw.daemon.wait_log("STATE_DB: connected to", since=mark)
    sw.appl_db.client.script_flush()
    sw.appl_db.client.flushdb()
    sw.daemon.wait_log("APPL_DB was emptied")
    sw.daemon.wait_log("PortConfigDone: 4 ports", since=mark)
    sw.wait_equal(ports=4)
    sw.state_db.client.hset("WARM_RESTART_ENABLE_TABLE|system", "enable", "true")
    sw.daemon.stop()
    sw.daemon.start()
    sw.daemon.wait_log("warm start, restore count 1")
    sw.wait_equal(ports=4)
    sw.daemon.stop()


class Probe:
    """A user with some of the rights; Redis says whether it may run a command."""

    def __init__(self, server: RedisServer, rules: Sequence[str]) -> None:
        self._admin = server.client(SCRATCH_DB)
        self._appl = server.client(0)
        self._admin.execute_command("ACL", "SETUSER", "probe", *rules, "on", ">probe")
        self._own = redis.Redis(unix_socket_path=server.unix_socket, username="probe", password="probe")

    def may(self, argv: Command) -> bool:
        if argv[0] not in (b"EVAL", b"EVALSHA"):
            return bool(self._admin.execute_command("ACL", "DRYRUN", "probe", *argv) in ("OK", b"OK"))
        # Redis judges a script's rights when it runs: over no keys, and over those that it uses, which are a push's set
        # and row of another type, and the hash of the count.
        keys = argv[3 : 3 + int(argv[2])]
        return self._may_run(argv, (), ()) and self._may_run(argv, keys[1:], keys if len(keys) == 1 else ())

    def _may_run(self, argv: Command, strings: Sequence[bytes], hashes: Sequence[bytes]) -> bool:
        self._admin.flushall()
        for key in strings:
            self._appl.set(key, "x")
        for key in hashes:
            self._appl.hset(key, "count", "1")
        try:
            self._own.execute_command(*argv)
        except redis.ResponseError as error:
            # NOPERM, and of a command inside of the script: ACL failure in script
            assert "permission" in str(error) or "can't" in str(error), error
            return False
        return True


def test_the_user_may_what_a_life_needs_and_nothing_else(
    switch: SwitchFactory, redis_server: Callable[..., RedisServer]
) -> None:
    """Each command, key pattern and channel of deploy/redis/portsyncd.acl is needed: without it Redis would have
    refused a command of a whole life."""
    server = redis_server()
    with Proxy(server.unix_socket) as proxy:
        database = {**QUICK, "redis_unix_socket": proxy.path}
        settings = {"database": database, "sonic": {"track_port_config_done": "true"}}
        sw = switch.build(ports=4, server=server, settings=settings, least_rights=True)
        live(sw, proxy)
        used = sorted(set(proxy.commands) - {argv for argv in proxy.commands if argv[0] == b"AUTH"})
    assert server.denials(redis_acl.USER) == []
    assert {name_of(argv) for argv in used} == redis_acl.commands() - IN_THE_SCRIPT
    whole = Probe(server, redis_acl.rules())
    assert [argv for argv in used if not whole.may(argv)] == []
    needless = [element.name for element in redis_acl.elements() if all(map(Probe(server, element.rest).may, used))]
    assert needless == []
    too_wide = re.compile(r"all\w+|\+@.*|(%?R?W?~|&)(\w{0,8}\*.*|__key\w*@\*.*)")
    assert not [word for word in redis_acl.words() if too_wide.fullmatch(word)], "a pattern names a table"


def without(name: str) -> tuple[str, ...]:
    """The rules without the one permission whose name begins like this."""
    return next(element.rest for element in redis_acl.elements() if element.name.startswith(name))


def narrow(sw: Switch, name: str) -> None:
    on = ("on", redis_acl.password_hash(redis_acl.PASSWORD))
    sw.redis.client().execute_command("ACL", "SETUSER", redis_acl.USER, *without(name), *on)


def widen(sw: Switch) -> None:
    on = ("on", redis_acl.password_hash(redis_acl.PASSWORD))
    sw.redis.client().execute_command("ACL", "SETUSER", redis_acl.USER, *redis_acl.rules(), *on)


@pytest.mark.parametrize(
    ("missing", "label"),
    [
        ("%W~PORT_TABLE|*", "STATE_DB"),
        ("~PORT_TABLE_KEY_SET", "APPL_DB"),
        ("&__keyspace@0__:PORT_TABLE:*", "APPL_DB events"),
        ("+select", r"\w+_DB( events)?"),  # all of them, since any may come first
    ],
)
def test_a_missing_right_is_one_record_and_no_loop(missing: str, label: str, switch: SwitchFactory) -> None:
    """The missing right shows; once it is granted everything goes on without a restart."""
    sw = audited(switch, ports=2, settings={"database": QUICK}, least_rights=True)
    narrow(sw, missing)
    sw.start(wait=False)
    record = wait_record(sw, "redis_access_denied")
    assert record["AUDIT_OUTCOME"] == "failure" and record["AUDIT_SUBJECT"] == "redis"
    # The third form is that of a second try: on a busy machine the first one may have failed for want of time.
    form = f" at |: no connection to |: {re.escape(sw.redis.unix_socket)}: "
    assert re.match(f"{label}({form}).*NOPERM", record["text"])
    assert f'user "{redis_acl.USER}"' in record["text"] and str(sw.folder / "redis_password") in record["text"]
    before = refusals(sw, "NOPERM")
    wait_for(lambda: refusals(sw, "NOPERM") >= before + 2, 30, "it is tried again")
    assert len(records(sw, "redis_access_denied")) == 1
    warnings = [one for one in (sw.folder / "rfc5424.log").read_text().splitlines() if "NOPERM" in one]
    assert len(warnings) <= 2 * len(LABELS), warnings
    assert sw.redis.denials(redis_acl.USER)
    widen(sw)
    sw.wait_init_done()
    sw.wait_equal(ports=2)
    sw.redis.client().execute_command("ACL", "LOG", "RESET")


def test_who_may_not_look_for_rows_starts_all_the_same(switch: SwitchFactory) -> None:
    """Consumers still get PortInitDone, as from upstream's daemon, which never looks; the log says what is wrong."""
    sw = audited(switch, ports=2, settings={"database": QUICK}, least_rights=True)
    narrow(sw, "+exists")
    sw.start()
    sw.wait_init_done()
    sw.wait_equal(ports=2)

    def said() -> list[str]:
        return [one["text"] for one in lines(sw) if "does not say whether it still has the row" in one["text"]]

    wait_for(said, 30, "a line about the forbidden question")
    assert len(said()) == 1 and "PortInitDone does not wait for that: NOPERM" in said()[0], said()
    assert "exists" in wait_record(sw, "redis_access_denied")["text"].lower()
    sw.redis.client().execute_command("ACL", "LOG", "RESET")


def refusals(sw: Switch, error: str) -> int:
    """How often Redis answered with this error."""
    stats = sw.redis.client().info("errorstats")
    found = stats.get(f"errorstat_{error}", {"count": 0})
    # python3-redis before 5 leaves the value as Redis wrote it.
    return found["count"] if isinstance(found, dict) else int(found.rpartition("=")[2])


# --- passwords ---


def password_file(folder: Path, text: str) -> Path:
    """Replaces the file atomically, as an administrator's tool would."""
    new = folder / "password.new"
    new.write_text(text + "\n")
    new.chmod(0o600)
    return new.rename(folder / "password")


@pytest.mark.parametrize("wrong", [WRONG, None], ids=["wrong", "file-gone"])
def test_a_password_that_changes(wrong: str | None, switch: SwitchFactory, tmp_path: Path) -> None:
    """A wrong password causes one record, back-off and one line per connection, and health says why. The right one
    works without a restart."""
    path = password_file(tmp_path, redis_acl.PASSWORD)
    database = {**QUICK, "redis_username": redis_acl.USER, "redis_password_file": path}
    sw = audited(switch, "level = info", ports=2, settings={"database": database})
    sw.start()
    if wrong:
        password_file(tmp_path, wrong)
    else:
        path.unlink()
    sw.redis.client().execute_command("CLIENT", "KILL", "USER", redis_acl.USER)
    why = f'AUTH refused: WRONGPASS (user "{redis_acl.USER}", password of {path})' if wrong else f"{path}: No such file"
    wait_for(lambda: why in redis_reason(sw), what=lambda: f"health says why: {redis_reason(sw)}")
    if wrong:
        before = refusals(sw, "WRONGPASS")
        wait_for(lambda: refusals(sw, "WRONGPASS") >= before + 3 * len(LABELS), 30, "it is tried again")
    assert why in wait_record(sw, "redis_auth_failed")["text"]
    assert len(records(sw, "redis_auth_failed")) == 1
    lines = [line for line in (sw.folder / "rfc5424.log").read_text().splitlines() if "no connection" in line]
    assert len(lines) <= 2 * len(LABELS), "one line for the lost connection, and one for the reason why it stays lost"
    change_all(sw)
    password_file(tmp_path, redis_acl.PASSWORD)
    sw.wait_equal(ports=2)
    wait_for(lambda: redis_reason(sw) == "", what=lambda: f"all are back: {redis_reason(sw)}")


def redis_reason(sw: Switch) -> str:
    return str(sw.pages.get("/healthz").json["checks"]["redis_away"].get("reason", ""))


def assert_nowhere(sw: Switch, *secrets: str) -> None:
    """Not in its output, its pages, what others see of the process, or its memory. There it may be only while it is
    sent to Redis, as a refused password is now and then."""
    proc = Path("/proc") / str(sw.daemon.pid)
    said = [path.read_bytes() for path in sw.folder.rglob("*") if stat.S_ISREG(path.lstat().st_mode)]
    served = [sw.pages.get(page).text.encode() for page in ("/metrics", "/healthz", "/readyz", "/ports")]
    shown = [(proc / name).read_bytes() for name in ("cmdline", "environ")]
    for secret in map(str.encode, secrets):
        assert not any(secret in text for text in [*said, *served, *shown])
        wait_for(lambda secret=secret: not places(sw.daemon.pid, secret), what="it is in no memory")  # type: ignore[misc]


@contextmanager
def dev_log(folder: Path) -> Iterator[tuple[list[str], list[bytes]]]:
    """Yields a prefix for the daemon's command that makes /dev/log ours, and the messages sent there."""
    folder.mkdir()
    os.mknod(folder / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    said: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(folder / "log"))

        def collect() -> None:
            while said[-1:] != [b"end"]:
                said.append(listener.recv(1 << 16))

        collector = threading.Thread(target=collect)
        collector.start()
        yield in_own_mounts({folder: "/dev"}), said
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"end", str(folder / "log"))
        collector.join()


@contextmanager
def no_collector(folder: Path) -> Iterator[tuple[list[str], list[bytes]]]:
    yield [], []


@contextmanager
def journal(folder: Path) -> Iterator[tuple[list[str], list[bytes]]]:
    said: list[bytes] = []
    with journald(folder) as collector:
        yield collector.before, said
        said.append(collector.journalctl("--output=export").encode())


COLLECTORS = {"stderr": no_collector, "rfc5424": no_collector, "syslog": dev_log, "journal": journal}


@pytest.mark.parametrize("target", sorted(COLLECTORS))
def test_the_password_is_nowhere(target: str, switch: SwitchFactory, tmp_path: Path) -> None:
    """At DEBUG, for each target, accepted or refused; nor in memory, before and after a reconnection."""
    path = password_file(tmp_path, SECRET)
    database = {**QUICK, "redis_username": redis_acl.USER, "redis_password_file": path}
    log = {"rfc5424_to": f"file:{tmp_path / 'rfc5424.log'}"}
    sw = switch.build(ports=1, settings={"database": database, "log": log}, log_level="debug", reconcile_secs=NO_RECONCILE)
    sw.redis.client().execute_command("ACL", "SETUSER", redis_acl.USER, f">{SECRET}", "on")
    sw.daemon.command[sw.daemon.command.index("--log-target") + 1] = target
    with COLLECTORS[target](tmp_path / "collector") as (before, said):
        sw.daemon.command[:0] = before
        sw.start()
        assert places(sw.daemon.pid, os.fsencode(path)), "a search would find it"
        assert_nowhere(sw, SECRET)
        password_file(tmp_path, WRONG)
        failures = refusals(sw, "WRONGPASS")
        sw.redis.client().execute_command("CLIENT", "KILL", "USER", redis_acl.USER)
        wait_for(lambda: refusals(sw, "WRONGPASS") > failures + len(LABELS), 30, "the wrong one is refused")
        assert_nowhere(sw, SECRET, WRONG)
        password_file(tmp_path, SECRET)
        wait_for(lambda: redis_reason(sw) == "", 30, "connected")
        fence(sw)
        sw.daemon.stop()
    texts = [*said, path.with_name("rfc5424.log").read_bytes() if target == "rfc5424" else b"", sw.daemon.log.encode()]
    assert any(b"WRONGPASS" in text for text in texts), "it was told"
    assert not any(secret.encode() in text for text in texts for secret in (SECRET, WRONG))


def test_a_server_that_repeats_the_password(
    switch: SwitchFactory, redis_server: Callable[..., RedisServer], tmp_path: Path
) -> None:
    """A server that does not know AUTH repeats the arguments: they are neither logged nor kept."""
    server = redis_server("--rename-command", "AUTH", "")
    database = {**QUICK, "redis_password_file": password_file(tmp_path, SECRET)}
    sw = switch.build(ports=1, server=server, settings={"database": database}, log_level="debug")
    sw.start(wait=False)
    sw.daemon.wait_log(r"DEBUG.* STATE_DB: .*Redis says: ERR unknown command \(")
    assert_nowhere(sw, SECRET)


def gone(sw: Switch) -> list[str]:
    return [str(line["text"]) for line in lines(sw) if line["kind"] == "redis_away"]


@contextmanager
def every_place_taken(server: RedisServer) -> Iterator[None]:
    """Other clients take every place that the server has."""
    with server.client() as admin, ExitStack() as others:
        before = admin.config_get("maxclients")["maxclients"]
        admin.config_set("maxclients", len(admin.client_list()) + 1)
        for _ in range(2):
            other = others.enter_context(socket.socket(socket.AF_UNIX))
            other.connect(server.unix_socket)
        yield
        admin.config_set("maxclients", before)


@contextmanager
def protected(server: RedisServer) -> Iterator[None]:
    """The server behaves as one without a password does to clients of other machines."""
    with server.client() as admin:
        admin.config_set("protected-mode", "yes")
        admin.execute_command("ACL", "SETUSER", "default", "nopass")
        yield
        admin.execute_command("ACL", "SETUSER", "default", "resetpass", f">{SECRET}")


REFUSALS = {
    "full": (every_place_taken, False, "ERR max number of clients reached"),
    "protected": (protected, True, "DENIED R(edis is r)?unning in protected mode because "),  # Redis, Valkey
}


@pytest.mark.parametrize(("refusing", "remote", "words"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refusal_that_is_not_for_the_password(
    refusing: Callable[[RedisServer], AbstractContextManager[None]],
    remote: bool,
    words: str,
    switch: SwitchFactory,
    redis_server: Callable[..., RedisServer],
    netns: NetNs,
    tmp_path: Path,
) -> None:
    """The log and health report it in Redis' own words; no record claims that a password was refused."""
    server = redis_server("--bind", "*", tcp=remote, password=SECRET, netns=netns.name)
    database: dict[str, object] = {**QUICK, "redis_password_file": password_file(tmp_path, SECRET)}
    database |= {"redis_host": FAR, "redis_port": server.port} if remote else {}
    sw = audited(switch, ports=1, server=server, settings={"database": database})
    Wire(sw.netns, netns)
    with refusing(server):
        sw.daemon.start()
        sw.pages_when_served()
        wait_for(lambda: re.search(f"Redis says: {words}", redis_reason(sw)), what=lambda: f"{words}: {redis_reason(sw)}")
        wait_for(lambda: len(gone(sw)) == len(LABELS), what=lambda: f"a line for each connection: {gone(sw)}")
        assert all(re.search(f"Redis says: {words}", text) for text in gone(sw)), gone(sw)
    sw.orch.start()
    sw.wait_init_done()
    sw.wait_equal(ports=1)
    assert not records(sw, "redis_auth_failed")


def commands_of_the_readme() -> list[str]:
    """The commands of its section on installation, up to the daemon's configuration."""
    text = (ROOT / "deploy" / "redis" / "README.md").read_text()
    install = text[text.index("## Install") : text.index("And in `/etc/sonic/portsyncd.conf`")]
    return [line.strip() for line in install.splitlines() if line.startswith("    ")]


@pytest.mark.parametrize("aclfile", [True, False], ids=["aclfile", "no-aclfile"])
def test_the_readme_installs_the_user(aclfile: bool, switch: SwitchFactory, tmp_path: Path) -> None:
    """The commands are run as written, except for the paths."""
    password = tmp_path / "portsyncd.redis"
    database = {"redis_username": redis_acl.USER, "redis_password_file": password}
    sw = switch.build(ports=1, settings={"database": database})
    users = sw.redis.folder / "users.acl"
    users.write_text("user default on nopass ~* &* +@all\n")
    sw.redis.client().execute_command("ACL", "DELUSER", redis_acl.USER)
    others = "xargs" if aclfile else "users.acl|ACL LOAD"
    script = "\n".join(line for line in commands_of_the_readme() if not re.search(others, line))
    for here, there in {
        "/etc/sonic/portsyncd.redis": password,
        "/etc/redis/users.acl": users,
        "redis-cli": f"redis-cli -s {sw.redis.unix_socket}",
        "portsyncd.acl": redis_acl.ACL_FILE,
    }.items():
        script = script.replace(here, str(there))
    run("sh", "-ec", script)
    sw.start()
    assert password.stat().st_mode & 0o777 == 0o600


def test_no_variable_has_the_password() -> None:
    """Who can see a process can see its environment, so none of our variables is a secret."""
    text = "".join(path.read_text() for path in (ROOT / "src").rglob("*.c"))
    variables = set(re.findall(r'getenv\((?:"(\w+)"|(\w+))\)', text))
    assert variables
    assert not [name for pair in variables for name in pair if re.search("PASS|SECRET|AUTH", name)]
