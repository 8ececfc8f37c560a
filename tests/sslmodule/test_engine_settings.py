"""What a context has beside the standard class's settings, and who gets at it."""

from __future__ import annotations

import ssl as standard
import weakref

import pytest

from postshake.constants import Role
from postshake.recording.recording import Recording
from postshake.ssl.engine_settings import EngineSettings, engine_settings
from tests.sslmodule.ends import Memory, client_context, ours, server_context


def test_every_context_has_its_own() -> None:
    one, other = (ours.SSLContext(ours.PROTOCOL_TLS_CLIENT) for _ in range(2))
    assert isinstance(engine_settings(one), EngineSettings)
    assert engine_settings(one) is engine_settings(one) is not engine_settings(other)
    assert engine_settings(one).serial != engine_settings(other).serial


def test_the_standard_class_has_none() -> None:
    with pytest.raises(TypeError, match="must be a SSLContext of"):
        engine_settings(standard.SSLContext(standard.PROTOCOL_TLS_CLIENT))
    tls = Memory(server_context(ours), client_context(ours)).client
    with pytest.raises(TypeError, match="must be a SSLContext of"):
        tls.context = standard.SSLContext(standard.PROTOCOL_TLS_CLIENT)


def test_a_class_that_is_derived_may_have_an_init_of_its_own() -> None:
    class Context(ours.SSLContext):
        def __init__(self, protocol: int, *, title: str) -> None:
            self.title = title
            self.handshake_timeout = 5

    made = Context(ours.PROTOCOL_TLS_SERVER, title="mine")
    assert made.title == "mine"
    assert engine_settings(made).handshake_timeout == made.handshake_timeout == 5
    assert made.certificate_compression == ()


def test_what_users_set_is_what_connections_go_by() -> None:
    recordings: list[Recording] = []

    def record(role: Role) -> Recording:
        recordings.append(Recording(role))
        return recordings[-1]

    server, client = server_context(ours), client_context(ours)
    client.recorder = record
    server.certificate_compression = client.certificate_compression = ("zlib",)
    pair = Memory(server, client).handshake()
    assert pair.client.recording is recordings[0]
    assert pair.server.recording is None
    assert pair.client.config.certificate_compression
    assert client.session_stats()["connect_good"] == 1
    assert server.session_stats()["accept_good"] == 1


def test_settings_do_not_keep_their_context() -> None:
    context = ours.create_default_context()
    settings, gone = engine_settings(context), weakref.ref(context)
    settings.find_verifier(0, True, 2)
    del context
    assert gone() is None
