"""What takes longer than a second says so, to a person at a terminal."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import time

from tests.cli.conftest import COMMAND, ENVIRONMENT
from tests.interop.program import TIMEOUT
from tests.requirements import require_terminal


def test_a_server_that_does_not_answer(certificates):
    ours, theirs = require_terminal()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with subprocess.Popen(
            [*COMMAND, "connect", f"127.0.0.1:{port}", "--cafile", str(certificates.ca)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            env=ENVIRONMENT,
        ) as process:
            os.close(theirs)
            said = b""
            until = time.monotonic() + TIMEOUT
            while b"\n" not in said:
                assert select.select([ours], [], [], until - time.monotonic())[0], said
                said += os.read(ours, 1000)
            process.terminate()
    os.close(ours)
    assert "postshake: shaking hands with 127.0.0.1 …" in said.decode()


def test_programs_are_spared(shared, run, as_client):
    # standard error is a pipe here
    done = run(*as_client(shared.port), input="GET / HTTP/1.0\r\n\r\n")
    assert "…\n" not in done.stderr
