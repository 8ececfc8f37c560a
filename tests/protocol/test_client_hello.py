"""ClientHello, first and second, as the policy has it."""

from __future__ import annotations

from typing import Any

import pytest

from postshake.constants import CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme
from postshake.crypto.signatures import handshake_schemes
from postshake.crypto.tls12.signatures import handshake_schemes12
from postshake.errors import IllegalParameter, UsageError
from postshake.protocol.client_hello import FRAGMENT_LENGTHS, Offer, make_offer, renew_offer
from postshake.wire.extensions import (
    ApplicationLayerProtocolNegotiation,
    CertificateAuthorities,
    Cookie,
    Extensions,
    KeyShareClientHello,
    KeyShareHelloRetryRequest,
    MaxFragmentLength,
    PostHandshakeAuth,
    PskKeyExchangeModes,
    RecordSizeLimit,
    ServerName,
    SignatureAlgorithms,
    SignatureAlgorithmsCert,
    SupportedGroups,
    SupportedVersionsClientHello,
)
from postshake.wire.handshake import decode_handshake, encode_handshake
from postshake.wire.hello import HELLO_RETRY_REQUEST_RANDOM, ServerHello
from tests.pair import ConnectionPair, client_config, issued, server_config, the_ca

X25519, P256, P384 = NamedGroup.x25519, NamedGroup.secp256r1, NamedGroup.secp384r1


def offer_of(name: str | None = "server.example", **fields: Any) -> Offer:
    return make_offer(client_config(**fields), name)


def extension(offer: Offer, kind: type[Any]) -> Any:
    return offer.hello.extensions.get(kind)


def test_what_every_hello_has() -> None:
    offer = offer_of()
    config = client_config()
    assert offer.hello.legacy_version == 0x0303
    assert offer.hello.legacy_compression_methods == b"\0"
    assert offer.hello.cipher_suites == config.cipher_suites
    assert len(offer.hello.random) == len(offer.hello.legacy_session_id) == 32
    assert offer.hello.random != offer.hello.legacy_session_id
    assert extension(offer, SupportedVersionsClientHello).versions == (0x0304,)
    assert extension(offer, SupportedGroups).named_group_list == config.groups
    schemes = extension(offer, SignatureAlgorithms).supported_signature_algorithms
    assert schemes == config.signature_algorithms
    assert extension(offer, PskKeyExchangeModes).ke_modes == (1,)
    raw = encode_handshake(offer.hello)
    assert decode_handshake(raw[0], raw[4:]) == offer.hello


@pytest.mark.parametrize(
    ("fields", "kind", "expected"),
    [
        ({"post_handshake_auth": True}, PostHandshakeAuth, PostHandshakeAuth()),
        ({"post_handshake_auth": False}, PostHandshakeAuth, None),
        ({}, ApplicationLayerProtocolNegotiation, None),
        (
            {"alpn_protocols": (b"h2", b"x")},
            ApplicationLayerProtocolNegotiation,
            ApplicationLayerProtocolNegotiation((b"h2", b"x")),
        ),
        ({}, CertificateAuthorities, None),
        (
            {"certificate_authorities": (b"0\0",)},
            CertificateAuthorities,
            CertificateAuthorities((b"0\0",)),
        ),
        ({}, RecordSizeLimit, None),
        ({"record_size_limit": 64}, RecordSizeLimit, RecordSizeLimit(64)),
        ({}, MaxFragmentLength, None),
        ({"max_fragment_length": 512}, MaxFragmentLength, MaxFragmentLength(1)),
        ({"max_fragment_length": 4096}, MaxFragmentLength, MaxFragmentLength(4)),
        (
            {"signature_algorithms": (0x0403,), "signature_algorithms_cert": (0x0401,)},
            SignatureAlgorithmsCert,
            SignatureAlgorithmsCert((0x0401,)),
        ),
        (
            {"signature_algorithms": (0x0403,), "signature_algorithms_cert": (0x0403,)},
            SignatureAlgorithmsCert,
            None,
        ),
        ({}, Cookie, None),
    ],
)
def test_what_the_policy_adds(fields: dict[str, Any], kind: type[Any], expected: object) -> None:
    assert extension(offer_of(**fields), kind) == expected


def test_fragment_lengths_are_those_of_rfc_6066() -> None:
    assert {code: 2 ** (8 + code) for code in (1, 2, 3, 4)} == FRAGMENT_LENGTHS


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("Server.Example", "server.example"),
        ("server.example.", "server.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("192.0.2.1", None),
        ("2001:db8::1", None),
        ("[2001:db8::1]", None),
        (None, None),
    ],
)
def test_the_server_name(name: str | None, sent: str | None) -> None:
    found = extension(offer_of(name), ServerName)
    assert (found.host_name if found else None) == sent


def test_no_session_id_without_compatibility() -> None:
    assert offer_of(middlebox_compatibility=False).hello.legacy_session_id == b""


@pytest.mark.parametrize("count", [0, 1, 2, 3, 9])
def test_key_shares_are_for_the_favourites(count: int) -> None:
    groups = (P256, X25519, P384)
    offer = offer_of(groups=groups, key_shares=count)
    shares = extension(offer, KeyShareClientHello).client_shares
    assert tuple(entry.group for entry in shares) == groups[:count]
    assert {entry.group: entry.key_exchange for entry in shares} == {
        group: share.public for group, share in offer.shares.items()
    }


def test_two_offers_share_nothing() -> None:
    config = client_config(groups=(X25519,))
    one, other = make_offer(config, None), make_offer(config, None)
    assert one.hello.random != other.hello.random
    assert one.hello.legacy_session_id != other.hello.legacy_session_id
    assert one.shares[X25519].public != other.shares[X25519].public


