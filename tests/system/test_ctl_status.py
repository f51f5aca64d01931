# SPDX-License-Identifier: Apache-2.0
"""portsyncctl status: the verdict first, then each problem with its remedy; and what it reports of a daemon that does
not answer. test_health_checks.py makes every check fail and compares the page behind this verb."""

import contextlib
import shutil
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import SwitchFactory
from lib import ctl
from lib.faults import NO_RECONCILE, QUICK
from lib.freeze import held_in_its_turn
from lib.switch import Switch
from lib.wait import wait_for


def status(sw: Switch) -> Any:
    return ctl.run(sw, "status", "-j").json


def wait_problem(sw: Switch, check: str) -> Any:
    """The problem, once there is one."""
    found: list[Any] = []

    def there() -> bool:
        found[:] = [problem for problem in status(sw).get("problems", []) if problem["check"] == check]
        return bool(found)

    wait_for(there, 60, lambda: f"{check}: {status(sw)}")
    return found[0]


def words(text: str) -> str:
    return " ".join(text.split())


def test_all_is_well(switch: SwitchFactory) -> None:
    sw = switch(ports=3)
    for port in sw.ports:
        sw.wait_oper(port, "up")
    wait_for(lambda: status(sw)["verdict"] == "healthy", what="healthy")
    document = status(sw)
    assert document["problems"] == [] and document["pid"] == sw.daemon.pid
    assert document["ports"]["in_sync"] == 3 and document["init_done"]
    done = ctl.run(sw, "status")
    assert (done.code, done.err) == (ctl.GOOD, "")
    assert done.out.startswith("healthy\n")
    assert "3 of 3 configured ports in sync, 3 up; kernel in sync; PortInitDone sent" in done.out
    assert f"healthy: {', '.join(document['healthy'])}" in words(done.out)
    brief = ctl.run(sw, "status", "--brief")
    assert brief.code == ctl.GOOD and brief.out.count("\n") == 1 and brief.out.startswith("healthy; 3 of 3 ")


def test_each_problem_with_its_remedy(switch: SwitchFactory) -> None:
    """Two problems at once: two ports have no interface, and Redis goes away."""
    sw = switch.build(ports=3, links="none", settings={"database": dict(QUICK)}, reconcile_secs=NO_RECONCILE)
    sw.start(wait=False)
    sw.orch.wait_config_done()
    sw.netns.add_port("Ethernet0")
    sw.wait_field("Ethernet0", "state", "ok")
    wait_for(lambda: wait_problem(sw, "ports_awaited")["ports"] == ["Ethernet4", "Ethernet8"], what="two are awaited")
    sw.redis.pause()
    try:
        away = wait_problem(sw, "redis_away")
        assert away["reason"] and "database container" in away["remedy"]
        document, shown, brief = wait_for(lambda: same_checks(sw), 60, "nothing is added meanwhile")
    finally:
        sw.redis.resume()
    assert shown.code == brief.code == ctl.NEGATIVE
    checks = [problem["check"] for problem in document["problems"]]
    assert shown.out.split("\n")[0].endswith(f": {', '.join(checks)}") and shown.out.startswith(document["verdict"])
    assert brief.out.count("\n") == 1 and f": {', '.join(checks)}; " in brief.out
    text = words(shown.out)
    for problem in document["problems"]:
        for part in ("subject", "cause", "remedy", "reason"):
            assert words(problem.get(part, "")) in text, (part, problem)
    assert "ports: Ethernet4, Ethernet8" in text and checks[0] not in text.partition("healthy: ")[2]


def same_checks(sw: Switch) -> tuple[Any, ctl.Done, ctl.Done] | None:
    """The document, the text and the line; None if the failing checks changed meanwhile."""
    document, shown, brief, after = status(sw), ctl.run(sw, "status"), ctl.run(sw, "status", "--brief"), status(sw)
    failing = [[problem["check"] for problem in one["problems"]] for one in (document, after)]
    return (document, shown, brief) if failing[0] == failing[1] and document["verdict"] == after["verdict"] else None


def wrong_password(sw: Switch, folder: Path) -> None:
    path = folder / "password"
    path.write_text("wrong\n")
    path.chmod(0o600)
    sw.redis.client().config_set("requirepass", "right")
    sw.config_file.write_text(f"{sw.config_file.read_text()}[database]\nredis_password_file = {path}\n")


def no_database_config(sw: Switch, _: Path) -> None:
    sw.database_config.unlink()


def full(sw: Switch, _: Path) -> None:
    sw.redis.client().config_set("maxclients", 1)


@pytest.mark.parametrize(
    ("fault", "remedy"),
    [(wrong_password, "redis_password_file"), (no_database_config, "database container"), (full, "Redis complains about")],
    ids=["password", "awaited", "full"],
)
def test_the_remedy_is_that_of_the_reason(
    switch: SwitchFactory, tmp_path: Path, fault: Callable[[Switch, Path], None], remedy: str
) -> None:
    sw = switch.build(ports=1, least_rights=False)  # Redis' default user
    fault(sw, tmp_path)
    sw.daemon.start()
    sw.pages_when_served()
    wait_for(lambda: remedy in wait_problem(sw, "redis_away")["remedy"], what=lambda: f"{remedy}: {status(sw)}")


