"""The shape of the source: imports go down only, and the engine does no I/O.

The plan is drawn once, below. Everything else reads the source as a syntax tree,
so nothing is executed and an import inside a function counts as well.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

PACKAGE = "postshake"
SOURCE = Path(__file__).parent.parent / "src" / PACKAGE

# From the ground up. A floor is a tuple of rooms; a room is a set of modules or
# subpackages. Inside a room everyone may import everyone; rooms of one floor never
# import each other; nobody imports from a higher floor.
FLOORS: tuple[tuple[frozenset[str], ...], ...] = (
    (frozenset({"errors", "constants", "text"}), frozenset({"_dataclass"})),
    (frozenset({"wire"}), frozenset({"crypto"})),
    (frozenset({"record"}), frozenset({"pki"})),
    (frozenset({"config", "events", "questions", "resumption"}),),
    (frozenset({"protocol"}),),
    (frozenset({"connection"}),),
    (frozenset({"drive"}), frozenset({"signers"}), frozenset({"recording", "private_file"})),
    (frozenset({"session"}), frozenset({"ssl"}), frozenset({"exported"})),
    (frozenset({"__init__", "_api"}),),
    (frozenset({"web"}), frozenset({"gnutls"})),
    (frozenset({"cli"}),),
    (frozenset({"__main__"}),),
)
PLACE = {
    name: (level, room)
    for level, floor in enumerate(FLOORS)
    for room in floor
    for name in sorted(room)
}
ENGINE = PLACE["connection"][0]  # up to here: no I/O, no clock, no randomness

# fmt: off
FORBIDDEN_IN_ENGINE = frozenset({
    "_thread", "anyio", "asyncio", "concurrent", "logging", "multiprocessing", "os", "queue",
    "random", "secrets", "select", "selectors", "socket", "socketserver", "ssl", "subprocess",
    "threading", "time", "trio", "uuid",
})
# fmt: on
EXEMPT = {
    # names the default clocks and the default randomness, for others to replace
    "config": frozenset({"os", "time"}),
    # loads the files that a configuration names, before there is any connection; and names the
    # default for who hears of lists that cannot be used, for others to replace
    "pki": frozenset({"logging", "os"}),
}
LAZY = frozenset({"__getattr__", "__dir__"})  # of a door that loads what is behind it late
CLOCK_CALLS = frozenset({"now", "utcnow", "today"})
THIRD_PARTY = frozenset({"cryptography"})
OPTIONAL = {
    "pki": frozenset({"backports", "brotli", "certifi", "compression"}),
    "signers": frozenset({"anyio", "pkcs11"}),
    "drive": frozenset({"anyio"}),
    "web": frozenset({"cheroot", "hypercorn", "starlette"}),
    "cli": frozenset({"uvicorn"}),
}  # imported where it is used, if it is there


def violations(sources: Mapping[str, str]) -> list[str]:
    """List what breaks the plan; `sources` maps paths below the package to text."""
    return [complaint for path, text in sorted(sources.items()) for complaint in _check(path, text)]


def _check(path: str, text: str) -> Iterator[str]:
    tree = ast.parse(text, filename=path)
    parts = path.removesuffix(".py").split("/")
    own = parts[0]
    if own not in PLACE:
        yield f"{path}:1: {own} has no floor: give it one in FLOORS"
        return
    for line, module in _imports(parts, tree):
        complaint = _judge(own, module)
        if complaint:
            yield f"{path}:{line}: {complaint}"
    if PLACE[own][0] <= ENGINE:
        yield from _hidden_clocks(path, tree)
    if not ast.get_docstring(tree):
        yield f"{path}:1: no module docstring"
    exported = any(_assigns(node, "__all__") for node in tree.body)
    if parts[-1] == "__init__":
        yield from _init_logic(path, tree)
        defines = any(isinstance(n, ast.Import | ast.ImportFrom) for n in _without_future(tree))
        if defines and not exported:
            yield f"{path}:1: no __all__"
    elif not parts[-1].startswith("_") and not exported:
        yield f"{path}:1: no __all__"


def _imports(parts: list[str], tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield (line, absolute dotted module) for every import, wherever it stands."""
    package = [PACKAGE, *parts[:-1]]  # that of an __init__ is the package itself
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                kept = package[: len(package) - node.level + 1]
                base = ".".join([*kept, *filter(None, [node.module])])
            for alias in node.names:
                # "from . import hello" names a module, "from .hello import x" does not;
                # below the package's top the first two components decide anyway
                yield node.lineno, f"{base}.{alias.name}" if base == PACKAGE else base
        elif isinstance(node, ast.Call) and _called(node) in {"__import__", "import_module"}:
            yield node.lineno, "a computed name"


