"""The recorded handshakes, held against each other.

Nothing of ``postshake.protocol`` or ``postshake.wire`` is used: what stands in the
vectors is shown to be one consistent whole, so that other tests may rely on it.
"""

from __future__ import annotations

import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from postshake.constants import ContentType, Role
from postshake.crypto.schedule import finished_mac
from postshake.crypto.signatures import fits, sign, verify
from postshake.crypto.suites import TLS13_SUITES
from postshake.errors import DecryptError
from tests.vectors.rfc8448 import (
    CLIENT_AUTHENTICATION,
    RESUMED,
    RETRY,
    RSA_PRIVATE_KEY,
    SIMPLE,
    TRACES,
    Message,
    Record,
    Trace,
)

SUITE = TLS13_SUITES[0x1301]

every_trace = pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES)


def digest(messages: list[Message]) -> bytes:
    """Hash a transcript, its first ClientHello replaced after a retry (§4.4.1)."""
    parts = [message.data for message in messages]
    if len(messages) > 1 and messages[1].name == "HelloRetryRequest":
        parts[0] = b"\xfe\x00\x00\x20" + hashlib.sha256(parts[0]).digest()
    return hashlib.sha256(b"".join(parts)).digest()


def through(trace: Trace, name: str, sender: Role) -> bytes:
    """Hash the transcript through the last message of a name."""
    places = [
        place
        for place, message in enumerate(trace.messages)
        if (message.name, message.sender) == (name, sender)
    ]
    return digest(list(trace.messages[: places[-1] + 1]))


def before(trace: Trace, name: str, sender: Role) -> bytes:
    """Hash the transcript as far as a message, without it."""
    place = [(message.name, message.sender) for message in trace.messages].index((name, sender))
    return digest(list(trace.messages[:place]))


def certificates(trace: Trace, sender: Role) -> list[bytes]:
    """Cut the DER out of a Certificate whose entries have no extensions (§4.4.2)."""
    body = trace.message("Certificate", sender)[4:]
    offset = 1 + body[0] + 3
    found = []
    while offset < len(body):
        length = int.from_bytes(body[offset : offset + 3], "big")
        found.append(body[offset + 3 : offset + 3 + length])
        offset += 3 + length
        offset += 2 + int.from_bytes(body[offset : offset + 2], "big")
    return found


def test_all_five_are_there() -> None:
    assert [trace.section for trace in TRACES.values()] == [3, 4, 5, 6, 7]


@every_trace
def test_every_digest_is_of_the_messages(trace: Trace) -> None:
    points = {
        "client_early_traffic_secret": ("ClientHello", Role.client),
        "early_exporter_master_secret": ("ClientHello", Role.client),
        "client_handshake_traffic_secret": ("ServerHello", Role.server),
        "server_handshake_traffic_secret": ("ServerHello", Role.server),
        "client_application_traffic_secret_0": ("Finished", Role.server),
        "server_application_traffic_secret_0": ("Finished", Role.server),
        "exporter_master_secret": ("Finished", Role.server),
        "resumption_master_secret": ("Finished", Role.client),
    }
    assert len(trace.digests) == (8 if trace is RESUMED else 6)
    for name, expected in trace.digests.items():
        assert through(trace, *points[name]) == expected, name


@every_trace
@pytest.mark.parametrize("role", Role)
def test_every_finished_is_over_the_messages(trace: Trace, role: Role) -> None:
    base_key = trace.secrets[f"{role.name}_handshake_traffic_secret"]
    verify_data = finished_mac("sha256", base_key, before(trace, "Finished", role))
    assert verify_data == trace.verify_data[role]
    assert trace.message("Finished", role) == b"\x14\x00\x00\x20" + verify_data


def test_the_binder_is_over_the_hello_without_binders() -> None:
    binder = RESUMED.binder
    assert binder is not None
    hello = RESUMED.message("ClientHello")
    assert hello == binder.client_hello_prefix + b"\x00\x21\x20" + binder.binder
    assert hashlib.sha256(binder.client_hello_prefix).digest() == binder.digest


