"""What `import postshake` loads, and when."""

from __future__ import annotations

import subprocess
import sys

import pytest

import postshake
import postshake.api


def run(code: str) -> str:
    """Run code in a process that has imported nothing yet."""
    paths = repr([path for path in sys.path if path])
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.path[:0] = {paths}\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


LOADED = "print(*sorted(name for name in sys.modules if name.startswith(('postshake', 'crypto'))))"


def test_the_import_alone_loads_nothing():
    assert run(f"import postshake\n{LOADED}") == "postshake"


@pytest.mark.parametrize(
    "code",
    [
        "import postshake; print(postshake.Connection.__name__)",
        "from postshake import Connection; print(Connection.__name__)",
        "from postshake import *; print(Connection.__name__)",
        "import postshake; print(postshake.connection.Connection.__name__)",
        "import postshake.connection; print(postshake.Connection.__name__)",
        "import postshake.session; import postshake; print(postshake.Connection.__name__)",
        "from postshake.protocol import flow; from postshake import Connection as C\n"
        "print(C.__name__)",
    ],
)
def test_a_name_loads_what_it_needs(code):
    assert run(code) == "Connection"


def test_every_public_name_is_there():
    assert postshake.__all__ == postshake.api.__all__
    for name in postshake.__all__:
        assert getattr(postshake, name) is getattr(postshake.api, name)
    assert set(postshake.__all__) <= set(dir(postshake))


@pytest.mark.parametrize("name", ["nothing", "_nothing", "__nothing__"])
def test_no_other_name_is(name):
    with pytest.raises(AttributeError, match=f"'postshake' has no attribute '{name}'"):
        getattr(postshake, name)
