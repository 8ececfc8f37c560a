"""What a session authenticates with, and whom it trusts."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from .._dataclass import dataclass
from ..errors import UsageError
from ..pki.credential import Credential, Password, Signer
from ..pki.revocation import Revocation, load_lists, read_lists
from ..pki.revocation_list import ReportUnusable, UnusableListObserver
from ..pki.trust import ChainVerifier, TrustStore, Verifier
from . import codes
from .errors import SessionError, translate

__all__ = [
    "CertificateCredentials",
    "RetrieveFunction",
    "RetrieveRequest",
    "VerifyFunction",
]

Path: TypeAlias = str | os.PathLike[str]

VerifyFunction: TypeAlias = Callable[[Any], int | None]
"""Judges the peer's certificate: called with the Session, whose `certificate_get_peers`
shows it.

It returns 0 or None to accept, or a negative code to refuse. E_AGAIN (or raising
`Again`) means that it is not decided yet: the call returns that, and made again, it
asks again. True and False are errors, since nobody can tell what they would mean."""


@dataclass(frozen=True, slots=True)
class RetrieveRequest:
    """What a retrieve function is told."""

    authorities: tuple[bytes, ...]
    """DER names of the authorities that the peer accepts; none for any."""
    signature_algorithms: tuple[int, ...]
    """Schemes that our signature may have, the peer's favourite first."""
    server_name: str | None
    """On a server: the name that the client asked for."""
    post_handshake: bool
    """Whether this is for an answer to a reauth, not for the main handshake."""


Retrieved: TypeAlias = Credential | None
RetrieveFunction: TypeAlias = Callable[[Any, RetrieveRequest], Retrieved]
"""Chooses what we show: called with the Session and what is asked for; None declines. May
raise `Again`, and is then asked again."""


