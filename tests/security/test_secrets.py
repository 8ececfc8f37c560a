"""Secrets stay out of text, and a peer's words are only words.

No `repr`, exception or trace shows a key, a secret or a password. The key log, which does, is
off unless it is asked for. Files with secrets are made for their owner alone. Texts of
errors and lines of logs have no control characters and at most 1000 characters, whatever a peer
sends; and whatever its certificate makes `cryptography` raise or warn of is a CertificateError,
also where warnings are errors.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import stat
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

import postshake.session as gnutls
import postshake.ssl as ours
from postshake import ClientAuth, Connection, ProtocolVersion, UsageError
from postshake.cli.arguments import key_log
from postshake.cli.connection_report import ConnectionReport
from postshake.cli.log import Log
from postshake.cli.main import main
from postshake.cli.trace import show
from postshake.constants import Role
from postshake.drive.answers import find_answer_now
from postshake.errors import CertificateError, MissingExtension, PostshakeError, TLSError
from postshake.events import ReauthCompleted
from postshake.pki.trust import ChainVerifier
from postshake.recording import FORMAT, Recording
from postshake.recording.html import html_page
from postshake.ssl.verifier import ContextVerifier
from postshake.text import LONGEST
from postshake.wire.extensions import (
    ApplicationLayerProtocolNegotiation,
    Extensions,
    KeyShareClientHello,
    ServerName,
    SignatureAlgorithms,
    SupportedGroups,
    SupportedVersionsClientHello,
)
from postshake.wire.handshake import decode_handshake, encode_handshake
from postshake.wire.hello import ClientHello
from tests.certs import CA, Issued, peer, reseal
from tests.pair import ConnectionPair, client_config, server_config, the_ca
from tests.session.ends import Pair, Setup
from tests.sslmodule.ends import Memory, client_context, server_context
from tests.tls12 import BOTH

ESCAPE = "\x1b]0;owned\x07\r\n2026-01-01 INFO all is well \u202e\x00"
UNSAFE = {"\x1b", "\x07", "\r", "\n", "\x00", "\u202e"}


def assert_words(text: str, most: int = LONGEST + 60) -> None:
    """What a log may take: one line of a bearable length that steers no terminal."""
    assert not UNSAFE & set(text), text
    assert len(text) <= most


# --- files


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def ssl_key_log(path: Path) -> None:
    context = client_context(ours)
    context.keylog_filename = str(path)
    Memory(server_context(ours), context).handshake()


def cli_key_log(path: Path) -> None:
    key_log(str(path))("CLIENT_RANDOM 00 00")


def recording(path: Path) -> None:
    Recording(Role.client).save(path)


@pytest.mark.skipif(os.name != "posix", reason="other systems have other permissions")
@pytest.mark.parametrize("make", [ssl_key_log, cli_key_log, recording])
def test_files_of_secrets_are_their_owners(make, tmp_path):
    before = os.umask(0)
    try:
        path = tmp_path / "made"
        make(path)
        assert path.stat().st_size
        assert mode_of(path) == 0o600
        shared = tmp_path / "shared"
        shared.touch(mode=0o640)
        make(shared)  # somebody wants it read
        assert mode_of(shared) == 0o640
    finally:
        os.umask(before)


@pytest.mark.skipif(os.name != "posix", reason="other systems have other permissions")
def test_keys_that_the_command_line_makes_are_their_owners(tmp_path, capsys):
    before = os.umask(0)
    try:
        assert main(["certs", str(tmp_path), "--client", "alice"]) == 0
    finally:
        os.umask(before)
    keys = [path for path in tmp_path.iterdir() if path.suffix in (".key", ".p12")]
    assert len(keys) >= 3
    assert {mode_of(path) for path in keys} == {0o600}


def test_a_recording_has_no_secrets(tmp_path):
    secrets: list[str] = []
    client, server = Recording(Role.client), Recording(Role.server)
    pair = ConnectionPair(
        client_config("alice", keylog=secrets.append, trace=client.trace),
        server_config(keylog=secrets.append, trace=server.trace, tickets=1),
    ).handshake()
    assert pair.reauth().identity is not None
    assert len(secrets) >= 8
    for each in (client, server):
        told = each.dump() + html_page(each, "title")
        assert "CertificateRequest" in told
        for line in secrets:
            assert line.split()[2] not in told


# --- what a peer's lists do to our errors


def hello(**options: Any) -> ClientHello:
    """An honest client's ClientHello."""
    client = Connection(client_config(**options), "server.example")
    client.start()
    raw = client.data_to_send()
    message = decode_handshake(raw[5], raw[9 : 5 + int.from_bytes(raw[3:5], "big")])
    assert isinstance(message, ClientHello)
    return message


