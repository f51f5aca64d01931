# SPDX-License-Identifier: Apache-2.0
"""The SPDX document that the build makes: what SPDX 2.3 demands, and what dpkg and sha256sum say of the same programs."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from machine import ROOT, Machine, run
from packages import field

PATH = "/usr/share/doc/portsyncd/portsyncd.spdx.json"
PROGRAMS = ["/usr/bin/portsyncctl", "/usr/bin/portsyncd"]


@pytest.fixture
def document(installed: Machine) -> dict[str, Any]:
    return dict(json.loads(installed.read(PATH)))


def named(document: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {one["SPDXID"]: one for one in document[kind]}


def test_it_is_what_spdx_demands(document: dict[str, Any]) -> None:
    schema = json.loads((ROOT / "tests" / "package" / "spdx-2.3.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(document)
    ids = [document["SPDXID"], *named(document, "packages"), *named(document, "files")]
    assert len(ids) == len(set(ids)) == 1 + len(document["packages"]) + len(document["files"])
    ends = {one[end] for one in document["relationships"] for end in ("spdxElementId", "relatedSpdxElement")}
    assert ends == set(ids)


def test_its_sums_are_those_of_the_installed_programs(document: dict[str, Any], installed: Machine) -> None:
    files = {one["fileName"].removeprefix("."): one["checksums"] for one in document["files"]}
    assert sorted(files) == PROGRAMS
    for path, sums in files.items():
        for one in sums:
            assert installed(f"{one['algorithm'].lower()}sum", path).split()[0] == one["checksumValue"]


def test_its_libraries_are_those_that_the_package_needs(document: dict[str, Any], package: Path) -> None:
    """The libraries are those of dpkg-shlibdeps, in the build machine's versions."""
    own, *libraries = document["packages"]
    assert (own["name"], own["versionInfo"], own["licenseDeclared"]) == ("portsyncd", field(package, "Version"), "Apache-2.0")
    depends = {word.split()[0] for word in field(package, "Depends").split(",")}
    assert {one["name"] for one in libraries} == depends
    for one in libraries:
        assert one["versionInfo"] == run("dpkg-query", "--show", "--showformat=${Version}", one["name"])
        assert one["licenseDeclared"] != "NOASSERTION", one["name"]


def test_it_tells_no_time_but_that_of_the_sources(document: dict[str, Any]) -> None:
    said = run("dpkg-parsechangelog", "--file", ROOT / "debian" / "changelog", "--show-field", "Timestamp")
    created = datetime.fromisoformat(document["creationInfo"]["created"])
    assert created.timestamp() == int(said)


def test_another_program_has_another_document(tmp_path: Path, document: dict[str, Any]) -> None:
    """Another namespace, too: SPDX requires it to be unique."""
    other = tmp_path / "portsyncd"
    other.write_bytes(Path("/bin/true").read_bytes())
    run(ROOT / "scripts" / "sbom", "--version", "1", "--arch", run("dpkg", "--print-architecture").strip(), "--to", tmp_path / "to", other)
    made = json.loads((tmp_path / "to").read_text())
    assert made["documentNamespace"] != document["documentNamespace"]
    assert [one["name"] for one in made["packages"]] == ["portsyncd", "libc6"]
    assert re.fullmatch(r"https://spdx\.org/spdxdocs/\S+-[0-9a-f]{32}", made["documentNamespace"])
