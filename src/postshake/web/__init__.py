"""Step-up in web applications: a client certificate when a route is reached."""

from .asgi import Connection, StepUp, connection_of, reauth, step_up
from .policy import BodyTooLarge, CertificateNeeded, Lack, Policy
from .servers import hypercorn_config, server_context, uvicorn_ssl

__all__ = [
    "BodyTooLarge",
    "CertificateNeeded",
    "Connection",
    "Lack",
    "Policy",
    "StepUp",
    "connection_of",
    "hypercorn_config",
    "reauth",
    "server_context",
    "step_up",
    "uvicorn_ssl",
]
