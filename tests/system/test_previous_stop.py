# SPDX-License-Identifier: Apache-2.0
"""How the previous process ended, from systemd's result (the unit's ExecStopPost=) and the state file. With a real
systemd: nspawn/test_service.py."""

from pathlib import Path

import pytest

from conftest import SwitchFactory
from lib.scrape import Figures
from lib.switch import Switch
from test_audit import audited, lines, records, wait_record
from test_state import unseal, write_sealed

PREVIOUS = "portsyncd_previous_stop_info"


def result_of(figures: Figures) -> str:
    """The result that the metric reports."""
    (result,) = figures.labels(PREVIOUS, "result")
    assert figures(PREVIOUS, result=result) == 1
    return result


def start_after(switch: SwitchFactory, folder: Path, word: bytes) -> tuple[Switch, Path]:
    """Starts it with this word where the unit's ExecStopPost= leaves it."""
    left = folder / "last-stop"
    left.write_bytes(word)
    sw = audited(switch, ports=1, environment={"RUNTIME_DIRECTORY": f"{folder}:/nonexistent"})
    sw.start()
    return sw, left


def said(sw: Switch) -> list[str]:
    wait_record(sw, "start")
    return [line["text"] for line in lines(sw) if line["kind"] == "previous_stop"]


@pytest.mark.parametrize("word", ["watchdog", "core-dump", "x" * 30])
def test_what_systemd_says_is_told(switch: SwitchFactory, tmp_path: Path, word: str) -> None:
    """It is reported once: the next process does not report it again."""
    sw, left = start_after(switch, tmp_path, f"{word}\n".encode())
    assert result_of(sw.pages.metrics()) == word
    (line,) = said(sw)
    assert f": {word}," in line
    assert records(sw, "start")[0]["text"].endswith(f"the process before: {word}")
    assert not left.exists()
    sw.daemon.stop()
    sw.daemon.start()
    wait_record(sw, "start", 2)
    assert result_of(sw.pages_when_served().metrics()) == "success"
    assert len(said(sw)) == 1


def test_an_orderly_stop_is_not_worth_a_line(switch: SwitchFactory, tmp_path: Path) -> None:
    sw, _ = start_after(switch, tmp_path, b"success\n")
    assert result_of(sw.pages.metrics()) == "success"
    assert said(sw) == []


@pytest.mark.parametrize("word", [b"", b"\n", b"two words\n", b"x" * 31 + b"\n", b'a"\n', b"a\0b\n", b"\xff\n", b"a\nb\n"])
def test_what_is_no_word_is_not_used(switch: SwitchFactory, tmp_path: Path, word: bytes) -> None:
    sw, left = start_after(switch, tmp_path, word)
    assert result_of(sw.pages.metrics()) == "unknown"
    (line,) = said(sw)
    assert str(left) in line
    assert not left.exists()


def test_the_state_file_tells_where_nobody_else_does(switch: SwitchFactory) -> None:
    sw = audited(switch, ports=1)
    sw.start()
    assert result_of(sw.pages.metrics()) == "unknown"
    wait_record(sw, "start")
    sw.daemon.kill()
    sw.daemon.start()
    wait_record(sw, "start", 2)
    assert result_of(sw.pages_when_served().metrics()) == "unclean"
    sw.daemon.stop()
    sw.daemon.start()
    wait_record(sw, "start", 3)
    assert result_of(sw.pages_when_served().metrics()) == "success"
    assert said(sw) == []


def test_a_machine_that_went_down_is_told_from_a_process_that_died(switch: SwitchFactory) -> None:
    sw = audited(switch, ports=1)
    sw.start()
    wait_record(sw, "start")
    sw.daemon.kill()
    write_sealed(sw.state_file, {**unseal(sw.state_file), "boot_id": "0" * 31 + "1"})
    sw.daemon.start()
    wait_record(sw, "start", 2)
    assert result_of(sw.pages_when_served().metrics()) == "reboot"
