"""Priority strings: what a session may negotiate, in GnuTLS's little language.

A string starts with a level, such as ``NORMAL``, and goes on with words that add
(``+``) or take away (``-`` or ``!``), and options (``%``), all between colons::

    NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-X25519:%SERVER_PRECEDENCE

The orders of preference inside a level are our own. Words for what GnuTLS has and we
have not, such as ``AES-128-CBC``, are known and change nothing. Of the options these have
an effect: ``SERVER_PRECEDENCE``, ``NO_TICKETS``, ``NO_TICKETS_TLS12``, ``NO_STATUS_REQUEST``,
``FORCE_SESSION_HASH``, ``FALLBACK_SCSV`` and ``DISABLE_TLS13_COMPAT_MODE``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .._dataclass import dataclass, field
from ..constants import CipherSuite as C
from ..constants import NamedGroup as G
from ..constants import ProtocolVersion as V
from ..constants import SignatureScheme as S
from ..crypto.groups import supported_groups
from ..crypto.signatures import certificate_schemes, handshake_schemes
from ..crypto.tls12.signatures import handshake_schemes12
from ..errors import present
from . import codes
from .errors import SessionError

__all__ = ["Priorities", "parse_priorities"]


@dataclass
class Priorities:
    """What a priority string says; each list has the favourites first."""

    versions: list[V] = field(default_factory=list)
    cipher_suites: list[C] = field(default_factory=list)
    groups: list[G] = field(default_factory=list)
    signature_algorithms: list[S] = field(default_factory=list)
    """Those for certificates alone are among them."""
    key_exchanges: list[str] = field(default_factory=list)
    macs: list[str] = field(default_factory=list)
    options: set[str] = field(default_factory=set)
    without_effect: list[str] = field(default_factory=list)
    """Words that ask for what we have not."""

    @property
    def handshake_schemes(self) -> tuple[int, ...]:
        """Schemes for CertificateVerify (§4.2.3)."""
        allowed = handshake_schemes()
        return tuple(scheme for scheme in self.signature_algorithms if scheme in allowed)

    @property
    def tls13_suites(self) -> tuple[C, ...]:
        """The suites of TLS 1.3; none without AEAD among the MACs."""
        return tuple(self.cipher_suites) if "AEAD" in self.macs else ()

    @property
    def handshake_schemes12(self) -> tuple[int, ...]:
        """Schemes for the signatures of a TLS 1.2 handshake (RFC 5246 7.4.1.4.1)."""
        allowed = handshake_schemes12()
        return tuple(scheme for scheme in self.signature_algorithms if scheme in allowed)

    @property
    def tls12_suites(self) -> tuple[C, ...]:
        """The suites of TLS 1.2: each cipher, with the key exchanges that there are."""
        return tuple(
            suite
            for cipher in self.tls13_suites
            for exchange, suite in _SUITES12[cipher]
            if exchange in self.key_exchanges
        )

    @property
    def usable_versions(self) -> tuple[V, ...]:
        """The versions for which there is all that they need."""
        tls12 = bool(self.tls12_suites and self.handshake_schemes12)
        return tuple(each for each in self.versions if each is not V.TLS12 or tls12)


KEY_EXCHANGES = ("ECDHE-ECDSA", "ECDHE-RSA", "PSK", "ECDHE-PSK", "DHE-PSK")
_AES128, _AES256, _CHACHA = (
    C.TLS_AES_128_GCM_SHA256,
    C.TLS_AES_256_GCM_SHA384,
    C.TLS_CHACHA20_POLY1305_SHA256,
)
_SUITES12 = {
    _AES128: (
        ("ECDHE-ECDSA", C.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
        ("ECDHE-RSA", C.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
        ("ECDHE-PSK", C.TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256),
    ),
    _AES256: (
        ("ECDHE-ECDSA", C.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
        ("ECDHE-RSA", C.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
        ("ECDHE-PSK", C.TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384),
    ),
    _CHACHA: (
        ("ECDHE-ECDSA", C.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
        ("ECDHE-RSA", C.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
        ("ECDHE-PSK", C.TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256),
    ),
}
_STRONG_GROUPS = (G.secp384r1, G.secp521r1, G.x448, G.SecP384r1MLKEM1024)


def _strong(scheme: S) -> bool:
    weak = ("sha1", "sha256", "ed25519", "mldsa44")
    return not scheme.name.endswith(weak)


def _level(
    suites: Iterable[C] = (_AES256, _CHACHA, _AES128),
    *,
    strong: bool = False,
) -> Callable[[], Priorities]:
    """Describe a level; it is made when asked for, by what this build can do."""

    def make() -> Priorities:
        groups = supported_groups()
        schemes = certificate_schemes()
        return Priorities(
            versions=[V.TLS13, V.TLS12],
            cipher_suites=list(suites),
            groups=[group for group in groups if not strong or group in _STRONG_GROUPS],
            signature_algorithms=[each for each in schemes if not strong or _strong(each)],
            key_exchanges=["ECDHE-ECDSA", "ECDHE-RSA"],
            macs=["AEAD"],
        )

    return make


LEVELS: dict[str, Callable[[], Priorities]] = {
    "NONE": Priorities,
    "NORMAL": _level(),
    "PERFORMANCE": _level((_AES128, _AES256, _CHACHA)),
    "PFS": _level(),
    "SECURE128": _level(),
    "SECURE192": _level((_AES256, _CHACHA), strong=True),
    "SECURE256": _level((_AES256, _CHACHA), strong=True),
}

# What a word stands for: the list it changes, and what goes in or out. An empty tuple
# means what GnuTLS has and we have not.
_Meaning = tuple[str, tuple[object, ...]]


def _words() -> dict[str, _Meaning]:
    every_scheme = tuple(certificate_schemes())
    words: dict[str, _Meaning] = {
        "VERS-ALL": ("versions", (V.TLS13, V.TLS12)),
        "VERS-TLS-ALL": ("versions", (V.TLS13, V.TLS12)),
        "VERS-TLS1.3": ("versions", (V.TLS13,)),
        "VERS-TLS1.2": ("versions", (V.TLS12,)),
        "CIPHER-ALL": ("cipher_suites", (_AES256, _CHACHA, _AES128)),
        "AES-128-GCM": ("cipher_suites", (_AES128,)),
        "AES-256-GCM": ("cipher_suites", (_AES256,)),
        "CHACHA20-POLY1305": ("cipher_suites", (_CHACHA,)),
        "AEAD": ("macs", ("AEAD",)),
        "MAC-ALL": ("macs", ("AEAD",)),
        "KX-ALL": ("key_exchanges", KEY_EXCHANGES),
        "GROUP-ALL": ("groups", tuple(supported_groups())),
        "GROUP-EC-ALL": ("groups", tuple(supported_groups())),
        "SIGN-ALL": ("signature_algorithms", every_scheme),
        "SIGN-EdDSA-Ed25519": ("signature_algorithms", (S.ed25519,)),
        "SIGN-EdDSA-Ed448": ("signature_algorithms", (S.ed448,)),
        "SIGN-MLDSA44": ("signature_algorithms", (S.mldsa44,)),
        "SIGN-MLDSA65": ("signature_algorithms", (S.mldsa65,)),
        "SIGN-MLDSA87": ("signature_algorithms", (S.mldsa87,)),
    }
    words |= {name: ("key_exchanges", (name,)) for name in KEY_EXCHANGES}
    groups = {
        "SECP256R1": G.secp256r1,
        "SECP384R1": G.secp384r1,
        "SECP521R1": G.secp521r1,
        "X25519": G.x25519,
        "X448": G.x448,
        "X25519-MLKEM768": G.X25519MLKEM768,
        "SECP256R1-MLKEM768": G.SecP256r1MLKEM768,
        "SECP384R1-MLKEM1024": G.SecP384r1MLKEM1024,
    }
    for name, group in groups.items():
        words[f"GROUP-{name}"] = words[f"CURVE-{name}"] = ("groups", (group,))
    words["CURVE-ALL"] = words["GROUP-ALL"]
    curves = {"256": S.ecdsa_secp256r1_sha256, "384": S.ecdsa_secp384r1_sha384}
    curves["512"] = S.ecdsa_secp521r1_sha512
    sizes = {"256": "256", "384": "384", "512": "521"}
    for bits, curve in curves.items():
        ecdsa: _Meaning = ("signature_algorithms", (curve,))
        words[f"SIGN-ECDSA-SHA{bits}"] = ecdsa
        words[f"SIGN-ECDSA-SECP{sizes[bits]}R1-SHA{bits}"] = ecdsa
        for word, scheme in (
            ("RSA", f"rsa_pkcs1_sha{bits}"),
            ("RSA-PSS", f"rsa_pss_pss_sha{bits}"),
            ("RSA-PSS-RSAE", f"rsa_pss_rsae_sha{bits}"),
        ):
            words[f"SIGN-{word}-SHA{bits}"] = ("signature_algorithms", (S[scheme],))
    return words | dict.fromkeys(_NOT_OURS.split(), ("", ()))


_NOT_OURS = """
    VERS-TLS1.1 VERS-TLS1.0 VERS-SSL3.0 VERS-DTLS-ALL VERS-DTLS1.2 VERS-DTLS1.0 VERS-DTLS0.9
    AES-128-CCM AES-256-CCM AES-128-CCM-8 AES-256-CCM-8 AES-128-CBC AES-192-CBC AES-256-CBC
    3DES-CBC ARCFOUR-128 NULL CAMELLIA-128-CBC CAMELLIA-256-CBC CAMELLIA-128-GCM CAMELLIA-256-GCM
    SHA1 SHA256 SHA384 MD5 COMP-NULL COMP-ALL COMP-DEFLATE
    RSA DHE-RSA DHE-DSS RSA-PSK ANON-DH ANON-ECDH SRP SRP-RSA SRP-DSS
    GROUP-DH-ALL GROUP-FFDHE2048 GROUP-FFDHE3072 GROUP-FFDHE4096 GROUP-FFDHE6144 GROUP-FFDHE8192
    SIGN-RSA-SHA1 SIGN-RSA-SHA224 SIGN-RSA-MD5 SIGN-ECDSA-SHA1 SIGN-ECDSA-SHA224 SIGN-DSA-SHA1
    SIGN-DSA-SHA224 SIGN-DSA-SHA256 SIGN-DSA-SHA384 SIGN-DSA-SHA512
    CTYPE-ALL CTYPE-X509 CTYPE-X.509 CTYPE-OPENPGP CTYPE-RAWPK CTYPE-CLI-ALL CTYPE-CLI-X509
    CTYPE-CLI-RAWPK CTYPE-SRV-ALL CTYPE-SRV-X509 CTYPE-SRV-RAWPK
