"""Our server refuses whom a list revokes, and its clients hear why."""

from __future__ import annotations

from pathlib import Path

import pytest

from postshake import ChainVerifier, Refusal, TrustStore
from postshake.pki.revocation import Revocation
from tests.interop import scenarios
from tests.interop.certificates import Certificates
from tests.interop.libraries import CPythonClient, LibgnutlsAutoClient
from tests.interop.ours import OurServer
from tests.interop.program import Stage
from tests.interop.programs import GnutlsCli, SClient, Tstclnt
from tests.interop.wolf import WolfClient
from tests.requirements import require


@pytest.fixture(scope="module")
def revoked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Certificates, Path]:
    """Certificates of their own, alice's revoked by OpenSSL's own hand."""
    certificates = Certificates(tmp_path_factory.mktemp("revoked"))
    return certificates, certificates.revoke(require("openssl"), certificates.alice)


def serve(stage: Stage, revoked: tuple[Certificates, Path], on_refusal: Refusal) -> OurServer:
    certificates, crl = revoked
    verifier = ChainVerifier(
        TrustStore.from_files(certificates.ca), revocation=Revocation.from_files(crl)
    )
    return stage.hold(OurServer(certificates, verifier=verifier, on_refusal=on_refusal))


@pytest.mark.parametrize(
    "connect", [SClient, GnutlsCli, Tstclnt, WolfClient, CPythonClient, LibgnutlsAutoClient]
)
def test_clients_hear_that_they_are_revoked(stage: Stage, revoked, connect):
    certificates, _ = revoked
    server = serve(stage, revoked, Refusal.CLOSE)
    client = connect(stage, server.port, certificates, certificates.alice)
    scenarios.assert_alert("certificate_revoked", client.last_words("reauth"))


def test_the_connection_may_go_on(stage: Stage, revoked):
    certificates, _ = revoked
    server = serve(stage, revoked, Refusal.KEEP)
    client = CPythonClient(stage, server.port, certificates, certificates.alice)
    assert client.ask("reauth") == "refused CertificateRevoked"
    assert client.ask("whoami") == "nobody"


def test_others_are_authenticated(stage: Stage, revoked):
    certificates, _ = revoked
    server = serve(stage, revoked, Refusal.CLOSE)
    who = certificates.alice_rsa
    scenarios.accept(server, CPythonClient(stage, server.port, certificates, who), who)
