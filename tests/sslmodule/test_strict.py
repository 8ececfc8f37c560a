"""VERIFY_X509_STRICT, held against the standard module: the same numbers and words."""

from __future__ import annotations

import ssl as standard
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.certs import CA, key_usage, name
from tests.sslmodule.ends import Memory, ours

STRICT = standard.VerifyFlags.VERIFY_X509_STRICT
UNHANDLED = (34, "unhandled critical extension")
SIGN = key_usage("digital_signature")
BOTH = key_usage("digital_signature", "key_cert_sign")
CERTIFY = key_usage("key_cert_sign", "crl_sign")
LEAF: dict[str, Any] = {"purpose": "server", "dns": ("localhost",)}

# what is odd about the root, about what it certifies, and about the leaf; `identified` says
# which of the leaf's identifiers are critical, or else not there (the issuer's: without a key)
ODD: dict[str, tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any]]] = {
    "nothing": ({}, None, {}),
    "nothing, with an intermediate": ({}, {}, {}),
    "no identifiers in the leaf": ({}, None, {"key_identifiers": False}),
    "no identifiers in the root": ({"key_identifiers": False}, None, {}),
    "no identifiers in the intermediate": ({}, {"key_identifiers": False}, {}),
    "identifier of the issuer without its key": ({}, None, {"identified": (None, None)}),
    "critical identifier of the issuer": ({}, None, {"identified": (None, True)}),
    "critical identifier of the subject": ({}, None, {"identified": (True, False)}),
    "a root without keyUsage": ({"usage": None}, None, {}),
    "an intermediate without keyUsage": ({}, {"usage": None}, {}),
    "a leaf that may certify": (
        {},
        None,
        {"usage": key_usage("digital_signature", "key_cert_sign")},
    ),
    "a leaf that may certify and does not say what it is": (
        {},
        None,
        {"usage": BOTH, "ca": None},
    ),
    "a leaf that does not say what it is": ({}, None, {"ca": None}),
    "a leaf that is an authority": ({}, None, {"ca": True, "usage": CERTIFY}),
    "a root whose constraints are not critical": (
        {"ca": None, "extra": [(x509.BasicConstraints(True, None), False)]},
        None,
        {},
    ),
    "a path length and no right to certify": (
        {},
        None,
        {"ca": True, "path_length": 0, "usage": SIGN},
    ),
    "a leaf without a name": ({}, None, {"subject": x509.Name([])}),
    "a leaf without a name, and critical names": (
        {},
        None,
        {
            "subject": x509.Name([]),
            "san": False,
            "extra": [(x509.SubjectAlternativeName([x509.DNSName("localhost")]), True)],
        },
    ),
    "a root without a name": ({"subject": x509.Name([])}, None, {}),
    "an intermediate without a name": ({}, {"subject": x509.Name([])}, {}),
    "no names of hosts": ({}, None, {"san": False, "subject": name("localhost")}),
}


def identifiers(issuer: CA, subject: bool | None, authority: bool | None) -> dict[str, Any]:
    """What makes a leaf have these identifiers."""
    key = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.certificate.public_key())
    if authority is None:
        names = [x509.DirectoryName(issuer.certificate.subject)]
        key = x509.AuthorityKeyIdentifier(None, names, issuer.certificate.serial_number)
    extra: list[Any] = [(key, bool(authority))]
    if subject is not None:
        extra.append((x509.SubjectKeyIdentifier(b"k" * 20), subject))
    return {"key_identifiers": False, "extra": extra}


@pytest.fixture
def chain(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str, str]:
    """The root, the certificate and its key, as files."""
    root_options, between, leaf_options = ODD[request.param]
    root = CA("Odd CA", **root_options)
    issuer = root if between is None else root.intermediate("Below", **between)
    leaf_options = dict(leaf_options)
    if "identified" in leaf_options:
        leaf_options |= identifiers(issuer, *leaf_options.pop("identified"))
    leaf = issuer.issue("localhost", **(LEAF | leaf_options))
    (tmp_path / "ca.crt").write_bytes(root.pem())
    return str(tmp_path / "ca.crt"), *leaf.write(tmp_path, "leaf")


def verdict(module: Any, chain: tuple[str, str, str], *, strict: bool) -> Any:
    """What a client of this module makes of a server with these files."""
    root, certificate, key = chain
    server = standard.SSLContext(standard.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    client = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(root)
    if strict:
        client.verify_flags |= STRICT
    else:
        client.verify_flags &= ~STRICT
    pair = Memory(server, client)
    result, _ = pair.run(pair.client.do_handshake, pair.server.do_handshake)
    if isinstance(result, standard.SSLCertVerificationError):
        return result.verify_code, result.verify_message
    return result


@pytest.mark.parametrize("strict", [False, True], ids=["lax", "strict"])
@pytest.mark.parametrize("chain", ODD, indirect=True)
def test_it_is_the_standard_module_s_verdict(chain: tuple[str, str, str], strict: bool):
    expected = verdict(standard, chain, strict=strict)
    assert expected is None or isinstance(expected, tuple)
    if expected == UNHANDLED and not strict:
        expected = None  # docs/ssl.md: Identifiers of keys
    assert verdict(ours, chain, strict=strict) == expected
