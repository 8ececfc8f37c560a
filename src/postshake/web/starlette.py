"""For Starlette and FastAPI: a decorator, a dependency, and a refusal that they know."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from starlette.requests import HTTPConnection

from ..pki.identity import Identity
from ..ssl.reauth import Authority
from .asgi import step_up
from .policy import Policy

__all__ = ["certificate", "requires_certificate"]


def certificate(
    authorities: Iterable[Authority] = (), *, within: float = 30.0, max_age: float | None = None
) -> Callable[[HTTPConnection], Awaitable[Identity]]:
    """Make a FastAPI dependency that is the client's Identity.

    ``async def admin(who: Annotated[Identity, Depends(certificate(within=30))])``
    """
    policy = Policy.of(authorities, within=within, max_age=max_age)

    async def identity(request: HTTPConnection) -> Identity:
        return await step_up(request, policy)

    # FastAPI looks the annotations up by name, where this module's are not known
    identity.__annotations__ = {"request": HTTPConnection, "return": Identity}
    return identity


def requires_certificate(
    authorities: Iterable[Authority] = (), *, within: float = 30.0, max_age: float | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Awaitable[Any]]]:
    """Decorate a Starlette endpoint, ``async def endpoint(request)``: it needs a certificate.

    The endpoint finds the Identity in ``request.state.identity``.
    """
    policy = Policy.of(authorities, within=within, max_age=max_age)

    def decorate(endpoint: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
        @functools.wraps(endpoint)
        async def asking(request: HTTPConnection, *arguments: Any, **options: Any) -> Any:
            request.state.identity = await step_up(request, policy)
            return await endpoint(request, *arguments, **options)

        return asking

    return decorate
