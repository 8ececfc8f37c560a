"""Paths in all their readings."""

from __future__ import annotations

import pytest

from postshake.web.path_guard import AmbiguousPath, PathGuard, decode_path

GUARD = PathGuard({"/admin": "admin", "/Straße/Büro": "office", "/protected files": "files"})


@pytest.mark.parametrize(
    "path",
    ["/admin", "/admin/", "/admin/x", "/ADMIN", "/Admin/x", "/admin.", "/admin. .", "/admin /x",
     "/admin;x=1/y", "/admin:stream", "/admin::$INDEX_ALLOCATION/x", "/admin?x", "/admin#x",
     "/;x/admin", "/:/admin", "/%61dmin", "/%2561dmin", "/ａｄｍｉｎ", "/ad\u200bmin",
     "/ad\u00admin", "/adm\u0131n", "/admin%2fx", "/admin+"],
)  # fmt: skip
def test_readings_of_one_path(path):
    assert GUARD.find(path) == ("admin",)


@pytest.mark.parametrize(
    "path",
    ["/straße/büro", "/STRASSE/BÜRO/x", "/Strasse/Bu\u0308ro", "/straſse/büro"],
)
def test_letters_that_somebody_takes_for_the_same(path):
    assert GUARD.find(path) == ("office",)


@pytest.mark.parametrize("path", ["/PROTEC~1", "/protec~2/x", "/PR3F1A~1", "/P~1.TXT"])
def test_short_names_of_windows(path):
    assert GUARD.find(path) == ("files",)


@pytest.mark.parametrize(
    "path",
    ["/", "", "/administration", "/adm", "/admin-x", "/x/admin", "/~admin", "/ADMIN~1", "/x~1",
     "/a b", "/100%", "/a%zz", "/wait…", "/.well-known/x", "/a..b", "/…x", "/日本/語"],
)  # fmt: skip
def test_other_paths(path):
    assert GUARD.find(path) == ()


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("//admin", "empty segment"),
        ("/x//", "empty segment"),
        ("/./x", "segment of dots"),
        ("/x/..", "segment of dots"),
        ("/x/...", "segment of dots"),
        ("/x/. /y", "segment of dots"),
        ("/x/%2e%2e/y", "segment of dots"),
        ("/x/..;y/z", "segment of dots"),
        ("/x/\uff0e\uff0e/y", "segment of dots"),
        ("/x/.\u200d./y", "segment of dots"),
        ("/\u200d/x", "empty segment"),
        ("/x\\y", "backslash"),
        ("/x%5cy", "backslash"),
        ("/x\uff3cy", "read as a slash"),
        ("/x\uff0fy", "read as a slash"),
        ("/x\uff05y", "read as a slash"),
        ("/x\n", "control character"),
        ("/x\x00", "control character"),
        ("/x\x85", "control character"),
        ("/x\u2028", "control character"),
        ("/x%00", "control character"),
        ("/x\udc80", "control character"),
        ("/x\ufffd", "no UTF-8"),
        ("/x%ff", "no UTF-8"),
        ("/x%c0%ae", "no UTF-8"),
        ("x", "begin with a slash"),
        ("http://x/y", "begin with a slash"),
        ("*", "begin with a slash"),
        ("/%25252525252561", "too many times"),
    ],
)
def test_paths_that_are_refused(path, why):
    with pytest.raises(AmbiguousPath, match=why):
        GUARD.find(path)


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/a%20b?x=//y", "/a b"),
        (b"http://localhost:443/a?b", "/a"),
        (b"https://localhost", "/"),
        (b"/caf%C3%A9", "/café"),
        (b"/%EF%BF%BD", "/\ufffd"),  # which is a letter, if it was sent as one
    ],
)
def test_targets(raw, path):
    assert decode_path(raw) == path


@pytest.mark.parametrize(
    ("raw", "why"),
    [(b"/a%2Fb", "encoded slash"), (b"/a%5cb", "encoded slash"), (b"/a#b", "fragment"),
     (b"/\xff", "no UTF-8"), (b"/%ff", "no UTF-8"), (b"localhost:443", "begin with a slash")],
)  # fmt: skip
def test_targets_that_are_refused(raw, why):
    with pytest.raises(AmbiguousPath, match=why):
        decode_path(raw)
    with pytest.raises(AmbiguousPath, match=why):
        GUARD.find("/x", raw=raw)


def test_a_path_and_how_it_came():
    assert GUARD.find("/x", raw=b"/admin/x?y") == ("admin",)  # whoever changed it
    assert GUARD.find("/\ufffd", raw=b"/%EF%BF%BD") == ()


