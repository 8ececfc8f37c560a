"""`SSLContext`: one of the standard library's, with our engine behind it."""

from __future__ import annotations

import itertools
import os
import ssl
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from ..constants import NamedGroup, Role
from ..errors import UsageError
from ..events import ReauthRequested
from ..pki.credential import Credential, Signer
from ..pki.trust import TrustStore, Verifier
from ..recording import Recording
from ..tickets import TicketKeys
from .channel import Channel
from .errors import translate
from .inputs import CERTIFICATES, PEM, AskOnce, KeyLog, PskLookup, body_of, split_der
from .session import SSLSession
from .settings import CIPHERS, check_end, group_named
from .sockets import SSLObject, SSLSocket
from .transports import BioTransport, SocketTransport
from .verifier import ContextVerifier

__all__ = ["ReauthCallback", "SSLContext"]

ReauthCallback = Callable[[Any, ReauthRequested], Credential | None]
"""Called with the SSLSocket or SSLObject and the server's request; chooses what to show.
None declines."""

_COUNTERS = (
    "number",
    "connect",
    "connect_good",
    "connect_renegotiate",
    "accept",
    "accept_good",
    "accept_renegotiate",
    "hits",
    "misses",
    "timeouts",
    "cache_full",
)


class SSLContext(ssl.SSLContext):
    """Settings for TLS connections of our engine, with the standard library's interface.

    Everything that takes an `ssl.SSLContext` takes this one. What it is told is checked
    by the standard class, so wrong settings give the errors that they always gave; the
    connections are ours. Beyond that:

    - `use_credential` and `use_signer` for keys that are not in files;
    - `reauth_callback` chooses the certificate for a server's request;
    - `verifier` judges peers in the place of the trusted certificates;
    - `reauth_forbidden_alpn` says in which application protocols reauth is refused;
    - `certificate_compression` names what may make certificates shorter, favourites first:
      "zlib", "brotli", "zstd" (RFC 8879);
    - `recorder`, called with the role, gives each connection its `postshake.recording.Recording`.
    """

    sslsocket_class: ClassVar[type[ssl.SSLSocket]] = SSLSocket  # type: ignore[misc]
    sslobject_class: ClassVar[type[ssl.SSLObject]] = SSLObject  # type: ignore[misc]

    # set in __new__, as the standard class has it: whoever derives may have an __init__
    _credentials: list[Credential]
    _trusted: list[bytes]
    _lists: list[x509.CertificateRevocationList]
    _alpn: tuple[bytes, ...]
    _groups: tuple[NamedGroup, ...] | None
    _sni_callback: Callable[..., Any] | None
    _keylog_path: str | None
    _keylog: Callable[[str], None] | None
    _psk_client: Callable[..., Any] | None
    _psk_lookup: PskLookup | None
    _verifiers: dict[tuple[int, bool], ContextVerifier]
    _own_verifier: Verifier | None
    _reauth_callback: ReauthCallback | None
    _forbidden: frozenset[bytes]
    _ticket_keys: TicketKeys
    _counters: dict[str, int]
    _configs: dict[Any, Any]
    certificate_compression: tuple[str, ...]
    recorder: Callable[[Role], Recording] | None
    _version: int
    _serial: int
    _lock: threading.Lock

    def __new__(cls, protocol: int | None = None, *args: Any, **kwargs: Any) -> SSLContext:
        """Make a context; TLS 1.1 and older are refused here.

        Raises:
            ValueError: the protocol is none of TLS's that we speak.
        """
        if protocol is not None and protocol in _TOO_OLD:
            raise ValueError(f"{ssl._SSLMethod(protocol).name}: postshake speaks TLS 1.3 and 1.2")
        self: SSLContext = super().__new__(cls, protocol)
        self._credentials = []
        self._trusted = []
        self._lists = []
        self._alpn = ()
        self._groups = None
        self._sni_callback = None
        self._keylog_path = None
        self._keylog = None
        self._psk_client = None
        self._psk_lookup = None
        self._ticket_keys = TicketKeys()
        self._counters = dict.fromkeys(_COUNTERS, 0)
        self._configs = {}
        self._verifiers = {}
        self._own_verifier = None
        self._reauth_callback = None
        self._forbidden = frozenset({b"h2", b"h3"})
        self.certificate_compression = ()
        self.recorder = None
        self._version = 0  # counts changes of what is kept here
        self._serial = next(_SERIALS)
        self._lock = threading.Lock()
        return self

    def __repr__(self) -> str:
        return f"<SSLContext of postshake, {len(self._credentials)} certificates of our own>"

    # --- who we are

    def load_cert_chain(self, certfile: Any, keyfile: Any = None, password: Any = None) -> None:
        """Load our certificate chain and its private key, PEM, as the standard class does.

        Another chain for the same kind of key takes the place of the first.

        Raises:
            SSLError, OSError: as there.
        """
        secret = AskOnce(password)
        super().load_cert_chain(certfile, keyfile, secret if callable(password) else password)
        try:
            key_path = os.fsdecode(keyfile) if keyfile is not None else None
            credential = Credential.from_files(os.fsdecode(certfile), key_path, secret.value)
        except UsageError as error:
            raise translate(error) from error
        self.use_credential(credential)

    def use_credential(self, credential: Credential) -> None:
        """Authenticate with this; another one for the same kind of key is replaced."""
        kind = type(credential.leaf.public_key())
        with self._lock:
            self._credentials = [
                each for each in self._credentials if type(each.leaf.public_key()) is not kind
            ] + [credential]
            self._changed()

    def use_signer(
        self, certificates: Iterable[x509.Certificate], signer: Signer | PrivateKeyTypes
    ) -> None:
        """Authenticate with a chain whose key somebody else has: a token, an agent, a service.

        Args:
            certificates: the chain, in any order.
            signer: signs for it; see `postshake.Signer`. It must not be a coroutine.
        """
        try:
            self.use_credential(Credential.from_objects(certificates, signer))
        except UsageError as error:
            raise translate(error) from error

    # --- whom we trust

    def load_verify_locations(
        self, cafile: Any = None, capath: Any = None, cadata: Any = None
    ) -> None:
        """Trust certificates, and take revocation lists, as the standard class does.

        What a directory has is read at once, not when it is needed.
        """
        super().load_verify_locations(cafile, capath, cadata)
        found: list[tuple[bytes, bytes]] = []  # PEM blocks, by their kind
        if cafile is not None:
            found += _blocks(Path(os.fsdecode(cafile)).read_bytes())
        if cadata is not None:
            found += _blocks(cadata.encode("ascii") if isinstance(cadata, str) else bytes(cadata))
        if capath is not None and os.path.isdir(capath):
            for file in sorted(Path(os.fsdecode(capath)).iterdir()):
                if file.is_file():
                    found += _blocks(file.read_bytes(), strict=False)
        self._trust(
            [der for kind, der in found if kind in CERTIFICATES],
            [x509.load_der_x509_crl(der) for kind, der in found if kind == b"X509 CRL"],
        )

    def set_default_verify_paths(self) -> None:
        """Trust whom the operating system trusts; nobody, if it keeps no bundle.

        `load_default_certs` calls this.
        """
        super().set_default_verify_paths()
        try:
            store = TrustStore.system()
        except UsageError:
            return
        self._trust([anchor.public_bytes(Encoding.DER) for anchor in store.anchors])

    def _trust(
        self,
        certificates: list[bytes],
        lists: list[x509.CertificateRevocationList] | None = None,
    ) -> None:
        """Go by these as well, in connections that live already too."""
        with self._lock:
            trusted = list(dict.fromkeys((*self._trusted, *certificates)))
            all_lists = [*self._lists, *(lists or ())]
            try:
                for verifier in self._verifiers.values():
                    verifier.replace(trusted, all_lists)
            except UsageError as error:
                raise translate(error) from error
            self._trusted, self._lists = trusted, all_lists
            self._changed()

    def _verifier(self, flags: int, common_names: bool) -> Verifier:
        """Return who verifies by what is trusted; paths that it verified stay known.

        There is one for each way to verify that connections were made with. They are kept:
        `_trust` has to reach them all.
        """
        if self._own_verifier is not None:
            return self._own_verifier
        key = (flags, common_names)
        with self._lock:
            verifier = self._verifiers.get(key)
            if verifier is None:
                verifier = self._verifiers[key] = ContextVerifier(
                    self._trusted, self._lists, flags, common_names=common_names
                )
        return verifier

    @property
    def verifier(self) -> Verifier | None:
        """Who judges peers instead of the trusted certificates; None for these.

        It sees the name to be checked, if check_hostname is on, and must hold the
        certificate against it.
        """
        return self._own_verifier

    @verifier.setter
    def verifier(self, verifier: Verifier | None) -> None:
        self._own_verifier = verifier
        self._changed()

    # --- reauth

    @property
    def reauth_callback(self) -> ReauthCallback | None:
        """Client: chooses what to show when the server asks; None for the usual choice."""
        return self._reauth_callback

    @reauth_callback.setter
    def reauth_callback(self, callback: ReauthCallback | None) -> None:
        self._reauth_callback = callback

    @property
    def reauth_forbidden_alpn(self) -> frozenset[bytes]:
        """Application protocols in which reauth is refused: h2 and h3 (RFC 9113, 9.2.3)."""
        return self._forbidden

    @reauth_forbidden_alpn.setter
    def reauth_forbidden_alpn(self, protocols: Iterable[bytes]) -> None:
        self._forbidden = frozenset(protocols)
        self._changed()

    # --- what is negotiated

    def get_ciphers(self) -> list[Any]:
        """Return what is left of the ciphers that are set, and that we have."""
        return [each for each in super().get_ciphers() if each["name"] in CIPHERS]

    def set_ciphers(self, ciphers: str) -> None:
        """Choose the ciphers of TLS 1.2, in OpenSSL's words.

        Raises:
            SSLError: it leaves none that we have; the ciphers are those from before then.
        """
        before = self._ciphers12()
        super().set_ciphers(ciphers)
        if not self._ciphers12():
            super().set_ciphers(before)
            raise ssl.SSLError("No cipher can be selected.")
        self._changed()

    def _ciphers12(self) -> str:
        names = [each["name"] for each in self.get_ciphers()]
        return ":".join(name for name in names if not name.startswith("TLS_"))

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Name the application protocols that we speak, favourites first."""
        protocols = list(alpn_protocols)
        super().set_alpn_protocols(protocols)
        self._alpn = tuple(each.encode("ascii") for each in protocols)
        self._changed()

    def set_ecdh_curve(self, name: str | bytes) -> None:
        """Use this group alone."""
        text = name.decode() if isinstance(name, bytes) else name
        if not isinstance(text, str):
            raise TypeError(f"expected str, bytes, got {type(name).__name__}")
        self._groups = (group_named(text),)
        self._changed()

    @property
    def sni_callback(self) -> Callable[..., Any] | None:
        """Server: called with the TLS object, the name asked for (or None), and this context.

        It may set another context on the object, which then decides whom we are and whom
        we trust: see `SSLSocket.context`. None goes on; a number is the alert that refuses.
        It is called for sessions that are resumed, too.
        """
        return self._sni_callback

    @sni_callback.setter
    def sni_callback(self, callback: Callable[..., Any] | None) -> None:
        if self.protocol == ssl.PROTOCOL_TLS_CLIENT:
            raise ValueError("sni_callback cannot be set on TLS_CLIENT context")
        if callback is not None and not callable(callback):
            raise TypeError("not a callable object")
        self._sni_callback = callback

    @property  # type: ignore[override]
    def keylog_filename(self) -> str | None:
        """The file that gets every secret, for Wireshark; None for none."""
        return self._keylog_path

    @keylog_filename.setter
    def keylog_filename(self, path: str | None) -> None:
        if path is not None:
            path = os.fsdecode(path)  # a number would be an open file
            with open(path, "a", encoding="ascii") as file:
                if not file.tell():
                    file.write("# TLS secrets log file, written by postshake\n")
        self._keylog_path = path
        self._keylog = KeyLog(path) if path is not None else None
        self._changed()

    def set_psk_client_callback(self, callback: Callable[..., Any] | None) -> None:
        """Client: ask this for an identity and a key: ``callback(None)`` returns both."""
        self._psk_client = callback
        self._changed()

    def set_psk_server_callback(
        self, callback: Callable[..., Any] | None, identity_hint: str | None = None
    ) -> None:
        """Server: ask this for an identity's key; it returns ``b""`` for an unknown one."""
        self._psk_lookup = PskLookup(callback) if callback is not None else None
        self._changed()

    def session_stats(self) -> dict[str, int]:
        """Return how many connections there were, and how many went on from an earlier one."""
        return dict(self._counters)

    # --- connections

    def _wrap_socket(
        self,
        sock: Any,
        server_side: bool,
        server_hostname: str | None = None,
        *,
        owner: Any = None,
        session: SSLSession | None = None,
    ) -> Channel:
        check_end(self, server_side, server_hostname)
        transport = SocketTransport(sock)
        return Channel(self, transport, server_side, server_hostname, owner, session)

    def _wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool,
        server_hostname: str | None = None,
        *,
        owner: Any = None,
        session: SSLSession | None = None,
    ) -> Channel:
        if not isinstance(incoming, ssl.MemoryBIO) or not isinstance(outgoing, ssl.MemoryBIO):
            raise TypeError("incoming and outgoing must be of ssl.MemoryBIO")
        check_end(self, server_side, server_hostname)
        if self.check_hostname and not server_side and not server_hostname:
            raise ValueError("check_hostname requires server_hostname")
        transport = BioTransport(incoming, outgoing)
        return Channel(self, transport, server_side, server_hostname, owner, session)

    def _count(self, server_side: bool, *, good: bool = False, resumed: bool = False) -> None:
        name = "accept" if server_side else "connect"
        with self._lock:
            self._counters[f"{name}_good" if good else name] += 1
            self._counters["hits"] += resumed

    def _changed(self) -> None:
        self._version += 1


def _blocks(data: bytes, *, strict: bool = True) -> list[tuple[bytes, bytes]]:
    """Return the PEM blocks in a file, or the certificates in DER, as kind and content."""
    blocks = [(match[1], body_of(match[0])) for match in PEM.finditer(data)]
    if not blocks and strict:
        return [(b"CERTIFICATE", der) for der in split_der(data)]
    return blocks


_SERIALS = itertools.count()

_TOO_OLD = frozenset(
    number
    for name in ("PROTOCOL_SSLv2", "PROTOCOL_SSLv3", "PROTOCOL_TLSv1", "PROTOCOL_TLSv1_1")
    if (number := getattr(ssl, name, None)) is not None
)
