"""Host names that are neither DNS names nor addresses.

``localhost:443``, ``a b`` and ``host.1`` are no names of hosts (RFC 1123, RFC 6066), and the
engine knows none of them. The standard module goes on with whatever it is given, and finds that
no certificate is for it. So do we; but such a name is not sent.
"""

from __future__ import annotations

import re
from dataclasses import replace as replace_fields

from .._dataclass import replace
from ..config import ClientConfig
from ..constants import Role
from ..errors import NameMismatch, UsageError
from ..pki.extensions import NameKind
from ..pki.names import normalize_server_name
from ..pki.parsed_certificate import Facts
from ..pki.trust import PeerChain, VerifiedChain
from ..pki.unreadable import refusing_unreadable
from .verifier import ContextVerifier

__all__ = ["UnusualName", "without_unusual_name"]

_HOST = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})+")


def without_unusual_name(config: ClientConfig, name: str | None) -> tuple[ClientConfig, str | None]:
    """Return a configuration and a name for the engine, which has no use for unusual ones.

    Where the name is to be checked, a verifier of its own does it then.

    Raises:
        UsageError: the name cannot be used, and is to be checked by a verifier that is not ours.
    """
    if name is None:
        return config, None
    try:
        normalize_server_name(name)
    except UsageError:
        if not config.check_server_name:
            return config, None
        if not isinstance(config.verifier, ContextVerifier):
            raise
        verifier = UnusualName(config.verifier, name)
        return replace(config, check_server_name=False, verifier=verifier), None
    return config, name


class UnusualName:
    """Verifies as another verifier does, and then holds the certificate against an unusual name.

    It must have the very name among its DNS names; and only a name that looks like a host's, such
    as ``host.1``, can be one. What resolvers take for an address (``127.1``) is for nobody.
    """

    def __init__(self, verifier: ContextVerifier, name: str) -> None:
        self._verifier = verifier
        self._name = name

    @refusing_unreadable
    def verify(self, peer: PeerChain) -> VerifiedChain:
        """Find a path to what is trusted, and look at the name.

        Raises:
            CertificateError: the peer is not believed.
        """
        unnamed = replace_fields(peer, server_name=None)
        if peer.leaf is not None:
            unnamed = unnamed.with_leaf(peer.leaf, peer.leaf_key)
        chain = self._verifier.verify(unnamed)
        if peer.role is Role.server and not self._is_for(peer):
            raise NameMismatch(f"the certificate is not for {self._name!r}")
        return chain

    def _is_for(self, peer: PeerChain) -> bool:
        wanted = self._name.lower()
        if not _HOST.fullmatch(wanted) or not re.search("[a-z]", wanted):
            return False
        names = Facts(peer.certificates[0], peer.leaf, peer.leaf_key).alternative_names
        return any(
            kind == NameKind.dns_name and value.lower() == wanted.encode() for kind, value in names
        )
