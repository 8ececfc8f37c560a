"""``postshake serve``: a server that asks who you are when it matters.

One thread per connection, a fixed number of them. Stopping is closing one end of a
socket pair whose other end everybody who waits looks at.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from time import monotonic

from ..config import AuthRequest, ServerConfig
from ..constants import Role
from ..drive.sync import Stream
from ..errors import PostshakeError, TruncationError, UsageError
from ..pki.credential import Credential
from ..pki.trust import ChainVerifier, TrustStore
from ..recording import Recording
from .certs import Folder
from .common import key_log, positive, seconds, summary
from .visit import Visit

__all__ = ["EPILOG", "Server", "add_arguments", "run"]

TIMEOUT = 30.0  # seconds for a handshake, a request, a response
IDLE = 60.0  # seconds between requests
RECORDED = 2000  # lines of a connection that are kept to be shown
PARTING = 2.0  # seconds that connections have to end by themselves

EPILOG = """\
examples:
  postshake serve --auto tls
  postshake serve --cert server.crt --key server.key --ca clients-ca.crt --protect /admin
  curl --cacert tls/ca.crt --cert tls/client.crt --key tls/client.key \\
      https://localhost:4433/ https://localhost:4433/protected

"""

Talk = Callable[[Visit], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.set_defaults(run=run)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument(
        "--port", type=_port, default=4433, help="port to listen on (4433); 0 takes a free one"
    )
    parser.add_argument("--cert", metavar="FILE", help="the server's certificate and its chain")
    parser.add_argument("--key", metavar="FILE", help="its key, if it is not in the same file")
    parser.add_argument(
        "--ca", metavar="FILE", help="authorities that clients' certificates must come from"
    )
    parser.add_argument(
        "--auto",
        metavar="FOLDER",
        help="use the certificates in this folder, and make them if they are not there",
    )
    parser.add_argument(
        "--protect",
        metavar="PREFIX",
        action="append",
        help="a path that needs a certificate, and all below it; repeatable (/protected)",
    )
    parser.add_argument(
        "--optional", action="store_true", help="let clients in that decline to show one"
    )
    parser.add_argument(
        "--within",
        metavar="SECONDS",
        type=seconds,
        default=30.0,
        help="how long a client may take to answer (30)",
    )
    parser.add_argument(
        "--echo",
        action="store_true",
        help="no HTTP: send each line back; the line **REAUTH** asks for a certificate",
    )
    parser.add_argument(
        "--connections", metavar="N", type=positive, default=64, help="most at a time (64)"
    )
    parser.add_argument(
        "--debug-path",
        metavar="PATH",
        help="show each client its own connection, drawn, under this path (off)",
    )
    parser.add_argument("--keylog", metavar="FILE", help="append an SSLKEYLOGFILE for Wireshark")


def run(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    config, trust = _config(options)
    request = AuthRequest(
        authorities=trust.names(), within=options.within, required=not options.optional
    )
    protected = tuple("/" + prefix.strip("/") for prefix in options.protect or ["/protected"])
    debug = "/" + options.debug_path.strip("/") if options.debug_path else None
    talk: Talk = Visit.echo if options.echo else lambda visit: visit.pages(protected, debug)
    with Server(
        config,
        request,
        talk,
        options.host,
        options.port,
        options.connections,
        records=debug is not None,
    ) as server:
        host, port = server.address
        scheme = "" if options.echo else "https://"
        _print(f"listening on {scheme}{f'[{host}]' if ':' in host else host}:{port}")
        with _on_signals(server.stop):
            server.run()
    _print("stopped")
    return 0


def _config(options: argparse.Namespace) -> tuple[ServerConfig, TrustStore]:
    if options.auto is not None:
        if options.cert or options.key or options.ca:
            raise UsageError("--auto takes the place of --cert, --key and --ca")
        hosts = dict.fromkeys(["localhost", "127.0.0.1", "::1", options.host])
        folder = Folder(options.auto, hosts)
        credential = Credential.from_files(*folder.server)
        trust = TrustStore.from_files(folder.ca)
    elif options.cert and options.ca:
        credential = Credential.from_files(options.cert, options.key)
        trust = TrustStore.from_files(options.ca)
    else:
        raise UsageError("give --cert and --ca, or --auto FOLDER")
    config = ServerConfig(
        credentials=(credential,),
        verifier=ChainVerifier(trust),
        alpn_protocols=() if options.echo else (b"http/1.1",),
        keylog=key_log(options.keylog) if options.keylog else None,
    )
    return config, trust


class Server:
    """Accepts connections and gives each a thread.

    Args:
        config: the policy.
        request: what to ask clients for.
        talk: what to do with a client.
        host: address to listen on.
        port: port to listen on.
        connections: most at a time; further ones wait.
        records: whether what happens on each connection is kept, to be shown.

    Raises:
        OSError: there is nothing to listen on.
    """

    def __init__(
        self,
        config: ServerConfig,
        request: AuthRequest,
        talk: Talk,
        host: str,
        port: int,
        connections: int,
        *,
        records: bool = False,
    ) -> None:
        self._config = config
        self._records = records
        self._request = request
        self._talk = talk
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family)
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        """Where we listen."""
        self._stopping, self._stop = socket.socketpair()
        self._free = threading.BoundedSemaphore(connections)
        self._threads: dict[threading.Thread, socket.socket] = {}

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        self._part()
        self._listener.close()
        self._stopping.close()

    def run(self) -> None:
        """Accept connections until `stop`."""
        self._listener.setblocking(False)
        for number in itertools.count(1):
            while not self._free.acquire(timeout=0.1):
                if self._stopped:
                    return
            sock = self._accept()
            if sock is None:
                return
            sock.settimeout(max(TIMEOUT, (self._request.within or 0.0) + PARTING))
            thread = threading.Thread(
                target=self._visit, args=(sock, number), name=f"connection {number}", daemon=True
            )
            self._threads[thread] = sock
            thread.start()

    def stop(self) -> None:
        """Make everybody stop; safe to call from anywhere, more than once."""
        self._stop.close()

    @property
    def _stopped(self) -> bool:
        return self._stop.fileno() < 0

    def _accept(self) -> socket.socket | None:
        """Wait for a connection; None when it is time to stop."""
        while _wait_for(self._listener, self._stopping) is self._listener:
            with contextlib.suppress(BlockingIOError, ConnectionError):  # it gave up meanwhile
                return self._listener.accept()[0]
        return None

    def _visit(self, sock: socket.socket, number: int) -> None:
        """Be one client's thread."""

        def log(text: str) -> None:
            _print(f"#{number} {text}")

        def idle() -> bool:
            return bool(stream.readable) or (
                _wait_for(stream, self._stopping, timeout=IDLE) is stream
            )

        try:
            peer = sock.getpeername()
            log(f"connected from {peer[0]} port {peer[1]}")
            recording = Recording(Role.server, limit=RECORDED) if self._records else None
            config, hear = self._config, None
            if recording is not None:
                config, hear = replace(config, trace=recording.trace), recording.event
            with Stream(sock, config, on_event=hear) as stream:
                established = stream.handshake()
                offered = "offered" if established.post_handshake_auth else "not offered"
                log(f"handshake: {summary(established)}, reauth {offered}")
                self._talk(Visit(stream, self._request, log, idle, recording))
        except TruncationError:
            log("gone without goodbye")
        except (PostshakeError, OSError) as error:
            log(f"failed: {type(error).__name__}: {error}")
        else:
            log("closed")
        finally:
            sock.close()
            self._threads.pop(threading.current_thread(), None)
            self._free.release()

    def _part(self) -> None:
        """Let the connections end: idle ones at once, the others soon."""
        until = monotonic() + PARTING
        threads = dict(self._threads)
        for thread in threads:
            thread.join(max(0.0, until - monotonic()))
        for thread, sock in threads.items():
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            thread.join(PARTING)


def _wait_for(
    *candidates: Stream | socket.socket, timeout: float | None = None
) -> Stream | socket.socket | None:
    """Return the last of these that has something to read; None for none in time."""
    with selectors.DefaultSelector() as selector:
        for candidate in candidates:
            selector.register(candidate, selectors.EVENT_READ)
        ready = {key.fileobj for key, _ in selector.select(timeout)}
    return next((each for each in reversed(candidates) if each in ready), None)


@contextlib.contextmanager
def _on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Have SIGTERM and SIGINT call `stop`."""
    signals = (signal.SIGTERM, signal.SIGINT)
    former = [signal.signal(number, lambda *_: stop()) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, former, strict=True):
            signal.signal(number, handler)


def _print(text: str) -> None:
    """Log a line; threads do not mix theirs."""
    with contextlib.suppress(OSError):  # a log that nobody reads must not stop us
        sys.stdout.write(f"{datetime.now():%H:%M:%S} {text}\n")
        sys.stdout.flush()


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected 0 to 65535, got {text!r}")
    return int(text)
