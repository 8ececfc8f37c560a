"""Fixtures of the tests against real programs."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.interop.certificates import Certificates
from tests.interop.program import Stage

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.interop)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, object]:
    """Show what the peers printed below a failure."""
    report = yield
    stage = getattr(item, "funcargs", {}).get("stage")
    if report.failed and isinstance(stage, Stage):
        report.sections.append(("peers", stage.logs()))
    return report


@pytest.fixture(scope="session")
def certificates() -> Iterator[Certificates]:
    # not below pytest's own folder, which only its owner may enter: httpd, started by
    # root, works as another user
    with tempfile.TemporaryDirectory(prefix="postshake-") as folder:
        Path(folder).chmod(0o755)
        yield Certificates(Path(folder))


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Start programs and threads here; all of them end with the test."""
    stage = Stage()
    try:
        yield stage
    finally:
        stage.stop()
