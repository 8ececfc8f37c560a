"""No certificate is too expensive to refuse.

A Certificate message costs at most as much CPU as 375 good chains of three (150 ms where one takes
0.4 ms), in either role, with the engine, `Session` and `postshake.ssl`. Signatures come before
names, names are compared only where an anchor vouches for the chain, and a search has one budget.

Strangers leave nothing behind: of what an unproven peer sent nothing over 1 KiB is kept when its
connection is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import sys
import threading
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from benches.hostile_chains import DOORS, GOAL, attacker_for, chain_of_three, cost, move
from postshake import (
    ChainVerifier,
    ClientAuth,
    ClientConfig,
    Connection,
    Credential,
    ServerConfig,
    TrustStore,
)
from postshake._dataclass import replace
from postshake.constants import Role
from postshake.drive.answers import find_answer_now
from postshake.drive.asyncio import start_server
from postshake.errors import BadCertificate, CertificateError, PostshakeError
from postshake.pki.credential import LocalSigner
from postshake.pki.extensions import MAXIMUM_POINTS, MOST_PLACES
from postshake.pki.parsed_certificate import Facts
from postshake.pki.path import PathSearch
from postshake.pki.revocation import Revocation
from postshake.pki.trust import PeerChain
from postshake.ssl.verifier import POLICY_FLAGS, ContextVerifier
from postshake.wire.extensions import Extensions, ServerName
from postshake.wire.handshake import decode_handshake, encode_handshake
from tests import forging as f
from tests.certs import CA, DAY, NOW, new_key
from tests.hostile_chains import ANCHOR, HOST, RECIPES, Recipe, bake

TRUSTED = ANCHOR.own()
MOST_CALLS = 500_000
"""Of functions, ours and others', for one verdict; 150,000 take some 15 ms. A tenth of them is
for OpenSSL's number of what was refused."""
MOST_SIGNATURES = 32
BY_TITLE = {recipe.title: recipe for recipe in RECIPES}
EVERYWHERE = (
    "three layers of five, P-384",
    "attributes in the subject",
    "ligatures, fifteen times",
    "alternative names: dns, empty",
    "names and excludes: directory",
    "insider: names and permits: ip6",
    "insider: names and excludes: dns, wild",
    "insider: points",
    "insider: purposes",
    "insider: policies: any, mapped, 8 by 1",
    "insider: policies: crossed, and then another, 3 by 5",
    "extensions",
    "fifteen RSA keys with exponents as long as they are",
    "found by chance, 1",
    "found by chance, 4",
)


