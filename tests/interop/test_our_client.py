"""Our client answers the servers that nobody here wrote."""

from __future__ import annotations

import pytest

from tests.interop import scenarios
from tests.interop.certificates import Certificates
from tests.interop.libraries import CPythonServer, LibgnutlsServer, TlsliteServer
from tests.interop.ours import OurClient
from tests.interop.program import Stage

SERVERS = [CPythonServer, LibgnutlsServer, TlsliteServer]
VERIFYING_SERVERS = [CPythonServer, LibgnutlsServer]


@pytest.mark.parametrize("name", scenarios.TRUSTED)
@pytest.mark.parametrize("serve", SERVERS)
@pytest.mark.parametrize("times", [1, 3])
def test_accept(stage: Stage, certificates: Certificates, serve, name, times):
    server = stage.hold(serve(certificates))
    who = scenarios.trusted(certificates, name)
    scenarios.accept(server, OurClient(stage, server.port, certificates, who), who, times)


@pytest.mark.parametrize("serve", SERVERS)
def test_accept_from_a_server_with_rsa(stage: Stage, certificates: Certificates, serve):
    server = stage.hold(serve(certificates, identity=certificates.server_rsa))
    who = certificates.alice_rsa
    scenarios.accept(server, OurClient(stage, server.port, certificates, who), who)


@pytest.mark.parametrize("serve", SERVERS)
@pytest.mark.parametrize("times", [1, 3])
def test_decline(stage: Stage, certificates: Certificates, serve, times):
    server = stage.hold(serve(certificates, required=False))
    scenarios.decline(OurClient(stage, server.port, certificates, None), times)


@pytest.mark.parametrize("serve", SERVERS)
def test_decline_where_required(stage: Stage, certificates: Certificates, serve):
    server = stage.hold(serve(certificates))
    client = OurClient(stage, server.port, certificates, None)
    scenarios.assert_alert("certificate_required", client.last_words("reauth"))


@pytest.mark.parametrize("serve", VERIFYING_SERVERS)
def test_refuse(stage: Stage, certificates: Certificates, serve):
    server = stage.hold(serve(certificates))
    client = OurClient(stage, server.port, certificates, certificates.mallory)
    scenarios.assert_alert("unknown_ca", client.last_words("reauth"))


def test_tlslite_takes_anybody(stage: Stage, certificates: Certificates):
    server = stage.hold(TlsliteServer(certificates))
    who = certificates.mallory
    scenarios.accept(server, OurClient(stage, server.port, certificates, who), who)


@pytest.mark.parametrize("serve", SERVERS)
def test_update_from_client(stage: Stage, certificates: Certificates, serve):
    server = stage.hold(serve(certificates))
    client = OurClient(stage, server.port, certificates, certificates.alice)
    scenarios.update_from_client(server, client, certificates.alice)


@pytest.mark.parametrize("serve", [server for server in SERVERS if server.can_update])
def test_update_from_both(stage: Stage, certificates: Certificates, serve):
    server = stage.hold(serve(certificates))
    client = OurClient(stage, server.port, certificates, certificates.alice)
    # not more often: GnuTLS takes eight in a second
    scenarios.update_from_server(client, certificates.alice)
    scenarios.update_from_client(server, client, certificates.alice)


@pytest.mark.parametrize("serve", SERVERS)
def test_not_offered(stage: Stage, certificates: Certificates, serve):
    server = stage.hold(serve(certificates))
    client = OurClient(stage, server.port, certificates, certificates.alice, offer=False)
    scenarios.not_offered(client)


class TestSServer:
    @pytest.mark.parametrize("name", scenarios.TRUSTED)
    @pytest.mark.parametrize("times", [1, 3])
    def test_accept(self, stage: Stage, certificates: Certificates, name, times):
        who = scenarios.trusted(certificates, name)
        scenarios.s_server(stage, certificates, OurClient, who, times)

    @pytest.mark.parametrize("times", [1, 3])
    def test_decline(self, stage: Stage, certificates: Certificates, times):
        scenarios.s_server(stage, certificates, OurClient, None, times)

    def test_updates(self, stage: Stage, certificates: Certificates):
        scenarios.s_server_updates(stage, certificates, OurClient, certificates.alice)

    def test_refuse(self, stage: Stage, certificates: Certificates):
        scenarios.s_server_refuses(stage, certificates, OurClient, certificates.mallory)

    def test_not_offered(self, stage: Stage, certificates: Certificates):
        scenarios.s_server_without_offer(stage, certificates, OurClient)


