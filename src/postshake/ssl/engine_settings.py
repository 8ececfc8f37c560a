"""What a context is told that the standard context has no word for."""

from __future__ import annotations

import itertools
import ssl
import threading
from collections.abc import Callable, Iterable
from typing import Any

from cryptography import x509

from ..config import ClientConfig, ServerConfig
from ..constants import CipherSuite, NamedGroup, Role, SignatureScheme
from ..errors import UsageError
from ..events import ReauthRequested
from ..pki.credential import Credential
from ..pki.revocation_list import Defect, UnusableList, UnusableListObserver
from ..pki.revocation_search import RevocationLists
from ..pki.trust import Verifier
from ..pki.trusted_certificate import TrustedUses, read_trusted_certificate
from ..recording.recording import Recording
from ..resumption.session12 import SessionCache12
from ..resumption.ticket_keys import TicketKeys
from .adapters import PskCallback
from .errors import translate
from .session_cache import CAPACITY, LARGEST, SessionCache
from .verifier import ContextVerifier

__all__ = ["EngineSettings", "ReauthCallback", "cut_off_uses", "engine_settings"]

ReauthCallback = Callable[[Any, ReauthRequested], Credential | None]
"""Called with the SSLSocket or SSLObject and the server's request; chooses what to show.
None declines."""

HANDSHAKE_TIMEOUT = 60.0  # seconds; asyncio's own

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
_SERIALS = itertools.count()


