# SPDX-License-Identifier: Apache-2.0
"""The producer side of ProducerStateTable for APPL_DB PORT_TABLE, as portmgrd does it: ports come and go later."""

from collections.abc import Mapping, Sequence

from lib.orch import TABLE
from lib.switch import Switch


def _push(sw: Switch, port: str, fields: Mapping[str, str]) -> None:
    pipe = sw.appl_db.client.pipeline(transaction=True)
    pipe.sadd(f"{TABLE}_KEY_SET", port)
    pending = "_" + sw.appl_db.key(TABLE, port)
    if fields:
        pipe.hset(pending, mapping=dict(fields))
    else:
        pipe.sadd(f"{TABLE}_DEL_SET", port)
        pipe.delete(pending)
    pipe.publish(f"{TABLE}_CHANNEL@{sw.appl_db.client.get_connection_kwargs()['db']}", "G")
    pipe.execute()


def push_port(sw: Switch, port: str, mtu: int = 9100, speed: int = 25000) -> None:
    """The orchagent stand-in makes the host interface when it takes the row."""
    _push(sw, port, {"lanes": "1", "speed": str(speed), "mtu": str(mtu), "admin_status": "up"})


def delete_port(sw: Switch, port: str) -> None:
    """The orchagent stand-in deletes the host interface when it takes the deletion."""
    _push(sw, port, {})


def break_out(sw: Switch, old: Sequence[str], new: Sequence[str]) -> None:
    """Deletes the rows of all old ports, then pushes the new ones; the orchagent stand-in changes the links."""
    for port in old:
        delete_port(sw, port)
    for port in old:
        sw.wait_no_row(port)
    for port in new:
        push_port(sw, port)
    for port in new:
        sw.wait_oper(port, "up")
