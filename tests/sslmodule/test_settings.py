"""The names, settings and complaints of the module, held against the standard library's."""

from __future__ import annotations

import inspect
import socket
import ssl as standard
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

import postshake.ssl as ours
from postshake.constants import NamedGroup
from postshake.crypto.groups import supported_groups
from postshake.ssl.engine_config import config_for
from postshake.ssl.engine_settings import engine_settings
from tests.revoking import make_list
from tests.sslmodule import versions
from tests.sslmodule.differences import opposite
from tests.sslmodule.ends import (
    Memory,
    authority,
    ca_file,
    client_context,
    files,
    folder,
    server_context,
)
from tests.sslmodule.scripts import certificate, told
from tests.vectors.rfc9881 import (
    BOTH,
    CERTIFICATE,
    ENCRYPTED,
    PASSWORD,
    expanded_key,
    form,
    pem,
    tlv,
)
from tests.waiting import PATIENCE

pytestmark = pytest.mark.filterwarnings("ignore:ssl:DeprecationWarning")


def outcome(call: Any) -> str:
    try:
        return told(call())
    except Exception as error:
        return told(error)


# --- names


def test_classes_are_those_that_programs_look_for():
    context = client_context(ours)
    assert isinstance(context, standard.SSLContext)
    assert issubclass(ours.SSLSocket, standard.SSLSocket)
    assert issubclass(ours.SSLSocket, socket.socket)
    assert issubclass(ours.SSLObject, standard.SSLObject)
    assert ours.SSLError is standard.SSLError
    assert isinstance(ours.create_default_context(), ours.SSLContext)


@pytest.mark.parametrize(
    "name", ["create_default_context", "get_server_certificate", "_create_unverified_context"]
)
def test_functions_take_the_same(name):
    theirs = inspect.signature(getattr(standard, name)).parameters
    own = inspect.signature(getattr(ours, name)).parameters
    assert list(own) == list(theirs)
    assert [each.kind for each in own.values()] == [each.kind for each in theirs.values()]


# --- contexts: each row is done to one of either module

CONTEXTS: dict[str, Any] = {
    "client": lambda m: m.SSLContext(m.PROTOCOL_TLS_CLIENT),
    "server": lambda m: m.SSLContext(m.PROTOCOL_TLS_SERVER),
    "default": lambda m: m.create_default_context(),
    "default-server": lambda m: m.create_default_context(m.Purpose.CLIENT_AUTH),
    "unverified": lambda m: m._create_unverified_context(),
    "any": lambda m: m.SSLContext(m.PROTOCOL_TLS),
    "stdlib": lambda m: m._create_stdlib_context(cafile=ca_file()),
}
SETTINGS = (
    "verify_mode", "check_hostname", "verify_flags", "options", "minimum_version",
    "maximum_version", "protocol", "num_tickets", "post_handshake_auth", "keylog_filename",
    "hostname_checks_common_name", "sni_callback", "security_level",
)  # fmt: skip


@pytest.mark.parametrize("kind", CONTEXTS)
@pytest.mark.parametrize("setting", SETTINGS)
def test_a_new_context_is_set_alike(kind, setting):
    made = [CONTEXTS[kind](module) for module in (ours, standard)]
    assert getattr(made[0], setting) == getattr(made[1], setting)


def change(name: str, value: Any) -> Any:
    """Set something, and tell what it is afterwards."""

    def call(module: Any, context: Any) -> Any:
        setattr(context, name, value(module) if callable(value) else value)
        return getattr(context, name)

    return call


def write(name: str, data: bytes) -> str:
    path = folder() / name
    path.write_bytes(data)
    return str(path)


