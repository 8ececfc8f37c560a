"""Runs CPython's own tests of `ssl` with our module in its place.

A program, for a process of its own. Prints the name of each test that did not pass; of
those named on the command line, if there are any.
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

import postshake.ssl as ours

__all__ = ["run"]


def run(wanted: set[str]) -> list[str]:
    """Run these tests, or all of them; return the names of those that fail."""
    for name in dir(standard):  # the tests look at private names too
        if not hasattr(ours, name):
            setattr(ours, name, getattr(standard, name))
    sys.modules["ssl"] = ours
    tests = importlib.import_module("test.test_ssl")
    vars(importlib.import_module("test.support"))["verbose"] = False
    suite = unittest.TestSuite(
        test
        for test in _flat(unittest.defaultTestLoader.loadTestsFromModule(tests))
        if not wanted or test.id().partition("test_ssl.")[2] in wanted
    )
    result = unittest.TextTestRunner(stream=io.StringIO()).run(suite)
    failed = [*result.failures, *result.errors]
    print(f"{result.testsRun} ran, {len(result.skipped)} skipped", file=sys.stderr)
    for test, trace in failed:
        print(trace, file=sys.stderr)
        assert test
    return sorted({test.id().partition("test_ssl.")[2] for test, _ in failed})


def _flat(suite: unittest.TestSuite) -> list[unittest.TestCase]:
    found: list[unittest.TestCase] = []
    for each in suite:
        found += _flat(each) if isinstance(each, unittest.TestSuite) else [each]
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    print(*run(set(sys.argv[1:])), sep="\n")
