"""What every driver holds a peer to: how much memory its data may take, and how much time."""

from __future__ import annotations

from ..connection import Connection
from ..errors import DataWaiting

__all__ = ["HANDSHAKE_TIME", "LINGER", "MAX_UNREAD", "STALL", "data_waiting"]

MAX_UNREAD = 1024 * 1024
"""Bytes of memory that received data may take while a call waits for something else."""

HANDSHAKE_TIME = 60.0
"""Seconds for a handshake; asyncio's own."""

STALL = 5.0
"""Seconds for which a reauth waits for somebody to read on when no more is kept."""

LINGER = 2.0
"""Seconds for which a closing end reads what the peer still sends."""


def data_waiting(connection: Connection, max_unread: int, remedy: str) -> DataWaiting:
    """Make the error for a reauth whose answer is behind more data than is kept.

    Args:
        connection: the server's.
        max_unread: how many bytes of memory the data may take.
        remedy: what its caller is to do, or what keeps it from going on.
    """
    return DataWaiting(
        f"{connection.readable} bytes of the client's data came before its answer, and at most "
        f"{max_unread} bytes of memory are for them: {remedy}"
    )
