"""Exported authenticators: what the RFC says, and what must not pass (RFC 9261)."""

from __future__ import annotations

import gc
import hashlib
import hmac
import weakref
from typing import Any

import anyio
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from postshake import AuthRequest, Connection, Credential, ProtocolVersion, UsageError
from postshake.constants import Role, SignatureScheme
from postshake.crypto.signatures import sign
from postshake.errors import (
    BadFinished,
    BadSignature,
    CertificateRequired,
    IllegalParameter,
    NameMismatch,
    PeerError,
    TLSError,
    TooMuch,
    UnexpectedMessage,
    UnknownCA,
    WrongPurpose,
)
from postshake.exported import (
    AsyncExportedAuthenticators,
    ExportedAuthenticators,
    ExportedRequest,
)
from postshake.pki.trust import PeerChain, VerifiedChain
from postshake.record.limits import Limits
from tests.certs import CA
from tests.pair import Clock, ConnectionPair, client_config, issued, server_config, the_ca

BOTH = pytest.mark.parametrize(
    "version", [ProtocolVersion.TLS13, ProtocolVersion.TLS12], ids=lambda each: each.name
)


def ends(
    client: dict[str, Any] | None = None, server: dict[str, Any] | None = None
) -> tuple[ExportedAuthenticators, ExportedAuthenticators]:
    """A client's and a server's, on one connection."""
    pair = ConnectionPair(
        client_config("alice", **(client or {})), server_config(**(server or {}))
    ).handshake()
    return (
        ExportedAuthenticators(pair.client.connection),
        ExportedAuthenticators(pair.server.connection),
    )


def over(version: ProtocolVersion) -> dict[str, Any]:
    return {"versions": (version,)}


@BOTH
def test_a_server_asks(version: ProtocolVersion) -> None:
    client, server = ends(over(version), over(version))
    request = server.request()
    assert client.context_of(request.data) == request.context
    identity = server.validate(request.context, client.authenticate(request.data))
    assert identity is not None
    assert identity.common_name == "alice"
    assert identity.certificate_request_context == request.context
    assert identity.verified_chain[-1] == the_ca().der


@BOTH
def test_a_client_asks(version: ProtocolVersion) -> None:
    other = issued("other.example", "server").credential()
    client, server = ends(over(version), over(version))
    request = client.request(AuthRequest(verifier=the_ca().verifier()), server_name="other.example")
    assert request.data[0] == 17
    identity = client.validate(request.context, server.authenticate(request.data, other))
    assert identity is not None
    assert identity.chain == other.chain


def test_the_server_is_told_which_name_is_wanted() -> None:
    """RFC 9261 section 4: server_name may stand in a ClientCertificateRequest."""
    names = ("server.example", "other.example")
    credentials = tuple(issued(name, "server").credential() for name in names)
    client, server = ends(None, {"credentials": credentials})
    for name, chosen in (("other.example", 1), ("OTHER.example.", 1), ("server.example", 0)):
        request = client.request(server_name=name)
        expected = name.lower().rstrip(".").encode()
        assert vec(2, vec(2, b"\0" + vec(2, expected))) in request.data
        identity = client.validate(request.context, server.authenticate(request.data))
        assert identity is not None
        assert identity.chain == credentials[chosen].chain
    # an address is not told (RFC 6066 section 3), but it is checked
    request = client.request(server_name="192.0.2.1")
    assert b"192.0.2.1" not in request.data
    with pytest.raises(NameMismatch):
        client.validate(request.context, server.authenticate(request.data))
    at = the_ca().issue("at", purpose="server", ip=["192.0.2.1"]).credential()
    request = client.request(server_name="192.0.2.1")
    answer = server.authenticate(request.data, at)
    assert client.validate(request.context, answer) is not None


def test_names_are_a_client_s_to_give() -> None:
    client, server = ends()
    with pytest.raises(UsageError, match="server_name is for clients"):
        server.request(server_name="alice")
    with pytest.raises(UsageError, match="neither a DNS name nor an IP address"):
        client.request(server_name="no name")
    assert client._open == server._open == {}


