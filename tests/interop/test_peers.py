"""The peers among themselves, so that what fails elsewhere is ours."""

from __future__ import annotations

import pytest

from tests.interop import scenarios
from tests.interop.certificates import Certificates
from tests.interop.libraries import (
    Client,
    CPythonClient,
    CPythonServer,
    LibgnutlsAutoClient,
    LibgnutlsManualClient,
    LibgnutlsServer,
    TlsliteClient,
    TlsliteServer,
)
from tests.interop.program import Stage
from tests.interop.programs import Curl, Fetcher, GnutlsCli, ProgramClient, SClient, Tstclnt, Wget
from tests.interop.wolf import WolfClient

SERVERS = [CPythonServer, LibgnutlsServer, TlsliteServer]
VERIFYING_SERVERS = [CPythonServer, LibgnutlsServer]
LIBRARIES: list[type[Client]] = [
    CPythonClient,
    LibgnutlsAutoClient,
    LibgnutlsManualClient,
    TlsliteClient,
]
CLIENTS: list[type[ProgramClient] | type[Client]] = [SClient, GnutlsCli, Tstclnt, *LIBRARIES]
FETCHERS: list[type[Fetcher]] = [Curl, Wget]


@pytest.mark.parametrize("serve", SERVERS)
@pytest.mark.parametrize("connect", CLIENTS)
def test_accept_and_update(stage: Stage, certificates: Certificates, serve, connect):
    server = stage.hold(serve(certificates))
    client = connect(stage, server.port, certificates, certificates.alice)
    scenarios.accept(server, client, certificates.alice, times=3)
    if client.can_update:
        scenarios.update_from_client(server, client, certificates.alice)
    if server.can_update:
        scenarios.update_from_server(client, certificates.alice)


@pytest.mark.parametrize("serve", SERVERS)
@pytest.mark.parametrize("connect", CLIENTS)
def test_decline(stage: Stage, certificates: Certificates, serve, connect):
    server = stage.hold(serve(certificates, required=False))
    scenarios.decline(connect(stage, server.port, certificates, None))


@pytest.mark.parametrize("serve", VERIFYING_SERVERS)
# libgnutls shows nothing that the server's list of authorities does not name
@pytest.mark.parametrize("connect", [SClient, GnutlsCli, CPythonClient, Tstclnt])
def test_refuse(stage: Stage, certificates: Certificates, serve, connect):
    server = stage.hold(serve(certificates))
    client = connect(stage, server.port, certificates, certificates.mallory)
    scenarios.assert_alert("unknown_ca", client.last_words("reauth"))


@pytest.mark.parametrize("serve", SERVERS)
@pytest.mark.parametrize("connect", CLIENTS)
def test_not_offered(stage: Stage, certificates: Certificates, serve, connect):
    server = stage.hold(serve(certificates))
    client = connect(stage, server.port, certificates, certificates.alice, offer=False)
    scenarios.not_offered(client)


@pytest.mark.parametrize("serve", SERVERS)
@pytest.mark.parametrize("fetcher", FETCHERS)
def test_fetch(stage: Stage, certificates: Certificates, serve, fetcher):
    server = stage.hold(serve(certificates))
    scenarios.fetch(server, fetcher(stage, certificates), certificates.alice_rsa)


@pytest.mark.parametrize("serve", SERVERS)
@pytest.mark.parametrize("fetcher", FETCHERS)
def test_fetch_declining(stage: Stage, certificates: Certificates, serve, fetcher):
    server = stage.hold(serve(certificates, required=False))
    scenarios.fetch_declining(server, fetcher(stage, certificates))


# GnuTLS sends its answer in two pieces. CPython refuses the first and closes, so that wget may
# hear of a broken pipe where it should hear the alert.
@pytest.mark.parametrize("fetcher", [Curl])
def test_fetch_refused(stage: Stage, certificates: Certificates, fetcher):
    server = stage.hold(CPythonServer(certificates))
    mallory = certificates.mallory
    scenarios.fetch_refused(server, fetcher(stage, certificates), mallory, "unknown_ca")


