"""Certificates compressed on their way to and from those who can (RFC 8879)."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from postshake.constants import CertificateCompressionAlgorithm
from postshake.events import Direction, TraceEntry
from postshake.pki.compression import compressors
from postshake.wire.auth_extensions import CompressCertificate
from postshake.wire.hello import ClientHello
from tests.interop import scenarios
from tests.interop.certificates import Certificates
from tests.interop.chromium import Chromium
from tests.interop.firefox import Firefox
from tests.interop.libraries import CPythonClient, TlsliteClient, TlsliteServer
from tests.interop.ours import OurClient, OurServer
from tests.interop.program import Stage
from tests.interop.versions import libssl_compresses

ALGORITHMS = pytest.mark.parametrize(
    "algorithm", tuple(CertificateCompressionAlgorithm), ids=lambda each: each.name
)


class Certified:
    """Which messages with certificates went over the wire, by our trace."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.received: list[str] = []
        self.offered: tuple[int, ...] = ()
        """What the client's first message says that it can undo."""

    def __call__(self, entry: TraceEntry) -> None:
        if isinstance(entry.message, ClientHello):
            offer = entry.message.extensions.get(CompressCertificate)
            self.offered = offer.algorithms if offer else ()
        if entry.what.endswith("Certificate"):
            to = self.sent if entry.direction is Direction.sent else self.received
            to.append(entry.what)


def our_server(
    stage: Stage, certificates: Certificates, *algorithms: int
) -> tuple[OurServer, Certified]:
    seen = Certified()
    server = OurServer(
        certificates,
        identity=certificates.with_its_ca(certificates.server),
        certificate_compression=algorithms or compressors(),
        trace=seen,
    )
    return stage.hold(server), seen


def test_tlslite_at_our_server(stage: Stage, certificates: Certificates):
    server, seen = our_server(stage, certificates)
    who = certificates.with_its_ca(certificates.alice)
    scenarios.accept(server, TlsliteClient(stage, server.port, certificates, who), who, 2)
    assert seen.sent == ["CompressedCertificate"]
    assert seen.received == ["CompressedCertificate"] * 2


def test_our_client_at_tlslite(stage: Stage, certificates: Certificates):
    seen = Certified()

    class Compressing(OurClient):
        fields: ClassVar[dict[str, Any]] = {"certificate_compression": compressors(), "trace": seen}

    server = stage.hold(
        TlsliteServer(certificates, identity=certificates.with_its_ca(certificates.server))
    )
    who = certificates.with_its_ca(certificates.alice)
    scenarios.accept(server, Compressing(stage, server.port, certificates, who), who, 2)
    assert seen.received == ["CompressedCertificate"]
    assert seen.sent == ["CompressedCertificate"] * 2


def test_openssl_at_our_server(stage: Stage, certificates: Certificates):
    server, seen = our_server(stage, certificates)
    who = certificates.with_its_ca(certificates.alice)
    scenarios.accept(server, CPythonClient(stage, server.port, certificates, who), who)
    message = "CompressedCertificate" if seen.offered else "Certificate"
    assert (seen.sent, seen.received) == ([message], [message])
    assert not seen.offered or libssl_compresses()


@pytest.mark.browser
@pytest.mark.slow
@ALGORITHMS
def test_firefox_undoes_them_all(stage: Stage, certificates: Certificates, algorithm: int):
    """It sends its own as it is."""
    server, seen = our_server(stage, certificates, algorithm)
    firefox = Firefox(stage, certificates, certificates.alice)
    page = firefox.get(f"https://localhost:{server.port}/reauth").strip()
    assert page == f"=> authenticated {certificates.alice.name}"
    assert (seen.sent, seen.received) == (["CompressedCertificate"], ["Certificate"])


@pytest.mark.browser
@pytest.mark.slow
@ALGORITHMS
def test_chromium_undoes_brotli(stage: Stage, certificates: Certificates, algorithm: int):
    server, seen = our_server(stage, certificates, algorithm)
    assert "nobody" in Chromium(stage).open(f"https://localhost:{server.port}/whoami")
    undone = algorithm == CertificateCompressionAlgorithm.brotli
    assert set(seen.sent) == {"CompressedCertificate" if undone else "Certificate"}