def with_extension(message: ClientHello, *changed: Any) -> ClientHello:
    kinds = {type(each) for each in changed}
    kept = [each for each in message.extensions if type(each) not in kinds]
    return replace(message, extensions=Extensions((*changed, *kept)))


def without(message: ClientHello, kind: type) -> ClientHello:
    kept = tuple(each for each in message.extensions if type(each) is not kind)
    return replace(message, extensions=Extensions(kept))


def refusal(message: ClientHello, **fields: Any) -> PostshakeError:
    """What a server says to a ClientHello that it refuses."""
    raw = encode_handshake(message)
    records = b"".join(
        b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part
        for part in (raw[at : at + 16384] for at in range(0, len(raw), 16384))
    )
    server = Connection(server_config(**fields))
    try:
        server.receive_data(records)
        while (question := server.next_question()) is not None:
            server.answer(question.id, find_answer_now(question.subject))
    except TLSError as error:
        return error
    raise AssertionError("it was not refused")


MANY = tuple(range(0x2000, 0x2000 + 30000))
LONG_LISTS: dict[str, Callable[[], PostshakeError]] = {
    "cipher suites": lambda: refusal(replace(hello(), cipher_suites=MANY)),
    "cipher suites, TLS 1.2": lambda: refusal(
        replace(without(hello(versions=BOTH), SupportedVersionsClientHello), cipher_suites=MANY),
        versions=BOTH,
    ),
    "groups": lambda: refusal(
        with_extension(hello(), SupportedGroups(MANY), KeyShareClientHello(()))
    ),
    "groups, TLS 1.2": lambda: refusal(
        with_extension(
            without(hello(versions=BOTH), SupportedVersionsClientHello), SupportedGroups(MANY)
        ),
        versions=BOTH,
    ),
    "signature schemes": lambda: refusal(with_extension(hello(), SignatureAlgorithms(MANY))),
    "signature schemes, TLS 1.2": lambda: refusal(
        with_extension(
            without(hello(versions=BOTH), SupportedVersionsClientHello), SignatureAlgorithms(MANY)
        ),
        versions=BOTH,
    ),
    "versions": lambda: refusal(
        with_extension(hello(), SupportedVersionsClientHello(tuple(range(0x7000, 0x7000 + 120))))
    ),
    "application protocols": lambda: refusal(
        with_extension(hello(), ApplicationLayerProtocolNegotiation((b"\x1b\r\n" * 80,) * 200)),
        alpn_protocols=(b"http/1.1",),
    ),
    "server name": lambda: refusal(
        with_extension(hello(), ServerName("a" * 60000 + ".example")), refuse_unknown_names=True
    ),
}


@pytest.mark.parametrize("what", LONG_LISTS)
def test_errors_are_bounded_however_long_the_peers_lists(what):
    error = LONG_LISTS[what]()
    assert_words(str(error))
    assert all(len(each) <= LONGEST for each in error.args if isinstance(each, str))


def test_lists_are_named_by_their_first():
    """What is short enough to read is all there; of the rest the number."""
    error = str(refusal(replace(hello(), cipher_suites=(0xC02B, 0x9999))))
    assert error.endswith("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, 0x9999")
    error = str(LONG_LISTS["cipher suites"]())
    assert "0x2000, 0x2001, " in error
    assert f"and {len(MANY) - 8} more" in error


def test_extensions_that_are_missing():
    class Wanted:
        """Nobody sends it."""

    with pytest.raises(MissingExtension) as caught:
        hello().extensions.require(Wanted)  # type: ignore[type-var]
    assert_words(str(caught.value))


@given(st.text(max_size=40), st.integers(min_value=1, max_value=200))
def test_errors_say_one_line_whatever_they_are_told(text, times):
    for kind in (TLSError, UsageError, CertificateError, PostshakeError):
        error = kind(text * times + ESCAPE)
        assert_words(str(error))
        assert_words(repr(error.args), 4 * LONGEST)
    told = gnutls.SessionError(gnutls.E_CERTIFICATE_ERROR, text * times + ESCAPE)
    assert_words(str(told), LONGEST + 200)
    assert_words(told.detail)


# --- logs


