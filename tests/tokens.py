"""A SoftHSM2 token with keys in it, one for each test process."""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.certs import CA, Issued
from tests.requirements import require

__all__ = ["LABEL", "PIN", "Token", "needs_softhsm", "token"]

LABEL, PIN = "postshake tests", "1234"

needs_softhsm = pytest.mark.needs("softhsm2-util", "libsofthsm2.so")


class Token:
    """Where it is, and what was put into it."""

    def __init__(self) -> None:
        self.module = require("libsofthsm2.so")
        self.ca = CA("Token CA")
        self.folder = Path(tempfile.mkdtemp(prefix="postshake-token-"))
        self._keys = 0
        (self.folder / "tokens").mkdir()
        configuration = self.folder / "softhsm2.conf"
        configuration.write_text(
            f"directories.tokendir = {self.folder / 'tokens'}\nobjectstore.backend = file\n"
        )
        os.environ["SOFTHSM2_CONF"] = str(configuration)  # read when the library is loaded
        self.run("--init-token", "--free", "--label", LABEL, "--pin", PIN, "--so-pin", "5678")

    def run(self, *arguments: str) -> None:
        command = [require("softhsm2-util"), *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    def keep(self, label: str, issued: Issued) -> str:
        """Put a key into the token; return its URI, without the PIN."""
        self._keys += 1
        file = self.folder / f"{self._keys}.key"
        file.write_bytes(issued.key_pem())
        name = f"{self._keys:02x}"
        options = ("--label", label, "--id", name, "--pin", PIN)
        self.run("--import", str(file), "--token", LABEL, *options)
        file.unlink()
        return f"pkcs11:token={LABEL.replace(' ', '%20')};id=%{name};type=private"


@functools.cache
def token() -> Token:
    """This process's token."""
    return Token()
