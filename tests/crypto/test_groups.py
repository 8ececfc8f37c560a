from __future__ import annotations

import os
from collections.abc import Callable
from itertools import chain, repeat
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey, X448PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from postshake.constants import NamedGroup, Role
from postshake.crypto import groups
from postshake.crypto.groups import answer_share, generate_share, supported_groups
from postshake.errors import IllegalParameter, InternalError, UsageError
from tests.crypto.without import load_without
from tests.vectors.rfc8448 import TRACES, Trace

CLASSIC = (
    NamedGroup.x25519,
    NamedGroup.secp256r1,
    NamedGroup.secp384r1,
    NamedGroup.secp521r1,
    NamedGroup.x448,
)
HYBRID = (
    NamedGroup.X25519MLKEM768,
    NamedGroup.SecP256r1MLKEM768,
    NamedGroup.SecP384r1MLKEM1024,
)
CURVES: dict[NamedGroup, ec.EllipticCurve] = {
    NamedGroup.secp256r1: ec.SECP256R1(),
    NamedGroup.secp384r1: ec.SECP384R1(),
    NamedGroup.secp521r1: ec.SECP521R1(),
}
LENGTHS = {
    # octets of a client's share, a server's share, the secret
    NamedGroup.x25519: (32, 32, 32),
    NamedGroup.x448: (56, 56, 56),
    NamedGroup.secp256r1: (65, 65, 32),
    NamedGroup.secp384r1: (97, 97, 48),
    NamedGroup.secp521r1: (133, 133, 66),
    NamedGroup.X25519MLKEM768: (1184 + 32, 1088 + 32, 64),
    NamedGroup.SecP256r1MLKEM768: (65 + 1184, 65 + 1088, 64),
    NamedGroup.SecP384r1MLKEM1024: (97 + 1568, 97 + 1568, 48 + 32),
}

every_group = pytest.mark.parametrize("group", supported_groups(), ids=lambda group: group.name)
every_curve = pytest.mark.parametrize("group", CURVES, ids=lambda group: group.name)
needs_mlkem = pytest.mark.skipif(
    NamedGroup.X25519MLKEM768 not in supported_groups(), reason="this cryptography has no ML-KEM"
)


def giving(*draws: bytes) -> Callable[[int], bytes]:
    """Make a source of exactly these octets; it checks how many are asked for."""
    rest = iter(draws)

    def random(count: int) -> bytes:
        drawn = next(rest)
        assert len(drawn) == count
        return drawn

    return random


def refuses(group: NamedGroup, peer_public: bytes, client_peer: bytes | None = None) -> None:
    """Show that neither end takes a key_exchange; the client's may be another one."""
    with pytest.raises(IllegalParameter, match=group.name):
        answer_share(group, peer_public, os.urandom)
    with pytest.raises(IllegalParameter, match=group.name):
        generate_share(group, os.urandom).complete(
            peer_public if client_peer is None else client_peer
        )


# What works


def test_preferred_first() -> None:
    assert supported_groups() in (
        CLASSIC,
        (NamedGroup.X25519MLKEM768, *CLASSIC, *HYBRID[1:]),
    )


@every_group
def test_both_ends_agree(group: NamedGroup) -> None:
    share = generate_share(group, os.urandom)
    public, secret = answer_share(group, share.public, os.urandom)
    assert share.complete(public) == secret
    assert share.group is group
    assert (len(share.public), len(public), len(secret)) == LENGTHS[group]


@every_group
def test_every_share_is_fresh(group: NamedGroup) -> None:
    client = generate_share(group, os.urandom).public
    assert generate_share(group, os.urandom).public != client
    first, second = (answer_share(group, client, os.urandom) for _ in range(2))
    assert first[0] != second[0]
    assert first[1] != second[1]


@pytest.mark.parametrize("trace", TRACES.values(), ids=TRACES)
def test_the_shared_secret_of_rfc_8448(trace: Trace) -> None:
    client, server = trace.key_pair(Role.client), trace.key_pair(Role.server)
    share = generate_share(client.group, giving(client.private))
    assert share.public == client.public
    assert share.complete(server.public) == trace.secrets["shared_secret"]
    assert answer_share(server.group, client.public, giving(server.private)) == (
        server.public,
        trace.secrets["shared_secret"],
    )


