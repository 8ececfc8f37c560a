"""Compares what came out of a project's tests with the two modules."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from tests.suites.projects import Different, Project

__all__ = ["AGAIN", "Comparison", "Run", "compare", "is_about"]

AGAIN = 3
"""How often a doubtful test is run again with each module."""

Names = set[str]
RunAgain = Callable[[str, Collection[str]], "Run"]
"""Runs these tests with the module of this name: standard or ours."""


@dataclass(frozen=True)
class Run:
    """One run of a project's tests with one module.

    Args:
        outcomes: what became of each test, by its name: passed, failed or skipped.
        connections: how many connections our engine made.
    """

    outcomes: dict[str, str]
    connections: int

    def names(self, outcome: str) -> Names:
        """The tests of which this became."""
        return {name for name, each in self.outcomes.items() if each == outcome}


@dataclass(frozen=True)
class Comparison:
    """What two runs of a project's tests say.

    Args:
        failed_standard: tests that fail with the standard module.
        failed_ours: tests that fail with ours.
        explained: those of them that the project's row in the list of differences names.
        again: tests that came out otherwise than they should, and were run again.
        problems: a sentence for whatever must not be.
    """

    failed_standard: Names
    failed_ours: Names
    explained: Names
    again: Names
    problems: list[str]


def compare(project: Project, standard: Run, ours: Run, run_again: RunAgain) -> Comparison:
    """Compare two runs; where they are not as the list says, run those tests again with both.

    A test that fails with ours now and then is a fault of ours, unless it fails now and then
    with the standard module as well: so one that came out otherwise than it should is run
    `AGAIN` times with both, and must come out as it should each time.
    """
    problems = []
    if standard.connections or (standard.names("passed") and not ours.connections):
        problems.append(
            f"the module was not exchanged: our engine made {standard.connections} connections "
            f"in the place of the standard one, and {ours.connections} in its own"
        )
    if len(standard.names("passed")) < 20:
        problems.append(f"only {len(standard.names('passed'))} tests pass")
    for name in sorted(standard.outcomes.keys() ^ ours.outcomes.keys()):
        which = "standard" if name in standard.outcomes else "ours"
        problems.append(f"{name}: is run with one module alone ({which})")
    for name in sorted(standard.names("skipped") ^ ours.names("skipped")):
        if name in standard.outcomes and name in ours.outcomes:
            which = "standard" if standard.outcomes[name] == "skipped" else "ours"
            problems.append(f"{name}: is skipped with one module alone ({which})")

    meant = {each: {n for n in ours.outcomes if is_about(each, n)} for each in project.different}
    listed: Names = set().union(*meant.values())
    always: Names = set().union(*(meant[each] for each in project.different if not each.sometimes))
    problems += [
        f"{each.section}: no test is named {end}"
        for each in project.different
        for end in each.tests
        if not any(_ends(name, end) for name in meant[each])
    ]

    failed = {"standard": standard.names("failed"), "ours": ours.names("failed")}
    doubtful = failed["standard"] | (failed["ours"] - listed) | (always & ours.names("passed"))
    passes_again: dict[str, Names] = {module: set() for module in failed}
    fails_again: dict[str, Names] = {module: set() for module in failed}
    if doubtful:
        for module in failed:
            for _ in range(AGAIN):
                run = run_again(module, sorted(doubtful))
                passes_again[module] |= run.names("passed")
                fails_again[module] |= doubtful - run.names("passed") - run.names("skipped")
    unsteady = failed["standard"] | fails_again["standard"]
    for name in sorted(doubtful):
        if name in listed:
            if name in always and name in passes_again["ours"]:
                problems.append(f"{name}: is listed as failing, and passes")
        elif name in fails_again["ours"] - unsteady:
            problems.append(f"{name}: fails with our module, and the list does not say so")
        if name in fails_again["standard"] - passes_again["standard"]:
            # a newer Python may have become as ours is
            if not (name in listed and name in fails_again["ours"] - passes_again["ours"]):
                problems.append(f"{name}: fails with the standard module")
    # what only failed once does not fail
    return Comparison(
        failed_standard=failed["standard"] & fails_again["standard"],
        failed_ours=failed["ours"] - (doubtful - fails_again["ours"]),
        explained=failed["ours"] & listed,
        again=doubtful,
        problems=problems,
    )


def is_about(different: Different, name: str) -> bool:
    """Whether this row speaks of this test."""
    return any(_ends(name, end) for end in different.tests)


def _ends(name: str, end: str) -> bool:
    return name.endswith(end) or re.sub(r"\[.*\]$", "", name).endswith(end)
