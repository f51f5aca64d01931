# SPDX-License-Identifier: Apache-2.0
"""The wall clock is set back and forth while the daemon runs: no wait depends on it, and shown times follow it."""

import json
import os
import struct
import time
from pathlib import Path

import pytest

from conftest import SwitchFactory
from lib.daemon import binary
from lib.switch import Switch
from lib.wait import wait_for

LIBRARY = binary().parent / "tests" / "chaos" / "clock.so"
DECADES = 50 * 365 * 86_400
TOLERANCE = 100


def set_clock(file: Path, secs: int) -> None:
    with file.open("r+b", buffering=0) as opened:
        opened.write(struct.pack("q", secs * 10**9))


def environment(file: Path) -> dict[str, str]:
    file.write_bytes(bytes(8))
    asan = os.environ.get("ASAN_OPTIONS", "detect_leaks=1:exitcode=99") + ":verify_asan_link_order=0"
    return {"LD_PRELOAD": str(LIBRARY), "CLOCK_FILE": str(file), "ASAN_OPTIONS": asan}


def assert_times(sw: Switch, secs: int) -> None:
    """The last change and the start both were a moment ago by the new clock."""
    figures, now = sw.pages.metrics(), time.time() + secs
    assert figures("portsyncd_port_last_change_timestamp_seconds", port="Ethernet0") == pytest.approx(now, abs=TOLERANCE)
    assert figures("process_start_time_seconds") == pytest.approx(now, abs=TOLERANCE)


@pytest.mark.parametrize("secs", [-DECADES, DECADES], ids=["back", "on"])
def test_the_clock_is_set(secs: int, switch: SwitchFactory, tmp_path: Path) -> None:
    """A switch without a clock battery finally gets the time."""
    file = tmp_path / "clock"
    sw = switch(ports=4, environment=environment(file), reconcile_secs=1)
    assert_times(sw, 0)
    set_clock(file, secs)
    for mtu in range(2000, 2020):
        sw.netns.set_mtu("Ethernet0", mtu)
    sw.wait_field("Ethernet0", "mtu", "2019")
    assert_times(sw, secs)
    reconciliations = sw.pages.metrics()("portsyncd_reconciliations_total")
    wait_for(lambda: sw.pages.metrics()("portsyncd_reconciliations_total") > reconciliations + 1, what="reconciliations go on")
    sw.state_db.client.hset("PORT_TABLE|Ethernet4", "mtu", "77")
    sw.wait_field("Ethernet4", "mtu", "9100")
    sw.state_db.client.client_kill_filter(_type="normal", skipme=True)
    sw.netns.set_carrier("Ethernet8", "down")
    sw.wait_oper("Ethernet8", "down")
    sw.wait_equal(ports=4)
    wait_for(lambda: sw.pages.get("/readyz").status == 200, 30, "ready, once all connections are back")
    sw.daemon.stop()
    saved = json.loads(sw.state_file.read_text())
    assert saved["saved_at"] / 1000 == pytest.approx(time.time() + secs, abs=TOLERANCE)
    set_clock(file, 0)
    mark = sw.daemon.mark()
    sw.daemon.start()
    sw.daemon.wait_log("counters go on", since=mark)
    sw.daemon.stop()