def test_x448_as_in_rfc_7748() -> None:
    alice = bytes.fromhex(
        "9a8f4925d1519f5775cf46b04b5800d4ee9ee8bae8bc5565d498c28d"
        "d9c9baf574a9419744897391006382a6f127ab1d9ac2d8c0a598726b"
    )
    alice_public = bytes.fromhex(
        "9b08f7cc31b7e3e67d22d5aea121074a273bd2b83de09c63faa73d2c"
        "22c5d9bbc836647241d953d40c5b12da88120d53177f80e532c41fa0"
    )
    bob_public = bytes.fromhex(
        "3eb7a829b0cd20f5bcfc0b599b6feccf6da4627107bdb0d4f345b430"
        "27d8b972fc3e34fb4232a13ca706dcb57aec3dae07bdc1c67bf33609"
    )
    secret = bytes.fromhex(
        "07fff4181ac6cc95ec1c16a94a0f74d12da232ce40a77552281d282b"
        "b60c0b56fd2464c335543936521c24403085d59a449a5037514a879d"
    )
    share = generate_share(NamedGroup.x448, giving(alice))
    assert share.public == alice_public
    assert share.complete(bob_public) == secret


@needs_mlkem
@pytest.mark.parametrize("group", HYBRID, ids=lambda group: group.name)
def test_a_hybrid_is_its_halves(group: NamedGroup) -> None:
    """In the order of its name, but for X25519's (draft-ietf-tls-ecdhe-mlkem, 4.1 to 4.3)."""
    from cryptography.hazmat.primitives.asymmetric import mlkem

    rows: dict[NamedGroup, tuple[Any, NamedGroup, int]] = {
        NamedGroup.X25519MLKEM768: (mlkem.MLKEM768PrivateKey, NamedGroup.x25519, 1088),
        NamedGroup.SecP256r1MLKEM768: (mlkem.MLKEM768PrivateKey, NamedGroup.secp256r1, 1088),
        NamedGroup.SecP384r1MLKEM1024: (mlkem.MLKEM1024PrivateKey, NamedGroup.secp384r1, 1568),
    }
    kind, curve, ciphertext = rows[group]
    size = {NamedGroup.secp384r1: 48}.get(curve, 32)
    seed, scalar, server_scalar = os.urandom(64), b"\x01" + os.urandom(size - 1), b"\x02" * size
    kem = kind.from_seed_bytes(seed)
    kem_public = kem.public_key().public_bytes_raw()
    ecdhe = generate_share(curve, giving(scalar))
    ecdhe_server, ecdhe_secret = answer_share(curve, ecdhe.public, giving(server_scalar))

    if group is NamedGroup.X25519MLKEM768:
        share = generate_share(group, giving(seed, scalar))
        assert share.public == kem_public + ecdhe.public
        public, secret = answer_share(group, share.public, giving(server_scalar))
        assert public[ciphertext:] == ecdhe_server
        assert secret == kem.decapsulate(public[:ciphertext]) + ecdhe_secret
    else:
        share = generate_share(group, giving(scalar, seed))
        assert share.public == ecdhe.public + kem_public
        public, secret = answer_share(group, share.public, giving(server_scalar))
        assert public[:-ciphertext] == ecdhe_server
        assert secret == ecdhe_secret + kem.decapsulate(public[-ciphertext:])


@given(st.binary(min_size=32, max_size=32))
def test_x25519_gives_what_the_primitive_gives(private: bytes) -> None:
    peer = X25519PrivateKey.from_private_bytes(b"\x09" * 32).public_key()
    share = generate_share(NamedGroup.x25519, giving(private))
    raw = X25519PrivateKey.from_private_bytes(private)
    assert share.complete(peer.public_bytes_raw()) == raw.exchange(peer)


# What a peer must not send


@every_group
@pytest.mark.parametrize("change", [b"", None, b"\x00"], ids=["empty", "short", "long"])
def test_a_share_of_a_wrong_length(group: NamedGroup, change: bytes | None) -> None:
    client = generate_share(group, os.urandom).public
    server, _ = answer_share(group, client, os.urandom)

    def spoil(key: bytes) -> bytes:
        return key[:-1] if change is None else key + change if change else b""

    refuses(group, spoil(client), spoil(server))


