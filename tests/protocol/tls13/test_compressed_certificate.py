"""Certificates that are compressed on their way (RFC 8879), in the handshake and after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest

from postshake.config import ClientAuth
from postshake.constants import AlertDescription, CertificateCompressionAlgorithm, Role
from postshake.errors import (
    AlertReceived,
    BadCertificate,
    DecodeError,
    IllegalParameter,
    TLSError,
    UnexpectedMessage,
    UsageError,
)
from postshake.events import Direction, Outcome, TraceEntry
from postshake.pki.compression import compress
from postshake.pki.credential import Credential
from postshake.protocol.link import Flight, Link
from postshake.protocol.tls13.compressed_certificate import add_compressed
from postshake.protocol.transcript import Transcript
from postshake.record.limits import Limits
from postshake.wire.auth import Certificate, CertificateEntry, CompressedCertificate
from postshake.wire.extensions import CompressCertificate, Extensions
from postshake.wire.handshake import encode_handshake
from tests.pair import ConnectionPair, client_config, server_config, the_ca
from tests.protocol.links import link

ZLIB = CertificateCompressionAlgorithm.zlib
BROTLI = CertificateCompressionAlgorithm.brotli
ZSTD = CertificateCompressionAlgorithm.zstd
ALL = tuple(CertificateCompressionAlgorithm)
every_algorithm = pytest.mark.parametrize("algorithm", ALL, ids=lambda each: each.name)


class Seen:
    """The certificates that went over a wire, as the client's trace has them."""

    def __init__(self) -> None:
        self.entries: list[TraceEntry] = []

    def __call__(self, entry: TraceEntry) -> None:
        if entry.what.endswith("Certificate"):
            self.entries.append(entry)

    @property
    def what(self) -> list[tuple[str, str]]:
        return [(entry.direction.value, entry.what) for entry in self.entries]


@cache
def credential(name: str, purpose: str = "client") -> Credential:
    """One with a chain of two, in which enough is said twice to be worth it."""
    return the_ca().intermediate().issue(name, purpose=purpose).credential()


def pair_of(
    client: tuple[int, ...] = (), server: tuple[int, ...] = (), **fields: Any
) -> tuple[ConnectionPair, Seen]:
    seen = Seen()
    pair = ConnectionPair(
        client_config(
            credentials=(credential("alice"),), certificate_compression=client, trace=seen
        ),
        server_config(
            credentials=(credential("server.example", "server"),),
            certificate_compression=server,
            **fields,
        ),
    )
    return pair, seen


@every_algorithm
def test_both_certificates_are_compressed_in_the_handshake(
    algorithm: CertificateCompressionAlgorithm,
) -> None:
    pair, seen = pair_of((algorithm,), (algorithm,), client_auth=ClientAuth.REQUIRE)
    pair.handshake()
    assert seen.what == [
        ("received", "CompressedCertificate"),
        ("sent", "CompressedCertificate"),
    ]
    for end in (pair.client, pair.server):
        assert end.connection.certificate_compression is algorithm
    assert pair.server.connection.peer_identity is not None
    assert pair.server.connection.peer_identity.chain == credential("alice").chain


@every_algorithm
def test_so_is_the_answer_to_a_request(algorithm: CertificateCompressionAlgorithm) -> None:
    pair, seen = pair_of((algorithm,), (algorithm,))
    pair.handshake()
    for _ in range(2):  # each with a transcript of its own
        seen.entries.clear()
        assert pair.reauth().outcome is Outcome.AUTHENTICATED
        assert seen.what == [("sent", "CompressedCertificate")]
        assert isinstance(seen.entries[0].message, Certificate)
        assert seen.entries[0].size < len(encode_handshake(seen.entries[0].message))
    assert pair.client.connection.certificate_compression is algorithm
    for end in (pair.client, pair.server):
        end.connection.send_data(b"still here")
    pair.move()
    assert (pair.client.data, pair.server.data) == (b"still here", b"still here")


def test_several_answers_out_of_order() -> None:
    pair, _ = pair_of(ALL, ALL)
    pair.handshake()
    first, second = pair.ask(), pair.ask()
    pair.give(second, credential("alice"))
    pair.give(first, credential("alice"))
    assert pair.outcomes() == [(second, Outcome.AUTHENTICATED), (first, Outcome.AUTHENTICATED)]


