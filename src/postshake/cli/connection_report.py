"""What `connect` reports on standard error: sentences, or JSON lines.

Each JSON line has an ``event``: ``connected``, ``server``, ``asked``, ``answered``, ``declined``,
``closed``, ``trouble``, and ``error`` as the last one, with the ``exit_code``.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from ..events import Established, Event, PeerClosed, ReauthAnswered, ReauthRequested
from ..pki.der import attributes, shown_text
from ..pki.identity import Identity
from ..pki.strict_der import subject_of
from ..recording import facts_of
from ..text import clip, printable

__all__ = ["ConnectionReport", "summary"]


class ConnectionReport:
    """Tells what happens on a connection.

    Args:
        as_json: JSON lines instead of sentences.
        quiet: tell nothing.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self._as_json = as_json
        self._quiet = quiet

    def say(self, event: str, text: str, **facts: Any) -> None:
        """Tell one thing."""
        if self._quiet and event != "trouble":
            return
        if self._as_json:
            line = json.dumps({"event": event, **(facts or {"message": text})})
        else:
            line = f"postshake: {clip(text)}"
        print(line, file=sys.stderr, flush=True)

    def connected(self, host: str, port: int, established: Established) -> None:
        """Tell what the handshake settled."""
        text = f"connected to {host} port {port}: {summary(established)}"
        self.say("connected", text, host=host, port=port, **facts_of(established))

    def server(self, identity: Identity) -> None:
        """Tell who the server proved to be."""
        text = f"the server is {printable(identity.subject)}, says {printable(identity.issuer)}"
        self.say("server", text, identity=identity.to_dict())

    def event(self, event: Event) -> None:
        """Tell what concerns authentication."""
        match event:
            case ReauthRequested():
                names = [_name(each) for each in event.authorities]
                shown = ", ".join(clip(repr(name), 60) for name in names[:3])
                more = f" and {len(names) - 3} more" if len(names) > 3 else ""
                wanted = f", by {shown}{more}" if names else ""
                context = event.context.hex()
                self.say(
                    "asked",
                    f"the server asks for a certificate (context {context[:8]}…{wanted})",
                    context=context,
                    authorities=names,
                )
            case ReauthAnswered(credential=None):
                self.say("declined", "declined", context=event.context.hex())
            case ReauthAnswered(credential=credential) if credential is not None:
                subject = subject_of(credential.leaf).rfc4514_string()
                self.say(
                    "answered",
                    f"answered as {printable(subject)}",
                    context=event.context.hex(),
                    subject=subject,
                )
            case PeerClosed():
                self.say("closed", "the server said goodbye", by="server")


def _name(der: bytes) -> str:
    """Show an authority's name: the values, without what they stand for."""
    try:
        values = [_text(tag, value).casefold() for _, _, tag, value in attributes(der)]
    except ValueError:
        return der.hex()
    return ", ".join(values) or der.hex()


def summary(established: Established) -> str:
    """Say in one line what a handshake settled."""
    text = f"{established.version.text}, {established.suite.code.name}"
    if established.group is not None:
        text += f", {established.group.name}"
    if established.resumed:
        text += ", resumed"
    if established.alpn_protocol is not None:
        text += f", ALPN {established.alpn_protocol.decode('ascii', 'backslashreplace')}"
    return text


def _text(tag: int, content: bytes) -> str:
    shown = shown_text(tag, content)
    return content.hex() if shown is None else shown
