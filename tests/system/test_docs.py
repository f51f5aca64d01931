# SPDX-License-Identifier: Apache-2.0
"""docs/sonic-compatibility.md gives for every fact what we do and which test shows it: both are checked. Whatever the
documents name must exist."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lib.daemon import ROOT

APART = {"corpus", "data", "__pycache__"}
FOLDERS = ("bench", "deps", "deploy", "docs")
DOCUMENTS = (*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md")))
DOCUMENT = ROOT / "docs" / "sonic-compatibility.md"
EXPECTED = [f"{letter}{number}" for letter, last in (("S", 30), ("R", 16), ("M", 17)) for number in range(1, last + 1)]
COLUMNS = {"S": 5, "R": 4, "M": 3}
VERDICTS = ("same", "better", "not ours")
OF_EACH_FAULT = "better"  # as its section says
NO_TEST = "-"
LONGEST_CELL = 200
SOURCES = ("src", "tests", "bench", "scripts", "man", "deploy", "debian", "docs")
ID = re.compile(r"\b([SRM][1-9]\d?)\b")


@dataclass(frozen=True)
class Row:
    number: str
    ours: str
    tests: str


def rows() -> list[Row]:
    lines = DOCUMENT.read_text().splitlines()
    lines = [line.strip("|") for line in lines if re.match(r"\| [SRM]\d", line)]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)] for line in lines]
    assert all(len(row) == COLUMNS[row[0][0]] and row[1] for row in cells), cells
    return [Row(row[0], OF_EACH_FAULT if row[0][0] == "M" else row[-2], row[-1]) for row in cells]


def system_tests(path: Path) -> set[str]:
    parsed = ast.parse(path.read_text())
    return {node.name for node in parsed.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def unit_tests(path: Path) -> set[str]:
    """The unit tests that are registered with cmocka, so that they run."""
    return set(re.findall(r"\b(?:cmocka_unit_test\w*|[A-Z_]*TEST)\((\w+)", path.read_text()))


def exists(name: str) -> bool:
    file, _, test = name.partition("::")
    path = ROOT / "tests" / (file if "/" in file else f"system/{file}")
    if not path.is_file():
        return False
    return test in (unit_tests(path) if path.suffix == ".c" else system_tests(path))


def whole_names(cell: str) -> Iterator[str]:
    """Completes `::test` with the file of the preceding name."""
    file = ""
    for name in re.findall(r"`([^`]+)`", cell):
        before, _, test = name.partition("::")
        file = before or file
        yield f"{file}::{test}"


def test_no_row_is_missing_or_out_of_order() -> None:
    assert [row.number for row in rows()] == EXPECTED


def test_each_row_has_a_verdict() -> None:
    assert [row for row in rows() if not row.ours.startswith(VERDICTS)] == []


def test_each_row_names_its_tests() -> None:
    """Only rows about things outside our scope have no test."""
    unnamed = [row for row in rows() if not re.fullmatch(r"`[^`]+`(, `[^`]+`)*", row.tests)]
    assert [row for row in unnamed if row.tests != NO_TEST or not row.ours.startswith("not ours")] == []


def test_each_named_test_exists() -> None:
    named = {name for row in rows() for name in whole_names(row.tests)}
    assert len(named) > 80
    assert sorted(name for name in named if not exists(name)) == []


def test_no_cell_of_a_table_is_a_page() -> None:
    cells = [
        (path.name, cell)
        for path in DOCUMENTS
        for line in path.read_text().splitlines()
        if line.startswith("|")
        for cell in line.split("|")
    ]
    assert sorted(one for one in cells if len(one[1].strip()) > LONGEST_CELL) == []


def test_files_that_a_document_names_exist() -> None:
    """A name may lack its suffix; `*` stands for several files."""
    folders = "bench|debian|deploy|deps|docs|man|scripts|src|tests"
    named = {
        (path.name, word)
        for path in DOCUMENTS
        for word in re.findall(rf"(?<![\w/.-])((?:{folders})/[\w./*-]*\w)(?![\w/<*])", path.read_text())
    }
    assert len(named) > 100
    ours = {one for one in named if not one[1].startswith("src/portsyncd")}  # our place in SONiC's build tree
    assert sorted(one for one in ours if not any(ROOT.glob(f"{one[1]}*"))) == []


def test_documents_that_a_document_names_exist() -> None:
    """Documents are relative to the one that names them, or to the README."""
    named = {
        (path.name, word)
        for path in DOCUMENTS
        for word in re.findall(r"(?<![\w/.-])([\w-]+\.md)\b", path.read_text())
    }
    assert len(named) > 5
    known = {path.name for path in DOCUMENTS}
    assert sorted(one for one in named if one[1] not in known) == []


def sources() -> list[Path]:
    """All files that people write: no seeds, recorded bytes, or pictures."""
    found = [path for folder in SOURCES for path in (ROOT / folder).rglob("*") if path.is_file()]
    return sorted(path for path in found if path.suffix not in (".svg", ".png", ".json") and not set(path.parts) & APART)


def anchors(path: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_documents_that_a_source_names_exist() -> None:
    """In any source, together with the heading after a #."""
    named = {
        (str(path.relative_to(ROOT)), *found)
        for path in sources()
        for found in re.findall(r"(?<![\w/.-])((?:[\w-]+/)*\w[\w-]*\.md)\b(?:#([\w-]+))?", path.read_text())
    }
    assert len(named) > 20
    for place, name, anchor in sorted(named):
        homes = [folder / name for folder in (ROOT, ROOT / "docs", (ROOT / place).parent)]
        there = [path for path in homes if path.is_file()]
        assert there, f"{place} names {name}"
        assert not anchor or anchor in anchors(there[0]), f"{place} names {name}#{anchor}"


