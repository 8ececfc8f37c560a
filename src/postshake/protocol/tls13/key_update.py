"""KeyUpdate: fresh traffic keys while the connection lives (§4.6.3)."""

from __future__ import annotations

from ...constants import KeyUpdateRequest
from ...errors import require
from ...events import PeerKeyUpdated
from ...record.limits import RateLimit
from ...wire.post_handshake import KeyUpdate
from ..event_queue import EventQueue
from ..flow import Received
from ..link import Link

__all__ = ["KeyUpdates"]


class KeyUpdates:
    """Both directions' key updates on one connection.

    A requested update is answered at the end of the input that asked for it, unless we have
    sent nothing since our last answer: then it leaves with our next application data, before
    which it is owed, and a peer that floods us gets no flood back.
    """

    __slots__ = ("_answered_with", "_asked", "_events", "_link", "_rate", "update_owed")

    def __init__(self, link: Link, events: EventQueue) -> None:
        self._link = link
        self._events = events
        self._answered_with = -1  # the generation that our last answer began
        self.update_owed = False
        """Whether the peer asked for an update that it has not got."""
        self._asked = False  # and not yet answered: RFC 9846 forbids a second request
        limits = link.config.limits
        self._rate = RateLimit(
            limits.key_updates, limits.key_update_window, link.config.clock, "KeyUpdate messages"
        )

    def take(self, received: Received) -> None:
        """Move on to the peer's next keys.

        Raises:
            UnexpectedMessage: the record goes on after the message (§5.1).
            TooMuch: a flood.
        """
        message = require(KeyUpdate, received.message)
        self._rate.hit()
        self._link.reassembly.check_aligned()
        self._link.layer.update_read()
        if message.request_update == KeyUpdateRequest.update_requested:
            self.update_owed = True
        else:
            self._asked = False
        self._events.emit(PeerKeyUpdated(self._events.position, self._link.inbound.generation))

    def send(self, request_peer: bool = False) -> None:
        """Move on to our next keys, and tell the peer; ask for the same if wished."""
        ask = request_peer and not self._asked
        self._asked = self._asked or ask
        self.update_owed = False
        self._link.send_message(
            KeyUpdate(
                KeyUpdateRequest.update_requested if ask else KeyUpdateRequest.update_not_requested
            )
        )
        self._link.layer.update_write()

    def send_owed(self) -> None:
        """Send the update that the peer asked for, if one is owed.

        If we have sent nothing since our last answer, it waits for our next data: however
        often a peer asks whom it does not hear, one answer is enough (§4.6.3).
        """
        if not self.update_owed or self._link.closed:
            return
        outbound = self._link.outbound
        if outbound.generation == self._answered_with and not outbound.sequence:
            outbound.update_due = 0  # so that the next data does not pass it by
        else:
            self.send()
            self._answered_with = self._link.outbound.generation
