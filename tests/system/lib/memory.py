# SPDX-License-Identifier: Apache-2.0
"""Searches the memory of a running process, which is more than a core dump has."""

import io
import re
from pathlib import Path

MAPPING = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) r\S{3} .*?(\S*)$", re.MULTILINE)
PIECE = 1 << 22
# Only a sanitizer's shadow memory is that large; it has marks for bytes, not the bytes.
LARGEST = 1 << 30


def places(pid: int, wanted: bytes) -> list[str]:
    """The mappings in which the bytes occur, of all that can be read."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    found: list[str] = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end, name in MAPPING.findall(maps):
            first, last = int(start, 16), int(end, 16)
            if last - first < LARGEST:
                found += [f"{at:#x} {name}" for at in _search(memory, first, last, wanted)]
    return found


def _search(memory: io.FileIO, first: int, last: int, wanted: bytes) -> list[int]:
    overlap = len(wanted) - 1
    for at in range(first, last, PIECE):
        try:
            memory.seek(at)
            bytes_there = memory.read(min(PIECE + overlap, last - at))
        except OSError:  # [vvar], or unmapped meanwhile
            return []
        if wanted in bytes_there:
            return [at + bytes_there.index(wanted)]
    return []