def test_the_connection_knows_nothing_of_it() -> None:
    client, server = ends()
    connections = client._connection, server._connection
    before = [(each.peer_identity, each.tickets, each.open_requests) for each in connections]
    request = server.request()
    server.validate(request.context, client.authenticate(request.data))
    assert before == [
        (each.peer_identity, each.tickets, each.open_requests) for each in connections
    ]
    assert not any(each.has_data_to_send for each in connections)


@pytest.mark.parametrize("required", [True, False])
def test_declining(required: bool) -> None:
    client, server = ends()
    request = server.request(AuthRequest(required=required))
    answer = client.authenticate(request.data, None)
    assert answer[0] == 20  # Finished, and nothing else
    if required:
        with pytest.raises(CertificateRequired):
            server.validate(request.context, answer)
    else:
        assert server.validate(request.context, answer) is None
    with pytest.raises(UsageError, match="no open request"):
        server.validate(request.context, answer)


def test_who_has_nothing_that_fits_declines() -> None:
    client, server = ends()
    ed25519 = AuthRequest(required=False, signature_algorithms=(SignatureScheme.ed25519,))
    request = server.request(ed25519)
    assert server.validate(request.context, client.authenticate(request.data)) is None
    request = server.request(ed25519)
    alice = issued("alice").credential()
    assert server.validate(request.context, client.authenticate(request.data, alice)) is None


def vec(size: int, data: bytes) -> bytes:
    return len(data).to_bytes(size) + data


