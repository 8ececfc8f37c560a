"""Chromium, without a window, driven by WebDriver."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.interop.program import Stage, Stoppable
from tests.requirements import require

__all__ = ["Chromium"]


class Chromium(Stoppable):
    """A browser of its own.

    Args:
        stage: ends it with the test.
        width: the window's, in CSS pixels.
        height: the window's.
        dark: whether people here like their pages dark.
    """

    def __init__(
        self, stage: Stage, *, width: int = 1100, height: int = 1400, dark: bool = False
    ) -> None:
        chromium, driver = require("chromium", "chromedriver"), require("chromedriver")
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for argument in (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--no-proxy-server",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",
            f"--window-size={width},{height}",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        ):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        options.set_capability("acceptInsecureCerts", True)
        stage.hold(self)
        self._driver = webdriver.Chrome(options, Service(driver))
        self._driver.set_page_load_timeout(60)

    def stop(self) -> None:
        """End it."""
        if hasattr(self, "_driver"):
            self._driver.quit()

    def open(self, url: str) -> str:
        """Open a page; return its text."""
        self._driver.get(url)
        return self.text

    @property
    def text(self) -> str:
        """What a person would read."""
        return str(self._driver.find_element("css selector", "body").text)

    def all(self, selector: str) -> list[Any]:
        """Return the elements that a CSS selector finds."""
        return list(self._driver.find_elements("css selector", selector))

    def run(self, script: str) -> Any:
        """Run a script in the page; return its result."""
        return self._driver.execute_script(script)

    def screenshot(self, path: Path) -> None:
        """Keep what it looks like."""
        path.parent.mkdir(parents=True, exist_ok=True)
        assert self._driver.save_screenshot(str(path))

    def complaints(self) -> list[str]:
        """What the console says."""
        return [str(entry["message"]) for entry in self._driver.get_log("browser")]

    def requests(self) -> list[str]:
        """What it has asked the network for."""
        found = []
        for entry in self._driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                found.append(message["params"]["request"]["url"])
        return found
