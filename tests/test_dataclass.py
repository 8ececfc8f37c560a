"""Our value classes against the standard library's, of which they are a cheaper make."""

from __future__ import annotations

import copy
import dataclasses
import importlib
import inspect
import pickle
import pkgutil
import typing
from types import ModuleType
from typing import Any, ClassVar

import pytest

import postshake
from postshake import _dataclass

STANDARD = "the standard library's"
OURS = "ours"


def classes(make: Any, field: Any) -> dict[str, Any]:
    """The same classes, made by either."""

    @make(frozen=True, slots=True)
    class Point:
        origin: ClassVar[int] = 0
        x: int
        y: int = 2
        secret: bytes = field(default=b"", repr=False)

    @make(frozen=True, slots=True)
    class Point3(Point):
        y: int = 20
        z: list[int] = field(default_factory=list, compare=False)
        later: int | None = field(default=None, init=False)

    @make(frozen=True, slots=True, kw_only=True)
    class Named:
        name: str
        size: int = 1

        def __post_init__(self) -> None:
            if self.size < 0:
                raise ValueError(self.size)
            object.__setattr__(self, "name", self.name.upper())

    @make(slots=True)
    class Open:
        a: int
        b: list[int] = field(default_factory=list)

    @make
    class Plain:
        a: int = 1
        b: int = field(default=2)

    @make(frozen=True)
    class FrozenPlain:
        a: int = 1

    @make(slots=True, eq=False)
    class ById:
        a: int

    @make(frozen=True, slots=True, repr=False)
    class Quiet:
        a: int

        def __repr__(self) -> str:
            return "quiet"

    @make(frozen=True, slots=True)
    class Empty:
        pass

    return {name: each for name, each in locals().items() if isinstance(each, type)}


MAKERS = {
    STANDARD: classes(dataclasses.dataclass, dataclasses.field),
    OURS: classes(_dataclass.dataclass, _dataclass.field),
}


@pytest.fixture(params=MAKERS)
def made(request: pytest.FixtureRequest) -> dict[str, Any]:
    return MAKERS[request.param]


# Each test runs on both: what the standard library does is the oracle.


def test_values_are_set_by_place_name_and_default(made):
    point = made["Point"](1, secret=b"s")
    assert (point.x, point.y, point.secret, point.origin) == (1, 2, b"s", 0)
    third = made["Point3"](1, 5, b"", [3])
    assert (third.x, third.y, third.z, third.later) == (1, 5, [3], None)
    assert made["Point3"](1).y == 20
    assert made["Point3"](1).z is not made["Point3"](1).z
    assert made["Named"](name="a").name == "A"
    assert made["Plain"]().b == made["Plain"].b == 2


@pytest.mark.parametrize(
    ("name", "arguments", "keywords"),
    [
        ("Point", (), {}),
        ("Point", (1, 2, b"", 4), {}),
        ("Point", (1,), {"nothing": 1}),
        ("Point3", (1,), {"later": 1}),
        ("Named", ("a",), {}),
        ("Named", (), {"size": 1}),
        ("Empty", (1,), {}),
    ],
)
def test_wrong_arguments_are_refused(made, name, arguments, keywords):
    with pytest.raises(TypeError):
        made[name](*arguments, **keywords)


def test_post_init_is_called(made):
    with pytest.raises(ValueError, match="-1"):
        made["Named"](name="a", size=-1)


def test_equality_and_hash_go_by_the_compared_fields(made):
    point, third = made["Point"], made["Point3"]
    assert point(1) == point(1, 2)
    assert hash(point(1)) == hash(point(1, 2)) == hash((1, 2, b""))
    assert point(1) != point(2)
    assert point(1) != third(1, 2)
    assert third(1, z=[1]) == third(1, z=[2])
    assert made["Empty"]() == made["Empty"]()
    assert made["Plain"]() == made["Plain"]()
    assert made["ById"](1) != made["ById"](1)
    assert len({made["ById"](1), made["ById"](1)}) == 2
    with pytest.raises(TypeError, match="unhashable"):
        hash(made["Open"](1))


def test_repr_shows_what_it_may(made):
    assert repr(made["Point"](1, secret=b"hush")).endswith("Point(x=1, y=2)")
    assert repr(made["Open"](1)).endswith("Open(a=1, b=[])")
    assert repr(made["Empty"]()).endswith("Empty()")
    assert repr(made["Quiet"](1)) == "quiet"


