# SPDX-License-Identifier: Apache-2.0
"""The HTTP server: good and bad requests, and hostile clients."""

import contextlib
import http.client
import math
import os
import re
import resource
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import SwitchFactory
from lib.faults import NO_RECONCILE, QUICK, change_all
from lib.http_probe import REFUSED, HttpProbe, Stream, ask
from lib.netns import NetNs
from lib.proc import Proc
from lib.redis_server import free_tcp_port
from lib.wait import crowd, patient, wait_for

HALF_OPEN = 1000
MEBIBYTE = 1 << 20
MEMORY_KIB = 16 * 1024  # what an attack may cost: sanitizers keep what was freed
SLOW_LINE_BYTES = 48 << 10  # a second
HELLO = b"hello -\n"
QUIET_SECS = 0.5

NO_REQUESTS = {
    "empty lines": b"\r\n\r\n",
    "no path": b"GET\r\n\r\n",
    "unknown version": b"GET /hello HTTP/9.9\r\nHost: x\r\n\r\n",
    "no host": b"GET /hello HTTP/1.1\r\n\r\n",
    "negative length": b"GET /hello HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "length past all": b"GET /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    "chunk past all": b"GET /hello HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + 500 * b"\x00",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "zeros": MEBIBYTE * b"\x00",
}
HUGE_REQUESTS = {
    "path": b"GET /" + MEBIBYTE * b"a" + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "method": MEBIBYTE * b"G",
    "header": b"GET /hello HTTP/1.1\r\nHost: x\r\nCookie: " + MEBIBYTE * b"a" + b"\r\n\r\n",
    "headers": b"GET /hello HTTP/1.1\r\nHost: x\r\n" + MEBIBYTE // 8 * b"a: b\r\n" + b"\r\n",
    "spaces": b"GET /hello HTTP/1.1\r\nHost: x\r\n" + MEBIBYTE * b" ",
    "query": b"GET /hello?" + MEBIBYTE // 4 * b"a=b&" + b" HTTP/1.1\r\nHost: x\r\n\r\n",
}

REFUSAL = re.compile(rb"HTTP/1.[01] 4\d\d ")
Start = Callable[..., HttpProbe]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    probes: list[HttpProbe] = []

    def start_one(**options: object) -> HttpProbe:
        folder = tmp_path / str(len(probes))
        folder.mkdir()
        probes.append(HttpProbe(folder, **options))
        probes[-1].start_and_wait()
        return probes[-1]

    yield start_one
    for probe in probes:
        if probe.alive:
            probe.stop()


def threads(probe: HttpProbe) -> list[str]:
    tasks = Path(f"/proc/{probe.pid}/task").glob("*/comm")
    return sorted(path.read_text().strip() for path in tasks)


def http_thread(probe: HttpProbe) -> Path:
    """Waits until the new thread has named itself."""

    def found() -> Path | None:
        tasks = Path(f"/proc/{probe.pid}/task").iterdir()
        others = (task for task in tasks if task.name != str(probe.pid))
        return next((task for task in others if (task / "comm").read_text() == "http\n"), None)

    thread = wait_for(found, what="a thread with this name")
    assert thread
    return thread


def is_closed(client: socket.socket) -> bool:
    """Reads what has arrived, without waiting."""
    client.setblocking(False)
    try:
        while client.recv(MEBIBYTE):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def read_all(client: socket.socket) -> bytes:
    """Reads until the server closes or resets the connection."""
    got = b""
    with contextlib.suppress(ConnectionError):
        while part := client.recv(MEBIBYTE):
            got += part
    return got


def say(probe: HttpProbe, request: bytes) -> bytes:
    """The answer to bytes that need not be a request; the server may close before it has read them all."""
    with probe.connect() as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(request)
        return read_all(client)


def test_get(start: Start) -> None:
    answer = start().get("/hello?a=b", "Accept: text/plain")
    assert (answer.status, answer.body) == (200, b"hello text/plain\n")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in answer.headers


