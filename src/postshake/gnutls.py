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

import os
from typing import Any

from . import session as _session
from .gnutls_calls import HANDLES, Holder, call, files, fill, or_none, receive, setting
from .gnutls_calls import gnutls_session_t as gnutls_session_t
from .session import AntiReplay, CertificateCredentials, PskCredentials, Session, SessionError

__all__: list[str] = []  # every name that begins with gnutls_ or GNUTLS_; see the end

TICKET_KEY_LENGTH = 64


gnutls_certificate_credentials_t = Holder
gnutls_psk_client_credentials_t = gnutls_psk_server_credentials_t = Holder
gnutls_anti_replay_t = Holder

# --- sessions


def gnutls_init(session: gnutls_session_t, flags: int) -> int:
    """Make the session."""
    try:
        session.it = Session(flags)
    except SessionError as error:
        return error.code
    HANDLES[session.it] = session
    return 0


def gnutls_deinit(session: gnutls_session_t) -> None:
    """Forget the session."""
    session.it = None


gnutls_handshake = call(Session.handshake)
gnutls_rehandshake = call(Session.rehandshake)
gnutls_reauth = call(Session.reauth)
gnutls_bye = call(Session.bye)
gnutls_record_send = call(Session.record_send)
gnutls_record_cork = call(Session.record_cork)
gnutls_record_uncork = call(Session.record_uncork)
gnutls_record_check_pending = call(Session.record_check_pending)
gnutls_record_get_direction = call(Session.record_get_direction)
gnutls_record_set_timeout = call(Session.record_set_timeout)
gnutls_handshake_set_timeout = call(Session.handshake_set_timeout)
gnutls_session_get_flags = call(Session.get_flags)
gnutls_session_key_update = call(Session.key_update)
gnutls_session_ticket_send = call(Session.ticket_send)
gnutls_session_ticket_enable_server = call(Session.ticket_enable_server)
gnutls_session_set_data = call(Session.set_data)
gnutls_session_is_resumed = call(Session.is_resumed)
gnutls_db_set_cache_expiration = call(Session.db_set_cache_expiration)
gnutls_record_send_early_data = call(Session.record_send_early_data)
gnutls_record_get_max_early_data_size = call(Session.record_get_max_early_data_size)
gnutls_record_set_max_early_data_size = call(Session.record_set_max_early_data_size)
gnutls_kx_get = call(Session.kx_get)
gnutls_auth_get_type = call(Session.auth_get_type)
gnutls_auth_server_get_type = call(Session.auth_server_get_type)
gnutls_auth_client_get_type = call(Session.auth_client_get_type)
gnutls_psk_client_get_hint = or_none(Session.psk_client_get_hint)
gnutls_psk_server_get_username = or_none(Session.psk_server_get_username)
gnutls_protocol_get_version = call(Session.protocol_get_version)
gnutls_alert_get = call(Session.alert_get)
gnutls_alert_send = call(Session.alert_send)
gnutls_alert_send_appropriate = call(Session.alert_send_appropriate)
gnutls_priority_set_direct = call(Session.priority_set_direct)
gnutls_alpn_set_protocols = call(Session.alpn_set_protocols)
gnutls_session_set_verify_cert = call(Session.set_verify_cert)
gnutls_session_set_verify_function = setting(Session.set_verify_function)
gnutls_session_get_verify_cert_status = call(Session.get_verify_cert_status)
gnutls_certificate_server_set_request = call(Session.certificate_server_set_request)
gnutls_certificate_send_x509_rdn_sequence = call(Session.certificate_send_x509_rdn_sequence)
gnutls_certificate_client_get_request_status = call(Session.certificate_client_get_request_status)
gnutls_certificate_get_peers = or_none(Session.certificate_get_peers)
gnutls_certificate_get_ours = or_none(Session.certificate_get_ours)
gnutls_compress_certificate_set_methods = call(Session.compress_certificate_set_methods)
gnutls_compress_certificate_get_selected_method = call(
    Session.compress_certificate_get_selected_method
)
gnutls_ocsp_status_get = or_none(Session.ocsp_status_get)


def gnutls_record_recv(session: gnutls_session_t, buffer: bytearray, size: int) -> int:
    """Receive into the buffer; return how many bytes."""
    return receive(buffer, call(Session.record_recv)(session, size))


def gnutls_record_recv_early_data(session: gnutls_session_t, buffer: bytearray, size: int) -> int:
    """Receive early data into the buffer; return how many bytes."""
    return receive(buffer, call(Session.record_recv_early_data)(session, size))


