"""What is told of a peer."""

from __future__ import annotations

import hashlib
import json

from cryptography import x509

from postshake.constants import Role
from postshake.pki.identity import Identity
from postshake.pki.trust import PeerChain
from tests.certs import CA, DAY, NOW, name


def test_when_it_ends() -> None:
    """With the first certificate of the verified path; the peer may have sent others."""
    root = CA("Root", not_after=NOW + 3 * DAY)
    below = root.intermediate("Below", not_after=NOW + 2 * DAY)
    alice = below.issue("alice", not_after=NOW + 5 * DAY)
    assert Identity(alice.chain).valid_until == NOW + 5 * DAY
    assert Identity(alice.chain, (*alice.chain, root.der)).valid_until == NOW + 2 * DAY
    direct = root.issue("direct")
    assert Identity(alice.chain, (direct.der, root.der)).valid_until == NOW + 3 * DAY


def test_as_a_question() -> None:
    alice = CA("Root").issue("alice")
    identity = Identity(alice.chain, ocsp_response=b"stapled")
    question = identity.for_verifier(Role.client, None, 5.0)
    assert question == PeerChain(alice.chain, Role.client, None, b"stapled", 5.0)
    # whom it was is no matter of what was stapled
    assert identity == Identity(alice.chain)
    assert "ocsp" not in identity.to_json()


def test_identity() -> None:
    root = CA("Root")
    issued = root.issue(
        subject=name("alice", organization_name="Org"),
        dns=("a.example",),
        ip=("::1",),
        email=("alice@a.example",),
        names=[
            x509.UniformResourceIdentifier("spiffe://a.example/alice"),
            x509.DirectoryName(name("dir")),
            x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
            x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\x05\x00"),
        ],
        serial_number=255,
    )
    identity = Identity(issued.chain, (issued.der, root.der), NOW.timestamp(), b"\1\2")
    assert identity.certificate == issued.certificate
    assert identity.subject == "CN=alice,O=Org"
    assert identity.common_name == "alice"
    assert identity.issuer == "CN=Root"
    assert identity.serial_number == 255
    assert identity.fingerprint == hashlib.sha256(issued.der).hexdigest()
    assert identity.not_before < NOW < identity.not_after
    assert identity.verified
    assert identity.subject_alt_names == (
        ("DNS", "a.example"),
        ("IP Address", "::1"),
        ("email", "alice@a.example"),
        ("URI", "spiffe://a.example/alice"),
        ("DirName", "CN=dir"),
        ("Registered ID", "1.2.3"),
        ("othername", "1.2.3:0500"),
    )
    told = json.loads(json.dumps(identity.to_dict()))
    assert told["serial_number"] == "ff"
    assert told["proven_at"] == NOW.isoformat()
    assert told["certificate_request_context"] == "0102"
    assert [each["subject"] for each in told["chain"]] == ["CN=alice,O=Org", "CN=Root"]
    assert told["chain"][0]["fingerprint"] == identity.fingerprint
    assert (
        repr(identity)
        == f"Identity(subject='CN=alice,O=Org', fingerprint='{identity.fingerprint[:8]}…')"
    )


def test_nameless_and_unverified() -> None:
    identity = Identity(CA("Root").issue(subject=x509.Name([])).chain)
    assert (identity.subject, identity.common_name, identity.subject_alt_names) == ("", None, ())
    assert not identity.verified
    assert json.dumps(identity.to_dict())


def test_a_log_line_is_one_line() -> None:
    nasty = "a\r\nroot logged in\x1b[2J\u2028\u202eö"
    identity = Identity((*CA("Root").issue(subject=name(nasty)).chain, b"no certificate"))
    line = identity.to_json()
    assert line.isascii()
    assert line.isprintable()
    told = json.loads(line)
    assert told["common_name"] == nasty
    assert told["chain"][-1]["subject"] == ""
