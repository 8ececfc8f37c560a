"""PKITS: the engine's verifier and the drop-in's, section by section, with all its lists.

The suite's keys are RSA of 2048 bits and its signatures SHA-256, but for the DSA of 4.1, so it
runs with the settings that a connection has, and of the policy sections with what each test asks
for. The drop-in can be asked for the same by flags, but for the policies that are acceptable.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import cache

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from postshake.constants import Role
from postshake.errors import (
    CertificateError,
    CertificateRevoked,
    InvalidPolicies,
    PolicyMismatch,
)
from postshake.pki.policies import PolicyInputs
from postshake.pki.revocation import Require, Revocation, UnusableList
from postshake.pki.trust import ChainVerifier, PeerChain, TrustStore, VerifiedChain, Verifier
from postshake.ssl.verifier import ContextVerifier
from postshake.ssl.verify_codes import code_of
from tests.pki import pkits
from tests.pki.pkits import SECTIONS, Case

# one certificate has a negative serial number, which cryptography warns of
pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")

DSA = "DSA is not supported, nor are signatures with SHA-1"
STRICT_BASIC = "by VERIFY_X509_STRICT a CA's basicConstraints must be critical, as OpenSSL has it"

DEVIATIONS: dict[str, dict[str, str]] = {
    "engine": {"4.1.4": DSA, "4.1.5": DSA},
    "drop-in": {"4.1.4": DSA, "4.1.5": DSA},
    "drop-in, strict": {"4.1.4": DSA, "4.1.5": DSA, "4.6.4": STRICT_BASIC},
}
"""By verifier and number, why it is not as the suite wants it."""


@cache
def engine(policies: PolicyInputs) -> Verifier:
    """A verifier that wants to know of every certificate that it was not revoked."""
    heard = REPORTED.append if policies == PolicyInputs() else [].append
    revocation = Revocation(
        pkits.lists(), require=Require.CHAIN, issuers=pkits.beside(), on_unusable=heard
    )
    return ChainVerifier(TrustStore([pkits.anchor()]), revocation=revocation, policies=policies)


REPORTED: list[UnusableList] = []


@cache
def drop_in(flags: int) -> Verifier:
    """What a context of the drop-in has that looks at the lists of whole chains."""
    loaded = [each.public_bytes(Encoding.DER) for each in pkits.beside()]
    look = ssl.VerifyFlags.VERIFY_CRL_CHECK_CHAIN
    return ContextVerifier([pkits.anchor(), *loaded], pkits.lists(), look | flags)


POLICY_CHECK, EXPLICIT_POLICY, INHIBIT_ANY, INHIBIT_MAP = 0x80, 0x100, 0x200, 0x400


def inputs_of(case: Case) -> PolicyInputs:
    return PolicyInputs(
        frozenset(case.policies), case.explicit, case.inhibit_mapping, case.inhibit_any
    )


def flags_of(case: Case) -> int:
    """OpenSSL's flags for a case."""
    wanted = ((case.explicit, EXPLICIT_POLICY), (case.inhibit_any, INHIBIT_ANY),
              (case.inhibit_mapping, INHIBIT_MAP))  # fmt: skip
    return POLICY_CHECK | sum(flag for asked, flag in wanted if asked)


VERIFIERS: dict[str, Callable[[Case], Verifier]] = {
    "engine": lambda case: engine(inputs_of(case)),
    "drop-in": lambda case: drop_in(ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST | flags_of(case)),
    "drop-in, strict": lambda case: drop_in(ssl.VerifyFlags.VERIFY_X509_STRICT | flags_of(case)),
}


def verdict_on(verifier: str, case: Case) -> VerifiedChain | CertificateError:
    peer = PeerChain((case.leaf, *case.above), Role.client, None, None, pkits.AT)
    try:
        verdict = VERIFIERS[verifier](case).verify(peer)
    except CertificateError as error:
        return error
    assert isinstance(verdict, VerifiedChain)
    return verdict


def error_of(verifier: str, case: Case) -> CertificateError | None:
    """What is wrong with a path; None if nothing is."""
    verdict = verdict_on(verifier, case)
    return verdict if isinstance(verdict, CertificateError) else None


def cases(*, about_policies: bool) -> list[Case]:
    return [
        case
        for section in SECTIONS.values()
        if section.about_policies is about_policies
        for case in section.cases
    ]


@pytest.mark.parametrize("verifier", VERIFIERS)
@pytest.mark.parametrize("case", cases(about_policies=False), ids=lambda case: case.number)
def test_paths(case: Case, verifier: str) -> None:
    error = error_of(verifier, case)
    expected = case.valid is not (case.number in DEVIATIONS[verifier])
    assert (error is None) is expected, error


@pytest.mark.parametrize(
    ("case", "verifier"),
    [
        pytest.param(case, verifier, id=f"{case.number}-{verifier}")
        for case in cases(about_policies=True)
        for verifier in VERIFIERS
        if verifier == "engine" or pkits.ANY in case.policies  # flags name no policies
    ],
)
def test_policies(case: Case, verifier: str) -> None:
    verdict = verdict_on(verifier, case)
    if case.valid:
        assert isinstance(verdict, VerifiedChain), verdict
        if case.explicit or pkits.ANY not in case.policies:
            assert verdict.policies
        if pkits.ANY not in case.policies:
            assert verdict.policies <= set(case.policies)
    else:
        assert isinstance(verdict, PolicyMismatch | InvalidPolicies)


