"""Names are checked.

A client verifies chain and server name. What a CA's name constraints forbid it to certify does not
count, in whichever field it stands: with `postshake.ssl`, which takes a common name for a host's
where the standard module does, a common name is held against them too.
"""

from __future__ import annotations

import ssl as standard
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

import postshake.ssl as ours
from postshake.errors import (
    AlertReceived,
    NameExcluded,
    NameMismatch,
    NameNotPermitted,
    PostshakeError,
)
from tests.certs import CA, Issued, name
from tests.pair import ConnectionPair, client_config, server_config
from tests.sslmodule.ends import Memory

ROOT = CA("Names root")
BOUND = ROOT.intermediate("Bound", permitted=[x509.DNSName("good.example")])
DNS = x509.NameOID.COMMON_NAME
REFUSED = (standard.SSLCertVerificationError, "refused")

# what the certificate of a constrained CA is for, the host that is asked for, whether the
# standard module takes it, and whether ours does
CASES: dict[str, tuple[dict[str, Any], str, bool, bool]] = {
    "a common name that is permitted": (
        {"common": ["www.good.example"]},
        "www.good.example",
        True,
        True,
    ),
    "a common name that is not": (
        {"common": ["www.bank.example"]},
        "www.bank.example",
        False,
        False,
    ),
    "in capitals": ({"common": ["WWW.BANK.example"]}, "www.bank.example", False, False),
    "beside an address": (
        {"common": ["www.bank.example"], "ip": ("10.0.0.1",)},
        "www.bank.example",
        False,
        False,
    ),
    "beside a mailbox": (
        {"common": ["www.bank.example"], "names": [x509.RFC822Name("a@b.example")]},
        "www.bank.example",
        False,
        False,
    ),
    "the second of two": (
        {"common": ["www.good.example", "www.bank.example"]},
        "www.bank.example",
        False,
        False,
    ),
    "the first of two": (
        {"common": ["www.bank.example", "www.good.example"]},
        "www.good.example",
        False,
        False,
    ),
    "a DNS name that is not permitted": (
        {"dns": ("www.bank.example",)},
        "www.bank.example",
        False,
        False,
    ),
    "a DNS name that is": ({"dns": ("www.good.example",)}, "www.good.example", True, True),
    "a common name that does not count": (
        {"common": ["www.bank.example"], "dns": ("www.good.example",)},
        "www.good.example",
        True,
        True,
    ),
    # OpenSSL takes neither for a DNS name until it is one
    "a wildcard": ({"common": ["*.bank.example"]}, "www.bank.example", True, False),
    "a name of one label": ({"common": ["localhost"]}, "localhost", True, False),
}


def leaf_of(ca: CA, common: list[str], purpose: str = "server", **options: Any) -> Issued:
    """A certificate with these common names, and no other host unless it is named."""
    subject = x509.Name([x509.NameAttribute(DNS, each) for each in common])
    if not options:
        options["san"] = False
    return ca.issue(subject=subject, purpose=purpose, **options)


def contexts(module: Any, folder: Path, leaf: Issued) -> tuple[Any, Any]:
    """The standard module's server with a certificate, and a client of a module's."""
    (folder / "ca.pem").write_bytes(ROOT.pem())
    server = standard.SSLContext(standard.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*leaf.write(folder, "leaf"))
    client = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(folder / "ca.pem")
    return server, client


def verdict(server: Any, client: Any, host: str | None) -> Any:
    """None if they shake hands; or the exception of whoever verified."""
    pair = Memory(server, client, host)
    results = pair.run(pair.client.do_handshake, pair.server.do_handshake)
    return next(
        (each for each in results if isinstance(each, standard.SSLCertVerificationError)), None
    )


@pytest.mark.parametrize("version", [standard.TLSVersion.TLSv1_3, standard.TLSVersion.TLSv1_2])
@pytest.mark.parametrize("case", CASES)
def test_a_common_name_is_held_against_constraints(
    case: str, version: standard.TLSVersion, tmp_path: Path
) -> None:
    options, host, theirs, mine = CASES[case]
    leaf = leaf_of(BOUND, **({"common": ["nobody"]} | options))
    for module, expected in ((standard, theirs), (ours, mine)):
        server, client = contexts(module, tmp_path, leaf)
        client.maximum_version = version
        refusal = verdict(server, client, host)
        assert (refusal is None) is expected, (module.__name__, refusal)


