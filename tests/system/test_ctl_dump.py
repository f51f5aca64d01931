# SPDX-License-Identifier: Apache-2.0
"""portsyncctl dump: what the archive contains, what it must not contain, and that no fault prevents it."""

import io
import json
import os
import signal
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import SwitchFactory
from lib import ctl
from lib.orch import TABLE
from lib.redis_server import RedisServer
from lib.switch import Switch
from lib.wait import patient, wait_for

PAGES = {"status.json", "healthz.json", "readyz.json", "config.json", "metrics.txt", "ports.json", "history.json"}
PAGES |= {"recording.pcapng"}
TABLES = {"CONFIG_DB.PORT.json", "APPL_DB.PORT_TABLE.json", "STATE_DB.PORT_TABLE.json"}
OWN = {"doctor.json", "portsyncd.conf", "links.json"}
SECRET = "correct-horse-battery-staple"


class Archive:
    def __init__(self, packed: bytes) -> None:
        self.files: dict[str, bytes] = {}
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
            for member in archive.getmembers():
                folder, _, name = member.name.partition("/")
                assert folder.startswith("portsyncd-dump-"), member.name
                assert (member.uid, member.gid) == (0, 0) and not member.mode & 0o077, member.name
                if member.isfile():
                    read = archive.extractfile(member)
                    assert read
                    self.files[name] = read.read()

    @property
    def missing(self) -> dict[str, str]:
        """Part -> why it is missing."""
        suffix = ".missing"
        return {name[: -len(suffix)]: text.decode() for name, text in self.files.items() if name.endswith(suffix)}

    def json(self, name: str) -> Any:
        return json.loads(self.files[name])


def dump(sw: Switch, path: Path, **how: Any) -> Archive:
    done = ctl.run(sw, "dump", "-o", str(path), **how)
    assert (done.code, done.out, done.err) == (ctl.GOOD, f"{path}\n", ""), done
    assert path.stat().st_mode & 0o777 == 0o600
    archive = Archive(path.read_bytes())
    for name in PAGES | TABLES | OWN | {"journal.txt"}:
        assert (name in archive.files) != (name in archive.missing), name
        assert name in archive.files["README"].decode()
    return archive


def test_everything_is_in_it(switch: SwitchFactory, tmp_path: Path) -> None:
    sw = switch(ports=3)
    archive = dump(sw, tmp_path / "dump.tar.gz")
    assert archive.missing.keys() <= {"journal.txt"}, archive.missing
    assert archive.files["recording.pcapng"].startswith(b"\x0a\x0d\x0d\x0a"), "a section of pcapng"
    assert archive.json("healthz.json")["status"] == "healthy"
    assert [port["name"] for port in archive.json("ports.json")["ports"]] == sw.ports
    assert "portsyncd_build_info{" in archive.files["metrics.txt"].decode()
    assert archive.json("doctor.json")["pid"] == sw.daemon.pid
    assert archive.json("config.json")["file"] == str(sw.config_file)
    rows = archive.json("STATE_DB.PORT_TABLE.json")
    assert {f"{TABLE} {port}": sw.row(port) for port in sw.ports}.items() <= rows.items()
    assert archive.json("CONFIG_DB.PORT.json").keys() == {f"PORT {port}" for port in sw.ports}
    links = {link["ifname"]: link for link in archive.json("links.json")}
    for link in sw.netns.links():
        found = links[link["ifname"]]
        assert {name: link[name] for name in ("ifindex", "mtu")}.items() <= found.items()
        assert set(found["flags"]) - {"RUNNING"} == set(link["flags"]) - {"NO-CARRIER", "M-DOWN"}
        assert found.get("linkinfo") == (None if link["ifname"] == "lo" else {"info_kind": "veth"})


def test_no_secret_is_in_it(switch: SwitchFactory, redis_server: Callable[..., RedisServer], tmp_path: Path) -> None:
    """Neither the daemon's Redis password nor the rest of its environment."""
    password = tmp_path / "password"
    password.write_text(f"{SECRET}\n")
    password.chmod(0o600)
    settings = {"database": {"redis_password_file": password}}
    server = redis_server(password=SECRET)
    sw = switch(ports=1, server=server, settings=settings, environment={"UNRELATED_TOKEN": SECRET})
    archive = dump(sw, tmp_path / "dump.tar.gz")
    assert archive.json("config.json")["password_file"] == str(password)
    assert str(password) in archive.files["portsyncd.conf"].decode()
    assert TABLES <= archive.files.keys()
    assert [name for name, text in archive.files.items() if SECRET.encode() in text] == []


def test_without_the_daemon(switch: SwitchFactory, tmp_path: Path) -> None:
    sw = switch.build(ports=2, links="before")
    archive = dump(sw, tmp_path / "dump.tar.gz")
    assert archive.missing.keys() - {"journal.txt"} == PAGES
    assert "does not run" in archive.missing["status.json"] and "what helps: " in archive.missing["status.json"]
    assert archive.json("CONFIG_DB.PORT.json").keys() == {f"PORT {port}" for port in sw.ports}
    assert archive.json("doctor.json")["pid"] is None


