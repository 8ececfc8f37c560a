"""Scenarios 100 to 127: which certificate is shown, key updates, and the rest."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from postshake.constants import AlertDescription
from postshake.session import codes
from postshake.session import constants as c
from postshake.wire.auth import CompressedCertificate
from postshake.wire.handshake import encode_handshake
from tests.certs import NOW, key_usage
from tests.session.ends import (
    AGAIN,
    PRIORITY,
    Pair,
    Setup,
    authority,
    certificate,
    driver_of,
    extension_block,
    flip,
    hello_extensions,
    pairings,
    tamper,
)

OUR_SERVER = ("ours-ours", "gnutls-ours")
OUR_CLIENT = ("ours-ours", "ours-gnutls")
FORCE = c.POST_HANDSHAKE_AUTH | c.FORCE_CLIENT_CERT


def with_alice(**fields):
    return Setup(certificates=[certificate("alice")], **fields)


def shown(kind, client, *cas):
    """Which certificate a client shows to a server that trusts these authorities."""
    pair = Pair(kind, client, Setup(trust=cas)).handshake()
    answer = pair.reauth(c.CERT_REQUEST)
    assert answer == (0, 0)
    assert pair.client.ours() == pair.server.leaf()
    return pair.server.leaf()


@pairings()
def test_100_one_certificate_and_no_authority_named(kind):
    assert shown(kind, with_alice()) == certificate("alice").der


@pairings()
def test_101_one_certificate_and_its_authority_named(kind):
    assert shown(kind, with_alice(), authority()) == certificate("alice").der


@pairings()
def test_102_one_certificate_and_another_authority_named(kind):
    other = authority("Another CA")
    assert shown(kind, with_alice(), other) is None
    assert shown(kind, with_alice(flags=FORCE), other) == certificate("alice").der


def with_two(**fields):
    both = [certificate("eve", ca="Another CA"), certificate("alice")]
    return Setup(certificates=both, **fields)


@pairings()
def test_103_two_certificates_and_one_authority_named(kind):
    assert shown(kind, with_two(), authority()) == certificate("alice").der
    eve = certificate("eve", ca="Another CA").der
    assert shown(kind, with_two(), authority("Another CA")) == eve


@pairings()
def test_104_two_certificates_and_no_authority_named(kind):
    assert shown(kind, with_two()) is None


@pairings()
def test_105_an_rsa_certificate_and_schemes_for_pss_keys_alone(kind):
    only = PRIORITY + ":-SIGN-ALL:+SIGN-RSA-PSS-SHA256:+SIGN-ECDSA-SECP256R1-SHA256"
    rsa = certificate("rosa", key_type="rsa2048")
    client = Setup(certificates=[rsa])
    server = Setup(priority=only, request=c.CERT_REQUIRE)
    pair = Pair(kind, client, server)
    for _ in range(4):
        said = pair.client.handshake(), pair.server.handshake()
    assert said[0] == 0
    assert codes.E_CERTIFICATE_REQUIRED in said or pair.server.handshake() < 0


def encryption_only():
    return certificate("carl", usage=key_usage("key_encipherment"))


@pairings(*OUR_CLIENT)
def test_106_a_certificate_that_may_not_sign(kind):
    pair = Pair(kind, Setup(certificates=[encryption_only()]), Setup(trust=())).handshake()
    pair.server.request(c.CERT_REQUIRE)
    pair.ask()
    assert pair.client.reauth() == codes.E_INSUFFICIENT_CREDENTIALS


@pairings(*OUR_CLIENT)
def test_106_and_that_signs_all_the_same(kind, monkeypatch):
    monkeypatch.setattr("postshake.session.certificate_choice._may_sign", lambda chain: True)
    pair = Pair(kind, Setup(certificates=[encryption_only()]), Setup(trust=())).handshake()
    assert pair.reauth() == (0, codes.E_KEY_USAGE_VIOLATION)
    if pair.server.is_ours:
        assert pair.server.leaf() is None
        assert pair.server.reauth() == codes.E_INVALID_SESSION


ZLIB, BROTLI, ZSTD = c.COMP_ZLIB, c.COMP_BROTLI, c.COMP_ZSTD


def long_alice(*methods, **fields):
    """A client with a chain in which enough is said twice to be worth compressing."""
    return compressing(
        methods,
        Setup(certificates=[authority().intermediate("Below").issue("alice")], **fields),
    )


def compressing(methods, setup=None):
    def prepare(end):
        answer = end.api.gnutls_compress_certificate_set_methods(end.session, methods)
        assert answer == 0

    setup = setup or Setup()
    setup.prepare = prepare
    return setup


@pytest.mark.parametrize("in_handshake", [True, False])
@pairings("ours-ours")
def test_107_the_client_s_certificate_is_compressed(kind, in_handshake):
    """Debian's GnuTLS is built without; tlslite-ng stands in, in tests/interop."""
    request = c.CERT_REQUIRE if in_handshake else None
    server = compressing((ZSTD, BROTLI, ZLIB), Setup(request=request))
    pair = Pair(kind, long_alice(ZLIB, BROTLI), server).handshake()
    if not in_handshake:
        pair.server.request(c.CERT_REQUIRE)
        pair.ask()
        assert 27 in request_extensions(pair)
        assert (pair.client.reauth(), pair.server.reauth()) == (0, 0)
    assert pair.server.of("CompressedCertificate", incoming=True) == 1
    assert pair.server.of("Certificate", incoming=True) == 0
    method = pair.client.api.gnutls_compress_certificate_get_selected_method
    assert method(pair.client.session) == ZLIB  # the sender's favourite of those offered
    assert method(pair.server.session) == BROTLI
    assert pair.server.leaf() == pair.client.ours()


