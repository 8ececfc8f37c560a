"""Names that the standard module has for its own use, and that programs look up all the same.

paho-mqtt, truststore, gevent and urllib3 are among them. None makes a connection, so that each
may be the standard one: what does, such as the `wrap_socket` of Python 3.11, is not here.
"""

from __future__ import annotations

__all__ = ["PRIVATE_NAMES"]

PRIVATE_NAMES = frozenset({
    # what the module imports
    "AF_INET", "SOCK_STREAM", "SOL_SOCKET", "SO_TYPE", "base64", "create_connection", "errno",
    "namedtuple", "os", "socket", "socket_error", "sys", "warnings",
    "_socket", "_ssl", "_Enum", "_IntEnum", "_IntFlag", "_simple_enum", "_GLOBAL_DEFAULT_TIMEOUT",
    # its own
    "_ASN1Object", "_DEFAULT_CIPHERS", "_OPENSSL_API_VERSION", "_PROTOCOL_NAMES",
    "_RESTRICTED_SERVER_CIPHERS", "_SSLMethod", "_SSLv2_IF_EXISTS", "_TLSAlertType",
    "_TLSContentType", "_TLSMessageType", "_dnsname_match", "_inet_paton", "_ipaddress_match",
    "_nid2obj", "_sslcopydoc", "_txt2obj",
    "_check_sslobject_params", "_GiveupOnSSLSendfile",  # since Python 3.14 and 3.15
    # gone since Python 3.12, and before that of use with any connection
    "match_hostname",
})  # fmt: skip
