"""What becomes of every name that the standard module has, in any Python that we run on.

A name is ours, or a setting that we take over, or inherited, and then there is a reason why
that does no harm. A name that is in no table fails the test: somebody must look at it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from postshake.constants import CipherSuite, ProtocolVersion
from postshake.ssl.engine_config import config_for

__all__ = ["CLASSES", "MODULE", "PATTERNS", "Inherited", "Ours", "Setting", "Treatment", "here"]


@dataclass(frozen=True)
class Treatment:
    """What we do about a name."""

    since: tuple[int, int] = (3, 11)
    until: tuple[int, int] = (99, 0)
    """The first Python that has it no more."""

    @property
    def is_here(self) -> bool:
        """Whether this Python has the name."""
        return self.since <= sys.version_info[:2] < self.until


@dataclass(frozen=True)
class Ours(Treatment):
    """There is one of our own in its place."""


@dataclass(frozen=True, kw_only=True)
class Inherited(Treatment):
    """It is the standard one, and does no harm."""

    why: str


@dataclass(frozen=True, kw_only=True)
class Setting(Treatment):
    """It is the standard one; what it is set to reaches the engine."""

    change: Callable[[Any], Any]
    """Sets it otherwise than it is in a new context for servers or clients."""
    seen: Callable[[Any], Any]
    """What the engine's configuration, as of now, says of it."""
    client: bool = False


def here(table: dict[str, Treatment]) -> set[str]:
    """The names of a table that this Python should have."""
    return {name for name, treatment in table.items() if treatment.is_here}


def attribute(name: str, value: Any) -> Callable[[Any], Any]:
    return lambda context: setattr(context, name, value)


def config(context: Any, client: bool) -> Any:
    return config_for(context, not client)


