# SPDX-License-Identifier: Apache-2.0
"""A process that may open few files (RLIMIT_NOFILE): it reports what it lacks, or goes on without what is optional."""

import resource
import signal
import subprocess
from functools import partial
from pathlib import Path

from lib.daemon import SANITIZER_REPORT, binary
from lib.wait import patient, wait_for

LEAST = 6  # the loader and the sanitizers need some of their own
MOST = 25  # enough for all that is required


def start(folder: Path, limit: int) -> tuple[int, str]:
    """Waits until it runs, and then stops it, or until it has ended. Returns its status and its output."""
    config, log = folder / "portsyncd.conf", folder / f"{limit}.log"
    config.write_text(
        f"[database]\nredis_unix_socket = {folder}/redis\n[http]\nunix_socket = {folder}/http\n"
        f"[state]\nfile = {folder}/state/state.json\n[recorder]\nfolder = {folder}/recordings\n"
    )
    command = ["unshare", "--net", str(binary()), "--config", str(config)]
    limit_it = partial(resource.setrlimit, resource.RLIMIT_NOFILE, (limit, limit))
    with log.open("w") as stderr, subprocess.Popen(command, stderr=stderr, preexec_fn=limit_it) as process:
        wait_for(lambda: process.poll() is not None or "follows the kernel's links" in log.read_text(), what="a start")
        process.send_signal(signal.SIGTERM)
        return process.wait(patient(30)), log.read_text()


def test_each_start_runs_or_says_why_not(tmp_path: Path) -> None:
    runs = []
    for limit in range(LEAST, MOST + 1):
        status, said = start(tmp_path, limit)
        assert not SANITIZER_REPORT.search(said), said
        assert status in (0, 1), f"{limit} descriptors: ended with {status}: {said}"
        if status == 1:
            assert "Too many open files" in said.splitlines()[-1], said
        runs.append(status == 0)
    assert runs == sorted(runs) and runs[-1], "every higher limit is enough as well"
