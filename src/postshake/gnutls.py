"""GnuTLS's C API, as far as a reauthenticating program touches it, over `Session`.

A C program is transcribed line by line: the names are the same, and every function
returns what the manual page says, 0, a count or a negative number, and raises nothing
of its own. What Python has no word for:

- ``gnutls_session_t()`` and the like make the object that ``gnutls_init(session, flags)``
  and its kin fill, in the place of ``&session``;
- where C has a pointer to a number, give an object with a ``value``, such as
  ``ctypes.c_uint()``; where C has a buffer, a ``bytearray``;
- lengths of what is ``bytes`` or a list here are left out;
- push and pull functions get the transport pointer first. ``push(ptr, data)`` returns how
  many bytes it took, ``pull(ptr, size)`` the bytes. For -1 and ``gnutls_transport_set_errno``
  they may also raise BlockingIOError or InterruptedError.
"""

from __future__ import annotations

import errno
import os
import weakref
from collections.abc import Callable
from typing import Any

from . import session as _session
from .errors import PostshakeError
from .session import AntiReplay, CertificateCredentials, PskCredentials, Session, SessionError
from .session.errors import translate

__all__: list[str] = []  # every name that begins with gnutls_ or GNUTLS_; see the end

TICKET_KEY_LENGTH = 64


class gnutls_session_t:
    """A session, once gnutls_init has filled it."""

    def __init__(self) -> None:
        self.it: Session | None = None
        self.ptr: Any = None
        """The transport's pointer."""
        self.errno = 0
        self.push: Callable[[Any, memoryview], int] | None = None
        self.pull: Callable[[Any, int], bytes | int] | None = None

    def connect(self) -> None:
        """Give the session its transport, once both functions are there."""
        if self.it is not None and self.push is not None and self.pull is not None:
            self.it.transport_set_functions(self._push, self._pull)

    def _push(self, data: memoryview) -> int:
        assert self.push is not None
        return self._checked(self.push(self.ptr, data))

    def _pull(self, size: int) -> bytes:
        assert self.pull is not None
        answer = self.pull(self.ptr, size)
        return answer if isinstance(answer, bytes) else bytes(self._checked(answer))

    def _checked(self, answer: int) -> int:
        if answer < 0:
            number = self.errno or errno.EIO
            self.errno = 0
            raise OSError(number, os.strerror(number))  # of the class that belongs to it
        return answer


class _Holder:
    """Credentials, once they are allocated."""

    def __init__(self) -> None:
        self.it: Any = None


gnutls_certificate_credentials_t = _Holder
gnutls_psk_client_credentials_t = gnutls_psk_server_credentials_t = _Holder
gnutls_anti_replay_t = _Holder


