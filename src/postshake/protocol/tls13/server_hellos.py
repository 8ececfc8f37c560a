"""The exchange of hellos, seen from the server, up to the last ClientHello (§4.1)."""

from __future__ import annotations

import hashlib
import hmac

from ..._dataclass import dataclass, replace
from ...config import ServerConfig
from ...constants import (
    CipherSuite,
    ExtensionType,
    NamedGroup,
    ProtocolVersion,
    PskKeyExchangeMode,
    name_of,
    names_of,
)
from ...crypto.suites import TLS13_SUITES, Suite
from ...errors import (
    IllegalParameter,
    InternalError,
    MissingExtension,
    NegotiationError,
    NoCommonGroup,
    UnsupportedVersion,
    require,
)
from ...wire.extensions import (
    Cookie,
    EarlyDataIndication,
    Extension,
    Extensions,
    KeyShareClientHello,
    KeyShareHelloRetryRequest,
    PreSharedKeyClientHello,
    PskKeyExchangeModes,
    SignatureAlgorithms,
    SupportedGroups,
    SupportedVersionsClientHello,
    SupportedVersionsServerHello,
)
from ...wire.hello import HELLO_RETRY_REQUEST_RANDOM, ClientHello, ServerHello
from ..flow import Flow, Received, expect_one_of
from ..link import Flight, Link
from ..negotiate import check_legacy_version, choose_group, choose_version, common_suites
from ..tls12_chosen import ClientOffered12
from ..transcript import Transcript
from .early_data import skip_early_data
from .psk import Psk
from .psk_server import choose_psk, choose_suite

__all__ = ["Hellos", "enter_compatibility", "exchange_hellos"]


@dataclass(slots=True)
class Hellos:
    """What the exchange of hellos settled, before our ServerHello is written."""

    client_hello: ClientHello
    suite: Suite
    group: NamedGroup | None
    """None where a PSK is used without a key exchange (psk_ke, §4.2.9)."""
    client_share: bytes
    transcript: Transcript
    retried: bool
    psk: Psk | None = None
    """The PSK that we chose."""

    @property
    def extensions(self) -> Extensions:
        """The client's."""
        return self.client_hello.extensions


@dataclass(frozen=True, slots=True)
class Retry:
    """What we keep while we wait for a second ClientHello: nothing as large as the first."""

    suite: Suite
    group: NamedGroup | None
    share: bytes | None
    """The client's, where we only want a cookie back."""
    cookie: bytes | None
    transcript: Transcript
    psk: Psk | None
    unchanging: bytes
    """A digest of what the second must have as the first (§4.1.2)."""
    shares: bytes
    """A digest of the key shares."""


def exchange_hellos(
    link: Link, config: ServerConfig, received: Received
) -> Flow[Hellos | ClientOffered12]:
    """Go by the first ClientHello; ask once for another if it does not do (§4.1.4)."""
    hello = received.message
    if not isinstance(hello, ClientHello):
        raise InternalError(f"expected ClientHello, got {type(hello).__name__}")
    check_legacy_version("ClientHello", hello.legacy_version)
    if choose_version(config, hello) is ProtocolVersion.TLS12:
        return ClientOffered12(hello, received.raw)
    link.layer.ccs_allowed = True  # §5: from the first ClientHello on
    suite = check_client_hello(config, hello)
    psk = yield from choose_psk(config, hello, received.raw)
    skip_early_data(link, config, hello, psk)
    if psk is not None:
        suite = choose_suite(config, hello, psk)
    group, share = find_group(config, hello, psk)
    if share is not None and not config.require_cookie:
        transcript = Transcript(suite.hash_name, received.raw)
        return Hellos(hello, suite, group, share, transcript, retried=False, psk=psk)

    digest = hashlib.new(suite.hash_name, received.raw).digest()
    transcript = Transcript.after_retry(suite.hash_name, digest)
    cookie = config.random(32) if config.require_cookie else None
    flight = Flight(transcript)
    flight.add(make_retry(hello, suite, group if share is None else None, cookie))
    link.send(flight)
    enter_compatibility(link, hello)
    digests = _digest_of_unchanging(hello), _digest_of_shares(hello)
    del received, hello  # when the second comes is for the client to say
    retry = Retry(suite, group, share, cookie, transcript, psk, *digests)
    return (yield from read_second_hello(config, retry))


def read_second_hello(config: ServerConfig, retry: Retry) -> Flow[Hellos]:
    """Read the ClientHello that we asked for."""
    suite, group, transcript = retry.suite, retry.group, retry.transcript
    received = yield from expect_one_of(ClientHello)
    again = require(ClientHello, received.message)
    share = check_second_hello(retry, again)
    check_client_hello(config, again)
    psk = yield from choose_psk(config, again, received.raw, transcript, suite.hash_name, retry.psk)
    if group is None and (psk is None or psk.mode is not PskKeyExchangeMode.psk_ke):
        raise IllegalParameter(
            "second ClientHello: expected the PSK of the first, got none to use",
            section="4.1.2",
        )
    transcript.add(received.raw)
    return Hellos(again, suite, group, share, transcript, retried=True, psk=psk)


def enter_compatibility(link: Link, hello: ClientHello) -> None:
    """Follow our first message with a ChangeCipherSpec, if the client does so too (§D.4)."""
    if hello.legacy_session_id:
        link.send_change_cipher_spec()


