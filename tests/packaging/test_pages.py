"""README and tutorial, typed from the first line on, with what they install."""

from __future__ import annotations

import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.program import Stage
from tests.packaging.conftest import CONSTRAINTS, Built, run
from tests.reader import Reader

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc"),
]


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    try:
        yield stage
    finally:
        stage.stop()


@pytest.fixture
def reader(built: Built, tmp_path: Path, stage: Stage) -> Reader:
    """Somebody with the source in ~/src/postshake, and a virtual environment of their own."""
    home, folder, own = tmp_path / "home", tmp_path / "empty", tmp_path / "own"
    folder.mkdir()
    with tarfile.open(built.sdist) as archive:
        archive.extractall(home / "src", filter="data")
    (unpacked,) = (home / "src").iterdir()
    unpacked.rename(home / "src" / "postshake")
    run(sys.executable, "-m", "venv", own)
    made = Reader(folder, stage, home=home)
    made.environment["PATH"] = f"{own / 'bin'}:{made.environment['PATH']}"
    made.environment["PIP_CONSTRAINT"] = str(CONSTRAINTS)
    return made


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_it_can_be_typed_from_the_beginning(page: str, reader: Reader) -> None:
    reader.read(page)
    assert set(reader.left_out) <= {"curl"}
