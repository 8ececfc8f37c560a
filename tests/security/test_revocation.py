"""Revoked by any valid evidence is revoked.

Lists that were loaded and responses that were stapled are all heard, and none of them hides what
another one says. What is known of none is for the policy to decide. A list that was loaded and
cannot be used is reported to whoever runs it, once, and never passed over in silence.
"""

from __future__ import annotations

import logging
import ssl as standard
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

import postshake.ssl as ours
from postshake import AuthRequest, ChainVerifier, ProtocolVersion, TrustStore
from postshake.config import ClientAuth
from postshake.constants import AlertDescription
from postshake.errors import AlertReceived, CertificateRevoked, CertificateUnknown
from postshake.events import Outcome
from postshake.exported import ExportedAuthenticators
from postshake.pki.revocation import Require, Revocation
from postshake.session import CertificateCredentials
from tests.certs import CA, DAY, NOW, Issued, new_key, peer
from tests.pair import ConnectionPair, client_config, issued, server_config, the_ca
from tests.resuming import Today, resuming
from tests.revoking import make_list, make_response
from tests.sslmodule.ends import Memory, authority, ca_file, client_context, server_context

ALICE = issued("alice")
GOOD = make_response(the_ca(), ALICE, since=NOW - 3 * DAY, until=NOW + 3 * DAY)
REVOKING = make_list(the_ca(), ALICE)
EVERY = pytest.mark.parametrize("require", Require)
BOTH = pytest.mark.parametrize(
    "version", [ProtocolVersion.TLS13, ProtocolVersion.TLS12], ids=lambda each: each.name
)


def knowing(
    *lists: x509.CertificateRevocationList, ca: CA | None = None, **options: Any
) -> ChainVerifier:
    """A verifier that trusts an authority and has these lists."""
    return (ca or the_ca()).verifier(revocation=Revocation(lists, **options))


def visiting(verifier: ChainVerifier, **server: Any) -> ConnectionPair:
    """A connection of Alice's, who staples that she is good, with a server that asks for it."""
    stapling = ALICE.credential(ocsp_response=GOOD)
    versions = server.pop("versions", (ProtocolVersion.TLS13,))
    return ConnectionPair(
        client_config(credentials=(stapling,), versions=versions),
        server_config(verifier=verifier, request_ocsp=True, versions=versions, **server),
    )


# --- a good word hides no bad one


@EVERY
def test_in_the_handshake(require: Require) -> None:
    """An old response, still current, that she has kept for this day."""
    pair = visiting(knowing(REVOKING, require=require), client_auth=ClientAuth.REQUIRE)
    with pytest.raises((CertificateRevoked, AlertReceived)):
        pair.handshake()
    assert type(pair.server.error) is CertificateRevoked
    assert pair.server.connection.peer_identity is None
    assert isinstance(pair.client.error, AlertReceived)
    assert pair.client.error.received == AlertDescription.certificate_revoked


@EVERY
def test_in_a_request_after_it(require: Require) -> None:
    pair = visiting(knowing(REVOKING, require=require)).handshake()
    completed = pair.reauth(request_ocsp=True)
    assert completed.outcome is Outcome.REFUSED
    assert type(completed.error) is CertificateRevoked
    assert pair.server.connection.peer_identity is None


@EVERY
def test_in_an_exported_authenticator(require: Require) -> None:
    pair = visiting(knowing(REVOKING, require=require)).handshake()
    client, server = (ExportedAuthenticators(end.connection) for end in (pair.client, pair.server))
    request = server.request(AuthRequest(request_ocsp=True))
    with pytest.raises(CertificateRevoked):
        server.validate(request.context, client.authenticate(request.data))


def test_without_the_list_her_word_is_enough() -> None:
    pair = visiting(knowing(require=Require.LEAF)).handshake()
    assert pair.reauth(request_ocsp=True).outcome is Outcome.AUTHENTICATED
    assert pair.reauth(request_ocsp=False).outcome is Outcome.REFUSED


