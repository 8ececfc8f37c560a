"""A session that nobody holds any more is gone at once, with its socket, and no collector."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import warnings
import weakref
from collections.abc import Callable, Iterator

import pytest

from postshake.session import (
    CERT_REQUEST,
    CLIENT,
    POST_HANDSHAKE_AUTH,
    SERVER,
    CertificateCredentials,
    Session,
    SessionError,
)
from postshake.session.errors import NonFatal
from tests.certs import CA
from tests.drive.streams import TIMEOUT, at_once
from tests.session.ends import authority, certificate

Made = tuple[Session, Session, list[socket.socket]]


@pytest.fixture(autouse=True)
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
    gc.enable()


def sessions(trusted: CA) -> Made:
    sockets = list(socket.socketpair())
    made = []
    for role, issued, ca, sock in (
        (CLIENT, certificate("alice"), trusted, sockets[0]),
        (SERVER, certificate("server.example", "server"), authority(), sockets[1]),
    ):
        sock.settimeout(TIMEOUT)
        credentials = CertificateCredentials()
        credentials.set_x509_trust_mem(ca.pem())
        credentials.set_x509_key_mem(issued.pem(), issued.key_pem())
        session = Session(role | POST_HANDSHAKE_AUTH)
        session.credentials_set(credentials)
        session.transport_set(sock)
        made.append(session)
    made[0].server_name_set("server.example")
    made[0].set_verify_cert("server.example")
    made[1].set_verify_cert()
    return made[0], made[1], sockets


def shake(session: Session) -> Callable[[], None]:
    def run() -> None:
        try:
            session.handshake()
        except SessionError as error:
            with contextlib.suppress(SessionError):
                session.alert_send_appropriate(error)

    return run


def unused() -> Made:
    return sessions(authority())


def shaken() -> Made:
    client, server, sockets = sessions(authority())
    at_once(shake(client), shake(server))
    return client, server, sockets


def refused() -> Made:
    client, server, sockets = sessions(CA("Another CA"))
    at_once(shake(client), shake(server))
    with pytest.raises(SessionError):
        client.record_send(b"x")
    return client, server, sockets


def asked() -> Made:
    client, server, sockets = shaken()
    server.certificate_server_set_request(CERT_REQUEST)

    def answer() -> None:
        while True:
            try:
                client.record_recv()
            except NonFatal as error:
                if error.name == "E_REAUTH_REQUEST":
                    client.reauth()
                    return

    at_once(server.reauth, answer)
    assert server.certificate_get_peers()
    return client, server, sockets


@pytest.mark.parametrize("how", [unused, shaken, refused, asked])
def test_a_session_that_nobody_holds_is_gone(how):
    client, server, sockets = how()
    numbers = [sock.fileno() for sock in sockets]
    there = [weakref.ref(each) for each in (client, server, *sockets)]
    del client, server, sockets
    assert [each() for each in there] == [None] * 4
    for number in numbers:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(number)
