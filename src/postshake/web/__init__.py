"""Step-up in web applications: a client certificate when a route is reached."""

from .asgi import Connection, StepUp, connection_of, reauth, step_up
from .path_guard import AmbiguousPath
from .policy import BodyTooLarge, CertificateNeeded, Lack, Policy, ServerBusy
from .quota import Quota
from .servers import hypercorn_config, server_context, uvicorn_ssl

__all__ = [
    "AmbiguousPath",
    "BodyTooLarge",
    "CertificateNeeded",
    "Connection",
    "Lack",
    "Policy",
    "Quota",
    "ServerBusy",
    "StepUp",
    "connection_of",
    "hypercorn_config",
    "reauth",
    "server_context",
    "step_up",
    "uvicorn_ssl",
]
