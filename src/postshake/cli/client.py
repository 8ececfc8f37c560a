"""``postshake connect``: copy standard input to a server and its answers to standard output.

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
from ..crypto.groups import supported_groups
from ..drive.sync.stream import Stream
from ..errors import UnknownCA, UsageError
from ..events import Event, TraceEntry
from ..pki.credential import Credential
from ..pki.trust import ChainVerifier, TrustStore
from ..recording.ladder import Ladder
from ..recording.recording import Recording
from .arguments import endpoint, groups, key_log, seconds, waiting
from .connection_report import ConnectionReport
from .session_file import SessionFile, SessionRefused
from .starttls import PORTS, PROTOCOLS, start_tls

__all__ = ["EPILOG", "add_arguments", "run"]

DEFAULT_PORT = 443
CONNECT_TIMEOUT = 30.0
AWHILE = 2.0  # seconds that a server has to send a ticket
CHUNK = 64 * 1024

EPILOG = """\
After the end of standard input the connection stays open while the server still
talks: --linger says how long it may be silent.

A file of --session, like a key log, opens what was said on that connection.

examples:
  printf 'GET /protected HTTP/1.0\\r\\n\\r\\n' | postshake connect localhost:4433 \\
      --cafile tls/ca.crt --cert tls/client.crt --key tls/client.key
  postshake connect localhost:4433 --cafile tls/ca.crt --refuse --trace
  postshake connect mail.example --starttls smtp --json
  postshake connect localhost:4433 --cafile tls/ca.crt --reconnect \\
      --key 'pkcs11:token=staff;object=alice?module-path=/usr/lib/softhsm/libsofthsm2.so'

"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.set_defaults(run=run)
    parser.add_argument(
        "endpoint",
        metavar="HOST[:PORT]",
        help=f"where to connect to; the port is {DEFAULT_PORT}, or that of --starttls",
    )
    parser.add_argument(
        "--cafile", metavar="FILE", help="authorities to trust, instead of the system's"
    )
    parser.add_argument("--cert", metavar="FILE", help="our certificate and its chain, PEM or DER")
    parser.add_argument(
        "--key",
        metavar="FILE|pkcs11:URI",
        help="its key, if it is not in the same file; or where it is in a token (RFC 7512), "
        "from which the certificate comes too, without --cert",
    )
    parser.add_argument(
        "--key-password-file", metavar="FILE", help="its first line is the key's password, or PIN"
    )
    parser.add_argument("--refuse", action="store_true", help="decline every request")
    parser.add_argument(
        "--servername", metavar="NAME", help="whose certificate to expect, if not HOST's"
    )
    parser.add_argument(
        "--alpn", metavar="NAME[,NAME]", default="", help="application protocols to offer"
    )
    parser.add_argument(
        "--starttls",
        metavar="PROTOCOL",
        choices=tuple(PROTOCOLS),
        help=f"go over to TLS from plain text first: {', '.join(PROTOCOLS)}",
    )
    parser.add_argument(
        "--reconnect",
        action="store_true",
        help="connect, hang up, and resume the session in a second connection, which is the "
        "one that talks; the exit code is 1 if the server does not resume it",
    )
    parser.add_argument(
        "--session", metavar="FILE", help="resume the session in this file, and keep the new one"
    )
    parser.add_argument("--crlf", action="store_true", help="send line ends as CR LF")
    parser.add_argument(
        "--linger",
        metavar="SECONDS",
        type=seconds,
        default=2.0,
        help="silence after which to close when the input has ended (default 2)",
    )
    parser.add_argument(
        "--groups",
        metavar="NAME[,NAME]",
        type=groups,
        default=supported_groups(),
        help="groups for the key exchange, favourites first (all, X25519MLKEM768 first)",
    )
    parser.add_argument("--keylog", metavar="FILE", help="append an SSLKEYLOGFILE for Wireshark")
    parser.add_argument("--quiet", action="store_true", help="nothing on standard error but errors")
    parser.add_argument(
        "--json", action="store_true", help="what happens as JSON lines on standard error"
    )
    parser.add_argument(
        "--record", metavar="FILE", help="write down what happened, for `postshake trace`"
    )
    parser.add_argument(
        "--trace", action="store_true", help="show the messages as a ladder on standard error"
    )