def gnutls_session_ticket_key_generate(out: bytearray) -> int:
    """Put a key that seals tickets into the buffer."""
    return fill(out, os.urandom(TICKET_KEY_LENGTH))


def gnutls_prf_rfc5705(
    session: gnutls_session_t, label: bytes, context: bytes, size: int, out: bytearray
) -> int:
    """Derive keying material into the buffer."""
    return fill(out, call(Session.prf_rfc5705)(session, label, context, size))


def gnutls_session_channel_binding(session: gnutls_session_t, kind: int, out: bytearray) -> int:
    """Put the channel binding into the buffer."""
    return fill(out, call(Session.channel_binding)(session, kind))


def gnutls_session_get_data2(session: gnutls_session_t, out: bytearray) -> int:
    """Put what resumes this session into the buffer."""
    return fill(out, call(Session.get_data)(session))


def gnutls_alpn_get_selected_protocol(session: gnutls_session_t, out: bytearray) -> int:
    """Put the application protocol into the buffer."""
    return fill(out, call(Session.alpn_get_selected_protocol)(session))


def gnutls_server_name_set(session: gnutls_session_t, kind: int, name: bytes | str) -> int:
    """Name the server that the client means to reach."""
    text = name.decode() if isinstance(name, bytes) else name
    return int(call(Session.server_name_set)(session, text))


def gnutls_certificate_verify_peers2(session: gnutls_session_t, status: Any) -> int:
    """Verify the peer's chain; the bits go to the status."""
    return gnutls_certificate_verify_peers3(session, None, status)


def gnutls_certificate_verify_peers3(
    session: gnutls_session_t, hostname: str | None, status: Any
) -> int:
    """Verify the peer's chain, and the name; the bits go to the status."""
    found = call(Session.certificate_verify_peers)(session, hostname)
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


def gnutls_certificate_allocate_credentials(credentials: Holder) -> int:
    """Make certificate credentials."""
    credentials.it = CertificateCredentials()
    return 0


def gnutls_psk_allocate_client_credentials(credentials: Holder) -> int:
    """Make PSK credentials."""
    credentials.it = PskCredentials()
    return 0


gnutls_psk_allocate_server_credentials = gnutls_psk_allocate_client_credentials


def gnutls_certificate_free_credentials(credentials: Holder) -> None:
    """Forget the credentials."""
    credentials.it = None


gnutls_psk_free_client_credentials = gnutls_certificate_free_credentials
gnutls_psk_free_server_credentials = gnutls_certificate_free_credentials


def gnutls_credentials_set(session: gnutls_session_t, kind: int, credentials: Holder) -> int:
    """Let the session use these credentials."""
    return int(call(Session.credentials_set)(session, credentials.it))


_Certificates = CertificateCredentials
gnutls_certificate_set_x509_trust_file = files(_Certificates.set_x509_trust_file)
gnutls_certificate_set_x509_trust_mem = files(_Certificates.set_x509_trust_mem)
gnutls_certificate_set_x509_crl_file = files(_Certificates.set_x509_crl_file)
gnutls_certificate_set_x509_crl_mem = files(_Certificates.set_x509_crl_mem)
gnutls_certificate_set_x509_key_file = files(_Certificates.set_x509_key_file)
gnutls_certificate_set_x509_key_mem = files(_Certificates.set_x509_key_mem)
gnutls_certificate_set_x509_system_trust = call(_Certificates.set_x509_system_trust)
gnutls_certificate_set_verify_function = setting(_Certificates.set_verify_function)
gnutls_certificate_set_retrieve_function = setting(_Certificates.set_retrieve_function)

_Psk = PskCredentials
gnutls_psk_set_client_credentials = call(_Psk.set_psk)
gnutls_psk_set_server_credentials_file = call(_Psk.set_server_credentials_file)
gnutls_psk_set_server_credentials_hint = call(_Psk.set_server_credentials_hint)
gnutls_psk_set_client_credentials_function = setting(_Psk.set_client_function)
gnutls_psk_set_server_credentials_function = setting(_Psk.set_server_function)

# --- replay of early data


def gnutls_anti_replay_init(anti_replay: Holder) -> int:
    """Make what keeps early data from being accepted twice."""
    anti_replay.it = AntiReplay()
    return 0


gnutls_anti_replay_deinit = gnutls_certificate_free_credentials
gnutls_anti_replay_set_window = call(AntiReplay.set_window)
gnutls_anti_replay_set_add_function = call(AntiReplay.set_add_function)


def gnutls_anti_replay_enable(session: gnutls_session_t, anti_replay: Holder) -> None:
    """Let the session use it."""
    call(Session.anti_replay_enable)(session, anti_replay.it)


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