@pytest.mark.parametrize("case", cases(about_policies=True), ids=lambda case: case.number)
def test_without_flags_the_drop_in_looks_at_no_policies(case: Case) -> None:
    """As the standard module does not."""
    peer = PeerChain((case.leaf, *case.above), Role.client, None, None, pkits.AT)
    verdict = drop_in(ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST).verify(peer)
    assert isinstance(verdict, VerifiedChain)
    assert verdict.policies == frozenset()


def test_every_certificate_is_in_the_table() -> None:
    names = [case.name for section in SECTIONS.values() for case in section.cases]
    assert set(names) == set(pkits.names_of_leaves())
    numbers = [case.number for section in SECTIONS.values() for case in section.cases]
    assert len(numbers) == len(set(numbers)) == 247
    assert len(cases(about_policies=True)) == 86


OPENSSL = {
    "4.4.1": 3, "4.4.2": 23, "4.4.3": 23, "4.4.4": 8, "4.4.5": 3, "4.4.6": 3, "4.4.8": 36,
    "4.4.9": 36, "4.4.10": 36, "4.4.11": 12, "4.4.12": 12, "4.4.15": 23, "4.4.18": 23,
    "4.4.20": 23, "4.5.2": 23, "4.5.5": 23, "4.5.7": 23, "4.7.4": 35, "4.7.5": 35, "4.14.2": 23,
    "4.14.3": 44, "4.14.6": 23, "4.14.8": 44, "4.14.9": 44, "4.14.11": 44, "4.14.12": 44,
    "4.14.14": 44, "4.14.15": 23, "4.14.16": 23, "4.14.17": 3, "4.14.20": 23, "4.14.21": 23,
    "4.14.23": 23, "4.14.26": 3, "4.14.27": 3, "4.14.31": 23, "4.14.32": 23, "4.14.34": 23,
    "4.14.35": 44, "4.15.1": 3, "4.15.3": 23, "4.15.4": 23, "4.15.6": 23, "4.15.9": 23,
    "4.15.10": 12,
}  # fmt: skip
"""What OpenSSL says of those whose status is bad, or not known, when it may use all lists.

But for 4.14.26, whose certificate names a signer of lists that there is not: OpenSSL speaks of
another one's list (44)."""


@pytest.mark.parametrize(
    "case",
    [case for case in cases(about_policies=False) if case.number in OPENSSL],
    ids=lambda case: case.number,
)
def test_the_drop_in_gives_openssl_s_reasons(case: Case) -> None:
    error = error_of("drop-in", case)
    code = 23 if isinstance(error, CertificateRevoked) else getattr(error, "verify_code", None)
    assert code == OPENSSL[case.number], error


WITHOUT_LISTS = {
    "4.1.3": 7, "4.1.4": 66, "4.2.1": 9, "4.2.2": 9, "4.2.5": 10, "4.2.6": 10, "4.2.7": 10,
    "4.3.1": 20, "4.3.2": 20, "4.5.8": 79, "4.6.1": 79, "4.6.2": 79, "4.6.3": 79, "4.6.5": 25,
    "4.6.6": 25, "4.6.9": 25, "4.6.10": 25, "4.6.11": 25, "4.6.12": 25, "4.6.16": 25, "4.7.1": 79,
    "4.7.2": 79, "4.13.2": 47, "4.13.3": 47, "4.13.7": 48, "4.13.8": 48, "4.13.9": 48,
    "4.13.10": 48, "4.13.12": 47, "4.13.13": 47, "4.13.15": 48, "4.13.16": 48, "4.13.17": 48,
    "4.13.20": 47, "4.13.22": 47, "4.13.24": 47, "4.13.26": 48, "4.13.28": 47, "4.13.29": 47,
    "4.13.31": 47, "4.13.33": 48, "4.13.35": 47, "4.13.37": 48, "4.13.38": 47, "4.16.2": 34,
}  # fmt: skip
"""What ``openssl verify -purpose sslclient -auth_level 2`` says when it looks at no list.

But for 4.1.2, whose intermediate's signature is not whole octets, and 4.1.5 and 4.1.6, whose
keys are DSA's without parameters: these are certificates that nobody here can read."""


@pytest.mark.parametrize("number", WITHOUT_LISTS)
def test_the_drop_in_gives_openssl_s_reasons_for_paths(number: str) -> None:
    case = next(
        each for section in SECTIONS.values() for each in section.cases if each.number == number
    )
    verifier = ContextVerifier([pkits.anchor()])
    peer = PeerChain((case.leaf, *case.above), Role.client, None, None, pkits.AT)
    with pytest.raises(CertificateError) as caught:
        verifier.verify(peer)
    assert code_of(caught.value) == WITHOUT_LISTS[number]


def test_what_could_not_be_used_was_reported() -> None:
    """Each once, by one verifier."""
    for case in cases(about_policies=False):
        error_of("engine", case)
    told = sorted(
        (each.issuer.partition(",")[0].partition("=")[2], each.defect.name) for each in REPORTED
    )
    assert told == [
        ("Bad CRL Signature CA", "BADLY_SIGNED"),
        ("Old CRL nextUpdate CA", "EXPIRED"),
        ("Separate Certificate and CRL Keys CA2", "SIGNER_REVOKED"),
        ("Unknown CRL Entry Extension CA", "CRITICAL_EXTENSION"),
        ("Unknown CRL Extension CA", "CRITICAL_EXTENSION"),
        ("deltaCRL CA3", "EXPIRED"),
        ("deltaCRL CA3", "NO_BASE"),
        ("deltaCRLIndicator No Base CA", "NO_BASE"),
        ("keyUsage Critical cRLSign False CA", "NOT_ENTITLED"),
        ("keyUsage Not Critical cRLSign False CA", "NOT_ENTITLED"),
        ("pre2000 CRL nextUpdate CA", "EXPIRED"),
    ]
