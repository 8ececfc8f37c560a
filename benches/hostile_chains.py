"""What hostile Certificate messages cost whoever is asked to believe them.

``python -m benches.hostile_chains [--seconds N]`` sends those that we know of to every kind of
end that there is, and then looks for worse ones: it changes recipes at random, and goes on from
the worst it has found. It prints CPU time, and next to it how many times as long as it takes to
verify a good chain of three, which is the same on every machine. The goal is for 150 ms where that
takes 0.4 ms.
"""

from __future__ import annotations

import argparse
import contextlib
import ssl as standard
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

import postshake.ssl as ours
from postshake import (
    ChainVerifier,
    ClientAuth,
    ClientConfig,
    Connection,
    Credential,
    ServerConfig,
    TrustStore,
)
from postshake.constants import ProtocolVersion, Role
from postshake.drive.answers import find_answer_now
from postshake.errors import CertificateError, PostshakeError
from postshake.pki.credential import LocalSigner
from postshake.pki.revocation import Require, Revocation
from postshake.pki.trust import PeerChain
from postshake.questions import ChooseCredential
from postshake.recording import Recording
from postshake.session import CLIENT, SERVER, CertificateCredentials, Session, SessionError
from postshake.session import constants as c
from postshake.session.errors import Again
from postshake.ssl.verifier import AnyPeer, ContextVerifier
from postshake.web.wsgi import client_variables
from tests import forging
from tests.certs import CA, DAY, NOW, peer
from tests.forging import DIGITAL_SIGNATURE, certificate, dns, name, names, spki
from tests.hostile_chains import (
    ANCHOR,
    FILLINGS,
    HOST,
    KEYS,
    NAMES,
    POLICIES,
    RECIPES,
    SUBJECTS,
    Attack,
    Recipe,
    TooLarge,
    bake,
)

__all__ = ["DOORS", "GOAL", "Cost", "attacker_for", "chain_of_three", "cost", "move", "search"]

GOAL = 150 / 0.4
"""How many good chains of three a message may cost."""
_ROUNDS = 12
_TRUSTED = ANCHOR.own()


@dataclass(frozen=True)
class Cost:
    """What one message cost at one door."""

    seconds: float
    door: str
    title: str
    verdict: str


class Watch:
    """Sums up CPU time of the parts that are the victim's."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Count what is done meanwhile."""
        start = time.process_time()
        try:
            yield
        finally:
            self.seconds += time.process_time() - start


def _credential(attack: Attack) -> Credential:
    """What signs for the attack's leaf, and shows its chain."""
    plain = certificate(
        name("leaf"), ANCHOR.subject, spki(attack.key), ANCHOR.key, [DIGITAL_SIGNATURE]
    )
    credential = Credential((plain,), LocalSigner(attack.key))
    _ = credential.schemes, credential.schemes12, credential.leaf, credential.certificates
    object.__setattr__(credential, "chain", attack.chain)  # which ours would not even load
    return credential


def _honest() -> Credential:
    key = ANCHOR.key
    extensions = [DIGITAL_SIGNATURE, names(dns(HOST))]
    leaf = certificate(name("honest"), ANCHOR.subject, spki(key), ANCHOR.key, extensions)
    return Credential((leaf,), LocalSigner(key))


def move(connection: Connection, credential: Credential | None = None) -> bytes:
    """Answer what a connection asks, and return what it sends.

    Args:
        connection: of either end.
        credential: what an attacker shows, whatever is asked for.
    """
    while (question := connection.next_question()) is not None:
        shown = credential if isinstance(question.subject, ChooseCredential) else None
        connection.answer(question.id, shown or find_answer_now(question.subject))
    while connection.next_event() is not None:
        pass
    return connection.data_to_send()


