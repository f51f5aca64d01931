# SPDX-License-Identifier: Apache-2.0
"""The only place that polls; everything else in the tests calls it."""

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

INTERVAL_SECS = 0.01
COSTLY_INTERVAL_SECS = 0.25
LEAST_SECS = 30.0
FACTOR = max(1.0, float(os.environ.get("TEST_PATIENCE", "1")))


def crowd() -> float:
    """How many processes share a processor, so how much slower each is. At least 1, at most 20."""
    return min(max(os.getloadavg()[0] / (os.cpu_count() or 1), 1.0), 20.0)


def patient(seconds: float = LEAST_SECS) -> float:
    """A deadline that may decide a test: at least 30 s, times TEST_PATIENCE, a factor for slow machines, and longer on
    a busy machine."""
    return max(seconds, LEAST_SECS) * max(FACTOR, crowd())


def pause(took: float) -> None:
    """Between two looks at a condition: a costly one may take a quarter of the time."""
    time.sleep(min(max(INTERVAL_SECS, 3 * took), COSTLY_INTERVAL_SECS))


def comes(condition: Callable[[], T], seconds: float) -> bool:
    """Whether the condition becomes true within that time. No test may depend on its being false."""
    deadline = time.monotonic() + seconds
    while True:
        asked = time.monotonic()
        if condition():
            return True
        if time.monotonic() > deadline:
            return False
        pause(time.monotonic() - asked)


def wait_for(condition: Callable[[], T], timeout: float = LEAST_SECS, what: str | Callable[[], str] = "condition") -> T:
    """The first true value that condition returns. AssertionError naming `what` if none comes in patient(timeout)."""
    began = time.monotonic()
    while True:
        asked = time.monotonic()
        value = condition()
        if value:
            return value
        now = time.monotonic()
        waited = now - began
        if waited > patient(timeout):
            text = what() if callable(what) else what
            raise AssertionError(f"not within {waited:.0f} s: {text}")
        pause(now - asked)
