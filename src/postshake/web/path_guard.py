"""Which protected prefixes a request's path falls below, in any reading of it.

Theory of operation
===================

A guard stands in front of an application and sees a path; what the application serves for
it, the guard does not see. Between the two lie a second decoding, a router that merges
slashes, a root path that is taken off, a file system without capitals. Whoever spells
``/admin`` so that the guard reads one thing and the application another gets in. So the
guard goes by no one spelling:

*Refuse* what readers disagree about. Empty, ``.`` and ``..`` segments, backslashes,
control characters, slashes that are percent-encoded, broken UTF-8, and paths that do not
begin with a slash, raise `AmbiguousPath`. It does not matter whether they lead anywhere.

*Compare every reading* of what is left: as it came and decoded again, with a root path and
without, as written and folded. `_fold` makes equal what some file system, framework or
platform takes for equal: capitals, Unicode's compatibility forms, trailing dots and spaces,
``;parameters``, ``:streams``, the short names of Windows. A path has the values of all
prefixes that any reading falls below. Too many readings can only ask too much.

What no comparison of names finds are other names for the same thing: a link in a folder, a
second route, a rewrite inside of the application. There the route itself must ask.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

__all__ = ["CLAIMING", "AmbiguousPath", "PathGuard", "decode_path"]

T = TypeVar("T")

DECODINGS = 4  # of one path; what still changes then is refused
READINGS = 100  # of one path; their number grows with the roots, which are few
LONGEST = 8000  # letters of a path, as many as RFC 9110, 4.1 has servers take
NON_STARTERS = 30  # in a row: to put them in order takes the square (UAX #15, stream-safe text)
# Headers by which some middleware lets a request say what its path is, or what it begins with.
# Proxies set them; to a server that ends TLS itself nobody but a stranger sends any.
CLAIMING = frozenset(
    {
        b"script-name",
        b"x-forwarded-prefix",
        b"x-original-url",
        b"x-rewrite-url",
        b"x-script-name",
        b"x-vhm-root",
    }
)
INDEXES = frozenset({"index.html", "index.htm"})  # served for the folder that holds them

# Nothing in such a path is read in more than one way, so it is compared as it is.
_PLAIN = re.compile(r"(?:/[a-z0-9_@=-]+(?:\.[a-z0-9_@=-]+)*)+/?|/")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ENCODED = re.compile(r"%[0-9a-fA-F]{2}")
_ENCODED_SLASH = re.compile(rb"%(?:2f|5c)", re.IGNORECASE)
_DOTS = re.compile(r"[. ]+")
_MARKS = re.compile(r"[;:?#].*")  # parameters (RFC 3986, 3.3), streams of NTFS, ends of a path
_AUTHORITY = re.compile(rb"[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]*")
_SHORT_NAME = re.compile(r"([^~/]{1,6})~[0-9]{1,6}(?:\.[^./]{0,3})?")
_EIGHT_AND_THREE = re.compile(r"[a-z0-9_-]{1,8}(?:\.[a-z0-9_-]{1,3})?")

Folded = tuple[str, ...]


class AmbiguousPath(Exception):
    """A path that can be read in more than one way, so that no guard can vouch for it.

    The message says what is wrong, and nothing of the path.
    """

    status = 400


class PathGuard(Generic[T]):
    """Knows what is protected, and by what.

    Args:
        protect: paths, decoded, each with what protects it and all below it.

    Raises:
        ValueError: such a path begins with no slash, or is one that would be refused.
    """

    def __init__(self, protect: Mapping[str, T]) -> None:
        self._named = tuple(protect)
        self._prefixes: list[tuple[str, Folded, T]] = []
        self._indexes: list[tuple[Folded, T]] = []
        for prefix, value in protect.items():
            folded = _prefix(prefix)
            self._prefixes.append((prefix.rstrip("/"), folded, value))
            if folded and folded[-1] in INDEXES:
                self._indexes.append((folded[:-1], value))
        self._prefixes.sort(key=lambda each: len(each[1]), reverse=True)

    @property
    def prefixes(self) -> tuple[str, ...]:
        """What is protected, as it was said."""
        return self._named

    def __bool__(self) -> bool:
        """Whether anything is protected."""
        return bool(self._prefixes)

    def find(
        self,
        path: str,
        *,
        raw: bytes | None = None,
        roots: Iterable[str] = (),
        claims: Iterable[bytes] = (),
    ) -> tuple[T, ...]:
        """Return what protects a path, all of which must be met; empty if nothing does.

        Args:
            path: as the application gets it, decoded once.
            raw: as it came, if that is known; a query after it is left aside.
            roots: prefixes that the server or the application may put in front of it, or
                take off.
            claims: what headers of the request say that its path is, or begins with, as they
                came; see `CLAIMING`.

        Raises:
            AmbiguousPath: it is not clear what it names.
        """
        _check(path, decoded=raw is None)
        readings = [path]
        if raw is not None and (came := decode_path(raw)) != path:
            readings.append(came)
        readings = _rooted(_decoded_again(readings), roots)
        if claimed := [decode_path(each) for line in claims for each in line.split(b",")]:
            readings = _rooted([*readings, *claimed], claimed)
        found: list[T] = []
        for reading in readings:
            for value in self._find(reading or "/"):
                if not any(value is each for each in found):
                    found.append(value)
        return tuple(found)

    def _find(self, path: str) -> Iterable[T]:
        """What protects one reading: by the longest prefix as written, and the longest folded.

        The longest prefix may ask for less than one above it, so that to be folded below
        it must not be enough.
        """
        for prefix, _, value in self._prefixes:
            if path == prefix or path.startswith(f"{prefix}/"):
                yield value
                break
        folded = _fold(path)
        for _, names, value in self._prefixes:
            if _starts_with(folded, names):
                yield value
                break
        for names, value in self._indexes:
            if len(folded) == len(names) and _starts_with(folded, names):
                yield value


def _prefix(prefix: str) -> Folded:
    """Fold a path that is to be protected."""
    if not prefix.startswith("/"):
        raise ValueError(f"expected a path that begins with a slash, got {prefix!r}")
    if _ENCODED.search(prefix) or "?" in prefix or "#" in prefix:
        raise ValueError(f"expected a decoded path, got {prefix!r}")
    try:
        _check(prefix, decoded=True)
        return _fold(prefix)
    except AmbiguousPath as error:
        raise ValueError(f"cannot protect {prefix!r}: {error}") from error


def _check(path: str, *, decoded: bool) -> None:
    """See that a decoded path has one structure for everybody.

    Args:
        path: this one.
        decoded: whether all that we know of it is this, after who knows which decoding.
    """
    if len(path) > LONGEST:
        raise AmbiguousPath("the path is too long")
    if _PLAIN.fullmatch(path) or not path:
        return
    if not path.startswith("/"):
        raise AmbiguousPath("the path does not begin with a slash")
    if "\\" in path:
        raise AmbiguousPath("the path has a backslash")
    if _CONTROL.search(path):
        raise AmbiguousPath("the path has a control character")
    if decoded and "\ufffd" in path:
        raise AmbiguousPath("the path is no UTF-8")
    _check_segments(path)


def _check_segments(path: str) -> None:
    *inner, last = path.split("/")[1:]
    if "" in inner:
        raise AmbiguousPath("the path has an empty segment")
    for segment in (*inner, last):
        if _DOTS.fullmatch(_MARKS.sub("", segment)):
            raise AmbiguousPath("the path has a segment of dots")


def decode_path(raw: bytes) -> str:
    """Decode the path of a request's target, as it came.

    Args:
        raw: all of the target; an authority in front and a query behind are left aside.

    Raises:
        AmbiguousPath: it can be read in more than one way.
    """
    raw = raw.partition(b"?")[0].strip(b" \t")
    if len(raw) > 3 * LONGEST:
        raise AmbiguousPath("the path is too long")
    if not raw.startswith(b"/"):
        raw = _AUTHORITY.sub(b"", raw, count=1) or b"/"  # RFC 9112, 3.2.2
    if b"#" in raw:
        raise AmbiguousPath("the request's target has a fragment")
    if _ENCODED_SLASH.search(raw):
        raise AmbiguousPath("the path has an encoded slash")
    path = _text(unquote_to_bytes(raw))
    _check(path, decoded=False)
    return path


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise AmbiguousPath("the path is no UTF-8") from error


def _decoded_again(paths: Iterable[str]) -> list[str]:
    """Add to each path what it becomes for who decodes it once more, and again."""
    readings: list[str] = []
    for path in paths:
        readings.append(path)
        for _ in range(DECODINGS):
            if not _ENCODED.search(path):
                break
            path = _text(unquote_to_bytes(path))
            _check(path, decoded=False)
            readings.append(path)
        else:
            raise AmbiguousPath("the path is encoded too many times")
    return readings


def _rooted(paths: list[str], roots: Iterable[str]) -> list[str]:
    """Add to each path what it is with each root, and without it.

    Frameworks take a root off where a path begins with it, with or without a segment's
    end behind it, or wherever it occurs first.
    """
    readings = dict.fromkeys(paths)
    for root in {each.strip("/") for each in roots} - {""}:
        for path in paths:
            if len(readings) > READINGS:
                raise AmbiguousPath("the path can be read in too many ways")
            readings[f"/{root}{_absolute(path)}"] = None
            for cut in (f"/{root}", root):
                if cut in path:
                    readings[_absolute(path.split(cut, 1)[1])] = None
    return list(readings)


def _absolute(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"


def _fold(path: str) -> Folded:
    """Return a path's segments, in a form that is the same for all that may name the same."""
    if _PLAIN.fullmatch(path):
        return tuple(filter(None, path.split("/")))
    if not path.isascii():
        path = _fold_letters(path)
    names = path.upper().casefold().replace("+", " ").split("/")
    return tuple(filter(None, (_MARKS.sub("", name).rstrip(". ") for name in names)))


