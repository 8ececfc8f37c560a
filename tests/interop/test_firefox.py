"""Our server asks Firefox, page by page."""

from __future__ import annotations

import pytest

from postshake import Refusal
from postshake.errors import CertificateRequired, TLSError, UnknownCA
from tests.interop import scenarios
from tests.interop.certificates import Certificates
from tests.interop.firefox import Firefox, PageFailed
from tests.interop.ours import OurServer
from tests.interop.program import Stage

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def visit(firefox: Firefox, server: OurServer, *paths: str) -> list[str]:
    return [firefox.get(f"https://localhost:{server.port}/{path}").strip() for path in paths]


def refused_for(
    error: type[TLSError], stage: Stage, certificates: Certificates, firefox: Firefox
) -> None:
    server = stage.hold(OurServer(certificates, on_refusal=Refusal.CLOSE))
    # a page of its own, which shows the alert to people alone
    with pytest.raises(PageFailed, match=r"about:neterror\?e=nssFailure"):
        visit(firefox, server, "reauth")
    server.stop()
    assert isinstance(server.errors[0], error)


@pytest.mark.parametrize("name", scenarios.TRUSTED)
def test_accept(stage: Stage, certificates: Certificates, name: str):
    server = stage.hold(OurServer(certificates))
    who = scenarios.trusted(certificates, name)
    firefox = Firefox(stage, certificates, who)
    pages = visit(firefox, server, "whoami", *["reauth"] * 3, "whoami")
    assert pages == ["=> nobody", *[f"=> authenticated {who.name}"] * 3, f"=> {who.name}"]
    assert server.first_identities == ["nobody"]  # one connection


def test_decline(stage: Stage, certificates: Certificates):
    server = stage.hold(OurServer(certificates))
    firefox = Firefox(stage, certificates, None)
    assert visit(firefox, server, *["reauth"] * 3) == ["=> declined"] * 3
    assert server.first_identities == ["nobody"]
    refused_for(CertificateRequired, stage, certificates, firefox)


def test_refuse(stage: Stage, certificates: Certificates):
    server = stage.hold(OurServer(certificates))
    firefox = Firefox(stage, certificates, certificates.mallory)
    assert visit(firefox, server, "reauth", "whoami") == ["=> refused UnknownCA", "=> nobody"]
    refused_for(UnknownCA, stage, certificates, firefox)


def test_not_offered(stage: Stage, certificates: Certificates):
    server = stage.hold(OurServer(certificates))
    firefox = Firefox(stage, certificates, certificates.alice, offer=False)
    assert visit(firefox, server, "reauth", "whoami") == ["=> unavailable", "=> nobody"]
