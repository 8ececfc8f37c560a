"""Keys in PKCS #11 tokens: smart cards, HSMs, SoftHSM (extra ``postshake[pkcs11]``).

    credential = token_credential(
        "pkcs11:token=staff;object=alice?module-path=/usr/lib/softhsm/libsofthsm2.so",
        "alice.crt", pin=getpass,
    )

The key never leaves its token. It is found by a PKCS #11 URI (RFC 7512), the certificate
chain comes from files or from the token too. What comes out is a `Credential` like any
other: every part of postshake that takes one takes it, on both roles.

A token may take long to sign, or wait for a finger: for event loops, give its signer to
`postshake.signers.threaded.ThreadedSigner`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .._dataclass import dataclass, field
from ..constants import SignatureScheme
from ..crypto.signatures import PssKey, schemes_for
from ..crypto.tls12.signatures import schemes12_for
from ..errors import KeyMismatch, UsageError
from ..pki.credential import Credential, Password
from ..pki.parsed_certificate import load_certificates
from ..pki.pss import pss_key_of

__all__ = ["TokenSigner", "TokenUri", "token_credential"]

MAX_PIN_FILE = 4096
_HASHES = ("sha256", "sha384", "sha512")


@dataclass(frozen=True, slots=True)
class TokenUri:
    """Where a key is: the parts of a PKCS #11 URI that we go by (RFC 7512)."""

    token: str | None = None
    """The token's label."""
    serial: bytes | None = None
    """The token's serial number."""
    object: str | None = None
    """The key's label."""
    id: bytes | None = None
    """The key's CKA_ID."""
    module: str | None = None
    """The library that speaks to the token."""
    pin: str | None = field(default=None, repr=False)
    """What the URI says the PIN is, or where to read it: ``pin-value``, ``pin-source``."""

    @classmethod
    def parse(cls, text: str) -> TokenUri:
        """Read a URI; attributes that it has besides are passed over.

        Raises:
            UsageError: it is no PKCS #11 URI, or says something twice.
        """
        scheme, _, rest = text.partition(":")
        if scheme.lower() != "pkcs11":
            raise UsageError(f"expected a URI that begins with pkcs11:, got {scheme}:")
        path, _, query = rest.partition("?")
        found: dict[str, bytes] = {}
        for part in [*path.split(";"), *query.split("&")]:
            if not part:
                continue
            name, equals, value = part.partition("=")
            if not equals or name in found:
                problem = "stands there twice" if name in found else "has no value"
                raise UsageError(f"pkcs11 URI: {name!r} {problem}")
            found[name] = unquote_to_bytes(value)
        if found.get("type", b"private") not in (b"private", b"cert"):
            raise UsageError("pkcs11 URI: the type is not private")
        try:
            text_of = {
                name: value.decode() for name, value in found.items() if name in _TEXT_ATTRIBUTES
            }
        except UnicodeDecodeError as error:
            raise UsageError("pkcs11 URI: an attribute is not UTF-8") from error
        return cls(
            token=text_of.get("token"),
            serial=found.get("serial"),
            object=text_of.get("object"),
            id=found.get("id"),
            module=text_of.get("module-path"),
            pin=text_of.get("pin-value") or _pin_from(text_of.get("pin-source")),
        )


_TEXT_ATTRIBUTES = frozenset({"token", "object", "module-path", "pin-value", "pin-source"})


def _pin_from(source: str | None) -> str | None:
    """Read a PIN from the file that ``pin-source`` names."""
    if source is None:
        return None
    path = source.removeprefix("file:").removeprefix("//")
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(MAX_PIN_FILE).rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"pkcs11 URI: no PIN can be read from {path!r}") from None


def token_credential(
    uri: str | TokenUri,
    certificates: str | os.PathLike[str] | bytes | None = None,
    *,
    module: str | os.PathLike[str] | None = None,
    pin: Password = None,
) -> Credential:
    """Open a token, and make a credential of a key in it.

    The session with the token stays open until ``credential.signer.close()``. Open it
    after forking, never before. Of several keys in one token the first asks for the
    PIN: a process is logged in to a token as a whole.

    Args:
        uri: which key. A label or an id is needed only if the token has several.
        certificates: a file, or PEM or DER text; None for the certificate that the
            token has under the same id, and its issuers as far as they are there.
        module: the library, unless the URI names it.
        pin: unless the URI has it; may be a function that asks for it.

    Raises:
        UsageError: no library, token, key or certificate is there as described, the
            PIN is wrong, or python-pkcs11 is not installed.
    """
    where = TokenUri.parse(uri) if isinstance(uri, str) else uri
    with _explained():
        session = _open(where, module, pin)
        try:
            key = _find_key(session, where)
            chain = _from_token(session, key) if certificates is None else _read(certificates)
            leaf = _leaf_of(chain, key)
            signer = TokenSigner(session, key, leaf.public_key(), pss_key=pss_key_of(leaf))
            return Credential.from_objects([leaf, *(c for c in chain if c is not leaf)], signer)
        except BaseException:
            session.close()
            raise


