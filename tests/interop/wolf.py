"""wolfSSL, in a small program of ours that is compiled when it is first needed."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

from tests.interop.certificates import Certificates, Who
from tests.interop.program import Stage, free_port
from tests.interop.programs import ProgramClient
from tests.requirements import made_here, require

__all__ = ["WolfClient", "WolfServer"]

SOURCE = Path(__file__).with_suffix(".c")


@functools.cache
def _wolf(folder: Path) -> Path:
    compiler = require("cc", "wolfssl/options.h")
    program = folder / "wolf"
    made = subprocess.run(
        (compiler, "-Wall", "-Wextra", "-Werror", "-o", program, SOURCE, "-lwolfssl"),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert made.returncode == 0, made.stderr
    return made_here(program)


class WolfClient(ProgramClient):
    """wolfSSL's client.

    Its transcript of a second answer goes on from the first one instead of the handshake,
    so that nobody can check it.
    """

    repeats = False

    def __init__(
        self,
        stage: Stage,
        port: int,
        certificates: Certificates,
        who: Who | None,
        *,
        offer: bool = True,
    ) -> None:
        pair = (who.certificate, who.key) if who else ()
        self.program = stage.program(
            *(
                _wolf(certificates.folder),
                "client",
                str(port),
                certificates.ca,
                "offer" if offer else "silent",
                *pair,
            )
        )
        self.program.expect(r"^connected$")

    def update(self) -> None:
        self.program.send("^rekey^")
        self.program.expect(r"^updated$")


class WolfServer:
    """wolfSSL's server. It checks a second answer as its client makes one: wrongly."""

    def __init__(self, stage: Stage, certificates: Certificates, *, required: bool = True) -> None:
        self.port = free_port()
        who = certificates.server
        self._program = stage.program(
            *(_wolf(certificates.folder), "server", str(self.port), certificates.ca),
            *("require" if required else "request", who.certificate, who.key),
        )
        self.expect = self._program.expect
        self.expect(r"^listening$")
