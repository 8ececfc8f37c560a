"""Who the peer proved to be."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from .._dataclass import dataclass, field
from ..constants import Role, SignatureScheme
from .der import certificate_fields, check_name_size, elements, object_identifier
from .extensions import SUBJECT_ALTERNATIVE_NAME, NameKind, read_extensions, read_general_names
from .parsed_certificate import SMALL, check_sizes
from .trust import PeerChain

__all__ = ["Identity", "alternative_names"]


@dataclass(frozen=True, slots=True, repr=False)
class Identity:
    """Who the peer proved to be, with which certificate, when (§4.4.2).

    An Identity is made only after Finished. It is replaced whole by the next
    one and never edited. It says what was proven and accepted *then*; a certificate may end,
    or be revoked, while a connection lives. Whether it would be accepted now,
    `postshake.drive.answers.judge_identity` says, which the web part asks for each request.
    """

    chain: tuple[bytes, ...]
    """The certificates as the peer sent them, DER, leaf first."""
    verified_chain: tuple[bytes, ...] = ()
    """Leaf to trust anchor, DER; empty when no chain was verified."""
    proven_at: float = 0.0
    """When, in seconds since the epoch."""
    certificate_request_context: bytes = b""
    """The request that this answered; empty in the main handshake."""
    ocsp_response: bytes | None = field(default=None, compare=False)
    """What was stapled to the certificate, if anything was: without it, a verifier that requires
    to know of a certificate that it was not revoked could not judge it again."""
    signature_scheme: SignatureScheme | None = field(default=None, compare=False)
    """By which the peer signed; None in a session that is resumed, where nobody signs."""

    @property
    def certificate(self) -> x509.Certificate:
        """The peer's own certificate, parsed anew at each use."""
        return x509.load_der_x509_certificate(self.chain[0])

    @property
    def subject(self) -> str:
        """The subject as RFC 4514 writes it; empty when there is none that can be read."""
        try:
            return self.certificate.subject.rfc4514_string()
        except (ValueError, TypeError, Warning):  # only in what was not verified
            return ""

    @property
    def common_name(self) -> str | None:
        """The subject's most specific common name."""
        try:
            found = self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        except (ValueError, TypeError, Warning):
            return None
        return _text(found[-1].value) if found else None

    @property
    def subject_alt_names(self) -> tuple[tuple[str, str], ...]:
        """Alternative names as (type, value) pairs, types named as in ``ssl``.

        Those that cannot be read are left out.
        """
        return tuple(alternative_names(self.chain[0]))

    @property
    def issuer(self) -> str:
        """The issuer as RFC 4514 writes it; empty when it cannot be read."""
        try:
            return self.certificate.issuer.rfc4514_string()
        except (ValueError, TypeError, Warning):
            return ""

    @property
    def serial_number(self) -> int:
        """The certificate's serial number."""
        return self.certificate.serial_number

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the peer's certificate, in hexadecimal."""
        return hashlib.sha256(self.chain[0]).hexdigest()

    @property
    def not_before(self) -> datetime:
        """Start of the certificate's validity, UTC."""
        return self.certificate.not_valid_before_utc

    @property
    def not_after(self) -> datetime:
        """End of the certificate's validity, UTC."""
        return self.certificate.not_valid_after_utc

    @property
    def valid_until(self) -> datetime:
        """When the first certificate of the verified path ends, UTC; or the peer's own."""
        path = map(x509.load_der_x509_certificate, self.verified_chain or self.chain[:1])
        return min(certificate.not_valid_after_utc for certificate in path)

    def for_verifier(self, role: Role, server_name: str | None, now: float) -> PeerChain:
        """Put it as the question whether to believe it.

        Args:
            role: which end the peer is.
            server_name: the server that was meant; None where it is not to be checked.
            now: the time, in seconds since the epoch.
        """
        return PeerChain(self.chain, role, server_name, self.ocsp_response, now)

    @property
    def verified(self) -> bool:
        """Whether the chain was verified up to a trust anchor."""
        return bool(self.verified_chain)

    def to_dict(self) -> dict[str, Any]:
        """Give all of it as plain values that JSON can hold.

        ``chain`` is the verified one, or what the peer sent where none was verified, leaf
        first: of each certificate the subject, the issuer and the fingerprint.
        """
        return {
            "subject": self.subject,
            "common_name": self.common_name,
            "subject_alt_names": [list(pair) for pair in self.subject_alt_names],
            "issuer": self.issuer,
            "serial_number": f"{self.serial_number:x}",
            "fingerprint": self.fingerprint,
            "not_before": self.not_before.isoformat(),
            "not_after": self.not_after.isoformat(),
            "proven_at": datetime.fromtimestamp(self.proven_at, UTC).isoformat(),
            "verified": self.verified,
            "chain": [_told(der) for der in self.verified_chain or self.chain],
            "certificate_request_context": self.certificate_request_context.hex(),
        }

    def to_json(self) -> str:
        """Give all of it as one line of JSON, for a log.

        It is ASCII without control characters, whatever a certificate holds, and has no secrets.
        """
        import json  # only for who logs

        return json.dumps(self.to_dict())

    def __repr__(self) -> str:
        return f"Identity(subject={self.subject!r}, fingerprint='{self.fingerprint[:8]}…')"


def alternative_names(der: bytes) -> Iterator[tuple[str, str]]:
    """Read a certificate's alternative names, each alone."""
    try:
        extensions = read_extensions(certificate_fields(der).extensions).values
        held = extensions.get(SUBJECT_ALTERNATIVE_NAME)
        names = read_general_names(held) if held is not None else ()
    except (ValueError, IndexError):  # only in what was not verified
        return
    for kind, value in names:
        reader = _NAMES.get(kind)
        if reader is not None:
            try:
                yield reader[0], reader[1](value)
            except (ValueError, TypeError):
                continue


def _ascii(value: bytes) -> str:
    return value.decode("ascii")


def _address(value: bytes) -> str:
    return str(ip_address(value))


def _directory_name(value: bytes) -> str:
    if len(value) > SMALL:
        check_name_size(value)
    return x509.Name.from_bytes(value).rfc4514_string()


def _registered_id(value: bytes) -> str:
    return object_identifier(b"\x06%c%b" % (len(value), value))


def _other_name(value: bytes) -> str:
    (_, at, _, kind_end), (_, _, start, end) = elements(value, 0, len(value))
    return f"{object_identifier(value[at:kind_end])}:{value[start:end].hex()}"


_NAMES: dict[int, tuple[str, Callable[[bytes], str]]] = {
    NameKind.dns_name: ("DNS", _ascii),
    NameKind.ip_address: ("IP Address", _address),
    NameKind.rfc822_name: ("email", _ascii),
    NameKind.uniform_resource_identifier: ("URI", _ascii),
    NameKind.directory_name: ("DirName", _directory_name),
    NameKind.registered_id: ("Registered ID", _registered_id),
    NameKind.other_name: ("othername", _other_name),
}


def _told(der: bytes) -> dict[str, str]:
    told = {"subject": "", "issuer": "", "fingerprint": hashlib.sha256(der).hexdigest()}
    try:
        check_sizes(der)
        certificate = x509.load_der_x509_certificate(der)
        told["subject"] = certificate.subject.rfc4514_string()
        told["issuer"] = certificate.issuer.rfc4514_string()
    except (ValueError, TypeError, IndexError, Warning):
        pass  # only in what was not verified
    return told


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.hex()
