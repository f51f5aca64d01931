# SPDX-License-Identifier: Apache-2.0
"""TLS of the HTTP server: protocol versions, ciphers, and which certificates are accepted."""

import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from conftest import SwitchFactory
from lib.certificates import SERVER_NAME, Authority, Pair
from lib.checker import socket_in
from lib.daemon import binary, write_settings
from lib.http_probe import REFUSED, HttpProbe, Stream, ask, loopback_address, tls_client
from lib.netns import NetNs
from lib.proc import Proc
from lib.switch import Switch
from lib.wait import patient, wait_for

HOUR = timedelta(hours=1)
EXPIRY = "portsyncd_http_certificate_expiry_timestamp_seconds"
HALF_OPEN = 1000
MEMORY_KIB = 32 * 1024
OUTSIDE = "192.0.2.1"  # of TEST-NET-1 (RFC 5737)
HELLO = b"hello -\n"

Start = Callable[..., HttpProbe]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates") / "ca")


@pytest.fixture(scope="module")
def server_pair(authority: Authority) -> Pair:
    return authority.issue("server")


@pytest.fixture(scope="module")
def client_pair(authority: Authority) -> Pair:
    return authority.issue("client")


@pytest.fixture
def start(tmp_path: Path, authority: Authority, server_pair: Pair) -> Iterator[Start]:
    """start() asks for client certificates, start(ca=None) does not."""
    probes: list[HttpProbe] = []

    def start_one(**options: object) -> HttpProbe:
        given = {"cert": server_pair.cert, "key": server_pair.key, "ca": authority.path, **options}
        probes.append(HttpProbe(tmp_path, **{name: value for name, value in given.items() if value is not None}))
        probes[-1].start_and_wait()
        return probes[-1]

    yield start_one
    for probe in probes:
        if probe.alive:
            probe.stop()


def assert_refused(probe: HttpProbe, context: ssl.SSLContext) -> None:
    """TLS 1.3: the client's own handshake is done before the server has seen its certificate."""
    with pytest.raises(REFUSED):
        probe.get_tls(context)
    assert probe.stats["2xx"] == 0


