"""`SSLContext`: one of the standard library's, with our engine behind it."""

from __future__ import annotations

import contextlib
import functools
import os
import ssl
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from ..constants import CipherSuite, ProtocolVersion, Role
from ..crypto.suites import TLS13_SUITES
from ..crypto.tls12.suites import TLS12_SUITES
from ..errors import UnsupportedKey, UsageError
from ..pki.credential import Credential, Signer
from ..pki.private_key import ML_DSA
from ..pki.revocation_list import ReportUnusable
from ..pki.trust import TrustStore, Verifier
from ..private_file import open_private
from ..protocol.negotiate import groups12
from ..recording.recording import Recording
from .adapters import KeyLogFile, PasswordCallback, PskCallback
from .algorithms import (
    group_named,
    groups_listed,
    names_of_groups,
    schemes_listed,
    suites_listed,
)
from .engine_config import CIPHERS, check_end, cipher_name, groups_of, versions_of
from .engine_settings import EngineSettings, ReauthCallback, cut_off_uses
from .errors import ssl_error, translate
from .patched import STANDARD_CONTEXT, check_not_patched_since, cooperative
from .pem import (
    CERTIFICATES,
    blocks_of,
    certificates_in,
    read_certificates,
    read_hashed,
    read_pipe,
)
from .security_level import bits_of_level, strong_suites
from .session import SSLSession
from .sockets import SSLObject, SSLSocket
from .tls_object import TLSObject
from .transports import BioTransport, SocketTransport
from .verifier import POLICY_FLAGS

if TYPE_CHECKING:
    import socket
    from typing import Self

__all__ = ["ReauthCallback", "SSLContext"]

