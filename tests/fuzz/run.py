"""Fuzz one group of targets under atheris: ``python -m tests.fuzz.run MODULE GROUP [options]``.

The module has the targets, in ``GROUPS``. An input's first byte says which target of the group
the rest is for. The options are libFuzzer's. The process ends with the fuzzer, by its exit code;
what it found is where ``-artifact_prefix`` says. ``tests.fuzz`` runs all groups.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

__all__ = ["chosen", "main"]

WARM = 3  # seeds of each target that are run before the fuzzer begins


def chosen(targets: list[Any], data: bytes) -> Any:
    """Return the target that this input is for."""
    return targets[data[0] % len(targets)]


def main() -> None:
    """Fuzz the group that is named on the command line."""
    import atheris

    module, name, *options = sys.argv[1:]
    with atheris.instrument_imports(include=["postshake"]):
        targets = importlib.import_module(module).GROUPS[name]
    for target in targets:  # what they import and remember at first is no merit of an input's
        for seed in list(target.seeds())[:WARM]:
            target.run(seed)

    def run(data: bytes) -> None:
        if data:
            chosen(targets, data).run(data[1:])

    atheris.Setup([sys.argv[0], *options], run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
