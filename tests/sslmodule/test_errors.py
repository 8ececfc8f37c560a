"""What a failure is called: by the drop-in as OpenSSL calls it, in every version."""

from __future__ import annotations

from typing import Any

import pytest

from postshake.config import ServerConfig
from postshake.connection import Connection
from postshake.constants import ProtocolVersion, SignatureScheme
from postshake.drive.answers import find_answer_now
from postshake.errors import PostshakeError
from postshake.pki.credential import Credential, LocalSigner
from tests.pair import issued
from tests.sslmodule.ends import authority, client_context, ours, standard

VERSIONS = pytest.mark.parametrize("version", [ProtocolVersion.TLS13, ProtocolVersion.TLS12])


class Liar:
    """Signs, and not with the key that it is said to have."""

    def __init__(self, honest: LocalSigner) -> None:
        self.public_key, self.schemes = honest.public_key, honest.schemes
        self._signer = LocalSigner(issued("somebody else").private_key)

    def sign(self, scheme: SignatureScheme, data: bytes) -> bytes:
        return self._signer.sign(scheme, data)


def reason(module: Any, server: Connection) -> str | None:
    """Why a client of this module refuses that server."""
    incoming, outgoing = standard.MemoryBIO(), standard.MemoryBIO()
    client = client_context(module).wrap_bio(incoming, outgoing, server_hostname="localhost")
    for _ in range(10):
        try:
            client.do_handshake()
        except standard.SSLWantReadError:
            pass
        except standard.SSLError as error:
            return error.reason
        try:
            server.receive_data(outgoing.read())
            while (question := server.next_question()) is not None:
                server.answer(question.id, find_answer_now(question.subject))
        except PostshakeError:
            return None
        incoming.write(server.data_to_send())
    return None


@VERSIONS
@pytest.mark.parametrize("module", [standard, ours], ids=["standard", "ours"])
def test_a_wrong_signature_is_called_one(module: Any, version: ProtocolVersion) -> None:
    right = authority().issue("localhost", purpose="server", dns=["localhost"]).credential()
    wrong = Credential(right.chain, Liar(right.signer))
    server = Connection(ServerConfig(credentials=(wrong,), versions=(version,)))
    assert reason(module, server) == "BAD_SIGNATURE"
