"""Small scripts that either module can play, and what came of each step.

A script says how two contexts are set and then what their ends do, as words:

    Script("early", {"alpn": ("h2",)}, {"name": "localhost"}, ("shake", "c:write 5", "s:read 10"))

It is played over memory, so the same bytes go the same ways each time. What comes of a step is a
short text: a result, or an exception's class with its reason or code. Two modules behave alike
if the texts are the same.
"""

from __future__ import annotations

import hashlib
import ssl as standard
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from cryptography import x509

from tests.certs import CA, Issued, key_usage
from tests.sslmodule.ends import authority, ca_file, folder, kept

__all__ = ["CERTIFICATES", "Script", "certificate", "context_for", "play", "told"]


@dataclass(frozen=True)
class Script:
    """Two contexts, and what their ends do."""

    name: str
    server: dict[str, Any] = field(default_factory=dict)
    client: dict[str, Any] = field(default_factory=dict)
    steps: tuple[str, ...] = ("shake", "facts", *("c:read 1", "s:read 1"))

    def __str__(self) -> str:
        return self.name


# --- certificates, by what is the matter with them


@kept
def _intermediate() -> CA:
    return authority().intermediate("Between")


def _self_signed(**options: Any) -> Issued:
    ca = CA("Alone", ca=False, usage=key_usage("digital_signature"), **options)
    return Issued(ca.certificate, ca.private_key)


def _without_intermediate(**options: Any) -> Issued:
    return Issued(*_two(_intermediate().issue("localhost", **options)))


def _two(issued: Issued) -> tuple[x509.Certificate, Any]:
    return issued.certificate, issued.private_key


SERVER = {"purpose": "server"}
CLIENT = {"purpose": "client"}
CERTIFICATES: dict[str, Callable[[], Issued]] = {
    "good": lambda: authority().issue("localhost", **SERVER),
    "rsa": lambda: authority().issue("localhost", key_type="rsa2048", **SERVER),
    "p384": lambda: authority().issue("localhost", key_type="p384", **SERVER),
    "ed25519": lambda: authority().issue("localhost", key_type="ed25519", **SERVER),
    "other": lambda: authority().issue("other.example", **SERVER),
    "expired": lambda: authority().issue("localhost", expired=True, **SERVER),
    "not yet": lambda: authority().issue("localhost", not_yet_valid=True, **SERVER),
    "unknown": lambda: authority("Another CA").issue("localhost", **SERVER),
    "alone": lambda: _self_signed(dns=("localhost",), purpose="server"),
    "purpose": lambda: authority().issue("localhost", dns=("localhost",), purpose="client"),
    "any purpose": lambda: authority().issue("localhost", dns=("localhost",), purpose=None),
    "below": lambda: _intermediate().issue("localhost", **SERVER),
    "gap": lambda: _without_intermediate(**SERVER),
    "wildcard": lambda: authority().issue("*.example.org", **SERVER),
    "names": lambda: authority().issue(
        "a.example", dns=("a.example", "b.example"), ip=("127.0.0.1", "::1"), purpose="server"
    ),
    "common": lambda: authority().issue(
        "localhost", dns=("localhost",), san=False, purpose="server"
    ),
    "alice": lambda: authority().issue("alice", **CLIENT),
    "alice rsa": lambda: authority().issue("alice", key_type="rsa2048", **CLIENT),
    "alice named": lambda: authority().issue("alice", email=("alice@example.org",), **CLIENT),
    "alice expired": lambda: authority().issue("alice", expired=True, **CLIENT),
    "alice not yet": lambda: authority().issue("alice", not_yet_valid=True, **CLIENT),
    "alice unknown": lambda: authority("Another CA").issue("alice", **CLIENT),
    "alice alone": lambda: _self_signed(purpose="client"),
    "alice purpose": lambda: authority().issue("alice", dns=("alice",), purpose="server"),
    "alice below": lambda: _intermediate().issue("alice", **CLIENT),
    "alice gap": lambda: _without_intermediate(**CLIENT),
}


@kept
def certificate(kind: str) -> tuple[str, str]:
    """The files of a certificate of this kind, and of its key."""
    return CERTIFICATES[kind]().write(
        Path(folder()), f"script-{kind.replace(' ', '-').replace('*', 'star')}"
    )


# --- contexts


