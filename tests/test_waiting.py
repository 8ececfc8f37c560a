"""Tests wait for things, and not for a few seconds."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from tests import waiting
from tests.waiting import MOMENT, PATIENCE, await_until, wait_until

HERE = Path(__file__).parent

LIMIT_OF = {
    **dict.fromkeys(("settimeout", "join", "wait", "result", "fail_after", "timeout"), 0),
    **dict.fromkeys(("wait_for", "create_connection"), 1),
}
"""Functions with a limit of time, and which argument it is; any ``…timeout=`` is one as well."""


def limits(path: str, source: str) -> Iterator[str]:
    """List limits of seconds that a busy machine may reach."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func).rpartition(".")[2]
        given = [word.value for word in node.keywords if (word.arg or "").endswith("timeout")]
        given += node.args[LIMIT_OF[called] :][:1] if called in LIMIT_OF else []
        for value in given:
            seconds = value.value if isinstance(value, ast.Constant) else None
            if isinstance(seconds, int | float) and MOMENT <= seconds < PATIENCE:
                yield f"{path}:{node.lineno}: {called}: {seconds} s are few: PATIENCE, or MOMENT"


def test_nobody_is_given_a_few_seconds():
    found = [
        complaint
        for file in sorted(HERE.rglob("*.py"))
        for complaint in limits(str(file.relative_to(HERE)), file.read_text(encoding="utf-8"))
    ]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "sock.settimeout(10)",
        "thread.join(1.5)",
        "asyncio.wait_for(main(), 30)",
        "socket.create_connection(address, 20)",
        "subprocess.run(command, timeout=5)",
        "start_server(ssl_handshake_timeout=10)",
        "with anyio.fail_after(2): pass",
    ],
)
def test_a_few_seconds_are_found(source: str):
    (found,) = limits("x.py", source)
    assert found.startswith("x.py:1: ")


@pytest.mark.parametrize(
    "source",
    [
        "sock.settimeout(0.05)",  # so short that it is what is tested
        "sock.settimeout(PATIENCE)",
        "subprocess.run(command, timeout=600)",
        "', '.join(names)",
        "wait()",
        "settimeout(None)",
    ],
)
def test_other_limits_are_not(source: str):
    assert not list(limits("x.py", source))


class Countdown:
    """Holds when it was asked often enough."""

    def __init__(self) -> None:
        self.left = 3

    def __call__(self) -> bool:
        self.left -= 1
        return not self.left


def test_it_waits_until_it_holds():
    wait_until(Countdown())
    for backend in ("asyncio", "trio"):
        anyio.run(await_until, Countdown(), backend=backend)


def test_it_says_what_did_not_come(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(waiting, "PATIENCE", 0.01)
    with pytest.raises(AssertionError, match=r"the bus did not come in 0\.01 s"):
        wait_until(lambda: False, "the bus")
    with pytest.raises(AssertionError, match=r"the bus did not come in 0\.01 s"):
        anyio.run(await_until, lambda: False, "the bus")
