"""What a session makes of certificate policies, and its status where none holds."""

from __future__ import annotations

import pytest

from postshake.constants import Role
from postshake.pki.trust import PeerChain, VerifiedChain
from postshake.session import CertificateCredentials
from postshake.session import constants as c
from postshake.session.verification import status_for, verify
from tests.certs import NOW
from tests.sslmodule.test_policies import CHAINS, ROOT, server_of

UNKNOWN = c.CERT_INVALID | c.CERT_UNKNOWN_CRIT_EXTENSIONS  # GnuTLS's for whatever it cannot look at


@pytest.mark.parametrize("case", CHAINS)
def test_what_an_authority_requires_must_hold(case: str) -> None:
    expected = {
        "required, and another": UNKNOWN,
        "required, and none": UNKNOWN,
        "any is mapped": c.CERT_INVALID | c.CERT_SIGNATURE_FAILURE,
        "broken constraints": c.CERT_INVALID | c.CERT_SIGNATURE_FAILURE,
    }
    credentials = CertificateCredentials()
    credentials.set_x509_trust([ROOT.certificate])
    chain = server_of(case).chain
    peer = PeerChain(chain, Role.server, "localhost", None, NOW.timestamp())
    verdict = verify(credentials.verifier, peer, "localhost")
    status = 0 if isinstance(verdict, VerifiedChain) else status_for(verdict)
    assert status == expected.get(case, 0)
