# SPDX-License-Identifier: Apache-2.0
"""What a seed means: the kind of switch, which a few sequences share, and the steps of one sequence.

Both follow from the seed alone. A sequence is made of windows (a fault that begins with one step and ends with a later
one, so that several overlap) and of changes in between; it leaves no window open. A Step names a method of Actions.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

SEQUENCES_A_SWITCH = 25
SPARE_NAMES = ("Ethernet400", "Ethernet404")  # names of links that are not ports until APPL_DB knows them
WINDOWS_MOST, CHANGES_LEAST, CHANGES_MOST = 5, 2, 12
CHURNED_DUMPS = 3
YEAR_SECS = 365 * 86400
GARBAGE = ("-OOM no memory", "-LOADING Redis is loading", "-READONLY no", "-ERR no", "HTTP/1.1 400 Bad")

Word = int | float | str


@dataclass(frozen=True)
class Step:
    action: str
    words: tuple[Word, ...] = ()

    def __str__(self) -> str:
        return " ".join([self.action, *map(str, self.words)])


@dataclass(frozen=True)
class Kind:
    """A switch. Without reconciliations the daemon learns of a fault from its event alone; then Redis keeps its data
    over a restart, and faults that only a reconciliation can find are left out."""

    number: int
    ports: int
    crowd: int  # links that are not ports
    audited: bool
    proxied: bool  # Redis is behind a proxy that can disturb the traffic
    dpu: bool  # its links are not made again after a cold start
    small_buffer: bool
    lasting: bool  # one daemon runs all its sequences, so that leaks add up


def kind_of(number: int) -> Kind:
    rng = random.Random(f"switch {number}")
    return Kind(
        number,
        ports=rng.choice((3, 6, 10)),
        crowd=rng.choice((0, 60, 200)),
        audited=number % 2 == 0,
        proxied=rng.random() < 0.75,
        dpu=rng.random() < 0.5,
        small_buffer=rng.random() < 0.75,
        lasting=rng.random() < 0.5,
    )


@dataclass(frozen=True)
class Powers:
    """What the daemon under test has been loaded with."""

    refuse_memory: bool


@dataclass
class Planner:
    rng: random.Random
    kind: Kind
    powers: Powers
    ports: list[str]  # configured
    present: list[str] = field(default_factory=list)
    redis_answers: bool = True
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.present = list(self.ports)

    def add(self, action: str, *words: Word) -> None:
        self.steps.append(Step(action, words))

    def plan(self) -> list[Step]:
        """Windows begin anywhere between the changes, and end anywhere later."""
        windows = self.choose_windows()
        changes = self.rng.randint(CHANGES_LEAST, CHANGES_MOST)
        places = sorted((self.rng.randint(0, changes), i) for i in range(len(windows)))
        closing: list[tuple[int, int, Iterator[None]]] = []
        for turn in range(changes + 1):
            for _, i in [place for place in places if place[0] == turn]:
                window = windows[i]()
                next(window)
                closing.append((self.rng.randint(turn, changes), i, window))
            if turn < changes:
                self.change()
            for entry in [entry for entry in closing if entry[0] <= turn]:
                closing.remove(entry)
                next(entry[2], None)
        return self.steps

    # --- windows ---

    def choose_windows(self) -> list[Callable[[], Iterator[None]]]:
        """At most one of windows that exclude each other."""
        groups: list[list[Callable[[], Iterator[None]]]] = [
            [self.redis_dead, self.redis_stopped, self.redis_stopped],
            [self.daemon_stopped] if self.kind.lasting else [self.daemon_dead, self.daemon_dead, self.daemon_stopped],
            [self.no_descriptors],
            [self.links_coming_and_going],
            [self.idle_clients],
            [self.disk_full],
        ]
        if self.kind.proxied:
            groups += [[self.slow, self.pieces, self.cut, self.cut, self.refused]] * 2
        if self.powers.refuse_memory and self.kind.audited:
            groups.append([self.no_memory])
        count = self.rng.randint(0, WINDOWS_MOST)
        return [self.rng.choice(group) for group in self.rng.sample(groups, min(count, len(groups)))]

    def redis_dead(self) -> Iterator[None]:
        self.redis_answers = False
        self.add("kill_redis")
        yield
        self.add("start_redis")
        self.redis_answers = True

    def redis_stopped(self) -> Iterator[None]:
        self.redis_answers = False
        self.add("stop_redis")
        yield
        if self.rng.random() < 0.3:
            self.add("wait_for_timeouts")
        self.add("continue_redis")
        self.redis_answers = True

    def daemon_dead(self) -> Iterator[None]:
        warm = self.redis_answers and self.rng.random() < 0.6
        self.add(self.rng.choice(("kill_daemon", "end_daemon")), "warm" if warm else "cold")
        yield
        self.add("start_daemon")

    def daemon_stopped(self) -> Iterator[None]:
        self.add("stop_daemon")
        yield
        self.add("continue_daemon")

    def no_descriptors(self) -> Iterator[None]:
        self.add("limit_descriptors", self.rng.randint(0, 2))
        yield
        self.add("free_descriptors")

    def no_memory(self) -> Iterator[None]:
        self.add("refuse_memory", self.rng.choice((1, 1, 2, 3, 7, 20)))
        yield
        self.add("grant_memory")

    def links_coming_and_going(self) -> Iterator[None]:
        """Ends with dumps, which it may interrupt."""
        self.add("begin_churn")
        yield
        for _ in range(CHURNED_DUMPS):
            self.add("overrun", self.some())
            self.add("end_overrun")
        self.add("end_churn")

    def idle_clients(self) -> Iterator[None]:
        self.add("open_clients", self.rng.randint(1, 40))
        yield
        self.add("close_clients")

    def disk_full(self) -> Iterator[None]:
        self.add("fill_disk")
        yield
        if self.rng.random() < 0.5:
            self.add("wait_for_a_save")
        self.add("free_disk")

    def slow(self) -> Iterator[None]:
        self.add("delay_replies", self.rng.choice((0.001, 0.01, 0.05)))
        yield
        self.add("delay_replies", 0.0)

    def pieces(self) -> Iterator[None]:
        self.add("cut_to_pieces", self.rng.randint(1, 9))
        yield
        self.add("cut_to_pieces", 0)

    def cut(self) -> Iterator[None]:
        size = self.rng.choice((self.rng.randint(0, 40), self.rng.randint(0, 3000)))
        self.add("cut_after", size, self.rng.choice(("replies", "requests")))
        yield
        self.add("heal_connections")

    def refused(self) -> Iterator[None]:
        self.add("refuse_writes", self.rng.choice(GARBAGE))
        yield
        self.one_port()
        self.add("accept_writes")

    # --- changes ---

    def change(self) -> None:
        choices = [
            *[self.storm, self.overrun, self.delete, self.make, self.rename, self.swap, self.bounce] * 2,
            *[self.one_port, self.round_trip] * 3,
            self.clock,
            self.scrape,
            self.hangup,
        ]
        if not self.kind.lasting:
            choices.append(self.restart)
        if self.redis_answers:
            choices += [self.reset_connections, self.reset_connections, self.know]
            if self.kind.audited:
                choices += [self.flush, self.flush, self.drift]
            if self.kind.proxied:
                choices.append(self.drop_connections)
        self.rng.choice(choices)()

    def some(self) -> str:
        return self.rng.choice(self.present)

    def storm(self) -> None:
        self.add("storm", self.rng.choice(("mtu", "mixed")), self.rng.choice((50, 300, 1500)), *self.present)

    def overrun(self) -> None:
        self.add("overrun", self.some())
        self.rng.choice((self.delete, self.rename, self.swap, self.bounce, self.one_port))()
        self.add("end_overrun")

    def delete(self) -> None:
        if len(self.present) < 2:
            return
        name = self.some()
        self.present.remove(name)
        self.add("delete", name)

    def absent(self) -> list[str]:
        return [name for name in (*self.ports, *SPARE_NAMES) if name not in self.present]

    def make(self) -> None:
        names = self.absent()
        if not names:
            self.one_port()
            return
        self.present.append(self.rng.choice(names))
        self.add("make", self.present[-1], self.rng.randint(1300, 9100), self.rng.choice(("up", "down")))

    def rename(self) -> None:
        names = self.absent()
        if not names:
            return
        old, new = self.some(), self.rng.choice(names)
        self.present[self.present.index(old)] = new
        self.add("rename", old, new)

    def swap(self) -> None:
        if len(self.present) > 1:
            self.add("swap", *self.rng.sample(self.present, 2))

    def bounce(self) -> None:
        self.add("bounce", self.some(), self.rng.randint(1300, 9100))

    def one_port(self) -> None:
        what = self.rng.choice(("set_carrier", "set_admin", "set_mtu", "join_bridge", "leave_bridge"))
        words: dict[str, tuple[Word, ...]] = {
            "set_carrier": (self.rng.choice(("up", "down")),),
            "set_admin": (self.rng.choice(("up", "down")),),
            "set_mtu": (self.rng.randint(1300, 9100),),
        }
        self.add(what, self.some(), *words.get(what, ()))

    def round_trip(self) -> None:
        """Nothing is different afterwards, but the row's consumers must get an event."""
        self.add("round_trip", self.some(), self.rng.choice(("admin", "mtu", "master")))

    def clock(self) -> None:
        secs = self.rng.choice((1, 3600, 10 * YEAR_SECS, 50 * YEAR_SECS, -1, -3600, -10 * YEAR_SECS, -60 * YEAR_SECS))
        self.add("jump_clock", secs)

    def scrape(self) -> None:
        self.add("scrape")

    def hangup(self) -> None:
        self.add("hang_up")

    def restart(self) -> None:
        warm = self.redis_answers and self.rng.random() < 0.6
        self.add(self.rng.choice(("kill_daemon", "end_daemon")), "warm" if warm else "cold")
        self.add("start_daemon")

    def reset_connections(self) -> None:
        self.add("reset_connections")

    def drop_connections(self) -> None:
        self.add("drop_connections")

    def know(self) -> None:
        self.add("know", self.rng.choice(SPARE_NAMES))

    def flush(self) -> None:
        self.add("flush", self.rng.choice(("STATE_DB", "APPL_DB", "all")))

    def drift(self) -> None:
        ports = [name for name in self.present if name in self.ports]
        if ports:
            self.add("drift", self.rng.choice(ports), self.rng.choice(("delete", "field", "value", "type")))



@dataclass(frozen=True)
class Sequence:
    name: str
    steps: list[Step]


def plan_of(seed: int, ports: list[str], powers: Powers) -> Sequence:
    kind = kind_of(seed // SEQUENCES_A_SWITCH)
    return Sequence(f"seed {seed}", Planner(random.Random(f"sequence {seed}"), kind, powers, ports).plan())