@pairings("ours-ours")
def test_108_no_common_compression_and_a_plain_certificate(kind):
    pair = Pair(kind, long_alice(BROTLI, ZSTD), compressing((ZLIB,))).handshake()
    assert pair.reauth() == (0, 0)
    assert pair.server.of("Certificate", incoming=True) == 1
    assert pair.server.of("CompressedCertificate", incoming=True) == 0
    method = pair.client.api.gnutls_compress_certificate_get_selected_method
    assert method(pair.client.session) == c.COMP_UNKNOWN


@pairings(*OUR_SERVER)
def test_108_an_offer_to_who_compresses_nothing(kind):
    """Debian's GnuTLS passes over the offer, as ours does that was told nothing."""
    pair = Pair(kind, with_alice(), compressing((ZLIB,))).handshake()
    assert pair.reauth() == (0, 0)
    assert pair.server.of("Certificate", incoming=True) == 1


@pytest.mark.parametrize("in_handshake", [True, False])
@pairings("ours-ours")
def test_109_a_compressed_certificate_that_is_damaged(kind, in_handshake, monkeypatch):
    request = c.CERT_REQUIRE if in_handshake else None
    pair = Pair(kind, long_alice(ZLIB), compressing((ZLIB,), Setup(request=request)))
    if in_handshake:
        assert pair.client.handshake() == AGAIN
    else:
        pair.handshake()
    tamper(monkeypatch, pair.client, "Certificate", flip)
    if in_handshake:
        answers = pair.run(pair.client.handshake, pair.server.handshake)
    else:
        answers = pair.reauth()
    assert answers == (0, codes.E_CERTIFICATE_ERROR)
    assert pair.server.leaf() is None
    assert pair.server.alert_send_appropriate(codes.E_CERTIFICATE_ERROR) == 0
    assert pair.client.recv() == codes.E_FATAL_ALERT_RECEIVED
    assert pair.client.alert() == AlertDescription.bad_certificate


@pairings("ours-ours")
def test_109_a_compressed_certificate_that_nobody_asked_for(kind, monkeypatch):
    pair = Pair(kind, with_alice()).handshake()
    unasked = encode_handshake(CompressedCertificate(1, 300, b"whatever"))
    tamper(monkeypatch, pair.client, "Certificate", lambda raw: unasked)
    assert pair.reauth() == (0, codes.E_UNEXPECTED_PACKET)


@pairings("ours-ours")
def test_107_methods_that_are_none(kind):
    pair = Pair(kind, with_alice())
    set_methods = pair.client.api.gnutls_compress_certificate_set_methods
    assert set_methods(pair.client.session, (ZLIB,)) == 0
    assert set_methods(pair.client.session, (ZLIB, 7)) == codes.E_INVALID_REQUEST
    assert pair.client.handshake() == AGAIN
    assert hello_extensions(pair.up.writes[0])[27] == bytes.fromhex("02 0001")  # as it was
    pair = Pair(kind, with_alice())
    assert set_methods(pair.client.session, (ZLIB,)) == 0
    assert set_methods(pair.client.session, ()) == 0
    assert pair.client.handshake() == AGAIN
    assert 27 not in hello_extensions(pair.up.writes[0])


def ocsp_response(issued):
    ca = authority()
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=issued.certificate,
        issuer=ca.certificate,
        algorithm=hashes.SHA256(),
        cert_status=ocsp.OCSPCertStatus.GOOD,
        this_update=NOW,
        next_update=None,
        revocation_time=None,
        revocation_reason=None,
    )
    responder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, ca.certificate)
    signed = responder.sign(ca.private_key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER)


