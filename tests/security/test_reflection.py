"""A pre-shared key that one end uses in both roles (Selfie, Drucker and Gueron 2019).

Who owns a key and calls as well as answers with it can be made to talk to itself: somebody
between sends a hello back to where it came from. TLS cannot tell, for the key is right. Keys
that are imported for a direction can (RFC 9258, RFC 9257 section 4.1).
"""

from __future__ import annotations

from postshake.errors import TLSError
from postshake.resumption import ExternalPsk
from postshake.resumption.external_psk import import_psk
from tests.pair import ConnectionPair, client_config, server_config

KEY = bytes(range(32))
ALONE = {"verifier": None, "credentials": ()}


def talks_to_itself(as_client: tuple[ExternalPsk, ...], as_server: tuple[ExternalPsk, ...]) -> bool:
    pair = ConnectionPair(
        client_config(psks=as_client, **ALONE), server_config(psks=as_server, **ALONE)
    )
    try:
        pair.handshake()
    except TLSError:
        return False
    return True


def test_one_key_for_both_roles_is_open_to_it() -> None:
    """What `ExternalPsk` warns of, so that the next test cannot pass by itself."""
    both = (ExternalPsk(b"ours", KEY),)
    assert talks_to_itself(both, both)


def test_keys_imported_for_a_direction_are_not() -> None:
    to_bob = import_psk(b"ours", KEY, context=b"alice calls bob")
    to_alice = import_psk(b"ours", KEY, context=b"bob calls alice")
    assert talks_to_itself(to_bob, to_bob)  # bob's server, which is another end
    assert not talks_to_itself(to_bob, to_alice)


def test_nor_if_the_name_on_the_wire_is_changed() -> None:
    """The context is in the key, and not only in its name."""
    to_bob = import_psk(b"ours", KEY, context=b"alice calls bob")
    to_alice = import_psk(b"ours", KEY, context=b"bob calls alice")
    forged = tuple(
        ExternalPsk(theirs.identity, ours.key, ours.hash_name, is_imported=True)
        for ours, theirs in zip(to_bob, to_alice, strict=True)
    )
    assert not talks_to_itself(forged, to_alice)
