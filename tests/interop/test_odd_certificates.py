"""Certificates with something odd: taken and refused as OpenSSL and GnuTLS do, but for a list."""

from __future__ import annotations

import ssl as standard
import subprocess
import warnings
from pathlib import Path
from typing import Any

import pytest

import postshake.ssl as ours
from postshake import Credential
from tests import odd_certificates as odd
from tests.requirements import require
from tests.sslmodule.ends import Memory, ca_file, files

ODDITIES = pytest.mark.parametrize("name", odd.ODDITIES)


@ODDITIES
def test_like_openssl(name: str) -> None:
    path = odd.write(odd.ODDITIES[name])
    they_take, we_take = takes(standard, path), takes(ours, path)
    assert (they_take == we_take) is (name not in odd.NOT_LIKE_OPENSSL), (they_take, we_take)


@ODDITIES
def test_like_gnutls(name: str, tmp_path: Path) -> None:
    path = odd.write(odd.ODDITIES[name])
    they_take, we_take = certtool_takes(path, tmp_path), takes(ours, path)
    if name in odd.LATELY_LIKE_GNUTLS:
        assert not we_take
    else:
        assert (they_take == we_take) is (name not in odd.NOT_LIKE_GNUTLS), (they_take, we_take)


def test_no_reason_is_given_for_nothing() -> None:
    assert odd.NOT_LIKE_OPENSSL.keys() | odd.NOT_LIKE_GNUTLS.keys() <= odd.ODDITIES.keys()


def takes(module: Any, path: list[bytes]) -> bool:
    """Whether a server of this module takes a client for whom this path speaks."""
    server = module.SSLContext(module.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*files())
    server.load_verify_locations(cadata=standard.DER_cert_to_PEM_cert(path[-1]))
    server.verify_mode = module.CERT_REQUIRED
    client = ours.create_default_context(cafile=ca_file())
    client.use_credential(unchecked(path[:-1]))
    ends = Memory(server, client)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of serial numbers
        failed = ends.run(ends.client.do_handshake, ends.server.do_handshake)[1]
    # what else goes wrong is no answer
    assert failed is None or isinstance(failed, standard.SSLError)
    assert failed is None or "ALERT" not in str(failed)
    return failed is None


def unchecked(chain: list[bytes]) -> Credential:
    """A credential that shows any bytes at all: others would refuse to load many of these."""
    key = odd.keys()[0]
    credential = Credential.from_der(odd.write(odd.ODDITIES["nothing"])[:1], key)
    leaf, schemes = credential.leaf, credential.schemes
    seen = {
        "leaf": leaf,
        "certificates": (leaf,) * len(chain),
        "schemes": schemes,
        "schemes12": credential.schemes12,
        "pss_key": credential.pss_key,
        "key_usage": credential.key_usage,
    }
    credential.__dict__.update(seen)  # so that nobody looks at the chain
    object.__setattr__(credential, "chain", tuple(chain))
    return credential


def certtool_takes(path: list[bytes], folder: Path) -> bool:
    """Whether GnuTLS's program finds a path good for a client."""
    anchor, chain = folder / "ca.pem", folder / "chain.pem"
    anchor.write_text(standard.DER_cert_to_PEM_cert(path[-1]))
    chain.write_text("".join(map(standard.DER_cert_to_PEM_cert, path[:-1])))
    done = subprocess.run(
        [
            require("certtool"),
            "--verify",
            f"--load-ca-certificate={anchor}",
            f"--infile={chain}",
            "--verify-purpose=1.3.6.1.5.5.7.3.2",
        ],
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode == 0
