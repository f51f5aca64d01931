# SPDX-License-Identifier: Apache-2.0
"""What a run prints and what it leaves in result.json."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from harness import Must, Result, table


def verdicts(found: Sequence[Must], failure: str = "FAIL") -> list[tuple[str, ...]]:
    return [(must.name, must.measured, must.limit, "pass" if must.passed else failure) for must in found]


def tables_of(tables: Sequence[str], musts: Sequence[Must], goals: Sequence[Must]) -> str:
    parts = list(tables)
    if goals:
        parts.append(table(("goal", "measured", "limit", ""), verdicts(goals, "missed")))
    if musts:
        parts.append(table(("must", "measured", "limit", ""), verdicts(musts)))
    return "\n\n".join(parts)


def write_json(path: Path, result: Result, musts: Sequence[Must], goals: Sequence[Must]) -> None:
    verdict = {"musts": [asdict(must) for must in musts], "goals": [asdict(goal) for goal in goals]}
    path.write_text(json.dumps(result | verdict, indent=2) + "\n")
