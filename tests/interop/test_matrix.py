"""The page of peers is complete and true."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interop.matrix import CLIENTS, PAGE, QUIRKS, SERVERS, TABLES, page

HERE = Path(__file__).parent


@functools.cache
def collected() -> tuple[str, ...]:
    """Collect the names of all tests in this folder."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    listed = subprocess.run(
        (sys.executable, "-m", "pytest", "-n", "0", "--collect-only", "-q", HERE),
        capture_output=True,
        text=True,
        cwd=HERE.parent.parent,
        env=outside,
        timeout=120,
        check=True,
    )
    start = f"{HERE.relative_to(HERE.parent.parent)}/"
    lines = listed.stdout.splitlines()
    return tuple(line.removeprefix(start) for line in lines if line.startswith(start))


def test_every_peer_is_in_the_tables():
    assert len(CLIENTS) == 13
    assert len(SERVERS) == 8


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.title)
def test_every_cell_has_its_test(table):
    for peer, cells in table.rows.items():
        assert len(cells) == len(table.columns), peer
        for column, cell in zip(table.columns, cells, strict=True):
            if cell is None:
                continue
            found = [
                name for name in collected() if name.partition(cell.test)[1:] == (cell.test, "")
            ]
            found += [name for name in collected() if name.startswith(f"{cell.test}[")]
            assert found, f"{peer}, {column}: no test {cell.test}"


def test_every_quirk_has_its_tests():
    for quirk, names in QUIRKS.items():
        for start in names:
            assert any(name.startswith(start) for name in collected()), f"{quirk}: no test {start}"


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.interop.matrix"
