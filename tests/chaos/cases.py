# SPDX-License-Identifier: Apache-2.0
"""Sequences that once broke something, written by hand and minimal. They run before all others."""

from plan import Kind, Powers, Sequence, Step

CASES_KIND = Kind(-1, ports=6, crowd=60, audited=True, proxied=True, dpu=True, small_buffer=True, lasting=False)

# Name -> steps, their words separated by blanks; CASES_WITHOUT_MEMORY need an allocator that can fail.
CASES = {
    "all links are read again with no descriptor left": """
        limit_descriptors 0
        overrun Ethernet0
        delete Ethernet4
        end_overrun
        free_descriptors
    """,
    # Consumers must get a DEL: it removes other writers' fields with the old link.
    "a link that is replaced while nobody looks": """
        overrun Ethernet8
        bounce Ethernet0 1500
        end_overrun
        stop_redis
        bounce Ethernet4 1500
        continue_redis
    """,
    "connections come back to a Redis whose rows were deleted": """
        drop_connections
        flush STATE_DB
        set_mtu Ethernet0 1400
    """,
}
CASES_WITHOUT_MEMORY = {
    # Without memory names of CONFIG_DB were forgotten, and PortConfigDone counted only the others.
    "CONFIG_DB is read with every seventh allocation refused": """
        refuse_memory 7
        flush all
        wait_for_a_save
        grant_memory
    """,
    # The timer that limits a stop was made when the signal came: without memory there was no limit.
    "an end without memory, and nobody to write to": """
        stop_redis
        set_mtu Ethernet0 1300
        refuse_memory 1
        end_daemon cold
        continue_redis
        start_daemon
    """,
}


def step_of(line: str) -> Step:
    action, *words = line.split()
    return Step(action, tuple(int(word) if word.isdigit() else word for word in words))


def cases(powers: Powers) -> list[Sequence]:
    found = CASES | (CASES_WITHOUT_MEMORY if powers.refuse_memory else {})
    return [Sequence(name, [step_of(line) for line in text.strip().splitlines()]) for name, text in found.items()]
