"""The same scripts through `ssl` and through `postshake.ssl`: they must come to the same.

Each script is played four times: by the standard library alone, which says what is right, by
ours alone, and by each with the other.
"""

from __future__ import annotations

import logging
from itertools import zip_longest
from pathlib import Path

import pytest

from tests.sslmodule import versions
from tests.sslmodule.differences import DIFFERENCES, find_difference, unexcused
from tests.sslmodule.ends import ROLES, Memory, client_context, ours, server_context, standard
from tests.sslmodule.generated import SCRIPTS
from tests.sslmodule.scripts import Script, play
from tests.sslmodule.socket_scripts import SOCKET_SCRIPTS, play_sockets

DOCUMENT = Path(__file__).parents[2] / "docs" / "ssl.md"
ALL = [*SCRIPTS, *SOCKET_SCRIPTS]
BY_NAME = {script.name: script for script in ALL}
GROUPS = sorted({script.name.partition("-")[0] for script in SCRIPTS})
PAIRS = [(ours, ours), (ours, standard), (standard, ours)]

pytestmark = [
    pytest.mark.skipif(not versions.COMPARED, reason="faults of this Python's ssl that are mended"),
    # a callback that fails on purpose is reported in the way that destructors do
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    # what the standard class warns of, both do
    pytest.mark.filterwarnings("ignore:ssl:DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def quiet(caplog):
    """A callback that fails on purpose is logged."""
    caplog.set_level(logging.CRITICAL, "postshake.ssl")


def test_there_are_hundreds_and_each_has_a_name():
    assert len(BY_NAME) == len(ALL) > 800


@ROLES
@pytest.mark.parametrize("group", GROUPS)
def test_both_say_the_same(group, server, client):
    wrong = []
    for script in SCRIPTS:
        if script.name.partition("-")[0] == group:
            expected = play(script, standard, standard)
            wrong += unexcused(script.name, expected, play(script, server, client))
    assert wrong == []


@pytest.mark.parametrize("script", SOCKET_SCRIPTS, ids=str)
def test_both_say_the_same_over_sockets(script):
    expected = play_sockets(script, standard, standard)
    for server, client in PAIRS:
        assert unexcused(script.name, expected, play_sockets(script, server, client)) == []


def places(script: Script):
    """Every place where some pairing of modules says another thing than the standard one."""
    player = play_sockets if script in SOCKET_SCRIPTS else play
    expected = player(script, standard, standard)
    for server, client in PAIRS:
        got = player(script, server, client)
        for theirs, ourselves in zip_longest(expected, got, fillvalue="nothing"):
            if theirs != ourselves:
                yield theirs, ourselves


@pytest.mark.parametrize("row", DIFFERENCES, ids=lambda row: row.title.replace(" ", "-"))
def test_a_difference_is_real_and_documented(row):
    if row.here is not False:
        script = BY_NAME[row.example]
        found = [find_difference(script.name, *place) for place in places(script)]
        assert row in found or row.here is None
    assert f"\n### {row.title}\n" in DOCUMENT.read_text(encoding="utf-8")


def test_every_documented_difference_is_tested_somewhere():
    titles = {
        line.removeprefix("### ")
        for line in DOCUMENT.read_text(encoding="utf-8").splitlines()
        if line.startswith("### ")
    }
    here = {row.title for row in DIFFERENCES}
    sources = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py")]
    untested = {
        title
        for title in titles - here
        if not any(f"docs/ssl.md: {title}" in source for source in sources)
    }
    assert untested == set()


# --- what scripts cannot say


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_failure_is_told_again(version):
    # docs/ssl.md: After a failure
    client = client_context(ours, ca="Another CA")
    client.maximum_version = getattr(ours.TLSVersion, version)
    pair = Memory(server_context(ours), client)
    first, alert = pair.run(pair.client.do_handshake, pair.server.do_handshake)
    assert first.verify_code == 20
    assert alert.reason == "TLSV1_ALERT_UNKNOWN_CA"
    for end, failure in ((pair.client, first), (pair.server, alert)):
        for call in (end.do_handshake, end.read, lambda end=end: end.write(b"x")):
            with pytest.raises(type(failure)) as caught:
                call()
            assert caught.value.reason == failure.reason
        with pytest.raises(ours.SSLError):
            end.unwrap()


def test_requests_go_out_at_once_and_several():
    # docs/ssl.md: When a request for authentication goes out
    pair = Memory(server_context(ours, asks_later=True), client_context(standard)).handshake()
    pair.exchange()
    pair.server.verify_client_post_handshake()
    pair.server.verify_client_post_handshake()
    assert pair.server.getpeercert() is None
    pair.exchange()
    assert pair.server.getpeercert()["subject"] == ((("commonName", "alice"),),)

    theirs = Memory(server_context(standard, asks_later=True), client_context(ours)).handshake()
    theirs.exchange()
    theirs.server.verify_client_post_handshake()
    theirs.exchange()
    with pytest.raises(ValueError, match="handshake not done yet"):
        theirs.server.getpeercert()
    theirs.server.write(b"now it goes out")
    theirs.move()
    assert theirs.client.read(99) == b"now it goes out"
    theirs.exchange()
    assert theirs.server.getpeercert()["subject"] == ((("commonName", "alice"),),)
