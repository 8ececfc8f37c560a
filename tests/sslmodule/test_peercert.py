"""Certificates as `getpeercert` shows them, held against the standard module's own reader."""

from __future__ import annotations

import _ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ObjectIdentifier as Oid

from tests.certs import CA, Issued, reseal
from tests.sslmodule.ends import Memory, ours, standard

READER: Any = _ssl
ROOT = CA("Root")
UPN = Oid("1.3.6.1.4.1.311.20.2.3")
SERIAL = bytes.fromhex("02057766554433")


def named(*attributes: tuple[str, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(Oid(oid), value) for oid, value in attributes])


def other(oid: str, tag: int, text: bytes) -> dict[str, Any]:
    value = bytes([tag, len(text)]) + text
    return {"names": [x509.OtherName(Oid(oid), value)]}


LONG = named(
    ("2.5.4.13", "description"), ("2.5.4.41", "name"), ("2.5.4.16", "postal address"),
    ("2.5.4.20", "+1"), ("2.5.4.43", "I."), ("2.5.4.97", "VAT"), ("2.5.4.72", "role"),
    ("1.2.840.113549.1.9.2", "unstructured"), ("0.9.2342.19200300.100.1.3", "a@example.com"),
    ("1.2.643.3.131.1.1", "123456789012"), (UPN.dotted_string, "a@example.com"),
    ("1.2.3.4.5", "nobody knows it"), ("2.5.4.3", "somebody"),
)  # fmt: skip
SHOWN: dict[str, dict[str, Any]] = {
    "names of many kinds": {"subject": LONG},
    "a directory of many kinds": {"names": [x509.DirectoryName(LONG)]},
    "UPN": other(UPN.dotted_string, 0x0C, b"user@example.com"),
    "UPN of letters beyond ASCII": other(UPN.dotted_string, 0x0C, "müller@example".encode()),
    "UPN of the wrong type": other(UPN.dotted_string, 0x16, b"user@example.com"),
    "a mailbox": other("1.3.6.1.5.5.7.8.9", 0x0C, b"user@example.com"),
    "an address of XMPP": other("1.3.6.1.5.5.7.8.5", 0x0C, b"user@example.com"),
    "a service": other("1.3.6.1.5.5.7.8.7", 0x16, b"_imap.example.com"),
    "a realm": other("1.3.6.1.5.5.7.8.8", 0x0C, b"example.com"),
    "something else": other("1.2.3.4", 0x0C, b"who knows"),
    "registered identifiers": {
        "names": [x509.RegisteredID(Oid("1.2.3.4")), x509.RegisteredID(Oid("2.5.4.3"))]
    },
    **{f"serial {number:#x}": {"serial_number": number} for number in (1, 0x7F, 0x80, 0x123)},
}
SERIALS = {"0": "020100", "-1": "0201ff", "-128": "020180", "-129": "0202ff7f", "-4081": "0202f00f"}


def check(issued: Issued, folder: Path) -> None:
    """Have the certificate shown by a connection, and by the standard module."""
    path = folder / "shown.pem"
    path.write_bytes(issued.certificate.public_bytes(Encoding.PEM))
    expected = READER._test_decode_cert(str(path))
    server = standard.SSLContext(standard.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*issued.write(folder, "leaf"))
    client = ours.SSLContext(ours.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.load_verify_locations(cadata=ROOT.pem().decode())
    pair = Memory(server, client).handshake()
    found = pair.client.getpeercert()
    assert found == expected
    assert list(found) == list(expected)


@pytest.mark.parametrize("case", SHOWN)
def test_it_is_what_the_standard_module_shows(case: str, tmp_path: Path) -> None:
    check(
        ROOT.issue("somebody", **({"purpose": "server", "dns": ("localhost",)} | SHOWN[case])),
        tmp_path,
    )


@pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")
@pytest.mark.parametrize("number", SERIALS)
def test_serial_numbers_that_should_not_be(number: str, tmp_path: Path) -> None:
    issued = ROOT.issue("localhost", purpose="server", serial_number=0x7766554433)
    certificate = reseal(
        issued.certificate, ROOT.private_key, SERIAL, bytes.fromhex(SERIALS[number])
    )
    assert certificate.serial_number == int(number)
    check(Issued(certificate, issued.private_key), tmp_path)
