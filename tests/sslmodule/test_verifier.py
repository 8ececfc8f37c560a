"""Whom a context believes, with revocation lists: held against the standard module."""

from __future__ import annotations

import ssl as standard
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from postshake.constants import Role
from postshake.errors import UnknownCA
from postshake.pki.revocation import Defect, UnusableList
from postshake.pki.revocation_search import RevocationLists
from postshake.pki.trust import PeerChain
from postshake.ssl.engine_settings import engine_settings
from postshake.ssl.verifier import ContextVerifier
from tests.certs import CA, DAY, NOW, Issued, key_usage
from tests.pki.test_revocation_list import KEY, POINT, UNKNOWN, points, scope
from tests.revoking import make_list
from tests.sslmodule import versions
from tests.sslmodule.ends import Memory, ours

LEAF = standard.VerifyFlags.VERIFY_CRL_CHECK_LEAF
CHAIN = standard.VerifyFlags.VERIFY_CRL_CHECK_CHAIN
STRICT = standard.VerifyFlags.VERIFY_X509_STRICT
PARTIAL = standard.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
ROOT = CA("Root of lists")
BELOW = ROOT.intermediate("Below")
SILENT = ROOT.intermediate("Silent", usage=key_usage("key_cert_sign"))
ELSEWHERE = x509.UniformResourceIdentifier("http://crl.example/2")


def server_of(ca: CA, **options: Any) -> Issued:
    return ca.issue("localhost", purpose="server", dns=("localhost",), **options)


DIRECT, DEEP, QUIET = server_of(ROOT), server_of(BELOW), server_of(SILENT)
PLACED = server_of(BELOW, extra=[points((POINT, None, None))])
BELOW_ISSUED = Issued(BELOW.certificate, BELOW.private_key)
ROOT_ISSUED = Issued(ROOT.certificate, ROOT.private_key)
PRINTABLE = x509.Name(
    [x509.NameAttribute(NameOID.COMMON_NAME, "BELOW", _type=_ASN1Type.PrintableString)]
)
OLD = {"since": NOW - 3 * DAY, "until": NOW - DAY}
TOMORROW = {"since": NOW + DAY, "until": NOW + 2 * DAY}
LISTS: dict[str, tuple[Issued, Iterable[x509.CertificateRevocationList]]] = {
    "none": (DIRECT, ()),
    "good": (DIRECT, [make_list(ROOT)]),
    "revoked": (DIRECT, [make_list(ROOT, DIRECT)]),
    "an intermediate, good": (DEEP, [make_list(ROOT), make_list(BELOW)]),
    "an intermediate, revoked": (DEEP, [make_list(ROOT, BELOW_ISSUED), make_list(BELOW)]),
    "an intermediate, of whom nothing is known": (DEEP, [make_list(BELOW)]),
    "a root that revokes itself": (DIRECT, [make_list(ROOT, ROOT_ISSUED)]),
    "another spelling": (DEEP, [make_list(ROOT), make_list(BELOW, DEEP, issuer=PRINTABLE)]),
    "expired": (DIRECT, [make_list(ROOT, **OLD)]),
    "expired, revoked": (DIRECT, [make_list(ROOT, DIRECT, **OLD)]),
    "of tomorrow": (DIRECT, [make_list(ROOT, **TOMORROW)]),
    "forged": (DIRECT, [make_list(ROOT, DIRECT, signed_by=BELOW.private_key)]),
    "by who may not": (QUIET, [make_list(ROOT), make_list(SILENT)]),
    "critical extension": (DIRECT, [make_list(ROOT, extra=[(UNKNOWN, True)])]),
    "critical extension of an entry": (
        DIRECT,
        [make_list(ROOT, DEEP, of_entries=[(UNKNOWN, True)])],
    ),
    "for authorities": (DIRECT, [make_list(ROOT, extra=[scope(only_contains_ca_certs=True)])]),
    "for others": (DIRECT, [make_list(ROOT, extra=[scope(only_contains_user_certs=True)])]),
    "its place": (
        PLACED,
        [make_list(ROOT), make_list(BELOW, PLACED, extra=[scope(full_name=[POINT])])],
    ),
    "another place": (
        PLACED,
        [make_list(ROOT), make_list(BELOW, extra=[scope(full_name=[ELSEWHERE])])],
    ),
    "a new one and an old one": (
        DIRECT,
        [make_list(ROOT, DIRECT, since=NOW - 2 * DAY), make_list(ROOT)],
    ),
}

ABOUT_ROOTS = {
    "a root that revokes itself": (23, "certificate revoked"),
    "for others": (44, "different CRL scope"),
}
"""What is said of the anchor where anchors are looked up, as OpenSSL did and we do."""


def loaded(
    module: Any, lists: Iterable[x509.CertificateRevocationList], folder: Path, flags: int
) -> Any:
    """A client's context of this module, which trusts the root and has these lists."""
    text = ROOT.pem() + b"".join(each.public_bytes(Encoding.PEM) for each in lists)
    (folder / "ca.pem").write_bytes(text)
    client = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
    client.verify_flags = standard.VerifyFlags(flags)
    client.load_verify_locations(folder / "ca.pem")
    return client


def verdict(client: Any, who: Issued, folder: Path) -> Any:
    """What it makes of a server with this certificate."""
    server = standard.SSLContext(standard.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*who.write(folder, "leaf"))
    pair = Memory(server, client)
    result, _ = pair.run(pair.client.do_handshake, pair.server.do_handshake)
    if isinstance(result, standard.SSLCertVerificationError):
        return result.verify_code, result.verify_message
    return result