def test_each_number_that_is_cited_is_explained() -> None:
    """Each S, R or M number that is cited has a row in docs/sonic-compatibility.md."""
    cited = {(str(path.relative_to(ROOT)), number) for path in sources() for number in ID.findall(path.read_text())}
    assert len(cited) > 100
    assert sorted(one for one in cited if one[1] not in EXPECTED) == []


def test_functions_that_the_architecture_names_exist() -> None:
    """Its walks through the code follow the code."""
    named = set(re.findall(r"`(\w+)\(\)`", (ROOT / "docs" / "architecture.md").read_text()))
    assert len(named) > 20
    code = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.c"))
    defined = set(re.findall(r"^\w[^\n=;]*?\b(\w+)\([^;]*?\)\n\{", code, re.MULTILINE))
    elsewhere = {"sd_event_run"}
    assert sorted(named - defined - elsewhere) == [], "docs/architecture.md names functions that are gone"


def test_the_version_is_that_of_meson() -> None:
    """Files that cannot take it from there have the same version; other files name none."""
    found = re.search(r"^  version: '(\d+\.\d+\.\d+)',$", (ROOT / "meson.build").read_text(), re.MULTILINE)
    assert found
    debian = re.match(r"portsyncd \((\S+)\)", (ROOT / "debian" / "changelog").read_text())
    released = re.findall(r"^## \[(\d\S*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    # The changelog names a version once it is released; until then its changes are below "Unreleased".
    coming = "\n## [Unreleased]\n\n#" in (ROOT / "CHANGELOG.md").read_text()
    assert debian and debian[1] == found[1]
    assert (found[1] != released[0]) == coming
    own = re.compile(rf"portsyncd[ _-]v?(?:{re.escape(found[1])}|0\.1\.0)\b")
    apart = {ROOT / "debian" / "changelog", ROOT / "CHANGELOG.md"}
    assert sorted(str(path) for path in {*sources(), *DOCUMENTS} - apart if own.search(path.read_text())) == []


def test_each_scenario_of_real_kernels_is_in_the_table() -> None:
    """tests/kernel/run --write adds the row after a run."""
    files = (ROOT / "tests" / "kernel" / "guest").glob("test_real_*.py")
    functions = {name for file in files for name in re.findall(r"^def test_(\w+)", file.read_text(), re.MULTILINE)}
    table = DOCUMENT.read_text().partition("\n## Real kernels\n")[2]
    rows = re.findall(r"^\| ([\w ]+) \|.*[✓✗]", table, re.MULTILINE)
    assert {name.replace("_", " ") for name in functions} == set(rows)