class TokenSigner:
    """A private key in a token; it may be used from several threads, one at a time.

    Args:
        session: an open session with the token, which this takes over.
        key: the private key in it.
        public_key: the key of its certificate.
        pss_key: whether the certificate restricts the RSA key to RSASSA-PSS, and to which
            parameters, if to any.
    """

    def __init__(
        self, session: Any, key: Any, public_key: PublicKeyTypes, *, pss_key: PssKey = False
    ) -> None:
        self._session, self._key = session, key
        self._lock = threading.Lock()  # a PKCS #11 session does one thing at a time
        self.public_key = public_key
        mechanisms = {each.name for each in session.token.slot.get_mechanisms()}
        able = partial(_is_able, mechanisms=mechanisms)
        self.schemes: tuple[SignatureScheme, ...] = tuple(
            filter(able, schemes_for(public_key, pss_key=pss_key))
        )
        self.schemes12: tuple[SignatureScheme, ...] = tuple(
            filter(able, schemes12_for(public_key, pss_key=pss_key))
        )
        """What it can sign with in TLS 1.2."""

    def sign(self, scheme: SignatureScheme, data: bytes) -> bytes:
        """Have the token sign the data (§4.4.3).

        Raises:
            UsageError: the token failed, or is not there any more.
        """
        with _explained(), self._lock:
            return self._sign(scheme.name, data)

    def _sign(self, name: str, data: bytes) -> bytes:
        import pkcs11
        from pkcs11.util.ec import encode_ecdsa_signature

        mechanism = pkcs11.Mechanism
        if name.startswith("ed"):
            return bytes(self._key.sign(data, mechanism=mechanism.EDDSA))
        hashed = next(each for each in _HASHES if name.endswith(each))
        digest = hashlib.new(hashed, data).digest()
        if name.startswith("ecdsa"):
            return bytes(encode_ecdsa_signature(self._key.sign(digest, mechanism=mechanism.ECDSA)))
        if name.startswith("rsa_pkcs1"):
            info = _DIGEST_INFO[hashed] + digest
            return bytes(self._key.sign(info, mechanism=mechanism.RSA_PKCS))
        parameters = (mechanism[hashed.upper()], pkcs11.MGF[hashed.upper()], len(digest))
        return bytes(
            self._key.sign(digest, mechanism=mechanism.RSA_PKCS_PSS, mechanism_param=parameters)
        )

    def close(self) -> None:
        """End the session with the token; nothing can be signed any more."""
        with _explained(), self._lock:
            self._session.close()

    def __repr__(self) -> str:
        return f"TokenSigner({type(self.public_key).__name__})"


_DIGEST_INFO = {
    # DER of DigestInfo up to the digest (RFC 8017 section 9.2)
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}


def _is_able(scheme: SignatureScheme, mechanisms: set[str]) -> bool:
    name = scheme.name
    if name.startswith("rsa_pkcs1"):
        return "RSA_PKCS" in mechanisms and name.endswith(_HASHES)
    if name.startswith("rsa_pss"):
        return "RSA_PKCS_PSS" in mechanisms
    return ("ECDSA" if name.startswith("ecdsa") else "EDDSA") in mechanisms


# --- inside


def _open(where: TokenUri, module: str | os.PathLike[str] | None, pin: Password) -> Any:
    import pkcs11

    path = os.fspath(module) if module is not None else where.module
    if path is None:
        raise UsageError("no PKCS #11 library was named: give a module, or module-path in the URI")
    library = pkcs11.lib(path)
    tokens = list(library.get_tokens(token_label=where.token, token_serial=where.serial))
    if len(tokens) != 1:
        raise UsageError(f"expected one token that fits, found {len(tokens)}")
    return _Session(tokens[0], (path, tokens[0].serial), where.pin if pin is None else pin)


