"""``postshake serve``: a server that asks for certificates where a path or line needs one.

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
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from time import monotonic

from .._dataclass import dataclass
from ..config import AuthRequest, ServerConfig
from ..constants import Role
from ..crypto.groups import supported_groups
from ..drive.sync.stream import Stream
from ..errors import PostshakeError, TruncationError, UsageError
from ..pki.credential import Credential
from ..pki.revocation import Revocation
from ..pki.trust import ChainVerifier, TrustStore
from ..recording.recording import Recording
from ..web.path_guard import PathGuard
from .arguments import RECORDED, groups, key_log, positive, seconds
from .authority import Folder
from .connection_handler import ConnectionHandler
from .connection_report import summary
from .log import Log
from .static_files import StaticFiles

__all__ = ["EPILOG", "Server", "add_arguments", "run"]

AUTO = "postshake-certs"  # in the folder where one is
TIMEOUT = 30.0  # seconds for a handshake, and for each piece of a response
PAUSE = 0.2  # seconds to wait when there are no descriptors or threads left
IDLE = 60.0  # seconds between requests
PARTING = 2.0  # seconds that connections have to end by themselves

EPILOG = """\
Without --cert and --ca, certificates are made and kept in the folder postshake-certs.

examples:
  postshake serve
  postshake serve public/ --protect /internal
  postshake serve shop.web:app --protect /admin        (ASGI; needs uvicorn)
  postshake serve --cert server.crt --key server.key --ca clients-ca.crt --protect /admin
  curl --cacert postshake-certs/ca.crt --cert postshake-certs/client.crt \\
      --key postshake-certs/client.key https://localhost:4433/ https://localhost:4433/protected

