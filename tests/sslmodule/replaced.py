"""Runs pytest with `postshake.ssl` in the place of `ssl`, or with `ssl` as it is.

A program, for a process of its own:

    replaced.py {standard|ours} RESULTS [ARGUMENT OF PYTEST]...

writes a JSON object into the file RESULTS: the outcome of each test, by its name.
"""

from __future__ import annotations

import json
import ssl as standard
import sys
from pathlib import Path
from types import ModuleType

import pytest

__all__ = ["Outcomes", "replace"]


def replace() -> None:
    """Put our module where anybody finds the standard one.

    For `import ssl` from now on, and in modules that have imported it before: ours imports
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
            continue
        if not isinstance(module, ModuleType):
            continue
        for key, value in list(vars(module).items()):
            if id(value) in swapped:
                setattr(module, key, swapped[id(value)])
    sys.modules["ssl"] = ours


class Outcomes:
    """A plugin of pytest: what became of each test."""

    def __init__(self) -> None:
        self.by_name: dict[str, str] = {}
        self.seconds: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The worst of set-up, call and tear-down is the test's outcome."""
        before = self.by_name.get(report.nodeid)
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0) + report.duration
        if before is None or report.outcome == "failed" or before == "passed":
            self.by_name[report.nodeid] = report.outcome

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be read is a failure too."""
        if report.failed:
            self.by_name[report.nodeid] = "failed"


def run(which: str, results: str, *arguments: str) -> int:
    """Run pytest; return what it returns."""
    if which == "ours":
        replace()
    outcomes = Outcomes()
    code = pytest.main([*arguments], plugins=[outcomes])
    Path(results).write_text(json.dumps(outcomes.by_name, indent=1), encoding="utf-8")
    slow = sorted(outcomes.seconds.items(), key=lambda item: -item[1])[:12]
    for nodeid, seconds in slow:
        print(f"{seconds:6.2f} s {nodeid}")
    return int(code)


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:]))