def test_a_session_does_not_outlive_it() -> None:
    revocation = Revocation()
    verifier = the_ca().verifier(revocation=revocation)
    today = Today("alice", server={"verifier": verifier, "client_auth": ClientAuth.REQUIRE})
    pair, ticket = today.session()
    assert pair.server.connection.peer_identity is not None
    revocation.replace([REVOKING])
    again = resuming(ticket, client=today.client, server=today.server)
    with pytest.raises((CertificateRevoked, AlertReceived)):
        again.handshake()
    assert type(again.server.error) is CertificateRevoked


# --- whoever's key and however spelled


def spelled(text: str) -> x509.Name:
    """Another string type, another case, other blanks: the same name (RFC 5280 section 7.1)."""
    kind = _ASN1Type.PrintableString
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text, _type=kind)])


def rolled_over() -> tuple[ChainVerifier, Issued]:
    """An authority that signs its lists with a new key, while old certificates are in use."""
    root = CA("Root")
    old, new = root.intermediate("Staff"), root.intermediate("Staff")
    eve = old.issue("eve")
    revoking = make_list(old, eve, signed_by=new.private_key)
    return knowing(revoking, ca=root, issuers=[new.certificate]), eve


def relatively_placed() -> tuple[ChainVerifier, Issued]:
    """A list for a part of the certificates, which is named relatively to its issuer."""
    part = x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, "part 1")])
    point = x509.CRLDistributionPoints([x509.DistributionPoint(None, part, None, None)])
    scope = x509.IssuingDistributionPoint(None, part, False, False, None, False, False)
    root = CA("Root")
    eve = root.issue("eve", extra=[(point, False)])
    return knowing(make_list(root, eve, extra=[(scope, True)]), ca=root), eve


def otherwise_spelled() -> tuple[ChainVerifier, Issued]:
    root = CA("Root of all")
    eve = root.issue("eve")
    return knowing(make_list(root, eve, issuer=spelled("ROOT  of all")), ca=root), eve


def pinned() -> tuple[ChainVerifier, Issued]:
    """A certificate that is trusted itself, and so is who issued it."""
    root = CA("Root")
    eve = root.issue("eve")
    revocation = Revocation([make_list(root, eve)])
    return ChainVerifier(TrustStore([eve.der, root.der]), revocation=revocation), eve


def for_one_reason() -> tuple[ChainVerifier, Issued]:
    """A list for compromised keys alone, and hers was."""
    reason = x509.ReasonFlags.key_compromise
    scope = x509.IssuingDistributionPoint(
        None, None, False, False, frozenset([reason]), False, False
    )
    root = CA("Root")
    eve = root.issue("eve")
    return knowing(make_list(root, eve, reason=reason, extra=[(scope, True)]), ca=root), eve


def by_what_has_changed() -> tuple[ChainVerifier, Issued]:
    """A delta, with the list that it goes on from."""
    root = CA("Root")
    eve = root.issue("eve")
    delta = make_list(root, eve, number=2, extra=[(x509.DeltaCRLIndicator(1), True)])
    return knowing(make_list(root, number=1), delta, ca=root), eve


@pytest.mark.parametrize(
    "case",
    [
        rolled_over,
        relatively_placed,
        otherwise_spelled,
        pinned,
        for_one_reason,
        by_what_has_changed,
    ],
    ids=lambda case: case.__name__,
)
def test_a_list_is_found(case: Callable[[], tuple[ChainVerifier, Issued]]) -> None:
    verifier, eve = case()
    pair = ConnectionPair(
        client_config(credentials=(eve.credential(),)), server_config(verifier=verifier)
    ).handshake()
    completed = pair.reauth()
    assert completed.outcome is Outcome.REFUSED
    assert type(completed.error) is CertificateRevoked


@BOTH
def test_a_namesake_s_list_is_no_evidence(version: ProtocolVersion) -> None:
    """Nor is one that nobody signed who may speak here: else anybody could shut anybody out."""
    for stranger in (CA("Test CA"), CA("Root").intermediate("Test CA")):
        verifier = knowing(make_list(stranger, ALICE), on_unusable=lambda unusable: None)
        pair = visiting(verifier, client_auth=ClientAuth.REQUIRE, versions=(version,)).handshake()
        assert pair.server.connection.peer_identity is not None


