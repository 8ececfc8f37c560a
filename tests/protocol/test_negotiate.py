"""What two lists have in common."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postshake.constants import NamedGroup
from postshake.protocol.negotiate import (
    POST_QUANTUM,
    choose_alpn,
    choose_first,
    choose_group,
    common_suites,
)

X, P, Q = NamedGroup.x25519, NamedGroup.secp256r1, NamedGroup.secp384r1
HYBRID = NamedGroup.X25519MLKEM768
OTHER_HYBRID = NamedGroup.SecP256r1MLKEM768

codes = st.lists(st.integers(1, 9), unique=True)


@given(codes, codes)
def test_the_first_of_ours_that_they_have(ours: list[int], theirs: list[int]) -> None:
    chosen = choose_first(ours, theirs)
    if chosen is None:
        assert not set(ours) & set(theirs)
    else:
        assert chosen in theirs
        assert not set(ours[: ours.index(chosen)]) & set(theirs)


@pytest.mark.parametrize(
    ("ours", "theirs", "shared", "chosen"),
    [
        ([X, P], [X, P], [X], X),
        ([X, P], [P, X], [P], P),  # a share saves a round trip
        ([X, P], [P, X], [P, X], X),
        ([X, P], [P, X], [], X),  # none does: our favourite, after a retry
        ([X, P], [Q, P], [Q], P),
        ([X, P], [Q], [Q], None),
        ([], [X], [X], None),
        ([HYBRID, X], [X, HYBRID], [X], HYBRID),  # worth the round trip
        ([X, HYBRID], [X, HYBRID], [HYBRID], HYBRID),
        ([X, HYBRID], [X, HYBRID], [X], X),
        ([OTHER_HYBRID, P], [P, OTHER_HYBRID], [P], OTHER_HYBRID),
        ([HYBRID, X], [X], [X], X),
    ],
)
def test_the_group(ours: list[int], theirs: list[int], shared: list[int], chosen: int) -> None:
    assert choose_group(ours, theirs, shared) == chosen


@given(codes, codes, codes)
def test_a_group_is_one_that_both_have(
    ours: list[int], theirs: list[int], shared: list[int]
) -> None:
    shared = [group for group in shared if group in theirs]
    chosen = choose_group(ours, theirs, shared)
    assert (chosen is None) is not bool(set(ours) & set(theirs))
    if chosen is not None:
        assert chosen in ours
        assert chosen in theirs
        assert chosen in shared or not set(ours) & set(shared)


@pytest.mark.parametrize(
    ("ours", "theirs", "chosen"),
    [
        ([b"h2", b"http/1.1"], [b"http/1.1", b"h2"], b"h2"),
        ([b"h2"], [b"h3"], None),
        ([b"h2"], [b"H2"], None),
        ([], [b"h2"], None),
    ],
)
def test_the_application_protocol(
    ours: list[bytes], theirs: list[bytes], chosen: bytes | None
) -> None:
    assert choose_alpn(ours, theirs) == chosen


@pytest.mark.parametrize(
    ("client_first", "common"), [(False, [0x1303, 0x1301]), (True, [0x1301, 0x1303])]
)
def test_the_suites_in_common(client_first: bool, common: list[int]) -> None:
    ours, theirs = [0x1303, 0x1302, 0x1301], [0x0A0A, 0x1301, 0x1303]
    assert common_suites(ours, theirs, client_first=client_first) == common


def test_every_hybrid_counts_as_post_quantum():
    """Also one that is added later: TLS 1.2 must not offer it (draft-ietf-tls-ecdhe-mlkem, 3)."""
    hybrids = {group for group in NamedGroup if "MLKEM" in group.name}
    assert hybrids == POST_QUANTUM
