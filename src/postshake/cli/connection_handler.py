"""What `serve` does with one client: HTTP/1.1 pages, or an echo of each line.

Both are as small as they can be and still ask for a certificate at the right
moment: when everything that belongs to the request has been read, and nothing of
the answer has been sent.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from urllib.parse import quote

from .._dataclass import dataclass, field
from ..config import AuthRequest
from ..drive.answers import judge_identity
from ..drive.sync.stream import Stream
from ..errors import DataWaiting, ReauthUnavailable
from ..events import Outcome, ReauthCompleted
from ..pki.identity import Identity
from ..questions import Refused
from ..recording.html import html_page
from ..recording.recording import Recording
from ..text import clip, printable
from ..web.path_guard import AmbiguousPath, PathGuard, decode_path
from .static_files import INDEX, StaticFile, StaticFiles

__all__ = ["ConnectionHandler"]

MAX_HEAD = 64 * 1024
MAX_BODY = 1024 * 1024
MAX_DIGITS = 20  # of its length
MAX_LINE = 64 * 1024
PIECE = 64 * 1024  # of a response: the client must take each within the stream's timeout

HEAD_TIME = 30.0  # seconds for a request's head, or a line, from its first byte on
BODY_TIME = 30.0  # seconds for a request's body
BODY_RATE = 8 * 1024  # for so many bytes of which there is one second more

PARTING = 2.0  # seconds that a client has beyond its deadline, for the way

REAUTH = b"**REAUTH**"
REAUTH_DONE = b"Successfully executed command\n"  # both as gnutls-serv has them

_REASONS = {
    200: "OK",
    301: "Moved Permanently",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    411: "Length Required",
    413: "Content Too Large",
    431: "Request Header Fields Too Large",
}


class RequestTooSlow(TimeoutError):
    """The client did not send all of its request in time."""


@dataclass
class ConnectionHandler:
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
    site: StaticFiles | None = None
    """Files that are served, instead of pages of our own."""
    clock: Callable[[], float] = monotonic
    """Seconds: what deadlines are held against."""
    _buffer: bytearray = field(default_factory=bytearray)
    _who: Identity | None = None  # sent what is answered, or was asked because of it
    _until: float = 0.0  # when what is read now must be there

    # --- who are you?

    def _begin(self) -> None:
        """Begin with what comes next: it is from who the client was when its first byte came.

        It may have come with what was answered before, in front of a proof.
        """
        connection = self.stream.connection
        position = connection.read_position - len(self._buffer)
        history = reversed(connection.identity_history)
        self._who = next(identity for start, identity in history if start <= position)

    def ask(self) -> str | None:
        """Ask the client who it is, unless we know; return why it may not enter."""
        known = self._who
        if known is not None and known is self.stream.peer_identity:
            verdict = judge_identity(known, self.stream.connection.config)
            if not isinstance(verdict, Refused):
                return None
            self.log(f"{printable(known.subject)} is not accepted any more: {verdict.error}")
        try:
            completed = self._reauth()
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
            self._who = identity
            return None
        if outcome is Outcome.DECLINED:
            return None if not self.request.required else "You were asked for one, and declined."
        return f"Yours was {outcome.value}{why}."

    def _reauth(self) -> ReauthCompleted:
        """Ask, and wait for as long as the request says, not for as long as for data."""
        stream, before = self.stream, self.stream.timeout
        if before is not None and self.request.within is not None:
            stream.timeout = max(before, self.request.within + PARTING)
        try:
            return stream.reauth(self.request)
        finally:
            stream.timeout = before

    @property
    def name(self) -> str:
        """Whom we know the client as that sent what is answered."""
        return printable(self._who.subject) if self._who is not None else "nobody"

    # --- lines

    def echo(self) -> None:
        """Send each line back; ``**REAUTH**`` asks for a certificate first."""
        while self._buffer or self.idle():
            self._begin()
            self._give(HEAD_TIME)
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
        guard = PathGuard(dict.fromkeys(protected, True))
        while self._buffer or self.idle():
            self._begin()
            self._give(HEAD_TIME)
            try:
                keep = self._page(guard, debug)
            except RequestTooSlow as error:
                self.log(f"{error} 408")
                keep = self._respond(408, "This request takes too long.\n")
            if not keep:
                return

    def _page(self, guard: PathGuard[bool], debug: str | None) -> bool:
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
        if len(text_length) > MAX_DIGITS or int(text_length) > MAX_BODY:
            return self._respond(413, f"At most {MAX_BODY} bytes.\n")
        if fields.get("expect", "").lower() == "100-continue":
            self.stream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        # all of the body comes before the question: behind the answer it would be
        # from somebody else
        self._give(BODY_TIME + int(text_length) / BODY_RATE)
        if self._read_exactly(int(text_length)) is None:
            return False
        connection = fields.get("connection", "").lower()
        keep = connection != "close" if version == "HTTP/1.1" else connection == "keep-alive"
        try:
            path = decode_path(target.encode("latin-1"))
            protected = bool(guard.find(path))
            is_drawn = path.rstrip("/") == debug and self.recording is not None and method == "GET"
            if self.site is not None and method in ("GET", "HEAD") and not is_drawn:
                slash = target.partition("?")[0].endswith("/")
                return self._file(self.site, method, path, slash, guard, keep)
        except AmbiguousPath as error:
            self.log(f"{clip(method, 16)} {clip(target, 100)} 400")
            return self._respond(400, f"{error}.\n", keep=keep, body=method != "HEAD")
        status, text = self._answer(method, protected, guard, is_drawn)
        self.log(f"{clip(method, 16)} {clip(path, 100)} {status}")
        drawn = is_drawn and status == 200
        return self._respond(status, text, keep=keep, body=method != "HEAD", page=drawn)

    def _answer(
        self, method: str, protected: bool, guard: PathGuard[bool], is_drawn: bool
    ) -> tuple[int, str]:
        if method not in ("GET", "HEAD", "POST"):
            return 405, "GET, HEAD or POST.\n"
        if self.site is not None and not is_drawn:
            return 405, "GET or HEAD.\n"
        refusal = self.ask() if protected else None
        if refusal is not None:
            return 403, f"This page needs a client certificate. {refusal}\n"
        if is_drawn and self.recording is not None:
            return 200, html_page(self.recording, "Your connection")
        if protected:
            return 200, f"This page is protected. To me you are {self.name}.\n"
        public = f"This page is public. To me you are {self.name}.\n"
        return 200, public + "".join(f"Not public: {prefix}\n" for prefix in guard.prefixes)

    def _file(
        self,
        site: StaticFiles,
        method: str,
        path: str,
        slash: bool,
        guard: PathGuard[bool],
        keep: bool,
    ) -> bool:
        """Answer with a file, when the client may have it.

        What is served decides, not what it is called: a link may lead to what is
        protected, and so may the index of a folder.
        """
        place = site.place(path)
        redirects = place is not None and place.is_dir() and not slash and path != "/"
        served = place
        if place is not None and place.is_dir():
            index = site.place(site.url(place) + f"/{INDEX}")
            served = index if index is not None and index.parent == place else None
        names = [path, *(site.url(each) for each in (place, served) if each is not None)]
        refusal = self.ask() if any(guard.find(name) for name in names) else None
        status, text, more = 200, "", ""
        found: StaticFile | None = None
        if refusal is not None:
            status, text = 403, f"This page needs a client certificate. {refusal}\n"
        elif redirects:
            status, more = 301, f"Location: {quote(path)}/\r\n"
        elif served is not None:
            found = site.open(served)
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

    def _give(self, seconds: float) -> None:
        """Give the client so much time for what is read from here on."""
        self._until = self.clock() + seconds

    def _read_more(self) -> bool:
        """Read what comes; whether it was anything.

        Raises:
            RequestTooSlow: the time is up, however steadily it comes.
        """
        stream, before = self.stream, self.stream.timeout
        left = self._until - self.clock()
        stream.timeout = left if before is None else min(before, left)
        try:
            if left <= 0:
                raise TimeoutError
            data = stream.receive()
        except TimeoutError as error:
            raise RequestTooSlow("the client is too slow") from error
        finally:
            stream.timeout = before
        self._buffer += data
        return bool(data)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken


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
