"""Dataclasses that cost next to nothing until they are used.

`dataclass`, `field` and `replace` here are those of the standard library, to people and
to type checkers; `dataclasses.fields`, ``match`` and `inspect.signature` work as ever. Only
their cost differs. The standard library's writes and compiles six methods for each
class when it is defined, a third of a millisecond, for some 130 classes, of which a
process uses a part. Processor time of ``postshake.Connection`` in a new process, after
``cryptography``, the best of 25 in turn on one machine (Python 3.11): 42.4 ms with this,
99.2 ms with the standard library's. This one

- writes ``__init__`` when a class is first called, and there sets each field of a frozen
  class through its slot, which takes half the time of ``object.__setattr__``;
- shares all other methods among the classes: what differs is a tuple of names.

What we do not use is missing: ``order``, ``unsafe_hash``, ``InitVar``, a default that is a
descriptor, a repr that may contain itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from operator import attrgetter
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any, NoReturn

__all__ = ["dataclass", "field", "replace"]

if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
else:

    def dataclass(cls=None, /, *, frozen=False, slots=False, kw_only=False, repr=True, eq=True):
        """Make a class of values, as `dataclasses.dataclass` does."""
        options = {"frozen": frozen, "repr": repr, "eq": eq}
        if cls is None:
            return lambda cls: _make(cls, slots, kw_only, options)
        return _make(cls, slots, kw_only, options)

    def field(**options):
        """Say more about a field than its type, as `dataclasses.field` does."""
        return _Field(**options)

    def replace(value, /, **changes):
        """Return a copy in which some fields differ, as `dataclasses.replace` does."""
        for name, each in value.__value_spec__.fields.items():
            if name not in changes and each.init:
                changes[name] = getattr(value, name)
        return value.__class__(**changes)


_MISSING: Any = object()


class _Field:
    """What a class says of one field."""

    __slots__ = ("annotation", "compare", "default", "default_factory", "init", "kw_only", "repr")

    def __init__(
        self,
        *,
        default: Any = _MISSING,
        default_factory: Any = _MISSING,
        init: bool = True,
        repr: bool = True,
        compare: bool = True,
    ) -> None:
        self.annotation = ""
        self.default = default
        self.default_factory = default_factory
        self.init = init
        self.repr = repr
        self.compare = compare
        self.kw_only = False

    def for_stdlib(self) -> Any:
        """Say the same to the standard library."""
        import dataclasses

        options: dict[str, Any] = {
            name: getattr(self, name) for name in ("init", "repr", "compare", "kw_only")
        }
        for name in ("default", "default_factory"):
            if getattr(self, name) is not _MISSING:
                options[name] = getattr(self, name)
        return dataclasses.field(**options)


class _Spec:
    """What the shared methods must know of a class."""

    __slots__ = ("compared", "fields", "options", "owner", "shown")

    def __init__(self, fields: dict[str, _Field], options: dict[str, bool]) -> None:
        self.fields = fields
        self.options = options
        self.shown = tuple([name for name, each in fields.items() if each.repr])
        self.compared = _getter([name for name, each in fields.items() if each.compare])
        self.owner: type = object


def _getter(names: list[str]) -> Callable[[Any], Any]:
    """Return what gets the tuple of these attributes."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple([getattr(value, name) for name in names])


def _make(cls: type, slots: bool, kw_only: bool, options: dict[str, bool]) -> type:
    fields: dict[str, _Field] = {}
    for base in cls.__mro__[:0:-1]:
        inherited = base.__dict__.get("__value_spec__")
        if inherited is not None:
            fields.update(inherited.fields)
    namespace = dict(cls.__dict__)
    inherited_names = tuple(fields)
    for name, annotation in cls.__annotations__.items():
        if annotation.startswith("ClassVar"):
            continue
        default = namespace.get(name, _MISSING)
        each = default if type(default) is _Field else _Field(default=default)
        each.annotation = annotation
        each.kw_only = kw_only
        namespace.pop(name, None)
        if not slots and each.default is not _MISSING:
            namespace[name] = each.default
        fields[name] = each
    spec = _Spec(fields, options)
    namespace.update(
        __value_spec__=spec,
        __dataclass_fields__=_Standard("__dataclass_fields__"),
        __dataclass_params__=_Standard("__dataclass_params__"),
        __match_args__=tuple([n for n, f in fields.items() if f.init and not f.kw_only]),
        __replace__=replace,
    )
    for name, method in _methods(**options):
        namespace.setdefault(name, method)
    if options["eq"] and "__eq__" not in cls.__dict__:
        namespace["__hash__"] = _hash if options["frozen"] else None
    if slots:
        own = cls.__annotations__.keys() & fields.keys() - set(inherited_names)
        namespace["__slots__"] = tuple([name for name in fields if name in own])
    namespace.pop("__dict__", None)
    namespace.pop("__weakref__", None)
    # slots must be there from the beginning, so the class is made a second time
    made = type(cls)(cls.__name__, cls.__bases__, namespace)
    made.__qualname__ = cls.__qualname__
    spec.owner = made
    return made