def opened(trace: Trace, record: Record, sequences: dict[str, int]) -> tuple[int, bytes]:
    """Open a record with the keys of its place; checks the padding to be none."""
    content_type, fragment = record.data[0], record.data[5:]
    assert record.data[3:5] == len(fragment).to_bytes(2, "big")
    if content_type != ContentType.application_data:
        return content_type, fragment
    finished = sequences.get(f"{record.sender.name} finished")
    epoch = "application" if finished else "handshake"
    if record.sender is Role.client and trace is RESUMED and record.payload[:1] != b"\x14":
        epoch = epoch if finished else "early"
    name = f"{record.sender.name}_{epoch}"
    sequence = sequences[name] = sequences.get(name, -1) + 1
    key, iv = trace.traffic_keys[name]
    nonce = (int.from_bytes(iv, "big") ^ sequence).to_bytes(12, "big")
    inner = SUITE.aead(key).decrypt(nonce, fragment, record.data[:5])
    if b"\x14\x00\x00\x20" in inner[-37:-32]:
        sequences[f"{record.sender.name} finished"] = 1
    return inner[-1], inner[:-1]


@every_trace
def test_every_record_opens_to_its_payload(trace: Trace) -> None:
    sequences: dict[str, int] = {}
    for record in trace.records:
        assert opened(trace, record, sequences) == (record.content_type, record.payload)
    assert sequences["client_application"] >= 0
    assert sequences["server_application"] >= 0


@every_trace
@pytest.mark.parametrize("role", Role)
def test_the_records_hold_the_messages(trace: Trace, role: Role) -> None:
    payloads = [
        record.payload
        for record in trace.sent_by(role)
        if record.content_type is ContentType.handshake
    ]
    messages = [message.data for message in trace.messages if message.sender is role]
    assert b"".join(payloads) == b"".join(messages)


def test_the_data_of_the_traces() -> None:
    for trace in (SIMPLE, RESUMED):
        data = [
            (record.sender, record.payload)
            for record in trace.records
            if record.content_type is ContentType.application_data
        ]
        assert data[-2:] == [(Role.client, bytes(range(50))), (Role.server, bytes(range(50)))]
    assert RESUMED.records[1].payload == b"ABCDEF"


@pytest.mark.parametrize(
    ("trace", "role", "scheme"),
    [
        *((trace, Role.server, 0x0804) for trace in TRACES.values() if trace.section in (3, 5, 7)),
        (CLIENT_AUTHENTICATION, Role.server, 0x0403),
        (CLIENT_AUTHENTICATION, Role.client, 0x0804),
    ],
)
def test_every_signature_verifies(trace: Trace, role: Role, scheme: int) -> None:
    message = trace.message("CertificateVerify", role)
    signature = message[8:]
    assert int.from_bytes(message[4:6], "big") == scheme
    assert int.from_bytes(message[6:8], "big") == len(signature)
    key = x509.load_der_x509_certificate(certificates(trace, role)[0]).public_key()
    assert fits(scheme, key)
    content = b"\x20" * 64 + f"TLS 1.3, {role.name} CertificateVerify\0".encode()
    transcript = before(trace, "CertificateVerify", role)
    verify(scheme, key, signature, content + transcript)
    with pytest.raises(DecryptError):
        verify(scheme, key, signature, content + through(trace, "CertificateVerify", role))


def test_the_private_key_is_the_certificates() -> None:
    numbers = RSA_PRIVATE_KEY
    private = rsa.RSAPrivateNumbers(
        p=numbers["prime1"],
        q=numbers["prime2"],
        d=numbers["private_exponent"],
        dmp1=numbers["exponent1"],
        dmq1=numbers["exponent2"],
        iqmp=numbers["coefficient"],
        public_numbers=rsa.RSAPublicNumbers(numbers["public_exponent"], numbers["modulus"]),
    ).private_key()
    for trace in (SIMPLE, RETRY):
        leaf = x509.load_der_x509_certificate(certificates(trace, Role.server)[0])
        assert leaf.public_key() == private.public_key()
    verify(0x0804, private.public_key(), sign(0x0804, private, b"data"), b"data")
