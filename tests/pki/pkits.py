"""NIST's path validation suite, PKITS 1.0.1, as ``cryptography_vectors`` has it.

Each test is a certificate with what is above it, the lists of all authorities, and whether a
path is to be found; in the sections about policies also what is asked for. The numbers are those
of the suite's document.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cryptography_vectors
from cryptography import x509

from postshake.pki.der import normal_name, tlv

__all__ = ["AT", "SECTIONS", "Case", "Section", "anchor", "beside", "lists", "names_of_leaves"]

FOLDER = Path(cryptography_vectors.__file__).parent / "x509" / "PKITS_data"
AT = 1_420_070_400.0
"""A time at which what is to be valid is: the first second of 2015."""

ANY = "2.5.29.32.0"
ONE, TWO, THREE, SIX = (f"2.16.840.1.101.3.2.1.48.{number}" for number in (1, 2, 3, 6))


@dataclass(frozen=True)
class Case:
    """One test, or one part of a test."""

    number: str
    """In the suite's document."""
    name: str
    """Of the certificate."""
    valid: bool
    """Whether there is a path."""
    policies: tuple[str, ...] = (ANY,)
    """initial-policy-set."""
    explicit: bool = False
    """initial-explicit-policy."""
    inhibit_mapping: bool = False
    """initial-policy-mapping-inhibit."""
    inhibit_any: bool = False
    """initial-inhibit-any-policy."""

    @property
    def asks_nothing(self) -> bool:
        """Whether it is to be run without policies that somebody wants."""
        return (self.policies, self.explicit, self.inhibit_mapping, self.inhibit_any) == (
            (ANY,),
            False,
            False,
            False,
        )

    @property
    def leaf(self) -> bytes:
        """The certificate in question, DER."""
        return _certificate(f"{self.name}EE")

    @property
    def above(self) -> tuple[bytes, ...]:
        """All whose names lead to it, without the trust anchor."""
        found: dict[bytes, None] = {}
        wanted = [self.leaf]
        while wanted:
            issuer, _ = _names(wanted.pop())
            new = [each for each in _named().get(issuer, ()) if each not in found]
            found.update(dict.fromkeys(new))
            wanted += new
        return tuple(each for each in found if each != anchor())


@dataclass(frozen=True)
class Section:
    """One section of the suite."""

    title: str
    cases: tuple[Case, ...]
    about_policies: bool = False


def _section(number: str, title: str, names: str) -> Section:
    """A section whose names say what is valid."""
    cases = []
    for name in names.split():
        last = name.rpartition("Test")[2]
        cases.append(Case(f"{number}.{last}", name, name.startswith("Valid")))
    return Section(title, tuple(cases))


def _policies(number: str, title: str, *parts: tuple[object, ...]) -> Section:
    """A section about policies: name, valid or not, and what is asked for."""
    cases = []
    before: dict[str, int] = {}
    for name, valid, *rest in parts:
        assert isinstance(name, str)
        options: dict[str, object] = {}
        for each in rest:
            if isinstance(each, tuple):
                options["policies"] = each
            else:
                options[str(each)] = True
        last = "1" if name == SAME else name.rpartition("Test")[2]
        before[last] = before.get(last, 0) + 1
        several = sum(other[0] == name for other in parts) > 1
        part = f".{before[last]}" if several else ""
        cases.append(Case(f"{number}.{last}{part}", name, bool(valid), **options))
    return Section(title, tuple(cases), about_policies=True)


SAME = "ValidCertificatePathTest1"  # which 4.8.1 is about, too

