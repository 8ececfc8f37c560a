"""Groups, signature algorithms and suites: what is chosen is in force, and told.

`set_groups` and its kin are the standard module's from Python 3.15 on, and ours in each; there
the scripts of `generated` hold both against each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postshake import AuthRequest, Credential
from postshake.constants import NamedGroup, SignatureScheme
from postshake.crypto.groups import supported_groups
from postshake.ssl.algorithms import groups_listed, schemes_listed, suites_listed
from tests.sslmodule.ends import Memory, ca_file, ours, server_context
from tests.sslmodule.scripts import certificate

VERSIONS = pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
NAMES = [group.name for group in supported_groups()]


def contexts(version: str = "TLSv1_3", kind: str = "rsa") -> tuple[Any, Any]:
    """A server's and a client's, whose keys fit several schemes."""
    server = ours.SSLContext(ours.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*certificate(kind))
    server.load_verify_locations(ca_file())
    client = ours.create_default_context(cafile=ca_file())
    client.load_cert_chain(*certificate("alice rsa"))
    client.maximum_version = getattr(ours.TLSVersion, version)
    return server, client


def shaken(server: Any, client: Any) -> Memory:
    return Memory(server, client).handshake()


def failure(server: Any, client: Any) -> tuple[str, str]:
    """The reasons that both ends give."""
    pair = Memory(server, client)
    outcomes = pair.run(pair.server.do_handshake, pair.client.do_handshake)
    return tuple(each.reason for each in outcomes)


# --- groups


@pytest.mark.parametrize("who", ["server", "client"])
@pytest.mark.parametrize("how", ["set_groups", "set_ecdh_curve"])
@pytest.mark.parametrize("name", NAMES)
def test_every_group_that_we_have_can_be_chosen(name, how, who):
    server, client = contexts()
    chosen = server if who == "server" else client
    getattr(chosen, how)(name)
    assert chosen.get_groups() == [name]
    pair = shaken(server, client)
    assert pair.client.group() == pair.server.group() == name


@VERSIONS
def test_no_group_in_common(version):
    server, client = contexts(version)
    server.set_groups("X448")
    client.set_groups("P-521")
    reasons = failure(server, client)
    assert reasons[0] == ("NO_SUITABLE_KEY_SHARE" if version == "TLSv1_3" else "NO_SHARED_CIPHER")
    assert reasons[1] == "SSLV3_ALERT_HANDSHAKE_FAILURE"


def test_groups_that_only_tls13_has_leave_no_tls12():
    _, client = contexts("TLSv1_2")
    client.set_groups("X25519MLKEM768")
    with pytest.raises(ours.SSLError, match="NO_CIPHERS_AVAILABLE"):
        client.wrap_bio(ours.MemoryBIO(), ours.MemoryBIO(), server_hostname="localhost")


def test_get_groups_tells_what_is_in_force():
    context = ours.SSLContext(ours.PROTOCOL_TLS_CLIENT)
    assert context.get_groups() == NAMES
    context.maximum_version = ours.TLSVersion.TLSv1_2
    assert context.get_groups() == [name for name in NAMES if "MLKEM" not in name]
    context.set_groups("x448:P-256")
    assert context.get_groups() == ["x448", "secp256r1"]
    assert context.get_groups(include_aliases=True) == ["x448", "secp256r1", "P-256", "prime256v1"]
    context.set_groups("DEFAULT")
    assert context.get_groups() == [name for name in NAMES if "MLKEM" not in name]


X25519, P256, P384 = NamedGroup.x25519, NamedGroup.secp256r1, NamedGroup.secp384r1


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("x25519", (X25519,)),
        ("X25519:p-256", (X25519, P256)),
        ("prime256v1:X25519:P-256", (P256, X25519)),
        ("*X25519/P-256:secp384r1", (X25519, P256, P384)),
        ("P-256 : X25519", (P256, X25519)),
        ("?foo:X25519", (X25519,)),
        ("brainpoolP256r1:X25519:ffdhe2048:sect163k1", (X25519,)),
        ("X25519:P-256:-X25519", (P256,)),
        ("DEFAULT", supported_groups()),
        ("P-384:DEFAULT", (P384, *(each for each in supported_groups() if each is not P384))),
        ("DEFAULT:-P-384", tuple(each for each in supported_groups() if each is not P384)),
    ],
)
def test_lists_of_groups(text, groups):
    assert groups_listed(text) == groups


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("foo", "unrecognized group 'foo'"),
        ("X25519:foo", "unrecognized group 'foo'"),
        (":X25519", "unrecognized group ''"),
        ("", "no group is left of ''"),
        ("?foo", "no group is left"),
        ("brainpoolP256r1", "no group is left of 'brainpoolP256r1' that postshake has"),
        ("P-256:-P-256", "no group is left"),
    ],
)
def test_lists_of_groups_that_will_not_do(text, why):
    context = ours.SSLContext(ours.PROTOCOL_TLS_CLIENT)
    context.set_groups("P-384")
    with pytest.raises(ours.SSLError, match=why):
        context.set_groups(text)
    assert context.get_groups() == ["secp384r1"]


# --- suites


@pytest.mark.parametrize("who", ["server", "client"])
@pytest.mark.parametrize(
    "name",
    ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"],
)
def test_every_suite_that_we_have_can_be_chosen(name, who):
    server, client = contexts()
    chosen = server if who == "server" else client
    chosen.set_ciphersuites(name)
    listed = [each["name"] for each in chosen.get_ciphers()]
    assert [each for each in listed if each.startswith("TLS_")] == [name]
    assert len(listed) > 1
    pair = shaken(server, client)
    assert pair.client.cipher()[0] == pair.server.cipher()[0] == name


def test_the_first_suite_is_the_favourite():
    server, client = contexts()
    server.set_ciphersuites("TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256")
    assert shaken(server, client).client.cipher()[0] == "TLS_CHACHA20_POLY1305_SHA256"


def test_no_suite_in_common():
    server, client = contexts()
    server.minimum_version = ours.TLSVersion.TLSv1_3
    server.set_ciphersuites("TLS_CHACHA20_POLY1305_SHA256")
    client.set_ciphersuites("TLS_AES_128_GCM_SHA256")
    assert failure(server, client) == ("NO_SHARED_CIPHER", "SSLV3_ALERT_HANDSHAKE_FAILURE")


def test_no_suite_for_the_highest_version():
    server, client = contexts()
    client.set_ciphersuites("")
    assert not [each for each in client.get_ciphers() if each["name"].startswith("TLS_")]
    client.maximum_version = ours.TLSVersion.TLSv1_2
    assert shaken(server, client).client.version() == "TLSv1.2"
    client.maximum_version = ours.TLSVersion.TLSv1_3
    with pytest.raises(ours.SSLError, match="NO_CIPHERS_AVAILABLE"):
        client.wrap_bio(ours.MemoryBIO(), ours.MemoryBIO(), server_hostname="localhost")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("foo", "No cipher suite can be selected"),
        ("tls_aes_128_gcm_sha256", "No cipher suite can be selected"),
        ("ECDHE-RSA-AES128-GCM-SHA256", "No cipher suite can be selected"),
        ("TLS_AES_128_CCM_SHA256", "no cipher suite is left .* that postshake has"),
    ],
)
def test_lists_of_suites_that_will_not_do(text, why):
    context = ours.SSLContext(ours.PROTOCOL_TLS_CLIENT)
    context.set_ciphersuites("TLS_AES_128_GCM_SHA256")
    with pytest.raises(ours.SSLError, match=why):
        context.set_ciphersuites(text)
    assert context.get_ciphers()[0]["name"] == "TLS_AES_128_GCM_SHA256"
    assert suites_listed("TLS_AES_256_GCM_SHA384:foo") == (0x1302,)


# --- signature algorithms


@VERSIONS
@pytest.mark.parametrize("who", ["server", "client"])
def test_what_servers_sign_by(who, version):
    server, client = contexts(version)
    chosen = server if who == "server" else client
    chosen.set_server_sigalgs("rsa_pss_rsae_sha384")
    pair = shaken(server, client)
    for end in (pair.server, pair.client):
        assert end.server_sigalg() == "rsa_pss_rsae_sha384"
        assert end.client_sigalg() is None


@VERSIONS
def test_nothing_that_servers_could_sign_by(version):
    server, client = contexts(version)
    server.set_server_sigalgs("rsa_pss_rsae_sha384")
    client.set_server_sigalgs("rsa_pss_rsae_sha256")
    tls13 = version == "TLSv1_3"
    reason = "NO_SUITABLE_SIGNATURE_ALGORITHM" if tls13 else "NO_SHARED_CIPHER"
    assert failure(server, client) == (reason, "SSLV3_ALERT_HANDSHAKE_FAILURE")


@VERSIONS
@pytest.mark.parametrize("who", ["server", "client"])
@pytest.mark.parametrize("how", ["set_client_sigalgs", "set_server_sigalgs"])
def test_what_clients_sign_by(how, who, version):
    server, client = contexts(version)
    server.verify_mode = ours.CERT_REQUIRED
    getattr(server if who == "server" else client, how)("rsa_pss_rsae_sha512:RSA+SHA512")
    pair = shaken(server, client)
    for end in (pair.server, pair.client):
        assert end.client_sigalg() == "rsa_pss_rsae_sha512"
        own = how == "set_server_sigalgs"  # which is for both, unless clients have their own
        assert end.server_sigalg() == ("rsa_pss_rsae_sha512" if own else "rsa_pss_rsae_sha256")


@VERSIONS
def test_clients_have_their_own_beside_what_servers_have(version):
    server, client = contexts(version)
    server.verify_mode = ours.CERT_REQUIRED
    client.set_server_sigalgs("rsa_pss_rsae_sha384")
    client.set_client_sigalgs("rsa_pss_rsae_sha512")
    pair = shaken(server, client)
    for end in (pair.server, pair.client):
        assert end.server_sigalg() == "rsa_pss_rsae_sha384"
        assert end.client_sigalg() == "rsa_pss_rsae_sha512"


@VERSIONS
def test_nothing_that_clients_could_sign_by(version):
    server, client = contexts(version)
    server.verify_mode = ours.CERT_REQUIRED
    server.set_client_sigalgs("rsa_pss_rsae_sha384")
    client.set_client_sigalgs("rsa_pss_rsae_sha256")
    pair = Memory(server, client)
    outcome, _ = pair.run(pair.server.do_handshake, pair.client.do_handshake)
    assert outcome.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE"


def test_only_what_tls12_signs_by_leaves_no_tls13():
    server, client = contexts()
    client.set_server_sigalgs("RSA+SHA256")
    pair = shaken(server, client)
    assert pair.client.version() == "TLSv1.2"
    assert pair.client.server_sigalg() == "rsa_pkcs1_sha256"


@pytest.mark.parametrize("chosen_by", ["the engine", "a callback"])
@pytest.mark.parametrize("who", ["server", "client"])
def test_what_clients_sign_by_in_reauth(who, chosen_by):
    server, client = contexts()
    server.verify_mode = ours.CERT_REQUIRED
    server.post_handshake_auth = client.post_handshake_auth = True
    if chosen_by == "a callback":
        alice = Credential.from_files(*certificate("alice rsa"))
        client.reauth_callback = lambda end, request: alice
    (server if who == "server" else client).set_client_sigalgs("rsa_pss_rsae_sha384")
    pair = shaken(server, client)
    assert pair.server.client_sigalg() is pair.client.client_sigalg() is None
    identity, _ = pair.run(pair.server.reauth, pair.idle)
    assert identity.common_name == "alice"
    assert identity.signature_scheme is SignatureScheme.rsa_pss_rsae_sha384
    assert pair.server.client_sigalg() == pair.client.client_sigalg() == "rsa_pss_rsae_sha384"


def test_a_request_may_still_ask_for_something_else_but_the_client_keeps_to_its_own():
    server, client = contexts()
    server.verify_mode = ours.CERT_REQUIRED
    server.post_handshake_auth = client.post_handshake_auth = True
    client.set_client_sigalgs("rsa_pss_rsae_sha384")
    pair = shaken(server, client)
    asked = AuthRequest(signature_algorithms=(SignatureScheme.rsa_pss_rsae_sha256,), required=False)
    declined, _ = pair.run(lambda: pair.server.reauth(request=asked), pair.idle)
    assert declined is None


@VERSIONS
def test_nobody_signs_when_a_session_is_resumed(version):
    server, client = contexts(version)
    pair = shaken(server, client)
    pair.server.write(b"x")
    pair.move()
    assert pair.client.read(1) == b"x"
    again = Memory(server, client)
    again.client.session = pair.client.session
    again.handshake()
    assert again.client.session_reused
    for end in (again.client, again.server):
        assert end.server_sigalg() is end.client_sigalg() is None


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("ed25519", ["ed25519"]),
        ("ED25519:Ed448", ["ed25519", "ed448"]),
        ("RSA+SHA256:ECDSA+SHA384", ["rsa_pkcs1_sha256", "ecdsa_secp384r1_sha384"]),
        ("PSS+SHA256:rsa-pss+sha512", ["rsa_pss_rsae_sha256", "rsa_pss_rsae_sha512"]),
        ("rsa_pss_pss_sha256:?foo:ed25519", ["rsa_pss_pss_sha256", "ed25519"]),
        ("RSA+SHA1:dsa_sha256:ed25519:ecdsa_brainpoolP256r1tls13_sha256", ["ed25519"]),
        ("ed25519:ed25519", ["ed25519"]),
    ],
)
def test_lists_of_signature_algorithms(text, names):
    assert [scheme.name for scheme in schemes_listed(text)] == names


@pytest.mark.parametrize("how", ["set_client_sigalgs", "set_server_sigalgs"])
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("foo", "unrecognized signature algorithm 'foo'"),
        ("ed25519:foo", "unrecognized signature algorithm 'foo'"),
        ("ed25519:", "unrecognized signature algorithm ''"),
        ("", "no signature algorithm is left"),
        ("RSA+SHA1", "no signature algorithm is left of 'RSA.SHA1' that postshake has"),
    ],
)
def test_lists_of_signature_algorithms_that_will_not_do(text, why, how):
    context = ours.SSLContext(ours.PROTOCOL_TLS_CLIENT)
    with pytest.raises(ours.SSLError, match=why):
        getattr(context, how)(text)


def test_get_sigalgs_tells_what_can_be_chosen():
    names = ours.get_sigalgs()
    assert {"ed25519", "rsa_pss_rsae_sha256", "rsa_pkcs1_sha256"} <= set(names)
    assert [scheme.name for scheme in schemes_listed(":".join(names))] == names


# --- in common


@pytest.mark.parametrize(
    "how", ["set_groups", "set_ciphersuites", "set_client_sigalgs", "set_server_sigalgs"]
)
@pytest.mark.parametrize(
    ("text", "kind"), [(5, TypeError), (b"x25519", TypeError), (None, TypeError)]
)
def test_what_is_no_text(how, text, kind):
    context = ours.SSLContext(ours.PROTOCOL_TLS_CLIENT)
    with pytest.raises(kind, match="argument must be str, not"):
        getattr(context, how)(text)
    with pytest.raises(ValueError, match="embedded null character"):
        getattr(context, how)("x25519\0")


READERS: list[Callable[[str], tuple[Any, ...]]] = [groups_listed, schemes_listed, suites_listed]


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
@given(text=st.text(st.sampled_from(":/?*-+ xX25519P6RSADEFULT_"), max_size=30))
def test_any_text_is_read_or_refused(read, text):
    try:
        found = read(text)
    except ours.SSLError:
        return
    assert len(found) == len(set(found))


# --- security levels


@pytest.mark.parametrize("who", ["server", "client"])
@pytest.mark.parametrize("level", [0, 1, 2, 3, 4, 5])
def test_a_security_level_holds_for_what_is_negotiated(level, who):
    server, client = contexts(kind="good")
    chosen = server if who == "server" else client
    chosen.set_ciphers(f"DEFAULT:@SECLEVEL={level}")
    bits = {3: 128, 4: 192, 5: 256}.get(level, 112)
    assert all(each["strength_bits"] >= bits for each in chosen.get_ciphers())
    weak = {"x25519": 128, "secp256r1": 128, "secp384r1": 192, "X25519MLKEM768": 192}
    assert not [name for name in chosen.get_groups() if weak.get(name, 256) < bits]
    if level > 3:  # the server's key is on P-256, whoever looks at it
        assert {failure(server, client)[0]} <= {
            "NO_SUITABLE_SIGNATURE_ALGORITHM", "SSLV3_ALERT_HANDSHAKE_FAILURE",
        }  # fmt: skip
    else:
        assert shaken(server, client).client.cipher()[2] >= bits


@pytest.mark.parametrize(
    ("kind", "level", "code"),
    [("rsa", 2, None), ("rsa", 3, 66), ("good", 3, None), ("p384", 3, None), ("p384", 4, 68)],
)
def test_a_security_level_holds_for_the_peer_s_chain(kind, level, code):
    """The test authority's key is on P-256: 128 bits."""
    server, client = contexts(kind=kind)
    client.set_ciphers(f"DEFAULT:@SECLEVEL={level}")
    pair = Memory(server, client)
    outcome, _ = pair.run(pair.client.do_handshake, pair.server.do_handshake)
    assert getattr(outcome, "verify_code", None) == code


def test_a_refused_list_of_ciphers_leaves_the_level_as_it_was():
    context = server_context(ours)
    level = context.security_level
    with pytest.raises(ours.SSLError, match="No cipher"):
        context.set_ciphers("AES128-SHA:@SECLEVEL=5")
    assert context.security_level == level