def test_the_longest_prefix_counts():
    guard = PathGuard({"/": "all", "/a": "a", "/a/b": "b"})
    assert guard.find("/x") == ("all",)
    assert guard.find("/a/c") == ("a",)
    assert guard.find("/a/b/c") == ("b",)


def test_a_folded_path_gets_nobody_out_of_what_is_above():
    """What is below in one reading only must not ask for less than in the other."""
    guard = PathGuard({"/": "strict", "/open": "lax"})
    assert guard.find("/open") == ("lax",)
    assert set(guard.find("/OPEN")) == {"strict", "lax"}
    assert set(guard.find("/open.")) == {"strict", "lax"}
    assert set(guard.find("/x", claims=[b"/open"])) == {"strict", "lax"}


@pytest.mark.parametrize(
    ("path", "root"),
    [("/admin", "/api"), ("/api/admin", "/api"), ("/api/admin", "/api/"), ("/apiadmin", "/api"),
     ("/x/api/admin", "/api"), ("/v1/admin", "v1"), ("/admin/x", "/admin")],
)  # fmt: skip
def test_root_paths(path, root):
    assert GUARD.find(path, roots=[root]) == ("admin",)
    assert GUARD.find(path, roots=["", "/", root, "/other"]) == ("admin",)


def test_a_prefix_with_its_root_path():
    guard = PathGuard({"/shop/admin": "admin"})
    assert guard.find("/admin", roots=["/shop"]) == ("admin",)
    assert guard.find("/shop/admin", roots=["/shop"]) == ("admin",)
    assert guard.find("/x", roots=["/shop"]) == ()


@pytest.mark.parametrize(
    "claim", [b"/admin", b"/admin?x", b"/%61dmin", b" /admin ", b"/x, /admin", b"https://x/admin/y"]
)
def test_what_a_header_says_is_the_path(claim):
    assert GUARD.find("/open", claims=[claim]) == ("admin",)


def test_what_a_header_says_is_in_front():
    assert GUARD.find("/x/admin", claims=[b"/x"]) == ("admin",)
    assert PathGuard({"/a/b": "b"}).find("/b", claims=[b"/a"]) == ("b",)
    assert GUARD.find("/open", claims=[b"/x"]) == ()
    for claim in (b"/x/..", b"//x", b"x", b"/%2f"):
        with pytest.raises(AmbiguousPath):
            GUARD.find("/open", claims=[claim])


def test_what_costs_too_much_is_refused():
    many = b",".join(b"/x%d" % each for each in range(2000))
    with pytest.raises(AmbiguousPath, match="too many ways"):
        GUARD.find("/x" * 3000, claims=[many])
    with pytest.raises(AmbiguousPath, match="too many ways"):
        GUARD.find("/x", roots=[f"/{each}" for each in range(2000)])
    with pytest.raises(AmbiguousPath, match="too long"):
        GUARD.find("/x" * 4001)
    with pytest.raises(AmbiguousPath, match="too long"):
        decode_path(b"/%41" * 10_000)
    with pytest.raises(AmbiguousPath, match="too many marks"):
        GUARD.find("/x" + "\u0316\u0301" * 3000)  # which take turns when they are put in order
    assert GUARD.find("/x" * 4000) == ()
    assert GUARD.find("/admin" + "\u0301" * 30) == ()


def test_an_index_is_its_folder():
    guard = PathGuard({"/a/index.html": "index", "/INDEX.HTM": "root"})
    assert guard.find("/a/index.html") == guard.find("/a/") == guard.find("/A") == ("index",)
    assert guard.find("/a/x") == ()
    assert guard.find("/") == guard.find("") == ("root",)


def test_each_value_is_found_once():
    guard = PathGuard(dict.fromkeys(["/a", "/A/b"], "same"))
    assert guard.find("/a/B") == ("same",)
    assert guard.prefixes == ("/a", "/A/b")
    assert not PathGuard({})


@pytest.mark.parametrize(
    "prefix", ["", "admin", "//a", "/a//b", "/a/../b", "/.", "/a\n", "/a\\b", "/%61", "/a?b", "/a#"]
)
def test_what_cannot_be_protected(prefix):
    with pytest.raises(ValueError, match=r"path|protect"):
        PathGuard({prefix: True})


def test_the_text_says_nothing_of_the_path():
    with pytest.raises(AmbiguousPath) as caught:
        GUARD.find("/<script>\n")
    assert "script" not in str(caught.value)
