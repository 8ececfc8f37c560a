"""Assertions of tests hold under ``python -O`` as well, and the source has none.

`make test-optimized` runs this, too, before it says anything about the source.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.certs import CA, reseal

HERE = Path(__file__)
SOURCE = HERE.parent.parent / "src"


def test_the_source_asserts_nothing():
    found = [
        f"{path.relative_to(SOURCE)}:{node.lineno}"
        for path in sorted(SOURCE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assert)
    ]
    assert not found, "python -O leaves these out: use require() or present() of errors"


def test_an_assertion_holds():
    with pytest.raises(AssertionError, match="1 == 2"):
        assert 1 == 2


def test_an_assertion_of_what_tests_share_holds():
    ca = CA("Some CA")
    with pytest.raises(AssertionError, match="the bytes to replace must be there once"):
        reseal(ca.certificate, ca.private_key, b"nowhere in it", b"")


FAILING = """
import sys
from tests.certs import CA, reseal

def test_optimized():
    if not sys.flags.optimize:
        raise SystemExit("this is not python -O")

def test_fails():
    assert 1 == 2

def test_fails_by_what_tests_share():
    ca = CA("Some CA")
    reseal(ca.certificate, ca.private_key, b"nowhere in it", b"")
"""


@pytest.mark.parametrize("workers", [0, 1])
def test_tests_can_fail_under_python_optimized(tmp_path, workers):
    """Also in the workers of pytest-xdist: hence the variable, and not the option."""
    failing = tmp_path / "test_failing.py"
    failing.write_text(FAILING, encoding="utf-8")
    outside = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", str(workers)]
    root = HERE.parent.parent
    command += ["-c", str(root / "pyproject.toml"), "-p", "tests.conftest", str(failing)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=root,
        env=outside | {"PYTHONOPTIMIZE": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        timeout=300,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 failed, 1 passed" in done.stdout
