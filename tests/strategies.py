"""One Hypothesis strategy for each message, each extension and each part of one.

All that they draw is legal: it decodes in the message it is drawn for. Sizes are
small, because what breaks a decoder is a length that is off by one, not a large one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from postshake.constants import KeyUpdateRequest
from postshake.wire import auth, hello, post_handshake
from postshake.wire import extensions as ext
from postshake.wire.alert import Alert
from postshake.wire.codec import vec16
from postshake.wire.extensions import PLACES, Extension, Extensions, MessageKind
from postshake.wire.handshake import Handshake

u8s = st.integers(0, 0xFF)
u16s = st.integers(0, 0xFFFF)
u32s = st.integers(0, 0xFFFFFFFF)
randoms = st.binary(min_size=32, max_size=32)
session_ids = st.binary(max_size=32)


def opaque(minimum: int = 0, maximum: int = 12) -> st.SearchStrategy[bytes]:
    """Draw a short string of bytes."""
    return st.binary(min_size=minimum, max_size=maximum)


def tuples_of(
    part: st.SearchStrategy[Any],
    minimum: int = 1,
    maximum: int = 4,
    unique_by: Callable[[Any], Any] | None = None,
) -> st.SearchStrategy[tuple[Any, ...]]:
    """Draw a short tuple of parts."""
    return st.lists(part, min_size=minimum, max_size=maximum, unique_by=unique_by).map(tuple)


codes = tuples_of(u16s)

key_share_entries = st.builds(ext.KeyShareEntry, u16s, opaque(1, 40))
psk_identities = st.builds(ext.PskIdentity, opaque(1), u32s)
oid_filters = st.builds(ext.OidFilter, opaque(1), opaque())


@st.composite
def pre_shared_keys(draw: st.DrawFn) -> ext.PreSharedKeyClientHello:
    """Draw an offer of pre-shared keys, with a binder for each."""
    identities = draw(tuples_of(psk_identities, maximum=3))
    count = len(identities)
    return ext.PreSharedKeyClientHello(
        identities, draw(tuples_of(opaque(32, 48), minimum=count, maximum=count))
    )


EXTENSIONS: dict[type[Extension], st.SearchStrategy[Any]] = {
    ext.ApplicationLayerProtocolNegotiation: st.builds(
        ext.ApplicationLayerProtocolNegotiation, tuples_of(opaque(1))
    ),
    ext.CertificateAuthorities: st.builds(ext.CertificateAuthorities, tuples_of(opaque(1))),
    ext.CertificateStatus: st.builds(ext.CertificateStatus, opaque(1)),
    ext.CompressCertificate: st.builds(ext.CompressCertificate, codes),
    ext.Cookie: st.builds(ext.Cookie, opaque(1)),
    ext.EarlyDataIndication: st.just(ext.EarlyDataIndication()),
    ext.EarlyDataTicket: st.builds(ext.EarlyDataTicket, u32s),
    ext.EcPointFormats: st.builds(ext.EcPointFormats, tuples_of(u8s)),
    ext.ExtendedMasterSecret: st.just(ext.ExtendedMasterSecret()),
    ext.KeyShareClientHello: st.builds(
        ext.KeyShareClientHello,
        tuples_of(key_share_entries, minimum=0, unique_by=lambda entry: entry.group),
    ),
    ext.KeyShareHelloRetryRequest: st.builds(ext.KeyShareHelloRetryRequest, u16s),
    ext.KeyShareServerHello: st.builds(ext.KeyShareServerHello, key_share_entries),
    ext.MaxFragmentLength: st.builds(ext.MaxFragmentLength, st.integers(1, 4)),
    ext.OidFilters: st.builds(ext.OidFilters, tuples_of(oid_filters, minimum=0)),
    ext.Padding: st.builds(ext.Padding, st.integers(0, 40)),
    ext.PostHandshakeAuth: st.just(ext.PostHandshakeAuth()),
    ext.PreSharedKeyClientHello: pre_shared_keys(),
    ext.PreSharedKeyServerHello: st.builds(ext.PreSharedKeyServerHello, u16s),
    ext.PskKeyExchangeModes: st.builds(ext.PskKeyExchangeModes, tuples_of(u8s)),
    ext.RecordSizeLimit: st.builds(ext.RecordSizeLimit, st.integers(64, 0xFFFF)),
    ext.RenegotiationInfo: st.builds(ext.RenegotiationInfo, opaque()),
    ext.ServerName: st.builds(
        ext.ServerName, st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1)
    ),
    ext.ServerNameAck: st.just(ext.ServerNameAck()),
    ext.SessionTicket: st.builds(ext.SessionTicket, opaque()),
    ext.SignatureAlgorithms: st.builds(ext.SignatureAlgorithms, codes),
    ext.SignatureAlgorithmsCert: st.builds(ext.SignatureAlgorithmsCert, codes),
    ext.SignedCertificateTimestampRequest: st.just(ext.SignedCertificateTimestampRequest()),
    ext.SignedCertificateTimestamps: st.builds(
        ext.SignedCertificateTimestamps,
        tuples_of(opaque(1)).map(lambda items: vec16(b"".join(map(vec16, items)))),
    ),
    ext.StatusRequest: st.one_of(
        st.just(ext.StatusRequest()),
        st.builds(ext.StatusRequest, st.integers(2, 0xFF), opaque()),
    ),
    ext.StatusRequestEmpty: st.just(ext.StatusRequestEmpty()),
    ext.SupportedGroups: st.builds(ext.SupportedGroups, codes),
    ext.SupportedVersionsClientHello: st.builds(ext.SupportedVersionsClientHello, codes),
    ext.SupportedVersionsServerHello: st.builds(ext.SupportedVersionsServerHello, u16s),
}
"""A strategy for each extension, by its class."""

unknown_extensions = st.builds(
    ext.UnknownExtension,
    st.one_of(st.sampled_from([0x0A0A, 0x6A6A, 0xFAFA]), u16s).filter(
        lambda extension_type: extension_type not in PLACES
    ),
    opaque(),
)


def extensions_for(
    kind: MessageKind, *required: type[Extension], maximum: int = 6
) -> st.SearchStrategy[Extensions]:
    """Draw a block for one kind of message, in any order the message allows.

    Args:
        kind: where the block will stand.
        *required: extensions that are always in it.
        maximum: how many others there are at most.
    """
    others = [
        EXTENSIONS[places[kind]]
        for places in PLACES.values()
        if kind in places and places[kind] not in required
    ]

    def block(parts: tuple[Any, ...]) -> st.SearchStrategy[Extensions]:
        return st.permutations([*parts[:-1], *parts[-1]]).map(
            lambda items: Extensions(tuple(sorted(items, key=_stands_last)))
        )

    return st.tuples(
        *(EXTENSIONS[extension] for extension in required),
        st.lists(
            st.one_of(unknown_extensions, *others),
            max_size=maximum,
            unique_by=lambda item: item.extension_type,
        ),
    ).flatmap(block)


def _stands_last(extension: Extension) -> bool:
    return type(extension) is ext.PreSharedKeyClientHello


def client_hellos() -> st.SearchStrategy[hello.ClientHello]:
    """Draw a ClientHello."""
    return st.builds(
        hello.ClientHello,
        legacy_version=u16s,
        random=randoms,
        legacy_session_id=session_ids,
        cipher_suites=codes,
        legacy_compression_methods=opaque(1),
        extensions=extensions_for(MessageKind.client_hello),
    )


def _server_hellos(
    random: st.SearchStrategy[bytes], extensions: st.SearchStrategy[Extensions]
) -> st.SearchStrategy[hello.ServerHello]:
    return st.builds(
        hello.ServerHello,
        legacy_version=u16s,
        random=random,
        legacy_session_id_echo=session_ids,
        cipher_suite=u16s,
        legacy_compression_method=u8s,
        extensions=extensions,
    )


def server_hellos() -> st.SearchStrategy[hello.ServerHello]:
    """Draw a ServerHello of TLS 1.3."""
    return _server_hellos(
        randoms,
        extensions_for(MessageKind.server_hello, ext.SupportedVersionsServerHello),
    )


def server_hellos12() -> st.SearchStrategy[hello.ServerHello]:
    """Draw a ServerHello of TLS 1.2, which has no supported_versions."""
    return _server_hellos(randoms, extensions_for(MessageKind.server_hello12))


def hello_retry_requests() -> st.SearchStrategy[hello.ServerHello]:
    """Draw a HelloRetryRequest."""
    return _server_hellos(
        st.just(hello.HELLO_RETRY_REQUEST_RANDOM),
        extensions_for(MessageKind.hello_retry_request, ext.SupportedVersionsServerHello),
    )


def encrypted_extensions() -> st.SearchStrategy[hello.EncryptedExtensions]:
    """Draw an EncryptedExtensions."""
    return st.builds(hello.EncryptedExtensions, extensions_for(MessageKind.encrypted_extensions))


def certificate_requests() -> st.SearchStrategy[auth.CertificateRequest]:
    """Draw a CertificateRequest."""
    return st.builds(
        auth.CertificateRequest, opaque(), extensions_for(MessageKind.certificate_request)
    )


def certificate_entries() -> st.SearchStrategy[auth.CertificateEntry]:
    """Draw one entry of a Certificate; what it holds is no certificate."""
    return st.builds(
        auth.CertificateEntry, opaque(1, 40), extensions_for(MessageKind.certificate, maximum=2)
    )


def certificates() -> st.SearchStrategy[auth.Certificate]:
    """Draw a Certificate, perhaps without entries."""
    return st.builds(
        auth.Certificate, opaque(), tuples_of(certificate_entries(), minimum=0, maximum=3)
    )


def compressed_certificates() -> st.SearchStrategy[auth.CompressedCertificate]:
    """Draw a CompressedCertificate; what it holds is not compressed."""
    return st.builds(auth.CompressedCertificate, u16s, st.integers(0, 0xFFFFFF), opaque(1, 40))


def certificate_verifies() -> st.SearchStrategy[auth.CertificateVerify]:
    """Draw a CertificateVerify."""
    return st.builds(auth.CertificateVerify, u16s, opaque(0, 80))


def finisheds() -> st.SearchStrategy[auth.Finished]:
    """Draw a Finished as long as some hash."""
    return st.builds(auth.Finished, st.one_of(opaque(32, 32), opaque(48, 48)))


def new_session_tickets() -> st.SearchStrategy[post_handshake.NewSessionTicket]:
    """Draw a NewSessionTicket."""
    return st.builds(
        post_handshake.NewSessionTicket,
        u32s,
        u32s,
        opaque(),
        opaque(1),
        extensions_for(MessageKind.new_session_ticket),
    )


def key_updates() -> st.SearchStrategy[post_handshake.KeyUpdate]:
    """Draw a KeyUpdate."""
    return st.builds(post_handshake.KeyUpdate, st.sampled_from(KeyUpdateRequest))


def ends_of_early_data() -> st.SearchStrategy[hello.EndOfEarlyData]:
    """Draw the EndOfEarlyData there is."""
    return st.just(hello.EndOfEarlyData())


MESSAGES: dict[str, st.SearchStrategy[Any]] = {
    "ClientHello": client_hellos(),
    "ServerHello": server_hellos(),
    "ServerHello12": server_hellos12(),
    "HelloRetryRequest": hello_retry_requests(),
    "EncryptedExtensions": encrypted_extensions(),
    "CertificateRequest": certificate_requests(),
    "Certificate": certificates(),
    "CompressedCertificate": compressed_certificates(),
    "CertificateVerify": certificate_verifies(),
    "Finished": finisheds(),
    "NewSessionTicket": new_session_tickets(),
    "KeyUpdate": key_updates(),
    "EndOfEarlyData": ends_of_early_data(),
}
"""A strategy for each handshake message, by its name."""


def messages() -> st.SearchStrategy[Handshake]:
    """Draw any handshake message."""
    return st.one_of(list(MESSAGES.values()))


def alerts() -> st.SearchStrategy[Alert]:
    """Draw an alert, known or not."""
    return st.builds(Alert, u8s, u8s)
