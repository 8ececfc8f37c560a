"""Forms that are posted to routes which ask, in frameworks that bind the body early."""

from __future__ import annotations

import ssl as standard
from typing import Any

import pytest

from postshake.web import Policy
from postshake.web.wsgi import StepUp, reauth
from tests.web import django_site
from tests.web.test_asgi import MODULES, visit
from tests.web.test_wsgi import serving

pytestmark = [
    # cheroot answers 500 to whoever hung up, into a file that it has closed
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:pkg_resources is deprecated"),  # Pyramid's
]


# Each has a route /pay that asks and then looks at the form, and a route /late that does it the
# other way round.


def flask_app() -> Any:
    from flask import Flask, request

    app = Flask(__name__)

    @app.post("/pay")
    def pay() -> str:
        stream = request.stream  # bound before anybody is asked
        who = reauth(request.environ, within=20)
        assert request.stream is stream
        return f"{who.common_name} pays {request.form.get('amount')}"

    @app.post("/late")
    def late() -> str:
        amount = request.form.get("amount")
        return f"{reauth(request.environ, within=20).common_name} pays {amount}"

    return app


def falcon_app() -> Any:
    import falcon

    class Pay:
        def on_post(self, request: Any, response: Any) -> None:
            stream = request.bounded_stream
            who = reauth(request.env, within=20)
            form = falcon.util.uri.parse_query_string(stream.read().decode())
            response.text = f"{who.common_name} pays {form.get('amount')}"

    class Late:
        def on_post(self, request: Any, response: Any) -> None:
            form = request.get_media()
            who = reauth(request.env, within=20)
            response.text = f"{who.common_name} pays {form.get('amount')}"

    app = falcon.App()
    app.add_route("/pay", Pay())
    app.add_route("/late", Late())
    return app


def bottle_app() -> Any:
    import bottle

    app = bottle.Bottle()

    @app.post("/pay")
    def pay() -> str:
        who = reauth(bottle.request.environ, within=20)
        return f"{who.common_name} pays {bottle.request.forms.get('amount')}"

    @app.post("/late")
    def late() -> str:
        amount = bottle.request.forms.get("amount")
        return f"{reauth(bottle.request.environ, within=20).common_name} pays {amount}"

    return app


def pyramid_app() -> Any:
    from pyramid.config import Configurator
    from pyramid.response import Response

    def pay(request: Any) -> Any:
        file = request.body_file  # bound before anybody is asked
        who = reauth(request.environ, within=20)
        assert request.body_file is file or request.body_file.raw is file.raw
        return Response(f"{who.common_name} pays {request.POST.get('amount')}")

    def late(request: Any) -> Any:
        amount = request.POST.get("amount")
        return Response(f"{reauth(request.environ, within=20).common_name} pays {amount}")

    config = Configurator()
    for name, view in (("pay", pay), ("late", late)):
        config.add_route(name, f"/{name}")
        config.add_view(view, route_name=name)
    return config.make_wsgi_app()


FRAMEWORKS = {
    "Django": django_site.wsgi,
    "Flask": flask_app,
    "Falcon": falcon_app,
    "Bottle": bottle_app,
    "Pyramid": pyramid_app,
}
EACH = pytest.mark.parametrize("name", FRAMEWORKS)


@MODULES
@EACH
def test_a_form_is_there_after_asking(name, module):
    with serving(StepUp(FRAMEWORKS[name]())) as port:
        for path in ("/pay", "/late"):
            with visit(port, module) as client:
                for amount in ("100", "200"):  # the second time nobody is asked
                    answer = client.post(path, data={"amount": amount, "to": "bob"})
                    assert (answer.status_code, answer.text) == (200, f"alice pays {amount}")


@EACH
def test_a_form_is_there_below_a_protected_path(name):
    app = StepUp(FRAMEWORKS[name](), protect={"/pay": Policy(within=20, max_age=0)})
    with serving(app) as port, visit(port, standard) as client:
        for amount in ("100", "200"):
            answer = client.post("/pay", data={"amount": amount})
            assert (answer.status_code, answer.text) == (200, f"alice pays {amount}")
    with serving(app) as port, visit(port, standard, name=None) as client:
        assert client.post("/pay", data={"amount": "1"}).status_code == 403


@EACH
def test_a_large_form(name, monkeypatch):
    """Larger than any buffer on the way, and most of it in front of the answer."""
    with serving(StepUp(FRAMEWORKS[name]())) as port, visit(port, standard) as client:
        monkeypatch.setattr("bottle.BaseRequest.MEMFILE_MAX", 10_000_000)
        form = {"amount": "100", "rest": "x" * 400_000}
        answer = client.post("/pay", data=form)
        assert (answer.status_code, answer.text) == (200, "alice pays 100")