class _Session:
    """A session with a token that is logged in.

    A process is logged in to a token or it is not, with all its sessions (PKCS #11
    section 5.6.8). So one session logs in, is kept for as long as there are others,
    and logs out after the last.
    """

    _logged_in: ClassVar[dict[object, list[Any]]] = {}  # the session that did, and how many need it
    _lock = threading.Lock()

    def __init__(self, token: Any, name: object, pin: Password) -> None:
        self._name: object | None = name
        with self._lock:
            if name in self._logged_in:
                self._logged_in[name][1] += 1
            else:
                secret = pin() if callable(pin) else pin
                text = secret.decode() if isinstance(secret, bytes) else secret
                self._logged_in[name] = [token.open(user_pin=text), 1]
            self.it = token.open()
        self.token = token

    def get_objects(self, wanted: dict[Any, Any]) -> Any:
        return self.it.get_objects(wanted)

    def close(self) -> None:
        with self._lock:
            if self._name is None:
                return
            self.it.close()
            kept = self._logged_in[self._name]
            kept[1] -= 1
            if not kept[1]:
                del self._logged_in[self._name]
                kept[0].close()
            self._name = None


def _find_key(session: Any, where: TokenUri) -> Any:
    from pkcs11 import Attribute, ObjectClass

    wanted: dict[Any, Any] = {Attribute.CLASS: ObjectClass.PRIVATE_KEY}
    if where.object is not None:
        wanted[Attribute.LABEL] = where.object
    if where.id is not None:
        wanted[Attribute.ID] = where.id
    keys = list(session.get_objects(wanted))
    if len(keys) != 1:
        raise UsageError(f"expected one private key that fits, found {len(keys)}")
    return keys[0]


def _from_token(session: Any, key: Any) -> list[x509.Certificate]:
    """Take the key's certificate, which has its id, and all others as issuers."""
    from pkcs11 import Attribute, ObjectClass

    found = list(session.get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE}))
    found.sort(key=lambda each: each[Attribute.ID] != key[Attribute.ID])
    if not found or found[0][Attribute.ID] != key[Attribute.ID]:
        raise UsageError("the token has no certificate under the key's id: give one")
    certificates = [x509.load_der_x509_certificate(each[Attribute.VALUE]) for each in found]
    return [certificates[0], *_issuers(certificates[0], certificates[1:])]


def _issuers(leaf: x509.Certificate, others: list[x509.Certificate]) -> Iterator[x509.Certificate]:
    while leaf.issuer != leaf.subject:
        above = next((each for each in others if each.subject == leaf.issuer), None)
        if above is None:
            return
        others = [each for each in others if each is not above]
        yield above
        leaf = above


def _read(certificates: str | os.PathLike[str] | bytes) -> list[x509.Certificate]:
    data = certificates if isinstance(certificates, bytes) else Path(certificates).read_bytes()
    return load_certificates(data)


def _leaf_of(chain: list[x509.Certificate], key: Any) -> x509.Certificate:
    """Return the certificate that the key belongs to, as far as the token lets us see."""
    for certificate in chain:
        if _belongs(certificate.public_key(), key):
            return certificate
    raise KeyMismatch(f"none of the certificates is for the token's key ({key.key_type.name})")


def _belongs(public: object, key: Any) -> bool:
    from pkcs11 import Attribute, KeyType, ObjectClass

    if isinstance(public, rsa.RSAPublicKey):
        modulus = public.public_numbers().n
        return key.key_type == KeyType.RSA and modulus == int.from_bytes(key[Attribute.MODULUS])
    if isinstance(public, ec.EllipticCurvePublicKey):
        kind, point = KeyType.EC, public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    elif isinstance(public, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        kind, point = KeyType.EC_EDWARDS, public.public_bytes_raw()
    else:
        return False
    if key.key_type != kind:
        return False
    halves = {Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.ID: key[Attribute.ID]}
    points = [bytes(each[Attribute.EC_POINT]) for each in key.session.get_objects(halves)]
    # a DER OCTET STRING, or bare in some tokens; a token need not keep it at all
    return not points or any(each.endswith(point) for each in points)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Say in an error of ours what went wrong; no PIN is in it."""
    try:
        yield
    except ImportError as error:
        raise UsageError("keys in tokens need python-pkcs11: install postshake[pkcs11]") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"token: {error}") from error
    except UsageError:
        raise
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "pkcs11":
            raise
        detail = f": {error}" if str(error) else ""
        raise UsageError(f"token: {type(error).__name__}{detail}") from error
