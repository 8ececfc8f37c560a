"""An identity is proven or it is absent.

`peer_identity` changes only after Certificate, CertificateVerify and Finished were all checked
and the chain was accepted. An identity counts as an authority's only where that authority's
signature was checked, as a server's only for the name that was expected, and for as long as
the certificate would be accepted.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography import x509

import postshake.ssl as ours
from postshake import AuthRequest, ChainVerifier, ServerConfig, TrustStore, UsageError
from postshake.cli.server import Server
from postshake.constants import Role
from postshake.errors import NameMismatch, UnknownCA
from postshake.events import Outcome
from postshake.exported import ExportedAuthenticators
from postshake.pki.credential import Credential
from postshake.pki.identity import Identity
from postshake.pki.revocation import Revocation
from postshake.pki.trust import PeerChain
from postshake.web import Policy, StepUp, server_context
from postshake.web.asgi import reauth as asgi_reauth
from postshake.web.wsgi import CherootAdapter
from postshake.web.wsgi import StepUp as WSGIStepUp
from postshake.web.wsgi import reauth as wsgi_reauth
from tests.certs import CA, NOW, Issued
from tests.pair import ConnectionPair, client_config, issued, server_config, the_ca
from tests.revoking import make_list
from tests.sslmodule.ends import authority, ca_file, files
from tests.waiting import PATIENCE
from tests.web.servers import serving_with
from tests.web.test_asgi import visit

# --- whose word an issuer's name is

STAFF = CA("Staff CA")


def pinned_guest() -> Issued:
    """A certificate that says it is of the staff's authority, which never saw it."""
    return CA("Staff CA").issue("mallory")


def guests(*pinned: bytes) -> ChainVerifier:
    """A verifier of a server that trusts two authorities, and single certificates beside."""
    return ChainVerifier(TrustStore([the_ca().der, STAFF.der, *pinned]))


def showing(credential: Credential, verifier: ChainVerifier) -> ConnectionPair:
    """A connection whose client has this credential."""
    return ConnectionPair(
        client_config(credentials=(credential,)), server_config(verifier=verifier)
    ).handshake()


def test_a_pinned_certificate_s_issuer_name_is_nobody_s_word() -> None:
    mallory = pinned_guest()
    pair = showing(mallory.credential(), guests(mallory.der))
    refused = pair.reauth(authorities=(STAFF.name,))
    assert refused.outcome is Outcome.REFUSED
    assert type(refused.error) is UnknownCA
    assert pair.server.connection.peer_identity is None
    # it is a guest, and as such it is welcome
    assert pair.reauth().outcome is Outcome.AUTHENTICATED
    own_name = mallory.certificate.subject.public_bytes()
    assert pair.reauth(authorities=(own_name,)).outcome is Outcome.AUTHENTICATED


def test_nor_is_an_intermediate_s_that_is_trusted_itself() -> None:
    below = CA("Staff CA").intermediate("Below")  # of somebody else's Staff CA
    eve = below.issue("eve")
    pair = showing(eve.credential(), guests(below.der))
    assert pair.reauth(authorities=(STAFF.name,)).outcome is Outcome.REFUSED
    assert pair.reauth(authorities=(below.name,)).outcome is Outcome.AUTHENTICATED


def test_who_was_issued_by_it_is_its() -> None:
    for member in (STAFF.issue("bob"), STAFF.intermediate("Office").issue("carol")):
        pair = showing(member.credential(), guests())
        assert pair.reauth(authorities=(STAFF.name,)).outcome is Outcome.AUTHENTICATED
        assert pair.reauth(authorities=(the_ca().name,)).outcome is Outcome.REFUSED


def test_exported_authenticators_say_the_same() -> None:
    mallory = pinned_guest()
    pair = showing(mallory.credential(), guests(mallory.der))
    client, server = (ExportedAuthenticators(end.connection) for end in (pair.client, pair.server))
    request = server.request(AuthRequest(authorities=(STAFF.name,)))
    with pytest.raises(UnknownCA):
        server.validate(request.context, client.authenticate(request.data, mallory.credential()))


def verified(who: Issued, verifier: ChainVerifier) -> Identity:
    """The identity that a client with this certificate has proven."""
    at = NOW.timestamp()
    path = verifier.verify(PeerChain(who.chain, Role.client, None, None, at))
    return Identity(who.chain, path.certificates, at)


def test_so_do_routes() -> None:
    mallory, bob = pinned_guest(), STAFF.issue("bob")
    staff_only = Policy.of([STAFF.certificate])
    assert not staff_only.is_met_by(verified(mallory, guests(mallory.der)))
    assert staff_only.is_met_by(verified(bob, guests()))