def _fold_letters(path: str) -> str:
    """Fold letters that Unicode calls equal, and leave out what no one sees."""
    in_a_row = 0
    for letter in path:
        in_a_row = in_a_row + 1 if unicodedata.combining(letter) else 0
        if in_a_row > NON_STARTERS:
            raise AmbiguousPath("the path has too many marks on one letter")
    folded = unicodedata.normalize("NFKC", path).upper().casefold()
    folded = unicodedata.normalize("NFKC", folded)
    folded = "".join(each for each in folded if unicodedata.category(each) != "Cf")
    if any(folded.count(mark) != path.count(mark) for mark in "/\\%"):
        raise AmbiguousPath("the path has a character that others read as a slash")
    _check_segments(folded)
    return folded


def _starts_with(path: Folded, prefix: Folded) -> bool:
    return len(path) >= len(prefix) and all(map(_is_same, path, prefix))


def _is_same(name: str, protected: str) -> bool:
    """Whether a segment is this name, or may be its short form on Windows, ``PROTEC~1``."""
    if name == protected:
        return True
    short = _SHORT_NAME.fullmatch(name) if "~" in name else None
    if short is None or _EIGHT_AND_THREE.fullmatch(protected):
        return False  # which is short already, and has no other short form
    return short[1][0] == protected[0] or not protected.isascii()
