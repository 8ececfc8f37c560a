"""The keys of a server that seal its tickets: AES-256-GCM, and their rotation (§4.6.1)."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ..errors import UsageError

__all__ = ["TicketKeys", "TicketSealer"]

KEY_LENGTH = 32
NAME_LENGTH = 16
SALT_LENGTH = 32
NONCE = bytes(12)  # each sealing has a key of its own


class TicketKeys:
    """The keys that seal a server's tickets; shared by its connections, and threads.

    The first key seals, all of them open. Without keys of yours it makes its own and
    replaces them, so that old tickets cannot be opened for ever. Several processes
    or machines that accept each other's tickets share keys; then it is on you to
    bring a fresh one now and then, with `rotate`.

    Args:
        keys: secrets of at least 32 bytes; the newest first.
        rotate_after: seconds for which a key of its own making seals.
        keep: how many keys are kept, the newest one included. A key of its own
            making opens for ``keep * rotate_after`` seconds.
    """

    __slots__ = ("_given", "_made", "_next", "keep", "rotate_after")

    def __init__(
        self, keys: Iterable[bytes] = (), *, rotate_after: float = 12 * 3600, keep: int = 4
    ) -> None:
        if keep < 1 or rotate_after <= 0:
            raise UsageError("TicketKeys: keep and rotate_after must be more than 0")
        self.rotate_after = rotate_after
        self.keep = keep
        # Replaced whole, never edited: other threads may be reading them. What the owner gives
        # and what we make stand apart, so that a connection that makes one undoes no `rotate`.
        self._given: tuple[_Key, ...] = tuple(_Key(key) for key in keys)
        self._made: tuple[_Key, ...] = ()
        self._next: dict[bytes, _Key] = {}  # what came after a key of ours, by its name

    def __repr__(self) -> str:
        names = ", ".join(key.name[:4].hex() for key in self._all())
        return f"TicketKeys({names or 'none yet'})"

    def _all(self) -> tuple[_Key, ...]:
        """The keys that open, the one that seals first."""
        return (*self._given, *self._made)[: self.keep] if self._given else self._made

    def rotate(self, key: bytes) -> None:
        """Seal with this key from now on; the oldest one is forgotten if there are too many."""
        self._given = (_Key(key), *self._given)[: self.keep]

    def seal(self, plaintext: bytes, now: float, random: Callable[[int], bytes]) -> bytes:
        """Make a ticket of a state (§4.6.1)."""
        keys = self._given or self._made
        if not keys or (keys[0].made_at is not None and now - keys[0].made_at >= self.rotate_after):
            keys = self._made = self._renewed(keys, now, random)
        return keys[0].seal(plaintext, random(SALT_LENGTH))

    def _renewed(
        self, keys: tuple[_Key, ...], now: float, random: Callable[[int], bytes]
    ) -> tuple[_Key, ...]:
        """Put a new key first. Of threads that do so at once, one makes it, by one atomic call."""
        before = keys[0].name if keys else b""
        fresh = self._next.setdefault(before, _Key(random(KEY_LENGTH), now))
        for each in keys[1:]:
            self._next.pop(each.name, None)
        return (fresh, *keys)[: self.keep]

    def open(self, ticket: bytes, now: float) -> bytes | None:
        """Return what was sealed; None if the ticket is not from here, or too old."""
        for key in self._all():
            if ticket.startswith(key.name):
                if key.made_at is not None and now - key.made_at >= self.rotate_after * self.keep:
                    return None
                return key.open(ticket)
        return None


class _Key:
    """One key. Each ticket is sealed with a key of its own that is derived from it."""

    __slots__ = ("_secret", "made_at", "name")

    def __init__(self, secret: bytes, made_at: float | None = None) -> None:
        if len(secret) < KEY_LENGTH:
            raise UsageError(f"a ticket key has at least {KEY_LENGTH} bytes, not {len(secret)}")
        self._secret = hmac.digest(secret, b"postshake ticket sealing", "sha256")
        self.name = hmac.digest(secret, b"postshake ticket name", "sha256")[:NAME_LENGTH]
        self.made_at = made_at
        """When it was made; None for an owner's, who replaces it."""

    def seal(self, plaintext: bytes, salt: bytes) -> bytes:
        """Seal; the salt must not be used twice."""
        header = self.name + salt
        return header + self._aead(salt).encrypt(NONCE, plaintext, header)

    def open(self, ticket: bytes) -> bytes | None:
        """Open what bears our name."""
        header, sealed = ticket[: NAME_LENGTH + SALT_LENGTH], ticket[NAME_LENGTH + SALT_LENGTH :]
        try:
            return self._aead(header[NAME_LENGTH:]).decrypt(NONCE, sealed, header)
        except InvalidTag:
            return None

    def _aead(self, salt: bytes) -> AESGCM:
        return AESGCM(hmac.digest(self._secret, salt, "sha256"))


class TicketSealer(Protocol):
    """What seals a server's sessions into tickets, and opens them (RFC 5077 section 4)."""

    def seal(self, plaintext: bytes, now: float, random: Callable[[int], bytes]) -> bytes:
        """Make a ticket of these bytes, which nobody else can read or change."""
        ...

    def open(self, ticket: bytes, now: float) -> bytes | None:
        """Return what was sealed; None if the ticket is not from here, or too old."""
        ...
