"""Scenarios 62 to 77: messages that are wrong, and the error and alert for each."""

from __future__ import annotations

import pytest

from postshake.constants import ContentType
from postshake.protocol.tls13 import certificate_request, reauth_server
from postshake.session import codes
from postshake.session import constants as c
from postshake.wire.auth import Certificate, CertificateEntry, CertificateRequest
from postshake.wire.extensions import Extensions, SignatureAlgorithms, UnknownExtension
from postshake.wire.handshake import decode_handshake, encode_handshake
from tests.session.ends import (
    AGAIN,
    REAUTH,
    Pair,
    Setup,
    certificate,
    driver_of,
    flip,
    pairings,
    tamper,
)

OUR_CLIENT = ("ours-ours", "ours-gnutls")


def with_alice(**fields):
    return Setup(certificates=[certificate("alice")], **fields)


def answered_with(kind, monkeypatch, name, change):
    """A reauth whose answer has one message changed: the server's code, and the alert."""
    pair = Pair(kind, with_alice()).handshake()
    tamper(monkeypatch, pair.client, name, change)
    code = pair.reauth()[1]
    assert code < 0
    assert pair.server.leaf() is None or not pair.server.is_ours
    assert pair.server.alert_send_appropriate(code) == 0
    assert pair.client.recv_until() == codes.E_FATAL_ALERT_RECEIVED
    return code, pair.client.alert()


def resized(raw, body):
    """A message of the same type with another body."""
    return raw[:1] + len(body).to_bytes(3, "big") + body


def rebuilt(**changes):
    """Change fields of a Certificate."""

    def change(raw):
        old = decode_handshake(raw[0], raw[4:])
        assert isinstance(old, Certificate)
        fields = {
            "certificate_request_context": old.certificate_request_context,
            "certificate_list": old.certificate_list,
        }
        return encode_handshake(Certificate(**(fields | changes)))

    return change


@pairings(*OUR_CLIENT)
@pytest.mark.parametrize(
    "change",
    [
        lambda raw: flip(raw, 6),
        lambda raw: resized(raw, bytes([raw[4] - 1]) + raw[6:]),
        rebuilt(certificate_request_context=b""),
    ],
    ids=["flipped", "shorter", "empty"],
)
def test_062_the_context_is_another(kind, monkeypatch, change):
    found = answered_with(kind, monkeypatch, "Certificate", change)
    assert found == (codes.E_RECEIVED_ILLEGAL_PARAMETER, c.A_ILLEGAL_PARAMETER)


@pairings("ours-ours")
def test_062_the_context_runs_past_the_message(kind, monkeypatch):
    def change(raw):
        return resized(raw, b"\xff" + raw[5:60])

    found = answered_with(kind, monkeypatch, "Certificate", change)
    assert found == (codes.E_UNEXPECTED_PACKET_LENGTH, c.A_DECODE_ERROR)


@pairings(*OUR_CLIENT)
@pytest.mark.parametrize("where", ["list", "extensions"])
def test_063_a_length_is_wrong(kind, monkeypatch, where):
    def change(raw):
        index = 5 + raw[4] + 2 if where == "list" else len(raw) - 1
        return flip(raw, index)

    found = answered_with(kind, monkeypatch, "Certificate", change)
    assert found == (codes.E_UNEXPECTED_PACKET_LENGTH, c.A_DECODE_ERROR)


@pairings(*OUR_CLIENT)
def test_064_the_certificate_is_no_certificate(kind, monkeypatch):
    change = rebuilt(certificate_list=(CertificateEntry(b"\x30\x03abc", Extensions()),))
    code, alert = answered_with(kind, monkeypatch, "Certificate", change)
    # GnuTLS says which rule of DER is broken where it can
    assert code == (codes.E_CERTIFICATE_ERROR if kind == "ours-ours" else codes.E_ASN1_TAG_ERROR)
    assert alert == c.A_BAD_CERTIFICATE


@pairings(*OUR_CLIENT)
def test_064_the_certificate_is_anothers(kind, monkeypatch):
    other = certificate("mallory").der
    change = rebuilt(certificate_list=(CertificateEntry(other, Extensions()),))
    found = answered_with(kind, monkeypatch, "Certificate", change)
    assert found == (codes.E_PK_SIG_VERIFY_FAILED, c.A_DECRYPT_ERROR)


