"""Running real programs: waits instead of sleeps, an end to everything, and a log."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from tests.requirements import absent, require
from tests.waiting import MOMENT, PATIENCE

__all__ = [
    "TIMEOUT",
    "PeerFailed",
    "Program",
    "Stage",
    "Stoppable",
    "absent",
    "free_port",
    "require",
]

TIMEOUT = PATIENCE
"""Seconds after which whatever is waited for will not come any more."""


class PeerFailed(AssertionError):
    """A peer did not do what was waited for. The text has its log."""


def _ports() -> Callable[[], int]:
    # Below the range that the kernel gives to outgoing connections, and each pytest
    # worker in its own part of it, so that nobody takes the port between our look
    # and the program's bind.
    worker = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0)
    start = 20000 + (worker % 24) * 500
    candidates = itertools.cycle(range(start, start + 500))
    for _ in range(os.getpid() % 500):  # two runs on one machine start apart
        next(candidates)

    def free_port() -> int:
        for port in itertools.islice(candidates, 500):
            # everywhere, since gnutls-serv and selfserv take the wildcard address
            with contextlib.suppress(OSError), socket.create_server(("", port)):
                return port
        raise RuntimeError(f"no free port from {start} to {start + 499}")

    return free_port


free_port = _ports()
"""Return a port that nobody listens on."""


class Program:
    """A child process whose output is read as it comes.

    `expect` waits for a text and moves on past it, so that a second `expect` sees
    only what came after the first.
    """

    def __init__(
        self,
        arguments: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self.name = Path(arguments[0]).name
        self._arguments = [str(argument) for argument in arguments]
        self._output = ""
        self._seen = 0
        self._ended = False
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            self._arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C", **(environment or {})},
            cwd=folder,
            start_new_session=True,  # its children end with it
        )
        self._reader = threading.Thread(target=self._read, name=self.name, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while True:
            data = os.read(descriptor, 65536)
            with self._changed:
                self._output += data.decode(errors="replace")
                self._ended = not data
                self._changed.notify_all()
            if not data:
                return

    def expect(self, pattern: str, timeout: float = TIMEOUT) -> re.Match[str]:
        """Wait for text that matches (multi-line), after what was expected before.

        Only whole lines count, since some programs print letter by letter.
        """
        expression = re.compile(pattern, re.MULTILINE)
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                whole = len(self._output) if self._ended else self._output.rfind("\n") + 1
                match = expression.search(self._output, self._seen, whole)
                if match:
                    self._seen = match.end()
                    return match
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    why = "it ended" if self._ended else f"{timeout:g} s passed"
                    raise PeerFailed(f"{self.name}: no {pattern!r}, {why}\n{self.log()}")
                self._changed.wait(left)

    def send(self, text: str) -> None:
        """Type text and Return."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(text.encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise PeerFailed(f"{self.name} is gone\n{self.log()}") from None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def end_input(self) -> None:
        """Close its standard input."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def wait(self, timeout: float = TIMEOUT) -> int:
        """Wait for the end; return the exit status."""
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise PeerFailed(f"{self.name} still runs after {timeout:g} s\n{self.log()}") from None
        self._reader.join(TIMEOUT)
        return status

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    @property
    def output(self) -> str:
        """Everything that it has printed so far."""
        with self._changed:
            return self._output

    def log(self) -> str:
        """The command and its output without hex dumps, for a failure report."""
        text = re.sub(r"^ {4}([0-9a-f]{2} ?)+\n", "", self._output, flags=re.MULTILINE)
        return f"$ {' '.join(self._arguments)}\n{text}"

    def stop(self) -> None:
        """End it and everything that it started, softly first."""
        with contextlib.suppress(ProcessLookupError):
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(MOMENT)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self.end_input()
        self._reader.join(TIMEOUT)
        if self._process.stdout is not None:
            self._process.stdout.close()


S = TypeVar("S", bound="Stoppable")


class Stoppable:
    """What a stage can hold: something to stop, with a log."""

    def stop(self) -> None: ...

    def log(self) -> str:
        return ""


class Stage:
    """What one test has started: it stops all of it and keeps the logs."""

    def __init__(self) -> None:
        self._running: list[Program | Stoppable] = []

    def program(
        self,
        *arguments: str | Path,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> Program:
        """Start a program."""
        program = Program(arguments, environment=environment, folder=folder)
        self._running.append(program)
        return program

    def hold(self, thing: S) -> S:
        """Stop this at the end, too."""
        self._running.append(thing)
        return thing

    def stop(self) -> None:
        """Stop everything, the last first."""
        with contextlib.ExitStack() as stack:
            for thing in self._running:
                stack.callback(thing.stop)

    def logs(self) -> str:
        """What everybody had to say."""
        return "\n".join(filter(None, (thing.log() for thing in self._running)))
