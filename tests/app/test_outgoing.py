"""The guard of outgoing calls, against addresses that mean harm and servers that speak badly."""

import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import InputError
from app.core.outgoing import Outgoing, OutgoingError, reaching, read_limited, retry_after_seconds
from app.core.outgoing.addresses import refusal
from tests.servers.bad import BadServer, bad_server

LOCAL = frozenset({"127.0.0.1"})


@pytest.fixture
def server() -> Iterator[BadServer]:
    with bad_server() as found:
        yield found


def get(outgoing: Outgoing, url: str, *, limit: int = 100_000, seconds: float = 30.0) -> tuple[int, bytes]:
    with outgoing.client() as client, outgoing.stream(client, "GET", url) as response:
        return response.status_code, read_limited(response, limit, within_seconds=seconds)


def code_of(outgoing: Outgoing, url: str, *, limit: int = 100_000, seconds: float = 30.0) -> str:
    with pytest.raises(OutgoingError) as caught:
        get(outgoing, url, limit=limit, seconds=seconds)
    assert caught.value.message
    return caught.value.code


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254"),
        *("0.0.0.0", "255.255.255.255", "224.0.0.1", "198.18.0.1", "192.0.2.1", "168.63.129.16"),
        *("::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1"),
        *("::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::"),
        *("64:ff9b:1::1", "2001::1", "::ffff:0:127.0.0.1", "not an address"),
    ],
)
def test_internal_addresses_are_refused(address: str) -> None:
    assert refusal(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "64:ff9b::808:808"])
def test_public_addresses_are_called(address: str) -> None:
    assert refusal(address) is None


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_judged_as_what_it_stands_for(address: IPv4Address) -> None:
    mapped = IPv6Address((0xFFFF << 32) | int(address))
    assert (refusal(str(mapped)) is None) == (refusal(str(address)) is None)
    assert address.is_global or refusal(str(address)) is not None


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "224.0.0.1", "fd00:ec2::254"])
def test_an_allowed_name_never_leads_to_a_machines_own_services(address: str) -> None:
    assert refusal(address, allowed=True)
    assert refusal(address, allowed=True, named_itself=True) is None
    assert refusal("10.0.0.1", allowed=True) is None


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "localhost.", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::1]", "0"],
)
def test_loopback_in_every_spelling_is_refused(server: BadServer, host: str) -> None:
    # Some resolvers do not know `localhost.`; none may lead there.
    expected = {"address_refused", "source_unreachable"} if host == "localhost." else {"address_refused"}
    assert code_of(Outgoing(), server.url("/plain", host)) in expected
    assert server.seen == []


def test_an_allowed_host_is_called(server: BadServer) -> None:
    assert get(Outgoing(LOCAL), server.url("/plain")) == (200, b"hello")
    assert get(Outgoing({"LOCALHOST."}), server.url("/plain", "localhost")) == (200, b"hello")


def test_one_internal_address_among_public_ones_is_enough_to_refuse() -> None:
    outgoing = Outgoing(resolve=lambda _, __: ["93.184.216.34", "10.0.0.1"])
    assert code_of(outgoing, "http://mixed.example/") == "address_refused"


def test_the_connection_goes_to_the_address_that_was_checked(server: BadServer) -> None:
    """A name that changes its mind after the check (rebinding) is looked up once per connection only."""
    asked: list[str] = []

    def resolve(host: str, _: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    assert get(Outgoing({"wiki.example"}, resolve=resolve), server.url("/plain", "wiki.example"))[0] == 200
    assert asked == ["wiki.example"]
    assert f"Host: wiki.example:{server.port}" in server.seen[0]


def test_a_name_that_turns_internal_at_the_second_look_is_refused(server: BadServer) -> None:
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])
    outgoing = Outgoing({"wiki.example"}, resolve=lambda *_: next(answers))
    assert get(outgoing, server.url("/plain", "wiki.example"))[0] == 200
    assert code_of(outgoing, server.url("/plain", "wiki.example")) == "address_refused"


