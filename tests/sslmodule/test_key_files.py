"""Private keys in files, as `load_cert_chain` takes them: held against the standard module."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.certs import CA, Issued
from tests.sslmodule.ends import MODULES, ours, standard
from tests.vectors import encrypted_keys

ROOT = CA("Root")
EC = ROOT.issue("localhost", purpose="server", key=load_pem_private_key(encrypted_keys.PLAIN, None))
RSA = ROOT.issue("localhost", purpose="server", key_type="rsa2048")
ENCRYPTED = encrypted_keys.PKCS8 | encrypted_keys.TRADITIONAL


def labelled(label: str, issued: Issued) -> bytes:
    text = base64.encodebytes(issued.key_der()).decode()
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n".encode()


KEYS: dict[str, tuple[Issued, bytes]] = {
    "RSA, PKCS #8 under its older label": (RSA, labelled("RSA PRIVATE KEY", RSA)),
    "EC, PKCS #8 under its older label": (EC, labelled("EC PRIVATE KEY", EC)),
    "as it should be": (EC, labelled("PRIVATE KEY", EC)),
    "no key": (EC, labelled("PUBLIC KEY", EC)),
    **{name: (EC, data) for name, data in ENCRYPTED.items()},
}


def load(module: Any, case: str, folder: Path, password: str) -> Any:
    issued, key = KEYS[case]
    (folder / "own.crt").write_bytes(issued.pem())
    (folder / "own.key").write_bytes(key)
    context = module.SSLContext(module.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(folder / "own.crt", folder / "own.key", password)
    except standard.SSLError as error:
        return type(error), error.reason
    return "loaded"


@pytest.mark.parametrize("password", ["geheim", "falsch"])
@pytest.mark.parametrize("case", KEYS)
def test_it_is_what_the_standard_module_does(case: str, password: str, tmp_path: Path) -> None:
    theirs, found = (load(module, case, tmp_path, password) for module in (standard, ours))
    if case.startswith("aria") and theirs == "loaded":
        assert found == (standard.SSLError, "UNKNOWN_CERTIFICATE_TYPE")
    elif case.startswith("aria"):  # whatever the password: nobody here tries it
        assert found[0] is standard.SSLError
    else:
        assert found == theirs


def test_aria_is_named(tmp_path: Path) -> None:
    (tmp_path / "own.crt").write_bytes(EC.pem())
    (tmp_path / "own.key").write_bytes(encrypted_keys.PKCS8["aria-256-cbc"])
    context = MODULES["ours"].SSLContext(ours.PROTOCOL_TLS_SERVER)
    with pytest.raises(standard.SSLError, match="ARIA-256-CBC"):
        context.load_cert_chain(tmp_path / "own.crt", tmp_path / "own.key", "geheim")
