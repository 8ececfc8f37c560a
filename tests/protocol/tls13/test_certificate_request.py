"""The CertificateRequest: what a server writes, and what a client makes of it (§4.3.2)."""

from __future__ import annotations

from typing import Any

import pytest

from postshake.config import AuthRequest
from postshake.constants import ExtensionType, HandshakeType, Role, SignatureScheme
from postshake.errors import (
    DecodeError,
    IllegalParameter,
    MissingExtension,
    TLSError,
    UnexpectedMessage,
    UsageError,
)
from postshake.events import Outcome, ReauthAnswered, ReauthRequested
from postshake.pki.choose import Wanted
from postshake.protocol.tls13.certificate_request import make_certificate_request, wanted_by
from postshake.wire.auth import CertificateRequest
from postshake.wire.codec import u8, u16, vec8, vec16, vec24
from postshake.wire.extensions import (
    CertificateAuthorities,
    CompressCertificate,
    Extensions,
    OidFilter,
    OidFilters,
    PostHandshakeAuth,
    SignatureAlgorithms,
    SignatureAlgorithmsCert,
    SignedCertificateTimestampRequest,
    StatusRequestEmpty,
    UnknownExtension,
)
from tests.hostile import assert_refused, rewriting, send_handshake
from tests.pair import ConnectionPair, client_config, issued, server_config, the_ca

P256 = SignatureScheme.ecdsa_secp256r1_sha256
ED25519 = SignatureScheme.ed25519
KEY_USAGE = bytes.fromhex("0603551d0f")
EXTENDED_KEY_USAGE = bytes.fromhex("0603551d25")
DIGITAL_SIGNATURE = bytes.fromhex("03020780")
KEY_AGREEMENT = bytes.fromhex("03020308")
ANY_PURPOSE = bytes.fromhex("30060604551d2500")
CLIENT_AUTH = bytes.fromhex("300a06082b06010505070302")


def request(*extensions: Any, context: bytes = b"context") -> CertificateRequest:
    return CertificateRequest(context, Extensions(extensions))


def raw_request(body: bytes) -> bytes:
    return u8(HandshakeType.certificate_request) + vec24(body)


# --- what is written


def test_the_least_request_asks_for_a_signature_and_nothing_else() -> None:
    message = make_certificate_request(b"c", Wanted(signature_algorithms=(P256,)))
    assert message == request(SignatureAlgorithms((P256,)), context=b"c")


def test_all_that_is_wanted_is_written_and_read_again() -> None:
    wanted = Wanted(
        authorities=(b"one", b"two"),
        signature_algorithms=(P256, ED25519),
        signature_algorithms_cert=(P256,),
        oid_filters=((KEY_USAGE, DIGITAL_SIGNATURE), (EXTENDED_KEY_USAGE, b"")),
    )
    message = make_certificate_request(b"c", wanted)
    assert {type(extension) for extension in message.extensions} == {
        SignatureAlgorithms,
        SignatureAlgorithmsCert,
        CertificateAuthorities,
        OidFilters,
    }
    assert wanted_by(CertificateRequest.decode(message.encode())) == wanted


def test_the_same_schemes_for_both_are_written_once() -> None:
    wanted = Wanted(signature_algorithms=(P256,), signature_algorithms_cert=(P256,))
    assert len(make_certificate_request(b"c", wanted).extensions) == 1


def test_what_is_asked_for_reaches_the_client_as_an_event() -> None:
    pair = ConnectionPair().handshake()
    asked = AuthRequest(
        authorities=(the_ca().name,),
        signature_algorithms=(ED25519, P256),
        signature_algorithms_cert=(P256,),
        oid_filters=((KEY_USAGE, DIGITAL_SIGNATURE),),
        context=b"GET /admin",
    )
    context = pair.server.connection.request_auth(asked)
    pair.move()
    (event,) = pair.client.of(ReauthRequested)
    assert context == event.context == b"GET /admin"
    assert event.authorities == asked.authorities
    assert event.signature_algorithms == asked.signature_algorithms
    assert event.signature_algorithms_cert == asked.signature_algorithms_cert
    assert event.oid_filters == asked.oid_filters
    assert event.request.certificate_request_context == context


