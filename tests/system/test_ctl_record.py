# SPDX-License-Identifier: Apache-2.0
"""portsyncctl record: the flight recorder's files, and why there is none."""

import signal
from pathlib import Path

from conftest import SwitchFactory
from lib import ctl


def test_a_daemon_that_is_absent_stopped_or_hangs(switch: SwitchFactory, tmp_path: Path) -> None:
    sw = switch.build(ports=1)
    file = tmp_path / "recording.pcapng"
    for words in ((), ("-o", str(file)), ("-o", "-")):
        done = ctl.run(sw, "record", *words)
        assert (done.code, done.out) == (ctl.NO_DAEMON, "") and "does not run" in done.err, done
    sw.start()
    sw.daemon.send(signal.SIGSTOP)
    for words in ((), ("--output", str(file))):
        done = ctl.run(sw, "record", "--json", *words)
        assert (done.code, done.json["error"]["code"]) == (ctl.NO_DAEMON, ctl.NO_DAEMON)
        assert "does not answer" in done.json["error"]["message"]
    sw.daemon.send(signal.SIGCONT)
    sw.daemon.stop()
    assert ctl.run(sw, "record").code == ctl.NO_DAEMON
    assert list(tmp_path.iterdir()) == []
