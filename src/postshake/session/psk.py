"""Pre-shared keys of a session: one for a client, or whom to ask (§2.2)."""

from __future__ import annotations

import binascii
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import UsageError
from ..resumption.external_psk import ExternalPsk, PskLookup
from . import codes
from . import constants as c
from .errors import SessionError, translate

__all__ = ["PskClientFunction", "PskCredentials", "PskServerFunction"]

MAX_FILE = 16 * 1024 * 1024

PskClientFunction: TypeAlias = Callable[[Any], tuple[bytes, bytes]]
"""Called with the Session; returns the identity and the key."""
PskServerFunction: TypeAlias = Callable[[Any, bytes], bytes | None]
"""Called with the Session and an identity; returns its key, None for an unknown one. May
raise `Again`, and is then asked again."""


class PskCredentials:
    """Pre-shared keys; one object may serve many sessions.

    A key must be secret and have at least 16 bytes of full entropy: no password
    (RFC 9257). Priorities must allow it: ``NORMAL:+ECDHE-PSK``, which is the default
    of a session that has these credentials and no priorities.

    Args:
        hash_name: the hash that the keys may be used with (§4.2.11).
    """

    def __init__(self, hash_name: str = "sha256") -> None:
        self.hash_name = hash_name
        self.client_function: PskClientFunction | None = None
        self.server_function: PskServerFunction | None = None
        self.hint = b""
        self._psk: tuple[bytes, bytes] | None = None
        self._from_file: dict[bytes, bytes] = {}

    @property
    def identity(self) -> bytes | None:
        """The identity that `set_psk` named."""
        return self._psk[0] if self._psk is not None else None

    def set_psk(
        self, identity: bytes | str, key: bytes | str, key_format: int = c.PSK_KEY_RAW
    ) -> None:
        """Use this identity and key; on a server, accept them.

        Args:
            identity: names the key; it is sent in the clear.
            key: the key; hexadecimal digits of it with PSK_KEY_HEX.
            key_format: PSK_KEY_RAW or PSK_KEY_HEX.

        Raises:
            SessionError: E_INVALID_REQUEST, when it is too short, or no hexadecimal.
        """
        name = identity.encode() if isinstance(identity, str) else identity
        secret = key.encode() if isinstance(key, str) else key
        if key_format == c.PSK_KEY_HEX:
            try:
                secret = binascii.unhexlify(secret)
            except binascii.Error:
                raise SessionError(codes.E_PARSING_ERROR, "the key is not hexadecimal") from None
        self._external(name, secret)
        self._psk = (name, secret)

    def set_server_credentials_file(self, path: str | os.PathLike[str]) -> None:
        """Server: accept the identities in a file of psktool's, ``identity:hexadecimal``.

        An identity that begins with ``#`` is hexadecimal too.

        Raises:
            SessionError: E_FILE_ERROR, E_PARSING_ERROR, or as in `set_psk`.
        """
        try:
            if os.stat(path).st_size > MAX_FILE:
                raise SessionError(codes.E_FILE_ERROR, f"{path} has more than {MAX_FILE} bytes")
            lines = Path(path).read_bytes().splitlines()
        except OSError as error:
            raise SessionError(codes.E_FILE_ERROR, str(error)) from error
        found: dict[bytes, bytes] = {}
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            name, colon, digits = line.strip().rpartition(b":")
            try:
                identity = binascii.unhexlify(name[1:]) if name.startswith(b"#") else name
                key = binascii.unhexlify(digits)
            except binascii.Error:
                colon = b""
            if not colon:
                raise SessionError(
                    codes.E_PARSING_ERROR, f"{path}:{number}: expected identity:hexadecimal"
                )
            self._external(identity, key)
            found[identity] = key
        self._from_file = found

    def set_server_credentials_hint(self, hint: bytes | str | None) -> None:
        """Server, TLS 1.2: tell clients which of their keys is meant (RFC 4279 section 2).

        Args:
            hint: what it is, which is between the two ends; it is sent in the clear.
        """
        self.hint = hint.encode() if isinstance(hint, str) else hint or b""

    def set_client_function(self, function: PskClientFunction | None) -> None:
        """Client: ask this function for identity and key, as the handshake begins.

        In TLS 1.2 it is asked again if the server gives a hint, which
        `Session.psk_client_get_hint` tells then.
        """
        self.client_function = function

    def set_server_function(self, function: PskServerFunction | None) -> None:
        """Server: ask this function for the key of an identity that is not known otherwise.

        The identity is what a stranger sent, and nothing is proven yet.
        """
        self.server_function = function

    def __repr__(self) -> str:
        return f"PskCredentials(identity={self.identity!r})"

    # --- for a session, which the functions get

    def offers(self, session: object) -> tuple[ExternalPsk, ...]:
        """Return what a client offers."""
        psk = self.client_function(session) if self.client_function is not None else self._psk
        return (self._external(*psk),) if psk is not None else ()

    @property
    def serves(self) -> bool:
        """Whether a server can know any identity."""
        return bool(self._psk or self._from_file or self.server_function)

    def lookup_for(self, handle: Callable[[], object]) -> PskLookup:
        """Return where a server's engine finds keys; `handle` returns the session."""
        return _Lookup(self, handle)

    def find(self, session: object, identity: bytes) -> ExternalPsk | None:
        """Find the key of an identity."""
        key = self._from_file.get(identity)
        if key is None and self._psk is not None and self._psk[0] == identity:
            key = self._psk[1]
        if key is None and self.server_function is not None:
            key = self.server_function(session, identity)
        return self._external(identity, key) if key is not None else None

    def _external(self, identity: bytes, key: bytes) -> ExternalPsk:
        try:
            return ExternalPsk(identity, key, self.hash_name)
        except UsageError as error:
            raise translate(error) from None


class _Lookup:
    """The keys of one session."""

    __slots__ = ("_credentials", "_handle")

    def __init__(self, credentials: PskCredentials, handle: Callable[[], object]) -> None:
        self._credentials = credentials
        self._handle = handle

    def find(self, identity: bytes) -> ExternalPsk | None:
        return self._credentials.find(self._handle(), identity)