@pytest.fixture(autouse=True)
def _as_in_production() -> Iterator[None]:
    """Let cryptography's warnings about odd names be no exceptions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def calls(run: Callable[[], None]) -> int:
    """Count the calls of functions, those of C included."""
    count = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        if event in ("call", "c_call"):
            count += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.title)
def test_a_verdict_takes_a_bounded_number_of_steps(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    signatures = []
    check = Facts.check_signature

    def counted(child: Facts, issuer: Facts) -> bool:
        signatures.append(child)
        return check(child, issuer)

    monkeypatch.setattr(Facts, "check_signature", counted)
    chain = bake(recipe).chain
    for verifier, role, host in (
        (ChainVerifier(TrustStore([TRUSTED])), Role.client, None),
        (ContextVerifier([TRUSTED]), Role.server, HOST),
        (ContextVerifier([TRUSTED], (), POLICY_FLAGS), Role.server, HOST),
        (ChainVerifier(TrustStore([TRUSTED]), policies=["1.2.1"]), Role.client, None),
    ):
        asked = PeerChain(chain, role, host, None, NOW.timestamp())
        signatures.clear()
        assert calls(partial(_judge, verifier, asked)) < MOST_CALLS
        assert len(signatures) <= MOST_SIGNATURES


def _judge(verifier: Any, asked: PeerChain) -> None:
    with contextlib.suppress(CertificateError):  # it may be right to believe it
        verifier.verify(asked)


def test_the_steps_are_few_for_what_is_no_attack() -> None:
    """What hostile messages may cost is a thousand times as much."""
    root = CA("Root")
    leaf = root.intermediate("Middle").issue()
    asked = PeerChain(leaf.chain, Role.client, None, None, NOW.timestamp())
    verifier = root.verifier(cache_size=0)
    verifier.verify(asked)
    assert calls(partial(_judge, verifier, asked)) < MOST_CALLS / 1000


@pytest.fixture(scope="module")
def price() -> float:
    """Seconds of CPU that a message may cost on this machine, just now."""
    return chain_of_three() * GOAL


@pytest.mark.parametrize("door", DOORS)
def test_no_message_costs_more_than_it_may(door: str, price: float) -> None:
    for title in EVERYWHERE:
        attack = bake(BY_TITLE[title])
        for _ in range(3):
            found = cost(attack, title, door)
            if found.seconds < price:
                break
            price = max(price, chain_of_three() * GOAL)  # the machine may be slower by now
        assert found.seconds < price, found


def test_nor_does_what_is_stapled_to_it(price: float) -> None:
    """A response that anybody may have signed, with a hundred and fifty who may answer for it."""
    ca, key = CA("Slow CA", key_type="p384"), new_key()
    member, forger = ca.issue("member"), CA("Slow CA", key_type="p384")
    purpose = (ExtendedKeyUsageOID.OCSP_SIGNING,)
    others = [forger.issue("responder", key=key, purpose=purpose).certificate for _ in range(150)]
    builder = ocsp.OCSPResponseBuilder().certificates(others)
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, others[0])
    response = builder.add_response(
        member.certificate,
        ca.certificate,
        hashes.SHA256(),
        ocsp.OCSPCertStatus.GOOD,
        NOW - DAY,
        NOW + DAY,
        None,
        None,
    ).sign(key, hashes.SHA256())
    stapled = response.public_bytes(Encoding.DER)
    assert len(stapled) > 60_000
    verifier = ca.verifier(revocation=Revocation(), cache_size=0)
    asked = PeerChain(member.chain, Role.client, None, stapled, NOW.timestamp())
    spent = []
    for _ in range(3):
        start = time.process_time()
        assert verifier.verify(asked)
        spent.append(time.process_time() - start)
    assert min(spent) < price / 2


def test_an_event_loop_goes_on_meanwhile(price: float) -> None:
    """A server with the message that costs the most; CPU time of its thread between two turns."""
    key = new_key()
    leaf = f.certificate(
        f.name("server"),
        ANCHOR.subject,
        f.spki(key),
        ANCHOR.key,
        [f.DIGITAL_SIGNATURE, f.names(f.dns(HOST))],
    )
    config = ServerConfig(
        credentials=(Credential((leaf,), LocalSigner(key)),),
        verifier=ChainVerifier(TrustStore([TRUSTED])),
        client_auth=ClientAuth.REQUIRE,
    )
    attack = bake(BY_TITLE["found by chance, 4"])

    def attacking(port: int) -> None:
        attacker, credential = attacker_for(Role.client, attack)
        with (
            socket.create_connection(("127.0.0.1", port), timeout=60) as sock,
            contextlib.suppress(PostshakeError, OSError),
        ):
            while True:
                sock.sendall(move(attacker, credential))
                data = sock.recv(65536)
                if not data:
                    return
                attacker.receive_data(data)

    async def measure() -> float:
        server = await start_server(lambda reader, writer: None, "127.0.0.1", 0, config)
        thread = threading.Thread(target=attacking, args=(server.sockets[0].getsockname()[1],))
        thread.start()
        longest = 0.0
        while thread.is_alive():
            start = time.thread_time()
            await asyncio.sleep(0.001)
            longest = max(longest, time.thread_time() - start)
        server.close()
        await server.wait_closed()
        return longest

    for _ in range(3):
        longest = asyncio.run(measure())
        if longest < price:
            break
    assert 0 < longest < price


def _stranger(number: int, size: int) -> PeerChain:
    """Somebody with names of this size, and certificates that nobody has seen."""
    key = KEY
    subject, issuer = (
        f.seq(f.rdn((f"{who}{number:08}" * 900)[:size])) for who in ("subject", "issuer")
    )
    between = f.certificate(issuer, subject, f.spki(key), key, [f.BASIC_CA])
    names = f.names(*(f.dns(f"{number:x}-{index:x}.example") for index in range(3000)))
    leaf = f.certificate(subject, issuer, f.spki(key), key, [names])
    return PeerChain((leaf, between), Role.client, None, None, NOW.timestamp())


KEY = new_key()
KIBIBYTE = 1024


def kept(once: Callable[[int], None], times: int = 40) -> float:
    """How many bytes each of some strangers leaves behind; what the first ones do is free."""
    for number in range(5):
        once(number)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(5, 5 + times):
            once(number)
        gc.collect()
        return (tracemalloc.get_traced_memory()[0] - before) / times
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [40, 200, 2000, 12_000])
@pytest.mark.parametrize("kind", [ChainVerifier, ContextVerifier])
def test_a_refused_stranger_leaves_nothing_behind(kind: Any, size: int) -> None:
    trusted = [f.CA(f"Only here {kind.__name__} {size}", KEY).own()]
    verifier = kind(TrustStore(trusted) if kind is ChainVerifier else trusted)

    def once(number: int) -> None:
        with pytest.raises(CertificateError):
            verifier.verify(_stranger(number + size, size))

    assert kept(once) < KIBIBYTE


def test_nor_does_one_that_asks_for_a_server_nobody_has() -> None:
    root = CA("Root")
    credentials = tuple(
        root.issue(name, purpose="server").credential() for name in ("a.example", "b.example")
    )
    config = ServerConfig(credentials=credentials, verifier=root.verifier())

    def once(number: int) -> None:
        hello = _hello_for(f"1::%{number}" + "a" * 50_000)
        server = Connection(config)
        with contextlib.suppress(PostshakeError):
            server.receive_data(hello)
            while (question := server.next_question()) is not None:
                server.answer(question.id, find_answer_now(question.subject))

    assert kept(once) < KIBIBYTE


def _hello_for(name: str) -> bytes:
    """A ClientHello for a server of this name, in records."""
    client = Connection(ClientConfig(verifier=CA("Any").verifier()), "a.example")
    client.start()
    hello: Any = decode_handshake(1, client.data_to_send()[9:])
    items = tuple(
        ServerName(name) if isinstance(each, ServerName) else each for each in hello.extensions
    )
    message = encode_handshake(replace(hello, extensions=Extensions(items)))
    pieces = [message[at : at + 16384] for at in range(0, len(message), 16384)]
    return b"".join(b"\x16\x03\x01" + len(each).to_bytes(2, "big") + each for each in pieces)


def test_who_is_believed_is_remembered_within_bounds() -> None:
    """At most 256 chains of at most 32 KiB; this is what a verifier may hold in all."""
    verifier = ChainVerifier(TrustStore([TRUSTED]))

    def once(number: int) -> None:
        rubbish = f.extension("1.2.3", number.to_bytes(4, "big") * (2000 if number % 2 else 20_000))
        leaf = ANCHOR.issue("member", f.spki(KEY), f.DIGITAL_SIGNATURE, rubbish)
        asked = PeerChain((leaf,), Role.client, None, None, NOW.timestamp())
        assert verifier.verify(asked).certificates == (leaf, TRUSTED)

    assert kept(once) < 6 * KIBIBYTE  # half of them have 8 KiB, the others 80
    assert repr(verifier).endswith("remembered=22)")


def test_an_intricate_chain_says_so() -> None:
    with pytest.raises(BadCertificate, match="too intricate"):
        ChainVerifier(TrustStore([TRUSTED])).verify(
            PeerChain(
                bake(BY_TITLE["five layers of three"]).chain,
                Role.client,
                None,
                None,
                NOW.timestamp(),
            )
        )
    search = PathSearch(TrustStore(), Role.client, NOW.timestamp(), 8, 2048)
    assert (search.certificates_read, search.signatures_left, search.steps_left) == (16, 32, 256)


POINTS: dict[str, Callable[[bytes], bytes]] = {
    "places": lambda more: f.tlv(0xA0, f.tlv(0xA0, f.tlv(0x86) * 20 + f.tlv(0x86, more))),
    "relative names": lambda more: f.tlv(
        0xA0, f.tlv(0xA1, f.seq(f.oid(f.COMMON_NAME), f.tlv(0x0C, b"a" * 20 + more)))
    ),
    "issuers": lambda more: f.tlv(0xA2, f.tlv(0xA4, ANCHOR.subject) + f.tlv(0x86, more)),
}
"""What a certificate may say of where lists are, with some octets more."""


def _lists(*scopes: x509.IssuingDistributionPoint) -> list[x509.CertificateRevocationList]:
    """Lists of the anchor's, about some certificates each."""
    issuer = x509.Name.from_bytes(ANCHOR.subject)
    made = []
    for scope in scopes:
        builder = x509.CertificateRevocationListBuilder().issuer_name(issuer)
        builder = builder.last_update(NOW).next_update(NOW + DAY).add_extension(scope, True)
        made.append(builder.sign(ANCHOR.key, hashes.SHA256()))
    return made