@pytest.mark.parametrize(
    "point",
    [
        bytes(32),
        (1).to_bytes(32, "little"),
        bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
        *((2**255 - 19 + n).to_bytes(32, "little") for n in (-1, 0, 1)),
        (1 | 1 << 255).to_bytes(32, "little"),  # the top bit does not count
    ],
    ids=["0", "1", "order-8", "another-order-8", "p-1", "p", "p+1", "1-and-top-bit"],
)
def test_low_order_points_of_x25519(point: bytes) -> None:
    refuses(NamedGroup.x25519, point)


@pytest.mark.parametrize("n", [0, 1, -1, "p", "p+1"], ids=str)
def test_low_order_points_of_x448(n: int | str) -> None:
    p = 2**448 - 2**224 - 1
    point = {0: 0, 1: 1, -1: p - 1, "p": p, "p+1": p + 1}[n]
    refuses(NamedGroup.x448, point.to_bytes(56, "little"))


def test_a_point_of_x25519_that_is_not_reduced_is_a_key() -> None:
    # RFC 7748 section 5: values from 2**255 - 19 on are accepted and reduced.
    unreduced = (2**255 - 19 + 9).to_bytes(32, "little")
    reduced = (9).to_bytes(32, "little")
    share = generate_share(NamedGroup.x25519, os.urandom)
    assert share.complete(unreduced) == share.complete(reduced) == share.public


@every_curve
def test_points_that_are_none(group: NamedGroup) -> None:
    good = generate_share(group, os.urandom).public
    half = len(good) // 2
    x, y = good[1 : 1 + half], good[1 + half :]
    off_curve = x + (int.from_bytes(y, "big") ^ 1).to_bytes(half, "big")
    for bad in (b"\x04" + off_curve, b"\x04" + bytes(2 * half), b"\x04" + b"\xff" * (2 * half)):
        refuses(group, bad)
    for bad in (b"\x00", b"\x00" + good[1:]):  # infinity, and infinity of our length
        refuses(group, bad)


@every_curve
@pytest.mark.parametrize("form", [0, 1, 2, 3, 5, 6, 7, 0x84])
def test_only_uncompressed_points(group: NamedGroup, form: int) -> None:
    good = generate_share(group, os.urandom).public
    refuses(group, bytes([form]) + good[1:])


@every_curve
def test_compressed_points_are_refused_though_they_are_keys(group: NamedGroup) -> None:
    key = ec.generate_private_key(CURVES[group]).public_key()
    compressed = key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    assert ec.EllipticCurvePublicKey.from_encoded_point(CURVES[group], compressed) == key
    refuses(group, compressed)


def test_a_point_of_another_curve_of_the_same_size() -> None:
    koblitz = ec.generate_private_key(ec.SECP256K1()).public_key()
    refuses(
        NamedGroup.secp256r1, koblitz.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    )


@needs_mlkem
def test_an_encapsulation_key_that_is_not_reduced() -> None:
    good = generate_share(NamedGroup.X25519MLKEM768, os.urandom).public
    with pytest.raises(IllegalParameter, match="no ML-KEM-768 key"):
        answer_share(NamedGroup.X25519MLKEM768, b"\xff\xff\xff" + good[3:], os.urandom)
    good = generate_share(NamedGroup.SecP384r1MLKEM1024, os.urandom).public
    with pytest.raises(IllegalParameter, match="no ML-KEM-1024 key"):
        answer_share(
            NamedGroup.SecP384r1MLKEM1024, good[:97] + b"\xff\xff\xff" + good[100:], os.urandom
        )


@needs_mlkem
def test_a_hybrid_is_refused_for_its_classic_half() -> None:
    share = generate_share(NamedGroup.X25519MLKEM768, os.urandom)
    server, _ = answer_share(NamedGroup.X25519MLKEM768, share.public, os.urandom)
    with pytest.raises(IllegalParameter, match="low order"):
        answer_share(NamedGroup.X25519MLKEM768, share.public[:1184] + bytes(32), os.urandom)
    with pytest.raises(IllegalParameter, match="low order"):
        share.complete(server[:1088] + bytes(32))

    for group in HYBRID[1:]:
        share = generate_share(group, os.urandom)
        with pytest.raises(IllegalParameter, match="no uncompressed point"):
            answer_share(group, b"\x02" + share.public[1:], os.urandom)


