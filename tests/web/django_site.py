"""A site of Django's, for ASGI and WSGI; settings can be made once in a process."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["asgi", "urlpatterns", "wsgi"]

ROOT = Path(tempfile.mkdtemp(prefix="postshake-django-"))
urlpatterns: list[Any] = []


@functools.cache
def configure() -> None:
    import django
    from django.conf import settings

    settings.configure(
        ROOT_URLCONF=__name__,
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="x",
        MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
        DATA_UPLOAD_MAX_MEMORY_SIZE=100 * 1024 * 1024,
        LOGGING_CONFIG=None,
    )
    django.setup()
    from django.urls import path, re_path
    from django.views.static import serve

    (ROOT / "private").mkdir()
    (ROOT / "private" / "secret.txt").write_text("SECRET")
    urlpatterns.extend(
        [
            re_path(r"^admin$", secret),
            path("admin/<path:rest>", secret),
            re_path(r"^static/(?P<path>.*)$", serve, {"document_root": str(ROOT)}),
            path("pay", pay),
            path("late", late),
        ]
    )


def secret(request: Any, rest: str = "") -> Any:
    from django.http import HttpResponse

    return HttpResponse("SECRET")


def pay(request: Any) -> Any:
    """Ask who it is, and then look at the form."""
    from django.http import HttpResponse

    from postshake.web.wsgi import reauth

    who = reauth(request.environ, within=20)
    amount = request.POST.get("amount")
    return HttpResponse(f"{who.common_name} pays {amount}")


def late(request: Any) -> Any:
    """Look at all of the form before asking who it is."""
    from django.http import HttpResponse

    from postshake.web.wsgi import reauth

    amount = request.POST.get("amount")
    who = reauth(request.environ, within=20)
    return HttpResponse(f"{who.common_name} pays {amount}")


def asgi() -> Any:
    configure()
    from django.core.asgi import get_asgi_application

    return get_asgi_application()


def wsgi() -> Any:
    configure()
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()