SECTIONS = {
    "4.1": _section(
        "4.1",
        "Signature Verification",
        """ValidCertificatePathTest1 InvalidCASignatureTest2 InvalidEESignatureTest3
        ValidDSASignaturesTest4 ValidDSAParameterInheritanceTest5 InvalidDSASignatureTest6""",
    ),
    "4.2": _section(
        "4.2",
        "Validity Periods",
        """InvalidCAnotBeforeDateTest1 InvalidEEnotBeforeDateTest2
        Validpre2000UTCnotBeforeDateTest3 ValidGeneralizedTimenotBeforeDateTest4
        InvalidCAnotAfterDateTest5 InvalidEEnotAfterDateTest6
        Invalidpre2000UTCEEnotAfterDateTest7 ValidGeneralizedTimenotAfterDateTest8""",
    ),
    "4.3": _section(
        "4.3",
        "Verifying Name Chaining",
        """InvalidNameChainingTest1 InvalidNameChainingOrderTest2
        ValidNameChainingWhitespaceTest3 ValidNameChainingWhitespaceTest4
        ValidNameChainingCapitalizationTest5 ValidNameUIDsTest6
        ValidRFC3280MandatoryAttributeTypesTest7 ValidRFC3280OptionalAttributeTypesTest8
        ValidUTF8StringEncodedNamesTest9 ValidRolloverfromPrintableStringtoUTF8StringTest10
        ValidUTF8StringCaseInsensitiveMatchTest11""",
    ),
    "4.4": _section(
        "4.4",
        "Basic Certificate Revocation Tests",
        """InvalidMissingCRLTest1 InvalidRevokedCATest2 InvalidRevokedEETest3
        InvalidBadCRLSignatureTest4 InvalidBadCRLIssuerNameTest5 InvalidWrongCRLTest6
        ValidTwoCRLsTest7 InvalidUnknownCRLEntryExtensionTest8 InvalidUnknownCRLExtensionTest9
        InvalidUnknownCRLExtensionTest10 InvalidOldCRLnextUpdateTest11
        Invalidpre2000CRLnextUpdateTest12 ValidGeneralizedTimeCRLnextUpdateTest13
        ValidNegativeSerialNumberTest14 InvalidNegativeSerialNumberTest15
        ValidLongSerialNumberTest16 ValidLongSerialNumberTest17 InvalidLongSerialNumberTest18
        ValidSeparateCertificateandCRLKeysTest19 InvalidSeparateCertificateandCRLKeysTest20
        InvalidSeparateCertificateandCRLKeysTest21""",
    ),
    "4.5": _section(
        "4.5",
        "Verifying Paths with Self-Issued Certificates",
        """ValidBasicSelfIssuedOldWithNewTest1 InvalidBasicSelfIssuedOldWithNewTest2
        ValidBasicSelfIssuedNewWithOldTest3 ValidBasicSelfIssuedNewWithOldTest4
        InvalidBasicSelfIssuedNewWithOldTest5 ValidBasicSelfIssuedCRLSigningKeyTest6
        InvalidBasicSelfIssuedCRLSigningKeyTest7 InvalidBasicSelfIssuedCRLSigningKeyTest8""",
    ),
    "4.6": _section(
        "4.6",
        "Verifying Basic Constraints",
        """InvalidMissingbasicConstraintsTest1 InvalidcAFalseTest2 InvalidcAFalseTest3
        ValidbasicConstraintsNotCriticalTest4 InvalidpathLenConstraintTest5
        InvalidpathLenConstraintTest6 ValidpathLenConstraintTest7 ValidpathLenConstraintTest8
        InvalidpathLenConstraintTest9 InvalidpathLenConstraintTest10
        InvalidpathLenConstraintTest11 InvalidpathLenConstraintTest12
        ValidpathLenConstraintTest13 ValidpathLenConstraintTest14
        ValidSelfIssuedpathLenConstraintTest15 InvalidSelfIssuedpathLenConstraintTest16
        ValidSelfIssuedpathLenConstraintTest17""",
    ),
    "4.7": _section(
        "4.7",
        "Key Usage",
        """InvalidkeyUsageCriticalkeyCertSignFalseTest1
        InvalidkeyUsageNotCriticalkeyCertSignFalseTest2 ValidkeyUsageNotCriticalTest3
        InvalidkeyUsageCriticalcRLSignFalseTest4 InvalidkeyUsageNotCriticalcRLSignFalseTest5""",
    ),
    "4.8": _policies(
        "4.8",
        "Certificate Policies",
        (SAME, True, "explicit"),
        (SAME, True, "explicit", (ONE,)),
        (SAME, False, "explicit", (TWO,)),
        (SAME, True, "explicit", (ONE, TWO)),
        ("AllCertificatesNoPoliciesTest2", True),
        ("AllCertificatesNoPoliciesTest2", False, "explicit"),
        ("DifferentPoliciesTest3", True),
        ("DifferentPoliciesTest3", False, "explicit"),
        ("DifferentPoliciesTest3", False, "explicit", (ONE, TWO)),
        ("DifferentPoliciesTest4", False),
        ("DifferentPoliciesTest5", False),
        ("OverlappingPoliciesTest6", True),
        ("OverlappingPoliciesTest6", True, (ONE,)),
        ("OverlappingPoliciesTest6", False, (TWO,)),
        ("DifferentPoliciesTest7", False),
        ("DifferentPoliciesTest8", False),
        ("DifferentPoliciesTest9", False),
        ("AllCertificatesSamePoliciesTest10", True),
        ("AllCertificatesSamePoliciesTest10", True, (ONE,)),
        ("AllCertificatesSamePoliciesTest10", True, (TWO,)),
        ("AllCertificatesanyPolicyTest11", True),
        ("AllCertificatesanyPolicyTest11", True, (ONE,)),
        ("DifferentPoliciesTest12", False),
        ("AllCertificatesSamePoliciesTest13", True, (ONE,)),
        ("AllCertificatesSamePoliciesTest13", True, (TWO,)),
        ("AllCertificatesSamePoliciesTest13", True, (THREE,)),
        ("AnyPolicyTest14", True, (ONE,)),
        ("AnyPolicyTest14", False, (TWO,)),
        ("UserNoticeQualifierTest15", True),
        ("UserNoticeQualifierTest16", True),
        ("UserNoticeQualifierTest17", True),
        ("UserNoticeQualifierTest18", True, (ONE,)),
        ("UserNoticeQualifierTest18", True, (TWO,)),
        ("UserNoticeQualifierTest19", True),
        ("CPSPointerQualifierTest20", True),
    ),
    "4.9": _policies(
        "4.9",
        "Require Explicit Policy",
        ("ValidrequireExplicitPolicyTest1", True),
        ("ValidrequireExplicitPolicyTest2", True),
        ("InvalidrequireExplicitPolicyTest3", False),
        ("ValidrequireExplicitPolicyTest4", True),
        ("InvalidrequireExplicitPolicyTest5", False),
        ("ValidSelfIssuedrequireExplicitPolicyTest6", True),
        ("InvalidSelfIssuedrequireExplicitPolicyTest7", False),
        ("InvalidSelfIssuedrequireExplicitPolicyTest8", False),
    ),
    "4.10": _policies(
        "4.10",
        "Policy Mappings",
        ("ValidPolicyMappingTest1", True, (ONE,)),
        ("ValidPolicyMappingTest1", False, (TWO,)),
        ("ValidPolicyMappingTest1", False, "inhibit_mapping"),
        ("InvalidPolicyMappingTest2", False),
        ("InvalidPolicyMappingTest2", False, "inhibit_mapping"),
        ("ValidPolicyMappingTest3", False, (ONE,)),
        ("ValidPolicyMappingTest3", True, (TWO,)),
        ("InvalidPolicyMappingTest4", False),
        ("ValidPolicyMappingTest5", True, (ONE,)),
        ("ValidPolicyMappingTest5", False, (SIX,)),
        ("ValidPolicyMappingTest6", True, (ONE,)),
        ("ValidPolicyMappingTest6", False, (SIX,)),
        ("InvalidMappingFromanyPolicyTest7", False),
        ("InvalidMappingToanyPolicyTest8", False),
        ("ValidPolicyMappingTest9", True),
        ("InvalidPolicyMappingTest10", False),
        ("ValidPolicyMappingTest11", True),
        ("ValidPolicyMappingTest12", True, (ONE,)),
        ("ValidPolicyMappingTest12", True, (TWO,)),
        ("ValidPolicyMappingTest13", True),
        ("ValidPolicyMappingTest14", True),
    ),
    "4.11": _policies(
        "4.11",
        "Inhibit Policy Mapping",
        ("InvalidinhibitPolicyMappingTest1", False),
        ("ValidinhibitPolicyMappingTest2", True),
        ("InvalidinhibitPolicyMappingTest3", False),
        ("ValidinhibitPolicyMappingTest4", True),
        ("InvalidinhibitPolicyMappingTest5", False),
        ("InvalidinhibitPolicyMappingTest6", False),
        ("ValidSelfIssuedinhibitPolicyMappingTest7", True),
        ("InvalidSelfIssuedinhibitPolicyMappingTest8", False),
        ("InvalidSelfIssuedinhibitPolicyMappingTest9", False),
        ("InvalidSelfIssuedinhibitPolicyMappingTest10", False),
        ("InvalidSelfIssuedinhibitPolicyMappingTest11", False),
    ),
    "4.12": _policies(
        "4.12",
        "Inhibit Any Policy",
        ("InvalidinhibitAnyPolicyTest1", False),
        ("ValidinhibitAnyPolicyTest2", True),
        ("inhibitAnyPolicyTest3", True),
        ("inhibitAnyPolicyTest3", False, "inhibit_any"),
        ("InvalidinhibitAnyPolicyTest4", False),
        ("InvalidinhibitAnyPolicyTest5", False),
        ("InvalidinhibitAnyPolicyTest6", False),
        ("ValidSelfIssuedinhibitAnyPolicyTest7", True),
        ("InvalidSelfIssuedinhibitAnyPolicyTest8", False),
        ("ValidSelfIssuedinhibitAnyPolicyTest9", True),
        ("InvalidSelfIssuedinhibitAnyPolicyTest10", False),
    ),
    "4.13": _section(
        "4.13",
        "Name Constraints",
        """ValidDNnameConstraintsTest1 InvalidDNnameConstraintsTest2
        InvalidDNnameConstraintsTest3 ValidDNnameConstraintsTest4 ValidDNnameConstraintsTest5
        ValidDNnameConstraintsTest6 InvalidDNnameConstraintsTest7 InvalidDNnameConstraintsTest8
        InvalidDNnameConstraintsTest9 InvalidDNnameConstraintsTest10
        ValidDNnameConstraintsTest11 InvalidDNnameConstraintsTest12
        InvalidDNnameConstraintsTest13 ValidDNnameConstraintsTest14
        InvalidDNnameConstraintsTest15 InvalidDNnameConstraintsTest16
        InvalidDNnameConstraintsTest17 ValidDNnameConstraintsTest18
        ValidDNnameConstraintsTest19 InvalidDNnameConstraintsTest20
        ValidRFC822nameConstraintsTest21 InvalidRFC822nameConstraintsTest22
        ValidRFC822nameConstraintsTest23 InvalidRFC822nameConstraintsTest24
        ValidRFC822nameConstraintsTest25 InvalidRFC822nameConstraintsTest26
        ValidDNandRFC822nameConstraintsTest27 InvalidDNandRFC822nameConstraintsTest28
        InvalidDNandRFC822nameConstraintsTest29 ValidDNSnameConstraintsTest30
        InvalidDNSnameConstraintsTest31 ValidDNSnameConstraintsTest32
        InvalidDNSnameConstraintsTest33 ValidURInameConstraintsTest34
        InvalidURInameConstraintsTest35 ValidURInameConstraintsTest36
        InvalidURInameConstraintsTest37 InvalidDNSnameConstraintsTest38""",
    ),
    "4.14": _section(
        "4.14",
        "Distribution Points",
        """ValiddistributionPointTest1 InvaliddistributionPointTest2
        InvaliddistributionPointTest3 ValiddistributionPointTest4 ValiddistributionPointTest5
        InvaliddistributionPointTest6 ValiddistributionPointTest7 InvaliddistributionPointTest8
        InvaliddistributionPointTest9 ValidNoissuingDistributionPointTest10
        InvalidonlyContainsUserCertsTest11 InvalidonlyContainsCACertsTest12
        ValidonlyContainsCACertsTest13 InvalidonlyContainsAttributeCertsTest14
        InvalidonlySomeReasonsTest15 InvalidonlySomeReasonsTest16 InvalidonlySomeReasonsTest17
        ValidonlySomeReasonsTest18 ValidonlySomeReasonsTest19 InvalidonlySomeReasonsTest20
        InvalidonlySomeReasonsTest21 ValidIDPwithindirectCRLTest22
        InvalidIDPwithindirectCRLTest23 ValidIDPwithindirectCRLTest24
        ValidIDPwithindirectCRLTest25 InvalidIDPwithindirectCRLTest26 InvalidcRLIssuerTest27
        ValidcRLIssuerTest28 ValidcRLIssuerTest29 ValidcRLIssuerTest30 InvalidcRLIssuerTest31
        InvalidcRLIssuerTest32 ValidcRLIssuerTest33 InvalidcRLIssuerTest34
        InvalidcRLIssuerTest35""",
    ),
    "4.15": _section(
        "4.15",
        "Delta-CRLs",
        """InvaliddeltaCRLIndicatorNoBaseTest1 ValiddeltaCRLTest2 InvaliddeltaCRLTest3
        InvaliddeltaCRLTest4 ValiddeltaCRLTest5 InvaliddeltaCRLTest6 ValiddeltaCRLTest7
        ValiddeltaCRLTest8 InvaliddeltaCRLTest9 InvaliddeltaCRLTest10""",
    ),
    "4.16": _section(
        "4.16",
        "Private Certificate Extensions",
        """ValidUnknownNotCriticalCertificateExtensionTest1
        InvalidUnknownCriticalCertificateExtensionTest2""",
    ),
}