@pytest.mark.parametrize(
    "target",
    [
        *("http://169.254.169.254/latest/meta-data/", "http://localhost/", "http://[::ffff:127.0.0.1]/"),
        *(
            "file:///etc/passwd",
            "gopher://127.0.0.1/",
            "ftp://127.0.0.1/",
            "//10.0.0.1/",
            "http://2130706433/",
        ),
    ],
)
def test_a_redirect_is_checked_like_a_first_request(server: BadServer, target: str) -> None:
    server.answers["/go"] = f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()
    assert code_of(Outgoing(LOCAL), server.url("/go")) == "address_refused"
    assert len(server.seen) == 1


def test_secrets_do_not_follow_a_redirect_to_another_host(server: BadServer) -> None:
    target = server.url("/plain", "localhost")
    server.answers["/go"] = f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()
    server.answers["/near"] = b"HTTP/1.1 302 Found\r\nLocation: /plain\r\nContent-Length: 0\r\n\r\n"
    outgoing = Outgoing({"127.0.0.1", "localhost"})
    for path in ("/go", "/near"):
        with (
            outgoing.client() as client,
            outgoing.stream(client, "GET", server.url(path), secret_headers={"X-Key": "s3cret"}) as response,
        ):
            assert response.status_code == 200
    assert ["s3cret" in head for head in server.seen] == [True, False, True, True]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/endless-headers", "source_unreachable"),
        ("/endless-body", "too_large"),
        ("/drip-head", "source_timeout"),
        ("/drip-body", "source_timeout"),
        ("/bomb", "too_large"),
        ("/broken-gzip", "unreadable_answer"),
        ("/half-gzip", "unreadable_answer"),
        ("/brotli", "unreadable_answer"),
        ("/loop", "too_many_redirects"),
        ("/cut", "source_unreachable"),
        ("/not-http", "source_unreachable"),
        ("/silent", "source_timeout"),
    ],
)
def test_bad_servers_are_named(server: BadServer, path: str, code: str) -> None:
    assert code_of(Outgoing(LOCAL, timeout_seconds=0.7), server.url(path), seconds=0.7) == code


def test_nobody_there_is_named() -> None:
    with bad_server() as closed:
        pass
    time.sleep(0.05)
    assert code_of(Outgoing(LOCAL), closed.url("/")) == "source_unreachable"
    assert code_of(Outgoing(), "http://no-such-host.invalid/") == "source_unreachable"


def test_the_environment_is_not_asked_for_a_proxy(server: BadServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert get(Outgoing(LOCAL), server.url("/plain")) == (200, b"hello")


class _Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for localhost that only itself vouches for, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "own.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "own.pem").write_bytes(made.public_bytes(Encoding.PEM))
    return tmp_path / "own.pem"


@pytest.fixture
def tls_port(certificate: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    server = HTTPServer(("127.0.0.1", 0), _Hello)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_a_certificate_nobody_vouches_for_is_refused_and_a_company_s_own_is_taken(
    tls_port: int, certificate: Path
) -> None:
    url = f"https://localhost:{tls_port}/"
    allowed = {"localhost"}
    assert code_of(Outgoing(allowed), url) == "tls_failed"
    assert get(Outgoing(allowed, ca_file=certificate), url) == (200, b"ok")
    by_number = f"https://127.0.0.1:{tls_port}/"
    assert code_of(Outgoing(LOCAL, ca_file=certificate), by_number) == "tls_failed"


def test_plain_http_where_tls_is_asked_is_a_tls_failure(server: BadServer) -> None:
    assert code_of(Outgoing(LOCAL), f"https://127.0.0.1:{server.port}/plain") == "tls_failed"


def test_a_file_without_certificates_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("empty.pem", "missing.pem"):
        with pytest.raises(InputError) as caught:
            Outgoing(ca_file=tmp_path / name)
        assert caught.value.code == "ca_file_invalid"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("99999999999999999999", 86_400.0),
        ("Tue, 24 Nov 2026 10:01:00 GMT", 60.0),
        ("Tue, 24 Nov 2026 09:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(header: str, seconds: float | None) -> None:
    response = httpx.Response(429, headers={"Retry-After": header})
    assert retry_after_seconds(response, now=datetime(2026, 11, 24, 10, 0, tzinfo=UTC)) == seconds


def test_messages_hold_no_address_with_its_secrets(server: BadServer) -> None:
    with pytest.raises(OutgoingError) as caught, reaching("h"):
        get(Outgoing(LOCAL, timeout_seconds=0.3), server.url("/silent?token=s3cret"))
    assert "s3cret" not in caught.value.message
