"""The module's functions that make contexts."""

from __future__ import annotations

import os
import socket
import ssl
import sys
from typing import Any

from ..errors import present
from .context import SSLContext

__all__ = ["create_default_context", "get_server_certificate"]


def create_default_context(
    purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH,
    *,
    cafile: Any = None,
    capath: Any = None,
    cadata: Any = None,
) -> SSLContext:
    """Make a context as `ssl.create_default_context` does, with our engine behind it."""
    if not isinstance(purpose, ssl._ASN1Object):
        raise TypeError(purpose)
    if purpose == ssl.Purpose.SERVER_AUTH:
        context = SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.verify_mode = ssl.CERT_REQUIRED
        context.check_hostname = True
    elif purpose == ssl.Purpose.CLIENT_AUTH:
        context = SSLContext(ssl.PROTOCOL_TLS_SERVER)
    else:
        raise ValueError(purpose)
    if sys.version_info >= (3, 13):
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    _trust(context, purpose, cafile, capath, cadata)
    _log_keys(context)
    return context


def _create_unverified_context(
    protocol: int | None = None,
    *,
    cert_reqs: ssl.VerifyMode = ssl.CERT_NONE,
    check_hostname: bool = False,
    purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH,
    certfile: Any = None,
    keyfile: Any = None,
    cafile: Any = None,
    capath: Any = None,
    cadata: Any = None,
) -> SSLContext:
    """Make a context for the standard library's modules, which verifies nobody."""
    if not isinstance(purpose, ssl._ASN1Object):
        raise TypeError(purpose)
    protocols = {
        ssl.Purpose.SERVER_AUTH: ssl.PROTOCOL_TLS_CLIENT,
        ssl.Purpose.CLIENT_AUTH: ssl.PROTOCOL_TLS_SERVER,
    }
    if purpose not in protocols:
        raise ValueError(purpose)
    context = SSLContext(protocols[purpose] if protocol is None else protocol)
    context.check_hostname = check_hostname
    if cert_reqs is not None:
        context.verify_mode = cert_reqs
    if check_hostname:
        context.check_hostname = True
    if keyfile and not certfile:
        raise ValueError("certfile must be specified")
    if certfile or keyfile:
        context.load_cert_chain(certfile, keyfile)
    _trust(context, purpose, cafile, capath, cadata)
    _log_keys(context)
    return context


_create_default_https_context = create_default_context
_create_stdlib_context = _create_unverified_context


def get_server_certificate(
    addr: tuple[str, int],
    ssl_version: int = ssl.PROTOCOL_TLS_CLIENT,
    ca_certs: Any = None,
    timeout: Any = socket._GLOBAL_DEFAULT_TIMEOUT,  # type: ignore[attr-defined]
) -> str:
    """Return a server's certificate, PEM; verified if `ca_certs` is given."""
    host, _ = addr
    context = _create_unverified_context(
        ssl_version,
        cert_reqs=ssl.CERT_NONE if ca_certs is None else ssl.CERT_REQUIRED,
        cafile=ca_certs,
    )
    with (
        socket.create_connection(addr, timeout=timeout) as sock,
        context.wrap_socket(sock, server_hostname=host) as wrapped,
    ):
        der = present(wrapped.getpeercert(True), "certificate")  # a server always has one
    return ssl.DER_cert_to_PEM_cert(der)


def _trust(
    context: SSLContext, purpose: ssl.Purpose, cafile: Any, capath: Any, cadata: Any
) -> None:
    if cafile or capath or cadata:
        context.load_verify_locations(cafile, capath, cadata)
    elif context.verify_mode != ssl.CERT_NONE:
        context.load_default_certs(purpose)


def _log_keys(context: SSLContext) -> None:
    path = os.environ.get("SSLKEYLOGFILE")
    if path and not sys.flags.ignore_environment:
        context.keylog_filename = path