def anchor() -> bytes:
    """The one trust anchor, DER."""
    return _certificate("TrustAnchorRootCertificate")


@cache
def lists() -> tuple[x509.CertificateRevocationList, ...]:
    """Every list of the suite."""
    found = sorted((FOLDER / "crls").glob("*.crl"))
    return tuple(x509.load_der_x509_crl(path.read_bytes()) for path in found)


@cache
def beside() -> tuple[x509.Certificate, ...]:
    """Certificates of those who sign lists about the certificates of others."""
    found = ("indirectCRLCA1Cert", "indirectCRLCA3cRLIssuerCert", "indirectCRLCA4cRLIssuerCert",
             "indirectCRLCA5Cert")  # fmt: skip
    return tuple(x509.load_der_x509_certificate(_certificate(name)) for name in found)


def names_of_leaves() -> Iterator[str]:
    """The names of all certificates that are to be tested."""
    for path in (FOLDER / "certs").glob("*EE.crt"):
        yield path.stem.removesuffix("EE")


def _names(der: bytes) -> tuple[object, object]:
    """Issuer and subject of a certificate, which may be too odd to be parsed."""
    _, start, _ = tlv(der, 0)
    _, start, _ = tlv(der, start)
    _, _, end = tlv(der, start)  # the version
    found = []
    for _ in range(5):  # serial number, algorithm, issuer, validity, subject
        start = end
        _, _, end = tlv(der, start)
        found.append(der[start:end])
    return normal_name(found[2]), normal_name(found[4])


@cache
def _certificate(name: str) -> bytes:
    return (FOLDER / "certs" / f"{name}.crt").read_bytes()


@cache
def _named() -> dict[object, list[bytes]]:
    found: dict[object, list[bytes]] = {}
    for path in sorted((FOLDER / "certs").glob("*.crt")):
        if not path.stem.endswith("EE"):
            der = path.read_bytes()
            found.setdefault(_names(der)[1], []).append(der)
    return found