def check_config(folder: Path, http: dict[str, object], **environment: str) -> subprocess.CompletedProcess[str]:
    write_settings(folder / "portsyncd.conf", {"http": http})
    return subprocess.run(
        [binary(), "--check-config", "-c", folder / "portsyncd.conf"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def s_client(probe: HttpProbe, authority: Authority, client: Pair, *options: str) -> str:
    """The output of openssl s_client, which sends the server's name but no request."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"{probe.address[0]}:{probe.address[1]}", "-servername", SERVER_NAME,
         "-CAfile", authority.path, "-cert", client.cert, "-key", client.key, *options],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def test_algorithms(start: Start, authority: Authority, client_pair: Pair) -> None:
    text = s_client(start(), authority, client_pair, "-groups", "P-384")
    assert "New, TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384" in text
    # "Server Temp Key" until OpenSSL 3.4, "Peer Temp Key" since.
    assert re.search(r"^(Server|Peer) Temp Key: ECDH, secp384r1, 384 bits$", text, re.MULTILINE)
    assert "Peer signing digest: SHA384" in text
    assert re.search(r"^Peer signature type: (ECDSA|ecdsa_secp384r1_sha384)$", text, re.MULTILINE)
    assert "Verify return code: 0 (ok)" in text


@pytest.mark.parametrize(
    "options",
    [
        ("-tls1_2",),
        ("-ciphersuites", "TLS_AES_128_GCM_SHA256"),
        ("-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"),
        ("-groups", "X25519"),
        ("-groups", "P-256:P-521"),
        ("-sigalgs", "ECDSA+SHA256:RSA-PSS+SHA384"),
    ],
)
def test_other_algorithms_are_refused(
    start: Start, authority: Authority, client_pair: Pair, options: tuple[str, ...]
) -> None:
    probe = start()
    assert "Cipher is (NONE)" in s_client(probe, authority, client_pair, *options)
    wait_for(lambda: probe.stats["handshakes_failed"] == 1, what="the failed handshake is counted")


def test_client_with_a_certificate(start: Start, authority: Authority, client_pair: Pair) -> None:
    probe = start()
    context = tls_client(authority.path, client_pair)
    with probe.connect_tls(context) as client:
        assert ask(client, "/hello").body == HELLO
        assert len(ask(client, "/big").body) == 1 << 20
        assert ask(client, "/hello", "POST", "Content-Length: 0").status == 405
    assert probe.stats["handshakes_failed"] == 0


def test_curl(start: Start, authority: Authority, client_pair: Pair) -> None:
    probe = start()
    url = f"https://{SERVER_NAME}:{probe.address[1]}/hello"
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--cacert", authority.path, "--cert", client_pair.cert, "--key",
         client_pair.key, "--resolve", f"{SERVER_NAME}:{probe.address[1]}:{probe.address[0]}", url],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("hello */*\n", "")


def test_client_without_a_certificate(start: Start, authority: Authority) -> None:
    probe = start()
    assert_refused(probe, tls_client(authority.path))
    wait_for(lambda: probe.stats["handshakes_failed"] == 1, what="the failed handshake is counted")
    probe.wait_log("TLS handshake with the client at 127.0.0.1 failed: it sent no certificate")


@pytest.mark.parametrize("name", ["Other CA", "Test CA"])
def test_certificate_of_an_unknown_ca(start: Start, authority: Authority, tmp_path: Path, name: str) -> None:
    """Even if that CA has the same name as ours."""
    probe = start()
    assert_refused(probe, tls_client(authority.path, Authority(tmp_path / "other", name).issue("client")))
    probe.wait_log("certificate of the client at 127.0.0.1 refused: The certificate is NOT trusted")
    assert probe.stats["certificates_refused"] == 1


def test_expired_certificate(start: Start, authority: Authority) -> None:
    probe = start()
    assert_refused(probe, tls_client(authority.path, authority.issue("client", ends=-HOUR)))
    probe.wait_log("refused: .*expired")


def test_certificate_that_is_not_valid_yet(start: Start, authority: Authority) -> None:
    probe = start()
    assert_refused(probe, tls_client(authority.path, authority.issue("client", begins=HOUR)))
    probe.wait_log("refused: .*not yet valid")


def test_certificate_that_is_not_for_clients(start: Start, authority: Authority) -> None:
    probe = start()
    assert_refused(probe, tls_client(authority.path, authority.issue("server")))
    probe.wait_log("refused: .*purpose")


def test_certificate_with_a_weak_digest(start: Start, authority: Authority) -> None:
    probe = start()
    assert_refused(probe, tls_client(authority.path, authority.issue("client", digest=hashes.SHA256())))


@pytest.mark.parametrize("key", ["P-256", "RSA"])
def test_client_key_that_is_not_p384(start: Start, authority: Authority, key: str) -> None:
    probe = start()
    assert_refused(probe, tls_client(authority.path, authority.issue("client", key=key)))


def test_without_a_ca_no_client_certificate_is_asked_for(start: Start, authority: Authority) -> None:
    assert start(ca=None).get_tls(tls_client(authority.path)).body == HELLO


def test_plain_http_on_a_tls_port(start: Start) -> None:
    probe = start()
    with pytest.raises(REFUSED):
        probe.get("/hello")
    wait_for(lambda: probe.stats["handshakes_failed"] == 1, what="the failed handshake is counted")


def test_unix_socket_stays_plain(start: Start) -> None:
    assert start().get_unix("/hello").body == HELLO


def test_half_open_clients_do_not_keep_others_out(start: Start, authority: Authority, client_pair: Pair) -> None:
    probe = start()
    before = Proc(probe.pid).rss_kib
    with probe.connect_many(HALF_OPEN) as clients:
        for client in clients[-100:]:
            client.setblocking(False)
            client.send(b"\x16\x03\x01\x02\x00\x01")  # a ClientHello that does not go on
        assert probe.get_tls(tls_client(authority.path, client_pair)).body == HELLO
        assert probe.stats["open"] <= 64
        assert Proc(probe.pid).rss_kib < before + MEMORY_KIB


def client_hello(authority: Authority, pair: Pair) -> bytes:
    """A ClientHello as this machine's OpenSSL sends it."""
    sent = ssl.MemoryBIO()
    client = tls_client(authority.path, pair).wrap_bio(ssl.MemoryBIO(), sent, server_hostname=SERVER_NAME)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


# The part of a ClientHello that a client sends before it falls silent.
SILENT = {
    "nothing": lambda _: b"",
    "a record's header": lambda hello: hello[:5],
    "eight bytes": lambda hello: hello[:8],
    "all but one byte": lambda hello: hello[:-1],
    "no answer to ours": lambda hello: hello,
}


@pytest.mark.parametrize("silence", SILENT)
def test_a_silent_client_costs_no_time(
    start: Start, authority: Authority, client_pair: Pair, silence: str
) -> None:
    """While its handshake waits, the thread sleeps, and other clients are served as before."""
    probe = start(timeout=3600)
    context = tls_client(authority.path, client_pair)
    with probe.connect_many(8) as clients:
        for client in clients:
            client.sendall(SILENT[silence](client_hello(authority, client_pair)))
        wait_for(lambda: probe.stats["accepted"] > len(clients), what="they are there")
        assert Proc(probe.pid).measure(1.0).cpu_share < 0.25
        with probe.connect_tls(context) as other:
            assert len(ask(other, "/big").body) == 1 << 20
            assert Proc(probe.pid).measure(0.5).cpu_share < 0.25
            assert ask(other, "/hello").body == HELLO


def test_a_client_that_goes_on_late(start: Start, authority: Authority, client_pair: Pair) -> None:
    """A byte at a time, while other handshakes wait: each byte is noticed, and the handshake succeeds."""
    probe = start(timeout=3600)
    context = tls_client(authority.path, client_pair)
    came, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(came, sent, server_hostname=SERVER_NAME)

    def shake(plain: socket.socket) -> bool:
        try:
            client.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            done = False
        for byte in sent.read():
            plain.sendall(bytes([byte]))
            assert probe.get_unix("/hello").body == HELLO
        if not done:
            came.write(plain.recv(1 << 16))
        return done

    with probe.connect_many(4) as silent, probe.connect() as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for other in silent:
            other.sendall(client_hello(authority, client_pair)[:8])
        while not shake(plain):
            pass
        client.write(b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        plain.sendall(sent.read())
        answer = b""
        while not answer.endswith(HELLO):
            came.write(plain.recv(1 << 16))
            with contextlib.suppress(ssl.SSLWantReadError):
                answer += client.read(1 << 16)


def test_a_client_that_does_not_read_costs_no_time(start: Start, authority: Authority, client_pair: Pair) -> None:
    probe = start(timeout=3600)
    with probe.connect_tls(tls_client(authority.path, client_pair)) as client:
        client.sendall(20 * b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for(lambda: probe.stats["2xx"] > 1, what="pages are made")
        assert Proc(probe.pid).measure(1.0).cpu_share < 0.25
        assert probe.get_tls(tls_client(authority.path, client_pair)).body == HELLO


def test_half_a_request_costs_no_time(start: Start, authority: Authority, client_pair: Pair) -> None:
    """Half a request in a record of its own, and in half a record."""
    probe = start(timeout=3600)
    context = tls_client(authority.path, client_pair)
    with probe.connect_tls(context) as line, probe.connect_tls(context) as body:
        line.sendall(b"GET /he")
        body.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx")
        assert Proc(probe.pid).measure(1.0).cpu_share < 0.25
        assert probe.get_tls(context).body == HELLO
        line.sendall(b"llo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert line.recv(1 << 16).startswith(b"HTTP/1.1 200")


def test_streams(start: Start, authority: Authority, client_pair: Pair) -> None:
    """Quiet and unread streams, ended by the clock or by the end of the server."""
    probe = start(timeout=30)  # within which both clients must have shaken hands
    context = tls_client(authority.path, client_pair)
    with probe.connect_tls(context) as client, Stream(client, "/ticks") as ticks:
        assert ticks.response.read() == 3 * b"tick\n"
        assert ask(client, "/hello").body == HELLO
    with (
        probe.connect_tls(context) as client,
        probe.connect_tls(context) as lazy,
        Stream(client, "/rings") as stream,
        Stream(lazy, "/flood"),
    ):
        wait_for(lambda: Proc(probe.pid).measure(0.5).cpu_share < 0.25, what="the server sleeps")
        wait_for(lambda: probe.stats["slow"] == 1, what="the client that does not read is dropped")
        for _ in range(3):
            said = b"ring " + probe.get_unix("/ring").body
            assert stream.line() == said
        probe.stop()
        with contextlib.suppress(*REFUSED):
            assert stream.line() == b""


def test_a_handshake_that_does_not_end(start: Start) -> None:
    probe = start(timeout=1)
    with probe.connect() as client:
        client.sendall(b"\x16\x03\x01\x02\x00\x01")
        assert client.recv(1) == b""
    assert probe.stats["late"] == 1


def test_an_address_for_other_machines(
    start: Start, authority: Authority, client_pair: Pair, netns: NetNs
) -> None:
    """The certificate may come later than the daemon. Once all files are there, HTTPS is served."""
    netns.batch(["link set lo up"])
    probe = start(command=("ip", "netns", "exec", netns.name), listen=f"{OUTSIDE}:10187")
    assert "ready \n" in probe.log
    netns.batch([f"address add {OUTSIDE}/32 dev lo"])
    base = ["curl", "--silent", "--resolve", f"{SERVER_NAME}:10187:{OUTSIDE}", "--cacert", str(authority.path)]
    pair = ["--cert", str(client_pair.cert), "--key", str(client_pair.key)]
    assert netns.exec(*base, *pair, f"https://{SERVER_NAME}:10187/hello") == "hello */*\n"
    with pytest.raises(AssertionError):
        netns.exec(*base, f"https://{SERVER_NAME}:10187/hello")


@pytest.mark.parametrize("address", [f"{OUTSIDE}:10187", "0.0.0.0:10187", "[::]:10187", "[fe80::1]:10187"])
def test_an_address_for_other_machines_needs_client_certificates(
    tmp_path: Path, server_pair: Pair, address: str
) -> None:
    """The daemon refuses to start."""
    write_settings(tmp_path / "conf", {"http": {"listen": f"127.0.0.1:10187, {address}", "cert": server_pair.cert,
                                                "key": server_pair.key}})  # fmt: skip
    done = subprocess.run([binary(), "-c", tmp_path / "conf"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        f"portsyncd: http.listen: {address} can be reached from other machines and asks for no client certificate; "
        "allowed: set http.cert, http.key and http.ca, or listen on 127.0.0.1 and [::1] only\n"
    )


def test_environment_overrides_the_file(tmp_path: Path, authority: Authority, server_pair: Pair) -> None:
    good = {
        "PORTSYNCD_METRICS_CERT": str(server_pair.cert),
        "PORTSYNCD_METRICS_KEY": str(server_pair.key),
        "PORTSYNCD_METRICS_CA": str(authority.path),
    }
    listen = {"listen": f"{OUTSIDE}:10187"}
    assert check_config(tmp_path, listen, **good).returncode == 0
    assert check_config(tmp_path, {**listen, "cert": "/a", "key": "/b", "ca": "/c"}, **good).returncode == 0
    done = check_config(tmp_path, listen, **{**good, "PORTSYNCD_METRICS_CA": ""})
    assert (done.returncode, "asks for no client certificate" in done.stderr) == (2, True)
    done = check_config(tmp_path, listen, **{**good, "PORTSYNCD_METRICS_KEY": "key.pem"})
    assert done.stderr.startswith('portsyncd: PORTSYNCD_METRICS_KEY: "key.pem" is not an absolute path')


def test_files_that_do_not_fit(tmp_path: Path, authority: Authority, server_pair: Pair) -> None:
    other, weak = authority.issue("server"), authority.issue("server", key="P-256")
    exposed, empty = authority.issue("server"), tmp_path / "empty"
    exposed.key.chmod(0o644)
    writable = authority.issue("server")
    writable.key.chmod(0o602)
    empty.touch()

    def complaint(cert: Path, key: Path, ca: Path = authority.path) -> str:
        done = check_config(tmp_path, {"cert": cert, "key": key, "ca": ca})
        assert done.returncode == (2 if done.stderr else 0)
        return done.stderr

    missing = tmp_path / "missing"
    pem = "a readable PEM file of at most 262144 bytes"
    pair = "a certificate in PEM and its key without a password"
    assert complaint(server_pair.cert, server_pair.key) == ""
    assert complaint(missing, server_pair.key) == (
        f"portsyncd: http.cert: {missing}: No such file or directory; allowed: {pem}\n"
    )
    assert complaint(server_pair.cert, exposed.key) == (
        f"portsyncd: http.key: {exposed.key}: readable or writable by others; allowed: chmod 0600 {exposed.key}\n"
    )
    assert f"chmod 0600 {writable.key}" in complaint(writable.cert, writable.key)
    assert complaint(server_pair.cert, other.key).endswith(f"; allowed: {pair}\n")
    assert complaint(empty, server_pair.key).endswith(f"; allowed: {pair}\n")
    assert complaint(weak.cert, weak.key) == (
        f"portsyncd: http.cert: {weak.cert}: has no P-384 key; allowed: an EC certificate on secp384r1\n"
    )
    assert complaint(server_pair.cert, server_pair.key, empty).endswith("; allowed: certificates in PEM\n")


def test_own_certificate_that_has_expired_is_warned_of(start: Start, authority: Authority) -> None:
    """The Unix socket still serves whoever looks for the reason."""
    expired = authority.issue("server", ends=-HOUR)
    probe = start(cert=expired.cert, key=expired.key)
    probe.wait_log("WARNING: .*http.cert: .*: the certificate has expired, clients will refuse it")
    assert probe.get_unix("/hello").status == 200


# --- new certificates while it runs ---


def put(pair: Pair, at: Pair) -> None:
    """Replaces the other pair, the key first."""
    at.key.write_bytes(pair.key.read_bytes())
    at.cert.write_bytes(pair.cert.read_bytes())


def serial(client: ssl.SSLSocket) -> str:
    shown = client.getpeercert()
    assert shown
    return str(shown["serialNumber"])


def connect_plain(sw: Switch, address: tuple[str, int]) -> socket.socket:
    plain = socket_in(sw.netns.name, socket.AF_INET, socket.SOCK_STREAM)
    plain.settimeout(patient())
    plain.connect(address)
    return plain


def connect_in(sw: Switch, address: tuple[str, int], context: ssl.SSLContext) -> ssl.SSLSocket:
    return context.wrap_socket(connect_plain(sw, address), server_hostname=SERVER_NAME)


def test_who_is_refused_is_named(switch: SwitchFactory, authority: Authority, tmp_path: Path) -> None:
    """Also from within the sandbox, which forbids some of the calls that could find the name."""
    server, stranger = authority.issue("server"), Authority(tmp_path / "other", "Other CA").issue("client")
    address = loopback_address()
    http = {"listen": f"{address[0]}:{address[1]}", "cert": server.cert, "key": server.key, "ca": authority.path}
    sw = switch.build(ports=1, settings={"http": http})
    sw.netns.batch(["link set lo up"])
    sw.start()
    with pytest.raises(REFUSED), connect_in(sw, address, tls_client(authority.path, stranger)) as client:
        ask(client, "/livez")
    sw.daemon.wait_log("certificate of the client at 127\\.0\\.0\\.1 refused")


def expiry(cert: Path) -> float:
    return x509.load_pem_x509_certificate(cert.read_bytes()).not_valid_after.replace(tzinfo=UTC).timestamp()


def test_sighup_takes_a_new_ca(switch: SwitchFactory, authority: Authority, tmp_path: Path) -> None:
    """Also when the server's own certificate is unchanged."""
    old, new = Authority(tmp_path / "old", "Old CA"), Authority(tmp_path / "new", "New CA")
    server, ca, address = authority.issue("server"), tmp_path / "ca.pem", loopback_address()
    ca.write_bytes(old.path.read_bytes())
    http = {"listen": f"{address[0]}:{address[1]}", "cert": server.cert, "key": server.key, "ca": ca}
    sw = switch.build(ports=1, settings={"http": http})
    sw.netns.batch(["link set lo up"])
    sw.start()

    def is_served(client_of: Authority) -> bool:
        context = tls_client(authority.path, client_of.issue("client"))
        try:
            with connect_in(sw, address, context) as client:
                return ask(client, "/livez").status == 200
        except REFUSED:
            return False

    assert (is_served(old), is_served(new)) == (True, False)
    ca.write_bytes(new.path.read_bytes())
    sw.daemon.send(signal.SIGHUP)
    sw.daemon.wait_log("new HTTP clients get the certificate")
    assert (is_served(old), is_served(new)) == (False, True)


def test_sighup_takes_a_new_certificate(switch: SwitchFactory, authority: Authority, client_pair: Pair) -> None:
    """New clients get it, present ones keep the old one. An unusable certificate is reported and changes nothing."""
    in_use, new = authority.issue("server"), authority.issue("server", ends=48 * HOUR)
    address = loopback_address()
    http = {"listen": f"{address[0]}:{address[1]}", "cert": in_use.cert, "key": in_use.key, "ca": authority.path}
    http["timeout_secs"] = 3600  # the first client says nothing for a while
    sw = switch.build(ports=1, settings={"http": http, "log": {"level": "info"}})
    sw.netns.batch(["link set lo up"])
    sw.start()
    context = tls_client(authority.path, client_pair)

    def shown() -> str:
        with connect_in(sw, address, context) as client:
            return serial(client)

    def told() -> float:
        with connect_in(sw, address, context) as client:
            return float(re.findall(rf"^{EXPIRY} (.+)$", ask(client, "/metrics").body.decode(), re.MULTILINE)[0])

    first = told()
    assert first == expiry(in_use.cert)

    with connect_in(sw, address, context) as before:
        old = serial(before)
        for text in (b"nonsense", new.cert.read_bytes()):  # the second one without its key
            mark = sw.daemon.mark()
            kept = in_use.cert.read_bytes()
            in_use.cert.write_bytes(text)
            sw.daemon.send(signal.SIGHUP)
            refused = f"the new certificate is refused, the one in use stays: http.cert.*{in_use.cert}"
            sw.daemon.wait_log(refused, since=mark)
            assert shown() == old
            in_use.cert.write_bytes(kept)
        half_open = connect_plain(sw, address)
        assert shown() == old, "so that one was accepted too"
        put(new, in_use)
        sw.daemon.send(signal.SIGHUP)
        sw.daemon.wait_log("new HTTP clients get the certificate")
        assert shown() != old
        assert told() == expiry(in_use.cert) > first
        with context.wrap_socket(half_open, server_hostname=SERVER_NAME) as client:
            assert serial(client) == old, "it was connected before"
        assert ask(before, "/livez").status == 200, "present clients go on"
    mark = sw.daemon.mark()
    sw.daemon.send(signal.SIGHUP)
    sw.daemon.wait_log("events ", since=mark)
    assert "certificate" not in sw.daemon.log_since(mark), "no news"
