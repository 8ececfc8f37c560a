"""Sessions that go on from earlier ones: tickets, session data, early data (§2.2, §2.3)."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from ..constants import Role
from ..errors import present
from ..resumption.replay import EarlyDataClaim, ReplayGuard, SingleUse
from ..resumption.ticket import Ticket
from ..resumption.ticket_keys import TicketKeys
from . import codes
from . import constants as c
from .calls import Calls
from .errors import Again, SessionError
from .session_data import NO_DATA, read_session_data, session_data

__all__ = ["AntiReplay", "Resumption", "session_ticket_key_generate"]

TICKET_KEY_LENGTH = 64
TICKET_WAIT = 0.25  # seconds that get_data gives a ticket to come, on a socket
TICKET_RECORDS = 32  # records that it looks at for it

AddFunction: TypeAlias = Callable[[int, bytes, bytes], int | None]
"""``add(expires, key, data)`` remembers a key until a time, in seconds since the epoch. It
returns 0 or None, or E_DB_ENTRY_EXISTS for one that is remembered already."""


def session_ticket_key_generate() -> TicketKeys:
    """Make a key that seals tickets; servers that accept each other's tickets share it."""
    return TicketKeys([secrets.token_bytes(TICKET_KEY_LENGTH)])


class AntiReplay:
    """What keeps early data from being accepted twice (§8); one for all sessions.

    Without `set_add_function` it remembers in memory, for one process.
    """

    def __init__(self) -> None:
        self.window = 10.0
        """Seconds by which a ticket's age may be off."""
        self._memory: SingleUse | None = None
        self._lock = threading.Lock()  # two memories would each accept the same
        self._add: AddFunction | None = None

    def set_window(self, milliseconds: int) -> None:
        """Say by how much a ticket's age may be off; 10 seconds otherwise."""
        self.window = milliseconds / 1000

    def set_add_function(self, function: AddFunction | None) -> None:
        """Let a function remember, such as one with a database behind it."""
        self._add = function

    def claim(self, claim: EarlyDataClaim) -> bool:
        """Accept a ClientHello's early data the first time (`ReplayGuard`)."""
        if self._add is None:
            with self._lock:
                if self._memory is None:  # older tickets may have been used with others before
                    self._memory = SingleUse(claim.now)
            return self._memory.claim(claim)
        return not self._add(int(claim.until) + 1, claim.key, b"")


class _Unguarded:
    """For NO_REPLAY_PROTECTION: somebody else sees to it that nothing comes twice."""

    def claim(self, claim: EarlyDataClaim) -> bool:
        return True


