"""The floor: the primitives that an operation cannot avoid, and nothing else.

Both ends' work, written out call by call in the order of the RFC. No message is
encoded, no record framed, no name compared and no policy consulted. What could be
computed beforehand (the key schedule's first two steps), or left until somebody wants
it (the exporter's and the tickets' secrets), does not count.

Chain verification is the least that reads all that a verdict depends on: parse the
certificate, check the authority's signature, read validity and extensions.
``cryptography.x509.verification`` does the same a little slower.

HMAC and SHA-256 come from ``hashlib`` and ``hmac``, which are faster than
``cryptography``'s; no transcript is longer than it must be.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable

import cryptography
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from benches.contest import Impossible, Operation
from benches.material import BYTE, DATA, MOST, Material

__all__ = ["Floor"]

_ECDSA = ec.ECDSA(hashes.SHA256())
_HEADER = bytes(5)  # of a record: what is authenticated with it
_NONCE = bytes(12)
_SIGNED = bytes(130)  # §4.4.3: 64 spaces, a string, 0, a digest
_LABEL = bytes(54)  # an HkdfLabel with a digest
_FINISHED = 36  # bytes of the message


class Floor:
    """Not a TLS at all."""

    name = "floor"

    def __init__(self, material: Material) -> None:
        self.title = f"the primitives alone, cryptography {cryptography.__version__}"
        self._ca = material.ca.certificate.public_key()
        self._server = material.server
        self._client = material.client

    def handshake(self, group: str | None) -> Operation:
        exchange = _x25519 if group == "X25519" else _hybrid()
        server_key = self._server.private_key
        der = self._server.der
        flight = len(der) + 200  # EncryptedExtensions … Finished
        verify_chain = self._verify_chain

        def run() -> bool:
            shared = exchange()
            for _ in range(2):  # the two ends
                _handshake_keys(shared)
            signature = server_key.sign(_SIGNED, _ECDSA)  # server: CertificateVerify
            _records([flight, _FINISHED])  # its flight, the client's Finished
            leaf = verify_chain(der)  # client
            _verify(leaf, signature)  # client: CertificateVerify
            return True

        return Operation(run, _check_done, note="" if group else "X25519MLKEM768")

    def resumed(self) -> Operation:
        def run() -> bool:
            shared = _x25519()
            for _ in range(2):  # the two ends
                _handshake_keys(shared)
                _binder(shared)
            _records([100, _FINISHED, _FINISHED])  # the ticket, the two flights
            return True

        return Operation(run, _check_done)

    def reauth(self, *, remembered: bool) -> Operation:
        client_key = self._client.private_key
        der = self._client.der
        answer = len(der) + 200
        verify_chain: Callable[[bytes], x509.Certificate] = (
            x509.load_der_x509_certificate if remembered else self._verify_chain
        )
        keys = AESGCM(bytes(16)), AESGCM(bytes(16))
        secret = os.urandom(32)

        def run() -> bool:
            os.urandom(32)  # server: the context
            request = bytes(100)
            _records([len(request)], *keys)
            for _ in range(2):  # the two ends, each:
                transcript = hashlib.sha256()
                transcript.update(request)
                transcript.update(der)  # Certificate
                transcript.copy().digest()  # what CertificateVerify signs
                transcript.copy().digest()  # what Finished covers
                finished_key = hmac.digest(secret, _LABEL, "sha256")
                hmac.digest(finished_key, bytes(32), "sha256")
            signature = client_key.sign(_SIGNED, _ECDSA)  # client: CertificateVerify
            _records([answer], *keys)
            leaf = verify_chain(der)  # server
            _verify(leaf, signature)  # server: CertificateVerify
            return True

        return Operation(run, _check_done)

    def bulk(self, size: int, times: int) -> Operation:
        seal, open_ = AESGCM(bytes(16)).encrypt, AESGCM(bytes(16)).decrypt
        sent = DATA[:size]
        fragments = [sent[at : at + MOST] + b"\x17" for at in range(0, size, MOST)]

        def run() -> bytes:
            for _ in range(times):
                for inner in fragments:  # with their content types
                    opened = open_(_NONCE, seal(_NONCE, inner, _HEADER), _HEADER)
            return opened

        return Operation(run, _check_equal(fragments[-1]))

    def echo(self, times: int) -> Operation:
        seal, open_ = AESGCM(bytes(16)).encrypt, AESGCM(bytes(16)).decrypt
        inner = BYTE + b"\x17"

        def run() -> bytes:
            for _ in range(times):
                there = open_(_NONCE, seal(_NONCE, inner, _HEADER), _HEADER)
                back = open_(_NONCE, seal(_NONCE, there, _HEADER), _HEADER)
            return back

        return Operation(run, _check_equal(inner))

    def asyncio_echo(self, size: int, times: int, *, native: bool) -> Operation:
        raise Impossible("there is no connection")

    def idle(self) -> object:
        raise Impossible("nothing to hold")

    def _verify_chain(self, der: bytes) -> x509.Certificate:
        leaf = x509.load_der_x509_certificate(der)
        self._ca.verify(leaf.signature, leaf.tbs_certificate_bytes, _ECDSA)  # type: ignore[call-arg, arg-type, union-attr]
        _ = leaf.not_valid_before_utc, leaf.not_valid_after_utc, leaf.extensions
        return leaf


def _verify(leaf: x509.Certificate, signature: bytes) -> None:
    leaf.public_key().verify(signature, _SIGNED, _ECDSA)  # type: ignore[call-arg, arg-type, union-attr]


def _x25519() -> bytes:
    """Both ends' keys, shares and secrets."""
    client, server = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    client_share = client.public_key().public_bytes_raw()
    server_share = server.public_key().public_bytes_raw()
    shared = server.exchange(X25519PublicKey.from_public_bytes(client_share))
    assert shared == client.exchange(X25519PublicKey.from_public_bytes(server_share))
    return shared


