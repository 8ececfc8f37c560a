"""Root paths that an application takes off by itself, of which no scope tells."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["own_root_paths"]

MOST = 1000  # parts of an application that are looked at


def own_root_paths(app: Any) -> frozenset[str]:
    """Find the root paths of an application, and of those that it wraps or mounts.

    FastAPI's ``root_path`` and Django's ``FORCE_SCRIPT_NAME`` make every route answer with
    them in front and without.
    """
    found: set[str] = set()
    seen: set[int] = set()
    waiting = [app]
    while waiting and len(seen) < MOST:
        part = waiting.pop()
        if part is None or id(part) in seen:
            continue
        seen.add(id(part))
        attributes = getattr(part, "__dict__", {})
        if _is_fastapi(part):
            found.add(part.root_path or "")
        waiting += (attributes.get("app"), attributes.get("router"))
        routes = attributes.get("routes")
        waiting += routes if isinstance(routes, list | tuple) else ()
    django = sys.modules.get("django.conf")
    if django is not None and django.settings.configured:
        found.add(django.settings.FORCE_SCRIPT_NAME or "")
    return frozenset(found - {""})


def _is_fastapi(app: Any) -> bool:
    return any(each.__module__ == "fastapi.applications" for each in type(app).__mro__)
