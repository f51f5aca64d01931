# SPDX-License-Identifier: Apache-2.0
"""portsyncctl: what all verbs have in common."""

from lib import ctl


def test_a_verb_that_does_not_exist() -> None:
    done = ctl.command("--json", "no-such-verb")
    assert done.code == ctl.USAGE and done.json["error"]["code"] == ctl.USAGE
    assert not done.err
