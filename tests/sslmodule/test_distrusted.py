"""Keys in wrong hands, in contexts of either module (docs/ssl.md: Keys in wrong hands)."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.certs import CA, Issued
from tests.sslmodule import versions
from tests.sslmodule.ends import Memory, files, folder, ours, standard

GUESSED = ec.derive_private_key(4, ec.SECP384R1())
MODULES = pytest.mark.parametrize("module", [ours, standard], ids=["ours", "standard"])
ROLES = pytest.mark.parametrize("role", ["server", "client"])


def meet(module: Any, role: str, root: CA, issued: Issued) -> Any:
    """Who trusts `root` meets who shows `issued`: the outcome of the one who judges."""
    trusted = folder() / f"{root.certificate.serial_number}.pem"
    trusted.write_bytes(root.pem())
    server = module.SSLContext(module.PROTOCOL_TLS_SERVER)
    client = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
    shows, judges = (server, client) if role == "server" else (client, server)
    shows.load_cert_chain(*issued.write(folder(), str(issued.certificate.serial_number)))
    judges.load_verify_locations(str(trusted))
    judges.verify_mode = module.CERT_REQUIRED
    if role == "client":
        server.load_cert_chain(*files())
        client.check_hostname = False
        client.verify_mode = module.CERT_NONE
    pair = Memory(server, client)
    outcomes = pair.run(pair.server.do_handshake, pair.client.do_handshake)
    return outcomes[role == "server"]


@MODULES
@ROLES
@pytest.mark.parametrize("place", ["anchor", "intermediate", "leaf"])
def test_keys_in_wrong_hands_are_refused_in_every_context(place, role, module):
    root = CA("Root", **({"key": GUESSED} if place == "anchor" else {}))
    above = root.intermediate("Between", **({"key": GUESSED} if place == "intermediate" else {}))
    key = {"key": GUESSED} if place == "leaf" else {}
    outcome = meet(module, role, root, above.issue("localhost", purpose=role, **key))
    refuses = module is ours or versions.HAS_DISTRUSTED_KEYS
    if refuses:
        assert outcome.verify_code == 28
        assert outcome.verify_message.startswith("certificate rejected")
    else:
        assert outcome is None or refuses is None


@MODULES
@ROLES
def test_other_keys_are_not(role, module):
    above = CA("Root").intermediate("Between", key_type="p384")
    assert meet(module, role, CA("Root"), above.issue("localhost", purpose=role)) is not None
    root = CA("Root")
    below = root.intermediate("Between", key_type="p384")
    assert meet(module, role, root, below.issue("localhost", purpose=role)) is None
