"""Which uvicorn ``postshake serve module:app`` takes."""

from __future__ import annotations

import sys

import pytest
import uvicorn

from postshake.cli.asgi import load
from postshake.errors import UsageError


def test_no_uvicorn(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(UsageError, match=r"need uvicorn 0\.47 or newer .*, and there is none"):
        load("shop.web:app")


def test_an_old_uvicorn(monkeypatch):
    class Config:
        def __init__(self, app, ssl_keyfile=None):
            raise AssertionError("asked without need")

    monkeypatch.setattr(uvicorn, "Config", Config)
    monkeypatch.setattr(uvicorn, "__version__", "0.46.0")
    with pytest.raises(UsageError, match=r"0\.47 or newer .*, and this is 0\.46\.0"):
        load("shop.web:app")


def test_no_such_application():
    with pytest.raises(UsageError, match="no_such_module"):
        load("no_such_module:app")
