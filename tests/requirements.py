"""What a test may need that Python does not bring: programs, libraries, headers, rights.

This is the only door to them. `require` finds what is asked for, or skips the test; where
``POSTSHAKE_REQUIRE_PEERS`` is set, as in CI, what is missing fails it instead. What was not asked
for can be neither started nor loaded (`watch`), not even on a machine that has it: or only those
would notice who have not.

Programs are looked for on PATH, and in the ``sbin`` beside each ``bin`` of it, which an ordinary
user of Debian does not have there. So a PATH of one folder hides all that is elsewhere, and with
it the headers, which the compiler finds.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import os
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

__all__ = [
    "NotAskedFor",
    "absent",
    "find",
    "made_here",
    "require",
    "require_root",
    "require_terminal",
    "summary",
    "watch",
]

NOT_HERE = "not here: "


class NotAskedFor(FileNotFoundError):
    """A test starts a program, or loads a library, without having asked whether it is here.

    So it is not: that is what a machine without it would say.
    """


def require(*names: str) -> str:
    """Return where the first one is; without it, or any other, skip.

    Args:
        names: programs, headers such as ``gnutls/gnutls.h``, or what `FINDERS` lists.
    """
    places = {name: find(name) for name in names}
    missing = [name for name, place in places.items() if place is None]
    if missing:
        absent(*missing)
    return places[names[0]] or ""


def absent(*what: str) -> None:
    """Skip the test for want of this, or fail it where everything has to be here."""
    reason = NOT_HERE + ", ".join(what)
    if os.environ.get("POSTSHAKE_REQUIRE_PEERS", "") not in ("", "0"):
        pytest.fail(f"{reason} (POSTSHAKE_REQUIRE_PEERS is set)", pytrace=False)
    pytest.skip(reason)


def require_root() -> None:
    """Skip, or fail, unless the tests are run by root."""
    if os.geteuid():
        absent("the rights of root")


def require_terminal() -> tuple[int, int]:
    """Return both ends of a pseudo-terminal; skip, or fail, where the system gives none."""
    try:
        return os.openpty()
    except OSError:
        absent("a pseudo-terminal")
        raise


def find(name: str) -> str | None:
    """Say where this is; None if it is not."""
    if name in FINDERS:
        place = FINDERS[name]()
    elif name.endswith(".h"):
        place = _header(name)
    else:
        place = shutil.which(name, path=_path())
    if place is not None:
        _asked_for.add(place)
    return place


def made_here(program: Path) -> Path:
    """Return a program that the tests have made themselves, and may start."""
    _asked_for.add(str(program))
    return program


def _path() -> str:
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    beside = [str(Path(folder).parent / "sbin") for folder in folders if Path(folder).name == "bin"]
    return os.pathsep.join([*folders, *beside])


@functools.cache
def _header(name: str) -> str | None:
    compiler = find("cc")
    if compiler is None:
        return None
    listed = subprocess.run(
        (compiler, "-E", "-M", "-x", "c", "-"),
        input=f"#include <{name}>\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    places = [word for word in listed.stdout.split() if word.endswith(f"/{name}")]
    return places[0] if places and not listed.returncode else None


@functools.cache
def _libgnutls() -> str | None:
    with _LOOKING:  # find_library() starts what it likes
        name = ctypes.util.find_library("gnutls") or "libgnutls.so.30"
        try:
            ctypes.CDLL(name)
        except OSError:
            return None
    return name


def _first(*candidates: str) -> Callable[[], str | None]:
    return lambda: next((path for path in candidates if Path(path).exists()), None)


FINDERS: dict[str, Callable[[], str | None]] = {
    "libgnutls": _libgnutls,
    # Debian, Fedora, by hand, Homebrew
    "libsofthsm2.so": _first(
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib64/pkcs11/libsofthsm2.so",
        "/usr/local/lib/softhsm/libsofthsm2.so",
        "/opt/homebrew/lib/softhsm/libsofthsm2.so",
    ),
    "mod_ssl.so": _first(
        "/usr/lib/apache2/modules/mod_ssl.so",
        "/usr/lib64/httpd/modules/mod_ssl.so",
        "/usr/libexec/apache2/mod_ssl.so",
        "/usr/lib/httpd/modules/mod_ssl.so",
    ),
    "core.schema": _first("/etc/ldap/schema/core.schema", "/etc/openldap/schema/core.schema"),
}
"""What is neither a program nor a header: how each is found."""


# Who is started


class _Looking(threading.local):
    """While this thread looks for something, it may start what it likes."""

    looking = False

    def __enter__(self) -> None:
        self.looking = True

    def __exit__(self, *error: object) -> None:
        self.looking = False


_LOOKING = _Looking()
_asked_for = {sys.executable}
_WATCHED = {
    **{"subprocess.Popen": 0, "os.exec": 0, "os.posix_spawn": 0, "os.spawn": 1},
    "ctypes.dlopen": 0,
}
"""Events of Python's that start a program or load a library, and which argument says it."""


@functools.cache
def watch() -> None:
    """From now on, refuse in this process to use what was not asked for."""
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "os.system":
        raise NotAskedFor("os.system() starts a shell: use subprocess, with require()")
    if event in _WATCHED and not _LOOKING.looking:
        name = arguments[_WATCHED[event]]
        if name is not None and os.fsdecode(name) not in _asked_for:
            raise NotAskedFor(
                f"{os.fsdecode(name)!r} may not be here: use what require() says of it, "
                "or made_here() if a test has made it"
            )


# What was skipped


def summary(skipped: Iterable[str]) -> list[str]:
    """Tell what was skipped in a line for each thing that is not here, and each other reason.

    Args:
        skipped: the reason of each skipped test.
    """
    missing: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for reason in skipped:
        reason = reason.removeprefix("Skipped: ")
        if reason.startswith(NOT_HERE):
            missing.update(reason.removeprefix(NOT_HERE).split(", "))
        else:
            others[reason] += 1
    lines = [f"{NOT_HERE}{name} ({_tests(missing[name])} skipped)" for name in sorted(missing)]
    return [*lines, *(f"{_tests(count)} skipped: {why}" for why, count in sorted(others.items()))]


def _tests(count: int) -> str:
    return f"{count} test{'s' * (count != 1)}"
