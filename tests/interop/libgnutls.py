"""Just enough of libgnutls, through ctypes, for both ends of a reauth.

The declarations follow gnutls/gnutls.h. A call that fails raises GnutlsError.
"""

from __future__ import annotations

import ctypes
import functools
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.interop.program import TIMEOUT
from tests.requirements import require

__all__ = ["GnutlsError", "GnutlsSession", "library"]

SERVER, CLIENT = 1, 2  # flags of gnutls_init()
POST_HANDSHAKE_AUTH = 1 << 14
AUTO_REAUTH = 1 << 19

CRD_CERTIFICATE = 1
X509_FMT_PEM = 1
NAME_DNS = 1
SHUT_WR = 1
KU_PEER = 1
CERT_REQUEST, CERT_REQUIRE = 1, 2

E_FATAL_ALERT_RECEIVED = -12
E_WARNING_ALERT_RECEIVED = -16
E_AGAIN = -28
E_GOT_APPLICATION_DATA = -38
E_NO_CERTIFICATE_FOUND = -49
E_INVALID_REQUEST = -50
E_INTERRUPTED = -52
E_REAUTH_REQUEST = -424
E_CERTIFICATE_REQUIRED = -112

AL_FATAL = 2
A_UNKNOWN_CA = 48
CERT_INVALID, CERT_SIGNER_NOT_FOUND = 1 << 1, 1 << 6

PRIORITY = b"NORMAL:-VERS-ALL:+VERS-TLS1.3"


class Datum(ctypes.Structure):
    """gnutls_datum_t."""

    _fields_ = (("data", ctypes.POINTER(ctypes.c_ubyte)), ("size", ctypes.c_uint))


class GnutlsError(OSError):
    """A negative code. The alert's name is in the text where one was received."""

    def __init__(self, code: int, alert: str = "") -> None:
        name = library().gnutls_strerror_name(code).decode()
        super().__init__(code, f"{name} {alert}".rstrip())
        self.code = code


@functools.cache
def library() -> ctypes.CDLL:
    """Load libgnutls."""
    gnutls = ctypes.CDLL(require("libgnutls"))
    gnutls.gnutls_strerror_name.restype = ctypes.c_char_p
    gnutls.gnutls_alert_get_name.restype = ctypes.c_char_p
    gnutls.gnutls_record_recv.restype = ctypes.c_ssize_t
    gnutls.gnutls_record_send.restype = ctypes.c_ssize_t
    gnutls.gnutls_certificate_get_peers.restype = ctypes.POINTER(Datum)
    return gnutls


