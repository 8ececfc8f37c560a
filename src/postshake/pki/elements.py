"""DER as a tree of elements, for small structures that ``cryptography`` does not read."""

from __future__ import annotations

from typing import Final, NamedTuple

from .der import object_identifier, tlv

__all__ = ["INTEGER", "OCTET_STRING", "SEQUENCE", "Element", "elements"]

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