@pairings(*OUR_CLIENT)
def test_065_a_bit_of_the_signature_is_flipped(kind, monkeypatch):
    found = answered_with(kind, monkeypatch, "CertificateVerify", flip)
    assert found == (codes.E_PK_SIG_VERIFY_FAILED, c.A_DECRYPT_ERROR)


def with_scheme(number):
    return lambda raw: raw[:4] + number.to_bytes(2, "big") + raw[6:]


@pairings(*OUR_CLIENT)
@pytest.mark.parametrize("scheme", [0x6A6A, 0x0203], ids=["unknown", "sha1"])
def test_066_the_scheme_was_not_offered(kind, monkeypatch, scheme):
    found = answered_with(kind, monkeypatch, "CertificateVerify", with_scheme(scheme))
    assert found == (codes.E_RECEIVED_ILLEGAL_PARAMETER, c.A_ILLEGAL_PARAMETER)


@pairings(*OUR_CLIENT)
@pytest.mark.parametrize("scheme", [0x0503, 0x0804, 0x0807], ids=["p384", "rsa", "ed25519"])
def test_067_the_scheme_does_not_fit_the_key(kind, monkeypatch, scheme):
    found = answered_with(kind, monkeypatch, "CertificateVerify", with_scheme(scheme))
    assert found == (codes.E_INCOMPATIBLE_SIG_WITH_KEY, c.A_ILLEGAL_PARAMETER)


@pairings("ours-ours")
def test_068_the_signatures_length_runs_past_the_end(kind, monkeypatch):
    found = answered_with(kind, monkeypatch, "CertificateVerify", lambda raw: flip(raw, 6))
    assert found == (codes.E_UNEXPECTED_PACKET_LENGTH, c.A_DECODE_ERROR)


@pairings(*OUR_CLIENT)
def test_069_a_bit_of_finished_is_flipped(kind, monkeypatch):
    found = answered_with(kind, monkeypatch, "Finished", flip)
    assert found == (codes.E_ERROR_IN_FINISHED_PACKET, c.A_DECRYPT_ERROR)


@pairings(*OUR_CLIENT)
def test_069_finished_is_left_out(kind, monkeypatch):
    """Data instead of Finished: the answer must be in one piece."""
    pair = Pair(kind, with_alice()).handshake()
    tamper(monkeypatch, pair.client, "Finished", lambda raw: b"")
    pair.server.request(c.CERT_REQUIRE)
    pair.ask()
    assert pair.client.reauth() == 0
    assert pair.client.send(b"data") == 4
    assert pair.server.reauth() == codes.E_UNEXPECTED_PACKET


@pairings(*OUR_CLIENT)
def test_069_certificate_verify_is_left_out(kind, monkeypatch):
    found = answered_with(kind, monkeypatch, "CertificateVerify", lambda raw: b"")
    assert found == (codes.E_UNEXPECTED_HANDSHAKE_PACKET, c.A_UNEXPECTED_MESSAGE)


# --- requests that are wrong: our server sends them, our client or GnuTLS's reads them


def asking_for(monkeypatch, change):
    """Let servers send requests that are not quite right, and know what they sent."""
    make = certificate_request.make_certificate_request

    def changed(*arguments, **options):
        return change(make(*arguments, **options))

    monkeypatch.setattr(reauth_server, "make_certificate_request", changed)


def with_extensions(*replaced, keep=True):
    def change(request):
        kept = [each for each in request.extensions if keep]
        context = request.certificate_request_context
        return CertificateRequest(context, Extensions((*kept, *replaced)))

    return change


def refused_by_client(pair):
    """What the client says to a request, when it is told of it or when it answers."""
    pair.server.request(c.CERT_REQUIRE)
    assert pair.server.reauth() == AGAIN
    code = pair.client.recv_until()
    if code == REAUTH:
        code = pair.client.reauth()
    pair.client.alert_send_appropriate(code)
    assert pair.server.reauth() == codes.E_FATAL_ALERT_RECEIVED
    return code, pair.server.alert()


