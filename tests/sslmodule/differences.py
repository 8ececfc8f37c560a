"""Where `postshake.ssl` does otherwise than `ssl`, on purpose: docs/ssl.md gives the reasons.

A difference is a place in a script where the standard library says one thing and we another.
What is in no row of this table is a fault.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from tests.sslmodule import versions

__all__ = ["DIFFERENCES", "Difference", "find_difference", "unexcused"]


@dataclass(frozen=True)
class Difference:
    """One kind of place, found by patterns that must match the whole of each text."""

    title: str
    """A heading of the section "Differences" in docs/ssl.md."""
    example: str
    """A script that has it."""
    theirs: str
    ours: str
    scripts: str = ".*"
    rest: bool = False
    """Whether all that follows may differ too."""
    here: bool | None = True
    """Whether there is such a difference in this Python, with this OpenSSL; None if nobody
    knows."""

    def excuses(self, script: str, theirs: str, ours: str) -> bool:
        """Whether this is such a place."""
        return self.here is not False and all(
            re.fullmatch(pattern, text, re.DOTALL)
            for pattern, text in (
                (self.scripts, script), (self.theirs, theirs), (self.ours, ours),
            )
        )  # fmt: skip


WRONG_RECORD = "RECORD_LAYER_FAILURE" if versions.RECORD_LAYER_FAILURE else "WRONG_VERSION_NUMBER"


def opposite(known: bool | None) -> bool | None:
    return None if known is None else not known


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "Versions that leave nothing",
        "versions-none",
        "shake: c SSLError NO_PROTOCOLS_AVAILABLE",
        "connect: SSLError NO_PROTOCOLS_AVAILABLE",
        rest=True,
    ),
    Difference(
        "Versions that leave nothing",
        "algorithms-suites--TLS_AES_128_GCM_SHA256",
        "shake: . SSLError .*",
        "connect: SSLError NO_CIPHERS_AVAILABLE",
        scripts="algorithms-suites-.*",
        rest=True,
        here=versions.CHOOSES_ALGORITHMS,
    ),
    Difference(
        "Versions that leave nothing",
        "versions-none",
        "shake: s SSLError UNEXPECTED_MESSAGE",
        "shake: s SSLError TLSV1_ALERT_(PROTOCOL_VERSION|INTERNAL_ERROR)",
    ),
    Difference(
        "The alert for a certificate of tomorrow",
        "client-alice_not_yet-OPTIONAL-1.3",
        ".*SSLV3_ALERT_BAD_CERTIFICATE",
        ".*SSLV3_ALERT_CERTIFICATE_EXPIRED",
        scripts=".*not_yet.*",
    ),
    Difference(
        "The alert for several faults",
        "server-expired-trusts-another",
        "shake: s SSLError TLSV1_ALERT_UNKNOWN_CA",
        "shake: s SSLError SSLV3_ALERT_CERTIFICATE_EXPIRED",
        scripts="server-expired-trusts.*",
    ),
    Difference(
        "The chain that is sent",
        "server-good-trusts-another",
        "shake: c SSLCertVerificationError 19",
        "shake: c SSLCertVerificationError 20",
        scripts="server-.*-trusts-.*",
    ),
    Difference(
        "Words for what is too weak or not in common",
        "level-3-server-rsa-1.3",
        "shake: . SSL.*",
        "shake: . SSL.*",
        scripts="level-[345]-.*",
    ),
    Difference(
        "Words for what is too weak or not in common",
        "algorithms-server_schemes-ed25519-rsa_pss_rsae_sha256-1.3",
        "shake: s SSLError NO_SHARED_(SIGNATURE_ALGORITHMS|CIPHER)",
        "shake: s SSLError (NO_SHARED_CIPHER|NO_SUITABLE_SIGNATURE_ALGORITHM)",
        scripts="algorithms-.*_schemes-.*",
        here=versions.CHOOSES_ALGORITHMS,
    ),
    Difference(
        "The chain that is sent",
        "level-4-server-p384-1.3",
        "shake: . SSLError (TLSV1_ALERT_INTERNAL_ERROR|CA_.*)",
        "shake: . done",
        scripts="level-4-server-p384-.*",
    ),
    Difference(
        "Hosts that are no names",
        "name-good-localhost.",
        "shake: c SSLCertVerificationError 62",
        "shake: c done",
        scripts=r"name-.*\.",
        rest=True,
    ),
    Difference(
        "A check of no name",
        "name-good-None",
        "shake: c done",
        "connect: ValueError",
        scripts="name-good-None",
        rest=True,
        here=opposite(versions.BIO_CHECKS_NAMES),
    ),
    Difference(
        "Data that arrives after our goodbye",
        "close-data-before-client-1.3",
        ".:(read|all|into) .*: over",
        r".:(read|all|into) .*: (b'.+'|'\d+ bytes.*|\d+)",
    ),
    Difference(
        "Data that arrives after our goodbye",
        "close-data-crossing-client-1.3",
        ".:unwrap: over",
        ".:unwrap: None",
        scripts="close-data-crossing.*",
    ),
    Difference(
        "Text where a record should be",
        "close-text-client-1.3",
        f".*SSLError {WRONG_RECORD}",
        ".*SSLError UNEXPECTED_MESSAGE",
        scripts="close-text-.*",
    ),
    Difference(
        "What is wrong with a record",
        "close-noise-client-1.3",
        ".*SSLError RECORD_LAYER_FAILURE",
        ".*SSLError DECRYPTION_FAILED_OR_BAD_RECORD_MAC",
        scripts="close-noise-.*",
        here=versions.RECORD_LAYER_FAILURE,
    ),
    Difference(
        "Sessions of connections that nobody closed",
        "session-no-ticket-1.2",
        "facts: . reused False",
        "facts: . reused True",
        scripts="session-no-ticket-.*",
        here=opposite(versions.KEEPS_UNENDED_SESSIONS),
    ),
    Difference(
        "An alert that is found while closing",
        "mixture-160",
        ".:unwrap: None",
        ".:unwrap: SSLError .*ALERT.*",
        rest=True,
    ),
    Difference(
        "Words to a peer that is gone",
        "mixture-246",
        ".:.*: SSLError TLSV1_ALERT_DECODE_ERROR",
        ".:.*: SSLWantReadError",
        rest=True,
    ),
    Difference(
        "Words to a peer that is gone",
        "start-ragged-1.3",
        ".:.*: SSLError TLSV1_ALERT_DECODE_ERROR",
        ".:.*: (SSLEOFError UNEXPECTED_EOF_WHILE_READING|BrokenPipeError)",
        scripts="start-ragged.*",
    ),
    Difference(
        "A connection that was reset",
        "socket-reset-1.3",
        "s:(recv|rest).*: b'.*'",
        "s:(recv|rest).*: ConnectionResetError",
        scripts="socket-(reset|close|rest|detach)-.*",
        here=not versions.RESETS_ARE_TOLD,
    ),
    Difference(
        "After a failure",
        "socket-reset-1.3",
        "s:recv 10: (b''|BrokenPipeError)",
        "s:recv 10: ConnectionResetError",
        scripts="socket-reset-.*",
        here=versions.RESETS_ARE_TOLD,
    ),
    Difference(
        "Words to a peer that is gone",
        "socket-shutdown-both-1.3",
        "s:recv 10: BrokenPipeError",
        "s:recv 10: b''",
        scripts="socket-shutdown-both-.*",
        here=versions.BROKEN_PIPES_ARE_TOLD,
    ),
    Difference(
        "After a failure",
        "socket-half-1.3",
        "s:sendall .*: SSLEOFError",
        "s:sendall .*: SSLEOFError UNEXPECTED_EOF_WHILE_READING",
        scripts="socket-half-.*",
    ),
    Difference(
        "After a failure",
        "socket-garbage-1.3",
        "s:recv .*: b''",
        "s:recv .*: SSLError UNEXPECTED_MESSAGE",
        scripts="socket-garbage-.*",
    ),
    Difference(
        "Text where a record should be",
        "socket-garbage-1.3",
        f"s:recv .*: SSLError {WRONG_RECORD}",
        "s:recv .*: SSLError UNEXPECTED_MESSAGE",
        scripts="socket-garbage-.*",
    ),
)  # fmt: skip


def find_difference(script: str, theirs: str, ours: str) -> Difference | None:
    """Find the row that a place belongs to."""
    return next((row for row in DIFFERENCES if row.excuses(script, theirs, ours)), None)


def unexcused(script: str, theirs: Sequence[str], ours: Sequence[str]) -> list[str]:
    """List the places that no row is for."""
    found = []
    for expected, got in zip_longest(theirs, ours, fillvalue="nothing"):
        if expected == got:
            continue
        row = find_difference(script, expected, got)
        if row is None:
            found.append(f"{script}: expected {expected}, got {got}")
        elif row.rest:
            break
    return found
