# SPDX-License-Identifier: Apache-2.0
"""The only place that waits by looking again and again; all else in the tests calls it."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

INTERVAL_SECS = 0.01


def wait_for(condition: Callable[[], T], timeout: float = 10.0, what: str | Callable[[], str] = "condition") -> T:
    """The first true value that condition returns. AssertionError naming `what` if none comes in time."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            text = what() if callable(what) else what
            raise AssertionError(f"not within {timeout:g} s: {text}")
        time.sleep(INTERVAL_SECS)
