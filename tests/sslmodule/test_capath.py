"""Folders of certificates, and the places that the environment names, with both modules."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from postshake.errors import UsageError
from postshake.pki.hashed_folder import name_hash
from postshake.pki.trust import TrustStore
from postshake.ssl.engine_settings import engine_settings
from tests.certs import CA
from tests.sslmodule.ends import MODULES, Memory, authority, ours, server_context, standard

BOTH = pytest.mark.parametrize("module", MODULES.values(), ids=MODULES)
ROOT, OTHER = authority(), authority("Another CA")


def hash_of(ca: CA) -> str:
    return f"{name_hash(ca.certificate.subject.public_bytes()):08x}"


def folder_of(path: Path, **files: bytes) -> str:
    """Make a folder with these files; an underscore stands for a dot."""
    path.mkdir()
    for name, data in files.items():
        (path / name.replace("_", ".")).write_bytes(data)
    return str(path)


def hashed(path: Path, ca: CA = ROOT, number: int = 0) -> str:
    return folder_of(path, **{f"{hash_of(ca)}_{number}": ca.pem()})


def trusts(context: Any) -> bool:
    """Whether a client believes a server of ROOT's."""
    both = Memory(server_context(standard), context)
    said, _ = both.run(both.client.do_handshake, both.server.do_handshake)
    assert said is None or said.verify_code in (19, 20)  # no issuer that is trusted
    return said is None


def client(module: Any, **places: Any) -> Any:
    context = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(**places)
    return context


@BOTH
def test_a_file_under_its_hash_is_trusted(module, tmp_path):
    assert trusts(client(module, capath=hashed(tmp_path / "a")))
    assert trusts(client(module, capath=tmp_path / "a"))
    assert trusts(client(module, capath=os.fsencode(tmp_path / "a")))


@BOTH
@pytest.mark.parametrize(
    "name",
    ["root_pem", "{hash}_0_bak", "{hash}_1", "{hash}", "{hash}_r0", "00000000_0", "X{hash}_0"],
)
def test_a_file_under_another_name_is_not(module, name, tmp_path):
    """A root that was taken out of use may lie there."""
    place = folder_of(tmp_path / "a", **{name.format(hash=hash_of(ROOT)): ROOT.pem()})
    assert not trusts(client(module, capath=place))


@BOTH
def test_the_first_of_several_may_be_another(module, tmp_path):
    name = hash_of(ROOT)
    same_name = CA("Test CA")  # another key
    place = folder_of(tmp_path / "a", **{f"{name}_0": same_name.pem(), f"{name}_1": ROOT.pem()})
    assert trusts(client(module, capath=place))


@BOTH
def test_folders_are_a_list_of_which_some_may_be_missing(module, tmp_path):
    first, second = hashed(tmp_path / "a", OTHER), hashed(tmp_path / "b")
    for places in (("/not/there", first, second), (second, first, ""), (__file__, second)):
        assert trusts(client(module, capath=os.pathsep.join(places)))
    assert not trusts(client(module, capath=os.pathsep.join((first, "/not/there"))))


@BOTH
def test_rubbish_beside_it_does_no_harm(module, tmp_path):
    place = folder_of(
        tmp_path / "a",
        **{
            f"{hash_of(ROOT)}_0": b"words before\n" + ROOT.pem(),
            "ffffffff_0": b"nothing",
            "eeeeeeee_0": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        },
    )
    (tmp_path / "a" / "dddddddd.0").symlink_to("/not/there")
    (tmp_path / "a" / "cccccccc.0").mkdir()
    assert trusts(client(module, capath=place))


@BOTH
def test_what_it_had_is_listed_once_it_was_needed(module, tmp_path):
    place = hashed(tmp_path / "a")
    (tmp_path / "a" / f"{hash_of(OTHER)}.0").write_bytes(OTHER.pem())
    context = client(module, capath=place)
    assert context.get_ca_certs(binary_form=True) == []
    assert context.cert_store_stats() == {"x509": 0, "x509_ca": 0, "crl": 0}
    for _ in range(2):
        assert trusts(context)
        assert context.get_ca_certs(binary_form=True) == [ROOT.der]
        assert context.cert_store_stats() == {"x509": 1, "x509_ca": 1, "crl": 0}
    assert context.get_ca_certs()[0]["subject"] == ((("commonName", "Test CA"),),)


