# SPDX-License-Identifier: Apache-2.0
"""A terminal of our own with a program in it, for what only happens on one."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from lib.wait import patient, wait_for

# Escape sequences, bells, and erased characters.
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x07|[^\x08]\x08")


class Terminal:
    """with Terminal(command, environment) as terminal: ..."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], columns: int = 300, rows: int = 60
    ) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._shown = b""
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait(patient())
        os.close(self._master)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    @property
    def raw(self) -> str:
        """Everything that was shown, escape sequences included."""
        while select.select([self._master], [], [], 0)[0]:
            try:
                part = os.read(self._master, 65536)
            except OSError:  # no process has the other end open any more
                break
            if not part:
                break
            self._shown += part
        return self._shown.decode(errors="replace")

    @property
    def shown(self) -> str:
        return ESCAPES.sub("", self.raw).replace("\r", "")

    def mark(self) -> int:
        return len(self.shown)

    def wait(self, pattern: str, since: int = 0) -> re.Match[str]:
        """The first match (multi-line) in what was shown from there on."""
        compiled = re.compile(pattern, re.MULTILINE)
        return wait_for(lambda: compiled.search(self.shown[since:]), what=lambda: f"/{pattern}/ in {self.shown[since:]!r}")
