# SPDX-License-Identifier: Apache-2.0
"""What a run prints, what it writes to result.json, and how results get into bench/results.md."""

import json
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from harness import ROOT, Must, Result, table

DOCS = ROOT / "bench" / "results.md"
DRAWINGS = ROOT / "docs" / "performance"


def machine() -> Result:
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)$", info, re.MULTILINE)
    redis = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True).stdout
    return {
        "cpus": os.cpu_count(),
        "model": model[1] if model else "unknown",
        "kernel": os.uname().release,
        "redis": redis.split("v=")[1].split()[0],
        "load_before": os.getloadavg()[0],
    }


def commit() -> str:
    return subprocess.run([ROOT / "scripts" / "commit"], capture_output=True, text=True, check=True).stdout.strip()


def described(found: Result) -> str:
    return f"{found['cpus']} CPUs ({found['model']}), Linux {found['kernel']}, Redis {found['redis']}."


def verdicts(what: str, found: Sequence[Must], failure: str) -> str:
    rows = [(must.name, must.measured, must.limit, "pass" if must.passed else failure) for must in found]
    return table((what, "measured", "limit", ""), rows) if rows else ""


def text_of(tables: Sequence[str], musts: Sequence[Must], goals: Sequence[Must]) -> str:
    parts = [*tables, *(("### Goals and musts",) if musts else ())]
    parts += [verdicts("goal", goals, "missed"), verdicts("must", musts, "FAIL")]
    return "\n\n".join(part for part in parts if part)


def write_json(path: Path, result: Result, musts: Sequence[Must], goals: Sequence[Must]) -> None:
    verdict = {"musts": [asdict(must) for must in musts], "goals": [asdict(goal) for goal in goals]}
    path.write_text(json.dumps(result | verdict, indent=2) + "\n")


def replace_region(name: str, text: str) -> None:
    """Replaces the text between the page's two marks of that name."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    page = DOCS.read_text()
    head, _, rest = page.partition(begin)
    _, _, tail = rest.partition(end)
    assert rest and tail, f"{DOCS}: no region {begin.strip()} ... {end.strip()}"
    DOCS.write_text(f"{head}{begin}{text}\n{end}{tail}")


def write_drawings(drawings: dict[str, str], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, drawing in drawings.items():
        (folder / name).write_text(drawing)