@pytest.mark.parametrize("case", CASES)
def test_without_constraints_it_counts_as_ever(case: str, tmp_path: Path) -> None:
    options, host, _, _ = CASES[case]
    leaf = leaf_of(ROOT, **({"common": ["nobody"]} | options))
    standards = verdict(*contexts(standard, tmp_path, leaf), host)
    assert standards is None
    assert (verdict(*contexts(ours, tmp_path, leaf), host) is None) or case == "the first of two"


def test_where_common_names_never_count_they_are_not_looked_at(tmp_path: Path) -> None:
    leaf = leaf_of(BOUND, ["www.bank.example"])
    for module in (standard, ours):
        server, client = contexts(module, tmp_path, leaf)
        client.hostname_checks_common_name = False
        refusal = verdict(server, client, "www.bank.example")
        assert "Hostname mismatch" in str(refusal)
        client.check_hostname = False
        assert verdict(server, client, None) is None


@pytest.mark.parametrize(
    ("common_name", "believed"), [("alice", True), ("Alice Lee", True), ("bank.example", False)]
)
def test_a_client_that_is_called_like_a_host(
    common_name: str, believed: bool, tmp_path: Path
) -> None:
    """As OpenSSL does it: nobody asks for a host here, but what looks like one counts as one."""
    (tmp_path / "ca.pem").write_bytes(ROOT.pem())
    host = ROOT.issue("localhost", purpose="server").write(tmp_path, "server")
    visitor = leaf_of(BOUND, [common_name], purpose="client").write(tmp_path, "client")
    for module in (standard, ours):
        server = module.SSLContext(module.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(*host)
        server.load_verify_locations(tmp_path / "ca.pem")
        server.verify_mode = standard.CERT_REQUIRED
        client = standard.create_default_context(cafile=tmp_path / "ca.pem")
        client.load_cert_chain(*visitor)
        assert (verdict(server, client, "localhost") is None) is believed


@pytest.mark.parametrize("host", ["www.bank.example", "localhost", "www.good.example"])
def test_the_engine_takes_no_common_name_at_all(host: str) -> None:
    for ca in (ROOT, BOUND):
        credential = leaf_of(ca, [host]).credential()
        pair = ConnectionPair(
            client_config(verifier=ROOT.verifier()),
            server_config(credentials=(credential,)),
            server_name=host,
        )
        with pytest.raises(NameMismatch):
            pair.handshake()
        assert isinstance(pair.server.error, AlertReceived)


def test_a_chain_for_another_name_is_refused_whoever_is_above_it() -> None:
    """Constraints of the root, of an authority between, and of one above that."""
    bound = CA("Bound root", permitted=[x509.DNSName("good.example")])
    below = BOUND.intermediate("Below")
    excluding = ROOT.intermediate("Excluding", excluded=[x509.DNSName("bank.example")])
    for trusted, ca in ((bound, bound), (ROOT, below), (ROOT, excluding)):
        for host, good in (("www.good.example", True), ("www.bank.example", False)):
            pair = ConnectionPair(
                client_config(verifier=trusted.verifier()),
                server_config(credentials=(ca.issue(host, purpose="server").credential(),)),
                server_name=host,
            )
            if good:
                assert pair.handshake().client.connection.peer_identity is not None
                continue
            with pytest.raises(PostshakeError):
                pair.handshake()
            excluded = ca is excluding
            assert type(pair.client.error) is (NameExcluded if excluded else NameNotPermitted)
            assert "may not certify" in str(pair.client.error)
            assert pair.client.connection.peer_identity is None


def test_a_subject_in_the_place_of_a_constraint(tmp_path: Path) -> None:
    """Directory names bind subjects: one with two of an attribute is not inside by the first."""
    inside = ROOT.intermediate(
        "Directory", permitted=[x509.DirectoryName(name(organization_name="Good"))]
    )
    for parts, good in (
        ([("o", "Good"), ("cn", "a")], True),
        ([("o", "GOOD "), ("cn", "a")], True),
        ([("cn", "a"), ("o", "Good")], False),
        ([("o", "Goodness"), ("cn", "a")], False),
    ):
        kinds = {"o": x509.NameOID.ORGANIZATION_NAME, "cn": x509.NameOID.COMMON_NAME}
        subject = x509.Name([x509.NameAttribute(kinds[kind], value) for kind, value in parts])
        leaf = inside.issue(subject=subject, purpose="server", dns=["a.example"])
        for module in (standard, ours):
            refusal = verdict(*contexts(module, tmp_path, leaf), "a.example")
            assert (refusal is None) is good, (module.__name__, parts, refusal)