def context_for(
    module: Any, server_side: bool, settings: dict[str, Any], told_names: list[Any]
) -> Any:
    """Make a context with these settings."""
    protocol = module.PROTOCOL_TLS_SERVER if server_side else module.PROTOCOL_TLS_CLIENT
    context = module.SSLContext(protocol)
    context.check_hostname = settings.get("check", not server_side)
    context.verify_mode = getattr(
        module, "CERT_" + settings.get("verify", "NONE" if server_side else "REQUIRED")
    )
    shown = settings.get("shows", "good" if server_side else None)
    if shown is not None:
        for each in shown if isinstance(shown, tuple) else (shown,):
            context.load_cert_chain(*certificate(each))
    trusted = settings.get("trusts", "Test CA")
    if trusted is not None:
        context.load_verify_locations(ca_file(trusted))
    low, high = settings.get("versions", (None, None))
    if low is not None:
        context.minimum_version = getattr(module.TLSVersion, low)
    if high is not None:
        context.maximum_version = getattr(module.TLSVersion, high)
    for option in settings.get("options", ()):
        context.options |= getattr(module, option)
    for option in settings.get("no options", ()):
        context.options &= ~getattr(module, option)
    if "alpn" in settings:
        context.set_alpn_protocols(list(settings["alpn"]))
    if "ciphers" in settings:
        context.set_ciphers(settings["ciphers"])
    for setting, method in {
        "groups": "set_groups",
        "suites": "set_ciphersuites",
        "server schemes": "set_server_sigalgs",
        "client schemes": "set_client_sigalgs",
    }.items():
        if setting in settings:
            getattr(context, method)(settings[setting])
    if "curve" in settings:
        context.set_ecdh_curve(settings["curve"])
    if "tickets" in settings:
        context.num_tickets = settings["tickets"]
    if "common names" in settings:
        context.hostname_checks_common_name = settings["common names"]
    for flag in settings.get("flags", ()):
        context.verify_flags |= getattr(module, flag)
    context.post_handshake_auth = settings.get("later", False)
    if "sni" in settings:
        context.sni_callback = _sni(module, settings, told_names)
    return context


def _sni(module: Any, settings: dict[str, Any], told_names: list[Any]) -> Callable[..., Any]:
    answer = settings["sni"]

    def callback(end: Any, name: str | None, context: Any) -> Any:
        told_names.append(name)
        if answer == "raises":
            raise ValueError("on purpose")
        if isinstance(answer, dict):
            end.context = context_for(module, True, answer, [])
            return None
        return answer

    return callback


# --- playing


def play(script: Script, server: Any, client: Any) -> list[str]:
    """Play a script, with one module as the server and perhaps another as the client."""
    return _Stage(script, server, client).play()