"""

# Accepted; those that have an effect are read by Session.
_OPTIONS = """
    COMPAT NO_EXTENSIONS NO_STATUS_REQUEST NO_TICKETS NO_TICKETS_TLS12 FORCE_ETM NO_ETM
    FORCE_SESSION_HASH NO_SESSION_HASH DUMBFW FALLBACK_SCSV DISABLE_SAFE_RENEGOTIATION
    UNSAFE_RENEGOTIATION PARTIAL_RENEGOTIATION SAFE_RENEGOTIATION SERVER_PRECEDENCE
    DISABLE_WILDCARDS SSL3_RECORD_VERSION LATEST_RECORD_VERSION STATELESS_COMPRESSION
    DISABLE_TLS13_COMPAT_MODE ALLOW_SMALL_RECORDS VERIFY_ALLOW_BROKEN
    VERIFY_ALLOW_SIGN_RSA_MD5 VERIFY_ALLOW_SIGN_WITH_SHA1 VERIFY_DISABLE_CRL_CHECKS
    VERIFY_ALLOW_X509_V1_CA_CRT PROFILE_VERY_WEAK PROFILE_LOW PROFILE_LEGACY PROFILE_MEDIUM
    PROFILE_HIGH PROFILE_ULTRA PROFILE_FUTURE PROFILE_SUITEB128 PROFILE_SUITEB192
