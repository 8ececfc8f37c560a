"""The shape of the source: imports go down only, and the engine does no I/O.

The plan is drawn once, below. Everything else reads the source as a syntax tree,
so nothing is executed and an import inside a function counts as well.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
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
    sources = read_sources()
    assert sources, f"nothing found in {SOURCE}"
    found = violations(sources)
    assert not found, "\n" + "\n".join(found)


def read_sources() -> dict[str, str]:
    return {
        path.relative_to(SOURCE).as_posix(): path.read_text(encoding="utf-8")
        for path in SOURCE.rglob("*.py")
    }


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


# --- no circles, versions apart, no towers, no reaching into privates, no retired words


def module_name(path: str) -> str:
    parts = [PACKAGE, *path.removesuffix(".py").split("/")]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """Which files each file imports, inside functions and for type checkers too."""
    modules = {module_name(path): path for path in sources}
    graph: dict[str, set[str]] = {}
    for path, text in sources.items():
        graph[path] = set()
        package = [PACKAGE, *path.split("/")[:-1]]
        for node in ast.walk(ast.parse(text)):
            named: list[str] = []
            if isinstance(node, ast.Import):
                named = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    kept = package[: len(package) - node.level + 1]
                    base = ".".join([*kept, *filter(None, [node.module])])
                named = [
                    each if (each := f"{base}.{alias.name}") in modules else base
                    for alias in node.names
                ]
            graph[path] |= {modules[name] for name in named if name in modules}
        graph[path].discard(path)
    return graph


def circles(sources: Mapping[str, str]) -> list[list[str]]:
    """Files that import each other, by whatever way round (Tarjan's components)."""
    graph = imports(sources)
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(path: str) -> None:
        number[path] = lowest[path] = len(number)
        stack.append(path)
        for other in graph[path]:
            if other not in number:
                visit(other)
                lowest[path] = min(lowest[path], lowest[other])
            elif other in stack:
                lowest[path] = min(lowest[path], number[other])
        if lowest[path] == number[path]:
            at = stack.index(path)
            component, stack[at:] = stack[at:], []
            if len(component) > 1:
                found.append(sorted(component))

    for path in graph:
        if path not in number:
            visit(path)
    return found


VERSIONS = ("tls12", "tls13")
ABOVE_VERSIONS = frozenset(
    {"protocol/handshake.py", "protocol/post_handshake.py", "protocol/engine.py"}
)
"""Who knows both."""


def mixed_versions(sources: Mapping[str, str]) -> list[str]:
    """Imports from one version's folder into the other's, or from what both share."""

    def version(path: str) -> str | None:
        parts = path.split("/")
        if parts[0] != "protocol" or len(parts) < 3:
            return None
        return parts[1] if parts[1] in VERSIONS else None

    found = []
    for path, others in imports(sources).items():
        if not path.startswith("protocol/") or path in ABOVE_VERSIONS:
            continue
        found += [
            f"{path} imports {other}"
            for other in others
            if (of := version(other)) is not None and of != version(path)
        ]
    return found


class Classes:
    """The classes of all sources, and which of them are the bases of which."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self.defined: dict[str, list[tuple[str, ast.ClassDef]]] = {}
        for path, text in sources.items():
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.ClassDef):
                    self.defined.setdefault(node.name, []).append((path, node))

    def bases(self, path: str, node: ast.ClassDef) -> Iterator[tuple[str, ast.ClassDef]]:
        """Those that are ours; of several of one name that of the same file."""
        for base in node.bases:
            name = ast.unparse(base).partition("[")[0].rpartition(".")[2]
            same = [each for each in self.defined.get(name, ()) if each[1] is not node]
            here = [each for each in same if each[0] == path]
            # `ssl.SSLSocket` is another's, and the name of one of ours
            if here or (same and not isinstance(base, ast.Attribute)):
                yield (here or same)[0]


TOWERS = {
    # they take the place of the other two in one record layer, which shares what these share
    "record/tls12.py Inbound12",
    "record/tls12.py Outbound12",
}


def towers(sources: Mapping[str, str]) -> list[str]:
    """Classes with a base of ours that has a base of ours; exceptions are exempt."""
    classes = Classes(sources)
    found = set()
    for path, node in (each for same in classes.defined.values() for each in same):
        for base_path, base in classes.bases(path, node):
            if any(classes.bases(base_path, base)) and not _is_exception(classes, path, node):
                found.add(f"{path} {node.name}")
    return sorted(found)


def _is_exception(classes: Classes, path: str, node: ast.ClassDef) -> bool:
    names = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
    if any(name.endswith(("Error", "Exception")) for name in names):
        return True
    return any(_is_exception(classes, *base) for base in classes.bases(path, node))


FOREIGN = {
    # asyncio's, which has no public way to what a StreamReader holds
    "drive/asyncio/streams.py reader._buffer",
}


def private_reaches(sources: Mapping[str, str]) -> list[str]:
    """`x._name`, where `_name` is an attribute that a class of another file defines."""
    defines: dict[str, set[str]] = {}
    for path, text in sources.items():
        defines[path] = set()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                defines[path] |= set(_attributes(node))
    found = set()
    for path, text in sources.items():
        others = set().union(*(names for other, names in defines.items() if other != path))
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.Attribute) or not _is_private(node.attr):
                continue
            if isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}:
                continue
            if node.attr in others - defines[path]:
                found.add(f"{path} {ast.unparse(node)}")
    return sorted(found)


def _attributes(node: ast.ClassDef) -> Iterator[str]:
    for each in ast.walk(node):
        name = ""
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            name = each.name
        elif (
            isinstance(each, ast.Attribute)
            and isinstance(each.ctx, ast.Store)
            and ast.unparse(each.value) == "self"
        ):
            name = each.attr
        if _is_private(name):
            yield name


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


# pictures; the words of the field took their places. Some are words of the field elsewhere, as the
# inputs of path validation are, and are retired as names of files and classes alone.
# fmt: off
RETIRED = frozenset({
    "desk", "afterwards", "joint", "chores", "errands", "carrier", "owner", "teller", "shaking",
    "settling", "visit", "spool", "machine", "bear", "texts", "saved", "inputs", "below",
    "overstream", "talk",
})
# fmt: on
ELSEWHERE = frozenset({"owner", "saved", "inputs", "below"})
INPUTS = frozenset({"inputs"})  # RFC 5280's, as a class; as a file's name it said nothing
WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")


def retired_words(sources: Mapping[str, str]) -> list[str]:
    """Identifiers and file names with a retired word in them; "owner" only as a class."""
    found = set()
    for path, text in sources.items():
        names = set(path.removesuffix(".py").split("/"))
        classes = set()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                classes.add(node.name)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                names.add(node.name)
            elif isinstance(node, ast.Name):
                names.add(node.id)
            elif isinstance(node, ast.Attribute):
                names.add(node.attr)
            elif isinstance(node, ast.arg):
                names.add(node.arg)
        for name in names | classes:
            words = {word.lower() for word in WORD.findall(name)}
            narrow = name not in classes and name not in path.removesuffix(".py").split("/")
            if words & (RETIRED - ELSEWHERE if narrow else RETIRED - INPUTS):
                found.add(f"{path} {name}")
        if re.search(r"(?<!/tls)(?<!/pkcs)12\.py$", path) and not path.startswith("resumption/"):
            found.add(f"{path}: which version it is of is for its folder to say")
    return sorted(found)


def test_no_files_import_each_other():
    assert circles(read_sources()) == []


def test_the_versions_of_tls_are_apart():
    assert mixed_versions(read_sources()) == []


def test_no_class_is_cut_into_a_chain_of_bases():
    assert set(towers(read_sources())) == TOWERS


def test_nobody_reaches_into_another_s_privates():
    assert set(private_reaches(read_sources())) == FOREIGN


def test_no_retired_words():
    assert retired_words(read_sources()) == []


def kept_errors(sources: Mapping[str, str]) -> list[str]:
    """Raised variables of functions that do not let go of them.

    The exception's traceback has the frame, and the frame the exception: both keep what the
    callers have, a socket, say, until the collector comes by. ``except … as`` lets go by itself.
    """
    found = []
    for path, text in sources.items():
        for function in ast.walk(ast.parse(text)):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            arguments = function.args.args + function.args.kwonlyargs
            bound = {argument.arg for argument in arguments}
            deleted = set()
            for node in ast.walk(function):
                names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
                if isinstance(node, ast.Assign):
                    bound |= {each.id for each in node.targets if isinstance(each, ast.Name)}
                elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                    bound.add(node.target.id)
                elif isinstance(node, ast.Delete):
                    deleted |= names
            found += [
                f"{path} {function.name} raises {node.exc.id}"
                for node in ast.walk(function)
                if isinstance(node, ast.Raise)
                and isinstance(node.exc, ast.Name)
                and node.exc.id in bound - deleted
            ]
    return found


def test_who_raises_a_variable_lets_go_of_it():
    assert kept_errors(read_sources()) == []


FAULTS: list[tuple[Callable[[Mapping[str, str]], Sequence[object]], dict[str, str], str]] = [
    (circles, {"a.py": "from . import b", "b.py": "from .a import x"}, "['a.py', 'b.py']"),
    (
        circles,
        {
            "a.py": "def f():\n    from .b import x",
            "b.py": "import postshake.c.d",
            "c/d.py": "if TYPE_CHECKING:\n    from ..a import f",
        },
        "['a.py', 'b.py', 'c/d.py']",
    ),
    (
        mixed_versions,
        {"protocol/tls12/a.py": "from ..tls13 import b", "protocol/tls13/b.py": ""},
        "protocol/tls12/a.py imports protocol/tls13/b.py",
    ),
    (
        mixed_versions,
        {"protocol/link.py": "from .tls13.b import x", "protocol/tls13/b.py": ""},
        "protocol/link.py imports protocol/tls13/b.py",
    ),
    (
        towers,
        {"a.py": "class A: pass\nclass B(A): pass", "b.py": "class C(B): pass"},
        "b.py C",
    ),
    (
        private_reaches,
        {"a.py": "class A:\n    def __init__(self):\n        self._x = 1", "b.py": "a._x"},
        "b.py a._x",
    ),
    (private_reaches, {"a.py": "class A:\n    def _f(self): pass", "b.py": "a._f()"}, "b.py a._f"),
    (kept_errors, {"a.py": "def f():\n    e = E()\n    raise e from None"}, "a.py f raises e"),
    (kept_errors, {"a.py": "def f(e):\n    e.x = 1\n    raise e"}, "a.py f raises e"),
    (retired_words, {"a.py": "class Desk: pass"}, "a.py Desk"),
    (retired_words, {"a.py": "self._machine = 1"}, "a.py _machine"),
    (retired_words, {"session/saved.py": ""}, "session/saved.py saved"),
    (retired_words, {"protocol/client12.py": ""}, "protocol/client12.py"),
]


@pytest.mark.parametrize(("check", "sources", "complaint"), FAULTS)
def test_a_fault_of_the_house_is_found(check, sources, complaint):
    found = [str(each) for each in check(sources)]
    assert any(complaint in each for each in found), found


@pytest.mark.parametrize(
    "sources",
    [
        {"a.py": "from . import b", "b.py": "from .c import x", "c.py": "import a"},
        {"protocol/handshake.py": "from .tls12 import x", "protocol/tls12/x.py": "import y"},
        {"a.py": "class A: pass\nclass B(A): pass", "b.py": "class C(Exception): pass"},
        {"a.py": "class A(Exception): pass\nclass B(A): pass\nclass C(B): pass"},
        {"a.py": "class A:\n    _x = 1\n    def f(self):\n        return self._x"},
        {"resumption/session12.py": "owner = 1", "wire/tls12.py": "believe = 1"},
        {"a.py": "def f():\n    try:\n        g()\n    except E as e:\n        raise e"},
        {"a.py": "def f(e):\n    try:\n        raise e\n    finally:\n        del e"},
    ],
)
def test_a_tree_in_order_passes(sources):
    for check in (circles, mixed_versions, towers, private_reaches, retired_words, kept_errors):
        assert list(check(sources)) == []


# --- the map


def mapped_files() -> dict[str, str]:
    """The files that ARCHITECTURE.md's code map names, and what it says of each."""
    text = (SOURCE.parent.parent / "ARCHITECTURE.md").read_text(encoding="utf-8")
    section = text.partition("## Code map")[2].partition("\n## ")[0]
    folder = ""
    found: dict[str, str] = {}
    for line in section.splitlines():
        if heading := re.fullmatch(r"### `(.*)`", line):
            folder = heading[1].removeprefix(f"{PACKAGE}/")
        elif entry := re.fullmatch(r"- `([a-z0-9_]+\.py)`: (.*)", line):
            assert folder + entry[1] not in found
            found[folder + entry[1]] = entry[2]
    return found


def test_the_code_map_says_what_each_file_says_of_itself():
    assert mapped_files() == {
        path: (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
        for path, text in read_sources().items()
        if not path.endswith("__init__.py")
    }
