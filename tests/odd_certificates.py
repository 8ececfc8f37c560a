"""Certificates with something odd that authorities have signed, or that attackers may.

`ODDITIES` names each; ``write`` makes of it a path, leaf first and its trust anchor last, of a
client's certificate. What OpenSSL and GnuTLS do with them is asked of themselves, in
``interop/test_odd_certificates.py``; where we do something else, and why, stands here. The two
are not of one mind about a third of them, and then we are of OpenSSL's as a rule.
"""

from __future__ import annotations

import functools
from typing import Any

from postshake.pki.der import tlv
from tests import forging as f
from tests.certs import new_key

__all__ = [
    "LATELY_LIKE_GNUTLS",
    "NOT_LIKE_GNUTLS",
    "NOT_LIKE_OPENSSL",
    "ODDITIES",
    "keys",
    "write",
]

CLIENTS = f.extension("2.5.29.37", f.seq(f.oid("1.3.6.1.5.5.7.3.2")))
BASIC_LEAF = f.extension("2.5.29.19", f.seq(), critical=True)
SIGNS = f.extension("2.5.29.15", f.tlv(0x03, b"\x01\x06"), critical=True)  # certificates, lists
TRUE, FALSE = f.TRUE, f.tlv(0x01, b"\x00")
ONE = f.tlv(0x01, b"\x01")
NULL = f.tlv(0x05)
ECDSA = f.oid("1.2.840.10045.4.3.2")
RUBBISH = b"\xff\xff\xff"
GENERIC = "1.3.6.1.4.1.99999.1"


def _uri(text: str | bytes) -> bytes:
    return f.tlv(0x86, text.encode("latin-1") if isinstance(text, str) else text)


def _email(text: str | bytes) -> bytes:
    return f.tlv(0x81, text.encode() if isinstance(text, str) else text)


def _points(*names: bytes, critical: bool = False) -> bytes:
    value = f.seq(f.seq(f.tlv(0xA0, f.tlv(0xA0, *names))))
    return f.extension("2.5.29.31", value, critical=critical)


def _policy(*qualifiers: bytes, critical: bool = False) -> bytes:
    held = f.seq(*qualifiers) if qualifiers else b""
    value = f.seq(f.seq(f.oid(GENERIC), held))
    return f.extension("2.5.29.32", value, critical=critical)


def _notice(tag: int, text: bytes) -> bytes:
    return f.seq(f.oid("1.3.6.1.5.5.7.2.2"), f.seq(f.tlv(tag, text)))


def _subject(tag: int, text: bytes) -> dict[str, Any]:
    return {"subject": f.seq(f.rdn(text, tag=tag))}


def _leaf(*more: bytes, basic: bytes = BASIC_LEAF, **changed: Any) -> dict[str, Any]:
    return {"leaf": [basic, CLIENTS, *more], **changed}


def _authority(*extensions: bytes, **changed: Any) -> dict[str, Any]:
    return {"authority": [*extensions], **changed}


def _time(tag: int, first: str, last: str) -> bytes:
    return f.seq(f.tlv(tag, first.encode()), f.tlv(tag, last.encode()))


def without_null(key: Any) -> bytes:
    """The subjectPublicKeyInfo of an RSA key, without parameters of its algorithm."""
    whole = f.spki(key)
    (_, at, end) = tlv(whole, 0)
    _, _, algorithm = tlv(whole, at)
    return f.seq(f.seq(f.oid("1.2.840.113549.1.1.1")), whole[algorithm:end])


