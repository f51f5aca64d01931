# SPDX-License-Identifier: Apache-2.0
"""Section [performance]: granted settings are in force; refused ones are reported and do no harm."""

import os
import re
from pathlib import Path

import pytest

from conftest import SwitchFactory
from lib.faults import NO_RECONCILE
from lib.figures import figures, stop_figures
from lib.proc import Proc
from lib.switch import Switch

IN_FORCE = "tuning in force: "
ABSENT_CPU = 1023  # the last that can be named


def without(capability: str, *limits: str) -> list[str]:
    """Prefix for the daemon's command; limits are options of prlimit, and only lowered."""
    return ["prlimit", *limits, "setpriv", f"--bounding-set=-{capability}", f"--inh-caps=-{capability}"]


def build(switch: SwitchFactory, *before: str, **performance: object) -> Switch:
    sw = switch.build(ports=2, reconcile_secs=NO_RECONCILE, settings={"performance": performance})
    sw.daemon.command[:0] = before
    return sw


def tuned(switch: SwitchFactory, *before: str, **performance: object) -> Switch:
    sw = build(switch, *before, **performance)
    sw.start()
    return sw


def assert_follows(sw: Switch) -> None:
    """The daemon still follows the links: a change of a port reaches STATE_DB."""
    sw.netns.set_mtu("Ethernet4", 1777)
    sw.wait_field("Ethernet4", "mtu", "1777")
    sw.wait_equal(ports=2)


def warnings(sw: Switch) -> list[str]:
    return [line for line in sw.daemon.log.splitlines() if " WARNING: " in line]


def assert_refused(sw: Switch, *named: str) -> None:
    """One warning names all this; the daemon works; its summary counts one refused setting."""
    assert_follows(sw)
    refusals = [line for line in warnings(sw) if "is refused: " in line]
    assert len(refusals) == 1, sw.daemon.log
    assert [text for text in named if text not in refusals[0]] == [], refusals[0]
    assert stop_figures(sw.daemon)["settings refused"] == 1


def assert_granted(sw: Switch, told: str | None) -> None:
    assert_follows(sw)
    assert re.findall(f"{IN_FORCE}(.*)", sw.daemon.log) == ([told] if told else [])
    assert "refused:" not in sw.daemon.log
    assert stop_figures(sw.daemon)["settings refused"] == 0


def allowed_cpus(pid: int) -> str:
    found = re.search(r"^Cpus_allowed_list:\s+(\S+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return found[1]


# --- memory ---


def test_memory_is_locked_but_not_used_up(switch: SwitchFactory) -> None:
    """Locked on fault: reserved memory, such as buffers for the longest datagrams, takes no pages until it is used.
    Without the flight recorder, whose pages are taken by and by."""

    def start(**performance: object) -> Switch:
        settings = {"performance": performance, "recorder": {"bytes": 0}}
        return switch(ports=2, reconcile_secs=NO_RECONCILE, settings=settings)

    sw = start(lock_memory="false")
    proc = Proc(sw.daemon.pid)
    assert proc.status("VmLck") == 0
    unlocked = proc.rss_kib
    assert_granted(sw, "memory not locked")
    sw = start()
    proc = Proc(sw.daemon.pid)
    assert proc.status("VmLck") > unlocked
    assert proc.rss_kib < unlocked + 2048
    assert_granted(sw, None)


@pytest.mark.parametrize("limit", [0, 65536])
def test_a_limit_on_locked_memory(limit: int, switch: SwitchFactory) -> None:
    """Nothing is locked: locked up to the limit, the daemon could not allocate later."""
    sw = tuned(switch, *without("ipc_lock", f"--memlock={limit}"))
    assert Proc(sw.daemon.pid).status("VmLck") == 0
    assert_refused(sw, "performance.lock_memory", f"RLIMIT_MEMLOCK is {limit} bytes", "LimitMEMLOCK=", "CAP_IPC_LOCK")


# --- processors ---


def test_cpu_affinity(switch: SwitchFactory) -> None:
    cpu = max(os.sched_getaffinity(0))
    sw = tuned(switch, cpu_affinity=cpu)
    assert allowed_cpus(sw.daemon.pid) == str(cpu)
    assert_granted(sw, f"memory locked, CPUs {cpu}")


@pytest.mark.parametrize("beside", ["", "0,"])
def test_a_cpu_that_does_not_exist(beside: str, switch: SwitchFactory) -> None:
    """Not a fault of the configuration, which may serve many machines; the CPUs that exist are not used instead."""
    sw = tuned(switch, cpu_affinity=f"{beside}{ABSENT_CPU}")
    assert allowed_cpus(sw.daemon.pid) == allowed_cpus(os.getpid())
    present = Path("/sys/devices/system/cpu/online").read_text().strip()
    assert_refused(sw, f"performance.cpu_affinity = {beside}{ABSENT_CPU}", f"CPU {ABSENT_CPU} ", f"has {present}")


def test_what_a_supervisor_set_stays(switch: SwitchFactory) -> None:
    """systemd's CPUAffinity=, CPUSchedulingPolicy= and Nice= are not changed."""
    cpu = min(os.sched_getaffinity(0))
    niceness = min(os.getpriority(os.PRIO_PROCESS, 0) + 4, 19)  # nice adds to the caller's
    sw = tuned(switch, "taskset", "--cpu-list", str(cpu), "chrt", "--rr", "3", "nice", "-n", "4")
    pid = sw.daemon.pid
    assert allowed_cpus(pid) == str(cpu)
    assert (os.sched_getscheduler(pid), os.sched_getparam(pid).sched_priority) == (os.SCHED_RR, 3)
    assert os.getpriority(os.PRIO_PROCESS, pid) == niceness
    assert_granted(sw, None)


def test_one_refused_among_others(switch: SwitchFactory) -> None:
    """A refused setting does not affect the others."""
    cpu = min(os.sched_getaffinity(0))
    sw = tuned(switch, *without("ipc_lock", "--memlock=65536"), cpu_affinity=cpu)
    assert allowed_cpus(sw.daemon.pid) == str(cpu)
    assert f"{IN_FORCE}memory not locked, CPUs {cpu}\n" in sw.daemon.log
    assert_refused(sw, "performance.lock_memory")


def test_a_dry_run_asks_nothing_of_the_machine(switch: SwitchFactory) -> None:
    sw = build(switch, cpu_affinity=ABSENT_CPU)
    sw.daemon.command.append("--dry-run")
    sw.daemon.start()
    sw.daemon.wait_log("in sync with the kernel")
    assert Proc(sw.daemon.pid).status("VmLck") == 0
    assert stop_figures(sw.daemon)["settings refused"] == 0


# --- receive buffers ---


def test_buffers_grow_once_for_a_link_that_needs_more(switch: SwitchFactory) -> None:
    """400 alternative names make 44 KiB. The truncated message is read again; then the buffers are large enough."""
    sw = switch.build(
        ports=2,
        reconcile_secs=NO_RECONCILE,
        switch_type="dpu",
        links="before",
    )
    sw.netns.batch(f"link property add dev Ethernet0 altname {'n' * 100}{i:03}" for i in range(400))
    sw.start()
    dumps = figures(sw.daemon)["dumps"]
    for mtu in ("1777", "1888", "1999"):
        sw.netns.set_mtu("Ethernet0", int(mtu))
        sw.wait_field("Ethernet0", "mtu", mtu)
    sw.wait_equal(ports=2)
    # The recorder names the cause, too, once it has written.
    assert sw.daemon.log.count("lost (truncated datagram;") == 1
    assert figures(sw.daemon)["dumps"] == dumps + 1
