"""``postshake demo``: a client authenticates on request, over a real connection.

Server and client are two threads, joined by loopback TCP. The client asks for one
page after the other; `STEPS` is the plot. What is shown is the server's trace, since
each end sees its own messages in one order only. In the end the demo checks that
everything happened as told, and its exit code says so.
"""

from __future__ import annotations

import argparse
import socket
import sys
import threading
from typing import TextIO

from .._dataclass import dataclass, field, replace
from ..config import AuthRequest, ClientConfig, ServerConfig
from ..constants import Role
from ..drive.sync.stream import Stream
from ..errors import (
    InternalError,
    PostshakeError,
)
from ..events import Direction, Outcome, ReauthCompleted, TraceEntry
from ..pki.identity import Identity
from ..pki.trust import ChainVerifier
from ..recording.html import save_page
from ..recording.ladder import Ladder, Paint
from ..recording.recording import Recording
from .authority import Authority

__all__ = ["add_arguments", "demo"]

TIMEOUT = 60.0  # seconds; nothing here takes one, but the machine may have other things to do


@dataclass(frozen=True)
class Step:
    """One scene: what the client asks for, and what it must be told."""

    title: str
    pages: tuple[tuple[str, str], ...] = ()
    """Requests, and the answers that are right."""


STEPS = (
    Step("Handshake: only the server proves who it is."),
    Step(
        "Public pages: nobody has to say who they are.",
        (("/", "200 hello, stranger"), ("/news", "200 nothing new")),
    ),
    Step(
        "Step-up: /account is not for strangers, so the server asks, mid-way.",
        (("/account", "200 hello, alice"),),
    ),
    Step(
        "Authenticated: no further question. The server renews its keys as well.",
        (("/account/mail", "200 no mail, alice"),),
    ),
    Step(
        "A second step-up: /payroll wants another CA; the client declines.",
        (("/payroll", "403 payroll staff only"),),
    ),
    Step(
        "No harm done: the same connection goes on, and alice is still alice.",
        (("/account", "200 hello, alice"),),
    ),
    Step("Goodbye, from both sides."),
)


SCENE_OF_REQUEST = tuple(number for number, step in enumerate(STEPS) for _ in step.pages)
"""By the number of a request: the scene that it belongs to."""


@dataclass
class Scene:
    """What the server saw in one step."""

    entries: list[TraceEntry] = field(default_factory=list)
    knows: Identity | None = None
    since: int = 0
    """The position in the received data from which on it knew that."""
    received: int = 0
    """Bytes of application data received by the end of the step."""

    def __str__(self) -> str:
        if self.knows is None:
            return f"nobody ({self.received} bytes of data came)"
        return f"{self.knows.subject}, for data from byte {self.since} on ({self.received} came)"


class Server:
    """The server's thread, and what it saw.

    Args:
        authority: certifies the server, and the clients for ``/account``.
        payroll: certifies the clients for ``/payroll``.
    """

    def __init__(self, authority: Authority, payroll: Authority) -> None:
        self.scenes: list[Scene] = []
        self._now_playing = 0  # the scene of the latest entry; `_run` may be one behind
        self._requests = 0
        self.outcomes: list[ReauthCompleted] = []
        self.error: Exception | None = None
        self.recording = Recording(Role.server)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(TIMEOUT)
        self._config = ServerConfig(
            credentials=(authority.certify("demo server", hosts=["localhost"]).credential(),),
            verifier=ChainVerifier(authority.trust()),
            trace=self._trace,
            tickets=0,  # nobody resumes here, and the page stays short
        )
        self._staff = AuthRequest(authorities=(authority.name,), within=TIMEOUT)
        self._payroll = AuthRequest(
            authorities=(payroll.name,), verifier=ChainVerifier(payroll.trust()), within=TIMEOUT
        )
        self._thread = threading.Thread(target=self._run, name="demo server")
        self._thread.start()

    def _trace(self, entry: TraceEntry) -> None:
        # What the client says begins a scene, and not when it arrives: its first request may
        # come together with its Finished, and is traced before the handshake's call returns.
        if entry.direction is Direction.received:
            if entry.what == "application data":
                if self._requests < len(SCENE_OF_REQUEST):  # else the answers will be wrong
                    self._now_playing = SCENE_OF_REQUEST[self._requests]
                self._requests += 1
            elif entry.what == "Alert close_notify":
                self._now_playing = len(STEPS) - 1
        self._scene(self._now_playing).entries.append(entry)
        self.recording.trace(entry)

    def _scene(self, number: int) -> Scene:
        while len(self.scenes) <= number:
            self.scenes.append(Scene())
        return self.scenes[number]

    def join(self) -> None:
        """Wait for the server to end, and raise what ended it early."""
        self._thread.join()
        self.listener.close()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            sock, _ = self.listener.accept()
            sock.settimeout(TIMEOUT)
            with Stream(sock, self._config, on_event=self.recording.event) as stream:
                stream.handshake()
                self._end_scene(0, stream)
                for number, step in enumerate(STEPS):
                    for _ in step.pages:
                        self._answer(stream)
                    if step.pages:
                        self._end_scene(number, stream)
                if stream.receive() != b"":
                    raise InternalError("the client says goodbye first")
        except Exception as error:
            self.error = error

    def _answer(self, stream: Stream) -> None:
        """Serve one page; this is all that an application needs to do for a step-up."""
        page = stream.receive().decode().strip()
        self._annotate("application data", page)
        match page:
            case "GET /":
                answer = "200 hello, stranger"
            case "GET /news":
                answer = "200 nothing new"
            case "GET /account" | "GET /account/mail":
                if stream.peer_identity is None:
                    self._ask(stream, self._staff)
                user = stream.peer_identity.common_name if stream.peer_identity else None
                if user is None:
                    answer = "403 who are you?"
                elif page == "GET /account":
                    answer = f"200 hello, {user}"
                else:
                    stream.key_update()
                    answer = f"200 no mail, {user}"
            case "GET /payroll":
                proven = self._ask(stream, self._payroll)
                answer = "200 your salary" if proven else "403 payroll staff only"
            case _:
                answer = "404 no such page"
        stream.send(answer.encode())
        self._annotate("application data", answer)

    def _ask(self, stream: Stream, request: AuthRequest) -> bool:
        completed = stream.reauth(request)
        self.outcomes.append(completed)
        if completed.outcome is Outcome.DECLINED:
            self._annotate("Certificate", "empty: declined")
        return completed.outcome is Outcome.AUTHENTICATED

    def _annotate(self, what: str, detail: str) -> None:
        """Say more about the latest message of this kind than TLS knows."""
        for scene in reversed(self.scenes):
            for index in reversed(range(len(scene.entries))):
                if scene.entries[index].what == what:
                    scene.entries[index] = replace(scene.entries[index], detail=detail)
                    return

    def _end_scene(self, number: int, stream: Stream) -> None:
        scene = self._scene(number)
        scene.since, scene.knows = stream.connection.identity_history[-1]
        scene.received = stream.connection.read_position


