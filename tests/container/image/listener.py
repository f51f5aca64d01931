# SPDX-License-Identifier: Apache-2.0
"""What SONiC's two event listeners do: programs start by their dependent_startup lines; supervisord, and so the
container, ends when a critical program ends unexpectedly, or is given up (as SONiC's master does since 2026)."""

import os
import signal
import sys
from pathlib import Path
from xmlrpc.client import ServerProxy

from supervisor import childutils
from supervisor.xmlrpc import SupervisorTransport

from lib.supervisor import dependents, note

CRITICAL = ("portsyncd", "orchagent")
EVENTS = Path("/var/log/supervisor/events")


def listen() -> None:
    waiting = dependents(Path("/etc/supervisor"))
    server = ServerProxy("http://127.0.0.1", SupervisorTransport("", "", os.environ["SUPERVISOR_SERVER_URL"]))
    while True:
        headers, payload = childutils.listener.wait(sys.stdin, sys.stdout)
        fields = childutils.get_headers(payload)
        program, state = note(EVENTS, headers, fields)
        childutils.listener.ok(sys.stdout)
        for name in [name for name, cause in waiting.items() if cause == f"{program}:{state.lower()}"]:
            del waiting[name]
            server.supervisor.startProcess(name, False)
        unexpected = state == "EXITED" and fields["expected"] == "0"
        if program in CRITICAL and (unexpected or state == "FATAL"):
            os.kill(os.getppid(), signal.SIGTERM)


listen()
