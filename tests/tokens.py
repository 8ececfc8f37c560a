"""A SoftHSM2 token with keys in it, one for each test process."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.certs import CA, Issued

__all__ = ["LABEL", "MODULES", "PIN", "Token", "needs_softhsm", "token"]

LABEL, PIN = "postshake tests", "1234"
MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)


def module() -> str | None:
    """The library of SoftHSM2, if it is there."""
    return next((path for path in MODULES if Path(path).exists()), None)


needs_softhsm = pytest.mark.skipif(
    not (module() and shutil.which("softhsm2-util"))
    and not os.environ.get("POSTSHAKE_REQUIRE_PEERS"),
    reason="no SoftHSM2",
)


class Token:
    """Where it is, and what was put into it."""

    def __init__(self) -> None:
        found = module()
        assert found, f"SoftHSM2 is in none of {MODULES}"
        self.module = found
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
        command = ["softhsm2-util", *arguments]
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