def handshake(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + vec(3, body)


def by_the_book(
    connection: Connection, request: ExportedRequest, who: Credential, key: Any
) -> bytes:
    """An authenticator of a client's, written with nothing of ours (section 5)."""
    digest = hashlib.sha256
    context, mac = (
        connection.export(f"EXPORTER-client authenticator {what}".encode(), b"", 32)
        for what in ("handshake context", "finished key")
    )
    entry = vec(3, who.chain[0]) + b"\0\0"
    certificate = handshake(11, vec(1, request.context) + vec(3, entry))
    hashed = digest(context + request.data + certificate).digest()
    content = b" " * 64 + b"Exported Authenticator\0" + hashed
    signature = key.sign(content, ec.ECDSA(hashes.SHA256()))
    verify = handshake(15, b"\4\3" + vec(2, signature))
    hashed = digest(context + request.data + certificate + verify).digest()
    return certificate + verify + handshake(20, hmac.digest(mac, hashed, "sha256"))


AES128 = {"cipher_suites": (0x1301,)}


def test_it_is_what_the_rfc_says() -> None:
    client, server = ends(AES128)
    request = server.request()
    alice = issued("alice")
    written = by_the_book(client._connection, request, alice.credential(), alice.private_key)
    identity = server.validate(request.context, written)
    assert identity is not None
    assert identity.common_name == "alice"
    # and the other way: ours but for the signature, which is another each time
    request = server.request()
    ours = client.authenticate(request.data)
    theirs = by_the_book(client._connection, request, alice.credential(), alice.private_key)
    size = 4 + int.from_bytes(ours[1:4])
    assert ours[:size] == theirs[:size]


def test_a_refusal_is_what_the_rfc_says() -> None:
    client, server = ends(AES128)
    request = server.request()
    export = client._connection.export
    context = export(b"EXPORTER-client authenticator handshake context", b"", 32)
    mac = export(b"EXPORTER-client authenticator finished key", b"", 32)
    empty = handshake(11, vec(1, request.context) + vec(3, b""))
    hashed = hashlib.sha256(context + request.data + empty).digest()
    expected = handshake(20, hmac.digest(mac, hashed, "sha256"))
    assert client.authenticate(request.data, None) == expected


# --- what must not pass


@given(st.integers(0, 2**16), st.integers(0, 7))
def test_no_bit_of_it_can_be_changed(at: int, bit: int) -> None:
    request = ASKED.request()
    answer = ASKER.authenticate(request.data)
    damaged = bytearray(answer)
    damaged[at % len(answer)] ^= 1 << bit
    with pytest.raises(TLSError):
        ASKED.validate(request.context, bytes(damaged))
    # it was open as before
    assert ASKED.validate(request.context, answer) is not None


ASKER, ASKED = ends(None, {"limits": Limits(outstanding_requests=10_000)})


@given(st.binary(max_size=60))
def test_noise(data: bytes) -> None:
    request = ASKED.request()
    with pytest.raises(PeerError):
        ASKED.validate(request.context, data)
    with pytest.raises(PeerError):
        ASKER.authenticate(data)
    ASKED.cancel(request.context)


def test_it_is_this_connection_s_alone() -> None:
    client, _ = ends()
    _, other = ends({"random": lambda size: b"\7" * size})
    request = other.request(AuthRequest(context=b"the same"))
    with pytest.raises(BadSignature):
        other.validate(request.context, client.authenticate(request.data))
    client, _ = ends()
    with pytest.raises(BadFinished, match="not this connection's"):
        other.validate(request.context, client.authenticate(request.data, None))


def test_it_is_for_this_request_alone() -> None:
    client, server = ends()
    one, other = server.request(), server.request()
    answer = client.authenticate(one.data)
    with pytest.raises(IllegalParameter, match="another request's"):
        server.validate(other.context, answer)
    declined = client.authenticate(other.data, None)
    with pytest.raises(BadFinished):
        server.validate(one.context, declined)
    assert server.validate(one.context, answer) is not None


def test_every_context_is_good_for_once() -> None:
    client, server = ends()
    request = server.request(AuthRequest(context=b"once"))
    with pytest.raises(UsageError, match="used before"):
        server.request(AuthRequest(context=b"once"))
    answer = client.authenticate(request.data)
    with pytest.raises(IllegalParameter, match="used before"):
        client.authenticate(request.data)
    server.validate(b"once", answer)
    with pytest.raises(UsageError, match="used before"):
        server.request(AuthRequest(context=b"once"))
    # nor may one end use the other's
    with pytest.raises(UsageError, match="used before"):
        client.request(AuthRequest(context=b"once"), server_name="server.example")


def test_one_end_s_words_are_not_the_other_s() -> None:
    client, server = ends()
    request = server.request()
    with pytest.raises(UnexpectedMessage, match="expected ClientCertificateRequest"):
        server.authenticate(request.data)
    other_way = client.request(server_name="server.example")
    with pytest.raises(UnexpectedMessage, match="expected CertificateRequest"):
        client.authenticate(other_way.data)
    # what a client asked cannot be turned back at it
    asked = client.request(AuthRequest(context=b"mirror"), server_name="192.0.2.1")
    mirrored = handshake(13, asked.data[4:])
    with pytest.raises(IllegalParameter, match="used before"):
        client.authenticate(mirrored)
    another = ExportedAuthenticators(client._connection)  # who forgot
    with pytest.raises(PeerError):
        client.validate(b"mirror", another.authenticate(mirrored))


def test_a_signature_of_reauth_s_is_none_of_these() -> None:
    client, server = ends(AES128)
    request = server.request()
    alice = issued("alice")

    class Key:
        def sign(self, content: bytes, _: Any) -> bytes:
            other = content.replace(b"Exported Authenticator", b"TLS 1.3, client CertificateVerify")
            return sign(SignatureScheme.ecdsa_secp256r1_sha256, alice.private_key, other)

    written = by_the_book(client._connection, request, alice.credential(), Key())
    with pytest.raises(PeerError, match="signature"):
        server.validate(request.context, written)


def test_who_is_not_trusted() -> None:
    mallory = CA("Rogue").issue("mallory").credential()
    client, server = ends()
    request = server.request()
    with pytest.raises(UnknownCA):
        server.validate(request.context, client.authenticate(request.data, mallory))
    with pytest.raises(UsageError, match="no open request"):  # it was genuine, and is done with
        server.validate(request.context, b"")


def test_what_a_request_demands_beside() -> None:
    client, server = ends()
    another = CA("Another")
    request = server.request(AuthRequest(authorities=(another.name,)))
    alice = issued("alice").credential()
    with pytest.raises(UnknownCA, match="none of the authorities"):
        server.validate(request.context, client.authenticate(request.data, alice))
    extended_key_usage = bytes.fromhex("0603551d25")
    email = bytes.fromhex("300a06082b06010505070304")
    request = server.request(AuthRequest(oid_filters=((extended_key_usage, email),)))
    with pytest.raises(WrongPurpose):
        server.validate(request.context, client.authenticate(request.data, alice))


def test_time() -> None:
    clock = Clock()
    client, server = ends(None, {"clock": clock})
    request = server.request(AuthRequest(within=10))
    answer = client.authenticate(request.data)
    clock.now += 11
    with pytest.raises(TimeoutError, match="no answer within 10 seconds"):
        server.validate(request.context, answer)


def test_bounds() -> None:
    client, server = ends(None, {"limits": Limits(outstanding_requests=2)})
    one, _ = server.request(), server.request()
    with pytest.raises(TooMuch, match="2 requests are unanswered"):
        server.request()
    server.cancel(one.context)
    server.request()
    client._spent |= {bytes([number, index]) for number in range(256) for index in range(16)}
    with pytest.raises(TooMuch, match="at most 4096"):
        client.authenticate(server_request(server))


def server_request(server: ExportedAuthenticators) -> bytes:
    server.cancel(next(iter(server._open)))
    return server.request().data


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "a message of 4 bytes at least, got 0"),
        (b"\x14\0\0\x20", "a message of 36 bytes at least, got 4"),
        (b"\x14\xff\xff\xff", "at most 131072 bytes, got one of 16777215"),
        (b"\x14\0\0\0" * 4, "3 messages at most, got 4 bytes more"),
        (b"\x14\0\0\0" * 2, "three messages, or one, got 2"),
        (b"\x0b\0\0\0", "expected Finished, got certificate"),
        (b"\x14\0\0\0" * 3, "expected Certificate, got finished"),
    ],
)
def test_lengths(data: bytes, text: str) -> None:
    _, server = ends()
    request = server.request()
    with pytest.raises(PeerError, match=text):
        server.validate(request.context, data)


