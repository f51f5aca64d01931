# SPDX-License-Identifier: Apache-2.0
"""The figures of the daemon's summary line."""

import re
import signal

from lib.daemon import Daemon

# With its end: a line that is only half written lacks figures, or digits of one.
LINE = r"log_summary: (events \d+, overruns .*)\n"


def parse(line: str) -> dict[str, int]:
    """Name -> figure, of "events 7, dumps 2 (interrupted 1, failed 0), ..."."""
    return {name.strip(): int(figure) for name, figure in re.findall(r"([a-z][a-z0-9 ]*) (\d+)", line)}


def figures(daemon: Daemon) -> dict[str, int]:
    """The figures of a running daemon, which logs them on SIGHUP."""
    mark = daemon.mark()
    daemon.send(signal.SIGHUP)
    return parse(daemon.wait_log(LINE, since=mark)[1])


def stop_figures(daemon: Daemon) -> dict[str, int]:
    """The figures that it logs when SIGTERM ends it."""
    mark = daemon.mark()
    daemon.stop(signal.SIGTERM)
    return parse(daemon.wait_log(LINE, since=mark)[1])