CALLS: dict[str, Any] = {
    "no check, then none": lambda m, c: (
        setattr(c, "check_hostname", False), setattr(c, "verify_mode", m.CERT_NONE), c.verify_mode,
    ),
    "none while checking": change("verify_mode", lambda m: m.CERT_NONE),
    "mode of text": change("verify_mode", "text"),
    "mode of nine": change("verify_mode", 9),
    "check": change("check_hostname", True),
    "minimum 1.2": change("minimum_version", lambda m: m.TLSVersion.TLSv1_2),
    "minimum 1.3": change("minimum_version", lambda m: m.TLSVersion.TLSv1_3),
    "minimum lowest": change("minimum_version", lambda m: m.TLSVersion.MINIMUM_SUPPORTED),
    "minimum of text": change("minimum_version", "text"),
    "minimum of nine": change("minimum_version", 9),
    "maximum 1.2": change("maximum_version", lambda m: m.TLSVersion.TLSv1_2),
    "maximum highest": change("maximum_version", lambda m: m.TLSVersion.MAXIMUM_SUPPORTED),
    "options": change("options", lambda m: m.OP_ALL | m.OP_NO_TICKET),
    "options of text": change("options", "text"),
    "flags": change("verify_flags", lambda m: m.VERIFY_X509_STRICT),
    "flags of text": change("verify_flags", "text"),
    "tickets": change("num_tickets", 4),
    "tickets below zero": change("num_tickets", -1),
    "tickets of text": change("num_tickets", "text"),
    "later": change("post_handshake_auth", True),
    "common names": change("hostname_checks_common_name", False),
    "sni of text": change("sni_callback", "text"),
    "sni": lambda m, c: c.set_servername_callback(lambda *a: None),
    "sni away": change("sni_callback", None),
    "alpn": lambda m, c: c.set_alpn_protocols(["h2"]),
    "alpn empty name": lambda m, c: c.set_alpn_protocols([""]),
    "alpn long name": lambda m, c: c.set_alpn_protocols(["x" * 256]),
    "alpn of bytes": lambda m, c: c.set_alpn_protocols([b"h2"]),
    "alpn of umlauts": lambda m, c: c.set_alpn_protocols(["ü"]),
    "ciphers": lambda m, c: c.set_ciphers("ECDHE+AESGCM"),
    "ciphers nonsense": lambda m, c: c.set_ciphers("nonsense"),
    "ciphers of numbers": lambda m, c: c.set_ciphers(5),
    "curve": lambda m, c: c.set_ecdh_curve("prime256v1"),
    "curve of bytes": lambda m, c: c.set_ecdh_curve(b"prime256v1"),
    "curve nonsense": lambda m, c: c.set_ecdh_curve("nonsense"),
    "curve of numbers": lambda m, c: c.set_ecdh_curve(5),
    "chain": lambda m, c: c.load_cert_chain(*files()),
    "chain without key": lambda m, c: c.load_cert_chain(files()[0]),
    "chain missing": lambda m, c: c.load_cert_chain("missing.pem"),
    "chain with missing key": lambda m, c: c.load_cert_chain(files()[0], "missing.pem"),
    "chain with wrong key": lambda m, c: c.load_cert_chain(files()[0], certificate("good")[1]),
    "chain of none": lambda m, c: c.load_cert_chain(None),
    "chain of numbers": lambda m, c: c.load_cert_chain(5),
    "chain empty": lambda m, c: c.load_cert_chain(write("empty.pem", b"")),
    "chain nonsense": lambda m, c: c.load_cert_chain(write("nonsense.pem", b"nonsense")),
    "chain one file": lambda m, c: c.load_cert_chain(write("one.pem", one_file())),
    "chain key first": lambda m, c: c.load_cert_chain(write("two.pem", one_file(key_first=True))),
    "chain as a path": lambda m, c: c.load_cert_chain(*map(Path, files())),
    "secret": lambda m, c: c.load_cert_chain(*secret(), password="right"),
    "secret in bytes": lambda m, c: c.load_cert_chain(*secret(), password=b"right"),
    "secret in a bytearray": lambda m, c: c.load_cert_chain(*secret(), bytearray(b"right")),
    "secret of a callback": lambda m, c: c.load_cert_chain(*secret(), lambda: "right"),
    "secret of a callback in bytes": lambda m, c: c.load_cert_chain(*secret(), lambda: b"right"),
    "secret wrong": lambda m, c: c.load_cert_chain(*secret(), password="wrong"),
    "secret wrong in a callback": lambda m, c: c.load_cert_chain(*secret(), lambda: b"wrong"),
    "secret that fails": lambda m, c: c.load_cert_chain(*secret(), lambda: 1 / 0),
    "secret of numbers": lambda m, c: c.load_cert_chain(*secret(), password=5),
    "secret of a number's callback": lambda m, c: c.load_cert_chain(*secret(), lambda: 5),
    "secret too long": lambda m, c: c.load_cert_chain(*secret(), password="x" * 2000),
    "secret for nothing": lambda m, c: c.load_cert_chain(*files(), password="needless"),
    "trust": lambda m, c: (c.load_verify_locations(ca_file()), len(c.get_ca_certs())),
    "trust twice": lambda m, c: (
        c.load_verify_locations(ca_file()), c.load_verify_locations(ca_file()),
        c.cert_store_stats(),
    ),
    "trust nothing": lambda m, c: c.load_verify_locations(),
    "trust missing": lambda m, c: c.load_verify_locations("missing.pem"),
    "trust empty": lambda m, c: c.load_verify_locations(write("empty.pem", b"")),
    "trust empty data": lambda m, c: c.load_verify_locations(cadata=""),
    "trust nonsense": lambda m, c: c.load_verify_locations(write("nonsense.pem", b"nonsense")),
    "trust text": lambda m, c: (
        c.load_verify_locations(cadata=authority().pem().decode()), c.cert_store_stats(),
    ),
    "trust bytes": lambda m, c: (
        c.load_verify_locations(cadata=authority().der), c.cert_store_stats(),
    ),
    "trust bytes twice": lambda m, c: (
        c.load_verify_locations(cadata=authority().der + authority("Another CA").der),
        c.cert_store_stats(),
    ),
    "trust nonsense data": lambda m, c: c.load_verify_locations(cadata="nonsense"),
    "trust nonsense bytes": lambda m, c: c.load_verify_locations(cadata=b"nonsense"),
    "trust cut bytes": lambda m, c: c.load_verify_locations(cadata=authority().der[:-9]),
    "trust umlauts": lambda m, c: c.load_verify_locations(cadata="ü"),
    "trust numbers": lambda m, c: c.load_verify_locations(cadata=5),
    "trust a folder": lambda m, c: (
        c.load_verify_locations(capath=str(folder())), c.cert_store_stats(),
    ),
    "trust no folder": lambda m, c: c.load_verify_locations(capath="missing"),
    "trusted as bytes": lambda m, c: (
        c.load_verify_locations(ca_file()), c.get_ca_certs(binary_form=True) == [authority().der],
    ),
    "trusted as fields": lambda m, c: (c.load_verify_locations(ca_file()), c.get_ca_certs()),
    "defaults": lambda m, c: c.load_default_certs(),
    "defaults for text": lambda m, c: c.load_default_certs("text"),
    "statistics": lambda m, c: c.session_stats(),
    "key log": lambda m, c: setattr(c, "keylog_filename", str(folder() / "keys.log")),
    "key log nowhere": lambda m, c: setattr(c, "keylog_filename", "/missing/keys.log"),
    "key log of numbers": lambda m, c: setattr(c, "keylog_filename", 5.5),
    "npn": lambda m, c: c.set_npn_protocols(["x"]),
    "bio without name": lambda m, c: type(c.wrap_bio(m.MemoryBIO(), m.MemoryBIO())).__name__,
    "bio empty name": lambda m, c: c.wrap_bio(m.MemoryBIO(), m.MemoryBIO(), server_hostname=""),
    "bio of text": lambda m, c: c.wrap_bio("a", "b", server_hostname="x"),
    "bio name with nul": lambda m, c: c.wrap_bio(
        m.MemoryBIO(), m.MemoryBIO(), server_hostname="a\0b"
    ),
    "bio long name": lambda m, c: c.wrap_bio(
        m.MemoryBIO(), m.MemoryBIO(), server_hostname="a" * 300
    ),
    "bio name of numbers": lambda m, c: c.wrap_bio(
        m.MemoryBIO(), m.MemoryBIO(), server_hostname=5
    ),
    "bio server with name": lambda m, c: isinstance(c.wrap_bio(
        m.MemoryBIO(), m.MemoryBIO(), server_side=True, server_hostname="x"
    ), m.SSLObject),
    "bio session of text": lambda m, c: c.wrap_bio(
        m.MemoryBIO(), m.MemoryBIO(), server_hostname="x", session="text"
    ),
    "socket of datagrams": lambda m, c: wrap_datagrams(c),
    "socket of text": lambda m, c: c.wrap_socket("text", server_hostname="x"),
    "socket unconnected": lambda m, c: wrap_unconnected(c),
    "socket without name": lambda m, c: wrap_unconnected(c, server_hostname=None),
    "socket empty name": lambda m, c: wrap_unconnected(c, server_hostname=""),
    "socket server with name": lambda m, c: wrap_unconnected(c, server_side=True),
    "object alone": lambda m, c: m.SSLObject(),
    "another attribute": lambda m, c: setattr(c, "mode_of_text", 1),
}  # fmt: skip


