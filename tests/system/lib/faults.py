# SPDX-License-Identifier: Apache-2.0
"""What the tests of Redis' faults share."""

from lib.switch import Switch

# The daemon's connections, as its log names them.
LABELS = ("CONFIG_DB", "CONFIG_DB events", "APPL_DB", "APPL_DB events", "STATE_DB")
# Faults are noticed soon, and no reconciliation hides that a reconnection forgot something.
QUICK = {"connection_timeout_secs": 1}
# For values of 70 MB: on a busy machine Redis may need more than 5 s for them, the usual limit for an answer.
PATIENT = {"connection_timeout_secs": 600}
NO_RECONCILE = 3600


def change_all(sw: Switch) -> None:
    """One change of every port: alternately of the carrier, the MTU and the admin status."""
    for i, port in enumerate(sw.ports):
        if i % 3 == 0:
            sw.netns.set_carrier(port, "down")
        elif i % 3 == 1:
            sw.netns.set_mtu(port, 1500)
        else:
            sw.netns.set_admin(port, "down")
    sw.netns.wait_carrier(sw.ports[::3], "down")