class GnutlsSession:
    """One end of a TLS 1.3 connection over a blocking socket.

    The socket's time limit must be SO_RCVTIMEO, since GnuTLS reads from the file
    descriptor; when it passes, TimeoutError is raised.
    """

    def __init__(
        self,
        sock: socket.socket,
        flags: int,
        ca: Path,
        certificate: Path | None,
        key: Path | None,
    ) -> None:
        self._gnutls = library()
        self._socket = sock
        self._session = ctypes.c_void_p()
        self._credentials = ctypes.c_void_p()
        call = self._gnutls
        _check(call.gnutls_init(ctypes.byref(self._session), flags))
        _check(call.gnutls_certificate_allocate_credentials(ctypes.byref(self._credentials)))
        trust = call.gnutls_certificate_set_x509_trust_file
        _check(trust(self._credentials, bytes(ca), X509_FMT_PEM))
        if certificate and key:
            pair = call.gnutls_certificate_set_x509_key_file
            _check(pair(self._credentials, bytes(certificate), bytes(key), X509_FMT_PEM))
        _check(call.gnutls_priority_set_direct(self._session, PRIORITY, None))
        _check(call.gnutls_credentials_set(self._session, CRD_CERTIFICATE, self._credentials))
        if flags & CLIENT:
            name = b"localhost"
            size = ctypes.c_size_t(len(name))
            _check(call.gnutls_server_name_set(self._session, NAME_DNS, name, size))
            call.gnutls_session_set_verify_cert(self._session, name, 0)
        # gnutls_transport_set_int() is a macro for this
        call.gnutls_transport_set_int2(self._session, sock.fileno(), sock.fileno())

    def handshake(self) -> None:
        """Do the main handshake, and verify the server's certificate on a client."""
        self._run(self._gnutls.gnutls_handshake)

    def receive(self, size: int = 16384) -> bytes | int:
        """Return data, b"" at the end, or E_REAUTH_REQUEST."""
        buffer = ctypes.create_string_buffer(size)
        code = self._run(
            self._gnutls.gnutls_record_recv,
            buffer,
            ctypes.c_size_t(size),
            passed=(E_REAUTH_REQUEST,),
        )
        return buffer.raw[:code] if code >= 0 else code

    def send(self, data: bytes) -> None:
        """Send all of it."""
        while data:
            sent = self._run(self._gnutls.gnutls_record_send, data, ctypes.c_size_t(len(data)))
            data = data[sent:]

    def request_certificate(self, mode: int) -> bytes:
        """Server: ask, wait for the answer, and return what the client said before it."""
        self._gnutls.gnutls_certificate_server_set_request(self._session, mode)
        early = b""
        while self._run(self._gnutls.gnutls_reauth, 0, passed=(E_GOT_APPLICATION_DATA,)):
            data = self.receive()
            assert isinstance(data, bytes)
            early += data
        return early

    def answer(self) -> None:
        """Client: answer E_REAUTH_REQUEST."""
        self._run(self._gnutls.gnutls_reauth, 0)

    def update_keys(self) -> None:
        """Change our keys and have the peer change its."""
        self._run(self._gnutls.gnutls_session_key_update, KU_PEER)

    def peer_certificate(self) -> bytes | None:
        """Return the peer's leaf in DER."""
        count = ctypes.c_uint()
        chain = self._gnutls.gnutls_certificate_get_peers(self._session, ctypes.byref(count))
        if not chain or not count.value:
            return None
        return ctypes.string_at(chain[0].data, chain[0].size)

    def verify_peer(self) -> int:
        """Return 0 where the peer's chain is trusted, else GNUTLS_CERT_* flags."""
        status = ctypes.c_uint()
        verify = self._gnutls.gnutls_certificate_verify_peers2
        _check(verify(self._session, ctypes.byref(status)))
        return status.value

    def refuse(self) -> None:
        """Send the fatal alert unknown_ca."""
        self._run(self._gnutls.gnutls_alert_send, AL_FATAL, A_UNKNOWN_CA)

    def send_alert_for(self, code: int) -> None:
        """Send the alert that GnuTLS maps this error to."""
        self._run(self._gnutls.gnutls_alert_send_appropriate, code)

    def bye(self) -> None:
        """Send close_notify."""
        self._run(self._gnutls.gnutls_bye, SHUT_WR)

    def free(self) -> None:
        """Release the session; it cannot be used any more."""
        self._gnutls.gnutls_deinit(self._session)
        self._gnutls.gnutls_certificate_free_credentials(self._credentials)

    def _run(
        self, function: Callable[..., Any], *arguments: object, passed: tuple[int, ...] = ()
    ) -> int:
        started = time.monotonic()
        while True:
            code = int(function(self._session, *arguments))
            if code >= 0 or code in passed:
                return code
            # E_AGAIN comes after a key update as well, where it only means "call again"
            if code == E_AGAIN and time.monotonic() - started > TIMEOUT - 1:
                raise TimeoutError("libgnutls: the socket's time limit passed")
            if code in (E_FATAL_ALERT_RECEIVED, E_WARNING_ALERT_RECEIVED):
                alert = self._gnutls.gnutls_alert_get(self._session)
                raise GnutlsError(code, self._gnutls.gnutls_alert_get_name(alert).decode())
            if code not in (E_AGAIN, E_INTERRUPTED):
                raise GnutlsError(code)


def _check(code: int) -> None:
    if code < 0:
        raise GnutlsError(code)
