"""The fuzz targets: each takes what is good, and each decoder has one."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import postshake.wire
from tests.fuzz.target import Script, mutated
from tests.fuzz.targets import GROUPS, TARGETS

ROOT = Path(__file__).parents[2]
# parts of messages, which are fuzzed in them
PARTS = {
    "CertificateEntry",
    "Empty",
    "Extensions",
    "KeyShareEntry",
    "KnownExtension",
    "OidFilter",
    "PskIdentity",
    "ServerEcdhParams",
}


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_are_taken(name: str) -> None:
    """Nothing undocumented comes of them; and what is good gets to the end."""
    target = TARGETS[name]
    taken = [target.run(seed) for seed in target.seeds()]
    assert any(taken), "no seed is good: nothing behind the first check would be reached"


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_seeds_raise_nothing_undocumented(name: str) -> None:
    """A first look, for where no fuzzer runs."""
    target = TARGETS[name]
    for number, seed in enumerate(list(target.seeds())[:6]):
        script = Script(bytes(range(number, 200)) * 3)
        target.run(seed[: len(seed) // 2])
        target.run(mutated(seed or b"\0", script))


def test_every_decoder_of_the_wire_has_a_target() -> None:
    named = {word for name in TARGETS for word in name.split()}
    for module in pkgutil.iter_modules(postshake.wire.__path__, "postshake.wire."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, type) and value.__module__ == module.name:
                if hasattr(value, "decode") and name not in PARTS:
                    assert name in named, f"{name} has no fuzz target"


def test_groups_hold_all_targets_and_fit_a_byte() -> None:
    assert {target.name for group in GROUPS.values() for target in group} == TARGETS.keys()
    assert all(len(group) < 256 for group in GROUPS.values())


BROKEN = """
from tests.fuzz.target import Target

def run(data):
    if data[:1] == b"P":
        raise KeyError("planted")

GROUPS = {"broken": [Target("planted", run, lambda: [b"A"], group="broken")]}
"""


def test_a_fault_is_found_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("atheris")
    (tmp_path / "broken_targets.py").write_text(BROKEN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    command: list[Any] = [sys.executable, "-m", "tests.fuzz", "--module", "broken_targets"]
    command += ["--seconds", "30", "--folder", tmp_path / "fuzz"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400)
    assert done.returncode == 1, done.stdout
    assert "KeyError: 'planted'" in done.stdout
    assert "for 'planted'" in done.stdout
    (fault,) = (tmp_path / "fuzz" / "found" / "broken").iterdir()
    assert fault.read_bytes()[1:2] == b"P"