def test_connections_that_have_none() -> None:
    pair = ConnectionPair()
    with pytest.raises(UsageError, match="not complete"):
        ExportedAuthenticators(pair.client.connection)
    _, server = ends(None, {"verifier": None})
    with pytest.raises(UsageError, match="nobody is there to judge"):
        server.request()
    with pytest.raises(UsageError, match="cannot be written"):
        server.request(AuthRequest(context=bytes(256), verifier=the_ca().verifier()))


class AliceSigner:
    """Alice's key, for others to make something of."""

    public_key = issued("alice").certificate.public_key()
    schemes = issued("alice").credential().schemes


def test_a_signer_that_fails_answers_nothing() -> None:
    class Broken(AliceSigner):
        def sign(self, scheme: SignatureScheme, data: bytes) -> bytes:
            raise RuntimeError("no token")

    client, server = ends()
    request = server.request()
    broken = Credential(issued("alice").chain, Broken())
    with pytest.raises(RuntimeError, match="no token"):
        client.authenticate(request.data, broken)
    assert server.validate(request.context, client.authenticate(request.data)) is not None


def test_a_signer_that_fails_leaves_nothing_of_its_caller() -> None:
    class Held:
        """Something in a caller's variable."""

    class Broken(AliceSigner):
        def sign(self, scheme: SignatureScheme, data: bytes) -> bytes:
            raise RuntimeError("no token")

    def ask() -> weakref.ref[Held]:
        held = Held()
        try:
            client.authenticate(request.data, broken)
        except RuntimeError:  # and let go of it
            return weakref.ref(held)
        raise AssertionError("it did not fail")

    client, server = ends()
    request = server.request()
    broken = Credential(issued("alice").chain, Broken())
    gc.collect()
    gc.disable()
    try:
        assert ask()() is None
    finally:
        gc.enable()


