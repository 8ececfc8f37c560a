"""CPython's own tests of `ssl`, with the import changed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import PATIENCE

# each with what it is about
NOT_OURS = {
    # look at tls-unique, which RFC 9266 replaces
    "SimpleBackgroundTests.test_bio_handshake",
    "ThreadedTests.test_tls_unique_channel_binding",
    # get_ca_certs is OpenSSL's list, into which it puts a folder's when they are needed
    "SimpleBackgroundTests.test_get_ca_certs_capath",
    # a private method that returns OpenSSL's certificates
    "TestPostHandshakeAuth.test_internal_chain_client",
    # counts what OpenSSL puts into the chain of itself (docs/ssl.md)
    "TestPostHandshakeAuth.test_internal_chain_server",
    # a private hook that shows OpenSSL's messages
    "TestSSLDebug.test_msg_callback_tls12",
    # finite-field Diffie-Hellman
    "ThreadedTests.test_dh_params",
}
if sys.version_info >= (3, 13):
    NOT_OURS -= {"SimpleBackgroundTests.test_bio_handshake"}  # looks no more
    # short keys, keys without an identity, hints
    NOT_OURS |= {"ThreadedTests.test_psk", "ThreadedTests.test_psk_tls1_3"}
PROGRAM = Path(__file__).with_name("cpython.py")


@pytest.mark.slow
def test_cpythons_tests_pass():
    try:
        there = importlib.util.find_spec("test.test_ssl") is not None
    except ImportError:
        there = False
    if not there:
        pytest.skip("this Python came without its tests")
    if sys.version_info >= (3, 14):
        pytest.skip("the list is for the tests of Python 3.11 to 3.13")
    ran, failed, said = run()
    assert ran > 150
    extra = failed - NOT_OURS
    if extra:  # these tests open many ports, and on a busy machine one may go to somebody else
        _, again, said = run(*extra)
        failed -= extra - again
    assert failed == NOT_OURS, said


def run(*names: str) -> tuple[int, set[str], str]:
    """Run these tests, or all: how many ran, which failed, and why."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *names],
        env={"PYTHONPATH": ":".join(filter(None, sys.path)), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=20 * PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    count = next(line for line in done.stderr.splitlines() if " ran, " in line)
    return int(count.split()[0]), set(done.stdout.split()), done.stderr[-20000:]
