"""External PSKs, as a server finds them, in both versions."""

from __future__ import annotations

from ..config import ServerConfig
from ..errors import InternalError
from ..questions import FindPsk
from ..resumption.external_psk import ExternalPsk
from .flow import Flow, ask

__all__ = []


def find_external(config: ServerConfig, identity: bytes) -> Flow[ExternalPsk | None]:
    """Find an external PSK: in the configuration, or where that says."""
    for psk in config.psks:
        if psk.identity == identity:
            return psk
    if config.psk_lookup is None:
        return None
    found = yield from ask(FindPsk(config.psk_lookup, identity))
    if found is not None and not isinstance(found, ExternalPsk):
        raise InternalError(f"FindPsk: the answer is a {type(found).__name__}")
    return found
