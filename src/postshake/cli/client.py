"""``postshake connect``: standard input goes to a server, what it says to standard output.

One loop waits for both, so a request for authentication is answered when it comes,
whether or not anything is typed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from ..config import ClientConfig
from ..constants import Role
from ..drive.sync import Stream
from ..errors import UsageError
from ..events import Event, PeerClosed, ReauthAnswered, ReauthRequested, TraceEntry
from ..pki.credential import Credential
from ..pki.der import normal_name
from ..pki.trust import ChainVerifier, TrustStore
from ..recording import Recording
from .common import endpoint, key_log, seconds, summary
from .ladder import Ladder, clip, printable

__all__ = ["EPILOG", "add_arguments", "run"]

DEFAULT_PORT = 443
CONNECT_TIMEOUT = 30.0
CHUNK = 64 * 1024

EPILOG = """\
After the end of standard input the connection stays open while the server still
talks: --linger says how long it may be silent.

examples:
  printf 'GET /protected HTTP/1.0\\r\\n\\r\\n' | postshake connect localhost:4433 \\
      --cafile tls/ca.crt --cert tls/client.crt --key tls/client.key
  postshake connect localhost:4433 --cafile tls/ca.crt --refuse --trace

"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.set_defaults(run=run)
    parser.add_argument(
        "endpoint",
        metavar="HOST[:PORT]",
        type=lambda text: endpoint(text, DEFAULT_PORT),
        help=f"where to connect to; the port is {DEFAULT_PORT} unless given",
    )
    parser.add_argument(
        "--cafile", metavar="FILE", help="authorities to trust, instead of the system's"
    )
    parser.add_argument("--cert", metavar="FILE", help="our certificate and its chain, PEM or DER")
    parser.add_argument("--key", metavar="FILE", help="its key, if it is not in the same file")
    parser.add_argument(
        "--key-password-file", metavar="FILE", help="its first line is the key's password"
    )
    parser.add_argument("--refuse", action="store_true", help="decline every request")
    parser.add_argument(
        "--servername", metavar="NAME", help="whose certificate to expect, if not HOST's"
    )
    parser.add_argument(
        "--alpn", metavar="NAME[,NAME]", default="", help="application protocols to offer"
    )
    parser.add_argument("--crlf", action="store_true", help="send line ends as CR LF")
    parser.add_argument(
        "--linger",
        metavar="SECONDS",
        type=seconds,
        default=2.0,
        help="silence after which to close when the input has ended (default 2)",
    )
    parser.add_argument("--keylog", metavar="FILE", help="append an SSLKEYLOGFILE for Wireshark")
    parser.add_argument("--quiet", action="store_true", help="nothing on standard error but errors")
    parser.add_argument(
        "--record", metavar="FILE", help="write down what happened, for `postshake trace`"
    )
    parser.add_argument(
        "--trace", action="store_true", help="show the messages as a ladder on standard error"
    )


def run(options: argparse.Namespace) -> int:
    """Connect, and talk until one side is done."""
    say: Callable[[str], None] = _say if not options.quiet else lambda text: None
    recording = Recording(Role.client)
    config = _config(options, recording)
    host, port = options.endpoint
    sock = socket.create_connection((host, port), CONNECT_TIMEOUT)
    with (
        Stream(
            sock,
            config,
            options.servername or host,
            answer=(lambda request: None) if options.refuse else None,
            on_event=lambda event: _hear(event, recording, say),
        ) as stream,
        _saving(recording, options.record),
    ):
        established = stream.handshake()
        say(f"connected to {host} port {port}: {summary(established)}")
        identity = stream.peer_identity
        if identity is not None:
            say(f"the server is {printable(identity.subject)}, says {printable(identity.issuer)}")
        _talk(stream, options)
    return 0


@contextlib.contextmanager
def _saving(recording: Recording, path: str | None) -> Iterator[None]:
    """Write the recording in the end, however it ends."""
    try:
        yield
    finally:
        if path is not None:
            recording.save(path)


