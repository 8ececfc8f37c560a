"""The drop-in's verifier by itself, and where it is stricter than OpenSSL."""

from __future__ import annotations

import ssl as standard
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from postshake.constants import Role
from postshake.errors import BadCertificate, CertificateUnknown, NameMismatch, UnknownCA
from postshake.pki.parsed_certificate import Facts
from postshake.pki.trust import PeerChain
from postshake.ssl.strict import check_strictly
from postshake.ssl.verifier import ContextVerifier
from tests import forging as f
from tests.certs import CA, NOW, Issued, key_usage, new_key, peer
from tests.sslmodule.ends import Memory, ours

ROOT = CA("Root")
MIDDLE = ROOT.intermediate("Middle")
LEAF = MIDDLE.issue("a.example", purpose="server")
STRICT = int(standard.VerifyFlags.VERIFY_X509_STRICT)
PARTIAL = int(standard.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN)


def server(issued: Issued | tuple[bytes, ...], host: str | None = "a.example") -> PeerChain:
    """Ask about a server's certificate."""
    return peer(issued, Role.server, host)


def verdict(module: Any, folder: Path, root: bytes, chain: bytes, key: Any, host: str) -> Any:
    """What a client of a module's makes of the standard module's server; None if it is fine."""
    leaf = x509.load_der_x509_certificate(chain)
    files = Issued(leaf, key).write(folder, "leaf")
    context = standard.SSLContext(standard.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    client = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=root)
    pair = Memory(context, client, host)
    return pair.run(pair.client.do_handshake, pair.server.do_handshake)[0]


@pytest.mark.parametrize(
    ("common_name", "host"), [("*.b.example", "a.b.example"), ("localhost",) * 2]
)
def test_a_name_that_openssl_takes_for_none_before_it_counts(
    common_name: str, host: str, tmp_path: Path
) -> None:
    # docs/ssl.md: A common name outside of constraints
    ca, key = f.CA("Bound"), new_key()
    root = ca.own(f.constraints([f.dns("good.example")]))
    leaf = ca.issue(common_name, f.spki(key))
    assert verdict(standard, tmp_path, root, leaf, key, host) is None
    refused = verdict(ours, tmp_path, root, leaf, key, host)
    assert isinstance(refused, standard.SSLCertVerificationError)
    free = f.CA("Free", ca.key)
    leaf = free.issue(common_name, f.spki(key))
    assert verdict(ours, tmp_path, free.own(), leaf, key, host) is None


def test_a_certificate_that_nobody_should_have_to_read(tmp_path: Path) -> None:
    # docs/ssl.md: Certificates with very much in them
    ca, key = f.CA("Free"), new_key()
    for count, same in ((4095, True), (4096, False)):
        names = f.names(f.dns("a.example"), *(f.dns(f"{index:x}") for index in range(count)))
        leaf = ca.issue("leaf", f.spki(key), names)
        assert verdict(standard, tmp_path, ca.own(), leaf, key, "a.example") is None
        assert (verdict(ours, tmp_path, ca.own(), leaf, key, "a.example") is None) is same


def test_what_is_loaded_ends_a_path_or_helps_to_find_one() -> None:
    alone = (LEAF.der,)
    for flags, certificates, believed in (
        (0, [ROOT.der], False),
        (0, [ROOT.der, MIDDLE.der], True),
        (0, [MIDDLE.der], False),
        (PARTIAL, [MIDDLE.der], True),
    ):
        verifier = ContextVerifier(certificates, flags=flags)
        if believed:
            assert verifier.verify(server(alone)).certificates[0] == LEAF.der
        else:
            with pytest.raises(UnknownCA):
                verifier.verify(server(alone))


def test_many_authorities_of_our_own_and_one_that_cannot_be_read() -> None:
    """They do not count as the peer's, of which only so many are looked at."""
    others = [ROOT.intermediate(f"Other {index}").der for index in range(40)]
    verifier = ContextVerifier([ROOT.der, b"rubbish", *others, MIDDLE.der])
    assert verifier.verify(server((LEAF.der,)))


def test_other_certificates_from_now_on() -> None:
    verifier = ContextVerifier([ROOT.der])
    assert verifier.verify(server(LEAF))
    other = CA("Other")
    verifier.replace([other.der])
    assert verifier.trust.find(other.der) is not None
    with pytest.raises(UnknownCA):
        verifier.verify(server(LEAF))


def test_a_stranger_is_told_which_kind_of_stranger() -> None:
    stranger = CA("Stranger")
    leaf = stranger.issue("a.example", purpose="server")
    alone = CA("Alone", usage=key_usage("digital_signature"))
    verifier = ContextVerifier([ROOT.der])
    for chain, code in (
        ((leaf.der,), 20),
        ((leaf.der, stranger.der), 19),
        ((alone.der,), 18),
        ((alone.der, stranger.der), 18),
    ):
        with pytest.raises(UnknownCA) as raised:
            verifier.verify(server(chain, None))
        assert getattr(raised.value, "verify_code", None) == code
    for rubbish in (b"", b"\x30", b"rubbish", b"\x30\x03\x02\x01\x01"):
        with pytest.raises(BadCertificate, match="certificate 1 of the chain cannot be read"):
            verifier.verify(server((leaf.der, rubbish, stranger.der), None))


@pytest.mark.parametrize(
    ("subject", "names", "host", "found"),
    [
        ([f.rdn("A.Example.")], [], "a.example", True),
        ([f.rdn("a.example")], [f.dns("b.example")], "a.example", False),
        ([f.rdn("a.example")], [f.tlv(0x81, b"a@a.example")], "a.example", True),
        ([f.rdn("a.example"), f.rdn("b.example")], [], "b.example", True),
        ([f.rdn("*.b.example")], [], "a.b.example", True),
        ([f.rdn("*.example")], [], "a.example", False),
        ([f.rdn("10.0.0.1")], [], "10.0.0.1", False),
        ([f.rdn(b"\xff.example")], [], "a.example", False),
        ([f.rdn("a.example\0.b.example")], [], "a.example", False),
        ([], [], "a.example", False),
    ],
)
def test_common_names(subject: list[bytes], names: list[bytes], host: str, found: bool) -> None:
    ca, key = f.CA("Common"), new_key()
    extensions = [f.names(*names)] if names else []
    leaf = ca.issue(f.seq(*subject), f.spki(key), *extensions)
    asked = PeerChain((leaf,), Role.server, host, None, NOW.timestamp())
    verifier = ContextVerifier([ca.own()])
    if found:
        assert verifier.verify(asked)
    else:
        with pytest.raises((NameMismatch, BadCertificate)):
            verifier.verify(asked)
    with pytest.raises((NameMismatch, BadCertificate)):
        ContextVerifier([ca.own()], common_names=False).verify(asked)


def test_what_was_in_order_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def looking(path: list[Facts]) -> None:
        looks.append(len(path))
        check_strictly(path)

    monkeypatch.setattr("postshake.ssl.verifier.check_strictly", looking)
    verifier = ContextVerifier([ROOT.der], flags=STRICT)
    for _ in range(3):
        verifier.verify(server(LEAF))
    assert looks == [3]
    odd = MIDDLE.issue(
        "a.example", purpose="server", usage=key_usage("digital_signature", "key_cert_sign")
    )
    for _ in range(2):
        with pytest.raises(CertificateUnknown, match="keyCertSign invalid"):
            verifier.verify(server(odd))
    assert looks == [3, 3, 3]
    verifier.replace([ROOT.der])
    verifier.verify(server(LEAF))
    assert looks == [3, 3, 3, 3]