# --- which server it is


def test_a_server_s_exported_identity_is_for_the_name_that_was_expected() -> None:
    mallory = issued("mallory.example", "server").credential()
    pair = ConnectionPair().handshake()
    client, server = (ExportedAuthenticators(end.connection) for end in (pair.client, pair.server))
    with pytest.raises(UsageError, match="needs a server_name"):
        client.request()
    for name in ("server.example", "other.example"):
        request = client.request(server_name=name)
        with pytest.raises(NameMismatch):
            client.validate(request.context, server.authenticate(request.data, mallory))
    request = client.request(server_name="mallory.example")
    identity = client.validate(request.context, server.authenticate(request.data, mallory))
    assert identity is not None
    assert identity.chain == mallory.chain


def test_unless_the_client_checks_no_names_at_all() -> None:
    other = issued("other.example", "server").credential()
    pair = ConnectionPair(client_config("alice", check_server_name=False)).handshake()
    client, server = (ExportedAuthenticators(end.connection) for end in (pair.client, pair.server))
    request = client.request()
    answer = server.authenticate(request.data, other)
    assert client.validate(request.context, answer) is not None
    # a name that it gives is checked all the same
    request = client.request(server_name="server.example")
    with pytest.raises(NameMismatch):
        client.validate(request.context, server.authenticate(request.data, other))


# --- for how long

# cheroot answers 500 to whoever hung up, into a file that it has closed
CHEROOT = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    """Two routes: one asks who it is, the other tells what the server believes."""
    text = scope["extensions"]["tls"]["client_cert_error"] or "no error"
    if scope["path"] == "/admin":
        text = (await asgi_reauth(scope, within=PATIENCE)).subject
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": text.encode()})


def wsgi_app(environ: Any, start_response: Any) -> list[bytes]:
    text = environ["SSL_CLIENT_VERIFY"]
    if environ["PATH_INFO"] == "/admin":
        text = wsgi_reauth(environ, within=PATIENCE).subject
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text.encode()]


@contextlib.contextmanager
def serving(kind: str, context: Any) -> Iterator[int]:
    if kind != "cheroot":
        with serving_with(kind, StepUp(asgi_app), context) as port:
            yield port
        return
    from cheroot import wsgi

    server = wsgi.Server(
        ("127.0.0.1", 0), WSGIStepUp(wsgi_app), numthreads=2, timeout=int(PATIENCE)
    )
    server.ssl_adapter = CherootAdapter(context)
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server.bind_addr[1]
    finally:
        server.stop()
        thread.join(PATIENCE)


@CHEROOT
@pytest.mark.parametrize("kind", ["uvicorn-h11", "hypercorn", "cheroot"])
def test_who_is_revoked_on_a_connection_has_no_route_left_there(kind: str) -> None:
    revocation = Revocation()
    context = server_context(*files(), ca=ca_file())
    context.verifier = ChainVerifier(authority().trust(), revocation=revocation)
    with serving(kind, context) as port, visit(port, ours, name="eve") as client:
        for _ in range(2):
            assert client.get("/admin").text == "CN=eve"
        assert client.get("/").text in ("no error", "SUCCESS")
        revocation.replace([revoking("eve")])
        assert client.get("/admin").status_code == 403
        assert "was revoked" in client.get("/").text
        revocation.replace([])
        assert client.get("/admin").text == "CN=eve"


def test_nor_has_it_a_page_of_the_command_line_s() -> None:
    revocation = Revocation()
    config = ServerConfig(
        credentials=(Credential.from_files(*files()),),
        verifier=ChainVerifier(authority().trust(), revocation=revocation),
    )
    said: list[str] = []
    server = Server(
        config,
        AuthRequest(within=PATIENCE),
        lambda visit: visit.pages(("/admin",)),
        "127.0.0.1",
        0,
        2,
        log=lambda text, number=None: said.append(text),
    )
    with server:
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        with visit(server.address[1], ours, name="eve") as client:
            assert "you are CN=eve" in client.get("/admin").text
            revocation.replace([revoking("eve")])
            assert client.get("/admin").status_code == 403
            assert any("is not accepted any more" in text for text in said)
            revocation.replace([])
            assert "you are CN=eve" in client.get("/admin").text
        server.stop()
        thread.join(PATIENCE)


def revoking(name: str) -> Any:
    """A list with the certificate that a client of this name shows."""
    path, _ = files(name, purpose="client")
    with open(path, "rb") as file:
        certificate = x509.load_pem_x509_certificate(file.read())
    return make_list(authority(), Issued(certificate, None))
