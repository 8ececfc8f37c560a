"""DER as a tree of elements, for small structures that ``cryptography`` does not read."""

from __future__ import annotations

from typing import Final, NamedTuple

from .der import encoded, object_identifier, tlv

__all__ = ["INTEGER", "OCTET_STRING", "SEQUENCE", "Element", "definite", "elements"]

INTEGER: Final = 0x02
OCTET_STRING: Final = 0x04
SEQUENCE: Final = 0x30


class Element(NamedTuple):
    """One element (X.690 section 8.1.1)."""

    tag: int
    content: bytes
    der: bytes
    """All of it: tag, length and content."""

    def expect(self, tag: int) -> bytes:
        """Return the content.

        Raises:
            ValueError: it is of another kind.
        """
        if self.tag != tag:
            raise ValueError(f"expected an element with the tag {tag:#04x}, got {self.tag:#04x}")
        return self.content

    def parts(self, tag: int = SEQUENCE) -> tuple[Element, ...]:
        """Return what stands inside.

        Raises:
            ValueError: it is of another kind, or its content is no elements.
        """
        return elements(self.expect(tag))

    def number(self) -> int:
        """Return an INTEGER that is not negative.

        Raises:
            ValueError: it is none.
        """
        value = int.from_bytes(self.expect(INTEGER), "big", signed=True)
        if not self.content or value < 0:
            raise ValueError("expected a number that is not negative")
        return value

    def dotted(self) -> str:
        """Return an OBJECT IDENTIFIER as dotted numbers.

        Raises:
            ValueError: it is none.
        """
        return object_identifier(self.der)

    def algorithm(self) -> tuple[str, tuple[Element, ...]]:
        """Read an AlgorithmIdentifier: its name, dotted, and the parameters, if there are any.

        Raises:
            ValueError: it is none.
        """
        oid, *parameters = self.parts()
        if len(parameters) > 1:
            raise ValueError(f"expected an AlgorithmIdentifier, got {len(parameters)} parameters")
        return oid.dotted(), tuple(parameters)


def elements(data: bytes) -> tuple[Element, ...]:
    """Read elements that stand one after the other, to the end of the data.

    Raises:
        ValueError: it is not DER.
    """
    found = []
    offset = 0
    while offset < len(data):
        tag, start, end = tlv(data, offset)
        found.append(Element(tag, data[start:end], data[offset:end]))
        offset = end
    return tuple(found)


def definite(ber: bytes) -> bytes:
    """Write BER anew as DER has it: lengths told beforehand, octets in one piece.

    Some programs write PKCS #12 with indefinite lengths (X.690 section 8.1.3.6).

    Raises:
        ValueError: it is not BER, or nested too deep.
    """
    return b"".join(_definite(ber, _MOST_NESTED))


def _definite(ber: bytes, depth: int) -> list[bytes]:
    """Write elements anew that stand one after the other."""
    written = []
    offset = 0
    while offset < len(ber):
        element, offset = _definite_element(ber, offset, depth)
        written.append(element)
    return written


def _definite_element(ber: bytes, offset: int, depth: int) -> tuple[bytes, int]:
    """Write one element anew; return it, and where the next one starts."""
    if depth == 0 or offset + 2 > len(ber) or ber[offset] & 0x1F == 0x1F:
        raise ValueError("BER that is truncated, nested too deep, or has a long tag")
    tag, length, start = ber[offset], ber[offset + 1], offset + 2
    if length == 0x80:
        pieces = []
        end = start
        while ber[end : end + 2] != b"\0\0":
            piece, end = _definite_element(ber, end, depth - 1)
            pieces.append(piece)
        end += 2
    else:
        if length > 0x80:
            start += length & 0x7F
            length = int.from_bytes(ber[offset + 2 : start], "big")
        end = start + length
        if end > len(ber):
            raise ValueError("BER that is truncated")
        if not tag & _CONSTRUCTED:
            return encoded(tag, ber[start:end]), end
        pieces = _definite(ber[start:end], depth - 1)
    content = b"".join(pieces)
    if tag == OCTET_STRING | _CONSTRUCTED:
        tag = OCTET_STRING
        content = b"".join(each.expect(OCTET_STRING) for each in elements(content))
    return encoded(tag, content), end


_CONSTRUCTED: Final = 0x20
_MOST_NESTED: Final = 32
