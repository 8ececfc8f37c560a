"""The public names of `postshake`, which it loads at their first use."""

from __future__ import annotations

from .config import AuthRequest, ClientAuth, ClientConfig, Refusal, ServerConfig
from .connection import Connection, State
from .constants import ProtocolVersion
from .errors import PostshakeError, ReauthUnavailable, TLSError, TruncationError, UsageError
from .events import Outcome, ReauthCompleted, ReauthRequested
from .pki.credential import Credential
from .pki.identity import Identity
from .pki.policies import PolicyInputs
from .pki.trust import ChainVerifier, TrustStore
from .resumption.external_psk import ExternalPsk, PskKind, import_psk
from .resumption.session12 import Session12, SessionCache12
from .resumption.ticket import Ticket
from .resumption.ticket_keys import TicketKeys

__all__ = [
    "AuthRequest",
    "ChainVerifier",
    "ClientAuth",
    "ClientConfig",
    "Connection",
    "Credential",
    "ExternalPsk",
    "Identity",
    "Outcome",
    "PolicyInputs",
    "PostshakeError",
    "ProtocolVersion",
    "PskKind",
    "ReauthCompleted",
    "ReauthRequested",
    "ReauthUnavailable",
    "Refusal",
    "ServerConfig",
    "Session12",
    "SessionCache12",
    "State",
    "TLSError",
    "Ticket",
    "TicketKeys",
    "TruncationError",
    "TrustStore",
    "UsageError",
    "import_psk",
]
