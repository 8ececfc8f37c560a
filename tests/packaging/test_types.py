"""What type checkers say to users of the wheel, where nothing of this checkout is in sight."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.packaging.conftest import Installed, run

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).parent / "user.py"
# a star import of the C names is what a transcribed program does
PYRIGHT = {"reportUnnecessaryTypeIgnoreComment": "error", "reportWildcardImportFromLibrary": "none"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder, with the program."""
    shutil.copy(PROGRAM, tmp_path / "program.py")
    return tmp_path


def mypy(installed: Installed, folder: Path, *files: str) -> str:
    (folder / "mypy.ini").write_text("[mypy]\nstrict = true\n")
    python = ("--python-executable", installed.python)
    return run(sys.executable, "-m", "mypy", *python, *files, cwd=folder)


def pyright(installed: Installed, folder: Path, *files: str) -> str:
    (folder / "pyrightconfig.json").write_text(json.dumps(PYRIGHT))
    python = ("--pythonpath", installed.python)
    return run(sys.executable, "-m", "pyright", *python, *files, cwd=folder)


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_a_program_is_understood(checker, installed, folder):
    checker(installed, folder, "program.py")


@pytest.mark.parametrize(("checker", "told"), [(mypy, 'is "{}"'), (pyright, 'is "{}"')])
def test_names_that_are_loaded_late_have_types(checker, told, installed, folder):
    """What ``reveal_type`` says; Any, Unknown and object would be no types."""
    (folder / "names.py").write_text(
        "import postshake\n"
        + "".join(f"reveal_type(postshake.{name})\n" for name in public_names())
        + "import postshake.gnutls as c\n"
        "reveal_type(c.gnutls_handshake)\n"
    )
    lines = [
        line for line in checker(installed, folder, "names.py").splitlines() if "ype of" in line
        or "Revealed type" in line
    ]  # fmt: skip
    assert len(lines) == len(public_names()) + 1
    for line in lines:
        for nothing in ("Any", "Unknown", "object"):
            assert told.format(nothing) not in line, line


def public_names() -> list[str]:
    import postshake

    return postshake.__all__