ODDITIES: dict[str, dict[str, Any]] = {
    "nothing": _leaf(),
    # DER
    "cA FALSE, written out": _leaf(basic=f.extension("2.5.29.19", f.seq(FALSE), critical=True)),
    "critical FALSE, written out": _leaf(f.extension(GENERIC, b"\x05\x00", critical=FALSE)),
    "critical TRUE as 01": _leaf(basic=f.extension("2.5.29.19", f.seq(), critical=ONE)),
    "unknown and critical, TRUE as 01": _leaf(f.extension(GENERIC, NULL, critical=ONE)),
    "cA TRUE as 01, in an authority": _authority(
        f.extension("2.5.29.19", f.seq(ONE), critical=True), SIGNS
    ),
    "cA FALSE, written out, in an authority": _authority(
        f.extension("2.5.29.19", f.seq(FALSE), critical=True), SIGNS
    ),
    "ECDSA with NULL": _leaf(algorithm=f.seq(ECDSA, NULL)),
    "version 1, written out": _leaf(version=f.tlv(0xA0, f.integer(0))),
    "version 2": _leaf(version=f.tlv(0xA0, f.integer(1))),
    "version 2 with unique identifiers": _leaf(
        version=f.tlv(0xA0, f.integer(1)), unique_ids=f.tlv(0x81, b"\0\1") + f.tlv(0x82, b"\0\2")
    ),
    "version 4": _leaf(version=f.tlv(0xA0, f.integer(3))),
    "version 1 with extensions": _leaf(version=b""),
    "a serial number of 0": _leaf(serial=f.integer(0)),
    "a negative serial number": _leaf(serial=f.integer(-5)),
    "a serial number of 25 octets": _leaf(serial=f.tlv(0x02, b"\x11" * 25)),
    "a serial number with a needless 0": _leaf(serial=f.tlv(0x02, b"\0\x11")),
    "version 5": _leaf(version=f.tlv(0xA0, f.integer(4))),
    "no extension in the block": {"leaf": [], "unique_ids": f.tlv(0xA3, f.seq())},
    "basicConstraints with octets behind": _leaf(
        basic=f.extension("2.5.29.19", f.seq() + b"\0", critical=True)
    ),
    "a length that is longer than it need be": _leaf(
        basic=f.extension("2.5.29.19", b"\x30\x81\x00", critical=True)
    ),
    "two signature algorithms": _leaf(inner=f.seq(f.oid("1.2.840.10045.4.3.3"))),
    "an RSA key without NULL, in an authority": _authority(
        f.BASIC_CA, SIGNS, key_type="rsa2048", key_info=without_null
    ),
    "RSA without NULL": _authority(
        f.BASIC_CA, SIGNS, key_type="rsa2048", algorithm=f.seq(f.oid("1.2.840.113549.1.1.11"))
    ),
    "an empty serial number": _leaf(serial=f.tlv(0x02)),
    "GeneralizedTime before 2050": _leaf(
        validity=_time(0x18, "20200101000000Z", "20400101000000Z")
    ),
    "the end of time": _leaf(validity=_time(0x18, "20200101000000Z", "99991231235959Z")),
    "UTCTime without seconds": _leaf(validity=_time(0x17, "2001010000Z", "4001010000Z")),
    "UTCTime with an offset": _leaf(validity=_time(0x17, "200101000000+0100", "400101000000+0100")),
    # names
    "TeletexString of Latin-1": _leaf(**_subject(0x14, b"J\xfcrgen")),
    "PrintableString with _ and @": _leaf(**_subject(0x13, b"john_doe@example.com")),
    "PrintableString of UTF-8": _leaf(**_subject(0x13, "Jürgen".encode())),
    "IA5String of Latin-1": _leaf(**_subject(0x16, b"J\xfcrgen")),
    "UTF8String that is broken": _leaf(**_subject(0x0C, b"J\xfcrgen")),
    "UniversalString": _leaf(**_subject(0x1C, "Łódź".encode("utf-32-be"))),
    "BMPString": _leaf(**_subject(0x1E, "Łódź".encode("utf-16-be"))),
    "BMPString of an odd length": _leaf(**_subject(0x1E, b"\0a\0")),
    "an empty RDN": _leaf(subject=f.seq(f.tlv(0x31), f.rdn("alice"))),
    "an RDN whose attributes are not sorted": _leaf(
        subject=f.seq(
            f.tlv(
                0x31,
                f.seq(f.oid("2.5.4.3"), f.tlv(0x0C, b"alice")),
                f.seq(f.oid("2.5.4.5"), f.tlv(0x13, b"12")),
            )
        )
    ),
    "a SEQUENCE in a name": _leaf(subject=f.seq(f.rdn("alice"), f.rdn(NULL, GENERIC, 0x30))),
    "TeletexString, in an authority": _authority(
        f.BASIC_CA, SIGNS, authority_name=f.seq(f.rdn(b"Soci\xe9t\xe9", tag=0x14))
    ),
    "PrintableString with _, in an authority": _authority(
        f.BASIC_CA, SIGNS, authority_name=f.seq(f.rdn(b"my_ca", tag=0x13))
    ),
    "the issuer's name in another type of string": _authority(
        f.BASIC_CA,
        SIGNS,
        authority_name=f.name("Forger II"),
        issuer=f.seq(f.rdn("Forger II", tag=0x13)),
    ),
    # extensions that help nobody to find out
    "policy text of Latin-1": _leaf(_policy(_notice(0x1A, b"espa\xf1ol"))),
    "policy text in a BMPString": _leaf(_policy(_notice(0x1E, "ä".encode("utf-16-be")))),
    "policy text of 400 letters": _leaf(_policy(_notice(0x0C, b"x" * 400))),
    "a critical policy": _leaf(_policy(critical=True)),
    "policies that cannot be read": _leaf(f.extension("2.5.29.32", RUBBISH)),
    "a URI of Latin-1 in authorityInfoAccess": _leaf(
        f.extension(
            "1.3.6.1.5.5.7.1.1", f.seq(f.seq(f.oid("1.3.6.1.5.5.7.48.1"), _uri("http://\xe4/")))
        )
    ),
    "authorityInfoAccess that cannot be read": _leaf(f.extension("1.3.6.1.5.5.7.1.1", RUBBISH)),
    "authorityInfoAccess, critical": _leaf(
        f.extension(
            "1.3.6.1.5.5.7.1.1",
            f.seq(f.seq(f.oid("1.3.6.1.5.5.7.48.1"), _uri("http://a/"))),
            critical=True,
        )
    ),
    "a URI of Latin-1 in cRLDistributionPoints": _leaf(_points(_uri("http://\xe4/"))),
    "no cRLDistributionPoints in the extension": _leaf(f.extension("2.5.29.31", f.seq())),
    "cRLDistributionPoints, critical": _leaf(_points(_uri("http://crl/"), critical=True)),
    "cRLDistributionPoints that cannot be read": _leaf(f.extension("2.5.29.31", RUBBISH)),
    "cRLDistributionPoints that cannot be read, critical": _leaf(
        f.extension("2.5.29.31", RUBBISH, critical=True)
    ),
    "timestamps that cannot be read": _leaf(
        f.extension("1.3.6.1.4.1.11129.2.4.2", f.tlv(0x04, b"\0\4\0\2\1\1"))
    ),
    "an authorityKeyIdentifier with a serial number alone": _leaf(
        f.extension("2.5.29.35", f.seq(f.tlv(0x82, b"\1")))
    ),
    "an empty authorityKeyIdentifier": _leaf(f.extension("2.5.29.35", f.seq())),
    "an authorityKeyIdentifier that cannot be read": _leaf(f.extension("2.5.29.35", RUBBISH)),
    "a subjectKeyIdentifier that cannot be read": _leaf(f.extension("2.5.29.14", RUBBISH)),
    "ediPartyName in issuerAltName": _leaf(
        f.extension("2.5.29.18", f.seq(f.tlv(0xA5, f.tlv(0xA1, f.tlv(0x13, b"x")))))
    ),
    "issuerAltName, critical": _leaf(f.extension("2.5.29.18", f.seq(_email("a@b")), critical=True)),
    "Netscape's type, critical": _leaf(
        f.extension("2.16.840.1.113730.1.1", f.tlv(0x03, b"\x07\x80"), critical=True)
    ),
    "an extension of nobody's, of rubbish": _leaf(f.extension(GENERIC, RUBBISH)),
    "an extension of nobody's, critical": _leaf(f.extension(GENERIC, NULL, critical=True)),
    # alternative names
    "a DNS name of Latin-1": _leaf(f.names(f.dns(b"m\xfcller.example"))),
    "an e-mail address of UTF-8": _leaf(f.names(_email("jürgen@example.com"))),
    "an empty e-mail address": _leaf(f.names(_email(""))),
    "a URI of UTF-8": _leaf(f.names(_uri("http://ä.example".encode()))),
    "an address of 5 octets": _leaf(f.names(f.tlv(0x87, b"12345"))),
    "an address with its mask": _leaf(f.names(f.tlv(0x87, b"\n\0\0\0\xff\0\0\0"))),
    "x400Address": _leaf(f.names(f.tlv(0xA3, f.seq()), _email("a@b.example"))),
    "no alternative names in the extension": _leaf(f.names()),
    "alternative names that cannot be read": _leaf(f.extension("2.5.29.17", RUBBISH)),
    "alternative names that cannot be read, critical": _leaf(
        f.extension("2.5.29.17", RUBBISH, critical=True)
    ),
    # what must be understood
    "an extension twice": _leaf(f.names(_email("a@b.example")), f.names(_email("c@d.example"))),
    "an extension of nobody's twice": _leaf(*[f.extension(GENERIC, NULL)] * 2),
    "pathLen without cA": _leaf(basic=f.extension("2.5.29.19", f.seq(f.integer(0)), critical=True)),
    "a negative pathLen, in an authority": _authority(
        f.extension("2.5.29.19", f.seq(TRUE, f.integer(-1)), critical=True), SIGNS
    ),
    "a pathLen of 9 octets, in an authority": _authority(
        f.extension("2.5.29.19", f.seq(TRUE, f.integer(2**70)), critical=True), SIGNS
    ),
    "basicConstraints that cannot be read": _leaf(basic=f.extension("2.5.29.19", RUBBISH)),
    "basicConstraints that cannot be read, in an authority": _authority(
        f.extension("2.5.29.19", RUBBISH), SIGNS
    ),
    "basicConstraints, not critical, in an authority": _authority(
        f.extension("2.5.29.19", f.seq(TRUE)), SIGNS
    ),
    "keyUsage of no bit": _leaf(f.extension("2.5.29.15", f.tlv(0x03, b"\x07\x00"))),
    "keyUsage with needless bits": _leaf(f.extension("2.5.29.15", f.tlv(0x03, b"\x00\x80"))),
    "keyUsage that cannot be read": _leaf(f.extension("2.5.29.15", RUBBISH)),
    "keyUsage that cannot be read, in an authority": _authority(
        f.BASIC_CA, f.extension("2.5.29.15", RUBBISH)
    ),
    "keyUsage without keyCertSign, in an authority": _authority(
        f.BASIC_CA, f.extension("2.5.29.15", f.tlv(0x03, b"\x07\x80"), critical=FALSE)
    ),
    "no purpose in extendedKeyUsage": {"leaf": [BASIC_LEAF, f.extension("2.5.29.37", f.seq())]},
    "extendedKeyUsage that cannot be read": {
        "leaf": [BASIC_LEAF, f.extension("2.5.29.37", RUBBISH)]
    },
    "extendedKeyUsage for others, critical FALSE": {
        "leaf": [
            BASIC_LEAF,
            f.extension("2.5.29.37", f.seq(f.oid("1.3.6.1.5.5.7.3.1")), critical=FALSE),
        ]
    },
    "nameConstraints in a leaf": _leaf(f.constraints([f.dns("example")], critical=False)),
    "nameConstraints that cannot be read, in a leaf": _leaf(f.extension("2.5.29.30", RUBBISH)),
    "nameConstraints that cannot be read, in an authority": _authority(
        f.BASIC_CA, SIGNS, f.extension("2.5.29.30", RUBBISH)
    ),
    "nameConstraints of an odd string, in an authority": _authority(
        f.BASIC_CA,
        SIGNS,
        f.constraints([_email("b\xfc.example".encode("latin-1"))]),
        leaf=[BASIC_LEAF, CLIENTS, f.names(_email("a@b.example"))],
    ),
    "nameConstraints that exclude an odd string, in an authority": _authority(
        f.BASIC_CA,
        SIGNS,
        f.constraints(excluded=[_email("b\xfc.example".encode("latin-1"))]),
        leaf=[BASIC_LEAF, CLIENTS, f.names(_email("a@b.example"))],
    ),
    "nameConstraints, and an odd name": _authority(
        f.BASIC_CA,
        SIGNS,
        f.constraints([_email("b.example")]),
        leaf=[BASIC_LEAF, CLIENTS, f.names(_email("j\xfc@b.example".encode("latin-1")))],
    ),
    "nameConstraints of an empty list, in an authority": _authority(
        f.BASIC_CA, SIGNS, f.extension("2.5.29.30", f.seq(f.tlv(0xA0)), critical=True)
    ),
    "nameConstraints of nothing, in an authority": _authority(
        f.BASIC_CA, SIGNS, f.extension("2.5.29.30", f.seq(), critical=True)
    ),
    "alternative names that cannot be read, in an authority": _authority(
        f.BASIC_CA, SIGNS, f.extension("2.5.29.17", b"ca.example")
    ),
    "keyUsage of three octets": _leaf(f.extension("2.5.29.15", f.tlv(0x03, b"\0\x80\0\1"))),
    "nameConstraints of directories, and TeletexString": _authority(
        f.BASIC_CA,
        SIGNS,
        f.constraints([f.tlv(0xA4, f.name("staff"))]),
        subject=f.seq(f.rdn("staff"), f.rdn(b"J\xfcrgen", tag=0x14)),
    ),
    "nameConstraints of directories, and PrintableString of Latin-1": _authority(
        f.BASIC_CA,
        SIGNS,
        f.constraints([f.tlv(0xA4, f.name("staff"))]),
        subject=f.seq(f.rdn("staff"), f.rdn(b"J\xfcrgen", tag=0x13)),
    ),
    "nameConstraints of directories, and an empty RDN": _authority(
        f.BASIC_CA,
        SIGNS,
        f.constraints(excluded=[f.tlv(0xA4, f.name("staff"))]),
        subject=f.seq(f.tlv(0x31), f.rdn("staff")),
    ),
    "nameConstraints with FALSE for critical, and a name outside": _authority(
        f.BASIC_CA,
        SIGNS,
        f.extension("2.5.29.30", f.seq(f.tlv(0xA0, f.seq(_email("b.example")))), critical=FALSE),
        leaf=[BASIC_LEAF, CLIENTS, f.names(_email("a@c.example"))],
    ),
}


