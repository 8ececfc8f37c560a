"""What holds for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Test modules keep their assertions under python -O, for pytest makes other statements of
# them; what they share with one another does so if it is named before it is imported.
HERE = Path(__file__).parent
pytest.register_assert_rewrite(
    *(
        ".".join((HERE.name, *path.relative_to(HERE).with_suffix("").parts))
        for path in sorted(HERE.rglob("*.py"))
        if not path.name.startswith(("test_", "conftest", "__"))
    )
)

# Examples are the same on every run, so that a failure is a finding and not luck; and
# they take what time they take, since the machine does other things meanwhile.
settings.register_profile(
    "postshake",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
# `make soak` looks further: other examples each time, and many.
settings.register_profile(
    "soak",
    max_examples=3000,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile(os.environ.get("POSTSHAKE_EXAMPLES", "postshake"))
