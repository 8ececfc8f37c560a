"""Our server asks the clients that nobody here wrote."""

from __future__ import annotations

import ssl

import httpx
import pytest
import requests

from postshake import Refusal
from tests.interop import scenarios
from tests.interop.certificates import Certificates, Who
from tests.interop.libraries import (
    Client,
    CPythonClient,
    LibgnutlsAutoClient,
    LibgnutlsManualClient,
    TlsliteClient,
)
from tests.interop.ours import OurServer
from tests.interop.program import PeerFailed, Stage
from tests.interop.programs import Curl, Fetcher, GnutlsCli, ProgramClient, SClient, Tstclnt, Wget
from tests.interop.wolf import WolfClient
from tests.waiting import PATIENCE

LIBRARIES: list[type[Client]] = [
    CPythonClient,
    LibgnutlsAutoClient,
    LibgnutlsManualClient,
    TlsliteClient,
]
CLIENTS: list[type[ProgramClient] | type[Client]] = [
    *(SClient, GnutlsCli, Tstclnt, WolfClient),
    *LIBRARIES,
]
REPEATING = [client for client in CLIENTS if client.repeats]
TURNS = [(client, 1) for client in CLIENTS] + [(client, 3) for client in REPEATING]
FETCHERS: list[type[Fetcher]] = [Curl, Wget]


@pytest.fixture
def server(stage: Stage, certificates: Certificates) -> OurServer:
    return stage.hold(OurServer(certificates))


@pytest.fixture
def closing_server(stage: Stage, certificates: Certificates) -> OurServer:
    """Ends the connection of whom it refuses."""
    return stage.hold(OurServer(certificates, on_refusal=Refusal.CLOSE))


@pytest.mark.parametrize("name", scenarios.TRUSTED)
@pytest.mark.parametrize(("connect", "times"), TURNS)
def test_accept(stage: Stage, certificates: Certificates, server, connect, name, times):
    who = scenarios.trusted(certificates, name)
    scenarios.accept(server, connect(stage, server.port, certificates, who), who, times)


@pytest.mark.parametrize("name", scenarios.TRUSTED)
@pytest.mark.parametrize("connect", CLIENTS)
def test_accept_by_a_named_authority(stage: Stage, certificates: Certificates, connect, name):
    server = stage.hold(OurServer(certificates, named=True))
    who = scenarios.trusted(certificates, name)
    scenarios.accept(server, connect(stage, server.port, certificates, who), who)


@pytest.mark.parametrize("connect", CLIENTS)
def test_accept_with_rsa_of_our_own(stage: Stage, certificates: Certificates, connect):
    server = stage.hold(OurServer(certificates, identity=certificates.server_rsa))
    who = certificates.alice_rsa
    scenarios.accept(server, connect(stage, server.port, certificates, who), who)


@pytest.mark.parametrize(("connect", "times"), TURNS)
def test_decline(stage: Stage, certificates: Certificates, server, connect, times):
    scenarios.decline(connect(stage, server.port, certificates, None), times)


@pytest.mark.parametrize("connect", CLIENTS)
def test_decline_and_be_closed(stage: Stage, certificates: Certificates, closing_server, connect):
    client = connect(stage, closing_server.port, certificates, None)
    scenarios.assert_alert("certificate_required", client.last_words("reauth"))


@pytest.mark.parametrize(("connect", "times"), TURNS)
def test_refuse_and_keep(stage: Stage, certificates: Certificates, server, connect, times):
    client = connect(stage, server.port, certificates, certificates.mallory)
    for _ in range(times):
        assert client.ask("reauth") == "refused UnknownCA"
        assert client.ask("whoami") == "nobody"


@pytest.mark.parametrize("connect", CLIENTS)
def test_refuse_and_close(stage: Stage, certificates: Certificates, closing_server, connect):
    client = connect(stage, closing_server.port, certificates, certificates.mallory)
    scenarios.assert_alert("unknown_ca", client.last_words("reauth"))


@pytest.mark.parametrize("connect", [LibgnutlsAutoClient, LibgnutlsManualClient])
def test_libgnutls_shows_what_is_named(stage: Stage, certificates: Certificates, connect):
    server = stage.hold(OurServer(certificates, named=True))
    scenarios.decline(connect(stage, server.port, certificates, certificates.mallory))


def test_nss_wants_rsa_to_encipher(stage: Stage, certificates: Certificates):
    server = stage.hold(OurServer(certificates, identity=certificates.server_rsa_signing))
    with pytest.raises(PeerFailed, match="SEC_ERROR_INADEQUATE_KEY_USAGE"):
        Tstclnt(stage, server.port, certificates, certificates.alice)


@pytest.mark.parametrize("who", ["alice", "mallory", None])
def test_wolfssl_answers_once(stage: Stage, certificates: Certificates, server, who):
    client = WolfClient(stage, server.port, certificates, who and getattr(certificates, who))
    first = {"alice": "authenticated alice", "mallory": "refused UnknownCA", None: "declined"}
    assert client.ask("reauth") == first[who]
    scenarios.assert_alert("decrypt_error", client.last_words("reauth"))


@pytest.mark.parametrize("connect", REPEATING)
def test_two_requests_at_once(stage: Stage, certificates: Certificates, server, connect):
    client = connect(stage, server.port, certificates, certificates.alice)
    assert client.ask("twice") == "authenticated alice and authenticated alice"
    assert client.ask("whoami") == "alice"


@pytest.mark.parametrize("connect", LIBRARIES)
def test_data_before_the_answer(stage: Stage, certificates: Certificates, server, connect):
    client = connect(stage, server.port, certificates, certificates.alice)
    client.send(b"reauth\nwhoami\n")  # one record: the second line is there when it asks
    client.send(b"whoami\n")  # and this one comes while it waits
    lines = [client.read_until(b"\n") for _ in range(3)]
    assert lines == [b"=> authenticated alice", b"=> alice", b"=> alice"]