def test_a_loop_that_hangs(switch: SwitchFactory) -> None:
    """Another thread serves the pages: they show the last figures, and say that these are old."""
    sw = switch(ports=1, settings={"health": {"max_stall_secs": 1}})
    with held_in_its_turn(sw.daemon.pid, lambda: sw.netns.set_mtu("Ethernet0", 1500)):
        problem = wait_problem(sw, "loop_stall")
        assert "SIGSTOP" in problem["cause"]
        shown = ctl.run(sw, "status")
        assert shown.code == ctl.NEGATIVE and "its loop does not answer" in shown.out


# --- it does not answer ---


def unanswered(sw: Switch, verdict: str) -> Any:
    """The JSON document; its text form is compared with it first."""
    done = ctl.run(sw, "status", "-j")
    document = done.json
    assert done.code == document["error"]["code"] == ctl.NO_DAEMON
    assert document["verdict"] == verdict and "portsyncctl doctor" in document["error"]["remedy"]
    shown, brief = ctl.run(sw, "status"), ctl.run(sw, "status", "--brief")
    assert shown.code == brief.code == ctl.NO_DAEMON
    assert shown.out.startswith(f"{verdict}: {document['error']['message']}\n")
    assert brief.out == shown.out.partition("\n")[0] + "\n"
    assert "portsyncctl doctor" in shown.out
    return document


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_it_was_stopped(switch: SwitchFactory, how: signal.Signals) -> None:
    """SIGKILL leaves its socket behind."""
    sw = switch(ports=1)
    sw.daemon.kill() if how == signal.SIGKILL else sw.daemon.stop()
    document = unanswered(sw, "not running")
    assert document["processes"] == []
    assert document["appl_db"] == {"PortConfigDone": True, "PortInitDone": True}
    assert "process: there is none" in words(ctl.run(sw, "status").out)


def test_it_hangs(switch: SwitchFactory) -> None:
    sw = switch(ports=1)
    sw.daemon.pause()
    document = unanswered(sw, "stopped")
    assert [process["pid"] for process in document["processes"]] == [sw.daemon.pid]
    assert "kill -CONT" in document["error"]["remedy"]
    sw.daemon.resume()
    wait_for(lambda: ctl.run(sw, "status").code != ctl.NO_DAEMON, what="it answers")


def test_who_may_not_ask_it(switch: SwitchFactory) -> None:
    """The daemon is healthy: the remedy is to run portsyncctl as root, not to examine the daemon."""
    sw = switch(ports=1, least_rights=False)
    sw.folder.chmod(0o755)
    program = shutil.copy(ctl.program(), sw.folder / "portsyncctl")
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    done = ctl.run(sw, "status", "--json", before=nobody, at=Path(program))
    error = done.json["error"]
    assert (done.code, done.json["verdict"]) == (ctl.NO_DAEMON, "not answering")
    assert "Permission denied" in error["message"] and error["remedy"].startswith("run it as root")
    doctor = ctl.run(sw, "doctor", "--json", before=nobody, at=Path(program))
    assert doctor.json["text"] == "this user may not look at portsyncd; this is how it would do as user nobody"
    (found,) = [check for check in doctor.json["checks"] if check["check"] == "daemon"]
    assert (found["level"], found["remedy"]) == ("WARN", "run it as root") and "not known" in found["text"]


def test_it_was_never_started_and_neither_was_redis(switch: SwitchFactory) -> None:
    sw = switch.build(ports=1)
    sw.redis.kill()
    document = unanswered(sw, "not running")
    assert document["appl_db"] is None
    assert "APPL_DB: cannot be read" in words(ctl.run(sw, "status").out)


def test_a_stranger_at_its_socket(switch: SwitchFactory) -> None:
    """A stranger accepts the connection and sends nothing, or nonsense: exit 3, no crash, no endless wait."""
    sw = switch(ports=1)
    sw.daemon.stop()
    with socket.socket(socket.AF_UNIX) as listener:
        sw.pages.path.unlink(missing_ok=True)
        listener.bind(str(sw.pages.path))
        listener.listen()
        assert "does not answer" in status(sw)["error"]["message"]
    sw.pages.path.unlink()
    with answering(sw.pages.path, b'HTTP/1.0 200 OK\r\n\r\n{"verdict": 7, "problems": "x", "ports": [1]}'):
        assert ctl.run(sw, "status").code in (ctl.NEGATIVE, ctl.NO_DAEMON)
        assert ctl.run(sw, "why", "Ethernet0").code == ctl.GOOD


@contextlib.contextmanager
def answering(path: Path, answer: bytes) -> Iterator[None]:
    """A server that gives this answer to every request."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client:
                    client.recv(65536)
                    client.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(30)
