# SPDX-License-Identifier: Apache-2.0
"""The names of src/host/syscalls.c, and tests that make the daemon use its system calls, for a tracer."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

# These make the daemon do all that it can, in little time: it runs under a tracer, on an emulated machine.
BUSY = (
    "test_smoke.py",
    "test_metrics.py::test_what_is_served_is_what_is_documented",
    "test_metrics.py::test_redis_goes_and_comes_back",
    "test_recorder.py::test_only_post_writes_and_only_by_the_unix_socket",
    "test_stop.py::test_systemd_is_told_ready_and_stopping",
)


def listed() -> set[str]:
    """All calls that are allowed in some way, on any architecture: one that lacks a call skips its name."""
    text = (ROOT / "src" / "host" / "syscalls.c").read_text()
    allowed = re.search(r"allowed\[\] = \{(.*?)\n\};", text, re.DOTALL)
    assert allowed
    return set(re.findall(r'"(\w+)"', allowed[1])) | set(re.findall(r"SCMP_SYS\((\w+)\)", text))