def _call(method: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function of a method: handle in, number or value out."""

    def function(handle: Any, *arguments: Any) -> Any:
        try:
            return _plain(method(handle.it, *arguments))
        except PostshakeError as error:
            return translate(error).code

    function.__doc__ = method.__doc__
    return function


def _plain(value: Any) -> Any:
    return 0 if value is None else int(value) if isinstance(value, bool) else value


def _or_none(method: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function of a method whose None means NULL."""

    def function(handle: Any, *arguments: Any) -> Any:
        return method(handle.it, *arguments)

    function.__doc__ = method.__doc__
    return function


def _setting(method: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function of a method that takes a callback: it gets the handle of the session."""

    def function(handle: Any, callback: Callable[..., Any] | None) -> int:
        method(handle.it, _with_handle(callback))
        return 0

    function.__doc__ = method.__doc__
    return function


def _with_handle(callback: Callable[..., Any] | None) -> Callable[..., Any] | None:
    if callback is None:
        return None
    return lambda session, *arguments: callback(_HANDLES.get(session), *arguments)


_HANDLES: weakref.WeakKeyDictionary[Session, gnutls_session_t] = weakref.WeakKeyDictionary()

# --- sessions


def gnutls_init(session: gnutls_session_t, flags: int) -> int:
    """Make the session."""
    try:
        session.it = Session(flags)
    except SessionError as error:
        return error.code
    _HANDLES[session.it] = session
    return 0


def gnutls_deinit(session: gnutls_session_t) -> None:
    """Forget the session."""
    session.it = None


gnutls_handshake = _call(Session.handshake)
gnutls_rehandshake = _call(Session.rehandshake)
gnutls_reauth = _call(Session.reauth)
gnutls_bye = _call(Session.bye)
gnutls_record_send = _call(Session.record_send)
gnutls_record_cork = _call(Session.record_cork)
gnutls_record_uncork = _call(Session.record_uncork)
gnutls_record_check_pending = _call(Session.record_check_pending)
gnutls_record_get_direction = _call(Session.record_get_direction)
gnutls_record_set_timeout = _call(Session.record_set_timeout)
gnutls_handshake_set_timeout = _call(Session.handshake_set_timeout)
gnutls_session_get_flags = _call(Session.get_flags)
gnutls_session_key_update = _call(Session.key_update)
gnutls_session_ticket_send = _call(Session.ticket_send)
gnutls_session_ticket_enable_server = _call(Session.ticket_enable_server)
gnutls_session_set_data = _call(Session.set_data)
gnutls_session_is_resumed = _call(Session.is_resumed)
gnutls_db_set_cache_expiration = _call(Session.db_set_cache_expiration)
gnutls_record_send_early_data = _call(Session.record_send_early_data)
gnutls_record_get_max_early_data_size = _call(Session.record_get_max_early_data_size)
gnutls_record_set_max_early_data_size = _call(Session.record_set_max_early_data_size)
gnutls_kx_get = _call(Session.kx_get)
gnutls_auth_get_type = _call(Session.auth_get_type)
gnutls_auth_server_get_type = _call(Session.auth_server_get_type)
gnutls_auth_client_get_type = _call(Session.auth_client_get_type)
gnutls_psk_server_get_username = _or_none(Session.psk_server_get_username)
gnutls_protocol_get_version = _call(Session.protocol_get_version)
gnutls_alert_get = _call(Session.alert_get)
gnutls_alert_send = _call(Session.alert_send)
gnutls_alert_send_appropriate = _call(Session.alert_send_appropriate)
gnutls_priority_set_direct = _call(Session.priority_set_direct)
gnutls_alpn_set_protocols = _call(Session.alpn_set_protocols)
gnutls_session_set_verify_cert = _call(Session.set_verify_cert)
gnutls_session_set_verify_function = _setting(Session.set_verify_function)
gnutls_session_get_verify_cert_status = _call(Session.get_verify_cert_status)
gnutls_certificate_server_set_request = _call(Session.certificate_server_set_request)
gnutls_certificate_send_x509_rdn_sequence = _call(Session.certificate_send_x509_rdn_sequence)
gnutls_certificate_client_get_request_status = _call(Session.certificate_client_get_request_status)
gnutls_certificate_get_peers = _or_none(Session.certificate_get_peers)
gnutls_certificate_get_ours = _or_none(Session.certificate_get_ours)
gnutls_compress_certificate_set_methods = _call(Session.compress_certificate_set_methods)
gnutls_compress_certificate_get_selected_method = _call(
    Session.compress_certificate_get_selected_method
)
gnutls_ocsp_status_get = _or_none(Session.ocsp_status_get)


def gnutls_record_recv(session: gnutls_session_t, buffer: bytearray, size: int) -> int:
    """Receive into the buffer; return how many bytes."""
    return _receive(buffer, _call(Session.record_recv)(session, size))


def gnutls_record_recv_early_data(session: gnutls_session_t, buffer: bytearray, size: int) -> int:
    """Receive early data into the buffer; return how many bytes."""
    return _receive(buffer, _call(Session.record_recv_early_data)(session, size))


def _receive(buffer: bytearray, data: bytes | int) -> int:
    if isinstance(data, int):
        return data
    buffer[: len(data)] = data
    return len(data)


def gnutls_session_ticket_key_generate(out: bytearray) -> int:
    """Put a key that seals tickets into the buffer."""
    return _fill(out, os.urandom(TICKET_KEY_LENGTH))


def gnutls_prf_rfc5705(
    session: gnutls_session_t, label: bytes, context: bytes, size: int, out: bytearray
) -> int:
    """Derive keying material into the buffer."""
    return _fill(out, _call(Session.prf_rfc5705)(session, label, context, size))


def gnutls_session_channel_binding(session: gnutls_session_t, kind: int, out: bytearray) -> int:
    """Put the channel binding into the buffer."""
    return _fill(out, _call(Session.channel_binding)(session, kind))


def gnutls_session_get_data2(session: gnutls_session_t, out: bytearray) -> int:
    """Put what resumes this session into the buffer."""
    return _fill(out, _call(Session.get_data)(session))


def gnutls_alpn_get_selected_protocol(session: gnutls_session_t, out: bytearray) -> int:
    """Put the application protocol into the buffer."""
    return _fill(out, _call(Session.alpn_get_selected_protocol)(session))


def _fill(out: bytearray, value: bytes | int) -> int:
    if isinstance(value, int):
        return value
    out[:] = value
    return 0


def gnutls_server_name_set(session: gnutls_session_t, kind: int, name: bytes | str) -> int:
    """Name the server that the client means to reach."""
    text = name.decode() if isinstance(name, bytes) else name
    return int(_call(Session.server_name_set)(session, text))


def gnutls_certificate_verify_peers2(session: gnutls_session_t, status: Any) -> int:
    """Verify the peer's chain; the bits go to the status."""
    return gnutls_certificate_verify_peers3(session, None, status)


def gnutls_certificate_verify_peers3(
    session: gnutls_session_t, hostname: str | None, status: Any
) -> int:
    """Verify the peer's chain, and the name; the bits go to the status."""
    found = _call(Session.certificate_verify_peers)(session, hostname)
    if found < 0:
        return int(found)
    status.value = found
    return 0


# --- transport


def gnutls_transport_set_ptr(session: gnutls_session_t, ptr: Any) -> None:
    """Set what push and pull get first."""
    session.ptr = ptr


def gnutls_transport_set_push_function(session: gnutls_session_t, push: Any) -> None:
    """Set who takes bytes for the peer."""
    session.push = push
    session.connect()


def gnutls_transport_set_pull_function(session: gnutls_session_t, pull: Any) -> None:
    """Set who has bytes from the peer."""
    session.pull = pull
    session.connect()


def gnutls_transport_set_errno(session: gnutls_session_t, number: int) -> None:
    """Say why push or pull returns -1."""
    session.errno = number


def gnutls_transport_set_int(session: gnutls_session_t, descriptor: int) -> None:
    """Use a connected socket's descriptor."""
    session.ptr = descriptor
    session.push, session.pull = os.write, os.read
    session.connect()


# --- credentials


def gnutls_certificate_allocate_credentials(credentials: _Holder) -> int:
    """Make certificate credentials."""
    credentials.it = CertificateCredentials()
    return 0


def gnutls_psk_allocate_client_credentials(credentials: _Holder) -> int:
    """Make PSK credentials."""
    credentials.it = PskCredentials()
    return 0


gnutls_psk_allocate_server_credentials = gnutls_psk_allocate_client_credentials


def gnutls_certificate_free_credentials(credentials: _Holder) -> None:
    """Forget the credentials."""
    credentials.it = None


gnutls_psk_free_client_credentials = gnutls_certificate_free_credentials
gnutls_psk_free_server_credentials = gnutls_certificate_free_credentials


def gnutls_credentials_set(session: gnutls_session_t, kind: int, credentials: _Holder) -> int:
    """Let the session use these credentials."""
    return int(_call(Session.credentials_set)(session, credentials.it))


def _files(method: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function of a method that reads files or PEM; it finds out the format itself."""
    call = _call(method)

    def function(credentials: _Holder, *arguments: Any) -> Any:
        *files, _format = arguments
        return call(credentials, *files)

    function.__doc__ = method.__doc__
    return function


_Certificates = CertificateCredentials
gnutls_certificate_set_x509_trust_file = _files(_Certificates.set_x509_trust_file)
gnutls_certificate_set_x509_trust_mem = _files(_Certificates.set_x509_trust_mem)
gnutls_certificate_set_x509_crl_file = _files(_Certificates.set_x509_crl_file)
gnutls_certificate_set_x509_crl_mem = _files(_Certificates.set_x509_crl_mem)
gnutls_certificate_set_x509_key_file = _files(_Certificates.set_x509_key_file)
gnutls_certificate_set_x509_key_mem = _files(_Certificates.set_x509_key_mem)
gnutls_certificate_set_x509_system_trust = _call(_Certificates.set_x509_system_trust)
gnutls_certificate_set_verify_function = _setting(_Certificates.set_verify_function)
gnutls_certificate_set_retrieve_function = _setting(_Certificates.set_retrieve_function)

_Psk = PskCredentials
gnutls_psk_set_client_credentials = _call(_Psk.set_psk)
gnutls_psk_set_server_credentials_file = _call(_Psk.set_server_credentials_file)
gnutls_psk_set_client_credentials_function = _setting(_Psk.set_client_function)
gnutls_psk_set_server_credentials_function = _setting(_Psk.set_server_function)

# --- replay of early data


def gnutls_anti_replay_init(anti_replay: _Holder) -> int:
    """Make what keeps early data from being accepted twice."""
    anti_replay.it = AntiReplay()
    return 0


gnutls_anti_replay_deinit = gnutls_certificate_free_credentials
gnutls_anti_replay_set_window = _call(AntiReplay.set_window)
gnutls_anti_replay_set_add_function = _call(AntiReplay.set_add_function)


def gnutls_anti_replay_enable(session: gnutls_session_t, anti_replay: _Holder) -> None:
    """Let the session use it."""
    _call(Session.anti_replay_enable)(session, anti_replay.it)


# --- errors

gnutls_error_is_fatal = _session.error_is_fatal
gnutls_strerror = _session.strerror


def gnutls_error_to_alert(code: int, level: Any = None) -> int:
    """Return the alert for an error; its level goes to the second argument."""
    alert, of_level = _session.error_to_alert(code)
    if level is not None:
        level.value = int(of_level)
    return int(alert)


def gnutls_strerror_name(code: int) -> str | None:
    """Return an error's name."""
    name = _session.strerror_name(code)
    return f"GNUTLS_{name}" if name is not None else None


_CONSTANTS = {f"GNUTLS_{name}": value for name, value in vars(_session).items() if name.isupper()}
globals().update(_CONSTANTS)
__all__ += sorted(name for name in globals() if name.lower().startswith("gnutls_"))


def __getattr__(name: str) -> int:
    """Let type checkers know that every GNUTLS_ name is a number."""
    raise AttributeError(f"postshake.gnutls has no {name}")
