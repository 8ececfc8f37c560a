"""TLS 1.3 post-handshake authentication for Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._api import (
        AuthRequest,
        ChainVerifier,
        ClientAuth,
        ClientConfig,
        Connection,
        Credential,
        ExternalPsk,
        Identity,
        Outcome,
        PostshakeError,
        ProtocolVersion,
        PskKind,
        ReauthCompleted,
        ReauthRequested,
        ReauthUnavailable,
        Refusal,
        ServerConfig,
        Session12,
        SessionCache12,
        State,
        Ticket,
        TicketKeys,
        TLSError,
        TruncationError,
        TrustStore,
        UsageError,
        import_psk,
    )

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


if not TYPE_CHECKING:  # to whom the names above are all there are

    def __getattr__(name: str) -> object:
        """Load the engine when a name of it is first wanted (PEP 562).

        Who imports the package and may never open a connection pays nothing. What the engine
        consists of, ``postshake.events`` and the like, is loaded by that too.
        """
        if name.startswith("_"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import postshake._api

        known = globals()
        known.update((each, getattr(postshake._api, each)) for each in __all__)
        if name not in known:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return known[name]

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
