"""Applications of many frameworks, each with something that nobody may see unasked.

Below ``/admin`` are routes that answer SECRET, in ``/static/private`` is a file that says it.
"""

from __future__ import annotations

import functools
import re
import tempfile
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tests.web import django_site

__all__ = ["ASGI_APPLICATIONS", "PROTECTED", "WSGI_APPLICATIONS", "application"]

PROTECTED = ("/admin", "/static/private")
SECRET = b"SECRET"


@functools.cache
def site() -> Path:
    """A folder of files, one of them secret."""
    root = Path(tempfile.mkdtemp(prefix="postshake-site-"))
    (root / "private" / "inner").mkdir(parents=True)
    for name in ("private/secret.txt", "private/index.html", "private/inner/secret.txt"):
        (root / name).write_bytes(SECRET)
    (root / "open.txt").write_text("open")
    (root / "index.html").write_text("open")
    return root


# --- the worst reader


def read_at_its_worst(path: str) -> bool:
    """Whether this leads to what is protected, for who takes everything for everything."""
    for _ in range(3):
        path = unquote(path)
    path = unicodedata.normalize("NFKC", path).casefold().replace("\\", "/")
    path = re.sub(r"[\x00-\x20\x7f]+$|\x00.*", "", path, flags=re.DOTALL)
    path = re.sub(r"^[a-z]+://[^/]*", "", path)
    names: list[str] = []
    for segment in path.partition("?")[0].partition("#")[0].split("/"):
        name = "".join(each for each in segment if unicodedata.category(each)[0] != "C")
        name = re.split("[;:]", name)[0]
        if name.strip(" ") == "..":
            names = names[:-1]
        elif name := name.rstrip(". "):
            names.append(name)
    return names[:1] == ["admin"] or names[:2] == ["static", "private"]


async def worst_asgi(scope: Any, receive: Any, send: Any) -> None:
    path, root = scope["path"], scope.get("root_path", "")
    found = read_at_its_worst(path)
    if root:
        found = found or read_at_its_worst(path.split(root, 1)[-1])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": SECRET if found else b"open"})


def worst_wsgi(environ: Any, start_response: Any) -> list[bytes]:
    path = environ["PATH_INFO"].encode("latin-1").decode(errors="ignore")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [SECRET if read_at_its_worst(path) else b"open"]


# --- ASGI


def starlette_app() -> Any:
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

    async def secret(request: Any) -> PlainTextResponse:
        return PlainTextResponse(SECRET)

    return Starlette(
        routes=[
            Route("/admin", secret, methods=["GET", "POST"]),
            Route("/admin/{rest:path}", secret),
            Mount("/static", StaticFiles(directory=site(), html=True)),
        ]
    )


def starlette_files() -> Any:
    from starlette.applications import Starlette
    from starlette.routing import Mount
    from starlette.staticfiles import StaticFiles

    root = Path(tempfile.mkdtemp(prefix="postshake-files-"))
    for name in ("admin", "static/private"):
        (root / name).mkdir(parents=True)
        (root / name / "secret.txt").write_bytes(SECRET)
    return Starlette(routes=[Mount("/", StaticFiles(directory=root, html=True))])


def fastapi_app(root_path: str = "") -> Any:
    import warnings

    from fastapi import FastAPI
    from fastapi.responses import PlainTextResponse
    from fastapi.staticfiles import StaticFiles

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that its root_path goes out of use
        app = FastAPI(root_path=root_path)

    @app.get("/admin")
    @app.get("/admin/{rest:path}")
    async def secret(rest: str = "") -> PlainTextResponse:
        return PlainTextResponse(SECRET)

    app.mount("/static", StaticFiles(directory=site(), html=True))
    return app


def quart_app() -> Any:
    from quart import Quart

    app = Quart(__name__, static_folder=str(site()), static_url_path="/static")

    @app.get("/admin")
    @app.get("/admin/<path:rest>")
    async def secret(rest: str = "") -> str:
        return "SECRET"

    return app


def litestar_app() -> Any:
    from litestar import Litestar, MediaType, get
    from litestar.static_files import create_static_files_router

    @get(["/admin", "/admin/{rest:path}"], media_type=MediaType.TEXT, sync_to_thread=False)
    def secret(rest: str = "") -> str:
        return "SECRET"

    files = create_static_files_router(path="/static", directories=[site()], html_mode=True)
    return Litestar([secret, files], openapi_config=None)


def falcon_asgi() -> Any:
    import falcon.asgi

    class Secret:
        async def on_get(self, request: Any, response: Any, **parts: Any) -> None:
            response.data = SECRET

    app = falcon.asgi.App()
    app.req_options.strip_url_path_trailing_slash = True
    app.add_route("/admin", Secret())
    app.add_route("/admin/{rest:path}", Secret())
    app.add_static_route("/static", str(site()))
    return app


