"""postshake, with an owner that does nothing but move bytes."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import postshake
import postshake.ssl as ssl
from benches import event_loop
from benches.contest import Impossible, Operation
from benches.material import BYTE, DATA, SERVER_NAME, SUITE, Material
from postshake import (
    ChainVerifier,
    ClientConfig,
    Connection,
    Outcome,
    ReauthCompleted,
    ReauthRequested,
    ServerConfig,
    Ticket,
)
from postshake.constants import CipherSuite, NamedGroup
from postshake.drive.answers import find_answer_now
from postshake.drive.asyncio import open_connection, start_server
from postshake.events import HandshakeCompleted
from postshake.record.limits import Limits

__all__ = ["Ours"]

_GROUPS = {"X25519": NamedGroup.x25519}
_REAUTHS = 10**9  # within Limits.request_window: more than anyone can measure

Pair = tuple[Connection, Connection]


class Ours:
    """Two Connections."""

    name = "ours"

    def __init__(self, material: Material) -> None:
        self.title = f"postshake, {getattr(postshake, '__version__', 'as it stands')}"
        self._material = material
        self._client_credential = material.client.credential()
        self._server_credential = material.server.credential()
        self._idle_configs = self._configs("X25519", remembered=True)

    def pair(
        self, group: str | None = "X25519", *, remembered: bool = False, pending: int = 32
    ) -> Pair:
        """A pair that has shaken hands; the client lets so many requests wait."""
        client_config, server_config = self._configs(group, remembered=remembered)
        limits = replace(client_config.limits, pending_requests=pending)
        client, server = self._shake(replace(client_config, limits=limits), server_config)
        _check_established(client, server, self._material, group)
        return client, server

    def handshake(self, group: str | None) -> Operation:
        configs = self._configs(group, remembered=False)

        def run() -> Pair:
            return self._shake(*configs)

        def check(pair: Pair) -> None:
            _check_established(*pair, self._material, group)

        client, _ = run()
        assert client.established is not None
        used = client.established.group
        return Operation(run, check, note="" if group or used is None else used.name)

    def resumed(self) -> Operation:
        client_config, server_config = self._configs("X25519", remembered=True)
        client, _ = self._shake(client_config, replace(server_config, tickets=1))
        (ticket,) = client.tickets

        def run() -> Pair:
            return self._shake(client_config, server_config, ticket)

        def check(pair: Pair) -> None:
            for end in pair:
                assert end.established is not None
                assert end.established.resumed
                assert end.established.group == NamedGroup.x25519
            identity = pair[0].peer_identity
            assert identity is not None
            assert identity.chain == (self._material.server.der,)

        return Operation(run, check)

    def reauth(self, *, remembered: bool) -> Operation:
        client, server = self.pair(remembered=remembered)
        credential = self._client_credential

        def run() -> tuple[bytes, Any]:
            context = server.request_auth()
            client.receive_data(server.data_to_send())
            requested = client.next_event()
            assert isinstance(requested, ReauthRequested)
            client.answer_auth(requested.context, credential)
            _answer_questions(client)
            client.next_event()  # ReauthAnswered
            server.receive_data(client.data_to_send())
            _answer_questions(server)
            return context, server.next_event()

        def check(evidence: tuple[bytes, Any]) -> None:
            context, event = evidence
            assert isinstance(event, ReauthCompleted)
            assert event.outcome is Outcome.AUTHENTICATED
            assert event.context == context
            identity = server.peer_identity
            assert identity is not None
            assert identity is event.identity
            assert identity.chain[0] == self._material.client.der
            assert identity.verified_chain[-1] == self._material.ca.der
            assert identity.certificate_request_context == context

        return Operation(run, check)

    def bulk(self, size: int, times: int) -> Operation:
        client, server = self.pair()
        sent = DATA[:size]

        def run() -> bytes:
            for _ in range(times):
                client.send_data(sent)
                server.receive_data(client.data_to_send())
                data = server.read()
            return data

        return Operation(run, _check_moved(server, sent, times))

    def echo(self, times: int) -> Operation:
        client, server = self.pair()

        def run() -> bytes:
            for _ in range(times):
                client.send_data(BYTE)
                server.receive_data(client.data_to_send())
                server.send_data(server.read())
                client.receive_data(server.data_to_send())
                data = client.read()
            return data

        return Operation(run, _check_moved(client, BYTE, times))

    def asyncio_echo(self, size: int, times: int, *, native: bool) -> Operation:
        connect = self._connect if native else event_loop.over_ssl(*self._contexts())
        return event_loop.echo(connect, size, times)

    async def _connect(
        self, handler: event_loop.Handler
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        client_config, server_config = self._configs("X25519", remembered=True)
        server = await start_server(handler, "127.0.0.1", 0, server_config)
        host, port = server.sockets[0].getsockname()
        return await open_connection(host, port, client_config, server_name=SERVER_NAME)

    def _contexts(self) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        client, server = (
            ssl.SSLContext(protocol)
            for protocol in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER)
        )
        client.load_verify_locations(cadata=self._material.ca.pem().decode())
        server.num_tickets = 0
        with tempfile.TemporaryDirectory() as folder:
            server.load_cert_chain(*self._material.server.write(Path(folder), "own"))
        return client, server

    def idle(self) -> object:
        """Make a pair that does nothing, for as long as it is held; they share the policy."""
        pair = self._shake(*self._idle_configs)
        for end in pair:
            assert isinstance(end.next_event(), HandshakeCompleted)
        return pair

    def _configs(self, group: str | None, *, remembered: bool) -> tuple[ClientConfig, ServerConfig]:
        trust = self._material.ca.trust()
        verifier = ChainVerifier(trust) if remembered else ChainVerifier(trust, cache_size=0)
        common: dict[str, Any] = {"verifier": verifier, "cipher_suites": (CipherSuite[SUITE],)}
        if group is not None:
            if group not in _GROUPS:
                raise Impossible(f"no group {group}")
            common["groups"] = (_GROUPS[group],)
        limits = Limits(requests_per_window=_REAUTHS)
        return (
            ClientConfig(credentials=(self._client_credential,), limits=limits, **common),
            ServerConfig(credentials=(self._server_credential,), tickets=0, **common),
        )

    def _shake(
        self, client_config: ClientConfig, server_config: ServerConfig, ticket: Ticket | None = None
    ) -> Pair:
        client = Connection(client_config, SERVER_NAME, session=ticket)
        server = Connection(server_config)
        client.start()
        _answer_questions(client)  # whether a session's server is still to be believed
        source, target = client, server
        while data := source.data_to_send():
            target.receive_data(data)
            _answer_questions(target)
            source, target = target, source
        return client, server


def _answer_questions(connection: Connection) -> None:
    while (question := connection.next_question()) is not None:
        connection.answer(question.id, find_answer_now(question.subject))


def _check_established(
    client: Connection, server: Connection, material: Material, group: str | None
) -> None:
    for end in (client, server):
        assert isinstance(end.next_event(), HandshakeCompleted)
        assert end.established is not None
        assert end.established.suite.code.name == SUITE
        if group is not None:
            assert end.established.group == _GROUPS[group]
    identity = client.peer_identity
    assert identity is not None
    assert identity.chain == (material.server.der,)
    assert identity.verified_chain == (material.server.der, material.ca.der)


def _check_moved(receiver: Connection, expected: bytes, times: int) -> Callable[[bytes], None]:
    before = receiver.read_position

    def check(evidence: bytes) -> None:
        nonlocal before
        assert evidence == expected
        assert receiver.read_position - before == len(expected) * times
        before = receiver.read_position

    return check