def attacker_for(
    role: Role, attack: Attack, version: ProtocolVersion = ProtocolVersion.TLS13
) -> tuple[Connection, Credential]:
    """Make the attacker's end, and what it shows."""
    credential = _credential(attack)
    if role is Role.client:
        config = ClientConfig(credentials=(credential,), verifier=AnyPeer(), versions=(version,))
        attacker = Connection(config, HOST)
        attacker.start()
        return attacker, credential
    server = ServerConfig(credentials=(credential,), chosen_elsewhere=True, versions=(version,))
    return Connection(server), credential


def _victim_config(
    role: Role, verifier: Any, version: ProtocolVersion
) -> ClientConfig | ServerConfig:
    if role is Role.server:
        return ServerConfig(
            credentials=(_honest(),),
            verifier=verifier,
            client_auth=ClientAuth.REQUIRE,
            versions=(version,),
        )
    return ClientConfig(verifier=verifier, versions=(version,))


def _engine(
    attack: Attack,
    role: Role,
    version: ProtocolVersion = ProtocolVersion.TLS13,
    *,
    verifier: Any = None,
    recorded: bool = False,
) -> tuple[float, str]:
    """Let a Connection in this role be attacked, and tell what there is to be told then."""
    config = _victim_config(role, verifier or ChainVerifier(TrustStore([_TRUSTED])), version)
    recording = Recording(role)
    if recorded:
        config = replace(config, trace=recording.trace)
    victim = Connection(config, HOST if role is Role.client else None)
    attacker, credential = attacker_for(role.peer, attack, version)
    watch, verdict = Watch(), "not decided"
    if role is Role.client:
        victim.start()
    with contextlib.suppress(PostshakeError):
        for _ in range(_ROUNDS):
            sent = move(attacker, credential)
            try:
                with watch.running():
                    victim.receive_data(sent)
                    reply = move(victim)
            except PostshakeError as error:
                verdict = str(error)
                reply = victim.data_to_send()
            if not sent and not reply:
                break
            attacker.receive_data(reply)
    identity = victim.peer_identity
    if identity is not None:
        verdict = "accepted"
        with watch.running():
            client_variables(identity)
            repr(identity)
    return watch.seconds, verdict


def _drop_in(attack: Attack, role: Role, *, judged: bool = True) -> tuple[float, str]:
    """Let an SSLObject be attacked, and ask it for all it knows."""
    side = ours.PROTOCOL_TLS_SERVER if role is Role.server else ours.PROTOCOL_TLS_CLIENT
    context = ours.SSLContext(side)
    context.load_verify_locations(cadata=_TRUSTED)
    if role is Role.server:
        context.use_credential(_honest())
        context.verify_mode = ours.CERT_REQUIRED
    elif not judged:
        context.check_hostname = False
        context.verify_mode = ours.CERT_NONE
    incoming, outgoing = standard.MemoryBIO(), standard.MemoryBIO()
    host = HOST if role is Role.client else None
    victim: Any = context.wrap_bio(incoming, outgoing, role is Role.server, host)
    attacker, credential = attacker_for(role.peer, attack)
    watch, verdict = Watch(), "not decided"
    with contextlib.suppress(PostshakeError):
        for _ in range(_ROUNDS):
            incoming.write(move(attacker, credential))
            try:
                with watch.running():
                    victim.do_handshake()
                verdict = "accepted"
            except standard.SSLWantReadError:
                pass
            except standard.SSLError as error:
                verdict = str(error)
            if verdict != "not decided":
                break
            attacker.receive_data(outgoing.read())
    if verdict == "accepted":
        with watch.running():
            victim.getpeercert()
            victim.getpeercert(True)
            victim.get_verified_chain()
    return watch.seconds, verdict