def prefixed_asgi() -> Any:
    """Behind a middleware that believes a header about the root path."""
    inner = starlette_app()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        root_path = dict(scope["headers"]).get(b"x-forwarded-prefix", b"").decode("latin-1")
        await inner(scope | {"root_path": root_path}, receive, send)

    return app


# --- WSGI


def flask_app() -> Any:
    from flask import Flask, send_from_directory

    app = Flask(__name__, static_folder=None)

    @app.get("/admin", strict_slashes=False)
    @app.get("/admin/<path:rest>")
    def secret(rest: str = "") -> str:
        return "SECRET"

    @app.get("/static/<path:name>")
    def static(name: str) -> Any:
        return send_from_directory(site(), name)

    return app


def bottle_app() -> Any:
    import bottle

    app = bottle.Bottle()

    @app.get("/admin")
    @app.get("/admin/<rest:path>")
    def secret(rest: str = "") -> str:
        return "SECRET"

    @app.get("/static/<name:path>")
    def static(name: str) -> Any:
        return bottle.static_file(name, root=str(site()))

    return app


def falcon_wsgi() -> Any:
    import falcon

    class Secret:
        def on_get(self, request: Any, response: Any, **parts: Any) -> None:
            response.data = SECRET

    app = falcon.App()
    app.req_options.strip_url_path_trailing_slash = True
    app.add_route("/admin", Secret())
    app.add_route("/admin/{rest:path}", Secret())
    app.add_static_route("/static", str(site()))
    return app


def pyramid_app() -> Any:
    """By routes."""
    from pyramid.config import Configurator
    from pyramid.response import Response

    config = Configurator()
    for name, pattern in (("admin", "/admin"), ("below", "/admin/*rest")):
        config.add_route(name, pattern)
        config.add_view(lambda request: Response(SECRET), route_name=name)
    config.add_static_view("static", str(site()))
    return config.make_wsgi_app()


def pyramid_traversal() -> Any:
    """By traversal of resources, for which a header may say where to begin."""
    from pyramid.config import Configurator
    from pyramid.response import Response

    class Admin(dict[str, Any]): ...

    config = Configurator(root_factory=lambda request: {"admin": Admin(x=Admin())})
    config.add_view(lambda request: Response(SECRET), context=Admin)
    return config.make_wsgi_app()


def whitenoise_app(*, autorefresh: bool) -> Any:
    from whitenoise import WhiteNoise

    def missing(environ: Any, start_response: Any) -> list[bytes]:
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"no"]

    return WhiteNoise(
        missing, root=str(site()), prefix="static/", autorefresh=autorefresh, index_file=True
    )


def prefixed_wsgi() -> Any:
    """Behind a middleware that believes a header, after a recipe that went round."""
    inner = flask_app()

    def app(environ: Any, start_response: Any) -> Any:
        prefix = environ.get("HTTP_X_SCRIPT_NAME", "")
        if prefix and environ["PATH_INFO"].startswith(prefix):
            environ["SCRIPT_NAME"] = prefix
            environ["PATH_INFO"] = environ["PATH_INFO"][len(prefix) :]
        return inner(environ, start_response)

    return app


def rewritten_wsgi() -> Any:
    """Behind a middleware that believes a header about all of the path."""
    inner = flask_app()

    def app(environ: Any, start_response: Any) -> Any:
        path = environ.get("HTTP_X_ORIGINAL_URL") or environ["PATH_INFO"]
        return inner(environ | {"PATH_INFO": unquote(path.partition("?")[0])}, start_response)

    return app


ASGI_APPLICATIONS: dict[str, Callable[[], Any]] = {
    "worst": lambda: worst_asgi,
    "Starlette": starlette_app,
    "StaticFiles": starlette_files,
    "FastAPI": fastapi_app,
    "FastAPI with a root path": lambda: fastapi_app("/api"),
    "Quart": quart_app,
    "Litestar": litestar_app,
    "Django": django_site.asgi,
    "Falcon": falcon_asgi,
    "a header for the root path": prefixed_asgi,
}
WSGI_APPLICATIONS: dict[str, Callable[[], Any]] = {
    "worst": lambda: worst_wsgi,
    "Flask": flask_app,
    "Django": django_site.wsgi,
    "Falcon": falcon_wsgi,
    "Bottle": bottle_app,
    "Pyramid": pyramid_app,
    "Pyramid's traversal": pyramid_traversal,
    "a header for SCRIPT_NAME": prefixed_wsgi,
    "a header for the path": rewritten_wsgi,
    "whitenoise": lambda: whitenoise_app(autorefresh=False),
    "whitenoise, looking each time": lambda: whitenoise_app(autorefresh=True),
}


@functools.cache
def application(kind: str, name: str) -> Any:
    """Make an application, once."""
    return (ASGI_APPLICATIONS if kind == "ASGI" else WSGI_APPLICATIONS)[name]()
