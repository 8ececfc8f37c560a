"""Tells in the end what came out of each project's tests."""

from __future__ import annotations

import pytest

from tests.suites.table import PROPERTY, Row, table


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, wherever the tests were run."""
    rows = [
        Row(**told)
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) in ("call", "setup")
        for name, told in getattr(report, "user_properties", ())
        if name == PROPERTY
    ]
    lines = table(rows)
    if lines:
        terminalreporter.section("other projects' tests")
        terminalreporter.write("\n".join([*lines, ""]))
