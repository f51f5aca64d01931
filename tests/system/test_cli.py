# SPDX-License-Identifier: Apache-2.0
"""The command line and the configuration file, as a user meets them: what is wrong and what is allowed, in one line."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conftest import SwitchFactory
from lib.daemon import NO_STATE, ROOT, binary
from lib.netns import NetNs
from lib.wait import patient, wait_for

RUST_SAMPLE = ROOT / "tests/data/rust-portsyncd.conf"
DATABASE_SAMPLE = ROOT / "tests/data/database_config.json"
Done = subprocess.CompletedProcess[str]

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def portsyncd(
    *arguments: object, before: tuple[str, ...] = (), program: Path | None = None, **environment: str
) -> Done:
    """Runs it to its end; of our variables the environment has only the given ones."""
    variables = {"PATH": os.environ["PATH"], **{k: v for k, v in os.environ.items() if k.startswith("ASAN_")}}
    command = [*before, str(program or binary()), *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        errors="backslashreplace",
        timeout=patient(60),
        check=False,
        env={**variables, **environment},
    )


def assert_refused(done: Done, *named: str, status: int = 2) -> None:
    assert (done.returncode, done.stdout) == (status, ""), done
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    for text in named:
        assert text in lines[0], (text, lines[0])


def assert_good(done: Done) -> None:
    assert (done.returncode, done.stderr) == (0, ""), done
    assert "configuration is good" in done.stdout


def conf(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "portsyncd.conf"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# --- answers ---


def test_no_argument_is_needed() -> None:
    """In a mount namespace whose /etc/sonic and /var/run/redis, if there are any, are empty."""
    hide = "for at in /etc/sonic /var/run/redis; do ! [ -d $at ] || mount -t tmpfs none $at; done; exec \"$@\""
    assert_good(portsyncd("--check-config", before=("unshare", "--mount", "sh", "-c", hide, "sh")))


@pytest.mark.parametrize("flag", ["-h", "--help", "--he"])
def test_help(flag: str) -> None:
    done = portsyncd(flag)
    assert (done.returncode, done.stderr) == (0, "")
    options = ("--config", "--database-config", "--netns", "--log-level", "--log-target", "--check-config", "--dry-run")
    for option in options:
        assert option in done.stdout
    assert "database.redis_port: " in done.stdout and "1..65535" in done.stdout


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_version(flag: str) -> None:
    done = portsyncd(flag)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"portsyncd \d+\.\d+\.\d+\n", done.stdout)


# --- bad command lines ---


BAD_LINES: dict[str, tuple[list[str], list[str]]] = {
    "unknown long": (["--bogus"], ["--bogus", "unknown option", "--dry-run"]),
    "unknown long with value": (["--bogus=1"], ["--bogus:", "unknown option"]),
    "unknown short": (["-x"], ["-x", "unknown option", "--dry-run"]),
    "unknown short in a group": (["-xV"], ["-x"]),
    "ambiguous": (["--log"], ["--log", "ambiguous", "--log-level"]),
    "stray": (["stray"], ["stray", "stray argument"]),
    "stray after --": (["--", "--dry-run"], ["--dry-run", "stray argument"]),
    "stray with line end": (["a\nb"], [r"a\x0ab"]),
    "empty": ([""], ["stray argument"]),
    "value of a switch": (["--dry-run=yes"], ["--dry-run", "takes no value"]),
    "no level": (["--log-level"], ["--log-level", "value is missing"]),
    "no target": (["--log-target"], ["--log-target", "value is missing"]),
    "no netns": (["--netns"], ["--netns", "value is missing"]),
    "no file": (["-c"], ["-c", "value is missing"]),
    "no database file": (["--database-config"], ["--database-config", "value is missing"]),
    "bad level": (["--log-level", "loud"], ["--log-level", '"loud"', "notice", "debug"]),
    "bad target": (["--log-target", "tape"], ["--log-target", '"tape"', "journal", "stderr"]),
    "empty level": (["--log-level", ""], ["--log-level", "notice"]),
    "bad netns": (["--netns", "../x"], ["--netns", '"../x"', "allowed"]),
    "empty netns": (["--netns", ""], ["--netns", "allowed"]),
    "long netns": (["--netns", "n" * 300], ["--netns", "allowed"]),
    "empty file": (["--config", ""], ["--config", "allowed"]),
    "long file": (["--config", "/" + "x" * 5000], ["--config", "allowed"]),
    "absent file": (["--config", "/nonexistent.conf"], ["/nonexistent.conf", "No such file"]),
    "a directory": (["--config", "/tmp"], ["/tmp", "directory"]),
}


@pytest.mark.parametrize(("line", "named"), BAD_LINES.values(), ids=BAD_LINES.keys())
def test_a_bad_command_line_is_refused_in_one_line(line: list[str], named: list[str]) -> None:
    assert_refused(portsyncd(*line), *named)


def test_a_bad_flag_is_told_before_a_bad_file(tmp_path: Path) -> None:
    assert_refused(portsyncd("-c", conf(tmp_path, "nonsense"), "--log-level", "loud"), "--log-level")


def test_a_bad_level_in_the_environment_is_refused() -> None:
    assert_refused(portsyncd("--check-config", PORTSYNCD_LOG_LEVEL="loud"), "PORTSYNCD_LOG_LEVEL", '"loud"', "notice")


# --- the file ---


def test_the_file_of_the_rust_daemon_says_what_replaces_its_keys() -> None:
    """All unknown keys are reported in one run, a line each."""
    done = portsyncd("--check-config", "-c", RUST_SAMPLE, "--database-config", DATABASE_SAMPLE)
    assert done.returncode == 2, done
    pattern = r".*/rust-portsyncd.conf:\d+: \w+\.(\w+): no longer a key; allowed: (.+)"
    found = dict(re.fullmatch(pattern, line).groups() for line in done.stderr.splitlines())  # type: ignore[union-attr]
    written = set(re.findall(r"^(\w+) =", RUST_SAMPLE.read_text(), re.MULTILINE))
    ours = {"redis_host", "redis_port", "connection_timeout_secs"}
    assert set(found) == written - ours
    assert found["max_stall_seconds"] == "health.max_stall_secs"
    assert "WatchdogSec=" in found["watchdog_interval_secs"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment",
        "[database]\nredis_port = 6380\n",
        '[database]\r\nredis_port = "6380"\r\n',
        "  [ log ]  # comment\n\tlevel=DEBUG# comment\n",
    ],
)
def test_a_good_file(text: str, tmp_path: Path) -> None:
    assert_good(portsyncd("--check-config", "-c", conf(tmp_path, text), "--database-config", DATABASE_SAMPLE))


FILE_FAULTS: dict[str, tuple[str, int, str, str]] = {
    # text, line, key, what is allowed
    "unknown key": ("[database]\nredis_prot = 1", 2, "database.redis_prot: unknown key", "redis_port"),
    "unknown section": ("[databaes]\nredis_port = 1", 1, "[databaes]: unknown section", "[database]"),
    "no section": ("redis_port = 1", 1, "redis_port: ", "[database]"),
    "key of another section": ("[log]\nredis_port = 1", 2, "log.redis_port: unknown key", "level"),
    "wrong type": ("[database]\n\nredis_port = many", 3, 'database.redis_port: "many" is not an integer', "1..65535"),
    "float": ("[database]\nredis_port = 6379.5", 2, "database.redis_port: ", "1..65535"),
    "hex": ("[database]\nredis_port = 0x10", 2, "database.redis_port: ", "1..65535"),
    "too small": ("[database]\nredis_port = 0", 2, 'database.redis_port: "0" is out of range', "1..65535"),
    "too large": ("[database]\nredis_port = 65536", 2, "database.redis_port: ", "1..65535"),
    "far too large": ("[sonic]\nreconcile_interval_secs = 99999999999999999999", 2, "sonic.reconcile_interval_secs: ", "86400"),
    "negative": ("[sonic]\nkeep_rows_secs = -1", 2, "sonic.keep_rows_secs: ", "0..86400"),
    "no value": ("[database]\nredis_port =", 2, "database.redis_port: ", "a value"),
    "duplicate": ("[log]\nlevel = info\nlevel = info", 3, "log.level: already set in line 2", "once"),
    "no level": ("[log]\nlevel = loud", 2, 'log.level: "loud"', "notice"),
    "boolean": ("[log]\naudit = yes", 2, 'log.audit: "yes"', "true, false"),
    "renamed key": ("[performance]\nmax_event_queue = 1000", 2, "performance.max_event_queue: ", "redis_pipeline_depth"),
    "removed section": ("[metrics]\nenabled = true", 2, "metrics.enabled: ", "http.listen and http.unix_socket"),
    "open quote": ('[log]\nlevel = "info', 2, "log.level: unterminated quote", "double quotes"),
    "after the quote": ('[log]\nlevel = "info" x', 2, "log.level: ", "double quotes"),
    "no equals sign": ("[log]\nlevel", 2, "", "key = value"),
    "relative path": ("[database]\nredis_unix_socket = x.sock", 2, "database.redis_unix_socket: ", "absolute path"),
    "socket and host": (
        "[database]\nredis_host = h\nredis_unix_socket = /x",
        3,
        "database.redis_unix_socket: ",
        "either",
    ),
    "line too long": (f"[log]\nlevel = {'x' * 9000}", 2, "", "at most"),
    "control character": ("[log]\nlevel = in\x07fo", 2, "", "UTF-8"),
    "nul": ("[log]\nlevel = info\0", 2, "", "UTF-8"),
}


@pytest.mark.parametrize(("text", "line", "key", "allowed"), FILE_FAULTS.values(), ids=FILE_FAULTS.keys())
def test_a_fault_in_the_file_names_line_and_key(text: str, line: int, key: str, allowed: str, tmp_path: Path) -> None:
    path = conf(tmp_path, text)
    for check in ([], ["--check-config"]):
        assert_refused(portsyncd("-c", path, *check), f"{path}:{line}: {key}", "allowed: ", allowed)


def test_every_fault_of_a_file_is_told(tmp_path: Path) -> None:
    path = conf(tmp_path, "[database]\nredis_port = 0\nbogus = 1\n[log]\nlevel = loud\n")
    done = portsyncd("-c", path)
    assert done.returncode == 2
    assert [line.removeprefix(f"{path}:")[0] for line in done.stderr.splitlines()] == ["2", "3", "5"]


def test_a_file_of_bytes_is_refused(tmp_path: Path) -> None:
    done = portsyncd("-c", conf(tmp_path, bytes(range(256)) * 3000))
    assert done.returncode == 2
    assert 1 <= len(done.stderr.splitlines()) <= 52


def test_check_config_reads_the_database_file_and_the_password(tmp_path: Path) -> None:
    broken = tmp_path / "database_config.json"
    broken.write_text("{")
    assert_refused(portsyncd("--check-config", "--database-config", broken), str(broken), "JSON")
    absent = tmp_path / "absent"
    path = conf(tmp_path, f"[database]\nredis_password_file = {absent}\n")
    assert_refused(portsyncd("--check-config", "-c", path, "--database-config", DATABASE_SAMPLE), str(absent))


# --- the configuration in force ---


LINE = re.compile(r"(?P<line>#?(?P<name>\w+) =(?: (?P<value>.*?))?)\s+# (?P<origin>\S.*)")


@dataclass(frozen=True)
class Shown:
    values: dict[str, str | None]  # None: not set
    origins: dict[str, str]


def read_shown(text: str) -> Shown:
    shown = Shown({}, {})
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif found := LINE.fullmatch(line):
            key = f"{section}.{found['name']}"
            shown.values[key] = None if found["line"].startswith("#") else found["value"]
            shown.origins[key] = found["origin"]
    return shown


def show(*arguments: object, **environment: str) -> Shown:
    done = portsyncd("--show-config", *arguments, **environment)
    assert (done.returncode, done.stderr) == (0, ""), done
    return read_shown(done.stdout)


def test_the_configuration_in_force_has_every_key_with_its_default() -> None:
    text = portsyncd("--help").stdout.partition("\nKeys of the configuration file:\n")[2]
    defaults = dict(re.findall(r"^  (\w+\.\w+): .*\n      .*; default (.*)$", text, re.MULTILINE))
    shown = show("-c", "/dev/null") if Path("/etc/sonic/portsyncd.conf").exists() else show()
    assert set(shown.origins.values()) == {"default"}
    assert shown.values.keys() == defaults.keys()
    for key, default in defaults.items():
        value = shown.values[key]
        same = value == default or (value is not None and re.fullmatch(rf"{value}\.0", default))
        assert same or (value, default) == (None, "not set"), (key, value, default)


def test_each_value_says_where_it_comes_from(tmp_path: Path) -> None:
    path = conf(tmp_path, '# a comment\n[log]\nlevel = info\naudit=false\n[http]\nlisten = ""\n[sonic]\nretire_old_links = always\n')
    shown = show(
        *("-c", path, "--log-level", "debug", "--sandbox=off"),
        PORTSYNCD_LOG_LEVEL="err",
        PORTSYNCD_RETIRE_OLD_LINKS="never",
        PORTSYNCD_METRICS_CERT="/c",
        PORTSYNCD_METRICS_KEY="/k",
        PORTSYNCD_METRICS_CA="",
    )
    told = {key: (value, shown.origins[key]) for key, value in shown.values.items() if shown.origins[key] != "default"}
    assert told == {
        "http.listen": ('""', f"{path}:6"),
        "http.cert": ("/c", "environment: PORTSYNCD_METRICS_CERT"),
        "http.key": ("/k", "environment: PORTSYNCD_METRICS_KEY"),
        "sonic.retire_old_links": ("never", "environment: PORTSYNCD_RETIRE_OLD_LINKS"),
        "security.sandbox": ("off", "command line: --sandbox"),
        "log.level": ("debug", "command line: --log-level"),
        "log.audit": ("false", f"{path}:4"),
    }


AWKWARD = """[database]
redis_host = "::1"
redis_username = "ro#ot's"
redis_password_file = "/a b\t#'c "
database_config = /back\\slash
[performance]
cpu_affinity = 0
[health]
max_failure_percent = 0.000001
min_sync_percent = 1e1
[http]
listen = "127.0.0.1:1 , [::1]:2"
unix_socket = /ä
[log]
rfc5424_to = tcp:[::1]:6514
limit_lines = 7
"""


def test_what_is_shown_is_a_file_with_the_same_values(tmp_path: Path) -> None:
    path = conf(tmp_path, AWKWARD)
    first = portsyncd("--show-config", "-c", path)
    again = tmp_path / "again.conf"
    again.write_text(first.stdout)
    values = read_shown(first.stdout).values
    assert values == show("-c", again).values
    assert values["database.redis_port"] == "6379"
    assert values["database.redis_username"] == "\"ro#ot's\""
    assert values["database.database_config"] == "/back\\slash"
    assert values["performance.cpu_affinity"] == "0"
    assert (values["health.max_failure_percent"], values["health.min_sync_percent"]) == ("1e-06", "10")
    assert values["http.listen"] == "127.0.0.1:1, [::1]:2"


def test_a_value_that_no_file_can_say_is_a_comment(tmp_path: Path) -> None:
    """A path that was relative on the command line is shown as an absolute one."""
    done = portsyncd("--show-config", "-c", conf(tmp_path, ""), "--database-config", 'a"\n[log]\nlevel = debug')
    assert (done.returncode, done.stderr) == (0, "")
    assert r'/a"\x0a[log]\x0alevel = debug # command line: --database-config' in done.stdout
    again = tmp_path / "again.conf"
    again.write_text(done.stdout)
    assert show("-c", again).values["log.level"] == "notice"
    shown = show("-c", again, "--database-config", "x.json")
    assert shown.values["database.database_config"] == f"{Path.cwd()}/x.json"


def test_a_secret_is_not_shown(tmp_path: Path) -> None:
    for name in ("redis_password", "key.pem"):
        (tmp_path / name).write_text("hunter2\n")
        (tmp_path / name).chmod(0o600)
    done = portsyncd(
        "--show-config",
        PORTSYNCD_METRICS_CERT=str(tmp_path / "cert.pem"),
        PORTSYNCD_METRICS_KEY=str(tmp_path / "key.pem"),
        CREDENTIALS_DIRECTORY=str(tmp_path),
    )
    assert f"# Password for Redis: in {tmp_path}/redis_password\n" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


def test_a_configuration_that_is_refused_is_not_shown(tmp_path: Path) -> None:
    """Not even under supervisord, where the daemon would go on with defaults."""
    path = conf(tmp_path, "[log]\nlevel = loud\n")
    for environment in ({}, {"SUPERVISOR_ENABLED": "1", "SUPERVISOR_PROCESS_NAME": "portsyncd"}):
        assert_refused(portsyncd("--show-config", "-c", path, **environment), f"{path}:2: log.level")
    assert_refused(portsyncd("--show-config", "--check-config"), "--show-config", "either")


def test_a_full_disk_does_not_pass_for_the_configuration() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([binary(), "--show-config"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode != 0 and "No space left" in done.stderr


def value_of(text: str | None) -> object:
    """As JSON has it; a choice, a path and a CPU list are texts."""
    if text is None:
        return None
    text = text.strip('"')
    if text in ("true", "false"):
        return text == "true"
    return float(text) if re.fullmatch(r"[\d.e-]+", text) else text


def test_the_page_has_what_show_config_prints(switch: SwitchFactory) -> None:
    """Of the running daemon, which a SIGHUP changes in [log] alone."""
    sw = switch(ports=1, environment={"PORTSYNCD_RETIRE_OLD_LINKS": "never"}, settings={"log": {"limit_lines": 7}})
    shown = show(*sw.daemon.command[1:], PORTSYNCD_RETIRE_OLD_LINKS="never")
    page = sw.pages.get("/config").json
    assert (page["schema"], page["file"], page["faults"]) == (1, str(sw.config_file), 0)
    assert page["command_line"] == {"namespace": None, "database_global": None, "netns": sw.netns.name}
    found = {f"{key['section']}.{key['name']}": key for key in page["keys"]}
    assert found.keys() == shown.values.keys()
    for name, key in found.items():
        value = ", ".join(key["value"]) if isinstance(key["value"], list) else key["value"]
        assert value == value_of(shown.values[name]), (key, shown.values[name])
        place = f"{page['file']}:{key['line']}" if key["origin"] == "file" else key["origin"]
        assert shown.origins[name].startswith(place), (key, shown.origins[name])
    before = sw.config_file.read_text()
    sw.config_file.write_text(
        "[performance]\nsettle_ms = 7\n" + before.replace("limit_lines = 7", "# more\nlimit_lines = 8")
    )
    sw.daemon.send(signal.SIGHUP)
    sw.daemon.wait_log("in force after a restart only: performance.settle_ms")
    changed = {**found["log.limit_lines"], "value": 8, "line": found["log.limit_lines"]["line"] + 3}
    expected = {**found, "log.limit_lines": changed}

    def told() -> dict[str, Any]:
        return {f"{key['section']}.{key['name']}": key for key in sw.pages.get("/config").json["keys"]}

    wait_for(lambda: told() == expected, what=lambda: f"{told()} are {expected}")


# --- weights ---


@pytest.mark.parametrize(
    ("file", "environment", "flag", "info_shown"),
    [
        (None, None, None, False),
        ("info", None, None, True),
        ("notice", "info", None, True),
        ("info", "notice", None, False),
        ("notice", "notice", "info", True),
        ("info", "info", "notice", False),
        ("info", "", None, True),
    ],
)
def test_flags_beat_environment_beats_file_beats_default(
    file: str | None, environment: str | None, flag: str | None, info_shown: bool, switch: SwitchFactory
) -> None:
    """The daemon logs a connection at level info, and that it follows the links at notice."""
    variables = {} if environment is None else {"PORTSYNCD_LOG_LEVEL": environment}
    sw = switch.build(ports=1, settings={"log": {"level": file}} if file else {}, environment=variables)
    at = sw.daemon.command.index("--log-level")
    del sw.daemon.command[at : at + 2]
    if flag:
        sw.daemon.command += ["--log-level", flag]
    sw.start()
    sw.daemon.wait_log("NOTICE: .*follows the kernel's links")
    assert ("INFO: " in sw.daemon.log) == info_shown


def test_signals_move_the_level(switch: SwitchFactory) -> None:
    sw = switch(ports=1, log_level="notice")
    sw.daemon.send(signal.SIGUSR1)
    sw.daemon.wait_log("log level is INFO now")
    sw.daemon.send(signal.SIGUSR1)
    sw.daemon.wait_log("log level is DEBUG now")
    sw.daemon.send(signal.SIGUSR2)
    sw.daemon.wait_log("log level is INFO now[^$]*log level is INFO now")
    sw.daemon.send(signal.SIGHUP)
    sw.daemon.wait_log("the configuration was read again")
    sw.netns.set_mtu("Ethernet0", 1500)
    sw.wait_field("Ethernet0", "mtu", "1500")


# --- what cannot work at all ---


@pytest.mark.parametrize("target", ["stderr", "syslog", "journal", "auto"])
def test_an_unknown_namespace(target: str) -> None:
    """One line on stderr, wherever the log goes."""
    options = ("--config", NO_STATE, "--database-config", DATABASE_SAMPLE)
    done = portsyncd("--netns", "no-such-namespace", "--log-target", target, *options)
    assert_refused(done, "/run/netns/no-such-namespace", "No such file", status=1)


def test_a_namespace_that_may_not_be_entered(netns: NetNs) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        program = Path(shutil.copy(binary(), folder))
        # The default state file is the machine's; the user nobody may not write it.
        done = portsyncd("--netns", netns.name, "--log-target", "stderr", before=NOBODY, program=program)
    assert_refused(done, f"/run/netns/{netns.name}", "not permitted", status=1)


def test_without_net_admin_it_follows_with_a_smaller_buffer(switch: SwitchFactory) -> None:
    """Old links cannot be set down either; the log says all that, and the rest works."""
    asked = 2 * int(Path("/proc/sys/net/core/rmem_max").read_text())
    settings = {"performance": {"receive_buffer_bytes": asked}}
    sw = switch.build(ports=2, links="before", reconcile_secs=3600, settings=settings)
    sw.daemon.command[:0] = ["setpriv", "--bounding-set=-net_admin"]
    sw.daemon.command += ["--sandbox", "off"]  # which insists on it
    sw.orch.start()
    sw.daemon.start()
    sw.daemon.wait_log(rf"receive buffer \d+ bytes \(asked for {asked}, net.core.rmem_max is the limit\)")
    sw.daemon.wait_log("WARNING: .*2 of 2 old interfaces could not be set down")
    for port in sw.ports:
        sw.netns.delete_port(port)
        sw.netns.add_port(port)
    sw.wait_init_done()
    sw.wait_equal(ports=2)


# --- what the configuration names ---


def test_check_config_names_cpus_that_are_not_there(tmp_path: Path) -> None:
    path = conf(tmp_path, "[performance]\nlock_memory = true\ncpu_affinity = 0,1023\n")
    done = portsyncd("--check-config", "-c", path, "--database-config", DATABASE_SAMPLE)
    assert_refused(done, f"{path}:3: performance.cpu_affinity: this machine has no CPU 1023; allowed: of 0")


def test_check_config_names_the_line_that_names_an_absent_file(tmp_path: Path) -> None:
    path = conf(tmp_path, f"[database]\n\ndatabase_config = {tmp_path}/absent\n")
    assert_refused(portsyncd("--check-config", "-c", path), f"{path}:3: database.database_config: {tmp_path}/absent")


@pytest.mark.parametrize(("owner", "mode", "good"), [(0, 0o400, True), (0, 0o000, False), (65534, 0o600, False)])
def test_check_config_and_a_password_that_root_reads_by_force(
    tmp_path: Path, owner: int, mode: int, good: bool
) -> None:
    """The daemon reads it for each log-in, and by then has given up the capability to read other users' files."""
    password = tmp_path / "password"
    password.write_text("secret\n")
    password.chmod(mode)
    os.chown(password, owner, owner)
    path = conf(tmp_path, f"[database]\nredis_password_file = {password}\n")
    done = portsyncd("--check-config", "-c", path, "--database-config", DATABASE_SAMPLE)
    if good:
        assert_good(done)
    else:
        assert_refused(done, f"{path}:2: database.redis_password_file: {password}: ", "allowed: ")


def test_once_alone_is_refused() -> None:
    assert_refused(portsyncd("--once"), "--once", "--dry-run")