def _hybrid() -> Callable[[], bytes]:
    try:
        from cryptography.hazmat.primitives.asymmetric import mlkem

        mlkem.MLKEM768PrivateKey.from_seed_bytes(bytes(64))
    except (ImportError, UnsupportedAlgorithm):
        raise Impossible("this cryptography has no ML-KEM") from None

    def exchange() -> bytes:
        private = mlkem.MLKEM768PrivateKey.generate()
        share = private.public_key().public_bytes_raw()
        secret, ciphertext = mlkem.MLKEM768PublicKey.from_public_bytes(share).encapsulate()
        assert secret == private.decapsulate(ciphertext)
        return secret + _x25519()

    return exchange


def _handshake_keys(shared: bytes) -> None:
    """One end's key schedule and transcript hashes (§7.1, §4.4.1)."""
    transcript = hashlib.sha256()
    for message in (250, 90, 600, 100, _FINISHED):  # the hellos, the server's flight, …
        transcript.update(bytes(message))
        transcript.copy().digest()
    secret = hmac.digest(bytes(32), shared, "sha256")  # Handshake Secret
    # derived, Master Secret, and a secret for each end in either stage
    for _ in range(6):
        hmac.digest(secret, _LABEL, "sha256")
    for _ in range(4):  # those four secrets: key, IV, and the key ready for use
        hmac.digest(secret, _LABEL, "sha256")
        hmac.digest(secret, _LABEL, "sha256")
        AESGCM(secret[:16])
    for _ in range(2):  # both ends' Finished
        finished_key = hmac.digest(secret, _LABEL, "sha256")
        hmac.digest(finished_key, bytes(32), "sha256")


def _binder(psk: bytes) -> None:
    """One end's binder, and the Early Secret for it (§4.2.11.2)."""
    secret = hmac.digest(bytes(32), psk, "sha256")
    for _ in range(2):  # derived, the binder key
        hmac.digest(secret, _LABEL, "sha256")
    finished_key = hmac.digest(secret, _LABEL, "sha256")
    hmac.digest(finished_key, hashlib.sha256(bytes(250)).digest(), "sha256")


def _records(sizes: list[int], sealer: AESGCM | None = None, opener: AESGCM | None = None) -> None:
    """Seal records of these sizes, and open them."""
    seal = (sealer or _AEAD).encrypt
    open_ = (opener or _AEAD).decrypt
    for size in sizes:
        open_(_NONCE, seal(_NONCE, bytes(size), _HEADER), _HEADER)


_AEAD = AESGCM(bytes(16))


def _check_done(evidence: bool) -> None:
    assert evidence is True  # each primitive raises when it fails


def _check_equal(expected: bytes) -> Callable[[bytes], None]:
    def check(evidence: bytes) -> None:
        assert evidence == expected

    return check