def test_a_daemon_and_a_redis_that_hang(switch: SwitchFactory, tmp_path: Path) -> None:
    sw = switch(ports=2)
    sw.daemon.send(signal.SIGSTOP)
    sw.redis.pause()
    archive = dump(sw, tmp_path / "dump.tar.gz")
    sw.redis.resume()
    sw.daemon.send(signal.SIGCONT)
    assert archive.missing.keys() - {"journal.txt"} == PAGES | TABLES
    assert "does not answer" in archive.missing["metrics.txt"]
    assert "has not answered" in archive.missing["STATE_DB.PORT_TABLE.json"]
    levels = {check["check"]: check["level"] for check in archive.json("doctor.json")["checks"]}
    assert levels["daemon"] == "FAIL" and levels["redis"] == "FAIL"
    assert {link["ifname"] for link in archive.json("links.json")} >= set(sw.ports)


def test_a_configuration_that_is_bad(switch: SwitchFactory, tmp_path: Path) -> None:
    """The archive has it all the same: it is what needs to be examined."""
    sw = switch(ports=1)
    sw.config_file.write_text(sw.config_file.read_text() + "[log]\nlevel = loud\n")
    archive = dump(sw, tmp_path / "dump.tar.gz")
    texts = [check["text"] for check in archive.json("doctor.json")["checks"] if check["level"] == "FAIL"]
    assert any("log.level" in text for text in texts), texts


def test_where_it_goes(switch: SwitchFactory, tmp_path: Path) -> None:
    """To the current folder, under a generated name, or to stdout. The document says where, and what is missing."""
    sw = switch.build(ports=1)
    done = ctl.run(sw, "dump", "--json", before=("env", "-C", str(tmp_path)))
    name = done.json["file"]
    assert done.code == ctl.GOOD and name.startswith("portsyncd-dump-") and name.endswith("Z.tar.gz")
    archive = Archive((tmp_path / name).read_bytes())
    assert {part["name"] for part in done.json["parts"] if "missing" in part} == archive.missing.keys()
    command = [str(ctl.program()), *ctl.arguments(sw), "dump", "-o", "-"]
    with ctl.curious(sw):
        piped = subprocess.run(command, capture_output=True, check=True, timeout=patient(60))
    assert piped.stderr == b"" and Archive(piped.stdout).files.keys() == archive.files.keys()
    refused = ctl.run(sw, "dump", "--json", "-o", "-")
    assert (refused.code, refused.json["error"]["code"]) == (ctl.USAGE, ctl.USAGE)


@pytest.mark.parametrize("path", ["/nonexistent/dump.tar.gz", "/dev/full"])
def test_where_it_cannot_go(path: str, switch: SwitchFactory, tmp_path: Path) -> None:
    done = ctl.run(switch.build(ports=1), "dump", "-o", path, environ={"TMPDIR": str(tmp_path)})
    assert done.code == ctl.NO_SOURCE and done.out == "" and len(done.err.splitlines()) == 2
    assert path != "/nonexistent/dump.tar.gz" or done.err.startswith(f"portsyncctl: {path}: No such file or directory\n")
    assert list(tmp_path.iterdir()) == []


def test_without_tar(switch: SwitchFactory, tmp_path: Path) -> None:
    done = ctl.run(switch.build(ports=1), "dump", "--json", "-o", f"{tmp_path}/x", environ={"PATH": "/nonexistent", "TMPDIR": str(tmp_path)})
    assert (done.code, done.json["error"]["message"]) == (ctl.NO_SOURCE, "tar: it is not there")
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_leaves_nothing(switch: SwitchFactory, tmp_path: Path) -> None:
    sw = switch(ports=1)
    sw.daemon.send(signal.SIGSTOP)
    folder = tmp_path / "tmp"
    folder.mkdir()
    command = [str(ctl.program()), *ctl.arguments(sw), "dump", "-o", str(tmp_path / "dump.tar.gz")]
    environment = {**os.environ, "TMPDIR": str(folder)}
    with ctl.curious(sw), subprocess.Popen(command, stderr=subprocess.PIPE, env=environment) as process:
        wait_for(lambda: (tmp_path / "dump.tar.gz.part").exists(), what="it has begun")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=patient(60))
    sw.daemon.send(signal.SIGCONT)
    assert (process.returncode, err) == (130, b"")
    assert list(folder.iterdir()) == [] and list(tmp_path.iterdir()) == [folder]


def test_a_reader_who_is_gone(switch: SwitchFactory, tmp_path: Path) -> None:
    sw = switch.build(ports=1)
    read, write = os.pipe()
    os.close(read)
    command = [str(ctl.program()), *ctl.arguments(sw), "dump", "-o", "-"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    options: dict[str, Any] = {"stdout": write, "stderr": subprocess.PIPE, "env": environment}
    with ctl.curious(sw):
        done = subprocess.run(command, **options, timeout=patient(60), check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")
    assert list(tmp_path.iterdir()) == []
