"""The benches run, each contestant does what it says, and the figures come out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benches.cases import CASES, GOALS, Row
from benches.contest import Case, Impossible, Measured, Operation, measure
from benches.ours import Ours
from tests.waiting import PATIENCE

IMPORT_ALL = "import, and a Connection"
ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """What one quick run printed, and its JSON."""
    file = tmp_path_factory.mktemp("benches") / "figures.json"
    plot = file.with_suffix(".svg")
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "benches", "--quick", "--full", "--json", file, "--svg", plot],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=10 * PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(file.read_text()) | {"plot": plot.read_text()}


def test_every_row_is_there(quick):
    _, figures = quick
    names = [row["name"] for row in figures["rows"]]
    assert names == [*(case.name for case in CASES), "idle pair", "import", IMPORT_ALL]
    assert {"floor", "ours", "ssl"} <= set(figures["contestants"])


def test_every_sample_was_checked(quick):
    _, figures = quick
    timed = [row for row in figures["rows"] if row["unit"] == "µs"]
    for row in timed:
        for name, figure in row["figures"].items():
            if figure["impossible"]:
                assert (row["name"], name) not in {("reauth", "ours"), ("reauth", "ssl")}
                continue
            assert figure["median"] > 0
            assert figure["checks"] == figure["samples"] >= 3


def test_ours_does_everything(quick):
    _, figures = quick
    assert all(row["figures"]["ours"]["median"] > 0 for row in figures["rows"])
    assert all(row["ratios"]["ssl"] for row in figures["rows"] if row["goal"])


def test_the_table_says_whether_goals_hold(quick):
    text, _ = quick
    head, _, *lines = text.splitlines()
    assert head.split()[-2:] == ["goal", "holds"]
    for name in GOALS:
        (line,) = (line for line in lines if line.startswith(name + "  "))
        assert line.split()[-1] in ("yes", "NO")


def test_growth_is_measured_and_drawn(quick):
    text, figures = quick
    drawn = ElementTree.fromstring(figures["plot"])
    lines = drawn.findall(".//{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == len(figures["scaling"]) == 6
    for each, line in zip(figures["scaling"], lines, strict=True):
        assert each["name"] in text
        assert all(cost > 0 for _, cost in each["points"])
        assert len(line.get("points").split()) == len(each["points"])


def test_a_contestant_that_skips_the_work_fails():
    class Skips(Ours):
        def __init__(self):
            self.name = "skips"

        def bulk(self, size, times):
            def check(evidence):
                assert evidence == b"data"

            return Operation(lambda: b"", check)

    case = Case("bulk", lambda entrant: entrant.bulk(1, 1))
    with pytest.raises(AssertionError):
        measure([case], [Skips()], seconds=0, least_rounds=1)


def test_what_a_contestant_cannot_do_is_said():
    def prepare(entrant):
        raise Impossible("not here")

    class Nobody(Ours):
        def __init__(self):
            self.name = "ours"

    results = measure([Case("x", prepare)], [Nobody()], seconds=0, least_rounds=1)
    assert results["x"]["ours"].impossible == "not here"
    assert results["x"]["ours"].median is None


def test_a_goal_needs_all_ratios():
    figures = {"ours": Measured([10.0]), "floor": Measured([9.0]), "ssl": Measured([8.0])}
    row = Row("row", "µs", figures, {"floor": 1.3, "ssl": 1})
    assert row.ratio("floor") == pytest.approx(10 / 9)
    assert row.holds is False
    assert Row("row", "µs", figures, {"floor": 1.3, "pyopenssl": 1}).holds is True
    assert Row("row", "µs", figures).holds is None