def _session(attack: Attack, role: Role) -> tuple[float, str]:
    """Let a Session be attacked that verifies by itself."""
    credentials = CertificateCredentials()
    credentials.set_x509_trust([_TRUSTED])
    if role is Role.server:
        credentials.set_x509_key(_honest())
    victim = Session(SERVER if role is Role.server else CLIENT)
    victim.credentials_set(credentials)
    victim.set_verify_cert(HOST)
    if role is Role.server:
        victim.certificate_server_set_request(c.CERT_REQUIRE)
    incoming, outgoing = bytearray(), bytearray()

    def pull(size: int) -> bytes:
        if not incoming:
            raise BlockingIOError
        taken = bytes(incoming[:size])
        del incoming[:size]
        return taken

    def push(data: memoryview) -> int:
        outgoing.extend(data)
        return len(data)

    victim.transport_set_functions(push, pull)
    attacker, credential = attacker_for(role.peer, attack)
    watch, verdict = Watch(), "not decided"
    with contextlib.suppress(PostshakeError):
        for _ in range(_ROUNDS):
            incoming += move(attacker, credential)
            try:
                with watch.running():
                    victim.handshake()
                verdict = "accepted"
            except Again:
                pass
            except SessionError as error:
                verdict = str(error)
                with watch.running(), contextlib.suppress(SessionError):
                    victim.alert_send_appropriate(error)
            if verdict != "not decided":
                break
            attacker.receive_data(bytes(outgoing))
            outgoing.clear()
    return watch.seconds, verdict


@cache
def _list_of(authority: forging.CA) -> x509.CertificateRevocationList:
    """An authority's list, on which nobody is."""
    builder = x509.CertificateRevocationListBuilder().last_update(NOW).next_update(NOW + DAY)
    issuer = x509.Name.from_bytes(authority.subject)
    return builder.issuer_name(issuer).sign(authority.key, SHA256())


def _verdict(attack: Attack, role: Role, verifier: Any) -> tuple[float, str]:
    """Ask a verifier alone."""
    question = PeerChain(
        attack.chain, role, HOST if role is Role.server else None, None, NOW.timestamp()
    )
    watch, verdict = Watch(), "accepted"
    try:
        with watch.running():
            verifier.verify(question)
    except CertificateError as error:
        verdict = str(error)
    return watch.seconds, verdict


DOORS: dict[str, Callable[[Attack], tuple[float, str]]] = {
    "verifier": lambda attack: _verdict(attack, Role.client, ChainVerifier(TrustStore([_TRUSTED]))),
    "verifier of the drop-in": lambda attack: _verdict(
        attack, Role.server, ContextVerifier([_TRUSTED])
    ),
    "verifier that wants a policy": lambda attack: _verdict(
        attack, Role.client, ChainVerifier(TrustStore([_TRUSTED]), policies=["1.2.1"])
    ),
    "verifier of the drop-in that looks at policies": lambda attack: _verdict(
        attack, Role.server, ContextVerifier([_TRUSTED], (), 0x80 | 0x100)
    ),
    "verifier with lists": lambda attack: _verdict(
        attack,
        Role.client,
        ChainVerifier(
            TrustStore([_TRUSTED]),
            revocation=Revocation([_list_of(ANCHOR)], require=Require.CHAIN),
        ),
    ),
    "engine, server": lambda attack: _engine(attack, Role.server),
    "engine, client": lambda attack: _engine(attack, Role.client),
    "engine, server, TLS 1.2": lambda attack: _engine(attack, Role.server, ProtocolVersion.TLS12),
    "engine, client, TLS 1.2": lambda attack: _engine(attack, Role.client, ProtocolVersion.TLS12),
    "engine, server that believes everybody": lambda attack: _engine(
        attack, Role.server, verifier=AnyPeer()
    ),
    "engine, server that is recorded": lambda attack: _engine(attack, Role.server, recorded=True),
    "drop-in, server": lambda attack: _drop_in(attack, Role.server),
    "drop-in, client": lambda attack: _drop_in(attack, Role.client),
    "drop-in, client that believes everybody": lambda attack: _drop_in(
        attack, Role.client, judged=False
    ),
    "Session, server": lambda attack: _session(attack, Role.server),
    "Session, client": lambda attack: _session(attack, Role.client),
}
"""Every kind of end that takes a Certificate message; what one spends, and what it says."""


