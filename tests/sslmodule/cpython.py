"""Runs CPython's own tests of `ssl` with our module in its place.

A program, for a process of its own. Prints the name of each test that ran, or of those named
on the command line, with ``passed`` or ``failed`` before it.
"""

from __future__ import annotations

import http.client  # noqa: F401 (has its own idea of what ssl is, which the tests do not touch)
import importlib
import io
import logging
import ssl as standard
import sys
import unittest
import warnings
from typing import Any

import postshake.ssl as ours
from tests.sslmodule import versions

__all__ = ["run"]


def run(wanted: set[str]) -> dict[str, str]:
    """Run these tests, or all of them; return what became of each that was not skipped."""
    for name in dir(standard):  # the tests look at private names too
        if not hasattr(ours, name):
            setattr(ours, name, getattr(standard, name))
    if not versions.RESETS_ARE_TOLD:  # their server ends with an error that it cannot know
        _hide_resets()
    sys.modules["ssl"] = ours
    tests = importlib.import_module("test.test_ssl")
    vars(importlib.import_module("test.support"))["verbose"] = False
    chosen = [
        test
        for test in _flat(unittest.defaultTestLoader.loadTestsFromModule(tests))
        if not wanted or _name(test) in wanted
    ]
    names = {_name(test) for test in chosen}  # the suite lets go of those that are done
    result = unittest.TextTestRunner(stream=io.StringIO()).run(unittest.TestSuite(chosen))
    failed = [*result.failures, *result.errors]
    for test, trace in failed:
        print(_name(test), trace, sep="\n", file=sys.stderr)
    outcomes = dict.fromkeys(names - {_name(test) for test, _ in result.skipped}, "passed")
    return outcomes | dict.fromkeys((_name(test) for test, _ in failed), "failed")


def _hide_resets() -> None:
    """Take a reset for the end of the stream (docs/ssl.md: A connection that was reset)."""
    read = standard.SSLSocket.read

    def reading(self: Any, len: int = 1024, buffer: Any = None) -> Any:
        try:
            return read(self, len, buffer)
        except ConnectionResetError:
            return b"" if buffer is None else 0

    ours.SSLSocket.read = reading  # type: ignore[method-assign]


def _name(test: unittest.TestCase) -> str:
    """Name a test; of one case of several, the test that has them."""
    return getattr(test, "test_case", test).id().partition("test_ssl.")[2]


def _flat(suite: unittest.TestSuite) -> list[unittest.TestCase]:
    found: list[unittest.TestCase] = []
    for each in suite:
        found += _flat(each) if isinstance(each, unittest.TestSuite) else [each]
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    for name, outcome in sorted(run(set(sys.argv[1:])).items()):
        print(outcome, name)
