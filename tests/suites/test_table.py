"""The table in the end."""

from __future__ import annotations

import json

from tests.suites.table import Row, table


def test_a_row_is_below_its_heads():
    lines = table(
        [
            Row("urllib3", "2.8.0", tests=318, failed_ours=3, explained=3, connections=700),
            Row("asyncio", "3.11.7", tests=102, again=1, connections=9),
        ]
    )
    assert [line.split()[0] for line in lines] == ["project", "asyncio", "urllib3"]
    assert len({len(line) for line in lines}) == 1
    assert lines[2].split() == ["urllib3", "2.8.0", "318", "0", "3", "3", "0", "700", "0"]


def test_what_was_not_run_has_its_reason():
    assert table([Row("asyncio", "3.11.2", reason="no tests here")]) == [
        "asyncio 3.11.2: NOT RUN: no tests here"
    ]


def test_nothing_is_written_of_nothing():
    assert table([]) == []


def test_a_row_is_carried_between_processes():
    row = Row("trio", "0.35.0", tests=64, failed_ours=4)
    assert Row(**json.loads(json.dumps(row.told()))) == row
