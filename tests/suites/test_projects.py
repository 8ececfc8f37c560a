"""Other projects' tests, with the standard module and with ours in its place."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path

import pytest

from tests import requirements
from tests.suites.comparison import Run, compare
from tests.suites.projects import PROJECTS, Project
from tests.suites.replaced import QUIET
from tests.suites.sdists import Unreachable
from tests.suites.table import PROPERTY, Row

ROOT = Path(__file__).parent.parent.parent
PROGRAM = Path(__file__).with_name("replaced.py")
HEADINGS = {
    line for line in (ROOT / "docs" / "ssl.md").read_text("utf-8").splitlines() if line[:1] == "#"
}
ENDS = 420.0
"""Seconds for one run of a project's tests."""
ONE_ENDS = 60
"""Seconds for one test; one that hangs says where."""


@pytest.mark.slow
@pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project.name)
def test_a_project_finds_the_documented_differences_and_no_other(
    project, tmp_path, record_property
):
    if not os.environ.get("POSTSHAKE_SUITES"):
        pytest.skip("make suites runs this")
    began = time.monotonic()
    try:
        suite = Suite(project, tmp_path)
    except NoTests as error:
        record_property(PROPERTY, Row(project.name, project.version, reason=str(error)).told())
        pytest.skip(str(error))
    except Unreachable as error:
        last = (str(error).splitlines() or ["pip failed"])[-1]
        requirements.absent(f"{project.name} {project.version} from a package index: {last}")
    standard, ours = suite.run("standard"), suite.run("ours")
    found = compare(project, standard, ours, suite.run)
    row = Row(
        project.name,
        project.version,
        tests=len(standard.outcomes.keys() - standard.names("skipped")),
        failed_standard=len(found.failed_standard),
        failed_ours=len(found.failed_ours),
        explained=len(found.explained),
        again=len(found.again),
        connections=ours.connections,
        seconds=round(time.monotonic() - began),
    )
    record_property(PROPERTY, row.told())
    if found.problems:
        logs = [f"--- with {module}\n{suite.log(module)}" for module in ("standard", "ours")]
        pytest.fail("\n".join([*found.problems, *logs]), pytrace=False)


@pytest.mark.parametrize(
    "different", [each for project in PROJECTS for each in project.different], ids=lambda _: ""
)
def test_each_difference_is_documented(different):
    assert different.section in HEADINGS


@pytest.mark.parametrize("there", [None, [], ["test"]], ids=["nothing", "no place", "a stub"])
def test_a_python_without_its_tests_is_told(there, tmp_path, monkeypatch):
    spec = None
    if there is not None:
        spec = importlib.util.spec_from_loader("test", None)
        spec.submodule_search_locations = [str(tmp_path / each) for each in there]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(NoTests, match=re.escape(platform.python_version())):
        cpython_tests()


class NoTests(Exception):
    """This Python came without its tests."""


class Suite:
    """A project's tests, ready to be run.

    Raises:
        NoTests: they are Python's own, and are not here.
        Unreachable: no package index gives them.
    """

    def __init__(self, project: Project, scratch: Path) -> None:
        self.project, self._scratch = project, scratch
        path = [str(ROOT / "src")]
        if project.sdist is None:
            self._folder = cpython_tests()
        else:
            self._folder = project.sdist.folder()
            path += [str(self._folder / each) for each in project.path]
            if project.compiled:
                path.append(str(project.sdist.compiled()))
        ini = self._folder / "pyproject.toml"
        if project.ini is not None:
            ini = scratch / "pytest.ini"
            ini.write_text(project.ini, encoding="utf-8")
        self._arguments = [
            *("-c", str(ini), "--rootdir", str(self._folder), "-p", "no:cacheprovider", "-q"),
            *(f"--timeout={ONE_ENDS}", "-k", project.selection, *project.options),
        ]
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(scratch),
            "CI": "true",  # those who know of slow machines wait longer then
            "PYTHONPATH": os.pathsep.join(path),
            QUIET: " ".join(project.quiet),
        }

    def run(self, module: str, tests: Collection[str] = ()) -> Run:
        """Run the tests, or only these, with this module: standard or ours."""
        file = self._scratch / "outcomes.json"
        file.unlink(missing_ok=True)
        chosen = [str(self._folder / each) for each in tests or self.project.tests]
        command = [sys.executable, "-P", str(PROGRAM), module, str(file)]
        with (self._scratch / f"{module}.log").open("a", encoding="utf-8") as log:
            try:
                subprocess.run(
                    [*command, *self._arguments, *chosen],
                    cwd=self._folder if self.project.sdist else self._scratch,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    timeout=ENDS,
                )
            except subprocess.TimeoutExpired:
                pytest.fail(f"the tests have not ended after {ENDS} s\n{self.log(module)}")
        assert file.is_file(), self.log(module)
        said = json.loads(file.read_text("utf-8"))
        return Run(said["outcomes"], said["connections"])

    def log(self, module: str) -> str:
        """What the runs said."""
        return (self._scratch / f"{module}.log").read_text("utf-8", "replace")[-30_000:]


def cpython_tests() -> Path:
    """Find the tests of the Python that runs this.

    Some Debian packages leave a few files in that folder, and the tests in another package.
    """
    spec = importlib.util.find_spec("test")
    for place in (spec and spec.submodule_search_locations) or []:
        if Path(place, "test_asyncio", "test_ssl.py").is_file():
            return Path(place)
    raise NoTests(
        f"Python {platform.python_version()} came without its tests "
        "(Debian has them in libpython3-testsuite)"
    )