def test_frozen_values_stay_as_they_are(made):
    for value, name in (
        (made["Point"](1), "x"),
        (made["Point3"](1), "z"),
        (made["FrozenPlain"](1), "a"),
    ):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, name, 3)
        with pytest.raises(dataclasses.FrozenInstanceError):
            delattr(value, name)
    open_ = made["Open"](1)
    open_.a = 5
    assert open_.a == 5


def test_slots_hold_the_fields_and_nothing_else(made):
    assert not hasattr(made["Point"](1), "__dict__")
    assert made["Point"].__slots__ == ("x", "y", "secret")
    assert made["Point3"].__slots__ == ("z", "later")
    with pytest.raises(AttributeError):
        made["Open"](1).c = 1
    assert hasattr(made["Plain"](), "__dict__")


def test_the_standard_librarys_functions_know_them(made):
    point: Any = made["Point"](1, 2, b"s")
    third: Any = made["Point3"](1, z=[4])
    assert dataclasses.is_dataclass(type(point))
    assert [each.name for each in dataclasses.fields(third)] == ["x", "y", "secret", "z", "later"]
    assert [each.type for each in dataclasses.fields(made["Named"])] == ["str", "int"]
    assert [each.kw_only for each in dataclasses.fields(made["Named"])] == [True, True]
    assert dataclasses.asdict(point) == {"x": 1, "y": 2, "secret": b"s"}
    assert dataclasses.astuple(point) == (1, 2, b"s")
    assert dataclasses.replace(point, y=3) == made["Point"](1, 3, b"s")
    assert dataclasses.replace(third, x=2).z is third.z
    with pytest.raises(ValueError, match="-5"):
        dataclasses.replace(made["Named"](name="a"), size=-5)


def test_our_replace_does_the_same():
    made = MAKERS[OURS]
    assert _dataclass.replace(made["Point"](1), y=3) == made["Point"](1, 3)
    assert _dataclass.replace(made["Point3"](1), x=2).y == 20
    with pytest.raises(TypeError):
        _dataclass.replace(made["Point"](1), nothing=1)


def test_signatures_and_hints_can_be_read(made):
    assert list(inspect.signature(made["Named"]).parameters) == ["name", "size"]
    parameters = inspect.signature(made["Point3"]).parameters
    assert list(parameters) == ["x", "y", "secret", "z"]
    assert parameters["x"].default is inspect.Parameter.empty
    assert parameters["y"].default == 20
    assert typing.get_type_hints(made["Point"].__init__)["x"] is int


def test_copies_are_equal(made):
    point = made["Point"](1, 2, b"s")
    assert copy.copy(point) == copy.deepcopy(point) == point
    assert copy.deepcopy(made["Open"](1, [2])) == made["Open"](1, [2])


def test_pickles_are_equal():
    value = postshake.Credential  # a class of the package: pickle must find it by name
    assert pickle.loads(pickle.dumps(value)) is value
    entry = postshake.events.PeerClosed(5)
    assert pickle.loads(pickle.dumps(entry)) == entry


def test_they_match_by_place(made):
    match made["Point"](1, 2):
        case _ if made["Point"].__match_args__ != ("x", "y", "secret"):
            pytest.fail("the fields in their order")
    assert made["Point3"].__match_args__ == ("x", "y", "secret", "z")
    assert made["Named"].__match_args__ == ()


def test_a_subclass_that_is_none_itself_works(made):
    point: Any = made["Point"]

    class More(point):  # type: ignore[misc]
        def total(self) -> int:
            return int(self.x + self.y)

    assert More(1, 2).total() == 3
    assert More(1) == More(1)
    assert More(1) != made["Point"](1)
    assert dataclasses.replace(More(1), y=7).total() == 8


def modules() -> list[ModuleType]:
    optional = {"postshake.__main__"}
    names = [each.name for each in pkgutil.walk_packages(postshake.__path__, "postshake.")]
    return [importlib.import_module(name) for name in names if name not in optional]


def test_every_class_of_the_package_could_be_the_standard_librarys():
    """What is written lazily can be written: of each, `__init__` and the fields."""
    found = {
        each
        for module in modules()
        for each in vars(module).values()
        if isinstance(each, type) and "__value_spec__" in vars(each)
    }
    assert len(found) > 100
    for each in found:
        given = [field.name for field in dataclasses.fields(each) if field.init]
        assert sorted(inspect.signature(each).parameters) == sorted(given)
        if not inspect.isfunction(vars(each).get("__post_init__")):
            assert inspect.isfunction(vars(each)["__init__"])
