# SPDX-License-Identifier: Apache-2.0
"""portsyncctl explain: the journal's catalogue where there is no journal. It needs no daemon."""

import re

from lib import ctl
from lib.daemon import ROOT

CATALOGUE = (ROOT / "deploy" / "portsyncd.catalog").read_text()


def entry(identity: str) -> str:
    found = re.search(rf"^-- {identity}\n(.*?)(?=^-- |\Z)", CATALOGUE, re.MULTILINE | re.DOTALL)
    assert found, identity
    return " ".join(found[1].split())


def test_all_that_the_catalogue_has() -> None:
    explained = ctl.command("explain", "-j").json["explanations"]
    kinds = [item for item in explained if "id" in item]
    assert sorted(item["id"] for item in kinds) == sorted(re.findall(r"^-- ([0-9a-f]{32})$", CATALOGUE, re.MULTILINE))
    for item in kinds:
        assert item["subject"] in entry(item["id"])
        assert " ".join([item["cause"], item.get("remedy", "")]).strip() in entry(item["id"])


def test_one_that_is_named() -> None:
    done = ctl.command("explain", "redis_away")
    text = " ".join(done.out.split())
    assert done.code == ctl.GOOD
    assert "redis_away (log): No connection to Redis" in text and "redis_away (check)" in text
    assert "For the socket: unixsocketperm 770" in text, "of a socket that is closed"


def test_one_that_does_not_exist() -> None:
    done = ctl.command("explain", "-j", "redis_away", "no_such_kind")
    assert done.code == ctl.USAGE
    assert '"no_such_kind"' in done.json["error"]["message"] and done.json["error"]["remedy"]
    assert ctl.command("explain", "no_such_kind").out == ""
