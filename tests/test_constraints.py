"""constraints.txt pins all that pyproject.toml asks for, on every Python that we promise."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PYTHONS = ("3.11", "3.12", "3.13", "3.14", "3.15")


def wanted() -> Iterator[Requirement]:
    """All that is installed by the Makefile, or by who wants an extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lists: list[list[Any]] = [
        project["build-system"]["requires"],
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
    ]
    for each in (each for many in lists for each in many):
        if isinstance(each, str):
            yield Requirement(each)


def pinned() -> Iterator[Requirement]:
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if not line.lstrip().startswith("#"):
            yield Requirement(line)


@pytest.mark.parametrize("python", PYTHONS)
def test_everything_is_pinned(python):
    """Else a release of tomorrow changes what `make test` runs with: `make constraints`."""
    there = {"python_version": python, "python_full_version": f"{python}.9", "extra": ""}

    def is_meant(requirement: Requirement) -> bool:
        return requirement.marker is None or requirement.marker.evaluate(there)

    versions: dict[str, str] = {}
    for each in pinned():
        (pin,) = each.specifier
        assert pin.operator == "==", each
        if is_meant(each):
            assert versions.setdefault(canonicalize_name(each.name), pin.version) == pin.version
    missing = [
        str(each)
        for each in wanted()
        if is_meant(each)
        and not each.specifier.contains(versions.get(canonicalize_name(each.name), "0.dev0"))
    ]
    assert missing == []


def test_the_pythons_are_the_same_everywhere():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert tuple(re.findall(r'"Programming Language :: Python :: (3\.\d+)"', text)) == PYTHONS
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert set(re.findall(r"\bpython(3\.\d+)\b", makefile)) >= set(PYTHONS)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"CPython {PYTHONS[0]} to {PYTHONS[-1]}" in readme