def _config(options: argparse.Namespace, recording: Recording) -> ClientConfig:
    credentials: tuple[Credential, ...] = ()
    if options.cert is not None:
        password = options.key_password_file
        credentials = (
            Credential.from_files(
                options.cert,
                options.key,
                (lambda: _first_line(password)) if password is not None else None,
            ),
        )
    elif options.key is not None:
        raise UsageError("--key needs --cert")
    trust = TrustStore.from_files(options.cafile) if options.cafile else TrustStore.system()
    return ClientConfig(
        credentials=credentials,
        verifier=ChainVerifier(trust),
        alpn_protocols=tuple(name.encode() for name in options.alpn.split(",") if name),
        keylog=key_log(options.keylog) if options.keylog else None,
        trace=_tracers(options, recording),
    )


def _first_line(path: str) -> str:
    try:
        return (Path(path).read_text(encoding="utf-8").splitlines() or [""])[0]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error


def _tracers(
    options: argparse.Namespace, recording: Recording
) -> Callable[[TraceEntry], None] | None:
    wanted: list[Callable[[TraceEntry], None]] = [recording.trace] if options.record else []
    if options.trace:
        wanted.append(_tracer(sys.stderr))
    if len(wanted) < 2:
        return wanted[0] if wanted else None

    def tell(entry: TraceEntry) -> None:
        for each in wanted:
            each(entry)

    return tell


def _tracer(stream: TextIO) -> Callable[[TraceEntry], None]:
    ladder = Ladder.suits(Role.client, stream, indent=0)
    print(ladder.header(), file=stream)
    return lambda entry: print(ladder.line(entry), file=stream, flush=True)


def _talk(stream: Stream, options: argparse.Namespace) -> None:
    """Carry bytes both ways until the server closes, or nothing more is to be said."""
    stream.timeout = 0  # this loop does all the waiting
    source: int | None = sys.stdin.fileno() if sys.stdin is not None else None
    after_cr = False
    while True:
        try:
            data = stream.receive(CHUNK)
        except TimeoutError:
            pass  # nothing more is there
        except UsageError as error:  # answering failed; the connection goes on
            _say(str(error))
            continue
        else:
            if not data or not _write(data):
                return
            continue
        sending = stream.unsent
        readers = [stream.fileno()]
        if source is not None and not sending:
            readers.append(source)
        silence = options.linger if source is None and not sending else None
        readable, writable, _ = select.select(
            readers, [stream.fileno()] if sending else [], [], silence
        )
        if not readable and not writable:
            return
        try:
            if writable:
                stream.flush()
            elif source is not None and source in readable:
                chunk = os.read(source, CHUNK)
                if not chunk:
                    source = None
                    continue
                if options.crlf:
                    chunk, after_cr = _with_crlf(chunk, after_cr)
                stream.send(chunk)
        except TimeoutError:
            pass  # the rest leaves when there is room
        except UsageError as error:
            _say(str(error))


def _with_crlf(chunk: bytes, after_cr: bool) -> tuple[bytes, bool]:
    """Make each line end CR LF, also those that are cut in two."""
    text = chunk.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if after_cr and chunk.startswith(b"\n"):
        text = text[1:]
    return text, chunk.endswith(b"\r")


def _write(data: bytes) -> bool:
    """Write to standard output; return whether somebody still reads it."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # else the interpreter would try again, and complain, when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def _hear(event: Event, recording: Recording, say: Callable[[str], None]) -> None:
    recording.event(event)
    _report(event, say)


def _report(event: Event, say: Callable[[str], None]) -> None:
    """Tell what concerns authentication."""
    match event:
        case ReauthRequested():
            names = ", ".join(_name(each) for each in event.authorities[:3])
            more = len(event.authorities) - 3
            wanted = f", by {names}{f' and {more} more' if more > 0 else ''}" if names else ""
            say(f"the server asks for a certificate (context {event.context[:4].hex()}…{wanted})")
        case ReauthAnswered(credential=None):
            say("declined")
        case ReauthAnswered(credential=Credential() as credential):
            say(f"answered as {printable(credential.leaf.subject.rfc4514_string())}")
        case PeerClosed():
            say("the server said goodbye")


def _name(der: bytes) -> str:
    """Show an authority's name: the values, without what they stand for."""
    name = normal_name(der) or ()
    values = [value for rdn in name for _, value in rdn if isinstance(value, str)]
    return clip(repr(", ".join(values) or der.hex()), 60)


def _say(text: str) -> None:
    print(f"postshake: {text}", file=sys.stderr, flush=True)