@pairings("ours-ours")
def test_110_an_ocsp_response_comes_with_the_certificate(kind):
    response = ocsp_response(certificate("alice"))

    def prepare(end):
        alice = certificate("alice").credential(ocsp_response=response)
        end.credentials.it.set_x509_key(alice)

    pair = Pair(kind, Setup(prepare=prepare)).handshake()
    seen = []
    pair.server.it.set_verify_function(lambda session: seen.append(session.ocsp_status_get()))
    assert pair.reauth() == (0, 0)
    assert seen == [response]
    assert pair.client.flags() & c.SFLAGS_SERV_REQUESTED_OCSP


def request_extensions(pair):
    """The extensions of the last request that the client saw."""
    if pair.client.is_ours:
        (event,) = driver_of(pair.client.it).unanswered.values()
        return {each.extension_type for each in event.request.extensions}
    body = [body for came, number, body in pair.client.bodies if came and number == 13][-1]
    return set(extension_block(body[1 + body[0] :]))


@pairings()
@pytest.mark.parametrize("suppressed", [False, True])
def test_111_a_server_names_its_authorities_or_does_not(kind, suppressed):
    pair = Pair(kind, with_alice()).handshake()
    pair.server.api.gnutls_certificate_send_x509_rdn_sequence(pair.server.session, int(suppressed))
    pair.server.request(c.CERT_REQUIRE)
    pair.ask()
    assert (47 in request_extensions(pair)) is not suppressed
    assert 13 in request_extensions(pair)
    assert (pair.client.reauth(), pair.server.reauth()) == (0, 0)


@pairings()
def test_113_reauth_sends_no_ticket(kind):
    pair = Pair(kind, with_alice()).handshake()
    pair.client.recv_until(tries=3)
    before = pair.client.of("NewSessionTicket")
    assert pair.reauth() == (0, 0)
    assert pair.client.recv() == AGAIN
    assert pair.client.of("NewSessionTicket") == before


@pairings()
def test_117_key_updates_in_all_ways(kind):
    pair = Pair(kind, with_alice()).handshake()
    pair.client.recv_until(tries=3)
    for end, flags in (
        (pair.client, 0),
        (pair.server, 0),
        (pair.client, c.KU_PEER),
        (pair.server, c.KU_PEER),
    ):
        assert end.key_update(flags) == 0
        assert pair.data_flows()
    end = pair.client
    end.api.gnutls_record_cork(end.session)
    assert end.send(b"corked") == 6
    assert end.key_update(0) == 0
    assert end.api.gnutls_record_uncork(end.session, 0) == 6
    assert pair.server.recv_until() == b"corked"


@pairings(*OUR_SERVER)
def test_118_a_flood_of_key_updates(kind):
    pair = Pair(kind, with_alice()).handshake()
    limit = driver_of(pair.server.it).connection.config.limits.key_updates
    if pair.client.is_ours:
        link = driver_of(pair.client.it).connection
        for _ in range(limit + 1):
            link.key_update()
        driver_of(pair.client.it).flush()
    else:
        for _ in range(limit + 1):
            assert pair.client.key_update() == 0
    for _ in range(limit):
        assert pair.server.recv() == AGAIN
    assert pair.server.recv() == codes.E_TOO_MANY_HANDSHAKE_PACKETS


@pairings(*OUR_CLIENT)
def test_119_keys_are_changed_before_they_are_worn(kind):
    pair = Pair(kind, with_alice()).handshake()
    outbound = driver_of(pair.client.it).connection._engine.layer.outbound
    # as if the suite's keys wore out after a few records
    outbound.update_due = outbound.sequence + 2
    assert pair.client.send(b"one") == 3
    assert pair.client.send(b"two") == 3
    assert pair.client.send(b"three") == 5
    assert pair.client.of("KeyUpdate", incoming=False) == 1
    for expected in (b"one", b"two", b"three"):
        assert pair.server.recv_until() == expected


@pairings()
def test_120_a_rehandshake_in_tls_1_3_is_a_key_update(kind):
    pair = Pair(kind, with_alice()).handshake()
    pair.client.recv_until(tries=3)
    api = pair.server.api
    assert api.gnutls_rehandshake(pair.server.session) == 0
    assert pair.client.recv() == AGAIN
    assert pair.data_flows()
    assert pair.client.api.gnutls_rehandshake(pair.client.session) == codes.E_INVALID_REQUEST


@pairings()
def test_121_another_handshake_in_tls_1_3(kind):
    pair = Pair(kind, with_alice()).handshake()
    assert pair.client.handshake() == 0
    assert pair.server.handshake() == 0
    assert pair.data_flows()
    assert pair.client.of("KeyUpdate", incoming=False) == 1


@pairings()
def test_127_exporters_do_not_change(kind):
    pair = Pair(kind, with_alice()).handshake()
    before = pair.client.export()
    assert pair.server.export() == before
    assert pair.reauth() == (0, 0)
    assert pair.client.key_update(c.KU_PEER) == 0
    assert pair.data_flows()
    assert pair.client.export() == pair.server.export() == before
