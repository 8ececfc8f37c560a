"""The ServerHello of TLS 1.2, held against our offer (RFC 5246 section 7.4.1.3)."""

from __future__ import annotations

from ..._dataclass import dataclass
from ...config import ClientConfig
from ...constants import CipherSuite, ProtocolVersion, name_of
from ...crypto.tls12.suites import TLS12_SUITES, Suite12
from ...errors import IllegalParameter, NegotiationError, UnsupportedVersion
from ...wire.extensions import (
    EcPointFormats,
    ExtendedMasterSecret,
    Extensions,
    MaxFragmentLength,
    RecordSizeLimit,
    RenegotiationInfo,
    SessionTicket,
    StatusRequestEmpty,
)
from ...wire.hello import DOWNGRADE_TLS11, DOWNGRADE_TLS12, ServerHello
from ..client_hello import check_answers, offered_suites12
from ..link import Link
from ..negotiate import UNCOMPRESSED, check_alpn
from ..tls12_chosen import OfferedSession12, ServerChose12

__all__ = ["ServerHelloChoices", "read_server_hello"]


@dataclass(frozen=True, slots=True)
class ServerHelloChoices:
    """What the server's choices come to."""

    suite: Suite12
    extended: bool
    """Whether the master secret will be an extended one (RFC 7627)."""
    session: OfferedSession12 | None
    """The session that is resumed; None in a full handshake."""
    ticket_promised: bool
    """Whether a NewSessionTicket will come (RFC 5077 section 3.2)."""
    status_promised: bool
    """Whether a CertificateStatus may come (RFC 6066 section 8)."""
    alpn_protocol: bytes | None


def read_server_hello(
    link: Link, config: ClientConfig, hellos: ServerChose12
) -> ServerHelloChoices:
    """Check a ServerHello, and draw the conclusions (RFC 5246 section 7.4.1.3)."""
    hello = hellos.server_hello
    extensions = hello.extensions
    check_version(config, hello)
    suite = check_choices(config, hello)
    check_answers(hellos.client_hello, extensions, "ServerHello")
    check_renegotiation_info(extensions)
    check_point_formats(extensions)
    extended = extensions.get(ExtendedMasterSecret) is not None
    if config.require_extended_master_secret and not extended:
        raise NegotiationError(
            "ServerHello: expected extended_master_secret, which our policy requires"
        )
    session = find_session(hellos, suite, extended)
    limit_records12(link, config, extensions)
    return ServerHelloChoices(
        suite=suite,
        extended=extended,
        session=session,
        ticket_promised=extensions.get(SessionTicket) is not None,
        status_promised=extensions.get(StatusRequestEmpty) is not None,
        alpn_protocol=check_alpn(config, "ServerHello", extensions),
    )


def check_version(config: ClientConfig, hello: ServerHello) -> None:
    """Check that the server means TLS 1.2, and could do no better (§4.1.3)."""
    tampered = ProtocolVersion.TLS13 in config.versions and hello.random[-8:] in (
        DOWNGRADE_TLS12,
        DOWNGRADE_TLS11,
    )
    older = hello.legacy_version < ProtocolVersion.TLS12
    if tampered or (older and hello.random[-8:] == DOWNGRADE_TLS11):
        raise IllegalParameter(
            "ServerHello: an older version, from a server that can do a newer one: "
            "someone tampered with our ClientHello",
            section="4.1.3",
        )
    if hello.legacy_version != ProtocolVersion.TLS12:
        raise UnsupportedVersion(
            "ServerHello: expected TLS 1.2 or newer, got "
            f"{name_of(ProtocolVersion, hello.legacy_version)}",
            section="RFC 5246, 7.4.1.3",
        )


def check_choices(config: ClientConfig, hello: ServerHello) -> Suite12:
    """Check that suite and compression are of those that we offered."""
    if hello.legacy_compression_method != 0:
        raise IllegalParameter(
            f"ServerHello: expected no compression, got {hello.legacy_compression_method}",
            section="RFC 5246, 7.4.1.3",
        )
    if hello.cipher_suite not in offered_suites12(config):
        raise IllegalParameter(
            "ServerHello: expected a TLS 1.2 cipher suite of ours, "
            f"got {name_of(CipherSuite, hello.cipher_suite)}",
            section="RFC 5246, 7.4.1.3",
        )
    return TLS12_SUITES[hello.cipher_suite]


def check_renegotiation_info(extensions: Extensions) -> None:
    """Insist that the server knows a renegotiation from a first handshake (RFC 5746 3.4).

    Otherwise our handshake could be the renegotiation of someone else's connection,
    and continue what he said.
    """
    info = extensions.get(RenegotiationInfo)
    if info is None:
        raise NegotiationError(
            "ServerHello: expected renegotiation_info, got none", section="RFC 5746, 4.1"
        )
    if info.renegotiated_connection:
        raise NegotiationError(
            "ServerHello: expected an empty renegotiation_info in a first handshake, "
            f"got {len(info.renegotiated_connection)} bytes",
            section="RFC 5746, 3.4",
        )


def check_point_formats(extensions: Extensions) -> None:
    """Check that the server reads uncompressed points (RFC 8422 section 5.2)."""
    formats = extensions.get(EcPointFormats)
    if formats is not None and UNCOMPRESSED not in formats.ec_point_format_list:
        raise IllegalParameter(
            f"ServerHello: expected uncompressed points, got {formats.ec_point_format_list}",
            section="RFC 8422, 5.2",
        )


def find_session(hellos: ServerChose12, suite: Suite12, extended: bool) -> OfferedSession12 | None:
    """Return the session that the server resumes, if it does (RFC 5246 section 7.4.1.3)."""
    echoed = hellos.server_hello.legacy_session_id_echo
    if not echoed or echoed != hellos.client_hello.legacy_session_id:
        return None
    offered = hellos.session
    if offered is None:
        raise IllegalParameter(
            "ServerHello: expected a session ID of its own, got the one that we made up",
            section="RFC 5246, 7.4.1.3",
        )
    if suite is not offered.session.suite:
        raise IllegalParameter(
            "ServerHello: expected the suite of the resumed session, "
            f"{offered.session.suite}, got {suite}",
            section="RFC 5246, 7.4.1.3",
        )
    if not extended:
        raise NegotiationError(
            "ServerHello: expected extended_master_secret, as in the resumed session",
            section="RFC 7627, 5.3",
        )
    return offered


def limit_records12(link: Link, config: ClientConfig, extensions: Extensions) -> None:
    """Keep records within what the server answered (RFC 8449, RFC 6066 section 4)."""
    size_limit = extensions.get(RecordSizeLimit)
    fragment = extensions.get(MaxFragmentLength)
    if size_limit is not None and fragment is not None:
        raise IllegalParameter(
            "ServerHello: both record_size_limit and max_fragment_length", section="RFC 8449, 5"
        )
    if size_limit is not None:
        ours = config.record_size_limit
        link.limit_records12(sent=size_limit.limit, received=ours)
    if fragment is not None:
        if fragment.length != config.max_fragment_length:
            raise IllegalParameter(
                f"ServerHello: expected max_fragment_length {config.max_fragment_length}, "
                f"got {fragment.length}",
                section="RFC 6066, 4",
            )
        link.limit_records12(sent=fragment.length, received=fragment.length)