def test_lines_of_the_command_line_are_lines(capsys):
    for as_json in (False, True):
        log = Log(as_json=as_json)
        log(f"GET {ESCAPE} 200", 1)
        log("x" * 10**6)
        lines = capsys.readouterr().out.split("\n")
        assert len(lines) == 3
        for line in lines:
            assert_words(line, LONGEST + 200)
        teller = ConnectionReport(as_json=as_json)
        teller.say("trouble", f"it said {ESCAPE}" + "x" * 10**6)
        said = capsys.readouterr().err.split("\n")
        assert len(said) == 2
        if not as_json:
            assert_words(said[0], LONGEST + 200)
        else:
            json.loads(said[0])
            assert not UNSAFE & set(said[0])


def strange(**options: Any) -> Issued:
    """A certificate whose names are what a terminal would obey."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        subject = x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, ESCAPE + "x" * 500, _validate=False)]
        )
        return CA("Somebody else").issue(subject=subject, **options)


@pytest.mark.filterwarnings("ignore:Attribute's length")
def test_a_refused_certificates_names_are_words():
    with pytest.raises(CertificateError) as caught:
        the_ca().verifier().verify(peer(strange()))
    assert_words(str(caught.value))
    pair = ConnectionPair(
        client_config(credentials=(strange().credential(),)), server_config()
    ).handshake()
    completed = pair.reauth()
    assert isinstance(completed, ReauthCompleted)
    assert completed.error is not None
    assert_words(str(completed.error))


# --- certificates that make cryptography warn, or raise what is no ValueError


COUNTRIES = itertools.count(100)


def country() -> Issued:
    """A country of three letters, never the same: cryptography warns when the name is read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text = f"{next(COUNTRIES)}"
        attribute = x509.NameAttribute(NameOID.COUNTRY_NAME, text, _validate=False)
        return the_ca().issue(
            subject=x509.Name([attribute]), purpose="both", dns=["server.example"]
        )


def negative_serial() -> Issued:
    """A serial number below zero: it warns when the certificate is parsed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = the_ca().issue("alice", purpose="both", dns=["server.example"], serial_number=0x1234)
        key = the_ca().private_key
        sealed = reseal(made.certificate, key, b"\x02\x02\x12\x34", b"\x02\x02\x92\x34")
        return Issued(sealed, made.private_key)


WARNING = {"country": country, "serial number": negative_serial}
every_warning = pytest.mark.parametrize("make", WARNING.values(), ids=WARNING)


def loosely(call: Callable[[], Any]) -> Any:
    """Call it where warnings are passed over."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call()