def one_file(*, key_first: bool = False) -> bytes:
    parts = [Path(each).read_bytes() for each in files()]
    return b"".join(reversed(parts) if key_first else parts)


def secret() -> tuple[str, str]:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    from tests.certs import Issued

    path, key_path = files()
    key = load_pem_private_key(Path(key_path).read_bytes(), None)
    issued = Issued(authority().certificate, key)
    return path, write("secret.key", issued.key_pem(b"right"))


def wrap_datagrams(context: Any) -> Any:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        return context.wrap_socket(sock, server_hostname="x")


def wrap_unconnected(context: Any, **options: Any) -> Any:
    if not options.get("server_side"):
        options = {"server_hostname": "x"} | options
    elif "server_hostname" not in options:
        options["server_hostname"] = "x"
    with socket.socket() as sock:
        tls = context.wrap_socket(sock, **options)
        facts = [
            outcome(call)
            for call in (
                tls.getpeercert, tls.version, tls.cipher, tls.pending, tls.do_handshake, tls.unwrap,
                lambda: tls.recv(5), lambda: tls.send(b"x"), lambda: tls.read(5), tls.getpeername,
                lambda: tls.server_hostname, lambda: tls.session, lambda: tls.context is context,
                lambda: tls.get_channel_binding(), tls.verify_client_post_handshake,
                lambda: tls.connect_ex(("127.0.0.1", 1)) != 0,
                lambda: tls.connect(("127.0.0.1", 1)), tls.accept,
                tls.selected_alpn_protocol, tls.compression, tls.shared_ciphers,
            )
        ]  # fmt: skip
        tls.close()
        return facts


