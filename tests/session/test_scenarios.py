"""The page of scenarios is complete and true."""

from __future__ import annotations

import pytest

from tests.session.scenarios import PAGE, SCENARIOS, find_tests, page


def test_all_of_them_are_listed():
    expected = {str(number) for number in range(1, 128)}
    expected |= {"54a", "54b", "61a", "61b", "98a", "123a", "123b"}
    assert set(SCENARIOS) == expected


@pytest.mark.parametrize("number", SCENARIOS)
def test_a_scenario_has_a_test_or_waits(number):
    _, verdict = SCENARIOS[number]
    assert verdict.startswith(("same", "ours: ", "waits: "))
    assert bool(find_tests().get(number)) is not verdict.startswith("waits")


def test_no_test_is_of_an_unknown_scenario():
    assert set(find_tests()) <= set(SCENARIOS)


@pytest.mark.parametrize("number", SCENARIOS)
def test_what_is_the_same_is_shown_against_gnutls_where_that_is_possible(number):
    _, verdict = SCENARIOS[number]
    # an OpenSSL client; GnuTLS takes OCSP responses only from who asked for one in its hello;
    # Debian's compresses no certificates: see tests/interop/test_compression.py
    alone = {"21", "110", "107", "109"}
    if verdict.startswith("same") and number not in alone:
        assert any("gnutls" in kinds for _, kinds in find_tests()[number])


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.session.scenarios"
