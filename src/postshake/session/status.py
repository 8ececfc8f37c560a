"""What the handshake settled, in GnuTLS's numbers."""

from __future__ import annotations

from ..constants import CipherSuite, NamedGroup, ProtocolVersion, Role
from ..events import Established
from . import constants as c
from .record_driver import RecordDriver
from .settings import SessionSettings

__all__ = ["key_exchange", "protocol_version", "session_flags"]

_VERSIONS = {ProtocolVersion.TLS12: c.TLS1_2, ProtocolVersion.TLS13: c.TLS1_3}
_KX12 = (
    ("ECDHE_ECDSA", c.KX_ECDHE_ECDSA),
    ("ECDHE_RSA", c.KX_ECDHE_RSA),
    ("ECDHE_PSK", c.KX_ECDHE_PSK),
)


def session_flags(settings: SessionSettings, driver: RecordDriver) -> int:
    """Return SFLAGS_ bits; 0 before the handshake is complete."""
    connection = driver.connection
    established = connection.established
    if established is None:
        return 0
    flags = c.SFLAGS_SAFE_RENEGOTIATION
    if established.extended_master_secret:
        flags |= c.SFLAGS_EXT_MASTER_SECRET
    if settings.role is Role.server:
        wanted = bool(settings.flags & c.POST_HANDSHAKE_AUTH)
        if wanted and established.post_handshake_auth:
            flags |= c.SFLAGS_POST_HANDSHAKE_AUTH
    elif not settings.without_tickets:
        session12 = connection.session12
        if connection.tickets or (session12 is not None and session12.ticket):
            flags |= c.SFLAGS_SESSION_TICKET
    if established.early_data_accepted:
        flags |= c.SFLAGS_EARLY_DATA
    if established.group in range(NamedGroup.ffdhe2048, NamedGroup.ffdhe8192 + 1):
        flags |= c.SFLAGS_RFC7919
    if driver.asked_for_ocsp:
        flags |= c.SFLAGS_SERV_REQUESTED_OCSP
    return flags


def protocol_version(established: Established | None) -> int:
    """Return TLS1_3 or TLS1_2; VERSION_UNKNOWN before the handshake."""
    return c.VERSION_UNKNOWN if established is None else _VERSIONS[established.version]


def key_exchange(established: Established | None) -> int:
    """Return a KX_ number; KX_UNKNOWN before the handshake."""
    if established is None:
        return c.KX_UNKNOWN
    if established.version is ProtocolVersion.TLS12:
        suite = CipherSuite(established.suite.code)
        return next(kx for word, kx in _KX12 if word in suite.name)
    if established.psk_identity is None:
        return c.KX_ECDHE_RSA
    return c.KX_PSK if established.group is None else c.KX_ECDHE_PSK
