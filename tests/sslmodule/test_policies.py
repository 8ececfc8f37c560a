"""What a context makes of certificate policies: held against the standard module."""

from __future__ import annotations

import ssl as standard
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests import forging as f
from tests.certs import CA, Issued
from tests.sslmodule.ends import Memory, authority, client_context, ours, server_context

CHECK, EXPLICIT, INHIBIT_ANY, INHIBIT_MAP = 0x80, 0x100, 0x200, 0x400
FLAGS = {
    "none": 0,
    "check": CHECK,
    "explicit": EXPLICIT,
    "explicit, no anyPolicy": EXPLICIT | INHIBIT_ANY,
    "explicit, no mappings": EXPLICIT | INHIBIT_MAP,
    "no anyPolicy": INHIBIT_ANY,
    "no mappings": INHIBIT_MAP,
}
ONE, TWO, ANY = "1.2.3.1", "1.2.3.2", "2.5.29.32.0"
ROOT = CA("Root of policies")
Extension = tuple[x509.ExtensionType, bool]


def policies(*names: str) -> Extension:
    held = [x509.PolicyInformation(x509.ObjectIdentifier(each), None) for each in names]
    return x509.CertificatePolicies(held), False


def mapped(*pairs: tuple[str, str]) -> Extension:
    value = f.seq(*(f.seq(f.oid(ours), f.oid(theirs)) for ours, theirs in pairs))
    return x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.33"), value), True


def raw(dotted: str, value: bytes, *, critical: bool = False) -> Extension:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(dotted), value), critical


REQUIRED = (x509.PolicyConstraints(0, None), True)
NO_ANY = (x509.InhibitAnyPolicy(0), True)
TWICE = raw("2.5.29.32", f.seq(f.seq(f.oid(ONE)), f.seq(f.oid(ONE))))

CHAINS: dict[str, tuple[list[Extension], list[Extension]]] = {
    "nothing is said": ([], []),
    "one policy": ([policies(ONE)], [policies(ONE)]),
    "two that differ": ([policies(ONE)], [policies(TWO)]),
    "any above": ([policies(ANY)], [policies(TWO)]),
    "any below": ([policies(TWO)], [policies(ANY)]),
    "any, inhibited": ([policies(ONE), NO_ANY], [policies(ANY)]),
    "mapped": ([policies(ONE), mapped((ONE, TWO))], [policies(TWO)]),
    "mapped, and not followed": ([policies(ONE), mapped((ONE, TWO))], [policies(ONE)]),
    "any is mapped": ([policies(ONE), mapped((ANY, TWO))], [policies(TWO)]),
    "required, and there": ([policies(ONE), REQUIRED], [policies(ONE)]),
    "required, and another": ([policies(ONE), REQUIRED], [policies(TWO)]),
    "required, and none": ([policies(ONE), REQUIRED], []),
    "broken constraints": ([policies(ONE), raw("2.5.29.36", b"\5\0", critical=True)], []),
}


HOLDING = {
    *(("one policy", flags) for flags in FLAGS if flags.startswith("explicit")),
    *(("required, and there", flags) for flags in FLAGS if flags != "none"),
    ("any above", "explicit"),
    ("any above", "explicit, no mappings"),
    ("any below", "explicit"),
    ("any below", "explicit, no mappings"),
    ("mapped", "explicit"),
    ("mapped", "explicit, no anyPolicy"),
}
"""Where a policy must hold and does. Nobody tells OpenSSL which are acceptable; it takes none."""


def server_of(case: str) -> Issued:
    above, own = CHAINS[case]
    middle = ROOT.intermediate("Middle", extra=above)
    return middle.issue("localhost", purpose="server", dns=("localhost",), extra=own)


def verdict(module: Any, case: str, flags: int, folder: Path) -> Any:
    """What a client's context of this module makes of a server with this chain."""
    client = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=ROOT.pem().decode())
    client.verify_flags = int(client.verify_flags) | flags
    server = standard.SSLContext(standard.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*server_of(case).write(folder, "leaf"))
    pair = Memory(server, client)
    result, _ = pair.run(pair.client.do_handshake, pair.server.do_handshake)
    if isinstance(result, standard.SSLCertVerificationError):
        return result.verify_code, result.verify_message
    return result


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("case", CHAINS)
def test_it_is_the_standard_module_s_verdict(case: str, flags: str, tmp_path: Path) -> None:
    expected = verdict(standard, case, FLAGS[flags], tmp_path)
    assert expected is None or expected[0] in (42, 43)
    found = verdict(ours, case, FLAGS[flags], tmp_path)
    if (case, flags) in HOLDING:
        # docs/ssl.md: Policies that must hold
        assert (found, expected) == (None, (43, "no explicit policy"))
    else:
        assert found == expected


@pytest.mark.parametrize("flag", [CHECK, EXPLICIT, INHIBIT_ANY, INHIBIT_MAP])
def test_flags_read_as_in_the_standard_module(flag: int) -> None:
    read = []
    for module in (ours, standard):
        context = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
        context.verify_flags |= flag
        read.append(int(context.verify_flags))
        context.verify_flags &= ~flag
        read.append(int(context.verify_flags))
    assert read[:2] == read[2:]


def test_policies_that_cannot_be_read_hold_for_nobody(tmp_path: Path) -> None:
    """docs/ssl.md: Policies that cannot be read."""
    CHAINS["twice"] = ([policies(ONE)], [TWICE])
    try:
        for flags, theirs, mine in ((0, None, None), (CHECK, 42, None), (EXPLICIT, 42, 43)):
            for module, code in ((standard, theirs), (ours, mine)):
                found = verdict(module, "twice", flags, tmp_path)
                assert (found and found[0]) == code
    finally:
        del CHAINS["twice"]


def test_a_context_s_reauth_may_want_a_policy() -> None:
    for extra, works in (([policies(ONE, TWO)], True), ([policies(TWO)], False), ([], False)):
        server, client = server_context(ours, asks_later=True), client_context(ours, name=None)
        client.use_credential(authority().issue("alice", extra=extra).credential())
        pair = Memory(server, client).handshake()
        found, _ = pair.run(partial(pair.server.reauth, policies=[ONE]), pair.idle)
        if works:
            assert found.policies == {ONE}
        else:
            assert isinstance(found, standard.SSLCertVerificationError)
            assert found.verify_code == 43
