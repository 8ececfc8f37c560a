"""Forward secrecy unless you say otherwise.

Every handshake, resumed ones too, has an (EC)DHE or hybrid ML-KEM key exchange, and every
cipher suite is an AEAD. Two settings give it up: psk_ke among psk_modes, and early data.
"""

from __future__ import annotations

import pytest

from postshake.constants import NamedGroup, ProtocolVersion, PskKeyExchangeMode
from postshake.crypto.groups import supported_groups
from postshake.crypto.suites import TLS13_SUITES
from postshake.crypto.tls12.suites import TLS12_SUITES
from postshake.errors import UsageError
from postshake.resumption import ExternalPsk
from tests.pair import ConnectionPair, client_config, server_config
from tests.resuming import Today, established, resuming
from tests.tls12 import pair12

KEY = ExternalPsk(b"sensor7", bytes(range(32)))


def test_every_suite_is_an_aead_with_an_ephemeral_key_exchange() -> None:
    for suite in TLS12_SUITES.values():
        assert suite.code.name.startswith("TLS_ECDHE_")
        assert (
            suite.code.name.removesuffix("_SHA256")
            .removesuffix("_SHA384")
            .endswith(("_GCM", "_POLY1305"))
        )
    names = [suite.code.name for suite in TLS13_SUITES.values()]
    assert all("GCM" in name or "POLY1305" in name for name in names)


def test_a_full_handshake_and_a_resumed_one_agree_on_a_key_each() -> None:
    today = Today("alice")
    first, ticket = today.session()
    second = resuming(ticket, client=today.client, server=today.server).handshake()
    assert established(second)[0].resumed
    for pair in (first, second):
        assert established(pair)[0].group in supported_groups()


def test_an_external_psk_does_not_replace_it() -> None:
    pair = ConnectionPair(
        client_config(psks=(KEY,), verifier=None), server_config(psks=(KEY,), credentials=())
    ).handshake()
    assert established(pair)[0].group is not None
    for fields in ({}, {"versions": (ProtocolVersion.TLS12,)}):
        keyed = {"psks": (KEY,), **fields}
        pair = pair12(client=keyed | {"verifier": None}, server=keyed | {"credentials": ()})
        assert isinstance(established(pair.handshake())[0].group, NamedGroup)


def test_one_end_alone_cannot_give_it_up() -> None:
    """psk_ke is used if both ends allow it, and then only where the better way is not."""
    both = (PskKeyExchangeMode.psk_dhe_ke, PskKeyExchangeMode.psk_ke)
    for client, server in ((both, both[:1]), (both[:1], both), (both, both)):
        pair = ConnectionPair(
            client_config(psks=(KEY,), psk_modes=client, verifier=None),
            server_config(psks=(KEY,), psk_modes=server, credentials=()),
        ).handshake()
        assert established(pair)[0].group is not None


def test_early_data_is_off_until_both_ends_allow_it() -> None:
    today = Today("alice")
    _, ticket = today.session()
    assert ticket.max_early_data_size == 0
    pair = resuming(ticket, client=today.client, server=today.server)
    with pytest.raises(UsageError):
        pair.client.connection.send_early_data(b"GET /")