def test_an_answer_that_declines_is_not_worth_it() -> None:
    pair, seen = pair_of(ALL, ALL)
    pair.handshake()
    seen.entries.clear()
    assert pair.reauth(decline=True).outcome is Outcome.DECLINED
    assert seen.what == [("sent", "Certificate")]


@pytest.mark.parametrize(
    ("client", "server", "ours", "theirs"),
    [
        ((ZLIB,), (BROTLI,), None, None),
        ((ZLIB,), (), None, None),
        ((), (ZLIB,), None, None),
        # the sender chooses, by its own liking
        ((BROTLI, ZLIB), (ZSTD, ZLIB, BROTLI), BROTLI, ZLIB),
    ],
)
def test_each_end_takes_what_the_other_can_undo(
    client: tuple[int, ...], server: tuple[int, ...], ours: object, theirs: object
) -> None:
    pair, _ = pair_of(client, server)
    pair.handshake()
    assert pair.reauth().outcome is Outcome.AUTHENTICATED
    assert pair.client.connection.certificate_compression is ours
    assert pair.server.connection.certificate_compression is theirs


def test_one_that_would_be_longer_is_sent_as_it_is() -> None:
    ours = link(certificate_compression=ALL)
    requested = Extensions((CompressCertificate(ALL),))
    for entry, compressed in ((b"\x31", False), (b"a" * 100, True)):
        flight = Flight(Transcript("sha256"))
        certificate = Certificate(b"", (CertificateEntry(entry),))
        add_compressed(flight, ours, certificate, requested)
        assert (ours.certificate_compression is not None) is compressed
        assert (flight.parts == [encode_handshake(certificate)]) is not compressed
        assert flight.messages == [certificate]


def test_every_request_is_a_new_offer() -> None:
    """GnuTLS goes on with the offer of an earlier request that a later one lacks."""
    ours = link(certificate_compression=ALL)
    certificate = Certificate(b"", (CertificateEntry(b"a" * 100),))
    add_compressed(
        Flight(Transcript("sha256")), ours, certificate, Extensions((CompressCertificate(ALL),))
    )
    assert ours.certificate_compression is ZLIB
    add_compressed(Flight(Transcript("sha256")), ours, certificate, Extensions())
    assert ours.certificate_compression is None


# --- what a peer may do wrong

ALICE = Certificate(b"", (CertificateEntry(b"a" * 300),))


def tampered(
    certificate: Certificate,
    algorithm: int = 1,
    length: int | None = None,
    data: bytes | None = None,
) -> CompressedCertificate:
    body = certificate.encode()
    return CompressedCertificate(
        algorithm,
        len(body) if length is None else length,
        compress(ZLIB, body) if data is None else data,
    )


LIES: dict[str, tuple[Callable[[Certificate], CompressedCertificate], type[TLSError], str]] = {
    "an algorithm that was not offered": (
        lambda message: tampered(message, algorithm=ZSTD),
        IllegalParameter,
        "expected an algorithm that we offered, got zstd",
    ),
    "an algorithm that nobody knows": (
        lambda message: tampered(message, algorithm=0x4001),
        IllegalParameter,
        "got 0x4001",
    ),
    "too short": (
        lambda message: tampered(message, length=5),
        BadCertificate,
        "expected 5 bytes behind zlib, got more than 5",
    ),
    "too long": (
        lambda message: tampered(message, length=5000),
        BadCertificate,
        "expected 5000 bytes behind zlib, got",
    ),
    "longer than any message": (
        lambda message: tampered(message, length=2**24 - 1),
        BadCertificate,
        f"expected at most {Limits().handshake_message} bytes in it, got 16777215",
    ),
    "no zlib": (lambda message: tampered(message, data=b"?" * 20), BadCertificate, "zlib data"),
    "no certificate in it": (
        lambda message: tampered(message, length=4, data=compress(ZLIB, b"\0\0\1\0")),
        DecodeError,
        "Certificate: ",
    ),
    "a request's context that is none": (
        lambda message: tampered(Certificate(b"nobody's", message.certificate_list)),
        IllegalParameter,
        "context",
    ),
}