class CertificateCredentials:
    """Certificates with their keys, trusted authorities, and the functions that decide.

    One object may serve many sessions, on both roles, and may be changed at any time.
    """

    def __init__(self) -> None:
        self.chains: list[Credential] = []
        """Our certificate chains, in the order in which they were set."""
        self.verify_function: VerifyFunction | None = None
        self.retrieve_function: RetrieveFunction | None = None
        self._trusted: list[bytes] = []
        self._unusable = UnusableListObserver()
        self._revocation = Revocation(on_unusable=self._unusable)
        self._chain_verifier = ChainVerifier(TrustStore(), revocation=self._revocation)
        self._lock = threading.Lock()  # of two who add something, both are heard
        self._verifier: Verifier | None = None  # of the owner's making

    # --- whom we trust

    def set_x509_trust_file(self, path: Path) -> int:
        """Trust the certificates in a PEM or DER file; return how many there are."""
        with _translated():
            store = TrustStore.from_files(path)
        return self._trust(_ders(store))

    def set_x509_trust_mem(self, text: bytes | str) -> int:
        """Trust the certificates in PEM text; return how many there are."""
        with _translated():
            store = TrustStore.from_pem(text)
        return self._trust(_ders(store))

    def set_x509_trust(self, certificates: Iterable[x509.Certificate | bytes]) -> int:
        """Trust certificates, parsed or DER; return how many there are."""
        ders = [
            each if isinstance(each, bytes) else each.public_bytes(Encoding.DER)
            for each in certificates
        ]
        with _translated():
            TrustStore(ders)
        return self._trust(ders)

    def set_x509_system_trust(self) -> int:
        """Trust whom the operating system trusts; return how many there are."""
        with _translated():
            store = TrustStore.system()
        return self._trust(_ders(store))

    def set_x509_crl_file(self, path: Path) -> int:
        """Refuse whom the lists in a PEM or DER file revoke; return how many lists there are."""
        with _translated():
            return self.set_x509_crl(load_lists(path))

    def set_x509_crl_mem(self, text: bytes | str) -> int:
        """Refuse whom the lists in PEM text revoke; return how many lists there are."""
        with _translated():
            return self.set_x509_crl(read_lists(text.encode() if isinstance(text, str) else text))

    def set_x509_crl(self, lists: Iterable[x509.CertificateRevocationList]) -> int:
        """Refuse whom these lists revoke; return how many there are."""
        added = [*lists]
        with self._lock:
            self._revocation.add(added)
        return len(added)

    def set_unusable_list_function(self, function: ReportUnusable | None) -> None:
        """Be told of revocation lists that were set and cannot be used.

        Args:
            function: called with a `postshake.pki.revocation.UnusableList`, once for each
                thing that is wrong with a list: as it is set what shows then, else in the
                verification that it could have served. None writes a warning to the log
                ``postshake.pki``.
        """
        self._unusable.callback = function

    def set_verifier(self, verifier: Verifier) -> None:
        """Verify chains with a Verifier of your own instead of the trusted certificates."""
        self._verifier = verifier

    @property
    def trust(self) -> TrustStore:
        """The trusted certificates."""
        return self._chain_verifier.trust

    @property
    def verifier(self) -> Verifier:
        """Who verifies chains."""
        return self._verifier or self._chain_verifier

    # --- who we are

    def set_x509_key_file(self, cert: Path, key: Path, password: Password = None) -> int:
        """Add the chain in one file and its key in another; return its index."""
        with _translated():
            return self._add(Credential.from_files(cert, key, password))

    def set_x509_key_mem(
        self, cert: bytes | str, key: bytes | str, password: Password = None
    ) -> int:
        """Add a chain and its key, PEM text both; return its index."""
        with _translated():
            return self._add(Credential.from_pem(cert, key, password))

    def set_x509_key(
        self,
        certificates: Iterable[x509.Certificate] | Credential,
        key: PrivateKeyTypes | Signer | None = None,
    ) -> int:
        """Add a chain and its key or Signer, or a Credential; return its index."""
        if isinstance(certificates, Credential):
            return self._add(certificates)
        if key is None:
            raise SessionError(codes.E_INVALID_REQUEST, "certificates without a key")
        with _translated():
            return self._add(Credential.from_objects(certificates, key))

    def set_x509_simple_pkcs12_file(self, path: Path, password: Password = None) -> int:
        """Add the chain and key of a PKCS #12 file; return its index."""
        with _translated():
            return self._add(Credential.from_pkcs12(path, password))

    def set_x509_simple_pkcs12_mem(self, data: bytes, password: Password = None) -> int:
        """Add the chain and key of PKCS #12 data; return its index."""
        with _translated():
            return self._add(Credential.from_pkcs12(data, password))

    def get_x509_crt(self, index: int) -> tuple[bytes, ...]:
        """Return the chain with this index, DER, leaf first."""
        try:
            return self.chains[index].chain
        except IndexError:
            raise SessionError(codes.E_REQUESTED_DATA_NOT_AVAILABLE) from None

    # --- who decides

    def set_verify_function(self, function: VerifyFunction | None) -> None:
        """Let a function judge peers, in sessions that set none of their own."""
        self.verify_function = function

    def set_retrieve_function(self, function: RetrieveFunction | None) -> None:
        """Let a function choose what we show, instead of the rules."""
        self.retrieve_function = function

    def _add(self, chain: Credential) -> int:
        self.chains.append(chain)
        return len(self.chains) - 1

    def _trust(self, ders: list[bytes]) -> int:
        with self._lock:
            self._trusted += ders
            store = TrustStore(self._trusted)
            self._chain_verifier = ChainVerifier(store, revocation=self._revocation)
        return len(ders)

    def __repr__(self) -> str:
        return f"CertificateCredentials(chains={len(self.chains)}, trusted={len(self._trusted)})"


def _ders(store: TrustStore) -> list[bytes]:
    return [*store.ders()]


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what is wrong with files and objects into codes."""
    try:
        yield
    except UsageError as error:
        if isinstance(error.__cause__, OSError):
            raise SessionError(codes.E_FILE_ERROR, str(error)) from error
        translated = translate(error)
        if translated.code == codes.E_INVALID_REQUEST:
            translated = SessionError(codes.E_CERTIFICATE_ERROR, str(error))
        try:
            raise translated from error
        finally:
            del translated  # its traceback has this frame