class Resumption(Calls):
    """The part of a session that goes on from an earlier one, and is gone on from."""

    _early_received: bytearray | None = None
    _early_to_send = b""

    def is_resumed(self) -> bool:
        """Return whether this session goes on from an earlier one."""
        return self._established is not None and self._established.resumed

    # --- a server's tickets

    def ticket_enable_server(self, key: TicketKeys | bytes) -> None:
        """Server: give clients tickets, sealed with this key, and take those that are.

        Two are sent at the end of the handshake, unless the session was made with
        NO_AUTO_SEND_TICKET. Without this call there are none.

        Args:
            key: of `session_ticket_key_generate`, the same for all sessions; or 32
                bytes or more of your own.

        Raises:
            SessionError: E_INVALID_REQUEST, on a client, for a short key, and when the
                handshake has begun.
        """
        if self.role is Role.client or self._machine is not None:
            raise SessionError(codes.E_INVALID_REQUEST, "for a server, before the handshake")
        if isinstance(key, bytes):
            if len(key) < 32:
                raise SessionError(
                    codes.E_INVALID_REQUEST, f"expected a key of 32 bytes or more, got {len(key)}"
                )
            key = TicketKeys([key])
        self._ticket_keys = key

    def ticket_send(self, count: int = 1, flags: int = 0) -> None:
        """Server: send session tickets, which carry who the client is known to be now.

        A ticket from before a reauth does not have its identity; send one afterwards
        if clients shall resume with it.

        Raises:
            Again, Interrupted: call again.
            SessionError: E_INVALID_REQUEST: on a client, in TLS 1.2, for less than
                one, or without `ticket_enable_server`.
        """
        self._check_open()
        if self.role is Role.client or count < 1 or flags:
            raise SessionError(codes.E_INVALID_REQUEST, "a server sends at least one ticket")
        if self.protocol_get_version() != c.TLS1_3:
            raise SessionError(codes.E_INVALID_REQUEST, "only TLS 1.3 sends tickets later")
        if self._ticket_keys is None or self._without_tickets:
            raise SessionError(codes.E_INVALID_REQUEST, "ticket_enable_server was not called")
        self._resumable("ticket_send", partial(self._issue, count))

    def _issue(self, count: int) -> int:
        return self._opened().send_tickets(count)

    # --- a client's data

    def get_data(self) -> bytes:
        """Client: return what `set_data` needs to resume this session later.

        In TLS 1.3 the server sends it, as tickets, when it likes; it is the newest. If
        none is there yet, this waits for one, a quarter of a second on a socket. Data
        and requests for reauth that come meanwhile are kept for `record_recv`.

        It holds secrets: keep it as you keep a private key, and use it once.

        Returns:
            The data; if this session cannot be resumed, a byte that changes nothing.

        Raises:
            Interrupted: call again.
            SessionError: E_INVALID_REQUEST, on a server;
                E_UNAVAILABLE_DURING_HANDSHAKE; or the session has failed.
        """
        machine = self._machine
        if self.role is Role.server:
            raise SessionError(codes.E_INVALID_REQUEST, "clients keep sessions")
        if machine is None or not self._is_complete:
            raise SessionError(codes.E_UNAVAILABLE_DURING_HANDSHAKE)
        if self._without_tickets:
            return NO_DATA
        if self.protocol_get_version() == c.TLS1_3:
            self._await_ticket()
        return session_data(machine.connection.session)

    def _await_ticket(self) -> None:
        """Take records until a ticket comes, or something that must be told of first."""
        machine = present(self._machine, "connection")
        for _ in range(TICKET_RECORDS):
            over = machine.invalid or machine.connection.peer_closed or self.transport.ended
            if machine.connection.tickets or machine.requests or over:
                return
            try:
                with self.transport.time_limit(TICKET_WAIT):
                    machine.take_record()
            except Again:
                return
            except SessionError as error:
                if error.code == codes.E_TIMEDOUT:
                    return
                raise

    def set_data(self, data: bytes) -> None:
        """Client: resume the session that `get_data` gave this for, if the server agrees.

        `is_resumed` tells afterwards whether it did. For another server name than that
        session's it has no effect.

        Raises:
            SessionError: E_DB_ERROR, when it is something else; E_INVALID_REQUEST, on
                a server, and when the handshake has begun.
        """
        if self.role is Role.server or self._machine is not None:
            raise SessionError(codes.E_INVALID_REQUEST, "for a client, before the handshake")
        read_session_data(data, None)
        self._session_data = data

    # --- early data

    def anti_replay_enable(self, anti_replay: AntiReplay) -> None:
        """Server: let this keep early data from being accepted twice.

        A server made with ENABLE_EARLY_DATA takes none without it, unless it was made
        with NO_REPLAY_PROTECTION too.
        """
        self._replay_guard = anti_replay
        self._early_data_window = anti_replay.window

    def record_set_max_early_data_size(self, size: int) -> None:
        """Server: say how many bytes of early data a ticket allows; 16384 otherwise."""
        if self.role is Role.client or not 0 <= size < 2**32:
            raise SessionError(codes.E_INVALID_REQUEST, "for a server, 0 to 2**32 - 1")
        self._max_early_data = size

    def record_get_max_early_data_size(self) -> int:
        """Return how many bytes of early data may be sent; on a server, received."""
        if self.role is Role.server:
            return self._max_early_data
        if not self.flags & c.ENABLE_EARLY_DATA:
            return 0
        earlier = read_session_data(self._session_data, self._server_name)
        return earlier.max_early_data_size if isinstance(earlier, Ticket) else 0

    def record_send_early_data(self, data: bytes | bytearray | memoryview) -> None:
        """Client: send data ahead of the handshake, which `set_data` made possible.

        It leaves with `handshake`. If SFLAGS_EARLY_DATA is not among `get_flags` after
        that, the server has read none of it: send it again with `record_send`.

        Anyone on the path can send it to the server again, and it has no forward
        secrecy. Send only what may come twice.

        Raises:
            SessionError: E_INVALID_REQUEST, when the session was made without
                ENABLE_EARLY_DATA or has shaken hands; E_RECORD_LIMIT_REACHED, when it
                is more than the ticket allows.
        """
        wrong = self.role is Role.server or not self.flags & c.ENABLE_EARLY_DATA
        if wrong or self._machine is not None:
            raise SessionError(
                codes.E_INVALID_REQUEST, "for a client with ENABLE_EARLY_DATA, before the handshake"
            )
        if len(self._early_to_send) + len(data) > self.record_get_max_early_data_size():
            raise SessionError(codes.E_RECORD_LIMIT_REACHED, "the ticket allows less")
        self._early_to_send += bytes(data)

    def record_recv_early_data(self, size: int) -> bytes:
        """Server: take early data that came with the handshake.

        It may be a replay, and is nobody's: a client that is authenticated later did
        not say it by that.

        Raises:
            SessionError: E_REQUESTED_DATA_NOT_AVAILABLE, when there is no more.
        """
        if self.role is Role.client:
            raise SessionError(codes.E_INVALID_REQUEST, "only a server receives early data")
        if not self._early_received:
            raise SessionError(codes.E_REQUESTED_DATA_NOT_AVAILABLE, "no early data")
        data = bytes(self._early_received[:size])
        del self._early_received[:size]
        return data

    def _guard(self) -> ReplayGuard | None:
        if self._replay_guard is None and self.flags & c.NO_REPLAY_PROTECTION:
            return _Unguarded()
        return self._replay_guard