def strictly(call: Callable[[], Any]) -> Any:
    """Call it where warnings are errors, as with ``python -W error``."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return call()


VERIFIERS: dict[str, Callable[[], Any]] = {
    "engine": lambda: ChainVerifier(the_ca().trust()),
    "drop-in": lambda: ContextVerifier([the_ca().der], [], 0, common_names=True),
    "drop-in, strict": lambda: ContextVerifier([the_ca().der], [], 0x20, common_names=True),
}


@every_warning
@pytest.mark.parametrize("verifier", VERIFIERS)
@pytest.mark.parametrize("role", list(Role), ids=lambda role: role.name)
def test_a_warning_is_a_refusal_where_warnings_are_errors(verifier, role, make):
    judge, asked = VERIFIERS[verifier](), peer(make(), role)
    with pytest.raises(CertificateError):
        strictly(lambda: judge.verify(asked))
    loosely(lambda: judge.verify(asked))  # nothing else is wrong with it


def minding(end: Any) -> None:
    """Let warnings be errors for one end of a pair."""
    settle, receive = end.settle, end.receive
    end.settle = lambda: strictly(settle)
    end.receive = lambda data: strictly(lambda: receive(data))


@every_warning
@pytest.mark.parametrize("version", [ProtocolVersion.TLS13, ProtocolVersion.TLS12])
@pytest.mark.parametrize("judge", ["client", "server"])
def test_a_handshake(version, judge, make):
    made = make()
    credentials = {"credentials": (loosely(made.credential),)}
    pair = ConnectionPair(
        client_config(versions=(version,), **(credentials if judge == "server" else {})),
        server_config(
            versions=(version,),
            client_auth=ClientAuth.REQUEST,
            **(credentials if judge == "client" else {}),
        ),
    )
    end = getattr(pair, judge)
    minding(end)
    pair.client.connection.start()
    pair.server.connection.start()
    loosely(pair.move)
    assert isinstance(end.error, CertificateError), end.error
    assert end.connection.peer_identity is None


@every_warning
def test_a_step_up(make):
    pair = ConnectionPair(
        client_config(credentials=(loosely(make().credential),)), server_config()
    ).handshake()
    pair.ask()
    minding(pair.server)
    loosely(pair.answer_all)
    loosely(pair.move)
    refused = [each.error for each in pair.server.of(ReauthCompleted)] or [pair.server.error]
    assert isinstance(refused[0], CertificateError), refused
    assert pair.server.connection.peer_identity is None


@every_warning
def test_a_session(make):
    made = make()
    pair = loosely(lambda: Pair("ours-ours", Setup(certificates=[made]), Setup(trust=[the_ca()])))
    loosely(pair.handshake)
    pair.server.verify_by_itself()
    pair.server.request(gnutls.CERT_REQUIRE)
    loosely(pair.ask)
    _, server = loosely(lambda: pair.run(pair.client.reauth, lambda: strictly(pair.server.reauth)))
    # the first where it cannot even be parsed
    assert server in (gnutls.E_CERTIFICATE_ERROR, gnutls.E_CERTIFICATE_VERIFICATION_ERROR)
    assert pair.server.leaf() is None


@every_warning
def test_the_drop_in(make, tmp_path):
    made = make()
    (tmp_path / "ca.crt").write_bytes(the_ca().pem())
    client = ours.SSLContext(ours.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(tmp_path / "ca.crt")
    server = ours.SSLContext(ours.PROTOCOL_TLS_SERVER)
    loosely(lambda: server.use_credential(made.credential()))
    memory = Memory(server, client, "server.example")
    refused, _ = loosely(
        lambda: memory.run(lambda: strictly(memory.client.do_handshake), memory.server.do_handshake)
    )
    assert isinstance(refused, ours.SSLError), refused
    assert isinstance(refused.__cause__, CertificateError)


# --- recordings with odd fields


FIRST = json.dumps({"format": FORMAT, "role": "client", "left_out": 0})
LINES = [
    '{"t": 1, "what": "x", "size": "5"}',
    '{"t": 1, "what": 5}',
    '{"t": NaN, "what": "x"}',
    '{"t": Infinity, "what": "x"}',
    '{"t": true, "what": "x"}',
    '{"t": 1, "what": "x", "size": -1}',
    '{"t": 1, "what": "x", "size": 1e999}',
    '{"t": 1, "what": "x", "size": ' + "9" * 5000 + "}",
    '{"t": 1, "what": "x", "fields": 5}',
    '{"t": 1, "what": "x", "fields": [5]}',
    '{"t": 1, "what": "x", "fields": [["a"]]}',
    '{"t": 1, "what": "x", "epoch": ["x"]}',
    '{"t": 1, "identity": []}',
    '{"t": 1, "settled": 5}',
    '{"t": 1, "outcome": {}}',
    '{"t": 1, "context": 5, "outcome": "x"}',
    "[" * 100_000,
    '{"t": 1, "x": ' + "[" * 100_000 + "}",
    "5",
    "",
    "\x00",
]


@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_recordings_with_odd_lines(line, tmp_path):
    with pytest.raises(UsageError):
        Recording.parse([FIRST, line])
    path = tmp_path / "odd"
    path.write_text(f"{FIRST}\n{line}\n", encoding="utf-8")
    with pytest.raises(UsageError):
        Recording.load(path)


@pytest.mark.parametrize(
    "first",
    [
        '{"format": "%s", "role": "client", "left_out": Infinity}',
        '{"format": "%s", "role": "client", "left_out": "x"}',
        '{"format": "%s", "role": ["client"]}',
        '{"format": "%s", "role": "nobody"}',
        '{"format": "%s"}',
        "[" * 100_000,
    ],
    ids=range(6),
)
def test_recordings_with_an_odd_first_line(first):
    with pytest.raises(UsageError):
        Recording.parse([first.replace("%s", FORMAT)])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
keys = st.sampled_from(
    [
        "t",
        "from",
        "what",
        "size",
        "epoch",
        "detail",
        "context",
        "outcome",
        "fields",
        "settled",
        "identity",
        "x",
    ]
)


@given(st.lists(st.dictionaries(keys, json_values, max_size=8), max_size=4))
def test_whatever_is_read_as_a_recording_can_be_shown(lines):
    try:
        read = Recording.parse([FIRST, *(json.dumps({"t": 0} | line) for line in lines)])
    except UsageError:
        return
    out = io.StringIO()
    show(read, out, fields=True)
    html_page(read, "title")
    assert not {"\x1b", "\x07", "\x00"} & set(out.getvalue())
