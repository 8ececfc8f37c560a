"""What type checkers say to users of the wheel, where nothing of this checkout is in sight."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.packaging.conftest import Installed, run
from tests.reader import PAGES, blocks

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).parent / "user.py"
# a star import of the C names is what a transcribed program does
PYRIGHT = {"reportUnnecessaryTypeIgnoreComment": "error", "reportWildcardImportFromLibrary": "none"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder, with the program."""
    shutil.copy(PROGRAM, tmp_path / "program.py")
    return tmp_path


def mypy(installed: Installed, folder: Path, *files: str, strict: bool = True) -> str:
    wanted = "strict" if strict else "check_untyped_defs"
    (folder / "mypy.ini").write_text(f"[mypy]\n{wanted} = true\n")
    python = ("--python-executable", installed.python)
    return run(sys.executable, "-m", "mypy", *python, *files, cwd=folder)


def pyright(installed: Installed, folder: Path, *files: str, strict: bool = True) -> str:
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


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_the_pages_are_understood(checker, installed, tmp_path):
    """What a reader saves is no error in an editor; strict it need not be."""
    folders = []
    for page in PAGES:
        shown = [each for each in blocks(page) if each.kind == "python" and not each.mark("not")]
        if not shown:
            continue
        folder = tmp_path / page.replace("/", "_").removesuffix(".md")
        folder.mkdir()
        folders.append(folder)
        taken: set[str] = set()
        for number, block in enumerate(shown):
            for name in block.names:  # a later one takes the place of an earlier one: keep both
                kept = f"{number}_{Path(name).name}" if name in taken else name
                taken.add(name)
                (folder / kept).parent.mkdir(exist_ok=True)
                (folder / kept).write_text(block.text, encoding="utf-8")
    assert len(folders) > 5
    for folder in folders:
        files = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.py"))]
        checker(installed, folder, *files, strict=False)


def public_names() -> list[str]:
    import postshake

    return postshake.__all__
