"""Alerts, sent and received (§6)."""

from __future__ import annotations

from ..constants import AlertDescription, AlertLevel, ContentType, ProtocolVersion, name_of
from ..errors import AlertReceived
from ..events import Direction
from ..record.limits import Budget
from ..wire.alert import Alert
from .link import Link

__all__ = ["CLOSURE_ALERTS", "send_alert", "tolerate_alert", "trace_alert"]

CLOSURE_ALERTS = (AlertDescription.close_notify, AlertDescription.user_canceled)  # §6.1

TLS12_ALERTS = {
    AlertDescription.missing_extension: AlertDescription.handshake_failure,
    AlertDescription.certificate_required: AlertDescription.handshake_failure,
}
"""What TLS 1.2 says instead of alerts that it does not know (RFC 5246 section 7.2.2)."""


def send_alert(link: Link, description: AlertDescription, level: AlertLevel | None = None) -> None:
    """Queue an alert; after one that closes we say nothing else."""
    if link.tls12:
        description = TLS12_ALERTS.get(description, description)
    if level is None:
        level = AlertLevel.warning if description in CLOSURE_ALERTS else AlertLevel.fatal
    if description == AlertDescription.close_notify or (
        # user_canceled is followed by close_notify (RFC 9846 section 6.1)
        level == AlertLevel.fatal and description != AlertDescription.user_canceled
    ):
        link.closed = True
    link.send_due_change_cipher_spec()
    trace_alert(link, Direction.sent, description)
    link.layer.send(ContentType.alert, Alert(level, description).encode())


def trace_alert(link: Link, direction: Direction, description: int) -> None:
    """Show an alert to the trace, if there is one."""
    if link.config.trace is not None:
        link.trace_record(direction, f"Alert {name_of(AlertDescription, description)}", 2)


def tolerate_alert(link: Link, alert: Alert, budget: Budget) -> None:
    """Let an alert pass that ends nothing, so many times (§6).

    Raises:
        AlertReceived: it is of another kind: it ends the connection.
        TooMuch: a flood.
    """
    warning = alert.level == AlertLevel.warning and _warnings_allowed(link)
    if alert.description != AlertDescription.user_canceled and not warning:
        raise AlertReceived(alert.description, peer=link.role.peer)
    budget.spend()


def _warnings_allowed(link: Link) -> bool:
    """Whether the peer may warn us: in TLS 1.2, and while that may yet be chosen."""
    return link.tls12 or (
        ProtocolVersion.TLS12 in link.config.versions and not link.inbound.protected
    )