def client_sees(look: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda context: look(config(context, client=True))


def server_sees(look: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda context: look(config(context, client=False))


OURS = Ours()
PLUMBING = Inherited(why="calls what is ours")
COPY = Inherited(why="the standard class is given everything that ours is given")

CONTEXT: dict[str, Treatment] = {
    # settings
    "verify_mode": Setting(
        change=attribute("verify_mode", 1), seen=server_sees(lambda it: it.client_auth)
    ),
    "check_hostname": Setting(
        change=attribute("check_hostname", False),
        seen=client_sees(lambda it: it.check_server_name),
        client=True,
    ),
    "verify_flags": OURS,
    "options": Setting(
        change=attribute("options", 1 << 29),  # no TLS 1.3
        seen=server_sees(lambda it: it.versions),
    ),
    "minimum_version": Setting(
        change=attribute("minimum_version", ProtocolVersion.TLS13),
        seen=server_sees(lambda it: it.versions),
    ),
    "maximum_version": Setting(
        change=attribute("maximum_version", ProtocolVersion.TLS12),
        seen=server_sees(lambda it: it.versions),
    ),
    "num_tickets": Setting(
        change=attribute("num_tickets", 5), seen=server_sees(lambda it: it.tickets)
    ),
    "post_handshake_auth": Setting(
        change=attribute("post_handshake_auth", True),
        seen=client_sees(lambda it: it.post_handshake_auth),
        client=True,
    ),
    "hostname_checks_common_name": Setting(
        change=attribute("hostname_checks_common_name", False),
        seen=client_sees(lambda it: it.verifier._common_names),
        client=True,
    ),
    "security_level": Setting(
        change=lambda context: context.set_ciphers("DEFAULT:@SECLEVEL=4"),
        seen=server_sees(
            lambda it: (
                it.verifier._bits,
                CipherSuite.TLS_AES_128_GCM_SHA256 in it.cipher_suites,
                it.groups,
                it.signature_algorithms,
                it.tickets12,
            )
        ),
    ),
    "protocol": Inherited(why="cannot be changed; settings are read with it"),
    # certificates and trust
    "load_cert_chain": OURS,
    "load_verify_locations": OURS,
    "set_default_verify_paths": OURS,
    "load_default_certs": PLUMBING,
    "_load_windows_store_certs": PLUMBING,
    "_windows_cert_stores": PLUMBING,
    "get_ca_certs": COPY,
    "cert_store_stats": COPY,
    # negotiation
    "get_ciphers": OURS,
    "set_ciphers": OURS,
    "set_ciphersuites": Ours(since=(3, 15)),
    "set_groups": Ours(since=(3, 15)),
    "get_groups": Ours(since=(3, 15)),
    "set_client_sigalgs": Ours(since=(3, 15)),
    "set_server_sigalgs": Ours(since=(3, 15)),
    "set_ecdh_curve": OURS,
    "set_alpn_protocols": OURS,
    "_set_alpn_protocols": Inherited(why="reads the list that ours gives it"),
    "set_npn_protocols": Inherited(why="only warns, there too: no TLS of today has NPN"),
    "load_dh_params": Inherited(why="no suite that we have needs them (docs/ssl.md)"),
    "set_psk_client_callback": Ours(since=(3, 13)),
    "set_psk_server_callback": Ours(since=(3, 13)),
    # callbacks and figures
    "sni_callback": OURS,
    "set_servername_callback": PLUMBING,
    "keylog_filename": OURS,
    "session_stats": OURS,
    "_msg_callback": Inherited(why="private; shows OpenSSL's messages (docs/ssl.md)"),
    # connections
    "sslsocket_class": OURS,
    "sslobject_class": OURS,
    "wrap_socket": PLUMBING,
    "wrap_bio": PLUMBING,
    "_wrap_socket": OURS,
    "_wrap_bio": OURS,
    "_encode_hostname": Inherited(why="turns a name into ASCII"),
    "_host_flags": Inherited(why="where hostname_checks_common_name is kept"),
}

# both are written in Python, on an object of the private class _ssl._SSLSocket, which is ours
ON_TOP = Inherited(why="written in Python, on the object of OpenSSL's that ours stands for")
COMMON: dict[str, Treatment] = {
    **dict.fromkeys(
        (
            "_create", "context", "session", "session_reused", "read", "write", "getpeercert",
            "selected_npn_protocol", "selected_alpn_protocol", "cipher", "shared_ciphers",
            "compression", "pending", "do_handshake", "unwrap", "version",
            "verify_client_post_handshake",
        ),
        ON_TOP,
    ),
    "get_verified_chain": Ours(since=(3, 13)),
    "get_unverified_chain": Ours(since=(3, 13)),
    "group": Ours(since=(3, 15)),
    "client_sigalg": Ours(since=(3, 15)),
    "server_sigalg": Ours(since=(3, 15)),
}  # fmt: skip
SOCKET: dict[str, Treatment] = COMMON | {
    **dict.fromkeys(
        (
            "_checkClosed", "_check_connected", "_real_close", "_real_connect", "accept", "connect",
            "connect_ex", "dup", "recv", "recv_into", "recvfrom", "recvfrom_into", "recvmsg",
            "recvmsg_into", "send", "sendall", "sendfile", "sendmsg", "sendto", "shutdown",
        ),
        ON_TOP,
    ),
    "get_channel_binding": OURS,
}  # fmt: skip
OBJECT: dict[str, Treatment] = COMMON | {
    "get_channel_binding": ON_TOP,
    "server_side": ON_TOP,
    "server_hostname": ON_TOP,
}
PRIVATE_SOCKET: dict[str, Treatment] = {
    **dict.fromkeys(
        (
            "cipher", "compression", "context", "do_handshake", "get_channel_binding",
            "get_unverified_chain", "get_verified_chain", "getpeercert", "owner", "pending",
            "read", "selected_alpn_protocol", "server_hostname", "server_side", "session",
            "session_reused", "shared_ciphers", "shutdown", "verify_client_post_handshake",
            "version", "write",
        ),
        OURS,
    ),
    **dict.fromkeys(
        ("client_sigalg", "group", "server_sigalg", "uses_ktls_for_recv", "uses_ktls_for_send"),
        Ours(since=(3, 15)),
    ),
    "sendfile": Inherited(
        since=(3, 15), why="asked for only where the kernel seals, which it does not for us"
    ),
}  # fmt: skip
SESSION: dict[str, Treatment] = dict.fromkeys(
    ("has_ticket", "id", "ticket_lifetime_hint", "time", "timeout"), OURS
)
MEMORY: dict[str, Treatment] = dict.fromkeys(
    ("eof", "pending", "read", "write", "write_eof"), Inherited(why="holds bytes, and no more")
)
CLASSES: dict[str, dict[str, Treatment]] = {
    "SSLContext": CONTEXT,
    "SSLSocket": SOCKET,
    "SSLObject": OBJECT,
    "SSLSession": SESSION,
    "MemoryBIO": MEMORY,
    "_SSLSocket": PRIVATE_SOCKET,
}

# --- the module

VALUE = Inherited(why="a number or a text, which both modules have alike")
OPTION: dict[str, str] = {
    "OP_ALL": "works around faults of old programs that never speak what we speak",
    "OP_CIPHER_SERVER_PREFERENCE": "read",
    "OP_ENABLE_KTLS": "only faster: records are sealed in Python's process as ever",
    "OP_ENABLE_MIDDLEBOX_COMPAT": "read",
    "OP_IGNORE_UNEXPECTED_EOF": "read",
    "OP_LEGACY_SERVER_CONNECT": "allows servers without RFC 5746, and we never renegotiate",
    "OP_NO_COMPRESSION": "always",
    "OP_NO_RENEGOTIATION": "always",
    "OP_NO_SSLv2": "always",
    "OP_NO_SSLv3": "always",
    "OP_NO_TICKET": "read",
    "OP_NO_TLSv1": "always",
    "OP_NO_TLSv1_1": "always",
    "OP_NO_TLSv1_2": "read",
    "OP_NO_TLSv1_3": "read",
    "OP_SINGLE_DH_USE": "always",
    "OP_SINGLE_ECDH_USE": "always",
}
FLAG: dict[str, str] = {
    "VERIFY_ALLOW_PROXY_CERTS": "allows what is refused all the same: nobody is believed by it",
    "VERIFY_CRL_CHECK_CHAIN": "read",
    "VERIFY_CRL_CHECK_LEAF": "read",
    "VERIFY_DEFAULT": "none of them",
    "VERIFY_X509_PARTIAL_CHAIN": "read",
    "VERIFY_X509_STRICT": "read",
    "VERIFY_X509_TRUSTED_FIRST": "always",
}
FEATURE: dict[str, str] = {
    "HAS_ALPN": "true of both",
    "HAS_ECDH": "true of both",
    "HAS_NEVER_CHECK_COMMON_NAME": "true of both",
    "HAS_NPN": "false of both",
    "HAS_SNI": "true of both",
    "HAS_SSLv2": "false of both",
    "HAS_SSLv3": "false of both",
    "HAS_TLSv1": "ours",
    "HAS_TLSv1_1": "ours",
    "HAS_TLSv1_2": "true of both",
    "HAS_TLSv1_3": "true of both",
    "HAS_PSK": "true of both",
    "HAS_PHA": "true of both",
    "HAS_PSK_TLS13": "true of both",
}
SINCE = {
    "OP_ENABLE_KTLS": (3, 12),
    "OP_LEGACY_SERVER_CONNECT": (3, 12),
    "HAS_PSK": (3, 13),
    "HAS_PHA": (3, 14),
    "HAS_PSK_TLS13": (3, 15),
}
MODULE: dict[str, Treatment] = {
    **{
        name: OURS if why == "ours" else Inherited(since=SINCE.get(name, (3, 11)), why=why)
        for name, why in (OPTION | FLAG | FEATURE).items()
    },
    **dict.fromkeys(
        (
            "PROTOCOL_SSLv23", "PROTOCOL_TLS", "PROTOCOL_TLS_CLIENT", "PROTOCOL_TLS_SERVER",
            "PROTOCOL_TLSv1", "PROTOCOL_TLSv1_1", "PROTOCOL_TLSv1_2",
        ),
        Inherited(why="SSLContext refuses those that we do not speak"),
    ),
    **dict.fromkeys(
        (
            "CERT_NONE", "CERT_OPTIONAL", "CERT_REQUIRED", "PEM_FOOTER", "PEM_HEADER",
            "OPENSSL_VERSION", "OPENSSL_VERSION_INFO", "OPENSSL_VERSION_NUMBER",
            "AlertDescription", "Options", "SSLErrorNumber", "TLSVersion", "VerifyFlags",
            "VerifyMode", "Purpose", "DefaultVerifyPaths",
        ),
        VALUE,
    ),
    **dict.fromkeys(
        (
            "CertificateError", "SSLCertVerificationError", "SSLEOFError", "SSLError",
            "SSLSyscallError", "SSLWantReadError", "SSLWantWriteError", "SSLZeroReturnError",
        ),
        Inherited(why="programs catch these classes, and we raise them"),
    ),
    **dict.fromkeys(
        (
            "DER_cert_to_PEM_cert", "PEM_cert_to_DER_cert", "RAND_add", "RAND_bytes",
            "RAND_status", "cert_time_to_seconds", "get_default_verify_paths",
            "get_protocol_name", "MemoryBIO",
        ),
        Inherited(why="has nothing to do with connections"),
    ),
    "CHANNEL_BINDING_TYPES": OURS,
    "SSLContext": OURS,
    "SSLObject": OURS,
    "SSLSession": OURS,
    "SSLSocket": OURS,
    "create_default_context": OURS,
    "get_server_certificate": OURS,
    "get_sigalgs": Ours(since=(3, 15)),
}  # fmt: skip

PATTERNS: dict[str, re.Pattern[str]] = {
    "numbers of TLS and OpenSSL": re.compile(r"ALERT_DESCRIPTION_\w+|SSL_ERROR_\w+"),
    # what a module imports for its own use has no underscore in older Pythons
    "imported for its own use": re.compile(
        r"base64|errno|namedtuple|os|socket|socket_error|sys|warnings|create_connection"
        r"|SOCK_STREAM|SOL_SOCKET|SO_TYPE|frozendict"
    ),
    # gone since 3.12; RAND_egd is in few builds of OpenSSL
    "deprecated for longer than there is postshake": re.compile(
        r"match_hostname|wrap_socket|RAND_pseudo_bytes|RAND_egd"
    ),
}
