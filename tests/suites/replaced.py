"""Runs pytest with `postshake.ssl` in the place of `ssl`, or with `ssl` as it is.

A program, for a process of its own:

    replaced.py {standard|ours} OUTCOMES [ARGUMENT OF PYTEST]...

It writes a JSON object into the file OUTCOMES: "outcomes", what became of each test, by its
name, and "connections", how many our engine made meanwhile.
"""

from __future__ import annotations

import json
import logging
import os
import ssl as standard
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

__all__ = ["QUIET", "Count", "Outcomes", "replace", "run"]

QUIET = "POSTSHAKE_QUIET"
"""The environment's names of loggers of which only what is critical counts, with blanks between."""


def replace() -> None:
    """Put our module where anybody finds the standard one.

    For `import ssl` from now on, and in what has imported it or from it before: ours imports
    asyncio, and pytest a few others. Names that ours does not have stay missing.
    """
    import postshake.ssl as ours

    swapped = {id(standard): ours}
    for name in ours.__all__:
        there = getattr(standard, name, None)
        # True and False are everybody's, and so is many a number
        if callable(there) and there is not getattr(ours, name):
            swapped[id(there)] = getattr(ours, name)
    for name, module in list(sys.modules.items()):
        if module is standard or name.partition(".")[0] in ("postshake", __name__):
            continue  # ours is made of the standard one
        if not isinstance(module, ModuleType):
            continue
        for key, value in list(vars(module).items()):
            if id(value) in swapped:
                setattr(module, key, swapped[id(value)])
    sys.modules["ssl"] = ours


class Count:
    """How many connections our engine has made since."""

    def __init__(self) -> None:
        from postshake.connection import Connection

        self.made = 0
        make = Connection.__init__

        def counting(connection: Connection, *arguments: Any, **named: Any) -> None:
            self.made += 1
            make(connection, *arguments, **named)

        setattr(Connection, "__init__", counting)  # noqa: B010 (a type checker forbids the other)


class Outcomes:
    """A plugin of pytest: what became of each test."""

    def __init__(self) -> None:
        self.by_name: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test failed if its set-up, any part of it or its tear-down did."""
        before = self.by_name.get(report.nodeid, "passed")
        if before == "passed" or report.failed:
            self.by_name[report.nodeid] = report.outcome

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be read has failed."""
        if report.failed:
            self.by_name[report.nodeid] = "failed"


def run(which: str, file: str, *arguments: str) -> int:
    """Run pytest, and return what it returns."""
    if which == "ours":
        replace()
    count = Count()
    for name in os.environ.get(QUIET, "").split():
        logging.getLogger(name).setLevel(logging.CRITICAL)
    outcomes = Outcomes()
    try:
        return int(pytest.main([*arguments], plugins=[outcomes]))
    finally:
        said = {"outcomes": outcomes.by_name, "connections": count.made}
        Path(file).write_text(json.dumps(said), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:]))
