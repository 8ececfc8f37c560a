"""Extension blocks: who may stand where, how often, and what is kept."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postshake.constants import ExtensionType
from postshake.errors import DecodeError, IllegalParameter, MissingExtension
from postshake.wire.codec import Reader, u16, vec16
from postshake.wire.extensions import (
    PLACES,
    Cookie,
    EarlyDataIndication,
    Extension,
    Extensions,
    KeyShareClientHello,
    MessageKind,
    PostHandshakeAuth,
    SupportedGroups,
    SupportedVersionsClientHello,
    UnknownExtension,
)
from tests.strategies import EXTENSIONS, extensions_for, unknown_extensions

KINDS = {
    "CH": MessageKind.client_hello,
    "SH": MessageKind.server_hello,
    "12": MessageKind.server_hello12,
    "HRR": MessageKind.hello_retry_request,
    "EE": MessageKind.encrypted_extensions,
    "CR": MessageKind.certificate_request,
    "CCR": MessageKind.client_certificate_request,
    "CT": MessageKind.certificate,
    "NST": MessageKind.new_session_ticket,
}

TABLE = """
    server_name                             CH EE 12 CCR
    max_fragment_length                     CH EE 12
    status_request                          CH CR CT 12 CCR
    supported_groups                        CH EE 12
    signature_algorithms                    CH CR CCR
    application_layer_protocol_negotiation  CH EE 12
    signed_certificate_timestamp            CH CR CT 12 CCR
    padding                                 CH
    key_share                               CH SH HRR
    pre_shared_key                          CH SH
    psk_key_exchange_modes                  CH
    early_data                              CH EE NST
    cookie                                  CH HRR
    supported_versions                      CH SH HRR
    certificate_authorities                 CH CR CCR
    oid_filters                             CR CCR
    post_handshake_auth                     CH
    signature_algorithms_cert               CH CR CCR
    record_size_limit                       CH EE 12
    compress_certificate                    CH CR CCR
    ec_point_formats                        CH 12
    extended_master_secret                  CH 12
    session_ticket                          CH 12
    renegotiation_info                      CH 12
