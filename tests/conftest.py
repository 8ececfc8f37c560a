"""What holds for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Test modules keep their assertions under python -O, for pytest makes other statements of
# them; what they share with one another does so if it is named before it is imported.
HERE = Path(__file__).parent
pytest.register_assert_rewrite(
    *(
        ".".join((HERE.name, *path.relative_to(HERE).with_suffix("").parts))
        for path in sorted(HERE.rglob("*.py"))
        if not path.name.startswith(("test_", "conftest", "__"))
    )
)

from tests import requirements  # noqa: E402  it is one of those that are named above

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
