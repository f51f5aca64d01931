# SPDX-License-Identifier: Apache-2.0
"""The commands of the guides, run on a machine exactly as written."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from lib.daemon import ROOT
from machine import Machine

Look = Callable[[Machine], None]


@dataclass(frozen=True)
class Block:
    line: int
    heading: str
    text: str


def blocks(guide: str, kind: str = "sh") -> Iterator[Block]:
    """The blocks of this kind, each with the heading above it."""
    text = (ROOT / "docs" / guide).read_text()
    for found in re.finditer(rf"^```{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        headings = re.findall(r"^#+ (.*)$", text[: found.start()], re.MULTILINE)
        yield Block(text[: found.start(1)].count("\n") + 1, headings[-1], found[1])


def run_all(machine: Machine, guide: str, looks: Mapping[str, Look], kind: str = "sh") -> None:
    """looks: what is to be seen after the last block below a heading."""
    todo = list(blocks(guide, kind))
    assert len(todo) > 1 and set(looks) <= {block.heading for block in todo}
    for block, after in zip(todo, [*todo[1:], None]):
        status, said = machine.attempt("bash", "-euo", "pipefail", "-c", f"cd /root\n{block.text}")
        journal = machine.journal_text() if status else ""
        assert status == 0, f"{guide}, line {block.line}: status {status}\n{block.text}\n{said}\n{journal}"
        if block.heading in looks and (after is None or after.heading != block.heading):
            looks[block.heading](machine)
