"""What two ends have from before: external PSKs, tickets, and sessions of TLS 1.2."""

from .external_psk import ExternalPsk, ImportedIdentity, PskKind, PskLookup, import_psk
from .replay import EarlyDataClaim, ReplayGuard, SingleUse
from .session12 import Session12, SessionCache12
from .ticket import Ticket, TicketDatabase, TicketState
from .ticket_keys import TicketKeys, TicketSealer

__all__ = [
    "EarlyDataClaim",
    "ExternalPsk",
    "ImportedIdentity",
    "PskKind",
    "PskLookup",
    "ReplayGuard",
    "Session12",
    "SessionCache12",
    "SingleUse",
    "Ticket",
    "TicketDatabase",
    "TicketKeys",
    "TicketSealer",
    "TicketState",
    "import_psk",
]
