"""What is handed out: a source distribution, and the wheel that is made of it, installed."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.requirements import made_here

ROOT = Path(__file__).parent.parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
ENDS = 1200.0
"""Seconds; what fetches packages takes what time it takes, and ends all the same."""


def run(*command: str | Path, **options: object) -> str:
    """Run a command to its end, return what it printed, and fail with that if it fails."""
    done = subprocess.run(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=ENDS,
        **options,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}"
    return str(done.stdout)


@pytest.fixture(scope="session", autouse=True)
def tools() -> None:
    """Skip in `make test`: this asks a package index, and takes minutes."""
    if not os.environ.get("POSTSHAKE_PACKAGING"):
        pytest.skip("make packaging runs this")


@dataclass(frozen=True)
class Built:
    """What goes to a package index."""

    sdist: Path
    wheel: Path


@pytest.fixture(scope="session")
def built(tools: None, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build the sdist, and the wheel of the sdist, as `python -m build` does."""
    folder = tmp_path_factory.mktemp("dist")
    pinned = {"PIP_CONSTRAINT": str(CONSTRAINTS), "PIP_BUILD_CONSTRAINT": str(CONSTRAINTS)}
    run(
        *(sys.executable, "-m", "build", "--outdir", folder, ROOT),
        env=os.environ | pinned,
    )
    (sdist,) = folder.glob("*.tar.gz")
    (wheel,) = folder.glob("*.whl")
    return Built(sdist, wheel)


@dataclass(frozen=True)
class Installed:
    """A virtual environment with the wheel in it, and nothing of this checkout."""

    folder: Path

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    @property
    def python(self) -> Path:
        return self.bin / "python"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of somebody who activated it, elsewhere."""
        kept = {name: os.environ[name] for name in os.environ if not name.startswith("PYTHON")}
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        return kept | {"PATH": path, "VIRTUAL_ENV": str(self.folder)}


@pytest.fixture(scope="session")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Install the wheel, and what it is used with, in a fresh environment."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", folder)
    made = Installed(folder)
    pip = (made_here(made.python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    # what the pages use, and types for those that have none of their own
    wanted = "aiohttp anyio cheroot fastapi httpx hypercorn requests types-requests urllib3 uvicorn"
    run(*pip, "--constraint", CONSTRAINTS, built.wheel, *wanted.split())
    return made
