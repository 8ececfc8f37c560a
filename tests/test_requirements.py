"""What may not be here is asked for first, or it is not used at all."""

from __future__ import annotations

import ast
import asyncio
import ctypes
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.requirements import NotAskedFor, absent, find, require, require_root, summary

ROOT = Path(__file__).parent.parent
DOOR = "tests/requirements.py"


# Asking


def test_what_is_missing_is_skipped(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("POSTSHAKE_REQUIRE_PEERS", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"not here: no-such-peer, no/such\.h$"):
        require("sh", "no-such-peer", "no/such.h")


def test_what_is_missing_fails_in_ci(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("POSTSHAKE_REQUIRE_PEERS", "1")
    with pytest.raises(pytest.fail.Exception, match="not here: no-such-peer"):
        require("no-such-peer")


def test_who_is_root(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("POSTSHAKE_REQUIRE_PEERS", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    require_root()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(pytest.skip.Exception, match="not here: the rights of root"):
        require_root()


def program(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_path_decides(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    everyday = program(tmp_path / "bin", "everyday")
    for_root = program(tmp_path / "sbin", "for-root")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert require("everyday") == str(everyday)
    assert require("for-root") == str(for_root)
    monkeypatch.setenv("PATH", str(tmp_path / "elsewhere"))
    assert find("everyday") is None
    assert find("for-root") is None


# Using


def spawn(*arguments: str) -> None:
    os.waitpid(os.posix_spawn(arguments[0], arguments, os.environ), 0)


STARTERS: dict[str, Callable[[str], object]] = {
    "subprocess": lambda program: subprocess.run([program, "-c", ":"]),
    "asyncio": lambda program: asyncio.run(asyncio.create_subprocess_exec(program, "-c", ":")),
    "posix_spawn": lambda program: spawn(program, "-c", ":"),
}


@pytest.mark.parametrize("start", STARTERS.values(), ids=STARTERS)
@pytest.mark.parametrize("named", [str, Path(sys.base_prefix).joinpath], ids=["name", "path"])
def test_nobody_is_started_who_was_not_asked_for(start, named):
    with pytest.raises(NotAskedFor, match="no-such-peer' may not be here"):
        start(str(named("no-such-peer")))


def test_by_a_shell_neither():
    with pytest.raises(NotAskedFor, match="sh' may not be here"):
        subprocess.run("openssl version", shell=True)
    with pytest.raises(NotAskedFor, match="a shell"):
        os.system("openssl version")


def test_no_library_is_loaded_that_was_not_asked_for():
    with pytest.raises(NotAskedFor, match=r"libc\.so\.6' may not be here"):
        ctypes.CDLL("libc.so.6")
    assert ctypes.CDLL(None)


def test_who_was_asked_for_is_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    own = program(tmp_path / "bin", "own-program")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}")
    with pytest.raises(NotAskedFor):
        subprocess.run([own])
    assert subprocess.run([require("own-program")]).returncode == 0


# Where they are looked for


LOOKING = {"shutil.which", "ctypes.util.find_library"}


def complaints(path: str, source: str) -> Iterator[str]:
    """List what goes round the door, or cannot be skipped."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            used = {ast.unparse(node)}
        elif isinstance(node, ast.ImportFrom):
            used = {f"{node.module}.{alias.name}" for alias in node.names}
        else:
            used = set()
        for name in used & LOOKING:
            yield f"{path}:{getattr(node, 'lineno', 0)}: {name}: ask tests.requirements"
        if isinstance(node, ast.FunctionDef) and "fixture" in map(_named, node.decorator_list):
            yields = [each.lineno for each in ast.walk(node) if isinstance(each, ast.Yield)]
            for each in ast.walk(node):
                if isinstance(each, ast.Assert) and yields and each.lineno > min(yields):
                    yield (
                        f"{path}:{each.lineno}: asserts when the test is over: one that was "
                        "skipped has done nothing of it"
                    )


def _named(decorator: ast.expr) -> str:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return ast.unparse(called).rpartition(".")[2]


def test_all_ask_here():
    found = [
        complaint
        for folder in ("tests", "benches")
        for file in sorted((ROOT / folder).rglob("*.py"))
        if (path := file.relative_to(ROOT).as_posix()) != DOOR
        for complaint in complaints(path, file.read_text(encoding="utf-8"))
    ]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("import shutil\nshutil.which('tshark')", "x.py:2: shutil.which"),
        ("from shutil import which", "x.py:1: shutil.which"),
        ("ctypes.util.find_library('gnutls')", "x.py:1: ctypes.util.find_library"),
        ("@pytest.fixture\ndef f():\n    yield 1\n    assert 2", "x.py:4: asserts when"),
        (
            "@fixture(scope='m')\ndef f():\n    yield 1\n    if 1:\n        assert 2",
            "x.py:5: asserts",
        ),
    ],
)
def test_going_round_is_found(source: str, complaint: str):
    (found,) = complaints("x.py", source)
    assert found.startswith(complaint)


def test_other_functions_may_assert_what_they_like():
    source = (
        "@pytest.fixture\ndef f():\n    assert 1\n    yield 2\ndef g():\n    yield 1\n    assert 2"
    )
    assert not list(complaints("x.py", source))


# Telling


def test_the_summary_has_a_line_for_each(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("POSTSHAKE_REQUIRE_PEERS", raising=False)
    with pytest.raises(pytest.skip.Exception) as skipped:
        absent("certutil", "firefox-esr")
    reason = f"Skipped: {skipped.value}"
    assert summary([reason, reason, "Skipped: not here: certutil", "Skipped: too few"]) == [
        "not here: certutil (3 tests skipped)",
        "not here: firefox-esr (2 tests skipped)",
        "1 test skipped: too few",
    ]
    assert summary([]) == []


def test_a_run_ends_with_the_summary(tmp_path: Path):
    """Two files of tests, on a machine with nothing on its path."""
    outside = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "POSTSHAKE_"))
    }
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider"),
            *(
                "tests/crypto/tls12/test_prf.py",
                "tests/signers/test_pkcs11.py",
                "-k",
                "openssl or token",
            ),
        ],
        cwd=ROOT,
        env=outside | {"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    told = [line for line in done.stdout.splitlines() if "skipped" in line]
    assert "not here: openssl (2 tests skipped)" in told
    assert [line for line in told if line.startswith("not here: softhsm2-util (")]
    assert "SKIPPED" not in done.stdout