def test_what_is_not_said_comes_from_the_configuration() -> None:
    config = server_config(signature_algorithms=(P256,), signature_algorithms_cert=(ED25519,))
    pair = ConnectionPair(server=config).handshake()
    pair.server.connection.request_auth()
    pair.move()
    (event,) = pair.client.of(ReauthRequested)
    assert event.authorities == event.oid_filters == ()
    assert event.signature_algorithms == (P256,)
    assert event.signature_algorithms_cert == (ED25519,)


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"signature_algorithms": ()}, r"request\.signature_algorithms is empty"),
        ({"signature_algorithms_cert": ()}, r"request\.signature_algorithms_cert is empty"),
        ({"authorities": (b"",)}, "an authority's name is empty"),
        ({"oid_filters": ((KEY_USAGE, b"junk"),)}, "oid_filters"),
        ({"oid_filters": ((b"junk", b""),)}, "oid_filters"),
        ({"oid_filters": ((KEY_USAGE, b""), (KEY_USAGE, b""))}, "stands twice"),
        ({"oid_filters": ((EXTENDED_KEY_USAGE, ANY_PURPOSE),)}, "anyExtendedKeyUsage"),
    ],
    ids=str,
)
def test_r30_a_request_that_makes_no_sense_cannot_be_made(
    fields: dict[str, Any], match: str
) -> None:
    """R-30: a server's own wrong filter is its own fault, never the client's."""
    with pytest.raises(UsageError, match=match):
        AuthRequest(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"authorities": (bytes(40_000), bytes(40_000))},
        {"context": bytes(256)},
        {"context": b""},
    ],
    ids=["authorities", "long context", "empty context"],
)
def test_a_request_that_cannot_be_written_harms_nothing(fields: dict[str, Any]) -> None:
    pair = ConnectionPair().handshake()
    with pytest.raises(UsageError, match=r"cannot be written|1 to 255 bytes"):
        pair.server.connection.request_auth(AuthRequest(**fields))
    assert pair.server.connection.open_requests == ()
    assert not pair.server.connection.has_data_to_send
    assert pair.reauth().outcome is Outcome.AUTHENTICATED


# --- what a client makes of others'


def test_r13_schemes_must_be_there() -> None:
    """R-13: the client says missing_extension, not unsupported_extension."""
    with pytest.raises(MissingExtension, match="expected signature_algorithms, got none"):
        wanted_by(request(CertificateAuthorities((b"one",))))


def receive(raw: bytes | CertificateRequest, **fields: Any) -> ConnectionPair:
    pair = ConnectionPair(client=client_config("alice", **fields)).handshake()
    pair.client.auto_read = False
    pair.server.connection.send_data(b"kept")
    pair.move()
    send_handshake(pair.server, raw)
    pair.move()
    assert pair.client.connection.read() == b"kept"
    return pair


SCHEMES = SignatureAlgorithms((P256,))
SCHEMES_RAW = u16(ExtensionType.signature_algorithms) + vec16(vec16(u16(P256)))


def block(*extensions: bytes) -> bytes:
    return raw_request(vec8(b"c") + vec16(b"".join(extensions)))


def extension(extension_type: int, body: bytes) -> bytes:
    return u16(extension_type) + vec16(body)


