"""What a route raises, as Starlette and FastAPI handle it."""

from __future__ import annotations

from starlette.exceptions import HTTPException

from .policy import BodyTooLarge, CertificateNeeded, Lack, ServerBusy

__all__ = ["HTTPBodyTooLarge", "HTTPCertificateNeeded", "HTTPServerBusy", "http_exception"]


class HTTPCertificateNeeded(CertificateNeeded, HTTPException):
    """`CertificateNeeded` as an HTTPException: 403, with the explanation."""

    def __init__(self, lack: Lack, detail: str = "") -> None:
        CertificateNeeded.__init__(self, lack, detail)
        HTTPException.__init__(self, self.status, str(CertificateNeeded(lack)))
        self.reason = detail
        """More, for the server's log; `detail` is what the client gets."""


class HTTPBodyTooLarge(BodyTooLarge, HTTPException):
    """`BodyTooLarge` as an HTTPException: 413."""

    def __init__(self, detail: str) -> None:
        HTTPException.__init__(self, BodyTooLarge.status, detail, {"Connection": "close"})


class HTTPServerBusy(ServerBusy, HTTPException):
    """`ServerBusy` as an HTTPException: 503."""

    def __init__(self, detail: str) -> None:
        headers = {"Connection": "close", "Retry-After": "30"}
        HTTPException.__init__(self, ServerBusy.status, detail, headers)


def http_exception(error: BodyTooLarge | CertificateNeeded | ServerBusy) -> HTTPException:
    """Return an error as one that Starlette knows."""
    if isinstance(error, CertificateNeeded):
        return HTTPCertificateNeeded(error.lack, error.detail)
    kind = HTTPBodyTooLarge if isinstance(error, BodyTooLarge) else HTTPServerBusy
    return kind(str(error))