def test_private_keys_are_not_shown() -> None:
    offer = offer_of(groups=(X25519,))
    share: Any = offer.shares[X25519]
    private = share.private.private_bytes_raw()
    for text in (repr(offer), str(offer), repr(share)):
        assert private.hex() not in text
        assert repr(private)[2:-1] not in text
    assert "shares={" not in repr(offer)


# --- the second one


def retry(*items: Any) -> ServerHello:
    return ServerHello(
        random=HELLO_RETRY_REQUEST_RANDOM,
        cipher_suite=CipherSuite.TLS_AES_128_GCM_SHA256,
        extensions=Extensions(items),
    )


def test_a_group_replaces_the_shares() -> None:
    config = client_config(groups=(X25519, P256), alpn_protocols=(b"x",))
    first = make_offer(config, "server.example")
    second = renew_offer(config, first, retry(KeyShareHelloRetryRequest(P256)))
    (entry,) = extension(second, KeyShareClientHello).client_shares
    assert (entry.group, entry.key_exchange) == (P256, second.shares[P256].public)
    assert list(second.shares) == [P256]
    assert unchanged(second) == unchanged(first)
    order = [each.extension_type for each in second.hello.extensions]
    assert order == [each.extension_type for each in first.hello.extensions]


def test_a_cookie_is_added_and_the_shares_stay() -> None:
    config = client_config(groups=(X25519, P256))
    first = make_offer(config, "server.example")
    second = renew_offer(config, first, retry(Cookie(b"biscuit")))
    assert extension(second, Cookie).cookie == b"biscuit"
    assert second.shares == first.shares
    assert extension(second, KeyShareClientHello) == extension(first, KeyShareClientHello)
    assert unchanged(second) == unchanged(first)


def unchanged(offer: Offer) -> tuple[Any, ...]:
    hello = offer.hello
    rest = [item for item in hello.extensions if type(item) not in (KeyShareClientHello, Cookie)]
    return hello.random, hello.legacy_session_id, hello.cipher_suites, rest


@pytest.mark.parametrize(
    ("items", "match"),
    [
        ((), "expected a group or a cookie, got nothing to change"),
        ((KeyShareHelloRetryRequest(P384),), "asks for secp384r1, which we did not offer"),
        ((KeyShareHelloRetryRequest(0x0A0A),), "asks for 0x0a0a, which we did not offer"),
        ((KeyShareHelloRetryRequest(X25519),), "asks for x25519, for which it has a key share"),
        ((KeyShareHelloRetryRequest(X25519), Cookie(b"c")), "has a key share"),
    ],
)
def test_what_a_retry_may_not_ask(items: tuple[Any, ...], match: str) -> None:
    config = client_config(groups=(X25519, P256))
    with pytest.raises(IllegalParameter, match=match):
        renew_offer(config, make_offer(config, None), retry(*items))


def test_names_of_authorities_go_out_as_they_are() -> None:
    offer = offer_of(certificate_authorities=(the_ca().name,))
    assert extension(offer, CertificateAuthorities).authorities == (the_ca().name,)


def test_schemes_go_out_in_our_order() -> None:
    schemes = (SignatureScheme.rsa_pss_rsae_sha256, SignatureScheme.ed25519)
    found = extension(offer_of(signature_algorithms=schemes), SignatureAlgorithms)
    assert found.supported_signature_algorithms == schemes


# --- one list of signature schemes for two versions


BOTH = (ProtocolVersion.TLS13, ProtocolVersion.TLS12)


def schemes_of(**fields: Any) -> tuple[int, ...]:
    return extension(offer_of(**fields), SignatureAlgorithms).supported_signature_algorithms


@pytest.mark.parametrize("narrowed", ["signature_algorithms", "signature_algorithms12"])
def test_a_scheme_of_both_versions_is_offered_if_both_settings_name_it(narrowed: str) -> None:
    """A server may use it in either; what one of them leaves out is not to be had."""
    only = (SignatureScheme.ecdsa_secp256r1_sha256,)
    schemes = schemes_of(versions=BOTH, **{narrowed: only})
    shared = set(handshake_schemes()) & set(handshake_schemes12())
    assert shared & set(schemes) == set(only)
    other = handshake_schemes12 if narrowed == "signature_algorithms" else handshake_schemes
    of_the_other = set(other()) - shared
    assert set(schemes) == set(only) | of_the_other


def test_all_of_both_are_offered_by_default() -> None:
    expected = {*handshake_schemes(), *handshake_schemes12()}
    assert set(schemes_of(versions=BOTH)) == expected


def test_an_honest_server_of_either_version_gets_on_with_a_narrowed_list() -> None:
    for narrowed in ("signature_algorithms", "signature_algorithms12"):
        for version in BOTH:
            only = (SignatureScheme.ecdsa_secp384r1_sha384,)
            credentials = tuple(
                issued("server.example", "server", kind).credential() for kind in ("p256", "p384")
            )
            pair = ConnectionPair(
                client_config(versions=BOTH, **{narrowed: only}),
                server_config(versions=(version,), credentials=credentials),
            ).handshake()
            assert pair.server.connection.established.version is version


def test_lists_that_leave_nothing_for_a_version_are_refused() -> None:
    with pytest.raises(UsageError, match=r"signature_algorithms has nothing .* TLS 1\.3"):
        client_config(
            versions=BOTH,
            signature_algorithms=(SignatureScheme.ed25519,),
            signature_algorithms12=(SignatureScheme.rsa_pkcs1_sha256,),
        )