def _scope(number: int, *, indirect: bool = False) -> x509.IssuingDistributionPoint:
    place = [x509.UniformResourceIdentifier(f"http://crl.example/{number}")]
    return x509.IssuingDistributionPoint(place, None, False, False, None, indirect, False)


def _with_points(kind: str, size: int) -> bytes:
    """As many places as are read, of so many octets in all."""
    points = [POINTS[kind](b"")] * MOST_PLACES
    missing = size - len(b"".join(map(f.seq, points)))
    points = [POINTS[kind](b"x" * (missing // MOST_PLACES))] * (MOST_PLACES - 1)
    said = b"".join(map(f.seq, points))
    last = f.seq(POINTS[kind](b""))
    said += f.seq(POINTS[kind](b"x" * (size - len(said) - len(last))))
    return f.extension("2.5.29.31", f.seq(said), critical=True)


@pytest.mark.parametrize("kind", POINTS)
def test_places_of_lists_have_a_bound_of_their_own(kind: str) -> None:
    for size, works in ((MAXIMUM_POINTS - 100, True), (MAXIMUM_POINTS + 100, False)):
        leaf = ANCHOR.issue("leaf", f.spki(KEY), f.DIGITAL_SIGNATURE, _with_points(kind, size))
        verifier = ChainVerifier(TrustStore([TRUSTED]), revocation=Revocation(_lists(_scope(1))))
        asked = PeerChain((leaf,), Role.client, None, None, NOW.timestamp())
        if works:
            assert verifier.verify(asked)
        else:
            with pytest.raises(BadCertificate, match="cRLDistributionPoints of"):
                verifier.verify(asked)


@pytest.mark.parametrize("kind", POINTS)
def test_nor_do_places_of_lists_cost_more(kind: str, price: float) -> None:
    """Eight certificates with all that each may have of them, and lists for other places."""
    keys = [new_key() for _ in range(8)]
    said = _with_points(kind, MAXIMUM_POINTS - 100)
    above, chain = ANCHOR, []
    for number, key in enumerate(keys):
        last = number + 1 == len(keys)
        extensions = (f.DIGITAL_SIGNATURE,) if last else (f.BASIC_CA,)
        chain.append(above.issue(f"No. {number}", f.spki(key), *extensions, said))
        above = f.CA(f"No. {number}", key)
    lists = _lists(*map(_scope, range(100)), _scope(100, indirect=True))
    revocation = Revocation(lists, on_unusable=[].append)
    verifier = ChainVerifier(TrustStore([TRUSTED]), revocation=revocation, cache_size=0)
    asked = PeerChain(tuple(chain[::-1]), Role.client, None, None, NOW.timestamp())
    assert sum(map(len, chain)) > 64_000
    spent = []
    for _ in range(3):
        start = time.process_time()
        assert verifier.verify(asked)
        spent.append(time.process_time() - start)
    assert min(spent) < price, (min(spent), price)