"""
"""The table of §4.2 as the RFC has it, and the extensions that came later."""

ALLOWED = {
    ExtensionType[row.split()[0]]: {KINDS[kind] for kind in row.split()[1:]}
    for row in TABLE.strip().splitlines()
}


def block(*extensions: tuple[int, bytes]) -> bytes:
    return vec16(b"".join(u16(code) + vec16(body) for code, body in extensions))


def decode(data: bytes, kind: MessageKind) -> Extensions:
    reader = Reader(data, kind.value)
    extensions = Extensions.decode(reader, kind)
    reader.finish()
    return extensions


def test_every_extension_has_its_place() -> None:
    assert set(ALLOWED) == set(ExtensionType) == set(PLACES)
    assert {cls for places in PLACES.values() for cls in places.values()} == set(EXTENSIONS)


MAY = [(row, kind) for row, kinds in ALLOWED.items() for kind in MessageKind if kind in kinds]
MAY_NOT = [(row, kind) for row in ALLOWED for kind in MessageKind if (row, kind) not in MAY]


@pytest.mark.parametrize(("extension_type", "kind"), MAY)
@given(data=st.data())
@settings(max_examples=20)
def test_where_it_may_stand(
    extension_type: ExtensionType, kind: MessageKind, data: st.DataObject
) -> None:
    extension = data.draw(EXTENSIONS[PLACES[extension_type][kind]])
    assert extension.extension_type == extension_type
    assert decode(Extensions((extension,)).encode(), kind).items == (extension,)


@pytest.mark.parametrize(("extension_type", "kind"), MAY_NOT)
@pytest.mark.parametrize("body", [b"", b"\0", b"\0\0", b"\3\4"])
def test_where_it_may_not_stand(
    extension_type: ExtensionType, kind: MessageKind, body: bytes
) -> None:
    """Whatever its body."""
    with pytest.raises(IllegalParameter) as caught:
        decode(block((extension_type, body)), kind)
    assert f"{kind.value}: expected {extension_type.name} only in" in str(caught.value)


def test_misplaced_text() -> None:
    with pytest.raises(IllegalParameter) as caught:
        decode(block((ExtensionType.oid_filters, b"\0\0")), MessageKind.client_hello)
    assert str(caught.value) == (
        "ClientHello: expected oid_filters only in CertificateRequest, ClientCertificateRequest, "
        "got it here (§4.2)"
    )


@pytest.mark.parametrize("kind", MessageKind)
@given(data=st.data())
@settings(max_examples=40)
def test_round_trip(kind: MessageKind, data: st.DataObject) -> None:
    extensions = data.draw(extensions_for(kind))
    encoded = extensions.encode()
    assert decode(encoded, kind) == extensions
    for length in range(len(encoded)):
        with pytest.raises(DecodeError):
            decode(encoded[:length], kind)


@pytest.mark.parametrize("kind", MessageKind)
@given(data=st.data())
@settings(max_examples=40)
def test_duplicates(kind: MessageKind, data: st.DataObject) -> None:
    """Known or unknown, next to each other or not, the same body or another."""
    extensions = data.draw(extensions_for(kind, maximum=3))
    unknown = data.draw(unknown_extensions)
    items = [*extensions, unknown]
    twin = data.draw(st.sampled_from(items))
    items.insert(data.draw(st.integers(0, len(items))), twin)
    with pytest.raises(IllegalParameter, match=r"expected each extension once, got .* twice"):
        decode(Extensions(tuple(items)).encode(), kind)


def test_duplicate_text() -> None:
    with pytest.raises(IllegalParameter) as caught:
        decode(block((0x6A6A, b""), (49, b""), (0x6A6A, b"x")), MessageKind.client_hello)
    assert str(caught.value) == (
        "ClientHello: expected each extension once, got 0x6a6a twice (§4.2)"
    )


@pytest.mark.parametrize("kind", MessageKind)
def test_unknown_extensions_are_kept(kind: MessageKind) -> None:
    extensions = decode(block((0x0A0A, b""), (0xFAFA, b"grease")), kind)
    assert extensions.items == (
        UnknownExtension(0x0A0A, b""),
        UnknownExtension(0xFAFA, b"grease"),
    )


@pytest.mark.parametrize("kind", MessageKind)
@given(data=st.binary(max_size=60))
@settings(max_examples=40)
def test_arbitrary_bytes(kind: MessageKind, data: bytes) -> None:
    for block_bytes in (data, vec16(data)):
        try:
            extensions = decode(block_bytes, kind)
        except (DecodeError, IllegalParameter):
            continue
        assert extensions.encode() == block_bytes


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("00", "ClientHello: expected 2 bytes at byte 0, got 1"),
        ("0003 003100", "ClientHello: expected 2 bytes at byte 4, got 1"),
        ("0001 00", "ClientHello: expected 2 bytes at byte 2, got 1"),
        ("0005 0031 0002 00", "ClientHello: expected a vector of 2 bytes at byte 6, got 1"),
        (
            "0005 0031 0001 00",
            "post_handshake_auth in ClientHello: expected its end at byte 6, got 1 bytes more",
        ),
        (
            "0006 002c 0002 0000",
            "cookie in ClientHello: expected a vector of at least 1 bytes at byte 8, got 0",
        ),
    ],
)
@pytest.mark.parametrize("after", [b"", b"\xff" * 80])
def test_damaged_blocks(data: str, text: str, after: bytes) -> None:
    """The text names the extension, and counts bytes from the start of the message."""
    raw = bytes.fromhex(data)
    with pytest.raises(DecodeError) as caught:
        Extensions.decode(Reader(raw + after, "ClientHello", 0, len(raw)), KINDS["CH"])
    assert str(caught.value).startswith(text)


def test_a_body_may_not_read_into_its_neighbour() -> None:
    """The cookie's own length covers the next extension too; its body does not."""
    with pytest.raises(DecodeError, match="cookie in ClientHello"):
        decode(block((44, b"\x00\x05a"), (49, b"")), MessageKind.client_hello)


def test_get_and_require() -> None:
    groups = SupportedGroups((29,))
    extensions = Extensions((UnknownExtension(0x1A1A, b""), groups, PostHandshakeAuth()))
    assert extensions.get(SupportedGroups) is groups
    assert extensions.require(SupportedGroups) is groups
    assert extensions.get(Cookie) is None
    with pytest.raises(MissingExtension) as caught:
        extensions.require(KeyShareClientHello)
    assert str(caught.value) == (
        "expected the extension KeyShareClientHello, "
        "got 0x1a1a, supported_groups, post_handshake_auth (§9.2)"
    )
    with pytest.raises(MissingExtension, match="got none"):
        Extensions().require(SupportedVersionsClientHello)


def test_it_is_a_sequence_in_wire_order() -> None:
    items: tuple[Extension, ...] = (PostHandshakeAuth(), EarlyDataIndication())
    extensions = Extensions(items)
    assert tuple(extensions) == items
    assert len(extensions) == 2
    assert extensions.encode().hex() == "0008" + "00310000" + "002a0000"
    assert extensions != Extensions(items[::-1])
    assert len({extensions, Extensions(items)}) == 1
