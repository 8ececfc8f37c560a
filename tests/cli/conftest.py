"""The real commands, as processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import postshake
from tests.interop.certificates import Certificates, Who
from tests.interop.program import TIMEOUT, Program, Stage

COMMAND = (sys.executable, "-m", "postshake")
# as it stands here, installed or not
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(Path(postshake.__file__).parent.parent),
    "PYTHONIOENCODING": "utf-8",
    "COLUMNS": "80",
}

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder: these commands write where they are."""
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Start programs here; all of them end with the test."""
    stage = Stage()
    try:
        yield stage
    finally:
        stage.stop()


@pytest.fixture
def run() -> Run:
    """Run ``postshake ...`` to its end."""

    def run(
        *arguments: str | Path, input: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            input=input,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            env=ENVIRONMENT | environment,
        )

    return run


@pytest.fixture
def start(stage: Stage) -> Callable[..., Program]:
    """Start ``postshake ...``, to talk to while it runs."""

    def start(*arguments: str | Path) -> Program:
        return stage.program(*COMMAND, *arguments, environment=ENVIRONMENT)

    return start


class Serve:
    """``postshake serve``."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.expect = program.expect
        listening = program.expect(r"listening on (?:https://)?127\.0\.0\.1:(\d+)$")
        self.port = int(re.sub(r"\D", "", listening[1]))


@pytest.fixture
def serve(start: Callable[..., Program], certificates: Certificates) -> Callable[..., Serve]:
    """Start ``postshake serve`` with the usual certificates, and wait until it listens."""

    def serve(*arguments: str | Path) -> Serve:
        server = certificates.server
        return Serve(
            start(
                *("serve", "--port", "0", "--cert", server.certificate, "--key", server.key),
                *("--ca", certificates.ca, *arguments),
            )
        )

    return serve


@pytest.fixture
def as_client(certificates: Certificates) -> Callable[..., list[str | Path]]:
    """Arguments for ``postshake connect``."""

    def arguments(port: int, who: Who | None = None, *more: str | Path) -> list[str | Path]:
        shown: list[str | Path] = []
        if who is not None:
            shown = ["--cert", who.certificate, "--key", who.key]
        return ["connect", f"localhost:{port}", "--cafile", certificates.ca, *shown, *more]

    return arguments


@pytest.fixture(scope="module")
def shared(certificates: Certificates) -> Iterator[Serve]:
    """One server for all that needs nothing special."""
    stage = Stage()
    try:
        server = certificates.server
        yield Serve(
            stage.program(
                *(*COMMAND, "serve", "--port", "0", "--cert", server.certificate),
                *("--key", server.key, "--ca", certificates.ca),
                environment=ENVIRONMENT,
            )
        )
    finally:
        stage.stop()
