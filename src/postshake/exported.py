"""Exported authenticators: proofs for a connection that travel outside of it (RFC 9261).

Where the protocol above forbids reauth, as HTTP/2 does, or somebody else carries the words:

    server = ExportedAuthenticators(connection)            # on both ends
    request = server.request(AuthRequest(authorities=...))
    ...                                                    # request.data to the client
    answer = client.authenticate(data, credential)
    ...                                                    # answer to the server
    identity = server.validate(request.context, answer)

Both ends can ask. A client says which server it expects, as it does when it connects, and the
server's certificate is held against that name:

    request = client.request(server_name="b.example")

The connection itself is not changed: `Connection.peer_identity`, tickets and all else know
nothing of it, and an authenticator that is wrong does it no harm. No known peer speaks this;
ours are held against the RFC.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable
from inspect import isawaitable
from typing import Any, TypeVar, cast

from ._dataclass import dataclass, field
from .config import AuthRequest, ClientConfig, ServerConfig
from .connection import Connection
from .drive.answers import find_answer, find_answer_now
from .errors import (
    CertificateRequired,
    IllegalParameter,
    InternalError,
    TooMuch,
    UsageError,
    present,
    require,
)
from .pki.choose import choose_credential, choose_server_credential
from .pki.credential import Credential
from .pki.identity import Identity
from .pki.names import normalize_server_name
from .protocol.flow import Ask, Flow
from .protocol.proofs import identify
from .protocol.tls13.authenticate import apply_request_policy
from .protocol.tls13.certificate_request import make_certificate_request, wanted_by, wanted_for
from .protocol.tls13.exported_authenticator import (
    REQUESTS,
    Claim,
    Proven,
    exported_keys,
    read_authenticator,
    read_request,
    write_authenticator,
)
from .questions import Refused
from .wire.extensions import Extension, Extensions, ServerName
from .wire.handshake import encode_handshake

__all__ = ["AsyncExportedAuthenticators", "ExportedAuthenticators", "ExportedRequest"]

CONTEXT_LENGTH = 32
MOST = 4096  # requests answered in one connection: each context is good for one

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ExportedRequest:
    """A request for the other end."""

    context: bytes
    """Names it, for `validate`."""
    data: bytes = field(repr=False)
    """What the other end gives to `authenticate`."""


@dataclass(frozen=True, slots=True)
class _Open:
    claim: Claim
    policy: AuthRequest
    until: float | None
    server_name: str | None


class _Exported:
    """What both kinds have in common.

    Args:
        connection: established, and of TLS 1.3, or of TLS 1.2 with an extended master secret.

    Raises:
        UsageError: it is none of these.
    """

    def __init__(self, connection: Connection) -> None:
        established = connection.established
        if established is None:
            raise UsageError("the handshake is not complete")
        self._connection = connection
        suite = established.suite
        self._own, self._peers = (
            exported_keys(connection.export, suite.hash_name, suite.hash_length, role)
            for role in (connection.role, connection.role.peer)
        )
        self._open: dict[bytes, _Open] = {}
        self._spent: set[bytes] = set()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._connection!r}, {len(self._open)} requests open>"

    def request(
        self, policy: AuthRequest | None = None, *, server_name: str | None = None
    ) -> ExportedRequest:
        """Make a request (section 4); of the policy, ``on_refusal`` has no meaning here.

        Args:
            policy: what to ask for, and who judges the answer.
            server_name: client: the host name or address that the server's certificate must
                be for. The server is told a host name, so that it can choose. It may be
                left out only if ``config.check_server_name`` is off: then whoever has any
                certificate from a trusted authority will do.

        Raises:
            UsageError: nobody could judge the answer, the context was used before, the
                request cannot be written, or `server_name` is missing, is no name, or was
                given to a server.
            TooMuch: too many requests are open.
        """
        policy = policy or AuthRequest()
        config = self._connection.config
        self._check_name(server_name)
        if policy.verifier is None and config.verifier is None:
            raise UsageError("nobody is there to judge the answer: give a verifier")
        if len(self._open) >= config.limits.outstanding_requests:
            raise TooMuch(f"{len(self._open)} requests are unanswered, which is the limit")
        context = config.random(CONTEXT_LENGTH) if policy.context is None else policy.context
        if context in self._spent or context in self._open:
            raise UsageError("this context was used before in this connection")
        wanted = wanted_for(policy, config)
        try:
            plain = make_certificate_request(context, wanted, request_ocsp=policy.request_ocsp)
            extensions = _with_name(plain.extensions, server_name)
            message = REQUESTS[self._connection.role](context, extensions)
            raw = encode_handshake(message)
        except InternalError as error:  # a list too long for its length, say
            raise UsageError(f"this request cannot be written: {error}") from error
        until = None if policy.within is None else config.clock() + policy.within
        self._open[context] = _Open(Claim(message, raw), policy, until, server_name)
        return ExportedRequest(context, raw)

    def _check_name(self, server_name: str | None) -> None:
        config = self._connection.config
        if server_name is not None:
            if not isinstance(config, ClientConfig):
                raise UsageError("server_name is for clients: a client's certificate has no host")
            normalize_server_name(server_name)
        elif isinstance(config, ClientConfig) and config.check_server_name:
            raise UsageError(
                "a client needs a server_name to hold the certificate against, "
                "or config.check_server_name=False"
            )

    def cancel(self, context: bytes) -> None:
        """Give a request up."""
        self._open.pop(context, None)

    def context_of(self, data: bytes) -> bytes:
        """Return the context of a request of the peer's (section 7.2).

        Raises:
            PeerError: it is none.
        """
        return self._read(data).message.certificate_request_context

    def _read(self, data: bytes) -> Claim:
        connection = self._connection
        return read_request(data, connection.role.peer, connection.config.limits)

    def _answer(self, data: bytes, credential: Credential | None, choose: bool) -> Flow[bytes]:
        claim = self._read(data)
        context = claim.message.certificate_request_context
        if context in self._spent or context in self._open:
            raise IllegalParameter("authenticator request: its context was used before")
        if len(self._spent) >= MOST:
            raise TooMuch(f"authenticator requests: expected at most {MOST} in a connection")
        self._spent.add(context)  # now: a signature may take long, and nobody may begin another
        try:
            if choose:
                credential = self._choose(claim)
            return (yield from write_authenticator(self._own, claim, credential))
        except BaseException:
            self._spent.discard(context)  # nothing was answered
            raise

    def _choose(self, claim: Claim) -> Credential | None:
        config = self._connection.config
        wanted = wanted_by(claim.message)
        if isinstance(config, ServerConfig):
            asked = claim.message.extensions.get(ServerName)
            established = self._connection.established
            name = established.server_name if established is not None else None
            if asked is not None:
                name = asked.host_name
            return choose_server_credential(config.credentials, name, wanted)
        return choose_credential(config.credentials, wanted)

    def _judge(self, context: bytes, data: bytes) -> Flow[Identity | None]:
        connection = self._connection
        config = connection.config
        opened = self._open.get(context)
        if opened is None:
            raise UsageError("this context names no open request")
        if opened.until is not None and config.clock() > opened.until:
            del self._open[context]
            raise TimeoutError(f"no answer within {opened.policy.within} seconds")
        policy = opened.policy
        verifier = present(policy.verifier or config.verifier, "verifier")  # `request` saw to it
        proven = yield from read_authenticator(
            self._peers,
            opened.claim,
            data,
            connection.role.peer,
            config,
            verifier,
            opened.server_name,
            policy.policies,
        )
        if self._open.get(context) is not opened:
            raise UsageError("this request was settled or cancelled meanwhile")
        del self._open[context]
        self._spent.add(context)
        return self._conclude(opened, proven)

    def _conclude(self, opened: _Open, proven: Proven | None) -> Identity | None:
        if proven is None:
            if opened.policy.required:
                raise CertificateRequired("asked for a certificate, got none")
            return None
        wanted = wanted_for(opened.policy, self._connection.config)
        verdict = apply_request_policy(proven.verdict, opened.policy, wanted, proven.signed)
        if isinstance(verdict, Refused):
            raise verdict.error.without_traceback()
        context = opened.claim.message.certificate_request_context
        return identify(proven.signed, proven.proof, verdict, proven.at, context)


def _with_name(extensions: Extensions, server_name: str | None) -> Extensions:
    """Add the server's name to a request, where it is a host's (RFC 6066 section 3)."""
    if server_name is None:
        return extensions
    host, is_address = normalize_server_name(server_name)
    if is_address:
        return extensions
    whole: list[Extension] = [*extensions, ServerName(host)]
    return Extensions(tuple(whole))


class _Choose:
    """Stands for a credential that is to be chosen."""


_CHOOSE = _Choose()


class ExportedAuthenticators(_Exported):
    """The exported authenticators of one connection, made and validated (RFC 9261)."""

    def authenticate(self, data: bytes, credential: Credential | _Choose | None = _CHOOSE) -> bytes:
        """Answer a request of the peer's (section 7.3).

        Args:
            data: the request.
            credential: what to prove; None declines. Left out, the configuration's first
                that fits is taken.

        Returns:
            What the peer gives to `validate`.

        Raises:
            PeerError: it is no request, or its context was used before.
            Exception: the signer's own; nothing was answered then.
        """
        choose = isinstance(credential, _Choose)
        chosen = cast("Credential | None", None if choose else credential)
        return _run(self._answer(data, chosen, choose))

    def validate(self, context: bytes, data: bytes) -> Identity | None:
        """Say who the peer has proven to be (section 7.4).

        Args:
            context: of the request that it answers.
            data: the answer.

        Returns:
            Whom it has proven to be; None if it declined, and was free to.

        Raises:
            CertificateError: its certificate is refused, or cannot be read; or it declined,
                and must not.
            PeerError: it is no answer to this request on this connection. The request
                is open as before.
            TimeoutError: the request's time is up.
            UsageError: no open request has this context.
        """
        return _run(self._judge(context, data))


class AsyncExportedAuthenticators(_Exported):
    """The same, with signers and verifiers that may be coroutines."""

    async def authenticate(
        self, data: bytes, credential: Credential | _Choose | None = _CHOOSE
    ) -> bytes:
        """Answer a request of the peer's; see `ExportedAuthenticators.authenticate`."""
        choose = isinstance(credential, _Choose)
        chosen = cast("Credential | None", None if choose else credential)
        return await _run_async(self._answer(data, chosen, choose))

    async def validate(self, context: bytes, data: bytes) -> Identity | None:
        """Say who the peer has proven to be; see `ExportedAuthenticators.validate`."""
        return await _run_async(self._judge(context, data))


def _run(flow: Flow[T]) -> T:
    found: Any = None
    with contextlib.closing(flow):  # whoever fails to answer ends it
        while True:
            try:
                step = flow.send(found)
            except StopIteration as stop:
                return cast("T", stop.value)
            # nothing comes in but what was given
            found = find_answer_now(require(Ask, step).subject)
            if isinstance(found, Exception):
                try:
                    raise found
                finally:
                    del found  # whose traceback has this frame


async def _run_async(flow: Flow[T]) -> T:
    found: Any = None
    with contextlib.closing(flow):
        while True:
            try:
                step = flow.send(found)
            except StopIteration as stop:
                return cast("T", stop.value)
            found = find_answer(require(Ask, step).subject)
            if isawaitable(found):
                found = await cast("Awaitable[object]", found)
