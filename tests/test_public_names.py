"""Names that applications import, and from where: none of them moves or goes unnoticed.

Those of `postshake.ssl` are held against the standard module in `tests/sslmodule/test_names.py`,
and GnuTLS's, of `postshake.session` and `postshake.gnutls`, in `tests/session/test_gnutls.py`.
"""

from __future__ import annotations

import importlib

import pytest

NAMES = {
    "postshake": """
        AuthRequest ChainVerifier ClientAuth ClientConfig Connection Credential ExternalPsk Identity
        Outcome PostshakeError ProtocolVersion PskKind ReauthCompleted ReauthRequested
        ReauthUnavailable Refusal ServerConfig Session12 SessionCache12 State TLSError Ticket
        TicketKeys TruncationError TrustStore UsageError import_psk
    """,
    "postshake.config": "AuthRequest ClientAuth ClientConfig Config Refusal ServerConfig",
    "postshake.connection": "Connection State",
    "postshake.constants": """
        AlertDescription AlertLevel CertificateStatusType CipherSuite ClientCertificateType
        CompressionMethod ContentType ExtensionType HandshakeType KeyUpdateRequest NamedGroup
        ProtocolVersion PskKeyExchangeMode Role SignatureScheme name_of names_of
    """,
    "postshake.drive.answers": """
        choose_for find_answer find_answer_now judge_identity
    """,
    "postshake.drive.anyio": "TLSStream open_tls_stream serve_tls",
    "postshake.drive.asyncio": """
        TLSTransport create_connection create_server open_connection start_server start_tls
    """,
    "postshake.drive.sync": "Answerer Stream",
    "postshake.errors": """
        AccessDenied AlertReceived BadCertificate BadFinished BadRecordMac BadSignature
        CertificateError CertificateExpired CertificateNotYetValid CertificateRequired
        CertificateRevoked CertificateUnknown DataWaiting DecodeError DecryptError DistrustedKey
        IdentityChanged IllegalParameter InappropriateFallback InternalError KeyMismatch
        MessageTooLarge MissingExtension NameMismatch NegotiationError NoApplicationProtocol
        NoCommonGroup NoCommonScheme PeerError PostshakeError ReauthUnavailable RecordOverflow
        SchemeMismatch TLSError TooMuch TruncationError UnexpectedHandshake UnexpectedMessage
        UnknownCA UnrecognizedName UnsupportedCertificate UnsupportedExtension UnsupportedKey
        UnsupportedVersion UsageError WeakKey WrongPurpose present require
    """,
    "postshake.events": """
        Direction Established Event HandshakeCompleted Outcome PeerClosed PeerKeyUpdated
        ReauthAnswered ReauthCompleted ReauthRequested Ticket TicketReceived TraceEntry
    """,
    "postshake.exported": "AsyncExportedAuthenticators ExportedAuthenticators ExportedRequest",
    "postshake.pki.compression": """
        can_compress compress compressors compressors_named decompress
    """,
    "postshake.pki.credential": "Credential LocalSigner Password Signer",
    "postshake.pki.identity": "Identity alternative_names",
    "postshake.pki.limited": "limited",
    "postshake.pki.revocation": "Defect Require Revocation UnusableList load_lists read_lists",
    "postshake.pki.store": "TrustStore",
    "postshake.pki.trust": "ChainVerifier PeerChain TrustStore VerifiedChain Verifier",
    "postshake.questions": """
        ChooseConfig ChooseCredential ChoosePsk ClaimEarlyData FindPsk FindTicket JudgePeer
        KeepTicket Question Refused Sign Subject Verdict
    """,
    "postshake.recording": "FORMAT LONGEST MAX_LINES Recording describe facts_of",
    "postshake.resumption": """
        EarlyDataClaim ExternalPsk ImportedIdentity PskKind PskLookup ReplayGuard Session12
        SessionCache12 SingleUse Ticket TicketDatabase TicketKeys TicketSealer TicketState
        import_psk
    """,
    "postshake.session.priority": "Priorities parse_priorities",
    "postshake.signers.pkcs11": "TokenSigner TokenUri token_credential",
    "postshake.signers.threaded": "ThreadedSigner",
    "postshake.web": """
        AmbiguousPath BodyTooLarge CertificateNeeded Connection Lack Policy Quota ServerBusy StepUp
        connection_of hypercorn_config reauth server_context step_up uvicorn_ssl
    """,
    "postshake.web.asgi": "Connection StepUp connection_of reauth step_up",
    "postshake.web.http_exception": """
        HTTPBodyTooLarge HTTPCertificateNeeded HTTPServerBusy http_exception
    """,
    "postshake.web.policy": """
        BodyTooLarge CertificateNeeded Lack Policy ServerBusy why_refused_now
    """,
    "postshake.web.servers": "hypercorn_config server_context uvicorn_ssl",
    "postshake.web.starlette": "certificate requires_certificate",
    "postshake.web.wsgi": "CherootAdapter StepUp client_variables reauth reauth_handler",
}


@pytest.mark.parametrize("module", NAMES)
def test_public_names_are_there(module):
    found = importlib.import_module(module)
    names = NAMES[module].split()
    assert not [name for name in names if not hasattr(found, name)]
    assert set(names) <= set(found.__all__)