_HINT = "only helps to find a path, and is read by who has use for it; GnuTLS takes it, too"
_BOTH_READINGS = "what limits a certificate has to be read by everyone alike"
NOT_LIKE_OPENSSL = {
    "version 5": "there is none, and nobody's programs write it",
    "basicConstraints with octets behind": _BOTH_READINGS,
    "a length that is longer than it need be": _BOTH_READINGS,
    "cRLDistributionPoints that cannot be read": _HINT,
    "an authorityKeyIdentifier with a serial number alone": _HINT,
    "an authorityKeyIdentifier that cannot be read": _HINT,
    "a subjectKeyIdentifier that cannot be read": _HINT,
    "Netscape's type, critical": "unknown is unknown, and GnuTLS does not know it either",
    "an extension of nobody's twice": "RFC 5280 section 4.2, and GnuTLS",
    "a pathLen of 9 octets, in an authority": "no number of certificates; GnuTLS refuses it, too",
    "nameConstraints that exclude an odd string, in an authority": (
        "what cannot be compared might be what is excluded"
    ),
    "nameConstraints of directories, and PrintableString of Latin-1": (
        "what cannot be compared might be outside"
    ),
}
"""Where OpenSSL does the opposite of what we do, and why we do it."""
_VERSIONS = "OpenSSL takes it, and so did the programs that it was made for"
_LOOSE = "OpenSSL and cryptography both refuse it: the certificate is damaged"
_CRITICAL = "what is critical is to be understood (RFC 5280 section 4.2)"
_LIMITS = "who cannot read a limit must not pass it over"
_UNUSED = "it is asked for nothing, and OpenSSL takes it"
NOT_LIKE_GNUTLS = {
    "version 1, written out": _VERSIONS,
    "version 2": _VERSIONS,
    "version 2 with unique identifiers": _VERSIONS,
    "version 1 with extensions": _VERSIONS,
    "version 5": NOT_LIKE_OPENSSL["version 5"],
    "a serial number with a needless 0": _LOOSE,
    "an empty serial number": _LOOSE,
    "UTCTime without seconds": _LOOSE,
    "UTF8String that is broken": _LOOSE,
    "BMPString of an odd length": _LOOSE,
    "basicConstraints with octets behind": _BOTH_READINGS,
    "a length that is longer than it need be": _BOTH_READINGS,
    "authorityInfoAccess, critical": _CRITICAL,
    "issuerAltName, critical": _CRITICAL,
    "cRLDistributionPoints that cannot be read, critical": _CRITICAL,
    "ediPartyName in issuerAltName": _UNUSED,
    "an empty e-mail address": _UNUSED,
    "x400Address": _UNUSED,
    "basicConstraints that cannot be read": _LIMITS,
    "keyUsage of no bit": _LIMITS,
    "keyUsage that cannot be read": _LIMITS,
    "no purpose in extendedKeyUsage": _LIMITS,
    "nameConstraints that cannot be read, in a leaf": _LIMITS,
    "nameConstraints that exclude an odd string, in an authority": (
        NOT_LIKE_OPENSSL["nameConstraints that exclude an odd string, in an authority"]
    ),
    "nameConstraints of directories, and PrintableString of Latin-1": (
        NOT_LIKE_OPENSSL["nameConstraints of directories, and PrintableString of Latin-1"]
    ),
}
"""The same of GnuTLS."""
LATELY_LIKE_GNUTLS = frozenset({"a negative pathLen, in an authority"})
"""What GnuTLS 3.7 takes and 3.8 refuses, as we do."""


@functools.cache
def keys() -> tuple[Any, Any]:
    """The private keys of the leaf and the anchor."""
    return new_key(), new_key()


@functools.cache
def _authority_key(key_type: str) -> Any:
    return new_key(key_type)


def write(odd: dict[str, Any]) -> list[bytes]:
    """Write a path, leaf first and its trust anchor last, DER."""
    changed = dict(odd)
    leaf, root = keys()
    authority = _authority_key(changed.pop("key_type", "p256"))
    key_info = changed.pop("key_info", f.spki)(authority)
    anchor = f.CA("Odd root", root)
    path = [f.certificate(anchor.subject, anchor.subject, f.spki(root), root, [f.BASIC_CA, SIGNS])]
    above = anchor
    extensions = changed.pop("authority", None)
    if extensions is not None:
        above = f.CA(changed.pop("authority_name", "Odd authority"), authority)
        path.append(f.certificate(above.subject, anchor.subject, key_info, root, extensions))
    subject = changed.pop("subject", f.name("alice"))
    issuer = changed.pop("issuer", above.subject)
    held = changed.pop("leaf", [BASIC_LEAF, CLIENTS])
    path.append(f.certificate(subject, issuer, f.spki(leaf), above.key, held, **changed))
    return path[::-1]
