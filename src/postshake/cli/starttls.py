"""STARTTLS for SMTP, IMAP, POP3, LDAP and XMPP.

What is said in the clear is as little as each protocol allows. Whoever sits in between can
change it all, so nothing of it is believed; and bytes that come behind the server's consent,
before TLS, are an attack or a mistake: they end the connection (CVE-2011-0411 and its kin).
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from time import monotonic
from xml.sax.saxutils import quoteattr

from ..errors import PostshakeError
from ..text import clip

__all__ = ["PORTS", "PROTOCOLS", "StartTLSError", "start_tls"]

MOST = 64 * 1024  # bytes that a server may say before TLS
LONGEST = 4096  # bytes of a line
SHOWN = 80
TIME = 60.0  # seconds for all of it, however steadily the server talks

LDAP_OID = b"1.3.6.1.4.1.1466.20037"  # RFC 4511, 4.14.1
# LDAPMessage { messageID 1, extendedReq [APPLICATION 23] { requestName [0] } }
LDAP_REQUEST = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + LDAP_OID
LDAP_RESPONSE, ENUMERATED, SEQUENCE, INTEGER = 0x78, 0x0A, 0x30, 0x02
XMPP_TLS = "urn:ietf:params:xml:ns:xmpp-tls"


class StartTLSError(PostshakeError):
    """The server does not go over to TLS."""


def start_tls(sock: socket.socket, protocol: str, name: str) -> None:
    """Ask a server to go over to TLS; return when it has consented.

    Args:
        sock: connected, with a timeout for each word that is waited for.
        protocol: one of `PROTOCOLS`.
        name: the server's.

    Raises:
        StartTLSError: it does not, or says what this protocol does not know.
        OSError: the network failed, or it took too long.
    """
    dialog = _Dialog(sock)
    PROTOCOLS[protocol](dialog, name)
    dialog.finish()


class _Dialog:
    """Reads no more than has to be read, and not without end.

    Each byte is looked at once, however few come at a time.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray()
        self._room = MOST
        self._until = monotonic() + TIME

    def say(self, data: bytes) -> None:
        self._sock.sendall(data)

    def line(self) -> str:
        """Read a line, without its end."""
        line = self._through(b"\n", LONGEST)
        return line.decode("utf-8", "backslashreplace").rstrip("\r\n")

    def tag(self) -> bytes:
        """Read up to the next ``>``, with it: text, and the tag that follows it."""
        return self._through(b">", MOST)

    def exactly(self, size: int) -> bytes:
        """Read so many bytes."""
        if size > MOST:
            raise StartTLSError(f"the server announced {size} bytes, more than {MOST}")
        while len(self._buffer) < size:
            self._read()
        return self._take(size)

    def address(self) -> str:
        """Say who we are without asking anybody: our address (RFC 5321, 4.1.3)."""
        try:
            address = ipaddress.ip_address(self._sock.getsockname()[0].partition("%")[0])
        except (ValueError, IndexError, AttributeError, TypeError):  # no internet socket
            return "localhost"
        return f"[{'IPv6:' if address.version == 6 else ''}{address}]"

    def finish(self) -> None:
        """Be sure that nothing is left which would seem to have come in TLS."""
        if self._buffer.strip():
            raise StartTLSError("the server sent more in the clear, behind its consent to TLS")

    def _through(self, end: bytes, longest: int) -> bytes:
        """Read up to where this byte is, with it."""
        searched = 0
        while (found := self._buffer.find(end, searched)) < 0:
            searched = len(self._buffer)
            if searched > longest:
                raise StartTLSError(f"the server sent a line of more than {longest} bytes")
            self._read()
        return self._take(found + 1)

    def _read(self) -> None:
        data = self._receive()
        if not data:
            raise StartTLSError("the server hung up before TLS")
        self._room -= len(data)
        if self._room < 0:
            raise StartTLSError(f"the server said more than {MOST} bytes before TLS")
        self._buffer += data

    def _receive(self) -> bytes:
        timeout, left = self._sock.gettimeout(), self._until - monotonic()
        if left <= 0:
            raise TimeoutError(f"the server takes more than {TIME:g} seconds for STARTTLS")
        self._sock.settimeout(left if timeout is None else min(left, timeout))
        try:
            return self._sock.recv(4096)
        finally:
            self._sock.settimeout(timeout)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken


def _refused(said: str) -> StartTLSError:
    return StartTLSError(f"the server does not start TLS: {clip(said, SHOWN)}")