@pytest.mark.anyio
async def test_signers_and_verifiers_that_take_their_time() -> None:
    class Slow(AliceSigner):
        async def sign(self, scheme: SignatureScheme, data: bytes) -> bytes:
            return sign(scheme, issued("alice").private_key, data)

        async def verify(self, peer: PeerChain) -> VerifiedChain:
            assert peer.role is Role.client
            return the_ca().verifier().verify(peer)

    slow = Credential(issued("alice").chain, Slow())
    pair = ConnectionPair(client_config("alice"), server_config(verifier=Slow())).handshake()
    client = AsyncExportedAuthenticators(pair.client.connection)
    server = AsyncExportedAuthenticators(pair.server.connection)
    request = server.request()
    answer = await client.authenticate(request.data, slow)
    identity = await server.validate(request.context, answer)
    assert identity is not None
    assert identity.common_name == "alice"
    blocking = ExportedAuthenticators(pair.client.connection)
    with pytest.raises(UsageError, match="asynchronous"):
        blocking.authenticate(server.request().data, slow)


@pytest.mark.anyio
async def test_a_context_is_good_for_once_also_while_it_takes_time() -> None:
    signing, judging = anyio.Event(), anyio.Event()

    class Slow(AliceSigner):
        async def sign(self, scheme: SignatureScheme, data: bytes) -> bytes:
            await signing.wait()
            return sign(scheme, issued("alice").private_key, data)

        async def verify(self, peer: PeerChain) -> VerifiedChain:
            await judging.wait()
            return the_ca().verifier().verify(peer)

    slow = Credential(issued("alice").chain, Slow())
    pair = ConnectionPair(client_config("alice"), server_config(verifier=Slow())).handshake()
    client = AsyncExportedAuthenticators(pair.client.connection)
    server = AsyncExportedAuthenticators(pair.server.connection)
    request = server.request()
    answers: list[bytes] = []
    outcomes: list[object] = []

    async def answer() -> None:
        answers.append(await client.authenticate(request.data, slow))

    async def judge() -> None:
        try:
            outcomes.append(await server.validate(request.context, answers[0]))
        except UsageError as error:
            outcomes.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(answer)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(IllegalParameter, match="used before"):
            await client.authenticate(request.data)
        signing.set()
    async with anyio.create_task_group() as group:
        group.start_soon(judge)
        group.start_soon(judge)
        await anyio.wait_all_tasks_blocked()
        judging.set()
    identity, error = sorted(outcomes, key=lambda each: isinstance(each, UsageError))
    assert getattr(identity, "common_name", None) == "alice"
    assert "settled or cancelled meanwhile" in str(error)


@pytest.mark.anyio
async def test_who_gives_up_signing_has_answered_nothing() -> None:
    class Never(AliceSigner):
        async def sign(self, scheme: SignatureScheme, data: bytes) -> bytes:
            await anyio.sleep_forever()
            raise AssertionError

    pair = ConnectionPair().handshake()
    client = AsyncExportedAuthenticators(pair.client.connection)
    server = ExportedAuthenticators(pair.server.connection)
    request = server.request()
    with anyio.move_on_after(0.01):
        await client.authenticate(request.data, Credential(issued("alice").chain, Never()))
    answer = await client.authenticate(request.data)
    assert server.validate(request.context, answer) is not None


def test_where_reauth_is_forbidden() -> None:
    """HTTP/2 forbids reauth, which is what these are for (RFC 9113 section 9.2.3)."""
    client, server = ends({"alpn_protocols": (b"h2",)}, {"alpn_protocols": (b"h2",)})
    request = server.request()
    assert server.validate(request.context, client.authenticate(request.data)) is not None


def test_it_says_little_of_itself() -> None:
    client, server = ends()
    assert "0 requests open" in repr(client)
    assert "finished_mac_key" not in repr(server._own)
    assert "handshake_context" not in repr(server._own)
