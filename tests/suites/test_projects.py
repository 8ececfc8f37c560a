"""Other projects' tests, with the standard module and with ours in its place."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.suites.projects import PROJECTS, Different, Project
from tests.suites.replaced import QUIET
from tests.suites.sdists import Unreachable

ROOT = Path(__file__).parent.parent.parent
PROGRAM = Path(__file__).with_name("replaced.py")
HEADINGS = {
    line for line in (ROOT / "docs" / "ssl.md").read_text("utf-8").splitlines() if line[:1] == "#"
}
ENDS = 420.0
"""Seconds for one run of a project's tests."""
ONE_ENDS = 60
"""Seconds for one test; one that hangs says where."""

Names = set[str]


@pytest.mark.parametrize(
    "different", [each for project in PROJECTS for each in project.different], ids=lambda _: ""
)
def test_each_difference_is_documented(different):
    assert different.section in HEADINGS


@pytest.mark.slow
@pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project.name)
def test_a_project_finds_the_documented_differences_and_no_other(project, tmp_path):
    if not os.environ.get("POSTSHAKE_SUITES"):
        pytest.skip("make suites runs this")
    suite = Suite(project, tmp_path)
    theirs, ours = suite.run("standard"), suite.run("ours")
    unfit = names(theirs, "failed")
    if unfit:
        unfit = names(suite.run("standard", sorted(unfit)), "failed")
    assert not unfit, f"{project.name} fails with the standard module\n{suite.log('standard')}"

    # it was there, and it looked: the same tests were run
    assert len(names(theirs, "passed")) > 20
    assert names(theirs, "skipped") == names(ours, "skipped")
    assert theirs.keys() == ours.keys()

    failed = names(ours, "failed")
    expected = {name for name in ours if any(is_about(each, name) for each in project.different)}
    unexpected = failed - expected
    if unexpected:  # on a busy machine, what has to happen in time may not
        unexpected = names(suite.run("ours", sorted(unexpected)), "failed")
    assert not unexpected, suite.log("ours")
    for each in project.different:
        meant = {name for name in ours if is_about(each, name)}
        assert meant, f"{project.name} has no test {each.tests}"
        assert meant <= failed, f"{each.section}: {sorted(meant - failed)} pass now"


def is_about(different: Different, name: str) -> bool:
    """Whether this row speaks of this test."""
    return name.endswith(different.tests) or re.sub(r"\[.*\]$", "", name).endswith(different.tests)


def names(outcomes: dict[str, str], outcome: str) -> Names:
    """The tests of which this became."""
    return {name for name, each in outcomes.items() if each == outcome}


class Suite:
    """A project's tests, ready to be run."""

    def __init__(self, project: Project, scratch: Path) -> None:
        self.project, self._scratch = project, scratch
        path = [str(ROOT / "src")]
        if project.sdist is None:
            found = importlib.util.find_spec("test")
            if found is None or not found.submodule_search_locations:
                pytest.skip("this Python came without its tests")
            self._folder = Path(found.submodule_search_locations[0])
            if not (self._folder / project.tests[0]).is_file():
                pytest.skip("this Python came without its tests")
        else:
            try:
                self._folder = project.sdist.folder()
                path += [str(self._folder / each) for each in project.path]
                if project.compiled:
                    path.append(str(project.sdist.compiled()))
            except Unreachable as error:
                pytest.skip(f"no package index: {str(error).splitlines()[-1]}")
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
            "PYTHONPATH": os.pathsep.join(path),
            QUIET: " ".join(project.quiet),
        }

    def run(self, module: str, tests: list[str] | None = None) -> dict[str, str]:
        """Run the tests, or only these; return what became of each."""
        outcomes = self._scratch / "outcomes.json"
        outcomes.unlink(missing_ok=True)
        chosen = [str(self._folder / each) for each in tests or self.project.tests]
        began = time.monotonic()
        command = [sys.executable, "-P", str(PROGRAM), module, str(outcomes)]
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
        assert outcomes.is_file(), self.log(module)
        found: dict[str, str] = json.loads(outcomes.read_text("utf-8"))
        print(
            f"{self.project.name} with {module}: {len(names(found, 'passed'))} passed, "
            f"{len(names(found, 'failed'))} failed, {len(names(found, 'skipped'))} skipped, "
            f"{time.monotonic() - began:.0f} s"
        )
        return found

    def log(self, module: str) -> str:
        """What the runs said."""
        return (self._scratch / f"{module}.log").read_text("utf-8", "replace")[-30_000:]