MAX_HINT = 256  # as OpenSSL has it


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
    - `handshake_timeout` is for how many seconds in all a client may keep a server's socket
      that blocks from its handshake: 60, and None for any time. The socket's own timeout, if
      it is shorter, ends each call before;
    - `recorder`, called with the role, gives each connection its `postshake.recording.Recording`;
    - `unusable_list_callback` is told of revocation lists that were loaded and cannot be used.
    """

    sslsocket_class: ClassVar[type[ssl.SSLSocket]] = SSLSocket  # type: ignore[misc]
    sslobject_class: ClassVar[type[ssl.SSLObject]] = SSLObject  # type: ignore[misc]

    # set in __new__, as the standard class has it: whoever derives may have an __init__
    _engine_settings: EngineSettings
    _keylog_path: str | None

    if TYPE_CHECKING:  # the standard class makes ours, by the two classes above

        def wrap_socket(
            self,
            sock: socket.socket,
            server_side: bool = False,
            do_handshake_on_connect: bool = True,
            suppress_ragged_eofs: bool = True,
            server_hostname: str | bytes | None = None,
            session: ssl.SSLSession | None = None,
        ) -> SSLSocket:
            """Return an SSLSocket over a socket, which it takes over."""

        def wrap_bio(
            self,
            incoming: ssl.MemoryBIO,
            outgoing: ssl.MemoryBIO,
            server_side: bool = False,
            server_hostname: str | bytes | None = None,
            session: ssl.SSLSession | None = None,
        ) -> SSLObject:
            """Return an SSLObject that reads from one buffer and writes to the other."""

    def __new__(cls, protocol: int | None = None, *args: Any, **kwargs: Any) -> Self:
        """Make a context; TLS 1.1 and older are refused here.

        Raises:
            ValueError: the protocol is none of TLS's that we speak.
            RuntimeError: gevent or eventlet has patched `ssl` since this module was imported.
        """
        check_not_patched_since()
        if protocol is not None and protocol in _TOO_OLD:
            raise ValueError(f"{ssl._SSLMethod(protocol).name}: postshake speaks TLS 1.3 and 1.2")
        self = super().__new__(cls, protocol)
        self._engine_settings = EngineSettings(_noting(self))
        self._keylog_path = None
        return self

    def __repr__(self) -> str:
        ours = len(self._engine_settings.credentials)
        return f"<SSLContext of postshake, {ours} certificates of our own>"

    # --- who we are

    def load_cert_chain(self, certfile: Any, keyfile: Any = None, password: Any = None) -> None:
        """Load our certificate chain and its private key, PEM, as the standard class does.

        Another chain for the same kind of key takes the place of the first. ML-DSA is ours to
        load also where the OpenSSL below the standard class is older than it (before 3.5).

        Raises:
            SSLError, OSError: as there.
        """
        secret = PasswordCallback(password)
        piped = self._read_pipes(certfile, keyfile)
        refused: ssl.SSLError | None = None
        try:
            if piped is None:
                loads = super().load_cert_chain
                loads(certfile, keyfile, secret if callable(password) else password)
        except ssl.SSLError as error:
            refused = error
        try:
            if piped is not None:
                credential = Credential.from_pem(*piped, secret.once)
            else:
                key_path = os.fsdecode(keyfile) if keyfile is not None else None
                credential = Credential.from_files(os.fsdecode(certfile), key_path, secret.once)
        except UsageError as error:
            made = translate(error)
            if not isinstance(made, ssl.SSLError):
                made = ssl_error("UNKNOWN_CERTIFICATE_TYPE", str(error))
            unsupported = isinstance(error, UnsupportedKey)
            raise (made if refused is None or unsupported else refused) from error
        kind = credential.leaf.public_key_algorithm_oid.dotted_string
        if refused is not None and kind not in ML_DSA:
            try:
                raise refused
            finally:
                del refused  # its traceback has this frame
        self.use_credential(credential)

    @staticmethod
    def _read_pipes(certfile: Any, keyfile: Any) -> tuple[bytes, bytes] | None:
        """Return the texts of chain and key if one is a pipe, which no two can read; else None."""
        chain = read_pipe(certfile)
        key = chain if keyfile is None or keyfile == certfile else read_pipe(keyfile)
        if chain is None and key is None:
            return None
        if chain is None:
            chain = Path(os.fsdecode(certfile)).read_bytes()
        if key is None:
            key = Path(os.fsdecode(keyfile)).read_bytes()
        return chain, key

    def use_credential(self, credential: Credential) -> None:
        """Authenticate with this; another one for the same kind of key is replaced."""
        self._engine_settings.use_credential(credential)

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

        A `capath` may name several directories, with `os.pathsep` between them. Of them those
        files count that are named by hashes, as OpenSSL looks for them. They are read at once,
        not when they are needed; `get_ca_certs` lists them once a peer was verified by them.
        """
        found: list[tuple[bytes, bytes]] = []  # PEM blocks, by their kind
        if (piped := read_pipe(cafile)) is not None:
            found += self._list_piped(piped)
            cafile = None
        if piped is None or capath is not None or cadata is not None:
            super().load_verify_locations(cafile, capath, cadata)
        if cafile is not None:
            found += blocks_of(Path(os.fsdecode(cafile)).read_bytes())
        if cadata is not None:
            found += blocks_of(cadata.encode("ascii") if isinstance(cadata, str) else bytes(cadata))
        self._engine_settings.trust(
            [der for kind, der in found if kind in CERTIFICATES],
            [der for kind, der in found if kind == b"X509 CRL"],
        )
        if capath is not None:
            self._trust_folders(os.fsdecode(capath))

    def _list_piped(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """Give the standard class what came through a pipe, and return the blocks in it."""
        blocks = blocks_of(data, strict=False)
        certificates = [cut_off_uses(der, {}) for kind, der in blocks if kind in CERTIFICATES]
        if certificates:
            super().load_verify_locations(cadata=b"".join(certificates))
        elif not any(kind == b"X509 CRL" for kind, _ in blocks):
            raise ssl_error("NO_CERTIFICATE_OR_CRL_FOUND")
        return blocks

    def _trust_folders(self, places: str) -> bool:
        """Trust what directories have under hashed names; return whether there was anything."""
        certificates, lists = read_hashed(places)
        self._engine_settings.from_folders.update(cut_off_uses(each, {}) for each in certificates)
        if certificates or lists:
            self._engine_settings.trust(certificates, lists)
        return bool(certificates)

    def _note_path(self, path: tuple[bytes, ...]) -> None:
        """Have the standard class list what verified a peer, as if it had looked it up by now."""
        from_folders = self._engine_settings.from_folders
        for der in path:
            if der in from_folders:
                from_folders.discard(der)
                with contextlib.suppress(ssl.SSLError):  # we may read what OpenSSL does not
                    super().load_verify_locations(cadata=der)

    def set_default_verify_paths(self) -> None:
        """Trust whom the operating system trusts; nobody, if it keeps no bundle.

        The file is that of ``SSL_CERT_FILE`` or OpenSSL's own, and so are the directories with
        ``SSL_CERT_DIR``; each counts without the others. Where neither is set, and OpenSSL's own
        places have nothing, the bundles of operating systems and certifi are looked for.
        `load_default_certs` calls this.
        """
        places = ssl.get_default_verify_paths()
        cafile = os.environ.get(places.openssl_cafile_env)
        capath = os.environ.get(places.openssl_capath_env)
        if (piped := read_pipe(cafile)) is not None:
            with contextlib.suppress(ssl.SSLError):  # what cannot be read is passed over here
                self._list_piped(piped)
            found = certificates_in(piped)
        else:
            super().set_default_verify_paths()
            found = read_certificates(places.openssl_cafile if cafile is None else cafile)
        if found:
            self._engine_settings.trust(found)
        more = self._trust_folders(places.openssl_capath if capath is None else capath)
        if not found and not more and cafile is None and capath is None:
            with contextlib.suppress(UsageError):
                found = list(TrustStore.system().ders())
                self._engine_settings.from_folders.update(
                    found
                )  # the standard class has not read them
                self._engine_settings.trust(found)

    @property  # type: ignore[override]
    def verify_flags(self) -> ssl.VerifyFlags:
        """What else is looked at in a peer's chain.

        The flags of `VerifyFlags`, and OpenSSL's for certificate policies, which have no names
        there: 0x80 (POLICY_CHECK), 0x100 (EXPLICIT_POLICY), 0x200 (INHIBIT_ANY) and 0x400
        (INHIBIT_MAP). No other.
        """
        return super().verify_flags

    @verify_flags.setter
    def verify_flags(self, flags: ssl.VerifyFlags) -> None:
        if isinstance(flags, int):
            unknown = int(flags) & ~(_FLAGS | int(self.verify_flags))
            if unknown:
                raise ValueError(f"verify_flags: postshake has no flag {unknown:#x} of OpenSSL's")
        _set(self, "verify_flags", flags)

    @property
    def verifier(self) -> Verifier | None:
        """Who judges peers instead of the trusted certificates; None for these.

        It sees the name to be checked, if check_hostname is on, and must hold the
        certificate against it.
        """
        return self._engine_settings.verifier

    @verifier.setter
    def verifier(self, verifier: Verifier | None) -> None:
        self._engine_settings.verifier = verifier
        self._engine_settings.changed()

    @property
    def unusable_list_callback(self) -> ReportUnusable | None:
        """Called with a `postshake.pki.revocation.UnusableList`, once for each thing that is wrong.

        Set it before lists are loaded. None writes a warning to the log ``postshake.pki``.
        What it raises goes to whoever loads the list, or makes the peer refused that is
        looked up.
        """
        return self._engine_settings.unusable.callback

    @unusable_list_callback.setter
    def unusable_list_callback(self, callback: ReportUnusable | None) -> None:
        self._engine_settings.unusable.callback = callback

    # --- reauth

    @property
    def reauth_callback(self) -> ReauthCallback | None:
        """Client: chooses what to show when the server asks; None for the usual choice."""
        return self._engine_settings.reauth_callback

    @reauth_callback.setter
    def reauth_callback(self, callback: ReauthCallback | None) -> None:
        self._engine_settings.reauth_callback = callback

    @property
    def reauth_forbidden_alpn(self) -> frozenset[bytes]:
        """Application protocols in which reauth is refused: h2 and h3 (RFC 9113, 9.2.3)."""
        return self._engine_settings.reauth_forbidden_alpn

    @reauth_forbidden_alpn.setter
    def reauth_forbidden_alpn(self, protocols: Iterable[bytes]) -> None:
        self._engine_settings.reauth_forbidden_alpn = frozenset(protocols)
        self._engine_settings.changed()

    # --- what the engine does besides

    @property
    def certificate_compression(self) -> tuple[str, ...]:
        """What may make certificates shorter, favourites first; none (RFC 8879)."""
        return self._engine_settings.certificate_compression

    @certificate_compression.setter
    def certificate_compression(self, names: tuple[str, ...]) -> None:
        self._engine_settings.certificate_compression = names

    @property
    def handshake_timeout(self) -> float | None:
        """Seconds in all for which a client may keep a server's socket from its handshake."""
        return self._engine_settings.handshake_timeout

    @handshake_timeout.setter
    def handshake_timeout(self, seconds: float | None) -> None:
        self._engine_settings.handshake_timeout = seconds

    @property
    def recorder(self) -> Callable[[Role], Recording] | None:
        """Gives each connection its recording; None for none."""
        return self._engine_settings.recorder

    @recorder.setter
    def recorder(self, recorder: Callable[[Role], Recording] | None) -> None:
        self._engine_settings.recorder = recorder

    # --- what the standard class sets, too, but not where its name in `ssl` is another class's

    @property  # type: ignore[override]
    def options(self) -> ssl.Options:
        """What is switched on and off; see `Options`."""
        return super().options

    @options.setter
    def options(self, options: ssl.Options) -> None:
        _set(self, "options", options)

    @property  # type: ignore[override]
    def verify_mode(self) -> ssl.VerifyMode:
        """Whether the peer must have a certificate, and whether that is verified."""
        return super().verify_mode

    @verify_mode.setter
    def verify_mode(self, mode: ssl.VerifyMode) -> None:
        _set(self, "verify_mode", mode)

    @property  # type: ignore[override]
    def minimum_version(self) -> ssl.TLSVersion:
        """The oldest version that is spoken."""
        return super().minimum_version

    @minimum_version.setter
    def minimum_version(self, version: ssl.TLSVersion) -> None:
        if version == ssl.TLSVersion.SSLv3:
            self.options &= ~ssl.Options.OP_NO_SSLv3
        _set(self, "minimum_version", version)

    @property  # type: ignore[override]
    def maximum_version(self) -> ssl.TLSVersion:
        """The newest version that is spoken."""
        return super().maximum_version

    @maximum_version.setter
    def maximum_version(self, version: ssl.TLSVersion) -> None:
        _set(self, "maximum_version", version)

    # --- what is negotiated

    def get_ciphers(self) -> list[Any]:
        """Return what is left of the ciphers that are set, and that we have."""
        theirs: list[Any] = super().get_ciphers()
        found = {each["name"]: each for each in theirs if each["name"] in CIPHERS}
        tls13 = self._engine_settings.suites
        if tls13 is None:
            tls13 = tuple(suite.code for suite in TLS13_SUITES.values() if str(suite) in found)
        bits = bits_of_level(self.security_level)
        tls12 = (CIPHERS[name] for name in found if CIPHERS[name] in TLS12_SUITES)
        suites = strong_suites((*tls13, *map(CipherSuite, tls12)), bits)
        return [found.get(cipher_name(code)) or _describe(code) for code in suites]

    def set_ciphersuites(self, ciphersuites: str, /) -> None:
        """Choose the ciphers of TLS 1.3, favourites first.

        An empty text leaves none: then `maximum_version` must be below TLS 1.3.

        Raises:
            SSLError: it leaves none that we have; the ciphers are those from before then.
        """
        self._engine_settings.suites = suites_listed(ciphersuites)
        self._engine_settings.changed()

    def set_ciphers(self, ciphers: str) -> None:
        """Choose the ciphers of TLS 1.2, in OpenSSL's words.

        Raises:
            SSLError: it leaves none that we have; the ciphers are those from before then.
        """
        before = f"{self._ciphers12()}:@SECLEVEL={self.security_level}"
        super().set_ciphers(ciphers)
        if not self._ciphers12():
            super().set_ciphers(before)
            raise ssl.SSLError("No cipher can be selected.")
        self._engine_settings.changed()

    def _ciphers12(self) -> str:
        names = [each["name"] for each in self.get_ciphers()]
        return ":".join(name for name in names if not name.startswith("TLS_"))

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Name the application protocols that we speak, favourites first."""
        protocols = list(alpn_protocols)
        super().set_alpn_protocols(protocols)
        self._engine_settings.alpn_protocols = tuple(each.encode("ascii") for each in protocols)
        self._engine_settings.changed()

    def set_groups(self, groups: str, /) -> None:
        """Choose the groups for key exchange, favourites first: ``"X25519MLKEM768:x25519"``.

        Raises:
            SSLError: a name is unknown, or it leaves none that we have; the groups are
                those from before then.
        """
        self._engine_settings.groups = groups_listed(groups)
        self._engine_settings.changed()

    def get_groups(self, *, include_aliases: bool = False) -> list[str]:
        """Return the groups that a connection may use, favourites first.

        Args:
            include_aliases: whether their other names are wanted too.
        """
        groups = groups_of(self)
        if ProtocolVersion.TLS13 not in versions_of(self):
            groups = groups12(groups)
        return names_of_groups(groups, include_aliases=include_aliases)

    def set_client_sigalgs(self, sigalgs: str, /) -> None:
        """Choose by what a client may sign to authenticate: ``"ed25519:rsa_pss_rsae_sha256"``.

        For a server, that is what it asks of its clients; for a client, what it signs by.

        Raises:
            SSLError: a name is unknown, or it leaves none that we have.
        """
        self._engine_settings.client_schemes = schemes_listed(sigalgs)
        self._engine_settings.changed()

    def set_server_sigalgs(self, sigalgs: str, /) -> None:
        """Choose by what a server may sign, and a client too unless it has its own choice.

        Raises:
            SSLError: a name is unknown, or it leaves none that we have.
        """
        self._engine_settings.server_schemes = schemes_listed(sigalgs)
        self._engine_settings.changed()

    def set_ecdh_curve(self, name: str | bytes) -> None:
        """Use this group alone."""
        text = name.decode() if isinstance(name, bytes) else name
        if not isinstance(text, str):
            raise TypeError(f"expected str, bytes, got {type(name).__name__}")
        self._engine_settings.groups = (group_named(text),)
        self._engine_settings.changed()

    @property
    def sni_callback(self) -> Callable[..., Any] | None:
        """Server: called with the TLS object, the name asked for (or None), and this context.

        It may set another context on the object, which then decides whom we are and whom
        we trust: see `SSLSocket.context`. None goes on; a number is the alert that refuses.
        It is called for sessions that are resumed, too.
        """
        return self._engine_settings.sni_callback

    @sni_callback.setter
    def sni_callback(self, callback: Callable[..., Any] | None) -> None:
        if self.protocol == ssl.PROTOCOL_TLS_CLIENT:
            raise ValueError("sni_callback cannot be set on TLS_CLIENT context")
        if callback is not None and not callable(callback):
            raise TypeError("not a callable object")
        self._engine_settings.sni_callback = callback

    @property  # type: ignore[override]
    def keylog_filename(self) -> str | None:
        """The file that gets every secret, for Wireshark; None for none.

        One that this makes only its owner may read.
        """
        return self._keylog_path

    @keylog_filename.setter
    def keylog_filename(self, path: str | None) -> None:
        if path is not None:
            path = os.fsdecode(path)  # a number would be an open file
            with open_private(path, "a", encoding="ascii") as file:
                if file.seekable() and not file.tell():
                    file.write("# TLS secrets log file, written by postshake\n")
        self._keylog_path = path
        self._engine_settings.keylog = KeyLogFile(path) if path is not None else None
        self._engine_settings.changed()

    @keylog_filename.deleter
    def keylog_filename(self) -> None:
        raise AttributeError("keylog_filename of a context cannot be deleted")

    def set_psk_client_callback(self, callback: Callable[..., Any] | None) -> None:
        """Client: ask this for an identity and a key: ``callback(hint)`` returns both.

        The hint is None when the handshake begins. In TLS 1.2 a server may send one, and then
        the callback is asked again; it is what a stranger sent, and nothing is proven yet.
        """
        self._engine_settings.psk_client = callback
        self._engine_settings.changed()

    def set_psk_server_callback(
        self, callback: Callable[..., Any] | None, identity_hint: str | None = None
    ) -> None:
        """Server: ask this for an identity's key; it returns ``b""`` for an unknown one."""
        if identity_hint is not None and len(identity_hint.encode()) > MAX_HINT:
            raise ValueError(f"identity_hint has more than {MAX_HINT} bytes")
        self._engine_settings.psk_lookup = PskCallback(callback) if callback is not None else None
        self._engine_settings.psk_hint = (identity_hint or "").encode()
        self._engine_settings.changed()

    def session_stats(self) -> dict[str, int]:
        """Return how many connections there were, and how many went on from an earlier one."""
        return dict(self._engine_settings.counters)

    # --- connections

    def _wrap_socket(
        self,
        sock: Any,
        server_side: bool,
        server_hostname: str | None = None,
        *,
        owner: Any = None,
        session: SSLSession | None = None,
    ) -> TLSObject:
        check_end(self, server_side, server_hostname)
        transport = SocketTransport(cooperative(sock))
        return TLSObject(
            self, transport, server_side, server_hostname, cooperative(owner), session, sock
        )

    def _wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool,
        server_hostname: str | None = None,
        *,
        owner: Any = None,
        session: SSLSession | None = None,
    ) -> TLSObject:
        if not isinstance(incoming, ssl.MemoryBIO) or not isinstance(outgoing, ssl.MemoryBIO):
            raise TypeError("incoming and outgoing must be of ssl.MemoryBIO")
        check_end(self, server_side, server_hostname)
        if self.check_hostname and not server_side and not server_hostname:
            raise ValueError("check_hostname requires server_hostname")
        transport = BioTransport(incoming, outgoing)
        return TLSObject(self, transport, server_side, server_hostname, owner, session)


