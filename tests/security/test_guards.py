"""A protected path is asked for, however it is spelled.

"**What is protected is asked for, however it is spelled.** With `StepUp(protect=...)`, in ASGI
and WSGI, and with `postshake serve --protect`, a request that an application would serve as
something protected is answered by asking for a certificate, or with 400. A guard compares what
will be served, or refuses; spelling is never authority." (SECURITY.md)
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from postshake.web import Policy, StepUp
from postshake.web.wsgi import StepUp as WSGIStepUp
from tests.web.applications import (
    ASGI_APPLICATIONS,
    PROTECTED,
    WSGI_APPLICATIONS,
    application,
)
from tests.web.exchange import ASGI_SERVERS, WSGI_SERVERS, exchange

# what frameworks do with their files is theirs
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:pkg_resources is deprecated"),  # Pyramid's
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ASKED_OR_REFUSED = (400, 403)
APPLICATIONS = [("ASGI", name) for name in ASGI_APPLICATIONS]
APPLICATIONS += [("WSGI", name) for name in WSGI_APPLICATIONS]
EACH = pytest.mark.parametrize(
    ("kind", "name"), APPLICATIONS, ids=[f"{kind}-{name}" for kind, name in APPLICATIONS]
)
SERVERS = {"ASGI": list(ASGI_SERVERS), "WSGI": list(WSGI_SERVERS)}

PLAIN = ["/admin", "/admin/x", "/admin/secret.txt", "/static/private/secret.txt"]


def guarded(kind, app):
    step_up = StepUp if kind == "ASGI" else WSGIStepUp
    return step_up(app, protect=dict.fromkeys(PROTECTED, Policy(within=1)))


def check(kind, name, server, target, **options):
    """Ask with the guard and without; return whether the application served it without."""
    app = application(kind, name)
    status, body = exchange(server, guarded(kind, app), target, **options)
    assert b"SECRET" not in body, (server, target, options)
    served = b"SECRET" in exchange(server, app, target, **options)[1]
    if served:
        assert status in ASKED_OR_REFUSED, (server, target, options, status)
    return served


# --- known ways around

KNOWN = [
    b"/admin",
    b"/admin/",
    b"/admin/x",
    b"/ADMIN",
    b"/Admin/x",
    b"/%61dmin",
    b"//admin",
    b"///admin",
    b"/./admin",
    b"/x/../admin",
    b"/admin/x/../x",
    b"/%2fadmin",
    b"/%2e/admin",
    b"/x/%2e%2e/admin",
    b"/%252e/admin",
    b"/%2561dmin",
    b"/x%252f..%252fadmin",
    b"/admin%0a",
    b"/admin%0d",
    b"/admin%00",
    b"/admin%09",
    b"/admin%20",
    b"/admin.",
    b"/admin;x=1",
    b"/;x/admin",
    b"/x/..;/admin",
    b"/admin%3fx",
    b"/admin%23x",
    b"/admin#x",
    b"/admin::$DATA",
    b"/admin?x",
    b"/x\\..\\admin",
    b"/%5cadmin",
    b"/%c0%aeadmin",
    b"/%c0%ae%c0%ae/admin",
    b"/%ffadmin",
    b"/ad%ffmin",
    b"/%ef%bd%81dmin",  # a fullwidth a
    b"/%ef%bc%8fadmin",  # a fullwidth slash
    b"/ad%e2%80%8bmin",  # a space of no width
    b"/ad%c2%admin",
    b"http://localhost/admin",
    b"http://localhost:443//admin",
    b"localhost:443",
    b"admin",
    b"*",
    b"/api/admin",
    b"/apiadmin",
    b"/x/api/admin",
    b"/static/private/secret.txt",
    b"/static//private/secret.txt",
    b"/static/./private/secret.txt",
    b"/static/x/../private/secret.txt",
    b"/static/%2e/private/secret.txt",
    b"/static/%2fprivate/secret.txt",
    b"/static%2fprivate/secret.txt",
    b"/static/private%2fsecret.txt",
    b"/static/PRIVATE/secret.txt",
    b"/static/private./secret.txt",
    b"/static/private",
    b"/static/private/",
    b"/static/private/inner/../secret.txt",
    b"/STATIC/private/secret.txt",
    b"//static/private/secret.txt",
    b"/static/%70rivate/secret.txt",
    b"/static/\\private\\secret.txt",
    b"/static/private/secret.txt/",
    b"/static/private/secret.txt%00.png",
]
# Spellings other than the plain ones that each application does serve, so that a guard which
# refuses nothing fails here.
SERVED_BY = {
    ("ASGI", "Starlette"): [b"/admin%0a", b"/static//private/secret.txt"],
    ("ASGI", "FastAPI"): [b"/admin%0a", b"/static/x/../private/secret.txt"],
    ("ASGI", "FastAPI with a root path"): [b"/api/admin"],
    ("ASGI", "StaticFiles"): [b"//static/private/secret.txt", b"/static/%2fprivate/secret.txt"],
    ("ASGI", "Quart"): [b"//admin"],
    ("ASGI", "Litestar"): [b"//admin", b"///admin"],
    ("ASGI", "Django"): [b"/static/x/../private/secret.txt"],
    ("ASGI", "Falcon"): [b"/static/x/../private/secret.txt"],
    ("WSGI", "Flask"): [b"/static/x/../private/secret.txt"],
    ("WSGI", "Django"): [b"/static//private/secret.txt"],
    ("WSGI", "Bottle"): [b"/static//private/secret.txt", b"/ad%ffmin"],
    ("WSGI", "Pyramid"): [b"/static/./private/secret.txt", b"/admin%0a"],
    ("WSGI", "Pyramid's traversal"): [b"/x/../admin", b"/./admin"],
}


@EACH
def test_known_ways_around(kind, name):
    served = {
        target for target in KNOWN for server in SERVERS[kind] if check(kind, name, server, target)
    }
    assert served & {each.encode() for each in PLAIN}, "the test asks for nothing that there is"
    assert served >= set(SERVED_BY.get((kind, name), []))


@EACH
@pytest.mark.parametrize("root_path", ["/api", "/api/v1", "/admin"])
def test_below_a_root_path(kind, name, root_path):
    served = set()
    for server in SERVERS[kind]:
        for target in (*KNOWN, *(root_path.encode() + each for each in KNOWN[:8])):
            if check(kind, name, server, target, root_path=root_path):
                served.add(target)
    if name not in ("FastAPI with a root path", "a header for the root path"):
        assert served, "the test asks for nothing that there is"


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS", "DELETE", "PROPFIND"])
@EACH
def test_methods_are_no_way_around(kind, name, method):
    overriding = [("X-HTTP-Method-Override", "GET"), ("X-Method-Override", "GET")]
    for server in SERVERS[kind]:
        app = guarded(kind, application(kind, name))
        for headers in ((), overriding):
            status, _ = exchange(server, app, b"/admin", method=method, headers=headers)
            assert status == 403, (server, method, headers)


@pytest.mark.parametrize(
    ("kind", "name", "target", "header"),
    [
        ("WSGI", "Pyramid's traversal", b"/x", ("X-Vhm-Root", "/admin")),
        ("WSGI", "a header for SCRIPT_NAME", b"/x/admin", ("X-Script-Name", "/x")),
        ("WSGI", "a header for SCRIPT_NAME", b"/xadmin/x", ("X-Script-Name", "/x")),
        ("WSGI", "a header for the path", b"/open", ("X-Original-URL", "/admin?x")),
        ("WSGI", "a header for the path", b"/open", ("X-Original-URL", "/%61dmin")),
        ("ASGI", "a header for the root path", b"/x/admin", ("X-Forwarded-Prefix", "/x")),
    ],
)
def test_headers_that_say_what_the_path_is(kind, name, target, header):
    served = [
        check(kind, name, server, target, headers=[header])
        for server in SERVERS[kind]
        if not (server == "cheroot" and b"xadmin" in target)  # whose path it is not then
    ]
    assert any(served)


# --- any way around that can be put together

SLASHES = ["/", "//", "/./", "/x/../", "%2f", "%2F", "%252f", "%5c", "\\", ";/", "/;x/",
           "/%20/", "/%2e/", "/x/%2e%2e/", "/x/..;/", "%ef%bc%8f", "%c0%af", "/%e2%80%8b/",
           "%00/"]  # fmt: skip
ENDS = ["", "/", "//", "/.", ".", "..", "%20", "%0a", "%0d%0a", "%00", "%09", "%ff", ";x", "#x",
        "?x", "?/../x", "%3fx", "%23", "::$DATA", "+", "%e2%80%8b", "%c2%a0", "%c0%ae",
        "/..;/", "/x/..", "/%2e%2e/x"]  # fmt: skip
FRONTS = ["", "", "", "/", "/x/..", "/.", "http://localhost", "http://localhost:443/", "https:",
          "/api", "/x/api", "api", "/static/..", "/%2e", "/\\", "%2f", "/x/%2e%2e"]  # fmt: skip
HEADERS = [(), (), [("X-Script-Name", "/x")], [("X-Forwarded-Prefix", "/x,/api")],
           [("X-Vhm-Root", "/admin")], [("X-Original-URL", "/admin")]]  # fmt: skip


def spelled(letter):
    """Ways to write one letter of a path."""
    code = letter.encode()[0]
    wide = chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter
    return st.sampled_from(
        [
            *[letter] * 12,
            letter.upper(),
            f"%{code:02x}",
            f"%{code:02X}",
            f"%25{code:02x}",
            f"%2525{code:02x}",
            f"%{0xC0 | code >> 6:02x}%{0x80 | code & 0x3F:02x}",  # overlong
            quote(wide),
            f"{letter}%e2%80%8d",
            f"{letter}%ff",
        ]
    )


@st.composite
def targets(draw):
    plain = draw(st.sampled_from(PLAIN))
    written = draw(st.sampled_from(FRONTS))
    for letter in plain:
        common = draw(st.integers(0, 2)) > 0
        if letter == "/":
            written += "/" if common else draw(st.sampled_from(SLASHES))
        else:
            written += letter if common else draw(spelled(letter))
    return (written + draw(st.sampled_from(ENDS))).encode()


@EACH
@given(
    target=targets(),
    which=st.integers(0, 2),
    root_path=st.sampled_from(["", "", "/api", "/x"]),
    headers=st.sampled_from(HEADERS),
)
def test_no_spelling_is_a_way_around(kind, name, target, which, root_path, headers):
    server = SERVERS[kind][which % len(SERVERS[kind])]
    check(kind, name, server, target, root_path=root_path, headers=headers)


# --- and everything else passes

SEGMENTS = st.text(
    st.characters(
        codec="utf-8",
        exclude_categories=("Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"),
        exclude_characters="/\\",
    )
    | st.sampled_from("~+@:!$&'()*,;=-._ %"),
    min_size=1,
    max_size=12,
)


async def echo_asgi(scope, receive, send):
    body = scope["path"].encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def echo_wsgi(environ, start_response):
    body = environ["PATH_INFO"].encode("latin-1")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


ECHOES = pytest.mark.parametrize(
    ("kind", "server"),
    [(kind, server) for kind, servers in SERVERS.items() for server in servers],
)


@ECHOES
@given(st.lists(SEGMENTS, min_size=1, max_size=4), st.sampled_from(["", "/", "?q=/../%2f", "?"]))
def test_ordinary_paths_pass(kind, server, segments, end):
    for segment in segments:
        # a name of dots or spaces is not ordinary, nor one that is a path to somebody
        compatible = unicodedata.normalize("NFKC", segment)
        assume(not set("/\\%") & set(compatible) - set(segment))
        assume(re.split("[;:?#]", compatible)[0].strip(". "))
    path = "/shop/" + "/".join(segments)
    target = quote(path, safe="/~+@:!$&'()*,;=-._") + end
    app = guarded(kind, echo_asgi if kind == "ASGI" else echo_wsgi)
    status, body = exchange(server, app, target.encode())
    assert status == 200, target
    assert body.decode() == path + ("/" if end == "/" else "")


@pytest.mark.parametrize(
    "target",
    ["/", "/shop", "/shop/", "/a%20b/c.tar.gz", "/~alice/", "/a+b", "/@alice", "/10:30", "/%25",
     "/100%25/x", "/caf%C3%A9", "/%E6%97%A5%E6%9C%AC", "/.well-known/acme", "/a;v=1", "/a,b(c)!",
     "/administration", "/admins/x", "/shop/admin", "/static/private.txt", "/static/open.txt",
     "/x/static/private/y", "/a..b/...c", "/%F0%9F%99%82", "/wait%E2%80%A6", "/a%3Fb", "/c%23",
     "/adm", "/?next=//admin/../x"],
)  # fmt: skip
@ECHOES
def test_ordinary_paths_pass_examples(kind, server, target):
    app = guarded(kind, echo_asgi if kind == "ASGI" else echo_wsgi)
    assert exchange(server, app, target.encode())[0] == 200


# --- websockets, and what is no request at all


def open_websocket(app, path, **more):
    """Return what an application answers to a handshake."""
    sent, received = [], [{"type": "websocket.disconnect"}, {"type": "websocket.connect"}]

    async def receive():
        return received.pop()

    async def send(message):
        sent.append(message)

    scope = {"type": "websocket", "path": path, "raw_path": None, "headers": [], **more}
    asyncio.run(app(scope, receive, send))
    return sent


async def accept(scope, receive, send):
    await send({"type": "websocket.accept"})


def test_websockets_are_guarded_alike():
    app = guarded("ASGI", accept)
    denial: dict[str, dict[str, str]] = {"websocket.http.response": {}}
    for path in ("/admin", "/Admin/x", "/admin;x", "/static/private/x"):
        assert open_websocket(app, path)[0]["code"] == 1008
        assert open_websocket(app, path, extensions=denial)[0]["status"] == 403
    for path in ("//admin", "/x/../admin", "/admin\n", "admin", "/\\admin", "/x\ufffd"):
        assert open_websocket(app, path)[0]["code"] == 1008
        assert open_websocket(app, path, extensions=denial)[0]["status"] == 400
    assert open_websocket(app, "/y", raw_path=b"/%2fy")[0]["type"] == "websocket.close"
    assert open_websocket(app, "/api/admin", root_path="/api")[0]["type"] == "websocket.close"
    assert open_websocket(app, "/chat") == [{"type": "websocket.accept"}]


def test_what_is_neither_http_nor_a_websocket_is_not_served():
    async def anything(scope, receive, send):
        await send({"type": "served"})

    sent = []

    async def send(message):
        sent.append(message)

    with pytest.raises(ValueError, match="webtransport"):
        asyncio.run(guarded("ASGI", anything)({"type": "webtransport"}, None, send))
    asyncio.run(guarded("ASGI", anything)({"type": "lifespan"}, None, send))
    asyncio.run(StepUp(anything)({"type": "webtransport"}, None, send))
    assert len(sent) == 2


def test_a_mounted_step_up_knows_where_it_is():
    from starlette.applications import Starlette
    from starlette.routing import Mount

    inner = guarded("ASGI", application("ASGI", "Starlette"))
    for app in (Starlette(routes=[Mount("/shop", inner)]), Mount("/shop", inner)):
        for server in SERVERS["ASGI"]:
            assert exchange(server, app, b"/shop/admin")[0] == 403
            assert exchange(server, app, b"/shop//admin")[0] == 400
            assert exchange(server, app, b"/shop/static/open.txt")[0] == 200


@pytest.mark.parametrize("step_up", [StepUp, WSGIStepUp])
@pytest.mark.parametrize(
    "path", ["admin", "//admin", "/a/../admin", "/%61dmin", "/admin\n", "/a?b", "/a\\b", "", "/./a"]
)
def test_what_cannot_be_protected_is_refused_at_once(step_up, path):
    with pytest.raises(ValueError, match=r"path|protect"):
        step_up(None, protect={path: Policy()})