def _methods(*, frozen: bool, repr: bool, eq: bool) -> list[tuple[str, object]]:
    methods: list[tuple[str, object]] = [("__init__", _FirstInit())]
    if repr:
        methods.append(("__repr__", _repr))
    if eq:
        methods.append(("__eq__", _eq))
    if frozen:
        methods += _FROZEN
    return methods


class _Standard:
    """An attribute by which `dataclasses` knows its classes, made when it is asked for."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, value: object, cls: type) -> Any:
        import dataclasses

        spec: _Spec = cls.__value_spec__  # type: ignore[attr-defined]
        rows = [(name, each.annotation, each.for_stdlib()) for name, each in spec.fields.items()]
        options: Any = spec.options
        model = dataclasses.make_dataclass(cls.__name__, rows, **options)
        made = getattr(model, self._name)
        setattr(spec.owner, self._name, made)
        return made


class _FirstInit:
    """Stands for a class's ``__init__`` until it is first wanted, and then writes it."""

    __slots__ = ()

    def __get__(self, value: object, cls: type) -> Any:
        # `inspect` of Python 3.13 asks as if the class were an object of its own
        owner: Any = value if isinstance(value, type) else cls
        spec: _Spec = owner.__value_spec__
        method = _write_init(spec)
        spec.owner.__init__ = method  # type: ignore[misc]
        return method if value is None else method.__get__(value, cls)


def _write_init(spec: _Spec) -> Callable[..., None]:
    cls, frozen = spec.owner, spec.options["frozen"]
    known: dict[str, Any] = {"missing": _MISSING, "set_attribute": object.__setattr__}
    positional: list[str] = []
    keywords: list[str] = []
    body: list[str] = []
    for name, each in spec.fields.items():
        source = name
        parameter = name
        if each.default is not _MISSING:
            known[f"default_{name}"] = each.default
            parameter += f"=default_{name}"
        elif each.default_factory is not _MISSING:
            known[f"make_{name}"] = each.default_factory
            parameter += "=missing"
            source = f"make_{name}() if {name} is missing else {name}"
        if each.init:
            (keywords if each.kw_only else positional).append(parameter)
        elif each.default is not _MISSING:
            source = f"default_{name}"
        else:
            source = f"make_{name}()"
        slot = getattr(cls, name, None)
        if not frozen:
            body.append(f"self.{name} = {source}")
        elif isinstance(slot, MemberDescriptorType):
            known[f"set_{name}"] = slot.__set__
            body.append(f"set_{name}(self, {source})")
        else:
            body.append(f"set_attribute(self, {name!r}, {source})")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    parameters = ", ".join(["self", *positional, *(["*", *keywords] if keywords else [])])
    lines = "\n  ".join(body or ["pass"])
    made: dict[str, Any] = {}
    exec(  # the names of fields are all that goes in
        f"def write({', '.join(known)}):\n"
        f" def __init__({parameters}):\n  {lines}\n"
        " return __init__",
        sys.modules[cls.__module__].__dict__,
        made,
    )
    method: Callable[..., None] = made["write"](**known)
    method.__qualname__ = f"{cls.__qualname__}.__init__"
    method.__annotations__ = {
        name: each.annotation for name, each in spec.fields.items() if each.init
    } | {"return": None}
    return method


def _repr(self: Any) -> str:
    shown = ", ".join([f"{name}={getattr(self, name)!r}" for name in self.__value_spec__.shown])
    return f"{self.__class__.__qualname__}({shown})"


def _eq(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    compared = self.__value_spec__.compared
    return compared(self) == compared(other)


def _hash(self: Any) -> int:
    return hash(self.__value_spec__.compared(self))


def _refuse_set(self: object, name: str, value: object) -> NoReturn:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_delete(self: object, name: str) -> NoReturn:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _get_state(self: Any) -> list[Any]:
    return [getattr(self, name) for name in self.__value_spec__.fields]


def _set_state(self: Any, state: list[Any]) -> None:
    for name, value in zip(self.__value_spec__.fields, state, strict=True):
        object.__setattr__(self, name, value)


_FROZEN: list[tuple[str, object]] = [
    ("__setattr__", _refuse_set),
    ("__delattr__", _refuse_delete),
    ("__getstate__", _get_state),
    ("__setstate__", _set_state),
]