@pairings("ours-ours")
def test_070_a_request_without_signature_algorithms(kind, monkeypatch):
    asking_for(monkeypatch, with_extensions(keep=False))
    found = refused_by_client(Pair(kind, with_alice()).handshake())
    assert found == (codes.E_MISSING_EXTENSION, c.A_MISSING_EXTENSION)


@pairings("ours-ours")
def test_071_a_request_with_signature_algorithms_twice(kind, monkeypatch):
    pair = Pair(kind, with_alice()).handshake()

    def twice(raw):
        at = 4 + 1 + raw[4]
        block = raw[at + 2 :]
        first = block[: 4 + int.from_bytes(block[2:4], "big")]
        doubled = first + block
        return resized(raw, raw[4:at] + len(doubled).to_bytes(2, "big") + doubled)

    tamper(monkeypatch, pair.server, "CertificateRequest", twice)
    found = refused_by_client(pair)
    assert found == (codes.E_RECEIVED_ILLEGAL_PARAMETER, c.A_ILLEGAL_PARAMETER)


@pairings("ours-ours", "gnutls-ours")
def test_072_a_request_with_an_unknown_extension(kind, monkeypatch):
    asking_for(monkeypatch, with_extensions(UnknownExtension(0x6A6A, b"what?")))
    pair = Pair(kind, with_alice()).handshake()
    assert pair.reauth() == (0, 0)


@pairings("ours-ours", "gnutls-ours")
def test_073_a_request_for_unknown_schemes_alone(kind, monkeypatch):
    unknown = SignatureAlgorithms((0x6A6A, 0x7A7A))
    asking_for(monkeypatch, with_extensions(unknown, keep=False))
    pair = Pair(kind, with_alice()).handshake()
    assert pair.reauth(c.CERT_REQUEST) == (0, 0)
    assert pair.server.leaf() is None
    assert pair.data_flows()


@pairings("ours-ours")
@pytest.mark.parametrize("where", ["block", "schemes"])
def test_074_a_request_with_a_wrong_length(kind, monkeypatch, where):
    pair = Pair(kind, with_alice()).handshake()

    def change(raw):
        block = 4 + 1 + raw[4]
        if where == "block":
            return flip(raw, block + 1)
        return raw[: block + 6] + b"\0\0" + raw[block + 8 :]  # an empty list of schemes

    tamper(monkeypatch, pair.server, "CertificateRequest", change)
    found = refused_by_client(pair)
    assert found == (codes.E_UNEXPECTED_PACKET_LENGTH, c.A_DECODE_ERROR)


def forced(pair):
    """A message of a kind that the peer did not agree to, from an end of ours."""
    request = CertificateRequest(b"context", Extensions((SignatureAlgorithms((0x0403,)),)))
    return encode_handshake(request)


@pairings("ours-ours", "gnutls-ours")
def test_075_a_request_to_a_client_that_did_not_offer_it(kind):
    pair = Pair(kind, with_alice(flags=0)).handshake()
    layer = driver_of(pair.server.it).connection._engine.layer
    layer.send(ContentType.handshake, forced(pair))
    assert pair.server.send(b"") == 0
    driver_of(pair.server.it).flush()
    code = pair.client.recv_until()
    assert code == codes.E_UNEXPECTED_PACKET
    assert pair.client.alert_send_appropriate(code) == 0
    assert pair.server.recv() == codes.E_FATAL_ALERT_RECEIVED
    assert pair.server.alert() == c.A_UNEXPECTED_MESSAGE


@pairings(*OUR_CLIENT)
def test_076_a_request_from_a_client(kind):
    pair = Pair(kind, with_alice()).handshake()
    layer = driver_of(pair.client.it).connection._engine.layer
    layer.send(ContentType.handshake, forced(pair))
    driver_of(pair.client.it).flush()
    assert pair.server.recv() == codes.E_UNEXPECTED_PACKET


@pairings()
def test_077_change_cipher_spec_after_the_handshake(kind):
    pair = Pair(kind, with_alice()).handshake()
    pair.server.request(c.CERT_REQUIRE)
    pair.ask()
    pair.up.put(bytes.fromhex("140303000101"))
    assert pair.server.reauth() == codes.E_UNEXPECTED_PACKET