def _smtp(dialog: _Dialog, name: str) -> None:
    """RFC 3207."""
    _smtp_reply(dialog, "220")
    dialog.say(f"EHLO {dialog.address()}\r\n".encode())
    offered = _smtp_reply(dialog, "250")
    if "STARTTLS" not in (line[4:].strip().upper() for line in offered):
        raise StartTLSError("the server does not offer STARTTLS")
    dialog.say(b"STARTTLS\r\n")
    _smtp_reply(dialog, "220")


def _smtp_reply(dialog: _Dialog, code: str) -> list[str]:
    lines = [dialog.line()]
    while lines[-1][3:4] == "-":
        lines.append(dialog.line())
    if not lines[-1].startswith(code):
        raise _refused(lines[-1])
    return lines


def _imap(dialog: _Dialog, name: str) -> None:
    """RFC 9051, 6.2.1."""
    greeting = dialog.line()
    if not greeting.upper().startswith("* OK"):
        raise _refused(greeting)
    dialog.say(b"a1 STARTTLS\r\n")
    said = dialog.line()
    while said.startswith("* "):  # untagged, and may come at any time
        said = dialog.line()
    if not said.upper().startswith("A1 OK"):
        raise _refused(said)


def _pop3(dialog: _Dialog, name: str) -> None:
    """RFC 2595, 4."""
    for word in (b"", b"STLS\r\n"):
        dialog.say(word)
        said = dialog.line()
        if not said.startswith("+OK"):
            raise _refused(said)


def _ldap(dialog: _Dialog, name: str) -> None:
    """RFC 4511, 4.14."""
    dialog.say(LDAP_REQUEST)
    body = _ber(dialog.exactly, SEQUENCE)
    taken = 0

    def inside(size: int) -> bytes:
        nonlocal taken
        taken += size
        if taken > len(body):
            raise StartTLSError("the server's answer is no LDAP message")
        return body[taken - size : taken]

    _ber(inside, INTEGER)
    tag, length = inside(2)
    if length & 0x80:
        inside(length & 0x7F)
    code = _ber(inside, ENUMERATED) if tag == LDAP_RESPONSE else b""
    if code != b"\x00":
        raise _refused(f"LDAP result code {int.from_bytes(code)}" if code else "not answered")


def _ber(read: Callable[[int], bytes], expected: int) -> bytes:
    """Read a value with its tag and its length."""
    tag, length = read(2)
    if tag != expected:
        raise StartTLSError(f"expected LDAP, got a byte 0x{tag:02x}")
    if length & 0x80:
        octets = length & 0x7F
        if not 0 < octets <= 4:
            raise StartTLSError("the server's answer has a length that cannot be read")
        length = int.from_bytes(read(octets))
    return read(length)


def _xmpp(dialog: _Dialog, name: str) -> None:
    """RFC 6120, 5."""
    dialog.say(
        f"<?xml version='1.0'?><stream:stream xmlns='jabber:client' version='1.0' "
        f"xmlns:stream='http://etherx.jabber.org/streams' to={quoteattr(name)}>".encode()
    )
    offered = False
    name, tag = "", b""
    while name not in ("/stream:features", "stream:error"):
        name, tag = _tag(dialog)
        offered = offered or XMPP_TLS.encode() in tag
        if name == "stream:features" and tag.endswith(b"/>"):
            break
    if not offered:
        raise StartTLSError("the server does not offer STARTTLS")
    dialog.say(f"<starttls xmlns='{XMPP_TLS}'/>".encode())
    while name not in ("proceed", "failure", "stream:error"):
        name, tag = _tag(dialog)
    if name != "proceed":
        raise _refused(tag.decode("utf-8", "backslashreplace"))
    if not tag.endswith(b"/>") and _tag(dialog)[0] != "/proceed":
        raise StartTLSError("the server's consent to TLS has something in it")


def _tag(dialog: _Dialog) -> tuple[str, bytes]:
    """Read a tag; return its name, ``/name`` if it ends an element, and the whole."""
    read = dialog.tag()
    tag = read[read.rfind(b"<") :]
    name = tag[1:-1].rstrip(b"/").split(None, 1)
    return (name[0].decode("utf-8", "backslashreplace") if name else ""), tag


PROTOCOLS: dict[str, Callable[[_Dialog, str], None]] = {
    "smtp": _smtp,
    "imap": _imap,
    "pop3": _pop3,
    "ldap": _ldap,
    "xmpp": _xmpp,
}
"""How each protocol is asked."""

PORTS = {"smtp": 25, "imap": 143, "pop3": 110, "ldap": 389, "xmpp": 5222}
"""Where each usually listens in the clear."""
