# SPDX-License-Identifier: Apache-2.0
"""What outlives a restart (SC-24): counters and numbers continue; a state file that cannot be trusted is not used."""

import hashlib
import json
import os
import signal
import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from conftest import SwitchFactory
from lib.collectors import Record, boot_id
from lib.faults import NO_RECONCILE
from lib.fence import fence
from lib.proc import Proc
from lib.switch import Switch
from lib.wait import wait_for
from test_audit import assert_record, audited, daemon_subject, lines, records, wait_record
from test_metrics import flap
from test_warm_start import enable

STRIDE = 1_000_000
OFTEN = {"state": {"save_interval_secs": 1}}
SELDOM = {"state": {"save_interval_secs": 3600}}
SEAL = ',\n "sha256": "'
SAVES, ERRORS = "portsyncd_state_saves_total", "portsyncd_state_save_errors_total"


def unseal(path: Path) -> dict[str, Any]:
    """The file's members; asserts that the checksum is right."""
    text = path.read_text()
    members, _, end = text.rpartition(SEAL)
    assert end == f'{hashlib.sha256(members.encode()).hexdigest()}"\n}}\n'
    return json.loads(text)


def write_sealed(path: Path, members: dict[str, Any]) -> None:
    text = json.dumps({name: value for name, value in members.items() if name != "sha256"})[:-1]
    path.write_text(f'{text}{SEAL}{hashlib.sha256(text.encode()).hexdigest()}"\n}}\n')