class _Stage:
    def __init__(self, script: Script, server: Any, client: Any) -> None:
        self.script = script
        self.modules = {"s": server, "c": client}
        self.names: list[Any] = []
        self.outcomes: list[str] = []
        self.contexts: dict[str, Any] = {}
        self.session: Any = None

    def play(self) -> list[str]:
        for end, settings in (("s", self.script.server), ("c", self.script.client)):
            module = self.modules[end]
            made = _made(partial(context_for, module, end == "s", settings, self.names))
            if isinstance(made, Exception):
                return [f"{end} context: {told(made)}"]
            self.contexts[end] = made
        failure = self.connect()
        if failure is not None:
            return [failure]
        for step in self.script.steps:
            self.outcomes += [f"{step}: {outcome}" for outcome in self.step(step)]
        if "sni" in self.script.server:
            self.outcomes.append(f"asked for {self.names}")
        return self.outcomes

    def connect(self) -> str | None:
        """Begin a connection, which may resume the one before."""
        self.incoming = {end: standard.MemoryBIO() for end in "sc"}
        self.outgoing = {end: standard.MemoryBIO() for end in "sc"}
        self.lost = {"s": False, "c": False}
        self.over = {"s": False, "c": False}
        try:
            self.ends = {
                "s": self.contexts["s"].wrap_bio(
                    self.incoming["s"], self.outgoing["s"], server_side=True
                ),
                "c": self.contexts["c"].wrap_bio(
                    self.incoming["c"],
                    self.outgoing["c"],
                    server_hostname=self.script.client.get("name", "localhost"),
                    session=self.session,
                ),
            }
        except Exception as error:
            return f"connect: {told(error)}"
        return None

    def move(self) -> bool:
        moved = False
        for source, target in (("c", "s"), ("s", "c")):
            data = self.outgoing[source].read()
            if data and not self.lost[target]:
                self.incoming[target].write(data)
                moved = True
        return moved

    def step(self, step: str) -> list[str]:
        end, colon, words = step.rpartition(":")
        if not colon:
            return list(getattr(self, f"all_{words}")())
        verb, *arguments = words.split()
        numbers = [int(each) for each in arguments]
        try:
            outcome = getattr(self, f"do_{verb}")(end, *numbers)
        except Exception as error:
            outcome = error
        self.move()
        return [self.tell(end, outcome, verb)]

    def tell(self, end: str, outcome: Any, verb: str = "") -> str:
        """Say what came of a step; of an end that had failed before, only that it is over.

        OpenSSL says one thing or another then, as its queue of errors has it.
        """
        nothing = isinstance(outcome, standard.SSLError) or outcome in (b"", 0)
        if self.over[end] and (nothing or verb in ("version", "certificate", "session")):
            return "over"
        self.over[end] |= isinstance(outcome, standard.SSLError) and not isinstance(
            outcome,
            (standard.SSLWantReadError, standard.SSLWantWriteError, standard.SSLZeroReturnError),
        )
        return told(outcome)

    # --- steps of both ends

    def all_shake(self) -> list[str]:
        results: dict[str, str] = {}
        for _ in range(20):
            for end in "cs":
                if end not in results:
                    try:
                        self.ends[end].do_handshake()
                        results[end] = "done"
                    except standard.SSLWantReadError:
                        pass
                    except Exception as error:
                        results[end] = self.tell(end, error)
            if not self.move():
                break
        return [f"{end} {results.get(end, 'waits')}" for end in "cs"]

    def all_facts(self) -> list[str]:
        return [
            f"{end} {fact}" for end in "cs" for fact in ([] if self.over[end] else self.facts(end))
        ]

    def facts(self, which: str) -> list[str]:
        end = self.ends[which]
        calls: dict[str, Callable[[], Any]] = {
            "version": end.version,
            "alpn": end.selected_alpn_protocol,
            "reused": lambda: end.session_reused,
            "side": lambda: end.server_side,
            "name": lambda: end.server_hostname,
            "compression": end.compression,
            "pending": end.pending,
            "certificate": end.getpeercert,
            "binary": lambda: end.getpeercert(True),
            "bits": lambda: end.cipher() and end.cipher()[1],
        }
        return [f"{name} {told(_made(call))}" for name, call in calls.items()]

    def all_again(self) -> list[str]:
        """Connect once more, with the session of before."""
        self.session = self.ends["c"].session
        failure = self.connect()
        return [failure or "connected"]

    def all_cipher(self) -> list[str]:
        return [f"{end} {told(_made(self.ends[end].cipher))}" for end in "cs"]

    def all_algorithms(self) -> list[str]:
        return [
            f"{end} {name} {told(_made(getattr(self.ends[end], name)))}"
            for end in "cs"
            for name in ([] if self.over[end] else ["group", "server_sigalg", "client_sigalg"])
        ]

    def all_binding(self) -> list[str]:
        both = [_made(self.ends[end].get_channel_binding) for end in "cs"]
        if isinstance(both[0], bytes):
            return [f"{len(both[0])} bytes, {'the same' if both[0] == both[1] else 'not the same'}"]
        return [told(each) for each in both]

    # --- steps of one

    def do_write(self, end: str, size: int) -> Any:
        return self.ends[end].write(bytes(size))

    def do_read(self, end: str, size: int) -> Any:
        data = self.ends[end].read(size)
        return data if len(data) < 20 else f"{len(data)} bytes"

    def do_all(self, end: str, size: int) -> Any:
        """Read until there is nothing left, in pieces of at most `size`."""
        total = 0
        try:
            while data := self.ends[end].read(size):
                total += len(data)
        except Exception as error:
            if not total:
                raise
            self.tell(end, error)
            return f"{total} bytes, then {told(error)}"
        return f"{total} bytes, then the end" if total else b""

    def do_into(self, end: str, size: int, buffer: int) -> Any:
        space = bytearray(buffer)
        return self.ends[end].read(size, space)

    def do_pending(self, end: str) -> Any:
        return self.ends[end].pending()

    def do_unwrap(self, end: str) -> Any:
        return self.ends[end].unwrap()

    def do_shake(self, end: str) -> Any:
        return self.ends[end].do_handshake()

    def do_ask(self, end: str) -> Any:
        return self.ends[end].verify_client_post_handshake()

    def do_eof(self, end: str) -> Any:
        """The transport to this end says that nothing more will come."""
        self.move()
        self.lost[end] = True
        self.incoming[end].write_eof()

    def do_noise(self, end: str, size: int) -> Any:
        """Something comes that is no record of the peer's."""
        self.incoming[end].write(b"\x17\x03\x03\x00\x20" + bytes(size))

    def do_text(self, end: str) -> Any:
        """Something comes that is no TLS at all."""
        self.incoming[end].write(
            b"GET / HTTP/1.1\r\n\r\n" if end == "s" else b"220 hello, here is smtp\r\n"
        )

    def do_certificate(self, end: str) -> Any:
        return self.ends[end].getpeercert()

    def do_version(self, end: str) -> Any:
        return self.ends[end].version()

    def do_session(self, end: str) -> Any:
        session = self.ends[end].session
        return session is not None and session.has_ticket


def _made(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:
        return error


def told(outcome: Any) -> str:
    """Say what came of a step, in a way that is the same each time."""
    match outcome:
        case standard.SSLCertVerificationError():
            return f"SSLCertVerificationError {outcome.verify_code}"
        case standard.SSLError():
            reason = getattr(outcome, "reason", None)
            return f"{type(outcome).__name__} {reason}".removesuffix(" None")
        case BaseException():
            return type(outcome).__name__
        case bytes() if len(outcome) > 20:
            return hashlib.sha256(outcome).hexdigest()[:8]
        case _:
            return repr(outcome)