class EngineSettings:
    """The settings of one context that are the engine's, and what its connections share.

    What OpenSSL has a word for is the standard class's, and is read there. Threads may share a
    context: what takes more than one assignment is done under a lock, and whoever reads goes by
    what was there when it looked.

    Args:
        note_path: is told of each path that a verifier found, DER, the leaf first.
    """

    __slots__ = (
        "_lock",
        "_note_path",
        "_verifiers",
        "alpn_protocols",
        "certificate_compression",
        "client_schemes",
        "configs",
        "counters",
        "credentials",
        "from_folders",
        "groups",
        "handshake_timeout",
        "keylog",
        "lists",
        "psk_client",
        "psk_hint",
        "psk_lookup",
        "reauth_callback",
        "reauth_forbidden_alpn",
        "recorder",
        "serial",
        "server_schemes",
        "sessions",
        "sessions12",
        "sni_callback",
        "suites",
        "ticket_keys",
        "trusted",
        "unusable",
        "uses",
        "verifier",
        "version",
    )

    def __init__(self, note_path: Callable[[tuple[bytes, ...]], object]) -> None:
        self._lock = threading.Lock()
        # who we are
        self.credentials: list[Credential] = []
        self.psk_client: Callable[..., Any] | None = None
        self.psk_lookup: PskCallback | None = None
        self.psk_hint = b""
        # whom we trust
        self.trusted: list[bytes] = []
        self.uses: dict[bytes, TrustedUses] = {}
        self.from_folders: set[bytes] = set()
        """Of `trusted` what the standard class does not list yet: nothing was verified by it."""
        self.unusable = UnusableListObserver()
        self.lists = RevocationLists(on_unusable=self.unusable)
        self.verifier: Verifier | None = None
        """The application's own, which stands in for all of these."""
        self._verifiers: dict[tuple[int, bool, int], ContextVerifier] = {}
        self._note_path = note_path
        # what is negotiated
        self.alpn_protocols: tuple[bytes, ...] = ()
        self.groups: tuple[NamedGroup, ...] | None = None
        self.suites: tuple[CipherSuite, ...] | None = None
        self.client_schemes: tuple[SignatureScheme, ...] | None = None
        self.server_schemes: tuple[SignatureScheme, ...] | None = None
        self.certificate_compression: tuple[str, ...] = ()
        self.reauth_forbidden_alpn = frozenset({b"h2", b"h3"})
        # who is asked and told
        self.sni_callback: Callable[..., Any] | None = None
        self.reauth_callback: ReauthCallback | None = None
        self.keylog: Callable[[str], None] | None = None
        self.recorder: Callable[[Role], Recording] | None = None
        self.handshake_timeout: float | None = HANDSHAKE_TIMEOUT
        # what connections share
        self.ticket_keys = TicketKeys()
        self.sessions = SessionCache()
        self.sessions12 = SessionCache12(CAPACITY, LARGEST)
        self.counters = dict.fromkeys(_COUNTERS, 0)
        self.configs: dict[Any, ClientConfig | ServerConfig] = {}
        """Those that were made, by all that they were made of."""
        self.version = 0
        """Counts changes of what is kept here."""
        self.serial = next(_SERIALS)
        """Names these settings in the process."""

    def changed(self) -> None:
        """Have the next connection make its configuration anew."""
        self.version += 1

    def use_credential(self, credential: Credential) -> None:
        """Authenticate with this; another one for the same kind of key is replaced."""
        kind = credential.leaf.public_key_algorithm_oid
        with self._lock:
            self.credentials = [
                each for each in self.credentials if each.leaf.public_key_algorithm_oid != kind
            ] + [credential]
            self.changed()

    def trust(self, certificates: list[bytes], lists: Iterable[bytes] = ()) -> None:
        """Go by these as well, in connections that live already too.

        Args:
            certificates: DER; what OpenSSL's own form says of their uses stands behind them.
            lists: revocation lists, DER. One that cannot be read is reported, and passed over.

        Raises:
            ValueError: a certificate cannot be used.
        """
        found = []
        for der in lists:
            try:
                found.append(x509.load_der_x509_crl(der))
            except (ValueError, x509.InvalidVersion) as error:  # the standard class read it
                self.unusable(UnusableList(None, Defect.UNREADABLE, str(error)[:200]))
        with self._lock:
            uses = dict(self.uses)
            plain = [cut_off_uses(each, uses) for each in certificates]
            trusted = list(dict.fromkeys((*self.trusted, *plain)))
            self.lists.add(found)  # the verifiers have the same ones
            try:
                for verifier in self._verifiers.values():
                    verifier.replace(trusted, uses)
            except UsageError as error:
                raise translate(error) from error
            self.trusted, self.uses = trusted, uses
            self.changed()

    def find_verifier(self, flags: int, common_names: bool, level: int) -> Verifier:
        """Return who verifies by what is trusted now; paths that it verified stay known.

        There is one for each way to verify that connections were made with. They are kept:
        `trust` has to reach them all.

        Args:
            flags: verify_flags.
            common_names: whether a server's common name will do where it has no DNS names.
            level: the security level.
        """
        if self.verifier is not None:
            return self.verifier
        key = (flags, common_names, level)
        with self._lock:
            verifier = self._verifiers.get(key)
            if verifier is None:
                verifier = self._verifiers[key] = ContextVerifier(
                    self.trusted,
                    self.lists,
                    flags,
                    common_names=common_names,
                    security_level=level,
                    used=self._note_path,
                    uses=self.uses,
                )
        return verifier

    def count(self, server_side: bool, *, good: bool = False, resumed: bool = False) -> None:
        """Count a connection that begins, or one that has shaken hands."""
        name = "accept" if server_side else "connect"
        with self._lock:
            self.counters[f"{name}_good" if good else name] += 1
            self.counters["hits"] += resumed


def engine_settings(context: ssl.SSLContext) -> EngineSettings:
    """Return what a context of ours has beside the standard class's settings.

    Raises:
        TypeError: it is none of ours.
    """
    settings = getattr(context, "_engine_settings", None)
    if not isinstance(settings, EngineSettings):
        raise TypeError("The value must be a SSLContext of postshake.ssl")
    return settings


def cut_off_uses(certificate: bytes, uses: dict[bytes, TrustedUses]) -> bytes:
    """Return the certificate alone, and note what is said behind it of its uses."""
    try:
        der, told = read_trusted_certificate(certificate)
    except ValueError:
        return certificate
    if told is not None:
        before = uses.get(der)
        uses[der] = told if before is None else before.and_also(told)
    return der
