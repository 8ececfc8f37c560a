"""ML-DSA identities step up, and keys are agreed on with ML-KEM, with the peers of today.

OpenSSL says its version; NSS's programs have none to tell, but their help names what they take.
"""

from __future__ import annotations

import copy
import functools
import ipaddress
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose

from postshake import Credential
from postshake.constants import NamedGroup
from postshake.crypto.groups import supported_groups
from postshake.events import Established
from tests.certs import new_key
from tests.interop import scenarios
from tests.interop.certificates import PASSWORD, Certificates, Who, _key_pem, _pem
from tests.interop.ours import OurClient, OurServer
from tests.interop.program import Stage, require
from tests.interop.programs import SClient, Selfserv, SServer, Tstclnt
from tests.interop.versions import version_of

SETS = ("mldsa44", "mldsa65", "mldsa87")
HYBRIDS = ("X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024")


def require_openssl() -> None:
    """Skip where openssl is older than ML-DSA and ML-KEM."""
    require("openssl")
    version = version_of("openssl", "version")
    if version < (3, 5):
        pytest.skip(f"OpenSSL {'.'.join(map(str, version))} has no ML-DSA")


def require_nss(word: str) -> None:
    """Skip where NSS's programs do not know a word."""
    for program in ("tstclnt", "selfserv"):
        path = require(program, "certutil", "pk12util")
        help = subprocess.run([path, "-h"], capture_output=True, text=True, timeout=60)
        if not re.search(rf"\b{word}\b", help.stdout + help.stderr):
            pytest.skip(f"this {program} of NSS does not know {word}")


class PostQuantum(Certificates):
    """The same authority and clients, but the server and alice have keys of ML-DSA."""

    def __init__(self, certificates: Certificates, folder: Path, kind: str) -> None:
        self.__dict__.update(copy.copy(certificates).__dict__)
        self.folder = folder
        loopback = ipaddress.ip_address("127.0.0.1")
        self.server = self._ml_dsa(
            kind,
            "localhost",
            Purpose.SERVER_AUTH,
            x509.DNSName("localhost"),
            x509.IPAddress(loopback),
        )
        self.alice = self._ml_dsa(kind, "alice", Purpose.CLIENT_AUTH)
        self.__dict__.pop("nss", None)

    def _ml_dsa(self, kind: str, name: str, purpose: x509.ObjectIdentifier, *names) -> Who:
        key = new_key(kind)
        certificate = self._ca.issue(key, name, purpose, names, False)
        paths = [self.folder / f"{name}.{ending}" for ending in ("crt", "key", "p12")]
        paths[0].write_bytes(_pem(certificate))
        paths[1].write_bytes(_key_pem(key))
        who = Who(name, *paths)
        # as OpenSSL writes it, with seed and expanded key: cryptography writes the seed alone
        openssl = require("openssl")
        both = self.folder / f"{name}-both.key"
        _run(openssl, "pkey", "-in", who.key, "-out", both)
        _run(
            *(openssl, "pkcs12", "-export", "-inkey", both, "-in", who.certificate),
            *("-name", name, "-passout", f"pass:{PASSWORD}", "-out", who.pkcs12),
        )
        return replace(who, key=both)

    @functools.cached_property
    def nss(self) -> str:
        """An NSS database with the CA, the server and alice."""
        return self._nss("nss", self.server, self.alice)


def _run(*arguments: str | Path) -> None:
    subprocess.run(arguments, check=True, capture_output=True, timeout=60)


@pytest.fixture(params=SETS)
def mldsa(request, certificates: Certificates, tmp_path: Path) -> PostQuantum:
    require_openssl()  # writes the files
    return PostQuantum(certificates, tmp_path, request.param)


def scheme_of(who: Who) -> str:
    (scheme,) = Credential.from_files(who.certificate, who.key).schemes
    return scheme.name


# --- ML-DSA


def test_keys_of_openssls_files_are_read(mldsa: PostQuantum):
    assert mldsa.alice.key.stat().st_size > 3000  # with the expanded key
    from_files = Credential.from_files(mldsa.alice.certificate, mldsa.alice.key)
    from_pkcs12 = Credential.from_pkcs12(mldsa.alice.pkcs12, PASSWORD)
    assert from_files.schemes == from_pkcs12.schemes
    assert from_files.schemes[0].name in SETS
    assert from_files.chain == from_pkcs12.chain