@pytest.mark.parametrize("flags", [0, LEAF, CHAIN], ids=["none", "leaf", "chain"])
@pytest.mark.parametrize("case", LISTS)
def test_it_is_the_standard_module_s_verdict(case: str, flags: int, tmp_path: Path) -> None:
    who, lists = LISTS[case]
    expected = verdict(loaded(standard, lists, tmp_path, flags), who, tmp_path)
    assert expected is None or isinstance(expected, tuple), expected
    found = verdict(loaded(ours, lists, tmp_path, flags), who, tmp_path)
    if case in ABOUT_ROOTS and flags == CHAIN and not versions.LOOKS_UP_ROOTS:
        # docs/ssl.md: Lists about a root
        assert found == ABOUT_ROOTS[case]
        assert expected is None or versions.LOOKS_UP_ROOTS is None
    else:
        assert found == expected


# --- lists that OpenSSL takes only when it is told to


@pytest.mark.parametrize(
    ("lists", "code"),
    [
        ([make_list(ROOT, DIRECT, extra=[scope(indirect_crl=True)])], 23),
        ([make_list(ROOT, extra=[scope(indirect_crl=True)])], None),
        ([make_list(ROOT, extra=[scope(only_some_reasons=frozenset([KEY]))])], 3),
        ([make_list(ROOT, DIRECT, extra=[scope(only_some_reasons=frozenset([KEY]))])], 23),
        (
            [
                make_list(ROOT, number=1),
                make_list(
                    ROOT, DIRECT, number=2, extra=[(x509.DeltaCRLIndicator(1), True)], since=NOW
                ),
            ],
            23,
        ),
    ],
    ids=["indirect, revoked", "indirect", "some reasons", "some reasons, revoked", "delta"],
)
def test_all_that_was_loaded_is_evidence(
    lists: list[x509.CertificateRevocationList], code: int | None, tmp_path: Path
) -> None:
    for flags in (LEAF, CHAIN):
        found = verdict(loaded(ours, lists, tmp_path, flags), DIRECT, tmp_path)
        assert (found[0] if found else None) == code
        # who does not ask for it gets what the standard module gives: nothing
        assert verdict(loaded(ours, lists, tmp_path, 0), DIRECT, tmp_path) is None
        assert verdict(loaded(standard, lists, tmp_path, 0), DIRECT, tmp_path) is None


# --- who hears of them


def test_lists_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    told: list[UnusableList] = []
    client = ours.SSLContext(ours.PROTOCOL_TLS_CLIENT)
    assert client.unusable_list_callback is None
    client.unusable_list_callback = told.append
    client.verify_flags = LEAF
    (tmp_path / "ca.pem").write_bytes(
        ROOT.pem()
        + make_list(BELOW, extra=[(UNKNOWN, True)]).public_bytes(Encoding.PEM)
        + make_list(ROOT, **OLD).public_bytes(Encoding.PEM)
    )
    client.load_verify_locations(tmp_path / "ca.pem")
    assert [each.defect for each in told] == [Defect.CRITICAL_EXTENSION]
    for _ in range(2):
        assert verdict(client, DIRECT, tmp_path) == (12, "CRL has expired")
        client.check_hostname = not client.check_hostname  # which makes another verifier
    assert [each.defect for each in told] == [Defect.CRITICAL_EXTENSION, Defect.EXPIRED]


def test_or_are_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    loaded(ours, [make_list(BELOW, extra=[(UNKNOWN, True)])], tmp_path, 0)
    assert [record.name for record in caplog.records] == ["postshake.pki"]


def test_a_list_that_only_openssl_can_read(tmp_path: Path) -> None:
    """The standard class has taken it: it is told, and stops nobody."""
    odd = x509.load_der_x509_crl(make_list(ROOT).public_bytes(Encoding.DER))
    told: list[UnusableList] = []
    client = ours.SSLContext(ours.PROTOCOL_TLS_CLIENT)
    client.unusable_list_callback = told.append
    engine_settings(client).trust([], [b"\x30\x00", odd.public_bytes(Encoding.DER)])
    assert [(each.defect, each.content) for each in told] == [(Defect.UNREADABLE, None)]
    assert len(engine_settings(client).lists) == 1


def test_lists_that_come_later_count_for_connections_that_there_are() -> None:
    """As with OpenSSL, whose store of certificates and lists belongs to the context."""
    client = ours.SSLContext(ours.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=ROOT.pem().decode())
    client.verify_flags = LEAF
    lists = RevocationLists([make_list(ROOT)])
    verifier = ContextVerifier([ROOT.der], lists, int(LEAF))
    peer = PeerChain(DIRECT.chain, Role.server, "localhost", None, NOW.timestamp())
    verifier.verify(peer)
    lists.add([make_list(ROOT, DIRECT, since=NOW)])
    with pytest.raises(Exception, match="certificate revoked"):
        verifier.verify(peer)


# --- what ends where no path does


def test_rubbish_in_a_chain_is_no_excuse() -> None:
    """Why there is no path is told by what can be read of what the peer sent."""
    verifier = ContextVerifier([ROOT.der])
    stranger = CA("Stranger")
    alone = CA("alone", usage=key_usage("digital_signature"))
    crowd = [CA(f"No. {number}").der for number in range(16)]
    below = stranger.issue("leaf")
    for leaf, sent, code in ((alone, (), 18), (below, (stranger.der,), 19), (below, (), 20)):
        chain = (leaf.der, *sent, *crowd, b"rubbish", b"\x30\x03\2\1\1")
        peer = PeerChain(chain, Role.client, None, None, NOW.timestamp())
        with pytest.raises(UnknownCA) as caught:
            verifier.verify(peer)
        assert getattr(caught.value, "verify_code", None) == code
