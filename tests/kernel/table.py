# SPDX-License-Identifier: Apache-2.0
"""The results of runs in the documents: a table in docs/sonic-compatibility.md, with a row for each scenario and a
column for each kernel, and a row for each kernel in docs/platforms.md. A run replaces its own kernel's part."""

import datetime
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
SCENARIOS = TOP / "docs" / "sonic-compatibility.md"
KERNELS = TOP / "docs" / "platforms.md"
HEADS = {SCENARIOS: "scenario", KERNELS: "kernel"}
GUEST = Path(__file__).resolve().parent / "guest"

Table = dict[str, dict[str, str]]  # row -> column -> cell


def words(function: str) -> str:
    return function.removeprefix("test_").replace("_", " ")


def scenarios() -> list[str]:
    """The scenarios of all files, in their order."""
    found = [re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE) for file in sorted(GUEST.glob("test_real_*.py"))]
    return [words(name) for names in reversed(found) for name in names]


def span(text: str, head: str) -> tuple[int, int]:
    """Where in the text the table is whose first column has this heading."""
    found = re.search(rf"^\| {head} \|.*\n\|[-|]+\|\n(?:\|.*\n)*", text, re.MULTILINE)
    assert found, f"no table of each {head}"
    return found.span()


def read(path: Path) -> tuple[list[str], Table]:
    text = path.read_text()
    start, end = span(text, HEADS[path])
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text[start:end].splitlines()]
    return rows[0][1:], {row[0]: dict(zip(rows[0][1:], row[1:])) for row in rows[2:]}


def write(path: Path, columns: list[str], table: Table) -> None:
    lines = [[HEADS[path], *columns], *([name, *(cells.get(one, "") for one in columns)] for name, cells in table.items())]
    shown = [f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines]
    shown.insert(1, "|" + "---|" * (len(columns) + 1))
    text = path.read_text()
    start, end = span(text, HEADS[path])
    path.write_text(text[:start] + "".join(f"{line}\n" for line in shown) + text[end:])


def cases(tests: Mapping[str, str]) -> dict[str, list[tuple[str, bool]]]:
    """Scenario -> its cases, and whether each held."""
    found: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    for name, failure in tests.items():
        file, _, test = name.partition("::")
        function, _, case = test.partition("[")
        if file.startswith("test_real_"):
            found[words(function)].append((case.rstrip("]"), not failure))
    return found


def columns_of(kernel: str, outcomes: list[tuple[str, bool]]) -> dict[str, str]:
    failed = [case or "all" for case, good in outcomes if not good]
    return {
        "cases": ", ".join(case for case, _ in outcomes if case),
        kernel: f"✗ {', '.join(failed)}" if failed else "✓",
    }


def put_down(kernel: str, release: str, seconds: float, tests: Mapping[str, str]) -> None:
    columns, table = read(SCENARIOS)
    if kernel not in columns:
        columns.append(kernel)
    told = cases(tests)
    rows = {name: table.get(name, {}) | (columns_of(kernel, told[name]) if name in told else {}) for name in scenarios()}
    write(SCENARIOS, columns, rows)
    if told.keys() < set(scenarios()):
        return  # a part of the cases says nothing about the whole
    columns, table = read(KERNELS)
    passed = sum(not failure for failure in tests.values())
    table[kernel] = {
        "release": release,
        "scenarios and tests of the sandbox": f"{passed} of {len(tests)} passed",
        "time": f"{seconds:.0f} s",
        "date": datetime.date.today().isoformat(),
    }
    write(KERNELS, columns, table)