@pytest.mark.parametrize("times", [1, 3])
def test_openssls_client_steps_up(stage: Stage, mldsa: PostQuantum, times):
    server = stage.hold(OurServer(mldsa, identity=mldsa.server))
    client = SClient(stage, server.port, mldsa, mldsa.alice)
    assert f"Peer signature type: {scheme_of(mldsa.server)}" in client.program.output
    scenarios.accept(server, client, mldsa.alice, times)


@pytest.mark.parametrize("times", [1, 3])
def test_our_client_steps_up_with_openssl(stage: Stage, mldsa: PostQuantum, times):
    scenarios.s_server(stage, mldsa, OurClient, mldsa.alice, times)


@pytest.mark.parametrize("times", [1, 3])
def test_nss_client_steps_up(stage: Stage, mldsa: PostQuantum, times):
    require_nss(scheme_of(mldsa.alice))
    server = stage.hold(OurServer(mldsa, identity=mldsa.server))
    scenarios.accept(server, Tstclnt(stage, server.port, mldsa, mldsa.alice), mldsa.alice, times)


def test_our_client_steps_up_with_nss(stage: Stage, mldsa: PostQuantum):
    require_nss(scheme_of(mldsa.alice))
    scenarios.selfserv(stage, mldsa, OurClient, mldsa.alice)


# --- ML-KEM


@pytest.fixture(params=[name for name in HYBRIDS if NamedGroup[name] in supported_groups()])
def group(request) -> NamedGroup:
    return NamedGroup[request.param]


class HybridClient(OurClient):
    """Our client, which tells what it settled."""

    @property
    def established(self) -> Established:
        established = self._stream.connection.established
        assert established is not None
        return established


def client_of(group: NamedGroup, retry: bool) -> type[HybridClient]:
    """Our client, with a share for the group, or with one for another and none for it."""
    fields = {"groups": (NamedGroup.x25519, group) if retry else (group,), "key_shares": 1}
    return type("HybridClientOf", (HybridClient,), {"fields": fields})


@pytest.mark.parametrize("retry", [False, True], ids=["at once", "asked again"])
def test_openssls_client_agrees_on_a_hybrid(stage: Stage, certificates: Certificates, group, retry):
    require_openssl()
    server = stage.hold(OurServer(certificates, groups=(group,)))
    # it sends a share for what the asterisk marks
    groups = f"*X25519:{group.name}" if retry else f"*{group.name}"
    client = SClient(stage, server.port, certificates, certificates.alice, "-groups", groups)
    assert re.search(rf"^Negotiated TLS1\.3 group: {group.name}$", client.program.output, re.M)
    sent = len(re.findall(r">>> TLS .*, ClientHello", client.program.output))
    assert sent == (2 if retry else 1)
    scenarios.accept(server, client, certificates.alice)


@pytest.mark.parametrize("retry", [False, True], ids=["at once", "asked again"])
def test_our_client_agrees_with_openssl(stage: Stage, certificates: Certificates, group, retry):
    require_openssl()
    server = SServer(stage, certificates, "-groups", group.name)
    client = client_of(group, retry)(stage, server.port, certificates, certificates.alice)
    assert client.established.group is group
    assert client.established.hello_retry_request is retry
    server.wait_for_handshake()
    client.send(b"over it\n")
    server.expect(r"^over it$")


@pytest.mark.parametrize("retry", [False, True], ids=["at once", "asked again"])
def test_nss_client_agrees_on_a_hybrid(stage: Stage, certificates: Certificates, group, retry):
    require_nss(group.name.lower())
    server = stage.hold(OurServer(certificates, groups=(group,)))
    names = f"x25519,{group.name}" if retry else group.name
    client = Tstclnt(stage, server.port, certificates, certificates.alice, "-I", names.lower())
    scenarios.accept(server, client, certificates.alice)


@pytest.mark.parametrize("retry", [False, True], ids=["at once", "asked again"])
def test_our_client_agrees_with_nss(stage: Stage, certificates: Certificates, group, retry):
    require_nss(group.name.lower())
    server = Selfserv(stage, certificates, "-I", group.name.lower())
    client = client_of(group, retry)(stage, server.port, certificates, certificates.alice)
    assert client.established.group is group
    assert client.established.hello_retry_request is retry