@BOTH
@pytest.mark.parametrize(("name", "counts"), [("{hash}_r0", True), ("{hash}_crl", False)])
def test_lists_are_looked_for_by_hashed_names(module, name, counts, tmp_path):
    now = datetime.now(UTC)
    listed = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ROOT.certificate.subject)
        .last_update(now - timedelta(days=1))
        .next_update(now + timedelta(days=1))
        .sign(ROOT.private_key, hashes.SHA256())
    )
    place = hashed(tmp_path / "a")
    file = tmp_path / "a" / name.format(hash=hash_of(ROOT)).replace("_", ".")
    file.write_bytes(listed.public_bytes(Encoding.PEM))
    context = client(module, capath=place)
    context.verify_flags |= module.VERIFY_CRL_CHECK_LEAF
    both = Memory(server_context(standard), context)
    said, _ = both.run(both.client.do_handshake, both.server.do_handshake)
    assert getattr(said, "verify_code", None) == (None if counts else 3)


def test_when_a_folder_is_read(tmp_path):
    # docs/ssl.md: When a folder is read
    place = folder_of(tmp_path / "a")
    contexts = [client(module, capath=place) for module in (standard, ours)]
    (tmp_path / "a" / f"{hash_of(ROOT)}.0").write_bytes(ROOT.pem())
    assert [trusts(context) for context in contexts] == [True, False]
    contexts[1].load_verify_locations(capath=place)
    assert trusts(contexts[1])


# --- what the environment names


@pytest.fixture
def environment(monkeypatch):
    """Set the two variables; None takes one away."""

    def change(cafile: Any, capath: Any) -> None:
        for name, value in (("SSL_CERT_FILE", cafile), ("SSL_CERT_DIR", capath)):
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, str(value))

    return change


@BOTH
def test_each_place_counts_without_the_other(module, environment, tmp_path):
    place = hashed(tmp_path / "a")
    file = tmp_path / "root.pem"
    file.write_bytes(ROOT.pem())
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    missing = "/not/there"
    for cafile, capath, found in (
        (file, missing, True),
        (missing, place, True),
        (missing, f"{missing}{os.pathsep}{place}", True),
        (empty, place, True),
        (None, place, True),
        (file, None, True),
        (missing, missing, False),
        (tmp_path, missing, False),  # a file that is a folder
        (missing, tmp_path, False),  # root.pem is no hashed name
        ("", "", False),
    ):
        environment(cafile, capath)
        assert trusts(module.create_default_context()) is found, (cafile, capath)


@BOTH
def test_with_one_variable_the_system_s_other_place_stays(module, environment, tmp_path):
    environment(None, None)
    anybody = module.create_default_context()
    if not anybody.get_ca_certs():
        pytest.skip("the OpenSSL of this Python has no file of roots of its own")
    environment(None, hashed(tmp_path / "a"))
    context = module.create_default_context()
    assert trusts(context)
    roots = context.get_ca_certs(binary_form=True)
    assert len(roots) == len(anybody.get_ca_certs()) + 1
    if module is ours:
        assert set(roots) <= set(engine_settings(context).trusted)


def test_without_openssl_s_places_the_system_s_bundles_are_looked_for(
    environment, monkeypatch, tmp_path
):
    """As for a Python that brought an OpenSSL with paths of another machine."""
    environment(None, None)
    nowhere = standard.DefaultVerifyPaths(
        None, None, "SSL_CERT_FILE", "/not/there", "SSL_CERT_DIR", "/not/there"
    )
    monkeypatch.setattr(standard, "get_default_verify_paths", lambda: nowhere)
    monkeypatch.setattr(TrustStore, "system", classmethod(lambda cls: cls([ROOT.der])))
    context = ours.create_default_context()
    assert trusts(context)
    assert ROOT.der in context.get_ca_certs(binary_form=True)
    environment("/not/there", None)  # who names a place means it
    assert not trusts(ours.create_default_context())


def test_the_engine_s_trust_store_heeds_them_too(environment, tmp_path):
    place = hashed(tmp_path / "a")
    (tmp_path / "a" / "copy.pem").write_bytes(authority("Third CA").pem())
    (tmp_path / "a" / "00000000.0").write_bytes(authority("Third CA").pem())
    (tmp_path / "a" / "11111111.0").symlink_to("/not/there")
    file = tmp_path / "other.pem"
    file.write_bytes(OTHER.pem())
    several = os.pathsep.join(("/not/there", place))
    for cafile, capath, expected in (
        (file, None, [OTHER]),
        (None, several, [ROOT]),
        (file, several, [OTHER, ROOT]),
        ("/not/there", several, [ROOT]),
        (file, "/not/there", [OTHER]),
    ):
        environment(cafile, capath)
        assert TrustStore.system() == TrustStore(each.der for each in expected)
    environment("/not/there", "/nor/there")
    with pytest.raises(UsageError, match="SSL_CERT_FILE=/not/there and SSL_CERT_DIR=/nor/there"):
        TrustStore.system()