def wait_state(path: Path, wanted: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
    """Waits until the file has this content; it must be complete at each look."""
    last: dict[str, Any] = {}

    def said() -> bool:
        nonlocal last
        last = unseal(path)
        return wanted(last)

    wait_for(said, 30, lambda: f"{what}: {last}")
    return last


def saved_flaps(port: str, flaps: int) -> Callable[[dict[str, Any]], bool]:
    return lambda state: state["ports"].get(port, {}).get("flaps") == flaps


def counters(sw: Switch) -> dict[str, tuple[int, float]]:
    """Port -> flaps and time of the last change, as /ports has them."""
    listed = sw.pages.get("/ports").json["ports"]
    changed = {one["name"]: one["last_change"] for one in listed}
    times = {name: datetime.fromisoformat(text).timestamp() if text else 0 for name, text in changed.items()}
    return {one["name"]: (one["flaps"], times[one["name"]]) for one in listed}


def restart_warm(sw: Switch) -> None:
    """Restarts warm, so that the restart changes no link, and waits until all rows are as before."""
    started = len(records(sw, "port_init_done"))
    sw.daemon.start()
    wait_record(sw, "port_init_done", started + 1)
    sw.wait_equal(ports=len(sw.ports))


def numbers(sw: Switch, field: str, among: list[Record] | None = None) -> list[int]:
    return [int(one[field]) for one in (lines(sw) if among is None else among) if field in one]


# --- a restart ---


def told_flaps(sw: Switch, port: str) -> tuple[float, float]:
    """What Prometheus gets: the counter of this process, and the gauge that continues over restarts. After a kill a
    counter that continued would be a little lower than before, and Prometheus would take all of it for an increase."""
    figures = sw.pages.metrics()
    return figures("portsyncd_port_flaps_total", port=port), figures("portsyncd_port_flaps_lifetime", port=port)


def test_counters_go_on_after_an_orderly_stop(switch: SwitchFactory) -> None:
    """Flaps and last changes come back with the ports; event and audit numbers continue without a gap."""
    sw = audited(switch, ports=3, settings=SELDOM)
    sw.start()
    enable(sw)
    flap(sw, "Ethernet0", 2)
    flap(sw, "Ethernet4", 1)
    before = counters(sw)
    assert unseal(sw.state_file)["clean"] is False
    sw.daemon.stop()
    saved = unseal(sw.state_file)
    assert saved["clean"] is True and saved["boot_id"] == boot_id() and saved["version"] == 2
    assert {name: port["flaps"] for name, port in saved["ports"].items()} == {n: c[0] for n, c in before.items()}
    assert sw.state_file.stat().st_mode & 0o7777 == 0o600
    assert sorted(path.name for path in sw.state_file.parent.iterdir()) == ["state.json", "state.json.lock"]

    restart_warm(sw)
    after = counters(sw)
    assert after.keys() == before.keys()
    for port, (flaps, changed) in before.items():
        assert after[port][0] == flaps, port
        assert abs(after[port][1] - changed) < 0.2, port
    assert told_flaps(sw, "Ethernet0") == (0, before["Ethernet0"][0])
    flap(sw, "Ethernet0", 1)
    assert counters(sw)["Ethernet0"][0] == before["Ethernet0"][0] + 2
    assert told_flaps(sw, "Ethernet0") == (2, before["Ethernet0"][0] + 2)
    sw.daemon.stop()
    made = numbers(sw, "AUDIT_SEQ")
    assert made == list(range(1, len(made) + 1))
    assert "numbers go on" in records(sw, "start")[1]["text"]
    events = numbers(sw, "EVENT_ID", records(sw, "port_state_change"))
    assert events == sorted(set(events))
    assert unseal(sw.state_file)["audit_sequence"] == len(made)


def test_a_file_of_version_1_is_good(switch: SwitchFactory) -> None:
    """It has no history; the next save writes the present version."""
    sw = audited(switch, ports=2, settings=SELDOM)
    sw.start()
    enable(sw)
    flap(sw, "Ethernet0", 2)
    before = counters(sw)
    sw.daemon.stop()
    members = unseal(sw.state_file)
    assert members.pop("changes")
    write_sealed(sw.state_file, {**members, "version": 1})
    restart_warm(sw)
    assert {name: one[0] for name, one in counters(sw).items()} == {name: one[0] for name, one in before.items()}
    assert sw.pages.get("/history").json["changes"] == []
    flap(sw, "Ethernet0", 1)
    sw.daemon.stop()
    assert "numbers go on" in records(sw, "start")[1]["text"]
    saved = unseal(sw.state_file)
    assert saved["version"] == 2 and len(saved["changes"]) == 2


def test_the_counters_of_a_port_that_is_not_there_yet_are_kept(switch: SwitchFactory) -> None:
    """They are kept over a whole life in which its link did not appear."""
    sw = audited(switch, ports=2, settings=SELDOM)
    sw.start()
    enable(sw)
    flap(sw, "Ethernet4", 2)
    before = counters(sw)["Ethernet4"]
    sw.daemon.stop()
    members = unseal(sw.state_file)
    members["ports"]["Ethernet400"] = {"flaps": 77, "last_change": 1}
    write_sealed(sw.state_file, members)
    restart_warm(sw)
    assert "Ethernet400" not in counters(sw)
    sw.daemon.stop()
    assert unseal(sw.state_file)["ports"]["Ethernet400"] == {"flaps": 77, "last_change": 1}
    assert unseal(sw.state_file)["ports"]["Ethernet4"]["flaps"] == before[0]


def test_no_number_comes_twice_after_a_kill(switch: SwitchFactory) -> None:
    """Numbers given since the last save are unknown: the next start skips some, and says so. The daemon is killed once
    at work, and once before it saved anything but the start."""
    sw = audited(switch, ports=2, settings=SELDOM)
    sw.start()
    enable(sw)
    flap(sw, "Ethernet0", 1)
    # A kill takes the lines that are not written yet; those written are looked at below.
    wait_for(lambda: any(one["OPER"] == "down" for one in records(sw, "port_state_change")), what="the change's record")
    sw.daemon.kill()
    restart_warm(sw)
    flap(sw, "Ethernet0", 1)
    sw.daemon.stop()
    sw.daemon.start()
    wait_record(sw, "start", 3)
    sw.daemon.kill()
    restart_warm(sw)
    sw.daemon.stop()

    made = numbers(sw, "AUDIT_SEQ")
    assert made == sorted(set(made))
    starts = records(sw, "start")
    said = ["jump" in one["text"] for one in starts]
    assert said == [False, True, False, True]
    first, second, third, fourth = (int(one["AUDIT_SEQ"]) for one in starts)
    assert second >= STRIDE and second < third < second + STRIDE and fourth > third + STRIDE / 2
    changes = records(sw, "port_state_change")
    events = numbers(sw, "EVENT_ID", changes)
    assert events == sorted(set(events)) and events[-1] > STRIDE


def test_it_is_saved_after_a_while_and_then_nobody_wakes(switch: SwitchFactory) -> None:
    """The save interval bounds what a kill loses; on a quiet switch the daemon sleeps and writes nothing."""
    sw = audited(switch, ports=2, settings=OFTEN)
    sw.start()
    enable(sw)
    flap(sw, "Ethernet0", 2)
    flaps = counters(sw)["Ethernet0"][0]
    state = wait_state(sw.state_file, saved_flaps("Ethernet0", flaps), "the flaps are saved")
    assert state["clean"] is False
    fence(sw)
    made = wait_for(lambda: sw.pages.metrics()(SAVES) > 1 and len(records(sw)), what="a save")
    wait_state(sw.state_file, lambda s: s["audit_sequence"] == len(records(sw)) >= made, "everything is saved")
    # The last change is saved. The thread's answer and the time limit of the last commands may still wake it.
    process = Proc(sw.daemon.pid)
    wait_for(lambda: process.next_timer_secs > NO_RECONCILE / 2, what="nothing is owed")

    def rests() -> bool:
        """Whether it sleeps for three intervals. On a busy machine the thread may answer late."""
        written = sw.state_file.stat().st_mtime_ns
        return process.measure(3).switches == 0 and sw.state_file.stat().st_mtime_ns == written

    wait_for(rests, what="it sleeps and writes nothing")
    sw.daemon.kill()
    restart_warm(sw)
    assert counters(sw)["Ethernet0"][0] == flaps
    assert told_flaps(sw, "Ethernet0") == (0, flaps)


def test_it_can_be_turned_off(switch: SwitchFactory) -> None:
    sw = switch(ports=1, settings={"state": {"file": '""'}})
    assert sw.pages.metrics()(SAVES) == 0
    assert sw.pages.metrics().get("portsyncd_state_last_save_timestamp_seconds") is None
    sw.daemon.stop()
    assert not sw.state_file.parent.exists()


def test_a_dry_run_leaves_it_alone(switch: SwitchFactory) -> None:
    sw = switch(ports=1)
    sw.daemon.stop()
    written = sw.state_file.read_bytes()
    subprocess.run([*sw.daemon.command, "--check-config"], check=True, capture_output=True)
    sw.daemon.command.append("--dry-run")
    mark = sw.daemon.mark()
    sw.daemon.start()
    sw.daemon.wait_log("in sync with the kernel", since=mark)
    sw.daemon.stop()
    assert sw.state_file.read_bytes() == written


# --- refused ---


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    at = data.index(b'"flaps": ') + len(b'"flaps": ')
    data[at] ^= 1
    path.write_bytes(data)


def make_newer(path: Path) -> None:
    write_sealed(path, {**unseal(path), "version": 3})


def make_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def make_directory(path: Path) -> None:
    path.unlink()
    (path / "inside").mkdir(parents=True)


def make_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def make_huge(path: Path) -> None:
    os.truncate(path, 1 << 30)


def give_away(path: Path) -> None:
    os.chown(path, 65534, 65534)


def open_to_others(path: Path) -> None:
    path.chmod(0o606)


REFUSED = {
    cut: "cut short",
    flip_a_bit: "checksum",
    make_newer: "version 3",
    make_link: "symbolic link",
    make_directory: "directory",
    make_fifo: "not a regular file",
    make_huge: "too large",
    give_away: "neither this user's nor root's",
    open_to_others: "users other than its owner can write it",
}


@pytest.mark.parametrize("spoil", REFUSED, ids=lambda spoil: spoil.__name__)
def test_a_file_that_cannot_be_trusted_is_kept_aside(switch: SwitchFactory, spoil: Callable[[Path], None]) -> None:
    """SC-24: a record says why, no part of the file is used, and the daemon starts all the same."""
    sw = audited(switch, ports=2, settings=SELDOM)
    sw.start()
    enable(sw)
    flap(sw, "Ethernet0", 3)
    sw.daemon.stop()
    lived = len(records(sw))
    spoil(sw.state_file)
    spoiled = sw.state_file.lstat()

    restart_warm(sw)
    record = wait_record(sw, "state_file_refused")
    assert_record(record, "failure", daemon_subject(sw))
    assert REFUSED[spoil] in record["text"] and str(sw.state_file) in record["text"]
    made = numbers(sw, "AUDIT_SEQ", records(sw)[lived:])
    assert made == list(range(1, len(made) + 1)), "the numbers begin again"
    assert "refused" in records(sw, "start")[-1]["text"]
    assert counters(sw) == {"Ethernet0": (0, 0), "Ethernet4": (0, 0)}
    aside = sw.state_file.with_name("state.json.refused")
    kept = aside.lstat()
    assert (kept.st_ino, kept.st_mode, kept.st_size) == (spoiled.st_ino, spoiled.st_mode, spoiled.st_size)
    flap(sw, "Ethernet0", 1)
    sw.daemon.stop()
    assert unseal(sw.state_file)["ports"]["Ethernet0"]["flaps"] == 2
    assert aside.lstat().st_ino == spoiled.st_ino


# --- it cannot be written ---


def on_tmpfs(sw: Switch, options: str = "size=64k", then: str = "true") -> None:
    """Mounted in the daemon's own mount namespace, so it ends with the daemon."""
    folder = sw.state_file.parent
    folder.mkdir()
    script = f'mount -t tmpfs -o {options},mode=0700 none {folder} && {then} && exec "$@"'
    sw.daemon.command[:0] = ["unshare", "--mount", "sh", "-c", script, "sh"]


def seen_by_daemon(sw: Switch, path: Path) -> Path:
    return Path(f"/proc/{sw.daemon.pid}/root{path}")


def complaints(sw: Switch) -> list[str]:
    return [one["text"] for one in lines(sw) if one["kind"] == "state_not_saved"]


def test_a_full_disk(switch: SwitchFactory) -> None:
    """One line and a counter; the old file stays complete, no other file is left, the ports are followed. Once the disk
    has space again, the file is saved again."""
    sw = audited(switch, ports=2, settings=OFTEN)
    on_tmpfs(sw)
    sw.start()
    file = seen_by_daemon(sw, sw.state_file)
    ballast = file.with_name("ballast")
    sw.pages.wait("portsyncd_ports_owed", 0)
    with ballast.open("wb", buffering=0) as out, pytest.raises(OSError, match="No space left"):
        while True:
            out.write(bytes(4096))
    old = file.read_bytes()
    flap(sw, "Ethernet0", 1)
    # The line may come from a later attempt.
    failed = sw.pages.metrics()(ERRORS)
    wait_for(lambda: sw.pages.metrics()(ERRORS) >= failed + 2, 30, "saves fail")
    assert len(complaints(sw)) == 1 and "No space left" in complaints(sw)[0]
    assert file.read_bytes() == old and unseal(file)
    assert sorted(path.name for path in file.parent.iterdir()) == ["ballast", "state.json", "state.json.lock"]
    flap(sw, "Ethernet4", 1)
    sw.wait_equal(ports=2)
    ballast.unlink()
    wait_for(lambda: [one for one in lines(sw) if one["kind"] == "state_saved_again"], 30, "it is saved again")
    flaps = counters(sw)["Ethernet4"][0]
    wait_state(file, saved_flaps("Ethernet4", flaps), "with all that was owed")
    sw.daemon.stop()


def test_a_folder_that_cannot_be_written(switch: SwitchFactory) -> None:
    sw = audited(switch, ports=1, settings=OFTEN)
    on_tmpfs(sw, then=f"mount -o remount,ro {sw.state_file.parent}")
    sw.start()
    flap(sw, "Ethernet0", 1)
    wait_for(lambda: sw.pages.metrics()(ERRORS) >= 2, 30, "saves fail")
    assert sw.pages.metrics()(SAVES) == 0
    sw.daemon.stop()
    assert len(complaints(sw)) == 1 and "Read-only file system" in complaints(sw)[0]


def test_a_folder_that_is_missing(switch: SwitchFactory) -> None:
    """The daemon makes it with its parents, before the sandbox: SONiC's swss container has no /var/lib/sonic."""
    sw = audited(switch, ports=1)
    folder = sw.folder / "not" / "there"
    sw.config_file.write_text(
        sw.config_file.read_text().replace(str(sw.state_file.parent), str(folder)) + "\n[state]\nsave_interval_secs = 1\n"
    )
    sw.start()
    assert wait_for(sw.pages.path.exists, what="it serves")
    sw.pages.wait("portsyncd_synced", 1)
    wait_for((folder / "state.json").exists, 30, "the file")
    sw.daemon.stop()
    assert unseal(folder / "state.json")["clean"] is True
    assert folder.stat().st_mode & 0o7777 == 0o700
    assert folder.parent.stat().st_mode & 0o700 == 0o700
    assert complaints(sw) == []


def test_two_daemons_with_one_file(switch: SwitchFactory) -> None:
    """The second one runs without the file."""
    first = switch(ports=1, settings=SELDOM)
    file = first.state_file
    second = switch(ports=1, settings={"state": {"file": file}})
    second.daemon.wait_log("another process uses ")
    flap(second, "Ethernet0", 2)
    second.daemon.stop()
    saved = unseal(file)
    assert saved["clean"] is False and saved["event_id"] == 0, "the first one's, of its start"
    first.daemon.send(signal.SIGTERM)
    first.daemon.wait_exit()
    assert unseal(file)["clean"] is True
