"""What the server says to one client: pages over HTTP/1.1, or an echo of each line.

Both are as small as they can be and still ask for a certificate at the right
moment: when everything that belongs to the request has been read, and nothing of
the answer has been sent.
"""

from __future__ import annotations

from collections.abc import Callable
from posixpath import normpath
from urllib.parse import quote, unquote

from ..config import AuthRequest
from ..drive.sync import Stream
from ..errors import DataWaiting, ReauthUnavailable
from ..events import Outcome
from ..recording import Recording
from ..values import dataclass, field
from .files import INDEX, Found, Site
from .ladder import clip, printable
from .picture import picture

__all__ = ["Visit"]

MAX_HEAD = 64 * 1024
MAX_BODY = 1024 * 1024
MAX_LINE = 64 * 1024
PIECE = 64 * 1024

REAUTH = b"**REAUTH**"
REAUTH_DONE = b"Successfully executed command\n"  # both as gnutls-serv has them

_REASONS = {
    200: "OK",
    301: "Moved Permanently",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    411: "Length Required",
    413: "Content Too Large",
    431: "Request Header Fields Too Large",
}


@dataclass
class Visit:
    """One client's connection.

    Args:
        stream: after its handshake.
        request: what to ask for when something protected is reached.
        log: takes a line on what happened.
        idle: waits for the client's next word; False when it is time to leave.
        recording: what happened on this connection, to be shown.
        site: files to serve, instead of pages of our own.
    """

    stream: Stream
    request: AuthRequest
    log: Callable[[str], None]
    idle: Callable[[], bool]
    recording: Recording | None = None
    site: Site | None = None
    """Files that are served, instead of pages of our own."""
    _buffer: bytearray = field(default_factory=bytearray)

    # --- who are you?

    def ask(self) -> str | None:
        """Ask the client who it is, unless we know; return why it may not enter."""
        if self.stream.peer_identity is not None:
            return None
        try:
            completed = self.stream.reauth(self.request)
        except ReauthUnavailable as error:
            self.log(f"reauth impossible: {error}")
            return f"You cannot be asked for one: {error}."
        except DataWaiting as error:
            self.log(f"reauth given up: {error}")
            return "Too much came from you instead of one."
        outcome, identity = completed.outcome, completed.identity
        why = f": {completed.error}" if completed.error is not None else ""
        who = f" {printable(identity.subject)}" if identity is not None else ""
        self.log(f"reauth {outcome.value}{who}{why}")
        if outcome is Outcome.AUTHENTICATED:
            return None
        if outcome is Outcome.DECLINED:
            return None if not self.request.required else "You were asked for one, and declined."
        return f"Yours was {outcome.value}{why}."

    @property
    def name(self) -> str:
        """Whom we know the client as."""
        identity = self.stream.peer_identity
        return printable(identity.subject) if identity is not None else "nobody"

    # --- lines

    def echo(self) -> None:
        """Send each line back; ``**REAUTH**`` asks for a certificate first."""
        while self._buffer or self.idle():
            line = self._read_line(MAX_LINE)
            if line is None:
                return
            if line.strip() == REAUTH:
                refusal = self.ask()
                self.stream.send(f"{refusal}\n".encode() if refusal else REAUTH_DONE)
            else:
                self.stream.send(line)

    # --- pages

    def pages(self, protected: tuple[str, ...], debug: str | None = None) -> None:
        """Answer HTTP requests; paths below the protected ones need a certificate.

        Args:
            protected: these paths.
            debug: where a client sees its own connection, drawn; None for nowhere.
        """
        while self._buffer or self.idle():
            if not self._page(protected, debug):
                return

    def _page(self, protected: tuple[str, ...], debug: str | None) -> bool:
        """Answer one request; return whether another may follow."""
        head = self._read_head()
        if head is None:
            return False
        if not isinstance(head, tuple):
            return self._respond(head, "This request cannot be read.\n")
        method, target, version, fields = head
        text_length = fields.get("content-length", "0")
        if "transfer-encoding" in fields:
            return self._respond(411, "Say how long the body is.\n")
        if not (text_length.isascii() and text_length.isdigit()):
            return self._respond(400, "This Content-Length cannot be read.\n")
        if int(text_length) > MAX_BODY:
            return self._respond(413, f"At most {MAX_BODY} bytes.\n")
        if fields.get("expect", "").lower() == "100-continue":
            self.stream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        # all of the body comes before the question: behind the answer it would be
        # from somebody else
        if self._read_exactly(int(text_length)) is None:
            return False
        connection = fields.get("connection", "").lower()
        keep = connection != "close" if version == "HTTP/1.1" else connection == "keep-alive"
        path = _normal(target)
        if path == debug and self.recording is not None and method == "GET":
            self.log(f"GET {clip(path, 100)} 200")
            return self._respond(
                200, picture(self.recording, "Your connection"), keep=keep, page=True
            )
        if self.site is not None and method in ("GET", "HEAD"):
            slash = target.partition("?")[0].endswith("/")
            return self._file(method, path, slash, protected, keep)
        status, text = self._answer(method, path, protected)
        self.log(f"{clip(method, 16)} {clip(path, 100)} {status}")
        return self._respond(status, text, keep=keep, body=method != "HEAD")

    def _answer(self, method: str, path: str, protected: tuple[str, ...]) -> tuple[int, str]:
        if method not in ("GET", "HEAD", "POST"):
            return 405, "GET, HEAD or POST.\n"
        if self.site is not None:
            return 405, "GET or HEAD.\n"
        if not _below(path, protected):
            public = f"This page is public. To me you are {self.name}.\n"
            return 200, public + "".join(f"Not public: {prefix}\n" for prefix in protected)
        refusal = self.ask()
        if refusal is not None:
            return 403, f"This page needs a client certificate. {refusal}\n"
        return 200, f"This page is protected. To me you are {self.name}.\n"

    def _file(
        self, method: str, path: str, slash: bool, protected: tuple[str, ...], keep: bool
    ) -> bool:
        """Answer with a file, when the client may have it."""
        assert self.site is not None
        place = self.site.place(path)
        # a link, or a file system that knows no capitals, may lead to what is protected
        names = [path.casefold(), self.site.url(place).casefold() if place is not None else "/"]
        refusal = None
        if any(_below(name, tuple(each.casefold() for each in protected)) for name in names):
            refusal = self.ask()
        status, text, more = 200, "", ""
        found: Found | None = None
        if refusal is not None:
            status, text = 403, f"This page needs a client certificate. {refusal}\n"
        elif place is not None and place.is_dir() and not slash and path != "/":
            status, more = 301, f"Location: {quote(path)}/\r\n"
        elif place is not None:
            if place.is_dir():
                # whoever may see the folder may not yet see where its index leads
                index = self.site.place(self.site.url(place) + f"/{INDEX}")
                place = index if index is not None and index.parent == place else None
            found = self.site.open(place) if place is not None else None
        if found is None and status == 200:
            status, text = 404, "There is no such file.\n"
        self.log(f"{method} {clip(path, 100)} {status}")
        body = method != "HEAD"
        if found is None:
            return self._respond(status, text, keep=keep, body=body, more=more)
        with found.file as file:
            self.stream.send(_head(status, found.content_type, found.size, keep, ""))
            left = found.size if body else 0
            while left:
                piece = file.read(min(left, PIECE))
                if not piece:  # it became shorter: only hanging up tells the client
                    return False
                self.stream.send(piece)
                left -= len(piece)
        return keep

    def _respond(
        self,
        status: int,
        text: str,
        *,
        keep: bool = False,
        body: bool = True,
        page: bool = False,
        more: str = "",
    ) -> bool:
        content = text.encode()
        kind = f"text/{'html' if page else 'plain'}; charset=utf-8"
        head = _head(status, kind, len(content), keep, more)
        self.stream.send(head + (content if body else b""))
        return keep

    def _read_head(self) -> tuple[str, str, str, dict[str, str]] | int | None:
        """Read a request's head: method, target, version, fields; or what is wrong with it."""
        lines: list[str] = []
        room = MAX_HEAD
        while True:
            line = self._read_line(room)
            if line is None:
                return None
            if not line.endswith(b"\n"):
                return 431
            room -= len(line)
            text = line.decode("latin-1").rstrip("\r\n")
            if not text and lines:
                break
            if text:
                lines.append(text)
        words = lines[0].split(" ")
        fields = [line.partition(":") for line in lines[1:]]
        if len(words) != 3 or words[2] not in ("HTTP/1.0", "HTTP/1.1"):
            return 400
        if not all(separator and name.strip() == name for name, separator, _ in fields):
            return 400
        named = {name.lower(): value.strip() for name, _, value in fields}
        if len(named) < len(fields) and _repeats(fields, "content-length"):
            return 400
        return words[0], words[1], words[2], named

    # --- reading

    def _read_line(self, limit: int) -> bytes | None:
        """Read up to the line's end, or `limit` bytes; None when the client is done."""
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0 and len(self._buffer) < limit:
            searched = len(self._buffer)
            if not self._read_more():
                return None
        return self._take(min(end + 1, limit) if end >= 0 else limit)

    def _read_exactly(self, size: int) -> bytes | None:
        while len(self._buffer) < size:
            if not self._read_more():
                return None
        return self._take(size)

    def _read_more(self) -> bool:
        data = self.stream.receive()
        self._buffer += data
        return bool(data)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken


def _normal(target: str) -> str:
    """Reduce a request's target to its path, in one way of writing it."""
    path = target.partition("?")[0]
    if not target.startswith("/"):  # with scheme and authority (RFC 9112 section 3.2.2)
        _, authority, rest = path.partition("#")[0].partition("://")
        path = rest.partition("/")[2] if authority else path.partition("#")[0]
    return normpath("/" + unquote(path).lstrip("/"))


def _below(path: str, prefixes: tuple[str, ...]) -> bool:
    return any(
        prefix == "/" or path == prefix or path.startswith(prefix + "/") for prefix in prefixes
    )


def _head(status: int, content_type: str, size: int, keep: bool, more: str) -> bytes:
    return (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\n"
        f"Content-Type: {content_type}\r\n"
        f"Content-Length: {size}\r\n"
        f"X-Content-Type-Options: nosniff\r\n{more}"
        f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n"
    ).encode()


def _repeats(fields: list[tuple[str, str, str]], name: str) -> bool:
    return sum(field.lower() == name for field, _, _ in fields) > 1