def test_head_is_get_without_the_body(start: Start) -> None:
    with start().connect() as client:
        answer = ask(client, "/big", "HEAD")
        assert (answer.status, answer.headers["Content-Length"], answer.body) == (200, str(MEBIBYTE), b"")
        assert ask(client, "/hello").body == HELLO


def test_unknown_page(start: Start) -> None:
    answer = start().get("/nothing")
    assert (answer.status, answer.headers["Cache-Control"]) == (404, "no-store")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "get", "X"])
def test_other_methods_are_refused(start: Start, method: str) -> None:
    with start().connect() as client:
        answer = ask(client, "/hello", method, "Content-Length: 0")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_body_of_a_refused_method_is_not_waited_for(start: Start) -> None:
    with start().connect() as client:
        assert ask(client, "/hello", "POST", "Content-Length: 1000000000").status == 405
        assert read_all(client) == b""


def test_body_of_a_get_is_passed_over(start: Start) -> None:
    with start().connect() as client:
        client.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n" + 5000 * b"x")
        assert ask(client, "/nothing").status == 200
        assert ask(client, "/nothing").status == 404


def test_a_body_without_end_ends_the_connection(start: Start) -> None:
    """Otherwise it would keep the thread busy until the client's time is up."""
    chunk = b"1000\r\n" + 0x1000 * b"x" + b"\r\n"
    with start().connect() as client:
        client.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        with pytest.raises(ConnectionError):
            for _ in range(64 * MEBIBYTE // len(chunk)):
                client.sendall(chunk)


def test_pipelined_requests_are_answered_in_order(start: Start) -> None:
    pair = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    got = say(start(), 500 * pair + last)
    assert re.findall(rb"^HTTP/1.1 (\d+)", got, re.MULTILINE) == 500 * [b"200", b"404"] + [b"200"]


def test_unix_socket(start: Start) -> None:
    probe = start()
    assert probe.unix_path.stat().st_mode & 0o7777 == 0o660
    assert probe.unix_path.parent.stat().st_mode & 0o7777 == 0o755
    assert probe.get_unix("/hello").body == HELLO
    probe.stop()
    assert not probe.unix_path.exists()


def test_unix_socket_left_by_a_killed_process(start: Start) -> None:
    probe = start()
    probe.kill()
    assert probe.unix_path.is_socket()
    probe.start_and_wait()
    assert probe.get_unix("/hello").status == 200


def test_a_quiet_server_sleeps_in_one_thread(start: Start) -> None:
    probe = start()
    with probe.connect() as client:
        assert ask(client, "/hello").status == 200
        assert threads(probe) == ["http", "http_probe"]
        assert Proc(probe.pid).measure(QUIET_SECS).cpu_share < 0.1
        assert ask(client, "/hello").status == 200


def test_the_thread_steps_back(start: Start) -> None:
    """It runs at a lower priority than the event loop, and leaves signals to the loop."""
    probe = start()
    thread = http_thread(probe)
    wait_for(lambda: os.getpriority(os.PRIO_PROCESS, int(thread.name)) == 19, what="nice")
    assert os.getpriority(os.PRIO_PROCESS, probe.pid) == os.getpriority(os.PRIO_PROCESS, 0)
    blocked = re.search(r"^SigBlk:\s+(\w+)", (thread / "status").read_text(), re.MULTILINE)
    assert blocked
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
        assert int(blocked[1], 16) & 1 << number - 1


@pytest.mark.parametrize("kind", NO_REQUESTS)
def test_bytes_that_are_no_request_get_no_page(start: Start, kind: str) -> None:
    """A refusal is counted, although libmicrohttpd refuses (and sometimes reports it twice)."""
    probe = start(timeout=1)
    got = say(probe, NO_REQUESTS[kind])
    assert not got.startswith(b"HTTP/1.1 200")
    # A client that still sends may lose the refusal together with the connection.
    lost = got == b"" and len(NO_REQUESTS[kind]) >= MEBIBYTE
    refused = bool(REFUSAL.match(got))
    assert refused <= probe.stats["4xx"] <= refused + lost
    assert probe.get("/hello").status == 200


@pytest.mark.parametrize("kind", HUGE_REQUESTS)
def test_huge_requests_cost_no_memory(start: Start, kind: str) -> None:
    probe = start(timeout=1)
    before = Proc(probe.pid).rss_kib
    refused = 0
    with ThreadPoolExecutor(20) as clients:  # each waits for the server to give up
        for got in clients.map(lambda _: say(probe, HUGE_REQUESTS[kind]), range(20)):
            assert got == b"" or REFUSAL.match(got), got[:200]
            refused += got != b""
    assert refused <= probe.stats["4xx"] <= 20, "one may be lost with its connection"
    assert Proc(probe.pid).rss_kib < before + MEMORY_KIB
    assert probe.get("/hello").status == 200


def test_half_open_clients_do_not_keep_others_out(start: Start) -> None:
    probe = start()
    before = Proc(probe.pid).rss_kib
    with probe.connect_many(HALF_OPEN):
        assert probe.get("/hello").body == HELLO
        stats = probe.stats
        assert stats["open"] <= 64
        assert stats["evicted"] >= HALF_OPEN - 64
        assert threads(probe) == ["http", "http_probe"]
        assert Proc(probe.pid).rss_kib < before + MEMORY_KIB
    assert "http.max_clients = 64 are connected" in probe.log


def test_clients_that_come_and_go_do_not_keep_others_out(start: Start) -> None:
    probe = start()
    stop = threading.Event()

    def come_and_go() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError), probe.connect_many(100) as clients:
                for client in clients:
                    client.sendall(b"GET /big HTTP/1.1\r\n")

    attacker = threading.Thread(target=come_and_go)
    attacker.start()
    try:
        for _ in range(20):
            wait_for(lambda: answered(probe), what="an answer")
    finally:
        stop.set()
        attacker.join()
    assert probe.stats["evicted"] > 0


