"""The page of known faults names tests and files that are there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.reader import ROOT

PAGE = ROOT / "docs" / "vulnerabilities.md"
NAMED = re.compile(r"`((?:tests|src)/[\w/]+\.py)(?:::(\w+))?`")


@cache
def functions(path: Path) -> frozenset[str]:
    """The functions of a file, those of classes as well."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


def missing(text: str) -> list[str]:
    """What a text names that is not there."""
    found = []
    for name, function in NAMED.findall(text):
        path = ROOT / name
        if not path.is_file():
            found.append(name)
        elif function and function not in functions(path):
            found.append(f"{name}::{function}")
    return found


def entries(text: str) -> list[str]:
    """The paragraphs that are about a fault: they begin with its name in bold."""
    body = text[text.index("\n## ") :]
    return [each for each in re.split(r"\n{2,}", body) if each.startswith("**")]


def test_everything_that_it_names_is_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert len(NAMED.findall(text)) > 100
    assert missing(text) == []


@pytest.mark.parametrize("entry", entries(PAGE.read_text(encoding="utf-8")), ids=lambda e: e[:30])
def test_every_entry_names_what_holds(entry: str) -> None:
    assert NAMED.search(entry), entry
    assert "**Here:**" in entry or "**Open" in entry, entry


@pytest.mark.parametrize(
    "name",
    ["tests/test_no_such_file.py", "tests/test_vulnerabilities.py::test_no_such_test"],
)
def test_what_is_not_there_is_found(name: str) -> None:
    assert missing(f"as `{name}` shows") == [name]