@pytest.mark.parametrize("connect", REPEATING)
def test_update_from_server(stage: Stage, certificates: Certificates, server, connect):
    client = connect(stage, server.port, certificates, certificates.alice)
    scenarios.update_from_server(client, certificates.alice)


@pytest.mark.parametrize("connect", [client for client in REPEATING if client.can_update])
def test_update_from_both(stage: Stage, certificates: Certificates, server, connect):
    client = connect(stage, server.port, certificates, certificates.alice)
    # not more often: GnuTLS takes eight in a second
    scenarios.update_from_client(server, client, certificates.alice)
    scenarios.update_from_server(client, certificates.alice)


def test_wolfssl_and_updates(stage: Stage, certificates: Certificates, server):
    client = WolfClient(stage, server.port, certificates, certificates.alice)
    assert client.ask("update") == "updated"
    client.update()
    assert client.ask("reauth") == "authenticated alice"
    client.update()
    assert client.ask("update") == "updated"
    assert client.ask("whoami") == "alice"


@pytest.mark.parametrize("connect", CLIENTS)
def test_not_offered(stage: Stage, certificates: Certificates, server, connect):
    client = connect(stage, server.port, certificates, certificates.alice, offer=False)
    scenarios.not_offered(client)


@pytest.mark.parametrize("name", scenarios.TRUSTED)
@pytest.mark.parametrize("fetcher", FETCHERS)
def test_fetch(stage: Stage, certificates: Certificates, server, fetcher, name):
    who = scenarios.trusted(certificates, name)
    scenarios.fetch(server, fetcher(stage, certificates), who)


@pytest.mark.parametrize("name", scenarios.TRUSTED)
@pytest.mark.parametrize("fetcher", FETCHERS)
def test_fetch_three_times(stage: Stage, certificates: Certificates, server, fetcher, name):
    who = scenarios.trusted(certificates, name)
    scenarios.fetch(server, fetcher(stage, certificates), who, times=3)


@pytest.mark.parametrize("fetcher", FETCHERS)
@pytest.mark.parametrize("times", [1, 3])
def test_fetch_declining(stage: Stage, certificates: Certificates, server, fetcher, times):
    scenarios.fetch_declining(server, fetcher(stage, certificates), times)


@pytest.mark.parametrize("fetcher", FETCHERS)
def test_fetch_declining_and_be_closed(
    stage: Stage, certificates: Certificates, closing_server, fetcher
):
    fetcher = fetcher(stage, certificates)
    scenarios.fetch_refused(closing_server, fetcher, None, "certificate_required")


@pytest.mark.parametrize("fetcher", FETCHERS)
def test_fetch_refused(stage: Stage, certificates: Certificates, closing_server, fetcher):
    fetcher = fetcher(stage, certificates)
    scenarios.fetch_refused(closing_server, fetcher, certificates.mallory, "unknown_ca")


# The libraries that fetch pages with Python's ssl


def _requests(certificates: Certificates, port: int, who: Who | None, *paths: str) -> list[str]:
    with requests.Session() as session:
        session.trust_env = False
        session.cert = (str(who.certificate), str(who.key)) if who else None
        session.verify = str(certificates.ca)
        return [
            session.get(f"https://localhost:{port}{path}", timeout=PATIENCE).text for path in paths
        ]


def _httpx(certificates: Certificates, port: int, who: Who | None, *paths: str) -> list[str]:
    context = ssl.create_default_context(cafile=str(certificates.ca))
    if who:
        context.load_cert_chain(who.certificate, who.key)
    context.post_handshake_auth = True  # off by default
    base = f"https://localhost:{port}"
    with httpx.Client(verify=context, trust_env=False, base_url=base, timeout=PATIENCE) as client:
        return [client.get(path).text for path in paths]


GETTERS = [_requests, _httpx]
getters = pytest.mark.parametrize("get", GETTERS, ids=["requests", "httpx"])


@getters
@pytest.mark.parametrize("name", scenarios.TRUSTED)
@pytest.mark.parametrize("times", [1, 3])
def test_get(certificates: Certificates, server, get, name, times):
    who = scenarios.trusted(certificates, name)
    answers = get(certificates, server.port, who, "/whoami", *["/reauth"] * times, "/whoami")
    expected = ["nobody", *[f"authenticated {who.name}"] * times, who.name]
    assert answers == [f"=> {answer}\n" for answer in expected]
    assert server.first_identities == ["nobody"]


@getters
@pytest.mark.parametrize("times", [1, 3])
def test_get_declining(certificates: Certificates, server, get, times):
    answers = get(certificates, server.port, None, *["/reauth"] * times)
    assert answers == ["=> declined\n"] * times
    assert server.first_identities == ["nobody"]


@getters
@pytest.mark.parametrize(
    ("name", "alert"), [(None, "certificate_required"), ("mallory", "unknown_ca")]
)
def test_get_refused(certificates: Certificates, closing_server, get, name, alert):
    who = name and getattr(certificates, name)
    with pytest.raises((requests.ConnectionError, httpx.TransportError)) as caught:
        get(certificates, closing_server.port, who, "/reauth")
    scenarios.assert_alert(alert, str(caught.value))


def test_httpx_does_not_offer_by_itself(certificates: Certificates, server):
    context = ssl.create_default_context(cafile=str(certificates.ca))
    with httpx.Client(verify=context, trust_env=False, timeout=PATIENCE) as client:
        answer = client.get(f"https://localhost:{server.port}/reauth").text
    assert answer == "=> unavailable\n"