@needs_mlkem
def test_a_damaged_ciphertext_gives_another_secret_and_no_error() -> None:
    # FIPS 203's implicit rejection: the Finished will tell.
    share = generate_share(NamedGroup.X25519MLKEM768, os.urandom)
    server, secret = answer_share(NamedGroup.X25519MLKEM768, share.public, os.urandom)
    damaged = bytes([server[0] ^ 1]) + server[1:]
    got = share.complete(damaged)
    assert got[32:] == secret[32:]
    assert got[:32] != secret[:32]


@given(st.sampled_from(CLASSIC), st.binary(max_size=140))
def test_any_octets_are_a_key_or_an_illegal_parameter(group: NamedGroup, octets: bytes) -> None:
    try:
        public, secret = answer_share(group, octets, os.urandom)
    except IllegalParameter:
        return
    assert (len(octets), len(public), len(secret)) == LENGTHS[group]


@given(st.sampled_from((NamedGroup.x25519, NamedGroup.x448)), st.data())
def test_a_montgomery_key_of_the_right_length_does_as_the_primitive(
    group: NamedGroup, data: st.DataObject
) -> None:
    size = LENGTHS[group][0]
    private = data.draw(st.binary(min_size=size, max_size=size))
    octets = data.draw(st.binary(min_size=size, max_size=size))
    share = generate_share(group, giving(private))
    try:
        if group is NamedGroup.x25519:
            expected = X25519PrivateKey.from_private_bytes(private).exchange(
                X25519PublicKey.from_public_bytes(octets)
            )
        else:
            expected = X448PrivateKey.from_private_bytes(private).exchange(
                X448PublicKey.from_public_bytes(octets)
            )
    except ValueError:
        with pytest.raises(IllegalParameter):
            share.complete(octets)
    else:
        assert share.complete(octets) == expected


# Where private keys come from


@every_curve
def test_candidates_outside_the_range_are_drawn_again(group: NamedGroup) -> None:
    size = -(-CURVES[group].key_size // 8)
    order = CURVES[group].group_order
    zero, one = bytes(size), (1).to_bytes(size, "big")
    largest, too_large = ((order - n).to_bytes(size, "big") for n in (1, 0))
    base_point = generate_share(group, giving(one)).public
    assert generate_share(group, giving(zero, too_large, one)).public == base_point
    negative = generate_share(group, giving(largest)).public
    assert negative[1 : 1 + size] == base_point[1 : 1 + size]  # -G, so the order is right
    assert negative != base_point


def test_surplus_bits_of_p521_do_not_count() -> None:
    low = bytes(65) + b"\x05"
    assert (
        generate_share(NamedGroup.secp521r1, giving(b"\xfe" + low[1:])).public
        == generate_share(NamedGroup.secp521r1, giving(low)).public
    )


@every_curve
def test_a_dead_random_source_ends_in_an_error(group: NamedGroup) -> None:
    size = -(-CURVES[group].key_size // 8)
    with pytest.raises(InternalError, match=group.name):
        generate_share(group, giving(*repeat(bytes(size), 1000)))


def test_an_unlucky_random_source_does_not() -> None:
    draws = chain(repeat(bytes(32), 20), [b"\x07" * 32])
    assert len(generate_share(NamedGroup.secp256r1, giving(*draws)).public) == 65


# The rest


@every_group
def test_no_repr_shows_a_private_key(group: NamedGroup) -> None:
    text = repr(generate_share(group, os.urandom))
    assert "private" not in text.lower()
    assert "public=" in text


@pytest.mark.parametrize(
    ("group", "name"), [(NamedGroup.ffdhe2048, "ffdhe2048"), (0x6A6A, "0x6a6a")]
)
def test_groups_that_nobody_supports(group: int, name: str) -> None:
    with pytest.raises(UsageError, match=name):
        generate_share(group, os.urandom)
    with pytest.raises(UsageError, match=name):
        answer_share(group, bytes(32), os.urandom)


def test_without_mlkem_the_classic_groups_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    older = load_without("mlkem", groups, monkeypatch)
    assert older.supported_groups() == CLASSIC
    share = older.generate_share(NamedGroup.x25519, os.urandom)
    public, secret = older.answer_share(NamedGroup.x25519, share.public, os.urandom)
    assert share.complete(public) == secret
    with pytest.raises(UsageError, match="X25519MLKEM768"):
        older.generate_share(NamedGroup.X25519MLKEM768, os.urandom)
