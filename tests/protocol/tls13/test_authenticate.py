"""The certificate block, each check for itself: nothing here runs a handshake."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from postshake.constants import Role, SignatureScheme
from postshake.crypto.hkdf import expand_label
from postshake.crypto.signatures import sign
from postshake.errors import (
    BadCertificate,
    DecodeError,
    DecryptError,
    IllegalParameter,
    InternalError,
    TooMuch,
    UnsupportedExtension,
)
from postshake.pki.choose import Wanted
from postshake.pki.trust import VerifiedChain
from postshake.protocol.flow import Ask
from postshake.protocol.link import Flight
from postshake.protocol.proofs import FinishedProof, identify
from postshake.protocol.tls13.authenticate import (
    add_certificate,
    certificate_entries,
    check_certificate,
    check_finished,
    check_signature,
    signed_content,
)
from postshake.protocol.transcript import Transcript
from postshake.questions import Sign
from postshake.record.limits import Limits
from postshake.wire.auth import (
    Certificate,
    CertificateEntry,
    CertificateRequest,
    CertificateVerify,
    Finished,
)
from postshake.wire.extensions import (
    CertificateStatus,
    Extensions,
    SignedCertificateTimestampRequest,
    SignedCertificateTimestamps,
    StatusRequestEmpty,
    UnknownExtension,
)
from tests.certs import Issued
from tests.pair import issued, the_ca
from tests.protocol.links import link
from tests.vectors.rfc8448 import CLIENT_AUTHENTICATION, SIMPLE

P256 = SignatureScheme.ecdsa_secp256r1_sha256
DIGEST = hashlib.sha256(b"transcript").digest()
NOTHING = Extensions()


def message_of(who: Issued, *extensions: Any) -> Certificate:
    return Certificate(b"", (CertificateEntry(who.der, Extensions(extensions)),))


def test_what_is_signed() -> None:
    """§4.4.3 spells out this example, in hexadecimal."""
    assert signed_content(Role.server, b"\1" * 32) == bytes.fromhex(
        "20" * 64
        + "544c5320312e332c2073657276657220436572746966696361746556657269667900"
        + "01" * 32
    )
    assert signed_content(Role.client, b"\2" * 48) == (
        b" " * 64 + b"TLS 1.3, client CertificateVerify\0" + b"\2" * 48
    )


# --- check_signature


def signature(private_key: PrivateKeyTypes, role: Role = Role.client) -> CertificateVerify:
    return CertificateVerify(P256, sign(P256, private_key, signed_content(role, DIGEST)))


def test_a_good_signature_is_proof() -> None:
    alice = issued("alice")
    message = message_of(alice, CertificateStatus(b"stapled"))
    proof = check_signature(message, signature(alice.private_key), Role.client, (P256,), DIGEST)
    assert proof.certificates == alice.chain
    assert proof.leaf == alice.certificate
    assert proof.scheme is P256
    assert proof.ocsp_response == b"stapled"


def test_the_recorded_signatures_are_proof() -> None:
    """RFC 8448, sections 3 and 6, with the digests that go with them."""
    for trace in (SIMPLE, CLIENT_AUTHENTICATION):
        for role in Role:
            messages = [message for message in trace.messages if message.sender is role]
            if not any(message.name == "Certificate" for message in messages):
                continue
            at = next(
                place
                for place, message in enumerate(trace.messages)
                if (message.name, message.sender) == ("CertificateVerify", role)
            )
            digest = Transcript("sha256", *(each.data for each in trace.messages[:at])).digest()
            certificate = Certificate.decode(trace.message("Certificate", role)[4:])
            verify = CertificateVerify.decode(trace.messages[at].data[4:])
            check_signature(certificate, verify, role, (verify.algorithm,), digest)
            with pytest.raises(DecryptError):
                check_signature(certificate, verify, role.peer, (verify.algorithm,), digest)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"role": Role.server}, DecryptError, "does not verify"),
        ({"digest": hashlib.sha256(b"another").digest()}, DecryptError, "does not verify"),
        ({"offered": ()}, IllegalParameter, "schemes that we offered, got ecdsa_secp256r1_sha256"),
        ({"offered": (0x0807,)}, IllegalParameter, "schemes that we offered"),
        ({"algorithm": 0x0503, "offered": (0x0503,)}, IllegalParameter, "does not fit"),
        ({"algorithm": 0x0804, "offered": (0x0804,)}, IllegalParameter, "does not fit"),
        ({"algorithm": 0x0401, "offered": (0x0401,)}, IllegalParameter, "does not fit"),
        ({"algorithm": 0x0A0A, "offered": (0x0A0A,)}, IllegalParameter, "0x0a0a does not fit"),
        ({"signature": b""}, DecryptError, "does not verify"),
    ],
)
def test_a_wrong_signature_is_none(
    change: dict[str, Any], error: type[Exception], match: str
) -> None:
    alice = issued("alice")
    verify = signature(alice.private_key)
    verify = CertificateVerify(
        change.get("algorithm", verify.algorithm), change.get("signature", verify.signature)
    )
    with pytest.raises(error, match=match):
        check_signature(
            message_of(alice),
            verify,
            change.get("role", Role.client),
            change.get("offered", (P256,)),
            change.get("digest", DIGEST),
        )


def test_another_s_signature_is_none() -> None:
    with pytest.raises(DecryptError):
        check_signature(
            message_of(issued("alice")),
            signature(issued("mallory").private_key),
            Role.client,
            (P256,),
            DIGEST,
        )


def test_no_flipped_bit_of_a_signature_is_proof() -> None:
    alice = issued("alice", "client", "ed25519")
    scheme = SignatureScheme.ed25519
    good = sign(scheme, alice.private_key, signed_content(Role.client, DIGEST))
    for bit in range(0, 8 * len(good), 7):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DecryptError):
            check_signature(
                message_of(alice),
                CertificateVerify(scheme, bytes(bad)),
                Role.client,
                (scheme,),
                DIGEST,
            )


@pytest.mark.parametrize("pss", [False, True], ids=["rsae", "pss"])
def test_an_rsa_key_signs_by_the_schemes_of_its_certificate(pss: bool) -> None:
    """§4.2.3: rsaEncryption and RSASSA-PSS certificates have code points of their own."""
    who = issued("rsa", "client", "rsa-pss" if pss else "rsa2048")
    key = who.private_key.key if pss else who.private_key
    fitting, other = SignatureScheme.rsa_pss_rsae_sha256, SignatureScheme.rsa_pss_pss_sha256
    if pss:
        fitting, other = other, fitting
    good = sign(fitting, key, signed_content(Role.client, DIGEST))
    offered = (fitting, other)
    check_signature(message_of(who), CertificateVerify(fitting, good), Role.client, offered, DIGEST)
    with pytest.raises(IllegalParameter, match="does not fit"):
        check_signature(
            message_of(who), CertificateVerify(other, good), Role.client, offered, DIGEST
        )


@pytest.mark.parametrize("der", [b"\0", b"\x30\x03\x02\x01", b"A" * 100])
def test_a_leaf_that_cannot_be_read(der: bytes) -> None:
    with pytest.raises(BadCertificate, match="the leaf cannot be read"):
        check_signature(
            Certificate(b"", (CertificateEntry(der),)),
            CertificateVerify(P256, b""),
            Role.client,
            (P256,),
            DIGEST,
        )


# --- check_finished


@pytest.mark.parametrize("hash_name", ["sha256", "sha384"])
def test_a_good_finished_is_proof(hash_name: str) -> None:
    size = hashlib.new(hash_name).digest_size
    secret, digest = bytes(range(size)), hashlib.new(hash_name, b"x").digest()
    key = expand_label(hash_name, secret, b"finished", b"", size)
    mac = hmac.new(key, digest, hash_name).digest()
    assert isinstance(check_finished(Finished(mac), hash_name, secret, digest), FinishedProof)
    for bit in range(8 * size):
        bad = bytearray(mac)
        bad[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DecryptError, match="verify_data does not match"):
            check_finished(Finished(bytes(bad)), hash_name, secret, digest)
    for wrong in (mac[:-1], mac + b"\0", b""):
        with pytest.raises(DecodeError, match=f"expected {size} bytes .*, got {len(wrong)}"):
            check_finished(Finished(wrong), hash_name, secret, digest)
    with pytest.raises(DecryptError):
        check_finished(Finished(mac), hash_name, bytes(size), digest)
    with pytest.raises(DecryptError):
        check_finished(Finished(mac), hash_name, secret, bytes(size))


# --- check_certificate


def test_entries_are_counted() -> None:
    limits = Limits(certificate_entries=3)
    entry = CertificateEntry(b"x")
    check_certificate(Certificate(b"", (entry,) * 3), NOTHING, limits)
    with pytest.raises(TooMuch, match="expected at most 3 certificates, got 4"):
        check_certificate(Certificate(b"", (entry,) * 4), NOTHING, limits)


def test_extensions_must_have_been_asked_for() -> None:
    asked = Extensions((StatusRequestEmpty(),))
    stapled = CertificateEntry(b"x", Extensions((CertificateStatus(b"y"),)))
    stamped = CertificateEntry(b"x", Extensions((SignedCertificateTimestamps(b"\0\3\0\1x"),)))
    check_certificate(Certificate(b"", (stapled, stapled)), asked, Limits())
    with pytest.raises(UnsupportedExtension, match="entry 0 carries extension 5"):
        check_certificate(Certificate(b"", (stapled,)), NOTHING, Limits())
    with pytest.raises(UnsupportedExtension, match="entry 1 carries extension 18"):
        check_certificate(Certificate(b"", (stapled, stamped)), asked, Limits())
    check_certificate(
        Certificate(b"", (stamped,)), Extensions((SignedCertificateTimestampRequest(),)), Limits()
    )
    odd = CertificateEntry(b"x", Extensions((UnknownExtension(0x0A0A, b""),)))
    with pytest.raises(UnsupportedExtension, match="extension 2570"):
        check_certificate(Certificate(b"", (odd,)), asked, Limits())


# --- our own


def test_entries_carry_what_was_asked_for() -> None:
    between = the_ca().intermediate()
    credential = between.issue("alice").credential(
        ocsp_response=b"ocsp", signed_certificate_timestamps=b"\0\3\0\1x"
    )
    leaf, issuer = certificate_entries(credential, NOTHING)
    assert (leaf.cert_data, issuer.cert_data) == credential.chain
    assert len(leaf.extensions) == len(issuer.extensions) == 0
    leaf, issuer = certificate_entries(credential, Extensions((StatusRequestEmpty(),)))
    assert leaf.extensions == Extensions((CertificateStatus(b"ocsp"),))
    assert len(issuer.extensions) == 0
    both = Extensions((StatusRequestEmpty(), SignedCertificateTimestampRequest()))
    leaf, _ = certificate_entries(credential, both)
    assert [type(each) for each in leaf.extensions] == [
        CertificateStatus,
        SignedCertificateTimestamps,
    ]
    bare = issued("alice").credential()
    (leaf,) = certificate_entries(bare, both)
    assert len(leaf.extensions) == 0


REQUEST = CertificateRequest(b"context", NOTHING)


def test_a_certificate_is_added_and_then_signed_for() -> None:
    credential = issued("alice").credential()
    flight = Flight(Transcript("sha256", b"before"))
    wanted = Wanted(signature_algorithms=(0x0A0A, P256))
    flow = add_certificate(flight, link(), REQUEST, wanted, credential)
    asked = next(flow)
    assert isinstance(asked, Ask)
    subject = asked.subject
    assert isinstance(subject, Sign)
    assert subject.signer is credential.signer
    assert subject.scheme is P256
    certificate = Certificate(b"context", certificate_entries(credential, NOTHING))
    assert flight.messages == [certificate]
    assert subject.data == signed_content(Role.client, flight.digest())
    with pytest.raises(StopIteration) as stop:
        flow.send(b"signature")
    assert stop.value.value is credential
    assert flight.messages == [certificate, CertificateVerify(P256, b"signature")]
    whole = Transcript("sha256", b"before", *flight.parts)
    assert flight.digest() == whole.digest()


@pytest.mark.parametrize("scheme", [None, SignatureScheme.ed25519])
def test_without_one_that_fits_the_certificate_is_empty(scheme: SignatureScheme | None) -> None:
    credential = issued("alice").credential() if scheme else None
    flight = Flight(Transcript("sha256"))
    wanted = Wanted(signature_algorithms=(SignatureScheme.ed25519,))
    flow = add_certificate(flight, link(), REQUEST, wanted, credential)
    with pytest.raises(StopIteration) as stop:
        next(flow)
    assert stop.value.value is None
    assert flight.messages == [Certificate(b"context", ())]


@pytest.mark.parametrize("answer", [None, "signature", 7, bytearray(b"x")])
def test_a_signer_must_give_bytes(answer: object) -> None:
    flow = add_certificate(
        Flight(Transcript("sha256")),
        link(),
        REQUEST,
        Wanted(signature_algorithms=(P256,)),
        issued("alice").credential(),
    )
    next(flow)
    with pytest.raises(InternalError, match=f"returned {type(answer).__name__}, not bytes"):
        flow.send(answer)


def test_an_identity_needs_three_proofs() -> None:
    alice = issued("alice")
    signed = check_signature(
        message_of(alice), signature(alice.private_key), Role.client, (P256,), DIGEST
    )
    verified = VerifiedChain((*alice.chain, the_ca().der))
    identity = identify(signed, FinishedProof(), verified, 12.5, b"context")
    assert identity.chain == alice.chain
    assert identity.verified_chain == verified.certificates
    assert identity.proven_at == 12.5
    assert identity.certificate_request_context == b"context"
    assert replace(identity, chain=()).chain == ()
    for missing in (None, True, object()):
        for proofs in (
            (missing, FinishedProof(), verified),
            (signed, missing, verified),
            (signed, FinishedProof(), missing),
            (signed, verified, FinishedProof()),
        ):
            with pytest.raises(InternalError, match="no identity without its three proofs"):
                identify(proofs[0], proofs[1], proofs[2], 0)