class TestSServer:
    @pytest.mark.parametrize("make", LIBRARIES)
    def test_accept(self, stage: Stage, certificates: Certificates, make):
        scenarios.s_server(stage, certificates, make, certificates.alice, times=3)

    @pytest.mark.parametrize("make", LIBRARIES)
    def test_decline(self, stage: Stage, certificates: Certificates, make):
        scenarios.s_server(stage, certificates, make, None, times=3)

    @pytest.mark.parametrize("make", LIBRARIES)
    def test_updates(self, stage: Stage, certificates: Certificates, make):
        scenarios.s_server_updates(stage, certificates, make, certificates.alice)

    def test_refuse(self, stage: Stage, certificates: Certificates):
        scenarios.s_server_refuses(stage, certificates, CPythonClient, certificates.mallory)

    def test_not_offered(self, stage: Stage, certificates: Certificates):
        scenarios.s_server_without_offer(stage, certificates, CPythonClient)


class TestGnutlsServ:
    @pytest.mark.parametrize("make", LIBRARIES)
    def test_accept(self, stage: Stage, certificates: Certificates, make):
        scenarios.gnutls_serv(stage, certificates, make, certificates.alice, times=3)

    def test_decline(self, stage: Stage, certificates: Certificates):
        alert = "certificate_required"
        scenarios.gnutls_serv_refuses(stage, certificates, CPythonClient, None, alert)

    def test_refuse(self, stage: Stage, certificates: Certificates):
        who, alert = certificates.mallory, "access_denied"
        scenarios.gnutls_serv_refuses(stage, certificates, CPythonClient, who, alert)

    def test_not_offered(self, stage: Stage, certificates: Certificates):
        who, alert = certificates.alice, "internal_error"
        scenarios.gnutls_serv_refuses(stage, certificates, CPythonClient, who, alert, offer=False)


class TestSelfserv:
    @pytest.mark.parametrize("make", LIBRARIES)
    def test_accept(self, stage: Stage, certificates: Certificates, make):
        scenarios.selfserv(stage, certificates, make, certificates.alice)

    def test_decline(self, stage: Stage, certificates: Certificates):
        alert = "certificate_required"
        scenarios.selfserv_refuses(stage, certificates, CPythonClient, None, alert)

    def test_refuse(self, stage: Stage, certificates: Certificates):
        who, alert = certificates.mallory, "unknown_ca"
        scenarios.selfserv_refuses(stage, certificates, CPythonClient, who, alert)


class TestWolfSSL:
    """Whoever the other end is, it answers, and checks an answer, once."""

    @pytest.mark.parametrize("serve", VERIFYING_SERVERS)
    def test_answers_once(self, stage: Stage, certificates: Certificates, serve):
        server = stage.hold(serve(certificates))
        client = WolfClient(stage, server.port, certificates, certificates.alice)
        scenarios.accept(server, client, certificates.alice)
        scenarios.assert_alert("decrypt_error", client.last_words("reauth"))

    @pytest.mark.parametrize("make", [CPythonClient, LibgnutlsAutoClient])
    def test_asks_once(self, stage: Stage, certificates: Certificates, make):
        scenarios.wolf_server(stage, certificates, make, certificates.alice)
        scenarios.wolf_server_twice(stage, certificates, make, certificates.alice)


class TestHttpd:
    @pytest.mark.parametrize("path", ["/protected/", "/optional/"])
    @pytest.mark.parametrize("make", LIBRARIES)
    def test_accept(self, stage: Stage, certificates: Certificates, make, path):
        scenarios.httpd(stage, certificates, make, certificates.alice, path)

    def test_it_asks_once(self, stage: Stage, certificates: Certificates):
        scenarios.httpd_asks_once(stage, certificates, CPythonClient, certificates.alice)

    def test_decline(self, stage: Stage, certificates: Certificates):
        scenarios.httpd(stage, certificates, CPythonClient, None, "/optional/")

    @pytest.mark.parametrize(
        ("name", "alert"), [(None, "certificate_required"), ("mallory", "unknown_ca")]
    )
    def test_refuse(self, stage: Stage, certificates: Certificates, name, alert):
        who = name and getattr(certificates, name)
        scenarios.httpd_refuses(stage, certificates, CPythonClient, who, alert)

    def test_not_offered(self, stage: Stage, certificates: Certificates):
        scenarios.httpd_without_offer(stage, certificates, CPythonClient)