"""

Handle = Callable[[ConnectionHandler], None]

# no descriptor of its own, unlike epoll: it must work when there are none left
_Selector: Callable[[], selectors.BaseSelector] = getattr(
    selectors, "PollSelector", selectors.SelectSelector
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.set_defaults(run=run)
    parser.add_argument(
        "what",
        metavar="FOLDER|MODULE:APP",
        nargs="?",
        help="files, or an ASGI application; pages of our own if left out",
    )
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
        "--crl",
        metavar="FILE",
        action="append",
        default=[],
        help="a revocation list, PEM or DER; repeatable. Whoever is in it is refused",
    )
    parser.add_argument(
        "--auto",
        metavar="FOLDER",
        help="use the certificates in this folder, and make them if they are not there "
        f"({AUTO}, unless there is --cert)",
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
    parser.add_argument(
        "--groups",
        metavar="NAME[,NAME]",
        type=groups,
        default=supported_groups(),
        help="groups for the key exchange, favourites first (all, X25519MLKEM768 first)",
    )
    parser.add_argument("--keylog", metavar="FILE", help="append an SSLKEYLOGFILE for Wireshark")
    parser.add_argument("--json", action="store_true", help="log as JSON lines")


def run(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    log = Log(as_json=options.json)
    files = _files(options)
    protected = tuple("/" + prefix.strip("/") for prefix in options.protect or ["/protected"])
    try:
        PathGuard(dict.fromkeys(protected, True))
    except ValueError as error:
        raise UsageError(f"--protect: {error}") from error
    if options.what is not None and _is_application(options.what):
        return _serve_application(options, files, protected, log)
    site = StaticFiles(options.what) if options.what is not None else None
    if site is not None and options.echo:
        raise UsageError("--echo serves no files")
    config, trust = _config(options, files, _revocation(options, log))
    request = AuthRequest(
        authorities=trust.names(), within=options.within, required=not options.optional
    )
    debug = _debug_path(options)

    def pages(handler: ConnectionHandler) -> None:
        handler.site = site
        handler.pages(protected, debug)

    with Server(
        config,
        request,
        ConnectionHandler.echo if options.echo else pages,
        options.host,
        options.port,
        options.connections,
        records=debug is not None,
        log=log,
    ) as server:
        _announce(options, server.address, log)
        with _on_signals(server.stop):
            server.run()
    log("stopped")
    return 0


def _serve_application(
    options: argparse.Namespace, files: Files, protected: tuple[str, ...], log: Log
) -> int:
    from . import asgi

    if options.echo or options.optional:
        raise UsageError("--echo and --optional are not for applications")
    app = asgi.load(options.what)
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    with socket.create_server((options.host, options.port), family=family) as listener:
        _announce(options, listener.getsockname()[:2], log)
        with _on_signals(lambda: None):  # which uvicorn takes over, and raises again
            asgi.serve(
                app,
                listener,
                certificate=files.certificate,
                key=files.key,
                ca=files.ca,
                protected=protected,
                within=options.within,
                keylog=options.keylog,
                connections=options.connections,
                revocation=_revocation(options, log),
                debug=_debug_path(options),
            )
    log("stopped")
    return 0


def _debug_path(options: argparse.Namespace) -> str | None:
    return "/" + options.debug_path.strip("/") if options.debug_path else None


def _announce(options: argparse.Namespace, address: tuple[str, int], log: Log) -> None:
    host, port = address
    scheme = "" if options.echo else "https://"
    log(f"listening on {scheme}{f'[{host}]' if ':' in host else host}:{port}")


@dataclass(frozen=True)
class Files:
    """Where the certificates are."""

    certificate: str
    key: str | None
    ca: str


def _files(options: argparse.Namespace) -> Files:
    if options.auto is not None and (options.cert or options.key or options.ca):
        raise UsageError("--auto takes the place of --cert, --key and --ca")
    if options.cert and options.ca:
        return Files(options.cert, options.key, options.ca)
    if options.cert or options.key or options.ca:
        raise UsageError("give --cert and --ca together, or neither")
    hosts = dict.fromkeys(["localhost", "127.0.0.1", "::1", options.host])
    folder = Folder(options.auto or AUTO, hosts)
    return Files(str(folder.server[0]), str(folder.server[1]), str(folder.ca))


def _revocation(options: argparse.Namespace, log: Log) -> Revocation:
    return Revocation.from_files(*options.crl, on_unusable=lambda unusable: log(str(unusable)))


def _config(
    options: argparse.Namespace, files: Files, revocation: Revocation
) -> tuple[ServerConfig, TrustStore]:
    trust = TrustStore.from_files(files.ca)
    config = ServerConfig(
        credentials=(Credential.from_files(files.certificate, files.key),),
        verifier=ChainVerifier(trust, revocation=revocation),
        alpn_protocols=() if options.echo else (b"http/1.1",),
        groups=options.groups,
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
        log: takes what happens.

    Raises:
        OSError: there is nothing to listen on.
    """

    def __init__(
        self,
        config: ServerConfig,
        request: AuthRequest,
        handle: Handle,
        host: str,
        port: int,
        connections: int,
        *,
        records: bool = False,
        log: Log | None = None,
    ) -> None:
        self._config = config
        self._log = log or Log()
        self._records = records
        self._request = request
        self._handle = handle
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
            sock.settimeout(TIMEOUT)
            thread = threading.Thread(
                target=self._serve_connection,
                args=(sock, number),
                name=f"connection {number}",
                daemon=True,
            )
            self._threads[thread] = sock
            try:
                thread.start()
            except RuntimeError as error:  # there are as many as the system allows
                self._log(f"cannot serve: {error}", number)
                self._threads.pop(thread, None)
                sock.close()
                self._free.release()
                _wait_for(self._stopping, timeout=PAUSE)

    def stop(self) -> None:
        """Make everybody stop; safe to call from anywhere, more than once."""
        self._stop.close()

    @property
    def _stopped(self) -> bool:
        return self._stop.fileno() < 0

    def _accept(self) -> socket.socket | None:
        """Wait for a connection; None when it is time to stop."""
        while _wait_for(self._listener, self._stopping) is self._listener:
            try:
                return self._listener.accept()[0]
            except (BlockingIOError, ConnectionError):  # it gave up meanwhile
                continue
            except OSError as error:  # out of descriptors, most likely
                self._log(f"cannot accept connections: {error}")
                _wait_for(self._stopping, timeout=PAUSE)
        return None

    def _serve_connection(self, sock: socket.socket, number: int) -> None:
        """Be one client's thread."""

        def log(text: str) -> None:
            self._log(text, number)

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
            with Stream(sock, config, on_event=hear, handshake_time=TIMEOUT) as stream:
                established = stream.handshake()
                offered = "offered" if established.post_handshake_auth else "not offered"
                log(f"handshake: {summary(established)}, reauth {offered}")
                self._handle(ConnectionHandler(stream, self._request, log, idle, recording))
        except TruncationError:
            log("gone without goodbye")
        except (PostshakeError, OSError) as error:
            log(f"failed: {type(error).__name__}: {error}")
        except Exception as error:  # a mistake of ours ends this connection and no other
            log(f"failed, by a mistake here: {type(error).__name__}: {error}")
            traceback.print_exc()
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
    with _Selector() as selector:
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


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected 0 to 65535, got {text!r}")
    return int(text)


def _is_application(text: str) -> bool:
    """Whether this names an application, ``package.module:attribute``."""
    module, separator, attribute = text.partition(":")
    names = (*module.split("."), *attribute.split("."))
    return bool(separator) and all(name.isidentifier() for name in names)