# --- what is not known


def test_what_is_unknown_is_decided_by_policy() -> None:
    expired = make_list(the_ca(), since=NOW - 2 * DAY, until=NOW - DAY)
    for lists in ((), (expired,), (make_list(the_ca(), signed_by=new_key()),)):
        silent = {"on_unusable": lambda unusable: None}
        knowing(*lists, **silent).verify(peer(ALICE))
        for require in (Require.LEAF, Require.CHAIN):
            with pytest.raises(CertificateUnknown):
                knowing(*lists, require=require, **silent).verify(peer(ALICE))


# --- what cannot be used

UNKNOWN = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0"), True)
USELESS: dict[str, dict[str, Any]] = {
    "has a critical extension": {"extra": [UNKNOWN]},
    "no authority of its issuer's name": {"signed_by": new_key()},
    "it has expired": {"since": NOW - 2 * DAY, "until": NOW - DAY},
    "a delta": {"number": 2, "extra": [(x509.DeltaCRLIndicator(1), True)]},
}
LOUD = pytest.mark.parametrize("why", USELESS)


@LOUD
def test_it_is_reported_once(why: str) -> None:
    told: list[object] = []
    verifier = knowing(make_list(the_ca(), **USELESS[why]), on_unusable=told.append)
    for who in (ALICE, issued("bob"), ALICE):
        verifier.verify(peer(who))
    assert len(told) == 1
    assert why in str(told[0])


@LOUD
def test_it_is_in_the_log_of_who_does_not_listen(
    why: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "postshake.pki"):
        verifier = knowing(make_list(the_ca(), **USELESS[why]))
        verifier.verify(peer(ALICE))
        verifier.verify(peer(ALICE))
    (record,) = caplog.records
    assert record.name == "postshake.pki"
    assert why in record.getMessage()


@LOUD
def test_session_reports_it(why: str) -> None:
    told: list[object] = []
    credentials = CertificateCredentials()
    credentials.set_unusable_list_function(told.append)
    credentials.set_x509_trust([the_ca().certificate])
    text = make_list(the_ca(), **USELESS[why]).public_bytes(Encoding.PEM)
    assert credentials.set_x509_crl_mem(text) == 1
    for _ in range(2):
        credentials.verifier.verify(peer(ALICE))
        credentials.set_x509_crl([make_list(CA("Other"))])  # what is told is told
    assert len(told) == 1
    assert why in str(told[0])


@LOUD
def test_the_drop_in_reports_it(why: str, tmp_path: Path) -> None:
    told: list[object] = []
    context = server_context(ours)
    context.unusable_list_callback = told.append
    context.verify_mode = standard.CERT_REQUIRED
    context.verify_flags |= standard.VerifyFlags.VERIFY_CRL_CHECK_LEAF
    path = tmp_path / "list.pem"
    path.write_bytes(make_list(authority(), **USELESS[why]).public_bytes(Encoding.PEM))
    context.load_verify_locations(path)
    for _ in range(2):  # which the standard module's flag refuses: nothing is known
        pair = Memory(context, client_context(ours))
        _, error = pair.run(pair.client.do_handshake, pair.server.do_handshake)
        assert isinstance(error, standard.SSLCertVerificationError)
    assert len(told) == 1
    assert why in str(told[0])


def test_one_that_nobody_asked_about_stops_nobody(tmp_path: Path) -> None:
    """A trust file with a list that cannot be used, in a context that looks at none."""
    for extension in (
        x509.DeltaCRLIndicator(1),
        x509.IssuingDistributionPoint(None, None, False, False, None, True, False),
    ):
        path = tmp_path / "ca.pem"
        useless = make_list(authority(), extra=[(extension, True)])
        path.write_bytes(Path(ca_file()).read_bytes() + useless.public_bytes(Encoding.PEM))
        context = ours.create_default_context(cafile=str(path))
        context.unusable_list_callback = lambda unusable: None
        Memory(server_context(ours), context).handshake()
