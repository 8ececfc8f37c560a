"""Root paths that applications take off by themselves."""

from __future__ import annotations

import warnings

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount

from postshake.web import Policy, StepUp
from postshake.web.root_paths import own_root_paths
from tests.web import django_site
from tests.web.exchange import exchange


def fastapi(root_path: str) -> FastAPI:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return FastAPI(root_path=root_path)


def test_those_of_fastapi():
    assert own_root_paths(fastapi("")) == set()
    assert own_root_paths(fastapi("/api")) == {"/api"}
    assert own_root_paths(GZipMiddleware(GZipMiddleware(fastapi("/api")))) == {"/api"}
    mounted = Starlette(routes=[Mount("/v1", fastapi("/a")), Mount("/v2", app=fastapi("/b"))])
    assert own_root_paths(mounted) == {"/a", "/b"}


def test_what_goes_in_circles():
    app = Starlette()
    app.mount("/again", app)
    app.mount("/api", fastapi("/x"))
    assert own_root_paths(app) == {"/x"}


def test_that_of_django():
    from django.test import override_settings

    app = django_site.asgi()
    assert own_root_paths(app) == set()
    with override_settings(FORCE_SCRIPT_NAME="/api"):
        assert own_root_paths(app) == {"/api"}
        guarded = StepUp(app, protect={"/admin": Policy()})
        for server in ("uvicorn-h11", "hypercorn"):
            assert exchange(server, app, b"/api/admin/x") == (200, b"SECRET")
            assert exchange(server, guarded, b"/api/admin/x")[0] == 403


def test_one_that_nobody_can_know():
    async def app(scope, receive, send):
        scope["path"] = scope["path"].removeprefix("/hidden")
        body = b"SECRET" if scope["path"] == "/admin" else b"open"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    guarded = StepUp(app, protect={"/admin": Policy()}, root_paths=["/hidden"])
    assert exchange("hypercorn", guarded, b"/hidden/admin")[0] == 403
    assert exchange("hypercorn", guarded, b"/hidden/x")[0] == 200