class TestGnutlsServ:
    @pytest.mark.parametrize("name", scenarios.TRUSTED)
    @pytest.mark.parametrize("times", [1, 3])
    def test_accept(self, stage: Stage, certificates: Certificates, name, times):
        who = scenarios.trusted(certificates, name)
        scenarios.gnutls_serv(stage, certificates, OurClient, who, times)

    def test_decline(self, stage: Stage, certificates: Certificates):
        alert = "certificate_required"
        scenarios.gnutls_serv_refuses(stage, certificates, OurClient, None, alert)

    def test_refuse(self, stage: Stage, certificates: Certificates):
        who, alert = certificates.mallory, "access_denied"
        scenarios.gnutls_serv_refuses(stage, certificates, OurClient, who, alert)

    def test_not_offered(self, stage: Stage, certificates: Certificates):
        who, alert = certificates.alice, "internal_error"
        scenarios.gnutls_serv_refuses(stage, certificates, OurClient, who, alert, offer=False)


class TestSelfserv:
    @pytest.mark.parametrize("name", scenarios.TRUSTED)
    def test_accept(self, stage: Stage, certificates: Certificates, name):
        who = scenarios.trusted(certificates, name)
        scenarios.selfserv(stage, certificates, OurClient, who)

    def test_decline(self, stage: Stage, certificates: Certificates):
        scenarios.selfserv(stage, certificates, OurClient, None)

    def test_decline_where_required(self, stage: Stage, certificates: Certificates):
        alert = "certificate_required"
        scenarios.selfserv_refuses(stage, certificates, OurClient, None, alert)

    def test_refuse(self, stage: Stage, certificates: Certificates):
        who, alert = certificates.mallory, "unknown_ca"
        scenarios.selfserv_refuses(stage, certificates, OurClient, who, alert)

    def test_it_asks_once(self, stage: Stage, certificates: Certificates):
        scenarios.selfserv_ends(stage, certificates, OurClient, certificates.alice)

    def test_not_offered(self, stage: Stage, certificates: Certificates):
        scenarios.selfserv_without_offer(stage, certificates, OurClient)


class TestWolfServer:
    @pytest.mark.parametrize("name", scenarios.TRUSTED)
    def test_accept(self, stage: Stage, certificates: Certificates, name):
        who = scenarios.trusted(certificates, name)
        scenarios.wolf_server(stage, certificates, OurClient, who)

    def test_decline(self, stage: Stage, certificates: Certificates):
        scenarios.wolf_server(stage, certificates, OurClient, None)

    @pytest.mark.parametrize(
        ("name", "alert"), [(None, "certificate_required"), ("mallory", "unknown_ca")]
    )
    def test_refuse(self, stage: Stage, certificates: Certificates, name, alert):
        who = name and getattr(certificates, name)
        scenarios.wolf_server_refuses(stage, certificates, OurClient, who, alert)

    @pytest.mark.parametrize("name", ["alice", None])
    def test_it_asks_once(self, stage: Stage, certificates: Certificates, name):
        who = name and getattr(certificates, name)
        scenarios.wolf_server_twice(stage, certificates, OurClient, who)

    def test_not_offered(self, stage: Stage, certificates: Certificates):
        scenarios.wolf_server_without_offer(stage, certificates, OurClient)


class TestHttpd:
    @pytest.mark.parametrize("path", ["/protected/", "/optional/"])
    @pytest.mark.parametrize("name", scenarios.TRUSTED)
    def test_accept(self, stage: Stage, certificates: Certificates, name, path):
        who = scenarios.trusted(certificates, name)
        scenarios.httpd(stage, certificates, OurClient, who, path)

    def test_it_asks_once(self, stage: Stage, certificates: Certificates):
        scenarios.httpd_asks_once(stage, certificates, OurClient, certificates.alice)

    def test_decline(self, stage: Stage, certificates: Certificates):
        scenarios.httpd(stage, certificates, OurClient, None, "/optional/")

    @pytest.mark.parametrize(
        ("name", "alert"), [(None, "certificate_required"), ("mallory", "unknown_ca")]
    )
    def test_refuse(self, stage: Stage, certificates: Certificates, name, alert):
        who = name and getattr(certificates, name)
        scenarios.httpd_refuses(stage, certificates, OurClient, who, alert)

    def test_not_offered(self, stage: Stage, certificates: Certificates):
        scenarios.httpd_without_offer(stage, certificates, OurClient)
