"""The command line: its arguments, and its exit codes."""

from __future__ import annotations

import argparse
import io
import json
import os
import select
import sys
from collections.abc import Sequence

from ..constants import AlertDescription
from ..errors import AlertReceived, PostshakeError, UsageError
from . import certs, client, demo, server, trace

__all__ = ["EXIT_CODES", "main", "parser"]

_REFUSALS = frozenset(
    {
        AlertDescription.no_certificate,
        AlertDescription.bad_certificate,
        AlertDescription.unsupported_certificate,
        AlertDescription.certificate_revoked,
        AlertDescription.certificate_expired,
        AlertDescription.certificate_unknown,
        AlertDescription.unknown_ca,
        AlertDescription.access_denied,
        AlertDescription.certificate_required,
    }
)
"""Alerts that say: your certificate will not do."""

EXIT_CODES = """\
exit codes:
  0    everything went well
  1    TLS failed, or the demo did not go as it should
  2    wrong arguments, or a file that cannot be used
  3    the other side refused our certificate, or the lack of one
  4    the network failed: no connection, no free port, a reset
  130  interrupted
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names may have any letters
            stream.reconfigure(errors="backslashreplace")
    commands = parser()
    options = commands.parse_args(arguments)
    if not hasattr(options, "run"):
        commands.print_help(sys.stderr)
        return 2
    try:
        code: int = options.run(options)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return 130
    except (PostshakeError, OSError) as error:
        if isinstance(error, BrokenPipeError) and hasattr(select, "poll") and _nobody_reads():
            return 0
        code = _exit_code(error)
        if getattr(options, "json", False):
            told = {"event": "error", "message": _describe(error), "exit_code": code}
            print(json.dumps(told), file=sys.stderr)
        else:
            lines = [_describe(error), *getattr(error, "__notes__", [])]
            print("postshake:", "\n".join(lines), file=sys.stderr)
        return code


def parser() -> argparse.ArgumentParser:
    """Describe all commands."""

    def command(name: str, about: str, epilog: str = "") -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=about,
            description=about[0].upper() + about[1:] + ".",
            epilog=epilog + EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    made = argparse.ArgumentParser(
        prog="postshake",
        description="TLS 1.3 with post-handshake authentication: ask a connected client who it is.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "--version", action=_Version, nargs=0, help="say which version this is, and of what else"
    )
    commands = made.add_subparsers(metavar="COMMAND")
    demo.add_arguments(command("demo", "watch a client step up over a loopback connection"))
    server.add_arguments(
        command(
            "serve",
            "serve a page to anybody, and others to who proves an identity when asked",
            server.EPILOG,
        )
    )
    client.add_arguments(
        command(
            "connect",
            "talk to a TLS server, and answer when it asks who we are",
            client.EPILOG,
        )
    )
    certs.add_arguments(
        command("certs", "make certificates for trying things out", certs.EPILOG),
    )
    trace.add_arguments(command("trace", "show what happened on a connection", trace.EPILOG))
    return made


class _Version(argparse.Action):
    """Prints versions, which it takes a moment to find out."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        from cryptography.hazmat.backends.openssl import backend

        print(f"postshake {version('postshake')}")
        print(f"cryptography {version('cryptography')}, {backend.openssl_version_text()}")
        print(f"Python {sys.version.split()[0]}")
        parser.exit()


def _nobody_reads() -> bool:
    """Whether our output is a pipe whose reader has gone, such as ``| head``."""
    output = sys.stdout.fileno()
    poll = select.poll()
    poll.register(output, 0)  # what is wrong is reported unasked
    gone = any(state & (select.POLLERR | select.POLLHUP) for _, state in poll.poll(0))
    if gone:
        # else the interpreter would try again, and complain, when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    return gone


def _describe(error: Exception) -> str:
    told = str(error)
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        told = f"{where}{error.strerror}"
    return told or type(error).__name__


def _exit_code(error: Exception) -> int:
    if isinstance(error, UsageError):
        return 2
    if isinstance(error, AlertReceived) and error.received in _REFUSALS:
        return 3
    return 1 if isinstance(error, PostshakeError) else 4
