"""What `import postshake` loads, and when."""

from __future__ import annotations

import subprocess
import sys

import pytest

import postshake
import postshake._api


def run(code: str) -> str:
    """Run code in a process that has imported nothing yet."""
    paths = repr([path for path in sys.path if path])
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.path[:0] = {paths}\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


LOADED = "print(*sorted(name for name in sys.modules if name.startswith(('postshake', 'crypto'))))"


def test_the_import_alone_loads_nothing():
    assert run(f"import postshake\n{LOADED}") == "postshake"


@pytest.mark.parametrize(
    "code",
    [
        "import postshake; print(postshake.Connection.__name__)",
        "from postshake import Connection; print(Connection.__name__)",
        "from postshake import *; print(Connection.__name__)",
        "import postshake; print(postshake.connection.Connection.__name__)",
        "import postshake.connection; print(postshake.Connection.__name__)",
        "import postshake.session; import postshake; print(postshake.Connection.__name__)",
        "from postshake.protocol import flow; from postshake import Connection as C\n"
        "print(C.__name__)",
    ],
)
def test_a_name_loads_what_it_needs(code):
    assert run(code) == "Connection"


def test_every_public_name_is_there():
    assert postshake.__all__ == postshake._api.__all__
    for name in postshake.__all__:
        assert getattr(postshake, name) is getattr(postshake._api, name)
    assert set(postshake.__all__) <= set(dir(postshake))


@pytest.mark.parametrize("name", ["nothing", "_nothing", "__nothing__"])
def test_no_other_name_is(name):
    with pytest.raises(AttributeError, match=f"'postshake' has no attribute '{name}'"):
        getattr(postshake, name)


OPTIONAL = ("anyio", "brotli", "certifi", "cheroot", "hypercorn", "pkcs11", "starlette", "uvicorn")
OPTIONAL_LOADED = (
    f"print(*sorted({{name.partition('.')[0] for name in sys.modules}} & {{*{OPTIONAL!r}}}))"
)
# Python 3.14 has its own, which its shutil imports
ZSTD_LOADED = "print(*{'backports.zstd'} & sys.modules.keys())"
ZLIB = "from postshake.constants import CertificateCompressionAlgorithm as Algorithm\n"
SIGN = """
import asyncio
from cryptography.hazmat.primitives.asymmetric import ed25519
from postshake.constants import SignatureScheme
from postshake.signers.threaded import ThreadedSigner
from postshake.pki.credential import LocalSigner
signer = ThreadedSigner(LocalSigner(ed25519.Ed25519PrivateKey.generate()))
assert len(asyncio.run(signer.sign(SignatureScheme.ed25519, b"data"))) == 64
"""
ASGI = """
import asyncio
from postshake.web import CertificateNeeded, Lack, asgi
class Connection:
    async def step_up(self, policy):
        raise CertificateNeeded(Lack.DECLINED)
asgi.connection_of = lambda request: Connection()
try: asyncio.run(asgi.reauth(object()))
except CertificateNeeded: pass
else: raise SystemExit("it was not needed")
"""


@pytest.mark.parametrize(
    "code",
    [
        ZLIB + "from postshake import ServerConfig, ClientConfig, TrustStore, ChainVerifier\n"
        "trust = ChainVerifier(TrustStore([]))\n"
        "ClientConfig(verifier=trust, certificate_compression=(Algorithm.zlib,))",
        "from postshake.session import Session, SERVER, COMP_ZLIB\n"
        "Session(SERVER).compress_certificate_set_methods([COMP_ZLIB])",
        "import postshake.ssl as ssl\n"
        "context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)\n"
        "context.certificate_compression = ('zlib',)\n"
        "context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname='x')",
        SIGN,
        ASGI,
        "import postshake.web, postshake.cli.main, postshake.signers.pkcs11, postshake.gnutls",
    ],
    ids=["config", "session", "ssl", "threaded signer", "asgi", "modules"],
)
def test_what_is_optional_is_imported_when_it_is_asked_for(code):
    assert run(f"{code}\n{OPTIONAL_LOADED}\n{ZSTD_LOADED}") == ""


@pytest.mark.parametrize("unneeded", ["protocol.tls12", "pki.pkcs12", "exported", "recording"])
def test_what_a_process_may_never_need_is_not_loaded(unneeded):
    code = "import sys, postshake; postshake.Connection\nprint(*sys.modules)"
    assert f"postshake.{unneeded}" not in run(code).split()
