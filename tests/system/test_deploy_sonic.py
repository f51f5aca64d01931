# SPDX-License-Identifier: Apache-2.0
"""deploy/sonic: what is installed on the host of a SONiC switch. docker is a stand-in: its containers are network
namespaces with their own PATH, which cannot see the host's folder; in them runs the real portsyncctl."""

import gzip
import io
import json
import os
import pty
import shlex
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import SwitchFactory
from lib import ctl
from lib.daemon import ROOT
from lib.switch import Switch
from lib.wait import patient

WRAPPER = ROOT / "deploy" / "sonic" / "portsyncctl"
HOOK = ROOT / "deploy" / "sonic" / "debug-dump" / "portsyncd"

DOCKER = """#!/bin/sh
# The files of $CONTAINERS are containers: a line true or false (it runs), a line with the network namespace.
echo "$@" >>"$CALLS"
case $1 in
inspect)
    if ! [ -f "$CONTAINERS/$4" ]; then
        echo "Error: No such object: $4" >&2
        exit 1
    fi
    head -n 1 "$CONTAINERS/$4"
    ;;
ps) grep -lx true "$CONTAINERS"/* | xargs -r -n 1 basename ;;
exec)
    shift
    while :; do
        case $1 in
        -e) shift 2 ;;
        -*) shift ;;
        *) break ;;
        esac
    done
    name=$1
    shift
    exec nsenter --net="/run/netns/$(tail -n 1 "$CONTAINERS/$name")" unshare --mount sh -c '
        mount -t tmpfs none "$HOST" && cd / && exec env -i TERM="$TERM" PATH="$INSIDE/$0:/usr/bin:/bin" "$@"' \\
        "$name" "$@"
    ;;
esac
"""


class Host:
    """The commands of a host, and the current folder of its user."""

    def __init__(self, folder: Path) -> None:
        self.containers, self.inside, self.bin, self.home, self.calls = (
            folder / name for name in ("containers", "inside", "bin", "home", "calls")
        )
        for made in (self.containers, self.inside, self.bin, self.home):
            made.mkdir()
        self.calls.touch()
        docker = self.bin / "docker"
        docker.write_text(DOCKER)
        docker.chmod(0o755)
        self.environment = {
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "TERM": "xterm",
            "CONTAINERS": str(self.containers),
            "INSIDE": str(self.inside),
            "HOST": str(self.home),
            "CALLS": str(self.calls),
        }

    def add(self, name: str, sw: Switch, installed: bool = True) -> None:
        """Adds a running container whose portsyncctl finds the parts of the switch."""
        (self.containers / name).write_text(f"true\n{sw.netns.name}\n")
        if installed:
            path = self.inside / name / "portsyncctl"
            path.parent.mkdir()
            found = [word for word in ctl.arguments(sw) if word not in ("--netns", sw.netns.name)]
            complete = f'[ "$1" != --complete ] || {{ shift; set -- --complete {shlex.join(found)} "$@"; found=; }}'
            path.write_text(f'#!/bin/sh\nfound=1\n{complete}\nexec {ctl.program()} ${{found:+{shlex.join(found)}}} "$@"\n')
            path.chmod(0o755)

    def run(self, *words: str, shell: str = "dash") -> ctl.Done:
        done = subprocess.run(
            [shell, str(WRAPPER), *words],
            capture_output=True,
            text=True,
            errors="backslashreplace",
            cwd=self.home,
            env=self.environment,
            timeout=patient(60),
            check=False,
        )
        documents = [json.loads(line) for line in done.stdout.splitlines()] if {"-j", "--json"} & set(words) else []
        for document in documents:
            ctl.validate(document)
        return ctl.Done(done.returncode, done.stdout, done.stderr, documents)

    @property
    def last_call(self) -> list[str]:
        return self.calls.read_text().splitlines()[-1].split()

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.home.iterdir())


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    yield Host(tmp_path)


