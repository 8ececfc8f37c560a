"""What holds for all tests."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

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