E = ExtensionType
BAD_REQUESTS: dict[str, tuple[bytes | CertificateRequest, type[TLSError], str]] = {
    "no schemes": (
        request(CertificateAuthorities((b"one",))),
        MissingExtension,
        "CertificateRequest: expected signature_algorithms, got none",
    ),
    "no extension at all": (block(), MissingExtension, "expected signature_algorithms"),
    "schemes twice": (
        block(SCHEMES_RAW, SCHEMES_RAW),
        IllegalParameter,
        "expected each extension once, got signature_algorithms twice",
    ),
    "unknown extension twice": (
        block(SCHEMES_RAW, extension(0xFAFA, b""), extension(0xFAFA, b"x")),
        IllegalParameter,
        "each extension once, got .* twice",
    ),
    "schemes empty": (
        block(extension(E.signature_algorithms, vec16(b""))),
        DecodeError,
        "signature_algorithms in CertificateRequest: expected a list of 16-bit numbers.*got 0",
    ),
    "schemes odd": (
        block(extension(E.signature_algorithms, vec16(b"\4\3\0"))),
        DecodeError,
        "expected a list of 16-bit numbers.*got 3 bytes",
    ),
    "schemes' inner length too long": (
        block(extension(E.signature_algorithms, b"\0\4" + u16(P256))),
        DecodeError,
        "expected 4 bytes.*got 2",
    ),
    "bytes after the schemes": (
        block(extension(E.signature_algorithms, vec16(u16(P256)) + b"x")),
        DecodeError,
        "expected its end.*got 1 bytes more",
    ),
    "empty message": (raw_request(b""), DecodeError, "CertificateRequest: expected"),
    "context too long": (
        raw_request(b"\xff" + b"c"),
        DecodeError,
        "expected a vector of 255 bytes.*got 1",
    ),
    "no extension block": (raw_request(vec8(b"c")), DecodeError, "CertificateRequest: expected"),
    "block too long": (
        raw_request(vec8(b"c") + b"\0\xff" + SCHEMES_RAW),
        DecodeError,
        "expected a vector of 255 bytes",
    ),
    "block too short": (
        raw_request(vec8(b"c") + u16(len(SCHEMES_RAW) - 1) + SCHEMES_RAW),
        DecodeError,
        "expected",
    ),
    "bytes after the block": (
        raw_request(vec8(b"c") + vec16(SCHEMES_RAW) + b"x"),
        DecodeError,
        "CertificateRequest: expected its end at byte .*, got 1 bytes more",
    ),
    "authorities empty": (
        block(SCHEMES_RAW, extension(E.certificate_authorities, vec16(b""))),
        DecodeError,
        "certificate_authorities in CertificateRequest: expected a vector of at least 3",
    ),
    "an authority without a name": (
        block(SCHEMES_RAW, extension(E.certificate_authorities, vec16(vec16(b"") + vec16(b"x")))),
        DecodeError,
        "at least 1 bytes.*got 0",
    ),
    "a filter without an OID": (
        block(SCHEMES_RAW, extension(E.oid_filters, vec16(vec8(b"") + vec16(b"")))),
        DecodeError,
        "oid_filters in CertificateRequest: expected a vector of at least 1",
    ),
    "status_request with a body": (
        block(SCHEMES_RAW, extension(E.status_request, b"\1")),
        DecodeError,
        "status_request in CertificateRequest: expected its end",
    ),
    "R-3: post_handshake_auth": (
        request(SCHEMES, PostHandshakeAuth()),
        IllegalParameter,
        "expected post_handshake_auth only in ClientHello, got it here",
    ),
    "an OID twice": (
        request(SCHEMES, OidFilters((OidFilter(KEY_USAGE, b""), OidFilter(KEY_USAGE, b"")))),
        IllegalParameter,
        "an OID stands twice in oid_filters",
    ),
    "any purpose": (
        request(SCHEMES, OidFilters((OidFilter(EXTENDED_KEY_USAGE, ANY_PURPOSE),))),
        IllegalParameter,
        "anyExtendedKeyUsage stands in oid_filters",
    ),
    "a filter that is no DER": (
        request(SCHEMES, OidFilters((OidFilter(KEY_USAGE, b"junk"),))),
        DecodeError,
        "oid_filters",
    ),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_r14_a_wrong_request_is_refused_with_its_own_alert(name: str) -> None:
    """R-3, R-13, R-14, R-15, R-30: each defect has its error, its alert and its words."""
    raw, error_class, match = BAD_REQUESTS[name]
    pair = receive(raw)
    assert pair.client.of(ReauthRequested) == []
    assert_refused(pair, error_class, match, by=Role.client)


def test_r14_what_the_client_does_not_know_it_ignores() -> None:
    """R-14: unknown extensions, GREASE among them, and known ones we have no use for."""
    extensions = (
        UnknownExtension(0x0A0A, b"grease"),
        SCHEMES,
        UnknownExtension(0xFF01 + 0x55, b"\0" * 100),
        CompressCertificate((1,)),
        StatusRequestEmpty(),
        SignedCertificateTimestampRequest(),
        OidFilters((OidFilter(bytes.fromhex("06032a0304"), b"whatever"),)),
    )
    pair = ConnectionPair().handshake()
    with rewriting(
        CertificateRequest,
        lambda honest: request(*extensions, context=honest.certificate_request_context),
    ):
        completed = pair.reauth()
    assert completed.outcome is Outcome.AUTHENTICATED
    assert completed.identity is not None
    assert completed.identity.common_name == "alice"


def test_r23_unknown_schemes_alone_make_the_client_decline() -> None:
    """R-23, R-41: no scheme in common is no error; the answer is an empty Certificate."""
    pair = ConnectionPair().handshake()
    with rewriting(
        CertificateRequest,
        lambda honest: request(
            SignatureAlgorithms((0x0A0A, 0xFE00)), context=honest.certificate_request_context
        ),
    ):
        completed = pair.reauth()
    assert completed.outcome is Outcome.DECLINED
    (answered,) = pair.client.of(ReauthAnswered)
    assert answered.credential is None


@pytest.mark.parametrize("context", [b"", b"\0", bytes(255)], ids=len)
def test_a_context_of_any_length_is_echoed(context: bytes) -> None:
    """R-16: a client echoes even the empty one, as GnuTLS does."""
    pair = receive(request(SCHEMES, context=context))
    assert pair.client.connection.open_requests == (context,)
    pair.client.connection.answer_auth(context, None)
    pair.client.settle()
    assert [event.context for event in pair.client.of(ReauthAnswered)] == [context]


def test_r10_a_context_that_is_still_open_may_not_come_again() -> None:
    """R-10: two open requests of one name could not be told apart."""
    pair = receive(request(SCHEMES))
    send_handshake(pair.server, request(SCHEMES))
    pair.move()
    assert_refused(
        pair, IllegalParameter, "context of a request that is still open", by=Role.client
    )


def test_r4_who_offered_nothing_refuses_every_request() -> None:
    """R-4: unexpected_message, whatever the request says."""
    pair = receive(request(SCHEMES), post_handshake_auth=False)
    assert_refused(pair, UnexpectedMessage, "we did not offer post_handshake_auth", by=Role.client)


@pytest.mark.parametrize("protocol", [b"h2", b"h3"])
def test_a_client_refuses_where_the_application_protocol_forbids(protocol: bytes) -> None:
    """RFC 9113 section 9.2.3 and RFC 9001 section 4.4: even though it offered."""
    pair = ConnectionPair(
        client_config("alice", alpn_protocols=(protocol,)),
        server_config(alpn_protocols=(protocol,)),
    ).handshake()
    send_handshake(pair.server, request(SCHEMES))
    pair.move()
    assert_refused(pair, UnexpectedMessage, f"{protocol!r} forbids", by=Role.client)


def test_a_client_answers_in_h2_if_its_policy_says_so() -> None:
    policy: dict[str, Any] = {"alpn_protocols": (b"h2",), "reauth_forbidden_alpn": frozenset()}
    pair = ConnectionPair(client_config("alice", **policy), server_config(**policy)).handshake()
    assert pair.reauth().outcome is Outcome.AUTHENTICATED


def test_a_server_takes_no_request() -> None:
    pair = ConnectionPair().handshake()
    send_handshake(pair.client, request(SCHEMES))
    pair.move()
    assert_refused(pair, UnexpectedMessage, "CertificateRequest after the handshake")


def test_the_oid_filter_that_fits_is_passed() -> None:
    """R-30: a filter on keyUsage and one on extendedKeyUsage, both satisfied."""
    pair = ConnectionPair().handshake()
    filters = ((KEY_USAGE, DIGITAL_SIGNATURE), (EXTENDED_KEY_USAGE, CLIENT_AUTH))
    completed = pair.reauth(oid_filters=filters)
    assert completed.outcome is Outcome.AUTHENTICATED
    assert completed.identity is not None
    assert completed.identity.chain[0] == issued("alice").der
