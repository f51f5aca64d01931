# SPDX-License-Identifier: Apache-2.0
"""The only place that polls; everything else in the tests calls it."""

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

INTERVAL_SECS = 0.01
LEAST_SECS = 30.0
FACTOR = max(1.0, float(os.environ.get("TEST_PATIENCE", "1")))


def crowd() -> float:
    """How many processes share a processor, so how much slower each is. At least 1, at most 20."""
    return min(max(os.getloadavg()[0] / (os.cpu_count() or 1), 1.0), 20.0)


def patient(seconds: float = LEAST_SECS) -> float:
    """A deadline that may decide a test: at least 30 s, times TEST_PATIENCE, a factor for slow machines, and longer on
    a busy machine."""
    return max(seconds, LEAST_SECS) * max(FACTOR, crowd())


def comes(condition: Callable[[], T], seconds: float) -> bool:
    """Whether the condition becomes true within that time. No test may depend on its being false."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(INTERVAL_SECS)
    return True


def wait_for(condition: Callable[[], T], timeout: float = LEAST_SECS, what: str | Callable[[], str] = "condition") -> T:
    """The first true value that condition returns. AssertionError naming `what` if none comes in patient(timeout)."""
    began = time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        waited = time.monotonic() - began
        if waited > patient(timeout):
            text = what() if callable(what) else what
            raise AssertionError(f"not within {waited:.0f} s: {text}")
        time.sleep(INTERVAL_SECS)
