"""People's browsers at ``postshake serve``: Firefox steps up, and a picture is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.firefox import Firefox

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SHOTS = Path(__file__).parent.parent.parent / "build" / "screenshots"


def test_firefox_steps_up(serve, stage, certificates):
    server = serve("--debug-path", "/debug")
    firefox = Firefox(stage, certificates, certificates.alice)
    base = f"https://localhost:{server.port}"
    assert "This page is public. To me you are nobody." in firefox.get(f"{base}/")
    page = firefox.get(f"{base}/protected")
    assert f"This page is protected. To me you are CN={certificates.alice.name}" in page
    firefox.screenshot(SHOTS / "firefox-protected.png")
    drawn = firefox.get(f"{base}/debug")
    assert f"From here on the client is CN={certificates.alice.name}" in drawn
    firefox.screenshot(SHOTS / "firefox-ladder.png")
    assert f"you are CN={certificates.alice.name}" in firefox.get(f"{base}/")


def test_firefox_declines(serve, stage, certificates):
    server = serve()
    firefox = Firefox(stage, certificates, None)
    base = f"https://localhost:{server.port}"
    assert "You were asked for one, and declined." in firefox.get(f"{base}/protected")
    assert "To me you are nobody" in firefox.get(f"{base}/")