def check_client_hello(config: ServerConfig, hello: ClientHello) -> Suite:
    """Check what every ClientHello must be, and choose the suite (§4.1.2, §9.2)."""
    versions = hello.extensions.get(SupportedVersionsClientHello)
    if versions is None or ProtocolVersion.TLS13 not in versions.versions:
        offered = versions.versions if versions else (hello.legacy_version,)
        raise UnsupportedVersion(
            "expected TLS 1.3 to be offered, got " + names_of(ProtocolVersion, offered),
            section="4.2.1",
        )
    if hello.legacy_compression_methods != b"\0":
        raise IllegalParameter(
            "ClientHello.legacy_compression_methods: expected 00, "
            f"got {hello.legacy_compression_methods.hex() or 'nothing'}",
            section="4.1.2",
        )
    check_presence(hello.extensions)
    common = common_suites(
        config.cipher_suites, hello.cipher_suites, client_first=config.prefer_client_suites
    )
    if not common:
        raise NegotiationError(
            "no cipher suite in common: the client offers "
            + names_of(CipherSuite, hello.cipher_suites)
        )
    return TLS13_SUITES[common[0]]


def check_presence(extensions: Extensions) -> None:
    """Check that the extensions are there which others, or all, depend on (§9.2)."""
    if extensions.get(PreSharedKeyClientHello) is None:
        required: tuple[type[Extension], ...] = (
            SignatureAlgorithms,
            SupportedGroups,
            KeyShareClientHello,
        )
        if extensions.get(EarlyDataIndication) is not None:
            raise IllegalParameter(
                "ClientHello: expected pre_shared_key with early_data", section="4.2.10"
            )
    elif extensions.get(PskKeyExchangeModes) is None:
        raise MissingExtension(
            "ClientHello: expected psk_key_exchange_modes with pre_shared_key", section="4.2.9"
        )
    else:
        pair = SupportedGroups, KeyShareClientHello
        required = pair if any(extensions.get(each) is not None for each in pair) else ()
    for each in required:
        if extensions.get(each) is None:
            raise MissingExtension(f"ClientHello: expected {each.__name__}", section="9.2")


def find_group(
    config: ServerConfig, hello: ClientHello, psk: Psk | None
) -> tuple[NamedGroup | None, bytes | None]:
    """Choose the group, and find the client's share for it if there is one (§4.2.8).

    With a PSK alone there is no group and nothing to share.
    """
    if psk is not None and psk.mode is PskKeyExchangeMode.psk_ke:
        return None, b""
    groups = hello.extensions.require(SupportedGroups).named_group_list
    listed = frozenset(groups)  # both lists may be long
    shares: dict[int, bytes] = {}
    for entry in hello.extensions.require(KeyShareClientHello).client_shares:
        name = name_of(NamedGroup, entry.group)
        if entry.group in shares:
            raise IllegalParameter(f"ClientHello: two key shares for {name}", section="4.2.8")
        if entry.group not in listed:
            raise IllegalParameter(
                f"ClientHello: a key share for {name}, which supported_groups does not list",
                section="4.2.8",
            )
        shares[entry.group] = entry.key_exchange
    group = choose_group(config.groups, groups, shares)
    if group is None:
        raise NoCommonGroup("no group in common: the client offers " + names_of(NamedGroup, groups))
    return NamedGroup(group), shares.get(group)


def make_retry(
    hello: ClientHello, suite: Suite, group: NamedGroup | None, cookie: bytes | None
) -> ServerHello:
    """Write a HelloRetryRequest (§4.1.4)."""
    extensions: list[Extension] = [SupportedVersionsServerHello(ProtocolVersion.TLS13)]
    if group is not None:
        extensions.append(KeyShareHelloRetryRequest(group))
    if cookie is not None:
        extensions.append(Cookie(cookie))
    return ServerHello(
        random=HELLO_RETRY_REQUEST_RANDOM,
        legacy_session_id_echo=hello.legacy_session_id,
        cipher_suite=suite.code,
        extensions=Extensions(tuple(extensions)),
    )


def check_second_hello(retry: Retry, second: ClientHello) -> bytes:
    """Check that only what we asked for has changed; return the share (§4.1.2)."""
    if _digest_of_unchanging(second) != retry.unchanging:
        raise IllegalParameter(
            "second ClientHello: expected the first but for what we asked, got another",
            section="4.1.2",
        )
    if retry.cookie is not None:
        echoed = second.extensions.require(Cookie).cookie
        if not hmac.compare_digest(echoed, retry.cookie):
            raise IllegalParameter("second ClientHello: the cookie is not ours", section="4.2.2")
    if second.extensions.get(EarlyDataIndication) is not None:
        raise IllegalParameter("second ClientHello: early data is over by now", section="4.1.2")
    if retry.group is None:
        return b""
    shares = second.extensions.require(KeyShareClientHello).client_shares
    if retry.share is not None:
        if _digest_of_shares(second) != retry.shares:
            raise IllegalParameter(
                "second ClientHello: expected the same key shares", section="4.1.2"
            )
        return retry.share
    if [entry.group for entry in shares] != [retry.group]:
        raise IllegalParameter(
            f"second ClientHello: expected one key share, for {retry.group.name}, got "
            + (names_of(NamedGroup, [entry.group for entry in shares]) or "none"),
            section="4.2.8",
        )
    return shares[0].key_exchange


MAY_CHANGE = frozenset(
    {
        ExtensionType.key_share,
        ExtensionType.cookie,
        ExtensionType.early_data,
        ExtensionType.pre_shared_key,
        ExtensionType.padding,
    }
)
"""Extensions that a second ClientHello may change, add or drop (§4.1.2)."""


def _digest_of_unchanging(hello: ClientHello) -> bytes:
    kept = tuple(item for item in hello.extensions if item.extension_type not in MAY_CHANGE)
    return hashlib.sha256(replace(hello, extensions=Extensions(kept)).encode()).digest()


def _digest_of_shares(hello: ClientHello) -> bytes:
    shares = hello.extensions.get(KeyShareClientHello)
    return hashlib.sha256(shares.encode()).digest() if shares is not None else b""