def play_client(authority: Authority, port: int) -> list[str]:
    """Ask for all pages over one connection; return the answers."""
    config = ClientConfig(
        credentials=(authority.certify("alice").credential(),),
        verifier=ChainVerifier(authority.trust()),
    )
    sock = socket.create_connection(("127.0.0.1", port), TIMEOUT)
    answers = []
    with Stream(sock, config, "localhost") as stream:
        for step in STEPS:
            for page, _ in step.pages:
                stream.send(f"GET {page}\n".encode())
                answers.append(stream.receive().decode())
    return answers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments."""
    parser.set_defaults(run=lambda options: demo(page=options.html, as_json=options.json))
    parser.add_argument("--html", metavar="FILE", help="draw the connection as a page as well")
    parser.add_argument(
        "--json", action="store_true", help="print the recording, as JSON lines, and nothing else"
    )


def demo(out: TextIO | None = None, *, page: str | None = None, as_json: bool = False) -> int:
    """Run the demo and print it.

    Args:
        out: where to print; standard output if None.
        page: a file for the picture of the connection, HTML.
        as_json: print the recording instead, see `postshake.recording`.

    Returns:
        0 when everything happened as it should, else 1.
    """
    out = out or sys.stdout
    authority, payroll = Authority("Demo CA"), Authority("Payroll CA")
    server = Server(authority, payroll)
    port = server.listener.getsockname()[1]
    answers: list[str] = []
    problems: list[str] = []
    try:
        answers = play_client(authority, port)
    except (PostshakeError, OSError) as error:
        problems.append(f"the client failed: {type(error).__name__}: {error}")
    try:
        server.join()
    except Exception as error:
        problems.append(f"the server failed: {type(error).__name__}: {error}")
    problems += problems_with(server, answers)
    if page is not None:
        save_page(page, server.recording, "A client steps up: the demo of postshake")
    if as_json:
        out.write(server.recording.dump())
        for problem in problems:
            print(f"WRONG: {problem}", file=sys.stderr)
        return 1 if problems else 0
    show(server, port, out)
    paint = Paint.suits(out)
    if problems:
        for problem in problems:
            print(paint(f"WRONG: {problem}", 1, 31), file=out)
        return 1
    print(
        paint("All as it should be:", 1, 32),
        "one connection, one identity proven, one request declined.",
        file=out,
    )
    if page is not None:
        print(f"The picture is in {page}.", file=out)
    return 0


def show(server: Server, port: int, out: TextIO) -> None:
    """Print the ladder, step by step."""
    paint = Paint.suits(out)
    ladder = Ladder.suits(Role.server, out)
    print(
        f"{paint('postshake demo', 1)}: a client steps up in one TLS 1.3 connection "
        f"to 127.0.0.1:{port}\n\n{ladder.header()}",
        file=out,
    )
    for number, (step, scene) in enumerate(zip(STEPS, server.scenes, strict=False), 1):
        print(paint(f"{number}.  {step.title}", 1), file=out)
        for entry in scene.entries:
            print(ladder.line(entry), file=out)
        if number == len(STEPS):
            print(file=out)
        else:
            print(paint(f"    the server knows: {scene}\n", 32 if scene.knows else 33), file=out)


def problems_with(server: Server, answers: list[str]) -> list[str]:
    """List what did not happen as it should."""
    expected = [answer for step in STEPS for _, answer in step.pages]
    problems = []
    if answers != expected:
        problems.append(f"expected the answers {expected}, got {answers}")
    outcomes = [completed.outcome for completed in server.outcomes]
    if outcomes != [Outcome.AUTHENTICATED, Outcome.DECLINED]:
        problems.append(f"expected one step-up proven and one declined, got {outcomes}")
    known = [
        scene.knows.subject if scene.knows else None for scene in server.scenes[: len(STEPS) - 1]
    ]
    if known != [None, None, *["CN=alice"] * 4]:
        problems.append(f"expected nobody twice, then alice, got {known}")
    elif server.outcomes and server.scenes[2].knows != server.outcomes[0].identity:
        problems.append("the identity in force is not the one that was proven")
    return problems
