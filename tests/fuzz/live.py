"""Live connections with a liar at one end, who has all keys.

The bytes are a script: how both ends are configured, which of the liar's messages is another
than it should be, in which way, how its records are cut, and what it says when hands are
shaken. What is changed is changed before it is hashed and sealed, so that only checks can
find it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import cache, partial
from typing import Any

from postshake.config import AuthRequest, ClientAuth
from postshake.constants import (
    CertificateCompressionAlgorithm,
    NamedGroup,
    ProtocolVersion,
    Role,
)
from postshake.errors import PostshakeError
from postshake.pki.credential import Credential
from tests.fuzz.target import Script, Target, mutated
from tests.hostile import link_of
from tests.pair import ConnectionPair, End, client_config, counting_random, issued, server_config
from tests.record.records import plain
from tests.replayed import check_survives
from tests.tampering import ends, framed, lying

__all__ = ["live"]

KINDS = (0, 1, 2, 4, 5, 8, 11, 12, 13, 14, 15, 16, 20, 22, 24, 25, 254)
ZLIB = CertificateCompressionAlgorithm.zlib


def live() -> Iterator[Target]:
    """Give a target for each role and version."""
    for role in Role:
        for version in (ProtocolVersion.TLS13, ProtocolVersion.TLS12):
            yield Target(
                f"live {role.name}, {version.name}",
                partial(live_with, role, version),
                seeds,
                group=f"live {role.name}, {version.name}",
                weight=40,
            )


HONEST = bytes((250, 0, 0))  # no message is changed, nothing is cut
# asked, answered, keys changed by both ends, data both ways, asked again, declined, goodbye
TALK = bytes((6, 1, 8, 0, 4, 1, 5, 0, 0, 3, 7, 7, 7, 1, 6, 0, 8, 1, 11))


def seeds() -> list[bytes]:
    """An honest life with each configuration, and a lie in each message of one."""
    found = [bytes((options,)) + HONEST + TALK for options in range(0, 256, 11)]
    found += [bytes((0,)) + HONEST + bytes(range(start, 200)) for start in range(12)]
    for nth in range(12):
        for seed in range(3):
            found.append(bytes((seed * 37 & 0xFF, nth, seed, seed + nth)) + bytes(range(nth, 90)))
    return found


@cache
def credential(name: str, purpose: str, kind: str) -> Credential:
    return issued(name, purpose, kind).credential()


def configured(options: int, version: ProtocolVersion) -> tuple[Any, Any]:
    """Both ends' configurations, by some bits."""
    client: dict[str, Any] = {
        "versions": (version,),
        "credentials": (credential("alice", "client", "p256"),),
        "random": counting_random("client"),
        "groups": (NamedGroup.x25519, NamedGroup.secp256r1),
    }
    server: dict[str, Any] = {
        "versions": (version,),
        "credentials": (credential("server.example", "server", "p256"),),
        "random": counting_random("server"),
        "groups": (NamedGroup.x25519,),
    }
    if options & 1:
        server["client_auth"] = ClientAuth.REQUIRE
    if options & 2:  # a HelloRetryRequest
        server["groups"] = (NamedGroup.secp256r1,)
    if options & 4:
        client["alpn_protocols"], server["alpn_protocols"] = (b"x", b"y"), (b"y",)
    if options & 8:
        client["certificate_compression"] = server["certificate_compression"] = (ZLIB,)
    if options & 16:
        server["tickets"] = 2
    if options & 32:
        server["require_cookie"] = True
    if options & 64:
        client["record_size_limit"] = server["record_size_limit"] = 100
    if options & 128:
        client["request_status"] = server["request_ocsp"] = True
    return client_config(**client), server_config(**server)


def live_with(liar_role: Role, version: ProtocolVersion, data: bytes) -> bool:
    """Live through a script; say whether hands were shaken."""
    script = Script(data)
    pair = ConnectionPair(*configured(script.below(256), version))
    liar, honest = ends(pair, liar_role)
    nth = script.below(256)
    size = script.one_of(0, 1, 3, 50, 700)
    if size:
        pair.split = lambda sent: [sent[at : at + size] for at in range(0, len(sent), size)]
    fragment = script.one_of(0, 0, 0, 2, 60)
    if fragment:
        link_of(liar).layer.max_fragment_out = fragment
    told: list[Any] = []
    kept: list[bytes] = []

    def lie(end: End, message: Any, raw: bytes) -> bytes:
        if message not in told:  # a first ClientHello is written twice
            told.append(message)
            kept.append(mutated(raw, script) if len(told) - 1 == nth else raw)
        return kept[told.index(message)]

    with lying(liar, lie):
        with suppress(PostshakeError):  # the liar's own failures are its own
            pair.client.connection.start()
            pair.server.connection.start()
        pair.move()
        shaken = honest.connection.established is not None
        for _ in range(12):
            broken = liar.connection.failure or honest.connection.failure
            if broken or not script.left:
                break
            speak(pair, liar, honest, script)
            pair.move()
    check_survives(honest)
    if not shaken:
        assert honest.connection.peer_identity is None
        assert not honest.data
    return shaken and honest.error is None


def speak(pair: ConnectionPair, liar: End, honest: End, script: Script) -> None:
    """Let the liar say something, or the honest end."""
    layer = link_of(liar).layer
    with suppress(PostshakeError):
        match script.below(12):
            case 0:
                liar.connection.send_data(script.take(60) or b"x")
            case 1:
                honest.connection.send_data(b"honest")
            case 2:
                kind = script.one_of(0, 20, 21, 22, 23, 24, 255)
                layer.output.append(layer.outbound.seal(kind, script.take(60)))
            case 3:
                message = framed(script.one_of(*KINDS), script.take(120))
                for piece in script.cut(message):
                    layer.output.append(layer.outbound.seal(22, piece))
            case 4:
                liar.connection.key_update(request_peer=bool(script.below(2)))
            case 5:
                honest.connection.key_update(request_peer=bool(script.below(2)))
            case 6 | 7:
                pair.server.connection.request_auth(AuthRequest(required=bool(script.below(2))))
            case 8:
                pair.answer_all(decline=bool(script.below(2)))
            case 9:
                layer.output.append(plain(script.one_of(20, 21, 22, 23), script.take(40)))
            case 10:
                layer.output.append(script.take(100))
            case 11:
                liar.connection.close()