def answered(probe: HttpProbe) -> bool:
    """False if the client was dropped; it may try again."""
    try:
        return probe.get("/hello").body == HELLO
    except REFUSED:
        return False


@pytest.mark.parametrize(
    "said",
    [
        b"GET /hel",
        b"GET /hello HTTP/1.1\r\nHost: x\r\n",
        b"GET /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx",
        b"GET /hello HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nx",
        20 * b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["half a line", "half a head", "half a body", "half a chunk", "answers that it does not read"],
)
def test_a_client_that_does_not_go_on_costs_no_time(start: Start, said: bytes) -> None:
    probe = start(timeout=3600)
    with probe.connect() as client:
        client.sendall(said)
        wait_for(lambda: probe.stats["accepted"] > 1, what="it is there")
        assert Proc(probe.pid).measure(QUIET_SECS).cpu_share < 0.25
        assert probe.get("/hello").body == HELLO


def test_a_client_that_says_a_byte_at_a_time_is_dropped(start: Start) -> None:
    """The client is never idle, and dropped all the same."""
    probe = start(timeout=1)
    with probe.connect() as client:
        client.sendall(b"GET /hello HTTP/1.1\r\nX: ")

        def say_one_more() -> bool:
            with contextlib.suppress(ConnectionError):
                client.sendall(b"x")
            return is_closed(client)

        wait_for(say_one_more, what="the server closes")
    assert probe.stats["late"] == 1
    assert probe.get("/hello").status == 200


def test_who_had_an_answer_is_idle_not_late(start: Start) -> None:
    """A scraper may come less often than timeout_secs."""
    probe = start(timeout=5)
    with probe.connect() as client:
        assert ask(client, "/hello").status == 200
        wait_for(lambda: is_closed(client), what="the server closes")
    assert (probe.stats["late"], probe.stats["idle"]) == (0, 1)


def test_a_client_that_takes_a_byte_at_a_time_is_dropped(start: Start) -> None:
    probe = start(timeout=1)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(probe.address)
        client.sendall(20 * b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")

        def take_one_more() -> bool:
            client.recv(1)
            return probe.stats["late"] == 1

        wait_for(take_one_more, what="the server drops it")
    assert probe.get("/hello").status == 200


def test_slow_takers_of_large_pages_cost_a_page_each(start: Start) -> None:
    probe = start(clients=16)
    before = Proc(probe.pid).rss_kib
    with probe.connect_many(100) as clients:
        for client in clients:
            with contextlib.suppress(ConnectionError):
                client.sendall(20 * b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        assert probe.get("/hello").body == HELLO
        assert Proc(probe.pid).rss_kib < before + 17 * 1024 + MEMORY_KIB


def test_an_idle_client_is_dropped(start: Start) -> None:
    probe = start(timeout=5)
    with probe.connect() as client:
        assert ask(client, "/hello").status == 200
        wait_for(lambda: is_closed(client), what="the server closes")


def test_each_request_has_the_whole_time(start: Start) -> None:
    """A connection in use lives longer than timeout_secs; on a busy machine the client loses part of that time."""
    probe = start(timeout=10)
    with probe.connect() as idle, probe.connect() as used:
        while not is_closed(idle):
            assert ask(used, "/hello").status == 200
        assert ask(used, "/hello").status == 200


def test_a_long_answer_may_take_long(start: Start) -> None:
    """As when a recording goes over a slow line: a client that takes piece after piece has timeout_secs for each."""
    probe = start(timeout=10)
    began, taken = time.monotonic(), 0
    with probe.connect() as late, probe.connect_unix() as slow:
        slow.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")

        def take_slowly() -> bool:
            nonlocal taken
            if taken < (time.monotonic() - began) * SLOW_LINE_BYTES:
                taken += len(slow.recv(MEBIBYTE // 64))
            return is_closed(late)

        wait_for(take_slowly, what="a client without a request is dropped")
        while taken < MEBIBYTE:
            more = len(slow.recv(MEBIBYTE))
            assert more > 0, f"dropped after {taken} bytes"
            taken += more


def test_a_pause_of_the_server_is_no_clients_fault(start: Start) -> None:
    """After timeout_secs without CPU it serves what came meanwhile, and streams whose clients did read."""
    probe = start(timeout=10)
    with open_streams(probe, 1, "/flood") as streams, probe.connect() as asking:
        assert ask(asking, "/hello").body == HELLO
        probe.send(signal.SIGSTOP)
        paused = time.monotonic()
        asking.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")

        def is_long() -> bool:
            assert not is_closed(streams[0].client)
            return time.monotonic() > paused + 11

        wait_for(is_long, what="it has been stopped for long")
        probe.send(signal.SIGCONT)
        assert asking.recv(MEBIBYTE).startswith(b"HTTP/1.1 200 ")
        streams[0].client.settimeout(patient())
        assert streams[0].client.recv(MEBIBYTE), "the stream goes on"


def test_no_descriptor_left(start: Start) -> None:
    """The server does not spin meanwhile, and goes on when descriptors are available again."""
    probe = start()
    limits = resource.prlimit(probe.pid, resource.RLIMIT_NOFILE)
    used = len(list(Path(f"/proc/{probe.pid}/fd").iterdir()))
    with probe.connect() as first:
        assert ask(first, "/hello").status == 200
        resource.prlimit(probe.pid, resource.RLIMIT_NOFILE, (used + 1, limits[1]))
        with probe.connect() as second:
            probe.wait_log("no HTTP client can be accepted: Too many open files")
            assert Proc(probe.pid).measure(QUIET_SECS).cpu_share < 0.2
            assert ask(first, "/hello").status == 200
            resource.prlimit(probe.pid, resource.RLIMIT_NOFILE, limits)
            assert ask(second, "/hello").status == 200
    assert probe.stats["not_accepted"] > 0


def test_descriptors_that_are_taken_away(start: Start) -> None:
    """poll(2) then fails: the server must neither spin nor miss that the descriptors are back."""
    probe = start()
    limits = resource.prlimit(probe.pid, resource.RLIMIT_NOFILE)
    with probe.connect() as client:
        resource.prlimit(probe.pid, resource.RLIMIT_NOFILE, (2, limits[1]))
        client.sendall(b"GET /hel")
        assert Proc(probe.pid).measure(QUIET_SECS).cpu_share < 0.1
        resource.prlimit(probe.pid, resource.RLIMIT_NOFILE, limits)
        client.sendall(b"lo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert read_all(client).endswith(HELLO)


def test_clients_leave_descriptors_to_the_rest(switch: SwitchFactory) -> None:
    """max_clients allows more clients than the process has descriptors, and they come while Redis restarts."""
    sw = switch.build(ports=8, settings={"database": QUICK}, reconcile_secs=NO_RECONCILE)
    sw.config_file.write_text(sw.config_file.read_text().replace("[http]\n", "[http]\nmax_clients = 1024\n"))
    sw.daemon.command[:0] = ["prlimit", "--nofile=128"]
    sw.start()
    sw.daemon.wait_log("http.max_clients = 1024 does not fit into the 128 descriptors of this process")
    with contextlib.ExitStack() as cleanup:
        for _ in range(200):
            client = cleanup.enter_context(socket.socket(socket.AF_UNIX))
            client.settimeout(patient())
            client.connect(str(sw.pages.path))
        sw.redis.kill()
        sw.daemon.wait_log("STATE_DB: no connection to")
        change_all(sw)
        sw.redis.start()
        sw.wait_equal()
        sw.daemon.send(signal.SIGHUP)
        sw.daemon.wait_log("the configuration was read again")
    assert "no HTTP client can be accepted" not in sw.daemon.log


def test_an_address_in_use_leaves_the_others(start: Start) -> None:
    first = start()
    second = start(listen=f"{first.address[0]}:{first.address[1]}")
    second.wait_log(rf"^ready {first.address[0]}:\d+: in use by http_probe, process {first.pid}$")
    assert second.get_unix("/hello").status == 200


def test_no_ipv6_leaves_the_others(start: Start, netns: NetNs) -> None:
    """IPv6 is switched off in the test's namespaces."""
    probe = start(command=("ip", "netns", "exec", netns.name), listen="[::1]:10187")
    probe.wait_log(r"^ready \[::1\]:10187: Cannot assign requested address$")
    assert probe.get_unix("/hello").status == 200


def test_ipv6(start: Start) -> None:
    port = free_tcp_port()
    probe = start(listen=f"[::1]:{port}")
    probe.address = ("::1", port)
    assert probe.get("/hello").body == HELLO


# --- streams: answers without an end ---

STREAMS = 16  # a quarter of max_clients


def ring(probe: HttpProbe) -> bytes:
    return b"ring " + probe.get_unix("/ring").body


@contextlib.contextmanager
def open_streams(
    probe: HttpProbe, count: int, path: str = "/rings", version: str = "1.1"
) -> Iterator[list[Stream]]:
    with probe.connect_many(count) as clients, contextlib.ExitStack() as cleanup:
        yield [cleanup.enter_context(Stream(client, path, version)) for client in clients]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_stream_says_what_there_is(start: Start, version: str) -> None:
    """At once, and then again and again."""
    probe = start()
    with open_streams(probe, 1, version=version) as (stream,):
        assert stream.response.status == 200
        assert (stream.response.headers["Transfer-Encoding"] == "chunked") == (version == "1.1")
        assert stream.response.headers["Content-Length"] is None
        for _ in range(10):
            said = ring(probe)
            assert stream.line() == said
        assert probe.stats["streams"] == 1
    wait_for(lambda: ring(probe) and probe.stats["streams"] == 0, what="the server notices that the client is gone")


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_stream_that_ends(start: Start, version: str) -> None:
    """Lines come by the clock; the connection is kept if HTTP allows."""
    with start().connect() as client:
        with Stream(client, "/ticks", version) as stream:
            assert stream.response.read() == 3 * b"tick\n"
        if version == "1.1":
            assert ask(client, "/hello").body == HELLO
        else:
            assert read_all(client) == b""


def test_head_of_a_stream(start: Start) -> None:
    probe = start()
    with probe.connect() as client:
        head = ask(client, "/rings", "HEAD")
        assert (head.status, head.headers["Connection"]) == (200, "close")
    assert probe.stats["streams"] == 0


def test_streams_are_bounded(start: Start) -> None:
    """Other clients are served; a stream that ends leaves its place at once."""
    probe = start()
    with open_streams(probe, STREAMS) as streams:
        refused = probe.get("/rings")
        assert (refused.status, b"http.max_clients" in refused.body) == (503, True)
        assert probe.get("/hello").body == HELLO
        stats = probe.stats
        assert (stats["streams"], stats["streams_refused"]) == (STREAMS, 1)
        said = ring(probe)
        assert [stream.line() for stream in streams] == STREAMS * [said]
        streams[0].client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        streams[0].close()
        streams[0].client.close()
        wait_for(lambda: probe.stats["streams"] < STREAMS, what="the server notices that a client is gone")
        with open_streams(probe, 1) as more:
            said = ring(probe)
            assert (streams[1].line(), more[0].line()) == (said, said)


def test_a_unix_client_that_leaves_is_noticed(start: Start) -> None:
    """Although the server sends it nothing."""
    probe = start(timeout=3600)
    with probe.connect_unix() as client, Stream(client, "/rings"):
        assert probe.stats["streams"] == 1
    wait_for(lambda: probe.stats["streams"] == 0, what="the server notices it")


def test_a_quiet_stream_stays(start: Start) -> None:
    """It is not late with a request; clients that connected with it and sent none are dropped."""
    probe = start(timeout=5)
    with open_streams(probe, 2) as streams, probe.connect() as idle:
        assert ask(idle, "/hello").status == 200
        assert read_all(idle) == b""
        said = ring(probe)
        assert [stream.line() for stream in streams] == [said, said]
        assert probe.stats["slow"] == 0


def test_half_open_clients_do_not_end_streams(start: Start) -> None:
    probe = start()
    with open_streams(probe, STREAMS) as streams, probe.connect_many(200):
        wait_for(lambda: probe.stats["evicted"] > 0, what="others are dropped")
        said = ring(probe)
        assert [stream.line() for stream in streams] == STREAMS * [said]


def test_a_stream_that_nobody_reads(start: Start) -> None:
    """It costs no CPU time, delays no other client, and is dropped."""
    probe = start(timeout=math.ceil(2 * crowd()))  # within which each client must have sent its request
    before = Proc(probe.pid).rss_kib
    with open_streams(probe, STREAMS // 2, "/flood"), open_streams(probe, 1) as others:
        wait_for(lambda: probe.stats["slow"] >= STREAMS // 2, what="they are dropped")
        said = ring(probe)
        assert others[0].line() == said
        assert probe.stats["streams"] == 1
    assert Proc(probe.pid).rss_kib < before + MEMORY_KIB


def is_quiet(probe: HttpProbe) -> bool:
    return Proc(probe.pid).measure(QUIET_SECS).cpu_share < 0.25


def test_streams_cost_no_time(start: Start) -> None:
    """Measured once the sockets of clients that do not read are full."""
    probe = start(timeout=3600)
    with open_streams(probe, 4), open_streams(probe, 4, "/flood"):
        wait_for(lambda: is_quiet(probe), what="the server sleeps")
        assert probe.get("/hello").body == HELLO


def test_a_flood_that_is_read(start: Start) -> None:
    """It arrives whole, while others are served."""
    probe = start()
    with open_streams(probe, 1, "/flood") as streams:
        for i in range(64):
            assert streams[0].response.read(MEBIBYTE // 16) == MEBIBYTE // 16 // 16 * b"a line of bytes\n"
            assert i % 16 or probe.get("/hello").body == HELLO


def test_the_end_of_the_server_ends_streams(start: Start) -> None:
    """Quiet streams and unread ones end at once."""
    probe = start(timeout=3600)
    with open_streams(probe, 2) as quiet, open_streams(probe, 2, "/flood") as flooded:
        probe.stop()
        for stream in quiet:
            with contextlib.suppress(http.client.HTTPException, ConnectionError):
                assert stream.response.read() == b""
        for stream in flooded:
            read_all(stream.client)


def test_few_clients_have_no_streams(start: Start) -> None:
    """A single stream could lock out all other clients."""
    probe = start(clients=3)
    assert probe.get("/rings").status == 503
    assert probe.get("/hello").body == HELLO