def read_archive(packed: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        files = [member for member in archive.getmembers() if member.isfile()]
        return {member.name: (archive.extractfile(member) or io.BytesIO()).read() for member in files}


# --- portsyncctl ---


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_it_is_the_command_in_the_container(shell: str, switch: SwitchFactory, host: Host) -> None:
    """Output and exit status are the same: for success, a negative answer, and wrong usage."""
    sw = switch(ports=2)
    host.add("swss", sw)
    done = host.run("doctor", "-j", shell=shell)
    assert (done.code, done.err, done.json["pid"]) == (ctl.GOOD, "", sw.daemon.pid)
    assert host.last_call[:2] == ["exec", "-e"]
    assert {"NO_COLOR", "TERM", "LC_ALL", "LC_CTYPE", "LANG"} <= {*host.last_call}, "what a picture is drawn with"
    sw.config_file.write_text("[log]\nlevel = loud\n")
    assert host.run("doctor", "--json", shell=shell).code == ctl.NEGATIVE
    done = host.run("no such", "verb's", '"it"', shell=shell)
    assert done.code == ctl.USAGE and done.out == "" and "no such: is not a verb" in done.err


def test_a_container_for_each_asic(switch: SwitchFactory, host: Host) -> None:
    first, second = switch(ports=1), switch(ports=2)
    host.add("swss0", first)
    host.add("swss1", second)
    for words in (["-n", "asic1", "doctor"], ["doctor", "-nasic1"], ["--namespace=asic1", "doctor"]):
        assert host.run(*words, "--json").json["pid"] == second.daemon.pid
    assert host.run("-j", "doctor", "--namespace", "asic0").json["pid"] == first.daemon.pid
    done = host.run("--json", "doctor")
    assert done.code == ctl.USAGE and done.json["error"]["remedy"].startswith("-n asic0")
    assert host.run("-n", "../x", "doctor").code == ctl.USAGE
    assert host.run("doctor", "-n").code == ctl.USAGE
    done = host.run("-j", "-n", "asic7", "doctor")
    assert done.code == ctl.NO_DAEMON and "swss7 does not run" in done.json["error"]["message"]


def test_what_is_not_there(switch: SwitchFactory, host: Host) -> None:
    done = host.run("status")
    assert (done.code, done.out) == (ctl.NO_DAEMON, "") and "container swss does not run" in done.err
    assert host.run("status", "-j").json["error"]["code"] == ctl.NO_DAEMON
    host.add("swss", switch.build(ports=1), installed=False)
    done = host.run("status", "--json")
    assert done.code == ctl.NO_DAEMON and "has no portsyncctl" in done.json["error"]["message"]
    (host.containers / "swss").write_text("false\n")
    assert host.run("status").code == ctl.NO_DAEMON
    (host.bin / "docker").unlink()
    done = host.run("status", "--json")
    assert done.code == ctl.NO_DAEMON and "no docker" in done.json["error"]["message"]


def test_a_docker_that_we_may_not_ask(host: Host) -> None:
    (host.bin / "docker").write_text('#!/bin/sh\necho "permission denied: docker.sock" >&2\nexit 1\n')
    done = host.run("status")
    assert done.code == ctl.NO_DAEMON and "permission denied: docker.sock" in done.err and "sudo" in done.err


def test_a_file_is_one_of_the_host(switch: SwitchFactory, host: Host) -> None:
    """The container has a different folder of the same name."""
    host.add("swss", switch(ports=1))
    done = host.run("dump", "-o", "my dump.tar.gz")
    assert (done.code, done.out, done.err) == (ctl.GOOD, "my dump.tar.gz\n", "")
    assert host.files == ["my dump.tar.gz"]
    path = host.home / "my dump.tar.gz"
    assert path.stat().st_mode & 0o777 == 0o600
    assert any(name.endswith("/README") for name in read_archive(path.read_bytes()))
    path.unlink()
    done = host.run("dump", "--json")
    assert done.code == ctl.GOOD and host.files == [done.json["file"]]
    assert done.json["file"].startswith("portsyncd-dump-swss-")
    (host.home / done.json["file"]).unlink()
    assert host.run("dump", "--output=/nonexistent/x").code == ctl.NO_SOURCE
    assert host.files == []


def test_an_archive_is_made_whatever_stands_before_the_verb(switch: SwitchFactory, host: Host) -> None:
    host.add("swss", switch.build(ports=1))
    done = host.run("--color", "never", "dump")
    assert (done.code, done.err, done.out) == (ctl.GOOD, "", f"{host.files[0]}\n")
    assert any(name.endswith("/README") for name in read_archive((host.home / host.files[0]).read_bytes()))


@pytest.mark.parametrize("words", [["dump", "--help"], ["-h", "dump"], ["record", "-o", "x", "-h"], ["dump", "-V"]])
def test_help_is_no_archive(words: list[str], switch: SwitchFactory, host: Host) -> None:
    host.add("swss", switch.build(ports=1))
    done = host.run(*words)
    assert (done.code, done.err, host.files) == (ctl.GOOD, "", []) and done.out.startswith(("Usage: ", "portsyncctl "))


def test_completion_asks_the_container(switch: SwitchFactory, host: Host) -> None:
    """As completion/bash calls it; the last word is the one being typed."""
    sw = switch(ports=2)
    host.add("swss1", sw)
    asked = host.run("--complete", "-n", "asic1", "ports", "Ethernet")
    assert (asked.code, asked.err) == (ctl.GOOD, "")
    assert [line.split("\t")[0] for line in asked.out.splitlines()] == sw.ports
    asked = host.run("--complete", "--namespace", "asic1", "dump", "-o", "")
    assert (asked.code, asked.out, host.files) == (ctl.GOOD, ":files\n", [])
    assert host.run("--complete", "dump", "--").out == "" and host.files == []


def test_an_error_leaves_no_file(switch: SwitchFactory, host: Host) -> None:
    host.add("swss", switch.build(ports=1))
    done = host.run("record", "-o", "recording.pcapng")
    assert (done.code, done.out, host.files) == (ctl.NO_DAEMON, "", []) and "does not run" in done.err
    error = host.run("record", "-j", "-o", "recording.pcapng").json["error"]
    assert error["code"] == ctl.NO_DAEMON and "does not run" in error["message"] and "systemctl" in error["remedy"]
    assert host.files == []


def test_a_terminal_is_one_in_the_container(switch: SwitchFactory, host: Host) -> None:
    host.add("swss", switch.build(ports=1))
    ours, theirs = pty.openpty()
    command = ["dash", str(WRAPPER), "doctor"]
    subprocess.run(command, stdin=theirs, stdout=theirs, cwd=host.home, env=host.environment, check=False)
    os.close(theirs)
    assert b"\x1b[" in os.read(ours, 65536), "colours"
    os.close(ours)
    assert host.last_call[:2] == ["exec", "-it"]


# --- the techsupport hook ---


def techsupport(host: Host) -> dict[str, bytes]:
    """As `show techsupport` runs it: stderr joined, gzipped."""
    command = f"timeout --foreground 5m bash -c '{HOOK} 2>&1 | cat | gzip -c'"
    done = subprocess.run(["bash", "-c", command], capture_output=True, env=host.environment, check=True)
    assert done.stderr == b""
    return read_archive(gzip.decompress(done.stdout))


def test_techsupport_has_a_dump_of_each_container(switch: SwitchFactory, host: Host) -> None:
    """One daemon is stopped, and one container lacks the command."""
    host.add("swss0", switch(ports=1))
    host.add("swss1", switch.build(ports=2, links="before"))
    host.add("swss2", switch.build(ports=1), installed=False)
    host.add("syncd0", switch.build(ports=1))
    files = techsupport(host)
    assert {name.split("/")[1] for name in files} == {"swss0", "swss1", "swss2"}
    assert json.loads(files["./swss0/healthz.json"])["status"] == "healthy"
    assert b"does not run" in files["./swss1/healthz.json.missing"]
    assert len(json.loads(files["./swss1/CONFIG_DB.PORT.json"])) == 2
    assert b"ended with 127" in files["./swss2/README"] and files["./swss2/stderr"]


def test_techsupport_where_there_is_nothing(host: Host) -> None:
    assert b"no container swss runs" in techsupport(host)["./README"]
    (host.bin / "docker").unlink()
    assert b"no container swss runs" in techsupport(host)["./README"]


def test_the_scripts_are_sound() -> None:
    subprocess.run(["shellcheck", str(WRAPPER), str(HOOK)], check=True)
    for script in (WRAPPER, HOOK):
        assert os.access(script, os.X_OK) and script.read_text().startswith("#!/bin/sh\n")
