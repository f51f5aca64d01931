# SPDX-License-Identifier: Apache-2.0
"""A program in a terminal: what is on its screen, and keys."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
from collections.abc import Callable, Mapping, Sequence

import pyte

from lib.wait import patient, wait_for


class Terminal:
    def __init__(self, command: Sequence[str], environment: Mapping[str, str], columns: int = 80, lines: int = 24) -> None:
        self.output = b""
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._keys, self._inside = pty.openpty()
        self.resize(columns, lines)
        self.modes = termios.tcgetattr(self._inside)
        self.process = subprocess.Popen(
            command,
            stdin=self._inside,
            stdout=self._inside,
            stderr=self._inside,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._keys)
        os.close(self._inside)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._inside, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._screen.resize(lines, columns)

    def press(self, keys: str) -> None:
        os.write(self._keys, keys.encode())

    @property
    def lines(self) -> list[str]:
        """What is on the screen now, without trailing blanks."""
        self._take()
        return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def wait(self, condition: Callable[[str], object], what: str) -> str:
        """Waits until the screen is so."""
        wait_for(lambda: condition(self.text), what=lambda: f"{what}:\n{self.text}")
        return self.text

    def end(self) -> int:
        """The exit status, once it has ended and all of its output was read."""

        def ended() -> bool:
            self._take()
            return self.process.poll() is not None

        wait_for(ended, what=lambda: f"the end of {self.process.args}: {self.text}")
        self._take()
        return self.process.wait(patient())

    def modes_now(self) -> list[object]:
        return termios.tcgetattr(self._inside)

    def _take(self) -> None:
        while select.select([self._keys], [], [], 0)[0]:
            data = os.read(self._keys, 65536)
            self.output += data
            self._stream.feed(data)
