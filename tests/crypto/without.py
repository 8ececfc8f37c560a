"""Load a module as an older ``cryptography`` would have it."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives import asymmetric


def load_without(missing: str, module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Load a second copy of a module while one kind of key cannot be imported."""
    monkeypatch.setitem(sys.modules, f"{asymmetric.__name__}.{missing}", None)
    monkeypatch.delattr(asymmetric, missing, raising=False)
    spec = importlib.util.spec_from_file_location(f"{module.__name__}_older", module.__file__)
    assert spec is not None
    assert spec.loader is not None
    older = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, older)
    spec.loader.exec_module(older)
    return older
