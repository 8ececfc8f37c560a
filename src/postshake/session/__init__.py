"""GnuTLS's API in Python: `Session`, its credentials, its constants and its errors."""

from . import codes, constants
from .codes import *
from .constants import *
from .credentials import CertificateCredentials, RetrieveFunction, RetrieveRequest, VerifyFunction
from .errors import (
    Again,
    GotApplicationData,
    Interrupted,
    NonFatal,
    ReauthRequest,
    Rehandshake,
    SessionError,
    WarningAlertReceived,
)
from .priority import Priorities, parse_priorities
from .psk import PskClientFunction, PskCredentials, PskServerFunction
from .session import Session
from .strerror import strerror
from .ticket_keys import AddFunction, AntiReplay, session_ticket_key_generate
from .transport import Pull, Push

__all__ = [
    "AddFunction",
    "Again",
    "AntiReplay",
    "CertificateCredentials",
    "GotApplicationData",
    "Interrupted",
    "NonFatal",
    "Priorities",
    "PskClientFunction",
    "PskCredentials",
    "PskServerFunction",
    "Pull",
    "Push",
    "ReauthRequest",
    "Rehandshake",
    "RetrieveFunction",
    "RetrieveRequest",
    "Session",
    "SessionError",
    "VerifyFunction",
    "WarningAlertReceived",
    "parse_priorities",
    "session_ticket_key_generate",
    "strerror",
]
__all__ += codes.__all__
__all__ += constants.__all__
