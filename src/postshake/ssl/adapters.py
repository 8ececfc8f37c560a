"""What a context is given, as the engine wants it: passwords, a key log, callbacks for keys."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ..private_file import open_private
from ..resumption.external_psk import ExternalPsk

__all__ = ["KeyLogFile", "PasswordCallback", "PskCallback"]


class PasswordCallback:
    """A password, or who to ask for it: once, however often it is needed."""

    def __init__(self, password: Any) -> None:
        self._password = password
        self.value: Any = password if not callable(password) else None
        if isinstance(self.value, bytearray):
            self.value = bytes(self.value)

    def __call__(self) -> Any:
        """Ask."""
        self.value = self._password()
        if isinstance(self.value, bytearray):
            self.value = bytes(self.value)
        return self.value

    def once(self) -> Any:
        """Return the password, asking only if nobody did so far."""
        return self() if self.value is None and callable(self._password) else self.value


class KeyLogFile:
    """Appends lines to a file, one at a time."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()

    def __call__(self, line: str) -> None:
        """Append a line."""
        with self._lock, open_private(self._path, "a", encoding="ascii") as file:
            file.write(f"{line}\n")


class PskCallback:
    """Finds keys by asking a callback."""

    def __init__(self, callback: Callable[..., Any]) -> None:
        self._callback = callback

    def find(self, identity: bytes) -> ExternalPsk | None:
        """Find the key of an identity; only text can be one."""
        try:
            name = identity.decode()
        except UnicodeDecodeError:
            return None
        key = self._callback(name)
        return ExternalPsk(identity, bytes(key)) if key else None