@contextmanager
def lying(
    monkeypatch: pytest.MonkeyPatch, liar: Role, lie: Callable[[Certificate], Any]
) -> Iterator[None]:
    """Let the Certificates of one end be something else."""
    add = Flight.add

    def add_lie(flight: Flight, message: Any, *, on_wire: Any = None) -> None:
        if isinstance(message, Certificate) and current == [liar]:
            on_wire = lie(message)
        add(flight, message, on_wire=on_wire)

    current: list[Role] = []

    def whose(flight: Flight, ours: Link, certificate: Certificate, requested: Extensions) -> None:
        current[:] = [ours.role]
        add_compressed(flight, ours, certificate, requested)

    monkeypatch.setattr(Flight, "add", add_lie)
    for module in ("authenticate", "server"):
        monkeypatch.setattr(f"postshake.protocol.tls13.{module}.add_compressed", whose)
    yield


@pytest.mark.parametrize("lie", LIES)
def test_a_server_s_lie_ends_the_handshake(lie: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, error, text = LIES[lie]
    pair, _ = pair_of((ZLIB,), (ZLIB,))
    with lying(monkeypatch, Role.server, make), pytest.raises(error, match=text) as caught:
        pair.handshake()
    assert type(caught.value) is error
    assert isinstance(pair.server.error, AlertReceived)
    assert pair.server.error.received == caught.value.alert
    assert pair.client.connection.peer_identity is None


@pytest.mark.parametrize("lie", LIES)
def test_a_client_s_lie_ends_the_connection(lie: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, error, text = LIES[lie]
    pair, _ = pair_of((ZLIB,), (ZLIB,))
    pair.handshake()
    pair.client.connection.send_data(b"before")
    with lying(monkeypatch, Role.client, make), pytest.raises(error, match=text) as caught:
        pair.reauth()
    assert type(caught.value) is error
    assert pair.server.data == b"before"
    assert pair.server.connection.peer_identity is None
    assert isinstance(pair.client.error, AlertReceived)
    assert pair.client.error.received == caught.value.alert


@pytest.mark.parametrize("liar", list(Role))
def test_nobody_compresses_who_was_not_asked(liar: Role, monkeypatch: pytest.MonkeyPatch) -> None:
    pair, _ = pair_of()
    if liar is Role.client:
        pair.handshake()
    act = pair.handshake if liar is Role.server else pair.reauth
    with (
        lying(monkeypatch, liar, tampered),
        pytest.raises(UnexpectedMessage, match="nobody offered") as caught,
    ):
        act()
    assert caught.value.alert is AlertDescription.unexpected_message


def test_nobody_sends_one_out_of_the_blue() -> None:
    """Offered or not: a server that did not ask takes no certificate."""
    pair, _ = pair_of((ZLIB,), (ZLIB,))
    pair.handshake()
    message = tampered(Certificate(b"context", ALICE.certificate_list))
    pair.client.connection._engine.link.send_message(message)
    pair.move()
    assert isinstance(pair.server.error, UnexpectedMessage)
    assert "nobody asked for one" in str(pair.server.error)


def test_every_bit_of_it_is_in_the_transcript() -> None:
    """Another way to compress the same is another transcript: the signature does not fit."""
    pair, _ = pair_of((ZLIB,), (ZLIB,))
    pair.handshake()
    context = pair.ask()
    request, transcript, _ = pair.client.connection._engine.post_handshake.reauth_client._pending[
        context
    ]
    assert request.extensions.get(CompressCertificate) == CompressCertificate((ZLIB,))
    before = transcript.digest()
    pair.answer_all()
    pair.move()
    assert transcript.digest() == before
    assert pair.outcomes() == [(context, Outcome.AUTHENTICATED)]


@pytest.mark.parametrize("algorithms", [(7,), (ZLIB, 9)])
def test_a_configuration_names_what_there_is(algorithms: tuple[Any, ...]) -> None:
    for config in (client_config, server_config):
        with pytest.raises(UsageError, match="which cannot be had here"):
            config(certificate_compression=algorithms)


def test_the_default_offers_nothing() -> None:
    pair, seen = pair_of()
    pair.handshake()
    assert seen.what == [("received", "Certificate")]
    assert seen.entries[0].direction is Direction.received