"""
OPTIONS = frozenset(_OPTIONS.split())


def parse_priorities(text: str) -> Priorities:
    """Read a priority string.

    Raises:
        SessionError: E_INVALID_REQUEST, for a word that is none; it names the word and
            where it stands. E_NO_PRIORITIES_WERE_SET, when nothing is left.
    """
    words = _words()
    priorities: Priorities | None = None
    position = 0
    for item in text.split(":"):
        if priorities is None:
            level = LEVELS.get(item)
            if level is None:
                raise _unknown(text, item, position, f"a level: {', '.join(LEVELS)}")
            priorities = level()
        else:
            _apply(priorities, words, text, item, position)
        position += len(item) + 1
    priorities = present(priorities, "item")  # split() gives at least one
    lacking = [
        what
        for what, there in (
            ("protocol version", priorities.usable_versions),
            ("cipher", priorities.tls13_suites),
            ("group", priorities.groups),
            ("signature algorithm", priorities.handshake_schemes),
        )
        if not there
    ]
    if lacking:
        raise SessionError(
            codes.E_NO_PRIORITIES_WERE_SET, f"{text!r} leaves no {' and no '.join(lacking)}"
        )
    return priorities


def _apply(
    priorities: Priorities, words: dict[str, _Meaning], text: str, item: str, position: int
) -> None:
    sign, word = item[:1], item[1:]
    if sign == "%":
        if word not in OPTIONS:
            raise _unknown(text, item, position, "an option")
        priorities.options.add(word)
        return
    if sign not in ("+", "-", "!") or not sign:
        raise _unknown(text, item, position, "a word after +, - or !, or an option after %")
    meaning = words.get(word)
    if meaning is None:
        raise _unknown(text, item, position, "a version, cipher, group or the like")
    name, values = meaning
    if not name:
        priorities.without_effect.append(item)
        return
    current: list[object] = getattr(priorities, name)
    if sign == "+":
        usable = supported_groups() if name == "groups" else values
        current += [each for each in values if each not in current and each in usable]
    else:
        current[:] = [each for each in current if each not in values]


def _unknown(text: str, item: str, position: int, expected: str) -> SessionError:
    return SessionError(
        codes.E_INVALID_REQUEST,
        f"priority string {text!r}: {item!r} at position {position} is not {expected}",
    )
