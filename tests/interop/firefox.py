"""Firefox, without a window, driven by its own remote control (Marionette)."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.interop.certificates import Certificates, Who, nss_database
from tests.interop.program import PeerFailed, Stage, Stoppable, free_port
from tests.requirements import require
from tests.waiting import MOMENT

__all__ = ["Firefox", "PageFailed"]

STARTED = 90.0
"""Seconds in which it should be there, on a busy machine."""

PREFERENCES = {
    "security.tls.enable_post_handshake_auth": True,  # off by default
    "security.default_personal_cert": "Select Automatically",  # without a dialog
    "security.OCSP.enabled": 0,
    # One connection. By default it opens another one in advance, declines there, drops it
    # and comes again.
    "network.http.speculative-parallel-limit": 0,
    "browser.chrome.site_icons": False,
    # Nothing leaves the machine: all but localhost goes to a proxy that is not there.
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "network.proxy.allow_hijacking_localhost": False,
    "network.proxy.failover_direct": False,
    "network.proxy.allow_bypass": False,
    "network.trr.mode": 5,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "app.update.enabled": False,
    "app.normandy.enabled": False,
    "extensions.update.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.server": "",
    "termsofuse.bypassNotification": True,
    "dom.security.https_first": False,
}


class PageFailed(Exception):
    """A page that Firefox cannot show; the text has its reason."""


class Firefox(Stoppable):
    """A browser of its own, with at most one certificate to show."""

    def __init__(
        self, stage: Stage, certificates: Certificates, who: Who | None, *, offer: bool = True
    ) -> None:
        firefox = require("firefox-esr", "certutil", "pk12util")
        self._folder = Path(tempfile.mkdtemp(prefix="postshake-firefox-"))
        self._connection: socket.socket | None = None
        self._number = 0
        stage.hold(self)
        port = free_port()
        self._make_profile(certificates, who, {"marionette.port": port}, offer)
        self._program = stage.program(
            *(firefox, "--headless", "--marionette", "--no-remote", "--profile", self._folder),
            environment={"HOME": str(self._folder)},
        )
        self._connect(port)
        self._call("WebDriver:NewSession")

    def _make_profile(
        self, certificates: Certificates, who: Who | None, more: dict[str, Any], offer: bool
    ) -> None:
        nss_database(self._folder, certificates.ca, "CT,,", *([who] if who else []))
        preferences = {**PREFERENCES, **more}
        preferences["security.tls.enable_post_handshake_auth"] = offer
        lines = (
            f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
            for name, value in preferences.items()
        )
        (self._folder / "user.js").write_text("".join(lines))

    def _connect(self, port: int) -> None:
        deadline = time.monotonic() + STARTED
        while self._connection is None:
            if self._program.ended or time.monotonic() > deadline:
                raise PeerFailed(f"Firefox does not listen\n{self._program.log()}")
            with contextlib.suppress(OSError):
                self._connection = socket.create_connection(("127.0.0.1", port), STARTED)
            time.sleep(0.05)
        self._stream = self._connection.makefile("rb")
        self._read()  # it greets

    def _call(self, name: str, **parameters: Any) -> Any:
        assert self._connection is not None
        self._number += 1
        message = json.dumps([0, self._number, name, parameters]).encode()
        self._connection.sendall(b"%d:%s" % (len(message), message))
        _, number, error, result = self._read()
        assert number == self._number
        if error:
            raise PageFailed(f"{error['error']}: {error['message']}")
        return result

    def _read(self) -> Any:
        size = b""
        while (digit := self._stream.read(1)) != b":":
            if not digit:
                raise PeerFailed(f"Firefox is gone\n{self._program.log()}")
            size += digit
        return json.loads(self._stream.read(int(size)))

    def get(self, url: str) -> str:
        """Go to a page and return its text.

        Raises:
            PageFailed: Firefox shows an error of its own instead.
        """
        self._call("WebDriver:Navigate", url=url)
        script = "return document.body.innerText"
        return str(self._call("WebDriver:ExecuteScript", script=script, args=[])["value"])

    def screenshot(self, path: Path) -> None:
        """Keep what the page looks like."""
        path.parent.mkdir(parents=True, exist_ok=True)
        shot = self._call("WebDriver:TakeScreenshot", full=False)["value"]
        path.write_bytes(base64.b64decode(shot))

    def stop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(PageFailed, PeerFailed, OSError):
                self._call("Marionette:Quit", flags=["eForceQuit"])
            self._stream.close()
            self._connection.close()
        with contextlib.suppress(PeerFailed, AttributeError):
            self._program.wait(MOMENT)
        shutil.rmtree(self._folder, ignore_errors=True)
