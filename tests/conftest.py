"""What holds for all tests."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from tests import requirements

# Examples are the same on every run, so that a failure is a finding and not luck; and
# they take what time they take, since the machine does other things meanwhile.
settings.register_profile(
    "postshake",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
# `make soak` looks further: other examples each time, and many.
settings.register_profile(
    "soak",
    max_examples=3000,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile(os.environ.get("POSTSHAKE_EXAMPLES", "postshake"))


def pytest_configure() -> None:
    """Let nobody start what may not be here."""
    requirements.watch()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Ask for what a test is marked to need, before its fixtures begin."""
    for mark in item.iter_markers("needs"):
        requirements.require(*mark.args)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what was skipped."""
    skipped = terminalreporter.stats.get("skipped", [])
    lines = requirements.summary(
        report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        for report in skipped
    )
    if lines:
        terminalreporter.section("skipped")
        terminalreporter.write("\n".join([*lines, ""]))
