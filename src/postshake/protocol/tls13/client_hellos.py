"""The exchange of hellos, seen from the client (§4.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from ..._dataclass import dataclass, field
from ...config import ClientConfig
from ...constants import CipherSuite, ProtocolVersion, name_of
from ...crypto.groups import KeyShare
from ...crypto.suites import TLS13_SUITES, Suite
from ...errors import IllegalParameter, InternalError, UnexpectedMessage, UnsupportedVersion
from ...resumption.ticket import Ticket
from ...wire.extensions import SupportedVersionsServerHello
from ...wire.handshake import encode_handshake
from ...wire.hello import DOWNGRADE_TLS11, DOWNGRADE_TLS12, ClientHello, ServerHello
from ..client_hello import check_answers, make_offer, renew_offer
from ..flow import Flow, expect, expect_one_of
from ..link import Flight, Link
from ..negotiate import check_legacy_version
from ..tls12_chosen import OfferedSession12, ServerChose12
from ..transcript import Transcript
from .early_data import EarlyData
from .psk import Psk
from .psk_client import check_selected, offer_psks

__all__ = ["Hellos", "exchange_hellos"]


@dataclass(frozen=True, slots=True)
class Hellos:
    """What the exchange of hellos settled."""

    client_hello: ClientHello
    shares: Mapping[int, KeyShare] = field(repr=False)
    server_hello: ServerHello
    suite: Suite
    transcript: Transcript
    retried: bool
    psk: Psk | None = None
    """The PSK that the server selected."""

    @property
    def client_random(self) -> bytes:
        """By which a key log names this connection."""
        return self.client_hello.random


def exchange_hellos(
    link: Link,
    config: ClientConfig,
    server_name: str | None,
    psks: tuple[Psk, ...],
    session12: OfferedSession12 | None,
    early_data: EarlyData,
) -> Flow[Hellos | ServerChose12]:
    """Send ClientHello until ServerHello comes, at most twice (§4.1.4)."""
    session = psks[0].session if psks else None
    likely = session.group if isinstance(session, Ticket) else 0
    offer = make_offer(
        config,
        server_name,
        likely=likely,
        session12=session12.session if session12 is not None else None,
    )
    now = config.wall_clock()
    early = early_data.wanted(psks)
    first = offer_psks(offer.hello, psks, now, early_data=early)
    first_raw = encode_handshake(first)
    link.layer.legacy_record_version = ProtocolVersion.TLS10  # §5.1: for old middleboxes
    link.send_message(first)
    link.layer.legacy_record_version = ProtocolVersion.TLS12
    link.layer.ccs_allowed = True  # §5: from the first ClientHello on
    if early:
        early_data.begin(psks[0], first, first_raw)
    received = yield from expect_one_of(ServerHello)
    hello = received.message
    if not isinstance(hello, ServerHello):
        raise InternalError(f"expected ServerHello, got {type(hello).__name__}")
    check_legacy_version("ServerHello", hello.legacy_version)
    if chose_tls12(config, hello):
        if early:
            raise UnsupportedVersion(
                "expected TLS 1.3 from a server that gave a ticket for early data, got TLS 1.2",
                section="E.3",
            )
        return ServerChose12(first, hello, (first_raw, received.raw), session12)
    suite = check_server_hello(config, first, hello)
    if not hello.is_hello_retry_request:
        transcript = Transcript(suite.hash_name, first_raw, received.raw)
        psk = check_selected(config, hello, psks, suite)
        link.change_cipher_spec_due = needs_change_cipher_spec(config, early_data)
        return Hellos(first, offer.shares, hello, suite, transcript, retried=False, psk=psk)

    early_data.retry()
    digest = hashlib.new(suite.hash_name, first_raw).digest()
    transcript = Transcript.after_retry(suite.hash_name, digest)
    transcript.add(received.raw)
    offer = renew_offer(config, offer, hello)
    if needs_change_cipher_spec(config, early_data):
        link.send_change_cipher_spec()
    psks = tuple(psk for psk in psks if psk.hash_name == suite.hash_name)  # §4.1.4
    second = offer_psks(offer.hello, psks, config.wall_clock(), before=transcript)
    flight = Flight(transcript)
    flight.add(second)
    link.send(flight)
    final = yield from expect(ServerHello, into=transcript)
    if final.is_hello_retry_request:
        raise UnexpectedMessage("expected ServerHello, got a second HelloRetryRequest")
    check_legacy_version("ServerHello", final.legacy_version)
    check_server_hello(config, second, final)
    if final.cipher_suite != suite.code:
        raise IllegalParameter(
            f"ServerHello: expected the suite of the HelloRetryRequest, {suite.code.name}, "
            f"got {name_of(CipherSuite, final.cipher_suite)}",
            section="4.1.4",
        )
    psk = check_selected(config, final, psks, suite)
    return Hellos(second, offer.shares, final, suite, transcript, retried=True, psk=psk)


def needs_change_cipher_spec(config: ClientConfig, early_data: EarlyData) -> bool:
    """Whether one goes before our second flight, a hello or not; early data is one (§D.4)."""
    return config.middlebox_compatibility and not early_data.began


def chose_tls12(config: ClientConfig, hello: ServerHello) -> bool:
    """Whether the server answered in the way of TLS 1.2, and we speak it (§4.1.3)."""
    return (
        ProtocolVersion.TLS12 in config.versions
        and not hello.is_hello_retry_request
        and hello.extensions.get(SupportedVersionsServerHello) is None
    )


def check_server_hello(config: ClientConfig, offered: ClientHello, hello: ServerHello) -> Suite:
    """Hold a ServerHello or HelloRetryRequest against our offer (§4.1.3).

    Returns:
        The cipher suite that it chose.
    """
    version = hello.extensions.get(SupportedVersionsServerHello)
    if version is None:
        refuse_old_version(hello)
    elif version.selected_version != ProtocolVersion.TLS13:
        raise IllegalParameter(
            f"ServerHello: expected TLS 1.3 in supported_versions, "
            f"got 0x{version.selected_version:04x}",
            section="4.2.1",
        )
    if hello.legacy_version != ProtocolVersion.TLS12:
        raise IllegalParameter(
            "ServerHello.legacy_version: expected 0x0303, as in TLS 1.2, "
            f"got 0x{hello.legacy_version:04x}",
            section="4.1.3",
        )
    _require_equal(
        "legacy_session_id_echo", offered.legacy_session_id, hello.legacy_session_id_echo
    )
    _require_equal("legacy_compression_method", 0, hello.legacy_compression_method)
    if hello.cipher_suite not in config.cipher_suites:
        raise IllegalParameter(
            "ServerHello: expected a cipher suite of ours, "
            f"got {name_of(CipherSuite, hello.cipher_suite)}",
            section="4.1.3",
        )
    answered = hello.extensions
    check_answers(
        offered, answered, "HelloRetryRequest" if hello.is_hello_retry_request else "ServerHello"
    )
    return TLS13_SUITES[hello.cipher_suite]


def refuse_old_version(hello: ServerHello) -> None:
    """Refuse a server that chose TLS 1.2 or older, with the reason (§4.1.3)."""
    if hello.random[-8:] in (DOWNGRADE_TLS12, DOWNGRADE_TLS11):
        raise IllegalParameter(
            "ServerHello: an older version, from a server that can do TLS 1.3: "
            "someone tampered with our ClientHello",
            section="4.1.3",
        )
    raise UnsupportedVersion(
        f"expected TLS 1.3, got {name_of(ProtocolVersion, hello.legacy_version)}", section="4.2.1"
    )


def _require_equal(field_name: str, expected: int | bytes, got: int | bytes) -> None:
    if expected != got:
        raise IllegalParameter(
            f"ServerHello.{field_name}: expected {expected!r}, got {got!r}", section="4.1.3"
        )