def _noting(context: SSLContext) -> Callable[[tuple[bytes, ...]], None]:
    """Return what tells a context of a path, without keeping it: its verifiers have this."""
    kept = weakref.ref(context)

    def note(path: tuple[bytes, ...]) -> None:
        told = kept()
        if told is not None:
            told._note_path(path)

    return note


def _set(context: SSLContext, name: str, value: Any) -> None:
    """Set what the standard class does, as OpenSSL's own class has it below that one."""
    getattr(super(STANDARD_CONTEXT, STANDARD_CONTEXT), name).__set__(context, value)


def _describe(code: CipherSuite) -> dict[str, Any]:
    """Describe a suite of TLS 1.3 as OpenSSL does, where it was told to have it not."""
    bits = TLS13_SUITES[code].key_length * 8
    return {
        "id": 0x0300_0000 | code,
        "name": code.name,
        "protocol": "TLSv1.3",
        "description": f"{code.name} TLSv1.3",
        "strength_bits": bits,
        "alg_bits": bits,
        "aead": True,
    }


_FLAGS = POLICY_FLAGS | functools.reduce(int.__or__, map(int, ssl.VerifyFlags.__members__.values()))

_TOO_OLD = frozenset(
    number
    for name in ("PROTOCOL_SSLv2", "PROTOCOL_SSLv3", "PROTOCOL_TLSv1", "PROTOCOL_TLSv1_1")
    if (number := getattr(ssl, name, None)) is not None
)