DIFFERENT: dict[tuple[str, str], bool | None] = {
    # docs/ssl.md: A check of no name
    ("bio without name", "client"): opposite(versions.BIO_CHECKS_NAMES),
    # what a client shares with its server, which it cannot know
    ("socket unconnected", "client"): not versions.COMPARED,
}


@pytest.mark.parametrize("kind", ["client", "server"])
@pytest.mark.parametrize("name", CALLS)
def test_both_do_the_same(name, kind):
    made = {module: CONTEXTS[kind](module) for module in (ours, standard)}
    results = {module: outcome(lambda m=module: CALLS[name](m, made[m])) for module in made}
    differs = DIFFERENT.get((name, kind), False)
    assert (results[ours] != results[standard]) == differs or differs is None, results
    assert_set_alike(made[ours], made[standard])


def assert_set_alike(one: Any, other: Any) -> None:
    for setting in SETTINGS:
        if setting not in ("sni_callback",):
            assert getattr(one, setting) == getattr(other, setting), setting
    assert one.cert_store_stats() == other.cert_store_stats()


# --- constructors and functions

FUNCTIONS: dict[str, Any] = {
    "protocol of text": lambda m: m.SSLContext("text"),
    "protocol of nine": lambda m: m.SSLContext(99),
    "no protocol": lambda m: m.SSLContext().protocol,
    "purpose of text": lambda m: m.create_default_context("text"),
    "default of a missing file": lambda m: m.create_default_context(cafile="missing.pem"),
    "unverified with a key alone": lambda m: m._create_unverified_context(keyfile="x"),
    "unverified of text": lambda m: m._create_unverified_context(purpose="text"),
    "certificate of nobody": lambda m: m.get_server_certificate(("127.0.0.1", 1), timeout=PATIENCE),
    "time": lambda m: m.cert_time_to_seconds("Jan  5 09:34:43 2018 GMT"),
    "protocol's name": lambda m: m.get_protocol_name(m.PROTOCOL_TLS),
    "pem": lambda m: m.DER_cert_to_PEM_cert(b"abc"),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_do_the_same(name):
    assert outcome(lambda: FUNCTIONS[name](ours)) == outcome(lambda: FUNCTIONS[name](standard))


@pytest.mark.parametrize("name", ["PROTOCOL_TLSv1", "PROTOCOL_TLSv1_1"])
def test_old_protocols_are_refused_at_once(name):
    with pytest.raises(ValueError, match=r"speaks TLS 1\.3 and 1\.2"):
        ours.SSLContext(getattr(ours, name))


def test_what_is_not_there_is_an_error_when_asked_for():
    context = server_context(ours)
    with pytest.raises(ours.SSLError, match="No cipher can be selected"):
        context.set_ciphers("AES128-SHA")
    with pytest.raises(ValueError, match="brainpoolP256r1"):
        context.set_ecdh_curve("brainpoolP256r1")
    context.set_ciphers("ALL")
    names = {each["name"] for each in context.get_ciphers()}
    assert names
    assert not {name for name in names if "CBC" in name or name.endswith("-SHA")}
    low = ours.SSLContext(ours.PROTOCOL_TLS_CLIENT)
    low.check_hostname = False
    low.minimum_version = ours.TLSVersion.TLSv1
    low.maximum_version = ours.TLSVersion.TLSv1_1
    with pytest.raises(ours.SSLError, match="NO_PROTOCOLS_AVAILABLE"):
        low.wrap_bio(ours.MemoryBIO(), ours.MemoryBIO())


def test_trust_in_the_system(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", ca_file())
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    client = ours.create_default_context()
    assert Memory(server_context(ours), client).handshake().client.version() == "TLSv1.3"


def ml_dsa(name: str, label: str, der: bytes) -> str:
    return write(name, pem(label, der))


def test_ml_dsa_keys_are_loaded_whatever_openssl_is_below():
    """In the forms that OpenSSL writes, and also where the one below is older than ML-DSA."""
    certificate = ml_dsa("mldsa.crt", "CERTIFICATE", CERTIFICATE)
    key = ml_dsa("mldsa.key", "PRIVATE KEY", BOTH["ML-DSA-44"])
    secret = ml_dsa("mldsa.secret", "ENCRYPTED PRIVATE KEY", ENCRYPTED["pbkdf2"])
    asked = []

    def password() -> bytes:
        asked.append(1)
        return PASSWORD

    for arguments in ((key,), (secret, PASSWORD), (secret, PASSWORD.decode()), (secret, password)):
        context = ours.SSLContext(ours.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, *arguments)
        assert [each.chain for each in engine_settings(context).credentials] == [(CERTIFICATE,)]
    assert asked == [1]
    with pytest.raises(standard.SSLError):
        ours.SSLContext(ours.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, secret, "wrong")


def test_an_expanded_ml_dsa_key_alone_is_named():
    certificate = ml_dsa("mldsa.crt", "CERTIFICATE", CERTIFICATE)
    alone = form("ML-DSA-44", tlv(0x04, expanded_key("ML-DSA-44")))
    key = ml_dsa("alone.key", "PRIVATE KEY", alone)
    context = ours.SSLContext(ours.PROTOCOL_TLS_SERVER)
    with pytest.raises(
        standard.SSLError, match=r"alone\.key: an ML-DSA-44 private key as expandedKey"
    ):
        context.load_cert_chain(certificate, key)


def test_what_the_standard_class_refuses_is_refused_with_its_words():
    """Only ML-DSA may be loaded against its will."""
    path, key = files()
    with pytest.raises(standard.SSLError) as theirs:
        standard.SSLContext(standard.PROTOCOL_TLS_SERVER).load_cert_chain(path, path)
    with pytest.raises(standard.SSLError) as caught:
        ours.SSLContext(ours.PROTOCOL_TLS_SERVER).load_cert_chain(path, path)
    assert str(caught.value) == str(theirs.value)
    assert key


OPENSSL_NAMES = {
    NamedGroup.secp256r1: ("prime256v1", "secp256r1", "P-256"),
    NamedGroup.secp384r1: ("secp384r1", "P-384"),
    NamedGroup.secp521r1: ("secp521r1", "P-521"),
    NamedGroup.x25519: ("X25519",),
    NamedGroup.x448: ("X448",),
    NamedGroup.X25519MLKEM768: ("X25519MLKEM768",),
    NamedGroup.SecP256r1MLKEM768: ("SecP256r1MLKEM768",),
    NamedGroup.SecP384r1MLKEM1024: ("SecP384r1MLKEM1024",),
}


@pytest.mark.parametrize("group", supported_groups(), ids=lambda group: group.name)
def test_every_group_can_be_the_only_one(group):
    for name in OPENSSL_NAMES[group]:
        both = server_context(ours), client_context(ours)
        for context in both:
            context.set_ecdh_curve(name)
        memory = Memory(*both)
        assert memory.run(memory.client.do_handshake, memory.server.do_handshake) == [None, None]
        assert memory.client._sslobj._connection.established.group is group


@pytest.mark.parametrize("name", ["P-224", "MLKEM1024", "SecP384r1MLKEM768"])
def test_no_other_group_has_a_name(name):
    with pytest.raises(ValueError, match="unknown elliptic curve name"):
        client_context(ours).set_ecdh_curve(name)


def test_a_client_sends_a_share_of_one_ordinary_group():
    """The first one: who knows no hybrid needs no second round trip then."""
    assert config_for(client_context(ours), False).key_shares == 2


@pytest.mark.parametrize("spoil", [b" ", b":", b"-"], ids=repr)
def test_a_block_that_cannot_be_read(spoil):
    """OpenSSL ends at it, or passes over it; what it raises is raised, and nothing else."""
    good = Path(ca_file()).read_bytes()
    key = secret()[1]
    made = make_list(authority()).public_bytes(Encoding.PEM)
    for block in (made, Path(key).read_bytes(), good):
        start = block.index(b"\n")
        for at in range(start + 3, start + 9):
            data = good + block[:at] + spoil + block[at + 1 :] + good
            path = write("bad.pem", data)
            for arguments in ({"cadata": data.decode()}, {"cafile": path}):
                results = [loading(module, arguments) for module in (ours, standard)]
                assert results[0] == results[1], data[:at]


def loading(module: Any, arguments: dict[str, Any]) -> str:
    context = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
    return outcome(lambda: context.load_verify_locations(**arguments))