def _judge(own: str, module: str) -> str | None:
    level, room = PLACE[own]
    top, _, rest = module.partition(".")
    if top == PACKAGE:
        target = rest.split(".")[0]
        if target not in PLACE:
            target = "__init__"  # a public name: that is what the package's door is for
        other_level, other_room = PLACE[target]
        if target == own or other_room is room:
            return None
        if other_level > level:
            return (
                f"{own} (floor {level}) imports {target} (floor {other_level}), which is above it"
            )
        if other_level == level:
            return f"{own} imports {target}, its sibling on floor {level}"
        return None
    if module == "a computed name":
        return f"{own} imports by a computed name, which nobody can check"
    if level <= ENGINE and top in FORBIDDEN_IN_ENGINE - EXEMPT.get(own, frozenset()):
        return f"{own} imports {top}: no I/O, clock or randomness at or below connection"
    if top not in sys.stdlib_module_names | THIRD_PARTY | OPTIONAL.get(own, frozenset()):
        return f"{own} imports {top}: cryptography is the only required dependency"
    return None


def _hidden_clocks(path: str, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of = ast.unparse(node.func.value).rpartition(".")[2]
            if of in {"datetime", "date"} and node.func.attr in CLOCK_CALLS:
                yield f"{path}:{node.lineno}: {of}.{node.func.attr}() reads a clock"


def _init_logic(path: str, tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if _assigns(node, "__all__") or _assigns(node, "__version__"):
            continue
        if re.fullmatch(r"__all__ \+= \w+\.__all__", ast.unparse(node)):
            continue
        if isinstance(node, ast.FunctionDef) and node.name in LAZY:
            continue
        if isinstance(node, ast.If) and _is_for_types(node):
            continue
        yield f"{path}:{node.lineno}: logic in __init__: only names, __all__ and __version__"


def _is_for_types(node: ast.If) -> bool:
    """Whether this tells type checkers names, and the interpreter how to find them, at most."""
    named, found = node.body, node.orelse
    if ast.unparse(node.test) == "not TYPE_CHECKING":
        named, found = found, named
    elif ast.unparse(node.test) != "TYPE_CHECKING":
        return False
    for each in named:
        of_version = isinstance(each, ast.If) and "sys.version_info" in ast.unparse(each.test)
        imports = each.body if isinstance(each, ast.If) and of_version else [each]
        if not all(isinstance(each, ast.ImportFrom) for each in imports):
            return False
    return all(isinstance(each, ast.FunctionDef) and each.name in LAZY for each in found)


def _assigns(node: ast.stmt, name: str) -> bool:
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    else:
        return False
    if not any(isinstance(target, ast.Name) and target.id == name for target in targets):
        return False
    try:
        ast.literal_eval(node.value or ast.Constant(None))
    except ValueError:
        return False  # computed, not written down
    return True


def _without_future(tree: ast.Module) -> Iterator[ast.stmt]:
    for node in tree.body:
        if not (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            yield node


def _called(node: ast.Call) -> str:
    func = node.func
    return func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")


def test_the_source_keeps_to_its_floors():
    sources = {
        path.relative_to(SOURCE).as_posix(): path.read_text(encoding="utf-8")
        for path in SOURCE.rglob("*.py")
    }
    assert sources, f"nothing found in {SOURCE}"
    found = violations(sources)
    assert not found, "\n" + "\n".join(found)


HEADER = '"""A module."""\n__all__ = ["x"]\n'


@pytest.mark.parametrize(
    ("path", "source", "complaint"),
    [
        ("wire/codec.py", "from ..crypto import aead", "wire imports crypto, its sibling"),
        ("crypto/aead.py", "from postshake.wire.codec import Reader", "its sibling"),
        ("record/layer.py", "from ..pki.trust import TrustStore", "its sibling"),
        ("session/session.py", "import postshake.ssl", "its sibling"),
        ("web/asgi.py", "from ..cli import main", "which is above it"),
        ("errors.py", "from .wire.alert import Alert", "errors (floor 0) imports wire (floor 1)"),
        ("wire/codec.py", "from .. import config", "wire (floor 1) imports config (floor 3)"),
        ("config.py", "from . import connection", "which is above it"),
        ("protocol/flow.py", "from ..connection import Connection", "which is above it"),
        ("pki/trust.py", "from .. import Connection", "imports __init__"),
        ("connection.py", "def f():\n    from .drive import sync", "imports drive"),
        ("connection.py", "import socket", "imports socket"),
        ("protocol/flow.py", "from asyncio import sleep", "imports asyncio"),
        ("record/layer.py", "import threading as t", "imports threading"),
        ("record/limits.py", "import time", "imports time"),
        ("protocol/engine.py", "import logging", "imports logging"),
        ("crypto/groups.py", "from os import urandom", "imports os"),
        ("crypto/groups.py", "import os.path", "imports os"),
        ("config.py", "import secrets", "config imports secrets"),
        ("wire/hello.py", "import random", "imports random"),
        ("pki/trust.py", "x = datetime.datetime.now()", "datetime.now() reads a clock"),
        ("pki/trust.py", "x = __import__('ti' + 'me')", "computed name"),
        ("drive/sync.py", "import numpy", "imports numpy"),
        ("cellar.py", "", "cellar has no floor"),
        ("__init__.py", "x = compute()", "logic in __init__"),
        ("__init__.py", "if TYPE_CHECKING:\n    x = 2", "logic in __init__"),
        ("__init__.py", "if not TYPE_CHECKING:\n    x = 2", "logic in __init__"),
        ("__init__.py", "if TYPE_CHECKING:\n    pass\nelse:\n    x = 2", "logic in __init__"),
        ("__init__.py", "__all__ += names()", "logic in __init__"),
        ("__init__.py", "def helper():\n    pass", "logic in __init__"),
        ("wire/__init__.py", "if 1:\n    x = 2", "logic in __init__"),
    ],
)
def test_a_violation_is_found(path, source, complaint):
    found = violations({path: HEADER + source + "\n"})
    assert any(complaint in line and line.startswith(f"{path}:") for line in found), found


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("errors.py", "from .constants import Role"),
        ("wire/hello.py", "from . import codec\nfrom .extensions import x\nfrom ..errors import E"),
        (
            "config.py",
            "import os\nimport time\nfrom .events import TraceEntry\nfrom .pki import trust",
        ),
        ("connection.py", "import hmac\nfrom .protocol import flow\nfrom .config import Config"),
        ("crypto/aead.py", "from cryptography.hazmat.primitives import hashes"),
        ("drive/sync.py", "import socket\nimport time\nfrom ..connection import Connection"),
        (
            "cli/main.py",
            "import argparse\nfrom .. import Connection\nfrom postshake.drive import sync",
        ),
        ("ssl/context.py", "import ssl\nfrom .options import x"),
        ("ssl/__init__.py", "from . import newer\n__all__ += newer.__all__"),
        ("__init__.py", "from .connection import x\n__version__ = '1'"),
        (
            "__init__.py",
            "if TYPE_CHECKING:\n    from ._api import x\ndef __getattr__(name):\n    pass",
        ),
        (
            "__init__.py",
            "if not TYPE_CHECKING:\n    def __getattr__(name):\n        pass",
        ),
        (
            "ssl/__init__.py",
            "if TYPE_CHECKING:\n    if sys.version_info >= (3, 12):\n        from ssl import x\n"
            "else:\n    def __getattr__(name):\n        pass",
        ),
        ("__main__.py", "from .cli.main import main"),
    ],
)
def test_what_is_allowed_passes(path, source):
    assert violations({path: HEADER + source + "\n"}) == []


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("__all__ = []\n", "no module docstring"),
        ('"""Doc."""\n', "no __all__"),
        ('"""Doc."""\n__all__ = sorted(globals())\n', "no __all__"),
    ],
)
def test_docstring_and_all_are_asked_for(source, complaint):
    assert [line for line in violations({"wire/codec.py": source}) if complaint in line]
