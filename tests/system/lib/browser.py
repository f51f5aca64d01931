# SPDX-License-Identifier: Apache-2.0
"""A page as a person sees it: loaded by a headless Chromium that runs its scripts and waits for what they fetch."""

import os
import subprocess
import tempfile
from pathlib import Path

from lib.wait import patient

TIMEOUT_SECS = patient(120)
# By the page's own clock; it waits for what the page fetches in any case.
BUDGET_MSECS = 8000


def dump_dom(url: str, netns: str | None = None) -> str:
    """The page's HTML after its scripts have run."""
    return _run(url, netns, "--dump-dom").stdout.decode()


def take_picture(url: str, path: Path, width: int, height: int, netns: str | None = None) -> None:
    """A PNG of the page's upper left corner."""
    path.unlink(missing_ok=True)
    done = _run(url, netns, f"--screenshot={path}", f"--window-size={width},{height}")
    assert path.is_file(), done.stderr.decode()


def _run(url: str, netns: str | None, *options: str) -> subprocess.CompletedProcess[bytes]:
    """Without a sandbox, which root cannot have; nothing outlives the call except what the options ask for."""
    enter = ["ip", "netns", "exec", netns] if netns else []
    with tempfile.TemporaryDirectory(prefix="portsyncd-browser-", ignore_cleanup_errors=True) as home:
        command = [
            *enter,
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--no-first-run",
            "--hide-scrollbars",
            f"--user-data-dir={home}",
            f"--virtual-time-budget={BUDGET_MSECS}",
            *options,
            url,
        ]
        environment = {**os.environ, "HOME": home}
        done = subprocess.run(command, capture_output=True, env=environment, timeout=TIMEOUT_SECS, check=False)
    assert done.returncode == 0, f"chromium: exit {done.returncode}: {done.stderr.decode()}"
    return done
