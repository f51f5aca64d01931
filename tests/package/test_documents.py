# SPDX-License-Identifier: Apache-2.0
"""The package's documents and examples work in the places where the package installs them."""

import posixpath
import re
from collections.abc import Iterator

from machine import Machine

DOCUMENTS = "/usr/share/doc/portsyncd"
RULES = "/usr/share/portsyncd/prometheus"
CERTIFICATES = "/etc/prometheus/portsyncd"


def documents(machine: Machine) -> list[str]:
    return machine("find", DOCUMENTS, "-name", "*.md*").split()


def links(text: str) -> Iterator[str]:
    """Links to files, pictures included, in Markdown and HTML."""
    for target in re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", text):
        path = "".join(target).partition("#")[0]
        if path and "://" not in path:
            yield path


def test_every_link_and_picture_of_a_document_is_there(installed: Machine) -> None:
    found = documents(installed)
    assert {f"{DOCUMENTS}/README.md", f"{DOCUMENTS}/docs/deployment.md"} <= set(found)
    named = {
        posixpath.normpath(posixpath.join(posixpath.dirname(path), link)): path
        for path in found
        for link in links(installed.read(path))
    }
    assert {posixpath.splitext(path)[1] for path in named} >= {".md", ".png", ".svg"}
    there = set(installed("find", DOCUMENTS).split())
    assert sorted(f"{path} of {named[path]}" for path in set(named) - there) == []


def test_documents_name_each_other_where_they_are(installed: Machine) -> None:
    """`docs/...` in backticks is relative to the README."""
    named = {word for path in documents(installed) for word in re.findall(r"`(docs/[\w./-]+)`", installed.read(path))}
    assert len(named) > 5
    assert sorted(word for word in named if not installed.exists(f"{DOCUMENTS}/{word}")) == []


def test_files_of_the_package_that_a_document_names_are_there(installed: Machine) -> None:
    """Absolute paths; a test that runs the guides covers the paths in commands."""
    text = "\n".join(installed.read(path) for path in documents(installed))
    named = set(re.findall(r"(?<![\w.])/usr/(?:share|lib)/(?:doc/)?portsyncd/[\w./-]*\w(?![\w./-]*\*)", text))
    assert len(named) > 2
    assert sorted(path for path in named if not installed.exists(path)) == []


def test_promtool_takes_the_examples_as_they_are_installed(installed: Machine) -> None:
    assert "SUCCESS: 2 rule files found" in installed("promtool", "check", "config", f"{RULES}/prometheus.yml")


def test_promtool_takes_the_fleets_example_once_its_certificates_are_there(installed: Machine) -> None:
    for name in ("ca.pem", "prometheus.pem", "prometheus.key"):
        installed.write(f"{CERTIFICATES}/{name}", "")
    installed.write(f"{CERTIFICATES}/switches.yml", '- targets: ["switch1.example:9443"]\n')
    installed("promtool", "check", "config", f"{RULES}/prometheus-fleet.yml")
