"""The first thing that a stranger sees, and what it would say if something were wrong."""

from __future__ import annotations

import io
import re
import socket
from dataclasses import replace
from typing import Any, cast

import pytest

from postshake.cli import demo as module
from postshake.cli.demo import STEPS, Server, demo, problems_with
from postshake.config import AuthRequest
from postshake.drive.sync.stream import Stream
from postshake.events import Outcome, ReauthCompleted
from postshake.pki.identity import Identity
from tests.cli.conftest import Run

FLIGHTS = """
ClientHello > plaintext
ServerHello < plaintext
ChangeCipherSpec < plaintext
EncryptedExtensions < handshake
Certificate < handshake
CertificateVerify < handshake
Finished < handshake
Finished > handshake

application data > application 0
application data < application 0
application data > application 0
application data < application 0

application data > application 0
CertificateRequest < application 0
Certificate > application 0
CertificateVerify > application 0
Finished > application 0
application data < application 0

application data > application 0
KeyUpdate < application 0
application data < application 1

application data > application 0
CertificateRequest < application 1
Certificate > application 0
Finished > application 0
application data < application 1

application data > application 0
application data < application 1

Alert close_notify > application 0
Alert close_notify < application 1
"""


def flights(output: str) -> list[str]:
    """The ladder's lines as ``message direction keys``, with a blank line per step."""
    found: list[str] = []
    for line in output.splitlines():
        if re.match(r"\d\.", line):
            found.append("")
        elif match := re.match(r" +│ (.*) │ +\d+  (\w+( \d+)?)", line):
            name = re.sub(r"[─◀▶ ]*[◀▶─][─◀▶ ]*", "", match[1])
            found.append(f"{name} {'>' if '▶' in match[1] else '<'} {match[2]}")
    return found


@pytest.mark.parametrize("repetition", range(2))
def test_the_demo(run: Run, repetition: int):
    result = run("demo", PYTHONIOENCODING="utf-8")
    assert result.stderr == ""
    assert result.returncode == 0
    assert flights(result.stdout) == FLIGHTS.rstrip().split("\n")
    knowledge = re.findall(r"the server knows: (\S+)", result.stdout)
    assert knowledge == ["nobody", "nobody", *["CN=alice,"] * 4]
    assert "for data from byte 29 on" in result.stdout
    assert "empty: declined" in result.stdout
    assert "All as it should be" in result.stdout


class FinishedWaits(socket.socket):
    """A client's socket on which Finished leaves together with what is said next."""

    calls = 0
    held = b""

    def send(self, data: Any, flags: int = 0) -> int:
        self.calls += 1
        if self.calls == 2:  # the first is the ClientHello
            self.held = bytes(data)
        else:
            super().sendall(self.held + bytes(data), flags)
            self.held = b""
        return len(data)


def test_finished_and_the_first_request_may_arrive_together(monkeypatch: pytest.MonkeyPatch):
    connect = socket.create_connection
    clients = []

    def connect_late(address: tuple[str, int], timeout: float) -> socket.socket:
        clients.append(FinishedWaits(fileno=connect(address, timeout).detach()))
        clients[0].settimeout(timeout)
        return clients[0]

    monkeypatch.setattr(socket, "create_connection", connect_late)
    code, output = played(monkeypatch)
    assert code == 0, output
    assert clients[0].calls > 3
    assert flights(output) == FLIGHTS.rstrip().split("\n")


def test_it_fits_a_screen(run: Run):
    lines = run("demo", PYTHONIOENCODING="utf-8").stdout.splitlines()
    assert len(lines) <= 60
    assert all(len(line) <= 80 for line in lines)


def test_it_fits_a_poor_terminal(run: Run):
    result = run("demo", PYTHONIOENCODING="ascii", COLUMNS="60")
    assert result.returncode == 0
    assert result.stdout.isascii()
    assert "\x1b" not in result.stdout


def played(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> tuple[int, str]:
    for name, value in changes.items():
        monkeypatch.setattr(module, name, value)
    printed = io.BytesIO()
    with io.TextIOWrapper(printed, encoding="utf-8") as out:
        code = demo(out)
        out.flush()
        return code, printed.getvalue().decode()


def test_it_notices_a_wrong_answer(monkeypatch: pytest.MonkeyPatch):
    steps = list(STEPS)
    steps[1] = replace(steps[1], pages=(("/", "200 hello, alice"),))
    code, output = played(monkeypatch, STEPS=tuple(steps))
    assert code == 1
    assert "WRONG: expected the answers" in output
    assert "All as it should be" not in output


def test_it_notices_a_server_that_does_not_ask(monkeypatch: pytest.MonkeyPatch):
    def do_not_ask(self: Server, stream: Stream, request: AuthRequest) -> bool:
        return False

    monkeypatch.setattr(Server, "_ask", do_not_ask)
    code, output = played(monkeypatch)
    assert code == 1
    assert "WRONG: expected one step-up proven" in output
    assert "WRONG: expected nobody twice, then alice" in output


def test_it_notices_another_identity():
    server = object.__new__(Server)
    server.scenes = []
    for step in range(len(STEPS)):
        scene = module.Scene()
        if step >= 2:
            scene.knows = cast(Identity, _Named())
        server.scenes.append(scene)
    server.outcomes = [
        ReauthCompleted(0, b"", Outcome.AUTHENTICATED, cast(Identity, _Named())),
        ReauthCompleted(0, b"", Outcome.DECLINED),
    ]
    answers = [answer for step in STEPS for _, answer in step.pages]
    assert problems_with(server, answers) == [
        "the identity in force is not the one that was proven"
    ]


class _Named:
    subject = "CN=alice"


def test_it_ends_when_the_client_does_not_come(monkeypatch: pytest.MonkeyPatch):
    def stay_away(*arguments: object) -> list[str]:
        raise OSError("no way")

    code, output = played(monkeypatch, play_client=stay_away, TIMEOUT=0.1)
    assert code == 1
    assert "WRONG: the client failed: OSError: no way" in output
    assert "WRONG: the server failed: TimeoutError" in output


def test_it_ends_when_the_client_hangs_up(monkeypatch: pytest.MonkeyPatch):
    def hang_up(authority: object, port: int) -> list[str]:
        socket.create_connection(("127.0.0.1", port)).close()
        return []

    code, output = played(monkeypatch, play_client=hang_up)
    assert code == 1
    assert "WRONG: the server failed: TruncationError" in output