def chain_of_three(rounds: int = 50) -> float:
    """How many seconds of CPU a good chain of three takes."""
    root = CA("Root")
    asked = peer(root.intermediate("Middle").issue())
    verifier = root.verifier(cache_size=0)
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        for _ in range(rounds):
            verifier.verify(asked)
        best = min(best, (time.process_time() - start) / rounds)
    return best


def cost(attack: Attack, title: str, door: str, times: int = 2) -> Cost:
    """Measure a message at a door; the least of some times, as others use the machine too."""
    found = [DOORS[door](attack) for _ in range(times)]
    return Cost(min(seconds for seconds, _ in found), door, title, found[0][1])


def search(seconds: float, seed: int = 1) -> Iterator[Cost]:
    """Look for worse messages than the known ones, by chance and from the worst so far."""
    random = Random(seed)
    end = time.monotonic() + seconds
    doors = ("verifier", "verifier of the drop-in", "verifier that wants a policy")
    worst: list[tuple[float, Recipe]] = []
    while time.monotonic() < end:
        start = random.choice(worst)[1] if worst and random.random() < 0.6 else RECIPES[0]
        recipe = _changed(start, random)
        try:
            attack = bake(recipe)
        except TooLarge:
            continue
        found = max((cost(attack, "", door) for door in doors), key=lambda each: each.seconds)
        worst = sorted([*worst, (found.seconds, recipe)], key=lambda each: -each[0])[:8]
        if worst[0][1] is recipe:
            yield replace(found, title=str(recipe))


def _changed(recipe: Recipe, random: Random) -> Recipe:
    fill = dict(recipe.fill)
    kind = random.choice(
        [
            *FILLINGS,
            *(f"{who}:{each}" for each in SUBJECTS for who in ("subject", "issuer")),
            *(f"{what}:{each}" for each in NAMES for what in ("names", "permits", "excludes")),
            *(f"policies:{each}" for each in POLICIES),
        ]
    )
    fill[kind] = random.choice([0.002, 0.01, 0.05, 0.1, 0.2, 0.3])
    for each in random.sample(sorted(fill), len(fill) // 3):
        del fill[each]
    layers, each_layer = random.choice([(0, 1), (1, 1), (1, 15), (2, 7), (3, 5), (5, 3), (8, 1)])
    made = replace(recipe, title="", fill=fill, insider=random.random() < 0.6)
    if random.random() < 0.4:
        made = replace(made, layers=layers, each=each_layer, key_type=random.choice(KEYS))
    while sum(made.fill.values()) > 1:
        made.fill.popitem()
    return made


def main() -> int:
    """Print what is worst."""
    parser = argparse.ArgumentParser(prog="python -m benches.hostile_chains", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to look for worse")
    parser.add_argument("--lines", type=int, default=20, help="how many to print")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    unit = chain_of_three()
    print(f"a good chain of three: {unit * 1000:.3f} ms; goal: {unit * GOAL * 1000:.1f} ms\n")
    found = [
        cost(attack, recipe.title, door)
        for recipe in RECIPES
        for attack in [bake(recipe)]
        for door in DOORS
    ]
    _table(found, unit, arguments.lines)
    print("\nworse, found by chance:")
    _table(list(search(arguments.seconds)), unit, arguments.lines)
    return 0


def _table(costs: list[Cost], unit: float, lines: int) -> None:
    for each in sorted(costs, key=lambda each: -each.seconds)[:lines]:
        print(
            f"{each.seconds * 1000:7.1f} ms {each.seconds / unit:5.0f}x  {each.door}: {each.title}"
            f" ({ascii(each.verdict)[1:80]})"
        )


if __name__ == "__main__":
    raise SystemExit(main())
