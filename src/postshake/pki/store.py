"""Trust anchors."""

from __future__ import annotations

import contextlib
import hashlib
import os
import warnings
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning

from ..errors import UsageError
from .der import NormalName, certificate_fields, normal_name
from .hashed_folder import hashed_files, name_hash
from .parsed_certificate import Facts, certificate_ders
from .trusted_certificate import check_no_uses

__all__ = ["TrustStore"]

_FILE, _FOLDERS = "SSL_CERT_FILE", "SSL_CERT_DIR"
_SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine, Arch, Gentoo
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, RHEL
    "/etc/pki/tls/certs/ca-bundle.crt",  # older RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # macOS, the BSDs
    "/usr/local/share/certs/ca-root-nss.crt",  # FreeBSD
)


class TrustStore:
    """An immutable set of trust anchors, in the order given.

    Any certificate may be an anchor, a peer's own one included: that one is then
    accepted as it stands, and certifies others only if it is a CA's.

    Args:
        certificates: DER certificates.

    Raises:
        UsageError: one of them cannot be read.
    """

    __slots__ = ("_by_der", "_by_name", "_by_normal_name", "key")

    def __init__(self, certificates: Iterable[bytes] = ()) -> None:
        self._by_der: dict[bytes, Facts] = {}
        self._by_name: dict[bytes, list[Facts]] = {}
        self._by_normal_name: dict[NormalName, list[Facts]] | None = None
        for index, der in enumerate(certificates):
            if der in self._by_der:
                continue
            try:
                anchor = Facts(der)
            except ValueError as error:
                raise UsageError(f"trust anchor {index} cannot be read: {error}") from error
            self._by_der[der] = anchor
            self._by_name.setdefault(anchor.fields.subject, []).append(anchor)
        digest = hashlib.sha256()
        for der in sorted(self._by_der):
            digest.update(hashlib.sha256(der).digest())
        self.key: bytes = digest.digest()
        """Equal for equal sets of anchors."""

    @classmethod
    def from_certificates(cls, certificates: Iterable[x509.Certificate]) -> TrustStore:
        """Trust these parsed certificates."""
        return cls(certificate.public_bytes(Encoding.DER) for certificate in certificates)

    @classmethod
    def from_pem(cls, text: bytes | str) -> TrustStore:
        """Trust every certificate in the PEM text.

        Raises:
            UsageError: there is none, or one cannot be read.
        """
        data = text.encode() if isinstance(text, str) else text
        check_no_uses(data, "the PEM text")
        return cls(_load(data, "the PEM text"))

    @classmethod
    def from_files(cls, *paths: str | os.PathLike[str]) -> TrustStore:
        """Trust every certificate in these PEM or DER files, and in directories of them.

        Files of a directory that hold no certificate are passed over.

        Raises:
            UsageError: a file cannot be read, or nothing was found.
        """
        found: list[bytes] = []
        for path in paths:
            for file in _files(path):
                data = _read(file)
                check_no_uses(data, str(file))
                found += _load_if_any(data) if file != Path(path) else _load(data, str(path))
        if not found:
            raise UsageError(f"no certificate in {', '.join(map(str, paths)) or 'no file'}")
        return cls(found)

    @classmethod
    def system(cls) -> TrustStore:
        """Trust what this system trusts.

        ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` are heeded, each without the other: a file, and
        directories with `os.pathsep` between them, in which OpenSSL's hashed names count.
        Where neither is set, the places where systems keep their bundle are tried, and last the
        ``certifi`` package. A root in a bundle that cannot be read is passed over: it is not ours
        to mend. So is one
        in OpenSSL's own form (TRUSTED CERTIFICATE), which says what it is trusted for.

        Raises:
            UsageError: nothing was found.
        """
        named = {name: os.environ[name] for name in (_FILE, _FOLDERS) if name in os.environ}
        if named:
            return cls._of_places(named)
        bundles = [path for path in _SYSTEM_BUNDLES if Path(path).is_file()][:1]
        if not bundles:
            try:
                import certifi  # an extra, for systems that keep no bundle
            except ImportError:
                raise UsageError(
                    "no trusted roots found on this system: name a file, or install certifi"
                ) from None
            bundles = [certifi.where()]
        with warnings.catch_warnings():
            # old roots break rules that were made after them
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            found = [each for path in bundles for each in _readable(Path(path))]
            if not found:
                raise UsageError(f"no certificate in {', '.join(bundles)}")
            return cls(found)

    @classmethod
    def _of_places(cls, named: dict[str, str]) -> TrustStore:
        """Trust what is in the places that the environment names; one may be missing."""
        found: list[bytes] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            with contextlib.suppress(UsageError):
                found += _readable(Path(named[_FILE])) if _FILE in named else []
            for file in hashed_files(named.get(_FOLDERS, "")):
                with contextlib.suppress(UsageError, ValueError, IndexError):
                    found += [
                        each
                        for each in ([] if file.is_list else _readable(file.path))
                        if name_hash(certificate_fields(each).subject) == file.hash
                    ]
            if not found:
                places = " and ".join(f"{name}={value}" for name, value in named.items())
                raise UsageError(f"no certificate in {places}")
            return cls(found)

    @property
    def anchors(self) -> tuple[x509.Certificate, ...]:
        """The anchors, parsed.

        Of one that is not in strict DER, and so is not read by ``cryptography``, a copy that is;
        `ders` has it as it was given.
        """
        return tuple(facts.certificate for facts in self._by_der.values())

    def names(self) -> tuple[bytes, ...]:
        """Give the anchors' subjects, DER, as certificate_authorities lists them (§4.2.4)."""
        return tuple(self._by_name)

    def find(self, der: bytes) -> Facts | None:
        """The anchor that is exactly this certificate."""
        return self._by_der.get(der)

    def ders(self) -> tuple[bytes, ...]:
        """Give the anchors, DER."""
        return tuple(self._by_der)

    def named(self, wanted: NormalName | None) -> list[Facts]:
        """Anchors with this subject, made comparable (RFC 5280 section 7.1)."""
        if wanted is None:
            return []
        if self._by_normal_name is None:
            index: dict[NormalName, list[Facts]] = {}
            for raw, anchors in self._by_name.items():
                name = normal_name(raw)
                if name is not None:
                    index.setdefault(name, []).extend(anchors)
            self._by_normal_name = index
        return self._by_normal_name.get(wanted, [])

    def issuers_of(self, child: Facts, *, spelled_alike: bool) -> list[Facts]:
        """Anchors that bear the name of its issuer, compared as RFC 5280 section 7.1 says.

        Args:
            child: a certificate.
            spelled_alike: whether to find those whose name has the same bytes, which is
                cheap and the rule, or the others.
        """
        if spelled_alike:
            return self._by_name.get(child.fields.issuer, [])
        found = self.named(child.issuer)
        return [each for each in found if each.fields.subject != child.fields.issuer]

    def __len__(self) -> int:
        return len(self._by_der)

    def __contains__(self, certificate: object) -> bool:
        if isinstance(certificate, x509.Certificate):
            certificate = certificate.public_bytes(Encoding.DER)
        return certificate in self._by_der

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, TrustStore) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"TrustStore({len(self)} anchors)"


def _load(data: bytes, where: str) -> list[bytes]:
    try:
        return certificate_ders(data)
    except ValueError as error:
        raise UsageError(f"{where}: no certificate that can be read: {error}") from error


def _load_if_any(data: bytes) -> list[bytes]:
    try:
        return _load(data, "")
    except UsageError:
        return []


_PEM_END = b"-----END CERTIFICATE-----"


def _readable(bundle: Path) -> list[bytes]:
    """Return those certificates of a PEM bundle that can be parsed."""
    blocks = [block + _PEM_END for block in _read(bundle).split(_PEM_END)[:-1]]
    return [der for block in blocks for der in _load_if_any(block)]


def _files(path: str | os.PathLike[str]) -> list[Path]:
    """The file itself, or the files of a directory."""
    if Path(path).is_dir():
        return sorted(entry for entry in Path(path).iterdir() if entry.is_file())
    return [Path(path)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
