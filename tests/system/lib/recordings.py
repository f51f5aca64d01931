# SPDX-License-Identifier: Apache-2.0
"""Recordings of the flight recorder as their readers see them: tshark, capinfos, and portsyncd --replay."""

import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lib.daemon import binary
from lib.switch import Switch
from lib.wait import patient, wait_for

PATTERN = "swss.portsyncd.*.pcapng"


def kept(sw: Switch) -> list[Path]:
    return sorted(sw.recordings.glob(PATTERN))


def wait_recording(sw: Switch, number: int = 1, timeout: float = 60.0) -> Path:
    """Waits for so many recordings; returns the newest."""
    wait_for(lambda: len(kept(sw)) >= number, timeout, lambda: f"a recording; log:\n{sw.daemon.log[-3000:]}")
    return kept(sw)[-1]


def curl(sw: Switch, path: str, *options: str | Path) -> tuple[int, bytes]:
    """Status and body."""
    command = ["curl", "--silent", "--show-error", "--unix-socket", sw.pages.path, "--write-out", "\n%{http_code}"]
    command += [*options, f"http://localhost{path}"]
    body, _, status = subprocess.run(command, capture_output=True, check=True).stdout.rpartition(b"\n")
    return int(status), body


def post(sw: Switch) -> tuple[int, Any]:
    """Status and answer; while the file is being written, asks again as the answer says."""
    path, patience = "/record", time.monotonic() + patient(60)
    while True:
        status, body = curl(sw, path, "--request", "POST")
        answer = json.loads(body)
        if "after" not in answer or time.monotonic() > patience:
            return status, answer
        path = f"/record?after={answer['after']}"


def fetch(sw: Switch) -> Path:
    status, body = curl(sw, "/recording")
    assert status == 200, body
    file = sw.folder / "fetched.pcapng"
    file.write_bytes(body)
    return file


def tshark(file: Path, *options: str) -> list[str]:
    done = subprocess.run(["tshark", "-r", file, *options], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def fields(file: Path, names: Sequence[str], wanted: str = "") -> list[list[str]]:
    """These fields of each packet that passes the display filter."""
    words = [word for name in names for word in ("-e", name)]
    rule = ["-Y", wanted] if wanted else []
    return [line.split("\t") for line in tshark(file, *rule, "-T", "fields", *words)]


def about(file: Path) -> str:
    """What the recording's section header says about it."""
    done = subprocess.run(["capinfos", file], capture_output=True, text=True, check=True)
    lines = [line.partition(":")[2].strip() for line in done.stdout.splitlines() if line.startswith("Capture comment")]
    return lines[-1]


def replay(file: Path) -> subprocess.CompletedProcess[str]:
    """Plays it as text; fails if the replay ends with other rows than the recording."""
    return subprocess.run([binary(), "--replay", file, "--dry-run"], capture_output=True, text=True, check=False)