def run(options: argparse.Namespace) -> int:
    """Connect, and talk until one side is done."""
    port = PORTS[options.starttls] if options.starttls else DEFAULT_PORT
    try:
        place = endpoint(options.endpoint, port)
    except argparse.ArgumentTypeError as error:
        raise UsageError(str(error)) from error
    if options.json and options.trace:
        raise UsageError("--trace draws, which is no JSON: use --record")
    report = ConnectionReport(as_json=options.json, quiet=options.quiet)
    recording = Recording(Role.client)
    config = _config(options, recording)
    sessions = SessionFile(options.session, options.servername or place[0])
    with _saving(recording, options.record):
        if options.reconnect:
            with _connected(place, options, config, sessions, recording, report) as stream:
                if not sessions.await_one(stream, max(options.linger, AWHILE), _write):
                    raise SessionRefused("the server gave no ticket: nothing can be resumed")
        with _connected(place, options, config, sessions, recording, report) as stream:
            resumed = stream.connection.established
            if options.reconnect and not (resumed is not None and resumed.resumed):
                raise SessionRefused("the server did not resume the session")
            _exchange(stream, options, report)
            sessions.keep(stream)
    return 0


@contextlib.contextmanager
def _connected(
    place: tuple[str, int],
    options: argparse.Namespace,
    config: ClientConfig,
    sessions: SessionFile,
    recording: Recording,
    report: ConnectionReport,
) -> Iterator[Stream]:
    """Connect and shake hands; hang up in the end."""
    host, port = place
    name = options.servername or host

    def hear(event: Event) -> None:
        recording.event(event)
        report.event(event)

    with waiting(f"connecting to {host} port {port}", quiet=options.quiet or options.json):
        try:
            sock = socket.create_connection(place, CONNECT_TIMEOUT)
        except OSError as error:
            why = error.strerror or error
            raise OSError(f"no connection to {host} port {port}: {why}") from error
        try:
            if options.starttls is not None:
                start_tls(sock, options.starttls, name)
            stream = Stream(
                sock,
                config,
                name,
                answer=(lambda request: None) if options.refuse else None,
                on_event=hear,
                session=sessions.session,
            )
        except BaseException:
            sock.close()
            raise
    with stream:
        with waiting(f"shaking hands with {host}", quiet=options.quiet or options.json):
            try:
                established = stream.handshake()
            except UnknownCA as error:
                if options.cafile is None:
                    error.add_note("(--cafile FILE says which authorities to trust instead)")
                raise
        report.connected(host, port, established)
        identity = stream.peer_identity
        if identity is not None:
            report.server(identity)
        yield stream


@contextlib.contextmanager
def _saving(recording: Recording, path: str | None) -> Iterator[None]:
    """Write the recording in the end, however it ends."""
    try:
        yield
    finally:
        if path is not None:
            recording.save(path)


def _config(options: argparse.Namespace, recording: Recording) -> ClientConfig:
    trust = TrustStore.from_files(options.cafile) if options.cafile else TrustStore.system()
    return ClientConfig(
        credentials=_credentials(options),
        verifier=ChainVerifier(trust),
        alpn_protocols=tuple(name.encode() for name in options.alpn.split(",") if name),
        groups=options.groups,
        keylog=key_log(options.keylog) if options.keylog else None,
        trace=_tracers(options, recording),
    )


def _credentials(options: argparse.Namespace) -> tuple[Credential, ...]:
    file = options.key_password_file
    password = (lambda: _first_line(file)) if file is not None else None
    if options.key is not None and options.key.startswith("pkcs11:"):
        from ..signers.pkcs11 import token_credential  # an extra

        return (token_credential(options.key, options.cert, pin=password),)
    if options.cert is not None:
        return (Credential.from_files(options.cert, options.key, password),)
    if options.key is not None:
        raise UsageError("--key needs --cert")
    return ()


def _first_line(path: str) -> str:
    try:
        return (Path(path).read_text(encoding="utf-8").splitlines() or [""])[0]
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
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


def _exchange(stream: Stream, options: argparse.Namespace, report: ConnectionReport) -> None:
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
            report.say("trouble", str(error))
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
            report.say("trouble", str(error))


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
