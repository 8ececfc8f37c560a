"""A program of a user's, with the types that its author may count on.

It is never run: type checkers read it against the package as it is installed. Where one must
complain, the line says so, and the checker also complains where that would not be necessary.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, assert_type

import postshake
import postshake.gnutls as gnutls
import postshake.ssl as ssl
from postshake import (
    AuthRequest,
    ChainVerifier,
    ClientAuth,
    ClientConfig,
    Connection,
    Credential,
    ExternalPsk,
    Identity,
    Outcome,
    PostshakeError,
    ProtocolVersion,
    ReauthCompleted,
    ReauthRequested,
    Refusal,
    ServerConfig,
    State,
    Ticket,
    TicketKeys,
    TLSError,
    TrustStore,
)
from postshake.constants import AlertDescription
from postshake.drive.answers import find_answer_now
from postshake.drive.anyio import TLSStream, open_tls_stream, serve_tls
from postshake.drive.asyncio import TLSTransport, open_connection, start_server
from postshake.drive.sync.stream import Stream
from postshake.events import Event
from postshake.exported import ExportedAuthenticators
from postshake.gnutls import *
from postshake.pki.revocation import Require, Revocation, load_lists
from postshake.pki.trust import Verifier
from postshake.questions import Question
from postshake.recording import Recording
from postshake.session import *
from postshake.web import (
    CertificateNeeded,
    Policy,
    StepUp,
    connection_of,
    reauth,
    server_context,
    uvicorn_ssl,
)
from postshake.web.starlette import certificate, requires_certificate

# --- configuration


def configurations() -> tuple[ServerConfig, ClientConfig]:
    credential = Credential.from_files("server.crt", "server.key", password=None)
    assert_type(credential, Credential)
    trust = TrustStore.from_files("ca.crt")
    assert_type(trust, TrustStore)
    revocation = Revocation.from_files("ca.crl", require=Require.LEAF)
    revocation.replace(load_lists("ca.crl"))
    verifier = ChainVerifier(trust, revocation=revocation)
    server = ServerConfig(
        credentials=(credential,),
        verifier=verifier,
        client_auth=ClientAuth.REQUEST,
        alpn_protocols=(b"http/1.1",),
        ticket_keys=TicketKeys(),
        versions=(ProtocolVersion.TLS13,),
    )
    assert_type(server.verifier, Verifier | None)
    client = ClientConfig(credentials=(credential,), verifier=verifier)
    server.tickets = 4  # type: ignore[misc]  # frozen
    ServerConfig(credential=credential)  # type: ignore[call-arg]
    ServerConfig(credentials=credential)  # type: ignore[arg-type]
    return server, client


# --- the engine


def carry(source: Connection, target: Connection) -> None:
    assert_type(source.data_to_send(), bytes)
    target.receive_data(source.data_to_send())
    while (question := target.next_question()) is not None:
        assert_type(question, Question)
        target.answer(question.id, find_answer_now(question.subject))


def engine(server_config: ServerConfig, client_config: ClientConfig) -> None:
    client = Connection(client_config, "localhost")
    server = postshake.Connection(server_config)
    assert_type(client, Connection)
    assert_type(server, Connection)
    assert_type(client.state, State)
    client.start()
    carry(client, server)
    carry(server, client)
    request = AuthRequest(within=30, required=False, on_refusal=Refusal.CLOSE)
    AuthRequest(max_age=3)  # type: ignore[call-arg]
    context = server.request_auth(request)
    assert_type(context, bytes)
    event = client.next_event()
    assert_type(event, Event | None)
    if isinstance(event, ReauthRequested):
        assert_type(event.context, bytes)
        client.answer_auth(event.context, None)
    elif isinstance(event, ReauthCompleted):
        assert_type(event.outcome, Outcome)
        assert_type(event.identity, Identity | None)
    assert_type(server.read(), bytes)
    assert_type(server.peer_identity, Identity | None)
    server.peer_identity.common_name  # type: ignore[union-attr]
    if server.peer_identity is not None:
        assert_type(server.peer_identity.common_name, str | None)
    assert_type(client.tickets, tuple[Ticket, ...])
    assert_type(server.export(b"EXPERIMENTAL", b"", 32), bytes)
    assert_type(ExternalPsk(b"sensor", bytes(32)), ExternalPsk)
    exported = ExportedAuthenticators(server)
    assert_type(exported.validate(context, b""), Identity | None)
    recording = Recording.load("connection.jsonl")
    assert_type(recording.dump(), str)
    server.request_authentication(request)  # type: ignore[attr-defined]
    postshake.Conection  # type: ignore[attr-defined]


def failures(connection: Connection) -> str:
    try:
        connection.receive_data(b"")
    except TLSError as error:
        assert_type(error.alert, AlertDescription | None)
        return str(error)
    except PostshakeError as error:
        return str(error)
    return ""


# --- blocking sockets, asyncio, trio


def sockets(sock: socket.socket, config: ServerConfig) -> None:
    with Stream(sock, config) as stream:
        assert_type(stream, Stream)
        assert_type(stream.receive(), bytes)
        assert_type(stream.receive_with_identity(), tuple[bytes, Identity | None])
        answer = stream.reauth(AuthRequest(within=30))
        assert_type(answer, ReauthCompleted)
        stream.send("text")  # type: ignore[arg-type]


async def streams(server: ServerConfig, client: ClientConfig) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transport = writer.transport
        assert isinstance(transport, TLSTransport)
        assert_type(await transport.reauth(AuthRequest()), Identity | None)

    listening = await start_server(handle, "localhost", 4433, server)
    assert_type(listening, asyncio.Server)
    reader, writer = await open_connection("localhost", 4433, client)
    assert_type(reader, asyncio.StreamReader)
    assert_type(writer, asyncio.StreamWriter)


async def anyio_streams(server: ServerConfig, client: ClientConfig) -> None:
    async def handle(stream: TLSStream) -> None:
        assert_type(await stream.reauth(AuthRequest(within=30)), Identity | None)
        assert_type(await stream.receive(), bytes)

    await serve_tls(handle, "localhost", 4433, server)
    async with await open_tls_stream("localhost", 4433, client) as stream:
        assert_type(stream, TLSStream)
        await stream.send(b"hello")


# --- in the place of ssl


def drop_in(sock: socket.socket) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile="ca.crt")
    assert_type(context, ssl.SSLContext)
    context.verify_mode = ssl.CERT_REQUIRED
    context.post_handshake_auth = True
    context.certificate_compression = ("zlib",)
    with context.wrap_socket(sock, server_side=True) as connection:
        assert_type(connection, ssl.SSLSocket)
        assert_type(connection.reauth(within=30), Identity)
        assert_type(connection.reauth(require=False), Identity | None)
        assert_type(connection.reauth(request=AuthRequest()), Identity | None)
        assert_type(connection.start_reauth(), ssl.Reauth)
        assert_type(connection.recv(100), bytes)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    memory = context.wrap_bio(incoming, outgoing, server_side=True)
    assert_type(memory, ssl.SSLObject)
    assert_type(memory.identity, Identity | None)
    assert_type(ssl.OP_NO_TICKET | ssl.OP_ALL, ssl.Options)
    ssl.OP_NO_SUCH_OPTION  # type: ignore[attr-defined]
    try:
        connection.do_handshake()
    except ssl.SSLCertVerificationError as error:
        assert_type(error.verify_code, int)


async def drop_in_for_asyncio(writer: asyncio.StreamWriter) -> None:
    assert_type(await ssl.reauth(writer, within=30), Identity)
    assert_type(await ssl.reauth(writer, require=False), Identity | None)


# --- GnuTLS


def session(sock: socket.socket) -> None:
    credentials = CertificateCredentials()
    credentials.set_x509_key_file("server.crt", "server.key")
    session = Session(SERVER | POST_HANDSHAKE_AUTH)
    session.credentials_set(credentials)
    session.transport_set(sock)
    session.certificate_server_set_request(CERT_REQUIRE)
    try:
        session.handshake()
        session.reauth()
    except GotApplicationData:
        assert_type(session.record_recv(65536), bytes)
    except SessionError as error:
        assert_type(error.code, int)
        assert_type(strerror(E_REAUTH_REQUEST), str)
    session.record_send("text")  # type: ignore[arg-type]


def in_c() -> int:
    handle = gnutls_session_t()
    assert_type(abs(GNUTLS_E_REAUTH_REQUEST), int)
    assert_type(abs(gnutls.GNUTLS_SERVER), int)
    if gnutls_init(handle, GNUTLS_SERVER | gnutls.GNUTLS_POST_HANDSHAKE_AUTH) < 0:
        return 1
    assert_type(gnutls_reauth(handle, 0), int)
    assert_type(gnutls_certificate_get_peers(handle), tuple[bytes, ...] | None)
    gnutls_reauth(handle, "0")  # type: ignore[arg-type]
    gnutls.gnutls_reauthenticate(handle)  # type: ignore[attr-defined]
    return gnutls_bye(handle, GNUTLS_SHUT_RDWR)


# --- the web

Message = MutableMapping[str, Any]


async def application(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    try:
        identity = await reauth(scope, within=30)
    except CertificateNeeded as needed:
        assert_type(needed.status, int)
        return
    assert_type(identity, Identity)
    assert_type(connection_of(scope).identity, Identity | None)


def web() -> None:
    tls = server_context("server.crt", "server.key", ca="ca.crt")
    assert_type(tls, ssl.SSLContext)
    assert_type(uvicorn_ssl(tls), Callable[..., ssl.SSLContext])
    protected = StepUp(application, protect={"/admin": Policy(within=30, max_age=300)})
    assert_type(protected, StepUp)
    StepUp(application, protected={"/admin": Policy()})  # type: ignore[call-arg]
    certificate(within=30)
    requires_certificate(within=30)
