"""The Alert message: level and description (§6)."""

from __future__ import annotations

from .._dataclass import dataclass
from .codec import Reader, u8

__all__ = ["Alert"]


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert; alone in its record (§6).

    ::

        AlertLevel level;
        AlertDescription description;
    """

    level: int
    """Means nothing in TLS 1.3: the description says whether it is fatal."""
    description: int
    """One that we do not know is fatal."""

    @classmethod
    def decode(cls, data: bytes) -> Alert:
        """Read the content of one record, which is exactly two bytes."""
        reader = Reader(data, "alert")
        alert = cls(reader.u8(), reader.u8())
        reader.finish()
        return alert

    def encode(self) -> bytes:
        """Write the two bytes."""
        return u8(self.level) + u8(self.description)
