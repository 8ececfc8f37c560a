"""CompressedCertificate in the place of Certificate (RFC 8879).

A client offers it in its ClientHello, for the server's certificate; a server in a
CertificateRequest, for the client's, afterwards too. It is an offer for one direction,
not a negotiation: whoever sends a certificate may take it up.

Whatever comes in is a Certificate to all who read it: it is undone where messages are
taken apart. Transcripts have what was on the wire.
"""

from __future__ import annotations

from ...config import Config
from ...constants import CertificateCompressionAlgorithm, name_of
from ...errors import BadCertificate, IllegalParameter, UnexpectedMessage
from ...pki.compression import compress, decompress
from ...wire.auth import Certificate, CompressedCertificate
from ...wire.extensions import CompressCertificate, Extensions
from ..link import Flight, Link

__all__ = ["add_compressed", "uncompressed"]


def add_compressed(
    flight: Flight, link: Link, certificate: Certificate, requested: Extensions
) -> None:
    """Add our Certificate; compressed if we may, and if that makes it shorter (section 4).

    Args:
        flight: what it is added to.
        link: the connection, which remembers how it was done.
        certificate: the message.
        requested: the extensions of the message that asked for it.
    """
    link.certificate_compression = None
    ours = link.config.certificate_compression
    offer = requested.get(CompressCertificate) if ours else None
    if offer is not None and certificate.certificate_list:
        algorithm = next((each for each in ours if each in offer.algorithms), None)
        if algorithm is not None:
            body = certificate.encode()
            shorter = compress(algorithm, body)
            if len(shorter) < len(body):
                link.certificate_compression = algorithm
                on_wire = CompressedCertificate(algorithm, len(body), shorter)
                flight.add(certificate, on_wire=on_wire)
                return
    flight.add(certificate)


def uncompressed(message: CompressedCertificate, config: Config) -> Certificate:
    """Return the Certificate that a peer has compressed (section 4).

    Raises:
        UnexpectedMessage: we have offered nothing of the kind.
        IllegalParameter: we have not offered this algorithm.
        BadCertificate: it is longer than a message may be, cannot be undone, or is not as
            long as it says.
        DecodeError: there is no Certificate in it.
    """
    offered = config.certificate_compression
    if not offered:
        raise UnexpectedMessage(
            "CompressedCertificate, and nobody offered to undo that", section="RFC 8879, 4"
        )
    if message.algorithm not in offered:
        raise IllegalParameter(
            "CompressedCertificate: expected an algorithm that we offered, "
            f"got {name_of(CertificateCompressionAlgorithm, message.algorithm)}",
            section="RFC 8879, 4",
        )
    length, limit = message.uncompressed_length, config.limits.handshake_message
    if length > limit:
        raise BadCertificate(
            f"CompressedCertificate: expected at most {limit} bytes in it, got {length}"
        )
    algorithm = CertificateCompressionAlgorithm(message.algorithm)
    return Certificate.decode(decompress(algorithm, message.compressed_certificate_message, length))
