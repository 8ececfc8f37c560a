"""What is said of two runs of a project's tests."""

from __future__ import annotations

import pytest

from tests.suites.comparison import AGAIN, Run, compare
from tests.suites.projects import Different, Project

MANY = {f"test.py::test_{number}": "passed" for number in range(30)}
LISTED = "test.py::test_listed"
PROJECT = Project("project", None, ("test.py",))
SECTION = "### A difference"


class Repeated:
    """What comes out when tests are run again: by module, one outcome for each time."""

    def __init__(self, **outcomes: list[str]) -> None:
        self._outcomes = {module: list(each) for module, each in outcomes.items()}
        self.asked: list[tuple[str, list[str]]] = []

    def __call__(self, module, tests):
        self.asked.append((module, list(tests)))
        outcome = self._outcomes[module].pop(0)
        return Run(dict.fromkeys(tests, outcome), 1)


def never(module, tests):
    raise AssertionError("nothing is doubtful")


def runs(standard=(), ours=()) -> tuple[Run, Run]:
    """Two runs of many tests that pass, and of those that are given."""
    return Run(MANY | dict(standard), 0), Run(MANY | dict(ours), 60)


def listed(*, sometimes=False, tests=("::test_listed",)):
    different = Different(SECTION, "asks for it", tests, sometimes)
    return Project("project", None, ("test.py",), different=(different,))


def test_runs_that_are_the_same_are_good():
    found = compare(PROJECT, *runs({"a": "skipped"}, {"a": "skipped"}), never)
    assert found.problems == []
    assert found.failed_ours == found.failed_standard == found.again == set()


def test_a_listed_failure_is_explained():
    found = compare(listed(), *runs({LISTED: "passed"}, {LISTED: "failed"}), never)
    assert found.problems == []
    assert found.failed_ours == found.explained == {LISTED}


@pytest.mark.parametrize("case", ["[tls12]", "[a-b]", ""])
def test_a_row_speaks_of_every_case_of_a_test(case):
    name = LISTED + case
    found = compare(listed(), *runs({name: "passed"}, {name: "failed"}), never)
    assert found.problems == []


def test_a_row_may_speak_of_one_case():
    project = listed(tests=("::test_listed[tls12]",))
    names = {LISTED + "[tls12]": "failed", LISTED + "[tls13]": "failed"}
    again = Repeated(standard=["passed"] * AGAIN, ours=["failed"] * AGAIN)
    found = compare(project, *runs(dict.fromkeys(names, "passed"), names), again)
    assert found.problems == [
        f"{LISTED}[tls13]: fails with our module, and the list does not say so"
    ]


@pytest.mark.parametrize("ours", [["failed"] * 3, ["passed", "passed", "failed"]])
def test_a_failure_that_nobody_explained_is_told_also_if_it_comes_now_and_then(ours):
    again = Repeated(standard=["passed"] * AGAIN, ours=ours)
    found = compare(PROJECT, *runs({"a": "passed"}, {"a": "failed"}), again)
    assert found.problems == ["a: fails with our module, and the list does not say so"]
    assert found.failed_ours == found.again == {"a"}
    assert found.explained == set()


def test_a_failure_that_does_not_come_again_is_none():
    again = Repeated(standard=["passed"] * AGAIN, ours=["passed"] * AGAIN)
    found = compare(PROJECT, *runs({"a": "passed"}, {"a": "failed"}), again)
    assert found.problems == []
    assert found.failed_ours == set()
    assert found.again == {"a"}
    assert sorted(again.asked) == [("ours", ["a"])] * AGAIN + [("standard", ["a"])] * AGAIN


def test_what_fails_now_and_then_with_the_standard_module_too_is_nobodys_fault():
    again = Repeated(standard=["passed", "failed", "passed"], ours=["passed", "failed", "failed"])
    found = compare(PROJECT, *runs({"a": "passed"}, {"a": "failed"}), again)
    assert found.problems == []
    again = Repeated(standard=["passed"] * AGAIN, ours=["passed", "passed", "failed"])
    found = compare(PROJECT, *runs({"a": "failed"}, {"a": "passed"}), again)
    assert found.problems == []


def test_what_always_fails_with_the_standard_module_is_told():
    again = Repeated(standard=["failed"] * AGAIN, ours=["failed"] * AGAIN)
    found = compare(PROJECT, *runs({"a": "failed"}, {"a": "failed"}), again)
    assert found.problems == ["a: fails with the standard module"]
    assert found.failed_standard == found.failed_ours == {"a"}


def test_a_listed_test_may_fail_with_a_standard_module_that_is_newer():
    again = Repeated(standard=["failed"] * AGAIN, ours=["failed"] * AGAIN)
    found = compare(listed(), *runs({LISTED: "failed"}, {LISTED: "failed"}), again)
    assert found.problems == []
    again = Repeated(standard=["failed"] * AGAIN, ours=["passed"] * AGAIN)
    found = compare(listed(), *runs({LISTED: "failed"}, {LISTED: "failed"}), again)
    assert f"{LISTED}: fails with the standard module" in found.problems


def test_a_listed_failure_that_passes_is_told():
    again = Repeated(standard=["passed"] * AGAIN, ours=["passed"] * AGAIN)
    found = compare(listed(), *runs({LISTED: "passed"}, {LISTED: "passed"}), again)
    assert found.problems == [f"{LISTED}: is listed as failing, and passes"]


@pytest.mark.parametrize("outcome", ["passed", "failed"])
def test_one_that_fails_sometimes_may_do_both(outcome):
    project = listed(sometimes=True)
    found = compare(project, *runs({LISTED: "passed"}, {LISTED: outcome}), never)
    assert found.problems == []


def test_a_row_that_speaks_of_no_test_is_told():
    found = compare(listed(), *runs(), never)
    assert found.problems == [f"{SECTION}: no test is named ::test_listed"]


def test_a_test_that_is_not_run_with_both_is_told():
    found = compare(PROJECT, *runs({"a": "passed", "b": "skipped"}, {"b": "passed"}), never)
    assert found.problems == [
        "a: is run with one module alone (standard)",
        "b: is skipped with one module alone (standard)",
    ]


def test_a_run_without_our_engine_proves_nothing():
    for connections in ((0, 0), (60, 60)):
        standard, ours = (Run(MANY, each) for each in connections)
        (problem,) = compare(PROJECT, standard, ours, never).problems
        assert "the module was not exchanged" in problem


def test_a_run_of_hardly_any_test_proves_nothing():
    few = {"a": "passed", "b": "skipped"}
    assert compare(PROJECT, Run(few, 0), Run(few, 1), never).problems == ["only 1 tests pass"]
