"""A C program, transcribed line by line, on ours and on GnuTLS's."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import threading

import pytest

import postshake.gnutls as ours
import postshake.session as session_module
from postshake.session import CertificateCredentials
from postshake.session.verification import PeerVerification
from tests.session.bridge import Gnutls, needs_libgnutls
from tests.session.ends import authority, certificate, settings_of
from tests.waiting import PATIENCE

LIBRARIES = [
    "ours",
    pytest.param("gnutls", marks=needs_libgnutls),
]


def library(name):
    return ours if name == "ours" else Gnutls()


def made(lib, flags, issued, *, trust=True):
    """Make a session as every C program does."""
    session, credentials = lib.gnutls_session_t(), lib.gnutls_certificate_credentials_t()
    assert lib.gnutls_init(session, flags) == 0
    assert lib.gnutls_certificate_allocate_credentials(credentials) == 0
    pem = ours.GNUTLS_X509_FMT_PEM
    assert lib.gnutls_certificate_set_x509_trust_mem(credentials, authority().pem(), pem) == 1
    key = lib.gnutls_certificate_set_x509_key_mem
    assert key(credentials, issued.pem(), issued.key_pem(), pem) >= 0
    assert lib.gnutls_priority_set_direct(session, "NORMAL:-VERS-ALL:+VERS-TLS1.3") == 0
    certificates = ours.GNUTLS_CRD_CERTIFICATE
    assert lib.gnutls_credentials_set(session, certificates, credentials) == 0
    return session


def over(lib, session, sock):
    """Push and pull functions as C has them: -1 and an errno."""

    def push(ptr, data):
        try:
            return ptr.send(data)
        except BlockingIOError:
            lib.gnutls_transport_set_errno(session, errno.EAGAIN)
            return -1

    def pull(ptr, size):
        try:
            return ptr.recv(size)
        except BlockingIOError:
            lib.gnutls_transport_set_errno(session, errno.EAGAIN)
            return -1

    if lib is ours:
        lib.gnutls_transport_set_push_function(session, push)
        lib.gnutls_transport_set_pull_function(session, pull)
        lib.gnutls_transport_set_ptr(session, sock)
    else:
        lib.gnutls_transport_set_int2(session, sock.fileno(), sock.fileno())


def looped(lib, call, *arguments):
    """Retry while not fatal, as programs do."""
    while (code := call(*arguments)) < 0 and not lib.gnutls_error_is_fatal(code):
        if code == ours.GNUTLS_E_REAUTH_REQUEST:
            break
    return code


def be_client(lib, sock, said):
    session = made(lib, ours.GNUTLS_CLIENT | ours.GNUTLS_POST_HANDSHAKE_AUTH, certificate("alice"))
    lib.gnutls_server_name_set(session, ours.GNUTLS_NAME_DNS, "server.example")
    lib.gnutls_session_set_verify_cert(session, "server.example", 0)
    over(lib, session, sock)
    said.append(looped(lib, lib.gnutls_handshake, session))
    buffer = bytearray(100)
    code = looped(lib, lib.gnutls_record_recv, session, buffer, 100)
    said.append(code)
    if code == ours.GNUTLS_E_REAUTH_REQUEST:
        said.append(looped(lib, lib.gnutls_record_send, session, b"a moment"))
        said.append(looped(lib, lib.gnutls_reauth, session, 0))
    code = looped(lib, lib.gnutls_record_recv, session, buffer, 100)
    said.append(bytes(buffer[:code]))
    said.append(looped(lib, lib.gnutls_bye, session, ours.GNUTLS_SHUT_WR))


def be_server(lib, sock, said):
    flags = ours.GNUTLS_SERVER | ours.GNUTLS_POST_HANDSHAKE_AUTH
    session = made(lib, flags, certificate("server.example", "server"))
    over(lib, session, sock)
    said.append(looped(lib, lib.gnutls_handshake, session))
    said.append(lib.gnutls_session_get_flags(session) & ours.GNUTLS_SFLAGS_POST_HANDSHAKE_AUTH)
    lib.gnutls_certificate_server_set_request(session, ours.GNUTLS_CERT_REQUIRE)
    lib.gnutls_session_set_verify_cert(session, None, 0)
    buffer = bytearray(100)
    while True:
        code = lib.gnutls_reauth(session, 0)
        if code == ours.GNUTLS_E_GOT_APPLICATION_DATA:
            count = lib.gnutls_record_recv(session, buffer, 100)
            said.append(bytes(buffer[:count]))
        elif code == 0 or lib.gnutls_error_is_fatal(code):
            break
    said.append(code)
    said.append(lib.gnutls_certificate_get_peers(session)[0])
    status = ctypes.c_uint(7)
    said.append(lib.gnutls_certificate_verify_peers2(session, status))
    said.append(status.value)
    said.append(looped(lib, lib.gnutls_record_send, session, b"hello"))
    said.append(looped(lib, lib.gnutls_bye, session, ours.GNUTLS_SHUT_WR))
    said.append(looped(lib, lib.gnutls_record_recv, session, buffer, 100))


@pytest.mark.parametrize("server", LIBRARIES)
@pytest.mark.parametrize("client", LIBRARIES)
def test_the_program_of_the_manual(client, server):
    alice = certificate("alice").der
    one, other = socket.socketpair()
    with one, other:
        for sock in (one, other):
            sock.settimeout(PATIENCE)
        if "gnutls" in (client, server):
            for sock in (one, other):
                sock.setblocking(True)
        by_client: list[object] = []
        thread = threading.Thread(target=be_client, args=(library(client), one, by_client))
        thread.start()
        by_server: list[object] = []
        be_server(library(server), other, by_server)
        thread.join(PATIENCE)
    asked = ours.GNUTLS_E_REAUTH_REQUEST
    assert by_client == [0, asked, 8, 0, b"hello", 0]
    assert by_server == [0, 1 << 8, b"a moment", 0, alice, 0, 0, 5, 0, 0]


def test_every_constant_of_the_session_is_here():
    for name, value in vars(session_module).items():
        if name.isupper():
            assert getattr(ours, f"GNUTLS_{name}") == value
    here = {name for name in vars(ours) if name.lower().startswith("gnutls_")}
    assert set(ours.__all__) == here
    names: dict[str, object] = {}
    exec("from postshake.gnutls import *", names)
    assert names["GNUTLS_E_REAUTH_REQUEST"] == -424
    assert "gnutls_reauth" in names
    with pytest.raises(AttributeError):
        getattr(ours, "GNUTLS_E_NO_SUCH_ERROR")  # noqa: B009 - type checkers see it, too


def test_every_function_has_a_text():
    for name in ours.__all__:
        function = getattr(ours, name)
        if callable(function):
            assert function.__doc__, name


def test_codes_instead_of_exceptions():
    session = ours.gnutls_session_t()
    assert ours.gnutls_init(session, 3) == ours.GNUTLS_E_INVALID_REQUEST
    assert ours.gnutls_init(session, ours.GNUTLS_SERVER) == 0
    assert ours.gnutls_handshake(session) == ours.GNUTLS_E_INSUFFICIENT_CREDENTIALS
    assert ours.gnutls_priority_set_direct(session, "BEST") == ours.GNUTLS_E_INVALID_REQUEST
    assert ours.gnutls_certificate_get_peers(session) is None
    out = bytearray(b"untouched")
    missing = ours.GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE
    assert ours.gnutls_alpn_get_selected_protocol(session, out) == missing
    assert out == b"untouched"
    level = ctypes.c_int()
    alert = ours.gnutls_error_to_alert(ours.GNUTLS_E_REHANDSHAKE, level)
    assert (alert, level.value) == (ours.GNUTLS_A_NO_RENEGOTIATION, ours.GNUTLS_AL_WARNING)
    assert ours.gnutls_strerror_name(-28) == "GNUTLS_E_AGAIN"
    assert ours.gnutls_strerror_name(-9999) is None
    assert ours.gnutls_strerror(-28)
    credentials = ours.gnutls_psk_client_credentials_t()
    assert ours.gnutls_psk_allocate_client_credentials(credentials) == 0
    ours.gnutls_psk_free_client_credentials(credentials)
    ours.gnutls_deinit(session)


def test_a_descriptor_is_a_transport_too():
    one, other = socket.socketpair()
    with one, other:
        one.setblocking(False)
        session = made(ours, ours.GNUTLS_CLIENT, certificate("alice"))
        ours.gnutls_transport_set_int(session, one.fileno())
        assert ours.gnutls_handshake(session) == ours.GNUTLS_E_AGAIN
        assert os.read(other.fileno(), 5)[:2] == b"\x16\x03"


def test_callbacks_get_the_handle():
    session = made(ours, ours.GNUTLS_SERVER, certificate("server.example", "server"))
    verification = PeerVerification(settings_of(session.it), handle=lambda: session.it)
    seen = []
    ours.gnutls_session_set_verify_function(session, lambda handle: seen.append(handle) or 0)
    verification.client_declined()
    assert seen == [session]
    ours.gnutls_session_set_verify_function(session, None)
    verification.client_declined()
    assert len(seen) == 1
    assert isinstance(settings_of(session.it).certificates, CertificateCredentials)


def test_minus_one_and_an_errno():
    session = made(ours, ours.GNUTLS_CLIENT, certificate("alice"))
    numbers = [errno.EAGAIN, errno.EINTR, errno.ECONNRESET]

    def push(ptr, data):
        if numbers:
            ours.gnutls_transport_set_errno(session, numbers.pop(0))
        return -1

    ours.gnutls_transport_set_push_function(session, push)
    ours.gnutls_transport_set_pull_function(session, lambda ptr, size: -1)
    assert ours.gnutls_handshake(session) == ours.GNUTLS_E_AGAIN
    assert ours.gnutls_handshake(session) == ours.GNUTLS_E_INTERRUPTED
    assert ours.gnutls_handshake(session) == ours.GNUTLS_E_PREMATURE_TERMINATION
    session = made(ours, ours.GNUTLS_CLIENT, certificate("alice"))
    ours.gnutls_transport_set_push_function(session, push)  # and no errno: broken
    ours.gnutls_transport_set_pull_function(session, lambda ptr, size: -1)
    assert ours.gnutls_handshake(session) == ours.GNUTLS_E_PUSH_ERROR
    assert ours.gnutls_handshake(session) == ours.GNUTLS_E_INVALID_SESSION
